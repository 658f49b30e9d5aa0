"""What inventory does with each fact: fact in, decision at one row, facts out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from ecom_common.errors import AwsError, Mender, Poison, Retry, mender_of
from ecom_common.facts import Clock, Fact, iso, utc_now
from ecom_common.telemetry import count
from ecom_common.worker import Result
from inventory_service import events, model
from inventory_service.model import Item, Order, Reason, Reservation, State
from inventory_service.store import Stock

Settled = dict[str, Reservation | Exception]
"""By order id: the reservation that stands, or why there is none yet."""


class Inventory:
    """Takes stock for orders, and gives it back."""

    def __init__(self, stock: Stock, *, clock: Clock = utc_now) -> None:
        self._stock = stock
        self._clock = clock

    def reserve(self, facts: Sequence[Fact]) -> list[Result]:
        """OrderPlaced, all of a batch together: as few transactions as it takes, each order on its own.

        An order that has a row already is answered with what that row says.
        """
        orders: dict[str, Order | Poison] = {fact.event_id: _read(fact) for fact in facts}
        readable = [order for order in orders.values() if isinstance(order, Order)]
        catalogue = self._stock.catalogue(line.item_id for order in readable for line in order.lines)
        now = self._clock()
        wishes = {
            order.order_id: model.decide(
                order, catalogue, fact.age(now), decided_at=iso(now), caused_by=fact.event_id
            )
            for fact in facts
            if isinstance(order := orders[fact.event_id], Order)
        }
        settled: Settled = {}
        for group in model.groups(list(wishes.values())):
            count("ReservationGroups")
            count("ReservationGroupSize", len(group))
            settled |= self._settle(group, catalogue)
        return [
            _answer(settled[fact.order_id]) if isinstance(order := orders[fact.event_id], Order) else order
            for fact in facts
        ]

    def release(self, fact: Fact) -> list[Fact]:
        """PaymentConfirmation(false) or PaymentRefunded: give back what the order's row holds, once."""
        outcome = events.release_outcome(fact)
        now = iso(self._clock())
        standing = self._stock.find(fact.order_id) or self._stock.add(
            model.tombstone(
                fact.order_id, fact.text("placedAt"), outcome, decided_at=now, caused_by=fact.event_id
            )
        )
        released = standing.release(outcome, decided_at=now, caused_by=fact.event_id)
        if released is standing:
            return [events.outcome_of(standing)]
        if self._stock.release(released):
            count("StockReleased")
            return [events.outcome_of(released)]
        # A rival released it between our read and our write: what the row says now is the outcome.
        rival = self._stock.find(fact.order_id)
        if rival is None or rival.state is State.RESERVED:
            raise Retry("the reservation changed under the release")
        return [events.outcome_of(rival)]

    def _settle(self, group: Sequence[Reservation], catalogue: Mapping[str, Item]) -> Settled:
        """Write a group. Whoever stands in the way is taken out of it, and the rest tried again.

        A shortage of the group says nothing about one order of it: only an order alone may be refused.
        """
        if not group:
            return {}
        try:
            refusal = self._stock.reserve(group, catalogue)
        except (Retry, *AwsError) as error:
            if mender_of(error) is Mender.UNKNOWN and len(group) > 1:
                # DynamoDB objects to something in one of these orders: it must not hold up the others.
                return self._settle_halves(group, catalogue)
            return {reservation.order_id: error for reservation in group}
        if refusal is None:
            for reservation in group:
                count(_metric(reservation))
            return {reservation.order_id: reservation for reservation in group}
        if refusal.standing:
            rest = [reservation for reservation in group if reservation.order_id not in refusal.standing]
            return {**refusal.standing, **self._settle(rest, catalogue)}
        if refusal.repriced:
            touched = [r for r in group if refusal.repriced & model.taken([r]).keys()]
            rest = [reservation for reservation in group if reservation not in touched]
            repriced = Retry("a price changed while the order was checked")
            return {**{r.order_id: repriced for r in touched}, **self._settle(rest, catalogue)}
        return self._settle_shortage(group, refusal.short, catalogue)

    def _settle_shortage(
        self, group: Sequence[Reservation], short: frozenset[str], catalogue: Mapping[str, Item]
    ) -> Settled:
        """Some items do not suffice for all who want them: the others first, then those in halves."""
        rivals = [reservation for reservation in group if short & model.taken([reservation]).keys()]
        others = [reservation for reservation in group if reservation not in rivals]
        settled = self._settle(others, catalogue)
        if len(rivals) == 1:
            # It alone wanted what was short, so the stock has answered it as if it had asked alone.
            return {**settled, **self._settle([rivals[0].reject(Reason.OUT_OF_STOCK)], catalogue)}
        return {**settled, **self._settle_halves(rivals, catalogue)}

    def _settle_halves(self, group: Sequence[Reservation], catalogue: Mapping[str, Item]) -> Settled:
        middle = len(group) // 2
        return {**self._settle(group[:middle], catalogue), **self._settle(group[middle:], catalogue)}


def _read(fact: Fact) -> Order | Poison:
    try:
        return events.order_placed(fact)
    except Poison as error:
        return error


def _answer(settled: Reservation | Exception) -> Result:
    return settled if isinstance(settled, Exception) else [events.outcome_of(settled)]


def _metric(reservation: Reservation) -> str:
    """StockReserved, StockReleased, or StockRejected with the reason: StockRejectedOutOfStock."""
    reason = reservation.reason.title().replace("_", "") if reservation.reason else ""
    return f"Stock{reservation.state.title()}{reason}"
