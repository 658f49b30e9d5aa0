"""The environment of a function, a fact to change at will, and what was logged and counted."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import pytest

from ecom_testkit import lambda_environment

os.environ.update(lambda_environment("test.service"))

# Below the environment, which telemetry reads when it is imported.
from ecom_common.facts import Fact, new_fact
from ecom_testkit.telemetry import Log, captured_log, counted

PLACED_AT = "2026-01-31T12:00:00.000Z"

MakeFact = Callable[..., Fact]


@pytest.fixture
def make_fact() -> MakeFact:
    """``make_fact("OrderPlaced", order_id="1", placed_at=…, amount=5)``: a fact as a producer makes it."""

    def make(
        detail_type: str = "OrderPlaced",
        order_id: str = "order-1",
        placed_at: str = PLACED_AT,
        **data: object,
    ) -> Fact:
        return new_fact(
            "orders.service",
            detail_type,
            {"orderId": order_id, "placedAt": placed_at} | data,
            occurred_at=PLACED_AT,
        )

    return make


@pytest.fixture
def log() -> Iterator[Log]:
    with captured_log() as captured:
        yield captured


@pytest.fixture(autouse=True)
def _nothing_counted_yet() -> None:
    counted()
