"""What a run came to: numbers for programs, and a page for people."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from rich.console import Group, RenderableType
from rich.padding import Padding
from rich.table import Table
from rich.text import Text

from ecom_cli.demo.board import Track, percentile
from ecom_cli.shop.orders import ENDS, STYLES, journey, words

BAR = 24
MILLISECONDS = 1000


@dataclass(frozen=True)
class Report:
    """The outcome of a run. `promises`: what breaks each invariant, by the invariant's words."""

    stage: str
    seed: int
    clients: int
    asked: int
    """Orders that the run was to place."""
    seconds: float
    tracks: Sequence[Track]
    """The orders that the API took."""
    http: Mapping[int, int]
    answer_seconds: Sequence[float]
    wrong: Sequence[str]
    """What the API did that it must never do."""
    stock_before: Mapping[str, int]
    restocked: Mapping[str, int]
    stock_after: Mapping[str, int]
    notifications: Mapping[str, int]
    promises: Mapping[str, Sequence[str]]

    @property
    def by_status(self) -> dict[str, int]:
        """Orders by the status they were last seen in."""
        counts: dict[str, int] = {}
        for track in self.tracks:
            counts[track.status] = counts.get(track.status, 0) + 1
        return dict(sorted(counts.items(), key=lambda entry: -entry[1]))

    @property
    def refused(self) -> dict[str, int]:
        """Orders that inventory refused, by its reason: one status stands for all of them."""
        reasons = (
            str(track.row.get("reason", ""))
            for track in self.tracks
            if track.row and track.status == "OUT_OF_STOCK"
        )
        return dict(Counter(reasons).most_common())

    @property
    def stuck(self) -> list[Track]:
        """Orders that were not closed in time."""
        return [track for track in self.tracks if not track.closed]

    @property
    def broken(self) -> list[str]:
        """Every broken promise in one sentence."""
        return [
            *self.wrong,
            *(f"{promise}: {what}" for promise, each in self.promises.items() for what in each),
        ]

    @property
    def is_good(self) -> bool:
        return not self.stuck and not self.broken and len(self.tracks) == self.asked

    def as_json(self) -> dict[str, Any]:
        """One flat object; times in milliseconds where the name says so, else in seconds."""
        closed = [track.seconds * MILLISECONDS for track in self.tracks if track.seconds is not None]
        answers = [seconds * MILLISECONDS for seconds in self.answer_seconds]
        return {
            "stage": self.stage,
            "seed": self.seed,
            "clients": self.clients,
            "orders": len(self.tracks),
            "stuck": len(self.stuck),
            "by_status": self.by_status,
            "refused": self.refused,
            "invariants_broken": self.broken,
            "latency_ms": _spread(closed),
            "api_ms": _spread(answers),
            "http": {str(code): count for code, count in sorted(self.http.items())},
            "stock": {
                "before": sum(self.stock_before.values()),
                "restocked": sum(self.restocked.values()),
                "after": sum(self.stock_after.values()),
                "items": {
                    item_id: {
                        "before": self.stock_before.get(item_id, 0),
                        "restocked": self.restocked.get(item_id, 0),
                        "after": after,
                    }
                    for item_id, after in self.stock_after.items()
                },
            },
            "notifications": dict(self.notifications),
            "stuck_orders": [track.order_id for track in self.stuck],
            "seconds": round(self.seconds, 2),
        }


def page(report: Report, width: int) -> RenderableType:
    """The report for a terminal of this width."""
    left = Group(_outcomes(report), Text(""), _latency(report), Text(""), _notifications(report))
    right = _stock(report)
    if width >= 96:
        body = Table.grid(padding=(0, 6))
        body.add_row(left, right)
        middle: RenderableType = body
    else:
        middle = Group(left, Text(""), right)
    parts: list[RenderableType] = [_head(report), Text(""), middle, Text(""), _promises(report)]
    if report.stuck:
        parts += [Text(""), _stuck(report)]
    return Padding(Group(*parts), (1, 2))


