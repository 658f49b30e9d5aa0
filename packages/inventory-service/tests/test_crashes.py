"""The function dies at any of its AWS calls, on either side of it; SQS delivers again; all is well."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ReadTimeoutError

from ecom_common.facts import Fact
from ecom_common.publisher import Publisher
from ecom_common.queues import Queues
from ecom_common.worker import Worker
from ecom_testkit import CrashingClient, CrashPoint, context, crash_points, sqs_event


class Bus:
    """Remembers what PutEvents was given."""

    def __init__(self) -> None:
        self.entries: list[dict[str, Any]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        self.entries += Entries
        return {"Entries": [{"EventId": "1"} for _ in Entries]}

    def about(self, order_id: str) -> list[tuple[str, str]]:
        """Detail-type and eventId of all that was published about an order."""
        details = [(entry["DetailType"], json.loads(entry["Detail"])) for entry in self.entries]
        return [
            (detail_type, detail["metadata"]["eventId"])
            for detail_type, detail in details
            if detail["data"]["orderId"] == order_id
        ]


class Sqs:
    """Takes back-offs; nothing is parked in these stories."""

    class meta:  # noqa: N801 - as boto3 has it
        endpoint_url = "https://sqs"

    def change_message_visibility(self, **arguments: Any) -> dict[str, Any]:
        return {}


ORDERS: dict[str, dict[str, int]] = {"short": {"pen": 1}, "other": {}}


def function(shop: Any, bus: Any, sqs: Any, dynamodb: Any) -> Worker:
    """The whole function, as app.py builds it, with these clients."""
    inventory = shop.inventory(dynamodb)
    return Worker(
        Publisher(bus, "bus", sleep=lambda _: None),
        Queues(sqs, "https://parking", 5),
        group={"OrderPlaced": inventory.reserve},
        one={"PaymentConfirmation": inventory.release, "PaymentRefunded": inventory.release},
        clock=lambda: shop.now,
    )


def deliver(shop: Any, bus: Bus, *facts: Fact) -> None:
    """An undisturbed delivery: nothing comes back."""
    worker = function(shop, bus, Sqs(), shop.dynamodb)
    assert worker.run(sqs_event(*facts, attempt=2), context())["batchItemFailures"] == []


def deaths(shop: Any, bus: Bus, prepare: Callable[[str], list[Fact]]) -> Iterator[tuple[CrashPoint, str]]:
    """Prepare a story, deliver it to a function that dies at every point in turn, deliver it again."""
    for point in crash_points():
        name = f"{point.number}-{point.effect}"
        facts = prepare(name)
        dynamodb, events, sqs = point.wrap(shop.dynamodb), point.wrap(bus), point.wrap(Sqs())
        with point.survived():
            function(shop, events, sqs, dynamodb).run(sqs_event(*facts), context())
        deliver(shop, bus, *facts)
        yield point, name


def test_reserving(shop: Any) -> None:
    shop.stocks(mug=500, lamp=500, pen=1)

    def prepare(name: str) -> list[Fact]:
        return [shop.placed(f"a{name}", mug=2, lamp=1), shop.placed(f"b{name}", lamp=1)]

    bus = Bus()
    points = 0
    for point, name in deaths(shop, bus, prepare):
        points += 1
        for order in (f"a{name}", f"b{name}"):
            assert shop.state(order) == "RESERVED", point
            assert [kind for kind, _ in set(bus.about(order))] == ["StockConfirmation"], point
        assert shop.on_hand("mug") == 500 - 2 * points, point
        assert shop.conserved(), point
    assert points == 2 * 3 + 1, "read, write, publish; and the run that lives"


def test_reserving_with_a_shortage_in_the_batch(shop: Any) -> None:
    shop.stocks(mug=500, pen=0)

    def prepare(name: str) -> list[Fact]:
        return [shop.placed(f"{order}{name}", mug=1, **more) for order, more in ORDERS.items()]

    bus = Bus()
    points = 0
    for point, name in deaths(shop, bus, prepare):
        points += 1
        states = [shop.state(f"{order}{name}") for order in ORDERS]
        assert states == ["REJECTED", "RESERVED"], point
        for order in ORDERS:
            assert len(set(bus.about(f"{order}{name}"))) == 1, f"{point}: one outcome, never two"
        assert shop.on_hand("mug") == 500 - points, point
        assert shop.conserved(), point
    assert points == 2 * 5 + 1, "read; both; the other; the refusal; publish; and one that lives"


def test_releasing(shop: Any) -> None:
    shop.stocks(mug=500, lamp=500)

    def prepare(name: str) -> list[Fact]:
        shop.reserve(shop.placed(name, mug=2, lamp=1))
        return [shop.payment_ended(name)]

    bus = Bus()
    points = 0
    for point, name in deaths(shop, bus, prepare):
        points += 1
        assert shop.state(name) == "RELEASED", point
        assert [kind for kind, _ in set(bus.about(name))] == ["StockReleased"], point
        assert (shop.on_hand("mug"), shop.on_hand("lamp")) == (500, 500), point
    assert points == 2 * 3 + 1, "read, write, publish; and the run that lives"


def test_releasing_before_the_order(shop: Any) -> None:
    shop.stocks(mug=500)
    bus = Bus()
    for point, name in deaths(shop, bus, lambda name: [shop.payment_ended(name, "cancelled")]):
        assert shop.state(name) == "RELEASED", point
        deliver(shop, bus, shop.placed(name, mug=1))
        assert len(set(bus.about(name))) == 1, point
        assert shop.on_hand("mug") == 500, point


@pytest.mark.parametrize("story", ["reserve", "release"])
def test_an_answer_that_gets_lost_is_not_taken_for_a_refusal(shop: Any, story: str) -> None:
    """DynamoDB has done it, the function did not hear: the record fails and comes again."""
    shop.stocks(mug=5)
    order = shop.placed("1", mug=2)
    if story == "release":
        shop.reserve(order)
    fact = order if story == "reserve" else shop.payment_ended("1")
    lost = ReadTimeoutError(endpoint_url="https://…")
    dynamodb: Any = CrashingClient(shop.dynamodb, 2, effect=True, error=lost)
    bus = Bus()
    failures = function(shop, bus, Sqs(), dynamodb).run(sqs_event(fact), context())["batchItemFailures"]
    assert len(failures) == 1
    assert bus.entries == []
    assert dynamodb.calls[1].name == "transact_write_items"
    deliver(shop, bus, fact)
    assert shop.on_hand("mug") == (3 if story == "reserve" else 5)
    assert len(bus.entries) == 1


def test_every_message_of_a_run_twice_in_any_order(shop: Any) -> None:
    shop.stocks(mug=5)
    bus = Bus()
    deliver(shop, bus, shop.payment_ended("late", "cancelled"))
    facts = [shop.placed("1", mug=2), shop.placed("late", mug=1), shop.placed("2", mug=9)]
    ends = [shop.payment_ended("1"), shop.payment_ended("2", "cancelled")]
    for batch in (facts, ends, ends, facts):
        deliver(shop, bus, *batch)
    assert [shop.state(order) for order in ("1", "late", "2")] == ["RELEASED", "RELEASED", "REJECTED"]
    assert shop.on_hand("mug") == 5
    assert len(set(bus.about("2"))) == 1
    assert len(set(bus.about("1"))) == 2
