"""The facts shipping publishes are what their schemas say, and the examples are facts."""

from __future__ import annotations

from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError

from ecom_common.facts import fact_id
from shipping_service import events
from shipping_service.model import UNSETTLED, Booking, Reason, Shipment, State

from .depot import EVENTS, check_schema, schema_of

PUBLISHED = ["ShipmentCreated", "ShipmentFailed"]
ORDER = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9"


def a_shipment(state: State, **more: Any) -> Shipment:
    return Shipment(
        ORDER,
        "2026-01-31T12:00:00.000Z",
        state,
        "2026-01-31T12:00:07.412Z",
        fact_id(ORDER, "PaymentConfirmation", "charged"),
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
    assert example["metadata"]["eventId"] == fact_id(example["data"]["orderId"], name)


def test_the_example_of_a_failure_is_what_is_published() -> None:
    fact = events.outcome_of(a_shipment(State.FAILED, reason=Reason.CARRIER_UNAVAILABLE))
    assert [fact.detail()] == schema_of("ShipmentFailed")["examples"]


@pytest.mark.parametrize("by", ["shipping", "dlq"])
def test_a_shipment_fits_its_schema(by: str) -> None:
    shipment = a_shipment(State.CREATED, booking=Booking("primary", "sh_1", "TRACK1"), processed_by=by)
    fact = events.outcome_of(shipment)
    check_schema(fact)
    assert fact.source == "shipping.service"
    assert fact.data == {
        "orderId": ORDER,
        "placedAt": shipment.placed_at,
        "shippingId": "sh_1",
        "carrier": "primary",
        "trackingNumber": "TRACK1",
        "processedBy": by,
    }
    assert (fact.occurred_at, fact.causation_id) == (shipment.decided_at, shipment.caused_by)


@pytest.mark.parametrize("reason", Reason)
def test_every_reason_fits_the_schema(reason: Reason) -> None:
    fact = events.outcome_of(a_shipment(State.FAILED, reason=reason))
    check_schema(fact)
    assert fact.data == {"orderId": ORDER, "placedAt": "2026-01-31T12:00:00.000Z", "reason": reason.value}


@pytest.mark.parametrize("state", sorted(UNSETTLED))
def test_an_unsettled_shipment_has_nothing_to_say(state: State) -> None:
    with pytest.raises(ValueError, match=f"{state} has no outcome"):
        events.outcome_of(a_shipment(state))


@pytest.mark.parametrize(
    ("name", "wrong"),
    [
        ("ShipmentCreated", {"processedBy": "me"}),
        ("ShipmentCreated", {"trackingNumber": ""}),
        ("ShipmentCreated", {"carrier": None}),
        ("ShipmentFailed", {"reason": "no idea"}),
        ("ShipmentFailed", {"placedAt": "2026-01-31 12:00"}),
        ("ShipmentFailed", {"orderId": ""}),
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
            "data": detail["data"] | {"weight": 3},
            "signature": "y",
        }
    )
