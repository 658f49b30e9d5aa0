"""What shipping does with each fact: fact in, decision at one row, facts out."""

from __future__ import annotations

from collections.abc import Sequence

from ecom_common.facts import Clock, Fact, iso, utc_now
from ecom_common.telemetry import count, logger
from shipping_service import events, model
from shipping_service.carrier import Carrier, CarrierUnavailableError, Parcel
from shipping_service.model import RESCUES, UNSETTLED, Reason, Shipment, State
from shipping_service.store import Shipments

METRICS = {State.CREATED: "ShipmentsCreated", State.FAILED: "ShipmentsFailed"}
"""Counted when the row moves, so that a parcel that is asked for twice counts once."""


class Dispatch:
    """Books paid orders with a carrier, and stops what was cancelled.

    The shipping function asks the primary carrier and leaves a failure to the queue. The DLQ processor runs
    the same code as a rescue: it asks the fallback carrier, counts its attempts in the row, and gives the
    shipment up after the last.
    """

    def __init__(
        self,
        shipments: Shipments,
        carrier: Carrier,
        others: Sequence[Carrier],
        *,
        rescue: bool = False,
        clock: Clock = utc_now,
    ) -> None:
        self._shipments = shipments
        self._carrier = carrier
        self._carriers = {each.name: each for each in (carrier, *others)}
        self._rescue = rescue
        self._processed_by = "dlq" if rescue else "shipping"
        self._clock = clock

    def ship(self, fact: Fact) -> list[Fact]:
        """PaymentConfirmation(true): book the parcel, once.

        Raises CarrierUnavailableError where the carrier gave no answer: the row stays INTENT and the next
        delivery asks again with the same key.
        """
        events.check_paid(fact)
        now = self._clock()
        stamp = {"decided_at": iso(now), "caused_by": fact.event_id}
        placed_at = fact.text("placedAt")
        if model.may_ship(fact.age(now)):
            wanted = model.intent(fact.order_id, placed_at, self._carrier.name, **stamp)
        else:
            wanted = model.tombstone(fact.order_id, placed_at, Reason.EXPIRED, **stamp)
        return self._settle(self._shipments.add(wanted), fact)

    def cancel(self, fact: Fact) -> list[Fact]:
        """OrderCancelRequested: stop what is not shipped, and remember it where nothing was begun.

        Answers with what stands: a parcel that is on its way is not called back.
        """
        now = iso(self._clock())
        standing = self._shipments.add(
            model.tombstone(
                fact.order_id,
                fact.text("placedAt"),
                Reason.CANCELLED,
                decided_at=now,
                caused_by=fact.event_id,
            )
        )
        while (cancelled := standing.cancel(decided_at=now, caused_by=fact.event_id)) is not standing:
            standing = self._shipments.move(standing, cancelled)
        return self._settle(standing, fact)

    def _settle(self, shipment: Shipment, fact: Fact) -> list[Fact]:
        """Drive the row to an outcome, from wherever an earlier delivery left it, and answer with that.

        Ends, since every step either moves the row forward or finds that a rival has.
        """
        while shipment.state in UNSETTLED:
            shipment = self._next(shipment, fact)
        outcome = events.outcome_of(shipment)
        self._clear(shipment, fact, outcome)
        return [outcome]

    def _next(self, shipment: Shipment, fact: Fact) -> Shipment:
        if shipment.state is State.CANCELLING:
            return self._move(shipment, self._stop(shipment, fact))
        if not model.may_ship(fact.age(self._clock())):
            return self._give_up(shipment, fact, Reason.EXPIRED)
        if self._rescue:
            return self._book_as_rescue(shipment, fact)
        if self._carrier.name not in shipment.asked:
            # A rescue began this row, for a record that had failed before there was one.
            return self._shipments.note_asked(shipment, self._carrier.name)
        return self._book(shipment, fact)

    def _book_as_rescue(self, shipment: Shipment, fact: Fact) -> Shipment:
        """Ask the fallback carrier, a limited number of times over all deliveries, redrives and replays."""
        shipment = self._shipments.begin_rescue(shipment, self._carrier.name)
        if shipment.state is not State.INTENT:
            return shipment
        if shipment.rescues > RESCUES:
            return self._give_up(shipment, fact, Reason.CARRIER_UNAVAILABLE)
        try:
            return self._book(shipment, fact)
        except CarrierUnavailableError:
            if shipment.rescues < RESCUES:
                raise
            return self._give_up(shipment, fact, Reason.CARRIER_UNAVAILABLE)

    def _book(self, shipment: Shipment, fact: Fact) -> Shipment:
        booking = self._carrier.book(_parcel(shipment, fact))
        created = shipment.to(
            State.CREATED,
            decided_at=iso(self._clock()),
            caused_by=fact.event_id,
            booking=booking,
            processed_by=self._processed_by,
        )
        return self._move(shipment, created)

    def _move(self, before: Shipment, after: Shipment) -> Shipment:
        """Settle the row, and count that if it was this delivery that did. Returns what stands."""
        standing = self._shipments.move(before, after)
        # Not all of it is compared: a rival may have noted a carrier meanwhile.
        if (standing.state, standing.decided_at, standing.caused_by) == (
            after.state,
            after.decided_at,
            after.caused_by,
        ):
            count(METRICS[after.state])
        return standing

    def _give_up(self, shipment: Shipment, fact: Fact, reason: Reason) -> Shipment:
        cancelled = shipment.cancel(decided_at=iso(self._clock()), caused_by=fact.event_id, reason=reason)
        return self._shipments.move(shipment, cancelled)

    def _stop(self, shipment: Shipment, fact: Fact) -> Shipment:
        """Cancel with every carrier that was asked; the first that cannot stop its parcel has shipped it."""
        now = iso(self._clock())
        for name in sorted(shipment.asked):
            booking = self._carriers[name].cancel(_parcel(shipment, fact))
            if booking:
                return shipment.to(
                    State.CREATED,
                    decided_at=now,
                    caused_by=fact.event_id,
                    booking=booking,
                    processed_by=self._processed_by,
                )
        return shipment.to(State.FAILED, decided_at=now, caused_by=fact.event_id)

    def _clear(self, shipment: Shipment, fact: Fact, outcome: Fact) -> None:
        """Cancel what other carriers may hold of a parcel that ships: one timed out after it had booked, say.

        The outcome stands and is published even if that fails; the record then comes back for the rest.
        """
        if shipment.state is not State.CREATED:
            return
        for name in sorted(shipment.leftovers):
            try:
                carried = self._carriers[name].cancel(_parcel(shipment, fact))
            except CarrierUnavailableError as error:
                raise CarrierUnavailableError(str(error), facts=[outcome]) from error
            if carried:
                # Two parcels are on their way: nothing here can mend that, a person must.
                count("ParcelsNotStopped")
                logger.error("parcel not stopped", extra={"orderId": shipment.order_id, "carrier": name})
            self._shipments.strike_out(shipment, name)


def _parcel(shipment: Shipment, fact: Fact) -> Parcel:
    return Parcel(f"{shipment.order_id}:shipment", shipment.order_id, fact.attempt)
