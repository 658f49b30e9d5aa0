"""A shop on moto: a catalogue, a clock that stands still, and the facts other services would send."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from moto import mock_aws

from ecom_testkit import CrashingClient, lambda_environment, make_table, rows

os.environ.update(lambda_environment("inventory.service"))

# Below the environment, which telemetry reads when it is imported.
from ecom_common.facts import Fact, iso, new_fact
from ecom_common.rows import from_item
from ecom_common.worker import Result
from ecom_testkit.telemetry import counted
from inventory_service.handlers import Inventory
from inventory_service.store import Stock

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

PACKAGE = Path(__file__).parents[1]
NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
PRICE = {"mug": 1250, "lamp": 5199, "pen": 3400}


class Meanwhile(CrashingClient):
    """A client that lets something happen just before its n-th call of one method."""

    def __init__(self, client: Any, method: str, happens: Callable[[], object], nth: int = 1) -> None:
        super().__init__(client)
        self._method = method
        self._happens = happens
        self._nth = nth

    def __getattr__(self, name: str) -> Any:
        attribute = super().__getattr__(name)
        if name == self._method:
            self._nth -= 1
            if self._nth == 0:
                self._happens()
        return attribute


@dataclass
class Shop:
    """InventoryTable, and what happens to it."""

    dynamodb: Any
    now: datetime = NOON + timedelta(seconds=5)
    received: Counter[str] = field(default_factory=Counter)

    def stocks(self, currency: str = "USD", **quantities: int) -> None:
        """Put items on the shelf, at the prices of PRICE."""
        puts: list[Any] = []
        for item_id, quantity in quantities.items():
            item: dict[str, Any] = {
                "pk": {"S": f"ITEM#{item_id}"},
                "itemId": {"S": item_id},
                "name": {"S": item_id.title()},
                "price": {"N": str(PRICE.get(item_id, 100))},
                "currency": {"S": currency},
                "quantity": {"N": str(quantity)},
                "received": {"N": str(quantity)},
            }
            puts.append({"PutRequest": {"Item": item}})
            self.received[item_id] = quantity
        for start in range(0, len(puts), 25):
            self.dynamodb.batch_write_item(RequestItems={"table": puts[start : start + 25]})

    def set_price(self, item_id: str, price: int) -> None:
        self.dynamodb.update_item(
            TableName="table",
            Key={"pk": {"S": f"ITEM#{item_id}"}},
            UpdateExpression="SET price = :price",
            ExpressionAttributeValues={":price": {"N": str(price)}},
        )

    def inventory(self, dynamodb: Any = None) -> Inventory:
        """A sandbox of the function, with a client of its own where one is given."""
        return Inventory(
            Stock(dynamodb or self.dynamodb, "table", sleep=lambda _: None), clock=lambda: self.now
        )

    def results(self, *facts: Fact, dynamodb: Any = None) -> list[Result]:
        return self.inventory(dynamodb).reserve(facts)

    def reserve(self, *facts: Fact, dynamodb: Any = None) -> list[bool | str]:
        """What the other services are told of each: True, or the reason why not; or that it has ended."""
        return [_told(result) for result in self.results(*facts, dynamodb=dynamodb)]

    def release(self, fact: Fact, dynamodb: Any = None) -> Fact:
        [answer] = self.inventory(dynamodb).release(fact)
        return answer

    def on_hand(self, item_id: str) -> int:
        row = self._get(f"ITEM#{item_id}")
        assert row, f"there is no {item_id}"
        return int(row["quantity"])

    def row(self, order: Fact | str) -> dict[str, Any] | None:
        key = f"ORDER#{order if isinstance(order, str) else order.order_id}"
        return self._get(key)

    def _get(self, key: str) -> dict[str, Any] | None:
        item = self.dynamodb.get_item(TableName="table", Key={"pk": {"S": key}}).get("Item")
        return from_item(item) if item else None

    def state(self, order: Fact | str) -> str:
        row = self.row(order)
        return row["state"] if row else "∅"

    def conserved(self) -> bool:
        """What came in is on hand or reserved, and nothing is below zero."""
        held: Counter[str] = Counter()
        on_hand: Counter[str] = Counter()
        for row in rows(self.dynamodb):
            if row["pk"].startswith("ITEM#"):
                on_hand[row["itemId"]] = row["quantity"]
            elif row["state"] == "RESERVED":
                held.update({line["itemId"]: line["quantity"] for line in row["lines"]})
        return on_hand + held == self.received and min(on_hand.values(), default=0) >= 0

    def meanwhile(self, method: str, happens: Callable[[], object], nth: int = 1) -> Any:
        """A client that lets something happen just before its n-th call of one method."""
        return Meanwhile(self.dynamodb, method, happens, nth)

    def placed(
        self,
        order_id: str,
        amount: int | None = None,
        *,
        at: datetime = NOON,
        currency: str = "USD",
        **lines: int,
    ) -> Fact:
        """OrderPlaced for these lines. Without an amount the customer agreed to the sum of PRICE."""
        total = sum(PRICE.get(item_id, 100) * quantity for item_id, quantity in lines.items())
        data = {
            "orderId": order_id,
            "placedAt": iso(at),
            "items": [{"itemId": item_id, "quantity": quantity} for item_id, quantity in lines.items()],
            "amount": total if amount is None else amount,
            "currency": currency,
        }
        return new_fact("orders.service", "OrderPlaced", data, occurred_at=iso(at))

    def payment_ended(self, order_id: str, outcome: str = "declined", *, at: datetime = NOON) -> Fact:
        """What payment says when there is no charge, or none any more: declined, cancelled or refunded."""
        data: dict[str, Any] = {"orderId": order_id, "placedAt": iso(at)}
        kind = "PaymentRefunded" if outcome == "refunded" else "PaymentConfirmation"
        data |= (
            {"refundId": "r-1"}
            if outcome == "refunded"
            else {"paymentConfirmed": outcome == "charged", "outcome": outcome}
        )
        return new_fact("payment.service", kind, data, outcome=outcome, occurred_at=iso(at))


def _told(result: Result) -> bool | str:
    assert not isinstance(result, Exception), result
    [fact] = result
    if fact.detail_type == "StockReleased":
        return f"released: {fact.data['outcome']}"
    stock_confirmed: bool = fact.data["stockConfirmed"]
    reason: str = fact.data.get("reason", "")
    return stock_confirmed or reason


@pytest.fixture(scope="session")
def dynamodb() -> Iterator[DynamoDBClient]:
    """One for all tests: making a client takes longer than most of them."""
    with mock_aws():
        yield boto3.client("dynamodb")


@pytest.fixture
def shop(dynamodb: DynamoDBClient) -> Iterator[Shop]:
    counted()
    make_table(dynamodb, PACKAGE / "inventory-stack.yaml", "InventoryTable")
    yield Shop(dynamodb)
    dynamodb.delete_table(TableName="table")
