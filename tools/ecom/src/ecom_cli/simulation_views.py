"""What a person sees of a simulation: how far it is, what was found, what it came to."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from types import TracebackType
from typing import TYPE_CHECKING, Any

from rich.console import Console, Group, RenderableType
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from rich.table import Table
from rich.text import Text

if TYPE_CHECKING:
    from simulation.mutants import Hunt, Mutant
    from simulation.outcome import Outcome
    from simulation.report import Tally
    from simulation.runner import Result, Task

MOST_TOLD = 10
"""Failing seeds that are told as they come; the others are counted."""

SECONDS_BETWEEN_LINES = 30.0
"""Where there is no terminal to draw a bar on."""


class Watching:
    """Seeds on their way: a bar on a terminal, else a line now and then. Failing seeds are told at once."""

    def __init__(self, console: Console, total: int) -> None:
        self._console, self._total = console, total
        self._told = 0
        self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
        self._bar = Progress(
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TextColumn("seeds  {task.fields[rate]}"),
            TimeRemainingColumn(),
            console=console,
            transient=True,
            disable=not console.is_terminal,
        )
        self._task = self._bar.add_task("", total=total, rate="")

    def show(self, tally: Tally, result: Result) -> None:
        """One more seed is done, and counted in the tally."""
        if result.first is not None:
            self._tell(result)
        rate = f"{tally.per_second(tally.seeds):.1f}/s  {_violations(tally)}"
        self._bar.update(self._task, completed=tally.seeds, rate=rate)
        if not self._console.is_terminal and time.monotonic() >= self._next_line:
            self._next_line = time.monotonic() + SECONDS_BETWEEN_LINES
            left = (self._total - tally.seeds) / tally.per_second(tally.seeds)
            self._console.print(
                f"{tally.seeds:,} of {self._total:,} seeds, {rate}, {left / 60:.0f} min left", soft_wrap=True
            )

    def _tell(self, result: Result) -> None:
        self._told += 1
        if self._told <= MOST_TOLD:
            self._console.print(failing(result), soft_wrap=True)
        elif self._told == MOST_TOLD + 1:
            self._console.print("… more seeds fail; they are counted.")

    def __enter__(self) -> Watching:
        self._bar.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._bar.stop()


def failing(result: Result) -> Text:
    """What a seed broke, and what to type to see it again."""
    assert result.first is not None  # nosec B101  # tells mypy what callers promise
    first = result.first
    return Text.assemble(
        ("✗ ", "bold red"),
        f"seed {result.task.seed} ({result.mode})  ",
        (first.promise, "bold"),
        f"  {first.order_id}\n  " if first.order_id else "\n  ",
        first.detail.replace("\n", "\n  "),
        "\n  ",
        (result.task.command, "cyan"),
    )


def summary(tally: Tally, workers: int) -> RenderableType:
    """All figures of a run."""
    from simulation.report import move_text

    table = _grid()
    rates = f"{tally.per_second(tally.seeds):,.1f}/s on {workers} worker{'s' if workers != 1 else ''}"
    table.add_row("seeds", f"{tally.seeds:,} in {tally.seconds:,.1f} s", rates)
    per_core = (
        f"{tally.per_second(tally.invocations):,.0f}/s, {tally.invocations_per_core:,.0f}/s of a core's time"
    )
    table.add_row("invocations", f"{tally.invocations:,}", per_core)
    table.add_row("calls", f"{tally.calls:,}")
    table.add_row("orders", f"{tally.orders:,}", _counts(tally.ended))
    table.add_row("modes", "", _counts(tally.modes))
    table.add_row("faults", f"{tally.faults.total():,}", _counts(tally.faults))
    missing = ", ".join(map(move_text, tally.missing))
    moves = f"{tally.coverage:.1f} % of the legal ones" + (f"; not seen: {missing}" if missing else "")
    table.add_row("row moves", f"{len(tally.seen)}", moves)
    style = "bold red" if tally.violating else "green"
    promises = _counts(tally.promises) if tally.violating else ""
    table.add_row("violations", Text(_violations(tally), style), promises)
    again = [Text(result.task.command, "cyan") for result in tally.firsts[:MOST_TOLD]]
    return Group(table, *([Text("\nSee what happened:"), *again] if again else []))


def story(outcome: Outcome, task: Task, order: str | None) -> RenderableType:
    """One world: its figures, the promises broken, and what happened to an order, in time order.

    Without a named order: to the one whose promise was broken first. Where none was, all orders are listed.
    """
    assert outcome.history is not None  # nosec B101  # tells mypy what callers promise
    figures = _grid()
    figures.add_row("seed", str(outcome.seed), f"mode {outcome.mode}")
    figures.add_row("invocations", f"{outcome.invocations:,}", f"{outcome.calls:,} calls")
    figures.add_row("orders", f"{outcome.orders:,}", _counts(outcome.ended))
    figures.add_row("faults", f"{sum(outcome.faults.values()):,}", _counts(outcome.faults))
    figures.add_row("state", "", outcome.state_hash)
    parts: list[RenderableType] = [figures]
    for violation in outcome.violations:
        parts.append(
            Text.assemble(("\n✗ ", "bold red"), (violation.promise, "bold"), f"  {violation.order_id}")
        )
        parts.append(Text(f"  {violation.detail}"))
    known = outcome.history.orders()
    shown = order or next((each.order_id for each in outcome.violations if each.order_id in known), None)
    if shown is not None:
        parts += ["", outcome.history.table(shown)]
    if others := [each for each in known if each != shown]:
        parts.append(Text("\nOther orders:" if shown else "\nWhat happened to an order:"))
        parts += [Text(f"{task.command} --order {each}", "cyan") for each in others]
    if not outcome.violations:
        parts.append(Text("\n✓ no promise broken", "green"))
    return Group(*parts)


class Hunting:
    """Mutants on their way, each told when its hunt is over."""

    def __init__(self, console: Console, mutants: Sequence[Mutant]) -> None:
        self._console = console
        self._known = {mutant.id: mutant for mutant in mutants}
        self._done = 0
        self._status = console.status("")

    def show(self, hunt: Hunt) -> None:
        """One more hunt is over."""
        self._done += 1
        how = f"found after {hunt.seeds:,}" if hunt.found else f"not found in {hunt.seeds:,}"
        line = Text.assemble(
            _mark(hunt, self._known[hunt.id]), f" {hunt.id}  {how}  ", (hunt.violation, "dim")
        )
        self._console.print(line, no_wrap=True, overflow="ellipsis", crop=True)
        self._say()

    def _say(self) -> None:
        self._status.update(f"[dim]{self._done} of {len(self._known)} mutants[/]")

    def __enter__(self) -> Hunting:
        self._say()
        self._status.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._status.stop()


def survives(hunt: Hunt, mutant: Mutant) -> bool:
    """Whether nobody noticed, and nobody has said why that is right."""
    return not (hunt.found or mutant.equivalent)


def hunts_table(hunts: Sequence[Hunt], mutants: Mapping[str, Mutant]) -> RenderableType:
    """Every mutant that was hunted: the guard that was taken out, and how many seeds showed that it was."""
    table = Table("", "mutant", "what the guard is for", box=None, pad_edge=False)
    table.add_column("seeds", justify="right")
    table.add_column("found by, or why not")
    for hunt in sorted(hunts, key=lambda hunt: (hunt.found, hunt.id)):
        mutant = mutants[hunt.id]
        # the promise alone: what broke in particular differs from seed to seed
        by = (
            hunt.violation.partition(":")[0]
            if hunt.found
            else mutant.equivalent or "a promise nobody checks?"
        )
        table.add_row(_mark(hunt, mutant), hunt.id, Text(mutant.guards), f"{hunt.seeds:,}", Text(by))
    found = sum(hunt.found for hunt in hunts)
    left = [hunt.id for hunt in hunts if survives(hunt, mutants[hunt.id])]
    sums = f"\n{found} of {len(hunts)} mutants found, {len(hunts) - found - len(left)} with a written reason"
    verdict = Text(f"not found: {', '.join(left)}", "bold red") if left else Text("none gets away", "green")
    return Group(table, Text(sums), verdict)


def hunt_as_json(hunt: Hunt, mutant: Mutant) -> dict[str, Any]:
    """One hunt: `seeds` until the mutant was found, or that were run in vain."""
    return {
        "id": hunt.id,
        "guards": mutant.guards,
        "file": mutant.file,
        "found": hunt.found,
        "seeds": hunt.seeds,
        "promise": hunt.violation.partition(":")[0],
        "violation": hunt.violation,
        "seed": hunt.seed,
        "mode": hunt.mode,
        "seconds": round(hunt.seconds, 1),
        "equivalent": mutant.equivalent,
    }


def _mark(hunt: Hunt, mutant: Mutant) -> Text:
    if hunt.found:
        return Text("✓", "green")
    return Text("=", "yellow") if mutant.equivalent else Text("✗", "bold red")


def _violations(tally: Tally) -> str:
    if not tally.violating:
        return "0 violations"
    return f"{tally.violations:,} violations in {tally.violating:,} seed{'s' if tally.violating != 1 else ''}"


def _grid() -> Table:
    table = Table.grid(padding=(0, 2))
    table.add_column(style="dim")
    table.add_column(justify="right", no_wrap=True)
    table.add_column(overflow="fold")
    return table


def _counts(counts: Mapping[str, int]) -> str:
    """The largest first."""
    ordered = sorted(counts.items(), key=lambda pair: (-pair[1], pair[0]))
    return " · ".join(f"{name} {count:,}" for name, count in ordered if count)
