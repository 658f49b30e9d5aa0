"""A function dies, or a call fails, at every call it makes to AWS or a carrier, on either side of it."""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING, Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ecom_common.facts import Fact, received
from ecom_common.publisher import Publisher
from ecom_common.worker import Worker
from ecom_testkit import Crash, CrashingClient, context, sqs_event
from ecom_testkit.fakes import FakeQueues
from shipping_service.carrier import CarrierUnavailableError
from shipping_service.handlers import Dispatch
from shipping_service.model import RESCUES
from shipping_service.store import Shipments

from .depot import Depot, FakeCarrier, cancel_requested, paid

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

DIES = None
THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": ""}}, "Any")
NO_ANSWER = ReadTimeoutError(endpoint_url="aws")
DOWN = CarrierUnavailableError("down")


class Bus:
    """An events client that checks each fact as it is published."""

    def __init__(self, depot: Depot) -> None:
        self._depot = depot

    def put_events(self, Entries: list[Any]) -> Any:  # noqa: N803 - boto3's name
        for entry in Entries:
            body = f'{{"source": "{entry["Source"]}", "detail-type": "{entry["DetailType"]}", '
            self._depot.publish(received(body + f'"detail": {entry["Detail"]}}}'))
        return {"Entries": [{"EventId": "1"} for _ in Entries]}


class ByName:
    """A carrier, called with names as boto3 is, so that it can be made to crash."""

    def __init__(self, name: str, carrier: Any) -> None:
        self.name = name
        self._carrier = carrier

    def book(self, parcel: Any) -> Any:
        return self._carrier.book(parcel=parcel)

    def cancel(self, parcel: Any) -> Any:
        return self._carrier.cancel(parcel=parcel)


class Shop:
    """Both workers as Lambda runs them, on moto; one dies or fails at the `number`-th call in all."""

    def __init__(self, dynamodb: DynamoDBClient, depot: Depot) -> None:
        self._dynamodb = dynamodb
        self._depot = depot

    def deliver(
        self,
        fact: Fact,
        *,
        rescue: bool = False,
        number: int | None = None,
        effect: bool = False,
        error: BaseException | None = None,
    ) -> tuple[bool, list[str]]:
        """Returns whether the queue may forget the message, and the calls that were made."""
        calls: list[Any] = []

        def wrap(client: Any) -> Any:
            return CrashingClient(client, number, effect=effect, error=error, calls=calls)

        def carrier(fake: FakeCarrier) -> ByName:
            return ByName(fake.name, wrap(fake))

        first, second = carrier(self._depot.primary), carrier(self._depot.fallback)
        if rescue:
            first, second = second, first
        dispatch = Dispatch(
            Shipments(wrap(self._dynamodb), "table"), first, [second], rescue=rescue, clock=self._depot.clock
        )
        worker = Worker(
            Publisher(wrap(Bus(self._depot)), "bus", sleep=lambda _: None),
            FakeQueues(),
            one={"PaymentConfirmation": dispatch.ship, "OrderCancelRequested": dispatch.cancel},
            clock=self._depot.clock,
        )
        try:
            answer = worker.run(sqs_event(fact), context())
        except Crash:
            return False, [call.name for call in calls]
        return not answer["batchItemFailures"], [call.name for call in calls]

    def redeliver(self, fact: Fact, *, rescue: bool) -> None:
        """Until the queue may forget it: three times on the first queue, then on the second."""
        for receive in range(12):
            done, _ = self.deliver(fact, rescue=rescue or receive >= 3)
            if done:
                return
        raise AssertionError(f"{fact.detail_type} is never done with")


STORIES = {
    # name: (what came before, the delivery that dies, in the rescue's hands)
    "book": ([], paid, False),
    "rescue": (["primary silent after booking"], paid, True),
    "last rescue": (["primary silent after booking", "three rescues"], paid, True),
    "cancel of an intent": (["primary silent after booking"], cancel_requested, False),
    "cancel of a rescued intent": (
        ["primary silent after booking", "fallback silent after booking"],
        cancel_requested,
        False,
    ),
    "cancel in the rescue's hands": (["primary silent after booking"], cancel_requested, True),
    "tombstone": ([], cancel_requested, False),
}


