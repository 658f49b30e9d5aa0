"""The facts of orders, and the fields orders read from others' facts."""

from __future__ import annotations

from collections.abc import Mapping

from ecom_common.errors import Poison
from ecom_common.facts import Fact, iso, new_fact, parse_iso
from order_service import model
from order_service.model import CancelReason, Move, Order

SOURCE = "orders.service"

STOCK_CONFIRMATION = "StockConfirmation"
STOCK_RELEASED = "StockReleased"
PAYMENT_CONFIRMATION = "PaymentConfirmation"
PAYMENT_REFUNDED = "PaymentRefunded"
SHIPMENT_CREATED = "ShipmentCreated"
SHIPMENT_FAILED = "ShipmentFailed"

NOTES: Mapping[str, tuple[str, ...]] = {
    STOCK_CONFIRMATION: ("reason",),
    STOCK_RELEASED: (),
    PAYMENT_CONFIRMATION: ("reason",),
    PAYMENT_REFUNDED: ("refundId",),
    SHIPMENT_CREATED: ("shippingId", "carrier", "trackingNumber"),
    SHIPMENT_FAILED: ("reason",),
}
"""The facts that move an order, with the texts the order keeps of each, where they are there."""


def order_placed(order: Order) -> Fact:
    """OrderPlaced: always the same fact for the same order."""
    return new_fact(
        SOURCE,
        "OrderPlaced",
        {
            "orderId": order.order_id,
            "placedAt": order.placed_at,
            "items": [{"itemId": line.item_id, "quantity": line.quantity} for line in order.lines],
            "amount": order.amount,
            "currency": order.currency,
        },
        occurred_at=order.placed_at,
    )


def cancel_requested(order: Order) -> Fact:
    """OrderCancelRequested, for an order that turned back: always the same fact for the same order.

    An order that turned back by itself (shipping or payment failed) has no reason stored and never gets one;
    sent for such an order, it stands for the sweeper's patience running out.
    """
    reason = order.cancel_reason or CancelReason.TIMEOUT
    return new_fact(
        SOURCE,
        "OrderCancelRequested",
        {"orderId": order.order_id, "placedAt": order.placed_at, "reason": reason.value},
        outcome=reason.value,
        occurred_at=model.turned_at(order),
    )


def move(fact: Fact) -> Move:
    """What a fact does to its order. Reads the flag and the outcome of the facts that have one.

    Raises Poison for an outcome that nobody agreed on.
    """
    outcome = _outcome(fact)
    known = model.MOVES.get((fact.detail_type, outcome))
    if known is None:
        raise Poison(f"{fact.detail_type} has an outcome that moves no order")
    return known


def notes(fact: Fact) -> dict[str, str]:
    """The texts of a fact that its order keeps. Raises Poison for one that is not a text."""
    return {name: fact.text(name) for name in NOTES[fact.detail_type] if fact.data.get(name) is not None}


def occurred_at(fact: Fact) -> str:
    """When it happened, as orders write times. Raises Poison where that is not a time."""
    try:
        return iso(parse_iso(fact.occurred_at))
    except (ValueError, OverflowError) as error:
        raise Poison("metadata.occurredAt is not a time with a zone") from error


def _outcome(fact: Fact) -> str:
    if fact.detail_type == STOCK_CONFIRMATION:
        return "reserved" if fact.flag("stockConfirmed") else "rejected"
    if fact.detail_type == PAYMENT_CONFIRMATION:
        if fact.flag("paymentConfirmed"):
            return "charged"
        outcome = fact.text("outcome")
        if outcome == "charged":
            raise Poison("PaymentConfirmation is charged, but not confirmed")
        return outcome
    return fact.text("outcome") if fact.detail_type == STOCK_RELEASED else ""
