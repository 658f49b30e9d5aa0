"""A till to test with: a gateway that remembers, the facts that come in, and the function between them."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from jsonschema import Draft202012Validator

from ecom_common.facts import Fact, iso, new_fact
from payment_service.gateway import Charge, Charged, Declined, OutcomeUnknown
from payment_service.handlers import Cashier
from payment_service.model import GATEWAY_KEY_WINDOW
from payment_service.store import Payments

PLACED = datetime.fromisoformat("2026-01-31T12:00:00.000Z")
T = TypeVar("T")

ORDER = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9c0001"
AMOUNT = 125_099

EVENTS = Path(__file__).parents[1] / "events"


def schema_of(detail_type: str) -> dict[str, Any]:
    schema: dict[str, Any] = json.loads((EVENTS / f"{detail_type}.v1.json").read_text(encoding="utf-8"))
    return schema


_VALIDATORS = {
    path.name.split(".")[0]: Draft202012Validator(json.loads(path.read_text(encoding="utf-8")))
    for path in EVENTS.glob("*.v1.json")
}


def stock_confirmed(
    order_id: str = ORDER, amount: int = AMOUNT, currency: str = "USD", *, placed: datetime = PLACED
) -> Fact:
    """The stock is reserved: charge."""
    return new_fact(
        "inventory.service",
        "StockConfirmation",
        {
            "orderId": order_id,
            "placedAt": iso(placed),
            "stockConfirmed": True,
            "amount": amount,
            "currency": currency,
        },
        outcome="RESERVED",
        occurred_at=iso(PLACED),
    )


def shipment_failed(order_id: str = ORDER, *, placed: datetime = PLACED) -> Fact:
    """It will not be shipped: give back."""
    return new_fact(
        "shipping.service",
        "ShipmentFailed",
        {"orderId": order_id, "placedAt": iso(placed), "reason": "cancelled"},
        occurred_at=iso(PLACED),
    )


@dataclass
class Clock:
    """The time now. `at` sets how long ago the orders were placed."""

    now: datetime = PLACED + timedelta(seconds=2)

    def __call__(self) -> datetime:
        return self.now

    def at(self, **age: float) -> None:
        self.now = PLACED + timedelta(**age)


def answers() -> str:
    return ""


def _no_pause(call: str) -> None:
    """Nobody else is there."""


@dataclass
class FakeGateway:
    """A gateway that keeps exactly the promises of `Gateway`, and no more: a key is forgotten in time.

    `silent` says whether a call gets its answer (``""``), or none ``"before"`` or ``"after"`` it took
    effect. `calls` are (name, key, amount).
    """

    clock: Clock = field(default_factory=Clock)
    declines: bool = False
    silent: Callable[[], str] = answers
    pause: Callable[[str], None] = _no_pause
    calls: list[tuple[str, str, int]] = field(default_factory=list)
    charges: dict[str, Charge] = field(default_factory=dict)
    refunds: dict[str, str] = field(default_factory=dict)
    _keys: dict[str, tuple[datetime, Charged | Declined]] = field(default_factory=dict)
    _voided: set[str] = field(default_factory=set)

    def charge(self, charge: Charge) -> Charged | Declined:
        def take() -> Charged | Declined:
            known = self._keys.get(charge.key)
            if known and self.clock() - known[0] <= GATEWAY_KEY_WINDOW:
                return known[1]
            answer: Charged | Declined
            if charge.key in self._voided:
                answer = Declined("voided")
            elif self.declines:
                answer = Declined("card_declined")
            else:
                answer = Charged(f"ch_{len(self.charges) + 1}")
                self.charges[answer.charge_id] = charge
            self._keys[charge.key] = (self.clock(), answer)
            return answer

        return self._call("charge", charge, take)

    def void(self, charge: Charge) -> Charged | None:
        def stop() -> Charged | None:
            for charge_id, taken in self.charges.items():
                if taken.key == charge.key:
                    return Charged(charge_id)
            self._voided.add(charge.key)
            return None

        return self._call("void", charge, stop)

    def refund(self, charge: Charge, charge_id: str) -> str:
        def give_back() -> str:
            assert charge_id in self.charges, "a refund of a charge that never was"
            return self.refunds.setdefault(charge_id, f"re_{charge_id}")

        return self._call("refund", charge, give_back)

    def taken(self, order_id: str = ORDER) -> list[int]:
        """The amounts charged for an order, given back or not."""
        return [charge.amount for charge in self.charges.values() if charge.order_id == order_id]

    def kept(self, order_id: str = ORDER) -> int:
        """What the customer has paid in the end."""
        return sum(
            charge.amount
            for charge_id, charge in self.charges.items()
            if charge.order_id == order_id and charge_id not in self.refunds
        )

    def called(self, name: str) -> int:
        return sum(call[0] == name for call in self.calls)

    def _call(self, name: str, charge: Charge, effect: Callable[[], T]) -> T:
        self.pause(name)
        self.calls.append((name, charge.key, charge.amount))
        silent = self.silent()
        if silent == "before":
            raise OutcomeUnknown("no answer")
        answer = effect()
        if silent == "after":
            raise OutcomeUnknown("no answer")
        return answer


def silences(*answers_: str) -> Callable[[], str]:
    """A `silent` that goes through these answers, then gives every call its own."""
    left = list(answers_)
    return lambda: left.pop(0) if left else ""


class Till:
    """The service around one table and one gateway: `deliver` is what the queue does."""

    def __init__(self, payments: Payments, gateway: FakeGateway) -> None:
        self.payments = payments
        self.gateway = gateway
        self.cashier = Cashier(payments, gateway, clock=gateway.clock)
        self.published: list[Fact] = []

    def deliver(self, fact: Fact) -> Fact:
        """Hand a fact to its handler. Returns the one fact it answers, which is valid and true."""
        handle = {"StockConfirmation": self.cashier.charge, "ShipmentFailed": self.cashier.undo}
        answers = handle[fact.detail_type](fact)
        assert len(answers) == 1
        self.publish(answers[0])
        return answers[0]

    def publish(self, fact: Fact) -> None:
        check_schema(fact)
        self._check_truth(fact)
        self.published.append(fact)

    def _check_truth(self, fact: Fact) -> None:
        """Whoever reads the fact acts on it: it must be so when it is said."""
        taken, kept = self.gateway.taken(fact.order_id), self.gateway.kept(fact.order_id)
        said = outcome(fact)
        if said == "charged":
            assert taken, "a charge was announced that never was"
        else:
            assert kept == 0, f"{said} was announced while the money is still with us"
        if said == "refunded":
            assert taken, "a refund was announced of nothing"
        others = [outcome(other) for other in self.published if other.order_id == fact.order_id]
        allowed = {
            "charged": {"charged", "refunded"},
            "refunded": {"charged", "refunded"},
            "declined": {"declined"},
            "cancelled": {"cancelled"},
        }
        assert set(others) <= allowed[said], f"{said} was announced after {others}"
        for other in self.published:
            if other.event_id == fact.event_id:
                assert other == fact, "the same fact was told in two ways"


def check_schema(fact: Fact) -> None:
    """The fact is one of this service's, as its schema has it."""
    _check_detail(fact.detail_type, json.dumps(fact.detail()))


@cache
def _check_detail(detail_type: str, detail: str) -> None:
    errors = [error.message for error in _VALIDATORS[detail_type].iter_errors(json.loads(detail))]
    assert not errors, f"{detail_type}: {errors}"


def outcome(fact: Fact) -> str:
    """charged, declined, cancelled or refunded."""
    return str(fact.data.get("outcome", "refunded"))
