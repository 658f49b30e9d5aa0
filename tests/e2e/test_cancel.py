"""A customer changes their mind, at every point of the way."""

from __future__ import annotations

from e2e.shop import Order, Shop
from e2e.system import eventually


def said(shop: Shop, order: Order, detail_type: str) -> None:
    """Until this fact about the order was on the bus."""
    eventually(
        lambda: any(event.detail_type == detail_type for event in shop.events_of(order)),
        lambda: f"no {detail_type}: {shop.story(order)}",
        within=60,
    )


def publish_again(shop: Shop, order: Order, detail_type: str) -> None:
    """What was lost arrives after all."""
    shop.system.publish(*(event for event in shop.events_of(order) if event.detail_type == detail_type))
    shop.system.wait_quiet()


def test_before_anything_was_reserved(shop: Shop) -> None:
    """The cancel overtakes the order itself: each service remembers it and does nothing later."""
    shop.given_item("mug", quantity=10)
    with shop.system.deaf("inventory-service", "OrderPlacedRule"):
        order = shop.place(mug=2)
        said(shop, order, "OrderPlaced")
        assert shop.cancel(order).status_code == 202
        assert shop.wait_closed(order)["status"] == "CANCELLED"

    publish_again(shop, order, "OrderPlaced")

    assert shop.look(order)["status"] == "CANCELLED"
    assert shop.stock("mug") == 10, "a cancelled order took stock"
    rows = shop.rows(order)
    assert (rows.reservation["state"], rows.payment["state"], rows.shipment["state"]) == (
        "RELEASED",
        "VOIDED",
        "FAILED",
    )
    shop.assert_in_order()


def test_before_the_charge(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    with shop.system.deaf("payment-service", "StockConfirmedRule"):
        order = shop.place(mug=2)
        shop.wait_status(order, "RESERVED")
        answer = shop.cancel(order)
        assert (answer.status_code, answer.json()["status"]) == (202, "CANCELLING")
        assert shop.wait_closed(order)["status"] == "CANCELLED"

    publish_again(shop, order, "StockConfirmation")

    assert shop.look(order)["status"] == "CANCELLED"
    assert shop.rows(order).payment["state"] == "VOIDED", "a cancelled order was charged"
    assert shop.stock("mug") == 10
    shop.assert_in_order()


def test_while_the_gateway_is_asked(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    order = shop.place(mug=2, force="70ff")
    eventually(
        lambda: shop.rows(order).payment.get("state") == "INTENT", lambda: shop.story(order), within=60
    )

    assert shop.cancel(order).status_code == 202

    assert shop.wait_closed(order)["status"] == "CANCELLED"
    assert shop.rows(order).payment["state"] == "VOIDED"
    assert shop.stock("mug") == 10
    shop.assert_in_order()


def test_before_the_shipment(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    with shop.system.deaf("shipping-service", "PaymentConfirmedRule"):
        order = shop.place(mug=2)
        shop.wait_status(order, "PAID")
        assert shop.cancel(order).status_code == 202
        assert shop.wait_closed(order)["status"] == "REFUNDED"

    publish_again(shop, order, "PaymentConfirmation")

    rows = shop.rows(order)
    assert rows.shipment["state"] == "FAILED", "a cancelled order was shipped"
    assert (rows.payment["state"], bool(rows.payment["refundId"])) == ("REFUNDED", True)
    assert shop.stock("mug") == 10
    assert [mail.topic for mail in shop.mails_for(order)] == []
    shop.assert_in_order()


def test_while_the_carriers_are_asked(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    with shop.system.asleep("shipping-service", "ShippingDLQMapping"):
        order = shop.place(mug=2, force="caff")
        eventually(
            lambda: shop.system.backlog() == {"ShippingDLQ": 1},
            lambda: f"the primary carrier is not given up: {shop.story(order)}",
            within=60,
        )
        assert shop.rows(order).shipment["state"] == "INTENT"
        assert shop.cancel(order).status_code == 202
        assert shop.wait_closed(order)["status"] == "REFUNDED"

    # What waited for the fallback carrier comes to nothing.
    shop.system.wait_quiet()
    rows = shop.rows(order)
    assert (rows.shipment["state"], rows.shipment["reason"]) == ("FAILED", "cancelled")
    assert shop.stock("mug") == 10
    shop.assert_in_order()


def test_after_the_shipment_it_is_too_late(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    order = shop.place(mug=2)
    shop.wait_closed(order)

    answer = shop.cancel(order)

    assert answer.status_code == 409
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert "SHIPPED" in answer.json()["detail"]
    shop.system.wait_quiet()
    assert shop.look(order)["status"] == "SHIPPED"
    assert "OrderCancelRequested" not in {event.detail_type for event in shop.events_of(order)}
    shop.assert_in_order()


def test_a_closed_order_cannot_be_cancelled(shop: Shop) -> None:
    shop.given_item("mug", quantity=1)
    refused = shop.place(mug=2)
    shop.wait_closed(refused)

    assert shop.cancel(refused).status_code == 409
    assert shop.look(refused)["status"] == "OUT_OF_STOCK"


def test_cancelling_twice_is_cancelling_once(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    with shop.system.deaf("shipping-service", "OrderCancelRequestedRule"):
        with shop.system.deaf("payment-service", "StockConfirmedRule"):
            order = shop.place(mug=2)
            shop.wait_status(order, "RESERVED")
            assert [shop.cancel(order).status_code for _ in range(2)] == [202, 202]
        said(shop, order, "OrderCancelRequested")

    # Both requests were lost on their way to shipping; the sweeper repeats them.
    assert shop.wait_closed(order, sweep=True)["status"] == "CANCELLED"
    requested = [event for event in shop.events_of(order) if event.detail_type == "OrderCancelRequested"]
    assert len({event.event_id for event in requested}) == 1
    assert {event.data["reason"] for event in requested} == {"customer"}
    assert shop.stock("mug") == 10
    shop.assert_in_order()
