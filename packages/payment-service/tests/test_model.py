"""The rules of payment, without any cloud."""

from __future__ import annotations

import itertools
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from payment_service import model
from payment_service.model import MOVES, UNSETTLED, IllegalMoveError, Payment, State

NOW = {"decided_at": "2026-01-31T12:00:02.000Z", "caused_by": "fact-1"}
LATER = {"decided_at": "2026-01-31T12:00:09.000Z", "caused_by": "fact-2"}

# The protocol, written out a second time on purpose: whoever changes the rules changes both.
LEGAL = {
    ("INTENT", "CHARGED"),
    ("INTENT", "DECLINED"),
    ("INTENT", "VOIDING"),
    ("VOIDING", "VOIDED"),
    ("VOIDING", "REFUNDING"),
    ("CHARGED", "REFUNDING"),
    ("REFUNDING", "REFUNDED"),
}


def a_payment(state: State = State.INTENT) -> Payment:
    return Payment("order-1", "2026-01-31T12:00:00.000Z", state, "then", "fact-0", 500, "USD")


@pytest.mark.parametrize("before", State)
@pytest.mark.parametrize("after", State)
def test_only_the_moves_of_the_protocol_are_legal(before: State, after: State) -> None:
    if (before, after) in LEGAL:
        assert a_payment(before).to(after, **NOW).state is after
    else:
        with pytest.raises(IllegalMoveError, match=f"{before} does not become {after}"):
            a_payment(before).to(after, **NOW)


@given(st.lists(st.sampled_from(State)))
def test_whatever_is_tried_a_payment_only_moves_by_the_rules_and_keeps_what_is_owed(
    tries: list[State],
) -> None:
    payment = a_payment()
    way = [payment.state]
    for state in tries:
        try:
            payment = payment.to(state, **NOW)
        except IllegalMoveError:
            assert (payment.state, state) not in LEGAL
        else:
            way.append(payment.state)
        assert (payment.amount, payment.currency, payment.placed_at) == (500, "USD", a_payment().placed_at)
    assert set(itertools.pairwise(way)) <= LEGAL
    assert len(set(way)) == len(way), "no state is ever come back to"
    assert not {State.CHARGED, State.VOIDED} <= set(way), "paid and void at once"


@given(st.lists(st.booleans(), max_size=8), st.sampled_from(State))
def test_undoing_again_changes_nothing(undos: list[bool], state: State) -> None:
    once = a_payment(state).undo(**NOW)
    again = once
    for _ in undos:
        again = again.undo(**LATER)
    assert again is once


def test_undo_goes_back_from_where_money_may_have_moved() -> None:
    went = {state: a_payment(state).undo(**NOW).state for state in State}
    assert went == {
        State.INTENT: State.VOIDING,
        State.CHARGED: State.REFUNDING,
        State.DECLINED: State.DECLINED,
        State.VOIDING: State.VOIDING,
        State.VOIDED: State.VOIDED,
        State.REFUNDING: State.REFUNDING,
        State.REFUNDED: State.REFUNDED,
    }


def test_every_state_either_has_an_outcome_or_a_way_on() -> None:
    for state in State:
        if state in UNSETTLED:
            assert MOVES[state], f"a payment would stay in {state} for ever"
    assert State.CHARGED not in UNSETTLED
    assert {state for state in State if not MOVES[state]} == {State.DECLINED, State.VOIDED, State.REFUNDED}


def test_what_a_move_does_not_say_stays_as_it_was() -> None:
    charged = a_payment().to(State.CHARGED, charge_id="ch_1", **NOW)
    refunded = charged.undo(**LATER).to(State.REFUNDED, refund_id="re_1", **LATER)
    assert (refunded.charge_id, refunded.refund_id) == ("ch_1", "re_1")
    assert (refunded.decided_at, refunded.caused_by) == (LATER["decided_at"], "fact-2")


def test_the_payment_window_ends_after_twelve_hours() -> None:
    assert model.may_charge(timedelta(hours=12))
    assert not model.may_charge(timedelta(hours=12, microseconds=1))
    assert model.PAYMENT_WINDOW < model.GATEWAY_KEY_WINDOW, "a repeated charge would be a second one"


def test_a_tombstone_owes_nothing() -> None:
    stone = model.tombstone("order-1", "2026-01-31T12:00:00.000Z", "cancelled", **NOW)
    assert (stone.state, stone.amount, stone.reason) == (State.VOIDED, None, "cancelled")
