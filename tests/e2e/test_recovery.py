"""Messages that are lost, come twice or make no sense."""

from __future__ import annotations

import json
import random
import re
import threading
import uuid
from collections import Counter
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from e2e.shop import Parked, Rows, Shop
from e2e.system import WORK_QUEUES, Event, System, eventually

# Rows keep when they were written last by whom; a copy of a fact must change nothing else, nor that.
Snapshot = Mapping[str, Rows]


def test_a_lost_order_placed_is_published_again(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    with shop.system.deaf("inventory-service", "OrderPlacedRule"):
        order = shop.place(mug=2)
        eventually(lambda: shop.events_of(order), lambda: "OrderPlaced was not published", within=60)
        shop.system.wait_quiet()
    assert shop.rows(order).reservation == {}, "the rule was to be off"
    assert shop.look(order)["status"] == "PLACED"

    assert shop.wait_closed(order, sweep=True)["status"] == "SHIPPED"

    shop.system.wait_quiet()
    assert shop.stock("mug") == 8
    shop.assert_in_order()


@pytest.mark.parametrize(
    ("stack", "rule"),
    [
        ("payment-service", "StockConfirmedRule"),
        ("shipping-service", "PaymentConfirmedRule"),
        ("order-service", "ShippingFactsRule"),
    ],
)
def test_whatever_fact_is_lost_the_sweeper_brings_the_order_on(shop: Shop, stack: str, rule: str) -> None:
    """Everybody answers a repeated OrderPlaced with what they decided, so one repetition heals any loss."""
    shop.given_item("mug", quantity=10)
    with shop.system.deaf(stack, rule):
        order = shop.place(mug=2)
        eventually(lambda: shop.events_of(order), lambda: "OrderPlaced was not published", within=60)
        shop.system.wait_quiet()
        assert not shop.look(order)["closed"]

    assert shop.wait_closed(order, sweep=True)["status"] == "SHIPPED"

    shop.system.wait_quiet()
    assert shop.stock("mug") == 8
    assert len({event.event_id for event in shop.events_of(order)}) == 4
    shop.assert_in_order()


def test_a_lost_release_is_healed_by_a_reminder(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    with shop.system.deaf("inventory-service", "PaymentRefundedRule"):
        order = shop.place(mug=2, force="caff")
        shop.wait_status(order, "REFUNDED")
        shop.system.wait_quiet()
        assert not shop.look(order)["closed"]
        assert shop.stock("mug") == 8

    assert shop.wait_closed(order, sweep=True)["status"] == "REFUNDED"
    assert shop.stock("mug") == 10
    shop.assert_in_order()


def test_every_message_delivered_twice_changes_nothing(shop: Shop) -> None:
    """All facts of a run are published again, out of order: while it runs, and once more after its end."""
    shop.given_item("mug", quantity=20)
    shop.given_item("lamp", quantity=3)
    dice = random.Random(7)

    with Echo(shop.system, dice):
        fates = {
            shop.place(mug=2): "SHIPPED",
            shop.place(mug=1, lamp=1): "SHIPPED",
            shop.place(mug=1, lamp=4): "OUT_OF_STOCK",
            shop.place(mug=2, amount="1.00"): "OUT_OF_STOCK",
            shop.place(mug=3, force="dec1"): "PAYMENT_FAILED",
            shop.place(mug=1, force="70a1"): "SHIPPED",
            shop.place(mug=1, force="ca01"): "SHIPPED",
            shop.place(mug=1, force="ca03"): "SHIPPED",
            shop.place(mug=1, force="caff"): "REFUNDED",
        }
        shop.wait_all_closed(within=120)
        shop.system.wait_quiet(within=60)  # an order may be closed before its last fact was heard, and echoed
    eventually(
        lambda: min(Counter(event.event_id for event in shop.events_of(*fates)).values()) >= 2,
        lambda: "some fact came only once",
        within=60,
    )
    shop.system.wait_quiet(within=60)
    before = snapshot(shop)
    heard = shop.events_of(*fates)
    assert {order: before[order.order_id].order["status"] for order in fates} == fates
    assert (shop.stock("mug"), shop.stock("lamp")) == (14, 2)

    once = list({event.event_id: event for event in heard}.values())
    dice.shuffle(once)
    shop.system.publish(*once)

    eventually(
        lambda: len(shop.events_of(*fates)) >= len(heard) + len(once),
        lambda: "the copies never arrived",
        within=60,
    )
    shop.system.wait_quiet(within=60)
    assert snapshot(shop) == before, "a fact that came again changed a row"
    assert (shop.stock("mug"), shop.stock("lamp")) == (14, 2)
    again = shop.events_of(*fates)
    assert {event.event_id for event in again} == {event.event_id for event in heard}, (
        "a copy led to new facts"
    )
    for event_id in {event.event_id for event in again}:
        told = {json.dumps(event.data, sort_keys=True) for event in again if event.event_id == event_id}
        assert len(told) == 1, f"the same fact was told in two ways: {told}"
    charges = [rows.payment["chargeId"] for rows in before.values() if "chargeId" in rows.payment]
    assert len(charges) == len(set(charges)) == 6
    shop.assert_in_order()


def test_poison_is_parked_with_its_reason_and_holds_nobody_up(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    mark = uuid.uuid4().hex
    sent: dict[tuple[str, str], str] = {}
    for queue in WORK_QUEUES:
        for name, make in POISON.items():
            text = make(queue, mark)
            shop.system.send(queue, text)
            sent[queue, name] = text

    order = shop.place(mug=2, force="a9a9")

    assert shop.wait_closed(order)["status"] == "SHIPPED", "poison holds up an order"
    for (queue, name), text in sent.items():
        parked = wait_parked(shop, queue, name, text)
        assert parked.reason, f"{name} in {queue}: nobody says why it was parked"
        assert re.split("[/:]", parked.source)[-1] == queue_name(shop.system, queue), (
            f"{name}: it does not say where it comes from"
        )
    shop.system.wait_quiet()
    shop.assert_in_order()


def wait_parked(shop: Shop, queue: str, name: str, text: str) -> Parked:
    """Until a message sent to a queue is where poison from it ends."""
    end = PARKED_IN[queue]
    return eventually(
        lambda: next((each for each in shop.dlq(end) if each.body == text), None),
        lambda: f"{name} sent to {queue} is not in {end}",
        within=60,
    )


PARKED_IN = {
    "OrderLifecycleQueue": "OrderLifecycleDLQ",
    "InventoryQueue": "InventoryDLQ",
    "InventoryCompensationQueue": "InventoryDLQ",
    "PaymentQueue": "PaymentDLQ",
    "ShippingQueue": "ShippingParkingQueue",
    "ShippingDLQ": "ShippingParkingQueue",
}

READ: Mapping[str, tuple[str, str]] = {
    "OrderLifecycleQueue": ("inventory.service", "StockReleased"),
    "InventoryQueue": ("orders.service", "OrderPlaced"),
    "InventoryCompensationQueue": ("payment.service", "PaymentConfirmation"),
    "PaymentQueue": ("inventory.service", "StockConfirmation"),
    "ShippingQueue": ("payment.service", "PaymentConfirmation"),
    "ShippingDLQ": ("payment.service", "PaymentConfirmation"),
}
"""A fact that each queue's function reads, and that needs more than the envelope."""


def _fact(queue: str, mark: str, **changes: Any) -> dict[str, Any]:
    source, detail_type = READ[queue]
    event = {
        "source": source,
        "detail-type": detail_type,
        "detail": {
            "metadata": {
                "eventId": f"{mark}-{queue}",
                "schemaVersion": 1,
                "occurredAt": "2026-01-31T12:00:00.000Z",
            },
            "data": {"orderId": mark, "placedAt": "2026-01-31T12:00:00.000Z"},
        },
    }
    return {**event, **changes}


POISON: Mapping[str, Callable[[str, str], str]] = {
    "no JSON": lambda queue, mark: f"{mark} {queue} {{",
    "a list": lambda queue, mark: json.dumps([mark, queue]),
    "no detail": lambda queue, mark: json.dumps({"source": "x", "detail-type": "y", "mark": mark + queue}),
    "a stranger's fact": lambda queue, mark: json.dumps(_fact(queue, mark, **{"detail-type": "Weather"})),
}


def queue_name(system: System, queue: str) -> str:
    return system.queue_url(queue).rpartition("/")[2]


def snapshot(shop: Shop) -> Snapshot:
    return {order.order_id: shop.rows(order) for order in shop.orders}


class Echo:
    """Publishes every fact it hears once more, later and in another order, inside a `with` block."""

    def __init__(self, system: System, dice: random.Random) -> None:
        self._system = system
        self._dice = dice
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)
        self._error: BaseException | None = None

    def __enter__(self) -> Echo:
        self._heard = len(self._system.tap.all())
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join()
        if self._error:
            raise self._error

    def _run(self) -> None:
        echoed: set[str] = set()
        waiting: list[Event] = []
        try:
            ending = False
            while not ending:
                ending = self._stop.wait(0.1)  # looked at before the tap: what was said until then is heard
                heard = self._system.tap.all()
                fresh = {event.event_id: event for event in heard[self._heard :]}
                self._heard = len(heard)
                waiting += [event for event_id, event in fresh.items() if event_id not in echoed]
                echoed |= fresh.keys()
                self._dice.shuffle(waiting)
                now = len(waiting) if ending else len(waiting) // 2 + 1
                self._system.publish(*waiting[:now])
                waiting = waiting[now:]
        except BaseException as error:  # noqa: BLE001 - raised in the test's thread
            self._error = error
