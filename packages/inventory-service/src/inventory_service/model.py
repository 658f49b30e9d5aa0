"""The rules of stock: what an order costs, who gets what, and what giving back means. Pure.

Moves of a reservation (no row yet is ∅): ∅→RESERVED→RELEASED, ∅→REJECTED, and ∅→RELEASED where the release
came before the order: a tombstone, so that the order arriving later takes nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

RESERVATION_WINDOW = timedelta(hours=1)
"""An order older than this reserves nothing any more. Longer than the time after which an order is
cancelled, shorter than the time in which a payment may be taken."""

MAX_LINES = 50
MAX_QUANTITY = 999
MAX_ITEM_ID = 64

MAX_ACTIONS = 100
"""DynamoDB takes no more in one TransactWriteItems."""


class State(StrEnum):
    RESERVED = "RESERVED"
    REJECTED = "REJECTED"
    RELEASED = "RELEASED"


class Reason(StrEnum):
    """Why a reservation was refused."""

    OUT_OF_STOCK = "out_of_stock"
    UNKNOWN_ITEM = "unknown_item"
    AMOUNT_MISMATCH = "amount_mismatch"
    CURRENCY_MISMATCH = "currency_mismatch"


class Outcome(StrEnum):
    """Why the stock went back."""

    DECLINED = "declined"
    CANCELLED = "cancelled"
    REFUNDED = "refunded"


@dataclass(frozen=True, slots=True)
class Line:
    item_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Item:
    """What the catalogue says of an item. `price` is in minor units (cents) of `currency`."""

    item_id: str
    price: int
    currency: str


@dataclass(frozen=True, slots=True)
class Order:
    """An order as inventory sees it. `amount`, in minor units, is what the customer agreed to pay."""

    order_id: str
    placed_at: str
    lines: tuple[Line, ...]
    amount: int
    currency: str


@dataclass(frozen=True, slots=True)
class Reservation:
    """What was decided about one order's stock: one row, kept until long after the order is closed."""

    order_id: str
    placed_at: str
    state: State
    decided_at: str
    caused_by: str
    lines: tuple[Line, ...] = ()
    amount: int | None = None
    currency: str | None = None
    reason: Reason | None = None
    outcome: Outcome | None = None

    def reject(self, reason: Reason) -> Reservation:
        """The same order, refused. Only for a reservation that was never written."""
        return replace(self, state=State.REJECTED, reason=reason)

    def release(self, outcome: Outcome, *, decided_at: str, caused_by: str) -> Reservation:
        """Give the stock back. What is not reserved stays as it is: releasing twice changes nothing."""
        if self.state is not State.RESERVED:
            return self
        return replace(
            self, state=State.RELEASED, outcome=outcome, decided_at=decided_at, caused_by=caused_by
        )


def decide(
    order: Order, catalogue: Mapping[str, Item], age: timedelta, *, decided_at: str, caused_by: str
) -> Reservation:
    """What should become of an order, before anyone has looked at the quantities.

    RESERVED is a wish: the stock decides. REJECTED is final: the catalogue does not know an item, or its
    prices do not add up to what the customer agreed to pay. RELEASED is the tombstone of an order too old.
    """
    wish = Reservation(
        order_id=order.order_id,
        placed_at=order.placed_at,
        state=State.RESERVED,
        decided_at=decided_at,
        caused_by=caused_by,
        lines=order.lines,
        amount=order.amount,
        currency=order.currency,
    )
    if age > RESERVATION_WINDOW:
        return tombstone(
            order.order_id, order.placed_at, Outcome.CANCELLED, decided_at=decided_at, caused_by=caused_by
        )
    refusal = refusal_of(order, catalogue)
    return wish.reject(refusal) if refusal else wish


def refusal_of(order: Order, catalogue: Mapping[str, Item]) -> Reason | None:
    """Why the catalogue refuses an order; None where items, currency and amount agree."""
    items = [catalogue.get(line.item_id) for line in order.lines]
    if None in items:
        return Reason.UNKNOWN_ITEM
    if any(item.currency != order.currency for item in items if item):
        return Reason.CURRENCY_MISMATCH
    total = sum(item.price * line.quantity for item, line in zip(items, order.lines, strict=True) if item)
    return None if total == order.amount else Reason.AMOUNT_MISMATCH


def tombstone(
    order_id: str, placed_at: str, outcome: Outcome, *, decided_at: str, caused_by: str
) -> Reservation:
    """A release of nothing, so that an order which arrives after its own end reserves nothing."""
    return Reservation(order_id, placed_at, State.RELEASED, decided_at, caused_by, outcome=outcome)


def taken(reservations: Sequence[Reservation]) -> dict[str, int]:
    """How many of each item these reservations take together; the refused and released take none."""
    wanted: Counter[str] = Counter()
    for reservation in reservations:
        if reservation.state is State.RESERVED:
            for line in reservation.lines:
                wanted[line.item_id] += line.quantity
    return dict(wanted)


def groups(reservations: Sequence[Reservation], most: int = MAX_ACTIONS) -> Iterator[list[Reservation]]:
    """Cut into runs that fit one transaction: a write for each row and one for each distinct item."""
    group: list[Reservation] = []
    items: set[str] = set()
    for reservation in reservations:
        more = items | taken([reservation]).keys()
        if group and len(group) + 1 + len(more) > most:
            yield group
            group, more = [], set(taken([reservation]))
        group.append(reservation)
        items = more
    if group:
        yield group
