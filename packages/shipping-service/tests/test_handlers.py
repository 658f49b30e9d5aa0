"""What shipping does with each fact, in each state it may find the row in."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ecom_common.errors import Poison, Retry
from ecom_common.facts import Fact, new_fact
from ecom_testkit import rows
from ecom_testkit.telemetry import counted
from shipping_service.carrier import CarrierUnavailableError, Parcel
from shipping_service.model import RESCUES, Booking, State, intent
from shipping_service.store import Shipments

from .depot import ORDER, PLACED, Depot, cancel_requested, paid, silences

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def depot(dynamodb: DynamoDBClient) -> Depot:
    counted()
    return Depot(Shipments(dynamodb, "table"))


@pytest.fixture
def row(dynamodb: DynamoDBClient) -> Any:
    """The one row of the table, now."""

    def now() -> dict[str, Any]:
        [only] = rows(dynamodb)
        return only

    return now


def fails(deliver: Callable[[Fact], Fact], fact: Fact) -> CarrierUnavailableError:
    with pytest.raises(CarrierUnavailableError) as error:
        deliver(fact)
    return error.value


def given(depot: Depot, state: str) -> None:
    """A row in this state, as a real run of facts and failures leaves it."""
    primary, fallback = depot.primary, depot.fallback
    if state == "tombstone":
        depot.ship(cancel_requested())
    if state == "CREATED":
        depot.ship(paid())
    if state.startswith(("INTENT", "CANCELLING")):
        primary.silent = silences("after" if "booked" in state else "before")
        fails(depot.ship, paid())
    if "rescued" in state:
        fallback.silent = silences("after" if "booked" in state else "before")
        fails(depot.rescue, paid())
    if state.startswith("CANCELLING"):
        primary.silent = silences("after" if "stopped" in state else "before")
        fails(depot.ship, cancel_requested())
    if state == "FAILED":
        given(depot, "INTENT")
        depot.ship(cancel_requested())
    primary.silent = fallback.silent = silences()


# --- book


def test_a_paid_order_is_booked_with_the_primary_carrier(depot: Depot, row: Any) -> None:
    fact = depot.ship(paid())
    assert fact.detail_type == "ShipmentCreated"
    assert fact.causation_id == paid().event_id
    assert fact.data == {
        "orderId": ORDER,
        "placedAt": "2026-01-31T12:00:00.000Z",
        "shippingId": "sh_primary_1",
        "carrier": "primary",
        "trackingNumber": "TRACK1",
        "processedBy": "shipping",
    }
    assert row() == {
        "orderId": ORDER,
        "placedAt": "2026-01-31T12:00:00.000Z",
        "state": "CREATED",
        "decidedAt": "2026-01-31T12:00:03.000Z",
        "causedBy": paid().event_id,
        "asked": {"primary"},
        "rescues": 0,
        "carrier": "primary",
        "shippingId": "sh_primary_1",
        "trackingNumber": "TRACK1",
        "processedBy": "shipping",
        "expiresAt": int(PLACED.timestamp()) + 90 * 86_400,
    }
    assert depot.fallback.calls == []


def test_the_row_is_there_before_the_carrier_is_asked(depot: Depot, row: Any) -> None:
    seen = []
    depot.primary.pause = lambda _: seen.append((row()["state"], row()["asked"]))
    depot.ship(paid())
    assert seen == [("INTENT", {"primary"})]


@pytest.mark.parametrize("effect", ["before", "after"])
def test_no_answer_leaves_the_intent_and_the_next_try_makes_no_second_parcel(
    depot: Depot, row: Any, effect: str
) -> None:
    depot.primary.silent = silences(effect, effect)
    for _ in range(2):
        fails(depot.ship, paid())
        assert row()["state"] == "INTENT"
    assert depot.ship(paid()).data["carrier"] == "primary"
    assert {key for _, key in depot.primary.calls} == {f"{ORDER}:shipment"}
    assert len(depot.holds()) == 1


def test_the_carrier_is_told_which_attempt_it_is(depot: Depot) -> None:
    attempts: list[int] = []
    book = depot.primary.book

    def noted(parcel: Parcel) -> Booking:
        attempts.append(parcel.attempt)
        return book(parcel)

    depot.primary.book = noted  # type: ignore[method-assign]
    depot.ship(paid(attempt=3))
    assert attempts == [3]


@pytest.mark.parametrize("data", [{}, {"paymentConfirmed": False}, {"paymentConfirmed": 1}])
def test_what_is_not_clearly_paid_is_poison_and_ships_nothing(
    depot: Depot, dynamodb: DynamoDBClient, data: dict[str, Any]
) -> None:
    fact = new_fact(
        "payment.service",
        "PaymentConfirmation",
        {"orderId": ORDER, "placedAt": "2026-01-31T12:00:00.000Z"} | data,
        occurred_at="2026-01-31T12:00:00.000Z",
    )
    for deliver in (depot.ship, depot.rescue):
        with pytest.raises(Poison):
            deliver(fact)
    assert rows(dynamodb) == []
    assert depot.holds() == []


@pytest.mark.parametrize("state", ["CREATED", "tombstone", "FAILED"])
def test_a_duplicate_is_answered_with_the_stored_outcome_to_the_letter(
    depot: Depot, row: Any, state: str
) -> None:
    given(depot, state)
    before, calls = row(), len(depot.primary.calls)
    depot.clock.at(days=30)
    for deliver in (depot.ship, depot.rescue):
        for fact in (paid(), cancel_requested()):
            again = deliver(fact)
            assert again.detail() == depot.published[0].detail()
    assert row() == before
    assert len(depot.primary.calls) == calls, "the carrier has no part in a duplicate"
    assert depot.fallback.calls == []


def test_what_is_stored_is_what_is_read(dynamodb: DynamoDBClient) -> None:
    wanted = intent(ORDER, "2026-01-31T12:00:00.000Z", "primary", decided_at="now", caused_by="fact-1")
    shipments = Shipments(dynamodb, "table")
    assert shipments.add(wanted) == wanted
    assert shipments.add(wanted) == wanted


# --- cancel


@pytest.mark.parametrize(
    ("state", "primary", "fallback"),
    [
        ("nothing", 0, 0),
        ("tombstone", 0, 0),
        ("INTENT", 1, 0),
        ("INTENT, booked", 1, 0),
        ("INTENT, rescued", 1, 1),
        ("INTENT, booked, rescued", 1, 1),
        ("CANCELLING", 2, 0),
        ("CANCELLING, booked", 2, 0),
        ("CANCELLING, booked, stopped", 2, 0),
        ("FAILED", 1, 0),
    ],
)
@pytest.mark.parametrize("function", ["ship", "rescue"])
@pytest.mark.parametrize("days", [0.01, 40])
def test_a_cancel_stops_what_is_not_shipped(
    depot: Depot, row: Any, state: str, primary: int, fallback: int, function: str, days: float
) -> None:
    given(depot, state)
    depot.clock.at(days=days)
    fact = getattr(depot, function)(cancel_requested())
    assert (fact.detail_type, fact.data["reason"]) == ("ShipmentFailed", "cancelled")
    assert row()["state"] == "FAILED"
    assert depot.holds() == []
    assert (depot.primary.called("cancel"), depot.fallback.called("cancel")) == (primary, fallback)


@pytest.mark.parametrize("function", ["ship", "rescue"])
def test_a_parcel_on_its_way_is_not_called_back(depot: Depot, row: Any, function: str) -> None:
    given(depot, "CREATED")
    fact = getattr(depot, function)(cancel_requested())
    assert fact.detail_type == "ShipmentCreated"
    assert row()["state"] == "CREATED"
    assert depot.primary.called("cancel") == 0
    assert len(depot.holds()) == 1


@pytest.mark.parametrize(("function", "by"), [("ship", "shipping"), ("rescue", "dlq")])
def test_a_parcel_that_cannot_be_stopped_is_shipped(depot: Depot, row: Any, function: str, by: str) -> None:
    given(depot, "INTENT, booked")
    depot.primary.gone = True
    fact = getattr(depot, function)(cancel_requested())
    assert fact.detail_type == "ShipmentCreated"
    assert (fact.data["shippingId"], fact.data["processedBy"]) == ("sh_primary_1", by)
    assert row()["state"] == "CREATED"


def test_where_one_of_two_parcels_cannot_be_stopped_that_one_ships_alone(depot: Depot, row: Any) -> None:
    given(depot, "INTENT, booked, rescued")
    assert len(depot.holds()) == 2
    depot.primary.gone = True
    fact = depot.ship(cancel_requested())
    assert fact.data["carrier"] == "primary"
    assert [booking.carrier for booking in depot.holds()] == ["primary"]
    assert row()["asked"] == {"primary"}


def test_the_other_parcel_is_stopped_even_where_the_first_one_asked_is_gone(depot: Depot, row: Any) -> None:
    given(depot, "INTENT, booked, rescued")
    depot.fallback.gone = True
    fact = depot.ship(cancel_requested())
    assert fact.data["carrier"] == "fallback"
    assert [booking.carrier for booking in depot.holds()] == ["fallback"]
    assert row()["asked"] == {"fallback"}


def test_payment_after_the_tombstone_is_never_shipped(depot: Depot, row: Any) -> None:
    depot.ship(cancel_requested())
    for deliver in (depot.ship, depot.rescue):
        fact = deliver(paid())
        assert (fact.detail_type, fact.data["reason"]) == ("ShipmentFailed", "cancelled")
        assert fact.causation_id == cancel_requested().event_id
    assert depot.primary.calls == depot.fallback.calls == []


@pytest.mark.parametrize("state", ["CANCELLING", "CANCELLING, booked"])
def test_payment_that_comes_during_a_cancel_finishes_the_cancel(depot: Depot, row: Any, state: str) -> None:
    given(depot, state)
    booked = depot.primary.called("book")
    assert depot.ship(paid()).detail_type == "ShipmentFailed"
    assert depot.primary.called("book") == booked
    assert depot.holds() == []


# --- rescue


def test_the_fallback_carrier_ships_what_the_primary_failed(depot: Depot, row: Any) -> None:
    depot.primary.down = True
    for attempt in (1, 2, 3):
        fails(depot.ship, paid(attempt=attempt))
    fact = depot.rescue(paid())
    assert (fact.data["carrier"], fact.data["processedBy"]) == ("fallback", "dlq")
    assert row()["rescues"] == 1
    assert depot.primary.called("book") == 3
    # The primary may hold a parcel all the same, so it is told, and then forgotten.
    assert depot.primary.called("cancel") == 1
    assert row()["asked"] == {"fallback"}


def test_attempts_are_counted_in_the_row_before_the_carrier_is_asked(depot: Depot, row: Any) -> None:
    given(depot, "INTENT")
    seen = []
    depot.fallback.down = True
    depot.fallback.pause = lambda _: seen.append((row()["rescues"], row()["asked"]))
    for _ in range(RESCUES - 1):
        fails(depot.rescue, paid())
    assert seen == [(number, {"primary", "fallback"}) for number in range(1, RESCUES)]
    assert row()["state"] == "INTENT"


def test_after_four_rescues_it_is_cancelled_everywhere_and_given_up(depot: Depot, row: Any) -> None:
    given(depot, "INTENT, booked")
    depot.fallback.down = True
    for _ in range(RESCUES - 1):
        fails(depot.rescue, paid())
    fact = depot.rescue(paid())
    assert (fact.detail_type, fact.data["reason"]) == ("ShipmentFailed", "carrier_unavailable")
    assert depot.fallback.called("book") == RESCUES == 4
    assert (depot.primary.called("cancel"), depot.fallback.called("cancel")) == (1, 1)
    assert depot.holds() == []
    assert (row()["state"], row()["rescues"]) == ("FAILED", 4)
    # A redrive or replay brings no fifth try.
    assert depot.rescue(paid()) == fact == depot.ship(paid())
    assert depot.fallback.called("book") == 4


def test_a_rescue_that_was_counted_and_died_is_not_given_back(depot: Depot, row: Any) -> None:
    """Four functions die between counting and asking: the fifth gives up without asking."""

    class Died(BaseException):
        pass

    def die(call: str) -> None:
        raise Died

    given(depot, "INTENT")
    depot.fallback.pause = die
    for _ in range(RESCUES):
        with contextlib.suppress(Died):
            depot.rescue(paid())
    assert (row()["state"], row()["rescues"]) == ("INTENT", 4)
    depot.fallback.pause = lambda _: None
    assert depot.rescue(paid()).data["reason"] == "carrier_unavailable"
    assert depot.fallback.called("book") == 0


def test_the_primary_may_still_ship_between_rescues(depot: Depot, row: Any) -> None:
    """A redrive brings the record back to the first queue: the carrier is up again."""
    given(depot, "INTENT, rescued")
    fact = depot.ship(paid())
    assert (fact.data["carrier"], fact.data["processedBy"]) == ("primary", "shipping")
    assert row()["asked"] == {"primary"}
    assert [booking.carrier for booking in depot.holds()] == ["primary"]


def test_a_cancel_that_fails_after_the_last_rescue_is_taken_up_again(depot: Depot, row: Any) -> None:
    given(depot, "INTENT, booked")
    depot.fallback.down = True
    for _ in range(RESCUES - 1):
        fails(depot.rescue, paid())
    depot.primary.silent = silences("before")
    fails(depot.rescue, paid())
    assert row()["state"] == "CANCELLING"
    assert depot.rescue(paid()).data["reason"] == "carrier_unavailable"
    assert depot.holds() == []


def test_a_parcel_found_after_the_last_rescue_ships(depot: Depot, row: Any) -> None:
    given(depot, "INTENT, booked")
    depot.primary.gone = depot.fallback.down = True
    for _ in range(RESCUES - 1):
        fails(depot.rescue, paid())
    fact = depot.rescue(paid())
    assert (fact.data["carrier"], fact.data["processedBy"]) == ("primary", "dlq")
    assert len(depot.holds()) == 1


def test_a_record_that_never_got_a_row_is_shipped_by_the_rescue(depot: Depot, row: Any) -> None:
    """The table was not to be had for three receives."""
    fact = depot.rescue(paid())
    assert fact.data["carrier"] == "fallback"
    assert row()["asked"] == {"fallback"}
    assert depot.primary.calls == []


@pytest.mark.parametrize("end", ["cancel", "fallback ships", "given up"])
def test_a_row_that_a_rescue_began_forgets_no_carrier(depot: Depot, row: Any, end: str) -> None:
    """A record fails thrice before there is a row, and the rescue finds the fallback down. A duplicate comes.

    The primary books for the duplicate, and its answer is lost.
    """
    depot.fallback.silent = silences("before")
    fails(depot.rescue, paid())
    assert row()["asked"] == {"fallback"}
    depot.primary.silent = silences("after")
    fails(depot.ship, paid())
    assert row()["asked"] == {"primary", "fallback"}, "the primary may hold a parcel"
    if end == "cancel":
        assert depot.ship(cancel_requested()).data["reason"] == "cancelled"
        assert depot.holds() == []
    elif end == "fallback ships":
        depot.rescue(paid())
        assert [booking.carrier for booking in depot.holds()] == ["fallback"]
    else:
        depot.fallback.down = True
        fails(depot.rescue, paid())
        fails(depot.rescue, paid())
        assert depot.rescue(paid()).data["reason"] == "carrier_unavailable"
        assert depot.holds() == []


# --- leftovers


def test_a_booking_that_timed_out_is_cancelled_once_the_fallback_ships(depot: Depot, row: Any) -> None:
    given(depot, "INTENT, booked")
    assert [booking.carrier for booking in depot.holds()] == ["primary"]
    depot.rescue(paid())
    assert [booking.carrier for booking in depot.holds()] == ["fallback"]
    assert row()["asked"] == {"fallback"}
    depot.rescue(paid())
    assert depot.primary.called("cancel") == 1, "struck out, so not asked again"


@pytest.mark.parametrize("effect", ["before", "after"])
def test_the_shipment_is_announced_though_the_leftover_cannot_be_cancelled_now(
    depot: Depot, row: Any, effect: str
) -> None:
    given(depot, "INTENT, booked")
    depot.primary.silent = silences(effect)
    error = fails(depot.rescue, paid())
    [fact] = error.facts
    assert fact.data["carrier"] == "fallback"
    assert depot.published == [fact], "told now"
    assert row()["asked"] == {"primary", "fallback"}, "and not forgotten"
    assert depot.rescue(paid()) == fact, "the record comes back, and says the same"
    assert [booking.carrier for booking in depot.holds()] == ["fallback"]
    assert row()["asked"] == {"fallback"}


def test_two_parcels_that_cannot_be_stopped_are_a_matter_for_a_person(depot: Depot, row: Any) -> None:
    given(depot, "INTENT, booked")
    depot.primary.gone = True
    fact = depot.rescue(paid())
    assert fact.data["carrier"] == "fallback"
    assert counted()["ParcelsNotStopped"] == 1
    assert row()["asked"] == {"fallback"}
    depot.rescue(paid())
    assert "ParcelsNotStopped" not in counted(), "a person is called once"


# --- windows


@pytest.mark.parametrize("function", ["ship", "rescue"])
@pytest.mark.parametrize(("days", "shipped"), [(6.99, True), (7, True), (7.001, False), (40, False)])
def test_an_order_past_the_window_is_not_shipped(
    depot: Depot, row: Any, function: str, days: float, shipped: bool
) -> None:
    depot.clock.at(days=days)
    fact = getattr(depot, function)(paid())
    if shipped:
        assert row()["state"] == "CREATED"
    else:
        assert (row()["state"], fact.data["reason"]) == ("FAILED", "expired")
        assert depot.primary.calls == depot.fallback.calls == []
        assert getattr(depot, function)(paid()) == fact


@pytest.mark.parametrize("function", ["ship", "rescue"])
@pytest.mark.parametrize("state", ["INTENT", "INTENT, booked", "INTENT, booked, rescued"])
def test_an_intent_that_outlives_the_window_is_cancelled_and_never_booked(
    depot: Depot, row: Any, function: str, state: str
) -> None:
    given(depot, state)
    booked = depot.primary.called("book") + depot.fallback.called("book")
    depot.clock.at(days=8)
    fact = getattr(depot, function)(paid())
    assert (row()["state"], fact.data["reason"]) == ("FAILED", "expired")
    assert depot.primary.called("book") + depot.fallback.called("book") == booked
    assert depot.holds() == []


# --- rivals: what another delivery does while a carrier is asked


def test_a_late_worker_whose_order_was_rescued_cancels_its_own_booking(depot: Depot, row: Any) -> None:
    """The primary answers after the record has gone to the dead-letter queue and was rescued."""

    def rival(call: str) -> None:
        depot.primary.pause = lambda _: None
        depot.primary.silent = silences("before")  # the leftover cannot be cancelled just now
        fails(depot.rescue, paid())

    depot.primary.pause = rival
    fact = depot.ship(paid())
    assert (fact.data["carrier"], fact.data["processedBy"]) == ("fallback", "dlq")
    assert [booking.carrier for booking in depot.holds()] == ["fallback"]
    assert row()["asked"] == {"fallback"}


def test_a_late_rescue_whose_order_was_shipped_cancels_its_own_booking(depot: Depot, row: Any) -> None:
    given(depot, "INTENT")

    def rival(call: str) -> None:
        depot.fallback.pause = lambda _: None
        depot.fallback.silent = silences("before")
        fails(depot.ship, paid())

    depot.fallback.pause = rival
    fact = depot.rescue(paid())
    assert (fact.data["carrier"], fact.data["processedBy"]) == ("primary", "shipping")
    assert [booking.carrier for booking in depot.holds()] == ["primary"]


def test_a_late_worker_whose_order_was_cancelled_books_nothing(depot: Depot, row: Any) -> None:
    def rival(call: str) -> None:
        depot.primary.pause = lambda _: None
        depot.ship(cancel_requested())

    depot.primary.pause = rival
    fails(depot.ship, paid())
    assert depot.ship(paid()).data["reason"] == "cancelled"
    assert depot.holds() == []


def test_a_cancel_that_meets_a_booking_in_the_making_says_what_stands(depot: Depot, row: Any) -> None:
    """OrderCancelRequested has read INTENT; before it writes CANCELLING the booking is stored."""
    given(depot, "INTENT")
    move = depot.shipments.move

    def rival_first(before: Any, after: Any) -> Any:
        depot.shipments.move = move  # type: ignore[method-assign]
        depot.ship(paid())
        return move(before, after)

    depot.shipments.move = rival_first  # type: ignore[method-assign]
    assert depot.ship(cancel_requested()).detail_type == "ShipmentCreated"
    assert row()["state"] == State.CREATED
    assert len(depot.holds()) == 1


@pytest.mark.parametrize("function", ["ship", "rescue"])
def test_a_row_that_has_gone_is_tried_again(depot: Depot, dynamodb: DynamoDBClient, function: str) -> None:
    carrier = depot.primary if function == "ship" else depot.fallback

    def rival(call: str) -> None:
        dynamodb.delete_item(TableName="table", Key={"orderId": {"S": ORDER}})

    carrier.pause = rival
    with pytest.raises(Retry):
        getattr(depot, function)(paid())
    carrier.pause = lambda _: None
    assert getattr(depot, function)(paid()).detail_type == "ShipmentCreated"
    assert len(depot.holds()) == 1


def test_a_parcel_counts_once_however_often_it_is_delivered(depot: Depot) -> None:
    depot.ship(paid())
    depot.ship(paid())
    assert counted() == {"ShipmentsCreated": 1}


def test_a_parcel_that_a_rival_has_booked_does_not_count_again(
    depot: Depot, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two deliveries ask at once, and the carrier answers both: one parcel."""
    book, asked = depot.primary.book, []

    def twice(parcel: Parcel) -> Booking:
        if not asked:
            asked.append(parcel)
            depot.clock.at(seconds=3)
            depot.ship(paid())
            depot.clock.at(seconds=4)
        return book(parcel)

    monkeypatch.setattr(depot.primary, "book", twice)
    depot.ship(paid())
    assert counted() == {"ShipmentsCreated": 1}


def test_a_shipment_that_failed_counts_once(depot: Depot) -> None:
    given(depot, "INTENT")
    counted()
    depot.ship(cancel_requested())
    depot.ship(cancel_requested())
    assert counted() == {"ShipmentsFailed": 1}
