"""The bus matches, refuses and words events as EventBridge does."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from botocore.exceptions import ClientError

from simulation.bus import MOST_BYTES, Bus, compile_pattern, envelope, transformed
from simulation.tables import CANARY_REQUEST
from simulation.topology import TargetSpec, Topology, TransformSpec, read

NOON = 1_767_268_800.0  # 2026-01-01 12:00 UTC


@pytest.fixture(scope="module")
def topology() -> Topology:
    return read(Path(__file__).parents[2])


@pytest.fixture(scope="module")
def bus(topology: Topology) -> Bus:
    return Bus(topology)


def entry(source: str, kind: str, **data: Any) -> dict[str, str]:
    detail = {"metadata": {"eventId": "e"}, "data": {"orderId": "o", **data}}
    return {"EventBusName": "b", "Source": source, "DetailType": kind, "Detail": json.dumps(detail)}


# ---------------------------------------------------------------------------------------------- patterns

PAID = {"source": ["payment.service"], "detail": {"data": {"paid": [True], "way": ["card", "cash"]}}}


@pytest.mark.parametrize(
    ("data", "wanted"),
    [
        ({"paid": True, "way": "card"}, True),
        ({"paid": True, "way": "cash", "more": 1}, True),
        ({"paid": True, "way": "Card"}, False),
        ({"paid": True}, False),
        ({"paid": "true", "way": "card"}, False),
        ({"paid": 1, "way": "card"}, False),
        ({"paid": False, "way": "card"}, False),
        ({"paid": None, "way": "card"}, False),
        ({"paid": True, "way": ["cheque", "cash"]}, True),
        ({"paid": True, "way": ["cheque"]}, False),
        ({"paid": True, "way": {"card": "card"}}, False),
        ([{"paid": True, "way": "card"}], True),
        ([{"paid": True}, {"way": "card"}], False),
        ("text", False),
    ],
)
def test_a_pattern_wants_all_fields_and_one_of_the_values(data: Any, wanted: bool) -> None:
    event = {"source": "payment.service", "detail": {"data": data}}
    assert compile_pattern(PAID)(event) is wanted


def test_text_does_not_match_truth() -> None:
    assert not compile_pattern({"detail": {"paid": ["true"]}})({"detail": {"paid": True}})


@pytest.mark.parametrize(
    ("pattern", "named"),
    [
        ({"detail": {"kind": [{"prefix": "a"}]}}, "prefix"),
        ({"detail": {"kind": [{"anything-but": "a"}]}}, "anything-but"),
        ({"detail": {"kind": [{"exists": False}]}}, "exists"),
        ({"detail": {"amount": [{"numeric": [">", 5]}]}}, "numeric"),
        ({"detail": {"amount": [5]}}, "detail.amount"),
        ({"detail": {"amount": [None]}}, "null"),
        ({"$or": [{"source": ["a"]}, {"source": ["b"]}]}, r"\$or"),
    ],
)
def test_a_matcher_that_is_not_simulated_is_named(pattern: dict[str, Any], named: str) -> None:
    with pytest.raises(NotImplementedError, match=named):
        compile_pattern(pattern)


@pytest.mark.parametrize("pattern", [{}, {"source": []}, {"source": "a"}, {"detail": {}}])
def test_a_pattern_that_eventbridge_refuses_is_refused(pattern: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match="EventBridge refuses"):
        compile_pattern(pattern)


# ----------------------------------------------------------------------------------------------- entries


@pytest.mark.parametrize(
    ("change", "code"),
    [
        ({}, None),
        ({"Source": ""}, "InvalidArgument"),
        ({"Source": None}, "InvalidArgument"),
        ({"DetailType": ""}, "InvalidArgument"),
        ({"Detail": ""}, "InvalidArgument"),
        ({"Source": "aws.ec2"}, "NotAuthorizedForSourceException"),
        ({"Detail": "{"}, "MalformedDetail"),
        ({"Detail": '"text"'}, "MalformedDetail"),
        ({"Detail": "[]"}, "MalformedDetail"),
        ({"Detail": "text"}, "MalformedDetail"),
        ({"Detail": '{"amount": NaN}'}, "MalformedDetail"),
    ],
)
def test_what_the_bus_says_to_an_entry(bus: Bus, change: dict[str, Any], code: str | None) -> None:
    assert bus.validate(entry("orders.service", "OrderPlaced") | change) == code


@pytest.mark.parametrize("number", [0, 11])
def test_a_request_has_one_to_ten_entries(bus: Bus, number: int) -> None:
    with pytest.raises(ClientError, match="ValidationException") as caught:
        bus.check([entry("orders.service", "OrderPlaced")] * number)
    assert CANARY_REQUEST in str(caught.value)


def test_a_request_may_be_as_large_as_the_limit_and_no_larger(bus: Bus) -> None:
    text = json.dumps({"text": "ä" * 50_000}, ensure_ascii=False)
    small = {"Source": "s", "DetailType": "d", "Detail": text}
    assert len(text.encode()) > 100_000, "bytes count, not characters"
    rest = MOST_BYTES - 2 * (2 + len(text.encode())) - 2
    fitting = {"Source": "s", "DetailType": "d", "Detail": "x" * rest}
    bus.check([small, small, fitting])
    with pytest.raises(ClientError, match="over the limit"):
        bus.check([small, small, fitting | {"Time": "2026-01-01"}])


# ------------------------------------------------------------------------------------------------ routes


@pytest.mark.parametrize(
    ("sent", "reached"),
    [
        (entry("orders.service", "OrderPlaced"), ["InventoryQueue"]),
        (entry("payment.service", "OrderPlaced"), []),
        (
            entry("inventory.service", "StockConfirmation", stockConfirmed=True),
            ["OrderLifecycleQueue", "PaymentQueue"],
        ),
        (
            entry("inventory.service", "StockConfirmation", stockConfirmed=False, reason="out_of_stock"),
            ["OrderLifecycleQueue", "StockNotificationsTopic"],
        ),
        (
            entry("payment.service", "PaymentConfirmation", paymentConfirmed=False, outcome="declined"),
            ["InventoryCompensationQueue", "OrderLifecycleQueue", "PaymentFailureTopic"],
        ),
        (entry("payment.service", "PaymentConfirmation", paymentConfirmed="false"), ["OrderLifecycleQueue"]),
    ],
)
def test_a_fact_goes_where_the_rules_say(bus: Bus, sent: dict[str, str], reached: list[str]) -> None:
    assert sorted(target.logical for target in bus.route(sent)) == reached
    assert sorted(target.logical for target in bus.route(sent)) == reached, "and the second time"


def test_every_rule_can_be_reached(bus: Bus, topology: Topology) -> None:
    """Each with an event made of the first values of its pattern."""

    def first(pattern: Any) -> Any:
        return (
            pattern[0] if isinstance(pattern, list) else {key: first(part) for key, part in pattern.items()}
        )

    for rule in topology.rules:
        event = {"detail": {}} | first(rule.pattern)
        sent = {
            "Source": event["source"],
            "DetailType": event["detail-type"],
            "Detail": json.dumps(event["detail"]),
        }
        assert [target for target in bus.route(sent) if target in rule.targets] == list(rule.targets), (
            rule.name
        )


# -------------------------------------------------------------------------------------------- what arrives


def test_an_event_as_its_targets_see_it(topology: Topology) -> None:
    sent = entry("orders.service", "OrderPlaced", amount=5)
    event = envelope(sent, "id-1", NOON + 0.9)
    assert event == {
        "version": "0",
        "id": "id-1",
        "detail-type": "OrderPlaced",
        "source": "orders.service",
        "account": "123456789012",
        "time": "2026-01-01T12:00:00Z",
        "region": "eu-west-1",
        "resources": [],
        "detail": json.loads(sent["Detail"]),
    }
    assert envelope(sent, "id-1", NOON, "mending")["replay-name"] == "mending"
    plain = next(target for rule in topology.rules for target in rule.targets if target.transform is None)
    assert json.loads(transformed(plain, event)) == event


def mail(template: str, **paths: str) -> TargetSpec:
    return TargetSpec("rule", "Topic", "topic", None, TransformSpec(paths, template))


@pytest.mark.parametrize(
    ("carrier", "text"),
    [
        ("ups", '"<o> goes with ups."'),
        ('a "b"', '"<o> goes with a "b"."'),
        (5, '"<o> goes with 5."'),
        (True, '"<o> goes with true."'),
        (None, '"<o> goes with null."'),
        (["a", 1], '"<o> goes with ["a",1]."'),
    ],
)
def test_a_mail_is_a_sentence_in_quotes(carrier: Any, text: str) -> None:
    event = envelope(entry("shipping.service", "ShipmentCreated", carrier=carrier), "id-1", NOON)
    target = mail('"<id> goes with <carrier>."', id="$.detail.data.orderId", carrier="$.detail.data.carrier")
    assert transformed(target, event) == text.replace("<o>", "o")


def test_a_field_that_is_missing_leaves_a_hole() -> None:
    event = envelope(entry("shipping.service", "ShipmentCreated"), "id-1", NOON)
    assert transformed(mail('"[<x>]"', x="$.detail.data.carrier.name"), event) == '"[]"'


def test_the_mails_of_the_templates(topology: Topology) -> None:
    sent = entry("shipping.service", "ShipmentCreated", carrier="c", trackingNumber="t-1")
    target = next(t for rule in topology.rules for t in rule.targets if rule.name.endswith("created-mail"))
    assert transformed(target, envelope(sent, "id-1", NOON)) == (
        '"Your order o is on its way with c; the tracking number is t-1."'
    )


@pytest.mark.parametrize(
    "target",
    [
        mail('{"order": <id>}', id="$.detail"),
        mail('"<id>"'),
        mail('"<aws.events.rule-name>"'),
        mail('"<id>"', id="$.detail.items[0]"),
    ],
)
def test_a_transformer_that_is_not_simulated_is_refused(target: TargetSpec, topology: Topology) -> None:
    rule = topology.rules[0]._replace(targets=(target,))
    with pytest.raises(NotImplementedError, match="not simulated"):
        Bus(Topology(**{**vars(topology), "rules": (rule,)}))
