"""What a customer gets to see, answer by answer."""

from __future__ import annotations

import base64
import json
import uuid
from typing import Any
from urllib.parse import urljoin

import pytest
from botocore.exceptions import ClientError, ConnectTimeoutError

from ecom_testkit import CrashingClient, crash_points, rows
from ecom_testkit.fakes import FakePublisher
from ecom_testkit.telemetry import counted
from order_service import handlers, http, model
from order_service.store import Position

GOOD = {"items": ["ITEM_ID-15", "ITEM_ID-02"], "amount": 1250.99}
UNKNOWN = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9"
LIFE: dict[str, list[tuple[str, dict[str, Any]]]] = {
    "RESERVED": [("StockConfirmation", {"stockConfirmed": True})],
    "PAID": [("PaymentConfirmation", {"paymentConfirmed": True})],
    "SHIPPING_FAILED": [("ShipmentFailed", {"reason": "carrier_unavailable"})],
    "PAYMENT_FAILED": [("PaymentConfirmation", {"paymentConfirmed": False, "outcome": "declined"})],
    "VOIDED": [("PaymentConfirmation", {"paymentConfirmed": False, "outcome": "cancelled"})],
    "REFUNDED": [("PaymentRefunded", {"refundId": "re_1"})],
    "SHIPPED": [("ShipmentCreated", {"shippingId": "sh_1", "carrier": "acme", "trackingNumber": "T1"})],
    "CANCELLED": [("StockReleased", {"outcome": "cancelled"})],
    "OUT_OF_STOCK": [("StockConfirmation", {"stockConfirmed": False, "reason": "out_of_stock"})],
}


def problem(answer: Any, status: int, kind: str) -> Any:
    assert answer.status == status, answer.text
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert answer.json["type"] == f"https://ecom.example/problems/{kind}"
    assert answer.json["status"] == status
    assert answer.json["title"]
    assert answer.json["detail"]
    return answer.json


