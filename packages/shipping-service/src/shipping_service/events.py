"""The facts shipping publishes, and the fields it reads from others' facts."""

from __future__ import annotations

from typing import Any

from ecom_common.errors import Poison
from ecom_common.facts import Fact, new_fact
from shipping_service.model import Shipment, State

SOURCE = "shipping.service"

PAYMENT_CONFIRMATION = "PaymentConfirmation"
ORDER_CANCEL_REQUESTED = "OrderCancelRequested"


def check_paid(fact: Fact) -> None:
    """Reads paymentConfirmed of PaymentConfirmation: only a paid order is shipped. Raises Poison."""
    if not fact.flag("paymentConfirmed"):
        raise Poison("an order that is not paid is not to be shipped")


def outcome_of(shipment: Shipment) -> Fact:
    """The fact a settled shipment stands for: always the same one for the same row."""
    data: dict[str, Any] = {"orderId": shipment.order_id, "placedAt": shipment.placed_at}
    if shipment.state is State.CREATED and shipment.booking:
        detail_type = "ShipmentCreated"
        data |= {
            "shippingId": shipment.booking.shipping_id,
            "carrier": shipment.booking.carrier,
            "trackingNumber": shipment.booking.tracking_number,
            "processedBy": shipment.processed_by,
        }
    elif shipment.state is State.FAILED:
        detail_type = "ShipmentFailed"
        data |= {"reason": shipment.reason}
    else:
        raise ValueError(f"a shipment in {shipment.state} has no outcome to publish")
    return new_fact(
        SOURCE, detail_type, data, occurred_at=shipment.decided_at, causation_id=shipment.caused_by
    )
