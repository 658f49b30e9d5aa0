"""The rules of shipping, without any cloud."""

from __future__ import annotations

import itertools
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from shipping_service import model
from shipping_service.model import (
    MOVES,
    UNSETTLED,
    Booking,
    IllegalMoveError,
    Reason,
    Shipment,
    State,
)

NOW: Any = {"decided_at": "2026-01-31T12:00:03.000Z", "caused_by": "fact-1"}
LATER: Any = {"decided_at": "2026-01-31T12:00:09.000Z", "caused_by": "fact-2"}
PARCEL = Booking("fallback", "sh_1", "TRACK1")

# The protocol, written out a second time on purpose: whoever changes the rules changes both.
LEGAL = {
    ("INTENT", "CREATED"),
    ("INTENT", "CANCELLING"),
    ("CANCELLING", "FAILED"),
    ("CANCELLING", "CREATED"),
}


def a_shipment(state: State = State.INTENT, asked: frozenset[str] = frozenset({"primary"})) -> Shipment:
    return Shipment("order-1", "2026-01-31T12:00:00.000Z", state, "then", "fact-0", asked)


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_only_the_moves_of_the_protocol_are_legal(before: State, after: State) -> None:
    if (before, after) in LEGAL:
        assert a_shipment(before).to(after, **NOW).state is after
    else:
        with pytest.raises(IllegalMoveError, match=f"{before} does not become {after}"):
            a_shipment(before).to(after, **NOW)


@given(st.lists(st.sampled_from(State)))
def test_whatever_is_tried_a_shipment_has_one_end(tries: list[State]) -> None:
    shipment = a_shipment()
    way = [shipment.state]
    for state in tries:
        try:
            shipment = shipment.to(state, **NOW)
        except IllegalMoveError:
            assert (shipment.state, state) not in LEGAL
        else:
            way.append(shipment.state)
        assert shipment.asked == {"primary"}, "who was asked is never forgotten by a move"
    assert set(itertools.pairwise(way)) <= LEGAL
    assert not {State.CREATED, State.FAILED} <= set(way), "shipped and given up"


@given(st.sampled_from(State), st.lists(st.sampled_from(Reason), min_size=1, max_size=5))
def test_cancelling_again_changes_nothing(state: State, reasons: list[Reason]) -> None:
    once = a_shipment(state).cancel(**NOW, reason=reasons[0])
    again = once
    for reason in reasons:
        again = again.cancel(**LATER, reason=reason)
    assert again is once


def test_only_what_is_not_settled_can_be_cancelled() -> None:
    went = {state: a_shipment(state).cancel(**NOW).state for state in State}
    assert went == {
        State.INTENT: State.CANCELLING,
        State.CANCELLING: State.CANCELLING,
        State.CREATED: State.CREATED,
        State.FAILED: State.FAILED,
    }


def test_every_state_either_has_an_outcome_or_a_way_on() -> None:
    assert {state for state in State if MOVES[state]} == UNSETTLED


def test_the_reason_of_a_cancel_is_the_reason_of_the_failure() -> None:
    cancelled = a_shipment().cancel(**NOW, reason=Reason.CARRIER_UNAVAILABLE)
    assert cancelled.to(State.FAILED, **LATER).reason is Reason.CARRIER_UNAVAILABLE


@pytest.mark.parametrize(
    ("asked", "booking", "leftovers"),
    [
        ({"primary"}, None, {"primary"}),
        ({"primary"}, PARCEL, {"primary"}),
        ({"primary", "fallback"}, PARCEL, {"primary"}),
        ({"fallback"}, PARCEL, set()),
    ],
)
def test_leftovers_are_all_that_were_asked_but_the_one_that_ships(
    asked: set[str], booking: Booking | None, leftovers: set[str]
) -> None:
    shipment = a_shipment(asked=frozenset(asked))
    if booking:
        shipment = shipment.to(State.CREATED, booking=booking, **NOW)
    assert shipment.leftovers == leftovers


def test_the_shipping_window_ends_after_seven_days() -> None:
    assert model.may_ship(timedelta(days=7))
    assert not model.may_ship(timedelta(days=7, microseconds=1))


def test_an_intent_notes_the_carrier_before_it_is_asked() -> None:
    intent = model.intent("order-1", "2026-01-31T12:00:00.000Z", "primary", **NOW)
    assert (intent.state, intent.asked, intent.rescues) == (State.INTENT, frozenset({"primary"}), 0)


def test_a_tombstone_has_asked_nobody() -> None:
    stone = model.tombstone("order-1", "2026-01-31T12:00:00.000Z", Reason.CANCELLED, **NOW)
    assert (stone.state, stone.asked, stone.reason) == (State.FAILED, frozenset(), Reason.CANCELLED)
