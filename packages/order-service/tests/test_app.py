"""The entry point: three inputs, told apart by their shape."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import sys
from dataclasses import fields
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import boto3
import pytest

from ecom_testkit import context, read_template, sqs_event

TEMPLATE = Path(__file__).parents[1] / "order-stack.yaml"
GOOD = {"items": ["ITEM_ID-15", "ITEM_ID-02"], "amount": 1250.99}


@pytest.fixture
def app(dynamodb: Any) -> Any:
    """The app on moto: its table, and a bus with a queue that keeps what is published."""
    from ecom_common import clients
    from order_service import app

    bus, sqs = boto3.client("events"), boto3.client("sqs")
    with contextlib.suppress(bus.exceptions.ResourceAlreadyExistsException):
        bus.create_event_bus(Name="bus")
    url = sqs.create_queue(QueueName="seen")["QueueUrl"]
    sqs.create_queue(QueueName="parking")
    sqs.create_queue(QueueName="queue")
    for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", []):
        sqs.delete_message(QueueUrl=url, ReceiptHandle=message["ReceiptHandle"])
    arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
    bus.put_rule(Name="all", EventBusName="bus", EventPattern='{"source": ["orders.service"]}')
    bus.put_targets(Rule="all", EventBusName="bus", Targets=[{"Id": "seen", "Arn": arn}])
    clients._client.cache_clear()
    return app


def seen() -> list[dict[str, Any]]:
    sqs = boto3.client("sqs")
    url = sqs.get_queue_url(QueueName="seen")["QueueUrl"]
    return [
        json.loads(message["Body"])
        for message in sqs.receive_message(QueueUrl=url, MaxNumberOfMessages=10).get("Messages", [])
    ]


def request(method: str, resource: str, body: Any = None, order_id: str | None = None) -> dict[str, Any]:
    return {
        "httpMethod": method,
        "resource": resource,
        "headers": {"Content-Type": "application/json"},
        "queryStringParameters": None,
        "pathParameters": {"orderId": order_id} if order_id else None,
        "requestContext": {"path": f"/v1{resource}", "identity": {"userArn": "arn:aws:iam::1:user/anna"}},
        "body": json.dumps(body) if body is not None else None,
        "isBase64Encoded": False,
    }


def test_an_order_through_all_three_inputs(app: Any, about: Any) -> None:
    answer = app.handler(request("POST", "/orders", GOOD), context())
    assert answer["statusCode"] == 202
    order_id = json.loads(answer["body"])["orderId"]
    [event] = seen()
    assert (event["source"], event["detail-type"]) == ("orders.service", "OrderPlaced")
    assert event["detail"]["data"]["orderId"] == order_id
    assert app.handler({"sweep": True}, context())["due"] == 0
    now = datetime.now(UTC)
    shipped = {"shippingId": "sh_1", "carrier": "acme", "trackingNumber": "T1"}
    facts = [
        about(order_id, "ShipmentCreated", placed=now, **shipped),
        about(order_id, "StockConfirmation", placed=now, stockConfirmed=True),
    ]
    assert app.handler(sqs_event(*facts), context()) == {"batchItemFailures": []}
    shown = app.handler(request("GET", "/orders/{orderId}", order_id=order_id), context())
    assert json.loads(shown["body"])["status"] == "SHIPPED"


def test_the_log_names_a_request_as_api_gateway_does_and_not_as_its_client_does(app: Any, log: Any) -> None:
    """A client may choose `requestId` (x-amzn-RequestId)."""
    event = request("POST", "/orders", GOOD)
    event["requestContext"] |= {"requestId": "anna@example.com", "extendedRequestId": "JKJaXmPLvHcESHA="}
    app.handler(event, context())
    assert [line["apiRequestId"] for line in log.lines if "orderId" in line] == ["JKJaXmPLvHcESHA="]
    assert "anna" not in log.text


def test_a_fact_about_no_order_comes_again_and_holds_nobody_up(app: Any, about: Any) -> None:
    order_id = json.loads(app.handler(request("POST", "/orders", GOOD), context())["body"])["orderId"]
    now = datetime.now(UTC)
    event = sqs_event(
        *(
            about(one, "StockConfirmation", placed=now, stockConfirmed=True)
            for one in ("5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9", order_id)
        )
    )
    assert app.handler(event, context()) == {
        "batchItemFailures": [{"itemIdentifier": event["Records"][0]["messageId"]}]
    }
    shown = app.handler(request("GET", "/orders/{orderId}", order_id=order_id), context())
    assert json.loads(shown["body"])["status"] == "RESERVED"


@pytest.mark.parametrize("event", [{}, {"sweep": "true"}, {"sweep": False}, {"httpMethod": "GET"}])
def test_anything_else_is_refused(app: Any, event: Any) -> None:
    with pytest.raises(ValueError, match="neither a request"):
        app.handler(event, context())


@pytest.mark.parametrize(
    "missing", ["TABLE_NAME", "CANCEL_AFTER_SECONDS", "RESEND_AFTER_SECONDS", "OPEN_TOO_LONG_SECONDS"]
)
def test_what_is_missing_is_named_at_start(missing: str) -> None:
    env = {name: value for name, value in os.environ.items() if name != missing}
    run = subprocess.run(
        [sys.executable, "-c", "import order_service.app"],
        env=env,
        capture_output=True,
        text=True,
        check=False,
    )
    assert run.returncode != 0
    assert f"{missing} is missing" in run.stderr


def test_a_request_does_not_pay_for_the_queue() -> None:
    program = (
        "import sys, order_service.app\n"
        "print([name for name in sys.modules if name.startswith('aws_lambda_powertools.utilities.batch')"
        " or name in ('ecom_common.worker', 'pydantic', 'jsonschema')])"
    )
    run = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "[]"


class TestTemplate:
    resources = read_template(TEMPLATE)["Resources"]

    def test_it_gives_the_function_every_setting(self) -> None:
        from order_service.app import OrderSettings

        given = self.resources["OrderLambda"]["Properties"]["Environment"]["Variables"]
        assert {field.name.upper() for field in fields(OrderSettings)} <= given.keys()

    def test_it_has_the_routes_that_the_code_has(self, shop: Any) -> None:
        found = {
            (resource["Properties"]["HttpMethod"], self.path(resource["Properties"]["ResourceId"]))
            for resource in self.resources.values()
            if resource["Type"] == "AWS::ApiGateway::Method"
        }
        assert found == shop.api.routes().keys()

    def test_it_sends_the_facts_that_the_code_follows(self) -> None:
        from order_service import events

        rules = [
            resource["Properties"]["EventPattern"]["detail-type"]
            for resource in self.resources.values()
            if resource["Type"] == "AWS::Events::Rule"
        ]
        assert {name for rule in rules for name in rule} == events.NOTES.keys()

    def path(self, resource_id: Any) -> str:
        name = resource_id.get("Ref")
        if name is None:
            return ""
        properties = self.resources[name]["Properties"]
        return f"{self.path(properties['ParentId'])}/{properties['PathPart']}"
