"""Each promise about the answers of the API, broken once; and what customers may well be answered."""

from __future__ import annotations

from typing import Any

import pytest

from simulation.invariants import CANARY_GATEWAY, Promise
from simulation.story import AMOUNT, CUSTOMER, ITEM, KEY, LINES, ORDER, Break, Story, sealed
from simulation.tables import CANARY_REQUEST

WISH = {"items": [ITEM, {"itemId": ITEM, "quantity": 1}], "amount": AMOUNT / 100, "currency": "USD"}
PLACE: dict[str, Any] = {"method": "POST", "order_id": None, "key": KEY, "wish": WISH}
STRANGER = "arn:aws:iam::123456789012:user/bob"


def problem(status: int, **changes: Any) -> dict[str, Any]:
    return {"type": "t", "title": "t", "status": status, "detail": "d", **changes}


def _well_served(story: Story) -> None:
    story.place()
    story.answer(202, story.view(), **PLACE)
    story.answer(202, story.view(), **PLACE)
    story.reserve()
    story.order("RESERVED", "inventory")
    story.answer(200, story.view())
    story.answer(422, problem(422), **{**PLACE, "wish": {**WISH, "amount": 1}})
    story.cancelling()
    story.answer(202, story.view(), "POST")
    story.answer(200, {"orders": [story.view()]}, order_id=None)
    story.answer(404, problem(404), owner=STRANGER)
    story.answer(400, problem(400), "POST", order_id=None)


def _well_known(story: Story) -> None:
    story.place(sealedCustomer=sealed())
    story.answer(202, story.view(), **{**PLACE, "wish": {**WISH, "customer": CUSTOMER}})
    story.answer(200, story.view(customer=CUSTOMER))
    story.answer(200, story.view(customer=None), struck=True)
    story.answer(422, problem(422), **PLACE)
    story.answer(200, {"orders": [story.view()]}, order_id=None)


def _without_key(story: Story) -> None:
    story.place("anything")
    story.answer(202, story_view(story, "anything"), **{**PLACE, "key": None})


def story_view(story: Story, order_id: str) -> dict[str, Any]:
    row = story.row("orders", order_id)
    return {**row, "amount": row["amount"] / 100, "closed": False}


def _too_late_to_cancel(story: Story) -> None:
    story.shipped()
    story.answer(409, problem(409), "POST")


def _unlucky(story: Story) -> None:
    story.answer(503, problem(503), struck=True)
    story.answer(500, problem(500), struck=True)


def _looked_before_another_answer(story: Story) -> None:
    """Of two requests at once the slower may show the older state."""
    story.place()
    old = story.view()
    story.reserve()
    story.order("RESERVED", "inventory")
    story.answer(200, story.view())
    story.answer(200, old)


def _not_there_yet(story: Story) -> None:
    story.began = story.now
    story.place()
    story.answer(404, problem(404))


def _asks_again_later(story: Story) -> None:
    story.place()
    story.answer(202, story.view(), **PLACE)
    story.began = story.now = story.now + 9
    story.answer(202, story.view(), **PLACE)
    story.answer(404, problem(404), order_id="no-such-order")
    story.answer(404, problem(404), owner=STRANGER)


def _asks_after_a_year(story: Story) -> None:
    story.shipped()
    story.began = story.now = story.now + 370 * 86400
    story.delete("orders")
    story.answer(404, problem(404))


def _pays_in_yen(story: Story) -> None:
    story.place(currency="JPY")
    view = story.view(amount=AMOUNT)
    story.answer(202, view, **{**PLACE, "wish": {**WISH, "amount": AMOUNT, "currency": "JPY"}})


FINE: tuple[Break, ...] = (
    _well_served,
    _well_known,
    _without_key,
    _too_late_to_cancel,
    _unlucky,
    _looked_before_another_answer,
    _not_there_yet,
    _asks_again_later,
    _asks_after_a_year,
    _pays_in_yen,
)


@pytest.mark.parametrize("tell", FINE, ids=[tell.__name__[1:] for tell in FINE])
def test_nothing_is_held_against_an_answer_that_is_true(tell: Break) -> None:
    story = Story()
    tell(story)
    assert story.violations == []


def _not_stored(story: Story) -> None:
    story.place()
    view = story.view()
    del story.tables["orders"][ORDER]
    other = Story()
    other.answer(202, view, **PLACE)
    story.violations.extend(other.violations)


def _lost(story: Story) -> None:
    story.place()
    story.now += 1
    story.began = story.now
    story.answer(404, problem(404))


def _cancel_forgotten(story: Story) -> None:
    story.place()
    story.answer(202, story.view(), "POST")


def _not_too_late(story: Story) -> None:
    story.place()
    story.answer(409, problem(409), "POST")


def _another_is_cancelled(story: Story) -> None:
    story.place()
    story.cancelling()
    story.answer(202, story.view(), "POST", order_id="another")


def _cancelled_after_its_end(story: Story) -> None:
    story.cancelled()
    story.answer(202, story.view(), "POST")


