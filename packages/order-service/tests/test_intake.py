"""What customers send, and what is said about it."""

from __future__ import annotations

import json
from decimal import Decimal
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from order_service import intake, model
from order_service.intake import InvalidOrderError
from order_service.model import MAX_AMOUNT, MINOR_DIGITS, Line, Wish


def flaws(body: Any) -> dict[str, str]:
    raw = body if isinstance(body, bytes) else json.dumps(body).encode()
    with pytest.raises(InvalidOrderError) as raised:
        intake.read(raw)
    return {flaw.pointer: flaw.detail for flaw in raised.value.flaws}


def test_names_and_lines_may_be_mixed_and_repeated() -> None:
    wish = intake.read(
        b'{"items": ["a", {"itemId": "b", "quantity": 2}, "a", {"itemId": "a", "quantity": 3}],'
        b' "amount": 1250.99, "currency": "EUR"}'
    )
    assert wish == Wish((Line("a", 5), Line("b", 2)), 125099, "EUR")


def test_the_currency_is_dollars_unless_said() -> None:
    assert intake.read(b'{"items": ["a"], "amount": 1}').currency == "USD"


def test_all_that_is_wrong_is_said_at_once() -> None:
    body = {
        "items": [7, {"itemId": "", "quantity": 0}, {"itemId": "x", "qty": 2}],
        "amount": "12",
        "curency": "EUR",
        "a/b~c": 1,
    }
    assert set(flaws(body)) == {
        "/curency",
        "/a~1b~0c",
        "/items/0",
        "/items/1/itemId",
        "/items/1/quantity",
        "/items/2/qty",
        "/items/2/quantity",
        "/amount",
    }


@pytest.mark.parametrize(
    ("body", "said"),
    [
        (b"", "is empty"),
        (b" \n", "is empty"),
        (b"{", "is not JSON"),
        (b'{"items": ["\xff"]}', "is not JSON in UTF-8"),
        ('{"items": ["a"], "amount": 1}'.encode("utf-16"), "is not JSON in UTF-8"),
        (b"[" * 16_000, "is not JSON"),
        (b'{"amount": 1' + b"0" * 5_000 + b"}", "is not JSON"),
        (b'{"amount": 1e' + b"9" * 40 + b"}", "is not JSON"),
        (b'{"amount": NaN}', "holds NaN"),
        (b'{"amount": -Infinity}', "holds -Infinity"),
        (b'{"amount": 1, "amount": 2}', "names 'amount' twice"),
        (b'{"items": [{"itemId": "a", "itemId": "b", "quantity": 1}], "amount": 2}', "names 'itemId' twice"),
        (b"[1,2]", "must be a JSON object"),
        (b'"a"', "must be a JSON object"),
        (b"null", "must be a JSON object"),
    ],
    ids=lambda value: repr(value[:20]),
)
def test_what_is_no_object_of_json(body: bytes, said: str) -> None:
    found = flaws(body)
    assert list(found) == [""]
    assert said in found[""]


@pytest.mark.parametrize("items", [None, [], ["a"] * 51, "a", {"itemId": "a"}, 5])
def test_there_are_1_to_50_items(items: Any) -> None:
    assert "/items" in flaws({"items": items, "amount": 1})
    assert intake.read(json.dumps({"items": ["a"] * 50, "amount": 1}).encode()).lines == (Line("a", 50),)


@pytest.mark.parametrize("quantity", [0, -1, 1000, 1.5, 2.0, 1e2, True, "1", None, [1]])
def test_a_quantity_is_a_whole_number(quantity: Any) -> None:
    assert list(flaws({"items": [{"itemId": "a", "quantity": quantity}], "amount": 1})) == [
        "/items/0/quantity"
    ]


@pytest.mark.parametrize("item_id", ["", " a", "a b", "-a", "ä", "a" * 65, "a\n", "a/b", "\ud800", 7, None])
def test_an_item_id_follows_the_pattern(item_id: Any) -> None:
    assert list(flaws({"items": [{"itemId": item_id, "quantity": 1}], "amount": 1})) == ["/items/0/itemId"]
    if isinstance(item_id, str):
        assert list(flaws({"items": [item_id], "amount": 1})) == ["/items/0"]


