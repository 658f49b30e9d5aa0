"""`ecom simulate`: the proof by simulation, which lives in tests/simulation of this workspace."""

from __future__ import annotations

import importlib.util
import json
import sys
import traceback
from collections.abc import Sequence
from contextlib import closing, redirect_stdout
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.console import Console

from ecom_cli.errors import EcomError
from ecom_cli.uvtool import uv
from ecom_cli.workspace import workspace

if TYPE_CHECKING:
    from simulation.runner import Task

INTERRUPTED = 130
WIDTH_IN_FILES = 160
SEEDS, MOST_SEEDS_A_MUTANT = 200, 2000

NEEDED = ("greenlet",)
"""What the simulation imports beyond the tool's own dependencies. The workspace's dev group has it."""

EXAMPLES = """
[bold]Examples[/]

Two hundred worlds:  [cyan]./ecom simulate[/]

The long run:  [cyan]./ecom simulate --seeds 50000[/]

What happened in one world, in time order:  [cyan]./ecom simulate --seed 4711[/]

The same, for one of its orders:  [cyan]./ecom simulate --seed 4711 --order ID[/]

Without the sweeper, until one breaks:  [cyan]./ecom simulate -n 9999 --mode no-sweeper --stop-at-first[/]

Would a missing guard be noticed? Take each out in turn:  [cyan]./ecom simulate --mutants[/]

For a program:  [cyan]./ecom simulate --seeds 2000 --json[/]
"""


class Mode(StrEnum):
    """Everything on, or one layer of repair off."""

    FULL = "full"
    NO_SWEEPER = "no-sweeper"
    NO_REDELIVERY = "no-redelivery"
    NO_RE_EMIT = "no-re-emit"


command = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@command.command(epilog=EXAMPLES)
def simulate(
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[MUTANT]...", help="With --mutants: only these.")
    ] = None,
    seeds: Annotated[
        int | None,
        typer.Option(
            "--seeds", "-n", min=1, help=f"How many worlds. Default: {SEEDS}, {MOST_SEEDS_A_MUTANT} a mutant."
        ),
    ] = None,
    first: Annotated[int, typer.Option("--first", min=0, help="The first seed; the others follow it.")] = 0,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="This one alone, and what happened in it.")
    ] = None,
    order: Annotated[
        str | None, typer.Option("--order", metavar="ID", help="With --seed: what happened to this order.")
    ] = None,
    mode: Annotated[
        Mode | None, typer.Option("--mode", help="Which layer of repair is off. Default: the seed chooses.")
    ] = None,
    workers: Annotated[
        int | None, typer.Option("--workers", "-w", min=1, help="Processes. Default: one for each core.")
    ] = None,
    mutants: Annotated[
        bool, typer.Option("--mutants", help="Take the guards out, one at a time, until each is missed.")
    ] = False,
    stop_at_first: Annotated[
        bool, typer.Option("--stop-at-first", help="Stop at the first seed that breaks a promise.")
    ] = False,
    as_json: Annotated[
        bool, typer.Option("--json", help="The report as one JSON document; all else to stderr.")
    ] = False,
) -> None:
    """Run the real handlers in worlds where anything may go wrong, and check every promise.

    Each seed is a world: orders, customers, and faults at any AWS call, on a virtual clock. The same seed \
is the same world again, on any machine. What is checked, and what is not shown: docs/correctness.md.

    Exit code 1 if a promise is broken (with --mutants: if a missing guard goes unnoticed), 130 after Ctrl-C.
    """
    if names and not mutants:
        raise EcomError(f"{names[0]!r} is not an option.", "Mutants are named after --mutants.")
    if mutants and (seed is not None or mode):
        raise EcomError(
            "--mutants goes with neither --seed nor --mode.", "Each mutant's own mode is in its list."
        )
    if order and seed is None:
        raise EcomError("--order goes with --seed.", "As in: ./ecom simulate --seed 4711 --order ID")
    make_importable()
    from simulation.runner import Task, cores

    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_FILES
    chosen = mode.value if mode else None
    if mutants:
        most = range(first, first + (seeds or MOST_SEEDS_A_MUTANT))
        code, document = _hunt(names or (), most, workers or cores(), console)
    elif seed is not None:
        code, document = _one(Task(seed, chosen), order, console)
    else:
        tasks = [Task(number, chosen) for number in range(first, first + (seeds or SEEDS))]
        code, document = _many(tasks, workers or cores(), stop_at_first, console)
    if as_json:
        print(json.dumps(document, ensure_ascii=False))
    if code:
        raise typer.Exit(code)


