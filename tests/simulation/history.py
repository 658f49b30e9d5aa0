"""What happened in one run, for people: the way of one order in the order of time."""

from __future__ import annotations

from typing import Any, NamedTuple

from rich.table import Table
from rich.text import Text

FOR_ALL = ("operator", "weather")
"""Who does things that concern every order."""


class Note(NamedTuple):
    """Something that happened. `order_id` is empty where it was about no order in particular."""

    at: float
    order_id: str
    who: str
    what: str


class History:
    """Collects notes, cheaply; `start` is when the run began, in epoch seconds."""

    def __init__(self, start: float) -> None:
        self.start = start
        self.notes: list[Note] = []

    def note(self, at: float, order_id: str, who: str, what: str) -> None:
        """Somebody did something, or something was done to them."""
        self.notes.append(Note(at, order_id, who, what))

    def of(self, order_id: str) -> list[Note]:
        """What happened to an order, in time order, with what happened meanwhile to all, or to whoever had to
        do with it."""
        own = [note for note in self.notes if note.order_id == order_id]
        if not own:
            return []
        first, last = min(note.at for note in own), max(note.at for note in own)
        concerned = {*FOR_ALL, *(note.who for note in own)}
        there = [
            note
            for note in self.notes
            if note.order_id == order_id
            or (not note.order_id and note.who in concerned and first <= note.at <= last)
        ]
        # Sorting is stable: what happened at the same moment stays in the order in which it was noted.
        return sorted(there, key=lambda note: note.at)

    def orders(self) -> list[str]:
        """The orders something happened to, in the order in which they turned up."""
        return list(dict.fromkeys(note.order_id for note in self.notes if note.order_id))

    def table(self, order_id: str) -> Table:
        """The way of an order, to be read."""
        table = Table(title=f"order {order_id}", title_justify="left")
        table.add_column("when", no_wrap=True, justify="right")
        table.add_column("who", no_wrap=True)
        table.add_column("what", overflow="fold")
        for note in self.of(order_id):
            # Text, since what was said may hold what rich takes for markup.
            table.add_row(
                self.clock(note.at), Text(note.who), Text(note.what), style=None if note.order_id else "dim"
            )
        return table

    def as_json(self, order_id: str | None = None) -> list[dict[str, Any]]:
        """The same for machines: of one order, or of all. `at` is in seconds since the run began."""
        notes = self.notes if order_id is None else self.of(order_id)
        return [
            {
                "at": round(note.at - self.start, 3),
                "orderId": note.order_id,
                "who": note.who,
                "what": note.what,
            }
            for note in notes
        ]

    def clock(self, at: float) -> str:
        """``+01:02:03.456``: hours, minutes and seconds since the run began."""
        milliseconds = round((at - self.start) * 1000)
        sign, milliseconds = ("-" if milliseconds < 0 else "+"), abs(milliseconds)
        seconds, milliseconds = divmod(milliseconds, 1000)
        minutes, seconds = divmod(seconds, 60)
        hours, minutes = divmod(minutes, 60)
        return f"{sign}{hours:02}:{minutes:02}:{seconds:02}.{milliseconds:03}"
