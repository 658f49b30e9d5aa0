"""A depot to test with: carriers that remember, the facts that come in, and the functions between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from jsonschema import Draft202012Validator

from ecom_common.facts import Fact, iso, new_fact
from shipping_service.carrier import FALLBACK, PRIMARY, CarrierUnavailableError, Parcel
from shipping_service.handlers import Dispatch
from shipping_service.model import Booking
from shipping_service.store import Shipments

T = TypeVar("T")

PLACED = datetime.fromisoformat("2026-01-31T12:00:00.000Z")
ORDER = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9c0001"

EVENTS = Path(__file__).parents[1] / "events"


def schema_of(detail_type: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((EVENTS / f"{detail_type}.v1.json").read_text(encoding="utf-8"))
    return schema


_VALIDATORS = {
    path.name.split(".")[0]: Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    for path in EVENTS.glob("*.v1.json")
}


def paid(order_id: str = ORDER, *, placed: datetime = PLACED, attempt: int = 1) -> Fact:
    """The order is paid: ship."""
    data = {
        "orderId": order_id,
        "placedAt": iso(placed),
        "paymentConfirmed": True,
        "outcome": "charged",
    }
    fact = new_fact(
        "payment.service", "PaymentConfirmation", data, outcome="charged", occurred_at=iso(placed)
    )
    return _attempt(fact, attempt)


def cancel_requested(order_id: str = ORDER, *, placed: datetime = PLACED, attempt: int = 1) -> Fact:
    """It is not wanted any more: stop it."""
    data = {"orderId": order_id, "placedAt": iso(placed), "reason": "customer"}
    return _attempt(
        new_fact("orders.service", "OrderCancelRequested", data, occurred_at=iso(placed)), attempt
    )


def _attempt(fact: Fact, attempt: int) -> Fact:
    return replace(fact, attempt=attempt)


@dataclass
class Clock:
    """The time now. `at` sets how long ago the orders were placed."""

    now: datetime = PLACED + timedelta(seconds=3)

    def __call__(self) -> datetime:
        return self.now

    def at(self, **age: float) -> None:
        self.now = PLACED + timedelta(**age)


def answers() -> str:
    return ""


def silences(*answers_: str) -> Callable[[], str]:
    """A `silent` that goes through these answers, then gives every call its own."""
    left = list(answers_)
    return lambda: left.pop(0) if left else ""


def _no_pause(call: str) -> None:
    """Nobody else is there."""


@dataclass
class FakeCarrier:
    """A carrier that keeps exactly the promises of `Carrier` and remembers which parcels it holds.

    `down` refuses bookings; `gone` are orders whose parcels cannot be stopped any more once they are booked.
    `silent` says whether a call gets its answer (``""``), or none ``"before"`` or ``"after"`` it took effect.
    """

    name: str
    down: bool = False
    gone: bool = False
    silent: Callable[[], str] = answers
    pause: Callable[[str], None] = _no_pause
    calls: list[tuple[str, str]] = field(default_factory=list)
    live: dict[str, Booking] = field(default_factory=dict)
    orders: dict[str, str] = field(default_factory=dict)
    cancelled: set[str] = field(default_factory=set)

    def book(self, parcel: Parcel) -> Booking:
        def take() -> Booking:
            if self.down or parcel.key in self.cancelled:
                raise CarrierUnavailableError(f"{self.name} is down, or will not carry this any more")
            if parcel.key not in self.live:
                number = len(self.orders) + 1
                self.live[parcel.key] = Booking(self.name, f"sh_{self.name}_{number}", f"TRACK{number}")
                self.orders[parcel.key] = parcel.order_id
            return self.live[parcel.key]

        return self._call("book", parcel, take)

    def cancel(self, parcel: Parcel) -> Booking | None:
        def stop() -> Booking | None:
            if self.gone and parcel.key in self.live:
                return self.live[parcel.key]
            self.live.pop(parcel.key, None)
            self.cancelled.add(parcel.key)
            return None

        return self._call("cancel", parcel, stop)

    def holds(self, order_id: str) -> list[Booking]:
        return [booking for key, booking in self.live.items() if self.orders[key] == order_id]

    def called(self, name: str) -> int:
        return sum(call[0] == name for call in self.calls)

    def _call(self, name: str, parcel: Parcel, effect: Callable[[], T]) -> T:
        self.pause(f"{self.name} {name}")
        self.calls.append((name, parcel.key))
        silent = self.silent()
        if silent == "before":
            raise CarrierUnavailableError("no answer")
        answer = effect()
        if silent == "after":
            raise CarrierUnavailableError("no answer")
        return answer


class Depot:
    """Both functions around one table and two carriers: `ship` and `rescue` are what the two queues do."""

    def __init__(
        self,
        shipments: Shipments,
        primary: FakeCarrier | None = None,
        fallback: FakeCarrier | None = None,
        clock: Clock | None = None,
    ) -> None:
        self.shipments = shipments
        self.primary = primary or FakeCarrier(PRIMARY)
        self.fallback = fallback or FakeCarrier(FALLBACK)
        self.clock = clock or Clock()
        self.shipping = Dispatch(shipments, self.primary, [self.fallback], clock=self.clock)
        self.rescuing = Dispatch(shipments, self.fallback, [self.primary], rescue=True, clock=self.clock)
        self.published: list[Fact] = []

    def ship(self, fact: Fact) -> Fact:
        """What ShippingLambda does with one record. Returns the one fact it answers."""
        return self._deliver(self.shipping, fact)

    def rescue(self, fact: Fact) -> Fact:
        """What DLQProcessorLambda does with one record."""
        return self._deliver(self.rescuing, fact)

    def _deliver(self, dispatch: Dispatch, fact: Fact) -> Fact:
        handle = {"PaymentConfirmation": dispatch.ship, "OrderCancelRequested": dispatch.cancel}
        try:
            facts = handle[fact.detail_type](fact)
        except CarrierUnavailableError as error:
            for each in error.facts:
                self.publish(each)
            raise
        assert len(facts) == 1
        self.publish(facts[0])
        return facts[0]

    def holds(self, order_id: str = ORDER) -> list[Booking]:
        """The parcels of an order that are on their way, with whichever carrier."""
        return self.primary.holds(order_id) + self.fallback.holds(order_id)

    def publish(self, fact: Fact) -> None:
        check_schema(fact)
        self._check_truth(fact)
        self.published.append(fact)

    def _check_truth(self, fact: Fact) -> None:
        """Whoever reads the fact acts on it: it must be so when it is said."""
        held = self.holds(fact.order_id)
        if fact.detail_type == "ShipmentCreated":
            assert fact.data["shippingId"] in {booking.shipping_id for booking in held}, "no such parcel"
        else:
            assert not held, "the order was given up while a parcel is on its way"
        for other in self.published:
            if other.order_id == fact.order_id:
                assert other == fact, "a shipment has one outcome, told in one way"


def check_schema(fact: Fact) -> None:
    """The fact is one of this service's, as its schema has it."""
    _check_detail(fact.detail_type, json.dumps(fact.detail()))


@cache
def _check_detail(detail_type: str, detail: str) -> None:
    errors = [error.message for error in _VALIDATORS[detail_type].iter_errors(json.loads(detail))]
    assert not errors, f"{detail_type}: {errors}"
