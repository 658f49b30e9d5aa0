"""The facts payment publishes, and the fields it reads from others' facts."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ecom_common.errors import Poison
from ecom_common.facts import Fact, new_fact
from payment_service.model import UNSETTLED, Payment, State

SOURCE = "payment.service"

STOCK_CONFIRMATION = "StockConfirmation"
SHIPMENT_FAILED = "ShipmentFailed"

_OUTCOMES = {State.CHARGED: "charged", State.DECLINED: "declined", State.VOIDED: "cancelled"}


@dataclass(frozen=True, slots=True)
class Due:
    """What a reserved order owes. `amount` in minor units of `currency`."""

    order_id: str
    placed_at: str
    amount: int
    currency: str


def stock_confirmed(fact: Fact) -> Due:
    """Reads orderId, placedAt, amount and currency of a StockConfirmation that is true. Raises Poison."""
    if not fact.flag("stockConfirmed"):
        raise Poison("stock that is not confirmed is not to be paid for")
    return Due(fact.order_id, fact.text("placedAt"), fact.whole("amount"), fact.text("currency"))


def outcome_of(payment: Payment) -> Fact:
    """The fact a settled payment stands for: always the same one for the same row."""
    if payment.state in UNSETTLED:
        raise ValueError(f"a payment in {payment.state} has no outcome to publish")
    data: dict[str, Any] = {"orderId": payment.order_id, "placedAt": payment.placed_at}
    if payment.state is State.REFUNDED:
        detail_type, outcome = "PaymentRefunded", ""
        data |= {"refundId": payment.refund_id}
    else:
        detail_type, outcome = "PaymentConfirmation", _OUTCOMES[payment.state]
        data |= {
            "paymentConfirmed": payment.state is State.CHARGED,
            "outcome": outcome,
            "reason": payment.reason,
        }
    return new_fact(
        SOURCE,
        detail_type,
        data,
        outcome=outcome,
        occurred_at=payment.decided_at,
        causation_id=payment.caused_by,
    )
