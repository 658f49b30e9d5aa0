"""Facts get on the bus in tens; what did not is named, and nothing else is sent again."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError, ReadTimeoutError
from moto import mock_aws

from ecom_common.facts import Fact, received
from ecom_common.publisher import TRIES, Publisher
from ecom_testkit.telemetry import Log, counted

MakeFact = Callable[..., Fact]


class Bus:
    """Answers PutEvents as told: `codes` gives the error codes of an order's next tries, "" is success."""

    def __init__(
        self, codes: dict[str, list[str]] | None = None, errors: list[Exception] | None = None
    ) -> None:
        self.codes = codes or {}
        self.errors = errors or []
        self.calls: list[list[str]] = []

    def put_events(self, *, Entries: list[dict[str, Any]]) -> dict[str, Any]:  # noqa: N803 - as boto3 has it
        orders = [json.loads(entry["Detail"])["data"]["orderId"] for entry in Entries]
        self.calls.append(orders)
        if self.errors:
            raise self.errors.pop(0)
        results = []
        for order in orders:
            code = self.codes[order].pop(0) if self.codes.get(order) else ""
            results.append({"ErrorCode": code, "ErrorMessage": "…"} if code else {"EventId": "1"})
        return {"FailedEntryCount": 0, "Entries": results}


@pytest.fixture
def slept() -> list[float]:
    return []


@pytest.fixture
def publisher(slept: list[float]) -> Callable[[Bus], Publisher]:
    def make(bus: Any) -> Publisher:
        return Publisher(bus, "bus", sleep=slept.append)

    return make


MakePublisher = Callable[[Bus], Publisher]


def test_tens_in_the_order_given(publisher: MakePublisher, make_fact: MakeFact) -> None:
    bus = Bus()
    facts = [make_fact(order_id=str(number)) for number in range(23)]
    assert publisher(bus).publish(facts) == {}
    assert bus.calls == [[str(n) for n in range(10)], [str(n) for n in range(10, 20)], ["20", "21", "22"]]


def test_nothing_to_publish_is_no_call(publisher: MakePublisher) -> None:
    bus = Bus()
    assert publisher(bus).publish([]) == {}
    assert bus.calls == []


def test_a_fact_named_twice_is_published_once(publisher: MakePublisher, make_fact: MakeFact) -> None:
    bus = Bus()
    publisher(bus).publish([make_fact(order_id="1"), make_fact(order_id="2"), make_fact(order_id="1")])
    assert bus.calls == [["1", "2"]]


def test_only_what_failed_is_tried_again(
    publisher: MakePublisher, make_fact: MakeFact, slept: list[float]
) -> None:
    bus = Bus({"2": ["ThrottlingException"], "3": ["InternalFailure", "InternalFailure"]})
    facts = [make_fact(order_id=str(number)) for number in range(1, 5)]
    assert publisher(bus).publish(facts) == {}
    assert bus.calls == [["1", "2", "3", "4"], ["2", "3"], ["3"]]
    assert len(slept) == 2
    assert all(0 <= seconds <= 1 for seconds in slept)


def test_what_keeps_failing_is_named_and_the_rest_is_not(
    publisher: MakePublisher, make_fact: MakeFact
) -> None:
    bus = Bus({"2": ["ThrottlingException"] * 9})
    one, two = make_fact(order_id="1"), make_fact(order_id="2")
    assert publisher(bus).publish([one, two]) == {two.event_id: "ThrottlingException"}
    assert bus.calls == [["1", "2"]] + [["2"]] * (TRIES - 1)


def test_who_cannot_wait_tries_once(make_fact: MakeFact) -> None:
    bus: Any = Bus({"1": ["ThrottlingException"] * 9})
    fact = make_fact(order_id="1")
    assert Publisher(bus, "bus", tries=1).publish([fact]) == {fact.event_id: "ThrottlingException"}
    assert len(bus.calls) == 1


