"""Many customers at once, on little stock and on functions that die."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest

from e2e.shop import Order, Shop
from e2e.system import System, eventually
from ecom_cli.demo.invariants import Tables

CROWD = 200
ITEMS = ("mug", "lamp", "pen", "desk", "chair")
EACH = 30
"""Pieces of each item: the crowd wants about twice as many."""

DECLINED = 20
"""Orders of the crowd whose payment fails: their stock goes back while others ask for it."""


def crowd(shop: Shop, dice: random.Random, *, orders: int = CROWD, declined: int = DECLINED) -> list[Order]:
    """Orders for one or two items, in an order that dice decide."""
    planned = [
        shop.planned(
            {name: dice.randint(1, 2) for name in dice.sample(ITEMS, dice.randint(1, 2))},
            force="dec1" if number < declined else None,
        )
        for number in range(orders)
    ]
    dice.shuffle(planned)
    return planned


def sold(tables: Tables, shop: Shop) -> Counter[str]:
    """Pieces shipped, by item id, as the orders' customers see it."""
    pieces: Counter[str] = Counter()
    for order in shop.orders:
        if tables.orders[order.order_id]["status"] == "SHIPPED":
            for line in order.lines:
                pieces[line.item_id] += line.quantity
    return pieces


def assert_nothing_lost(shop: Shop) -> Counter[str]:
    """Every piece is on the shelf or shipped, and the invariants hold. Returns how many orders ended how."""
    tables = shop.assert_in_order()
    pieces = sold(tables, shop)
    for name in ITEMS:
        item = shop.item_id(name)
        assert shop.stock(name) == EACH - pieces[item], f"{EACH} {name} came in, {pieces[item]} were shipped"
    return Counter(str(row["status"]) for row in tables.orders.values())


def test_a_crowd_on_scarce_stock_never_oversells(shop: Shop) -> None:
    for name in ITEMS:
        shop.given_item(name, quantity=EACH)
    lowest = EACH

    def watch() -> None:
        nonlocal lowest
        lowest = min([lowest, *(shop.stock(name) for name in ITEMS)])

    codes = shop.place_all(crowd(shop, random.Random(1)), tries=3)

    assert Counter(each[-1] for each in codes.values()) == {202: CROWD}, "the shop did not take these orders"
    shop.wait_all_closed(within=120, meanwhile=watch)
    assert lowest >= 0, "more was sold than there is"
    ends = assert_nothing_lost(shop)
    assert ends["SHIPPED"] + ends["OUT_OF_STOCK"] + ends["PAYMENT_FAILED"] == CROWD
    assert min(ends["SHIPPED"], ends["OUT_OF_STOCK"]) >= 20, f"the stock was not scarce: {ends}"
    assert ends["PAYMENT_FAILED"] >= 1


def wait_for_facts(system: System, number: int) -> None:
    """Until so many facts were on the bus."""
    eventually(
        lambda: len(system.tap.all()) >= number,
        lambda: f"the run never gets to {number} facts: {system.backlog()}",
        within=60,
    )


@pytest.fixture
def mortal(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """A shop on a system of its own, whose functions may be killed.

    A batch that dies with its function comes back after the queue's visibility time-out. In production that
    is 180 s, six times the function's own time-out; here it is short, or the test would wait so long for
    each kill. It must still outlast a batch that works.
    """
    with System.launched(tmp_path_factory.mktemp("mortal")) as system:
        system.set_visibility(5)
        shop = Shop(system)
        yield shop
        shop.close()


def test_killing_the_functions_in_the_middle_of_a_run_loses_nothing(mortal: Shop) -> None:
    shop, system = mortal, mortal.system
    for name in ITEMS:
        shop.given_item(name, quantity=EACH)
    planned = crowd(shop, random.Random(2))
    kills: list[int] = []

    with ThreadPoolExecutor(1) as pool:
        # A customer whose request dies with the function gets a 5xx, and sends it again with the same key.
        # They are few: when one process of a function dies, the emulator ends all others of that function,
        # those that just start too, so that many at once would keep each other from starting.
        placing = pool.submit(shop.place_all, planned, customers=3, tries=20)
        for facts in (50, 150, 300):
            wait_for_facts(system, facts)
            kills.append(eventually(system.kill_workers, lambda: "there is nobody to kill", within=60))
        left = CROWD - shop.closed(planned)
        codes = placing.result()

    assert left >= CROWD // 10, f"the run was nearly over when the last of {kills} died"
    refused = {order_id: each for order_id, each in codes.items() if each[-1] != 202}
    assert refused == {}, "the shop did not take these orders"
    # What died behind a queue comes back from the queue, without the sweeper's help.
    published = {event.order_id for event in system.tap.all() if event.detail_type == "OrderPlaced"}
    shop.wait_all_closed([order for order in planned if order.order_id in published], within=120)
    # What died between the row and its fact has no other outbox than the row.
    shop.wait_all_closed(meanwhile=system.sweep)
    ends = assert_nothing_lost(shop)
    assert sum(ends.values()) == CROWD
    assert min(ends["SHIPPED"], ends["OUT_OF_STOCK"]) >= 20, ends
