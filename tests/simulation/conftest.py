"""The services, loaded once for all tests, and a world in which a test says what goes wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from pathlib import Path
from random import Random
from typing import Any, cast

import pytest

from simulation.calls import call
from simulation.clients import sleep
from simulation.invariants import Watch
from simulation.invocation import Invocation
from simulation.mode import FULL, Mode
from simulation.services import Services, load
from simulation.weather import Weather
from simulation.world import World

ROOT = Path(__file__).resolve().parents[2]
HALF = 0.5


class Forecast(Weather):
    """Weather that does as it is told: `next` strikes the calls to come, `everywhere` wherever it may."""

    def __init__(self) -> None:
        super().__init__(Random(0))
        self._strength = {}
        self.next: list[str | None] = []
        self.everywhere: set[str] = set()

    def strike(self, kinds: tuple[str, ...], now: float) -> str | None:
        fault = self.next.pop(0) if self.next else None
        assert fault is None or fault in kinds, f"{fault} is none of {kinds}"
        return fault

    def strikes(self, kind: str, factor: float = 1.0) -> bool:
        if kind in self.everywhere:
            self.count(kind)
        return kind in self.everywhere


class Chance(Random):
    """Numbers that a test says; one half where it says nothing, and any where it is `free`.

    `hits`: how many attempts a fault hits.
    """

    def __init__(self) -> None:
        super().__init__(7)
        self.says: list[float] = []
        self.hits = 1
        self.free = False

    def random(self) -> float:
        if self.says:
            return self.says.pop(0)
        return super().random() if self.free else HALF

    def getrandbits(self, k: int) -> int:
        return super().getrandbits(k)

    def choice(self, seq: Any) -> Any:
        return self.hits if set(seq) == {1, 2, 3} else super().choice(seq)


class Deaf(Watch):
    """Hears nothing of rows and facts, so that a test may write what it likes."""

    def wrote(self, changes: Iterable[Any]) -> None: ...

    def published(self, entry: Any) -> None: ...

    def queued(self, queue: str, body: str, attributes: Any, dead_letter: bool) -> None: ...


class Stand:
    """Stands in for the services: real topology and bus, and functions that do what the test says.

    `batch` handles messages, and takes them all unless told otherwise; `code` is all else that is invoked.
    """

    def __init__(self, services: Services) -> None:
        self.topology, self.bus = services.topology, services.bus
        self.batch: Callable[[Any, Any], Any] = lambda event, context: {"batchItemFailures": []}
        self.code: Callable[[], Any] = lambda: None

    def take(self, function: str) -> Callable[[Any, Any], Any]:
        def handle(event: Any, context: Any) -> Any:
            return self.batch(event, context) if "Records" in event else self.code()

        return handle

    def give_back(self, function: str, handler: Any) -> None: ...


@dataclass
class Heard:
    """What the code that made a call got, and after how many seconds."""

    answer: Any = None
    error: BaseException | None = None
    seconds: float = 0.0
    rows: int = 0
    """Rows in the payment table, the moment the code got it."""
    code: str = ""

    @property
    def text(self) -> str:
        """All that the error says."""
        cause = "" if self.error is None else self.error.__cause__
        return f"{self.error} {getattr(self.error, 'response', '')} {cause}"


class Lab:
    """A world without people. Every number that it draws is one half, unless `chance` says otherwise."""

    def __init__(self, services: Services, mode: Mode = FULL) -> None:
        self.stand = Stand(services)
        self.world = World(0, cast(Services, self.stand), mode, None)
        self.weather = self.world.weather = Forecast()
        self.chance = self.world.rng = Chance()
        self.watch = self.world.watch = Deaf(lambda: self.world.now)
        self.aws = self.world.aws
        self.world.gateway.declines = 0.0
        for table in self.aws.database.tables.values():
            table.index_lag = 0.0

    @property
    def rows(self) -> dict[str, Any]:
        """What the payment table holds."""
        return self.aws.database.tables["ecom-sim-payment"].rows

    def run(self, code: Callable[[], Any], *, function: str = "PaymentLambda") -> Invocation:
        """Let code run as an invocation; ends with it, and not with what it left under way."""
        ended: list[Invocation] = []
        self.stand.code = code
        self.world.invoke(function, {}, ended.append)
        while not ended:
            assert self.world.engine.next_at is not None, "nothing will ever end it"
            self.world.engine.run(self.world.engine.next_at)
        return ended[0]

    def hear(self, code: Callable[[], Any], *faults: str | None, hits: int = 1) -> Heard:
        """Let code run, with these faults for its calls; what it raised or returned."""
        self.weather.next, self.chance.hits = list(faults), hits
        heard = Heard()

        def listen() -> None:
            began = self.world.now
            try:
                heard.answer = code()
            except BaseException as error:
                heard.error = error
                heard.code = getattr(error, "response", {}).get("Error", {}).get("Code", "")
                raise
            finally:
                heard.seconds, heard.rows = self.world.now - began, len(self.rows)

        self.run(listen)
        return heard

    def call(self, operation: str, request: Any, *faults: str | None, hits: int = 1) -> Heard:
        """Make one call to AWS."""
        return self.hear(lambda: call(operation, request), *faults, hits=hits)

    def pause(self, seconds: float) -> None:
        """Time passes."""
        self.world.engine.run(self.world.now + seconds)

    sleep = staticmethod(sleep)
    """For code that runs in an invocation."""


@pytest.fixture(scope="session")
def services() -> Services:
    """The code of this repository."""
    return load(ROOT)


@pytest.fixture
def lab(services: Services) -> Lab:
    return Lab(services)
