"""The rules of payment: one charge for an order at the most, and what must go back goes back. Pure.

Moves of a payment (no row yet is ∅): ∅→INTENT→CHARGED|DECLINED|VOIDING, ∅→VOIDED where the end came before
the stock: a tombstone. VOIDING→VOIDED|REFUNDING, CHARGED→REFUNDING→REFUNDED.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from datetime import timedelta
from enum import StrEnum

PAYMENT_WINDOW = timedelta(hours=12)
"""An order older than this is charged no more. Longer than the time in which stock may be reserved, and well
inside GATEWAY_KEY_WINDOW: past that a repeated charge would be a second one."""

GATEWAY_KEY_WINDOW = timedelta(hours=24)
"""How long the gateway must honour an idempotency key: what we rely on, see `gateway`."""


class State(StrEnum):
    INTENT = "INTENT"
    CHARGED = "CHARGED"
    DECLINED = "DECLINED"
    VOIDING = "VOIDING"
    VOIDED = "VOIDED"
    REFUNDING = "REFUNDING"
    REFUNDED = "REFUNDED"


MOVES: dict[State, frozenset[State]] = {
    State.INTENT: frozenset({State.CHARGED, State.DECLINED, State.VOIDING}),
    State.CHARGED: frozenset({State.REFUNDING}),
    State.DECLINED: frozenset(),
    State.VOIDING: frozenset({State.VOIDED, State.REFUNDING}),
    State.VOIDED: frozenset(),
    State.REFUNDING: frozenset({State.REFUNDED}),
    State.REFUNDED: frozenset(),
}

UNSETTLED = frozenset({State.INTENT, State.VOIDING, State.REFUNDING})
"""A payment in one of these waits for the gateway's word; in any other it has an outcome to publish."""


class IllegalMoveError(ValueError):
    """A bug: no payment may go from the one state to the other."""


@dataclass(frozen=True, slots=True)
class Payment:
    """What became of one order's payment: one row. `amount` is in minor units of `currency`."""

    order_id: str
    placed_at: str
    state: State
    decided_at: str
    caused_by: str
    amount: int | None = None
    currency: str | None = None
    charge_id: str | None = None
    refund_id: str | None = None
    reason: str | None = None

    def to(
        self,
        state: State,
        *,
        decided_at: str,
        caused_by: str,
        charge_id: str | None = None,
        refund_id: str | None = None,
        reason: str | None = None,
    ) -> Payment:
        """The payment after a move. Raises IllegalMoveError where the rules know no such move."""
        if state not in MOVES[self.state]:
            raise IllegalMoveError(f"{self.state} does not become {state}")
        return replace(
            self,
            state=state,
            decided_at=decided_at,
            caused_by=caused_by,
            charge_id=charge_id or self.charge_id,
            refund_id=refund_id or self.refund_id,
            reason=reason or self.reason,
        )

    def undo(self, *, decided_at: str, caused_by: str) -> Payment:
        """The payment on its way back. One that is on its way, back or never taken stays as it is."""
        if self.state is State.INTENT:
            return self.to(State.VOIDING, decided_at=decided_at, caused_by=caused_by, reason="cancelled")
        if self.state is State.CHARGED:
            return self.to(State.REFUNDING, decided_at=decided_at, caused_by=caused_by)
        return self


def may_charge(age: timedelta) -> bool:
    """Whether an order of this age may still be charged."""
    return age <= PAYMENT_WINDOW


def intent(
    order_id: str, placed_at: str, amount: int, currency: str, *, decided_at: str, caused_by: str
) -> Payment:
    """A payment about to be asked for. Written before the gateway is called, so it is never forgotten."""
    return Payment(order_id, placed_at, State.INTENT, decided_at, caused_by, amount, currency)


def tombstone(order_id: str, placed_at: str, reason: str, *, decided_at: str, caused_by: str) -> Payment:
    """A payment that will never be asked for, whatever arrives later."""
    return Payment(order_id, placed_at, State.VOIDED, decided_at, caused_by, reason=reason)
