"""The watch is quiet on every legal way of an order. What it notices is in the tests of its parts."""

from __future__ import annotations

import pytest

from order_service.model import MOVES as ORDER_MOVES
from payment_service.model import MOVES as PAYMENT_MOVES
from shipping_service.model import MOVES as SHIPMENT_MOVES
from simulation import (
    test_watch_answers,
    test_watch_facts,
    test_watch_mails,
    test_watch_orders,
    test_watch_participants,
    test_watch_rest,
    test_watch_stock,
)
from simulation.invariants import ALL_MOVES, Promise
from simulation.story import BOOKING, GONE, ORDER, START, Break, Story, iso
from simulation.watch.promises import CAUSES, MOVES, OF_THE_WORLD

HOUR, DAY = 3600.0, 86400.0


# --- what is legal


def expired_at_payment(story: Story, *, charged: bool) -> None:
    """The gateway was asked, nobody heard the answer, and half a day later it is too late to ask again."""
    story.reserved()
    story.pay("INTENT")
    story.now += 13 * HOUR
    story.pay("VOIDING", reason="expired")
    if charged:
        story.pay("REFUNDING", chargeId="ch_1")
        story.pay("REFUNDED")
        story.release("refunded")
        story.order("REFUNDED", "inventory", rank=90)
    else:
        story.pay("VOIDED")
        story.release("cancelled")
        story.order("CANCELLED", "inventory")


def cancelled_while_charging(story: Story) -> None:
    story.reserved()
    story.pay("INTENT")
    story.now += 16 * 60
    story.cancelling("timeout")
    story.ship("FAILED", reason="cancelled")
    story.pay("VOIDING", reason="cancelled")
    story.pay("VOIDED")
    story.release("cancelled")
    story.order("CANCELLED", "inventory")


def too_late_for_stock(story: Story) -> None:
    story.place()
    story.now += 2 * HOUR
    story.release("cancelled")
    story.order("CANCELLED", "inventory")


def out_of_stock(story: Story) -> None:
    story.item(quantity=1, received=1)
    story.place()
    story.reject()
    story.order("OUT_OF_STOCK", "inventory", reason="out_of_stock")


