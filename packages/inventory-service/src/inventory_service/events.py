"""The facts inventory publishes, and the fields it reads from others' facts."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ecom_common.errors import Poison
from ecom_common.facts import Fact, new_fact
from inventory_service.model import (
    MAX_ITEM_ID,
    MAX_LINES,
    MAX_QUANTITY,
    Line,
    Order,
    Outcome,
    Reservation,
    State,
)

SOURCE = "inventory.service"

ORDER_PLACED = "OrderPlaced"
PAYMENT_CONFIRMATION = "PaymentConfirmation"
PAYMENT_REFUNDED = "PaymentRefunded"


def order_placed(fact: Fact) -> Order:
    """Reads orderId, placedAt, items, amount and currency of OrderPlaced. Raises Poison."""
    items = fact.data.get("items")
    if not isinstance(items, list) or not 0 < len(items) <= MAX_LINES:
        raise Poison(f"OrderPlaced.items is not a list of 1 to {MAX_LINES}")
    lines = tuple(_line(item) for item in items)
    if len({line.item_id for line in lines}) < len(lines):
        raise Poison("OrderPlaced.items names an item twice")
    return Order(fact.order_id, fact.text("placedAt"), lines, fact.whole("amount"), fact.text("currency"))


def release_outcome(fact: Fact) -> Outcome:
    """Why stock is to go back: read from PaymentRefunded, or PaymentConfirmation's outcome. Raises Poison."""
    if fact.detail_type == PAYMENT_REFUNDED:
        return Outcome.REFUNDED
    if fact.flag("paymentConfirmed"):
        raise Poison("a confirmed payment releases no stock")
    outcome = fact.text("outcome")
    if outcome not in (Outcome.DECLINED, Outcome.CANCELLED):
        raise Poison("PaymentConfirmation.outcome is neither declined nor cancelled")
    return Outcome(outcome)


def outcome_of(reservation: Reservation) -> Fact:
    """The fact a stored reservation stands for: always the same one for the same row."""
    data: dict[str, Any] = {"orderId": reservation.order_id, "placedAt": reservation.placed_at}
    if reservation.state is State.RELEASED:
        return new_fact(
            SOURCE,
            "StockReleased",
            data | {"outcome": reservation.outcome},
            outcome=str(reservation.outcome),
            occurred_at=reservation.decided_at,
            causation_id=reservation.caused_by,
        )
    return new_fact(
        SOURCE,
        "StockConfirmation",
        data
        | {
            "stockConfirmed": reservation.state is State.RESERVED,
            "reason": reservation.reason,
            "amount": reservation.amount,
            "currency": reservation.currency,
        },
        outcome=reservation.state,
        occurred_at=reservation.decided_at,
        causation_id=reservation.caused_by,
    )


def _line(item: Any) -> Line:
    if not isinstance(item, Mapping):
        raise Poison("an element of OrderPlaced.items is not an object")
    item_id, quantity = item.get("itemId"), item.get("quantity")
    if not isinstance(item_id, str) or not 0 < len(item_id) <= MAX_ITEM_ID:
        raise Poison(f"a line's itemId is not a text of 1 to {MAX_ITEM_ID} characters")
    if isinstance(quantity, bool) or not isinstance(quantity, int) or not 0 < quantity <= MAX_QUANTITY:
        raise Poison(f"a line's quantity is not a whole number from 1 to {MAX_QUANTITY}")
    return Line(item_id, quantity)
