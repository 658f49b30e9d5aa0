"""A copy of the source that costs nothing, for tests of the hunt: a word in one file says what it comes to.

In a module of its own, since the processes that hunt have to find it by its name.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import NamedTuple

from simulation.hunting import Run
from simulation.outcome import Outcome


class Broken(NamedTuple):
    """A violation, as far as a hunt knows one."""

    promise: str
    detail: str


def outcome(seed: int, mode: str | None, *violations: Broken) -> Outcome:
    return Outcome(
        seed=seed,
        mode=mode or "no-sweeper",
        violations=violations,  # type: ignore[arg-type]
        invocations=1,
        calls=1,
        orders=1,
        faults={},
        moves=frozenset(),
        ended={},
        state_hash="",
    )


def violation() -> Broken:
    return Broken("one charge at most", "2 charges")


def loaded_elsewhere(folder: Path) -> Run:
    """What the processes load: what happens is in the copied source."""
    (word,) = re.findall(r"WINDOW = (\w+)", (folder / "packages/a-service/src/a.py").read_text())

    def run(seed: int, *, mode: str | None = None) -> Outcome:
        if seed == 3 and word == "dies":
            os._exit(9)
        if seed == 4 and word == "violates":
            return outcome(seed, mode, violation())
        return outcome(seed, mode)

    return run
