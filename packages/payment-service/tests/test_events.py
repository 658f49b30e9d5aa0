"""The facts payment publishes are what their schemas say, and the examples are facts."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from ecom_common.facts import fact_id
from payment_service import events
from payment_service.model import UNSETTLED, Payment, State

from .till import EVENTS, check_schema, schema_of

PUBLISHED = ["PaymentConfirmation", "PaymentRefunded"]


def a_payment(state: State, **more: Any) -> Payment:
    return Payment(
        "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9",
        "2026-01-31T12:00:00.000Z",
        state,
        "2026-01-31T12:00:02.341Z",
        fact_id("5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9", "StockConfirmation", "RESERVED"),
        500,
        "USD",
        **more,
    )


def test_there_is_a_schema_for_each_fact_that_is_published() -> None:
    assert sorted(path.name for path in EVENTS.iterdir()) == [f"{name}.v1.json" for name in PUBLISHED]


@pytest.mark.parametrize("name", PUBLISHED)
def test_each_schema_is_one_and_its_example_fits(name: str) -> None:
    schema = schema_of(name)
    Draft202012Validator.check_schema(schema)
    [example] = schema["examples"]
    Draft202012Validator(schema).validate(example)
    assert example["metadata"]["correlationId"] == example["data"]["orderId"]
    assert example["metadata"]["eventId"] == fact_id(
        example["data"]["orderId"], name, example["data"].get("outcome", "")
    )


def test_the_example_of_a_charge_is_what_is_published() -> None:
    fact = events.outcome_of(a_payment(State.CHARGED, charge_id="ch_1"))
    assert [fact.detail()] == schema_of("PaymentConfirmation")["examples"]


@pytest.mark.parametrize(
    ("payment", "data"),
    [
        (a_payment(State.CHARGED, charge_id="ch_1"), {"paymentConfirmed": True, "outcome": "charged"}),
        (
            a_payment(State.DECLINED, reason="card_declined"),
            {"paymentConfirmed": False, "outcome": "declined", "reason": "card_declined"},
        ),
        (
            a_payment(State.VOIDED, reason="expired"),
            {"paymentConfirmed": False, "outcome": "cancelled", "reason": "expired"},
        ),
        (a_payment(State.REFUNDED, charge_id="ch_1", refund_id="re_1"), {"refundId": "re_1"}),
    ],
    ids=lambda value: value.state.value if isinstance(value, Payment) else "",
)
def test_every_outcome_fits_its_schema(payment: Payment, data: dict[str, Any]) -> None:
    fact = events.outcome_of(payment)
    check_schema(fact)
    assert fact.source == "payment.service"
    assert fact.data == data | {"orderId": payment.order_id, "placedAt": payment.placed_at}
    assert fact.occurred_at == payment.decided_at
    assert fact.causation_id == payment.caused_by


def test_each_outcome_of_an_order_is_a_fact_of_its_own() -> None:
    outcomes = [state for state in State if state not in UNSETTLED]
    facts = [events.outcome_of(a_payment(state, reason="r", refund_id="re_1")) for state in outcomes]
    assert len({fact.event_id for fact in facts}) == len(outcomes)


@pytest.mark.parametrize("state", sorted(UNSETTLED))
def test_an_unsettled_payment_has_nothing_to_say(state: State) -> None:
    with pytest.raises(ValueError, match=f"{state} has no outcome"):
        events.outcome_of(a_payment(state))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("PaymentConfirmation", {"paymentConfirmed": False}),
        ("PaymentConfirmation", {"outcome": "declined"}),
        ("PaymentConfirmation", {"outcome": "declined", "paymentConfirmed": False}),
        ("PaymentConfirmation", {"outcome": "refunded", "paymentConfirmed": False, "reason": "r"}),
        ("PaymentConfirmation", {"placedAt": "2026-01-31 12:00"}),
        ("PaymentConfirmation", {"orderId": ""}),
        ("PaymentRefunded", {"refundId": None}),
    ],
)
def test_the_schemas_refuse_what_is_not_so(name: str, wrong: dict[str, Any]) -> None:
    schema = schema_of(name)
    detail = schema["examples"][0]
    with pytest.raises(ValidationError):
        Draft202012Validator(schema).validate(detail | {"data": detail["data"] | wrong})


@pytest.mark.parametrize("name", PUBLISHED)
def test_a_reader_of_version_one_survives_what_is_added(name: str) -> None:
    schema = schema_of(name)
    detail = schema["examples"][0]
    Draft202012Validator(schema).validate(
        {
            "metadata": detail["metadata"] | {"region": "eu"},
            "data": detail["data"] | {"gateway": "x"},
            "signature": "y",
        }
    )
