"""The promises of the system, watched through a run: at each write, fact and answer, and at rest.

The promises are in `watch.promises`, what each means in the modules beside it. Here is who hears what.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from math import inf
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

from simulation.watch.answers import Answers
from simulation.watch.facts import Facts
from simulation.watch.mails import Mails
from simulation.watch.memory import EVERY, Item, Memory, lines, seconds, text
from simulation.watch.orders import Orders
from simulation.watch.participants import Participants
from simulation.watch.promises import (
    ALL_MOVES,
    CANARIES,
    CANARY,
    CANARY_BODY,
    CANARY_CUSTOMER,
    CANARY_GATEWAY,
    CANARY_KEY,
    CANARY_OWNER,
    Promise,
    Violation,
)
from simulation.watch.rest import Carrier, Gateway, Letter, Rest, reason_of
from simulation.watch.stock import Stock

if TYPE_CHECKING:
    from simulation.tables import Change, Database

__all__ = [
    "ALL_MOVES",
    "CANARIES",
    "CANARY_BODY",
    "CANARY_CUSTOMER",
    "CANARY_GATEWAY",
    "CANARY_KEY",
    "CANARY_OWNER",
    "Promise",
    "Violation",
    "Watch",
]

NOT_STOPPED = "parcel not stopped"
"""What shipping logs when two parcels of one order are on their way."""

UNREADABLE = (ArithmeticError, AttributeError, LookupError, TypeError, ValueError)
"""What a row, a fact or an answer raises that is not what it should be."""

_KINDS = {"orders": "order", "payment": "payment", "shipping": "shipment"}

Judge = Callable[[str, Item | None, Item | None], None]


class Watch:
    """Hears everything that happens in one run, and collects what broke a promise. Never raises.

    `now` and `began` give epoch seconds by the true clock: the time, and when the invocation at work began.
    Without `began` what an invocation may have seen is bounded by the longest time it may take.
    """

    def __init__(self, now: Callable[[], float], began: Callable[[], float] = lambda: -inf) -> None:
        self._now = now
        self._memory = memory = Memory(now)
        self._stock = Stock(memory, began)
        self._facts = Facts(memory)
        self._answers = Answers(memory, began)
        self._mails = Mails(memory)
        self._orders = Orders(memory)
        participants = Participants(memory, self._stock)
        self._judges: dict[str, Judge] = {
            "orders": self._orders.wrote,
            "payment": participants.payment,
            "shipping": participants.shipment,
        }
        self._reservation = participants.reservation
        self._by_table: dict[str, Judge | None] = {}
        self._not_stopped: dict[str, None] = {}
        self._parked: dict[str, str] = {}
        self.violations = memory.violations
        self.moves = memory.moves
        self.relaxed = memory.relaxed
        self.invocations = 0
        self.planted: dict[str, str] = {}
        """Poison that was put into queues: a part of the reason it must be parked with, by body."""

    # ----------------------------------------------------------------------------------------- while it runs

    def wrote(self, changes: Iterable[Change]) -> None:
        """One write of one or more rows, together. A row that is not there any more has expired."""
        touched = False
        for table, key, before, after in changes:
            try:
                judge = self._by_table[table]
            except KeyError:
                judge = self._by_table[table] = self._judges.get(table.rpartition("-")[2])
            try:
                if judge is not None:
                    judge(key, before, after)
                elif key.startswith("ITEM#"):
                    touched = True
                    self._stock.item(key[5:], before, after)
                else:
                    touched = True
                    self._reservation(key[6:], before, after)
            except UNREADABLE as error:
                self._memory.broken(Promise.READABLE, key, f"{type(error).__name__}: {error}: {after}")
        if touched:
            self._stock.settle()

    def published(self, entry: Mapping[str, Any]) -> None:
        """The bus accepted a fact: its source, detail-type and detail (as Python)."""
        try:
            self._facts.published(entry)
        except UNREADABLE as error:
            self._memory.broken(Promise.TRUE_FACT, str(entry)[:200], f"{type(error).__name__}: {error}")

    def invocation_began(self, invocation_id: int) -> None:
        """A function was invoked."""
        self.invocations += 1

    def requested(self, request: Mapping[str, Any]) -> None:
        """A customer's request sets out. Where this is never called, whose cancel it was is not judged."""
        self._answers.requested(request)

    def swept(self, began: float, tally: Mapping[str, int], lag: float = 0.0) -> None:
        """A sweep that no fault hit has ended with this tally. `lag`: of the index, in seconds."""
        if not tally["failed"] and not tally["unpublished"]:
            self._orders.all_swept(began, lag)

    def answered(
        self, request: Mapping[str, Any], response: Mapping[str, Any], *, struck: bool = True
    ) -> None:
        """A customer got an answer. `struck`: a fault had hit the invocation, so it had reason to fail."""
        try:
            self._answers.answered(request, response, struck)
        except UNREADABLE as error:
            self._memory.broken(Promise.PROBLEM, "", f"{type(error).__name__}: {error}: {response}")

    def logged(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        """A function wrote a line of its log."""
        self._silent(f"the log ({level} {message})", f"{message} {fields}")
        if message == NOT_STOPPED:
            self._not_stopped[str(fields.get("orderId"))] = None

    def notified(self, topic: str, text: str) -> None:
        """A mail left the house."""
        self._silent(f"a mail of {topic}", text)
        self._mails.notified(topic, text)

    def queued(self, queue: str, body: str, attributes: Mapping[str, Any], dead_letter: bool) -> None:
        """A message got into a queue. `dead_letter`: one that nobody but people reads."""
        if attributes:
            self._silent(f"the notes on a message in {queue}", str(attributes))
            if reason := reason_of(attributes):
                self._parked[body] = f"{self._parked.get(body, '')}\n{reason}"
        if dead_letter and body not in self.planted:
            # Poison is kept as it came, with whatever it holds.
            self._silent(f"a message in {queue}", body)

    def _silent(self, where: str, said: str) -> None:
        if CANARY in said and (found := [canary for canary in CANARIES if canary in said]):
            self._memory.broken(Promise.NO_CANARY, where, f"{', '.join(found)} in {where}: {said[:300]}")

    def broken(self, promise: str, order_id: str, detail: str) -> None:
        """Somebody else saw a promise broken."""
        self._memory.broken(promise, order_id, detail)

    # ----------------------------------------------------------------------------------- when history is cut

    def restored(self, table: str, rows: Mapping[str, Item]) -> list[str]:
        """A table was put back to an earlier moment and holds these rows now, by key.

        Returns the orders whose row is another than before. That their rows went back, and their facts and
        answers with them, is not held against them; what else cannot be promised any more is `forgive`'s.
        """
        name = table.rpartition("-")[2]
        kind = _KINDS.get(name, "reservation")
        if name == "inventory":
            self._restored_stock(rows)
            rows = {key[6:]: row for key, row in rows.items() if key.startswith("ORDER#")}
        known = self._memory.rows[kind]
        changed = [
            order_id for order_id in {**known, **rows} if known.get(order_id) is not rows.get(order_id)
        ]
        for order_id in changed:
            self._memory.gone.discard((kind, order_id))
            known.pop(order_id, None)
            self._facts.forget(order_id)
            self._answers.forget(order_id)
            if (row := rows.get(order_id)) is not None:
                known[order_id] = row
                self._memory.stood[kind].setdefault(order_id, {})[text(row, "state")] = row
        return changed

    def _restored_stock(self, rows: Mapping[str, Item]) -> None:
        reserved: dict[str, int] = {}
        for key, row in rows.items():
            if key.startswith("ORDER#") and text(row, "state") == "RESERVED":
                for item_id, quantity in lines(row, "lines"):
                    reserved[item_id] = reserved.get(item_id, 0) + quantity
        self._stock.restored(
            reserved, {item_id: rows.get(f"ITEM#{item_id}") for item_id in self._stock.items}
        )

    def forgive(self, order_ids: Iterable[str], promises: Iterable[str] | None = None) -> None:
        """These promises are not claimed for these orders from now on; None stands for all of them."""
        names = (EVERY,) if promises is None else tuple(promises)
        self.relaxed.update((name, order_id) for order_id in order_ids for name in names)

    # ----------------------------------------------------------------------------------------------- at rest

    def prompt(self, orders: Mapping[str, Item], within: float) -> None:
        """In fair weather: each order ended within so many seconds, and nobody lost patience."""
        for order_id, order in orders.items():
            took = seconds(text(order, "updatedAt")) - seconds(text(order, "placedAt"))
            if took > within or text(order, "cancelReason") == "timeout":
                status = text(order, "status")
                self._memory.broken(Promise.PROMPT, order_id, f"{status} after {took:.0f} s")

    def at_rest(
        self,
        database: Database,
        gateway: Gateway,
        carriers: Mapping[str, Carrier],
        now: float,
        *,
        parked: Iterable[tuple[str, str, Mapping[str, Any]]] = (),
        work_left: Mapping[str, int] = MappingProxyType({}),
        metrics: Mapping[str, int] | None = None,
    ) -> None:
        """Nothing will happen any more: everything must have come to a good end.

        `parked`: all messages in queues that nobody but people reads: queue, body, attributes. `work_left`:
        how many messages are in each queue that functions read. `metrics`: what the functions have counted.
        """
        tables = {name.rpartition("-")[2]: table.rows for name, table in database.tables.items()}
        rest = Rest(self._memory, self._not_stopped)
        rest.all_closed(tables["orders"], work_left)
        rest.tables(tables, now)
        rest.money(gateway, tables["payment"])
        rest.parcels(carriers, tables["shipping"])
        rest.reported(metrics)
        rest.letters([Letter(*each) for each in parked], self.planted, self._parked)
