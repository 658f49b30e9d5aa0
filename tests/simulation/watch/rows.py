"""What holds of every participant's row: what it keeps, how it moves, how long it lasts."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import NamedTuple

from simulation.watch.memory import Item, Memory, number, text
from simulation.watch.promises import DAY, LATE, MOVES, REPLAY_HORIZON, Promise


class Kind(NamedTuple):
    """What a kind of row keeps. `content` never changes, `proofs` never change once they are there."""

    name: str
    moves: frozenset[tuple[str, str]]
    content: tuple[str, ...]
    proofs: tuple[str, ...]
    needs: Mapping[str, tuple[str, ...]]


RESERVATION = Kind(
    "reservation",
    MOVES["reservation"],
    content=("placedAt", "lines", "amount", "currency", "reason"),
    proofs=("outcome",),
    needs={"REJECTED": ("reason", "lines"), "RESERVED": ("lines",), "RELEASED": ("outcome",)},
)
PAYMENT = Kind(
    "payment",
    MOVES["payment"],
    content=("placedAt", "amount", "currency"),
    proofs=("chargeId", "refundId", "reason"),
    needs={
        "CHARGED": ("chargeId",),
        "REFUNDING": ("chargeId",),
        "REFUNDED": ("chargeId", "refundId"),
        "DECLINED": ("reason",),
        "VOIDING": ("reason",),
        "VOIDED": ("reason",),
    },
)
SHIPMENT = Kind(
    "shipment",
    MOVES["shipment"],
    content=("placedAt",),
    proofs=("shippingId", "carrier", "trackingNumber", "processedBy", "reason"),
    needs={
        "INTENT": ("asked",),
        "CREATED": ("shippingId", "carrier", "trackingNumber", "processedBy"),
        "CANCELLING": ("reason",),
        "FAILED": ("reason",),
    },
)
STAMPS = ("decidedAt", "causedBy", "expiresAt", "placedAt")

Judge = Callable[[str, str, str, Item, Item], None]
"""Judges a move: order id, state before, state after, row before (empty: none), row after."""


class Rows:
    """Judges what all kinds of rows have in common."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._broken = memory.broken

    def moved(
        self,
        kind: Kind,
        order_id: str,
        before: Item | None,
        after: Item | None,
        judge: Judge,
    ) -> str | None:
        """Judge what all kinds have in common, then the move. Returns the state before it; None: no move."""
        memory = self._memory
        if after is None:
            self._deleted(kind, order_id, before or {})
            return None
        state = text(after, "state")
        was = "" if before is None else text(before, "state")
        if before is not None:
            self._keeps(kind, order_id, before, after)
        memory.rows[kind.name][order_id] = after
        memory.stood[kind.name].setdefault(order_id, {})[state] = after
        if before is not None and was == state:
            if before["decidedAt"] != after["decidedAt"]:
                self._broken(Promise.FIXED, order_id, f"the {kind.name} is {state}, decided anew")
            return None
        self._begun_or_moved(kind, order_id, was, state, after)
        judge(order_id, was, state, before or {}, after)
        return was

    def _keeps(self, kind: Kind, order_id: str, before: Item, after: Item) -> None:
        for name in kind.content:
            old, new = before.get(name), after.get(name)
            if old is not new and old != new:
                self._broken(Promise.FIXED, order_id, f"the {kind.name}'s {name} was {old} and is now {new}")
        for name in kind.proofs:
            old = before.get(name)
            if old is not None and old is not (new := after.get(name)) and old != new:
                self._broken(Promise.FIXED, order_id, f"the {kind.name}'s {name} was {old} and is now {new}")

    def _begun_or_moved(self, kind: Kind, order_id: str, was: str, state: str, after: Item) -> None:
        memory = self._memory
        memory.moves.add((kind.name, was, state))
        if (was, state) not in kind.moves:
            self._broken(Promise.LEGAL, order_id, f"the {kind.name} was {was or 'not there'}, now {state}")
        for name in (*kind.needs.get(state, ()), *STAMPS):
            if name not in after:
                self._broken(Promise.LEGAL, order_id, f"the {kind.name} is {state} without {name}")
        age = memory.age(order_id)
        if age > REPLAY_HORIZON + LATE:
            self._broken(
                Promise.HORIZON,
                order_id,
                f"the {kind.name} became {state} {age / DAY:.1f} days after the order",
            )
        if was:
            return
        if (kind.name, order_id) in memory.gone:
            memory.gone.discard((kind.name, order_id))
            self._broken(
                Promise.HORIZON, order_id, f"the {kind.name} expired, and is written anew as {state}"
            )
        order = memory.order(order_id)
        if order is None:
            self._broken(Promise.AGREED, order_id, f"a {kind.name} ({state}), but there is no such order")
        elif order["placedAt"] != after["placedAt"]:
            self._broken(
                Promise.AGREED,
                order_id,
                f"placed at {text(order, 'placedAt')}, but the {kind.name} says {text(after, 'placedAt')}",
            )

    def _deleted(self, kind: Kind, order_id: str, row: Item) -> None:
        if not 0 < number(row, "expiresAt") <= self._memory.now():
            self._broken(Promise.KEPT, order_id, f"the {kind.name} was deleted as {text(row, 'state')}")
        self._memory.rows[kind.name].pop(order_id, None)
        self._memory.gone.add((kind.name, order_id))
