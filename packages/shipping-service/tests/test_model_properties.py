"""What holds for any shipment, whatever is tried with it and in whatever order."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_common.rows import from_item, to_item
from shipping_service import events, model
from shipping_service.carrier import FALLBACK, PRIMARY
from shipping_service.model import (
    MOVES,
    UNSETTLED,
    Booking,
    IllegalMoveError,
    Reason,
    Shipment,
    State,
)
from shipping_service.store import Shipments, _row, _shipment

MOMENT = "2026-01-31T12:00:00.000Z"
NOW: Any = {"decided_at": "2026-01-31T12:00:02.000Z", "caused_by": "fact-1"}
LATER: Any = {"decided_at": "2026-01-31T12:00:09.000Z", "caused_by": "fact-2"}

quick = settings(deadline=None, max_examples=150)

texts = st.text(min_size=1, max_size=20)
carriers = st.sampled_from([PRIMARY, FALLBACK])
bookings = st.builds(Booking, carriers, texts, texts)


def _a_shipment(state: State, booking: Booking, shipment: Shipment) -> Shipment:
    """Only what is created has a booking, and whatever failed a reason."""
    if state is State.CREATED:
        return replace(shipment, state=state, booking=booking, processed_by="dlq")
    return replace(shipment, state=state, booking=None, processed_by=None)


shipments = st.builds(
    _a_shipment,
    st.sampled_from(State),
    bookings,
    st.builds(
        Shipment,
        order_id=st.uuids().map(str),
        placed_at=st.just(MOMENT),
        state=st.just(State.INTENT),
        decided_at=st.just(MOMENT),
        caused_by=texts,
        asked=st.frozensets(carriers),
        rescues=st.integers(0, 9),
        reason=st.sampled_from(Reason),
    ),
)
# What a delivery may try: to cancel for a reason, or to bring the shipment to a state.
cancels = st.sampled_from(Reason)
moves = st.tuples(st.sampled_from(State), bookings)


def tried(shipment: Shipment, command: Any) -> Shipment:
    """The shipment after a command; as it was where the rules refuse it."""
    if isinstance(command, Reason):
        return shipment.cancel(**NOW, reason=command)
    state, booking = command
    more: Any = {"booking": booking, "processed_by": "shipping"} if state is State.CREATED else {}
    if state in MOVES[shipment.state]:
        return shipment.to(state, **NOW, **more)
    with pytest.raises(IllegalMoveError):
        shipment.to(state, **NOW, **more)
    return shipment


@quick
@given(shipments, st.lists(cancels | moves, max_size=12))
def test_no_sequence_of_deliveries_leads_out_of_an_end_or_back_to_booking(
    shipment: Shipment, commands: list[Any]
) -> None:
    for command in commands:
        after = tried(shipment, command)
        if shipment.state not in UNSETTLED:
            assert after is shipment, "it has its outcome, and that has been told"
        if after.state is State.FAILED and after is not shipment:
            assert shipment.state is State.CANCELLING, "no carrier was asked to cancel"
        if shipment.state is State.CANCELLING:
            assert after.state is not State.INTENT
        assert (after.booking is None) is (after.state is not State.CREATED)
        assert (after.order_id, after.placed_at) == (shipment.order_id, shipment.placed_at)
        assert (after.asked, after.rescues) == (shipment.asked, shipment.rescues), (
            "who was asked is forgotten"
        )
        assert after.reason or not shipment.reason
        assert after is shipment or after.state is not shipment.state, "a move that moves nothing"
        shipment = after


@quick
@given(shipments, st.lists(cancels, min_size=1, max_size=5))
def test_the_first_cancel_says_why(shipment: Shipment, reasons: list[Reason]) -> None:
    once = shipment.cancel(**NOW, reason=reasons[0])
    for reason in reasons:
        assert once.cancel(**LATER, reason=reason) is once
    assert once.state is not State.INTENT
    if shipment.state is State.INTENT:
        failed = once.to(State.FAILED, **LATER)
        assert (failed.reason, failed.booking) == (reasons[0], None)


@quick
@given(shipments)
def test_leftovers_are_whoever_was_asked_and_does_not_ship(shipment: Shipment) -> None:
    ships = {shipment.booking.carrier} if shipment.booking else set()
    assert {carrier for carrier in shipment.asked if carrier not in ships} == shipment.leftovers


class OneRow:
    """What StateTable does to a row that nobody else moves, through DynamoDB's types and back."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = to_item(row)

    def move(self, key: str, state: str, changes: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        assert (self.row["orderId"], self.row["state"]) == ({"S": key}, {"S": state})
        self.row |= to_item(changes)
        return True, from_item(self.row)


@quick
@given(shipments)
def test_a_shipment_is_read_back_as_it_was_written(shipment: Shipment) -> None:
    assert _shipment(from_item(to_item(_row(shipment)))) == shipment


@quick
@given(shipments, cancels | moves)
def test_a_move_writes_all_that_it_changed(shipment: Shipment, command: Any) -> None:
    after = tried(shipment, command)
    client: Any = None
    rows: Any = OneRow(_row(shipment))
    store = Shipments(client, "table")
    store._rows = rows
    assert store.move(shipment, after) == after


@quick
@given(shipments, shipments, bookings)
def test_a_settled_shipment_is_one_fact_and_an_unsettled_one_is_none(
    one: Shipment, other: Shipment, booking: Booking
) -> None:
    told: dict[str, tuple[str, State]] = {}
    for drawn, state in itertools.product((one, other), State):
        shipment = _a_shipment(state, booking, drawn)
        if state in UNSETTLED:
            with pytest.raises(ValueError, match="has no outcome"):
                events.outcome_of(shipment)
            continue
        fact = events.outcome_of(shipment)
        end = (shipment.order_id, state)
        assert told.setdefault(fact.event_id, end) == end, "two ends are told by one fact"
        assert ("trackingNumber" in fact.data) is (state is State.CREATED)
        assert fact.occurred_at == shipment.decided_at, "publishing again does not make it younger"
    assert len(told) == len({one.order_id, other.order_id}) * len(set(State) - UNSETTLED)


ages = st.timedeltas(timedelta(hours=-1), timedelta(days=14))


@quick
@given(ages, ages)
def test_who_was_too_old_to_be_shipped_stays_so(one: timedelta, other: timedelta) -> None:
    young, old = sorted((one, other))
    assert model.may_ship(young) or not model.may_ship(old)
    assert model.may_ship(min(young, timedelta(0))), "no order is refused for being young"
    assert not model.may_ship(old) or old <= timedelta(days=7), "the carriers' keys are forgotten by then"


@quick
@given(shipments, cancels)
def test_a_tombstone_asked_nobody_and_stays(shipment: Shipment, reason: Reason) -> None:
    stone = model.tombstone(shipment.order_id, MOMENT, reason, **NOW)
    assert (stone.asked, stone.leftovers, stone.booking) == (frozenset(), frozenset(), None)
    assert stone.cancel(**LATER) is stone
    assert events.outcome_of(stone).data["reason"] == reason


@quick
@given(shipments, carriers)
def test_an_intent_names_whoever_is_about_to_be_asked(shipment: Shipment, carrier: str) -> None:
    intent = model.intent(shipment.order_id, MOMENT, carrier, **NOW)
    assert intent.state is State.INTENT
    assert intent.asked == intent.leftovers == frozenset({carrier})
