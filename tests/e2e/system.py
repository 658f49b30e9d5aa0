"""One private copy of the whole system: an emulator, the five stacks, and ears on its bus and its mails."""

from __future__ import annotations

import io
import json
import os
import shutil
import signal
import subprocess
import threading
import time
import zipfile
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Generic, TypeVar

from iam.calls import Place, Use, read

from ecom_cli.aws import EMULATOR_REGION, LOCAL_STAGE, Stage
from ecom_cli.delivery.deploy import deploy
from ecom_cli.emulator import Running, start, stop
from ecom_cli.progress import Reporter

T = TypeVar("T")
Json = Any

WORK_QUEUES: Mapping[str, str] = {
    "OrderLifecycleQueue": "order-service",
    "InventoryQueue": "inventory-service",
    "InventoryCompensationQueue": "inventory-service",
    "PaymentQueue": "payment-service",
    "ShippingQueue": "shipping-service",
    "ShippingDLQ": "shipping-service",
}
"""Queues that a function reads, and the stack each is in."""

DEAD_LETTER_QUEUES: Mapping[str, str] = {
    "OrderLifecycleDLQ": "order-service",
    "InventoryDLQ": "inventory-service",
    "InventoryCompensationDLQ": "inventory-service",
    "PaymentDLQ": "payment-service",
    "ShippingParkingQueue": "shipping-service",
}
"""Queues that nobody reads but people."""

TOPICS: Mapping[str, str] = {
    "StockNotificationsTopic": "inventory-service",
    "PaymentFailureTopic": "payment-service",
    "ShippingNotificationTopic": "shipping-service",
}

OTHERS = ("base-infra", "order-service", "inventory-service", "payment-service")

PARAMETERS: Mapping[str, str] = {
    "RetryBaseSeconds": "1",
    # only what a test forces fails
    "DeclineRatePercent": "0",
    # the sweeper runs when a test says so
    "SweepState": "DISABLED",
    "ResendAfterSeconds": "1",
}

SHIPPING_PARAMETERS: Mapping[str, str] = {
    # Seven failures in a row are a minute's wait at the least base that grows, 1 s.
    "RetryBaseSeconds": "0",
    "CarrierFailureRatePercent": "0",
}

POLL_SECONDS = 0.05

ATTEMPT = """
import boto3
from botocore.exceptions import ClientError

def handler(calls, context):
    answers = []
    for service, operation, parameters in calls:
        try:
            getattr(boto3.client(service), operation)(**parameters)
            answers.append("ok")
        except ClientError as error:
            answers.append(error.response["Error"]["Code"])
    return answers
"""

RECORDER = Path(__file__).parent / "recorder"
"""Holds a `sitecustomize` that writes down what the functions call."""


def eventually(look: Callable[[], T | None], complain: Callable[[], str], *, within: float) -> T:
    """Look until there is something to see. Fails with what `complain` says after `within` seconds."""
    deadline = time.monotonic() + within
    while True:
        # read the clock first: a look that began in time counts
        late = time.monotonic() > deadline
        found = look()
        if found is not None and found is not False:
            return found
        if late:
            raise AssertionError(f"{complain()} ({within:g} s)")
        time.sleep(POLL_SECONDS)


@dataclass(frozen=True)
class Mail:
    """A notification to a customer: the topic's logical id and the text."""

    topic: str
    text: str


@dataclass(frozen=True)
class Event:
    """A fact as it was on the bus."""

    source: str
    detail_type: str
    detail: Mapping[str, Any]

    @property
    def order_id(self) -> str:
        return str(self.detail.get("data", {}).get("orderId"))

    @property
    def event_id(self) -> str:
        return str(self.detail["metadata"]["eventId"])

    @property
    def data(self) -> Mapping[str, Any]:
        data: Mapping[str, Any] = self.detail["data"]
        return data


