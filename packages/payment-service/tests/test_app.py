"""The entry point as Lambda runs it: SQS batches in, facts on the bus out."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws

from ecom_common.facts import Fact, received, utc_now
from ecom_common.settings import SettingsError
from ecom_testkit import context, sqs_event
from ecom_testkit.cloud import COMMON_VARIABLES, Cloud, load

from . import till
from .conftest import SETTINGS, TEMPLATE
from .till import check_schema

PAID = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9"
DECLINED = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9cdec1"
SLOW = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9c70a1"

APP = "payment_service.app"
VARIABLES = [*COMMON_VARIABLES, *SETTINGS]


def stock_confirmed(order_id: str) -> Fact:
    """An order placed a moment ago: here the clock is the real one."""
    return till.stock_confirmed(order_id, placed=utc_now())


@pytest.fixture
def cloud(environment: pytest.MonkeyPatch) -> Iterator[Cloud]:
    with mock_aws():
        yield Cloud(environment, app=APP, template=TEMPLATE, table="PaymentTable", queue="payment")


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


def test_a_batch_is_charged_declined_and_put_off_and_the_bus_hears_of_it(cloud: Cloud) -> None:
    failed = cloud.invoke(stock_confirmed(PAID), stock_confirmed(DECLINED), stock_confirmed(SLOW))
    assert len(failed) == 1, "only the order the gateway did not answer for comes again"
    assert cloud.states() == {PAID: "CHARGED", DECLINED: "DECLINED", SLOW: "INTENT"}
    heard = {event["detail"]["data"]["orderId"]: event for event in cloud.facts()}
    assert set(heard) == {PAID, DECLINED}
    assert heard[PAID]["source"] == "payment.service"
    assert heard[PAID]["detail-type"] == "PaymentConfirmation"
    assert heard[PAID]["detail"]["data"]["paymentConfirmed"] is True
    assert heard[DECLINED]["detail"]["data"]["outcome"] == "declined"
    for event in heard.values():
        check_schema(received(json.dumps(event)))

    assert cloud.invoke(stock_confirmed(SLOW), attempt=2) == []
    [event] = cloud.facts()
    assert event["detail"]["data"]["outcome"] == "charged"


def test_an_order_is_charged_and_refunded(cloud: Cloud) -> None:
    assert cloud.invoke(stock_confirmed(PAID)) == []
    assert cloud.invoke(till.shipment_failed(PAID, placed=utc_now())) == []
    assert [event["detail-type"] for event in cloud.facts()] == ["PaymentConfirmation", "PaymentRefunded"]
    assert cloud.states() == {PAID: "REFUNDED"}


def test_the_rate_of_the_stack_is_used(cloud: Cloud, environment: pytest.MonkeyPatch) -> None:
    environment.setenv("DECLINE_RATE_PERCENT", "100")
    cloud.app = load(APP)
    cloud.invoke(stock_confirmed("5b3c9a52-6d7e-5f4a-9a41-2f6f0d9c0001"))
    assert set(cloud.states().values()) == {"DECLINED"}


@pytest.mark.parametrize(
    ("message", "reason"),
    [
        ("not JSON", "not JSON"),
        ("", "not JSON"),
        (json.dumps({"detail": {}}), "metadata"),
    ],
)
def test_poison_is_parked_with_its_reason_and_holds_nobody_up(
    cloud: Cloud, message: str, reason: str
) -> None:
    assert cloud.invoke(message, stock_confirmed(PAID)) == []
    assert cloud.states() == {PAID: "CHARGED"}
    [parked] = cloud.receive(cloud.parking)
    assert parked["Body"] == (message or "(empty)")
    assert reason in parked["MessageAttributes"]["reason"]["StringValue"]


def test_a_fact_that_is_not_for_us_is_parked(cloud: Cloud) -> None:
    import dataclasses

    assert cloud.invoke(dataclasses.replace(stock_confirmed(PAID), detail_type="StockReleased")) == []
    [parked] = cloud.receive(cloud.parking)
    assert parked["MessageAttributes"]["reason"]["StringValue"] == "nobody here handles facts of this type"
    assert cloud.states() == {}


def test_a_failed_record_comes_back_after_its_back_off_not_after_the_queue_s_time(
    cloud: Cloud, environment: pytest.MonkeyPatch
) -> None:
    environment.setenv("RETRY_BASE_SECONDS", "0")
    cloud.app = load(APP)
    event = sqs_event(stock_confirmed(SLOW), queue="payment")
    cloud.sqs.send_message(QueueUrl=cloud.queue, MessageBody=event["Records"][0]["body"])
    [message] = cloud.sqs.receive_message(QueueUrl=cloud.queue, VisibilityTimeout=180)["Messages"]
    assert cloud.receive(cloud.queue) == []
    event["Records"][0]["receiptHandle"] = message["ReceiptHandle"]
    assert len(cloud.app.handler(event, context())["batchItemFailures"]) == 1
    assert len(cloud.receive(cloud.queue)) == 1


def test_no_new_record_is_begun_when_time_runs_out(cloud: Cloud) -> None:
    answer = cloud.app.handler(sqs_event(stock_confirmed(PAID)), context(ms=2_000))
    assert len(answer["batchItemFailures"]) == 1
    assert cloud.states() == {}