@pytest.mark.parametrize(
    ("code", "operators"),
    [
        ("AccessDeniedException", 1),
        ("NotAuthorizedForSourceException", 1),
        ("MalformedDetail", 0),
        ("InvalidArgument", 0),
    ],
)
def test_what_no_time_will_mend_is_not_tried_again_and_holds_up_nobody(
    publisher: MakePublisher, make_fact: MakeFact, code: str, operators: int
) -> None:
    bus = Bus({"1": [code] * 9, "2": ["ThrottlingException"]})
    one, two = make_fact(order_id="1"), make_fact(order_id="2")
    assert publisher(bus).publish([one, two]) == {one.event_id: code}
    assert bus.calls == [["1", "2"], ["2"]]
    assert counted().get("OperatorErrors", 0) == operators


def test_a_bus_that_gives_no_answer_is_not_asked_again_for_the_same(
    publisher: MakePublisher, make_fact: MakeFact
) -> None:
    """The client has tried three times, up to 12 s: three times that is longer than a function runs."""
    bus = Bus(errors=[ReadTimeoutError(endpoint_url="https://…")])
    facts = [make_fact(order_id=str(number)) for number in range(12)]
    unpublished = publisher(bus).publish(facts)
    assert unpublished == {fact.event_id: "ReadTimeoutError" for fact in facts[:10]}
    assert bus.calls == [[str(n) for n in range(10)], ["10", "11"]]


def test_a_throttled_call_is_made_again(publisher: MakePublisher, make_fact: MakeFact) -> None:
    response: Any = {"Error": {"Code": "ThrottlingException"}}
    bus = Bus(errors=[ClientError(response, "PutEvents")])
    assert publisher(bus).publish([make_fact(order_id="1")]) == {}
    assert bus.calls == [["1"], ["1"]]


def test_a_key_that_is_denied_fails_all_and_tells_the_operator(
    publisher: MakePublisher, make_fact: MakeFact, log: Log
) -> None:
    response: Any = {"Error": {"Code": "AccessDeniedException", "Message": "no access to the KMS key"}}
    fact = make_fact()
    bus = Bus(errors=[ClientError(response, "PutEvents")])
    assert publisher(bus).publish([fact]) == {fact.event_id: "AccessDeniedException"}
    assert len(bus.calls) == 1
    assert counted()["OperatorErrors"] == 1
    [line] = log.lines
    assert line["level"] == "ERROR"
    assert line["kmsKeyArn"].startswith("arn:aws:kms:")


def test_no_customer_data_in_the_log(publisher: MakePublisher, make_fact: MakeFact, log: Log) -> None:
    publisher(Bus({"order-1": ["MalformedDetail"]})).publish([make_fact(address="12 High Street")])
    assert "12 High Street" not in log.text
    assert log.lines[0]["codes"] == ["MalformedDetail"]


def test_what_is_on_the_bus_is_read_back_as_it_was(
    make_fact: MakeFact, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", "Root=1-abc")
    with mock_aws():
        events, sqs = boto3.client("events"), boto3.client("sqs")
        url = sqs.create_queue(QueueName="target")["QueueUrl"]
        arn = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=["QueueArn"])["Attributes"]["QueueArn"]
        events.create_event_bus(Name="bus")
        pattern = {"source": ["orders.service"], "detail": {"data": {"amount": [5]}}}
        events.put_rule(Name="rule", EventBusName="bus", EventPattern=json.dumps(pattern))
        events.put_targets(Rule="rule", EventBusName="bus", Targets=[{"Id": "1", "Arn": arn}])
        fact = make_fact(amount=5)
        assert Publisher(events, "bus").publish([fact]) == {}
        [message] = sqs.receive_message(QueueUrl=url)["Messages"]
    back = received(message["Body"])
    assert back.trace_id == "Root=1-abc"
    assert (back.event_id, back.data, back.source) == (fact.event_id, fact.data, fact.source)
