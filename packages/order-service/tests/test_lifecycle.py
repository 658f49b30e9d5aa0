"""An order follows what the other services report, however late, often and disordered."""

from __future__ import annotations

import itertools
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ecom_common.errors import Poison, Retry
from ecom_common.facts import iso
from ecom_testkit.telemetry import counted
from order_service import events
from order_service.handlers import Lifecycle
from order_service.model import CANCELLING, MOVES, PLACED
from order_service.store import Orders

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)

FACTS: dict[tuple[str, str], dict[str, Any]] = {
    ("StockConfirmation", "reserved"): {"stockConfirmed": True, "amount": 1, "currency": "USD"},
    ("StockConfirmation", "rejected"): {"stockConfirmed": False, "reason": "amount_mismatch"},
    ("ShipmentFailed", ""): {"reason": "carrier_unavailable"},
    ("PaymentConfirmation", "charged"): {"paymentConfirmed": True, "outcome": "charged"},
    ("PaymentConfirmation", "declined"): {
        "paymentConfirmed": False,
        "outcome": "declined",
        "reason": "no_funds",
    },
    ("PaymentConfirmation", "cancelled"): {
        "paymentConfirmed": False,
        "outcome": "cancelled",
        "reason": "cancelled",
    },
    ("PaymentRefunded", ""): {"refundId": "re_1"},
    ("StockReleased", "declined"): {"outcome": "declined"},
    ("StockReleased", "cancelled"): {"outcome": "cancelled"},
    ("StockReleased", "refunded"): {"outcome": "refunded"},
    ("ShipmentCreated", ""): {
        "shippingId": "sh_1",
        "carrier": "acme",
        "trackingNumber": "T1",
        "processedBy": "dlq",
    },
}


def tell(shop: Any, order_id: str, name: tuple[str, str]) -> None:
    shop.tell(order_id, name[0], **FACTS[name])


def test_every_move_is_told_here() -> None:
    assert FACTS.keys() == MOVES.keys()


def test_every_pair_of_facts_never_moves_an_order_back(shop: Any, placed: Any) -> None:
    for first, second in itertools.product(MOVES, repeat=2):
        order_id = shop.orders.add(placed(order_id=f"{first} {second}")).order_id
        tell(shop, order_id, first)
        tell(shop, order_id, second)
        order = shop.order(order_id)
        start, end = MOVES[first], MOVES[second]
        moves = [PLACED, start, end] if end.rank > start.rank else [PLACED, start]
        last = moves[-1]
        assert (order.status, order.rank, order.closed) == (last.status, last.rank, last.closes), (
            first,
            second,
        )
        assert [step.status for step in order.timeline] == [move.status for move in moves]


def test_every_order_of_a_refunded_life_ends_refunded(shop: Any) -> None:
    life = [
        ("PaymentConfirmation", "charged"),
        ("ShipmentFailed", ""),
        ("PaymentRefunded", ""),
        ("StockReleased", "refunded"),
    ]
    for sequence in itertools.permutations(life):
        order_id = shop.place()
        for name in (*sequence, sequence[0]):
            tell(shop, order_id, name)
        assert (shop.order(order_id).status, shop.order(order_id).closed) == ("REFUNDED", True), sequence


def test_a_closing_order_leaves_the_index_and_gets_its_ttl(shop: Any) -> None:
    order_id = shop.place()
    tell(shop, order_id, ("PaymentConfirmation", "charged"))
    before = shop.row(order_id)
    assert before["openShard"] in set("01234567")
    assert before["sweepAt"] == NOON.timestamp() + 60, "a move leaves the index alone"
    assert "expiresAt" not in before, "an open order is never deleted"
    shop.later(100)
    tell(shop, order_id, ("ShipmentCreated", ""))
    row = shop.row(order_id)
    assert row["closed"] is True
    assert row["expiresAt"] == (shop.now + timedelta(days=365)).timestamp()
    assert not {"openShard", "sweepAt"} & row.keys()
    assert row["updatedAt"] == iso(shop.now)
    assert (row["shippingId"], row["carrier"], row["trackingNumber"]) == ("sh_1", "acme", "T1")
    assert "processedBy" not in row, "only declared fields are kept"


def test_the_timeline_says_when_it_happened_not_when_it_was_heard(shop: Any, about: Any) -> None:
    order_id = shop.place()
    shop.later(500)
    then = NOON + timedelta(seconds=2)
    shop.lifecycle.follow(about(order_id, "StockConfirmation", at=then, stockConfirmed=True))
    assert shop.row(order_id)["timeline"] == [
        {"status": "PLACED", "at": "2026-01-31T12:00:00.000Z"},
        {"status": "RESERVED", "at": "2026-01-31T12:00:02.000Z"},
    ]


def test_reasons_are_kept(shop: Any) -> None:
    order_id = shop.place()
    tell(shop, order_id, ("StockConfirmation", "rejected"))
    order = shop.order(order_id)
    assert (order.status, order.notes) == ("OUT_OF_STOCK", {"reason": "amount_mismatch"})


def test_an_order_that_does_not_exist_is_asked_for_again(shop: Any) -> None:
    for name in MOVES:
        with pytest.raises(Retry):
            tell(shop, "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9", name)
    assert shop.page().json["orders"] == [], "a fact makes no order"


@pytest.mark.parametrize(
    ("detail_type", "data"),
    [
        ("StockConfirmation", {"stockConfirmed": "yes"}),
        ("StockConfirmation", {}),
        ("PaymentConfirmation", {"paymentConfirmed": False}),
        ("PaymentConfirmation", {"paymentConfirmed": False, "outcome": "charged"}),
        ("PaymentConfirmation", {"paymentConfirmed": False, "outcome": "lost"}),
        ("StockReleased", {"outcome": "charged"}),
        ("StockReleased", {}),
        ("ShipmentFailed", {"reason": {"a": 1}}),
        ("ShipmentCreated", {"trackingNumber": "x" * 2000}),
    ],
)
def test_what_nobody_agreed_on_is_poison(about: Any, detail_type: str, data: dict[str, Any]) -> None:
    fact = about("5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9", detail_type, **data)

    class Untouched(Orders):
        def advance(self, *_: Any, **__: Any) -> Any:
            raise AssertionError("poison reached the table")

    nothing: Any = None
    with pytest.raises(Poison):
        Lifecycle(Untouched(nothing, "table")).follow(fact)


def test_a_time_that_is_none_is_poison(shop: Any, about: Any) -> None:
    from dataclasses import replace

    order_id = shop.place()
    for text in ("yesterday", "2026-01-31T12:00:00"):
        with pytest.raises(Poison):
            shop.lifecycle.follow(replace(about(order_id, "PaymentRefunded"), occurred_at=text))


def test_moves_write_once_and_read_nothing(dynamodb: Any, new_shop: Any) -> None:
    from ecom_testkit import CrashingClient

    client = CrashingClient(dynamodb)
    shop = new_shop(client)
    order_id = shop.place()
    client.calls.clear()
    for name in MOVES:
        tell(shop, order_id, name)
    assert [call.name for call in client.calls] == ["update_item"] * len(MOVES)


def test_moves_and_absorbed_facts_are_counted(shop: Any) -> None:
    order_id = shop.place()
    counted()
    tell(shop, order_id, ("StockConfirmation", "rejected"))
    tell(shop, order_id, ("StockConfirmation", "reserved"))
    assert counted() == {"OrdersOutOfStock": 1, "FactsAbsorbed": 1}


def test_cancelling_is_no_fact() -> None:
    assert CANCELLING not in MOVES.values()
    assert {name for name, _ in MOVES} == events.NOTES.keys()
