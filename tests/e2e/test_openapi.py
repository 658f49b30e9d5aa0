"""Requests that schemathesis makes up from openapi.yaml, to the running system.

No answer is a 5xx or other than described, whatever lies between a client and the function. That what is
valid is taken has its test where nothing lies between (test_schemathesis.py of order-service).
ECOM_API_CASES says how many are made up for each operation, and then they are others each time.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, settings
from schemathesis.config import SchemathesisConfig

from e2e.description import API, check
from e2e.shop import Shop
from e2e.system import DEAD_LETTER_QUEUES, System
from ecom_testkit.openapi import Description, misfits
from order_service.http import Kind, Problem

CASES = int(os.environ.get("ECOM_API_CASES", "0"))
CONFIG = SchemathesisConfig.from_dict(
    {
        **({} if CASES else {"seed": 1}),
        "generation": {"max-examples": CASES or 20, "deterministic": not CASES, "database": "none"},
        "checks": {
            "positive_data_acceptance": {"enabled": False},
            "negative_data_rejection": {"expected-statuses": [400, 404, 405, 413, 415]},
            # API Gateway answers for an address and method that it does not have as if nobody had signed in.
            "unsupported_method": {"enabled": False},
        },
    }
)


def exercised() -> Description:
    """For the stage `local`, which asks nobody who they are.

    Without the patterns of a customer's texts: to make up a thousand characters by one takes minutes.
    """
    document = copy.deepcopy(API.document)
    del document["servers"], document["security"], document["components"]["securitySchemes"]
    schemas = document["components"]["schemas"]
    for text in schemas["Customer"]["properties"].values():
        del text["pattern"]
    # Whole numbers fit any currency, so that most of the orders that are made up are taken.
    schemas["OrderRequest"]["properties"]["amount"] = {"type": "integer", "minimum": 1, "maximum": 10**10}
    return Description(document)


ASKED = exercised()
ORDER, TOKEN, ORDER_ID = (ASKED.schema(name) for name in ("OrderRequest", "PageToken", "OrderId"))
SCHEMA = schemathesis.openapi.from_dict(ASKED.document, config=CONFIG)


@dataclass(frozen=True)
class Known:
    """What requests may be about: the API's address, orders and a page that are there."""

    address: str
    orders: tuple[str, ...]
    token: str


@pytest.fixture(scope="module")
def known(system: System) -> Iterator[Known]:
    """Afterwards what was ordered comes to its end: other tests find the system at rest."""
    shop = Shop(system)
    orders = tuple(shop.place(nothing=1, amount="1.00").order_id for _ in range(2))
    yield Known(system.stage.api_url.removesuffix("/orders"), orders, shop.page(limit=1)["next"])
    system.wait_quiet(within=120)
    assert [message for queue in DEAD_LETTER_QUEUES for message in shop.dlq(queue)] == []
    shop.close()


@SCHEMA.parametrize()
@settings(suppress_health_check=list(HealthCheck), deadline=None)
def test_every_answer_is_as_described(case: Any, known: Known) -> None:
    put_right(case, known)
    answer = case.call_and_validate(base_url=known.address)

    operation = (answer.request.method, case.path)
    if operation in API.operations:
        assert API.flaws(*operation, answer.status_code, dict_of(answer), answer.text) == []


def put_right(case: Any, known: Known) -> None:
    """What no schema can say of a good request: it is about orders and pages that are there."""
    if isinstance(case.body, dict) and "customer" in case.body and not misfits(ORDER, case.body):
        case.body = {**case.body, "customer": {"name": "Anna"}}
    if "next" in (case.query or {}) and not misfits(TOKEN, case.query["next"]):
        case.query["next"] = known.token
    order_id = (case.path_parameters or {}).get("orderId")
    if order_id is not None and not misfits(ORDER_ID, order_id):
        case.path_parameters["orderId"] = (*known.orders, order_id)[int(order_id[0], 16) % 3]


def dict_of(answer: Any) -> dict[str, str]:
    """The headers. Schemathesis keeps all values of each."""
    return {name: value if isinstance(value, str) else value[0] for name, value in answer.headers.items()}


@pytest.mark.parametrize(
    ("status", "kind", "passes"),
    [
        (404, "application/problem+json", True),
        (404, "application/json", False),
        (418, "application/problem+json", False),
        (500, "text/plain", True),
        (500, "application/problem+json", False),
    ],
)
def test_the_other_tests_would_notice(status: int, kind: str, passes: bool) -> None:
    """An emulator's own words for a function that died are left to the emulator."""
    body = json.loads(Problem(Kind.NOT_FOUND, "There is no such order.").response()["body"])
    request = httpx.Request("GET", "http://127.0.0.1/restapis/a/local/_user_request_/orders/x")
    answer = httpx.Response(status, headers={"Content-Type": kind}, json=body, request=request)
    with nullcontext() if passes else pytest.raises(AssertionError, match=r"not answered as openapi\.yaml"):
        check(answer)
