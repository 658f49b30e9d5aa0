"""openapi.yaml is the source of the API: what it says is what the code does, and the other way round.

That each answer of the other tests is one that it describes is checked where they ask for it (see Shop).
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ConnectTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from openapi_spec_validator import OpenAPIV30SpecValidator

from ecom_testkit.openapi import Description, misfits
from order_service import handlers, http, intake, model
from order_service.http import Kind
from order_service.intake import InvalidOrderError
from order_service.store import NOTES, Position

API = Description.read(Path(__file__).parents[1] / "openapi.yaml")
REQUEST = API.schema("OrderRequest")
UNKNOWN = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9"
FEDERATED = "arn:aws:sts::123456789012:federated-user/anna"
GOOD = {"items": ["ITEM_ID-15"], "amount": 1199}


def kind_of(schema: Any) -> str:
    """The Kind whose problem a schema describes."""
    (uri,) = schema["properties"]["type"]["enum"]
    return str(uri).removeprefix("https://ecom.example/problems/")


def name_of(kind: Kind) -> str:
    return kind.name.lower().replace("_", "-")


def described() -> Iterator[tuple[str, str]]:
    """Every answer there is, as operation and the problem's type, or the status where all is well."""
    for (method, path), operation in API.operations.items():
        for status in operation["responses"]:
            for media, schema in API.bodies(method, path, int(status)).items():
                assert media == ("application/json" if int(status) < 400 else "application/problem+json")
                for each in schema.get("anyOf", [schema]):
                    yield operation["operationId"], status if int(status) < 400 else kind_of(each)


# ----- it is what it says it is


def test_it_is_openapi() -> None:
    assert [error.message for error in OpenAPIV30SpecValidator(API.document).iter_errors()] == []


def test_every_name_in_it_is_used() -> None:
    text = json.dumps(API.document)
    parts = API.document["components"]
    unused = [
        f"{kind}/{name}"
        for kind in parts.keys() - {"securitySchemes"}
        for name in parts[kind]
        if f'"#/components/{kind}/{name}"' not in text
    ]
    assert unused == []
    assert [next(iter(each)) for each in API.document["security"]] == list(parts["securitySchemes"])


def examples() -> Iterator[Any]:
    shared = API.document["components"]["examples"]
    for (method, path), operation in API.operations.items():
        for status in operation["responses"]:
            response = API.response(method, path, int(status))
            for media in response["content"].values():
                for name, example in media.get("examples", {}).items():
                    found = shared[example["$ref"].rpartition("/")[2]] if "$ref" in example else example
                    case = (method, path, int(status), response["headers"], found["value"])
                    yield pytest.param(*case, id=f"{operation['operationId']} {status} {name}")


@pytest.mark.parametrize(("method", "path", "status", "headers", "value"), list(examples()))
def test_its_examples_are_such_answers(method: str, path: str, status: int, headers: Any, value: Any) -> None:
    media = "application/json" if status < 400 else "application/problem+json"
    sent = {"Content-Type": media, "Cache-Control": "no-store"}
    if "Location" in headers:
        sent["Location"] = f"./orders/{value['orderId']}"
    assert API.flaws(method, path, status, sent, json.dumps(value)) == []


# ----- what is asked


def test_its_operations_are_the_routes(shop: Any) -> None:
    assert set(API.operations) == set(shop.api.routes())


def test_the_list_takes_these_parameters() -> None:
    limit, token = API.operations["GET", "/orders"]["parameters"]
    assert (limit["name"], token["name"]) == handlers.PAGE_PARAMETERS
    assert limit["schema"] == {
        "type": "integer",
        "minimum": 1,
        "maximum": handlers.LARGEST_PAGE,
        "default": handlers.DEFAULT_PAGE,
    }


def test_its_limits_are_those_of_the_code() -> None:
    fields = REQUEST["properties"]
    assert tuple(fields) == intake._ORDER_FIELDS
    assert (fields["items"]["minItems"], fields["items"]["maxItems"]) == (1, model.MAX_LINES)
    item_id, line = fields["items"]["items"]["oneOf"]
    assert item_id["pattern"] == f"^{intake.ITEM_ID.pattern}$"
    assert tuple(line["properties"]) == intake._LINE_FIELDS
    quantity = line["properties"]["quantity"]
    assert quantity == {"type": "integer", "minimum": 1, "maximum": model.MAX_QUANTITY}
    assert tuple(fields["currency"]["enum"]) == tuple(model.MINOR_DIGITS)
    schemas = API.document["components"]["schemas"]
    assert schemas["OrderRequest"]["properties"]["currency"]["default"] == intake.DEFAULT_CURRENCY
    customer = fields["customer"]["properties"]
    assert {name: text["maxLength"] for name, text in customer.items()} == intake._CUSTOMER_FIELDS


