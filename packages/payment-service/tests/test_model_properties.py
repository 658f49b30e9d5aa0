"""What holds for any payment, whatever is tried with it and in whatever order."""

from __future__ import annotations

import itertools
from dataclasses import replace
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_common.rows import from_item, to_item
from payment_service import events, model
from payment_service.model import MOVES, UNSETTLED, IllegalMoveError, Payment, State
from payment_service.store import Payments, _payment, _row

MOMENT = "2026-01-31T12:00:00.000Z"
NOW: Any = {"decided_at": "2026-01-31T12:00:02.000Z", "caused_by": "fact-1"}
LATER: Any = {"decided_at": "2026-01-31T12:00:09.000Z", "caused_by": "fact-2"}

ENDS = frozenset({State.DECLINED, State.VOIDED, State.REFUNDED})
BACK = frozenset({State.VOIDING, State.VOIDED, State.REFUNDING, State.REFUNDED})

quick = settings(deadline=None, max_examples=150)

texts = st.text(min_size=1, max_size=20)
payments = st.builds(
    Payment,
    order_id=st.uuids().map(str),
    placed_at=st.just(MOMENT),
    state=st.sampled_from(State),
    decided_at=st.just(MOMENT),
    caused_by=texts,
    amount=st.none() | st.integers(0, 2**53 - 1),
    currency=st.none() | st.sampled_from(["USD", "JPY"]),
    charge_id=st.none() | texts,
    refund_id=st.none() | texts,
    reason=st.none() | texts,
)
# What a delivery may try: to undo the payment, or to bring it to a state with what the gateway said.
undos = st.just("undo")
moves = st.tuples(st.sampled_from(State), st.none() | texts, st.none() | texts, st.none() | texts)


def tried(payment: Payment, command: Any) -> Payment:
    """The payment after a command; as it was where the rules refuse it."""
    if command == "undo":
        return payment.undo(**NOW)
    state, charge_id, refund_id, reason = command
    if state in MOVES[payment.state]:
        return payment.to(state, **NOW, charge_id=charge_id, refund_id=refund_id, reason=reason)
    with pytest.raises(IllegalMoveError):
        payment.to(state, **NOW, charge_id=charge_id, refund_id=refund_id, reason=reason)
    return payment


@quick
@given(payments, st.lists(undos | moves, max_size=12))
def test_no_sequence_of_deliveries_leads_out_of_an_end_or_forward_from_the_way_back(
    payment: Payment, commands: list[Any]
) -> None:
    for command in commands:
        after = tried(payment, command)
        if payment.state in ENDS:
            assert after is payment
        assert after is payment or after.state is not payment.state, "a move that moves nothing"
        if payment.state in BACK:
            assert after.state in BACK, "what was undone must never be charged again"
        if payment.state is State.CHARGED:
            assert after.state in {State.CHARGED, State.REFUNDING}, "money that was taken is only given back"
        assert (after.order_id, after.placed_at, after.amount, after.currency) == (
            (payment.order_id, payment.placed_at, payment.amount, payment.currency)
        ), "what is owed is the row's for ever"
        for known in ("charge_id", "refund_id", "reason"):
            assert getattr(after, known) or not getattr(payment, known), f"{known} was forgotten"
        payment = after


@quick
@given(payments, st.lists(moves, max_size=4), st.lists(undos, min_size=1, max_size=4))
def test_every_payment_can_be_brought_to_an_end_after_an_undo(
    payment: Payment, commands: list[Any], again: list[str]
) -> None:
    for command in commands:
        payment = tried(payment, command)
    undone = payment.undo(**NOW)
    for _ in again:
        assert undone.undo(**LATER) is undone
    steps = 0
    while undone.state in UNSETTLED:
        undone = undone.to(min(MOVES[undone.state]), **LATER)
        steps += 1
    assert undone.state in ENDS
    assert steps <= 2


class OneRow:
    """What StateTable does to a row that nobody else moves, through DynamoDB's types and back."""

    def __init__(self, row: dict[str, Any]) -> None:
        self.row = to_item(row)

    def move(self, key: str, state: str, changes: dict[str, Any]) -> tuple[bool, dict[str, Any]]:
        assert (self.row["orderId"], self.row["state"]) == ({"S": key}, {"S": state})
        self.row |= to_item(changes)
        return True, from_item(self.row)


@quick
@given(payments)
def test_a_payment_is_read_back_as_it_was_written(payment: Payment) -> None:
    assert _payment(from_item(to_item(_row(payment)))) == payment


@quick
@given(payments, undos | moves)
def test_a_move_writes_all_that_it_changed(payment: Payment, command: Any) -> None:
    after = tried(payment, command)
    client: Any = None
    rows: Any = OneRow(_row(payment))
    store = Payments(client, "table")
    store._rows = rows
    assert store.move(payment, after) == after


@quick
@given(payments, payments)
def test_a_settled_payment_is_one_fact_and_an_unsettled_one_is_none(one: Payment, other: Payment) -> None:
    told: dict[str, tuple[str, State]] = {}
    for drawn, state in itertools.product((one, other), State):
        payment = replace(drawn, state=state)
        if state in UNSETTLED:
            with pytest.raises(ValueError, match="has no outcome"):
                events.outcome_of(payment)
            continue
        fact = events.outcome_of(payment)
        end = (payment.order_id, state)
        assert told.setdefault(fact.event_id, end) == end, "two ends are told by one fact"
        assert fact.data.get("paymentConfirmed", False) is (state is State.CHARGED)
        assert fact.occurred_at == payment.decided_at, "publishing again does not make it younger"
    assert len(told) == len({one.order_id, other.order_id}) * len(set(State) - UNSETTLED)


ages = st.timedeltas(timedelta(hours=-1), timedelta(hours=48))


@quick
@given(ages, ages)
def test_who_was_too_old_to_be_charged_stays_so_and_keys_outlive_the_last_charge(
    one: timedelta, other: timedelta
) -> None:
    young, old = sorted((one, other))
    assert model.may_charge(young) or not model.may_charge(old)
    assert model.may_charge(min(young, timedelta(0))), "no order is refused for being young"
    if model.may_charge(old):
        assert old < model.GATEWAY_KEY_WINDOW - timedelta(hours=1)


@quick
@given(payments, st.none() | texts)
def test_a_tombstone_owes_nothing_and_stays(payment: Payment, reason: str | None) -> None:
    stone = model.tombstone(payment.order_id, MOMENT, reason or "cancelled", **NOW)
    assert (stone.amount, stone.currency, stone.charge_id) == (None, None, None)
    assert stone.undo(**LATER) is stone
    assert not events.outcome_of(stone).data["paymentConfirmed"]
