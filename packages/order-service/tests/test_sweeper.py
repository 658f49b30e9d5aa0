"""Whatever gets lost, the sweeper brings every order to its end."""

from __future__ import annotations

from datetime import timedelta
from typing import Any

import pytest
from botocore.exceptions import ClientError

from ecom_common.facts import iso
from ecom_testkit import Call, CrashingClient, crash_points
from ecom_testkit.fakes import FakePublisher
from ecom_testkit.telemetry import counted
from order_service import http, model, sweeper

THROTTLED = ClientError({"Error": {"Code": "ThrottlingException", "Message": "slow down"}}, "Query")
TURNED: dict[str, tuple[str, dict[str, Any]]] = {
    "SHIPPING_FAILED": ("ShipmentFailed", {"reason": "carrier_unavailable"}),
    "PAYMENT_FAILED": ("PaymentConfirmation", {"paymentConfirmed": False, "outcome": "declined"}),
    "REFUNDED": ("PaymentRefunded", {"refundId": "re_1"}),
}


@pytest.fixture
def metrics(monkeypatch: Any) -> list[dict[str, int]]:
    """What each sweep counted."""
    seen: list[dict[str, int]] = []
    monkeypatch.setattr(sweeper, "flush", lambda: seen.append(counted()))
    monkeypatch.setattr(http, "flush", counted)
    return seen


def due_at(shop: Any, order_id: str) -> float:
    """Seconds from now until the order is swept next."""
    return float(shop.row(order_id)["sweepAt"]) - float(shop.now.timestamp())


def test_a_young_order_is_left_alone(shop: Any) -> None:
    shop.place()
    assert shop.later(59).sweep()["due"] == 0
    assert shop.published() == ["OrderPlaced"]


def test_an_order_that_does_not_move_is_published_again_as_the_same_fact(shop: Any) -> None:
    order_id = shop.place()
    shop.later(61)
    assert shop.sweep() == {
        "due": 1, "resent": 1, "cancelled": 0, "reminded": 0, "unpublished": 0, "failed": 0, "openTooLong": 0
    }  # fmt: skip
    first, again = shop.publisher.published
    assert again == first
    assert (due_at(shop, order_id), shop.row(order_id)["sweeps"]) == (60, 1)
    assert shop.order(order_id).status == "PLACED"


def test_an_order_that_moved_but_is_open_is_published_again_too(shop: Any) -> None:
    """Its ShipmentCreated may be lost: everybody downstream answers again."""
    order_id = shop.place()
    shop.tell(order_id, "PaymentConfirmation", paymentConfirmed=True)
    shop.later(61).sweep()
    assert shop.published() == ["OrderPlaced", "OrderPlaced"]


def test_an_order_past_the_cancel_limit_is_turned_back(shop: Any) -> None:
    order_id = shop.place()
    shop.tell(order_id, "StockConfirmation", stockConfirmed=True)
    assert shop.later(901).sweep()["cancelled"] == 1
    row = shop.row(order_id)
    assert (row["status"], row["rank"], row["cancelReason"]) == ("CANCELLING", 40, "timeout")
    assert row["timeline"][-1] == {"status": "CANCELLING", "at": iso(shop.now)}
    fact = shop.publisher.published[-1]
    assert (fact.detail_type, fact.data["reason"], fact.occurred_at) == (
        "OrderCancelRequested",
        "timeout",
        iso(shop.now),
    )
    assert due_at(shop, order_id) == 60


def test_a_cancelled_order_is_reminded_of_with_its_own_reason(shop: Any) -> None:
    order_id = shop.place()
    shop.later(10).cancel(order_id)
    assert shop.later(1000).sweep()["reminded"] == 1
    _, first, again = shop.publisher.published
    assert again == first
    assert again.data["reason"] == "customer"


@pytest.mark.parametrize("status", TURNED)
def test_an_order_that_turned_back_by_itself_is_reminded_of_as_the_same_fact(shop: Any, status: str) -> None:
    order_id = shop.place()
    detail_type, data = TURNED[status]
    shop.tell(order_id, detail_type, **data)
    shop.later(61).sweep()
    if status != "REFUNDED":
        shop.tell(order_id, "PaymentRefunded", refundId="re_1")
    shop.later(1000).sweep()
    _, first, again = shop.publisher.published
    assert (first.detail_type, first.data["reason"]) == ("OrderCancelRequested", "timeout")
    assert again == first
    assert again.occurred_at == first.occurred_at
    assert "cancelReason" not in shop.row(order_id)


def test_sweeps_back_off_to_15_minutes_and_meet_every_limit(shop: Any, dynamodb: Any) -> None:
    order_id = shop.place()
    begin = shop.now
    ages = []
    for _ in range(11):
        shop.later(due_at(shop, order_id))
        assert shop.sweep()["due"] == 1
        ages.append((shop.now - begin).total_seconds())
    assert ages == [60, 120, 240, 480, 900, 1800, 2700, 3600, 4500, 5400, 6300]
    assert shop.published()[1:5] == ["OrderPlaced"] * 4
    assert set(shop.published()[5:]) == {"OrderCancelRequested"}