class Inbox(Generic[T]):
    """A queue of the tests' own that keeps everything it was sent, in the order of arrival."""

    def __init__(self, sqs: Any, name: str, read: Callable[[str], T]) -> None:
        self._sqs = sqs
        self._read = read
        self._kept: list[T] = []
        self._lock = threading.Lock()
        self.url: str = sqs.create_queue(QueueName=name)["QueueUrl"]
        attributes = sqs.get_queue_attributes(QueueUrl=self.url, AttributeNames=["QueueArn"])
        self.arn: str = attributes["Attributes"]["QueueArn"]
        statement = {
            "Effect": "Allow",
            "Principal": {"Service": ["events.amazonaws.com", "sns.amazonaws.com"]},
            "Action": "sqs:SendMessage",
            "Resource": self.arn,
        }
        policy = {"Version": "2012-10-17", "Statement": [statement]}
        sqs.set_queue_attributes(QueueUrl=self.url, Attributes={"Policy": json.dumps(policy)})

    def all(self) -> list[T]:
        """Everything so far."""
        with self._lock:
            while messages := take(self._sqs, self.url):
                self._kept += [self._read(message["Body"]) for message in messages]
            return list(self._kept)


def take(sqs: Any, url: str) -> list[dict[str, Any]]:
    """Up to ten messages, taken off their queue."""
    answer = sqs.receive_message(
        QueueUrl=url, MaxNumberOfMessages=10, MessageAttributeNames=["All"], AttributeNames=["All"]
    )
    messages: list[dict[str, Any]] = answer.get("Messages", [])
    if messages:
        sqs.delete_message_batch(
            QueueUrl=url,
            Entries=[
                {"Id": str(number), "ReceiptHandle": message["ReceiptHandle"]}
                for number, message in enumerate(messages)
            ],
        )
    return messages


