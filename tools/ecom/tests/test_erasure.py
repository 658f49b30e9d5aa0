"""Erasing whom an order was for: once, for good, and nothing else of the order."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from moto import mock_aws
from typer.testing import CliRunner

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError
from ecom_cli.shop import orders
from ecom_cli.shop.erasure import erase
from ecom_cli.shop.tables import plain, typed

ORDER = {"orderId": "order-1", "status": "PAID", "rank": 30, "sealedCustomer": b"sealed", "amount": 5199}


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        boto3.client("dynamodb", region_name="eu-west-1").create_table(
            TableName="orders",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "orderId", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "orderId", "KeyType": "HASH"}],
        )
        found = Stage("dev", "eu-west-1")
        found._known["ecom-dev-order-service", "OrdersTable"] = "orders"
        monkeypatch.setattr(orders, "resolve_stage", lambda *_: found)
        yield found


def put(stage: Stage, row: dict[str, Any]) -> None:
    stage.client("dynamodb").put_item(TableName="orders", Item=typed(row))


def get(stage: Stage, order_id: str = "order-1") -> dict[str, Any]:
    found = stage.client("dynamodb").get_item(TableName="orders", Key=typed({"orderId": order_id}))
    return plain(found["Item"]) if "Item" in found else {}


def test_the_order_stays_without_its_customer(stage: Stage) -> None:
    put(stage, ORDER)
    done = erase(stage, "order-1")
    row = get(stage)
    assert done.now
    assert row.pop("customerErasedAt") == done.at
    assert row == {name: value for name, value in ORDER.items() if name != "sealedCustomer"}


def test_erasing_twice_changes_nothing(stage: Stage) -> None:
    put(stage, ORDER)
    first = erase(stage, "order-1")
    row = get(stage)
    again = erase(stage, "order-1")
    assert (again.now, again.at) == (False, first.at)
    assert get(stage) == row


def test_an_order_for_nobody_gets_no_mark(stage: Stage) -> None:
    """The mark says that something was there."""
    row = {name: value for name, value in ORDER.items() if name != "sealedCustomer"}
    put(stage, row)
    done = erase(stage, "order-1")
    assert (done.now, done.at) == (False, None)
    assert get(stage) == row


def test_an_unknown_order_is_not_made(stage: Stage) -> None:
    with pytest.raises(EcomError, match="no order order-9"):
        erase(stage, "order-9")
    assert get(stage, "order-9") == {}


def test_nothing_is_erased_unasked(stage: Stage) -> None:
    put(stage, ORDER)
    result = CliRunner().invoke(orders.app, ["erase", "order-1"])
    assert isinstance(result.exception, EcomError)
    assert "--yes" in result.exception.hint
    assert get(stage) == {**ORDER, "sealedCustomer": get(stage)["sealedCustomer"]}


def test_what_the_command_says(stage: Stage) -> None:
    put(stage, ORDER)
    said = [CliRunner().invoke(orders.app, ["erase", "order-1", "--yes"]) for _ in range(2)]
    assert [result.exit_code for result in said] == [0, 0]
    assert "Erased: order order-1 stays" in said[0].output
    assert "erased already" in said[1].output
    result = CliRunner().invoke(orders.app, ["erase", "order-1", "--yes", "--json"])
    assert json.loads(result.output) == {
        "orderId": "order-1",
        "customerErasedAt": get(stage)["customerErasedAt"],
        "erasedNow": False,
    }
