"""A service's function between a bus, queues and a table on moto: SQS batches in, facts on the bus out.

Imports ``ecom_common``, which reads the environment: set that first, as for the fakes.
"""

from __future__ import annotations

import importlib
import json
import os
import sys
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING, Any

import boto3

from ecom_common import clients
from ecom_testkit.lambdas import REGION, context, sqs_event
from ecom_testkit.tables import make_table, rows

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

COMMON_VARIABLES = (
    "STAGE",
    "TABLE_NAME",
    "EVENT_BUS_NAME",
    "PARKING_QUEUE_URL",
    "KMS_KEY_ARN",
    "RETRY_BASE_SECONDS",
)
"""What every function is told."""


def load(app: str) -> ModuleType:
    """Import an entry point anew, as a new sandbox does: with the environment of now and its own clients."""
    sys.modules.pop(app, None)
    clients._client.cache_clear()  # noqa: SLF001 - only a new sandbox makes new clients
    return importlib.import_module(app)


class Cloud:
    """The bus with an SQS target that hears every fact of the service, the queues, and its functions.

    To be made under moto. `app` is the module of the entry points, `queue` the one its batches come from.
    """

    def __init__(self, environment: Any, *, app: str, template: Path, table: str, queue: str) -> None:
        self.sqs: SQSClient = boto3.client("sqs", region_name=REGION)
        self.dynamodb = boto3.client("dynamodb", region_name=REGION)
        events = boto3.client("events", region_name=REGION)
        make_table(self.dynamodb, template, table)
        self._name = queue
        self.queue, self.parking, self.heard = (
            self.sqs.create_queue(QueueName=name)["QueueUrl"] for name in (queue, "parking", "heard")
        )
        source = os.environ["POWERTOOLS_SERVICE_NAME"]
        events.create_event_bus(Name="bus")
        events.put_rule(Name="all", EventBusName="bus", EventPattern=json.dumps({"source": [source]}))
        target = self.sqs.get_queue_attributes(QueueUrl=self.heard, AttributeNames=["QueueArn"])
        arn = target["Attributes"]["QueueArn"]
        events.put_targets(Rule="all", EventBusName="bus", Targets=[{"Id": "heard", "Arn": arn}])
        environment.setenv("PARKING_QUEUE_URL", self.parking)
        self.app = load(app)

    def receive(self, url: str) -> list[Any]:
        answer = self.sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"])
        return list(answer.get("Messages", []))

    def facts(self) -> list[dict[str, Any]]:
        """What is on the bus since the last look."""
        return [json.loads(message["Body"]) for message in self.receive(self.heard)]

    def invoke(
        self, *messages: Any, attempt: int = 1, function: str = "handler", queue: str | None = None
    ) -> list[str]:
        """Run a function. Returns the message ids that must come again."""
        event = sqs_event(*messages, attempt=attempt, queue=queue or self._name)
        answer = getattr(self.app, function)(event, context())
        return [failure["itemIdentifier"] for failure in answer["batchItemFailures"]]

    def states(self) -> dict[str, str]:
        """The state of each row, by order."""
        return {row["orderId"]: row["state"] for row in rows(self.dynamodb)}