class TestPlace:
    def test_an_order_is_stored_then_published_then_answered(self, shop: Any) -> None:
        answer = shop.post()
        assert (answer.status, answer.headers["Content-Type"]) == (202, "application/json")
        order_id = answer.json["orderId"]
        assert answer.text == (
            f'{{"orderId":"{order_id}","status":"PLACED","closed":false,"placedAt":"2026-01-31T12:00:00.000Z",'
            '"updatedAt":"2026-01-31T12:00:00.000Z","items":[{"itemId":"ITEM_ID-15","quantity":1},'
            '{"itemId":"ITEM_ID-02","quantity":1}],"amount":1250.99,"currency":"USD",'
            '"timeline":[{"status":"PLACED","at":"2026-01-31T12:00:00.000Z"}]}'
        )
        row = shop.row(order_id)
        assert row.pop("fingerprint")
        assert row.pop("openShard") == model.shard(order_id)
        assert row == {
            "orderId": order_id,
            "owner": "anna",
            "status": "PLACED",
            "rank": 10,
            "placedAt": "2026-01-31T12:00:00.000Z",
            "updatedAt": "2026-01-31T12:00:00.000Z",
            "items": [{"itemId": "ITEM_ID-15", "quantity": 1}, {"itemId": "ITEM_ID-02", "quantity": 1}],
            "amount": 125099,
            "currency": "USD",
            "timeline": [{"status": "PLACED", "at": "2026-01-31T12:00:00.000Z"}],
            "sweepAt": shop.now.timestamp() + 60,
            "sweeps": 0,
        }
        assert shop.published() == ["OrderPlaced"]

    @pytest.mark.parametrize(
        "address",
        [
            "https://a1.execute-api.eu-west-1.amazonaws.com/v1/orders",
            "https://api.example.com/shop/orders",
            "http://127.0.0.1:4566/restapis/a1/v1/_user_request_/orders",
            "https://a1.execute-api.eu-west-1.amazonaws.com/v1/orders/",
        ],
    )
    def test_following_the_location_leads_to_the_order(self, shop: Any, address: str) -> None:
        path = "/v1/orders/" if address.endswith("/") else "/v1/orders"
        context = {"path": path, "authorizer": {"claims": {"sub": "anna"}}}
        answer = shop.post(requestContext=context)
        followed = urljoin(address, answer.headers["Location"])
        assert followed == f"{address.rstrip('/')}/{answer.json['orderId']}"

    @pytest.mark.parametrize(
        ("amount", "currency", "written"),
        [
            ("5", "USD", "5.00"),
            ("0.1", "EUR", "0.10"),
            ("1e3", "JPY", "1000"),
            ("10000000000", "USD", "10000000000.00"),
        ],
    )
    def test_the_amount_is_written_with_all_its_decimals(
        self, shop: Any, amount: str, currency: str, written: str
    ) -> None:
        answer = shop.post(f'{{"items": ["a"], "amount": {amount}, "currency": "{currency}"}}')
        assert f'"amount":{written},' in answer.text

    @pytest.mark.parametrize(
        "body",
        [
            "",
            "not JSON",
            "[1,2]",
            "{}",
            '{"items": [], "amount": 1}',
            '{"amount": 1}',
            json.dumps({"items": ["a"] * 51, "amount": 1}),
            '{"items": [7], "amount": 1}',
            *(
                f'{{"items": [{{"itemId": "a", "quantity": {quantity}}}], "amount": 1}}'
                for quantity in ("0", "-1", "1000", "1.5", "true")
            ),
            *(f'{{"items": ["a"], "amount": {amount}}}' for amount in ("NaN", "1e200", "-5", "0.001")),
            '{"items": ["a"], "amount": 1, "currency": "XXX"}',
            '{"items": ["a"], "amount": 1, "note": "hi"}',
        ],
        ids=lambda body: body[:60],
    )
    def test_what_is_no_order_gets_400_and_leaves_no_trace(self, shop: Any, body: str) -> None:
        errors = problem(shop.post(body), 400, "invalid-order")["errors"]
        assert errors
        assert all(error.keys() == {"pointer", "detail"} for error in errors)
        assert rows(shop.dynamodb) == []
        assert shop.published() == []

    def test_a_body_over_16_kb_gets_413(self, shop: Any) -> None:
        whole = json.dumps(GOOD)
        fits = whole + " " * (16_384 - len(whole))
        assert shop.post(fits).status == 202
        problem(shop.post(fits + " "), 413, "body-too-large")
        encoded = base64.b64encode((fits + " ").encode()).decode()
        problem(shop.post(encoded, isBase64Encoded=True), 413, "body-too-large")
        problem(shop.post("é" * 9_000), 413, "body-too-large")

    def test_a_body_may_come_in_base64(self, shop: Any) -> None:
        body = base64.b64encode(json.dumps(GOOD).encode()).decode()
        assert shop.post(body, isBase64Encoded=True).status == 202
        for bad in ("not base64!", base64.b64encode(b"\xff{").decode(), "é"):
            assert shop.post(bad, isBase64Encoded=True).status == 400
        assert shop.post("\ud800").status == 400

    @pytest.mark.parametrize(
        "kind", ["text/plain", "application/x-www-form-urlencoded", "application/jsonx", "", "json"]
    )
    def test_what_is_said_to_be_no_json_gets_415(self, shop: Any, kind: str) -> None:
        """Most often a client that did not say what it sends, and so said that it is a form."""
        answer = shop.post(headers={"content-type": kind})
        problem(answer, 415, "unsupported-media-type")
        assert answer.headers["Accept"] == "application/json"
        assert rows(shop.dynamodb) == []

    @pytest.mark.parametrize(
        "headers",
        [
            {"CONTENT-TYPE": "Application/JSON; charset=utf-8"},
            {"Content-Type": "application/json ;"},
            {},
            None,
        ],
    )
    def test_json_may_be_said_in_many_ways_and_be_left_unsaid(self, shop: Any, headers: Any) -> None:
        assert shop.post(headers=headers).status == 202

    def test_the_answer_is_202_even_if_nothing_can_be_published(self, new_shop: Any) -> None:
        shop = new_shop(publisher=FakePublisher(refuse=["OrderPlaced"]))
        assert shop.order(shop.place()).status == "PLACED"

    def test_a_crash_anywhere_leaves_nothing_or_an_order_that_the_sweeper_publishes(
        self, dynamodb: Any, new_shop: Any
    ) -> None:
        for point in crash_points():
            key = str(point)
            with point.survived():
                new_shop(point.wrap(dynamodb)).post(key=key)
            shop = new_shop()
            order_id = shop.place(key=key)
            assert shop.published() == ["OrderPlaced"], point
            assert shop.order(order_id).rank == 10
        assert len(rows(dynamodb)) == 3


