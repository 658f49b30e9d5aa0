"""Whom an order is for: sealed before it is stored, shown to its owner alone, nowhere else in the clear."""

from __future__ import annotations

import json
import uuid
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ecom_testkit import rows
from order_service import intake
from order_service.intake import InvalidOrderError
from order_service.model import Customer

CUSTOMER = {
    "email": "canary@example.org",
    "name": "Canary Þórsdóttir \N{PARTY POPPER}",
    "address": "1 Canary Wharf, London",
}
GOOD = {"items": ["ITEM_ID-15", "ITEM_ID-02"], "amount": 1250.99}
ORDER = {**GOOD, "customer": CUSTOMER}


def refused(code: str, message: str = "canary") -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}, "ResponseMetadata": {"HTTPStatusCode": 400}}
    return ClientError(response, "Encrypt")


TROUBLE = [
    refused("ThrottlingException"),
    refused("DisabledException"),
    refused("AccessDeniedException", "User is not authorized to perform kms:Encrypt on canary"),
    refused("KMSInvalidStateException", "is pending deletion"),
    ReadTimeoutError(endpoint_url="https://kms/canary"),
]


class TestSealed:
    def test_its_owner_gets_it_back_and_nobody_else(self, shop: Any) -> None:
        order_id = shop.place(body=ORDER)
        assert shop.get(order_id).json["customer"] == CUSTOMER
        asked = len(shop.kms.asked)
        stranger = shop.get(order_id, owner="boris")
        assert (stranger.status, stranger.text) == (404, shop.get(str(uuid.uuid4())).text)
        assert len(shop.kms.asked) == asked, "it was opened for a stranger"

    def test_it_is_nowhere_in_the_clear(self, shop: Any, log: Any) -> None:
        order_id = shop.place(body=ORDER, key="k")
        shop.post(ORDER, key="k")
        shop.get(order_id)
        shop.page()
        shop.cancel(order_id)
        shop.later(1000).sweep()
        kept = str(rows(shop.dynamodb)) + log.text + str([fact.detail() for fact in shop.publisher.published])
        assert order_id in kept
        assert "anary" not in kept

    def test_it_is_sealed_for_this_order(self, shop: Any) -> None:
        order_id = shop.place(body=ORDER)
        assert shop.kms.asked == [("encrypt", {"orderId": order_id, "stage": "test"})]
        shop.get(order_id)
        assert shop.kms.asked[1:] == [("decrypt", {"orderId": order_id, "stage": "test"})]

    def test_a_seal_of_another_order_does_not_open(self, shop: Any, log: Any) -> None:
        """Somebody with the right to write rows copies a seal to an order of their own."""
        theirs, mine = shop.place(body=ORDER), shop.place(body=ORDER, owner="boris")
        shop.dynamodb.update_item(
            TableName="table",
            Key={"orderId": {"S": mine}},
            UpdateExpression="SET sealedCustomer = :seal",
            ExpressionAttributeValues={":seal": {"B": shop.row(theirs)["sealedCustomer"]}},
        )
        assert shop.get(mine, owner="boris").json["customer"] is None
        assert log.lines[-1]["code"] == "InvalidCiphertextException"

    def test_lists_answers_and_cancels_do_not_open_it(self, shop: Any) -> None:
        """One call to KMS for each order of a page would be slow, and spend the account's request quota."""
        order_id = shop.place(body=ORDER)
        answers = [shop.page(), shop.post(ORDER), shop.cancel(order_id)]
        assert all("customer" not in answer.text for answer in answers)
        assert [operation for operation, _ in shop.kms.asked] == ["encrypt", "encrypt"]

    def test_an_order_without_one_asks_no_key(self, shop: Any) -> None:
        order_id = shop.place(body=GOOD, key="k")
        shop.post(GOOD, key="k")
        assert "customer" not in shop.get(order_id).json
        assert "sealedCustomer" not in shop.row(order_id)
        assert (shop.kms.made, shop.kms.asked) == (0, [])

    def test_the_fingerprint_holds_nothing_of_it(self, shop: Any) -> None:
        """A hash of an address can be found by hashing a list of addresses."""
        prints = {shop.row(shop.place(body=body))["fingerprint"] for body in (GOOD, ORDER)}
        assert len(prints) == 1


