"""The evaluator against answers that AWS's own guide gives.

Cases follow the IAM user guide ("Policy evaluation logic", "IAM JSON policy elements: Condition operators",
"Single-valued vs. multivalued context keys") and the KMS developer guide ("Default key policy").
"""

from __future__ import annotations

from typing import Any

import pytest
from iam.conditions import UnknownConditionError, like, met
from iam.policies import Caller, Kind, Request, answer

ME, OTHER = "111122223333", "444455556666"
QUEUE = f"arn:aws:sqs:eu-west-1:{ME}:q"
ROLE = f"arn:aws:iam::{ME}:role/r"
SERVICE = Caller("events.amazonaws.com")


def policy(effect: str = "Allow", **parts: Any) -> dict[str, Any]:
    """A document of one statement about sending to the queue."""
    return {"Statement": [{"Effect": effect, "Action": "sqs:SendMessage", "Resource": QUEUE, **parts}]}


def role(*policies: dict[str, Any], account: str = ME) -> Caller:
    return Caller(f"arn:aws:iam::{account}:role/r", account, policies)


def ask(caller: Caller, resource_policy: Any = None, kind: Kind = Kind.ORDINARY) -> bool:
    return answer(Request(caller, "sqs:SendMessage", QUEUE), resource_policy, ME, kind).allowed


ROOT = {"AWS": f"arn:aws:iam::{ME}:root"}
ABROAD = {"AWS": f"arn:aws:iam::{OTHER}:root"}


@pytest.mark.parametrize(
    ("caller", "resource", "kind", "allowed"),
    [
        pytest.param(role(), None, Kind.ORDINARY, False, id="what nobody allows is denied"),
        pytest.param(role(policy()), None, Kind.ORDINARY, True, id="the caller's own policy is enough"),
        pytest.param(role(), policy(Principal={"AWS": ROLE}), Kind.ORDINARY, True, id="or the resource's"),
        pytest.param(role(), policy(Principal=ROOT), Kind.ORDINARY, False, id="the account names nobody"),
        pytest.param(role(policy()), policy("Deny", Principal="*"), Kind.ORDINARY, False, id="a deny wins"),
        pytest.param(role(policy(), policy("Deny")), None, Kind.ORDINARY, False, id="also the caller's own"),
        pytest.param(
            role(policy(), account=OTHER), None, Kind.ORDINARY, False, id="from abroad both are needed"
        ),
        pytest.param(
            role(policy(), account=OTHER), policy(Principal=ABROAD), Kind.ORDINARY, True, id="and enough"
        ),
        pytest.param(
            role(account=OTHER), policy(Principal=ABROAD), Kind.ORDINARY, False, id="the other way round too"
        ),
        pytest.param(
            role(account=OTHER), policy(Principal="*"), Kind.ORDINARY, False, id="even where all are named"
        ),
        pytest.param(
            role(policy(), account=OTHER),
            policy(Principal=ROOT),
            Kind.ORDINARY,
            False,
            id="mine is not theirs",
        ),
        pytest.param(role(), policy(Principal="*"), Kind.ORDINARY, True, id="all are, at home"),
        pytest.param(role(), policy(Principal={"AWS": "*"}), Kind.ORDINARY, True, id="written either way"),
        pytest.param(
            role(policy()),
            policy("Deny", Principal=ABROAD),
            Kind.ORDINARY,
            True,
            id="a deny for others is none",
        ),
        pytest.param(
            role(policy()), policy("Deny", Principal=ROOT), Kind.ORDINARY, False, id="for the account it is"
        ),
        pytest.param(SERVICE, None, Kind.ORDINARY, False, id="a service has no policies of its own"),
        pytest.param(
            SERVICE,
            policy(Principal={"Service": "events.amazonaws.com"}),
            Kind.ORDINARY,
            True,
            id="it is named",
        ),
        pytest.param(
            SERVICE, policy(Principal={"Service": "s3.amazonaws.com"}), Kind.ORDINARY, False, id="another is"
        ),
        pytest.param(SERVICE, policy(Principal=ROOT), Kind.ORDINARY, False, id="the account is no service"),
        pytest.param(role(policy()), None, Kind.GUARDED, False, id="nothing gets past a key's policy"),
        pytest.param(role(policy()), policy(Principal=ROOT), Kind.GUARDED, True, id="it hands on to IAM"),
        pytest.param(role(), policy(Principal=ROOT), Kind.GUARDED, False, id="IAM may say no"),
        pytest.param(role(), policy(Principal={"AWS": ROLE}), Kind.GUARDED, True, id="or it names the role"),
        pytest.param(SERVICE, policy(Principal=ROOT), Kind.GUARDED, False, id="a service is not the account"),
    ],
)
def test_who_is_allowed(caller: Caller, resource: Any, kind: Kind, allowed: bool) -> None:
    assert ask(caller, resource, kind) is allowed


def test_a_statement_counts_for_its_action_and_resource_only() -> None:
    request = Request(role(policy()), "sqs:ReceiveMessage", QUEUE)
    assert not answer(request, None, ME).allowed
    assert not answer(Request(role(policy()), "sqs:SendMessage", f"{QUEUE}2"), None, ME).allowed
    assert answer(Request(role(policy(Action="SQS:send*")), "sqs:SendMessage", QUEUE), None, ME).allowed
    assert answer(Request(role(policy(Resource="*")), "sqs:SendMessage", QUEUE), None, ME).allowed
    assert not answer(
        Request(role(policy(Resource=QUEUE.upper())), "sqs:SendMessage", QUEUE), None, ME
    ).allowed