class TestIdempotencyKey:
    def test_the_same_key_and_wish_give_the_same_order(self, shop: Any) -> None:
        first = shop.post(key="k1")
        shop.later(10)
        same = '{"amount": 1250.990, "currency": "USD", "items": ["ITEM_ID-02", "ITEM_ID-15"]}'
        again = shop.post(same, key="k1")
        assert (again.status, again.json, again.headers) == (202, first.json, first.headers)
        assert first.json["orderId"] == str(uuid.uuid5(model.ORDER_NAMESPACE, "anna\nk1"))
        assert len(rows(shop.dynamodb)) == 1
        first_fact, second_fact = shop.publisher.published
        assert first_fact == second_fact, "the same fact again, as old as it was"
        assert counted() == {}

    def test_an_order_that_moved_is_answered_but_not_published_again(self, shop: Any) -> None:
        order_id = shop.place(key="k1")
        shop.tell(order_id, "StockConfirmation", stockConfirmed=True)
        assert shop.post(key="k1").json["status"] == "RESERVED"
        assert shop.published() == ["OrderPlaced"]

    def test_another_wish_with_the_same_key_gets_422(self, shop: Any) -> None:
        order_id = shop.place(key="k1")
        before = shop.row(order_id)
        for other in ({**GOOD, "amount": 1}, {**GOOD, "items": ["a"]}, {**GOOD, "currency": "EUR"}):
            said = problem(shop.post(other, key="k1"), 422, "key-reused")
            assert order_id not in json.dumps(said)
        assert shop.row(order_id) == before
        assert shop.published() == ["OrderPlaced"]

    def test_keys_belong_to_their_owners(self, shop: Any) -> None:
        assert shop.place(key="k1") != shop.place(key="k1", owner="bob")

    def test_another_owners_row_is_never_handed_out(self, shop: Any, monkeypatch: Any) -> None:
        """Cannot happen: the owner is part of the id. Were it to, nothing would leak."""
        monkeypatch.setattr(model, "order_id", lambda owner, key: UNKNOWN)
        assert shop.post(key="k1").status == 202
        problem(shop.post(key="k1", owner="bob"), 422, "key-reused")

    @pytest.mark.parametrize(
        "sent",
        [
            {"Idempotency-Key": ["k1", "k2"]},
            {"Idempotency-Key": ["k1", "k1"]},
            {"Idempotency-Key": ["k1"], "idempotency-key": ["k2"]},
        ],
    )
    def test_two_keys_are_none(self, shop: Any, sent: dict[str, list[str]]) -> None:
        """API Gateway hands on the last of them; another hop, on another day, the first."""
        last = {name: values[-1] for name, values in sent.items()}
        problem(shop.post(headers=last, multiValueHeaders=sent), 400, "invalid-request")
        assert rows(shop.dynamodb) == []
        answer = shop.post(headers={"Idempotency-Key": "k1"}, multiValueHeaders={"Idempotency-Key": ["k1"]})
        assert answer.status == 202

    @pytest.mark.parametrize("name", ["Idempotency-Key", "idempotency-key", "IDEMPOTENCY-KEY"])
    def test_the_header_may_be_written_in_any_case(self, shop: Any, name: str) -> None:
        assert shop.post(headers={name: "k1"}).json["orderId"] == model.order_id("anna", "k1")

    @pytest.mark.parametrize("key", ["", " ", " k", "k ", "k" * 256, "k" * 300, "clé", "a\tb", "a\n", "\x7f"])
    def test_keys_that_are_none_get_400(self, shop: Any, key: str) -> None:
        problem(shop.post(key=key), 400, "invalid-request")
        assert rows(shop.dynamodb) == []

    def test_a_key_may_have_blanks_inside(self, shop: Any) -> None:
        assert shop.post(key="my basket of Monday").status == 202

    def test_the_longest_key(self, shop: Any) -> None:
        assert shop.post(key="~" * 255).status == 202

    def test_without_a_key_every_request_is_an_order(self, shop: Any) -> None:
        assert shop.place() != shop.place()