class TestSameKey:
    def test_the_same_wish_is_the_same_order(self, shop: Any, log: Any) -> None:
        first = shop.post(ORDER, key="k")
        again = shop.post({**ORDER, "customer": dict(reversed(CUSTOMER.items()))}, key="k")
        assert (again.status, again.json["orderId"]) == (202, first.json["orderId"])
        assert [line["message"] for line in log.lines] == ["order placed"]

    @pytest.mark.parametrize(
        ("before", "after"),
        [
            (ORDER, {**GOOD, "customer": {**CUSTOMER, "name": "Somebody Else"}}),
            (ORDER, {**GOOD, "customer": {"email": CUSTOMER["email"]}}),
            (ORDER, GOOD),
            (GOOD, ORDER),
        ],
    )
    def test_another_customer_is_another_wish(self, shop: Any, before: Any, after: Any) -> None:
        order_id = shop.place(body=before, key="k")
        row = shop.row(order_id)
        answer = shop.post(after, key="k")
        assert (answer.status, answer.json["type"].rpartition("/")[2]) == (422, "key-reused")
        assert shop.row(order_id) == row

    def test_other_items_are_refused_before_anything_is_opened(self, shop: Any) -> None:
        shop.place(body=ORDER, key="k")
        assert shop.post({**ORDER, "amount": 1}, key="k").status == 422
        assert [operation for operation, _ in shop.kms.asked] == ["encrypt", "encrypt"]


class TestTrouble:
    @pytest.mark.parametrize("error", TROUBLE, ids=lambda error: type(error).__name__)
    def test_what_cannot_be_sealed_is_not_stored(
        self, shop: Any, log: Any, error: Exception, capsys: pytest.CaptureFixture[str]
    ) -> None:
        shop.kms.error = error
        answer = shop.post(ORDER, key="k")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")
        assert rows(shop.dynamodb) == []
        assert shop.published() == []
        assert log.lines[-1]["message"] == "customer not sealed"
        assert log.lines[-1]["mendedBy"] in ("time", "operator")
        counted = capsys.readouterr().out
        assert ("OperatorErrors" in counted) == (log.lines[-1]["mendedBy"] == "operator")
        assert "anary" not in log.text + answer.text + counted
        shop.kms.error = None
        assert shop.post(ORDER, key="k").status == 202

    @pytest.mark.parametrize("error", TROUBLE, ids=lambda error: type(error).__name__)
    def test_an_order_is_shown_without_what_cannot_be_opened(
        self, shop: Any, log: Any, error: Exception
    ) -> None:
        order_id = shop.place(body=ORDER)
        shop.kms.error = error
        answer = shop.get(order_id)
        assert (answer.status, answer.json["customer"], answer.json["status"]) == (200, None, "PLACED")
        assert log.lines[-1]["message"] == "customer not opened"

    def test_a_key_that_cannot_be_compared_is_for_later(self, shop: Any, monkeypatch: Any) -> None:
        """Neither 202, which may be a lie, nor 422, which would be final."""
        shop.place(body=ORDER, key="k")

        def no_answer(**_: Any) -> Any:
            raise refused("ThrottlingException")

        monkeypatch.setattr(shop.kms, "decrypt", no_answer)
        answer = shop.post(ORDER, key="k")
        assert (answer.status, answer.headers["Retry-After"]) == (503, "2")

    def test_an_order_that_crashed_before_it_was_written_can_be_placed_again(self, shop: Any) -> None:
        shop.kms.error = refused("ThrottlingException")
        shop.post(ORDER, key="k")
        shop.kms.error = None
        order_id = shop.place(body=ORDER, key="k")
        assert shop.get(order_id).json["customer"] == CUSTOMER


class TestErased:
    @pytest.fixture
    def erased(self, shop: Any) -> str:
        order_id: str = shop.place(body=ORDER, key="k")
        shop.dynamodb.update_item(
            TableName="table",
            Key={"orderId": {"S": order_id}},
            UpdateExpression="SET customerErasedAt = :at REMOVE sealedCustomer",
            ExpressionAttributeValues={":at": {"S": "2026-02-01T00:00:00.000Z"}},
        )
        return order_id

    def test_the_order_stays_and_says_so(self, shop: Any, erased: str) -> None:
        shown = shop.get(erased).json
        assert "customer" not in shown
        assert shown["customerErasedAt"] == "2026-02-01T00:00:00.000Z"
        assert shop.page().json["orders"][0]["customerErasedAt"] == "2026-02-01T00:00:00.000Z"
        shop.tell(erased, "StockConfirmation", stockConfirmed=True)
        assert shop.get(erased).json["status"] == "RESERVED"

    def test_who_asks_again_does_not_bring_it_back(self, shop: Any, erased: str) -> None:
        answer = shop.post(ORDER, key="k")
        assert (answer.status, answer.json["orderId"]) == (202, erased)
        assert "sealedCustomer" not in shop.row(erased)
        assert shop.post(GOOD, key="k").status == 422