def shipped_all_the_same(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.cancelling()
    story.ship("CANCELLING", reason="cancelled")
    story.ship("CREATED")
    story.order("SHIPPED", "shipping", **{name: BOOKING[name] for name in list(BOOKING)[:3]})


def rescued(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.touch("shipping", asked={"primary", "fallback"}, rescues=1)
    story.ship("CREATED", **{**BOOKING, "carrier": "fallback", "processedBy": "dlq"})
    story.touch("shipping", asked={"fallback"})


def no_carrier(story: Story) -> None:
    story.charged()
    story.ship("INTENT")
    story.touch("shipping", asked={"primary", "fallback"}, rescues=4)
    story.ship("CANCELLING", reason="carrier_unavailable")
    story.ship("FAILED")


def too_late_to_ship(story: Story) -> None:
    story.charged()
    story.now += 8 * DAY
    story.ship("FAILED", reason="expired")
    story.pay("REFUNDING")


def everything_expires(story: Story) -> None:
    story.shipped()
    story.now = START + 91 * DAY
    story.delete("inventory", f"ORDER#{ORDER}")
    story.delete("payment")
    story.delete("shipping")
    story.now = START + 366 * DAY
    story.delete("orders")
    story.place()
    story.reserve()


def swept_and_delivered(story: Story) -> None:
    story.place()
    story.touch("orders", sweepAt=int(START) + 300, sweeps=1)
    story.item(quantity=15, received=15)


LEGAL: tuple[Break, ...] = (
    Story.shipped,
    Story.declined,
    Story.cancelled,
    Story.refunded,
    out_of_stock,
    lambda story: expired_at_payment(story, charged=True),
    lambda story: expired_at_payment(story, charged=False),
    cancelled_while_charging,
    too_late_for_stock,
    shipped_all_the_same,
    rescued,
    no_carrier,
    too_late_to_ship,
    everything_expires,
    swept_and_delivered,
)


@pytest.mark.parametrize("tell", LEGAL)
def test_nothing_is_held_against_an_order_that_goes_its_way(tell: Break) -> None:
    story = Story()
    tell(story)
    assert story.violations == []


def test_every_legal_move_is_counted_under_its_name() -> None:
    seen: set[tuple[str, str, str]] = set()
    for tell in LEGAL:
        story = Story()
        tell(story)
        seen |= story.watch.moves
    assert seen == ALL_MOVES


def test_the_moves_are_those_of_the_services() -> None:
    for kind, moves in (("payment", PAYMENT_MOVES), ("shipment", SHIPMENT_MOVES)):
        begun = {move for move in MOVES[kind] if not move[0]}
        assert {(str(a), str(b)) for a, after in moves.items() for b in after} == MOVES[kind] - begun
    ours = {(cause.fact.rstrip(), status, int(rank)) for (status, rank), cause in CAUSES.items()}
    assert ours == {(" ".join(fact).rstrip(), str(m.status), m.rank) for fact, m in ORDER_MOVES.items()}


def test_a_decision_just_past_a_window_may_have_been_taken_before_its_end() -> None:
    story = Story()
    story.place()
    story.now = START + HOUR + 120
    story.reserve()
    story.now = START + 12 * HOUR + 120
    story.pay("INTENT")
    story.pay("CHARGED")
    story.now = START + 7 * DAY + 120
    story.ship("INTENT")
    story.ship("CREATED")
    story.now = START + 60 * DAY + 120
    story.order("SHIPPED", "shipping", **{name: BOOKING[name] for name in list(BOOKING)[:3]})
    assert story.violations == []


def test_a_fast_clock_may_take_a_window_for_over() -> None:
    story = Story()
    story.place()
    story.now = START + HOUR - 120
    story.release("cancelled")
    story.now = START + 12 * HOUR - 120
    story.pay("VOIDED", reason="expired")
    story.now = START + 7 * DAY - 120
    story.ship("FAILED", reason="expired")
    assert story.violations == []


def test_a_parcel_that_cannot_be_stopped_ships_however_old_its_order() -> None:
    story = Story()
    story.charged()
    story.ship("INTENT")
    story.now = START + 8 * DAY
    story.ship("CANCELLING", reason="expired")
    story.ship("CREATED")
    assert story.violations == []


def test_a_decision_at_the_horizon_may_still_be_written() -> None:
    story = Story()
    story.place()
    story.now = START + 60 * DAY + 120
    story.release("cancelled")
    assert story.violations == []


def test_a_row_written_anew_is_noticed_even_where_its_order_is_young() -> None:
    story = Story()
    story.shipped()
    story.now = START + 91 * DAY
    story.delete("payment")
    story.now = START + DAY
    story.pay("VOIDED", reason="expired")
    assert "expired, and is written anew" in story.broken[Promise.HORIZON]


def test_what_follows_from_a_break_is_not_reported_again() -> None:
    story = Story()
    story.place()
    story.touch("orders", amount=501)
    story.touch("orders", amount=502)
    assert [violation.order_id for violation in story.violations] == [ORDER]
    assert story.violations[0].at == START + 4


def test_what_was_forgiven_is_not_reported() -> None:
    for promises in (None, {Promise.FIXED}):
        story = Story()
        story.place()
        story.watch.forgive([ORDER], promises)
        story.touch("orders", amount=501)
        assert story.violations == []
    story.watch.forgive(["another"])
    story.touch("orders", openShard=GONE)
    assert list(story.broken) == [Promise.INDEXED]


def test_after_a_restore_rows_go_on_from_where_they_were_put_back() -> None:
    story = Story()
    story.reserved()
    before = {name: dict(rows) for name, rows in story.tables.items()}
    story.pay("INTENT")
    story.pay("CHARGED")
    story.order("PAID", "payment")
    for name, rows in before.items():
        story.tables[name] = rows
        changed = story.watch.restored(f"ecom-sim-{name}", rows)
        assert changed == ([ORDER] if name in ("orders", "payment") else [])
    story.pay("INTENT")
    story.pay("CHARGED")
    story.order("PAID", "payment")
    assert story.violations == []


def test_after_a_restore_of_the_stock_its_figures_count() -> None:
    story = Story(stock=20)
    for order_id in ("one", "another"):
        story.place(order_id)
        story.reserve(order_id=order_id)
    story.place()
    before = dict(story.tables["inventory"])
    story.reserve()
    story.tables["inventory"] = before
    assert story.watch.restored("ecom-sim-inventory", before) == [ORDER]
    story.reserve()
    story.pay("INTENT")
    assert story.violations == []


def test_every_promise_is_broken_somewhere() -> None:
    broken = {
        str(promise)
        for module in (
            test_watch_answers,
            test_watch_facts,
            test_watch_mails,
            test_watch_orders,
            test_watch_participants,
            test_watch_rest,
            test_watch_stock,
        )
        for _, promise, _ in module.BREAKS
    }
    assert {str(promise) for promise in Promise} - broken == OF_THE_WORLD


def test_in_fair_weather_an_order_that_needs_long_or_runs_out_of_patience_is_reported() -> None:
    def told(took: float, **more: str) -> list[str]:
        story = Story()
        row = {"placedAt": iso(START), "updatedAt": iso(START + took), "status": "SHIPPED", **more}
        story.watch.prompt({ORDER: {name: {"S": value} for name, value in row.items()}}, 60.0)
        return [f"{each.promise}: {each.detail}" for each in story.violations]

    assert told(60.0) == []
    assert told(61.0) == [f"{Promise.PROMPT}: SHIPPED after 61 s"]
    assert told(5.0, cancelReason="customer") == []
    assert told(5.0, cancelReason="timeout") == [f"{Promise.PROMPT}: SHIPPED after 5 s"]


def test_what_somebody_else_saw_is_reported_with_the_rest() -> None:
    story = Story()
    story.watch.broken(Promise.UNFAILING, "", "PaymentLambda 7: KeyError")
    assert story.broken == {Promise.UNFAILING: "PaymentLambda 7: KeyError"}
