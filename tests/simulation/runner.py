"""Many seeds over many cores: one process for each core, one result for each seed, and no seed is ever lost.

The workers are processes of our own rather than a pool's. What a pool cannot say, these can: which seed it
was that ended its worker, and which one has been running for far too long.
"""

from __future__ import annotations

import contextlib
import multiprocessing
import os
import signal
import time
import traceback
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from multiprocessing import resource_tracker
from multiprocessing.connection import Connection, wait
from pathlib import Path
from typing import NamedTuple, Protocol

from simulation.outcome import Move, Outcome

ROOT = Path(__file__).resolve().parents[2]

PATIENCE_SECONDS = 120.0
"""How long one seed may run before its worker is ended."""

BROKEN = "the run itself broke"
"""The promise that a seed violates when it raises, hangs or takes its process down."""

_START_SECONDS = 120.0  # until a worker is ready
_AHEAD = 4  # seeds that wait in the worker's pipe, so that it never waits for us


class World(Protocol):
    """Runs one seed. `mode` None: the seed chooses."""

    def __call__(self, seed: int, *, mode: str | None = None, trace: bool = False) -> Outcome: ...


class Task(NamedTuple):
    """A seed to run, in a mode or (None) in the one that it chooses itself."""

    seed: int
    mode: str | None = None

    @property
    def command(self) -> str:
        """What to type to see this very run again."""
        return f"./ecom simulate --seed {self.seed}" + (f" --mode {self.mode}" if self.mode else "")


class Found(NamedTuple):
    """A promise that was broken. `at`: seconds since the epoch, in the run's own time."""

    promise: str
    order_id: str
    detail: str
    at: float


@dataclass(frozen=True)
class Result:
    """What is left of a run when its world is thrown away. `cpu_seconds`: what it cost the worker."""

    task: Task
    mode: str
    violations: int
    first: Found | None
    invocations: int = 0
    calls: int = 0
    orders: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)
    moves: frozenset[Move] = frozenset()
    ended: Mapping[str, int] = field(default_factory=dict)
    state_hash: str = ""
    cpu_seconds: float = 0.0


class WorkersError(Exception):
    """No seed can be run at all: a worker ended before it was ready. Carries what it said."""


def real_world() -> World:
    """The services of this repository."""
    from simulation import services, world

    loaded = services.load(ROOT)

    def run(seed: int, *, mode: str | None = None, trace: bool = False) -> Outcome:
        return world.run(seed, loaded, trace=trace, mode=mode)

    return run


def cores() -> int:
    """How many cores this process may use."""
    return len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1


def run_one(world: World, task: Task) -> Result:
    """Run one seed here and now. What it raises is a violation like any other, with its traceback."""
    begun = time.process_time()
    try:
        outcome = world(task.seed, mode=task.mode)
    except Exception:  # noqa: BLE001 - whatever it is, it belongs to this seed and is told
        return broken(task, traceback.format_exc())
    first = next((Found(v.promise, v.order_id, v.detail, v.at) for v in outcome.violations), None)
    return Result(
        task,
        outcome.mode,
        len(outcome.violations),
        first,
        outcome.invocations,
        outcome.calls,
        outcome.orders,
        dict(outcome.faults),
        outcome.moves,
        dict(outcome.ended),
        outcome.state_hash,
        time.process_time() - begun,
    )


def broken(task: Task, detail: str) -> Result:
    """The result of a run that has none."""
    return Result(task, task.mode or "unknown", 1, Found(BROKEN, "", detail.strip(), 0.0))


def results(
    tasks: Iterable[Task],
    workers: int,
    prepare: Callable[[], World] = real_world,
    patience: float = PATIENCE_SECONDS,
) -> Generator[Result, None, None]:
    """Run all tasks and yield each one's result as it comes, in no particular order.

    Every worker calls `prepare` (a function of a module) once. A worker that dies or stalls costs the seed it
    was busy with, as a violation, and another takes its place. Closing the iterator ends the workers.
    Raises WorkersError when a worker cannot even begin.
    """
    waiting = iter(tasks)
    crew = [_Worker(prepare) for _ in range(workers)]
    try:
        for worker in crew:
            worker.top_up(waiting)
        while busy := [worker for worker in crew if worker.given]:
            ready = wait([worker.pipe for worker in busy], timeout=min(1.0, patience))
            for worker in busy:
                if worker.pipe in ready:
                    result = worker.take()
                elif worker.is_stuck(patience):
                    result = worker.lost(f"no end after {patience:g} s")
                else:
                    continue
                worker.top_up(waiting)
                if result is not None:
                    yield result
    finally:
        for worker in crew:
            worker.end()


class _Worker:
    """One process and what it has been given to do: the first is what it is busy with."""

    def __init__(self, prepare: Callable[[], World]) -> None:
        self.given: deque[Task] = deque()
        self._prepare = prepare
        self._start()

    def top_up(self, waiting: Iterator[Task]) -> None:
        """Hand on as many tasks as may wait in the pipe."""
        while len(self.given) < _AHEAD and (task := next(waiting, None)) is not None:
            self._give(task)

    def take(self) -> Result | None:
        """What the worker says: a result, or (None) that it is ready to begin."""
        try:
            said: Result | str | None = self.pipe.recv()
        except (EOFError, ConnectionResetError):
            self._process.join()
            return self.lost(f"its process ended with {self._process.exitcode}")
        if isinstance(said, str):
            raise WorkersError(said)
        self._since = time.monotonic()
        self._is_ready = True
        if said is not None:
            self.given.popleft()
        return said

    def is_stuck(self, patience: float) -> bool:
        """Whether it has been at the same thing for too long."""
        limit = patience if self._is_ready else max(patience, _START_SECONDS)
        return time.monotonic() - self._since > limit

    def lost(self, reason: str) -> Result:
        """Give the task at hand up as broken, and the others to a new process."""
        if not self._is_ready:
            raise WorkersError(f"A worker did not get to its first seed: {reason}.")
        self.end()
        task, rest = self.given.popleft(), list(self.given)
        self.given.clear()
        self._start()
        for each in rest:
            self._give(each)
        return broken(task, reason)

    def end(self) -> None:
        """Whatever it is doing."""
        self._process.kill()
        self._process.join()
        self.pipe.close()

    def _start(self) -> None:
        context = multiprocessing.get_context("spawn")  # no lock, thread or open world comes along
        self.pipe, theirs = context.Pipe()
        self._process = context.Process(target=_work, args=(theirs, self._prepare), daemon=True)
        # Ctrl-C is for whoever sums up, and ends us: workers inherit that it is blocked. (Their tracker, once
        # started, unblocks it.)
        resource_tracker.ensure_running()
        before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
        try:
            self._process.start()
        finally:
            signal.pthread_sigmask(signal.SIG_SETMASK, before)
        theirs.close()
        self._since = time.monotonic()
        self._is_ready = False

    def _give(self, task: Task) -> None:
        # should it have died, the next `take` finds that out, and gives this task to its successor
        with contextlib.suppress(BrokenPipeError, ConnectionResetError):
            self.pipe.send(task)
        self.given.append(task)


def _work(pipe: Connection, prepare: Callable[[], World]) -> None:
    """A worker's life: get ready, say so, then a result for each task until nobody asks any more."""
    os.dup2(2, 1)  # standard output is for results
    try:
        world = prepare()
    except Exception:  # noqa: BLE001 - told to whoever started us
        pipe.send(traceback.format_exc())
        return
    pipe.send(None)
    try:
        while True:
            pipe.send(run_one(world, pipe.recv()))
    except (EOFError, BrokenPipeError, ConnectionResetError):
        return  # nobody listens any more
