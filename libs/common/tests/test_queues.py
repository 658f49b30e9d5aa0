"""The two ways back: a later delivery that never comes too early or too late, and parking with the reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
from botocore.exceptions import ClientError, ReadTimeoutError
from hypothesis import given
from hypothesis import strategies as st
from moto import mock_aws

from ecom_common.queues import LONGEST_DELAY, Queues, delay, receive_count
from ecom_testkit import CrashingClient, sqs_record
from ecom_testkit.telemetry import Log, counted

if TYPE_CHECKING:
    from mypy_boto3_sqs import SQSClient


@pytest.fixture
def sqs() -> Iterator[SQSClient]:
    with mock_aws():
        yield boto3.client("sqs")


def record(body: str = "{}", attempt: int = 1, queue: str = "queue") -> SQSRecord:
    return SQSRecord(sqs_record(body, attempt=attempt, queue=queue))


class TestDelay:
    @given(st.integers(1, 10_000), st.integers(0, 60), st.floats(min_value=0, max_value=1, exclude_max=True))
    def test_the_upper_half_of_a_doubling_delay(self, attempt: int, base: int, jitter: float) -> None:
        full = min(LONGEST_DELAY, base * 2 ** (attempt - 1))
        seconds = delay(attempt, base, lambda: jitter)
        assert full // 2 <= seconds <= full
        assert isinstance(seconds, int)

    def test_the_first_delays(self) -> None:
        assert [delay(attempt, 5, lambda: 1.0) for attempt in range(1, 10)] == [
            5, 10, 20, 40, 80, 160, 320, 640, 900,
        ]  # fmt: skip

    def test_what_failed_together_does_not_return_together(self) -> None:
        assert len({delay(6, 5) for _ in range(50)}) > 10

    def test_a_base_of_nothing_is_no_delay(self) -> None:
        assert delay(8, 0) == 0


class TestParking:
    def park(self, sqs: SQSClient, parked: SQSRecord, reason: str) -> dict[str, Any]:
        url = sqs.create_queue(QueueName="parking")["QueueUrl"]
        Queues(sqs, url, 5).park(parked, reason)
        [message] = sqs.receive_message(QueueUrl=url, MessageAttributeNames=["All"])["Messages"]
        notes = {name: value["StringValue"] for name, value in message["MessageAttributes"].items()}
        return notes | {"body": message["Body"]}

    def test_the_message_is_kept_with_why_and_from_where(self, sqs: SQSClient, log: Log) -> None:
        poison = record('{"name": "Jane Doe"}', queue="payment")
        kept = self.park(sqs, poison, "no detail")
        assert kept["body"] == '{"name": "Jane Doe"}'
        assert kept["reason"] == "no detail"
        assert kept["source"].endswith("payment")
        assert kept["messageId"] == poison.message_id
        assert kept["parkedAt"].endswith("Z")
        assert counted() == {"ParkedMessages": 1}
        assert [line["level"] for line in log.lines] == ["ERROR"]
        assert "Jane Doe" not in log.text

    def test_an_empty_body_can_be_parked(self, sqs: SQSClient) -> None:
        assert self.park(sqs, record(""), "the body is not JSON")["body"] == "(empty)"

    @pytest.mark.parametrize(
        ("reason", "kept"),
        [
            ("x" * 1000, "x" * 256),
            ("", "(no reason given)"),
            ("nobody here handles \x00\ud800\N{PACKAGE}\n", "nobody here handles ??\N{PACKAGE}?"),
        ],
        ids=["long", "empty", "unprintable"],
    )
    def test_any_reason_can_be_parked(self, sqs: SQSClient, reason: str, kept: str) -> None:
        """SQS refuses empty attributes and control characters, and a reason may quote what came in."""
        assert self.park(sqs, record(), reason)["reason"] == kept

    def test_parking_that_fails_raises(self, sqs: SQSClient) -> None:
        error = ReadTimeoutError(endpoint_url="https://…")
        client: Any = CrashingClient(sqs, 1, error=error)
        with pytest.raises(ReadTimeoutError):
            Queues(client, "https://parking", 5).park(record(), "reason")
        assert counted() == {}


class Visibility:
    """Stands in for SQS where the call raises from the `fails_at`-th on (1 is the first)."""

    def __init__(self, fails_at: int = 1_000, error: Exception | None = None) -> None:
        self.calls: list[dict[str, Any]] = []
        self.fails_at = fails_at
        self.error = error or ReadTimeoutError(endpoint_url="https://…")
        self.meta = boto3.client("sqs", region_name="eu-west-1").meta

    def change_message_visibility(self, **arguments: Any) -> None:
        self.calls.append(arguments)
        if len(self.calls) >= self.fails_at:
            raise self.error


def come_back_later(client: Any, records: list[SQSRecord], base: int = 5) -> None:
    Queues(client, "https://parking", base).come_back_later(records)


class TestComingBack:
    def test_each_record_is_named_by_its_handle(self) -> None:
        client = Visibility()
        records = [record() for _ in range(23)]
        come_back_later(client, records)
        assert [call["ReceiptHandle"] for call in client.calls] == [one.receipt_handle for one in records]

    def test_each_queue_is_told_about_its_own(self) -> None:
        client = Visibility()
        come_back_later(client, [record(queue="one"), record(queue="two"), record(queue="one")])
        assert [call["QueueUrl"].rsplit("/", 1)[1] for call in client.calls] == ["one", "two", "one"]

    def test_the_delay_grows_with_the_receives(self) -> None:
        client = Visibility()
        come_back_later(client, [record(attempt=1), record(attempt=5)], base=10)
        first, fifth = (call["VisibilityTimeout"] for call in client.calls)
        assert 5 <= first <= 10
        assert 80 <= fifth <= 160

    def test_the_url_is_the_arn_in_another_order(self, sqs: SQSClient) -> None:
        """On AWS and on an emulator alike, what SQS itself calls the queue."""
        client = Visibility()
        come_back_later(client, [record(queue="orders")])
        assert client.calls[0]["QueueUrl"] == "https://sqs.eu-west-1.amazonaws.com/123456789012/orders"
        assert sqs.create_queue(QueueName="orders")["QueueUrl"] == client.calls[0]["QueueUrl"]

    def test_a_message_in_flight_really_comes_back(self, sqs: SQSClient) -> None:
        url = sqs.create_queue(QueueName="queue", Attributes={"VisibilityTimeout": "180"})["QueueUrl"]
        sqs.send_message(QueueUrl=url, MessageBody="{}")
        [message] = sqs.receive_message(QueueUrl=url)["Messages"]
        assert "Messages" not in sqs.receive_message(QueueUrl=url)
        failed = sqs_record("{}") | {"receiptHandle": message["ReceiptHandle"]}
        come_back_later(sqs, [SQSRecord(failed)], base=0)
        assert sqs.receive_message(QueueUrl=url)["Messages"][0]["MessageId"] == message["MessageId"]

    def test_no_failures_no_call(self) -> None:
        client = Visibility()
        come_back_later(client, [])
        assert client.calls == []

    def test_a_call_that_fails_is_logged_once_and_ends_it(self, log: Log) -> None:
        """SQS is in trouble: twenty more time-outs would cost the whole invocation."""
        client = Visibility(fails_at=3)
        come_back_later(client, [record() for _ in range(11)])
        assert len(client.calls) == 3
        assert [line["number"] for line in log.lines] == [9]

    def test_a_record_that_cannot_be_put_off_keeps_no_other_from_it(self) -> None:
        gone: Any = {"Error": {"Code": "ReceiptHandleIsInvalid"}}
        client = Visibility(fails_at=1, error=ClientError(gone, "ChangeMessageVisibility"))
        come_back_later(client, [record() for _ in range(3)])
        assert len(client.calls) == 3


def test_receives_are_counted_by_sqs() -> None:
    assert receive_count(record(attempt=4)) == 4