class TestIntake:
    @pytest.mark.parametrize("customer", [CUSTOMER, {"email": "a@b"}, {"name": "x" * 200}, {"address": "é"}])
    def test_what_is_taken(self, customer: dict[str, str]) -> None:
        wish = intake.read(json.dumps({**GOOD, "customer": customer}).encode())
        assert wish.customer is not None
        assert wish.customer.known() == customer

    @pytest.mark.parametrize(
        ("customer", "pointer"),
        [
            (None, "/customer"),
            ("Anna", "/customer"),
            ([], "/customer"),
            ({}, "/customer"),
            ({"phone": "1"}, "/customer/phone"),
            ({**CUSTOMER, "e-mail": "x"}, "/customer/e-mail"),
            ({"email": None}, "/customer/email"),
            ({"email": 7}, "/customer/email"),
            ({"email": ""}, "/customer/email"),
            ({"email": "nobody"}, "/customer/email"),
            ({"email": "a b@c"}, "/customer/email"),
            ({"email": "a@b@c"}, "/customer/email"),
            ({"email": "a" * 250 + "@b.cd"}, "/customer/email"),
            ({"name": "   "}, "/customer/name"),
            ({"name": "x" * 201}, "/customer/name"),
            ({"name": "a\nb"}, "/customer/name"),
            ({"name": "a\u0000b"}, "/customer/name"),
            ({"name": "a\u0085b"}, "/customer/name"),
            ({"name": "a\u2028b"}, "/customer/name"),
            ({"name": "a\u202eb"}, "/customer/name"),
            ({"name": "a\ud800b"}, "/customer/name"),
            ({"email": "j\ufffdrg@example.org"}, "/customer/email"),
            ({"name": "J\ufffdrg"}, "/customer/name"),
            ({"name": ["x"]}, "/customer/name"),
            ({"address": "x" * 1001}, "/customer/address"),
            ({"address": "\N{PARTY POPPER}" * 600}, "/customer"),
        ],
    )
    def test_what_is_not(self, customer: Any, pointer: str) -> None:
        with pytest.raises(InvalidOrderError) as raised:
            intake.read(json.dumps({**GOOD, "customer": customer}).encode())
        assert [flaw.pointer for flaw in raised.value.flaws] == [pointer]

    def test_no_flaw_quotes_what_was_sent(self) -> None:
        bad = {"email": "canary", "name": "canary\n", "address": "canary" * 1000}
        with pytest.raises(InvalidOrderError) as raised:
            intake.read(json.dumps({**GOOD, "customer": bad}).encode())
        assert len(raised.value.flaws) == 3
        assert "anary" not in str(raised.value.flaws)

    def test_two_kilobytes_at_the_most(self) -> None:
        fits = {"name": "ð" * 200, "address": "ð" * 824}
        assert intake.read(json.dumps({**GOOD, "customer": fits}).encode()).customer
        with pytest.raises(InvalidOrderError, match="1 flaws"):
            intake.read(json.dumps({**GOOD, "customer": {**fits, "email": "a@b"}}).encode())

    def test_the_largest_fits_into_one_call(self, shop: Any) -> None:
        """JSON doubles quotation marks and backslashes."""
        largest = {"email": '"' * 252 + "@b", "name": "\\" * 200, "address": '"' * 406 + "ð" * 594}
        order_id = shop.place(body={**GOOD, "customer": largest})
        assert shop.get(order_id).json["customer"] == largest

    def test_printing_shows_nothing(self) -> None:
        """A wish may end up in a traceback or a test's message."""
        wish = intake.read(json.dumps(ORDER).encode())
        assert "anary" not in f"{wish} {wish.customer!r}"
        assert Customer(**CUSTOMER) == wish.customer
