"""What holds of each fact that gets on the bus: a row stands behind it, and it is always the same."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from simulation.watch.memory import Item, Memory, plain, text, turned
from simulation.watch.promises import CANARIES, CANARY, Promise

SOURCES = {
    "OrderPlaced": "orders.service",
    "OrderCancelRequested": "orders.service",
    "StockConfirmation": "inventory.service",
    "StockReleased": "inventory.service",
    "PaymentConfirmation": "payment.service",
    "PaymentRefunded": "payment.service",
    "ShipmentCreated": "shipping.service",
    "ShipmentFailed": "shipping.service",
}
OUTCOMES = {"charged": "CHARGED", "declined": "DECLINED", "cancelled": "VOIDED"}


class Claim(NamedTuple):
    """What a fact says: a row of this kind is, or was, in this state. `fields` are the row's."""

    kind: str
    state: str
    fields: tuple[str, ...]
    outcome: str = ""


def claim_of(detail_type: str, data: Mapping[str, Any]) -> Claim:
    """What a participant's fact claims. One that contradicts itself claims a state that there is not."""
    if detail_type == "StockConfirmation":
        confirmed = data.get("stockConfirmed")
        state = "RESERVED" if confirmed is True else "REJECTED" if confirmed is False else ""
        return Claim("reservation", state, ("reason", "amount", "currency"), state)
    if detail_type == "StockReleased":
        return Claim("reservation", "RELEASED", ("outcome",), str(data.get("outcome")))
    if detail_type == "PaymentConfirmation":
        state = OUTCOMES.get(str(data.get("outcome")), "")
        if data.get("paymentConfirmed") is not (state == "CHARGED"):
            state = ""
        return Claim("payment", state, ("reason",), state)
    if detail_type == "PaymentRefunded":
        return Claim("payment", "REFUNDED", ("refundId",))
    if detail_type == "ShipmentCreated":
        return Claim("shipment", "CREATED", ("shippingId", "carrier", "trackingNumber", "processedBy"))
    return Claim("shipment", "FAILED", ("reason",))


