"""What inventory tells the others: as its schemas say, and always the same of the same row."""

from __future__ import annotations

import json
import pathlib
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from ecom_common.errors import Poison
from ecom_common.facts import Fact, fact_id, new_fact, received
from ecom_testkit import sqs_record
from inventory_service import events, store
from inventory_service.model import MAX_LINES, MAX_QUANTITY, Line, Outcome, Reason, Reservation, State

SCHEMAS = {
    path.name.split(".")[0]: json.loads(path.read_text())
    for path in (pathlib.Path(__file__).parents[1] / "events").glob("*.v1.json")
}
MOMENT = "2026-01-31T12:00:00.000Z"
CAUSE = fact_id("1", "OrderPlaced")

lines = st.lists(st.builds(Line, st.text(min_size=1, max_size=9), st.integers(1, 999)), max_size=3).map(tuple)
reservations = st.one_of(
    st.builds(
        Reservation,
        order_id=st.uuids().map(str),
        placed_at=st.just(MOMENT),
        state=st.just(State.RESERVED),
        decided_at=st.just(MOMENT),
        caused_by=st.just(CAUSE),
        lines=lines,
        amount=st.integers(0, 2**53 - 1),
        currency=st.just("USD"),
    ),
    st.builds(
        lambda order_id, reason: Reservation(
            order_id, MOMENT, State.REJECTED, MOMENT, CAUSE, (Line("mug", 1),), 5, "USD", reason
        ),
        st.uuids().map(str),
        st.sampled_from(Reason),
    ),
    st.builds(
        lambda order_id, outcome, held, amount: Reservation(
            order_id, MOMENT, State.RELEASED, MOMENT, CAUSE, held, amount, "USD", None, outcome
        ),
        st.uuids().map(str),
        st.sampled_from(Outcome),
        lines,
        st.none() | st.integers(0, 10**9),
    ),
)


def valid(fact: Fact) -> None:
    Draft202012Validator(SCHEMAS[fact.detail_type]).validate(json.loads(json.dumps(fact.detail())))


class TestPublished:
    @given(reservations)
    def test_every_row_makes_a_fact_as_its_schema_says(self, reservation: Reservation) -> None:
        valid(events.outcome_of(reservation))

    @given(reservations)
    def test_the_same_row_makes_the_same_fact_before_and_after_it_is_stored(
        self, reservation: Reservation
    ) -> None:
        stored = store._reservation(json.loads(json.dumps(store._row(reservation))))
        assert stored == reservation
        assert events.outcome_of(stored) == events.outcome_of(reservation)
        assert received(sqs_record(events.outcome_of(stored))["body"]) == events.outcome_of(reservation)

    @given(reservations, reservations)
    def test_different_outcomes_are_different_facts(self, one: Reservation, two: Reservation) -> None:
        told = [(r.order_id, r.state, r.outcome) for r in (one, two)]
        same = events.outcome_of(one).event_id == events.outcome_of(two).event_id
        assert same == (told[0] == told[1])

    def test_what_a_shop_publishes(self, shop: Any) -> None:
        """From memory the first time, from the row ever after: not a character may differ."""
        shop.stocks(mug=5)
        facts = [shop.placed("1", mug=1), shop.placed("2", mug=9), shop.placed("3", 1, mug=1)]
        first = [result[0] for result in shop.results(*facts)]
        shop.now += timedelta(minutes=9)
        again = [result[0] for result in shop.results(*facts)]
        assert [json.dumps(fact.detail()) for fact in again] == [json.dumps(fact.detail()) for fact in first]
        released = [shop.release(shop.payment_ended("1"))]
        shop.now += timedelta(minutes=9)
        released += [shop.release(shop.payment_ended("1"))]
        assert json.dumps(released[0].detail()) == json.dumps(released[1].detail())
        for fact in [*first, *released]:
            assert fact.source == "inventory.service"
            valid(fact)
        assert first[0].causation_id == facts[0].event_id
        assert released[0].causation_id == shop.payment_ended("1").event_id


