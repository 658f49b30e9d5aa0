"""The same calls on the simulated queues and on an emulator's, and where their answers differ."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from random import Random
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from simulation.messages import MOST_BYTES
from simulation.queues import LONGEST_VISIBILITY, Message, Queue, record
from simulation.topology import QueueSpec

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient

Chain = Mapping[str, tuple[str, int] | None]
PAIR: Chain = {"Work": ("Failed", 2), "Failed": None}
"""Queue, where it moves what was received too often, and how often that is."""
CHAIN: Chain = {"Work": ("Failed", 2), "Failed": ("Parked", 3), "Parked": None}

HIDDEN = 30
TEXT = {"DataType": "String", "StringValue": "why"}

REFUSED: Mapping[str, tuple[str, dict[str, Any], int]] = {
    "an empty body": ("", {}, 0),
    "a control character": ("a\x00b", {}, 0),
    "no character at all": ("a\uffffb", {}, 0),
    "a body one byte too long": ("x" * (MOST_BYTES + 1), {}, 0),
    "attributes that make it too long": ("x" * (MOST_BYTES - 3), {"k": TEXT}, 0),
    "an empty attribute": ("a", {"k": TEXT | {"StringValue": ""}}, 0),
    "a control character in an attribute": ("a", {"k": TEXT | {"StringValue": "\x00"}}, 0),
    "an attribute of no known type": ("a", {"k": TEXT | {"DataType": "Text"}}, 0),
    "an attribute named like AWS's": ("a", {"AWS.k": TEXT}, 0),
    "eleven attributes": ("a", {f"k{number}": TEXT for number in range(11)}, 0),
    "a delay too long": ("a", {}, 901),
    "a negative delay": ("a", {}, -1),
}
"""What SendMessage has to refuse: body, attributes, delay."""


class Told(Random):
    """Takes the choices that AWS leaves open as the emulator took them."""

    def __init__(self) -> None:
        super().__init__(0)
        self.told: float | None = None

    def random(self) -> float:
        return super().random() if self.told is None else self.told

    def randrange(self, *args: Any) -> int:
        return super().randrange(*args) if self.told is None else int(self.told)


class Duel:
    """Both sides. A message is known by its body; `receipts` are pairs (simulated, emulated), oldest first.

    `differences` says what one side did and the other did not, by circumstance.
    """

    def __init__(self, sqs: SQSClient, prefix: str, chain: Chain = PAIR, seed: int = 0) -> None:
        self._sqs = sqs
        self._rng = Random(seed)
        self._told = Told()
        self.differences: dict[str, str] = {}
        self.urls: dict[str, str] = {}
        self.simulated: dict[str, Queue] = {}
        for name, policy in reversed(list(chain.items())):
            self._make(name, f"{prefix}-{name.lower()}", policy)
        self._now = 1_000_000.0
        self._sent = 0
        self._receipts: dict[tuple[str, str], list[tuple[str, str]]] = {}

    def _make(self, name: str, physical: str, policy: tuple[str, int] | None) -> None:
        attributes = {"VisibilityTimeout": str(HIDDEN)}
        if policy:
            redrive = {"deadLetterTargetArn": self._arn(policy[0]), "maxReceiveCount": policy[1]}
            attributes["RedrivePolicy"] = json.dumps(redrive)
        self.urls[name] = self._sqs.create_queue(QueueName=physical, Attributes=attributes)["QueueUrl"]  # type: ignore[arg-type]
        to, most = policy or (None, None)
        spec = QueueSpec(name, physical, self._arn(name), self.urls[name], HIDDEN, 345600, to, most, False)
        self.simulated[name] = Queue(spec, self._told, self._move)

    def _arn(self, name: str) -> str:
        answer = self._sqs.get_queue_attributes(QueueUrl=self.urls[name], AttributeNames=["QueueArn"])
        return answer["Attributes"]["QueueArn"]

    def _move(self, message: Message, to: str) -> None:
        self.simulated[to].put(message, self._now)

    def close(self) -> None:
        for url in self.urls.values():
            self._sqs.delete_queue(QueueUrl=url)

    # -------------------------------------------------------------------------------------------- one call

    def compare(self, circumstance: str, simulated: object, emulated: object) -> None:
        if simulated != emulated:
            self.differences[circumstance] = f"simulated {simulated}, emulated {emulated}"

    def send(self, body: str, attributes: dict[str, Any], delay: int, circumstance: str) -> None:
        simulated = answer_of(lambda: self.simulated["Work"].send(body, self._now, attributes, delay))
        request: dict[str, Any] = {"DelaySeconds": delay} if delay else {}
        emulated = answer_of(
            lambda: self._sqs.send_message(
                QueueUrl=self.urls["Work"], MessageBody=body, MessageAttributes=attributes, **request
            )
        )
        self.compare(f"send: {circumstance}", simulated, emulated)

    def receive(self, name: str, circumstance: str = "") -> None:
        queue = self.simulated[name]
        received = {message.body: record(message, queue.spec) for message in queue.receive(10, self._now)}
        answer = self._sqs.receive_message(
            QueueUrl=self.urls[name],
            MaxNumberOfMessages=10,
            MessageSystemAttributeNames=["All"],
            MessageAttributeNames=["All"],
        )
        emulated = {message["Body"]: message for message in answer.get("Messages", [])}
        self.compare(f"receive: which messages of {circumstance or name}", sorted(received), sorted(emulated))
        for body in sorted(received.keys() & emulated.keys()):
            ours, theirs = received[body], emulated[body]
            self._receipts.setdefault((name, body), []).append(
                (ours["receiptHandle"], theirs["ReceiptHandle"])
            )
            count = "ApproximateReceiveCount"
            self.compare(
                f"receive: {count} in {name}",
                ours["attributes"][count],
                theirs["Attributes"].get(count),  # type: ignore[call-overload]
            )
            self.compare("receive: MD5OfBody", ours["md5OfBody"], theirs["MD5OfBody"])
            source = "DeadLetterQueueSourceArn"
            self.compare(
                f"receive: {source}",
                ours["attributes"].get(source),
                theirs["Attributes"].get(source),  # type: ignore[call-overload]
            )
            self.compare(
                "receive: message attributes",
                {key: value["stringValue"] for key, value in ours["messageAttributes"].items()},
                {key: value["StringValue"] for key, value in theirs.get("MessageAttributes", {}).items()},
            )

    def delete(self, name: str, receipts: tuple[str, str], circumstance: str) -> None:
        emulated = answer_of(
            lambda: self._sqs.delete_message(QueueUrl=self.urls[name], ReceiptHandle=receipts[1])
        )
        simulated = answer_of(lambda: self.simulated[name].delete(receipts[0], self._now))
        self.compare(f"delete: {circumstance}", simulated, emulated)

    def change(self, name: str, receipts: tuple[str, str], seconds: int, circumstance: str) -> None:
        emulated = answer_of(
            lambda: self._sqs.change_message_visibility(
                QueueUrl=self.urls[name], ReceiptHandle=receipts[1], VisibilityTimeout=seconds
            )
        )
        simulated = answer_of(lambda: self.simulated[name].change_visibility(receipts[0], seconds, self._now))
        self.compare(f"change visibility: {circumstance}", simulated, emulated)

    # --------------------------------------------------------------------------------- calls one by one

    def refusals(self) -> None:
        """What must not be sent, and what no handle of the queue can do."""
        for circumstance, (body, attributes, delay) in REFUSED.items():
            self.send(body, attributes, delay, circumstance)
        self.delete("Work", ("nonsense", "nonsense"), "nonsense for a handle")
        self.change("Work", ("nonsense", "nonsense"), 5, "nonsense for a handle")

    def one_life(self) -> None:
        """One message that everything happens to that has one outcome only."""
        (work, body) = ("Work", "one life")
        self.send(body, {"note": TEXT}, 0, "with an attribute")
        self.receive(work)
        receipts = self._receipts[work, body][-1]
        for seconds in (-1, LONGEST_VISIBILITY + 1):
            self.change(work, receipts, seconds, f"{seconds} s")
        self._now += 1
        self.change(work, receipts, LONGEST_VISIBILITY, "twelve hours after a second")
        self.delete("Failed", receipts, "a handle of another queue")
        self.change("Failed", receipts, 5, "a handle of another queue")
        self.change(work, receipts, 0, "to be seen at once")
        self.receive(work)
        self.delete(work, self._receipts[work, body][-1], "in flight")
        self.delete(work, self._receipts[work, body][-1], "a second time")
        self.change(work, self._receipts[work, body][-1], 5, "of what is deleted")

    def hide_what_is_visible(self) -> None:
        """A handle whose time has run out hides nothing: the message is for whoever comes next."""
        self.send("visible", {}, 0, "what may be sent")
        self.receive("Work")
        self.change("Work", self._receipts["Work", "visible"][-1], 0, "to be seen at once")
        self._told.told = 0.9
        self.change("Work", self._receipts["Work", "visible"][-1], HIDDEN, "of what is visible again")
        self._told.told = None
        self.receive("Work")

    def way_down(self) -> None:
        """A message that nobody deletes, down a chain of three queues, seen at once after each receive."""
        self.send("sinking", {}, 0, "what may be sent")
        for name, receives in (("Work", 2), ("Failed", 3), ("Parked", 1)):
            for number in range(1, receives + 2):
                self.receive(name, f"{name}, time {number}")
                if "sinking" in self._in_flight(name) and (name, "sinking") in self._receipts:
                    self.change(name, self._receipts[name, "sinking"][-1], 0, f"in {name}")

    # ---------------------------------------------------------------------------------- calls at random

    def random_calls(self, number: int) -> None:
        """Messages sent, received, shown again, deleted, moved on, in any order; at most eight at a time."""
        for _ in range(number):
            self._now += 0.001
            act = self._rng.choices(
                (self._send, self._receive, self._show, self._delete, self._old), (3, 4, 6, 2, 2)
            )
            act[0]()

    def drain(self) -> None:
        """Everything is shown again and received, queue by queue, until nothing is left anywhere."""
        for name in self.urls:
            for body in sorted(self._in_flight(name)):
                self.change(name, self._receipts[name, body][-1], 0, "to be seen at once")
            self.receive(name)
            for body in sorted(self._in_flight(name)):
                self.delete(name, self._receipts[name, body][-1], "in flight")

    def _in_flight(self, name: str) -> list[str]:
        return [m.body for m in self.simulated[name].messages.values() if m.visible_at > self._now]

    def _send(self) -> None:
        if sum(len(queue.messages) for queue in self.simulated.values()) < 8:
            self._sent += 1
            attributes = {"note": TEXT | {"StringValue": f"ä{self._sent}"}} if self._sent % 2 else {}
            self.send(f"message {self._sent} ä", attributes, 0, "what may be sent")

    def _receive(self) -> None:
        self.receive(self._rng.choice(("Work", "Work", "Failed")))

    def _some(self) -> tuple[str, str] | None:
        found = [(name, body) for name in self.urls for body in self._in_flight(name)]
        return self._rng.choice(found) if found else None

    def _show(self) -> None:
        if some := self._some():
            self.change(some[0], self._receipts[some][-1], 0, "to be seen at once")

    def _delete(self) -> None:
        if some := self._some():
            self.delete(some[0], self._receipts[some][-1], "in flight")

    def _old(self) -> None:
        """A handle of a message that was received again since: AWS is free, so the emulator leads."""
        some = self._some()
        if some is None or len(self._receipts[some]) < 2:
            return
        name, older, latest = some[0], self._receipts[some][0], self._receipts[some][-1]
        url = self.urls[name]
        if self._rng.random() < 0.5:
            emulated = answer_of(
                lambda: self._sqs.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=older[1], VisibilityTimeout=HIDDEN
                )
            )
            self._told.told = 1 if emulated == "success" else 0
            simulated = answer_of(lambda: self.simulated[name].change_visibility(older[0], HIDDEN, self._now))
            self.compare("change visibility: with an older handle", simulated, emulated)
        else:
            emulated = answer_of(lambda: self._sqs.delete_message(QueueUrl=url, ReceiptHandle=older[1]))
            still_there = answer_of(
                lambda: self._sqs.change_message_visibility(
                    QueueUrl=url, ReceiptHandle=latest[1], VisibilityTimeout=HIDDEN
                )
            )
            self._told.told = 0.1 if still_there == "success" else 0.9
            simulated = answer_of(lambda: self.simulated[name].delete(older[0], self._now))
            self.compare("delete: with an older handle", simulated, emulated)
        self._told.told = None


def answer_of(call: Callable[[], object]) -> str:
    """ "success", or the error code."""
    try:
        call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return "success"
