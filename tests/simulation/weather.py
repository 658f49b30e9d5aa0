"""What goes wrong in one run: which kinds of faults, how often, and until when.

About half of all kinds are on in a run, each with a strength of its own. When the weather calms, no new fault
begins; what began before (a message under way, a key switched off) still ends in its own time.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from random import Random

# At an AWS call
CRASH_BEFORE = "crash before a call"
CRASH_AFTER = "crash after a call"
STALL = "stall"
OVERTAKEN = "overtaken between two calls"
ODD_ERROR = "an error nobody knows"
THROTTLE = "throttle"
NO_ANSWER = "no answer, nothing done"
SDK_RETRY = "SDK retry after success"
LOST_ANSWER = "applied but timed out"
LATE_EFFECT = "applied after the time-out"
CONFLICT = "transaction conflict"
UNPROCESSED = "keys left unread"
PARTIAL = "entries not accepted"
ACCEPTED_BUT_FAILED = "entries accepted but reported failed"

# At the gateway and the carriers
OUTSIDE_BEFORE = "outside time-out before the effect"
OUTSIDE_AFTER = "outside time-out after the effect"
OUTSIDE_LATE = "outside effect after the time-out"
OUTSIDE_DOWN = "outside down for a while"

# On the way
DUPLICATE_EVENT = "duplicate event"
DUPLICATE_MESSAGE = "duplicate message"
DELAY = "delay up to hours"
REORDER = "reorder"
TARGET_FAILURE = "target failure to the rule's dead-letter queue"
POISON = "poison"
NEWER_VERSION = "newer version of a fact"
FORGED = "poison under a genuine fact's id"

# In the surroundings
SKEW = "clock skew"
SLOW = "slow sandbox"
STALE_INDEX = "stale index"
KEY_DISABLED = "key disabled"
RESTORE = "point-in-time restore"

# By people
CANCEL = "customer cancels"
REDRIVE = "redrive while it storms"
REPLAY = "archive replay"
LATE_REDRIVE = "redrive hours or days later"
LATE_REPLAY = "late replay after keys and rows expired"

AT_CALLS = (
    CRASH_BEFORE, CRASH_AFTER, STALL, OVERTAKEN, ODD_ERROR, THROTTLE, NO_ANSWER, LOST_ANSWER, LATE_EFFECT
)  # fmt: skip
OUTSIDE = (OUTSIDE_BEFORE, OUTSIDE_AFTER, OUTSIDE_LATE)
AT_OUTSIDE = (*OUTSIDE, CRASH_BEFORE, CRASH_AFTER, STALL)

KINDS = (
    *AT_CALLS, SDK_RETRY, CONFLICT, UNPROCESSED, PARTIAL, ACCEPTED_BUT_FAILED,
    *OUTSIDE, OUTSIDE_DOWN,
    DUPLICATE_EVENT, DUPLICATE_MESSAGE, DELAY, REORDER, TARGET_FAILURE, POISON,
    NEWER_VERSION, FORGED,
    SKEW, SLOW, STALE_INDEX, KEY_DISABLED, RESTORE, CANCEL, REDRIVE, LATE_REDRIVE, REPLAY,
    LATE_REPLAY,
)  # fmt: skip

WEAKEST, STRONGEST = 0.004, 0.12
"""How likely a fault is at each place where it could be."""

BURSTING = frozenset({THROTTLE, NO_ANSWER, LOST_ANSWER, CONFLICT, UNPROCESSED, PARTIAL, ACCEPTED_BUT_FAILED})
BURSTS, BURST_SECONDS, IN_A_BURST = 0.1, 20.0, 0.8
"""How often one of these faults begins a burst, how long that lasts, how likely the fault is meanwhile."""

RARE_PLACES = 1.5
"""Gateway and carriers are asked so seldom that their faults have to be more likely. Not much more: with all
kinds on, at their strongest, some questions must still be answered."""


class Chances:
    """The kinds that may strike at one sort of place, drawn together: one random number where none does."""

    def __init__(self, kinds: Iterable[tuple[str, float]]) -> None:
        self._kinds = tuple(kinds)
        self.total = sum(strength for _, strength in self._kinds)

    def pick(self, number: float) -> str:
        """The kind that a number below `total` stands for."""
        for kind, strength in self._kinds:
            number -= strength
            if number < 0:
                return kind
        return self._kinds[-1][0]


class Weather:
    """The faults of one run."""

    def __init__(self, rng: Random) -> None:
        self.calm = False
        self.injected: Counter[str] = Counter()
        self._rng = rng
        # In every run one stays away from half of them: faults hide each other.
        self._strength = {
            kind: WEAKEST * (STRONGEST / WEAKEST) ** rng.random() for kind in KINDS if rng.random() < 0.5
        }
        for kind in OUTSIDE:
            if kind in self._strength:
                self._strength[kind] *= RARE_PLACES
        self._chances: dict[tuple[str, ...], Chances] = {}
        self._burst = ""
        self._burst_ends = 0.0

    def is_on(self, kind: str) -> bool:
        """Whether this run has this kind at all."""
        return kind in self._strength

    def without(self, *kinds: str) -> None:
        """Leave kinds out of this run."""
        for kind in kinds:
            self._strength.pop(kind, None)
        self._chances.clear()

    def strike(self, kinds: tuple[str, ...], now: float) -> str | None:
        """The fault of one of these kinds that strikes here and now, if any."""
        if self.calm:
            return None
        if now < self._burst_ends and self._burst in kinds and self._rng.random() < IN_A_BURST:
            return self._burst
        chances = self._chances.get(kinds)
        if chances is None:
            chances = Chances((kind, self._strength[kind]) for kind in kinds if kind in self._strength)
            self._chances[kinds] = chances
        number = self._rng.random()
        if number >= chances.total:
            return None
        kind = chances.pick(number)
        if kind in BURSTING and self._rng.random() < BURSTS:
            self._burst, self._burst_ends = kind, now + BURST_SECONDS * self._rng.random()
        return kind

    def strikes(self, kind: str, factor: float = 1.0) -> bool:
        """Whether a fault of this kind strikes here and now; if so it is counted."""
        if self.calm or kind not in self._strength:
            return False
        if self._rng.random() >= self._strength[kind] * factor:
            return False
        self.count(kind)
        return True

    def count(self, kind: str) -> None:
        """Note that a fault has been injected."""
        self.injected[kind] += 1
