"""What must hold over the four tables at any time. Pure functions over rows.

A check reads plain rows (numbers as ints) and yields one sentence for each broken promise. The rows must have
been read in the order orders, shipments, payments, inventory: every move that a check counts on then happened
before the read, so that a running system raises no false alarm about a closed order.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

Row = Mapping[str, Any]

RESERVATION_STATES = frozenset({"RESERVED", "REJECTED", "RELEASED"})
PAYMENT_STATES = frozenset({"INTENT", "CHARGED", "DECLINED", "VOIDING", "VOIDED", "REFUNDING", "REFUNDED"})
SHIPMENT_STATES = frozenset({"INTENT", "CREATED", "FAILED", "CANCELLING"})

CLOSED_RANK = 90
RANKS: Mapping[str, tuple[int, ...]] = {
    "PLACED": (10,),
    "RESERVED": (20,),
    "PAID": (30,),
    "CANCELLING": (40,),
    "SHIPPING_FAILED": (50,),
    "VOIDED": (60,),
    "PAYMENT_FAILED": (60, CLOSED_RANK),
    "REFUNDED": (70, CLOSED_RANK),
    "OUT_OF_STOCK": (CLOSED_RANK,),
    "CANCELLED": (CLOSED_RANK,),
    "SHIPPED": (CLOSED_RANK,),
}
"""The ranks a status can have. Two of them are shown before the stock is back, and again when it is."""

ROWS_LAST = timedelta(days=89)
"""The services' rows about an order expire 90 days after it was placed (the order's own much later). From a
day before, nothing is concluded from a row that is missing."""

_NONE = ""
"""The state of a row that does not exist."""


@dataclass(frozen=True)
class Agreement:
    """The states the three rows may be in once an order is closed."""

    reservation: frozenset[str]
    payment: frozenset[str]
    shipment: frozenset[str]


AGREED: Mapping[str, Agreement] = {
    "SHIPPED": Agreement(frozenset({"RESERVED"}), frozenset({"CHARGED"}), frozenset({"CREATED"})),
    "OUT_OF_STOCK": Agreement(
        frozenset({"REJECTED"}), frozenset({_NONE, "VOIDED"}), frozenset({_NONE, "FAILED"})
    ),
    "PAYMENT_FAILED": Agreement(
        frozenset({"RELEASED"}), frozenset({"DECLINED"}), frozenset({_NONE, "FAILED"})
    ),
    # An order that came too late for its window is given up before payment or shipping hear of it.
    "CANCELLED": Agreement(
        frozenset({"RELEASED"}), frozenset({_NONE, "VOIDED"}), frozenset({_NONE, "FAILED"})
    ),
    "REFUNDED": Agreement(frozenset({"RELEASED"}), frozenset({"REFUNDED"}), frozenset({"FAILED"})),
}


@dataclass(frozen=True)
class Tables:
    """The rows of the four tables, by item id or order id.

    `as_of`: when they were read; None if no row is old enough to have expired.
    """

    orders: Mapping[str, Row] = field(default_factory=dict)
    items: Mapping[str, Row] = field(default_factory=dict)
    reservations: Mapping[str, Row] = field(default_factory=dict)
    payments: Mapping[str, Row] = field(default_factory=dict)
    shipments: Mapping[str, Row] = field(default_factory=dict)
    as_of: datetime | None = None

    @classmethod
    def from_rows(
        cls,
        orders: Iterable[Row],
        inventory: Iterable[Row],
        payments: Iterable[Row],
        shipments: Iterable[Row],
        as_of: datetime | None = None,
    ) -> Tables:
        """Sort the rows as scanned; the inventory table holds both items and reservations.

        Raises ValueError on an inventory row that is neither.
        """
        items: dict[str, Row] = {}
        reservations: dict[str, Row] = {}
        for row in inventory:
            kind, _, name = str(row["pk"]).partition("#")
            if kind == "ITEM":
                items[name] = row
            elif kind == "ORDER":
                reservations[name] = row
            else:
                raise ValueError(f"inventory row {row['pk']!r} is neither an item nor a reservation")
        return cls(
            orders={row["orderId"]: row for row in orders},
            items=items,
            reservations=reservations,
            payments={row["orderId"]: row for row in payments},
            shipments={row["orderId"]: row for row in shipments},
            as_of=as_of,
        )

    def may_have_expired(self, row: Row) -> bool:
        """Whether rows about this row's order may be gone for their age."""
        if self.as_of is None or "placedAt" not in row:
            return False
        return self.as_of - datetime.fromisoformat(row["placedAt"]) > ROWS_LAST

    def closed(self) -> Iterator[tuple[str, Row]]:
        """The orders that have reached their end."""
        return ((order_id, row) for order_id, row in self.orders.items() if row.get("closed"))

    def holding(self) -> Iterator[Row]:
        """The lines that were taken from stock and not given back."""
        for row in self.reservations.values():
            if row.get("state") == "RESERVED":
                yield from row.get("lines", ())
        for order_id, order in self.closed():
            gone = order_id not in self.reservations and self.may_have_expired(order)
            if gone and order["status"] == "SHIPPED":
                yield from order["items"]


