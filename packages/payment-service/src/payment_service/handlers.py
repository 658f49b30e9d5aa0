"""What payment does with each fact: fact in, decision at one row, facts out."""

from __future__ import annotations

from ecom_common.facts import Clock, Fact, iso, utc_now
from ecom_common.telemetry import count
from payment_service import events, model
from payment_service.gateway import Charge, Charged, Gateway
from payment_service.model import UNSETTLED, Payment, State
from payment_service.store import Payments

METRICS = {
    State.CHARGED: "PaymentsCharged",
    State.DECLINED: "PaymentsDeclined",
    State.VOIDED: "PaymentsVoided",
    State.REFUNDED: "PaymentsRefunded",
}
"""Counted when the row moves, so that a payment that is asked for twice counts once."""


class Cashier:
    """Charges orders whose stock is reserved, and gives back what must go back."""

    def __init__(self, payments: Payments, gateway: Gateway, *, clock: Clock = utc_now) -> None:
        self._payments = payments
        self._gateway = gateway
        self._clock = clock

    def charge(self, fact: Fact) -> list[Fact]:
        """StockConfirmation(true): charge what the row says is owed, once.

        Raises OutcomeUnknown where the gateway gave no answer: the row stays INTENT and the next delivery
        asks again with the same key.
        """
        due = events.stock_confirmed(fact)
        now = self._clock()
        if model.may_charge(fact.age(now)):
            wanted = model.intent(
                due.order_id,
                due.placed_at,
                due.amount,
                due.currency,
                decided_at=iso(now),
                caused_by=fact.event_id,
            )
        else:
            wanted = model.tombstone(
                due.order_id, due.placed_at, "expired", decided_at=iso(now), caused_by=fact.event_id
            )
        return self._settle(self._payments.add(wanted), fact)

    def undo(self, fact: Fact) -> list[Fact]:
        """ShipmentFailed: void what was not charged yet, refund what was, remember it where nothing was."""
        now = iso(self._clock())
        standing = self._payments.add(
            model.tombstone(
                fact.order_id, fact.text("placedAt"), "cancelled", decided_at=now, caused_by=fact.event_id
            )
        )
        # A rival may charge while we look: then the row that stands is CHARGED, and that must go back too.
        while (undone := standing.undo(decided_at=now, caused_by=fact.event_id)) is not standing:
            standing = self._payments.move(standing, undone)
        return self._settle(standing, fact)

    def _settle(self, payment: Payment, fact: Fact) -> list[Fact]:
        """Drive the row to an outcome, from wherever an earlier delivery left it, and answer with that.

        Ends, since every step either moves the row forward or finds that a rival has.
        """
        while payment.state in UNSETTLED:
            wanted = self._next(payment, fact)
            payment = self._payments.move(payment, wanted)
            if payment == wanted and wanted.state in METRICS:
                count(METRICS[wanted.state])
        return [events.outcome_of(payment)]

    def _next(self, payment: Payment, fact: Fact) -> Payment:
        """Ask the gateway what the row waits for. The key and the amount are the row's, never the fact's."""
        charge = Charge(
            key=f"{payment.order_id}:charge",
            order_id=payment.order_id,
            amount=payment.amount or 0,
            currency=payment.currency or "",
            attempt=fact.attempt,
        )
        now = self._clock()
        stamp = {"decided_at": iso(now), "caused_by": fact.event_id}
        if payment.state is State.REFUNDING:
            refund_id = self._gateway.refund(charge, payment.charge_id or "")
            return payment.to(State.REFUNDED, refund_id=refund_id, **stamp)
        if payment.state is State.VOIDING:
            charged = self._gateway.void(charge)
            if charged:
                return payment.to(State.REFUNDING, charge_id=charged.charge_id, **stamp)
            return payment.to(State.VOIDED, **stamp)
        if not model.may_charge(fact.age(now)):
            return payment.to(State.VOIDING, reason="expired", **stamp)
        answer = self._gateway.charge(charge)
        if isinstance(answer, Charged):
            return payment.to(State.CHARGED, charge_id=answer.charge_id, **stamp)
        return payment.to(State.DECLINED, reason=answer.reason, **stamp)
