"""An order that goes well."""

from __future__ import annotations

from e2e.shop import Shop


def test_an_order_is_shipped(shop: Shop) -> None:
    shop.given_item("mug", price="12.50", quantity=10)
    shop.given_item("lamp", price="51.99", quantity=10)

    order = shop.place(mug=2, lamp=1)

    assert shop.wait_closed(order)["status"] == "SHIPPED"
    assert (shop.stock("mug"), shop.stock("lamp")) == (8, 9)
