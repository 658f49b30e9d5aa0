"""The rules of stock, without any cloud."""

from __future__ import annotations

import itertools
import subprocess
import sys
from collections import Counter
from dataclasses import replace
from datetime import timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from inventory_service import model
from inventory_service.model import (
    MAX_ACTIONS,
    MAX_LINES,
    Item,
    Line,
    Order,
    Outcome,
    Reason,
    Reservation,
    State,
    decide,
    groups,
    taken,
    tombstone,
)

MOMENT = "2026-01-31T12:00:00.000Z"
LATER = "2026-01-31T12:01:00.000Z"
CATALOGUE = {
    "mug": Item("mug", 1250, "USD"),
    "lamp": Item("lamp", 5199, "USD"),
    "euro": Item("euro", 1, "EUR"),
}


def order(amount: int, currency: str = "USD", /, **lines: int) -> Order:
    return Order("1", MOMENT, tuple(Line(item_id, n) for item_id, n in lines.items()), amount, currency)


def reservation(order_id: str, lines: dict[str, int], state: State = State.RESERVED) -> Reservation:
    return Reservation(order_id, MOMENT, state, MOMENT, "cause", tuple(Line(i, n) for i, n in lines.items()))


def decided(wanted: Order, age: timedelta = timedelta(seconds=1)) -> Reservation:
    return decide(wanted, CATALOGUE, age, decided_at=LATER, caused_by="event")


item_ids = st.integers(0, 300).map("item-{}".format)
reservations = st.lists(
    st.builds(
        lambda lines, state: (lines, state),
        st.dictionaries(item_ids, st.integers(1, 999), min_size=1, max_size=MAX_LINES),
        st.sampled_from(State),
    ),
    max_size=60,
).map(lambda drawn: [reservation(str(n), lines, state) for n, (lines, state) in enumerate(drawn)])


class TestGroups:
    @given(reservations)
    def test_a_group_fits_one_transaction_and_nobody_is_lost(self, wanted: list[Reservation]) -> None:
        cut = list(groups(wanted))
        assert list(itertools.chain(*cut)) == wanted, "everyone, once, in order"
        for group in cut:
            assert 0 < len(group) + len(taken(group)) <= MAX_ACTIONS

    @given(reservations)
    def test_no_group_could_have_taken_the_next_order_too(self, wanted: list[Reservation]) -> None:
        """Each group more is a transaction more."""
        cut = list(groups(wanted))
        for group, following in itertools.pairwise(cut):
            longer = [*group, following[0]]
            assert len(longer) + len(taken(longer)) > MAX_ACTIONS

    def test_ninety_nine_orders_of_one_item_are_one_transaction(self) -> None:
        wanted = [reservation(str(n), {"mug": 1}) for n in range(199)]
        assert [len(group) for group in groups(wanted)] == [99, 99, 1]

    def test_one_order_of_all_lines_fits(self) -> None:
        wanted = [reservation("1", {f"item-{n}": 1 for n in range(MAX_LINES)})]
        assert [len(group) for group in groups(wanted, most=MAX_LINES + 1)] == [1]

    def test_nothing_is_no_group(self) -> None:
        assert list(groups([])) == []


class TestTaken:
    @given(reservations)
    def test_what_is_reserved_and_nothing_else(self, wanted: list[Reservation]) -> None:
        expected: Counter[str] = Counter()
        for one in wanted:
            if one.state is State.RESERVED:
                expected.update({line.item_id: line.quantity for line in one.lines})
        assert taken(wanted) == dict(expected)


class TestDecide:
    def test_items_and_prices_that_agree_are_a_wish_to_reserve(self) -> None:
        wish = decided(order(2 * 1250 + 5199, mug=2, lamp=1))
        assert wish.state is State.RESERVED
        assert wish.lines == (Line("mug", 2), Line("lamp", 1))
        assert (wish.amount, wish.currency, wish.decided_at, wish.caused_by) == (7699, "USD", LATER, "event")

    @pytest.mark.parametrize(
        ("wanted", "reason"),
        [
            (order(1250, mug=1, hat=1), Reason.UNKNOWN_ITEM),
            (order(1249, mug=1), Reason.AMOUNT_MISMATCH),
            (order(1251, mug=1), Reason.AMOUNT_MISMATCH),
            (order(1250, mug=2), Reason.AMOUNT_MISMATCH),
            (order(0, mug=1), Reason.AMOUNT_MISMATCH),
            (order(1250, "EUR", mug=1), Reason.CURRENCY_MISMATCH),
            (order(1251, "USD", mug=1, euro=1), Reason.CURRENCY_MISMATCH),
            (order(1, "EUR", hat=1), Reason.UNKNOWN_ITEM),
        ],
    )
    def test_the_catalogue_refuses(self, wanted: Order, reason: Reason) -> None:
        refused = decided(wanted)
        assert (refused.state, refused.reason) == (State.REJECTED, reason)
        assert taken([refused]) == {}

    @given(st.dictionaries(st.sampled_from(["mug", "lamp"]), st.integers(1, 999), min_size=1))
    def test_only_the_exact_sum_is_reserved(self, lines: dict[str, int]) -> None:
        total = sum(CATALOGUE[item_id].price * quantity for item_id, quantity in lines.items())
        assert decided(order(total, **lines)).state is State.RESERVED
        for amount in (total - 1, total + 1):
            assert decided(order(amount, **lines)).reason is Reason.AMOUNT_MISMATCH

    def test_an_order_past_its_window_is_a_tombstone(self) -> None:
        wanted = order(1250, mug=1)
        assert decided(wanted, model.RESERVATION_WINDOW).state is State.RESERVED
        late = decided(wanted, model.RESERVATION_WINDOW + timedelta(microseconds=1))
        assert (late.state, late.outcome) == (State.RELEASED, Outcome.CANCELLED)
        assert late.lines == ()


class TestRelease:
    def test_what_is_reserved_is_released_with_its_lines(self) -> None:
        held = reservation("1", {"mug": 2})
        released = held.release(Outcome.DECLINED, decided_at=LATER, caused_by="event")
        assert released == replace(
            held, state=State.RELEASED, outcome=Outcome.DECLINED, decided_at=LATER, caused_by="event"
        )

    @pytest.mark.parametrize(
        "ended",
        [
            reservation("1", {"mug": 2}).reject(Reason.OUT_OF_STOCK),
            reservation("1", {"mug": 2}).release(Outcome.DECLINED, decided_at=MOMENT, caused_by="first"),
            tombstone("1", MOMENT, Outcome.CANCELLED, decided_at=MOMENT, caused_by="first"),
        ],
        ids=["rejected", "released", "tombstone"],
    )
    def test_what_has_ended_stays_as_it_is(self, ended: Reservation) -> None:
        for outcome in Outcome:
            assert ended.release(outcome, decided_at=LATER, caused_by="second") is ended

    @given(st.sampled_from(State), st.lists(st.sampled_from(Outcome), max_size=4))
    def test_only_the_legal_moves(self, state: State, releases: list[Outcome]) -> None:
        moves = [reservation("1", {"mug": 1}, state)]
        for outcome in releases:
            moves.append(moves[-1].release(outcome, decided_at=LATER, caused_by="event"))
        changes = {
            (before.state, after.state) for before, after in itertools.pairwise(moves) if before != after
        }
        assert changes <= {(State.RESERVED, State.RELEASED)}


def test_the_rules_need_no_cloud() -> None:
    program = "import sys, inventory_service.model; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert not {"boto3", "botocore", "aws_lambda_powertools", "ecom_common"} & set(loaded.stdout.split())
