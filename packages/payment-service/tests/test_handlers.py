"""What payment does with each fact, in each state it may find the row in."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import pytest

from ecom_common.errors import Poison, Retry
from ecom_common.facts import new_fact
from ecom_testkit import rows
from ecom_testkit.telemetry import counted
from payment_service.gateway import OutcomeUnknown
from payment_service.store import Payments

from .till import (
    AMOUNT,
    ORDER,
    PLACED,
    FakeGateway,
    Till,
    outcome,
    shipment_failed,
    silences,
    stock_confirmed,
)

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def till(dynamodb: DynamoDBClient) -> Till:
    return Till(Payments(dynamodb, "table"), FakeGateway())


@pytest.fixture
def row(dynamodb: DynamoDBClient) -> Any:
    """The one row of the table, now."""

    def now() -> dict[str, Any]:
        [only] = rows(dynamodb)
        return only

    return now


def given(till: Till, state: str) -> None:
    """A row in this state, as a real run of facts and failures leaves it."""
    gateway = till.gateway
    if state == "INTENT, not charged":
        gateway.silent = silences("before")
    elif state == "INTENT, charged":
        gateway.silent = silences("after")
    elif state == "DECLINED":
        gateway.declines = True
    elif state == "VOIDING":
        gateway.silent = silences("before", "before")
    elif state == "VOIDING, charged":
        gateway.silent = silences("after", "after")
    elif state == "REFUNDING":
        gateway.silent = silences("", "before")
    elif state == "REFUNDING, refunded":
        gateway.silent = silences("", "after")
    if state not in ("nothing", "tombstone"):
        deliver(till, stock_confirmed())
    if state in ("tombstone", "VOIDED"):
        if state == "VOIDED":
            pytest.fail("VOIDED is a tombstone, or comes from VOIDING")
        deliver(till, shipment_failed())
    if state.startswith(("VOIDING", "REFUNDING", "REFUNDED")):
        deliver(till, shipment_failed())
    gateway.silent = silences()


def deliver(till: Till, fact: Any) -> None:
    with contextlib.suppress(OutcomeUnknown):
        till.deliver(fact)


# --- charge


def test_a_reserved_order_is_charged_what_it_owes(till: Till, row: Any) -> None:
    fact = till.deliver(stock_confirmed())
    assert fact.data["paymentConfirmed"] is True
    assert outcome(fact) == "charged"
    assert fact.causation_id == stock_confirmed().event_id
    assert till.gateway.calls == [("charge", f"{ORDER}:charge", AMOUNT)]
    assert row() == {
        "orderId": ORDER,
        "placedAt": "2026-01-31T12:00:00.000Z",
        "state": "CHARGED",
        "decidedAt": "2026-01-31T12:00:02.000Z",
        "causedBy": stock_confirmed().event_id,
        "amount": AMOUNT,
        "currency": "USD",
        "chargeId": "ch_1",
        "expiresAt": int(PLACED.timestamp()) + 90 * 86_400,
    }


def test_a_declined_card_is_an_answer_not_a_failure(till: Till, row: Any) -> None:
    till.gateway.declines = True
    fact = till.deliver(stock_confirmed())
    assert (fact.data["paymentConfirmed"], outcome(fact)) == (False, "declined")
    assert fact.data["reason"] == "card_declined"
    assert row()["state"] == "DECLINED"


@pytest.mark.parametrize("effect", ["before", "after"])
def test_no_answer_is_never_a_decline_and_never_charged_twice(till: Till, row: Any, effect: str) -> None:
    till.gateway.silent = silences(effect, effect)
    for _ in range(2):
        with pytest.raises(OutcomeUnknown):
            till.deliver(stock_confirmed())
        assert row()["state"] == "INTENT"
    assert outcome(till.deliver(stock_confirmed())) == "charged"
    assert {key for _, key, _ in till.gateway.calls} == {f"{ORDER}:charge"}, "another key is another charge"
    assert till.gateway.taken() == [AMOUNT]


def test_the_row_says_what_is_owed_not_a_later_fact(till: Till) -> None:
    till.gateway.silent = silences("before")
    with pytest.raises(OutcomeUnknown):
        till.deliver(stock_confirmed(amount=AMOUNT))
    till.deliver(stock_confirmed(amount=1, currency="EUR"))
    assert till.gateway.taken() == [AMOUNT]
    [charge] = till.gateway.charges.values()
    assert charge.currency == "USD"


def test_the_gateway_is_told_which_attempt_it_is(till: Till, monkeypatch: pytest.MonkeyPatch) -> None:
    import dataclasses

    till.deliver(dataclasses.replace(stock_confirmed(), attempt=3))
    [charge] = till.gateway.charges.values()
    assert charge.attempt == 3


@pytest.mark.parametrize(
    "data",
    [
        {"stockConfirmed": False, "amount": 5, "currency": "USD"},
        {"amount": 5, "currency": "USD"},
        {"stockConfirmed": "true", "amount": 5, "currency": "USD"},
        {"stockConfirmed": True, "currency": "USD"},
        {"stockConfirmed": True, "amount": -5, "currency": "USD"},
        {"stockConfirmed": True, "amount": 5.5, "currency": "USD"},
        {"stockConfirmed": True, "amount": "5", "currency": "USD"},
        {"stockConfirmed": True, "amount": 5},
        {"stockConfirmed": True, "amount": 5, "currency": ""},
    ],
)
def test_what_is_no_clear_demand_is_poison_and_takes_nothing(
    till: Till, dynamodb: DynamoDBClient, data: dict[str, Any]
) -> None:
    fact = new_fact(
        "inventory.service",
        "StockConfirmation",
        {"orderId": ORDER, "placedAt": "2026-01-31T12:00:00.000Z"} | data,
        occurred_at="2026-01-31T12:00:00.000Z",
    )
    with pytest.raises(Poison):
        till.deliver(fact)
    assert rows(dynamodb) == []
    assert till.gateway.calls == []


# --- duplicates


@pytest.mark.parametrize(
    ("state", "said"),
    [
        ("CHARGED", "charged"),
        ("DECLINED", "declined"),
        ("tombstone", "cancelled"),
        ("REFUNDED", "refunded"),
    ],
)
def test_a_duplicate_is_answered_with_the_stored_outcome_to_the_letter(
    till: Till, row: Any, state: str, said: str
) -> None:
    given(till, state)
    before, calls, told = row(), len(till.gateway.calls), till.published[-1]
    till.gateway.clock.at(hours=3)
    duplicates = [stock_confirmed()] if state == "CHARGED" else [stock_confirmed(), shipment_failed()]
    for duplicate in duplicates:
        again = till.deliver(duplicate)
        assert again == told
        assert again.detail() == told.detail()
        assert outcome(again) == said
    assert row() == before
    assert len(till.gateway.calls) == calls, "the gateway has no part in a duplicate"


# --- undo


@pytest.mark.parametrize(
    ("state", "end", "said", "calls"),
    [
        ("nothing", "VOIDED", "cancelled", {}),
        ("tombstone", "VOIDED", "cancelled", {}),
        ("INTENT, not charged", "VOIDED", "cancelled", {"void": 1}),
        ("INTENT, charged", "REFUNDED", "refunded", {"void": 1, "refund": 1}),
        ("CHARGED", "REFUNDED", "refunded", {"refund": 1}),
        ("DECLINED", "DECLINED", "declined", {}),
        ("VOIDING", "VOIDED", "cancelled", {"void": 2}),
        ("VOIDING, charged", "REFUNDED", "refunded", {"void": 2, "refund": 1}),
        ("REFUNDING", "REFUNDED", "refunded", {"refund": 2}),
        ("REFUNDING, refunded", "REFUNDED", "refunded", {"refund": 2}),
        ("REFUNDED", "REFUNDED", "refunded", {"refund": 1}),
    ],
)
@pytest.mark.parametrize("hours", [1, 13, 30, 24 * 40])
def test_undo_from_every_state_at_any_age(
    till: Till, row: Any, state: str, end: str, said: str, calls: dict[str, int], hours: int
) -> None:
    given(till, state)
    till.gateway.clock.at(hours=hours)
    fact = till.deliver(shipment_failed())
    assert (row()["state"], outcome(fact)) == (end, said)
    assert till.gateway.kept() == 0
    assert {name: till.gateway.called(name) for name in ("void", "refund")} == {
        "void": 0,
        "refund": 0,
    } | calls
    assert till.deliver(shipment_failed()) == fact


@pytest.mark.parametrize(
    ("state", "end"),
    [
        ("VOIDING", "VOIDED"),
        ("VOIDING, charged", "REFUNDED"),
        ("REFUNDING", "REFUNDED"),
        ("REFUNDING, refunded", "REFUNDED"),
    ],
)
def test_stock_that_comes_in_during_an_undo_finishes_the_undo(
    till: Till, row: Any, state: str, end: str
) -> None:
    given(till, state)
    charges = till.gateway.called("charge")
    till.deliver(stock_confirmed())
    assert row()["state"] == end
    assert till.gateway.called("charge") == charges
    assert till.gateway.kept() == 0


def test_stock_after_the_tombstone_is_never_charged(till: Till, row: Any) -> None:
    till.deliver(shipment_failed())
    fact = till.deliver(stock_confirmed())
    assert (fact.data["paymentConfirmed"], fact.data["outcome"]) == (False, "cancelled")
    assert fact.data["reason"] == "cancelled"
    assert fact.causation_id == shipment_failed().event_id
    assert till.gateway.calls == []
    assert row()["state"] == "VOIDED"
    assert "amount" not in row()


@pytest.mark.parametrize("state", ["REFUNDED", "INTENT, charged"])
def test_the_whole_charge_goes_back_and_the_customer_gets_its_number(
    till: Till, row: Any, state: str
) -> None:
    given(till, state)
    fact = till.deliver(shipment_failed())
    assert fact.detail_type == "PaymentRefunded"
    assert fact.data["refundId"] == "re_ch_1" == row()["refundId"]
    assert row()["chargeId"] == "ch_1"
    assert till.gateway.refunds == {"ch_1": "re_ch_1"}


# --- windows


@pytest.mark.parametrize(("hours", "charged"), [(11.999, True), (12, True), (12.001, False), (30, False)])
def test_an_order_older_than_the_window_is_not_charged(
    till: Till, row: Any, hours: float, charged: bool
) -> None:
    till.gateway.clock.at(hours=hours)
    fact = till.deliver(stock_confirmed())
    if charged:
        assert row()["state"] == "CHARGED"
    else:
        assert (row()["state"], outcome(fact), fact.data["reason"]) == ("VOIDED", "cancelled", "expired")
        assert till.gateway.calls == []
        assert till.deliver(stock_confirmed()) == fact


@pytest.mark.parametrize("hours", [13, 30])
@pytest.mark.parametrize(
    ("state", "end"), [("INTENT, not charged", "VOIDED"), ("INTENT, charged", "REFUNDED")]
)
def test_an_intent_that_outlives_the_window_is_undone_and_never_asked_again(
    till: Till, row: Any, state: str, end: str, hours: int
) -> None:
    """The fake gateway forgets keys after 24 hours, as gateways do: asking once more would charge twice."""
    given(till, state)
    till.gateway.clock.at(hours=hours)
    till.deliver(stock_confirmed())
    assert (row()["state"], row()["reason"]) == (end, "expired")
    assert till.gateway.called("charge") == 1
    assert till.gateway.kept() == 0


def test_a_charged_order_stays_charged_however_old_it_gets(till: Till, row: Any) -> None:
    till.deliver(stock_confirmed())
    till.gateway.clock.at(days=50)
    assert outcome(till.deliver(stock_confirmed())) == "charged"


# --- rivals: what another delivery does between a read and a write


def test_an_undo_that_meets_a_charge_in_the_making_gives_it_back(till: Till, row: Any) -> None:
    """ShipmentFailed has read INTENT; before it writes VOIDING the charge goes through and is stored."""
    till.gateway.silent = silences("before")
    with pytest.raises(OutcomeUnknown):
        till.deliver(stock_confirmed())
    move = till.payments.move

    def rival_first(before: Any, after: Any) -> Any:
        till.payments.move = move  # type: ignore[method-assign]
        till.deliver(stock_confirmed())
        assert row()["state"] == "CHARGED"
        return move(before, after)

    till.payments.move = rival_first  # type: ignore[method-assign]
    assert outcome(till.deliver(shipment_failed())) == "refunded"
    assert till.gateway.kept() == 0


@pytest.mark.parametrize(("effect", "said"), [("before", "cancelled"), ("after", "refunded")])
def test_a_charge_that_comes_back_to_a_settled_undo_says_what_stands(
    till: Till, row: Any, effect: str, said: str
) -> None:
    """While the gateway is asked for the charge, the undo runs from end to end."""

    def rival(call: str) -> None:
        till.gateway.pause = lambda _: None
        till.deliver(shipment_failed())

    if effect == "after":
        till.gateway.silent = silences("after")
        with pytest.raises(OutcomeUnknown):
            till.deliver(stock_confirmed())
    till.gateway.pause = rival
    assert outcome(till.deliver(stock_confirmed())) == said
    assert till.gateway.kept() == 0


def test_a_row_that_has_gone_is_tried_again(till: Till, dynamodb: DynamoDBClient) -> None:
    def rival(call: str) -> None:
        dynamodb.delete_item(TableName="table", Key={"orderId": {"S": ORDER}})

    till.gateway.pause = rival
    with pytest.raises(Retry):
        till.deliver(stock_confirmed())
    till.gateway.pause = lambda _: None
    assert outcome(till.deliver(stock_confirmed())) == "charged"
    assert till.gateway.taken() == [AMOUNT]


class TestCounting:
    """Dashboards count money: what moves a row counts once, however often the gateway was asked."""

    @pytest.fixture(autouse=True)
    def _nothing_counted_yet(self) -> None:
        counted()

    def test_a_charge_that_is_delivered_again_counts_once(self, till: Till) -> None:
        till.deliver(stock_confirmed())
        till.deliver(stock_confirmed())
        assert counted() == {"PaymentsCharged": 1}

    def test_a_charge_whose_row_a_rival_has_moved_does_not_count(
        self, till: Till, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Two deliveries ask at once, and the gateway answers both: one payment."""
        ask, asked = till.gateway.charge, []

        def charge(wanted: Any) -> Any:
            if not asked:
                asked.append(wanted)
                till.gateway.clock.at(seconds=3)
                till.deliver(stock_confirmed())
                till.gateway.clock.at(seconds=4)
            return ask(wanted)

        monkeypatch.setattr(till.gateway, "charge", charge)
        till.deliver(stock_confirmed())
        assert len(till.gateway.charges) == 1
        assert counted() == {"PaymentsCharged": 1}

    def test_every_end_has_its_number(self, till: Till) -> None:
        till.deliver(stock_confirmed())
        till.deliver(shipment_failed())
        assert counted() == {"PaymentsCharged": 1, "PaymentsRefunded": 1}

    def test_a_decline_has_its_number(self, till: Till) -> None:
        till.gateway.declines = True
        till.deliver(stock_confirmed())
        assert counted() == {"PaymentsDeclined": 1}
