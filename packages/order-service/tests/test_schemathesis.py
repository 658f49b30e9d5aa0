"""Requests that schemathesis makes up from openapi.yaml, good ones and bad ones, to the function on moto.

No answer is a 5xx or other than described; what is valid is taken, and what is not is refused.
ECOM_API_CASES says how many are made up for each operation, and then they are others each time (README.md).
"""

from __future__ import annotations

import copy
import itertools
import json
import os
from decimal import ROUND_UP, Decimal
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from ecom_testkit.gateway import Gateway
from ecom_testkit.openapi import Description, misfits
from order_service import intake, model

CASES = int(os.environ.get("ECOM_API_CASES", "0"))
CONFIG = SchemathesisConfig.from_dict(
    {
        **({} if CASES else {"seed": 1}),
        "generation": {"max-examples": CASES or 100, "deterministic": not CASES, "database": "none"},
        "checks": {
            "positive_data_acceptance": {"expected-statuses": ["2xx", 404, 409]},
            "negative_data_rejection": {"expected-statuses": [400, 404, 405, 413, 415]},
        },
    }
)
MONEY = {currency: Decimal(1).scaleb(-digits) for currency, digits in model.MINOR_DIGITS.items()}


def exercised() -> Description:
    """Without what is API Gateway's and not the function's, who may call and at which address.

    Without the patterns of a customer's texts too: to make up a thousand characters by one takes minutes.
    Other tests hold them against the code, text by text (test_openapi.py).
    """
    document: Any = copy.deepcopy(Description.read(Path(__file__).parents[1] / "openapi.yaml").document)
    del document["servers"], document["security"], document["components"]["securitySchemes"]
    for text in document["components"]["schemas"]["Customer"]["properties"].values():
        del text["pattern"]
    return Description(document)


API = exercised()
ORDER, TOKEN, ORDER_ID = (API.schema(name) for name in ("OrderRequest", "PageToken", "OrderId"))


class Stage:
    """Where the function is: the shop of the running test, with orders and a next page of its own."""

    shop: Any = None
    token = ""
    orders: tuple[str, ...] = ()
    callers = itertools.count()

    @classmethod
    def answer(cls, event: dict[str, Any]) -> dict[str, Any]:
        return dict(cls.shop.respond(event))


GATEWAY = Gateway((path for _, path in API.operations), Stage.answer, caller="anna")
SCHEMA = schemathesis.openapi.from_dict(API.document, config=CONFIG)
SCHEMA.app = GATEWAY


@pytest.fixture
def stage(shop: Any) -> type[Stage]:
    with_customer = shop.place(body={"items": ["a"], "amount": 1, "customer": {"name": "Anna"}})
    closed = shop.later(1).place()
    shop.tell(closed, "StockConfirmation", stockConfirmed=False, reason="out_of_stock")
    Stage.shop, Stage.orders = shop, (with_customer, closed)
    Stage.token = shop.page(limit="1").json["next"]
    return Stage


@SCHEMA.parametrize()
@settings(suppress_health_check=list(HealthCheck), deadline=None)
def test_every_answer_is_as_described(case: Any, stage: type[Stage]) -> None:
    put_right(case, stage)
    case.call_and_validate()


def put_right(case: Any, stage: type[Stage]) -> None:
    """What no schema can say of a good request: it is about orders that are there, and its money fits."""
    placing = case.operation.definition.raw["operationId"] == "placeOrder"
    # A key that was made up twice would be used for two orders.
    GATEWAY.caller = f"caller-{next(stage.callers)}" if placing else "anna"
    if placing and not misfits(ORDER, case.body):
        case.body = mended(case.body)
    if "next" in (case.query or {}) and not misfits(TOKEN, case.query["next"]):
        case.query["next"] = stage.token
    order_id = (case.path_parameters or {}).get("orderId")
    if order_id is not None and not misfits(ORDER_ID, order_id):
        choice = int(order_id[0], 16) % 3
        case.path_parameters["orderId"] = (*stage.orders, order_id)[choice]


def mended(body: Any) -> Any:
    """An order that its schema allows, so that the code does: money, sums of items, a customer's texts."""
    order = json.loads(json.dumps(body))
    unit = MONEY[order.get("currency", intake.DEFAULT_CURRENCY)]
    amount = Decimal(str(order["amount"])).quantize(unit, ROUND_UP)
    order["amount"] = float(min(amount, model.MAX_AMOUNT * unit))
    left: dict[str, int] = {}
    for line in list(order["items"]):
        item_id, quantity = (line, 1) if isinstance(line, str) else (line["itemId"], line["quantity"])
        left[item_id] = left.get(item_id, model.MAX_QUANTITY) - quantity
        if left[item_id] < 0:
            order["items"].remove(line)
    customer = order.get("customer", {})
    for field, text in customer.items():
        printable = intake.UNPRINTABLE.sub("", text).strip() or "x"
        customer[field] = "anna@example.org" if field == "email" else printable
    if sum(len(text.encode()) for text in customer.values()) > intake.MAX_CUSTOMER:
        customer["address"] = customer["address"][:250].strip() or "x"
    return order
