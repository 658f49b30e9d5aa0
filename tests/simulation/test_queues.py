"""Queues hand out, hide, count, move on and refuse as SQS does. Times are seconds."""

from __future__ import annotations

from collections.abc import Callable
from random import Random
from typing import Any

import pytest
from aws_lambda_powertools.utilities.data_classes import SQSEvent
from botocore.exceptions import ClientError

from simulation.messages import MOST_BYTES
from simulation.queues import LONGEST_VISIBILITY, Message, Queue, record
from simulation.tables import CANARY_REQUEST
from simulation.topology import QueueSpec

DAY = 86400


def spec(logical: str, dead_letter: str | None = None, most: int | None = None, **more: Any) -> QueueSpec:
    arn = f"arn:aws:sqs:eu-west-1:123456789012:{logical.lower()}"
    made = QueueSpec(
        logical, logical.lower(), arn, f"https://q/{logical}", 30, 4 * DAY, dead_letter, most, True
    )
    return made._replace(**more)


class Chosen(Random):
    """Random where it does not matter, and what the test says where SQS has a choice."""

    def __init__(self) -> None:
        super().__init__(7)
        self.says: list[float] = []

    def random(self) -> float:
        return self.says.pop() if self.says else super().random()

    def randrange(self, *args: Any) -> int:
        return int(self.says.pop()) if self.says else super().randrange(*args)


@pytest.fixture
def rng() -> Chosen:
    return Chosen()


@pytest.fixture
def queue(rng: Chosen) -> Queue:
    return Queue(spec("Work"), rng)


def bodies(messages: list[Message]) -> list[str]:
    return sorted(message.body for message in messages)


def code(call: Callable[[], object]) -> str:
    with pytest.raises(ClientError) as caught:
        call()
    error = caught.value.response["Error"]
    assert CANARY_REQUEST in error["Message"]
    return error["Code"]


# ---------------------------------------------------------------------------------- receive, hide, delete


def test_a_received_message_is_hidden_for_the_visibility_timeout(queue: Queue) -> None:
    queue.send("a", 0)
    assert bodies(queue.receive(10, 5)) == ["a"]
    assert queue.next_visible(6) == 35
    assert queue.receive(10, 34.9) == []
    (again,) = queue.receive(10, 35)
    assert again.receives == 2


def test_a_deleted_message_is_gone(queue: Queue) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 0)
    assert queue.delete(message.receipt, 1)
    assert not queue.delete(message.receipt, 2), "deleting twice succeeds and does nothing"
    assert queue.receive(10, 100) == []
    assert queue.next_visible(100) is None


def test_a_message_may_be_deleted_after_its_visibility_has_ended(queue: Queue) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 0)
    assert queue.delete(message.receipt, 1000)
    assert not queue.messages


@pytest.mark.parametrize("deletes", [True, False])
def test_an_older_receipt_may_or_may_not_delete(queue: Queue, rng: Chosen, deletes: bool) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 0)
    older = message.receipt
    queue.receive(10, 30)
    assert message.receipt != older
    rng.says = [0.9 if deletes else 0.1]
    assert queue.delete(older, 31) is deletes
    assert bool(queue.messages) is not deletes


def test_a_delayed_message_comes_later(queue: Queue) -> None:
    queue.send("a", 0, delay=900)
    assert queue.receive(10, 899) == []
    assert queue.next_visible(1) == 900
    assert bodies(queue.receive(10, 900)) == ["a"]


def test_no_more_than_asked_for_in_any_order(queue: Queue) -> None:
    for number in range(6):
        queue.send(str(number), 0)
    first = queue.receive(4, 0)
    rest = queue.receive(4, 0)
    assert (len(first), len(rest)) == (4, 2)
    assert bodies(first + rest) == ["0", "1", "2", "3", "4", "5"]
    orders = set()
    for time in range(30, 1000, 30):
        orders.add(tuple(message.body for message in queue.receive(10, time)))
    assert len(orders) > 10


def test_the_same_seed_gives_the_same_run() -> None:
    def run() -> list[str]:
        queue = Queue(spec("Work"), Random(3))
        for number in range(20):
            queue.send(str(number), 0)
        return [message.id + message.receipt for message in queue.receive(10, 0)]

    assert run() == run()


# ------------------------------------------------------------------------------------------- dead letters


@pytest.fixture
def chain(rng: Chosen) -> dict[str, Queue]:
    """Work, received twice at most, then Failed, three times at most, then Parked."""
    queues: dict[str, Queue] = {}

    def move(message: Message, to: str) -> None:
        queues[to].put(message, 1000)

    queues["Work"] = Queue(spec("Work", "Failed", 2), rng, move)
    queues["Failed"] = Queue(spec("Failed", "Parked", 3, retention=14 * DAY), rng, move)
    queues["Parked"] = Queue(spec("Parked", retention=14 * DAY), rng)
    return queues


