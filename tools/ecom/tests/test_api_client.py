"""The API client against a server that answers from memory."""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable
from decimal import Decimal
from typing import Any

import httpx
import pytest

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError
from ecom_cli.shop.api import (
    FORCED,
    Api,
    ApiError,
    Line,
    force_key,
    order_body,
    order_id_of,
    parse_line,
)
from ecom_cli.shop.caller import SigV4

URL = "http://api.example/v1/orders"


def api(answer: Callable[[httpx.Request], httpx.Response], auth: httpx.Auth | None = None) -> Api:
    return Api(URL, auth=auth, transport=httpx.MockTransport(answer))


def refusing(status: int, body: Any) -> Api:
    return api(lambda _: httpx.Response(status, json=body))


def test_an_order_is_placed_with_its_key_and_an_exact_amount() -> None:
    seen: list[httpx.Request] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request)
        return httpx.Response(202, json={"orderId": "o-1", "status": "PLACED"})

    placed = api(answer).place([Line("ITEM_ID-02", 2)], 125099, "USD", key="k-1")

    assert (placed.status, placed.order["orderId"]) == (202, "o-1")
    assert (seen[0].method, str(seen[0].url)) == ("POST", URL)
    assert seen[0].headers["Idempotency-Key"] == "k-1"
    assert seen[0].headers["Content-Type"] == "application/json"
    body = json.loads(seen[0].content, parse_float=Decimal)
    assert body == {
        "items": [{"itemId": "ITEM_ID-02", "quantity": 2}],
        "amount": Decimal("1250.99"),
        "currency": "USD",
    }


@pytest.mark.parametrize(
    ("amount", "currency", "text"),
    [(1, "USD", "0.01"), (100, "USD", "1.00"), (10**15 + 1, "USD", "10000000000000.01"), (500, "JPY", "500")],
)
def test_an_amount_is_written_digit_by_digit(amount: int, currency: str, text: str) -> None:
    assert order_body([], amount, currency).endswith(f'"amount": {text}}}'.encode())


def test_a_problem_is_told_in_its_own_words() -> None:
    problem = {"type": "about:blank", "title": "Not acceptable", "detail": "quantity must be 1 to 999"}
    with pytest.raises(ApiError) as caught:
        refusing(400, problem).place([Line("x")], 1, "USD")
    assert caught.value.status == 400
    assert caught.value.message == "Not acceptable (HTTP 400): quantity must be 1 to 999"
    assert isinstance(caught.value, EcomError)


def test_the_gateways_own_refusal_is_told_too() -> None:
    with pytest.raises(ApiError, match=r"Forbidden \(HTTP 403\): Missing Authentication Token"):
        refusing(403, {"message": "Missing Authentication Token"}).get("o-1")


@pytest.mark.parametrize("body", [b"<html>bad gateway</html>", b"[1]", b""])
def test_an_error_without_a_problem_still_has_its_code(body: bytes) -> None:
    with pytest.raises(ApiError) as caught:
        api(lambda _: httpx.Response(502, content=body)).get("o-1")
    assert caught.value.status == 502


def test_an_answer_that_is_no_json_is_an_error() -> None:
    with pytest.raises(ApiError, match="Not JSON"):
        api(lambda _: httpx.Response(200, content=b"Mock response")).get("o-1")


def test_an_api_that_cannot_be_reached_has_no_status() -> None:
    def answer(request: httpx.Request) -> httpx.Response:
        raise httpx.ConnectError("refused", request=request)

    with pytest.raises(ApiError, match="could not be reached") as caught:
        api(answer).get("o-1")
    assert caught.value.status == 0


def test_an_order_id_is_one_piece_of_the_path() -> None:
    paths: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        paths.append(request.url.raw_path.decode())
        return httpx.Response(200, json={})

    api(answer).get("../stock?x=1")
    assert paths == ["/v1/orders/..%2Fstock%3Fx%3D1"]


