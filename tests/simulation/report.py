"""What many runs come to, in figures. Its size does not grow with the number of seeds."""

from __future__ import annotations

import bisect
import hashlib
import time
from collections import Counter
from collections.abc import Callable, Collection
from typing import Any

from simulation.outcome import Move, Outcome
from simulation.runner import Result

MOST_KEPT = 100
"""Violations that are kept word for word; all are counted."""


class Tally:
    """The sum of the results so far. `legal`: all moves that rows may make."""

    def __init__(self, legal: Collection[Move], clock: Callable[[], float] = time.monotonic) -> None:
        self.seeds = self.violating = self.violations = 0
        self.invocations = self.calls = self.orders = 0
        self.cpu_seconds = 0.0
        self.faults: Counter[str] = Counter()
        self.ended: Counter[str] = Counter()
        self.modes: Counter[str] = Counter()
        self.promises: Counter[str] = Counter()
        self.firsts: list[Result] = []
        self._legal = frozenset(legal)
        self._seen: set[Move] = set()
        self._hashes = 0
        self._clock = clock
        self._begun = clock()

    def add(self, result: Result) -> None:
        """Count one seed's result in."""
        self.seeds += 1
        self.modes[result.mode] += 1
        self.invocations += result.invocations
        self.calls += result.calls
        self.orders += result.orders
        self.cpu_seconds += result.cpu_seconds
        self.faults.update(result.faults)
        self.ended.update(result.ended)
        self._seen |= result.moves
        # a sum: the order in which the workers answer changes nothing
        one = hashlib.sha256(f"{result.task.seed} {result.mode} {result.state_hash}".encode())
        self._hashes = (self._hashes + int.from_bytes(one.digest(), "big")) % (1 << 256)
        if result.first is not None:
            self.violating += 1
            self.violations += result.violations
            self.promises[result.first.promise] += 1
            bisect.insort(self.firsts, result, key=lambda each: each.task.seed)
            del self.firsts[MOST_KEPT:]

    @property
    def seconds(self) -> float:
        """Since the first seed was handed out."""
        return self._clock() - self._begun

    @property
    def seen(self) -> frozenset[Move]:
        """The legal moves that some row made."""
        return self._legal & self._seen

    @property
    def missing(self) -> list[Move]:
        """The legal moves that no row made."""
        return sorted(self._legal - self._seen)

    @property
    def coverage(self) -> float:
        """Legal moves seen, in percent of all."""
        return 100.0 * len(self.seen) / len(self._legal) if self._legal else 100.0

    def per_second(self, count: int) -> float:
        """On all cores together, by the clock on the wall."""
        return count / self.seconds if self.seconds else 0.0

    @property
    def invocations_per_core(self) -> float:
        """Invocations in one second of one core's time."""
        return self.invocations / self.cpu_seconds if self.cpu_seconds else 0.0

    def as_json(self) -> dict[str, Any]:
        """All of it. `violations` counts every one, `violations_found` holds the first of each seed."""
        return {
            "seeds": self.seeds,
            "violations": self.violations,
            "violating_seeds": self.violating,
            "violations_by_promise": dict(self.promises.most_common()),
            "violations_found": [found_as_json(result) for result in self.firsts],
            "seconds": round(self.seconds, 2),
            "cpu_seconds": round(self.cpu_seconds, 2),
            "seeds_per_second": round(self.per_second(self.seeds), 1),
            "invocations": self.invocations,
            "invocations_per_second": round(self.per_second(self.invocations)),
            "invocations_per_second_per_core": round(self.invocations_per_core),
            "calls": self.calls,
            "orders": self.orders,
            "ended": dict(self.ended.most_common()),
            "modes": dict(self.modes.most_common()),
            "faults": dict(self.faults.most_common()),
            "faults_injected": self.faults.total(),
            "moves": {
                "seen": len(self.seen),
                "legal": len(self._legal),
                "coverage_percent": round(self.coverage, 1),
                "missing": [move_text(move) for move in self.missing],
            },
            "state_hash": f"{self._hashes:064x}",
        }


def found_as_json(result: Result) -> dict[str, Any]:
    """The first violation of a seed, with what to type to see it again."""
    assert result.first is not None
    return {
        "seed": result.task.seed,
        "mode": result.mode,
        "promise": result.first.promise,
        "order_id": result.first.order_id,
        "detail": result.first.detail,
        "more": result.violations - 1,
        "reproduce": result.task.command,
    }


def outcome_as_json(outcome: Outcome) -> dict[str, Any]:
    """One world, with its history where that was kept."""
    return {
        "seed": outcome.seed,
        "mode": outcome.mode,
        "violations": len(outcome.violations),
        "violations_found": [
            {"promise": each.promise, "order_id": each.order_id, "detail": each.detail, "at": each.at}
            for each in outcome.violations
        ],
        "invocations": outcome.invocations,
        "calls": outcome.calls,
        "orders": outcome.orders,
        "ended": dict(outcome.ended),
        "faults": dict(outcome.faults),
        "moves": sorted(move_text(move) for move in outcome.moves),
        "state_hash": outcome.state_hash,
        "history": None if outcome.history is None else outcome.history.as_json(),
    }


def move_text(move: Move) -> str:
    """As in `payment: ∅→INTENT`."""
    row, before, after = move
    return f"{row}: {before or '∅'}→{after or '∅'}"
