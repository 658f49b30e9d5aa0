"""A queue of the tool's own that listens to the customers' notifications during a run."""

from __future__ import annotations

import json
import re
import uuid
from collections import Counter
from collections.abc import Iterable
from types import TracebackType
from typing import Any

from ecom_cli.aws import Stage

TOPICS = {
    "out_of_stock": ("inventory-service", "StockNotificationsTopic"),
    "payment_failed": ("payment-service", "PaymentFailureTopic"),
    "shipping": ("shipping-service", "ShippingNotificationTopic"),
}
"""The three notification topics, by the word for them in the report."""

RETENTION_SECONDS = 3600
_ORDER_ID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}")


class Mailbox:
    """Subscribed to the topics inside a `with` block; queue and subscriptions are removed after it."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage
        self._sqs, self._sns = stage.client("sqs"), stage.client("sns")
        self._topics: dict[str, str] = {}
        self._subscriptions: list[str] = []
        self._url = ""
        self._mails: list[tuple[str, frozenset[str]]] = []

    def __enter__(self) -> Mailbox:
        self._topics = {self._stage.physical_id(*where): word for word, where in TOPICS.items()}
        name = f"ecom-{self._stage.name}-demo-{uuid.uuid4().hex[:8]}"
        self._url = self._sqs.create_queue(
            QueueName=name,
            Attributes={
                "MessageRetentionPeriod": str(RETENTION_SECONDS),
                # keys managed by SQS: the topics may deliver without a right on a key of ours
                "SqsManagedSseEnabled": "true",
            },
        )["QueueUrl"]
        try:
            self._subscribe()
        except BaseException:
            self._remove()
            raise
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._remove()

    def read(self, wait_seconds: int = 0) -> int:
        """Take what has arrived; how many that were. Waits so long for a first one."""
        count = 0
        while True:
            answer = self._sqs.receive_message(
                QueueUrl=self._url, MaxNumberOfMessages=10, WaitTimeSeconds=0 if count else wait_seconds
            )
            messages = answer.get("Messages", [])
            if not messages:
                return count
            count += len(messages)
            self._mails += [parse_mail(message["Body"], self._topics) for message in messages]
            self._sqs.delete_message_batch(
                QueueUrl=self._url,
                Entries=[
                    {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                    for number, message in enumerate(messages)
                ],
            )

    def count(self, order_ids: Iterable[str]) -> dict[str, int]:
        """Notifications about these orders, by the topic's word; every topic is named, be it with 0."""
        wanted = set(order_ids)
        found = Counter(topic for topic, named in self._mails if named & wanted)
        return {word: found[word] for word in TOPICS}

    def _subscribe(self) -> None:
        arn = self._sqs.get_queue_attributes(QueueUrl=self._url, AttributeNames=["QueueArn"])["Attributes"][
            "QueueArn"
        ]
        policy = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"Service": "sns.amazonaws.com"},
                    "Action": "sqs:SendMessage",
                    "Resource": arn,
                    "Condition": {"ArnEquals": {"aws:SourceArn": sorted(self._topics)}},
                }
            ],
        }
        self._sqs.set_queue_attributes(QueueUrl=self._url, Attributes={"Policy": json.dumps(policy)})
        for topic in self._topics:
            answer = self._sns.subscribe(
                TopicArn=topic, Protocol="sqs", Endpoint=arn, ReturnSubscriptionArn=True
            )
            self._subscriptions.append(answer["SubscriptionArn"])

    def _remove(self) -> None:
        for subscription in self._subscriptions:
            self._sns.unsubscribe(SubscriptionArn=subscription)
        self._subscriptions.clear()
        self._sqs.delete_queue(QueueUrl=self._url)


def parse_mail(body: str, topics: dict[str, str]) -> tuple[str, frozenset[str]]:
    """The topic's word and the order ids named in a message as SNS puts it on a queue.

    A topic that is not in `topics` (ARN → word) is called `other`.
    """
    envelope: dict[str, Any] = json.loads(body)
    topic = topics.get(str(envelope.get("TopicArn")), "other")
    return topic, frozenset(_ORDER_ID.findall(str(envelope.get("Message", ""))))