def _too_late_for_no_order(story: Story) -> None:
    story.answer(409, problem(409), "POST")


def _too_late_for_a_stranger(story: Story) -> None:
    story.shipped()
    story.answer(409, problem(409), "POST", owner=STRANGER)


def _another_order(story: Story) -> None:
    story.place("another")
    story.answer(202, story_view(story, "another"), **PLACE)


def _another_wish(story: Story) -> None:
    story.place()
    story.answer(202, story.view(), **{**PLACE, "wish": {**WISH, "amount": 4}})


def _another_customer(story: Story) -> None:
    story.place(sealedCustomer=sealed({"name": "Bob"}))
    story.answer(202, story.view(), **{**PLACE, "wish": {**WISH, "customer": CUSTOMER}})


def _same_customer_refused(story: Story) -> None:
    story.place(sealedCustomer=sealed())
    story.answer(422, problem(422), **{**PLACE, "wish": {**WISH, "customer": CUSTOMER}})


def _customer_not_shown(story: Story) -> None:
    story.place(sealedCustomer=sealed())
    story.answer(200, story.view(), struck=True)


def _customer_unreadable_without_a_fault(story: Story) -> None:
    story.place(sealedCustomer=sealed())
    story.answer(200, story.view(customer=None))


def _shown_as_for_another(story: Story) -> None:
    story.place(sealedCustomer=sealed())
    story.answer(200, story.view(customer={"name": "Bob"}), struck=True)


def _customer_in_a_list(story: Story) -> None:
    story.place(sealedCustomer=sealed())
    story.answer(200, {"orders": [story.view(customer=CUSTOMER)]}, order_id=None)


def _customer_in_the_answer_to_a_cancel(story: Story) -> None:
    story.place(sealedCustomer=sealed())
    story.cancelling()
    story.answer(202, story.view(customer=CUSTOMER), "POST")


def _same_wish_refused(story: Story) -> None:
    story.place()
    story.answer(422, problem(422), **PLACE)


def _new_key_refused(story: Story) -> None:
    story.answer(422, problem(422), **PLACE)


def _old_order_for_a_new_wish(story: Story) -> None:
    story.place("anything")
    story.now += 1
    story.began = story.now
    story.answer(202, story_view(story, "anything"), **{**PLACE, "key": None})


def _plain_text(story: Story) -> None:
    story.answer(400, problem(400), kind="text/plain")


def _no_detail(story: Story) -> None:
    story.answer(400, {"type": "t", "title": "t", "status": 400})


def _two_statuses(story: Story) -> None:
    story.answer(400, problem(404))


def _internals(story: Story) -> None:
    story.answer(500, problem(500, detail=CANARY_GATEWAY), struck=True)


def _quotes_the_request(story: Story) -> None:
    story.answer(500, problem(500, detail=CANARY_REQUEST), struck=True)


def _not_json(story: Story) -> None:
    story.watch.answered({}, {"statusCode": 200, "headers": {}, "body": "hello"})


def _other_amount(story: Story) -> None:
    story.place()
    story.answer(200, story.view(amount=4.99))


def _other_items(story: Story) -> None:
    story.place()
    story.answer(200, story.view(items=[*LINES, *LINES]))


def _never_was(story: Story) -> None:
    story.place()
    steps = [*story.row("orders")["timeline"], {"status": "PAID", "at": "now"}]
    story.answer(200, story.view(status="PAID", timeline=steps))


def _status_without_step(story: Story) -> None:
    story.place()
    story.answer(200, story.view(status="PAID"))


def _goes_back(story: Story) -> None:
    story.place()
    old = story.view()
    story.reserve()
    story.order("RESERVED", "inventory")
    story.answer(200, story.view())
    story.now += 1
    story.began = story.now
    story.answer(200, old)


def _goes_back_after_an_hour(story: Story) -> None:
    story.place()
    old = story.view()
    story.reserve()
    story.order("RESERVED", "inventory")
    story.answer(200, story.view())
    story.now += 3600
    story.answer(200, old)


def _goes_back_after_two_answers(story: Story) -> None:
    """The second, asked for at the same time, was allowed to."""
    _looked_before_another_answer(story)
    story.began = story.now = story.now + 1
    story.answer(200, story.view(status="PLACED", timeline=story.view()["timeline"][:1]))


def _another_day(story: Story) -> None:
    story.place()
    story.answer(200, story.view(placedAt="2026-01-02T00:00:00.000Z"))


def _listed_twice(story: Story) -> None:
    story.place()
    story.answer(200, {"orders": [story.view(), story.view()]}, order_id=None)


def _oldest_first(story: Story) -> None:
    story.place()
    story.place("another")
    views = [story.view(), story_view(story, "another")]
    story.answer(200, {"orders": views}, order_id=None)


def _somebody_elses(story: Story) -> None:
    story.place()
    story.answer(200, story.view(), owner=STRANGER)