def test_a_closed_order_is_out_of_the_sweepers_sight(shop: Any) -> None:
    order_id = shop.place()
    shop.tell(order_id, "ShipmentCreated", shippingId="sh_1", carrier="acme", trackingNumber="T1")
    before = shop.row(order_id)
    assert shop.later(5000).sweep()["due"] == 0
    assert shop.row(order_id) == before


def stale(shop: Any, *order_ids: str) -> None:
    """The index still names these, whatever their rows say."""
    real = shop.orders.due
    shop.orders.due = lambda shard, now: iter(
        [list({order_id for order_id in order_ids if model.shard(order_id) == shard})]
    )
    shop.real_due = real


def test_an_index_that_lags_behind_brings_nothing_back(shop: Any) -> None:
    closed, swept = shop.place(), shop.place()
    shop.tell(closed, "StockConfirmation", stockConfirmed=False, reason="out_of_stock")
    shop.later(61).sweep()
    before = [shop.row(closed), shop.row(swept)]
    stale(shop, closed, swept, "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9")
    published = shop.published()
    assert shop.sweep()["due"] == 0
    assert [shop.row(closed), shop.row(swept)] == before
    assert shop.published() == published


def test_an_order_that_closes_while_it_is_swept_does_not_come_back(shop: Any) -> None:
    order_id = shop.place()

    class Closing(FakePublisher):
        def publish(self, facts: Any) -> dict[str, str]:
            shop.tell(order_id, "StockConfirmation", stockConfirmed=False, reason="out_of_stock")
            return super().publish(facts)

    shop.sweeper._publisher = Closing()
    shop.later(61).sweep()
    row = shop.row(order_id)
    assert not {"openShard", "sweepAt"} & row.keys()
    assert row["sweeps"] == 0


def test_an_order_that_ships_before_its_time_out_is_written_is_not_cancelled(shop: Any) -> None:
    order_id = shop.place()
    read = shop.orders.rows

    def late(order_ids: Any) -> Any:
        found = read(order_ids)
        shop.tell(order_id, "ShipmentFailed", reason="carrier_unavailable")
        return found

    shop.orders.rows = late
    assert shop.later(901).sweep()["cancelled"] == 0
    assert shop.order(order_id).status == "SHIPPING_FAILED"
    assert shop.published() == ["OrderPlaced"]


def test_what_is_not_published_stays_due(new_shop: Any) -> None:
    shop = new_shop(publisher=FakePublisher())
    kept, lost = shop.place(), shop.place()
    [fact] = [fact for fact in shop.publisher.published if fact.order_id == lost]
    shop.publisher.refuse = {fact.event_id}
    tally = shop.later(61).sweep()
    assert (tally["resent"], tally["unpublished"]) == (2, 1)
    assert (due_at(shop, kept), due_at(shop, lost)) == (60, -1)
    assert shop.row(lost)["sweeps"] == 0
    shop.publisher.refuse = set()
    assert shop.later(1).sweep()["resent"] == 1


def test_a_cancel_that_is_not_published_stays_due(new_shop: Any) -> None:
    shop = new_shop(publisher=FakePublisher(refuse=["OrderCancelRequested"]))
    order_id = shop.place()
    shop.later(901).sweep()
    cancelled_at = iso(shop.now)
    assert due_at(shop, order_id) < 0
    shop.publisher.refuse = set()
    shop.later(60).sweep()
    assert shop.publisher.published[-1].occurred_at == cancelled_at, "decided once, whenever it gets out"


def test_facts_are_out_before_the_next_sweep_is_set(dynamodb: Any, new_shop: Any) -> None:
    calls: list[Call] = []

    class Bus(FakePublisher):
        def publish(self, facts: Any) -> dict[str, str]:
            facts = list(facts)
            calls.extend([Call("publish", {})] * len(facts))
            return super().publish(facts)

    def writes() -> list[str]:
        return [call.name for call in calls if call.name in ("publish", "update_item")]

    shop = new_shop(CrashingClient(dynamodb, calls=calls), Bus())
    shop.place()
    calls.clear()
    shop.later(61).sweep()
    assert writes() == ["publish", "update_item"]
    calls.clear()
    shop.later(900).sweep()
    assert writes() == ["update_item", "publish", "update_item"], "the cancel itself is written first of all"


