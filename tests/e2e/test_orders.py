"""Orders from the customer's side: they are shipped, or the customer learns why not and pays nothing."""

from __future__ import annotations

import json

from e2e.shop import Shop
from e2e.system import eventually
from ecom_cli.shop.catalogue import load_sample_catalogue
from ecom_cli.shop.orders import is_closed
from ecom_cli.shop.shelves import Shelves


def test_an_order_is_shipped_and_its_customer_told(shop: Shop) -> None:
    shop.given_item("mug", price="12.50", quantity=10)
    shop.given_item("lamp", price="51.99", quantity=10)

    order = shop.place(mug=2, lamp=1)

    shown = shop.wait_closed(order)
    assert shown["status"] == "SHIPPED"
    assert shown["amount"] == 76.99
    assert [step["status"] for step in shown["timeline"]] == ["PLACED", "RESERVED", "PAID", "SHIPPED"]
    assert (shop.stock("mug"), shop.stock("lamp")) == (8, 9), "the stock does not show what was sold"
    mail = shop.wait_mail(order, "ShippingNotificationTopic")
    assert shown["trackingNumber"] in mail.text
    assert [mail.topic for mail in shop.mails_for(order)] == ["ShippingNotificationTopic"]
    shop.assert_in_order()


def test_an_order_that_cannot_be_filled_takes_nothing(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    shop.given_item("pen", quantity=10)
    shop.given_item("lamp", quantity=1)

    order = shop.place(mug=2, lamp=2, pen=3)

    shown = shop.wait_closed(order)
    assert (shown["status"], shown["reason"]) == ("OUT_OF_STOCK", "out_of_stock")
    assert [shop.stock(name) for name in ("mug", "lamp", "pen")] == [10, 1, 10], "stock leaked from a refusal"
    assert "out of stock" in shop.wait_mail(order, "StockNotificationsTopic").text
    assert shop.rows(order).payment == {}, "money was asked for what is not there"
    # The last lamp is still for sale.
    assert shop.wait_closed(shop.place(lamp=1))["status"] == "SHIPPED"
    shop.assert_in_order()


def test_an_order_at_another_price_is_refused_and_not_called_out_of_stock(shop: Shop) -> None:
    shop.given_item("mug", price="12.50", quantity=10)

    order = shop.place(mug=2, amount="24.99")

    shown = shop.wait_closed(order)
    assert (shown["status"], shown["reason"]) == ("OUT_OF_STOCK", "amount_mismatch")
    assert shop.stock("mug") == 10
    # A mail about an order placed later has arrived; one about this order would have come before it.
    shop.wait_mail(shop.place(mug=11), "StockNotificationsTopic")
    assert shop.mails_for(order) == [], "the customer was told that what is on the shelf is out of stock"
    shop.wait_all_closed()
    shop.assert_in_order()


def test_an_order_for_something_unknown_is_refused(shop: Shop) -> None:
    order = shop.place(nothing=1, amount="1.00")

    shown = shop.wait_closed(order)
    assert (shown["status"], shown["reason"]) == ("OUT_OF_STOCK", "unknown_item")
    shop.assert_in_order()


def test_the_request_of_the_readme_is_taken(shop: Shop) -> None:
    """As anyone would send it: bare item ids, no key, no currency, against the sample catalogue."""
    load_sample_catalogue(shop.system.stage)
    before = Shelves(shop.system.stage).all()

    answer = shop.post(b'{"items": ["ITEM_ID-15", "ITEM_ID-02"], "amount": 1250.99}')

    assert answer.status_code == 202, answer.text
    placed = answer.json()
    assert answer.headers["Location"].endswith(f"/orders/{placed['orderId']}")

    def closed() -> dict[str, object] | None:
        shown: dict[str, object] = shop.get(placed["orderId"]).json()
        return shown if is_closed(shown) else None

    shown = eventually(closed, lambda: f"never ends: {shop.get(placed['orderId']).text}", within=60)
    assert shown["status"] == "SHIPPED"
    assert json.dumps(shown["amount"]) == "1250.99"
    after = Shelves(shop.system.stage).all()
    assert {
        item: before[item].quantity - after[item].quantity for item in before if after[item] != before[item]
    } == {
        "ITEM_ID-15": 1,
        "ITEM_ID-02": 1,
    }


def test_customers_see_their_orders_newest_first(shop: Shop) -> None:
    shop.given_item("mug")
    first, second = shop.place(mug=1), shop.place(mug=2)

    listed = shop.page(limit=1)
    rest = shop.page(limit=1, next=listed["next"])

    assert [order["orderId"] for order in (*listed["orders"], *rest["orders"])] == [
        second.order_id,
        first.order_id,
    ]
    shop.wait_all_closed()