class System:
    """The deployed system, as a tester with all rights sees it."""

    def __init__(self, stage: Stage, running: Running, recorded: Path) -> None:
        self.stage = stage
        self.recorded = recorded
        """One line of JSON for each AWS call of a function: its name, service, operation, parameters."""
        self._running = running
        sqs = stage.client("sqs")
        self.mails: Inbox[Mail] = Inbox(sqs, "e2e-mails", self._mail)
        self.tap: Inbox[Event] = Inbox(sqs, "e2e-tap", _event)
        self._topics = {self.stage.physical_id(TOPICS[topic], topic): topic for topic in TOPICS}
        for topic in self._topics:
            stage.client("sns").subscribe(TopicArn=topic, Protocol="sqs", Endpoint=self.mails.arn)
        events, bus = stage.client("events"), self.bus
        pattern = {"source": [{"suffix": ".service"}]}
        events.put_rule(Name="e2e-tap", EventBusName=bus, EventPattern=json.dumps(pattern))
        events.put_targets(Rule="e2e-tap", EventBusName=bus, Targets=[{"Id": "e2e-tap", "Arn": self.tap.arn}])

    @classmethod
    @contextmanager
    def launched(cls, folder: Path) -> Iterator[System]:
        """A new emulator with all five stacks on it, gone after the block.

        `folder` holds the emulator's files while it runs; its log and the functions' AWS calls stay.
        """
        recorded = folder / "calls.jsonl"
        running = start(folder, inherited={"PYTHONPATH": str(RECORDER), "ECOM_RECORDED_CALLS": str(recorded)})
        try:
            stage = Stage(LOCAL_STAGE, EMULATOR_REGION, running.endpoint_url, own_emulator=True)
            for services, own in ((OTHERS, PARAMETERS), (["shipping-service"], SHIPPING_PARAMETERS)):
                deploy(stage, services, own, report=Reporter(quiet=True))
            yield cls(stage, running, recorded)
        finally:
            stop(running.process.pid)
            running.process.communicate()
            # Each process of a function had an unpacked zip of its own; the log stays.
            shutil.rmtree(folder / "tmp", ignore_errors=True)

    @property
    def bus(self) -> str:
        return self.stage.physical_id("base-infra", "EcomEventBus")

    @property
    def key(self) -> str:
        """ARN of the stage's key."""
        key = self.stage.client("kms").describe_key(KeyId=self.stage.physical_id("base-infra", "MyKmsKey"))
        return str(key["KeyMetadata"]["Arn"])

    @property
    def account(self) -> str:
        return self.key.split(":")[4]

    def queue_url(self, logical_id: str) -> str:
        return self.stage.physical_id({**WORK_QUEUES, **DEAD_LETTER_QUEUES}[logical_id], logical_id)

    def send(self, queue: str, body: str) -> None:
        """Put any text on one of the system's queues."""
        self.stage.client("sqs").send_message(QueueUrl=self.queue_url(queue), MessageBody=body)

    def publish(self, *events: Event) -> None:
        """Put events on the bus as they are. Fails if the bus refuses one."""
        client = self.stage.client("events")
        for start_at in range(0, len(events), 10):
            answer = client.put_events(
                Entries=[
                    {
                        "EventBusName": self.bus,
                        "Source": event.source,
                        "DetailType": event.detail_type,
                        "Detail": json.dumps(event.detail),
                    }
                    for event in events[start_at : start_at + 10]
                ]
            )
            assert answer["FailedEntryCount"] == 0, answer

    def sweep(self) -> None:
        """Let the sweeper run once, as its schedule would every minute."""
        answer = self.stage.client("lambda").invoke(
            FunctionName=self.stage.physical_id("order-service", "OrderLambda"), Payload=b'{"sweep": true}'
        )
        said = answer["Payload"].read().decode()
        assert not answer.get("FunctionError"), f"the sweeper crashed: {said}"

    @contextmanager
    def deaf(self, stack: str, rule: str) -> Iterator[None]:
        """Inside the block the rule is off: what it should deliver is lost."""
        events, name = self.stage.client("events"), self._rule_name(stack, rule)
        events.disable_rule(Name=name, EventBusName=self.bus)
        try:
            yield
        finally:
            events.enable_rule(Name=name, EventBusName=self.bus)

    @contextmanager
    def asleep(self, stack: str, mapping: str) -> Iterator[None]:
        """Inside the block the function takes nothing from the mapping's queue: it waits there."""
        client, uuid = self.stage.client("lambda"), self.stage.physical_id(stack, mapping)
        client.update_event_source_mapping(UUID=uuid, Enabled=False)
        try:
            yield
        finally:
            client.update_event_source_mapping(UUID=uuid, Enabled=True)

    @contextmanager
    def forbidden(self, stack: str, role: str, *actions: str) -> Iterator[None]:
        """Inside the block the role may not do this, as if its permission were missing."""
        iam = self.stage.client("iam")
        # CloudFormation's answer may be the role's name or its ARN.
        name = self.stage.physical_id(stack, role).rpartition("/")[2]
        denied = {"Effect": "Deny", "Action": list(actions), "Resource": "*"}
        document = json.dumps({"Version": "2012-10-17", "Statement": [denied]})
        iam.put_role_policy(RoleName=name, PolicyName="e2e-forbidden", PolicyDocument=document)
        try:
            yield
        finally:
            iam.delete_role_policy(RoleName=name, PolicyName="e2e-forbidden")

    def attempt(self, stack: str, role: str, calls: Sequence[tuple[str, str, Json]]) -> list[str]:
        """Make AWS calls in a function of the tests' own with this role: each call's error code, or "ok"."""
        client, name = self.stage.client("lambda"), f"e2e-as-{role}"
        zipped = io.BytesIO()
        with zipfile.ZipFile(zipped, "w") as archive:
            archive.writestr("attempt.py", ATTEMPT)
        role_name = self.stage.physical_id(stack, role).rpartition("/")[2]
        client.create_function(
            FunctionName=name,
            Role=self.stage.client("iam").get_role(RoleName=role_name)["Role"]["Arn"],
            Runtime="python3.13",
            Handler="attempt.handler",
            Timeout=30,
            Code={"ZipFile": zipped.getvalue()},
        )
        try:
            answer = client.invoke(FunctionName=name, Payload=json.dumps(calls).encode())
            said = json.loads(answer["Payload"].read())
            assert not answer.get("FunctionError"), said
            codes: list[str] = said
            return codes
        finally:
            client.delete_function(FunctionName=name)

    def calls(self) -> dict[str, set[Use]]:
        """The permissions that the functions have used so far, by their name (`ecom-{stage}-order`)."""
        place = Place(self.stage.name, self.account, self.stage.region, self.key)
        own = f'["ecom-{self.stage.name}-'
        return read((line for line in self._written() if line.startswith(own)), place)

    def put_off(self, queue: str) -> int:
        """How often a function has put off a record of a queue so far."""
        calls = map(json.loads, self._written())
        return sum(
            (operation, parameters.get("QueueUrl", "").rpartition("/")[2])
            == ("ChangeMessageVisibility", self.queue_url(queue).rpartition("/")[2])
            for _, _, operation, parameters in calls
        )

    def _written(self) -> list[str]:
        """The lines of the recorder."""
        if not self.recorded.exists():
            return []
        # The last line may be half there: it is being written.
        return self.recorded.read_text(encoding="utf-8").rpartition("\n")[0].splitlines()

    def backlog(self) -> dict[str, int]:
        """How many messages wait or are being worked on, by queue; empty queues are left out."""
        counted = {}
        for queue in WORK_QUEUES:
            answer = self.stage.client("sqs").get_queue_attributes(
                QueueUrl=self.queue_url(queue),
                AttributeNames=["ApproximateNumberOfMessages", "ApproximateNumberOfMessagesNotVisible"],
            )
            counted[queue] = sum(int(number) for number in answer["Attributes"].values())
        return {queue: number for queue, number in counted.items() if number}

    def wait_quiet(self, within: float = 30) -> None:
        """Until no message waits or is worked on anywhere, and nothing new was said meanwhile."""
        heard = -1

        def quiet() -> bool:
            nonlocal heard
            before, heard = heard, len(self.tap.all())
            return not self.backlog() and before == heard == len(self.tap.all()) and not self.backlog()

        eventually(quiet, lambda: f"the system does not come to rest: {self.backlog()}", within=within)

    def set_visibility(self, seconds: int) -> None:
        """For every work queue: how long a received message stays hidden if nobody finishes it."""
        for queue in WORK_QUEUES:
            self.stage.client("sqs").set_queue_attributes(
                QueueUrl=self.queue_url(queue), Attributes={"VisibilityTimeout": str(seconds)}
            )

    def workers(self) -> list[int]:
        """The processes that run the functions' code: children of the emulator."""
        return [
            pid for pid, parent, command in _processes() if parent == self._pid and "_worker.py" in command
        ]

    def kill_workers(self) -> int | None:
        """kill -9 for every one of them; how many those were, None if there was none."""
        killed = 0
        for pid in self.workers():
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue  # it has ended by itself since we looked
            killed += 1
        return killed or None

    @property
    def _pid(self) -> int:
        return self._running.process.pid

    def _mail(self, body: str) -> Mail:
        envelope = json.loads(body)
        return Mail(self._topics[envelope["TopicArn"]], str(envelope["Message"]))

    def _rule_name(self, stack: str, rule: str) -> str:
        # A rule on a bus of one's own is `bus|rule` to CloudFormation.
        return self.stage.physical_id(stack, rule).rpartition("|")[2]


def _event(body: str) -> Event:
    event = json.loads(body)
    return Event(event["source"], event["detail-type"], event["detail"])


def _processes() -> Iterator[tuple[int, int, str]]:
    """Pid, parent's pid and command line of every process."""
    if not Path("/proc/self/stat").exists():
        listing = subprocess.run(
            ["ps", "-axo", "pid=,ppid=,command="], capture_output=True, text=True, check=True
        ).stdout
        for line in listing.splitlines():
            pid, parent, command = line.split(maxsplit=2)
            yield int(pid), int(parent), command
        return
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            # the command's name is in brackets and may hold spaces: count from the last bracket (proc(5))
            stat = (folder / "stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
        except OSError:
            continue  # it has ended since we looked
        yield int(folder.name), int(stat[1]), command
