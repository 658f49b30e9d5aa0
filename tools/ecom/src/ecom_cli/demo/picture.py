"""The live picture of a run: where each order is, on its way out or on a way back."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Protocol

from rich import box
from rich.console import Console, Group, RenderableType
from rich.live import Live
from rich.panel import Panel
from rich.progress_bar import ProgressBar
from rich.table import Table
from rich.text import Text

from ecom_cli.demo.board import Board, Track
from ecom_cli.shop.money import shown
from ecom_cli.shop.orders import STYLES, journey, words

LANES: tuple[tuple[str, tuple[str, ...]], ...] = (
    ("the way out", ("PLACED", "RESERVED", "PAID", "SHIPPED")),
    ("the ways back", ("CANCELLING", "SHIPPING_FAILED", "VOIDED")),
    ("without a parcel", ("OUT_OF_STOCK", "PAYMENT_FAILED", "CANCELLED", "REFUNDED")),
)
OPEN, CLOSED = "●", "■"

LINES_BESIDE_THE_JOURNEYS = 23
LINES_OF_TITLES = 5
ENOUGH_JOURNEYS = 4
PER_SECOND = 8


class View(Protocol):
    """What a run shows itself on."""

    def __enter__(self) -> View: ...

    def __exit__(self, *_: object) -> None: ...

    def note(self, text: str) -> None:
        """One line about what is being done before the first order."""

    def show(self, board: Board, seconds: float, mails: int) -> None:
        """The state of the run; called several times a second."""


class LiveView:
    """Draws on a terminal, and takes the picture away at the end: the report says it all."""

    def __init__(self, console: Console, title: str) -> None:
        self._console = console
        self._title = title
        self._live = Live(console=console, refresh_per_second=PER_SECOND, transient=True)

    def __enter__(self) -> LiveView:
        self._live.__enter__()
        return self

    def __exit__(self, *_: object) -> None:
        self._live.__exit__(None, None, None)

    def note(self, text: str) -> None:
        self._live.console.print(Text.assemble(("  · ", "dim"), (text, "dim")))

    def show(self, board: Board, seconds: float, mails: int) -> None:
        size = self._console.size
        self._live.update(picture(board, self._title, seconds, mails, size.width, size.height))


class PlainView:
    """A line when something has moved, every few seconds at most; for pipes, logs and --json."""

    def __init__(self, console: Console, every_seconds: float = 2.0) -> None:
        self._console = console
        self._every = every_seconds
        self._next = 0.0
        self._said = self._last = self._now = ""

    def __enter__(self) -> PlainView:
        return self

    def __exit__(self, *_: object) -> None:
        if self._last != self._said:
            self._say()

    def note(self, text: str) -> None:
        self._console.print(text, highlight=False, markup=False)

    def show(self, board: Board, seconds: float, mails: int) -> None:
        counts = ", ".join(
            f"{count} {words(status)}" for status, count in sorted(board.by_status().items(), key=_furthest)
        )
        self._last = f"{counts or 'nothing placed yet'}; {_notified(mails)}"
        self._now = f"{seconds:6.1f} s  "
        if seconds >= self._next and self._last != self._said:
            self._next = seconds + self._every
            self._say()

    def _say(self) -> None:
        self._console.print(self._now + self._last, highlight=False, markup=False, soft_wrap=True)
        self._said = self._last


def picture(board: Board, title: str, seconds: float, mails: int, width: int, height: int) -> RenderableType:
    """Everything at one moment, in a terminal of this size."""
    tracks = board.tracks()
    closed = sum(track.closed for track in tracks)
    clock = f"{int(seconds) // 60}:{int(seconds) % 60:02d}"
    inner = width - 4
    room = height - LINES_BESIDE_THE_JOURNEYS
    titles = room >= ENOUGH_JOURNEYS
    if not titles:
        room += LINES_OF_TITLES
    return Panel(
        Group(
            lanes(tracks, board.total, inner, titles=titles),
            Text(""),
            _progress(closed, board.total, mails, inner),
            Text(""),
            *_journeys(board.latest(room), inner),
        ),
        title=Text(title, "bold"),
        title_align="left",
        subtitle=Text(clock, "dim"),
        subtitle_align="right",
        box=box.ROUNDED,
        border_style="bright_black",
        padding=(1, 1, 0, 1),
        width=width,
    )


def lanes(tracks: Sequence[Track], total: int, width: int, *, titles: bool = True) -> RenderableType:
    """One lane for each status, one mark for each order in it (or for several, where there are many)."""
    grid = Table.grid(padding=(0, 1))
    grid.add_column(width=16, no_wrap=True)
    grid.add_column(width=4, justify="right", no_wrap=True)
    grid.add_column(no_wrap=True)
    per_mark = max(1, -(-total // max(10, width - 26)))
    for number, (name, statuses) in enumerate(LANES):
        if titles:
            if number:
                grid.add_row("", "", "")
            grid.add_row(Text(name, "dim italic"), "", "")
        for status in statuses:
            here = [track for track in tracks if track.status == status]
            grid.add_row(
                Text(words(status), STYLES[status] if here else "bright_black"),
                Text(str(len(here)), "bold" if here else "bright_black"),
                _marks(here, status, per_mark),
            )
    if per_mark > 1:
        grid.add_row("", "", Text(f"one mark is up to {per_mark} orders", "dim italic"))
    return grid


def _marks(here: Sequence[Track], status: str, per_mark: int) -> Text:
    closed = sum(track.closed for track in here)
    return Text.assemble(
        (CLOSED * -(-closed // per_mark), STYLES[status]),
        (OPEN * -(-(len(here) - closed) // per_mark), STYLES[status]),
    )


def _progress(closed: int, total: int, mails: int, width: int) -> RenderableType:
    text = f"{closed} of {total} closed   {_notified(mails)}"
    grid = Table.grid(padding=(0, 2))
    grid.add_row(
        ProgressBar(
            total=max(1, total),
            completed=closed,
            width=max(10, width - len(text) - 4),
            complete_style="green",
        ),
        Text(text, "dim"),
    )
    return grid


def _journeys(latest: Iterable[Track], width: int) -> list[RenderableType]:
    lines: list[RenderableType] = []
    for track in latest:
        line = Text(no_wrap=True, overflow="ellipsis")
        order_id = track.order_id or ""
        line.append(f"{order_id[:4]}…{order_id[-4:]}", "dim")
        line.append(f"{shown(track.planned.amount, track.planned.currency):>16}  ")
        line.append_text(journey(track.row or {"status": "PLACED"}))
        if track.seconds is not None:
            line.append(f"  {track.seconds:.1f} s", "dim")
        line.truncate(width, overflow="ellipsis")
        lines.append(line)
    return lines


def _furthest(entry: tuple[str, int]) -> int:
    return list(STYLES).index(entry[0]) if entry[0] in STYLES else len(STYLES)


def _notified(mails: int) -> str:
    return f"{mails} notification{'' if mails == 1 else 's'}"
