"""The proof in small: every seed that ever failed, two hundred more, and one world for one seed."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tomllib
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import pytest

from simulation.invariants import ALL_MOVES
from simulation.mode import MODES
from simulation.report import Tally
from simulation.runner import Result, Task, results

HERE = Path(__file__).resolve().parent
REGRESSIONS: list[dict[str, Any]] = tomllib.loads((HERE / "regressions.toml").read_text()).get("seed", [])
SEEDS, WORKERS = 200, 2

HASHES = """
import json, sys
from simulation.runner import real_world

world = real_world()
seeds = range(1, 7) if sys.argv[1] == "forwards" else range(6, 0, -1)
runs = sorted((world(seed) for seed in seeds), key=lambda run: run.seed)
print(json.dumps([[run.mode, run.calls, run.invocations, dict(run.faults), run.state_hash] for run in runs]))
"""


def told(result: Result) -> str:
    """A failing seed, and how to see it again."""
    assert result.first is not None
    first = result.first
    return f"{result.task.command}\n  {result.mode}: {first.promise}: {first.order_id} {first.detail}"


def run(tasks: Iterable[Task]) -> tuple[Tally, list[str]]:
    """Run them all: the sum, and what was broken."""
    tally = Tally(ALL_MOVES)
    for result in results(tasks, WORKERS):
        tally.add(result)
    return tally, [told(result) for result in tally.firsts]


def test_every_regression_says_what_it_found_and_where_that_was_mended() -> None:
    for entry in REGRESSIONS:
        assert set(entry) == {"seed", "mode", "found", "mended"}, entry
        assert entry["mode"] in MODES, entry
        assert entry["found"], entry
        assert entry["mended"], entry


def test_no_seed_that_once_failed_fails_again() -> None:
    tally, broken = run(Task(entry["seed"], entry["mode"]) for entry in REGRESSIONS)
    assert not broken, "\n".join(broken)
    assert tally.seeds == len(REGRESSIONS)


def test_no_promise_is_broken_in_two_hundred_worlds() -> None:
    tally, broken = run(Task(seed) for seed in range(SEEDS))
    assert not broken, "\n".join(broken)
    assert tally.seeds == SEEDS
    # worlds in which nothing happens would keep every promise
    assert set(tally.modes) == set(MODES)
    assert tally.orders > SEEDS
    assert tally.faults.total() > 10 * SEEDS
    assert tally.coverage > 90.0, f"moves that no row made: {tally.missing}"


@pytest.fixture(scope="module")
def in_two_processes() -> list[list[Any]]:
    """What the same seeds came to in two processes that hash strings, and so order sets, differently."""

    def outcomes(hash_seed: str, order: str) -> list[Any]:
        environment = {**os.environ, "PYTHONPATH": str(HERE.parent), "PYTHONHASHSEED": hash_seed}
        done = subprocess.run(
            [sys.executable, "-c", HASHES, order],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        found: list[Any] = json.loads(done.stdout.splitlines()[-1])
        return found

    # Backwards: nothing that one world leaves behind may reach the next.
    return [outcomes("1", "forwards"), outcomes("4242", "backwards")]


def test_the_same_seed_is_the_same_world_in_every_process(in_two_processes: list[list[Any]]) -> None:
    one, other = in_two_processes
    assert one == other


def test_different_seeds_are_different_worlds(in_two_processes: list[list[Any]]) -> None:
    hashes = [state_hash for *_, state_hash in in_two_processes[0]]
    assert len(set(hashes)) == len(hashes) == 6
    assert all(len(state_hash) == 64 for state_hash in hashes)