def before(shop: Shop, depot: Depot, story: str, order: str) -> None:
    steps = STORIES[story][0]
    if "primary silent after booking" in steps:
        _, calls = shop.deliver(paid(order), number=2, effect=True, error=DOWN)
        assert calls[1] == "book"
    if "fallback silent after booking" in steps:
        _, calls = shop.deliver(paid(order), rescue=True, number=3, effect=True, error=DOWN)
        assert calls[2] == "book"
    if "three rescues" in steps:
        depot.fallback.down = True
        for _ in range(RESCUES - 1):
            shop.deliver(paid(order), rescue=True)


@pytest.mark.parametrize(
    ("story", "cancel", "error"),
    [
        ("book", "no cancel", DIES),
        ("book", "cancel last", DIES),
        ("rescue", "no cancel", DIES),
        ("rescue", "cancel last", DIES),
        ("rescue", "no cancel", NO_ANSWER),
        ("last rescue", "no cancel", DIES),
        ("cancel of an intent", "cancel last", DIES),
        ("cancel of a rescued intent", "cancel first", THROTTLED),
        ("cancel in the rescue's hands", "cancel only", DIES),
        ("tombstone", "cancel last", DIES),
    ],
)
def test_a_crash_anywhere_is_made_good_by_the_next_deliveries(
    dynamodb: DynamoDBClient, story: str, cancel: str, error: BaseException | None
) -> None:
    _, fact, rescue = STORIES[story]
    for number in itertools.count(1):
        died = 0
        for effect in (False, True):
            order = f"{story}-{number}-{effect}"
            where = f"{story}: {'after' if effect else 'before'} call {number}"
            depot = Depot(Shipments(dynamodb, "table"))
            shop = Shop(dynamodb, depot)
            before(shop, depot, story, order)
            _, calls = shop.deliver(fact(order), rescue=rescue, number=number, effect=effect, error=error)
            died += len(calls) >= number
            come = {
                "no cancel": [paid(order)],
                "cancel only": [cancel_requested(order)],
                "cancel first": [cancel_requested(order), paid(order)],
                "cancel last": [paid(order), cancel_requested(order)],
            }[cancel]
            for again in come:
                shop.redeliver(again, rescue=rescue)
            check(depot, order, where)
        if not died:
            break
    assert number > 2, "it never crashed"


def check(depot: Depot, order: str, where: str) -> None:
    row = depot.shipments._rows.find(order) or {}
    held = depot.holds(order)
    said = {fact.detail_type for fact in depot.published}
    if row["state"] == "CREATED":
        assert [booking.shipping_id for booking in held] == [row["shippingId"]], where
        assert said == {"ShipmentCreated"}, where
        assert row["asked"] == {row["carrier"]}, where
    else:
        assert (row["state"], held, said) == ("FAILED", [], {"ShipmentFailed"}), where
    assert row.get("rescues", 0) <= RESCUES + 1, where


def test_what_could_not_be_published_is_published_by_the_next_delivery(dynamodb: DynamoDBClient) -> None:
    depot = Depot(Shipments(dynamodb, "table"))
    shop = Shop(dynamodb, depot)
    denied = ClientError({"Error": {"Code": "AccessDeniedException", "Message": ""}}, "PutEvents")
    done, calls = shop.deliver(paid(), number=4, error=denied)
    assert not done
    assert calls == ["put_item", "book", "update_item", "put_events"]
    assert depot.published == []
    done, calls = shop.deliver(paid())
    assert done
    assert calls == ["put_item", "put_events"], "no carrier is asked again"
    assert [fact.detail_type for fact in depot.published] == ["ShipmentCreated"]


def test_the_shipment_is_on_the_bus_though_the_record_comes_back_for_its_leftover(
    dynamodb: DynamoDBClient,
) -> None:
    depot = Depot(Shipments(dynamodb, "table"))
    shop = Shop(dynamodb, depot)
    before(shop, depot, "rescue", "order")
    done, calls = shop.deliver(paid("order"), rescue=True, number=5, error=DOWN)
    assert calls == ["put_item", "update_item", "book", "update_item", "cancel", "put_events"]
    assert not done
    assert [fact.detail_type for fact in depot.published] == ["ShipmentCreated"]
    done, calls = shop.deliver(paid("order"), rescue=True)
    assert done
    assert calls == ["put_item", "cancel", "update_item", "put_events"]
    check(depot, "order", "")