def state(rows: Mapping[str, Row], order_id: str) -> str:
    """The state of an order's row in one table; empty where there is none."""
    row = rows.get(order_id)
    return _NONE if row is None else str(row.get("state", _NONE))


def stock_adds_up(tables: Tables) -> Iterator[str]:
    """stock on hand = received - reserved"""
    reserved = _summed(tables.holding())
    for item_id, item in sorted(tables.items.items()):
        received = item.get("received", 0)
        expected = received - reserved[item_id]
        if item["quantity"] != expected:
            yield (
                f"{item_id}: {item['quantity']} on hand, but {received} received - {reserved[item_id]}"
                f" reserved = {expected}"
            )
    for item_id in sorted(set(reserved) - set(tables.items)):
        yield f"{item_id}: {reserved[item_id]} reserved of an item that does not exist"


def stock_not_negative(tables: Tables) -> Iterator[str]:
    """stock is never below zero"""
    for item_id, item in sorted(tables.items.items()):
        if item["quantity"] < 0:
            yield f"{item_id}: {item['quantity']} on hand"


def shipped_means_paid(tables: Tables) -> Iterator[str]:
    """shipped ⇒ paid and reserved"""
    for order_id, row in tables.shipments.items():
        if state(tables.shipments, order_id) != "CREATED" or tables.may_have_expired(row):
            continue
        payment, reservation = state(tables.payments, order_id), state(tables.reservations, order_id)
        if payment != "CHARGED":
            yield f"{order_id}: shipped, but the payment is {payment or 'missing'}"
        if reservation != "RESERVED":
            yield f"{order_id}: shipped, but the reservation is {reservation or 'missing'}"


def paid_back_means_not_shipped(tables: Tables) -> Iterator[str]:
    """refunded or voided ⇒ not shipped"""
    for order_id in tables.payments:
        payment = state(tables.payments, order_id)
        if payment in {"VOIDED", "REFUNDED", "VOIDING", "REFUNDING"} and (
            state(tables.shipments, order_id) == "CREATED"
        ):
            yield f"{order_id}: the payment is {payment}, but it shipped"


def paid_means_reserved(tables: Tables) -> Iterator[str]:
    """money is asked for only where stock was reserved"""
    for order_id, row in tables.payments.items():
        if tables.may_have_expired(row):
            continue
        payment = state(tables.payments, order_id)
        reservation = state(tables.reservations, order_id)
        # VOIDED may stand alone: a cancel can reach payment before the stock does.
        if payment in {"INTENT", "CHARGED", "DECLINED", "REFUNDING", "REFUNDED"} and (
            reservation not in {"RESERVED", "RELEASED"}
        ):
            yield f"{order_id}: the payment is {payment}, but the reservation is {reservation or 'missing'}"
    for order_id, row in tables.shipments.items():
        if tables.may_have_expired(row):
            continue
        shipment, payment = state(tables.shipments, order_id), state(tables.payments, order_id)
        if shipment in {"INTENT", "CANCELLING"} and payment not in {"CHARGED", "REFUNDING", "REFUNDED"}:
            yield f"{order_id}: the shipment is {shipment}, but the payment is {payment or 'missing'}"


def closed_agrees(tables: Tables) -> Iterator[str]:
    """a closed order's status agrees with its three rows"""
    for order_id, order in tables.closed():
        if tables.may_have_expired(order):
            continue
        status = str(order["status"])
        agreed = AGREED.get(status)
        if agreed is None:
            yield f"{order_id}: closed as {status}, which no order ends as"
            continue
        for name, rows, allowed in (
            ("reservation", tables.reservations, agreed.reservation),
            ("payment", tables.payments, agreed.payment),
            ("shipment", tables.shipments, agreed.shipment),
        ):
            found = state(rows, order_id)
            if found not in allowed and not (name == "shipment" and _voided_for_age(tables, order_id)):
                yield f"{order_id}: closed as {status}, but the {name} is {found or 'missing'}"


