"""The rules of shipping: one booking for an order at the most, never for one that was cancelled. Pure.

Moves of a shipment (no row yet is ∅): ∅→INTENT→CREATED|CANCELLING, ∅→FAILED where the cancel came before the
payment: a tombstone. CANCELLING→FAILED, or →CREATED where a parcel could not be stopped any more. No INTENT
becomes FAILED at once: the carriers must be asked to cancel first (ADR 012).
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

SHIPPING_WINDOW = timedelta(days=7)
"""An order older than this is shipped no more. Carriers must honour a booking's key at least this long."""

RESCUES = 4
"""How often the fallback carrier is asked before the shipment is given up and the order refunded."""


class State(StrEnum):
    INTENT = "INTENT"
    CREATED = "CREATED"
    FAILED = "FAILED"
    CANCELLING = "CANCELLING"


MOVES: dict[State, frozenset[State]] = {
    State.INTENT: frozenset({State.CREATED, State.CANCELLING}),
    State.CANCELLING: frozenset({State.FAILED, State.CREATED}),
    State.CREATED: frozenset(),
    State.FAILED: frozenset(),
}

UNSETTLED = frozenset({State.INTENT, State.CANCELLING})
"""A shipment in one of these waits for a carrier's word; in any other it has an outcome to publish."""


class Reason(StrEnum):
    """Why there is no shipment."""

    CANCELLED = "cancelled"
    CARRIER_UNAVAILABLE = "carrier_unavailable"
    EXPIRED = "expired"


class IllegalMoveError(ValueError):
    """A bug: no shipment may go from the one state to the other."""


@dataclass(frozen=True, slots=True)
class Booking:
    """A parcel a carrier has taken on."""

    carrier: str
    shipping_id: str
    tracking_number: str


@dataclass(frozen=True, slots=True)
class Shipment:
    """What became of one order's shipment: one row.

    `asked` names the carriers that may hold a booking: each is noted before it is asked, and struck out when
    it has confirmed that it holds none. `rescues` counts the attempts with the fallback carrier.
    """

    order_id: str
    placed_at: str
    state: State
    decided_at: str
    caused_by: str
    asked: frozenset[str] = frozenset()
    rescues: int = 0
    reason: Reason | None = None
    booking: Booking | None = None
    processed_by: str | None = None

    def to(
        self,
        state: State,
        *,
        decided_at: str,
        caused_by: str,
        reason: Reason | None = None,
        booking: Booking | None = None,
        processed_by: str | None = None,
    ) -> Shipment:
        """The shipment after a move. Raises IllegalMoveError where the rules know no such move."""
        if state not in MOVES[self.state]:
            raise IllegalMoveError(f"{self.state} does not become {state}")
        return replace(
            self,
            state=state,
            decided_at=decided_at,
            caused_by=caused_by,
            reason=reason or self.reason,
            booking=booking,
            processed_by=processed_by,
        )

    def cancel(self, *, decided_at: str, caused_by: str, reason: Reason = Reason.CANCELLED) -> Shipment:
        """The shipment on its way back. One that is created, failed or being cancelled stays as it is."""
        if self.state is not State.INTENT:
            return self
        return self.to(State.CANCELLING, decided_at=decided_at, caused_by=caused_by, reason=reason)

    @property
    def leftovers(self) -> frozenset[str]:
        """Carriers that may hold a booking nobody wants: all that were asked but the one that ships."""
        return self.asked - {self.booking.carrier} if self.booking else self.asked


def may_ship(age: timedelta) -> bool:
    """Whether an order of this age may still be shipped."""
    return age <= SHIPPING_WINDOW


def intent(order_id: str, placed_at: str, carrier: str, *, decided_at: str, caused_by: str) -> Shipment:
    """A shipment about to be booked. Written before the carrier is asked, so that it is never forgotten."""
    return Shipment(order_id, placed_at, State.INTENT, decided_at, caused_by, asked=frozenset({carrier}))


def tombstone(order_id: str, placed_at: str, reason: Reason, *, decided_at: str, caused_by: str) -> Shipment:
    """A shipment that will never be booked, whatever arrives later."""
    return Shipment(order_id, placed_at, State.FAILED, decided_at, caused_by, reason=reason)