def test_a_message_moves_on_when_it_would_be_received_too_often(chain: dict[str, Queue]) -> None:
    message_id = chain["Work"].send("a", 0, {"k": {"DataType": "String", "StringValue": "v"}})
    chain["Work"].receive(10, 0)
    chain["Work"].receive(10, 30)
    assert list(chain["Work"].messages) == [message_id], "it stays until somebody wants to receive it"
    assert chain["Work"].receive(10, 60) == []
    assert not chain["Work"].messages
    (moved,) = chain["Failed"].receive(10, 1000)
    assert (moved.id, moved.body, moved.sent_at, moved.receives) == (message_id, "a", 0, 1)
    shown = record(moved, chain["Failed"].spec)
    assert shown["attributes"]["ApproximateReceiveCount"] == "3", "it counts on"
    assert shown["attributes"]["DeadLetterQueueSourceArn"] == chain["Work"].spec.arn
    assert shown["attributes"]["SentTimestamp"] == "0"
    assert shown["messageAttributes"]["k"]["stringValue"] == "v"


def test_each_queue_of_a_chain_has_its_own_number_of_receives(chain: dict[str, Queue]) -> None:
    chain["Work"].send("a", 0)
    for time in (0, 30, 60):
        chain["Work"].receive(10, time)
    received = [bodies(chain["Failed"].receive(10, time)) for time in (1000, 1030, 1060, 1090)]
    assert received == [["a"], ["a"], ["a"], []]
    assert bodies(chain["Parked"].receive(10, 1090)) == ["a"]


def test_a_spent_message_does_not_take_the_place_of_another(chain: dict[str, Queue]) -> None:
    chain["Work"].send("spent", 0)
    chain["Work"].receive(1, 0)
    chain["Work"].receive(1, 30)
    chain["Work"].send("fresh", 31)
    assert bodies(chain["Work"].receive(1, 60)) == ["fresh"]


def test_a_queue_needs_a_way_to_its_dead_letter_queue(rng: Chosen) -> None:
    with pytest.raises(ValueError, match="no way"):
        Queue(spec("Work", "Failed", 2), rng)


def test_retention_counts_from_the_first_send(chain: dict[str, Queue]) -> None:
    chain["Work"].send("old", 1000 - 14 * DAY + 100)
    (message,) = chain["Work"].messages.values()
    chain["Failed"].put(message, 1000)
    assert bodies(chain["Failed"].expire(1100)) == ["old"]
    assert not chain["Failed"].messages


def test_what_is_too_old_is_neither_received_nor_deleted(queue: Queue) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 4 * DAY - 1)
    assert not queue.delete(message.receipt, 4 * DAY)
    assert queue.receive(10, 4 * DAY) == []


# --------------------------------------------------------------------------------------------- visibility


def test_visibility_counts_from_the_change(queue: Queue) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 0)
    queue.change_visibility(message.receipt, 100, 20)
    assert queue.next_visible(20) == 120
    queue.change_visibility(message.receipt, 0, 21)
    assert bodies(queue.receive(10, 21)) == ["a"]


def test_twelve_hours_count_from_the_receive(queue: Queue) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 100)
    queue.change_visibility(message.receipt, 1000, 101)
    queue.change_visibility(message.receipt, LONGEST_VISIBILITY - 50, 150)
    assert queue.next_visible(150) == 100 + LONGEST_VISIBILITY
    late = lambda: queue.change_visibility(message.receipt, LONGEST_VISIBILITY - 50, 151)  # noqa: E731
    assert code(late) == "InvalidParameterValue"


@pytest.mark.parametrize("seconds", [-1, LONGEST_VISIBILITY + 1])
def test_visibility_has_bounds(queue: Queue, seconds: int) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 0)
    assert code(lambda: queue.change_visibility(message.receipt, seconds, 0)) == "InvalidParameterValue"


def test_a_deleted_message_has_no_visibility(queue: Queue) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 0)
    queue.delete(message.receipt, 0)
    assert code(lambda: queue.change_visibility(message.receipt, 5, 0)) == "InvalidParameterValue"


def test_a_visible_message_stays_visible(queue: Queue, rng: Chosen) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 0)
    rng.says = [0.1]
    refusal = code(lambda: queue.change_visibility(message.receipt, 500, 30))
    assert refusal == "AWS.SimpleQueueService.MessageNotInflight"
    rng.says = [0.9]
    queue.change_visibility(message.receipt, 500, 30)
    assert queue.next_visible(31) == 31