@pytest.mark.parametrize("seconds", [61, 901])
def test_a_crash_anywhere_forgets_no_order(
    dynamodb: Any, new_shop: Any, seconds: int, monkeypatch: Any
) -> None:
    # few calls, always in the same order: a point must be the same place in every run
    monkeypatch.setattr(model, "SHARDS", 1)
    monkeypatch.setattr("order_service.sweeper.random.shuffle", lambda shards: None)

    class Bus:
        """PutEvents, as far as a sweep is concerned; what got on it stays on it."""

        def __init__(self) -> None:
            self.facts: list[str] = []

        def put_events(self, Entries: list[dict[str, str]]) -> Any:  # noqa: N803
            self.facts += [entry["DetailType"] for entry in Entries]
            return {"Entries": [{} for _ in Entries]}

    from ecom_common.publisher import Publisher

    for point in crash_points():
        bus = Bus()
        shop = new_shop(publisher=Publisher(bus, "bus"))  # type: ignore[arg-type]
        order_id = shop.place(key=f"{seconds} {point.number} {point.effect}")
        begin = shop.now
        bus.facts.clear()
        with point.survived():
            dying = new_shop(point.wrap(dynamodb), Publisher(point.wrap(bus), "bus"))  # type: ignore[arg-type]
            dying.now = begin + timedelta(seconds=seconds)
            dying.sweep()
        shop.later(seconds + 1).sweep()
        wanted = "OrderPlaced" if seconds < 900 else "OrderCancelRequested"
        assert set(bus.facts) == {wanted}, point
        row = shop.row(order_id)
        assert row["sweeps"] == 1, point
        assert row["sweepAt"] > shop.now.timestamp(), point
        assert row["status"] == ("PLACED" if seconds < 900 else "CANCELLING"), point
        shop.tell(order_id, "StockReleased", outcome="cancelled")


def test_an_order_that_cannot_be_swept_keeps_nobody_waiting(shop: Any, dynamodb: Any, metrics: Any) -> None:
    orders = [shop.place() for _ in range(12)]
    broken = orders[0]
    dynamodb.update_item(
        TableName="table",
        Key={"orderId": {"S": broken}},
        UpdateExpression="SET #items = :none",
        ExpressionAttributeNames={"#items": "items"},
        ExpressionAttributeValues={":none": {"S": "?"}},
    )
    tally = shop.later(61).sweep()
    assert (tally["resent"], tally["failed"]) == (11, 1)
    assert metrics[-1]["OrdersOpenTooLong"] == 1, "nobody can close it: somebody should look"


def test_a_page_that_cannot_be_read_keeps_no_shard_waiting(dynamodb: Any, new_shop: Any) -> None:
    class Slow(CrashingClient):
        def batch_get_item(self, **request: Any) -> Any:
            raise THROTTLED

    new_shop().place()
    shop = new_shop(Slow(dynamodb))
    tally = shop.later(61).sweep()
    assert (tally["failed"], tally["due"]) == (1, 0)


def test_a_shard_that_cannot_be_read_is_told_after_the_others_are_swept(
    dynamodb: Any, new_shop: Any, metrics: Any
) -> None:
    plain = new_shop()
    orders = [plain.place() for _ in range(20)]
    gone = model.shard(orders[0])

    class OneShardDown(CrashingClient):
        def query(self, **request: Any) -> Any:
            if request["ExpressionAttributeValues"][":shard"] == {"S": gone}:
                raise THROTTLED
            return dynamodb.query(**request)

    shop = new_shop(OneShardDown(dynamodb))
    with pytest.raises(ClientError):
        shop.later(61).sweep()
    swept = {fact.order_id for fact in shop.publisher.published}
    assert swept == {order_id for order_id in orders if model.shard(order_id) != gone}
    assert "OrdersOpenTooLong" not in metrics[-1], "what was not counted is not told as zero"


def test_it_stops_in_time_and_goes_on_in_the_next_minute(shop: Any, metrics: Any) -> None:
    shop.place()
    assert shop.later(61).sweep(ms=9_999)["due"] == 0
    assert metrics[-1]["SweepsCutShort"] == 1
    assert shop.sweep(ms=10_000)["due"] == 1


def test_many_orders_are_swept_page_by_page(shop: Any, monkeypatch: Any) -> None:
    monkeypatch.setattr("order_service.store.PAGE", 2)
    orders = {shop.place() for _ in range(40)}
    assert shop.later(61).sweep()["resent"] == 40
    assert {fact.order_id for fact in shop.publisher.published[40:]} == orders


class TestOpenTooLong:
    def test_nothing_is_counted_as_zero(self, shop: Any, metrics: Any) -> None:
        shop.place()
        shop.sweep()
        assert metrics[-1] == {"OrdersOpenTooLong": 0}

    def test_every_such_order_is_counted_every_time_not_only_when_due(self, shop: Any, metrics: Any) -> None:
        orders = [shop.place() for _ in range(3)]
        shop.later(3540)
        young = shop.place()
        assert [shop.later(seconds).sweep()["openTooLong"] for seconds in (0, 60)] == [0, 3]
        assert (shop.later(30).sweep()["due"], metrics[-1]["OrdersOpenTooLong"]) == (0, 3), "counted, not due"
        shop.tell(orders[0], "StockReleased", outcome="cancelled")
        assert shop.later(1).sweep()["openTooLong"] == 2
        assert shop.row(young)["openShard"] == model.shard(young)
        assert shop.row(orders[1])["openShard"] == model.shard(orders[1], late=True)

    def test_it_is_counted_while_nothing_can_be_published(self, new_shop: Any) -> None:
        shop = new_shop(publisher=FakePublisher(refuse=["OrderCancelRequested"]))
        shop.place()
        assert [shop.later(seconds).sweep()["openTooLong"] for seconds in (3599, 1, 60)] == [0, 1, 1]
        shop.publisher.refuse = set()
        assert [shop.later(seconds).sweep()["openTooLong"] for seconds in (60, 60)] == [1, 1]
