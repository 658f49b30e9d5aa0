"""One world for one seed: the services, everything AWS does between them, and what goes wrong.

A run has three parts. While it storms, orders come in and faults strike. When it calms, nothing new goes
wrong, the operator puts back what lies in dead-letter queues, and everything has to come to rest. In some
runs old facts are then replayed, days or months later, and that has to change nothing.
"""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from random import Random
from typing import Any

from simulation import weather
from simulation.aws import Aws
from simulation.engine import EndlessError, Engine, task
from simulation.history import History
from simulation.invariants import Promise, Watch
from simulation.invocation import Done, Invocation
from simulation.mode import Mode, mode_of
from simulation.operations import Operator
from simulation.outcome import Outcome
from simulation.outside import CarrierLedger, GatewayLedger
from simulation.people import Customers
from simulation.services import Services
from simulation.weather import Weather

START = 1_767_225_600.0
"""2026-01-01T00:00:00Z."""

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
MOST_STEPS = 200_000
PATIENCE = 2 * DAY
"""Of calm, after which an order that is still open is stuck."""

STORM_AGAIN = 15 * MINUTE
"""How long faults strike once more when old facts come back."""

LARGEST_SKEW = 150.0
"""Seconds that a sandbox's clock may be off: two differ by `ecom_common.retention.CLOCK_SKEW` at most."""

CARRIERS = ("primary", "fallback")

FAIR = 0.06
"""How many worlds have fair weather."""

AT_ONCE, BY_RESCUE = MINUTE, 10 * MINUTE
"""How long an order may take in such a world, without and with a carrier that is away."""


