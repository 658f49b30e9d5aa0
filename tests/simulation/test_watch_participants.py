"""Each promise about the rows of inventory, payment and shipping, broken once."""

from __future__ import annotations

import pytest

from simulation.invariants import Promise
from simulation.story import GONE, ITEM, ORDER, START, Break, Story, iso

HOUR = 3600.0
DAY = 86400.0


def _payment_deleted(story: Story) -> None:
    story.charged()
    story.delete("payment")


def _charged_amount_changes(story: Story) -> None:
    story.charged()
    story.touch("payment", amount=501)


def _another_charge(story: Story) -> None:
    story.stopped()
    story.pay("REFUNDING", chargeId="ch_2")


def _another_booking(story: Story) -> None:
    story.shipped()
    story.touch("shipping", trackingNumber="PR2")


def _lines_change(story: Story) -> None:
    story.reserved()
    story.touch("inventory", f"ORDER#{ORDER}", lines=[{"itemId": ITEM, "quantity": 1}])


def _decided_anew(story: Story) -> None:
    story.charged()
    story.touch("payment", decidedAt=iso(story.now))


def _skips_a_state(story: Story) -> None:
    story.reserved()
    story.pay("CHARGED")


def _goes_back_to_intent(story: Story) -> None:
    story.charged()
    story.pay("INTENT")


