"""The rules of an order: where it stands, what moves it, when it is swept, what its money is. Pure.

The row of an order is a projection of what the other services report. Each move has a rank and an order only
ever moves to a higher one, so that facts may come late, twice and in any order and all lead to the same end.
"""

from __future__ import annotations

import hashlib
import json
import math
import uuid
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from decimal import Context, Decimal, Inexact, InvalidOperation
from enum import Enum, StrEnum

from ecom_common.facts import iso, parse_iso

ORDER_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://ecom.example/orders")
"""Where the ids of orders with an Idempotency-Key come from. Part of the API: clients may compute them."""

ORDER_TTL = timedelta(days=365)
"""A closed order is kept this long, and with it its Idempotency-Key: longer than any participant's row, so
that no key can be used anew while a row about its order remains. An open order is never deleted."""

MAX_LINES = 50
MAX_QUANTITY = 999
MAX_AMOUNT = 10**12
"""Minor units."""

MINOR_DIGITS: Mapping[str, int] = {
    "AUD": 2,
    "CAD": 2,
    "CHF": 2,
    "CZK": 2,
    "DKK": 2,
    "EUR": 2,
    "GBP": 2,
    "JPY": 0,
    "KRW": 0,
    "NOK": 2,
    "PLN": 2,
    "SEK": 2,
    "USD": 2,
}
"""The currencies orders may be in, with their digits after the point (ISO 4217)."""

SHARDS = 8
"""Partitions of the index of open orders: one alone would cap how many orders a second can be placed."""

LONGEST_PAUSE = timedelta(minutes=15)
"""Between two sweeps of one order."""

# Rounding would let 1.0000…01 through as 1: what does not fit is an error here.
_EXACT = Context(prec=28, traps=[Inexact, InvalidOperation])


class Status(StrEnum):
    PLACED = "PLACED"
    RESERVED = "RESERVED"
    OUT_OF_STOCK = "OUT_OF_STOCK"
    PAID = "PAID"
    CANCELLING = "CANCELLING"
    SHIPPING_FAILED = "SHIPPING_FAILED"
    PAYMENT_FAILED = "PAYMENT_FAILED"
    VOIDED = "VOIDED"
    REFUNDED = "REFUNDED"
    CANCELLED = "CANCELLED"
    SHIPPED = "SHIPPED"


class CancelReason(StrEnum):
    """Who asked for the cancel."""

    CUSTOMER = "customer"
    TIMEOUT = "timeout"


@dataclass(frozen=True, slots=True)
class Move:
    """Where an order gets to. Refused where its rank is not above the one the order has."""

    status: Status
    rank: int
    closes: bool = False


PLACED = Move(Status.PLACED, 10)
CANCELLING = Move(Status.CANCELLING, 40)

MOVES: Mapping[tuple[str, str], Move] = {
    ("StockConfirmation", "reserved"): Move(Status.RESERVED, 20),
    ("StockConfirmation", "rejected"): Move(Status.OUT_OF_STOCK, 90, closes=True),
    ("PaymentConfirmation", "charged"): Move(Status.PAID, 30),
    ("ShipmentFailed", ""): Move(Status.SHIPPING_FAILED, 50),
    # Money is settled, but the order stays open until its stock is back.
    ("PaymentConfirmation", "declined"): Move(Status.PAYMENT_FAILED, 60),
    ("PaymentConfirmation", "cancelled"): Move(Status.VOIDED, 60),
    ("PaymentRefunded", ""): Move(Status.REFUNDED, 70),
    ("StockReleased", "declined"): Move(Status.PAYMENT_FAILED, 90, closes=True),
    ("StockReleased", "cancelled"): Move(Status.CANCELLED, 90, closes=True),
    ("StockReleased", "refunded"): Move(Status.REFUNDED, 90, closes=True),
    ("ShipmentCreated", ""): Move(Status.SHIPPED, 90, closes=True),
}
"""What each fact does to an order, by detail-type and outcome."""

FORWARD = frozenset({Status.PLACED, Status.RESERVED, Status.PAID})
"""An order in any other status has ended or is on its way back."""


@dataclass(frozen=True, slots=True)
class Line:
    item_id: str
    quantity: int


@dataclass(frozen=True, slots=True)
class Step:
    """When an order got to a status."""

    status: Status
    at: str


@dataclass(frozen=True, slots=True)
class Customer:
    """Who an order is for, as far as they said. Printing one shows nothing of it."""

    email: str | None = field(default=None, repr=False)
    name: str | None = field(default=None, repr=False)
    address: str | None = field(default=None, repr=False)

    def known(self) -> dict[str, str]:
        """The fields that are there, by name."""
        fields = {"email": self.email, "name": self.name, "address": self.address}
        return {name: value for name, value in fields.items() if value is not None}


@dataclass(frozen=True, slots=True)
class Wish:
    """What a customer asks for. `amount`, in minor units, is what they agree to pay."""

    lines: tuple[Line, ...]
    amount: int
    currency: str
    customer: Customer | None = None

    @property
    def fingerprint(self) -> str:
        """The same for the same wish, however its JSON was written. It is stored in the clear, so it holds
        nothing of the customer: whoever has a list of addresses could find out which of them was hashed."""
        lines = sorted((line.item_id, line.quantity) for line in self.lines)
        text = json.dumps([lines, self.amount, self.currency], separators=(",", ":"))
        return hashlib.sha256(text.encode()).hexdigest()


