"""What the watch remembers of one run: the rows as they stand, the states they have been in, what broke."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any

from simulation.watch.promises import FORWARD, Violation

Item = Mapping[str, Any]
"""A row as DynamoDB holds it: ``{"orderId": {"S": "…"}, …}``."""

KINDS = ("order", "reservation", "payment", "shipment")
EVERY = "*"
"""Stands for every promise in `relaxed`."""


class Memory:
    """Rows are kept as they were written: nothing changes them, so no copy is made.

    rows     the row of each kind by order id; an order's stays when it has expired
    stood    the row as it was when it last had a state, by kind, order id and state
    placed   when each order was placed, in epoch seconds by the clock of whoever took it
    born     when its row was written, by the true clock
    written  when its row was written last, by the true clock
    gone     kind and order id of rows that have expired
    lives    how many orders there have been under one id: a key may be used anew when its order has expired
    cancels  whose cancels of which orders have set out; None while nobody says what is requested
    relaxed  what is not claimed any more: promise and order id
    """

    def __init__(self, now: Callable[[], float]) -> None:
        self.now = now
        self.violations: list[Violation] = []
        self.moves: set[tuple[str, str, str]] = set()
        self.rows: dict[str, dict[str, Item]] = {kind: {} for kind in KINDS}
        self.stood: dict[str, dict[str, dict[str, Item]]] = {kind: {} for kind in KINDS}
        self.placed: dict[str, float] = {}
        self.born: dict[str, float] = {}
        self.written: dict[str, float] = {}
        self.cancels: set[tuple[str, str]] | None = None
        self.gone: set[tuple[str, str]] = set()
        self.lives: dict[str, int] = {}
        self.relaxed: set[tuple[str, str]] = set()
        self._told: set[tuple[str, str]] = set()

    def broken(self, promise: str, order_id: str, detail: str) -> None:
        """Note a violation, once for each promise and order: what follows from it tells nothing new."""
        told = (promise, order_id)
        if told in self._told or not self.claimed(promise, order_id):
            return
        self._told.add(told)
        self.violations.append(Violation(str(promise), order_id, detail, self.now()))

    def claimed(self, promise: str, order_id: str) -> bool:
        """Whether a promise is still claimed for an order."""
        return (promise, order_id) not in self.relaxed and (EVERY, order_id) not in self.relaxed

    def state(self, kind: str, order_id: str) -> str:
        """The state of an order's row now; empty where there is none."""
        row = self.rows[kind].get(order_id)
        return "" if row is None else text(row, "state")

    def order(self, order_id: str) -> Item | None:
        """The row of an order as it stands."""
        return self.rows["order"].get(order_id)

    def age(self, order_id: str) -> float:
        """Seconds since an order was placed; 0 if it never was."""
        now = self.now()
        return now - self.placed.get(order_id, now)

    def forget(self, kind: str, order_id: str) -> None:
        """The history of a row is cut: whatever it is next, it starts anew."""
        self.rows[kind].pop(order_id, None)
        self.stood[kind].pop(order_id, None)
        self.gone.discard((kind, order_id))

    def begin_anew(self, order_id: str) -> None:
        """An order under an id whose first order has expired, and with it all rows about it."""
        for kind in KINDS:
            self.forget(kind, order_id)
        self.lives[order_id] = self.lives.get(order_id, 1) + 1


def text(row: Item, name: str) -> str:
    """A text of a row; empty where it is not there."""
    value = row.get(name)
    return str(value["S"]) if value is not None else ""


def number(row: Item, name: str) -> int:
    """A number of a row; 0 where it is not there."""
    value = row.get(name)
    return int(value["N"]) if value is not None else 0


def plain(value: Mapping[str, Any]) -> Any:
    """An attribute value as plain Python. Numbers are ints, sets stay lists."""
    ((kind, content),) = value.items()
    if kind == "N":
        return int(content)
    if kind == "L":
        return [plain(element) for element in content]
    if kind == "M":
        return plain_row(content)
    return content


def plain_row(row: Item) -> dict[str, Any]:
    """A whole row as plain Python."""
    return {name: plain(value) for name, value in row.items()}


def lines(row: Item, name: str) -> list[tuple[str, int]]:
    """Items and quantities of a row's list of lines."""
    return [(line["M"]["itemId"]["S"], int(line["M"]["quantity"]["N"])) for line in row[name]["L"]]


def seconds(moment: str) -> float:
    """Epoch seconds of a time as the services write it."""
    return datetime.fromisoformat(moment).timestamp()


def turned(order: Item) -> Item | None:
    """The step at which an order turned back; None if it has not, or went straight to its end."""
    steps = order["timeline"]["L"]
    for position, step in enumerate(steps):
        if text(step["M"], "status") not in FORWARD:
            ends = position == len(steps) - 1 and "closed" in order
            found: Item = step["M"]
            return None if ends else found
    return None