class TestShow:
    def test_an_order_with_what_became_of_it(self, shop: Any) -> None:
        order_id = shop.place()
        shop.later(5).tell(
            order_id, "ShipmentCreated", shippingId="sh_1", carrier="acme", trackingNumber="T1"
        )
        answer = shop.get(order_id)
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        order = answer.json
        assert (order["status"], order["updatedAt"]) == ("SHIPPED", "2026-01-31T12:00:05.000Z")
        assert (order["shippingId"], order["carrier"], order["trackingNumber"]) == ("sh_1", "acme", "T1")
        assert [step["status"] for step in order["timeline"]] == ["PLACED", "SHIPPED"]
        assert not {"owner", "rank", "fingerprint", "sweepAt", "openShard", "expiresAt"} & order.keys()

    def test_it_is_read_consistently(self, dynamodb: Any, new_shop: Any) -> None:
        client = CrashingClient(dynamodb)
        shop = new_shop(client)
        shop.get(shop.place())
        assert client.calls[-1].arguments["ConsistentRead"] is True

    def test_orders_that_are_none_or_anothers_get_the_same_404(self, shop: Any) -> None:
        order_id = shop.place()
        said = [
            problem(shop.get(one, owner="bob"), 404, "not-found")
            for one in (order_id, UNKNOWN, "x", "", order_id.upper(), f"{order_id}\n", "../orders")
        ]
        assert all(one == said[0] for one in said)


