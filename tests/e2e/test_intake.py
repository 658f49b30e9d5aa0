"""What the API takes, what it refuses, and that a refusal leaves no trace."""

from __future__ import annotations

import json
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from e2e.shop import Shop
from ecom_cli.shop.tables import ORDERS, scan


def body(**fields: Any) -> bytes:
    return json.dumps({"items": ["ITEM_ID-01"], "amount": 12.5, **fields}).encode()


def with_amount(text: str) -> bytes:
    return b'{"items": ["ITEM_ID-01"], "amount": ' + text.encode() + b"}"


def with_quantity(quantity: object) -> bytes:
    return body(items=[{"itemId": "ITEM_ID-01", "quantity": quantity}])


BAD_BODIES: dict[str, bytes] = {
    "empty": b"",
    "spaces": b"  ",
    "not JSON": b"{items",
    "not UTF-8": b'{"items": ["\xff"], "amount": 1}',
    "a name that is not UTF-8": b'{"items": ["ITEM_ID-01"], "amount": 1, "customer": {"name": "J\xf6rg"}}',
    "a list": b"[1,2]",
    "null": b"null",
    "no items": b'{"amount": 12.5}',
    "empty items": body(items=[]),
    "51 lines": body(items=[f"ITEM-{number}" for number in range(51)]),
    "an item that is a number": body(items=[15]),
    "an item without an id": body(items=[{"quantity": 1}]),
    "an item id with a space": body(items=["ITEM 1"]),
    "quantity 0": with_quantity(0),
    "quantity -1": with_quantity(-1),
    "quantity 1000": with_quantity(1000),
    "quantity 1.5": with_quantity(1.5),
    "quantity true": with_quantity(True),
    "quantity in words": with_quantity("2"),
    "no amount": b'{"items": ["ITEM_ID-01"]}',
    "amount true": with_amount("true"),
    "amount in words": with_amount('"12.50"'),
    "amount NaN": with_amount("NaN"),
    "amount Infinity": with_amount("Infinity"),
    "amount 1e200": with_amount("1e200"),
    "amount -5": with_amount("-5"),
    "amount 0": with_amount("0"),
    "amount 0.001": with_amount("0.001"),
    "amount of a million digits": with_amount("9" * 10_000),
    "unknown currency": body(currency="XXX"),
    "currency that is a number": body(currency=840),
    "unknown field": body(ammount=12.5),
    "20 KB": body(items=["I" * 64] * 50, note="x" * 20_000),
    "deep": b'{"items": ' + b"[" * 5000 + b"]" * 5000 + b', "amount": 1}',
}


def test_bad_requests_are_refused_in_words_and_leave_no_trace(shop: Shop) -> None:
    shop.given_item("mug")
    before = {row["orderId"] for row in scan(shop.system.stage, ORDERS)}
    heard = len(shop.system.tap.all())

    answers = {name: shop.post(bad) for name, bad in BAD_BODIES.items()}
    good = body()
    answers |= {
        "300-character key": shop.post(good, key="k" * 300),
        "key with a tab inside": shop.post(good, key="a\tb"),
    }

    wrong = {
        name: f"{a.status_code} {a.text[:200]}"
        for name, a in answers.items()
        if not 400 <= a.status_code < 500
    }
    assert wrong == {}
    for name, answer in answers.items():
        assert answer.headers["Content-Type"] == "application/problem+json", name
        problem = answer.json()
        assert problem["status"] == answer.status_code, name
        assert problem["title"], name
        assert problem["type"], name
        for inside in ("Traceback", "boto", "arn:aws", "ecom-local", ".py"):
            assert inside not in answer.text, f"{name}: the answer shows what is inside"
    # An order placed later has come to its end: what the others had set off would have been seen before.
    order = shop.place(mug=1)
    shop.wait_closed(order)
    shop.system.wait_quiet()
    assert {row["orderId"] for row in scan(shop.system.stage, ORDERS)} - before == {order.order_id}
    assert {event.order_id for event in shop.system.tap.all()[heard:]} == {order.order_id}


def test_unknown_orders_are_not_found(shop: Shop) -> None:
    unknown = "00000000-0000-5000-8000-000000000000"

    answers = {
        "unknown": shop.get(unknown),
        "not an id": shop.get("nonsense"),
        "half an id": shop.get(unknown[:20]),
        "cancel unknown": shop.cancel(unknown),
        "cancel nonsense": shop.cancel("nonsense"),
    }

    assert {name: answer.status_code for name, answer in answers.items()} == dict.fromkeys(answers, 404)
    for name, answer in answers.items():
        assert answer.headers["Content-Type"] == "application/problem+json", name
    assert not any(row["orderId"] == unknown for row in scan(shop.system.stage, ORDERS))


def test_the_same_key_twice_is_one_order(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    order = shop.planned({"mug": 2})
    shop.orders.append(order)

    # A customer who presses the button eight times at once.
    with ThreadPoolExecutor(8) as pool:
        answers = list(pool.map(lambda _: shop.post(shop.body(order), key=order.key), range(8)))

    assert {(answer.status_code, answer.json()["orderId"]) for answer in answers} == {(202, order.order_id)}
    assert shop.wait_closed(order)["status"] == "SHIPPED"
    # And again after the end, in other words for the same wish.
    spelt = {"currency": "USD", "amount": 20, "items": [shop.item_id("mug"), shop.item_id("mug")]}
    again = shop.post(json.dumps(spelt).encode(), key=order.key)
    assert (again.status_code, again.json()["status"]) == (202, "SHIPPED")
    shop.system.wait_quiet()
    assert shop.stock("mug") == 8, "one order took stock more than once"
    assert len({event.event_id for event in shop.events_of(order)}) == 4
    shop.assert_in_order()


def test_the_same_key_with_another_body_is_refused(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    order = shop.place(mug=2)
    other = shop.planned({"mug": 3}, key=order.key)

    answer = shop.post(shop.body(other), key=order.key)

    assert answer.status_code == 422
    assert answer.headers["Content-Type"] == "application/problem+json"
    shown = shop.wait_closed(order)
    assert (shown["status"], shown["items"][0]["quantity"]) == ("SHIPPED", 2)
    shop.system.wait_quiet()
    assert shop.stock("mug") == 8, "the refused order was carried out"
    shop.assert_in_order()