def pages(request: httpx.Request) -> httpx.Response:
    start = int(request.url.params.get("next", 0))
    size = int(request.url.params["limit"])
    found = [{"orderId": f"o-{number}"} for number in range(start, min(start + size, 120))]
    more = {"next": str(start + size)} if start + size < 120 else {}
    return httpx.Response(200, json={"orders": found, **more})


def test_a_list_reads_page_after_page_to_the_end() -> None:
    assert [order["orderId"] for order in api(pages).list()] == [f"o-{number}" for number in range(120)]


def test_a_list_stops_at_its_limit() -> None:
    assert len(list(api(pages).list(limit=70))) == 70


def test_a_cancel_that_comes_too_late_is_409() -> None:
    with pytest.raises(ApiError) as caught:
        refusing(409, {"title": "Too late"}).cancel("o-1")
    assert caught.value.status == 409


def test_a_signed_request_covers_the_body_and_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "AKIDEXAMPLE")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "secret")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "token")
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(202, json={"orderId": "o-1"})

    signed = api(answer, auth=SigV4("eu-central-1"))
    signed.place([Line("ITEM_ID-02")], 100, "USD", key="k-1")
    signed.place([Line("ITEM_ID-02")], 101, "USD", key="k-1")

    first, second = (headers["Authorization"] for headers in seen)
    assert "Credential=AKIDEXAMPLE/" in first
    assert "/eu-central-1/execute-api/aws4_request" in first
    assert "content-type;host;idempotency-key;x-amz-date;x-amz-security-token" in first
    assert seen[0]["X-Amz-Security-Token"] == "token"
    assert first.rpartition("Signature=")[2] != second.rpartition("Signature=")[2]


def test_on_an_emulator_requests_are_signed_with_the_stages_credentials(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As every other call of the tool there: nobody has to sign in for an emulator."""
    monkeypatch.delenv("AWS_ACCESS_KEY_ID", raising=False)
    seen: list[httpx.Headers] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers)
        return httpx.Response(200, json={"orderId": "o-1"})

    stage = Stage("dev", "eu-central-1", "http://127.0.0.1:1")
    api(answer, auth=SigV4(stage.region, stage.credentials())).get("o-1")
    assert "Credential=test/" in seen[0]["Authorization"]


@pytest.mark.parametrize("name", FORCED)
def test_a_forced_key_leads_to_an_order_id_with_that_end(name: str) -> None:
    key = force_key("local", name, prefix="test")
    assert order_id_of("local", key).endswith(FORCED[name])
    assert len(key) <= 64


def test_an_order_id_is_a_plain_uuid5_of_owner_and_key() -> None:
    namespace = uuid.uuid5(uuid.NAMESPACE_URL, "https://ecom.example/orders")
    assert order_id_of("me", "k") == str(uuid.uuid5(namespace, "me\nk"))


def test_a_forced_key_is_another_one_each_time_unless_a_prefix_is_given() -> None:
    assert force_key("local", "declined") != force_key("local", "declined")
    assert force_key("local", "dec1", prefix="p") == force_key("local", "declined", prefix="p")


@pytest.mark.parametrize("name", ["paid", "", "dec12", "xyz1"])
def test_an_unknown_outcome_is_refused_with_the_names_there_are(name: str) -> None:
    with pytest.raises(EcomError, match="carrier-down-once"):
        force_key("local", name)


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("ITEM_ID-02", Line("ITEM_ID-02", 1)),
        ("ITEM_ID-02:3", Line("ITEM_ID-02", 3)),
        ("a:999", Line("a", 999)),
    ],
)
def test_a_line_is_an_item_and_how_many(text: str, line: Line) -> None:
    assert parse_line(text) == line


@pytest.mark.parametrize(
    "text", ["", ":2", "a:", "a:0", "a:-1", "a:1.5", "a:1000", "a:\u0663", "a b", "a:1:2"]
)
def test_a_line_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(EcomError):
        parse_line(text)
