"""Each promise about facts, broken once; and that all legal facts, and their repetitions, are fine."""

from __future__ import annotations

from typing import Any

import pytest

from simulation.invariants import CANARY_OWNER, Promise
from simulation.story import AMOUNT, BOOKING, GONE, LINES, START, Break, Story, iso

CONFIRMED: dict[str, Any] = {"stockConfirmed": True, "amount": AMOUNT, "currency": "USD"}
CHARGED: dict[str, Any] = {"paymentConfirmed": True, "outcome": "charged"}


def _shipped(story: Story) -> None:
    story.place()
    story.order_placed()
    story.reserve()
    story.says("inventory", "StockConfirmation", "RESERVED", **CONFIRMED)
    story.pay("INTENT")
    story.pay("CHARGED")
    story.says("payment", "PaymentConfirmation", "charged", **CHARGED)
    story.ship("INTENT")
    story.ship("CREATED")
    story.says("shipping", "ShipmentCreated", "", **BOOKING)


def _declined(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.pay("DECLINED")
    data = {"paymentConfirmed": False, "outcome": "declined", "reason": "card_declined"}
    story.says("payment", "PaymentConfirmation", "declined", **data)
    story.release("declined")
    story.says("inventory", "StockReleased", "declined", outcome="declined")


def _cancelled(story: Story) -> None:
    story.cancelled()
    story.cancel_requested()
    story.says("shipping", "ShipmentFailed", "", reason="cancelled")
    data = {"paymentConfirmed": False, "outcome": "cancelled", "reason": "cancelled"}
    story.says("payment", "PaymentConfirmation", "cancelled", **data)
    story.says("inventory", "StockReleased", "cancelled", outcome="cancelled")


def _refunded(story: Story) -> None:
    story.refunded()
    story.says("payment", "PaymentRefunded", "", refundId="re_ch_1")
    story.says("inventory", "StockReleased", "refunded", outcome="refunded")


def _out_of_stock(story: Story) -> None:
    story.item(quantity=1, received=1)
    story.place()
    story.reject()
    refused = {"stockConfirmed": False, "reason": "out_of_stock"}
    story.says("inventory", "StockConfirmation", "REJECTED", **{**CONFIRMED, **refused})


def _late_and_again(story: Story) -> None:
    """A slow function says what its row said long ago; a fact comes twice, with another trace."""
    story.charged()
    at = story.row("payment")["decidedAt"]
    story.cancelling()
    story.ship("FAILED", reason="cancelled")
    story.pay("REFUNDING")
    story.says("payment", "PaymentConfirmation", "charged", at, **CHARGED)
    story.says("payment", "PaymentConfirmation", "charged", at, **CHARGED, metadata={"traceId": "t"})


def _reminded(story: Story) -> None:
    """No carrier was found: the sweeper's cancel has no reason of its own."""
    story.charged()
    story.ship("INTENT")
    story.touch("shipping", asked={"primary", "fallback"}, rescues=4)
    story.ship("CANCELLING", reason="carrier_unavailable")
    story.ship("FAILED")
    story.order("SHIPPING_FAILED", "shipping", reason="carrier_unavailable")
    story.cancel_requested(story.row("orders")["timeline"][-1]["at"], reason="timeout")


TRUE: tuple[Break, ...] = (
    _shipped,
    _declined,
    _cancelled,
    _refunded,
    _out_of_stock,
    _late_and_again,
    _reminded,
)


@pytest.mark.parametrize("tell", TRUE, ids=[tell.__name__[1:] for tell in TRUE])
def test_a_fact_is_fine_behind_which_a_row_stands_or_stood(tell: Break) -> None:
    story = Story()
    tell(story)
    assert story.violations == []


def _before_its_row(story: Story) -> None:
    story.place()
    story.says("inventory", "StockConfirmation", "RESERVED", **CONFIRMED)


def _of_no_order(story: Story) -> None:
    story.order_placed()


def _another_amount(story: Story) -> None:
    story.reserved()
    story.says("inventory", "StockConfirmation", "RESERVED", **{**CONFIRMED, "amount": 499})


def _amount_left_out(story: Story) -> None:
    story.reserved()
    story.says("inventory", "StockConfirmation", "RESERVED", **{**CONFIRMED, "amount": GONE})


def _not_charged_yet(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.says("payment", "PaymentConfirmation", "charged", **CHARGED)


def _both_yes_and_no(story: Story) -> None:
    story.charged()
    data = {"paymentConfirmed": False, "outcome": "charged"}
    story.says("payment", "PaymentConfirmation", "charged", **data)


def _neither_yes_nor_no(story: Story) -> None:
    story.reserved()
    story.says("inventory", "StockConfirmation", "RESERVED", **{**CONFIRMED, "stockConfirmed": "no"})


def _another_refund(story: Story) -> None:
    story.refunded()
    story.says("payment", "PaymentRefunded", "", refundId="re_2")


def _another_number(story: Story) -> None:
    story.shipped()
    story.says("shipping", "ShipmentCreated", "", **{**BOOKING, "trackingNumber": "PR2"})


def _another_outcome(story: Story) -> None:
    story.declined()
    story.says("inventory", "StockReleased", "cancelled", outcome="cancelled")


def _another_reason(story: Story) -> None:
    story.cancelled()
    story.says("shipping", "ShipmentFailed", "", reason="expired")


def _another_cause(story: Story) -> None:
    story.reserved()
    metadata = {"causationId": "something else"}
    story.says("inventory", "StockConfirmation", "RESERVED", **CONFIRMED, metadata=metadata)


def _about_another(story: Story) -> None:
    story.reserved()
    metadata = {"correlationId": "another"}
    story.says("inventory", "StockConfirmation", "RESERVED", **CONFIRMED, metadata=metadata)


def _another_day(story: Story) -> None:
    story.reserved()
    data = {**CONFIRMED, "placedAt": iso(START + 86400)}
    story.says("inventory", "StockConfirmation", "RESERVED", **data)


def _another_source(story: Story) -> None:
    story.place()
    story.order_placed(source="inventory.service")


def _unheard_of(story: Story) -> None:
    story.place()
    story.says("shipping", "ShipmentLost", "")


def _other_items(story: Story) -> None:
    story.place()
    story.order_placed(items=[*LINES, *LINES])


def _never_turned(story: Story) -> None:
    story.charged()
    story.cancel_requested()


def _went_straight_on(story: Story) -> None:
    story.shipped()
    story.cancel_requested()


def _turned_for_another_reason(story: Story) -> None:
    story.place()
    story.cancelling()
    story.cancel_requested(reason="timeout")


def _younger(story: Story) -> None:
    story.reserved()
    story.says("inventory", "StockConfirmation", "RESERVED", iso(story.now), **CONFIRMED)


def _placed_later(story: Story) -> None:
    story.place()
    story.order_placed(iso(story.now))


def _turned_later(story: Story) -> None:
    story.place()
    story.cancelling()
    story.cancel_requested(iso(story.now + 60))


def _another_id(story: Story) -> None:
    story.reserved()
    for event_id in ("one", "two"):
        metadata = {"eventId": event_id}
        story.says("inventory", "StockConfirmation", "RESERVED", **CONFIRMED, metadata=metadata)


def _one_id_for_two(story: Story) -> None:
    story.charged()
    metadata = {"eventId": "one"}
    story.says("inventory", "StockConfirmation", "RESERVED", **CONFIRMED, metadata=metadata)
    story.says("payment", "PaymentConfirmation", "charged", **CHARGED, metadata=metadata)


def _younger_when_repeated(story: Story) -> None:
    story.place()
    story.order_placed()
    story.order_placed(iso(story.now))


def _not_even_a_fact(story: Story) -> None:
    story.watch.published({"source": "orders.service", "detail-type": "OrderPlaced", "detail": {}})


def _with_an_owner(story: Story) -> None:
    story.place()
    story.order_placed(owner=CANARY_OWNER)


BREAKS: tuple[tuple[Break, str, str], ...] = (
    (_before_its_row, Promise.TRUE_FACT, "the reservation never was RESERVED (it is missing)"),
    (_of_no_order, Promise.TRUE_FACT, "there is no such order"),
    (_another_amount, Promise.TRUE_FACT, "its amount is 499, the reservation's 500"),
    (_amount_left_out, Promise.TRUE_FACT, "its amount is None, the reservation's 500"),
    (_not_charged_yet, Promise.TRUE_FACT, "the payment never was CHARGED (it is INTENT)"),
    (_both_yes_and_no, Promise.TRUE_FACT, "the payment never was anything like it"),
    (_neither_yes_nor_no, Promise.TRUE_FACT, "the reservation never was anything like it"),
    (_another_refund, Promise.TRUE_FACT, "its refundId is re_2, the payment's re_ch_1"),
    (_another_number, Promise.TRUE_FACT, "its trackingNumber is PR2, the shipment's PR1"),
    (_another_outcome, Promise.TRUE_FACT, "its outcome is cancelled, the reservation's declined"),
    (_another_reason, Promise.TRUE_FACT, "its reason is expired, the shipment's cancelled"),
    (_another_cause, Promise.TRUE_FACT, "caused by something else, but the row says cause"),
    (_about_another, Promise.TRUE_FACT, "its metadata is"),
    (_another_day, Promise.TRUE_FACT, "placed at 2026-01-02T00:00:00.000Z, but the order was at"),
    (_another_source, Promise.TRUE_FACT, "it was published by inventory.service"),
    (_unheard_of, Promise.TRUE_FACT, "ShipmentLost: it was published by shipping.service"),
    (_other_items, Promise.TRUE_FACT, "its items is"),
    (_never_turned, Promise.TRUE_FACT, "the order is PAID and never turned back"),
    (_went_straight_on, Promise.TRUE_FACT, "the order is SHIPPED and never turned back"),
    (_turned_for_another_reason, Promise.TRUE_FACT, "its reason is timeout, the order's customer"),
    (_not_even_a_fact, Promise.TRUE_FACT, "KeyError: 'metadata'"),
    (_younger, Promise.SAME_FACT, "StockConfirmation says"),
    (_placed_later, Promise.SAME_FACT, "OrderPlaced at"),
    (_turned_later, Promise.SAME_FACT, "but the order turned at"),
    (_another_id, Promise.SAME_FACT, "StockConfirmation RESERVED went out as one, and now as two"),
    (_one_id_for_two, Promise.SAME_FACT, "PaymentConfirmation was"),
    (_younger_when_repeated, Promise.SAME_FACT, "OrderPlaced was"),
    (_with_an_owner, Promise.NO_CANARY, f"OrderPlaced holds {CANARY_OWNER}"),
)  # fmt: skip


@pytest.mark.parametrize(("tell", "promise", "what"), BREAKS, ids=[tell.__name__[1:] for tell, *_ in BREAKS])
def test_a_broken_promise_is_reported_with_what_broke_it(tell: Break, promise: str, what: str) -> None:
    story = Story()
    tell(story)
    story.noticed(promise, what)


def test_after_a_restore_the_same_facts_come_anew() -> None:
    story = Story()
    story.place()
    before = dict(story.tables["inventory"])
    story.reserve()
    story.says("inventory", "StockConfirmation", "RESERVED", **CONFIRMED)
    story.tables["inventory"] = before
    story.watch.restored("ecom-sim-inventory", before)
    story.reserve()
    story.says("inventory", "StockConfirmation", "RESERVED", **CONFIRMED)
    assert story.violations == []
