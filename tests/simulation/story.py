"""Orders told to a watch by hand, write by write, as the services would write them; for tests of the watch.

Every step takes the attributes that it should get wrong.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

from ecom_cli.shop.tables import typed
from simulation.invariants import Violation, Watch
from simulation.sealed import seal
from simulation.tables import Change, Item
from simulation.watch.answers import named

START = 1_767_225_600.0
OWNER = "arn:aws:iam::123456789012:user/ann"
KEY = "key-1"
ORDER = named(OWNER, KEY)
ITEM = "mug"
PRICE, QUANTITY = 250, 2
AMOUNT = PRICE * QUANTITY
STOCK = 5
GONE = object()
"""As a value: leave the attribute out."""

LINES = [{"itemId": ITEM, "quantity": QUANTITY}]
MONEY = {"amount": AMOUNT, "currency": "USD"}
CUSTOMER = {"email": "ann@example.org", "address": "12 High Street"}
BOOKING = {"carrier": "primary", "shippingId": "sh_1", "trackingNumber": "PR1", "processedBy": "shipping"}
RANKS = {
    "RESERVED": 20, "PAID": 30, "CANCELLING": 40, "SHIPPING_FAILED": 50, "VOIDED": 60, "PAYMENT_FAILED": 60,
    "REFUNDED": 70,
}  # fmt: skip


def sealed(customer: Any = CUSTOMER, order_id: str = ORDER, stage: str = "sim") -> bytes:
    """Whom an order is for, as its row holds it."""
    return seal("key", {"orderId": order_id, "stage": stage}, json.dumps(customer).encode(), 1)


Break = Callable[["Story"], None]
"""A story, or what goes wrong in one."""


def iso(at: float) -> str:
    return datetime.fromtimestamp(at, UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


class Story:
    """A shop with one item, and the rows of its orders. Each step takes a second."""

    def __init__(self, stock: int = STOCK) -> None:
        self.now = self.began = START
        self.watch = Watch(lambda: self.now, lambda: self.began)
        self.tables: dict[str, dict[str, Item]] = {
            name: {} for name in ("orders", "inventory", "payment", "shipping")
        }
        self.item(quantity=stock, received=stock)
        self.now += 1
        self.began = self.now

    @property
    def broken(self) -> dict[str, str]:
        """What was broken, by promise: the details together."""
        found: dict[str, str] = {}
        for violation in self.watch.violations:
            found[violation.promise] = f"{found.get(violation.promise, '')} {violation.detail}".strip()
        return found

    @property
    def violations(self) -> list[Violation]:
        return self.watch.violations

    def noticed(self, promise: str, what: str) -> None:
        """The watch must have noticed this, and have stumbled over nothing."""
        assert what in self.broken.get(promise, ""), self.broken
        stumbled = [each for each in self.violations if "Error: " in each.detail and each.promise != promise]
        assert stumbled == []

    # --- writes

    def write(self, *rows: tuple[str, str, Mapping[str, Any] | None]) -> None:
        """Write these rows of tables under keys together."""
        self.now += 1
        changes = []
        for table, key, row in rows:
            after = None if row is None else typed({n: v for n, v in row.items() if v is not GONE})
            changes.append(Change(f"ecom-sim-{table}", key, self.tables[table].get(key), after))
            if after is None:
                self.tables[table].pop(key, None)
            else:
                self.tables[table][key] = after
        self.watch.wrote(changes)

    def row(self, table: str, key: str = ORDER) -> dict[str, Any]:
        """A row as it stands, as plain Python."""
        from ecom_cli.shop.tables import plain

        return plain(self.tables[table][key])

    def item(self, **changes: Any) -> None:
        self.write(("inventory", f"ITEM#{ITEM}", self._item(**changes)))

    def _item(self, **changes: Any) -> dict[str, Any]:
        known = self.tables["inventory"].get(f"ITEM#{ITEM}")
        row = {"pk": f"ITEM#{ITEM}", "itemId": ITEM, "price": PRICE, "currency": "USD"}
        return {**(row if known is None else self.row("inventory", f"ITEM#{ITEM}")), **changes}

    def place(self, order_id: str = ORDER, **changes: Any) -> None:
        placed_at = iso(self.now)
        row = {
            "orderId": order_id, "owner": OWNER, "status": "PLACED", "rank": 10, "placedAt": placed_at,
            "updatedAt": placed_at, "items": LINES, **MONEY, "fingerprint": "f",
            "timeline": [{"status": "PLACED", "at": placed_at}], "openShard": "1",
            "sweepAt": int(self.now) + 60, "sweeps": 0,
        }  # fmt: skip
        self.write(("orders", order_id, {**row, **changes}))

    def order(self, status: str, by: str = "", *, at: str = "", **changes: Any) -> None:
        """Move the order. `by` names the table whose row says when it happened; closing by rank 90."""
        row = self.row("orders")
        if not at:
            source = self.row(by, f"ORDER#{ORDER}" if by == "inventory" else ORDER) if by else {}
            at = source.get("decidedAt", iso(self.now))
        rank = changes.get("rank", RANKS.get(status, 90))
        row |= {"status": status, "rank": rank, "timeline": [*row["timeline"], {"status": status, "at": at}]}
        if rank == 90:
            row |= {"closed": True, "expiresAt": int(self.now) + 365 * 86400}
            row |= {"openShard": GONE, "sweepAt": GONE}
        self.write(("orders", ORDER, {**row, **changes}))

    def cancelling(self, reason: str = "customer", **changes: Any) -> None:
        self.order("CANCELLING", cancelReason=reason, **changes)

    def reserve(self, *, taken: int = QUANTITY, order_id: str = ORDER, **changes: Any) -> None:
        """RESERVED, with `taken` off the shelf."""
        item = self._item(quantity=self._item()["quantity"] - taken)
        row = {**self._reservation("RESERVED", order_id), "lines": LINES, **MONEY, **changes}
        self.write(("inventory", row["pk"], row), ("inventory", f"ITEM#{ITEM}", item))

    def reject(self, reason: str = "out_of_stock", **changes: Any) -> None:
        row = {**self._reservation("REJECTED"), "lines": LINES, **MONEY, "reason": reason, **changes}
        self.write(("inventory", row["pk"], row))

    def release(self, outcome: str, *, back: int = QUANTITY, **changes: Any) -> None:
        """RELEASED; a tombstone where nothing was reserved."""
        pk = f"ORDER#{ORDER}"
        moved = {"state": "RELEASED", "outcome": outcome, **self._stamp(), **changes}
        if pk not in self.tables["inventory"]:
            self.write(("inventory", pk, {**self._reservation("RELEASED"), "lines": [], **moved}))
            return
        item = self._item(quantity=self._item()["quantity"] + back)
        self.write(
            ("inventory", pk, {**self.row("inventory", pk), **moved}), ("inventory", f"ITEM#{ITEM}", item)
        )

    def _reservation(self, state: str, order_id: str = ORDER) -> dict[str, Any]:
        return {"pk": f"ORDER#{order_id}", **self._row(order_id), "state": state, **self._stamp()}

    def pay(self, state: str, **changes: Any) -> None:
        """The payment moves; a new INTENT knows the amount, a tombstone does not."""
        known = self.tables["payment"].get(ORDER)
        row = self._row() if known is None else self.row("payment")
        if known is None and state != "VOIDED":
            row |= MONEY
        more = {"CHARGED": {"chargeId": "ch_1"}, "REFUNDED": {"refundId": "re_ch_1"}}
        more |= {"DECLINED": {"reason": "card_declined"}}
        self.write(
            ("payment", ORDER, {**row, "state": state, **self._stamp(), **more.get(state, {}), **changes})
        )

    def ship(self, state: str, **changes: Any) -> None:
        """The shipment moves."""
        row = self._row() if ORDER not in self.tables["shipping"] else self.row("shipping")
        more: Any = {"INTENT": {"asked": {"primary"}, "rescues": 0}, "CREATED": BOOKING}.get(state, {})
        self.write(("shipping", ORDER, {**row, "state": state, **self._stamp(), **more, **changes}))

    def touch(self, table: str, key: str = ORDER, **changes: Any) -> None:
        """Change attributes of a row that stays in its state."""
        self.write((table, key, {**self.row(table, key), **changes}))

    def delete(self, table: str, key: str = ORDER) -> None:
        self.write((table, key, None))

    def _row(self, order_id: str = ORDER) -> dict[str, Any]:
        placed = self.tables["orders"].get(order_id)
        placed_at = iso(START) if placed is None else placed["placedAt"]["S"]
        return {"orderId": order_id, "placedAt": placed_at, "expiresAt": int(START) + 90 * 86400}

    def _stamp(self) -> dict[str, Any]:
        return {"decidedAt": iso(self.now), "causedBy": "cause"}

    # --- whole ways

    def reserved(self) -> None:
        self.place()
        self.reserve()
        self.order("RESERVED", "inventory")

    def charged(self) -> None:
        self.reserved()
        self.pay("INTENT")
        self.pay("CHARGED")
        self.order("PAID", "payment")

    def shipped(self) -> None:
        self.charged()
        self.ship("INTENT")
        self.ship("CREATED")
        self.order("SHIPPED", "shipping", **{name: BOOKING[name] for name in list(BOOKING)[:3]})

    def declined(self) -> None:
        self.reserved()
        self.pay("INTENT")
        self.pay("DECLINED")
        self.order("PAYMENT_FAILED", "payment", reason="card_declined")
        self.release("declined")
        self.order("PAYMENT_FAILED", "inventory", rank=90)

    def cancelled(self) -> None:
        self.place()
        self.cancelling()
        self.ship("FAILED", reason="cancelled")
        self.order("SHIPPING_FAILED", "shipping", reason="cancelled")
        self.pay("VOIDED", reason="cancelled")
        self.order("VOIDED", "payment", reason="cancelled")
        self.release("cancelled")
        self.order("CANCELLED", "inventory")

    def stopped(self) -> None:
        """Paid, then cancelled before it was booked."""
        self.charged()
        self.cancelling()
        self.ship("INTENT")
        self.ship("CANCELLING", reason="cancelled")
        self.ship("FAILED")
        self.order("SHIPPING_FAILED", "shipping", reason="cancelled")

    def refunded(self) -> None:
        self.stopped()
        self.pay("REFUNDING")
        self.pay("REFUNDED")
        self.order("REFUNDED", "payment", refundId="re_ch_1")
        self.release("refunded")
        self.order("REFUNDED", "inventory", rank=90)

    # --- facts

    def publish(
        self, detail_type: str, outcome: str, data: Mapping[str, Any], at: str, source: str, **metadata: Any
    ) -> None:
        order = self.tables["orders"].get(ORDER, {"placedAt": {"S": iso(START)}})
        said = {"orderId": ORDER, "placedAt": order["placedAt"]["S"], **data}
        entry = {
            "source": source,
            "detail-type": detail_type,
            "detail": {
                "metadata": {
                    "eventId": f"{detail_type}-{outcome}", "schemaVersion": 1, "occurredAt": at,
                    "correlationId": ORDER, "causationId": "cause", **metadata,
                },
                "data": {name: value for name, value in said.items() if value is not GONE},
            },
        }  # fmt: skip
        self.watch.published(json.loads(json.dumps(entry)))

    def order_placed(self, at: str = "", source: str = "orders.service", **data: Any) -> None:
        self.publish("OrderPlaced", "", {"items": LINES, **MONEY, **data}, at or iso(START + 2), source)

    def cancel_requested(self, at: str = "", reason: str = "customer", **metadata: Any) -> None:
        if not at:
            at = next(
                (
                    s["at"]
                    for s in self.row("orders")["timeline"]
                    if s["status"] not in ("PLACED", "RESERVED")
                ),
                iso(self.now),
            )
        self.publish("OrderCancelRequested", reason, {"reason": reason}, at, "orders.service", **metadata)

    def says(self, table: str, detail_type: str, outcome: str, at: str = "", /, **data: Any) -> None:
        """A participant's fact, with the time of its row as it stands."""
        source = {"inventory": "inventory.service", "payment": "payment.service"}.get(
            table, "shipping.service"
        )
        key = f"ORDER#{ORDER}" if table == "inventory" else ORDER
        known = self.tables[table].get(key)
        decided = iso(self.now) if known is None else known["decidedAt"]["S"]
        metadata = data.pop("metadata", {})
        self.publish(detail_type, outcome, data, at or decided, source, **metadata)

    # --- answers

    def view(self, **changes: Any) -> dict[str, Any]:
        """The order as the API shows it."""
        row = self.row("orders")
        names = ("orderId", "status", "placedAt", "updatedAt", "items", "currency", "timeline")
        closed = {"closed": row.get("closed", False), "amount": row["amount"] / 100}
        return {**{name: row[name] for name in names}, **closed, **changes}

    def answer(
        self, status: int, body: Any, method: str = "GET", *, order_id: str | None = ORDER,
        owner: str = OWNER, key: str | None = None, wish: Any = None, kind: str = "", struck: bool = False,
    ) -> None:  # fmt: skip
        """The API answers a request that began when the last write was done."""
        request = {
            "httpMethod": method,
            "pathParameters": {"orderId": order_id} if order_id else None,
            "headers": {"idempotency-key": key} if key else {},
            "body": json.dumps(wish) if wish else None,
            "requestContext": {"identity": {"userArn": owner}},
        }
        kind = kind or ("application/problem+json" if status >= 400 else "application/json")
        self.watch.answered(
            request,
            {"statusCode": status, "headers": {"Content-Type": kind}, "body": json.dumps(body)},
            struck=struck,
        )

    # --- at rest

    def rest(self, charges: Any = (), parcels: Any = (), **more: Any) -> dict[str, str]:
        """All is done. `charges` and `parcels` are what really happened outside."""
        database: Any = SimpleNamespace(
            tables={f"ecom-sim-{name}": SimpleNamespace(rows=rows) for name, rows in self.tables.items()}
        )
        gateway: Any = SimpleNamespace(charges=list(charges))
        carriers: Any = {"primary": SimpleNamespace(parcels=list(parcels))}
        self.watch.at_rest(database, gateway, carriers, self.now, **more)
        return self.broken


def charge(**changes: Any) -> Any:
    known = {"order_id": ORDER, "charge_id": "ch_1", **MONEY, "refunded_at": None, "refund_id": None}
    return SimpleNamespace(**{**known, **changes})


def parcel(order_id: str = ORDER, **changes: Any) -> Any:
    booking = {"carrier": "primary", "shipping_id": "sh_1", "tracking_number": "PR1", **changes}
    return SimpleNamespace(order_id=order_id, booking=SimpleNamespace(**booking))