def _voided_for_age(tables: Tables, order_id: str) -> bool:
    """Whether a charge that nobody heard of in time went back by itself: then shipping knows of nothing."""
    payment = tables.payments.get(order_id, {})
    gone_back = payment.get("state") == "REFUNDED" and payment.get("reason") == "expired"
    return gone_back and not state(tables.shipments, order_id)


def no_stock_held_back(tables: Tables) -> Iterator[str]:
    """no stock stays reserved for an order that ended without shipping"""
    for order_id in tables.reservations:
        if state(tables.reservations, order_id) != "RESERVED":
            continue
        order = tables.orders.get(order_id)
        if order is None:
            yield f"{order_id}: stock is reserved for an order that does not exist"
        elif order.get("closed") and order["status"] != "SHIPPED":
            yield f"{order_id}: closed as {order['status']}, but its stock is still reserved"


def amounts_equal(tables: Tables) -> Iterator[str]:
    """the same amount and the same lines in every row of an order"""
    for order_id, order in tables.orders.items():
        for name, rows in (("reservation", tables.reservations), ("payment", tables.payments)):
            row = rows.get(order_id)
            # A tombstone was written before the order's content was known: it has no amount.
            if row is None or row.get("amount") is None:
                continue
            if (row["amount"], row.get("currency")) != (order["amount"], order["currency"]):
                yield (
                    f"{order_id}: ordered for {order['amount']} {order['currency']}, but the {name} says"
                    f" {row['amount']} {row.get('currency')}"
                )
        lines = tables.reservations.get(order_id, {}).get("lines")
        if lines and _summed(lines) != _summed(order["items"]):
            yield f"{order_id}: the reserved lines are not the ordered ones"


def states_are_legal(tables: Tables) -> Iterator[str]:
    """every row is in a state that its moves can reach"""
    for name, rows, legal in (
        ("reservation", tables.reservations, RESERVATION_STATES),
        ("payment", tables.payments, PAYMENT_STATES),
        ("shipment", tables.shipments, SHIPMENT_STATES),
    ):
        for order_id in rows:
            found = state(rows, order_id)
            if found not in legal:
                yield f"{order_id}: the {name} is {found or 'without a state'}"
    for name, rows, reached, proof in (
        ("payment", tables.payments, {"CHARGED", "REFUNDING", "REFUNDED"}, "chargeId"),
        ("payment", tables.payments, {"REFUNDED"}, "refundId"),
        ("shipment", tables.shipments, {"CREATED"}, "trackingNumber"),
    ):
        for order_id, row in rows.items():
            if state(rows, order_id) in reached and not row.get(proof):
                yield f"{order_id}: the {name} is {state(rows, order_id)} without a {proof}"


def status_never_goes_back(tables: Tables) -> Iterator[str]:
    """an order's status never goes back"""
    for order_id, order in tables.orders.items():
        status, rank = str(order["status"]), order["rank"]
        if rank not in RANKS.get(status, ()):
            yield f"{order_id}: status {status} with rank {rank}"
        if bool(order.get("closed")) != (rank == CLOSED_RANK):
            yield f"{order_id}: rank {rank}, but {'closed' if order.get('closed') else 'not closed'}"
        reached = 0
        for entry in order.get("timeline", ()):
            higher = [rank for rank in RANKS.get(str(entry["status"]), ()) if rank > reached]
            if not higher:
                yield f"{order_id}: the timeline goes back to {entry['status']}"
                break
            reached = min(higher)


Check = Callable[[Tables], Iterator[str]]

CHECKS: tuple[Check, ...] = (
    stock_adds_up,
    stock_not_negative,
    shipped_means_paid,
    paid_back_means_not_shipped,
    paid_means_reserved,
    closed_agrees,
    no_stock_held_back,
    amounts_equal,
    states_are_legal,
    status_never_goes_back,
)


def title(check: Check) -> str:
    """The promise in words: the first line of the check's docstring."""
    return (check.__doc__ or check.__name__).strip().splitlines()[0]


def broken(tables: Tables) -> dict[str, list[str]]:
    """Every promise by its title, with what breaks it. An empty list: it holds."""
    return {title(check): list(check(tables)) for check in CHECKS}


def messages(found: Mapping[str, Iterable[str]]) -> list[str]:
    """What is broken, as one flat list of sentences; empty if all holds."""
    return [f"{promise}: {message}" for promise, each in found.items() for message in each]


def _summed(lines: Iterable[Row]) -> Counter[str]:
    total: Counter[str] = Counter()
    for line in lines:
        total[line["itemId"]] += line["quantity"]
    return total
