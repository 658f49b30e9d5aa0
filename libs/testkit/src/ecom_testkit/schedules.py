"""Every order in which functions can be at work on the same row, played out one by one.

Each function runs in a thread of its own and stops before every call it makes to the table or to the outside
world. Only one is let go at a time, so a path through the story is a list of choices: who goes on, who dies,
which call gets no answer. `every_path` plays all of them, `random_paths` some of a story too long for that.
"""

from __future__ import annotations

import _thread
import random
import threading
from collections.abc import Callable, Iterator, Mapping
from typing import Any

from ecom_common.errors import Retry
from ecom_common.rows import Row
from ecom_testkit.crashes import Crash

NO_END = 300
"""Steps after which a story is taken to go round in circles."""


class Choices:
    """One path: what is chosen at each fork. Prints as what happened."""

    def __init__(self, path: list[int], dice: random.Random | None = None) -> None:
        self._path = path
        self._dice = dice
        self._forks: list[tuple[int, int]] = []
        self.story: list[str] = []

    def choose(self, options: int) -> int:
        """A number from 0 to `options` - 1."""
        at = len(self._forks)
        if self._dice:
            choice = self._dice.randrange(options)
        else:
            choice = self._path[at] if at < len(self._path) else 0
        self._forks.append((choice, options))
        return choice

    def next_path(self) -> list[int] | None:
        """The path after this one; None after the last."""
        forks = list(self._forks)
        while forks and forks[-1][0] == forks[-1][1] - 1:
            forks.pop()
        if not forks:
            return None
        return [choice for choice, _ in forks[:-1]] + [forks[-1][0] + 1]

    def __str__(self) -> str:
        return "\n".join(["", *self.story])


def every_path() -> Iterator[Choices]:
    """All paths. What runs between two choices must not depend on anything but the choices."""
    path: list[int] | None = []
    while path is not None:
        choices = Choices(path)
        yield choices
        path = choices.next_path()


def random_paths(number: int, seed: int = 1) -> Iterator[Choices]:
    """So many paths, the same ones each time."""
    for each in range(number):
        yield Choices([], random.Random(seed * 1_000_003 + each))


class Stage:
    """Where functions run together. At most `deaths` of them die; at most `silences` calls get no answer."""

    def __init__(self, choices: Choices, *, deaths: int = 0, silences: int = 0) -> None:
        self._choices = choices
        self._deaths = deaths
        self._silences = silences
        self._back = _shut()
        self._actors: list[_Actor] = []
        self._steps = 0

    def play(self, parts: Mapping[str, Callable[[], None]]) -> set[str]:
        """Run all parts to their end, in the chosen order. Returns who died."""
        actors = self._actors = [_Actor(name, part, self._back) for name, part in parts.items()]
        try:
            for actor in actors:
                actor.go_on()  # up to its first call: what comes before it concerns nobody else
            while alive := [actor for actor in actors if not actor.done]:
                self._step(alive)
        finally:
            for actor in actors:
                while not actor.done:
                    actor.dies = True
                    actor.go_on()
            self._actors = []
        for actor in actors:
            if actor.error and not isinstance(actor.error, Crash):
                raise actor.error
        return {actor.name for actor in actors if actor.error}

    def pause(self, call: str) -> None:
        """Before a call: let the others go first, or die here. Outside of `play` nobody else is there."""
        self._steps += 1
        assert self._steps < NO_END, "it does not end"
        for actor in self._actors:
            if actor.ident == threading.get_ident():
                actor.wait()
                call = f"{actor.name}: {call}"
        self._choices.story.append(call)

    def silent(self) -> str:
        """Whether this call gets its answer (``""``), or none ``"before"`` or ``"after"`` it took effect."""
        if not self._silences:
            return ""
        choice = ("", "before", "after")[self._choices.choose(3)]
        if choice:
            self._silences -= 1
            self._choices.story.append(f"   no answer, {choice} its effect")
        return choice

    def _step(self, alive: list[_Actor]) -> None:
        actor = alive[self._choices.choose(len(alive))]
        actor.go_on()
        # When exactly somebody dies nobody else can see: it is enough to ask after each call of his own.
        if self._deaths and not actor.done and self._choices.choose(2):
            self._deaths -= 1
            self._choices.story.append(f"{actor.name} dies")
            actor.dies = True
            actor.go_on()


class _Actor:
    """A function at work in a thread that only moves when it is told to."""

    def __init__(self, name: str, part: Callable[[], None], back: threading.Lock) -> None:
        self.name = name
        self.done = self.dies = False
        self.error: BaseException | None = None
        self._part = part
        self._go = _shut()
        self._back = back
        # Thousands of them are started: `threading.Thread` would take most of the time.
        self.ident = _thread.start_new_thread(self._run, ())

    def go_on(self) -> None:
        self._go.release()
        self._back.acquire()

    def wait(self) -> None:
        self._back.release()
        self._go.acquire()
        if self.dies:
            raise Crash

    def _run(self) -> None:
        self._go.acquire()
        try:
            self._part()
        except BaseException as error:  # noqa: BLE001 - handed to `play`, which raises what is not a Crash
            self.error = error
        self.done = True
        self._back.release()


def _shut() -> threading.Lock:
    """A gate that one thread opens (release) for another that waits before it (acquire)."""
    gate = threading.Lock()
    gate.acquire()
    return gate


class StageTable:
    """What `StateTable` does, in memory and on a stage. A test holds it against the real one."""

    def __init__(self, stage: Stage | None = None) -> None:
        self._stage = stage
        self._rows: dict[str, Row] = {}

    def find(self, key: str) -> Row | None:
        return _copy(self._rows[key]) if key in self._rows else None

    def add(self, row: Row) -> Row:
        self._pause(f"add {row['state']}")
        return _copy(self._rows.setdefault(row["orderId"], _copy(row)))

    def move(
        self,
        key: str,
        state: str,
        changes: Mapping[str, Any],
        *,
        adds: Mapping[str, int | set[str]] | None = None,
        deletes: Mapping[str, set[str]] | None = None,
    ) -> tuple[bool, Row]:
        self._pause(f"move {state} to {changes.get('state', 'the same')}")
        if key not in self._rows:
            raise Retry("the row has gone")
        row = self._rows[key]
        if row["state"] != state:
            return False, _copy(row)
        row |= {name: value for name, value in changes.items() if value is not None}
        for name, more in (adds or {}).items():
            row[name] = row.get(name, set()) | more if isinstance(more, set) else row.get(name, 0) + more
        for name, less in (deletes or {}).items():
            row[name] = row.get(name, set()) - less or None
        return True, _copy(row)

    def _pause(self, call: str) -> None:
        if self._stage:
            self._stage.pause(call)


def _copy(row: Row) -> Row:
    """What DynamoDB would give back: no None, no sharing."""
    return {
        name: set(value) if isinstance(value, set) else value
        for name, value in row.items()
        if value is not None
    }
