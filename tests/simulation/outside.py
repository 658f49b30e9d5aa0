"""What stands outside the system: the ledgers of the payment gateway and of the carriers.

Each keeps exactly the promises in the docstrings of `payment_service.gateway.Gateway` and
`shipping_service.carrier.Carrier`, and nothing more: what is not promised for ever is forgotten the moment
it may be. Time comes in as seconds since the epoch. Answers that do not arrive are the world's business, not
the ledgers'.
"""

from __future__ import annotations

import math
import random
from dataclasses import astuple, dataclass, field
from typing import Any, NamedTuple

GATEWAY_KEY_SECONDS = 24 * 3600.0
CARRIER_KEY_SECONDS = 7 * 24 * 3600.0


class Taken(NamedTuple):
    """The money has been taken, by this call or by an earlier one with the same key."""

    charge_id: str


class Declined(NamedTuple):
    """No money was taken."""

    reason: str


class Booked(NamedTuple):
    """A parcel that a carrier has taken on."""

    carrier: str
    shipping_id: str
    tracking_number: str


class Refused(NamedTuple):
    """A carrier takes on nothing with this key."""

    reason: str


class UnknownChargeError(LookupError):
    """A refund of a charge that the gateway never made: whoever asks has a bug."""


@dataclass(slots=True)
class ChargeEntry:
    """Money really moved, `amount` in minor units of `currency`; moved back where `refunded_at` is set."""

    order_id: str
    key: str
    charge_id: str
    amount: int
    currency: str
    at: float
    refunded_at: float | None = None
    refund_id: str | None = None


@dataclass(slots=True)
class ParcelEntry:
    """A parcel that was booked. It is carried away at `picked_up_at` unless it was stopped before."""

    order_id: str
    key: str
    booking: Booked
    at: float
    picked_up_at: float
    stopped_at: float | None = None


class _Use(NamedTuple):
    """What a key stands for, from its first use until it is forgotten."""

    answer: Taken | Declined
    first_at: float


@dataclass(slots=True)
class GatewayLedger:
    """The books of a payment gateway. `declines` is the share of first charges (0 to 1) it declines."""

    rng: random.Random
    declines: float
    charges: list[ChargeEntry] = field(default_factory=list)
    _uses: dict[str, _Use] = field(default_factory=dict)
    _voided: dict[str, float] = field(default_factory=dict)

    def charge(self, key: str, order_id: str, amount: int, currency: str, now: float) -> Taken | Declined:
        """Take the money, once for each key and 24 hours from its first use; then the key is a new one.

        What the key was first used for counts: order, amount and currency of later calls change nothing.
        """
        if key in self._voided:
            return Declined("voided")
        use = self._uses.get(key)
        if use is not None and now - use.first_at < GATEWAY_KEY_SECONDS:
            return use.answer
        answer: Taken | Declined = Declined("card_declined")
        if self.rng.random() >= self.declines:
            entry = ChargeEntry(order_id, key, f"ch_{len(self.charges) + 1}", amount, currency, now)
            self.charges.append(entry)
            answer = Taken(entry.charge_id)
        self._uses[key] = _Use(answer, now)
        return answer

    def void(self, key: str, now: float) -> str | None:
        """Decline this key for ever. Returns the id of the charge that went through already, if one did.

        Charges are found by the key as merchant reference, however old. Of several, which only a key used
        anew after a day can make, the last.
        """
        self._voided.setdefault(key, now)
        return next((entry.charge_id for entry in reversed(self.charges) if entry.key == key), None)

    def refund(self, charge_id: str, now: float) -> str:
        """Give the whole charge back, once. Returns the refund's id, the same however often asked.

        Raises UnknownChargeError.
        """
        for entry in self.charges:
            if entry.charge_id == charge_id:
                if entry.refund_id is None:
                    entry.refunded_at, entry.refund_id = now, f"re_{charge_id}"
                return entry.refund_id
        raise UnknownChargeError(charge_id)

    def state(self) -> list[Any]:
        """All that it knows, as plain lists and tuples, in the order in which it came to know it."""
        return [
            [astuple(entry) for entry in self.charges],
            [(key, tuple(use.answer), use.first_at) for key, use in self._uses.items()],
            list(self._voided.items()),
        ]


@dataclass(slots=True)
class CarrierLedger:
    """The books of one carrier.

    A parcel is picked up at random between `soonest` and `latest` seconds after it was booked, as likely
    within the first minutes as within the last days. From then on it cannot be stopped.
    """

    rng: random.Random
    name: str
    soonest: float = 30.0
    latest: float = 3 * 24 * 3600.0
    bookings: list[ParcelEntry] = field(default_factory=list)
    _uses: dict[str, ParcelEntry] = field(default_factory=dict)
    _cancelled: dict[str, float] = field(default_factory=dict)

    @property
    def parcels(self) -> list[ParcelEntry]:
        """What was really carried away, or will be at its `picked_up_at` unless somebody stops it yet."""
        return [entry for entry in self.bookings if entry.stopped_at is None]

    def book(self, key: str, order_id: str, now: float) -> Booked | Refused:
        """Take a parcel on, once for each key and 7 days from its first use; then the key is a new one.

        A key that was cancelled is refused for ever.
        """
        if key in self._cancelled:
            return Refused("cancelled")
        entry = self._uses.get(key)
        if entry is None or now - entry.at >= CARRIER_KEY_SECONDS:
            entry = self._take_on(key, order_id, now)
        return entry.booking

    def cancel(self, key: str, now: float) -> Booked | None:
        """Stop the parcels with this key that are not picked up, and refuse the key for ever.

        Returns the booking only where a parcel cannot be stopped any more. Parcels are found by the key as
        reference, however old.
        """
        self._cancelled.setdefault(key, now)
        gone: Booked | None = None
        for entry in self.bookings:
            if entry.key == key and entry.stopped_at is None:
                if entry.picked_up_at <= now:
                    gone = entry.booking
                else:
                    entry.stopped_at = now
        return gone

    def state(self) -> list[Any]:
        """All that it knows, as plain lists and tuples, in the order in which it came to know it."""
        return [self.name, [astuple(entry) for entry in self.bookings], list(self._cancelled.items())]

    def _take_on(self, key: str, order_id: str, now: float) -> ParcelEntry:
        number = len(self.bookings) + 1
        booking = Booked(self.name, f"sh_{self.name}_{number}", f"{self.name[:2].upper()}{number:09d}")
        # In whole seconds, so that no processor's last digit of a logarithm changes a run.
        wait = round(math.exp(self.rng.uniform(math.log(self.soonest), math.log(self.latest))))
        entry = ParcelEntry(order_id, key, booking, now, now + wait)
        self.bookings.append(entry)
        self._uses[key] = entry
        return entry