class TestSchemas:
    @pytest.mark.parametrize("name", ["StockConfirmation", "StockReleased"])
    def test_the_example_is_valid_and_its_id_is_ours(self, name: str) -> None:
        Draft202012Validator.check_schema(SCHEMAS[name])
        [example] = SCHEMAS[name]["examples"]
        Draft202012Validator(SCHEMAS[name]).validate(example)
        outcome = example["data"].get("outcome", "RESERVED")
        assert example["metadata"]["eventId"] == fact_id(example["data"]["orderId"], name, outcome)

    def test_there_is_one_for_each_fact_and_no_other(self) -> None:
        assert set(SCHEMAS) == {"StockConfirmation", "StockReleased"}

    @pytest.mark.parametrize("name", ["StockConfirmation", "StockReleased"])
    def test_fields_may_be_added(self, name: str) -> None:
        [example] = json.loads(json.dumps(SCHEMAS[name]["examples"]))
        example["data"]["new"] = example["metadata"]["new"] = example["new"] = 1
        Draft202012Validator(SCHEMAS[name]).validate(example)

    @pytest.mark.parametrize(
        ("name", "change"),
        [
            ("StockConfirmation", {"stockConfirmed": False}),
            ("StockConfirmation", {"reason": "out_of_stock"}),
            ("StockConfirmation", {"stockConfirmed": "true"}),
            ("StockConfirmation", {"amount": 12.5}),
            ("StockConfirmation", {"amount": None}),
            ("StockConfirmation", {"placedAt": "2026-01-31"}),
            ("StockReleased", {"outcome": "lost"}),
            ("StockReleased", {"outcome": None}),
        ],
    )
    def test_a_schema_can_refuse(self, name: str, change: dict[str, Any]) -> None:
        [example] = json.loads(json.dumps(SCHEMAS[name]["examples"]))
        example["data"] |= change
        assert not Draft202012Validator(SCHEMAS[name]).is_valid(example)


class TestRead:
    def fact(self, **data: Any) -> Fact:
        whole = {
            "orderId": "1",
            "placedAt": MOMENT,
            "items": [{"itemId": "mug", "quantity": 2}],
            "amount": 2500,
            "currency": "USD",
        } | data
        return new_fact("orders.service", "OrderPlaced", whole, occurred_at=MOMENT)

    def test_what_is_read_of_an_order(self) -> None:
        order = events.order_placed(self.fact(owner="x", items=[{"itemId": "mug", "quantity": 2, "new": 1}]))
        assert (order.order_id, order.placed_at, order.amount, order.currency) == ("1", MOMENT, 2500, "USD")
        assert order.lines == (Line("mug", 2),)

    @pytest.mark.parametrize(
        "items",
        [
            None,
            [],
            {},
            "mug",
            ["mug"],
            [None],
            [{"itemId": "mug"}],
            [{"quantity": 1}],
            [{"itemId": "", "quantity": 1}],
            [{"itemId": "x" * 65, "quantity": 1}],
            [{"itemId": 5, "quantity": 1}],
            [{"itemId": "mug", "quantity": 0}],
            [{"itemId": "mug", "quantity": -1}],
            [{"itemId": "mug", "quantity": MAX_QUANTITY + 1}],
            [{"itemId": "mug", "quantity": 1.0}],
            [{"itemId": "mug", "quantity": "1"}],
            [{"itemId": "mug", "quantity": True}],
            [{"itemId": "mug", "quantity": 1}, {"itemId": "mug", "quantity": 1}],
            [{"itemId": f"item-{n}", "quantity": 1} for n in range(MAX_LINES + 1)],
        ],
    )
    def test_items_that_are_none_are_poison(self, items: Any) -> None:
        with pytest.raises(Poison):
            events.order_placed(self.fact(items=items))

    @pytest.mark.parametrize("change", [{"amount": -1}, {"amount": 1.5}, {"amount": "5"}, {"currency": 7}])
    def test_money_that_is_none_is_poison(self, change: dict[str, Any]) -> None:
        with pytest.raises(Poison):
            events.order_placed(self.fact(**change))