def _head(report: Report) -> Text:
    count = len(report.tracks)
    text = Text.assemble(
        (f"{count} order{'' if count == 1 else 's'}", "bold"),
        f" in {report.seconds:.1f} s, {report.clients} clients, seed {report.seed}, stage {report.stage}\n",
    )
    if count < report.asked:
        text.append(f"{report.asked - count} not taken   ", "bold red")
    text.append("all closed" if not report.stuck else f"{len(report.stuck)} stuck", _good(not report.stuck))
    text.append("   ")
    broken = len(report.broken)
    text.append(
        "every promise kept" if not broken else f"{broken} broken promise{'' if broken == 1 else 's'}",
        _good(not broken),
    )
    return text


def _outcomes(report: Report) -> RenderableType:
    table = _table("outcome", "", "")
    table.columns[1].justify = "right"
    table.columns[2].no_wrap = True
    most = max(report.by_status.values(), default=1)
    for status, count in report.by_status.items():
        style = STYLES.get(status, "")
        bar = "━" * max(1, round(BAR * count / most))
        label = words(status) + ("" if status in ENDS else " (stuck)")
        table.add_row(Text(label, style), str(count), Text(bar, style))
        if status == "OUT_OF_STOCK":
            for reason, times in report.refused.items():
                table.add_row(Text(f"  {words(reason)}", "dim"), Text(str(times), "dim"), "")
    return table


def _latency(report: Report) -> RenderableType:
    numbers = report.as_json()
    table = _table("latency", "p50", "p95", "max")
    for name, key in (("placed to closed", "latency_ms"), ("API answer", "api_ms")):
        spread = numbers[key]
        table.add_row(name, *(_duration(spread[share]) for share in ("p50", "p95", "max")))
    return table


def _notifications(report: Report) -> RenderableType:
    table = _table("notifications", "")
    for name, count in report.notifications.items():
        table.add_row(words(name), str(count))
    return table


def _stock(report: Report) -> RenderableType:
    table = _table("stock", "before", "restocked", "taken", "after")
    for item_id, after in report.stock_after.items():
        before, more = report.stock_before.get(item_id, 0), report.restocked.get(item_id, 0)
        table.add_row(
            item_id,
            str(before),
            f"+{more}" if more else "",
            str(before + more - after),
            Text(str(after), "bold"),
        )
    return table


def _promises(report: Report) -> RenderableType:
    grid = Table.grid(padding=(0, 1))
    for promise, each in report.promises.items():
        grid.add_row(Text("✗", "bold red") if each else Text("✓", "green"), Text(promise))
        for what in each:
            grid.add_row("", Text(what, "red"))
    for what in report.wrong:
        grid.add_row(Text("✗", "bold red"), Text(what, "red"))
    return grid


def _stuck(report: Report) -> RenderableType:
    grid = Table.grid(padding=(0, 2))
    grid.add_row(Text("stuck orders", "bold red"), "")
    for track in report.stuck:
        grid.add_row(Text(track.order_id or ""), journey(track.row or {"status": "PLACED"}))
    return grid


def _table(first: str, *others: str) -> Table:
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column(first, min_width=17)
    for name in others:
        table.add_column(name, justify="left" if first == "outcome" and name == "" else "right")
    return table


def _good(good: bool) -> str:
    return "bold green" if good else "bold red"


def _spread(milliseconds: Sequence[float]) -> dict[str, float | None]:
    values = {
        "p50": percentile(milliseconds, 0.5),
        "p95": percentile(milliseconds, 0.95),
        "max": max(milliseconds, default=None),
    }
    return {name: None if value is None else round(value, 1) for name, value in values.items()}


def _duration(milliseconds: float | None) -> str:
    if milliseconds is None:
        return "-"
    return f"{milliseconds:.0f} ms" if milliseconds < MILLISECONDS else f"{milliseconds / MILLISECONDS:.1f} s"