class TestPage:
    def place(self, shop: Any, number: int, **more: Any) -> list[str]:
        """Newest first."""
        return [shop.later(1).place(**more) for _ in range(number)][::-1]

    def ids(self, answer: Any) -> list[str]:
        assert answer.status == 200, answer.text
        return [order["orderId"] for order in answer.json["orders"]]

    def test_the_pages_together_are_all_orders_newest_first(self, shop: Any) -> None:
        placed = self.place(shop, 5)
        self.place(shop, 2, owner="bob")
        seen: list[str] = []
        token: str | None = None
        sizes = []
        while True:
            answer = shop.page(limit="2", **({"next": token} if token else {}))
            seen += self.ids(answer)
            sizes.append(len(answer.json["orders"]))
            token = answer.json.get("next")
            if not token:
                break
        assert (seen, sizes) == (placed, [2, 2, 1])

    def test_the_orders_themselves_are_read_consistently(self, dynamodb: Any, new_shop: Any) -> None:
        client = CrashingClient(dynamodb)
        shop = new_shop(client)
        self.place(shop, 1)
        shop.page()
        [(_, wanted)] = client.calls[-1].arguments["RequestItems"].items()
        assert (client.calls[-1].name, wanted["ConsistentRead"]) == ("batch_get_item", True)

    def test_a_full_last_page_has_no_next(self, shop: Any) -> None:
        self.place(shop, 2)
        assert "next" not in shop.page(limit="2").json

    def test_orders_of_the_same_millisecond_are_all_listed_once(self, shop: Any) -> None:
        placed = {shop.place() for _ in range(3)}
        first = shop.page(limit="2")
        assert sorted([*self.ids(first), *self.ids(shop.page(next=first.json["next"]))]) == sorted(placed)

    def test_20_at_a_time_unless_said(self, shop: Any) -> None:
        self.place(shop, 21)
        assert len(self.ids(shop.page())) == 20
        assert len(self.ids(shop.page(limit="100"))) == 21

    def test_nobody_without_orders_gets_an_empty_list(self, shop: Any) -> None:
        assert shop.page().json == {"orders": []}

    def test_limits_that_are_none(self, shop: Any) -> None:
        for limit in ("0", "101", "-1", "1.5", "x", "", "²", "1e1", "0x1", "9" * 5000):
            problem(shop.page(limit=limit), 400, "invalid-request")

    @pytest.mark.parametrize("name", ["nxt", "Limit", "cursor", "status", ""])
    def test_parameters_that_nobody_knows_get_400(self, shop: Any, name: str) -> None:
        """A misspelt `next`, dropped in silence, would give the first page for ever."""
        said = problem(shop.page(limit="1", **{name: "1"}), 400, "invalid-request")
        assert "limit and next" in said["detail"]

    @pytest.mark.parametrize("name", ["limit", "next"])
    def test_parameters_given_twice_get_400(self, shop: Any, name: str) -> None:
        self.place(shop, 2)
        query = {"limit": "1", "next": shop.page(limit="1").json["next"]}
        twice = {each: [value] * (1 + (each == name)) for each, value in query.items()}
        more = {"queryStringParameters": query, "multiValueQueryStringParameters": twice}
        problem(shop.request("GET", "/orders", **more), 400, "invalid-request")
        more["multiValueQueryStringParameters"] = {each: [value] for each, value in query.items()}
        assert shop.request("GET", "/orders", **more).status == 200

    def test_a_request_signed_in_its_address_is_read_all_the_same(self, shop: Any) -> None:
        assert shop.page(**{"X-Amz-Signature": "0a1b", "x-amz-date": "20260131T120000Z"}).status == 200

    def test_a_tampered_token_gets_400(self, shop: Any) -> None:
        self.place(shop, 2)
        token = shop.page(limit="1").json["next"]
        assert shop.page(next=token).status == 200
        raw = base64.urlsafe_b64decode(token)
        moved = base64.urlsafe_b64encode(raw.replace(b"2026", b"2027")).decode()
        others = [moved, "", "x", "é", token + "=", token[:-4]]
        others += [
            token[:at] + ("A" if token[at] != "A" else "B") + token[at + 1 :]
            for at in range(0, len(token), 7)
        ]
        for other in others:
            problem(shop.page(next=other), 400, "invalid-request")

    @pytest.mark.parametrize(
        "position",
        [
            ("", ""),
            ("2026-01-31T12:00:00.000Z", "x" * 3000),
            ("soon", "0" * 36),
            ("9999-12-31T23:59:59-14:00", ""),
        ],
    )
    def test_a_token_that_was_made_up_gets_400(self, shop: Any, position: tuple[str, str]) -> None:
        """The check is no secret: DynamoDB would answer such a key with an error."""
        token = handlers._token("anna", Position(*position))
        problem(shop.page(owner="anna", next=token), 400, "invalid-request")

    def test_a_token_is_of_no_use_to_another_owner_and_does_not_name_its_own(self, shop: Any) -> None:
        self.place(shop, 2)
        self.place(shop, 2, owner="bob")
        token = shop.page(limit="1").json["next"]
        assert b"anna" not in base64.urlsafe_b64decode(token)
        problem(shop.page(owner="bob", next=token), 400, "invalid-request")


