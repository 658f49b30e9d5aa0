"""Every promise is broken once, and the break is reported."""

from __future__ import annotations

import copy
from datetime import UTC, datetime
from typing import Any

import pytest

from ecom_cli.demo.invariants import CHECKS, Tables, broken, messages, title

Rows = dict[str, dict[str, Any]]

ENDS = {
    # status: reservation, payment, shipment
    "SHIPPED": ("RESERVED", "CHARGED", "CREATED"),
    "OUT_OF_STOCK": ("REJECTED", None, None),
    "PAYMENT_FAILED": ("RELEASED", "DECLINED", None),
    "CANCELLED": ("RELEASED", "VOIDED", "FAILED"),
    "REFUNDED": ("RELEASED", "REFUNDED", "FAILED"),
}
TIMELINES = {
    "SHIPPED": ("PLACED", "RESERVED", "PAID", "SHIPPED"),
    "OUT_OF_STOCK": ("PLACED", "OUT_OF_STOCK"),
    "PAYMENT_FAILED": ("PLACED", "RESERVED", "PAYMENT_FAILED", "PAYMENT_FAILED"),
    "CANCELLED": ("PLACED", "CANCELLING", "SHIPPING_FAILED", "VOIDED", "CANCELLED"),
    "REFUNDED": ("PLACED", "RESERVED", "PAID", "SHIPPING_FAILED", "REFUNDED", "REFUNDED"),
}


class Shop:
    """Five orders of two mugs each, one for each end; six mugs received, two of them shipped."""

    def __init__(self) -> None:
        self.items: Rows = {"mug": {"pk": "ITEM#mug", "itemId": "mug", "quantity": 4, "received": 6}}
        self.orders: Rows = {}
        self.reservations: Rows = {}
        self.payments: Rows = {}
        self.shipments: Rows = {}
        for status, (reservation, payment, shipment) in ENDS.items():
            order_id = status.lower()
            lines = [{"itemId": "mug", "quantity": 2}]
            money = {"amount": 500, "currency": "USD"}
            about = {"orderId": order_id, "placedAt": "2026-01-01T10:00:00.000000+00:00"}
            self.orders[order_id] = {
                **about,
                **money,
                "status": status,
                "rank": 90,
                "closed": True,
                "items": copy.deepcopy(lines),
                "timeline": [{"status": step, "at": about["placedAt"]} for step in TIMELINES[status]],
            }
            self.reservations[order_id] = {
                **about,
                **money,
                "pk": f"ORDER#{order_id}",
                "state": reservation,
                "lines": lines,
            }
            if payment:
                self.payments[order_id] = {
                    **about,
                    **money,
                    "state": payment,
                    "chargeId": "ch",
                    "refundId": "re",
                }
            if shipment:
                self.shipments[order_id] = {**about, "state": shipment, "trackingNumber": "TN"}

    def open(self, order_id: str, status: str, rank: int) -> None:
        order = self.orders[order_id]
        order.update(status=status, rank=rank, timeline=[{"status": "PLACED"}, {"status": status}])
        del order["closed"]

    def found(self, as_of: datetime | None = None) -> dict[str, list[str]]:
        inventory = [*self.items.values(), *self.reservations.values()]
        return broken(
            Tables.from_rows(
                self.orders.values(), inventory, self.payments.values(), self.shipments.values(), as_of
            )
        )


@pytest.fixture
def shop() -> Shop:
    return Shop()


def test_a_shop_in_which_all_went_well_breaks_no_promise(shop: Shop) -> None:
    assert messages(shop.found()) == []


def _piece_lost(shop: Shop) -> None:
    shop.items["mug"]["quantity"] = 3


def _item_unknown(shop: Shop) -> None:
    del shop.items["mug"]


def _below_zero(shop: Shop) -> None:
    shop.items["mug"].update(quantity=-1, received=1)


