"""Customers against an API of memory: keys, double presses, cancels, and answers that fail at first."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterable

import httpx
import pytest

from ecom_cli.demo import customers as under_test
from ecom_cli.demo.board import Board
from ecom_cli.demo.customers import Customers, keys_for
from ecom_cli.demo.plan import Planned
from ecom_cli.shop.api import FORCED, Api, Line, order_id_of
from ecom_cli.shop.caller import LOCAL_OWNER


def planned(
    number: int, *, twice: bool = False, cancel_after: float | None = None, force: str | None = None
) -> Planned:
    return Planned(
        number, (Line("mug", 1),), 500, "USD", "plain", force, twice=twice, cancel_after=cancel_after
    )


class Shop:
    """An order API as a function of the request; `first` are the codes that it answers before it works."""

    def __init__(
        self, first: Iterable[int] = (), *, forgets_keys: bool = False, cancel_status: int = 202
    ) -> None:
        self.placed: list[str] = []
        self.cancelled: list[str] = []
        self._first = list(first)
        self._forgets = forgets_keys
        self._cancel_status = cancel_status
        self._lock = threading.Lock()

    def __call__(self, request: httpx.Request) -> httpx.Response:
        with self._lock:
            if self._first:
                return httpx.Response(self._first.pop(0), json={"title": "not now"})
            if request.url.path.endswith("/cancel"):
                self.cancelled.append(request.url.path.split("/")[-2])
                return httpx.Response(self._cancel_status, json={"title": "cancel", "orderId": "x"})
            key = request.headers["Idempotency-Key"]
            self.placed.append(key)
            order_id = f"{key}-{len(self.placed)}" if self._forgets else f"order-{key}"
            assert json.loads(request.content)["amount"] == 5
            return httpx.Response(202, json={"orderId": order_id})


@pytest.fixture(autouse=True)
def no_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(under_test, "FIRST_PAUSE_SECONDS", 0.001)
    monkeypatch.setattr(under_test, "LONGEST_PAUSE_SECONDS", 0.001)


def run(shop: Shop, plan: list[Planned], clients: int = 2) -> Board:
    board = Board(len(plan))
    api = Api("http://shop/orders", transport=httpx.MockTransport(shop))
    with Customers(api, board, {order.number: f"k{order.number}" for order in plan}, clients) as customers:
        customers.start(plan)
        end = time.monotonic() + 10
        while not customers.done():
            assert time.monotonic() < end, "the customers do not come to an end"
            time.sleep(0.002)
    return board


def test_every_order_is_placed_once_with_its_key() -> None:
    shop = Shop()
    board = run(shop, [planned(number) for number in range(1, 21)], clients=4)
    assert sorted(shop.placed) == sorted(f"k{number}" for number in range(1, 21))
    assert len(board.tracks()) == 20
    assert board.answers().http == {202: 20}
    assert len(board.answers().seconds) == 20


def test_who_presses_twice_gets_the_same_order() -> None:
    shop = Shop()
    board = run(shop, [planned(1, twice=True)])
    assert shop.placed == ["k1", "k1"]
    assert board.answers().wrong == []
    assert [track.order_id for track in board.tracks()] == ["order-k1"]


def test_two_orders_for_one_key_are_reported() -> None:
    board = run(Shop(forgets_keys=True), [planned(1, twice=True)])
    assert board.answers().wrong == ["k1-1: the same request with the same key gave k1-2"]


def test_a_customer_who_regrets_cancels_their_own_order() -> None:
    shop = Shop()
    run(shop, [planned(1), planned(2, cancel_after=0.01)])
    assert shop.cancelled == ["order-k2"]


def test_a_cancel_that_comes_too_late_is_a_proper_answer() -> None:
    board = run(Shop(cancel_status=409), [planned(1, cancel_after=0)])
    assert board.answers().wrong == []
    assert board.answers().http == {202: 1, 409: 1}


def test_a_cancel_that_fails_is_reported() -> None:
    board = run(Shop(cancel_status=404), [planned(1, cancel_after=0)])
    assert board.answers().wrong == ["order-k1: the customer's cancel was not taken by the API"]


def test_an_api_that_fails_at_first_is_asked_again_with_the_same_key() -> None:
    shop = Shop(first=[503, 502, 429])
    board = run(shop, [planned(1)], clients=1)
    assert shop.placed == ["k1"]
    assert board.answers().http == {503: 1, 502: 1, 429: 1, 202: 1}
    assert board.answers().wrong == []


def test_a_refusal_is_not_repeated_and_is_reported() -> None:
    board = run(Shop(first=[400]), [planned(1)])
    assert board.answers().http == {400: 1}
    assert board.answers().wrong == ["order 1 of the plan (key k1) was not taken by the API"]


def test_an_api_that_never_works_is_given_up() -> None:
    board = run(Shop(first=[500] * 99), [planned(1)])
    assert board.answers().http == {500: under_test.TRIES}
    assert not board.tracks()


def test_keys_follow_from_the_seed() -> None:
    plan = [planned(1), planned(2, force="declined")]
    keys = keys_for(plan, 7, LOCAL_OWNER, lambda _: set())
    assert keys == keys_for(plan, 7, LOCAL_OWNER, lambda _: set())
    assert keys[1] == "demo-7-1-1"
    assert order_id_of(LOCAL_OWNER, keys[2]).endswith(FORCED["declined"])
    assert set(keys.values()).isdisjoint(keys_for(plan, 8, LOCAL_OWNER, lambda _: set()).values())


@pytest.mark.parametrize("force", [None, "declined"])
def test_keys_of_an_earlier_run_are_not_used_again(force: str | None) -> None:
    plan = [planned(1, force=force)]
    first = keys_for(plan, 7, LOCAL_OWNER, lambda _: set())
    there = {order_id_of(LOCAL_OWNER, key) for key in first.values()}
    second = keys_for(plan, 7, LOCAL_OWNER, lambda asked: there & set(asked))
    assert set(first.values()).isdisjoint(second.values())