class TestCancel:
    @pytest.mark.parametrize("status", ["PLACED", "RESERVED", "PAID"])
    def test_an_order_on_its_way_forward_turns_back(self, shop: Any, status: str) -> None:
        order_id = shop.place()
        for detail_type, data in LIFE.get(status, []):
            shop.tell(order_id, detail_type, **data)
        before = shop.row(order_id)
        answer = shop.later(30).cancel(order_id)
        assert (answer.status, answer.json["status"]) == (202, "CANCELLING")
        row = shop.row(order_id)
        assert (row["rank"], row["cancelReason"]) == (40, "customer")
        assert row["timeline"][-1] == {"status": "CANCELLING", "at": "2026-01-31T12:00:30.000Z"}
        assert (row["sweepAt"], row["openShard"]) == (before["sweepAt"], before["openShard"])
        fact = shop.publisher.published[-1]
        assert (fact.detail_type, fact.data["reason"]) == ("OrderCancelRequested", "customer")

    def test_cancelling_twice_is_the_same_fact_again(self, shop: Any) -> None:
        order_id = shop.place()
        first = shop.later(30).cancel(order_id)
        again = shop.later(30).cancel(order_id)
        assert (again.status, again.json) == (202, first.json)
        _, one, two = shop.publisher.published
        assert one == two

    @pytest.mark.parametrize("status", ["SHIPPING_FAILED", "PAYMENT_FAILED", "VOIDED", "REFUNDED"])
    def test_an_order_on_its_way_back_stays_as_it_is(self, shop: Any, status: str) -> None:
        order_id = shop.place()
        for detail_type, data in LIFE[status]:
            shop.tell(order_id, detail_type, **data)
        before = shop.row(order_id)
        answer = shop.cancel(order_id)
        assert (answer.status, answer.json["status"]) == (202, status)
        assert shop.row(order_id) == before
        assert shop.published() == ["OrderPlaced"]

    @pytest.mark.parametrize("status", ["SHIPPED", "CANCELLED", "OUT_OF_STOCK"])
    def test_a_closed_order_gets_409(self, shop: Any, status: str) -> None:
        order_id = shop.place()
        for detail_type, data in LIFE[status]:
            shop.tell(order_id, detail_type, **data)
        before = shop.row(order_id)
        assert status in problem(shop.cancel(order_id), 409, "order-closed")["detail"]
        assert shop.row(order_id) == before
        assert shop.published() == ["OrderPlaced"]

    def test_nobody_cancels_anothers_order(self, shop: Any) -> None:
        order_id = shop.place()
        before = shop.row(order_id)
        for _ in range(2):
            problem(shop.cancel(order_id, owner="bob"), 404, "not-found")
        assert shop.row(order_id) == before
        assert shop.published() == ["OrderPlaced"]
        shop.cancel(order_id)
        problem(shop.cancel(order_id, owner="bob"), 404, "not-found")

    def test_an_order_that_does_not_exist_is_not_made(self, shop: Any) -> None:
        problem(shop.cancel(UNKNOWN), 404, "not-found")
        assert rows(shop.dynamodb) == []

    def test_the_answer_is_202_even_if_nothing_can_be_published(self, new_shop: Any) -> None:
        shop = new_shop(publisher=FakePublisher(refuse=["OrderCancelRequested"]))
        order_id = shop.place()
        assert shop.cancel(order_id).json["status"] == "CANCELLING"
        shop.publisher.refuse = set()
        shop.later(100).sweep()
        assert shop.publisher.published[-1].data["reason"] == "customer"


