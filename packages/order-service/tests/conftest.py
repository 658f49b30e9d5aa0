"""The order service on moto: a clock that stands until it is moved, a bus that remembers."""

from __future__ import annotations

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto import mock_aws

from ecom_testkit import lambda_environment, make_table, rows
from ecom_testkit.openapi import Description

PACKAGE = Path(__file__).parents[1]
DESCRIPTION = Description.read(PACKAGE / "openapi.yaml")
SECONDS = {"RESEND_AFTER_SECONDS": "60", "CANCEL_AFTER_SECONDS": "900", "OPEN_TOO_LONG_SECONDS": "3600"}
# telemetry and app read it when they are imported
os.environ.update(lambda_environment("orders.service", **SECONDS))

from ecom_common.facts import Fact, iso, new_fact  # noqa: E402
from ecom_common.rows import from_item  # noqa: E402
from ecom_common.sealing import Seal  # noqa: E402
from ecom_testkit.fakes import FakeKms, FakePublisher  # noqa: E402
from ecom_testkit.telemetry import captured_log, counted  # noqa: E402
from order_service import http, intake, model  # noqa: E402
from order_service.handlers import Api, Lifecycle  # noqa: E402
from order_service.model import Limits, Order  # noqa: E402
from order_service.store import Orders, order_of  # noqa: E402
from order_service.sweeper import Sweeper  # noqa: E402

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LIMITS = Limits(timedelta(seconds=60), timedelta(seconds=900), timedelta(seconds=3600))
SOURCES = {"Stock": "inventory.service", "Paym": "payment.service", "Ship": "shipping.service"}
GOOD = {"items": ["ITEM_ID-15", "ITEM_ID-02"], "amount": 1250.99}


@dataclass
class Answer:
    status: int
    headers: dict[str, str]
    text: str

    @property
    def json(self) -> Any:
        return json.loads(self.text)


class Shop:
    """What customers, other services and the schedule can do to the order service."""

    def __init__(self, dynamodb: Any, publisher: Any = None) -> None:
        self.now = NOON
        self.dynamodb = dynamodb
        self.publisher: Any = publisher or FakePublisher()
        self.orders = Orders(dynamodb, "table", sleep=lambda _: None)
        self.kms = FakeKms()
        seal = Seal(self.kms.client, "arn:aws:kms:eu-west-1:123456789012:key/1234", "test")
        self.api = Api(self.orders, self.publisher, seal, LIMITS, clock=lambda: self.now)
        self.lifecycle = Lifecycle(self.orders, clock=lambda: self.now)
        self.sweeper = Sweeper(self.orders, self.publisher, LIMITS, clock=lambda: self.now)

    def request(
        self,
        method: str,
        resource: str,
        *,
        owner: str | None = "anna",
        order_id: str | None = None,
        **more: Any,
    ) -> Answer:
        event = {
            "httpMethod": method,
            "resource": resource,
            "path": resource,
            "headers": None,
            "queryStringParameters": None,
            "pathParameters": {"orderId": order_id} if order_id is not None else None,
            "requestContext": {"path": f"/v1{resource}", "authorizer": {"claims": {"sub": owner}}},
            "body": None,
            "isBase64Encoded": False,
        } | more
        response = self.respond(event)
        return Answer(response["statusCode"], response["headers"], response["body"])

    def respond(self, event: dict[str, Any]) -> http.Response:
        """Answer a proxy event. Fails where the answer is not what openapi.yaml says of the operation."""
        response = http.respond(event, self.api.routes(), "test")
        operation = (event["httpMethod"], event["resource"])
        if operation in DESCRIPTION.operations:
            answer = (response["statusCode"], response["headers"], response["body"])
            flaws = DESCRIPTION.flaws(*operation, *answer, closed=True)
            assert flaws == [], f"{' '.join(operation)} is not answered as openapi.yaml says"
        return response

    def post(self, body: Any = GOOD, *, key: str | None = None, owner: str = "anna", **more: Any) -> Answer:
        text = body if isinstance(body, str) else json.dumps(body)
        headers = {"Content-Type": "application/json"} | ({"Idempotency-Key": key} if key is not None else {})
        return self.request("POST", "/orders", owner=owner, **({"body": text, "headers": headers} | more))

    def get(self, order_id: str, **more: Any) -> Answer:
        return self.request("GET", "/orders/{orderId}", order_id=order_id, **more)

    def cancel(self, order_id: str, **more: Any) -> Answer:
        return self.request("POST", "/orders/{orderId}/cancel", order_id=order_id, **more)

    def page(self, *, owner: str = "anna", **query: str) -> Answer:
        return self.request("GET", "/orders", owner=owner, queryStringParameters=query or None)

    def place(self, **more: Any) -> str:
        """An order is placed; returns its id."""
        answer = self.post(**more)
        assert answer.status == 202, answer.text
        return str(answer.json["orderId"])

    def tell(self, order_id: str, detail_type: str, **data: Any) -> None:
        self.lifecycle.follow(fact_about(order_id, detail_type, **data))

    def later(self, seconds: float) -> Shop:
        self.now += timedelta(seconds=seconds)
        return self

    def sweep(self, ms: int = 30_000) -> dict[str, int]:
        return self.sweeper.run(lambda: ms)

    def row(self, order_id: str) -> dict[str, Any]:
        answer = self.dynamodb.get_item(TableName="table", Key={"orderId": {"S": order_id}})
        return from_item(answer["Item"])

    def order(self, order_id: str) -> Order:
        return order_of(self.row(order_id))

    def published(self, since: int = 0) -> list[str]:
        return [fact.detail_type for fact in self.publisher.published[since:]]


def fact_about(
    order_id: str, detail_type: str, *, at: datetime = NOON, placed: datetime = NOON, **data: Any
) -> Fact:
    source = next(source for start, source in SOURCES.items() if detail_type.startswith(start))
    body = {"orderId": order_id, "placedAt": iso(placed), **data}
    return new_fact(source, detail_type, body, outcome=str(data), occurred_at=iso(at))


@pytest.fixture(scope="session")
def _table() -> Iterator[Any]:
    # Made once: reading the template takes longer than a test.
    with mock_aws():
        client = boto3.client("dynamodb")
        make_table(client, PACKAGE / "order-stack.yaml", "OrdersTable")
        yield client


@pytest.fixture
def dynamodb(_table: Any) -> Any:
    """OrdersTable, empty."""
    for row in rows(_table):
        _table.delete_item(TableName="table", Key={"orderId": {"S": row["orderId"]}})
    return _table


@pytest.fixture
def shop(dynamodb: Any) -> Shop:
    return Shop(dynamodb)


@pytest.fixture
def new_shop(dynamodb: Any) -> Any:
    """Makes a shop of its own over another client: one that crashes, or a bus that fails."""
    return lambda client=None, publisher=None: Shop(client or dynamodb, publisher)


@pytest.fixture(autouse=True)
def log() -> Iterator[Any]:
    counted()
    with captured_log() as lines:
        yield lines


@pytest.fixture
def placed() -> Any:
    """Makes an order as intake makes it, in any state, without a table."""

    def make(**changes: Any) -> Order:
        from dataclasses import replace

        order_id = changes.pop("order_id", "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9")
        wish = intake.read(json.dumps(GOOD).encode())
        return replace(model.place(wish, order_id, "anna", NOON, LIMITS), **changes)

    return make


@pytest.fixture
def about() -> Any:
    return fact_about
