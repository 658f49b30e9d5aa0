"""The payment gateway: what the service needs of one, and the simulated one that is shipped.

A real gateway goes behind `Gateway`. What it must promise is in the docstrings: the rest of the system is
correct only as far as these promises hold.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ecom_common.errors import Retry


class OutcomeUnknown(Retry):
    """The gateway gave no answer (time-out, 5xx) and may or may not have acted: ask again, same key."""


@dataclass(frozen=True, slots=True)
class Charge:
    """A request for money. `amount` in minor units; `attempt` counts deliveries and changes nothing."""

    key: str
    order_id: str
    amount: int
    currency: str
    attempt: int = 1


@dataclass(frozen=True, slots=True)
class Charged:
    charge_id: str


@dataclass(frozen=True, slots=True)
class Declined:
    reason: str


class Gateway(Protocol):
    def charge(self, charge: Charge) -> Charged | Declined:
        """Take the money once for each key.

        The same key gives the same answer for at least 24 hours (`model.GATEWAY_KEY_WINDOW`), and a voided
        key is declined. Raises OutcomeUnknown where there was no clear answer; a decline is an answer.
        """
        ...

    def void(self, charge: Charge) -> Charged | None:
        """Make sure that no charge with this key will ever go through from now on.

        Returns the charge where one has gone through already: it must then be refunded. Found by the key as
        merchant reference, so without limit of time. Raises OutcomeUnknown.
        """
        ...

    def refund(self, charge: Charge, charge_id: str) -> str:
        """Give the whole charge back, once for each charge however often asked. Returns the refund's id.

        Raises OutcomeUnknown.
        """
        ...


class SimulatedGateway:
    """A gateway whose answers are a function of the order's id and the settings alone.

    Order ids that end in one of these force an answer: ``dec1`` is declined, ``a9a9`` and the carriers' test
    ids are charged, ``70a1`` times out on the first delivery and is charged on the next, ``70ff`` never gets
    an answer to a charge. Of all others `decline_percent` are declined.
    """

    DECLINED = "dec1"
    SLOW = "70a1"
    DEAD = "70ff"
    CHARGED = frozenset({"a9a9", "ca01", "ca03", "caff"})

    def __init__(
        self, decline_percent: int, latency_ms: int = 0, *, sleep: Callable[[float], None] = time.sleep
    ) -> None:
        self._decline_percent = decline_percent
        self._latency = latency_ms / 1000
        self._sleep = sleep

    def charge(self, charge: Charge) -> Charged | Declined:
        self._travel()
        ending = charge.order_id[-4:]
        if ending == self.DEAD or (ending == self.SLOW and charge.attempt == 1):
            raise OutcomeUnknown("the simulated gateway timed out")
        return self._answer(charge)

    def void(self, charge: Charge) -> Charged | None:
        self._travel()
        if charge.order_id[-4:] == self.DEAD:
            return None
        answer = self._answer(charge)
        return answer if isinstance(answer, Charged) else None

    def refund(self, charge: Charge, charge_id: str) -> str:  # noqa: ARG002 - a real one wants the amount
        self._travel()
        return f"re_{_digest(charge_id)[:24]}"

    def _answer(self, charge: Charge) -> Charged | Declined:
        if self._declines(charge.order_id):
            return Declined("card_declined")
        return Charged(f"ch_{_digest(charge.key)[:24]}")

    def _declines(self, order_id: str) -> bool:
        ending = order_id[-4:]
        if ending in self.CHARGED or ending == self.SLOW:
            return False
        return ending == self.DECLINED or int(_digest(order_id)[:8], 16) % 100 < self._decline_percent

    def _travel(self) -> None:
        if self._latency:
            self._sleep(self._latency)


def _digest(text: str) -> str:
    return hashlib.sha256(f"payment:{text}".encode()).hexdigest()
