"""The rules, without any cloud."""

from __future__ import annotations

import itertools
import subprocess
import sys
import uuid
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from ecom_common.facts import iso
from ecom_common.retention import REPLAY_HORIZON, ROW_TTL
from order_service import model
from order_service.model import CANCELLING, MOVES, PLACED, Limits, Status, Step, Sweep

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LIMITS = Limits(timedelta(seconds=60), timedelta(seconds=900), timedelta(seconds=3600))

ALL = {("", "placed"): PLACED, ("", "cancelling"): CANCELLING, **MOVES}


def test_the_ranks_are_those_of_the_protocol() -> None:
    assert {(move.status, move.rank) for move in ALL.values()} == {
        ("PLACED", 10),
        ("RESERVED", 20),
        ("PAID", 30),
        ("CANCELLING", 40),
        ("SHIPPING_FAILED", 50),
        ("PAYMENT_FAILED", 60),
        ("VOIDED", 60),
        ("REFUNDED", 70),
        ("OUT_OF_STOCK", 90),
        ("PAYMENT_FAILED", 90),
        ("CANCELLED", 90),
        ("REFUNDED", 90),
        ("SHIPPED", 90),
    }
    assert all(move.closes == (move.rank == 90) for move in ALL.values())


def test_a_closed_order_outlives_all_rows_about_it() -> None:
    assert model.ORDER_TTL > ROW_TTL > REPLAY_HORIZON


def test_the_same_owner_and_key_make_the_same_order() -> None:
    one = model.order_id("anna", "key")
    assert one == model.order_id("anna", "key") == str(uuid.uuid5(model.ORDER_NAMESPACE, "anna\nkey"))
    assert len({one, model.order_id("bob", "key"), model.order_id("anna", "other")}) == 3


def test_a_shard_is_the_same_in_every_process() -> None:
    program = "from order_service.model import shard; print(*[shard(str(n)) for n in range(99)])"
    for seed in ("1", "2"):
        shown = subprocess.run(
            [sys.executable, "-c", program],
            env={"PYTHONHASHSEED": seed},
            capture_output=True,
            text=True,
            check=True,
        ).stdout.split()
        assert shown == [model.shard(str(number)) for number in range(99)]
    assert set(shown) == set(model.shards()) == set("01234567")


def test_late_orders_have_shards_of_their_own() -> None:
    assert {model.shard(str(number), late=True) for number in range(99)} == set(model.shards(late=True))
    assert not set(model.shards()) & set(model.shards(late=True))


@pytest.mark.parametrize(
    ("seconds", "rank", "todo"),
    [
        (59, 10, None),
        (60, 10, Sweep.RESEND),
        (899, 30, Sweep.RESEND),
        (900, 30, Sweep.CANCEL),
        (60, 40, Sweep.REMIND),
        (5000, 70, Sweep.REMIND),
    ],
)
def test_what_a_sweep_does(placed: Any, seconds: int, rank: int, todo: Sweep | None) -> None:
    assert model.sweep(placed(rank=rank), NOON + timedelta(seconds=seconds), LIMITS) is todo


def test_a_closed_order_is_left_alone(placed: Any) -> None:
    assert model.sweep(placed(closed=True), NOON + timedelta(days=1), LIMITS) is None


@pytest.mark.parametrize(
    ("age", "sweeps", "rank", "pause"),
    [
        (60, 0, 10, 60),
        (120, 1, 10, 120),
        (240, 2, 10, 240),
        (480, 3, 10, 420),  # the cancel limit comes first
        (480, 3, 40, 480),  # which is nothing to an order on its way back
        (900, 10, 40, 900),
        (900, 1000, 40, 900),
        (3000, 10, 40, 600),  # the moment at which it is open too long
        (3600, 10, 40, 900),
    ],
)
def test_sweeps_come_ever_later_but_past_no_limit(
    placed: Any, age: int, sweeps: int, rank: int, pause: int
) -> None:
    now = NOON + timedelta(seconds=age)
    assert model.next_sweep(placed(rank=rank, sweeps=sweeps), now, LIMITS) == now.timestamp() + pause


def test_a_sweep_never_comes_a_moment_before_its_limit(placed: Any) -> None:
    order = placed(placed_at=iso(NOON + timedelta(milliseconds=500)), sweeps=9)
    assert model.next_sweep(order, NOON + timedelta(seconds=600), LIMITS) == NOON.timestamp() + 901


def test_the_first_sweep_is_set_when_the_order_is_placed(placed: Any) -> None:
    assert placed().sweep_at == NOON.timestamp() + 60


def test_the_moment_of_turning_does_not_change_later(placed: Any) -> None:
    steps = tuple(
        Step(status, iso(NOON + timedelta(seconds=number)))
        for number, status in enumerate(
            [Status.PLACED, Status.RESERVED, Status.PAID, Status.SHIPPING_FAILED, Status.REFUNDED]
        )
    )
    for known in (steps[:4], steps):
        assert model.turned_at(placed(timeline=known)) == iso(NOON + timedelta(seconds=3))
    with pytest.raises(ValueError, match="has not turned back"):
        model.turned_at(placed(timeline=steps[:3]))


def test_any_order_of_facts_leads_to_the_same_end() -> None:
    """Every sequence of the facts of one life, folded with the rule of the rank."""
    lives = {
        "SHIPPED": [
            ("StockConfirmation", "reserved"),
            ("PaymentConfirmation", "charged"),
            ("ShipmentCreated", ""),
        ],
        "PAYMENT_FAILED": [
            ("StockConfirmation", "reserved"),
            ("PaymentConfirmation", "declined"),
            ("StockReleased", "declined"),
        ],
        "CANCELLED": [
            ("", "cancelling"),
            ("StockConfirmation", "reserved"),
            ("ShipmentFailed", ""),
            ("PaymentConfirmation", "cancelled"),
            ("StockReleased", "cancelled"),
        ],
        "REFUNDED": [
            ("StockConfirmation", "reserved"),
            ("PaymentConfirmation", "charged"),
            ("ShipmentFailed", ""),
            ("PaymentRefunded", ""),
            ("StockReleased", "refunded"),
        ],
    }
    for end, life in lives.items():
        for sequence in itertools.permutations(life):
            at = PLACED
            for name in sequence:
                at = max(at, ALL[name], key=lambda move: move.rank)
            assert (at.status, at.closes) == (end, True), sequence
