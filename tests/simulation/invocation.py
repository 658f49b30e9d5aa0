"""One invocation of a function: the real handler in a sandbox, with a deadline and a clock of its own."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from simulation.engine import Crash, Task

if TYPE_CHECKING:
    from simulation.topology import FunctionSpec
    from simulation.world import World

Done = Callable[["Invocation"], None]


class Invocation(Task):
    """Runs one event. It is also the context that the handler gets.

    `result` is what the handler returned, `raised` what it raised: a Crash where the sandbox died.
    `safe`: no fault strikes its calls.
    """

    def __init__(
        self, world: World, function: FunctionSpec, event: Any, done: Done, *, safe: bool = False
    ) -> None:
        super().__init__(world.engine, self._run, world.engine.now + function.timeout)
        self.world = world
        self.function = function
        self.event = event
        self.number = world.next_number()
        self.began_at = world.engine.now
        self.skew = world.skew()
        self.pace = 1.0 if safe else world.pace()
        self.struck = False
        self._done = done
        self._safe = safe
        self.aws_request_id = f"request-{self.number}"
        self.function_version = "$LATEST"

    def get_remaining_time_in_millis(self) -> int:
        """As Lambda's context says it, from the real clock and not the sandbox's."""
        return int((self.deadline - self.engine.now) * 1000)

    def strike(self, kinds: tuple[str, ...]) -> str | None:
        """The fault that strikes the next call, if any."""
        return None if self._safe else self.world.weather.strike(kinds, self.engine.now)

    def _run(self) -> Any:
        services = self.world.services
        handler = services.take(self.function.logical)
        result = handler(self.event, self)
        # One that crashed never gets here: its sandbox is gone, and with it what was in its memory.
        services.give_back(self.function.logical, handler)
        return result

    def ended(self) -> None:
        self._done(self)

    @property
    def crashed(self) -> bool:
        """Whether the sandbox died before it could answer."""
        return isinstance(self.raised, Crash)

    def __str__(self) -> str:
        return f"{self.function.logical} {self.number}"
