"""The entry point: built once from the environment, every detail-type of its queues to its handler."""

from __future__ import annotations

import importlib
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import boto3
import pytest

from ecom_common.facts import iso, utc_now
from ecom_testkit import context, lambda_environment, read_template, sqs_event

TEMPLATE = read_template(Path(__file__).parents[1] / "inventory-stack.yaml")


def test_a_batch_goes_from_queue_to_bus(shop: Any) -> None:
    shop.stocks(mug=5)
    events, sqs = boto3.client("events"), boto3.client("sqs")
    events.create_event_bus(Name="bus")
    parking = sqs.create_queue(QueueName="parking")["QueueUrl"]
    target = sqs.create_queue(QueueName="target")["QueueUrl"]
    arn = sqs.get_queue_attributes(QueueUrl=target, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    events.put_rule(Name="all", EventBusName="bus", EventPattern='{"source": ["inventory.service"]}')
    events.put_targets(Rule="all", EventBusName="bus", Targets=[{"Id": "1", "Arn": arn}])

    app = importlib.import_module("inventory_service.app")
    now = utc_now()
    batch = sqs_event(shop.placed("1", mug=2, at=now), "not JSON", shop.payment_ended("2", at=now))
    assert app.handler(batch, context()) == {"batchItemFailures": []}
    assert app.handler(sqs_event(shop.payment_ended("1", "refunded", at=now)), context()) == {
        "batchItemFailures": []
    }

    messages = [
        json.loads(message["Body"])
        for _ in range(2)
        for message in sqs.receive_message(QueueUrl=target, MaxNumberOfMessages=10).get("Messages", [])
    ]
    published = [(m["detail-type"], m["detail"]["data"]["orderId"]) for m in messages]
    assert sorted(published) == [("StockConfirmation", "1"), ("StockReleased", "1"), ("StockReleased", "2")]
    assert shop.row("1")["placedAt"] == iso(now)
    [poison] = sqs.receive_message(QueueUrl=parking)["Messages"]
    assert poison["Body"] == "not JSON"
    assert shop.on_hand("mug") == 5


def test_it_does_not_start_without_its_settings() -> None:
    env = {**os.environ, **lambda_environment("inventory.service"), "TABLE_NAME": ""}
    program = "import inventory_service.app"
    run = subprocess.run(
        [sys.executable, "-c", program], env=env, capture_output=True, text=True, check=False
    )
    assert run.returncode != 0
    assert "TABLE_NAME is missing" in run.stderr


def test_the_template_gives_it_every_setting() -> None:
    from inventory_service.app import settings

    given = TEMPLATE["Resources"]["InventoryLambda"]["Properties"]["Environment"]["Variables"]
    assert {name.upper() for name in vars(settings)} <= set(given)
    assert given["POWERTOOLS_SERVICE_NAME"] == "inventory.service"


@pytest.mark.parametrize("resource", ["OrderPlacedRule", "PaymentRefusedRule", "PaymentRefundedRule"])
def test_every_rule_to_its_queues_has_a_handler(resource: str) -> None:
    """A detail-type without one would be parked as poison."""
    from inventory_service.app import worker

    pattern = TEMPLATE["Resources"][resource]["Properties"]["EventPattern"]
    assert set(pattern["detail-type"]) <= set(worker._one) | set(worker._group)
