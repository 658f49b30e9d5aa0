"""A world that costs nothing, for tests of the runner: a seed's last two digits say what it comes to."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import Callable
from typing import Any

from simulation.history import History
from simulation.mode import MODES
from simulation.outcome import Outcome

VIOLATES, RAISES, DIES, HANGS, TALKS = 13, 31, 66, 77, 88
"""The last two digits of seeds to which something happens."""

MOVES = (("payment", "", "INTENT"), ("payment", "INTENT", "CHARGED"), ("payment", "INTENT", "DECLINED"))


class Broken:
    """A violation, as far as the runner knows one."""

    def __init__(self, promise: str, order_id: str, detail: str, at: float) -> None:
        self.promise, self.order_id, self.detail, self.at = promise, order_id, detail, at


def run(seed: int, *, mode: str | None = None, trace: bool = False) -> Outcome:
    """A run of one order."""
    ending = seed % 100
    if ending == RAISES:
        raise RuntimeError(f"seed {seed} raises")
    if ending == DIES:
        os._exit(9)
    if ending == HANGS:
        time.sleep(3600)
    if ending == TALKS:
        print("words on standard output")
    mode = mode or list(MODES)[seed % len(MODES)]
    found: tuple[Any, ...] = ()
    if ending == VIOLATES:
        first = Broken("shipped means paid", f"order-{seed}", "not paid", 1.0)
        found = (first, Broken("stock is never below zero", "", "-1 mugs", 2.0))
    history = History(0.0)
    for order_id in ("order-1", f"order-{seed}"):
        history.note(1.0, order_id, "customer", f"placed {order_id}")
    return Outcome(
        seed=seed,
        mode=mode,
        violations=found,
        invocations=10,
        calls=30,
        orders=1,
        faults={"throttle": 2, "crash after a call": seed % 2},
        moves=frozenset((MOVES[0], MOVES[1 + seed % 2])),
        ended={"SHIPPED": 1} if seed % 2 == 0 else {"PAYMENT_FAILED": 1},
        state_hash=hashlib.sha256(f"{seed} {mode}".encode()).hexdigest(),
        history=history if trace else None,
    )


def world() -> Callable[..., Outcome]:
    """What workers prepare."""
    return run


def no_world() -> Callable[..., Outcome]:
    """What workers cannot prepare."""
    raise RuntimeError("there is no world")
