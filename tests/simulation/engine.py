"""A virtual clock, a heap of what happens when, and synchronous code that waits in that time.

Everything runs in one thread: whoever waits hands control back to the engine, which goes on with whatever is
due next. Two things due at the same moment happen in the order in which they were planned.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from typing import Any

from greenlet import getcurrent, greenlet

Action = Callable[[], object]


class Crash(BaseException):
    """The sandbox is gone. Not an Exception: no handler may catch it and carry on."""


class EndlessError(Exception):
    """More happened than any run of this size needs: something goes round in circles."""


class Engine:
    """The clock (`now`, seconds since the epoch) and what is still to happen."""

    def __init__(self, now: float, most_steps: int) -> None:
        self.now = now
        self.steps = 0
        self.hub = getcurrent()
        self._most_steps = most_steps
        self._planned: list[tuple[float, int, Action]] = []
        self._number = 0

    def at(self, when: float, action: Action) -> None:
        """Plan something for a moment; one that has passed means at once."""
        self._number += 1
        heapq.heappush(self._planned, (when, self._number, action))

    def after(self, seconds: float, action: Action) -> None:
        """Plan something for later."""
        self.at(self.now + seconds, action)

    @property
    def next_at(self) -> float | None:
        """When something happens next; None if nothing does."""
        return self._planned[0][0] if self._planned else None

    def run(self, until: float) -> None:
        """Let everything happen that is due by then. The clock stands at `until` afterwards.

        Raises EndlessError after more steps than the run may take in all.
        """
        planned = self._planned
        while planned and planned[0][0] <= until:
            when, _, action = heapq.heappop(planned)
            if when > self.now:
                self.now = when
            self.steps += 1
            if self.steps > self._most_steps:
                raise EndlessError(f"{self.steps} steps, and no end")
            action()
        self.now = max(self.now, until)


class Task(greenlet):
    """Synchronous code that waits in virtual time and dies at its deadline.

    Runs when the engine switches to it, and only then: plan its first `switch`. What its code raises is kept
    in `raised`.
    """

    def __init__(self, engine: Engine, code: Callable[[], Any], deadline: float) -> None:
        super().__init__(self._work, engine.hub)
        self.engine = engine
        self.deadline = deadline
        self.result: Any = None
        self.raised: BaseException | None = None
        self._code = code

    def _work(self) -> None:
        try:
            self.result = self._code()
        except BaseException as error:  # noqa: BLE001 - kept for `ended` to look at
            self.raised = error
        self.ended()

    def ended(self) -> None:
        """What is to be done once the code has returned or died. May plan, may not wait."""

    def wait(self, seconds: float) -> None:
        """Let time pass. Raises Crash when the deadline comes first."""
        engine = self.engine
        due = engine.now + seconds
        if due < self.deadline:
            engine.at(due, self.switch)
        else:
            engine.at(self.deadline, self._expire)
        engine.hub.switch()

    def crash(self, why: str) -> Crash:
        """The sandbox is gone, here and now: whatever its code still tries comes to nothing."""
        self.deadline = self.engine.now
        return Crash(why)

    def _expire(self) -> None:
        self.throw(Crash("time-out"))


def task() -> Any:
    """The task whose code is running."""
    return getcurrent()
