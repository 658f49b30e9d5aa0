"""What holds at each write of a participant's row: a reservation, a payment, a shipment.

What a row may become depends on the other rows, since each fact is written before anyone hears of it. So each
of these checks can be exact: it looks at the rows as they stand at the moment of the write.
"""

from __future__ import annotations

from simulation.watch.memory import Item, Memory, lines, number, text, turned
from simulation.watch.promises import (
    EARLY,
    HOUR,
    LATE,
    PAYMENT_WINDOW,
    RESCUES,
    RESERVATION_WINDOW,
    SHIPPING_WINDOW,
    Promise,
)
from simulation.watch.rows import PAYMENT, RESERVATION, SHIPMENT, Rows
from simulation.watch.stock import Stock

RELEASED_AFTER = {"DECLINED": "declined", "VOIDED": "cancelled", "REFUNDED": "refunded"}
"""What a release says, by the state of the payment that it follows."""


class Participants:
    """The rows of inventory, payment and shipping about orders."""

    def __init__(self, memory: Memory, stock: Stock) -> None:
        self._memory = memory
        self._broken = memory.broken
        self._stock = stock
        self._rows = Rows(memory)

    def reservation(self, order_id: str, before: Item | None, after: Item | None) -> None:
        """Judge a write of a reservation."""
        if (was := self._rows.moved(RESERVATION, order_id, before, after, self._may_reserve)) is not None:
            self._stock.reserved(order_id, was, after or {})

    def payment(self, order_id: str, before: Item | None, after: Item | None) -> None:
        """Judge a write of a payment."""
        self._rows.moved(PAYMENT, order_id, before, after, self._may_pay)

    def shipment(self, order_id: str, before: Item | None, after: Item | None) -> None:
        """Judge a write of a shipment."""
        self._rows.moved(SHIPMENT, order_id, before, after, self._may_ship)

    # ------------------------------------------------------------------------------------------ reservations

    def _may_reserve(self, order_id: str, was: str, state: str, before: Item, after: Item) -> None:
        if state == "RELEASED":
            self._may_release(order_id, was, after)
            return
        self._in_time(order_id, state, after, RESERVATION_WINDOW)
        self._as_ordered(order_id, "reservation", after)
        if state == "RESERVED":
            self._stock.priced(order_id, after)
        else:
            self._stock.refused(order_id, after)

    def _may_release(self, order_id: str, was: str, after: Item) -> None:
        memory = self._memory
        outcome, payment = text(after, "outcome"), memory.state("payment", order_id)
        age = memory.age(order_id)
        if not was and outcome == "cancelled" and age > RESERVATION_WINDOW - EARLY:
            return
        if RELEASED_AFTER.get(payment) != outcome:
            self._broken(
                Promise.MONEY_FIRST,
                order_id,
                f"stock released as {outcome} {age / HOUR:.1f} h after the order, but the payment is"
                f" {payment or 'missing'}",
            )

    # ---------------------------------------------------------------------------------------------- payments

    def _may_pay(self, order_id: str, was: str, state: str, before: Item, after: Item) -> None:
        if state in ("INTENT", "CHARGED", "DECLINED"):
            # No payment is settled yet, so nothing can have released the stock: it must still be held.
            reservation = self._memory.state("reservation", order_id)
            if reservation != "RESERVED":
                self._broken(
                    Promise.RESERVED_FIRST,
                    order_id,
                    f"the payment is {state}, but the reservation is {reservation or 'missing'}",
                )
            self._in_time(order_id, state, after, PAYMENT_WINDOW)
            self._as_ordered(order_id, "payment", after)
            return
        shipment = self._memory.state("shipment", order_id)
        if was in ("", "INTENT"):
            reason = text(after, "reason")
            age = self._memory.age(order_id)
            expired = reason == "expired" and age > PAYMENT_WINDOW - EARLY
            if expired or (reason == "cancelled" and shipment == "FAILED"):
                return
            self._broken(
                Promise.NEVER_SHIPS,
                order_id,
                f"the payment became {state} as {reason} {age / HOUR:.1f} h after the order, and the"
                f" shipment is {shipment or 'missing'}",
            )
        elif shipment != "FAILED" and (was == "CHARGED" or shipment):
            self._broken(
                Promise.NEVER_SHIPS,
                order_id,
                f"the payment went from {was} to {state}, but the shipment is {shipment or 'missing'}",
            )

    # --------------------------------------------------------------------------------------------- shipments

    def _may_ship(self, order_id: str, was: str, state: str, before: Item, after: Item) -> None:
        if was or state == "INTENT":
            # Only a failed shipment gives money back, and this one has not failed yet.
            payment = self._memory.state("payment", order_id)
            if payment != "CHARGED":
                self._broken(
                    Promise.PAID_FIRST,
                    order_id,
                    f"the shipment became {state}, but the payment is {payment or 'missing'}",
                )
        if state == "INTENT" or (was, state) == ("INTENT", "CREATED"):
            self._in_time(order_id, state, after, SHIPPING_WINDOW)
        if state == "CREATED":
            carrier = text(after, "carrier")
            if carrier not in (before.get("asked") or {"SS": ()})["SS"]:
                self._broken(Promise.NOTED, order_id, f"booked with {carrier}, which the row did not name")
            if was == "INTENT" and text(after, "processedBy") == "dlq" and not number(after, "rescues"):
                self._broken(Promise.NOTED, order_id, "booked by a rescue, which the row did not count")
        elif state != "INTENT":
            self._may_stop(order_id, was, state, after)

    def _may_stop(self, order_id: str, was: str, state: str, after: Item) -> None:
        reason = text(after, "reason")
        age = self._memory.age(order_id)
        order = self._memory.order(order_id)
        if reason == "cancelled":
            why = order is not None and turned(order) is not None
        elif reason == "expired":
            why = age > SHIPPING_WINDOW - EARLY
        else:
            why = bool(was) and reason == "carrier_unavailable" and number(after, "rescues") >= RESCUES
        if not why:
            self._broken(
                Promise.ASKED,
                order_id,
                f"the shipment became {state} as {reason} {age / HOUR:.1f} h after the order, which is"
                f" {text(order, 'status') if order else 'missing'}; rescued {number(after, 'rescues')} times",
            )

    # ------------------------------------------------------------------------------------------------ common

    def _in_time(self, order_id: str, state: str, after: Item, window: float) -> None:
        age = self._memory.age(order_id)
        if age > window + LATE:
            self._broken(
                Promise.WINDOW,
                order_id,
                f"became {state} {age / HOUR:.1f} h after the order, in a window of {window / HOUR:.0f} h",
            )

    def _as_ordered(self, order_id: str, name: str, after: Item) -> None:
        order = self._memory.order(order_id)
        if order is None:
            return
        for what in ("amount", "currency"):
            if order[what] != after.get(what):
                self._broken(
                    Promise.AGREED,
                    order_id,
                    f"ordered with {what} {order[what]}, but the {name} says {after.get(what)}",
                )
        if name == "reservation" and sorted(lines(after, "lines")) != sorted(lines(order, "items")):
            self._broken(
                Promise.AGREED,
                order_id,
                f"ordered {lines(order, 'items')}, but reserved {lines(after, 'lines')}",
            )