def _shipped_unpaid(shop: Shop) -> None:
    shop.payments["shipped"]["state"] = "INTENT"


def _shipped_never_paid(shop: Shop) -> None:
    del shop.payments["shipped"]


def _shipped_released(shop: Shop) -> None:
    shop.reservations["shipped"]["state"] = "RELEASED"


def _refunded_and_shipped(shop: Shop) -> None:
    shop.shipments["refunded"]["state"] = "CREATED"


def _voided_and_shipped(shop: Shop) -> None:
    shop.shipments["cancelled"]["state"] = "CREATED"


def _charged_without_stock(shop: Shop) -> None:
    shop.payments["out_of_stock"] = {"orderId": "out_of_stock", "state": "CHARGED", "chargeId": "ch"}


def _booking_without_charge(shop: Shop) -> None:
    shop.open("payment_failed", "PAYMENT_FAILED", 60)
    shop.shipments["payment_failed"] = {"orderId": "payment_failed", "state": "INTENT"}


def _refunded_but_declined(shop: Shop) -> None:
    shop.payments["refunded"]["state"] = "DECLINED"


def _rejected_but_cancelled(shop: Shop) -> None:
    shop.orders["out_of_stock"].update(status="CANCELLED", timeline=[])


def _no_such_end(shop: Shop) -> None:
    shop.orders["shipped"].update(status="PAID", timeline=[])


def _stock_held_back(shop: Shop) -> None:
    shop.reservations["cancelled"]["state"] = "RESERVED"


def _stock_for_nobody(shop: Shop) -> None:
    del shop.orders["shipped"]


def _paid_another_amount(shop: Shop) -> None:
    shop.payments["shipped"]["amount"] = 499


def _reserved_another_amount(shop: Shop) -> None:
    shop.reservations["refunded"]["amount"] = 501


def _another_currency(shop: Shop) -> None:
    shop.payments["shipped"]["currency"] = "EUR"


def _reserved_other_lines(shop: Shop) -> None:
    shop.orders["shipped"]["items"] = [{"itemId": "mug", "quantity": 1}]


def _payment_in_no_state(shop: Shop) -> None:
    shop.payments["refunded"]["state"] = "PENDING"


def _reservation_in_no_state(shop: Shop) -> None:
    del shop.reservations["out_of_stock"]["state"]


def _refund_without_id(shop: Shop) -> None:
    del shop.payments["refunded"]["refundId"]


def _charge_without_id(shop: Shop) -> None:
    del shop.payments["shipped"]["chargeId"]


def _parcel_without_number(shop: Shop) -> None:
    del shop.shipments["shipped"]["trackingNumber"]


def _rank_of_another_status(shop: Shop) -> None:
    shop.orders["shipped"]["rank"] = 30


def _closed_too_early(shop: Shop) -> None:
    shop.orders["payment_failed"]["rank"] = 60


def _went_back(shop: Shop) -> None:
    shop.orders["refunded"]["timeline"].insert(4, {"status": "PAID"})


