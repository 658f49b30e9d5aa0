"""The hunt for one mutant: seed after seed against a copy of the source that lacks one guard."""

from __future__ import annotations

import signal
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType
from typing import Protocol

from simulation.engine import task
from simulation.guards import ROOT, Mutant, apply
from simulation.outcome import Outcome

PATIENCE_SECONDS = 20.0
"""CPU time that one seed may take before it counts as endless. A healthy one takes well under a second."""


@dataclass(frozen=True)
class Hunt:
    """What became of one mutant. `seeds`: how many it took, or were tried in vain; 0 if it did not even load.

    `seed`, `mode` and `violation` say where and how it was found. `seconds`: of real time.
    """

    id: str
    found: bool
    seeds: int
    seconds: float
    seed: int | None = None
    mode: str | None = None
    violation: str = ""


class Run(Protocol):
    """Runs one seed against the copy. `mode` None: the seed chooses."""

    def __call__(self, seed: int, *, mode: str | None = None) -> Outcome: ...


Load = Callable[[Path], Run]
"""Makes the copy in a folder ready to run."""


def real_world(folder: Path) -> Run:
    """The services of a copy, in the simulated world."""
    from simulation import services, world

    loaded = services.load(folder)

    def run(seed: int, *, mode: str | None = None) -> Outcome:
        return world.run(seed, loaded, mode=mode)

    return run


def hunt(
    mutant: Mutant,
    seeds: Iterable[int],
    *,
    root: Path = ROOT,
    load: Load = real_world,
    patience: float = PATIENCE_SECONDS,
    on_seed: Callable[[int], None] | None = None,
    folder: Path | None = None,
) -> Hunt:
    """Run seeds without the guard until one notices what it does not notice with the guard.

    `patience`: CPU seconds for each seed. `on_seed` hears how many seeds are done. `folder` is where the copy
    is made, in a folder of its own that is gone afterwards. Only for a main thread: it needs the alarm clock.
    Raises MutantError where the mutant does not fit.
    """
    begun = time.monotonic()
    tried = 0
    whole: Run | None = None
    with tempfile.TemporaryDirectory(prefix=f"{mutant.id}-", dir=folder) as copy:
        apply(mutant, root, Path(copy))
        try:
            run = load(Path(copy))
        except Exception as error:  # noqa: BLE001 - whatever it is, the missing guard is noticed
            return Hunt(mutant.id, True, 0, time.monotonic() - begun, violation=f"does not load: {error!r}")
        for seed in seeds:
            tried += 1
            mode, violation = _violation(run, seed, mutant.mode, patience)
            if violation:
                whole = whole or load(root)
                # A seed that fails anyway says nothing about the guard.
                if not _violation(whole, seed, mutant.mode, patience)[1]:
                    seconds = time.monotonic() - begun
                    return Hunt(mutant.id, True, tried, seconds, seed, mode, violation)
            if on_seed is not None:
                on_seed(tried)
    return Hunt(mutant.id, False, tried, time.monotonic() - begun)


def _violation(run: Run, seed: int, mode: str | None, patience: float) -> tuple[str | None, str]:
    """The mode of a run and how a promise was broken in it; empty where none was."""
    try:
        with _alarm(patience):
            outcome = run(seed, mode=mode)
    except EndlessSeedError:
        return mode, f"hangs: no end after {patience:g} s of CPU time"
    except Exception as error:  # noqa: BLE001 - whatever it is, the missing guard is noticed
        return mode, f"breaks the run: {error!r}"
    for violation in outcome.violations:
        return outcome.mode, f"{violation.promise}: {violation.detail}"
    return outcome.mode, ""


class EndlessSeedError(BaseException):
    """A seed took too long. Not an Exception: the code that goes round in circles must not catch it."""


@contextmanager
def _alarm(seconds: float) -> Iterator[None]:
    """Raise EndlessSeedError from the block when it takes more CPU time, even if its loop calls nothing."""
    here = task()

    def ring(number: int, frame: FrameType | None) -> None:
        # The loop may be in a greenlet of its own, whose end would change nothing: that one is left hanging.
        here.throw(EndlessSeedError())

    before = signal.signal(signal.SIGVTALRM, ring)
    # Again each second after that, should it ring where Python ignores what is raised.
    signal.setitimer(signal.ITIMER_VIRTUAL, seconds, 1.0)
    try:
        yield
    finally:
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        signal.signal(signal.SIGVTALRM, before)
