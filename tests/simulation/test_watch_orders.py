"""Each promise about an order's row, broken once."""

from __future__ import annotations

from typing import Any

import pytest

from simulation.invariants import CANARY_CUSTOMER, Promise
from simulation.story import BOOKING, GONE, ORDER, OWNER, START, Break, Story, iso, sealed

HOUR = 3600.0
DAY = 86400.0


def _goes_back(story: Story) -> None:
    story.charged()
    story.order("RESERVED", "inventory")


def _same_rank_again(story: Story) -> None:
    story.charged()
    story.order("PAID", "payment")


def _ends_twice(story: Story) -> None:
    story.declined()
    story.order("CANCELLED", "inventory")


def _ends_without_being_closed(story: Story) -> None:
    story.place()
    story.release("cancelled")
    story.order("CANCELLED", "inventory", closed=GONE)


def _reopened(story: Story) -> None:
    story.shipped()
    story.touch("orders", openShard="1", sweepAt=1)


def _ends_and_stays_in_the_index(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.ship("CREATED")
    story.order("SHIPPED", "shipping", openShard="1", **{name: BOOKING[name] for name in list(BOOKING)[:3]})


def _open_and_not_swept(story: Story) -> None:
    story.place()
    story.touch("orders", sweepAt=GONE)


def _open_order_may_expire(story: Story) -> None:
    story.place(expiresAt=int(START) + 5)


def _open_order_deleted(story: Story) -> None:
    story.place()
    story.delete("orders")


def _amount_changes(story: Story) -> None:
    story.place()
    story.touch("orders", amount=501)


def _step_lost(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.pay("CHARGED")
    story.order("PAID", "payment", timeline=[{"status": "PAID", "at": iso(START)}])


def _wrong_step(story: Story) -> None:
    story.place()
    story.reserve()
    steps = [*story.row("orders")["timeline"], {"status": "PAID", "at": iso(story.now)}]
    story.order("RESERVED", "inventory", timeline=steps)


def _wrong_time(story: Story) -> None:
    story.place()
    story.reserve()
    story.order("RESERVED", at=iso(story.now + 60))


def _placed_tomorrow(story: Story) -> None:
    story.place(placedAt=iso(START + DAY))


def _no_such_status(story: Story) -> None:
    story.place()
    story.order("LOST", rank=20)


def _begins_paid(story: Story) -> None:
    story.place(status="PAID", rank=30)


def _placed_twice(story: Story) -> None:
    story.place()
    del story.tables["orders"][ORDER]
    story.place()


def _paid_without_payment(story: Story) -> None:
    story.reserved()
    story.order("PAID")


def _another_release(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.pay("DECLINED")
    story.release("declined")
    story.order("CANCELLED", "inventory")


def _another_number(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.ship("CREATED")
    story.order("SHIPPED", "shipping", carrier="primary", shippingId="sh_1", trackingNumber="PR2")


def _impatient(story: Story) -> None:
    story.place()
    story.cancelling("timeout")


def _order_past_the_horizon(story: Story) -> None:
    story.place()
    story.now += 2 * HOUR
    story.release("cancelled")
    story.now += 61 * DAY
    story.order("CANCELLED", "inventory")


def _no_row_at_all(story: Story) -> None:
    story.place()
    story.touch("orders", rank="high")


def _two_steps(story: Story) -> None:
    story.place()
    story.reserve()
    step = {"status": "RESERVED", "at": story.row("inventory", f"ORDER#{ORDER}")["decidedAt"]}
    story.order("RESERVED", "inventory", timeline=[*story.row("orders")["timeline"], step, step])


def _step_rewritten(story: Story) -> None:
    story.place()
    story.reserve()
    step = {"status": "RESERVED", "at": story.row("inventory", f"ORDER#{ORDER}")["decidedAt"]}
    story.order("RESERVED", "inventory", timeline=[{"status": "PLACED", "at": "later"}, step])


def _closed_order_deleted_too_soon(story: Story) -> None:
    story.shipped()
    story.now += 30 * DAY
    story.delete("orders")


def _swept_after_its_time(story: Story) -> None:
    story.place()
    story.touch("orders", sweepAt=int(story.now) + 910, sweeps=1)


def _swept_too_seldom(story: Story) -> None:
    story.place()
    story.now += 120
    story.watch.requested(request("POST", OWNER))
    story.cancelling()
    story.touch("orders", sweepAt=int(story.now) + 2000, sweeps=1)


def _left_alone(story: Story) -> None:
    story.place()
    story.now += 500
    story.watch.swept(story.now, TALLY, 90.0)


def _sent_on_for_ever(story: Story) -> None:
    story.place()
    story.now += 1300
    story.touch("orders", sweepAt=int(story.now) + 60, sweeps=1)


def _cancelled_by_a_stranger(story: Story) -> None:
    story.place()
    story.watch.requested(request("POST", "stranger"))
    story.watch.requested(request("GET", OWNER))
    story.cancelling()


TALLY = {"due": 1, "failed": 0, "unpublished": 0}


def request(method: str, owner: str) -> dict[str, Any]:
    identity = {"identity": {"userArn": owner}}
    return {"httpMethod": method, "pathParameters": {"orderId": ORDER}, "requestContext": identity}


def _sealed_for_another(story: Story) -> None:
    story.place(sealedCustomer=sealed(order_id="another"))


def _sealed_for_another_stage(story: Story) -> None:
    story.place(sealedCustomer=sealed(stage="dev"))


def _sealed_by_nobody(story: Story) -> None:
    story.place(sealedCustomer=b'{"email": "ann@example.org"}')


def _in_the_clear(story: Story) -> None:
    story.place(email=f"{CANARY_CUSTOMER}@example.org")


def _sealed_later(story: Story) -> None:
    story.place()
    story.touch("orders", sealedCustomer=sealed())


BREAKS: tuple[tuple[Break, str, str], ...] = (
    (_sealed_for_another, Promise.SEALED, "sealed under {'orderId': 'another'"),
    (_sealed_for_another_stage, Promise.SEALED, "'stage': 'dev'"),
    (_sealed_by_nobody, Promise.SEALED, "non-hexadecimal"),
    (_in_the_clear, Promise.SEALED, "in the clear"),
    (_sealed_later, Promise.FIXED, "whom it is for has changed"),
    (_goes_back, Promise.FORWARD, "PAID (rank 30) became RESERVED (rank 20)"),
    (_same_rank_again, Promise.FORWARD, "PAID (rank 30) became PAID (rank 30)"),
    (_ends_twice, Promise.CLOSED, "ended as PAYMENT_FAILED, and is now CANCELLED"),
    (_ends_without_being_closed, Promise.CLOSED, "CANCELLED with rank 90"),
    (_reopened, Promise.INDEXED, "closed, and has 2"),
    (_ends_and_stays_in_the_index, Promise.INDEXED, "closed, and has 1"),
    (_open_and_not_swept, Promise.INDEXED, "open, and has 1"),
    (_open_order_may_expire, Promise.KEPT, "only a closed order"),
    (_open_order_deleted, Promise.KEPT, "deleted as PLACED"),
    (_amount_changes, Promise.FIXED, "amount was {'N': '500'} and is now {'N': '501'}"),
    (_step_lost, Promise.TIMELINE, "2 steps became 1"),
    (_two_steps, Promise.TIMELINE, "1 steps became 3"),
    (_step_rewritten, Promise.TIMELINE, "1 steps became 2, or one of them was written anew"),
    (_closed_order_deleted_too_soon, Promise.KEPT, "deleted as SHIPPED"),
    (_swept_after_its_time, Promise.TIMELY, "PLACED, swept next 911 s after it was placed"),
    (_swept_too_seldom, Promise.TIMELY, "CANCELLING, swept next"),
    (_left_alone, Promise.SWEPT, "PLACED, due to be swept for 351 s, and left alone"),
    (_sent_on_for_ever, Promise.SWEPT, "PLACED 1302 s after it was placed, and sent on"),
    (_cancelled_by_a_stranger, Promise.BACKED, "cancelled by its customer, who never asked"),
    (_wrong_step, Promise.TIMELINE, "the order is RESERVED, its last step PAID"),
    (_wrong_time, Promise.TIMELINE, "but the reservation was RESERVED at"),
    (_placed_tomorrow, Promise.TIMELINE, "which is not now"),
    (_no_such_status, Promise.LEGAL, "PLACED became LOST with rank 20"),
    (_begins_paid, Promise.LEGAL, "begins as PAID with rank 30"),
    (_placed_twice, Promise.LEGAL, "placed again, though it is PLACED"),
    (_paid_without_payment, Promise.BACKED, "the order says PAID, but the payment never was CHARGED"),
    (_another_release, Promise.BACKED, "never was RELEASED cancelled"),
    (_another_number, Promise.BACKED, "the order's trackingNumber is PR2, the shipment's PR1"),
    (_impatient, Promise.BACKED, "timed out"),
    (_order_past_the_horizon, Promise.HORIZON, "became CANCELLED 61.1 days"),
    (_no_row_at_all, Promise.READABLE, "'high'"),
)  # fmt: skip


@pytest.mark.parametrize(("tell", "promise", "what"), BREAKS, ids=[tell.__name__[1:] for tell, *_ in BREAKS])
def test_a_broken_promise_is_reported_with_what_broke_it(tell: Break, promise: str, what: str) -> None:
    story = Story()
    tell(story)
    story.noticed(promise, what)


@pytest.mark.parametrize("tally", [{**TALLY, "failed": 1}, {**TALLY, "unpublished": 1}])
def test_a_sweep_that_could_not_do_its_work_may_leave_orders_alone(tally: dict[str, int]) -> None:
    story = Story()
    story.place()
    story.now += 500
    story.watch.swept(story.now, tally)
    assert story.violations == []


def test_a_sweep_leaves_alone_what_is_closed_not_due_or_moving() -> None:
    story = Story()
    story.shipped()
    story.watch.swept(story.now + 500, TALLY)
    story = Story()
    story.place()
    story.now += 350
    story.watch.swept(story.now, TALLY)
    began = story.now = story.now + 500
    story.reserve()
    story.order("RESERVED", "inventory")
    story.watch.swept(began, TALLY)
    assert story.violations == []


def test_an_order_is_sent_on_before_its_time_and_reminded_after_it() -> None:
    story = Story()
    story.place()
    story.now += 1000
    story.touch("orders", sweeps=1)
    story.cancelling("timeout")
    story.now += 1000
    story.touch("orders", sweeps=2)
    assert story.violations == []


def test_a_customer_may_cancel() -> None:
    story = Story()
    story.place()
    story.watch.requested(request("POST", OWNER))
    story.cancelling()
    assert story.violations == []