def test_its_limits_of_money_are_those_of_the_code() -> None:
    amount = API.schema("Amount")
    digits = model.MINOR_DIGITS.values()
    assert Decimal(str(amount["minimum"])) == Decimal(1).scaleb(-max(digits))
    assert Decimal(amount["maximum"]) == Decimal(model.MAX_AMOUNT).scaleb(-min(digits))
    words = API.document["components"]["schemas"]["Amount"]["description"]
    assert str(model.major_units(model.MAX_AMOUNT, "USD")) in words
    for currency in (currency for currency, decimals in model.MINOR_DIGITS.items() if decimals != 2):
        assert currency in words


def test_its_limits_in_words_are_those_of_the_code() -> None:
    words = API.operations["POST", "/orders"]["description"]
    assert f"{intake.MAX_BODY // 1024} KB" in words
    assert intake.MAX_BODY % 1024 == 0
    schemas = API.document["components"]["schemas"]
    assert f"{intake.MAX_CUSTOMER} bytes" in schemas["Customer"]["description"]
    assert f"up to {intake.MAX_FLAWS} things" in json.dumps(schemas["InvalidOrder"])
    assert f"stay at {model.MAX_QUANTITY}" in schemas["OrderRequest"]["properties"]["items"]["description"]


def test_ids_and_keys_are_those_of_the_code() -> None:
    assert API.schema("OrderId")["pattern"] == f"^{http.ORDER_ID.pattern}$"
    key = API.document["components"]["parameters"]["IdempotencyKey"]["schema"]
    assert key["pattern"] == f"^{intake.IDEMPOTENCY_KEY.pattern}$"
    assert API.schema("PageToken")["maxLength"] == len(
        handlers._token("anna", Position("2026-01-31T12:00:00.000Z", UNKNOWN))
    )


_text = st.text(st.characters(exclude_categories=["Cs"]) | st.just("\ufffd"), max_size=12)


@given(st.sampled_from(sorted(intake._CUSTOMER_FIELDS)), _text | st.builds("{}@{}".format, _text, _text))
def test_the_same_texts_name_a_customer_to_it_and_to_the_code(field: str, value: str) -> None:
    flaw = intake._flaw_of_text(value, intake._CUSTOMER_FIELDS[field], email=field == "email")
    assert bool(flaw) == bool(misfits(REQUEST["properties"]["customer"]["properties"][field], value))


_number = st.integers(-1, 1001) | st.decimals(-1, 1001, places=3).map(float)
_id = st.sampled_from(["a", "A-1", "a" * 64, "", "-", "a" * 65, "ä", "a\n"])
_line = _id | st.fixed_dictionaries({"itemId": _id, "quantity": _number}, optional={"x": st.none()}) | _number
_almost = st.fixed_dictionaries(
    {"items": st.lists(_line, max_size=3) | st.just(["a"] * 51), "amount": _number | st.none()},
    optional={
        "currency": st.sampled_from(["USD", "JPY", "usd", None]),
        "customer": st.dictionaries(st.sampled_from(["name", "email", "mail"]), _text, max_size=2)
        | st.none(),
        "note": st.none(),
    },
)


@given(_almost)
def test_what_the_code_takes_it_takes_too(document: Any) -> None:
    """Or API Gateway, which has its schema as a request model, would stop good orders."""
    try:
        intake.read(json.dumps(document).encode())
    except InvalidOrderError:
        return
    assert misfits(REQUEST, document) == []


def wishes(name: str) -> list[Any]:
    media = API.operations["POST", "/orders"]["requestBody"]["content"]["application/json"]
    return [pytest.param(example, id=title) for title, example in media[name].items()]


@pytest.mark.parametrize("example", wishes("examples"))
def test_its_examples_of_orders_are_taken(shop: Any, example: Any) -> None:
    assert misfits(REQUEST, example["value"]) == []
    assert shop.post(example["value"]).status == 202


@pytest.mark.parametrize("example", wishes("x-refused"))
def test_its_examples_of_what_is_no_order_are_refused(shop: Any, example: Any) -> None:
    answer = shop.post(example["value"])
    assert (answer.status, kind_name(answer)) == (400, "invalid-order")
    assert sorted(error["pointer"] for error in answer.json["errors"]) == sorted(example["pointers"])


# ----- what is answered


