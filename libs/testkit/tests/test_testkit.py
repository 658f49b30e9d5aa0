"""The kit itself: a crash that does not happen, or a table unlike the template, would make tests lie."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws

from ecom_testkit import (
    Crash,
    CrashingClient,
    context,
    crash_points,
    lambda_environment,
    make_table,
    rows,
    sqs_event,
)

os.environ.update(lambda_environment("test.service"))

TEMPLATE = """
Resources:
  Orders:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: !If [IsProd, Retain, Delete]
    Properties:
      TableName: !Sub 'ecom-${Stage}-orders'
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions:
        - {AttributeName: orderId, AttributeType: S}
        - {AttributeName: owner, AttributeType: S}
      KeySchema: [{AttributeName: orderId, KeyType: HASH}]
      GlobalSecondaryIndexes:
        - IndexName: byOwner
          KeySchema: [{AttributeName: owner, KeyType: HASH}]
          Projection: {ProjectionType: KEYS_ONLY}
      TimeToLiveSpecification: {AttributeName: expiresAt, Enabled: true}
      SSESpecification: {SSEEnabled: true, KMSMasterKeyId: !ImportValue key}
"""


class Counter:
    """An 'AWS client' with one call."""

    def __init__(self) -> None:
        self.done = 0

    def add(self, number: int) -> int:
        self.done += number
        return self.done


def test_the_table_has_the_templates_keys_indexes_and_ttl(tmp_path: Path) -> None:
    import boto3

    path = tmp_path / "stack.yaml"
    path.write_text(TEMPLATE)
    with mock_aws():
        client = boto3.client("dynamodb")
        name = make_table(client, path, "Orders")
        table = client.describe_table(TableName=name)["Table"]
        assert table["KeySchema"] == [{"AttributeName": "orderId", "KeyType": "HASH"}]
        assert [index["IndexName"] for index in table["GlobalSecondaryIndexes"]] == ["byOwner"]
        ttl = client.describe_time_to_live(TableName=name)["TimeToLiveDescription"]
        assert ttl["AttributeName"] == "expiresAt"
        client.put_item(TableName=name, Item={"orderId": {"S": "a"}, "n": {"N": "3"}})
        assert rows(client, name) == [{"orderId": "a", "n": 3}]


def test_a_crash_is_before_or_after_the_effect() -> None:
    for effect, done in ((False, 1), (True, 2)):
        counter = Counter()
        client = CrashingClient(counter, after=2, effect=effect)
        client.add(number=1)
        with pytest.raises(Crash):
            client.add(number=1)
        assert counter.done == done
        client.add(number=1)
        assert counter.done == done + 1, "it crashes once"


def test_an_error_answer_can_get_lost_too() -> None:
    """Otherwise a story with a refused condition in it would seem to survive there, and end."""
    client = CrashingClient(Counter(), after=1, effect=True)
    with pytest.raises(Crash):
        client.add(number="not a number")


def test_crash_points_are_both_sides_of_every_call_of_all_clients() -> None:
    points = []
    for point in crash_points():
        one, two = point.wrap(Counter()), point.wrap(Counter())
        with point.survived():
            one.add(number=1)
            two.add(number=1)
        points.append((point.number, point.effect, point.reached))
    assert points == [(1, False, True), (1, True, True), (2, False, True), (2, True, True), (3, False, False)]


def test_no_handler_catches_a_crash() -> None:
    assert not issubclass(Crash, Exception)


def test_a_batch_looks_like_one_from_lambda(fact: Any) -> None:
    first, second = sqs_event(fact, "not JSON", attempt=3)["Records"]
    assert json.loads(first["body"])["detail"] == fact.detail()
    assert first["attributes"]["ApproximateReceiveCount"] == "3"
    assert second["body"] == "not JSON"
    assert first["messageId"] != second["messageId"]


def test_the_context_has_the_time_it_was_given() -> None:
    assert context(5).get_remaining_time_in_millis() == 5


def test_the_fake_publisher_refuses_what_it_is_told_to(fact: Any) -> None:
    from ecom_testkit.fakes import FakePublisher

    assert FakePublisher(refuse=["OrderPlaced"]).publish([fact]) == {fact.event_id: "InternalFailure"}
    publisher = FakePublisher()
    assert publisher.publish([fact, fact]) == {}
    assert publisher.published == [fact]


def test_logs_and_counts_are_seen() -> None:
    from ecom_common.telemetry import count, logger
    from ecom_testkit.telemetry import captured_log, counted

    counted()
    with captured_log() as log:
        logger.warning("careful", extra={"orderId": "1"})
        count("Things", 2)
        count("Things")
    assert [(line["level"], line["message"], line["orderId"]) for line in log.lines] == [
        ("WARNING", "careful", "1")
    ]
    assert counted() == {"Things": 3}
    assert counted() == {}


def test_the_kit_leaves_the_environment_to_be_set_first() -> None:
    """A Logger or Metrics made too early has no service and no namespace, and flushing raises."""
    program = "import sys, ecom_testkit; sys.exit('ecom_common.telemetry' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", program], check=False).returncode == 0


@pytest.fixture
def fact() -> Any:
    from ecom_common.facts import new_fact

    moment = "2026-01-01T00:00:00.000Z"
    return new_fact("a", "OrderPlaced", {"orderId": "1", "placedAt": moment}, occurred_at=moment)
