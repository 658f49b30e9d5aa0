"""Messages that can never be handled, each with a part of the reason it has to be parked with."""

from __future__ import annotations

import json
from typing import Any

from simulation.invariants import CANARY_BODY

PLACED_AT = "2026-01-01T00:00:00.000Z"
NEVER = "00000000-0000-4000-8000-00000000dead"
"""No such order."""


def _event(source: str, detail_type: str, data: Any, **metadata: Any) -> str:
    return json.dumps(
        {
            "version": "0",
            "id": "poison",
            "source": source,
            "detail-type": detail_type,
            "detail": {
                "metadata": {
                    "eventId": "poison", "schemaVersion": 1, "occurredAt": PLACED_AT, "correlationId": NEVER,
                    **metadata,
                },
                "data": data,
            },
        }
    )  # fmt: skip


_ORDER = {"orderId": NEVER, "placedAt": PLACED_AT}
_PLACED = {**_ORDER, "items": [{"itemId": "mug", "quantity": 1}], "amount": 100, "currency": "USD"}

ANYWHERE: tuple[tuple[str, str], ...] = (
    (f"{{{CANARY_BODY}", "not JSON"),
    ("[]", "detail"),
    ('{"detail": {"metadata": {}, "data": {"orderId": "\\ud800"}}}', "not JSON"),
    (_event("somebody.else", CANARY_BODY, _ORDER), "nobody here handles"),
    (_event("orders.service", "OrderPlaced", {"orderId": NEVER}), "placedAt"),
    (_event("orders.service", "OrderPlaced", {**_ORDER, "orderId": ""}), "orderId"),
    (_event("orders.service", "OrderPlaced", {**_ORDER, "placedAt": CANARY_BODY}), "placedAt"),
    (_event("orders.service", "OrderPlaced", _PLACED, schemaVersion="1"), "schemaVersion"),
)
"""Poison for every queue."""


def forged(detail: Any) -> tuple[str, str]:
    """An OrderPlaced under the id, and of the order, of a genuine one, but without items."""
    data = {**detail["data"], "items": []}
    return _event("orders.service", "OrderPlaced", data, eventId=detail["metadata"]["eventId"]), "items"


FOR_QUEUE: dict[str, tuple[tuple[str, str], ...]] = {
    "InventoryQueue": (
        (_event("orders.service", "OrderPlaced", {**_PLACED, "items": []}), "items"),
        (_event("orders.service", "OrderPlaced", {**_PLACED, "amount": "1"}), "amount"),
        (_event("orders.service", "OrderPlaced", {**_PLACED, "placedAt": "2999-01-01T00:00:00Z"}), "future"),
    ),
    "InventoryCompensationQueue": (
        (_event("payment.service", "PaymentConfirmation", {**_ORDER, "paymentConfirmed": True}), "confirmed"),
        (
            _event(
                "payment.service", "PaymentConfirmation",
                {**_ORDER, "paymentConfirmed": False, "outcome": CANARY_BODY},
            ),
            "outcome",
        ),
    ),
    "PaymentQueue": (
        (_event("inventory.service", "StockConfirmation", _ORDER | {"stockConfirmed": False}), "not confirm"),
        (_event("inventory.service", "StockConfirmation", _ORDER | {"stockConfirmed": True}), "amount"),
    ),
    "ShippingQueue": (
        (_event("payment.service", "PaymentConfirmation", _ORDER | {"paymentConfirmed": False}), "not paid"),
        (_event("payment.service", "PaymentConfirmation", _ORDER | {"paymentConfirmed": 1}), "neither true"),
    ),
    "OrderLifecycleQueue": (
        (_event("inventory.service", "StockReleased", {**_ORDER, "outcome": CANARY_BODY}), "moves no order"),
        (
            _event("shipping.service", "ShipmentCreated", {**_ORDER, "carrier": 7}, occurredAt=PLACED_AT),
            "carrier",
        ),
    ),
}  # fmt: skip
"""Poison for one queue alone."""
