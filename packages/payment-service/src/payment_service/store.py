"""The only room that speaks to PaymentTable: one row per order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_common.facts import parse_iso
from ecom_common.retention import expires_at
from ecom_common.rows import Row
from ecom_common.table import StateTable
from payment_service.model import Payment, State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


class Payments:
    """What became of each order's payment."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._rows = StateTable(dynamodb, table, key="orderId")

    def add(self, payment: Payment) -> Payment:
        """Write the row unless the order has one. Returns the payment that stands."""
        return _payment(self._rows.add(_row(payment)))

    def move(self, before: Payment, after: Payment) -> Payment:
        """Move the row from one state to the other. Returns the payment that stands: `after`, or a rival's.

        Raises Retry where the row has gone.
        """
        row = _row(after)
        changes = {
            name: row[name] for name in ("state", "decidedAt", "causedBy", "chargeId", "refundId", "reason")
        }
        _, standing = self._rows.move(before.order_id, before.state.value, changes)
        return _payment(standing)


def _row(payment: Payment) -> Row:
    return {
        "orderId": payment.order_id,
        "placedAt": payment.placed_at,
        "state": payment.state.value,
        "decidedAt": payment.decided_at,
        "causedBy": payment.caused_by,
        "amount": payment.amount,
        "currency": payment.currency,
        "chargeId": payment.charge_id,
        "refundId": payment.refund_id,
        "reason": payment.reason,
        "expiresAt": expires_at(parse_iso(payment.placed_at)),
    }


def _payment(row: Row) -> Payment:
    return Payment(
        order_id=row["orderId"],
        placed_at=row["placedAt"],
        state=State(row["state"]),
        decided_at=row["decidedAt"],
        caused_by=row["causedBy"],
        amount=row.get("amount"),
        currency=row.get("currency"),
        charge_id=row.get("chargeId"),
        refund_id=row.get("refundId"),
        reason=row.get("reason"),
    )
