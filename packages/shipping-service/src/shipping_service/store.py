"""The only room that speaks to ShippingTable: one row per order."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ecom_common.facts import parse_iso
from ecom_common.retention import expires_at
from ecom_common.rows import Row
from ecom_common.table import StateTable
from shipping_service.model import Booking, Reason, Shipment, State

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

_MOVED = (
    "state",
    "decidedAt",
    "causedBy",
    "reason",
    "carrier",
    "shippingId",
    "trackingNumber",
    "processedBy",
)


class Shipments:
    """What became of each order's shipment."""

    def __init__(self, dynamodb: DynamoDBClient, table: str) -> None:
        self._rows = StateTable(dynamodb, table, key="orderId")

    def add(self, shipment: Shipment) -> Shipment:
        """Write the row unless the order has one. Returns the shipment that stands."""
        return _shipment(self._rows.add(_row(shipment)))

    def move(self, before: Shipment, after: Shipment) -> Shipment:
        """Move the row from one state to the other. Returns the shipment that stands: `after`, or a rival's.

        Raises Retry where the row has gone.
        """
        row = _row(after)
        changes = {name: row[name] for name in _MOVED}
        _, standing = self._rows.move(before.order_id, before.state.value, changes)
        return _shipment(standing)

    def begin_rescue(self, shipment: Shipment, carrier: str) -> Shipment:
        """Note one more attempt with the fallback carrier, before it is asked. Returns what stands."""
        _, standing = self._rows.move(
            shipment.order_id, State.INTENT.value, {}, adds={"rescues": 1, "asked": {carrier}}
        )
        return _shipment(standing)

    def note_asked(self, shipment: Shipment, carrier: str) -> Shipment:
        """Note that a carrier may hold a booking, before it is asked. Returns what stands."""
        _, standing = self._rows.move(shipment.order_id, State.INTENT.value, {}, adds={"asked": {carrier}})
        return _shipment(standing)

    def strike_out(self, shipment: Shipment, carrier: str) -> None:
        """Note that a carrier holds no booking of this settled order any more."""
        self._rows.move(shipment.order_id, shipment.state.value, {}, deletes={"asked": {carrier}})


def _row(shipment: Shipment) -> Row:
    booking = shipment.booking
    return {
        "orderId": shipment.order_id,
        "placedAt": shipment.placed_at,
        "state": shipment.state.value,
        "decidedAt": shipment.decided_at,
        "causedBy": shipment.caused_by,
        # DynamoDB knows no empty set.
        "asked": set(shipment.asked) or None,
        "rescues": shipment.rescues,
        "reason": shipment.reason.value if shipment.reason else None,
        "carrier": booking.carrier if booking else None,
        "shippingId": booking.shipping_id if booking else None,
        "trackingNumber": booking.tracking_number if booking else None,
        "processedBy": shipment.processed_by,
        "expiresAt": expires_at(parse_iso(shipment.placed_at)),
    }


def _shipment(row: Row) -> Shipment:
    booking = None
    if row.get("shippingId"):
        booking = Booking(row["carrier"], row["shippingId"], row["trackingNumber"])
    return Shipment(
        order_id=row["orderId"],
        placed_at=row["placedAt"],
        state=State(row["state"]),
        decided_at=row["decidedAt"],
        caused_by=row["causedBy"],
        asked=frozenset(row.get("asked") or ()),
        rescues=row.get("rescues", 0),
        reason=Reason(row["reason"]) if row.get("reason") else None,
        booking=booking,
        processed_by=row.get("processedBy"),
    )