def test_an_order_is_described_with_all_that_may_be_known_of_it() -> None:
    order = API.schema("Order")
    assert order["properties"]["status"]["enum"] == [status.value for status in model.Status]
    assert set(NOTES) <= order["properties"].keys()
    assert set(NOTES).isdisjoint(order["required"])


def test_every_problem_has_its_schema() -> None:
    """405 is for a method that the template has and the code does not, which the tests of the templates rule
    out."""
    schemas = API.document["components"]["schemas"]
    base = {"$ref": "#/components/schemas/Problem"}
    problems = [API.schema(name) for name, schema in schemas.items() if base in schema.get("allOf", [])]
    words = {
        kind_of(each): tuple(each["properties"][name]["enum"] for name in ("status", "title"))
        for each in problems
    }
    assert words == {
        name_of(kind): ([kind.value[0]], [kind.value[1]])
        for kind in Kind
        if kind is not Kind.METHOD_NOT_ALLOWED
    }


def kind_name(answer: Any) -> str:
    return str(answer.json["type"].rpartition("/")[2])


def asked(shop: Any, **more: Any) -> dict[str, Any]:
    """The four requests, each about an order that is there."""
    order_id = shop.place(body=GOOD, key="asked") if "requestContext" not in more else UNKNOWN
    return {
        "placeOrder": shop.post(GOOD, **more),
        "listOrders": shop.request("GET", "/orders", **more),
        "getOrder": shop.get(order_id, **more),
        "cancelOrder": shop.cancel(order_id, **more),
    }


class Broken:
    """An AWS client whose every call ends so."""

    def __init__(self, error: Exception) -> None:
        self._error = error

    def __getattr__(self, name: str) -> Any:
        def call(**_: Any) -> Any:
            raise self._error

        return call


def in_trouble(new_shop: Any, error: Exception) -> dict[str, Any]:
    shop = new_shop(Broken(error))
    return {
        "placeOrder": shop.post(GOOD),
        "listOrders": shop.page(),
        "getOrder": shop.get(UNKNOWN),
        "cancelOrder": shop.cancel(UNKNOWN),
    }


def refused(shop: Any) -> Iterator[tuple[str, Any]]:
    """One request for each problem of one operation alone."""
    yield "placeOrder", shop.post("{}")
    yield "placeOrder", shop.post(GOOD, key="")
    yield "placeOrder", shop.post(" " * (intake.MAX_BODY + 1))
    yield "placeOrder", shop.post(GOOD, headers={"Content-Type": "text/plain"})
    shop.place(body=GOOD, key="k")
    yield "placeOrder", shop.post({**GOOD, "amount": 1}, key="k")
    yield "listOrders", shop.page(limit="0")
    yield "getOrder", shop.get(UNKNOWN)
    yield "cancelOrder", shop.cancel(UNKNOWN)
    order_id = shop.place(body=GOOD)
    shop.tell(order_id, "StockConfirmation", stockConfirmed=False, reason="out_of_stock")
    yield "cancelOrder", shop.cancel(order_id)


def test_every_answer_it_describes_exists(shop: Any, new_shop: Any) -> None:
    """And no other: each of these is checked against it as it is made."""
    made = {(name, str(answer.status)) for name, answer in asked(shop).items()}
    trouble = (
        asked(shop, requestContext={}),
        asked(shop, requestContext={"identity": {"userArn": FEDERATED}}),
        in_trouble(new_shop, ConnectTimeoutError(endpoint_url="https://x")),
        in_trouble(new_shop, ValueError()),
    )
    made |= {(name, kind_name(answer)) for answers in trouble for name, answer in answers.items()}
    made |= {(name, kind_name(answer)) for name, answer in refused(shop)}

    # Made by API Gateway alone; what it says is in the template, and checked there.
    gateways = {
        (operation["operationId"], name_of(kind))
        for operation in API.operations.values()
        for kind in (Kind.TOO_MANY_REQUESTS, Kind.TIMED_OUT)
    } | {("getOrder", "invalid-request"), ("cancelOrder", "invalid-request")}
    assert made.isdisjoint(gateways)
    assert made | gateways == set(described())


def test_an_answer_that_it_does_not_describe_fails_any_test(shop: Any, monkeypatch: Any) -> None:
    order_id = shop.place()
    monkeypatch.setattr(http, "ok", http.accepted)
    with pytest.raises(AssertionError, match=r"202 is not described for GET /orders/\{orderId\}"):
        shop.get(order_id)
    monkeypatch.undo()
    monkeypatch.setattr(handlers, "view", lambda order: {"orderId": order.order_id, "owner": order.owner})
    with pytest.raises(AssertionError, match=r"'owner' was unexpected"):
        shop.get(order_id)