class Facts:
    """Judges each fact when it is first published, and that it is the same whenever it comes again."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._known: dict[str, Mapping[str, Any]] = {}
        self._ids: dict[tuple[str, str, str], str] = {}

    def published(self, entry: Mapping[str, Any]) -> None:
        """Judge an entry that the bus accepted: source, detail-type and detail."""
        metadata = entry["detail"]["metadata"]
        known = self._known.get(metadata["eventId"])
        if known == entry:
            return
        data = entry["detail"]["data"]
        order_id = str(data["orderId"])
        if known is None:
            self._known[metadata["eventId"]] = entry
            self._judge(order_id, entry, metadata, data)
            return
        if _without_trace(known) != _without_trace(entry):
            self._memory.broken(
                Promise.SAME_FACT,
                order_id,
                f"{entry['detail-type']} was {known['detail']}, and now is {entry['detail']}",
            )

    def forget(self, order_id: str) -> None:
        """The rows of an order were put back to an earlier moment: its facts may come anew."""
        self._known = {
            event_id: entry
            for event_id, entry in self._known.items()
            if entry["detail"]["data"]["orderId"] != order_id
        }

    def _judge(
        self, order_id: str, entry: Mapping[str, Any], metadata: Mapping[str, Any], data: Mapping[str, Any]
    ) -> None:
        detail_type = entry["detail-type"]
        if SOURCES.get(detail_type) != entry["source"]:
            self._untrue(order_id, detail_type, f"it was published by {entry['source']}")
            return
        if (metadata["correlationId"], metadata["schemaVersion"]) != (order_id, 1):
            self._untrue(order_id, detail_type, f"its metadata is {metadata}")
        order = self._memory.order(order_id)
        if order is None:
            self._untrue(order_id, detail_type, "there is no such order")
            return
        if data.get("placedAt") != text(order, "placedAt"):
            self._untrue(
                order_id,
                detail_type,
                f"placed at {data.get('placedAt')}, but the order was at {text(order, 'placedAt')}",
            )
        if entry["source"] == "orders.service":
            outcome = self._of_an_order(order_id, detail_type, metadata, data, order)
        else:
            outcome = self._of_a_participant(order_id, detail_type, metadata, data)
        self._named(order_id, detail_type, outcome, metadata["eventId"])
        if CANARY in (said := str(entry)) and (found := [canary for canary in CANARIES if canary in said]):
            self._memory.broken(Promise.NO_CANARY, order_id, f"{detail_type} holds {', '.join(found)}")

    def _of_a_participant(
        self, order_id: str, detail_type: str, metadata: Mapping[str, Any], data: Mapping[str, Any]
    ) -> str:
        claim = claim_of(detail_type, data)
        row = self._memory.stood[claim.kind].get(order_id, {}).get(claim.state)
        if row is None:
            now = self._memory.state(claim.kind, order_id)
            self._untrue(
                order_id,
                detail_type,
                f"it says {dict(data)}, but the {claim.kind} never was {claim.state or 'anything like it'}"
                f" (it is {now or 'missing'})",
            )
            return claim.outcome
        for name in claim.fields:
            stored = plain(row[name]) if name in row else None
            if data.get(name) != stored:
                self._untrue(
                    order_id, detail_type, f"its {name} is {data.get(name)}, the {claim.kind}'s {stored}"
                )
        if metadata["occurredAt"] != text(row, "decidedAt"):
            self._memory.broken(
                Promise.SAME_FACT,
                order_id,
                f"{detail_type} says {metadata['occurredAt']}, the row {text(row, 'decidedAt')}",
            )
        if metadata.get("causationId") != text(row, "causedBy"):
            self._untrue(
                order_id,
                detail_type,
                f"caused by {metadata.get('causationId')}, but the row says {text(row, 'causedBy')}",
            )
        return claim.outcome

    def _of_an_order(
        self,
        order_id: str,
        detail_type: str,
        metadata: Mapping[str, Any],
        data: Mapping[str, Any],
        order: Item,
    ) -> str:
        if detail_type == "OrderPlaced":
            for name in ("items", "amount", "currency"):
                if data.get(name) != plain(order[name]):
                    self._untrue(
                        order_id,
                        detail_type,
                        f"its {name} is {data.get(name)}, the order's {plain(order[name])}",
                    )
            if metadata["occurredAt"] != text(order, "placedAt"):
                self._memory.broken(
                    Promise.SAME_FACT, order_id, f"OrderPlaced at {metadata['occurredAt']}, not when it was"
                )
            return ""
        reason = text(order, "cancelReason") or "timeout"
        step = turned(order)
        if step is None:
            self._untrue(order_id, detail_type, f"the order is {text(order, 'status')} and never turned back")
        elif metadata["occurredAt"] != text(step, "at"):
            self._memory.broken(
                Promise.SAME_FACT,
                order_id,
                f"{detail_type} says {metadata['occurredAt']}, but the order turned at {text(step, 'at')}",
            )
        if data.get("reason") != reason:
            self._untrue(order_id, detail_type, f"its reason is {data.get('reason')}, the order's {reason}")
        return str(data.get("reason"))

    def _named(self, order_id: str, detail_type: str, outcome: str, event_id: str) -> None:
        first = self._ids.setdefault((order_id, detail_type, outcome), event_id)
        if first != event_id:
            self._memory.broken(
                Promise.SAME_FACT,
                order_id,
                f"{detail_type} {outcome} went out as {first}, and now as {event_id}",
            )

    def _untrue(self, order_id: str, detail_type: str, detail: str) -> None:
        self._memory.broken(Promise.TRUE_FACT, order_id, f"{detail_type}: {detail}")


def _without_trace(entry: Mapping[str, Any]) -> list[Any]:
    detail = entry["detail"]
    metadata = {name: value for name, value in detail["metadata"].items() if name != "traceId"}
    return [entry["source"], entry["detail-type"], metadata, detail["data"]]
