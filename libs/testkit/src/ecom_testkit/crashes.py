"""A function may die between any two AWS calls, on either side of any of them. These make it."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from typing import Any, TypeVar

T = TypeVar("T")


class Crash(BaseException):
    """The sandbox is gone. Not an Exception: no handler may catch it and carry on."""


@dataclass(frozen=True)
class Call:
    """One AWS call: the client's method and its arguments."""

    name: str
    arguments: dict[str, Any]


class CrashingClient:
    """A boto3 client that records its calls and raises at the n-th of them, once.

    `after` counts from 1; None never raises. `effect` says which side of the call: False before anything
    happened, True when AWS has done it and the answer is lost. `error` is what is raised: a Crash, or an
    exception such as a ClientError or ReadTimeoutError. Clients that share the list `calls` share the count.
    """

    def __init__(
        self,
        client: Any,
        after: int | None = None,
        *,
        effect: bool = False,
        error: BaseException | None = None,
        calls: list[Call] | None = None,
    ) -> None:
        self._client = client
        self._after = after
        self._effect = effect
        self._error = error or Crash()
        self.calls: list[Call] = [] if calls is None else calls

    def __getattr__(self, name: str) -> Any:
        attribute = getattr(self._client, name)
        # `meta`, `exceptions`; what a client can do without AWS is of no interest to a crash.
        if not callable(attribute) or name in ("can_paginate", "generate_presigned_url", "get_paginator"):
            return attribute

        def call(**arguments: Any) -> Any:
            self.calls.append(Call(name, arguments))
            if len(self.calls) != self._after:
                return attribute(**arguments)
            if self._effect:
                # An error answer is an answer too: it is lost like any other.
                with suppress(Exception):
                    attribute(**arguments)
            raise self._error

        return call


@dataclass
class CrashPoint:
    """One place to die: the `number`-th AWS call, before it or after its effect."""

    number: int
    effect: bool
    calls: list[Call] = field(default_factory=list)
    reached: bool = False

    def wrap(self, client: T) -> T:
        """A client that dies here. All clients wrapped by one point are counted together."""
        crashing: Any = CrashingClient(client, self.number, effect=self.effect, calls=self.calls)
        return crashing  # type: ignore[no-any-return]

    @contextmanager
    def survived(self) -> Iterator[None]:
        """What is inside may die here; the test goes on, as the queue does."""
        try:
            yield
        except Crash:
            self.reached = True

    def __str__(self) -> str:
        name = self.calls[self.number - 1].name if len(self.calls) >= self.number else "nothing"
        return f"{'after' if self.effect else 'before'} call {self.number} ({name})"


def crash_points() -> Iterator[CrashPoint]:
    """Every place a story can die at, in order: both sides of its first AWS call, of its second, ...

    Ends after the first run that got through alive, so the story sets how many there are. Example:

        for point in crash_points():
            shop = Shop(dynamodb=point.wrap(dynamodb))
            with point.survived():
                shop.deliver(order)
            Shop(dynamodb=dynamodb).deliver(order)
            assert ..., point
    """
    for number in itertools.count(1):
        for effect in (False, True):
            point = CrashPoint(number, effect)
            yield point
            if not point.reached:
                return
