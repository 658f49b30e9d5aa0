"""Would a missing guard be noticed? Each is taken out of a copy, and the simulation looks for the difference.

A mutant is a guard of the protocol with the text that is put in its place (`guards`, `mutants.toml`). It is
found when a seed's run breaks a promise, breaks down or does not end. One that is never found stands for a
promise that nobody checks, or for a guard that nobody needs.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import tempfile
import time
import traceback
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path

from simulation.guards import FILE, ROOT, Mutant, MutantError, apply, chosen, read
from simulation.hunting import PATIENCE_SECONDS, Hunt, Load, hunt, real_world

__all__ = ["FILE", "ROOT", "Hunt", "Mutant", "MutantError", "apply", "chosen", "hunt", "hunt_all", "read"]

_SILENCE_SECONDS = (
    600.0  # of real time: a process that says nothing for so long does not hear its alarm clock
)


def hunt_all(
    mutants: Sequence[Mutant],
    seeds: Sequence[int],
    workers: int,
    on_result: Callable[[Hunt], None] | None = None,
    *,
    root: Path = ROOT,
    load: Load = real_world,
    patience: float = PATIENCE_SECONDS,
) -> list[Hunt]:
    """Hunt each mutant in a process of its own, `workers` at a time. The results are in the mutants' order.

    `on_result` hears each one as it comes. `load` is a function of a module. A process that dies, or that
    does not even hear its alarm clock, has found its mutant. Raises MutantError where one does not fit.
    """
    waiting = deque(mutants)
    results: dict[str, Hunt] = {}
    busy: list[_Hunter] = []
    with tempfile.TemporaryDirectory(prefix="mutants-") as folder:
        try:
            while waiting or busy:
                while waiting and len(busy) < workers:
                    order = _Order(waiting.popleft(), seeds, root, load, patience, Path(folder))
                    busy.append(_Hunter(order))
                ready = wait([hunter.pipe for hunter in busy], timeout=1.0)
                for hunter in list(busy):
                    result = hunter.look(hunter.pipe in ready)
                    if result is None:
                        continue
                    busy.remove(hunter)
                    hunter.end()
                    results[result.id] = result
                    if on_result is not None:
                        on_result(result)
        finally:
            for hunter in busy:
                hunter.end()
    return [results[mutant.id] for mutant in mutants]


@dataclass(frozen=True)
class _Order:
    """What a process is asked to do."""

    mutant: Mutant
    seeds: Sequence[int]
    root: Path
    load: Load
    patience: float
    folder: Path


class _Hunter:
    """The process that hunts one mutant, and what it has said so far."""

    def __init__(self, order: _Order) -> None:
        self._order = order
        context = multiprocessing.get_context("spawn")  # no lock, thread or open world comes along
        self.pipe, theirs = context.Pipe(duplex=False)
        self._process = context.Process(target=_hunt_and_tell, args=(theirs, order), daemon=True)
        # Ctrl-C is for whoever sums up, and ends us: processes inherit that it is blocked.
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._begun = self._heard = time.monotonic()
        self._seeds = 0

    def look(self, says: bool) -> Hunt | None:
        """The result, once there is one. Raises MutantError where the mutant does not fit."""
        if not says:
            silence = time.monotonic() - self._heard
            return self._lost("hangs") if silence > _SILENCE_SECONDS else None
        try:
            said: Hunt | MutantError | int | str = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return self._lost(f"its process ended with {self._process.exitcode}")
        if isinstance(said, MutantError):
            raise said
        if isinstance(said, str):
            raise RuntimeError(said)
        if isinstance(said, Hunt):
            return said
        self._heard, self._seeds = time.monotonic(), said
        return None

    def _lost(self, why: str) -> Hunt:
        tried = min(self._seeds + 1, len(self._order.seeds))
        seconds = time.monotonic() - self._begun
        return Hunt(self._order.mutant.id, True, tried, seconds, self._order.seeds[tried - 1], None, why)

    def end(self) -> None:
        """Whatever it is doing."""
        self._process.kill()
        self._process.join()
        self.pipe.close()


def _hunt_and_tell(pipe: Connection, order: _Order) -> None:
    """A process's life: one hunt; after each seed it says how many there were."""
    os.dup2(2, 1)  # standard output is for results
    try:
        pipe.send(
            hunt(
                order.mutant,
                order.seeds,
                root=order.root,
                load=order.load,
                patience=order.patience,
                on_seed=pipe.send,
                folder=order.folder,
            )
        )
    except MutantError as error:
        pipe.send(error)
    except Exception:  # noqa: BLE001 - a mistake in the hunt itself, told to whoever started us
        pipe.send(traceback.format_exc())
