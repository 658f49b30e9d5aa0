"""Every fact that the services can publish, their schemas, and where the stacks' rules carry them."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from typing import Any

import inventory_service.events as inventory
import inventory_service.model as stock
import order_service.events as orders
import order_service.model as order_model
import payment_service.events as payment
import payment_service.model as money
import shipping_service.events as shipping
import shipping_service.model as parcels
from ecom_cli.templates import parse_template
from ecom_common.facts import Fact

PACKAGES = Path(__file__).resolve().parent.parent.parent / "packages"

ORDER_ID = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9"
PLACED_AT = "2026-01-31T12:00:00.000Z"
DECIDED_AT = "2026-01-31T12:00:01.250Z"
CAUSE = "8580df03-7d3b-5c7a-a145-db2a9299dbbd"

Kind = tuple[str, str]
"""Source and detail-type."""

CONSUMERS: Mapping[Kind, frozenset[str]] = {
    ("orders.service", "OrderPlaced"): frozenset({"InventoryQueue"}),
    ("orders.service", "OrderCancelRequested"): frozenset({"ShippingQueue"}),
    ("inventory.service", "StockConfirmation"): frozenset({"PaymentQueue", "OrderLifecycleQueue"}),
    ("inventory.service", "StockReleased"): frozenset({"OrderLifecycleQueue"}),
    ("payment.service", "PaymentConfirmation"): frozenset(
        {"ShippingQueue", "InventoryCompensationQueue", "OrderLifecycleQueue"}
    ),
    ("payment.service", "PaymentRefunded"): frozenset({"InventoryCompensationQueue", "OrderLifecycleQueue"}),
    ("shipping.service", "ShipmentCreated"): frozenset({"OrderLifecycleQueue"}),
    ("shipping.service", "ShipmentFailed"): frozenset({"PaymentQueue", "OrderLifecycleQueue"}),
}
"""Who reads what, over all outcomes (design: facts)."""


def _read_order_move(fact: Fact) -> None:
    orders.move(fact)
    orders.notes(fact)
    orders.occurred_at(fact)


def _read_envelope_only(fact: Fact) -> None:
    fact.text("orderId")
    fact.text("placedAt")


READERS: Mapping[tuple[str, str], Callable[[Fact], object]] = {
    ("InventoryQueue", "OrderPlaced"): inventory.order_placed,
    ("InventoryCompensationQueue", "PaymentConfirmation"): inventory.release_outcome,
    ("InventoryCompensationQueue", "PaymentRefunded"): inventory.release_outcome,
    ("PaymentQueue", "StockConfirmation"): payment.stock_confirmed,
    ("PaymentQueue", "ShipmentFailed"): _read_envelope_only,
    ("ShippingQueue", "PaymentConfirmation"): shipping.check_paid,
    ("ShippingQueue", "OrderCancelRequested"): _read_envelope_only,
    **{("OrderLifecycleQueue", detail_type): _read_order_move for detail_type in orders.NOTES},
}
"""What the function behind a queue reads of a fact. Raises Poison for one it cannot use."""


@dataclass(frozen=True)
class Said:
    """One fact as it may be on the bus."""

    source: str
    detail_type: str
    detail: Mapping[str, Any]
    title: str

    @property
    def kind(self) -> Kind:
        return self.source, self.detail_type

    @property
    def event(self) -> dict[str, Any]:
        """The EventBridge event."""
        return {"source": self.source, "detail-type": self.detail_type, "detail": self.detail}


def schemas() -> dict[Kind, dict[str, Any]]:
    """Every schema in the packages, by what it describes. The source is in its $id."""
    found = {}
    for path in sorted(PACKAGES.glob("*/events/*.v1.json")):
        schema = json.loads(path.read_text(encoding="utf-8"))
        source = schema["$id"].split("/")[-2]
        found[source, path.name.removesuffix(".v1.json")] = schema
    return found


def examples() -> list[Said]:
    """The examples that producers give in their schemas."""
    return [
        Said(*kind, detail, f"example {number} of {kind[1]}")
        for kind, schema in schemas().items()
        for number, detail in enumerate(schema.get("examples", ()))
    ]


def published() -> list[Said]:
    """What each producer makes of each state that it publishes."""
    facts = [*_orders(), *_inventory(), *_payment(), *_shipping()]
    return [Said(fact.source, fact.detail_type, fact.detail(), title) for title, fact in facts]


def carried_to(event: Mapping[str, Any]) -> set[str]:
    """The queues that the rules of all stacks carry an event to."""
    return {
        target
        for resource in _rules()
        if matches(resource["EventPattern"], event)
        for each in resource["Targets"]
        if isinstance(each["Arn"].get("GetAtt"), str)
        and (target := each["Arn"]["GetAtt"].partition(".")[0]).endswith("Queue")
    }


def matches(pattern: Mapping[str, Any], event: Mapping[str, Any]) -> bool:
    """EventBridge's exact matching: lists of values at the leaves. Raises for patterns beyond that."""
    for name, wanted in pattern.items():
        value = event.get(name)
        if isinstance(wanted, Mapping):
            if not (isinstance(value, Mapping) and matches(wanted, value)):
                return False
        elif not all(isinstance(each, str | bool | int) for each in wanted):
            raise ValueError(f"{name}: this matcher knows exact values only")
        # True == 1 to Python, not to EventBridge
        elif not any(type(value) is type(each) and value == each for each in wanted):
            return False
    return True


