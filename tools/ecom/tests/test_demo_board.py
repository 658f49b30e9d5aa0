"""What a run knows of its orders, and the numbers made of it."""

from __future__ import annotations

from typing import Any

import pytest

from ecom_cli.demo.board import Board, percentile
from ecom_cli.demo.plan import Planned
from ecom_cli.demo.report import Report
from ecom_cli.shop.api import Line


def planned(number: int) -> Planned:
    return Planned(number, (Line("mug", 1),), 500, "USD", "plain", None, twice=False, cancel_after=None)


def row(order_id: str, *steps: tuple[str, int], closed: bool = False) -> dict[str, Any]:
    """An order's row; `steps` are (status, seconds after it was placed)."""
    return {
        "orderId": order_id,
        "status": steps[-1][0],
        "rank": 10 * len(steps),
        "placedAt": "2026-01-01T10:00:00+00:00",
        "updatedAt": f"2026-01-01T10:00:{steps[-1][1]:02d}+00:00",
        "timeline": [
            {"status": status, "at": f"2026-01-01T10:00:{second:02d}+00:00"} for status, second in steps
        ],
        **({"closed": True} if closed else {}),
    }


def board() -> Board:
    board = Board(2)
    board.placed(planned(1), "o-1")
    board.placed(planned(2), "o-2")
    return board


def test_an_order_is_open_until_its_row_says_closed() -> None:
    b = board()
    b.saw({"o-1": row("o-1", ("PLACED", 0), ("SHIPPED", 3), closed=True), "o-2": row("o-2", ("PLACED", 0))})
    assert b.open_ids() == ["o-2"]
    assert b.by_status() == {"SHIPPED": 1, "PLACED": 1}
    assert [track.seconds for track in b.tracks()] == [3.0, None]


def test_rows_of_other_runs_are_not_this_boards_orders() -> None:
    b = board()
    assert b.saw({"o-9": row("o-9", ("PLACED", 0))}) == 0
    assert b.by_status() == {"PLACED": 2}


def test_only_what_moved_counts_and_comes_last() -> None:
    b = board()
    rows = {"o-1": row("o-1", ("PLACED", 0))}
    assert b.saw(rows) == 1
    assert b.saw(rows) == 0
    assert [track.order_id for track in b.latest(1)] == ["o-1"]
    b.saw({"o-2": row("o-2", ("PLACED", 0))})
    assert [track.order_id for track in b.latest(5)] == ["o-1", "o-2"]


@pytest.mark.parametrize(
    ("share", "value"), [(0.5, 50), (0.95, 95), (0.99, 99), (1.0, 100), (0.001, 1), (0.505, 51)]
)
def test_a_percentile_is_the_nearest_rank(share: float, value: int) -> None:
    assert percentile([float(number) for number in range(100, 0, -1)], share) == value


def test_a_percentile_of_one_value_and_of_none() -> None:
    assert percentile([7.0], 0.95) == 7.0
    assert percentile([], 0.5) is None


def report(b: Board, **changes: Any) -> Report:
    values: dict[str, Any] = {
        "stage": "local",
        "seed": 7,
        "clients": 4,
        "asked": 2,
        "seconds": 4.0,
        "tracks": b.tracks(),
        "http": {202: 2},
        "answer_seconds": [0.01, 0.03],
        "wrong": [],
        "stock_before": {"mug": 5},
        "restocked": {"mug": 2},
        "stock_after": {"mug": 6},
        "notifications": {"shipping": 1},
        "promises": {"nothing lost": []},
    }
    return Report(**{**values, **changes})


def all_closed() -> Board:
    b = board()
    b.saw(
        {
            "o-1": row("o-1", ("PLACED", 0), ("SHIPPED", 1), closed=True),
            "o-2": row("o-2", ("PLACED", 0), ("SHIPPED", 3), closed=True),
        }
    )
    return b


def test_a_run_in_which_all_closed_and_all_held_is_good() -> None:
    found = report(all_closed())
    assert found.is_good
    assert found.as_json() == {
        "stage": "local",
        "seed": 7,
        "clients": 4,
        "orders": 2,
        "stuck": 0,
        "by_status": {"SHIPPED": 2},
        "refused": {},
        "invariants_broken": [],
        "latency_ms": {"p50": 1000.0, "p95": 3000.0, "max": 3000.0},
        "api_ms": {"p50": 10.0, "p95": 30.0, "max": 30.0},
        "http": {"202": 2},
        "stock": {
            "before": 5,
            "restocked": 2,
            "after": 6,
            "items": {"mug": {"before": 5, "restocked": 2, "after": 6}},
        },
        "notifications": {"shipping": 1},
        "stuck_orders": [],
        "seconds": 4.0,
    }


def test_a_stuck_order_a_broken_promise_or_an_order_not_taken_is_not_good() -> None:
    stuck = report(board())
    assert not stuck.is_good
    assert stuck.as_json()["stuck_orders"] == ["o-1", "o-2"]
    broken = report(all_closed(), promises={"nothing lost": ["mug: 3 lost"]})
    assert not broken.is_good
    assert broken.as_json()["invariants_broken"] == ["nothing lost: mug: 3 lost"]
    assert not report(all_closed(), asked=3).is_good
    assert not report(all_closed(), wrong=["two orders for one key"]).is_good