def test_an_older_receipt_may_change_the_visibility_or_not_or_be_refused(queue: Queue, rng: Chosen) -> None:
    queue.send("a", 0)
    (message,) = queue.receive(10, 0)
    older = message.receipt
    queue.receive(10, 30)
    rng.says = [0]
    assert code(lambda: queue.change_visibility(older, 5, 31)) == "InvalidParameterValue"
    rng.says = [1]
    queue.change_visibility(older, 5, 31)
    assert queue.next_visible(31) == 60
    rng.says = [2]
    queue.change_visibility(older, 5, 31)
    assert queue.next_visible(31) == 36


@pytest.mark.parametrize("receipt", ["", "nonsense", "Works:x:1", "Other:x:1"])
def test_what_is_no_handle_of_this_queue_is_refused(queue: Queue, receipt: str) -> None:
    assert code(lambda: queue.delete(receipt, 0)) == "ReceiptHandleIsInvalid"
    assert code(lambda: queue.change_visibility(receipt, 0, 0)) == "ReceiptHandleIsInvalid"


# ---------------------------------------------------------------------------------------- what may be sent


@pytest.mark.parametrize(
    ("body", "attributes", "wanted"),
    [
        ("", {}, "MissingParameter"),
        ("a\x00b", {}, "InvalidMessageContents"),
        ("a\x1fb", {}, "InvalidMessageContents"),
        ("a\ufffeb", {}, "InvalidMessageContents"),
        ("a\ud800b", {}, "InvalidMessageContents"),
        ("x" * (MOST_BYTES + 1), {}, "InvalidParameterValue"),
        ("ä" * (MOST_BYTES // 2) + "x", {}, "InvalidParameterValue"),
        ("a", {"k": {"DataType": "String", "StringValue": ""}}, "InvalidParameterValue"),
        ("a", {"k": {"DataType": "Text", "StringValue": "v"}}, "InvalidParameterValue"),
        ("a", {"k": {"DataType": "String", "StringValue": "\x00"}}, "InvalidParameterValue"),
        ("a", {"a..b": {"DataType": "String", "StringValue": "v"}}, "InvalidParameterValue"),
        ("a", {"AWS.k": {"DataType": "String", "StringValue": "v"}}, "InvalidParameterValue"),
        (
            "a",
            {f"k{i}": {"DataType": "String", "StringValue": "v"} for i in range(11)},
            "InvalidParameterValue",
        ),
        ("x" * (MOST_BYTES - 3), {"k": {"DataType": "String", "StringValue": "v"}}, "InvalidParameterValue"),
    ],
)
def test_what_may_not_be_sent(queue: Queue, body: str, attributes: dict[str, Any], wanted: str) -> None:
    assert code(lambda: queue.send(body, 0, attributes)) == wanted
    assert not queue.messages


@pytest.mark.parametrize("delay", [-1, 901])
def test_a_delay_has_bounds(queue: Queue, delay: int) -> None:
    assert code(lambda: queue.send("a", 0, delay=delay)) == "InvalidParameterValue"


def test_what_may_just_be_sent(queue: Queue) -> None:
    queue.send("x" * MOST_BYTES, 0)
    queue.send("tab\t newline\n return\r \ud7ff \ue000 \ufffd \U0001f600", 0)
    queue.send("a", 0, {f"k{i}": {"DataType": "Number.int", "StringValue": "1"} for i in range(10)})
    assert len(queue.messages) == 3


# -------------------------------------------------------------------------------------- what functions see


def test_the_record_is_what_a_function_gets(queue: Queue) -> None:
    queue.send(
        "a",
        1.5,
        {
            "reason": {"DataType": "String", "StringValue": "why"},
            "blob": {"DataType": "Binary", "BinaryValue": b"\x00"},
        },
    )
    queue.receive(10, 2.25)
    (message,) = queue.receive(10, 40)
    made = record(message, queue.spec)
    assert made == {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": "a",
        "attributes": {
            "ApproximateReceiveCount": "2",
            "SentTimestamp": "1500",
            "SenderId": "123456789012",
            "ApproximateFirstReceiveTimestamp": "2250",
        },
        "messageAttributes": {
            "reason": {
                "stringValue": "why",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "String",
            },
            "blob": {
                "binaryValue": "AA==",
                "stringListValues": [],
                "binaryListValues": [],
                "dataType": "Binary",
            },
        },
        "md5OfBody": "0cc175b9c0f1b6a831c399e269772661",  # pragma: allowlist secret  # the MD5 of "a"
        "eventSource": "aws:sqs",
        "eventSourceARN": queue.spec.arn,
        "awsRegion": "eu-west-1",
    }
    (read,) = SQSEvent({"Records": [made]}).records
    assert read.attributes.approximate_receive_count == "2"
    reason = read.message_attributes["reason"]
    assert reason is not None
    assert reason.string_value == "why"