def make_importable() -> None:
    """Let `import simulation` find tests/simulation of this workspace, and install what that needs.

    Raises EcomError where there is none.
    """
    tests = workspace().root / "tests"
    if not (tests / "simulation" / "runner.py").is_file():
        raise EcomError(
            f"There is no simulation in {tests}.", "It is part of the repository, not of the tool."
        )
    if str(tests) not in sys.path:
        sys.path.append(str(tests))
    if _missing():
        uv("sync", "--inexact", "--quiet", "--all-groups")
        importlib.invalidate_caches()
    if missing := _missing():
        raise EcomError(
            f"The simulation needs {', '.join(missing)}.", "Run it through ./ecom, which installs it."
        )


def _missing() -> list[str]:
    return [name for name in NEEDED if importlib.util.find_spec(name) is None]


def _many(
    tasks: Sequence[Task], workers: int, stop_at_first: bool, console: Console
) -> tuple[int, dict[str, Any]]:
    """Run them all and sum up: the exit code and the report. After Ctrl-C, what is known by then."""
    from ecom_cli.simulation_views import Watching, summary
    from simulation import runner
    from simulation.invariants import ALL_MOVES
    from simulation.report import Tally

    tally = Tally(ALL_MOVES)
    interrupted = False
    workers = min(workers, len(tasks))
    with Watching(Console(stderr=True, highlight=False), len(tasks)) as watching:
        try:
            with closing(runner.results(tasks, workers, runner.real_world)) as found:
                for result in found:
                    tally.add(result)
                    watching.show(tally, result)
                    if result.first and stop_at_first:
                        break
        except KeyboardInterrupt:
            interrupted = True
        except runner.WorkersError as error:
            raise EcomError("The simulation cannot begin.", str(error)) from error
    console.print(summary(tally, workers))
    if interrupted:
        console.print(f"Stopped after {tally.seeds:,} of {len(tasks):,} seeds.")
    code = 1 if tally.violating else INTERRUPTED if interrupted else 0
    report = {"asked": len(tasks), "interrupted": interrupted, "workers": workers, **tally.as_json()}
    return code, report


def _one(task: Task, order: str | None, console: Console) -> tuple[int, dict[str, Any]]:
    """Run one seed here, with its history, and tell what happened."""
    from ecom_cli.simulation_views import failing, story
    from simulation import runner
    from simulation.report import found_as_json, outcome_as_json

    try:
        with redirect_stdout(sys.stderr):
            outcome = runner.real_world()(task.seed, mode=task.mode, trace=True)
    except Exception:  # noqa: BLE001 - it is what this seed comes to, and told as such
        result = runner.broken(task, traceback.format_exc())
        console.print(failing(result), soft_wrap=True)
        return 1, found_as_json(result)
    assert outcome.history is not None  # nosec B101  # tells mypy what trace=True means
    known = outcome.history.orders()
    if order is not None and order not in known:
        raise EcomError(f"There is no order {order} in this world.", f"There are: {', '.join(known)}")
    console.print(story(outcome, task, order))
    return (1 if outcome.violations else 0), outcome_as_json(outcome)


def _hunt(
    names: Sequence[str], seeds: Sequence[int], workers: int, console: Console
) -> tuple[int, dict[str, Any]]:
    """Run each mutant until it is found: the exit code and the report. After Ctrl-C, those done by then."""
    from ecom_cli.simulation_views import Hunting, hunt_as_json, hunts_table, survives
    from simulation import mutants

    done: list[mutants.Hunt] = []
    interrupted = False
    try:
        every = mutants.read()
        picked = mutants.chosen(every, dict.fromkeys(names)) if names else every
        with Hunting(Console(stderr=True, highlight=False), picked) as hunting:

            def heard(hunt: mutants.Hunt) -> None:
                done.append(hunt)
                hunting.show(hunt)

            mutants.hunt_all(picked, seeds, workers, heard)
    except KeyboardInterrupt:
        interrupted = True
    except mutants.MutantError as error:
        raise EcomError(f"{error}.", "The mutants are in tests/simulation/mutants.toml.") from error
    known = {mutant.id: mutant for mutant in picked}
    console.print(hunts_table(done, known))
    survivors = [hunt.id for hunt in done if survives(hunt, known[hunt.id])]
    found = sum(hunt.found for hunt in done)
    report = {
        "mutants": [hunt_as_json(hunt, known[hunt.id]) for hunt in sorted(done, key=lambda hunt: hunt.id)],
        "hunted": len(done),
        "found": found,
        "explained": len(done) - found - len(survivors),
        "survivors": survivors,
        "interrupted": interrupted,
    }
    return (1 if survivors else INTERRUPTED if interrupted else 0), report