def _charged_without_id(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.pay("CHARGED", chargeId=GONE)


def _never_expires(story: Story) -> None:
    story.reserved()
    story.pay("INTENT", expiresAt=GONE)


def _charges_before_stock(story: Story) -> None:
    story.place()
    story.pay("INTENT")


def _charges_after_release(story: Story) -> None:
    story.place()
    story.now += 2 * HOUR
    story.release("cancelled")
    story.pay("INTENT")


def _charges_another_amount(story: Story) -> None:
    story.reserved()
    story.pay("INTENT", amount=499)


def _charges_nobody(story: Story) -> None:
    story.pay("INTENT")


def _another_day(story: Story) -> None:
    story.reserved()
    story.pay("INTENT", placedAt=iso(START + 60))


def _charges_too_late(story: Story) -> None:
    story.reserved()
    story.now += 12.5 * HOUR
    story.pay("INTENT")


def _answers_too_late(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.now += 12.5 * HOUR
    story.pay("DECLINED")


def _reserves_too_late(story: Story) -> None:
    story.place()
    story.now += 2 * HOUR
    story.reserve()


def _ships_too_late(story: Story) -> None:
    story.charged()
    story.now += 8 * DAY
    story.ship("INTENT")


def _ships_unpaid(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.ship("INTENT")


def _ships_what_is_refunded(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.pay("REFUNDING")
    story.ship("CREATED")


def _refunds_what_ships(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.pay("REFUNDING")


def _voids_unasked(story: Story) -> None:
    story.place()
    story.pay("VOIDED", reason="cancelled")


def _voids_too_early(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.pay("VOIDING", reason="expired")


def _refunds_after_void(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.now += 13 * HOUR
    story.pay("VOIDING", reason="expired")
    story.ship("INTENT")
    story.pay("REFUNDING", chargeId="ch_1")


def _releases_before_refund(story: Story) -> None:
    story.stopped()
    story.pay("REFUNDING")
    story.release("refunded")


def _releases_as_something_else(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.pay("DECLINED")
    story.release("cancelled")


def _releases_too_early(story: Story) -> None:
    story.place()
    story.release("cancelled")


def _stops_unasked(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.ship("CANCELLING", reason="cancelled")


def _stops_what_went_well(story: Story) -> None:
    story.shipped()
    story.delete("shipping")
    story.ship("FAILED", reason="cancelled")


def _gives_up_too_soon(story: Story) -> None:
    story.charged()
    story.ship("INTENT", rescues=3)
    story.ship("CANCELLING", reason="carrier_unavailable")


def _expires_too_soon(story: Story) -> None:
    story.charged()
    story.ship("FAILED", reason="expired")


def _books_elsewhere(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.ship("CREATED", carrier="fallback")


def _fact_past_the_horizon(story: Story) -> None:
    story.place()
    story.now += 61 * DAY
    story.release("cancelled")


def _written_anew(story: Story) -> None:
    story.shipped()
    story.now = START + 91 * DAY
    story.delete("payment")
    story.pay("VOIDED", reason="expired")


def _releases_while_charged(story: Story) -> None:
    story.charged()
    story.now += 2 * HOUR
    story.release("cancelled")


def _buries_as_declined(story: Story) -> None:
    story.place()
    story.now += 2 * HOUR
    story.release("declined")


def _books_too_late(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.now += 8 * DAY
    story.ship("CREATED")


def _voids_for_no_reason(story: Story) -> None:
    story.place()
    story.cancelling()
    story.ship("FAILED", reason="cancelled")
    story.now += 13 * HOUR
    story.pay("VOIDED", reason="mood")


def _refunds_before_it_is_stopped(story: Story) -> None:
    story.charged()
    story.pay("REFUNDING")


def _stops_nobody(story: Story) -> None:
    story.ship("FAILED", reason="cancelled")


def _stops_for_no_reason(story: Story) -> None:
    story.charged()
    story.ship("INTENT", rescues=4)
    story.ship("CANCELLING", reason="mood")


def _gives_up_before_it_began(story: Story) -> None:
    story.charged()
    story.ship("FAILED", reason="carrier_unavailable", rescues=4)


def _books_with_none_named(story: Story) -> None:
    story.charged()
    story.ship("INTENT", asked=GONE)
    story.ship("CREATED")


def _rescue_not_counted(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.ship("CREATED", processedBy="dlq")


BREAKS: tuple[tuple[Break, str, str], ...] = (
    (_payment_deleted, Promise.KEPT, "the payment was deleted as CHARGED"),
    (_charged_amount_changes, Promise.FIXED, "the payment's amount was"),
    (_another_charge, Promise.FIXED, "the payment's chargeId was"),
    (_another_booking, Promise.FIXED, "the shipment's trackingNumber was"),
    (_lines_change, Promise.FIXED, "the reservation's lines was"),
    (_decided_anew, Promise.FIXED, "the payment is CHARGED, decided anew"),
    (_skips_a_state, Promise.LEGAL, "the payment was not there, now CHARGED"),
    (_goes_back_to_intent, Promise.LEGAL, "the payment was CHARGED, now INTENT"),
    (_charged_without_id, Promise.LEGAL, "the payment is CHARGED without chargeId"),
    (_never_expires, Promise.LEGAL, "the payment is INTENT without expiresAt"),
    (_charges_before_stock, Promise.RESERVED_FIRST, "is INTENT, but the reservation is missing"),
    (_charges_after_release, Promise.RESERVED_FIRST, "is INTENT, but the reservation is RELEASED"),
    (_charges_another_amount, Promise.AGREED, "but the payment says {'N': '499'}"),
    (_charges_nobody, Promise.AGREED, "a payment (INTENT), but there is no such order"),
    (_another_day, Promise.AGREED, "but the payment says 2026-01-01T00:01:00"),
    (_charges_too_late, Promise.WINDOW, "became INTENT 12.5 h after the order, in a window of 12 h"),
    (_answers_too_late, Promise.WINDOW, "became DECLINED 12.5 h"),
    (_reserves_too_late, Promise.WINDOW, "became RESERVED 2.0 h"),
    (_ships_too_late, Promise.WINDOW, "became INTENT 192.0 h"),
    (_ships_unpaid, Promise.PAID_FIRST, "became INTENT, but the payment is INTENT"),
    (_ships_what_is_refunded, Promise.PAID_FIRST, "became CREATED, but the payment is REFUNDING"),
    (_refunds_what_ships, Promise.NEVER_SHIPS, "from CHARGED to REFUNDING, but the shipment is INTENT"),
    (_voids_unasked, Promise.NEVER_SHIPS, "became VOIDED as cancelled 0.0 h"),
    (_voids_too_early, Promise.NEVER_SHIPS, "became VOIDING as expired 0.0 h"),
    (_refunds_after_void, Promise.NEVER_SHIPS, "from VOIDING to REFUNDING, but the shipment is INTENT"),
    (_releases_before_refund, Promise.MONEY_FIRST, "released as refunded 0.0 h"),
    (_releases_as_something_else, Promise.MONEY_FIRST, "but the payment is DECLINED"),
    (_releases_while_charged, Promise.MONEY_FIRST, "2.0 h after the order, but the payment is CHARGED"),
    (_buries_as_declined, Promise.MONEY_FIRST, "declined 2.0 h after the order, but the payment is missing"),
    (_books_too_late, Promise.WINDOW, "became CREATED 192.0 h"),
    (_voids_for_no_reason, Promise.NEVER_SHIPS, "as mood 13.0 h after the order, and the shipment is FAILED"),
    (_refunds_before_it_is_stopped, Promise.NEVER_SHIPS, "to REFUNDING, but the shipment is missing"),
    (_stops_nobody, Promise.ASKED, "after the order, which is missing"),
    (_stops_for_no_reason, Promise.ASKED, "became CANCELLING as mood"),
    (_gives_up_before_it_began, Promise.ASKED, "became FAILED as carrier_unavailable"),
    (_books_with_none_named, Promise.NOTED, "booked with primary"),
    (_releases_too_early, Promise.MONEY_FIRST, "but the payment is missing"),
    (_stops_unasked, Promise.ASKED, "became CANCELLING as cancelled 0.0 h after the order, which is PAID"),
    (_stops_what_went_well, Promise.ASKED, "became FAILED as cancelled"),
    (_gives_up_too_soon, Promise.ASKED, "rescued 3 times"),
    (_expires_too_soon, Promise.ASKED, "became FAILED as expired"),
    (_books_elsewhere, Promise.NOTED, "booked with fallback"),
    (_rescue_not_counted, Promise.NOTED, "booked by a rescue, which the row did not count"),
    (_fact_past_the_horizon, Promise.HORIZON, "the reservation became RELEASED 61.0 days"),
    (_written_anew, Promise.HORIZON, "the payment"),
)  # fmt: skip


@pytest.mark.parametrize(("tell", "promise", "what"), BREAKS, ids=[tell.__name__[1:] for tell, *_ in BREAKS])
def test_a_broken_promise_is_reported_with_what_broke_it(tell: Break, promise: str, what: str) -> None:
    story = Story()
    tell(story)
    story.noticed(promise, what)
