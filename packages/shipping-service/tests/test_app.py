"""The entry points as Lambda runs it: SQS batches in, facts on the bus out."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws

from ecom_common.facts import Fact, received, utc_now
from ecom_common.settings import SettingsError
from ecom_testkit import context, read_template, sqs_event
from ecom_testkit.cloud import COMMON_VARIABLES, Cloud, load
from shipping_service.model import RESCUES

from . import depot
from .conftest import SETTINGS, TEMPLATE
from .depot import check_schema

WELL, DOWN_ONCE, DOWN, ALL_DOWN = (
    f"5b3c9a52-6d7e-5f4a-9a41-2f6f0d9c{ending}" for ending in ("a9a9", "ca01", "ca03", "caff")
)

APP = "shipping_service.app"
VARIABLES = [*COMMON_VARIABLES, *SETTINGS]


def paid(order_id: str) -> Fact:
    """An order placed a moment ago: here the clock is the real one."""
    return depot.paid(order_id, placed=utc_now())


@pytest.fixture
def cloud(environment: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with mock_aws():
        yield Cloud(environment, app=APP, template=TEMPLATE, table="ShippingTable", queue="shipping")


@pytest.mark.parametrize("name", VARIABLES)
def test_it_does_not_start_without_a_variable_and_names_it(
    environment: pytest.MonkeyPatch, name: str
) -> None:
    environment.delenv(name)
    with pytest.raises(SettingsError, match=f"{name} is missing"):
        load(APP)


@pytest.mark.parametrize("name", ["RETRY_BASE_SECONDS", *SETTINGS])
def test_it_does_not_start_with_a_number_that_is_none(environment: pytest.MonkeyPatch, name: str) -> None:
    environment.setenv(name, "many")
    with pytest.raises(SettingsError, match=f"{name} is not a whole number"):
        load(APP)


def test_it_names_all_that_is_missing_at_once(environment: pytest.MonkeyPatch) -> None:
    for name in VARIABLES:
        environment.delenv(name)
    with pytest.raises(SettingsError) as error:
        load(APP)
    assert all(f"{name} is missing" in str(error.value) for name in VARIABLES)


def test_a_batch_is_shipped_stopped_and_put_off_and_the_bus_hears_of_it(cloud: Cloud) -> None:
    cancelled = f"{WELL[:-4]}0001"
    failed = cloud.invoke(
        paid(WELL), depot.cancel_requested(cancelled, placed=utc_now()), paid(DOWN_ONCE), paid(cancelled)
    )
    assert len(failed) == 1, "only the order the carrier was down for comes again"
    assert cloud.states() == {WELL: "CREATED", cancelled: "FAILED", DOWN_ONCE: "INTENT"}
    heard = {event["detail"]["data"]["orderId"]: event for event in cloud.facts()}
    assert set(heard) == {WELL, cancelled}
    for event in heard.values():
        assert event["source"] == "shipping.service"
        check_schema(received(json.dumps(event)))
    assert heard[WELL]["detail-type"] == "ShipmentCreated"
    assert heard[WELL]["detail"]["data"]["carrier"] == "primary"
    assert heard[cancelled]["detail-type"] == "ShipmentFailed"
    assert heard[cancelled]["detail"]["data"]["reason"] == "cancelled"

    assert cloud.invoke(paid(DOWN_ONCE), attempt=2) == []
    [event] = cloud.facts()
    assert event["detail"]["data"]["processedBy"] == "shipping"


def test_what_the_primary_cannot_ship_the_other_function_ships_with_the_fallback(cloud: Cloud) -> None:
    for attempt in (1, 2, 3):
        assert len(cloud.invoke(paid(DOWN), attempt=attempt)) == 1
    assert cloud.facts() == []
    assert cloud.invoke(paid(DOWN), function="dlq_handler") == []
    [event] = cloud.facts()
    assert event["detail"]["data"]["carrier"] == "fallback"
    assert event["detail"]["data"]["processedBy"] == "dlq"
    assert cloud.states() == {DOWN: "CREATED"}


def test_what_nobody_can_ship_is_given_up_after_four_rescues(cloud: Cloud) -> None:
    for attempt in (1, 2, 3):
        assert len(cloud.invoke(paid(ALL_DOWN), attempt=attempt)) == 1
    for attempt in (1, 2, 3):
        assert len(cloud.invoke(paid(ALL_DOWN), attempt=attempt, function="dlq_handler")) == 1
    assert cloud.facts() == []
    assert cloud.invoke(paid(ALL_DOWN), attempt=4, function="dlq_handler") == []
    [event] = cloud.facts()
    assert event["detail-type"] == "ShipmentFailed"
    assert event["detail"]["data"]["reason"] == "carrier_unavailable"


def test_the_rescue_has_receives_enough_for_all_its_attempts() -> None:
    """Four rescues, and some receives more for what dies on the way: then the record is parked."""
    queue = read_template(TEMPLATE)["Resources"]["ShippingDLQ"]["Properties"]
    assert queue["RedrivePolicy"]["maxReceiveCount"] > RESCUES


def test_the_rate_of_the_stack_is_used(cloud: Cloud, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("CARRIER_FAILURE_RATE_PERCENT", "100")
    cloud.app = load(APP)
    assert len(cloud.invoke(paid(f"{WELL[:-4]}0001"))) == 1
    assert set(cloud.states().values()) == {"INTENT"}


@pytest.mark.parametrize(
    ("function", "message", "reason"),
    [
        ("handler", "not JSON", "not JSON"),
        ("handler", json.dumps({"detail": {}}), "metadata"),
        ("dlq_handler", "", "not JSON"),
    ],
)
def test_poison_is_parked_with_its_reason_and_holds_nobody_up(
    cloud: Cloud, function: str, message: str, reason: str
) -> None:
    assert cloud.invoke(message, paid(WELL), function=function) == []
    assert cloud.states() == {WELL: "CREATED"}
    [parked] = cloud.receive(cloud.parking)
    assert parked["Body"] == (message or "(empty)")
    assert reason in parked["MessageAttributes"]["reason"]["StringValue"]


@pytest.mark.parametrize(("function", "queue"), [("handler", "shipping"), ("dlq_handler", "shipping-dlq")])
def test_a_failed_record_comes_back_after_its_back_off_to_the_queue_it_came_from(
    cloud: Cloud, environment: pytest.MonkeyPatch, function: str, queue: str
) -> None:
    environment.setenv("RETRY_BASE_SECONDS", "0")
    cloud.app = load(APP)
    url = cloud.sqs.create_queue(QueueName=queue)["QueueUrl"]
    event = sqs_event(paid(ALL_DOWN), queue=queue)
    cloud.sqs.send_message(QueueUrl=url, MessageBody=event["Records"][0]["body"])
    [message] = cloud.sqs.receive_message(QueueUrl=url, VisibilityTimeout=180)["Messages"]
    assert cloud.receive(url) == []
    event["Records"][0]["receiptHandle"] = message["ReceiptHandle"]
    assert len(getattr(cloud.app, function)(event, context())["batchItemFailures"]) == 1
    assert len(cloud.receive(url)) == 1


@pytest.mark.parametrize("function", ["handler", "dlq_handler"])
def test_no_new_record_is_begun_when_time_runs_out(cloud: Cloud, function: str) -> None:
    answer = getattr(cloud.app, function)(sqs_event(paid(WELL)), context(ms=2_000))
    assert len(answer["batchItemFailures"]) == 1
    assert cloud.states() == {}