def test_a_statement_counts_where_its_condition_is_met_only() -> None:
    caller = role(policy(Condition={"StringEquals": {"aws:SourceAccount": ME}}))
    for account, allowed in ((ME, True), (OTHER, False)):
        request = Request(caller, "sqs:SendMessage", QUEUE, {"aws:SourceAccount": account})
        assert answer(request, None, ME).allowed is allowed


def test_policy_variables_are_filled_in() -> None:
    caller = role(policy(Resource=f"arn:aws:sqs:eu-west-1:{ME}:${{aws:PrincipalTag/queue}}"))

    def may_send(context: dict[str, str]) -> bool:
        return answer(Request(caller, "sqs:SendMessage", QUEUE, context), None, ME).allowed

    assert may_send({"aws:PrincipalTag/queue": "q"})
    assert not may_send({"aws:PrincipalTag/queue": "p"})
    assert not may_send({})


def test_what_is_not_understood_is_refused() -> None:
    with pytest.raises(ValueError, match="Not"):
        ask(role({"Statement": {"Effect": "Allow", "NotAction": "a:b", "Resource": "*"}}))
    with pytest.raises(UnknownConditionError, match="NumericLessThan"):
        met({"NumericLessThan": {"a": 1}}, {"a": "0"})
    with pytest.raises(UnknownConditionError, match="ForSome"):
        met({"ForSome:StringEquals": {"a": "1"}}, {"a": "0"})
    with pytest.raises(UnknownConditionError, match="several"):
        met({"StringEquals": {"a": "1"}}, {"a": ["0", "1"]})


@pytest.mark.parametrize(
    ("condition", "context", "holds"),
    [
        ({"StringEquals": {"k": "a"}}, {"K": "a"}, True),
        ({"StringEquals": {"k": "a"}}, {"k": "A"}, False),
        ({"StringEquals": {"k": "a*"}}, {"k": "ab"}, False),
        ({"StringEquals": {"k": ["a", "b"]}}, {"k": "b"}, True),
        ({"StringEquals": {"k": "a"}}, {}, False),
        ({"StringEqualsIfExists": {"k": "a"}}, {}, True),
        ({"StringEqualsIfExists": {"k": "a"}}, {"k": "b"}, False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "b"}, False),
        ({"StringNotEquals": {"k": ["a", "b"]}}, {"k": "c"}, True),
        ({"StringNotEquals": {"k": "a"}}, {}, True),
        ({"StringLike": {"k": "a*"}}, {"k": "ab"}, True),
        ({"StringLike": {"k": "a?"}}, {"k": "a"}, False),
        ({"StringNotLike": {"k": "a*"}}, {"k": "ab"}, False),
        ({"StringEquals": {"k": "a", "l": "b"}}, {"k": "a"}, False),
        ({"StringEquals": {"k": "a"}, "Bool": {"l": True}}, {"k": "a", "l": "true"}, True),
        ({"Bool": {"aws:SecureTransport": False}}, {"aws:SecureTransport": "false"}, True),
        ({"Bool": {"aws:SecureTransport": "false"}}, {"aws:SecureTransport": "true"}, False),
        ({"Null": {"k": "true"}}, {}, True),
        ({"Null": {"k": True}}, {"k": "a"}, False),
        ({"Null": {"k": "false"}}, {"k": "a"}, True),
        ({"ArnLike": {"k": "arn:aws:sqs:*:1:a*"}}, {"k": "arn:aws:sqs:eu:1:ab"}, True),
        ({"ArnEquals": {"k": "arn:aws:sqs:*:1:a*"}}, {"k": "arn:aws:sqs:eu:1:ab"}, True),
        ({"ArnLike": {"k": "arn:aws:sqs:*:a"}}, {"k": "arn:aws:sqs:eu:1:a"}, False),
        ({"ArnLike": {"k": "arn:aws:sqs:eu*:1:a"}}, {"k": "arn:aws:sqs:eu:1:1:a"}, False),
        ({"ArnNotLike": {"k": "arn:aws:sqs:*:1:a*"}}, {"k": "arn:aws:sqs:eu:2:ab"}, True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ["a"]}, True),
        ({"ForAllValues:StringEquals": {"k": ["a", "b"]}}, {"k": ["a", "c"]}, False),
        ({"ForAllValues:StringEquals": {"k": "a"}}, {}, True),
        ({"ForAnyValue:StringEquals": {"k": ["a", "b"]}}, {"k": ["b", "c"]}, True),
        ({"ForAnyValue:StringEquals": {"k": "a"}}, {}, False),
        ({}, {}, True),
    ],
    ids=str,
)
def test_conditions(condition: dict[str, Any], context: dict[str, Any], holds: bool) -> None:
    assert met(condition, context) is holds


def test_a_pattern_is_no_regular_expression() -> None:
    assert like("a.b", "a.b")
    assert not like("axb", "a.b")
    assert not like("axbc", "a.b*")
    assert like("a/b:c", "a*c")
    assert not like("abc", "b")
