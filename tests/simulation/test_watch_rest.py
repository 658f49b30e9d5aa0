"""Each promise of what holds in the end, and of what leaves the house, broken once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from ecom_cli.demo.invariants import CHECKS, title
from simulation.invariants import CANARIES, CANARY_BODY, CANARY_KEY, CANARY_OWNER, Promise
from simulation.story import ITEM, ORDER, START, Story, charge, parcel

DAY = 86400.0
REFUND: dict[str, Any] = {"refunded_at": START, "refund_id": "re_ch_1"}
REASON = {"reason": {"DataType": "String", "StringValue": "the body is not JSON"}}
Judged = Callable[[Story], dict[str, str]]


def _lost_parcel(story: Story) -> dict[str, str]:
    story.shipped()
    return story.rest([charge()])


# --- what is fine


def _shipped(story: Story) -> dict[str, str]:
    story.shipped()
    story.watch.logged("INFO", "order placed", {"orderId": ORDER})
    return story.rest([charge()], [parcel()])


def _refunded(story: Story) -> dict[str, str]:
    story.refunded()
    return story.rest([charge(**REFUND)])


def _declined(story: Story) -> dict[str, str]:
    story.declined()
    return story.rest()


def _refunded_without_a_shipment(story: Story) -> dict[str, str]:
    story.reserved()
    story.pay("INTENT")
    story.now += 13 * 3600
    story.pay("VOIDING", reason="expired")
    story.pay("REFUNDING", chargeId="ch_1")
    story.pay("REFUNDED")
    story.release("refunded")
    story.order("REFUNDED", "inventory", rank=90)
    return story.rest([charge(**REFUND)])


def _two_parcels_reported(story: Story) -> dict[str, str]:
    story.shipped()
    story.watch.logged("ERROR", "parcel not stopped", {"orderId": ORDER, "carrier": "fallback"})
    return story.rest([charge()], [parcel(), parcel(carrier="fallback")], metrics={"ParcelsNotStopped": 1})


def _expired(story: Story) -> dict[str, str]:
    story.shipped()
    story.now = START + 91 * DAY
    story.delete("inventory", f"ORDER#{ORDER}")
    story.delete("payment")
    story.delete("shipping")
    story.rest([charge()], [parcel()])
    story.now = START + 366 * DAY
    story.delete("orders")
    return story.rest([charge()], [parcel()])


def _a_key_used_anew_after_a_year(story: Story) -> dict[str, str]:
    _expired(story)
    story.shipped()
    second = charge(charge_id="ch_1")
    # The first order's sale is in the shop's books, not in its tables.
    story.violations.clear()
    story.rest([charge(), second], [parcel(), parcel()])
    return {promise: what for promise, what in story.broken.items() if promise == Promise.ONE_CHARGE}


def _poison_parked(story: Story) -> dict[str, str]:
    body = f"{{{CANARY_BODY}"
    story.watch.planted[body] = "not JSON"
    story.watch.queued("PaymentDLQ", body, REASON, True)
    return story.rest(parked=[("PaymentDLQ", body, REASON)], work_left={"PaymentQueue": 0})


def _poison_parked_and_thrown_away(story: Story) -> dict[str, str]:
    story.watch.planted["{"] = "not JSON"
    story.watch.queued("PaymentDLQ", "{", REASON, True)
    return story.rest()


def _talks_without_names(story: Story) -> dict[str, str]:
    story.watch.logged("INFO", "order placed", {"orderId": ORDER})
    story.watch.notified("Mail", f"Your order {ORDER} is on its way.")
    story.watch.queued("PaymentQueue", f"{{{CANARY_BODY}", {}, False)
    return story.broken


FINE: tuple[Judged, ...] = (
    _shipped,
    _refunded,
    _declined,
    _refunded_without_a_shipment,
    _two_parcels_reported,
    _expired,
    _a_key_used_anew_after_a_year,
    _poison_parked,
    _poison_parked_and_thrown_away,
    _talks_without_names,
)


@pytest.mark.parametrize("tell", FINE, ids=[tell.__name__[1:] for tell in FINE])
def test_nothing_is_held_against_a_good_end(tell: Judged) -> None:
    assert tell(Story()) == {}


# --- what is not


def _never_ends(story: Story) -> dict[str, str]:
    story.charged()
    return story.rest([charge()])


def _work_left(story: Story) -> dict[str, str]:
    return story.rest(work_left={"PaymentQueue": 2, "ShippingQueue": 0})


def _charged_twice(story: Story) -> dict[str, str]:
    story.shipped()
    return story.rest([charge(charge_id="ch_0", **REFUND), charge()], [parcel()])


def _shipped_for_nothing(story: Story) -> dict[str, str]:
    story.shipped()
    return story.rest([], [parcel()])


def _refunded_and_shipped(story: Story) -> dict[str, str]:
    story.shipped()
    return story.rest([charge(**REFUND)], [parcel()])


def _money_kept(story: Story) -> dict[str, str]:
    story.refunded()
    return story.rest([charge(refund_id="re_ch_1")])


def _money_kept_of_a_cancelled_order(story: Story) -> dict[str, str]:
    story.cancelled()
    return story.rest([charge(charge_id="")])


def _another_amount(story: Story) -> dict[str, str]:
    story.shipped()
    return story.rest([charge(amount=499)], [parcel()])


def _another_charge(story: Story) -> dict[str, str]:
    story.shipped()
    return story.rest([charge(charge_id="ch_9")], [parcel()])


def _charged_for_nobody(story: Story) -> dict[str, str]:
    return story.rest([charge(order_id="nobody")])


def _sum_is_wrong(story: Story) -> dict[str, str]:
    story.shipped()
    story.rest([charge(amount=400)], [parcel()])
    return {violation.order_id: violation.detail for violation in story.violations}


def _parcel_of_a_refunded_order(story: Story) -> dict[str, str]:
    story.refunded()
    return story.rest([charge(**REFUND)], [parcel()])


def _parcel_of_nobody(story: Story) -> dict[str, str]:
    return story.rest([], [parcel("nobody")])


def _two_parcels(story: Story) -> dict[str, str]:
    story.shipped()
    return story.rest([charge()], [parcel(), parcel(carrier="fallback")])


def _three_parcels_reported(story: Story) -> dict[str, str]:
    story.shipped()
    story.watch.logged("ERROR", "parcel not stopped", {"orderId": ORDER})
    return story.rest([charge()], [parcel(), parcel(), parcel()])


def _another_number(story: Story) -> dict[str, str]:
    story.shipped()
    return story.rest([charge()], [parcel(tracking_number="PR2")])


def _false_alarm(story: Story) -> dict[str, str]:
    story.shipped()
    story.watch.logged("ERROR", "parcel not stopped", {"orderId": ORDER})
    return story.rest([charge()], [parcel()])


def _not_counted(story: Story) -> dict[str, str]:
    story.shipped()
    story.watch.logged("ERROR", "parcel not stopped", {"orderId": ORDER})
    return story.rest([charge()], [parcel(), parcel()], metrics={})


def _good_fact_parked(story: Story) -> dict[str, str]:
    return story.rest(parked=[("PaymentDLQ", '{"detail": 1}', REASON)])


def _wrong_reason(story: Story) -> dict[str, str]:
    story.watch.planted["{"] = "placedAt"
    story.watch.queued("PaymentDLQ", "{", REASON, True)
    return story.rest(parked=[("PaymentDLQ", "{", REASON)])


def _no_reason(story: Story) -> dict[str, str]:
    story.watch.planted["{"] = "not JSON"
    return story.rest(parked=[("PaymentDLQ", "{", {})])


def _poison_swallowed(story: Story) -> dict[str, str]:
    story.watch.planted["{"] = "not JSON"
    return story.rest()


def _stock_held_back(story: Story) -> dict[str, str]:
    story.reserved()
    story.order("CANCELLED")
    return story.rest()


def _logs_an_owner(story: Story) -> dict[str, str]:
    story.watch.logged("INFO", "order placed", {"owner": [f"user/{CANARY_OWNER}"]})
    return story.broken


def _mails_a_key(story: Story) -> dict[str, str]:
    story.watch.notified("Mail", f"Your key is {CANARY_KEY}")
    return story.broken


def _parks_a_key(story: Story) -> dict[str, str]:
    story.watch.planted["{"] = "not JSON"
    story.watch.queued("PaymentDLQ", "{", {"reason": {"StringValue": CANARY_KEY}}, True)
    return story.broken


def _buries_an_owner(story: Story) -> dict[str, str]:
    story.watch.queued("PaymentDLQ", f'{{"owner": "{CANARY_OWNER}"}}', {}, True)
    return story.broken


BREAKS: tuple[tuple[Judged, str, str], ...] = (
    (_never_ends, Promise.ENDS, "still PAID"),
    (_work_left, Promise.DONE, "2 messages are left in PaymentQueue"),
    (_charged_twice, Promise.ONE_CHARGE, "charged 2 times (ch_0: 500, ch_1: 500)"),
    (_shipped_for_nothing, Promise.MONEY, "it shipped, and was never charged"),
    (_refunded_and_shipped, Promise.MONEY, "closed as SHIPPED, with everything refunded"),
    (_money_kept, Promise.MONEY, "closed as REFUNDED, with kept ch_1"),
    (_money_kept_of_a_cancelled_order, Promise.MONEY, "closed as CANCELLED, with kept"),
    (_another_amount, Promise.MONEY, "ordered for 500 USD, charged 499 USD"),
    (_another_charge, Promise.MONEY, "the payment says ('ch_1', ''), the gateway ('ch_9', '')"),
    (_charged_for_nobody, Promise.MONEY, "500 charged for an order that does not exist"),
    (_sum_is_wrong, "USD", "400 USD charged and not refunded, 500 shipped"),
    (_lost_parcel, Promise.ONE_PARCEL, "closed as SHIPPED, and no carrier has a parcel"),
    (_parcel_of_a_refunded_order, Promise.ONE_PARCEL, "primary PR1 carried, but it is REFUNDED"),
    (_parcel_of_nobody, Promise.ONE_PARCEL, "but it is no order at all"),
    (_two_parcels, Promise.ONE_PARCEL, "2 parcels: primary PR1, fallback PR1"),
    (_three_parcels_reported, Promise.ONE_PARCEL, "3 parcels"),
    (_another_number, Promise.ONE_PARCEL, "the customer was told ('primary', 'sh_1', 'PR1')"),
    (_false_alarm, Promise.TOLD, "a second parcel is reported, and there is none"),
    (_not_counted, Promise.TOLD, "no metric says so"),
    (_good_fact_parked, Promise.POISON, 'PaymentDLQ holds {"detail": 1}, which is no poison'),
    (_wrong_reason, Promise.POISON, "{ lies in PaymentDLQ for 'the body is not JSON'"),
    (_no_reason, Promise.POISON, "{ lies in PaymentDLQ for ''"),
    (_poison_swallowed, Promise.POISON, "{ was never parked for 'not JSON'"),
    (_stock_held_back, "no stock stays reserved", "closed as CANCELLED, but its stock is still reserved"),
    (_logs_an_owner, Promise.NO_CANARY, f"{CANARY_OWNER} in the log (INFO order placed)"),
    (_mails_a_key, Promise.NO_CANARY, f"{CANARY_KEY} in a mail of Mail"),
    (_parks_a_key, Promise.NO_CANARY, f"{CANARY_KEY} in the notes on a message in PaymentDLQ"),
    (_buries_an_owner, Promise.NO_CANARY, f"{CANARY_OWNER} in a message in PaymentDLQ"),
)  # fmt: skip


@pytest.mark.parametrize(("tell", "promise", "what"), BREAKS, ids=[tell.__name__[1:] for tell, *_ in BREAKS])
def test_a_broken_promise_is_reported_with_what_broke_it(tell: Judged, promise: str, what: str) -> None:
    found = tell(Story())
    assert any(what in detail for name, detail in found.items() if name.startswith(promise)), found


def test_an_open_order_may_have_been_charged() -> None:
    story = Story()
    story.charged()
    story.rest([charge()])
    assert [(each.promise, each.order_id) for each in story.violations] == [
        (Promise.ENDS, ORDER),
        (Promise.MONEY, "USD"),
    ]


def test_a_refund_of_what_was_paid_needs_a_shipment_that_failed() -> None:
    story = Story()
    story.refunded()
    story.tables["shipping"].clear()
    story.rest([charge(**REFUND)])
    assert "closed as REFUNDED, but the shipment is missing" in {each.detail for each in story.violations}


def test_every_canary_is_found() -> None:
    for canary in CANARIES:
        story = Story()
        story.watch.logged("INFO", f"… {canary} …", {})
        assert list(story.broken) == [Promise.NO_CANARY]


def test_the_promises_of_the_tables_are_checked_with_all_rows() -> None:
    story = Story()
    story.shipped()
    story.tables["inventory"][f"ITEM#{ITEM}"] = {
        **story.tables["inventory"][f"ITEM#{ITEM}"],
        "quantity": {"N": "9"},
    }
    story.rest([charge()], [parcel()])
    assert {violation.promise for violation in story.violations} <= {title(check) for check in CHECKS}
    assert [violation.order_id for violation in story.violations] == [ITEM]


def test_the_sums_leave_out_what_is_not_claimed_any_more() -> None:
    story = Story()
    story.shipped()
    story.watch.forgive([ORDER], {Promise.MONEY})
    assert story.rest([charge(amount=400)], [parcel()]) == {}