class World:
    """All there is in one run."""

    def __init__(self, seed: int, services: Services, mode: Mode, history: History | None) -> None:
        self.seed, self.services, self.mode = seed, services, mode
        self.rng = Random(seed)
        self.engine = Engine(START, MOST_STEPS)
        self.weather = Weather(Random(seed + 1))
        self.history = history
        self.watch = Watch(lambda: self.engine.now, _began)
        self.metrics: Counter[str] = Counter()
        self.calls = self.invocations = self._number = 0
        self.running = 0
        self.pending = 0
        self.key_enabled = True
        self.gateway = GatewayLedger(Random(seed + 2), declines=self.rng.choice((0.0, 0.2, 0.5)))
        self.carriers = {name: CarrierLedger(Random(seed + 3 + n), name) for n, name in enumerate(CARRIERS)}
        self._down_until: dict[str, float] = {}
        self._sweep_at: float | None = None
        mode.prepare(self.weather)
        self._perhaps_fair(Random(seed + 8))
        self.aws = Aws(self)
        self.operator = Operator(self)
        self.customers = Customers(self)

    def _perhaps_fair(self, chance: Random) -> None:
        """Now and then nothing goes wrong at all, or the one carrier is away for long and nothing else is
        wrong. Then nobody may have to wait for repairs."""
        self.fair = chance.random() < FAIR
        self.longest_order = AT_ONCE
        if self.fair:
            self.weather.without(*weather.KINDS)
            if self.mode.redelivers and chance.random() < 0.4:
                self._down_until[CARRIERS[0]] = self.now + 3 * HOUR
                self.longest_order = BY_RESCUE

    # --- what the services' calls need

    @property
    def now(self) -> float:
        """Seconds since the epoch."""
        return self.engine.now

    def execute(self, operation: str, request: Mapping[str, Any], token: str | None = None) -> Any:
        """Let a call take effect, now and whole."""
        return self.aws.execute(operation, request, token)

    def next_number(self) -> int:
        """Numbers that tell invocations, messages and ids apart."""
        self._number += 1
        return self._number

    def new_id(self) -> str:
        """A uuid4 that the seed decides."""
        text = f"{self.rng.getrandbits(128):032x}"
        return f"{text[:8]}-{text[8:12]}-4{text[13:16]}-a{text[17:20]}-{text[20:]}"

    def skew(self) -> float:
        """How far the clock of an invocation's sandbox is off, in seconds."""
        if not self.weather.is_on(weather.SKEW) or self.weather.calm:
            return 0.0
        self.weather.count(weather.SKEW)
        return LARGEST_SKEW * (2 * self.rng.random() - 1)

    def pace(self) -> float:
        """How many times longer than usual the calls of an invocation take: a starved sandbox is overtaken by
        others between any two of them."""
        if not self.weather.strikes(weather.SLOW, 2):
            return 1.0
        return 100 * self.rng.random()

    def outside_is_down(self, whom: str) -> bool:
        """Whether the gateway or a carrier answers nobody at the moment; sometimes nobody does."""
        if self.weather.strikes(weather.OUTSIDE_DOWN):
            until = self.now + 2 * HOUR * self.rng.random() ** 2
            whose = ("gateway", *CARRIERS) if self.rng.random() < 0.5 else (whom,)
            self._down_until.update(dict.fromkeys(whose, until))
        return self._down_until.get(whom, 0.0) > self.now

    def struck(self, running: Invocation, fault: str, what: str, order_id: str = "") -> None:
        """Count a fault, and tell the history."""
        running.struck = True
        self.weather.count(fault)
        self.note(order_id, str(running), f"⚡ {fault}: {what}")

    def logged(self, level: str, message: str, fields: Mapping[str, Any]) -> None:
        """A function has logged something."""
        self.watch.logged(level, message, fields)

    def note(self, order_id: str, who: str, what: str) -> None:
        """For the trace, if there is one."""
        if self.history is not None:
            self.history.note(self.now, order_id, who, what)

    @property
    def actor(self) -> str:
        """Who is at work, for the trace."""
        running = task()
        return str(running) if isinstance(running, Invocation) else "late request"

    # --- what happens

    def later(self, seconds: float, action: Callable[[], object]) -> None:
        """Plan something that has to have happened before the world is at rest."""
        self.pending += 1

        def happen() -> None:
            self.pending -= 1
            action()

        self.engine.after(seconds, happen)

    def invoke(self, function: str, event: Any, done: Done, *, safe: bool = False) -> None:
        """Start an invocation. `done` is called when it has answered or died."""
        self.invocations += 1
        self.running += 1

        def ended(invocation: Invocation) -> None:
            self.running -= 1
            done(invocation)

        spec = self.services.topology.functions[function]
        invocation = Invocation(self, spec, event, ended, safe=safe)
        self.watch.invocation_began(invocation.number)
        self.engine.at(self.now, invocation.switch)

    def broken(self, promise: str, order_id: str, detail: str) -> None:
        """Note a promise that the world itself saw broken."""
        self.watch.broken(promise, order_id, detail)

    # --- a run

    def live(self) -> None:
        """Storm, calm, and perhaps an echo of both much later. Ends at the first promise broken."""
        self.operator.stock_up()
        self.customers.begin()
        self.operator.begin()
        end = self.now + self.rng.choice((10 * MINUTE, 40 * MINUTE, 2 * HOUR))
        while self.now < end and not self.watch.violations:
            self.engine.run(min(end, self.now + 5 * MINUTE))
            self.operator.expire()
        self.weather.calm = True
        self.note("", "weather", "it calms")
        self._come_to_rest()
        if self.weather.is_on(weather.LATE_REPLAY) and not self.watch.violations:
            self.weather.count(weather.LATE_REPLAY)
            # Near the end of one window or another, or of the rows' life.
            days = self.rng.choice((0.5, 1, 7, 60, 90)) * (0.9 + 0.25 * self.rng.random())
            self.engine.run(self.now + DAY * days)
            self.operator.long_after()
            self._storm_again()
            self._come_to_rest()

    def _storm_again(self) -> None:
        """Faults strike old facts as well, when a window is over or about to be."""
        self.weather.calm = False
        self.note("", "weather", "it storms again")
        end = self.now + STORM_AGAIN
        while self.now < end and not self.watch.violations:
            self.engine.run(self.now + 5 * MINUTE)
        self.weather.calm = True

    def _come_to_rest(self) -> None:
        self.operator.clear_up()
        if self.operator.idle_for > 0:
            self.engine.run(self.now + self.operator.idle_for)
            self.operator.expire()
            self.operator.tidy()
            self._storm_again()
            self.operator.clear_up()
        end = self.now + PATIENCE
        while not self.watch.violations:
            self.engine.run(self.now + 10 * MINUTE)
            self.operator.expire()
            self.operator.tidy()
            if self._quiet():
                break
            if self.now > end:
                self._say_what_is_stuck()
                return
        if not self.watch.violations:
            self.customers.look_back()
            self.operator.count()

    def _quiet(self) -> bool:
        return (
            self.pending == 0
            and self.running == 0
            and self.aws.work_left() == 0
            and not self.operator.has_letters
            and not any(self.aws.open_orders())
        )

    def _say_what_is_stuck(self) -> None:
        for order_id, status in self.aws.open_orders():
            self.broken(Promise.ENDS, order_id, f"still {status}")
        if left := self.aws.work_left():
            self.broken(Promise.DONE, "", f"{left} messages are still in work queues")
        if self.running or self.pending:
            self.broken(Promise.DONE, "", "something is always under way")

    def sweep_from(self, due: float) -> None:
        """See to it that the schedule goes off when an order falls due.

        Between two such moments a sweep finds nothing and changes nothing, so those are left out: that is
        most of them, and a hundred days have many minutes.
        """
        if not self.mode.sweeps:
            return
        interval = self.services.topology.sweep_interval
        when = max(due, self.now) // interval * interval + interval
        if self._sweep_at is None or when < self._sweep_at:
            self._sweep_at = when
            self.engine.at(when + self.rng.random(), lambda: self._sweep(when))

    def _sweep(self, planned: float) -> None:
        if self._sweep_at != planned:
            return
        self._sweep_at = None
        self.aws.sweep()
        due = self.aws.first_due()
        if due is not None:
            self.sweep_from(due)


def run(seed: int, services: Services, *, mode: str | None = None, trace: bool = False) -> Outcome:
    """Live through the world of a seed. The same seed and code always give the same outcome.

    `mode`: one of `simulation.mode.MODES`; None leaves it to the seed. `trace` keeps what happened to each
    order.
    """
    history = History(START) if trace else None
    services.start_anew()
    with services.installed(), _fixed_chance(seed):
        world = World(seed, services, mode_of(seed, mode), history)
        try:
            world.live()
        except EndlessError as error:
            world.broken(Promise.CALM, "", str(error))
        for each in world.watch.violations:
            if history is not None:
                history.note(each.at, each.order_id, "watch", f"✗ {each.promise}: {each.detail}")
    return Outcome(
        seed=seed,
        mode=world.mode.name,
        violations=tuple(world.watch.violations),
        invocations=world.invocations,
        calls=world.calls,
        orders=len(world.customers.orders),
        faults=dict(sorted(world.weather.injected.items())),
        moves=frozenset(world.watch.moves),
        ended=world.aws.ended(),
        state_hash=world.aws.state_hash(),
        history=history,
    )


def _began() -> float:
    """When the invocation at work began; a request that comes late has none."""
    running = task()
    return running.began_at if isinstance(running, Invocation) else -math.inf


@contextmanager
def _fixed_chance(seed: int) -> Iterator[None]:
    """The services draw jitter from Python's own generator."""
    before = random.getstate()
    random.seed(seed)
    try:
        yield
    finally:
        random.setstate(before)