class TestOwner:
    def as_(self, stage: str, **context: Any) -> Any:
        event = {"requestContext": context, "pathParameters": None}
        return http.Request.of(event, stage).owner

    def test_cognito_then_iam(self) -> None:
        arn = "arn:aws:iam::123456789012:user/anna"
        claims = {"claims": {"sub": "s-1"}}
        assert self.as_("prod", authorizer=claims) == "s-1"
        assert self.as_("prod", identity={"userArn": arn}) == arn
        assert self.as_("prod", authorizer=claims, identity={"userArn": arn}) == "s-1"
        assert self.as_("local", authorizer=claims) == "s-1"

    @pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
    def test_a_role_is_one_owner_whatever_its_client_calls_the_session(self, partition: str) -> None:
        """Or the same Idempotency-Key from a restarted backend would order again."""
        role = f"arn:{partition}:sts::123456789012:assumed-role/shop-backend"
        owners = {
            self.as_("prod", identity={"userArn": f"{role}/{session}"})
            for session in ("botocore-session-1763800000", "i-0123456789abcdef0", "a/b")
        }
        assert owners == {role}
        assert self.as_("prod", identity={"userArn": f"{role}-2/i-0123456789abcdef0"}) != role

    def test_people_who_share_a_role_of_identity_center_are_several_owners(self) -> None:
        role = "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Buyers_0123456789abcdef"
        people = [f"{role}/anna@example.com", f"{role}/bob@example.com"]
        assert [self.as_("prod", identity={"userArn": arn}) for arn in people] == people

    def test_people_who_share_the_role_of_an_identity_pool_are_several_owners(self) -> None:
        session = "arn:aws:sts::123456789012:assumed-role/pool-users/CognitoIdentityCredentials"
        people = ["eu-central-1:11111111-aaaa", "eu-central-1:22222222-bbbb"]
        identities = [{"userArn": session, "cognitoIdentityId": identity} for identity in people]
        assert [self.as_("prod", identity=identity) for identity in identities] == people

    @pytest.mark.parametrize(
        "arn",
        [
            "arn:aws:iam::123456789012:root",
            "arn:aws:iam::123456789012:user/assumed-role/shop/anna",
            "arn:aws:iam::123456789012:user/federated-user/anna",
        ],
    )
    def test_other_principals_are_their_arn(self, arn: str) -> None:
        assert self.as_("prod", identity={"userArn": arn}) == arn

    @pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
    def test_a_federated_user_owns_nothing(self, shop: Any, partition: str) -> None:
        """Any IAM user who may federate chooses the name, another's too: nothing would keep them apart."""
        arn = f"arn:{partition}:sts::123456789012:federated-user/anna"
        answer = shop.post(requestContext={"identity": {"userArn": arn}})
        problem(answer, 403, "forbidden")
        assert "anna" not in answer.text
        assert rows(shop.dynamodb) == []

    @pytest.mark.parametrize("stage", ["prod", "test", "local2", "LOCAL"])
    def test_nobody_is_nobody_except_on_a_laptop(self, stage: str) -> None:
        assert self.as_("local", identity={"userArn": None}) == "local"
        with pytest.raises(http.Problem) as raised:
            self.as_(stage, identity={"userArn": None}, authorizer=None)
        assert raised.value.kind is http.Kind.UNAUTHENTICATED

    def test_401_leaves_no_trace(self, shop: Any) -> None:
        answer = shop.post(requestContext={})
        problem(answer, 401, "unauthenticated")
        assert answer.headers["WWW-Authenticate"]
        assert rows(shop.dynamodb) == []