@dataclass(frozen=True, slots=True)
class Order:
    """An order as its row says. `sweep_at` and `open_shard` are there exactly while it is open."""

    order_id: str
    owner: str
    status: Status
    rank: int
    placed_at: str
    updated_at: str
    lines: tuple[Line, ...]
    amount: int
    currency: str
    fingerprint: str
    timeline: tuple[Step, ...]
    open_shard: str | None = None
    sweep_at: int | None = None
    sweeps: int = 0
    closed: bool = False
    cancel_reason: CancelReason | None = None
    notes: Mapping[str, str] = field(default_factory=dict)
    sealed: bytes | None = field(default=None, repr=False)
    """The customer, sealed."""
    erased_at: str | None = None
    """When the customer was erased."""

    def age(self, now: datetime) -> timedelta:
        return now - parse_iso(self.placed_at)


@dataclass(frozen=True, slots=True)
class Limits:
    """How long an open order may go unmoved before its facts are sent again, before it is cancelled, and
    before somebody should look."""

    resend_after: timedelta
    cancel_after: timedelta
    open_too_long: timedelta


class Sweep(Enum):
    """What an order that is due for a sweep needs."""

    RESEND = "resend"
    """OrderPlaced again: everything downstream answers again, which heals any lost event."""
    CANCEL = "cancel"
    REMIND = "remind"
    """OrderCancelRequested again: the whole way back answers again."""


def order_id(owner: str, key: str) -> str:
    """The id of an order with an Idempotency-Key: always the same one for the same owner and key."""
    return str(uuid.uuid5(ORDER_NAMESPACE, f"{owner}\n{key}"))


def place(
    wish: Wish, order_id: str, owner: str, now: datetime, limits: Limits, sealed: bytes | None = None
) -> Order:
    """The order as it begins. `sealed` is the wish's customer."""
    placed_at = iso(now)
    return Order(
        order_id=order_id,
        owner=owner,
        status=PLACED.status,
        rank=PLACED.rank,
        placed_at=placed_at,
        updated_at=placed_at,
        lines=wish.lines,
        amount=wish.amount,
        currency=wish.currency,
        fingerprint=wish.fingerprint,
        timeline=(Step(PLACED.status, placed_at),),
        open_shard=shard(order_id),
        sweep_at=_due(now, now, limits.resend_after, (limits.cancel_after,)),
        sealed=sealed,
    )


def sweep(order: Order, now: datetime, limits: Limits) -> Sweep | None:
    """What to do about an order now; None where it is closed or not due (the index may lag behind)."""
    if order.closed or order.sweep_at is None or order.sweep_at > now.timestamp():
        return None
    if order.rank >= CANCELLING.rank:
        return Sweep.REMIND
    return Sweep.CANCEL if order.age(now) >= limits.cancel_after else Sweep.RESEND


def next_sweep(order: Order, now: datetime, limits: Limits) -> int:
    """When to look at an order again, in epoch seconds: ever later, but never past a limit of its age."""
    pause = min(limits.resend_after * 2 ** min(order.sweeps, 20), LONGEST_PAUSE)
    ages = [limits.open_too_long]
    if order.rank < CANCELLING.rank:
        ages.append(limits.cancel_after)
    return _due(parse_iso(order.placed_at), now, pause, ages)


def shard(order_id: str, *, late: bool = False) -> str:
    """The partition of an open order in the index. Late orders have partitions of their own, so that they
    can be counted without reading the others. (Python's own hash differs between processes.)"""
    number = zlib.crc32(order_id.encode()) % SHARDS
    return f"late-{number}" if late else str(number)


def shards(*, late: bool = False) -> list[str]:
    """All partitions of the index of open orders, of the late or of the others."""
    return [f"late-{number}" if late else str(number) for number in range(SHARDS)]


def is_late(order: Order, now: datetime, limits: Limits) -> bool:
    """True for an order that has been open so long that somebody should look."""
    return order.age(now) >= limits.open_too_long


def turned_at(order: Order) -> str:
    """When an order turned back: the first step off the way forward, which later steps do not change.

    Raises ValueError for an order that has not.
    """
    for step in order.timeline:
        if step.status not in FORWARD:
            return step.at
    raise ValueError(f"order {order.order_id} has not turned back")


def merge(lines: Sequence[Line]) -> tuple[Line, ...]:
    """One line for each item, in the order in which they were named first."""
    quantities: dict[str, int] = {}
    for line in lines:
        quantities[line.item_id] = quantities.get(line.item_id, 0) + line.quantity
    return tuple(Line(item_id, quantity) for item_id, quantity in quantities.items())


def minor_units(amount: int | Decimal, currency: str) -> int:
    """12.34 USD is 1234. Exact: raises ValueError, in words for the customer, for what does not fit."""
    digits = MINOR_DIGITS[currency]
    # Bounds first: comparing is cheap even for 1e999999999, arithmetic is not.
    if not 0 < amount <= Decimal(MAX_AMOUNT).scaleb(-digits):
        raise ValueError(f"must be above 0 and at most {major_units(MAX_AMOUNT, currency):f}")
    try:
        minor = _EXACT.scaleb(Decimal(amount), digits)
        if minor == minor.to_integral_value():
            return int(minor)
    except Inexact:
        pass
    raise ValueError(f"has more than the {digits} decimals of {currency}")


def major_units(minor: int, currency: str) -> Decimal:
    """1234 minor units of USD are 12.34, always with all of the currency's decimals."""
    return Decimal(minor).scaleb(-MINOR_DIGITS[currency])


def _due(placed: datetime, now: datetime, pause: timedelta, ages: Sequence[timedelta]) -> int:
    ahead = [placed + age for age in ages if placed + age > now]
    # Rounded up: a second too early, the limit would not have fallen due yet.
    return math.ceil(min([now + pause, *ahead]).timestamp())