def test_repeated_items_stay_under_the_limit_together() -> None:
    item = {"itemId": "a", "quantity": 500}
    assert list(flaws({"items": [item, item], "amount": 1})) == ["/items/1"]


@pytest.mark.parametrize(
    "amount",
    [
        "NaN",
        "1e200",
        "-5",
        "0",
        "-0.0",
        "0.001",
        "0.00",
        "true",
        '"5"',
        "null",
        "[]",
        "1e-999999999",
        "1e999999999",
        "1.00000000000000000000000000000000000001",
        "10000000000.01",
        "1e10000",
    ],
)
def test_amounts_that_are_none(amount: str) -> None:
    found = flaws(f'{{"items": ["a"], "amount": {amount}}}'.encode())
    assert set(found) <= {"/amount", ""}


def test_yen_have_no_decimals() -> None:
    assert intake.read(b'{"items": ["a"], "amount": 500, "currency": "JPY"}').amount == 500
    assert "/amount" in flaws({"items": ["a"], "amount": 500.5, "currency": "JPY"})


@pytest.mark.parametrize("currency", ["XXX", "usd", "", None, 840, ["USD"], "USD "])
def test_unknown_currencies_are_refused(currency: Any) -> None:
    assert list(flaws({"items": ["a"], "amount": 1, "currency": currency})) == ["/currency"]


def test_a_missing_amount_is_said() -> None:
    assert list(flaws({"items": ["a"]})) == ["/amount"]


def test_the_list_of_flaws_ends() -> None:
    assert len(flaws({f"x{number}": 1 for number in range(500)})) == intake.MAX_FLAWS


@given(st.sampled_from(sorted(MINOR_DIGITS)), st.integers(1, MAX_AMOUNT))
def test_money_goes_in_and_out_without_loss(currency: str, minor: int) -> None:
    written = f"{model.major_units(minor, currency):f}"
    assert len(written.partition(".")[2]) == MINOR_DIGITS[currency]
    assert model.minor_units(Decimal(written), currency) == minor


@given(st.decimals(allow_nan=False, allow_infinity=False), st.sampled_from(["USD", "JPY"]))
def test_an_amount_is_taken_exactly_or_not_at_all(amount: Decimal, currency: str) -> None:
    try:
        minor = model.minor_units(amount, currency)
    except ValueError:
        return
    assert 0 < minor <= MAX_AMOUNT
    assert Decimal(minor).scaleb(-MINOR_DIGITS[currency]) == amount


def taken_or_refused(body: bytes) -> bool:
    """A wish within the limits, or at least one flaw; anything else raised is a bug."""
    try:
        wish = intake.read(body)
    except InvalidOrderError as error:
        return bool(error.flaws)
    return 1 <= len(wish.lines) <= 50 and all(1 <= line.quantity <= 999 for line in wish.lines)


@given(st.binary(max_size=200) | st.text(max_size=200).map(str.encode))
def test_any_bytes_are_an_order_or_a_flaw(body: bytes) -> None:
    assert taken_or_refused(body)


_json = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=10,
)
_items = _json | st.lists(_json | st.just("a"))
_almost = st.fixed_dictionaries({"items": _items, "amount": _json | st.just(5)})


@given(_json | _almost)
def test_any_json_is_an_order_or_a_flaw(document: Any) -> None:
    assert taken_or_refused(json.dumps(document).encode())


def test_the_fingerprint_is_of_the_wish_not_of_its_spelling() -> None:
    def of(text: str) -> str:
        return intake.read(text.encode()).fingerprint

    one = of('{"items": ["a", "b", "a"], "amount": 2.50}')
    assert one == of('{"currency":"USD","amount":2.5,"items":["b",{"quantity":2,"itemId":"a"}]}')
    assert one != of('{"items": ["a", "b"], "amount": 2.50}')
    assert one != of('{"items": ["a", "b", "a"], "amount": 2.51}')
    assert one != of('{"items": ["a", "b", "a"], "amount": 2.50, "currency": "EUR"}')
