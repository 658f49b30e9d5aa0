"""The seeded plan of a demo run."""

from __future__ import annotations

from collections import Counter

import pytest

from ecom_cli.demo.plan import SHARES, TOO_MANY, make_plan, needed_stock
from ecom_cli.shop.api import FORCED, Line

PRICES = {f"ITEM_ID-{number:02d}": number * 100 + 99 for number in range(1, 16)}


def test_the_same_seed_gives_the_same_orders() -> None:
    assert make_plan(50, 7, PRICES, "USD") == make_plan(50, 7, PRICES, "USD")


def test_another_seed_gives_other_orders() -> None:
    assert make_plan(50, 7, PRICES, "USD") != make_plan(50, 8, PRICES, "USD")


@pytest.mark.parametrize("orders", [1, 2, 5, 20, 200])
def test_a_plan_has_as_many_orders_as_asked_for(orders: int) -> None:
    assert [order.number for order in make_plan(orders, 1, PRICES, "USD")] == list(range(1, orders + 1))


def test_twenty_orders_show_every_kind_and_every_forced_outcome() -> None:
    plan = make_plan(20, 3, PRICES, "USD")
    assert {order.kind for order in plan} == {"plain", "wrong amount", "too many", "cancelled", "forced"}
    assert {order.force for order in plan} - {None} == {share.force for share in SHARES} - {None}
    assert {order.force for order in plan} - {None} <= set(FORCED)


def test_most_orders_are_plain() -> None:
    kinds = Counter(order.kind for order in make_plan(200, 3, PRICES, "USD"))
    assert kinds["plain"] > 120


@pytest.mark.parametrize("seed", range(5))
def test_only_a_wrong_amount_differs_from_the_prices(seed: int) -> None:
    for order in make_plan(100, seed, PRICES, "USD"):
        total = sum(PRICES[line.item_id] * line.quantity for line in order.lines)
        assert (order.amount != total) == (order.kind == "wrong amount"), order
        assert order.amount > 0


def test_an_order_has_one_to_four_different_items() -> None:
    plan = make_plan(200, 1, PRICES, "USD")
    assert {len(order.lines) for order in plan} == {1, 2, 3, 4}
    assert all(len({line.item_id for line in order.lines}) == len(order.lines) for order in plan)


def test_only_those_who_cancel_have_a_time_for_it() -> None:
    for order in make_plan(100, 1, PRICES, "USD"):
        assert (order.cancel_after is not None) == (order.kind == "cancelled")


def test_stock_is_needed_for_all_but_those_who_ask_for_too_many() -> None:
    plan = make_plan(100, 5, PRICES, "USD")
    short = [order for order in plan if order.kind == "too many"]
    assert short
    assert all(any(line.quantity == TOO_MANY for line in order.lines) for order in short)
    expected: Counter[str] = Counter()
    for order in plan:
        for line in order.lines if order not in short else ():
            expected[line.item_id] += line.quantity
    assert needed_stock(plan) == expected


def test_one_item_is_enough_to_order() -> None:
    plan = make_plan(3, 1, {"mug": 100}, "USD")
    assert all(order.lines == (Line("mug", order.lines[0].quantity),) for order in plan)


def test_without_items_there_is_nothing_to_order() -> None:
    with pytest.raises(ValueError, match="no items"):
        make_plan(1, 1, {}, "USD")