@cache
def _rules() -> tuple[dict[str, Any], ...]:
    return tuple(
        resource["Properties"]
        for path in sorted(PACKAGES.glob("*/*-stack.yaml"))
        for resource in parse_template(path.read_text(encoding="utf-8"), str(path)).resources.values()
        if resource["Type"] == "AWS::Events::Rule"
    )


def _orders() -> Iterator[tuple[str, Fact]]:
    order = order_model.Order(
        order_id=ORDER_ID,
        owner="local",
        status=order_model.Status.CANCELLING,
        rank=40,
        placed_at=PLACED_AT,
        updated_at=DECIDED_AT,
        lines=(order_model.Line("ITEM_ID-15", 1), order_model.Line("ITEM_ID-02", 2)),
        amount=130298,
        currency="USD",
        fingerprint="",
        timeline=(
            order_model.Step(order_model.Status.PLACED, PLACED_AT),
            order_model.Step(order_model.Status.CANCELLING, DECIDED_AT),
        ),
    )
    yield "OrderPlaced", orders.order_placed(order)
    for reason in order_model.CancelReason:
        yield f"cancel: {reason}", orders.cancel_requested(replace(order, cancel_reason=reason))


def _inventory() -> Iterator[tuple[str, Fact]]:
    reserved = stock.Reservation(
        order_id=ORDER_ID,
        placed_at=PLACED_AT,
        state=stock.State.RESERVED,
        decided_at=DECIDED_AT,
        caused_by=CAUSE,
        lines=(stock.Line("ITEM_ID-15", 1),),
        amount=119900,
        currency="USD",
    )
    yield "stock: reserved", inventory.outcome_of(reserved)
    for reason in stock.Reason:
        yield f"stock: {reason}", inventory.outcome_of(reserved.reject(reason))
    for outcome in stock.Outcome:
        stamp = {"decided_at": DECIDED_AT, "caused_by": CAUSE}
        yield f"released: {outcome}", inventory.outcome_of(reserved.release(outcome, **stamp))
        tombstone = stock.tombstone(ORDER_ID, PLACED_AT, outcome, **stamp)
        yield f"tombstone: {outcome}", inventory.outcome_of(tombstone)


def _payment() -> Iterator[tuple[str, Fact]]:
    stamp = {"decided_at": DECIDED_AT, "caused_by": CAUSE}
    intent = money.intent(ORDER_ID, PLACED_AT, 119900, "USD", **stamp)
    charged = intent.to(money.State.CHARGED, charge_id="ch_1", **stamp)
    yield "payment: charged", payment.outcome_of(charged)
    declined = intent.to(money.State.DECLINED, reason="card_declined", **stamp)
    yield "payment: declined", payment.outcome_of(declined)
    voided = intent.undo(**stamp).to(money.State.VOIDED, **stamp)
    yield "payment: voided", payment.outcome_of(voided)
    for reason in ("cancelled", "expired"):
        tombstone = money.tombstone(ORDER_ID, PLACED_AT, reason, **stamp)
        yield f"payment: never, {reason}", payment.outcome_of(tombstone)
    refunded = charged.undo(**stamp).to(money.State.REFUNDED, refund_id="re_1", **stamp)
    yield "payment: refunded", payment.outcome_of(refunded)


def _shipping() -> Iterator[tuple[str, Fact]]:
    stamp = {"decided_at": DECIDED_AT, "caused_by": CAUSE}
    intent = parcels.intent(ORDER_ID, PLACED_AT, "primary", **stamp)
    booking = parcels.Booking("fallback", "sh_0d5f1ab43c7be9921f6a8c30", "FA014739284756102")
    for processed_by in ("shipping", "dlq"):
        created = intent.to(
            parcels.State.CREATED,
            booking=booking,
            processed_by=processed_by,
            decided_at=DECIDED_AT,
            caused_by=CAUSE,
        )
        yield f"shipped by {processed_by}", shipping.outcome_of(created)
    for reason in parcels.Reason:
        tombstone = parcels.tombstone(ORDER_ID, PLACED_AT, reason, **stamp)
        yield f"not shipped: {reason}", shipping.outcome_of(tombstone)