def _in_a_strangers_list(story: Story) -> None:
    story.place()
    story.answer(200, {"orders": [story.view()]}, order_id=None, owner=STRANGER)


def _fails_by_itself(story: Story) -> None:
    story.answer(500, problem(500))


def _fails_oddly(story: Story) -> None:
    story.answer(502, problem(502), struck=True)


BREAKS: tuple[tuple[Break, str, str], ...] = (
    (_not_stored, Promise.STORED, "shows a PLACED order that is not stored"),
    (_lost, Promise.STORED, "its owner is told that there is no such order"),
    (_cancel_forgotten, Promise.STORED, f"the cancel was accepted, and shows {ORDER} PLACED"),
    (_not_too_late, Promise.STORED, "too late, it says, for an order still open"),
    (_another_is_cancelled, Promise.STORED, "the cancel was accepted, and shows"),
    (_cancelled_after_its_end, Promise.STORED, f"the cancel was accepted, and shows {ORDER} CANCELLED"),
    (_too_late_for_no_order, Promise.STORED, "too late, it says"),
    (_too_late_for_a_stranger, Promise.STORED, "too late, it says"),
    (_another_order, Promise.OWN_KEY, f"the key stands for order {ORDER}"),
    (_another_wish, Promise.OWN_KEY, "asked for ([('mug', 2)], 400, 'USD', None), answered with"),
    (_another_customer, Promise.OWN_KEY, "'12 High Street'}), answered with"),
    (_same_customer_refused, Promise.OWN_KEY, "the key is new or the wish the same"),
    (_customer_not_shown, Promise.SEEN, "shown as for None, stored as for {"),
    (_customer_unreadable_without_a_fault, Promise.SEEN, "shown as for None, stored as for {"),
    (_shown_as_for_another, Promise.SEEN, "shown as for {'name': 'Bob'}"),
    (_customer_in_a_list, Promise.SEEN, "only the order itself tells"),
    (_customer_in_the_answer_to_a_cancel, Promise.SEEN, "only the order itself tells"),
    (_same_wish_refused, Promise.OWN_KEY, "the key is new or the wish the same"),
    (_new_key_refused, Promise.OWN_KEY, "the key is new or the wish the same"),
    (_old_order_for_a_new_wish, Promise.OWN_KEY, "without a key was answered with an old order"),
    (_plain_text, Promise.PROBLEM, "answered 400 as text/plain"),
    (_no_detail, Promise.PROBLEM, "answered 400 as application/problem+json"),
    (_two_statuses, Promise.PROBLEM, "answered 400, and says 404"),
    (_internals, Promise.PROBLEM, "the answer quotes what failed"),
    (_quotes_the_request, Promise.PROBLEM, "the answer quotes what failed"),
    (_not_json, Promise.PROBLEM, "JSONDecodeError"),
    (_other_amount, Promise.SEEN, "([('mug', 2)], 499, 'USD') of 2026-01-01T00:00:02.000Z, stored as"),
    (_other_items, Promise.SEEN, "shown as ([('mug', 2), ('mug', 2)], 500, 'USD')"),
    (_never_was, Promise.SEEN, "shown as PAID with PLACED → PAID, while it is PLACED"),
    (_status_without_step, Promise.SEEN, "shown as PAID with PLACED, while it is PLACED"),
    (_goes_back, Promise.SEEN, "2 steps were shown before, now only PLACED"),
    (_goes_back_after_an_hour, Promise.SEEN, "2 steps were shown before, now only PLACED"),
    (_goes_back_after_two_answers, Promise.SEEN, "2 steps were shown before, now only PLACED"),
    (_another_day, Promise.SEEN, "shown as ([('mug', 2)], 500, 'USD') of 2026-01-02"),
    (_listed_twice, Promise.SEEN, "a page shows an order twice"),
    (_oldest_first, Promise.SEEN, "a page is not in order"),
    (_somebody_elses, Promise.OWN_ORDERS, "it was shown to somebody else"),
    (_in_a_strangers_list, Promise.OWN_ORDERS, "it was shown to somebody else"),
    (_fails_by_itself, Promise.NO_EXCUSE, "answered 500: d"),
    (_fails_oddly, Promise.NO_EXCUSE, "answered 502: d"),
)  # fmt: skip


@pytest.mark.parametrize(("tell", "promise", "what"), BREAKS, ids=[tell.__name__[1:] for tell, *_ in BREAKS])
def test_a_broken_promise_is_reported_with_what_broke_it(tell: Break, promise: str, what: str) -> None:
    story = Story()
    tell(story)
    story.noticed(promise, what)


def test_after_a_restore_older_states_may_be_shown_again() -> None:
    story = Story()
    story.place()
    before, old = dict(story.tables["orders"]), story.view()
    story.reserve()
    story.order("RESERVED", "inventory")
    story.answer(200, story.view())
    story.tables["orders"] = before
    story.watch.restored("ecom-sim-orders", before)
    story.now += 3600
    story.began = story.now
    story.answer(200, old)
    assert story.violations == []
