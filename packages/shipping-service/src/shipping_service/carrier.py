"""Carriers: what the service needs of one, and the simulated ones that are shipped.

A real carrier goes behind `Carrier`. What it must promise is in the docstrings: the rest of the system is
correct only as far as these promises hold.
"""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from ecom_common.errors import Retry
from shipping_service.model import Booking

PRIMARY = "primary"
FALLBACK = "fallback"


class CarrierUnavailableError(Retry):
    """The carrier gave no answer (down, time-out, 5xx) and may or may not have acted: ask again, same key."""


@dataclass(frozen=True, slots=True)
class Parcel:
    """What a carrier is asked to take. `attempt` counts deliveries of the request and changes nothing."""

    key: str
    order_id: str
    attempt: int = 1


class Carrier(Protocol):
    @property
    def name(self) -> str:
        """What the row and the facts call this carrier."""
        ...

    def book(self, parcel: Parcel) -> Booking:
        """Take the parcel on, once for each key, which is honoured for at least `model.SHIPPING_WINDOW`.

        Raises CarrierUnavailableError where there was no clear answer, and for a key that was cancelled:
        the row then tells the next delivery why.
        """
        ...

    def cancel(self, parcel: Parcel) -> Booking | None:
        """Make sure that no parcel with this key is carried: undo a booking, and refuse a later one.

        Returns the booking only where the parcel cannot be stopped any more. Found by the key as reference,
        so without limit of time. Raises CarrierUnavailableError.
        """
        ...


class SimulatedCarrier:
    """A carrier whose answers are a function of the order's id, the attempt and the settings alone.

    Order ids that end in one of these force an answer: ``ca01`` finds the primary carrier down on the first
    delivery, ``ca03`` finds it always down, ``caff`` finds both always down, ``a9a9`` finds all well. Of all
    other attempts with the primary carrier `failure_percent` fail. Cancelling always succeeds.
    """

    DOWN_ONCE = "ca01"
    DOWN = "ca03"
    ALL_DOWN = "caff"
    WELL = "a9a9"

    def __init__(
        self,
        name: str,
        failure_percent: int,
        latency_ms: int = 0,
        *,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._name = name
        self._failure_percent = failure_percent
        self._latency = latency_ms / 1000
        self._sleep = sleep

    @property
    def name(self) -> str:
        return self._name

    def book(self, parcel: Parcel) -> Booking:
        self._travel()
        if self._fails(parcel):
            raise CarrierUnavailableError(f"the simulated {self._name} carrier is down")
        digest = _digest(f"{self._name}:{parcel.key}")
        return Booking(
            self._name, f"sh_{digest[:24]}", f"{self._name[:2].upper()}{int(digest[:12], 16):015d}"
        )

    def cancel(self, parcel: Parcel) -> Booking | None:  # noqa: ARG002 - a real one wants the key
        self._travel()
        return None

    def _fails(self, parcel: Parcel) -> bool:
        ending = parcel.order_id[-4:]
        if ending == self.ALL_DOWN:
            return True
        if self._name != PRIMARY or ending == self.WELL:
            return False
        if ending == self.DOWN_ONCE:
            return parcel.attempt == 1
        chance = int(_digest(f"{parcel.order_id}:{parcel.attempt}")[:8], 16) % 100
        return ending == self.DOWN or chance < self._failure_percent

    def _travel(self) -> None:
        if self._latency:
            self._sleep(self._latency)


def _digest(text: str) -> str:
    return hashlib.sha256(f"shipping:{text}".encode()).hexdigest()
