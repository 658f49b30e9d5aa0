"""What fails outside: cards, the gateway, carriers. Each order ends, and money and stock end with it."""

from __future__ import annotations

from datetime import timedelta

from e2e.shop import Shop
from e2e.system import eventually


def test_a_declined_payment_puts_the_stock_back_and_tells_the_customer(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)

    order = shop.place(mug=2, force="dec1")

    shown = shop.wait_closed(order)
    assert (shown["status"], shown["reason"]) == ("PAYMENT_FAILED", "card_declined")
    assert shop.stock("mug") == 10, "the stock of an order nobody pays for is not back"
    assert "declined" in shop.wait_mail(order, "PaymentFailureTopic").text
    assert shop.rows(order).shipment == {}
    shop.assert_in_order()


def test_a_slow_gateway_charges_once(shop: Shop) -> None:
    """A time-out is not a decline: the same charge is asked for again."""
    shop.given_item("mug", quantity=10)

    order = shop.place(mug=2, force="70a1")

    assert shop.wait_closed(order)["status"] == "SHIPPED"
    payment = shop.rows(order).payment
    assert (payment["state"], payment["amount"]) == ("CHARGED", 2000)
    confirmations = [event for event in shop.events_of(order) if event.detail_type == "PaymentConfirmation"]
    assert {event.data["outcome"] for event in confirmations} == {"charged"}
    assert len({event.event_id for event in confirmations}) == 1
    shop.assert_in_order()


def test_a_dead_gateway_ends_in_a_cancelled_order_with_nothing_charged(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    order = shop.place(mug=2, force="70ff")
    shop.wait_status(order, "RESERVED")
    eventually(
        lambda: shop.rows(order).payment.get("state") == "INTENT",
        lambda: f"the gateway is never asked: {shop.story(order)}",
        within=60,
    )
    assert shop.stock("mug") == 8

    shop.age(order, timedelta(minutes=20))

    shown = shop.wait_closed(order, sweep=True)
    assert shown["status"] == "CANCELLED"
    rows = shop.rows(order)
    assert rows.order["cancelReason"] == "timeout"
    assert rows.payment["state"] == "VOIDED"
    assert "chargeId" not in rows.payment, "the customer has paid for a cancelled order"
    assert shop.stock("mug") == 10, "the stock of a cancelled order is not back"
    shop.assert_in_order()


def test_a_carrier_that_is_down_once_is_asked_again(shop: Shop) -> None:
    shop.given_item("mug")

    order = shop.place(mug=1, force="ca01")

    assert shop.wait_closed(order)["status"] == "SHIPPED"
    shipment = shop.rows(order).shipment
    assert (shipment["processedBy"], shipment["carrier"]) == ("shipping", "primary")
    shop.assert_in_order()


def test_what_the_primary_carrier_cannot_ship_goes_with_the_fallback(shop: Shop) -> None:
    shop.given_item("mug")

    order = shop.place(mug=1, force="ca03")

    shown = shop.wait_closed(order)
    assert (shown["status"], shown["carrier"]) == ("SHIPPED", "fallback")
    created = [event for event in shop.events_of(order) if event.detail_type == "ShipmentCreated"]
    assert {event.data["processedBy"] for event in created} == {"dlq"}
    assert "fallback" in shop.wait_mail(order, "ShippingNotificationTopic").text
    assert shop.rows(order).shipment["rescues"] == 1
    shop.assert_in_order()


def test_what_no_carrier_can_ship_is_refunded_and_restocked(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)

    order = shop.place(mug=2, force="caff")

    shown = shop.wait_closed(order, within=90)
    assert shown["status"] == "REFUNDED"
    way = [step["status"] for step in shown["timeline"]]
    assert [status for status in way if status in ("PAID", "SHIPPING_FAILED", "REFUNDED")][:2] == [
        "PAID",
        "SHIPPING_FAILED",
    ]
    rows = shop.rows(order)
    assert (rows.shipment["state"], rows.shipment["rescues"]) == ("FAILED", 4)
    assert rows.payment["state"] == "REFUNDED"
    assert rows.payment["chargeId"]
    assert rows.payment["refundId"]
    assert shop.stock("mug") == 10, "the stock of a refunded order is not back"
    assert "refunded" in shop.wait_mail(order, "ShippingNotificationTopic").text
    shop.assert_in_order()