BREAKS = [
    (_piece_lost, "stock on hand = received - reserved", "mug: 3 on hand"),
    (_item_unknown, "stock on hand = received - reserved", "2 reserved of an item that does not exist"),
    (_below_zero, "stock is never below zero", "mug: -1 on hand"),
    (_shipped_unpaid, "shipped ⇒ paid and reserved", "the payment is INTENT"),
    (_shipped_never_paid, "shipped ⇒ paid and reserved", "the payment is missing"),
    (_shipped_released, "shipped ⇒ paid and reserved", "the reservation is RELEASED"),
    (_refunded_and_shipped, "refunded or voided ⇒ not shipped", "refunded: the payment is REFUNDED"),
    (_voided_and_shipped, "refunded or voided ⇒ not shipped", "cancelled: the payment is VOIDED"),
    (_charged_without_stock, "money is asked for only where stock was reserved", "reservation is REJECTED"),
    (_booking_without_charge, "money is asked for only where stock was reserved", "the shipment is INTENT"),
    (_refunded_but_declined, "a closed order's status agrees", "closed as REFUNDED, but the payment"),
    (_rejected_but_cancelled, "a closed order's status agrees", "but the reservation is REJECTED"),
    (_no_such_end, "a closed order's status agrees", "closed as PAID, which no order ends as"),
    (_stock_held_back, "no stock stays reserved", "closed as CANCELLED, but its stock is still reserved"),
    (_stock_for_nobody, "no stock stays reserved", "for an order that does not exist"),
    (_paid_another_amount, "the same amount", "ordered for 500 USD, but the payment says 499 USD"),
    (_reserved_another_amount, "the same amount", "but the reservation says 501 USD"),
    (_another_currency, "the same amount", "but the payment says 500 EUR"),
    (_reserved_other_lines, "the same amount", "the reserved lines are not the ordered ones"),
    (_payment_in_no_state, "every row is in a state", "the payment is PENDING"),
    (_reservation_in_no_state, "every row is in a state", "the reservation is without a state"),
    (_refund_without_id, "every row is in a state", "REFUNDED without a refundId"),
    (_charge_without_id, "every row is in a state", "CHARGED without a chargeId"),
    (_parcel_without_number, "every row is in a state", "CREATED without a trackingNumber"),
    (_rank_of_another_status, "an order's status never goes back", "status SHIPPED with rank 30"),
    (_closed_too_early, "an order's status never goes back", "rank 60, but closed"),
    (_went_back, "an order's status never goes back", "the timeline goes back to PAID"),
]


@pytest.mark.parametrize(("harm", "promise", "what"), BREAKS, ids=[harm.__name__[1:] for harm, *_ in BREAKS])
def test_a_broken_promise_is_reported_under_its_name(shop: Shop, harm: Any, promise: str, what: str) -> None:
    harm(shop)
    found = [each for name, each in shop.found().items() if name.startswith(promise)]
    assert len(found) == 1, f"no promise is called {promise!r}"
    assert any(what in message for message in found[0]), found[0]


def test_every_promise_has_a_break_in_this_file() -> None:
    untested = {title(check) for check in CHECKS} - {
        title(check) for check in CHECKS for _, promise, _ in BREAKS if title(check).startswith(promise)
    }
    assert not untested


def test_an_order_on_its_way_breaks_nothing(shop: Shop) -> None:
    shop.open("shipped", "PAID", 30)
    shop.shipments["shipped"] = {"orderId": "shipped", "state": "INTENT"}
    assert messages(shop.found()) == []


def test_a_tombstone_that_knows_no_amount_and_no_lines_breaks_nothing(shop: Shop) -> None:
    del shop.reservations["cancelled"]["amount"]
    shop.reservations["cancelled"]["lines"] = []
    assert messages(shop.found()) == []


def test_rows_that_expired_are_not_missed_and_what_shipped_still_counts(shop: Shop) -> None:
    shop.reservations.clear()
    shop.payments.clear()
    shop.shipments.clear()
    assert messages(shop.found(as_of=datetime(2026, 4, 2, tzinfo=UTC))) == []
    assert messages(shop.found(as_of=datetime(2026, 1, 2, tzinfo=UTC))) != []


def test_a_row_that_is_neither_item_nor_reservation_is_refused() -> None:
    with pytest.raises(ValueError, match="neither an item nor a reservation"):
        Tables.from_rows([], [{"pk": "THING#1"}], [], [])


def test_a_charge_that_went_back_for_its_age_needs_no_shipment(shop: Shop) -> None:
    """Its answer was lost, and the payment's window ran out: shipping never heard of the order."""
    del shop.shipments["refunded"]
    (message,) = messages(shop.found())
    assert message.endswith("refunded: closed as REFUNDED, but the shipment is missing")
    shop.payments["refunded"]["reason"] = "expired"
    assert messages(shop.found()) == []