class TestTrouble:
    def failing(self, new_shop: Any, error: Exception) -> Any:
        class Broken:
            def __getattr__(self, name: str) -> Any:
                def call(**_: Any) -> Any:
                    raise error

                return call

        return new_shop(Broken())

    @pytest.mark.parametrize(
        "error",
        [
            ClientError(
                {"Error": {"Code": "ProvisionedThroughputExceededException", "Message": "secret"}}, "PutItem"
            ),
            ConnectTimeoutError(endpoint_url="https://secret"),
        ],
        ids=["throttled", "no answer"],
    )
    def test_what_time_mends_gets_503(self, new_shop: Any, error: Exception) -> None:
        shop = self.failing(new_shop, error)
        for answer in (shop.post(), shop.get(UNKNOWN), shop.page(), shop.cancel(UNKNOWN)):
            problem(answer, 503, "busy")
            assert int(answer.headers["Retry-After"]) > 0
            assert "secret" not in answer.text + str(answer.headers)

    @pytest.mark.parametrize(
        "error",
        [
            ValueError("secret"),
            ClientError({"Error": {"Code": "AccessDeniedException", "Message": "secret"}}, "PutItem"),
        ],
        ids=["bug", "denied"],
    )
    def test_what_time_does_not_mend_gets_500_and_leaks_nothing(
        self, new_shop: Any, log: Any, error: Exception
    ) -> None:
        shop = self.failing(new_shop, error)
        for answer in (shop.post(), shop.get(UNKNOWN), shop.page(), shop.cancel(UNKNOWN)):
            said = problem(answer, 500, "internal")
            text = json.dumps(said) + str(answer.headers)
            assert not [word for word in ("secret", "Error", "Exception", "Traceback") if word in text]
        assert [line["message"] for line in log.lines if line["level"] == "ERROR"] == ["request failed"] * 4

    @pytest.mark.parametrize(
        "context",
        [
            {"authorizer": {"claims": '{"sub": "anna"}'}},
            {"authorizer": {"jwt": {"claims": {"sub": "anna"}}}},
            {"authorizer": {"principalId": "anna"}},
            {"identity": ["anna"]},
            {"identity": {"user": "anna", "caller": "anna", "accountId": "123456789012"}},
            {},
            None,
        ],
    )
    def test_identities_in_other_shapes_are_nobodys(self, shop: Any, context: Any) -> None:
        """As an HTTP API, another authorizer or a load balancer would send them."""
        answer = shop.post(requestContext=context, identity={"userArn": "anna"})
        assert answer.status in {401, 500}
        assert rows(shop.dynamodb) == []

    def test_an_event_that_is_odd_is_answered_too(self, shop: Any) -> None:
        odd = {"httpMethod": "GET", "resource": "/orders", "requestContext": 7}
        assert http.respond(odd, shop.api.routes(), "test")["statusCode"] == 500

    def test_routes_that_are_none(self, shop: Any) -> None:
        problem(shop.request("GET", "/nothing"), 404, "not-found")
        answer = shop.request("DELETE", "/orders")
        problem(answer, 405, "method-not-allowed")
        assert answer.headers["Allow"] == "GET, POST"

    def test_the_log_names_orders_and_nobody(self, shop: Any, log: Any) -> None:
        order_id = shop.place(owner="anna@example.com", key="anna's key")
        shop.cancel(order_id, owner="anna@example.com")
        shop.later(100).sweep()
        assert order_id in log.text
        assert not [word for word in ("anna", "ITEM_ID", "1250", "125099") if word in log.text]

    def test_a_page_that_stays_incomplete_is_503_not_short(self, dynamodb: Any, new_shop: Any) -> None:
        class Slow(CrashingClient):
            def batch_get_item(self, **request: Any) -> Any:
                return {"Responses": {}, "UnprocessedKeys": request["RequestItems"]}

        shop = new_shop(Slow(dynamodb))
        shop.place()
        problem(shop.page(), 503, "busy")

    def test_rows_come_in_parts(self, dynamodb: Any, new_shop: Any) -> None:
        class Slow(CrashingClient):
            def batch_get_item(self, **request: Any) -> Any:
                [(table, wanted)] = request["RequestItems"].items()
                first = {table: {**wanted, "Keys": wanted["Keys"][:1]}}
                answer = dynamodb.batch_get_item(RequestItems=first)
                if rest := wanted["Keys"][1:]:
                    answer["UnprocessedKeys"] = {table: {**wanted, "Keys": rest}}
                return answer

        shop = new_shop(Slow(dynamodb))
        placed = [shop.later(1).place() for _ in range(5)][::-1]
        assert [order["orderId"] for order in shop.page().json["orders"]] == placed


def test_a_deleted_order_is_left_out_of_its_page(shop: Any) -> None:
    """The index may still name it for a moment."""
    kept = shop.place()
    assert [row["orderId"] for row in shop.orders.rows([UNKNOWN, kept])] == [kept]
    assert shop.orders.rows([]) == []
