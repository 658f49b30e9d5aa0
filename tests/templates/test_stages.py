"""Any number of stages live in one account: no two ask for the same name, whatever they are called."""

from __future__ import annotations

import re

import pytest

from ecom_cli.aws import STAGE_PATTERN
from ecom_cli.workspace import workspace

from .template import FILES, Json, Template, sub, walk

NAMED = {
    "CloudWatch::Alarm": ("AlarmName", 255),
    "CloudWatch::Dashboard": ("DashboardName", 255),
    "DynamoDB::Table": ("TableName", 255),
    "Events::Archive": ("ArchiveName", 48),
    "Events::EventBus": ("Name", 256),
    "Events::Rule": ("Name", 64),
    "KMS::Alias": ("AliasName", 256),
    "Lambda::Function": ("FunctionName", 64),
    "Logs::LogGroup": ("LogGroupName", 512),
    "S3::Bucket": ("BucketName", 63),
    "SNS::Topic": ("TopicName", 256),
    "SQS::Queue": ("QueueName", 80),
    "Scheduler::ScheduleGroup": ("Name", 64),
    "ApiGateway::RestApi": ("Name", 255),
}
"""What the account and region know by a name of our choice: the property, and how long it may be."""

NAMED_WITHIN = {
    "ApiGateway::Authorizer": "its API",
    "ApiGateway::Deployment": "its API",
    "ApiGateway::GatewayResponse": "its API",
    "ApiGateway::Method": "its API",
    "ApiGateway::Model": "its API",
    "ApiGateway::RequestValidator": "its API",
    "ApiGateway::Resource": "its API",
    "ApiGateway::Stage": "its API",
    "IAM::Role": "its stack: CloudFormation makes the name",
    "KMS::Key": "nothing: it has an id",
    "Lambda::EventInvokeConfig": "its function",
    "Lambda::EventSourceMapping": "nothing: it has an id",
    "Lambda::Permission": "its function",
    "S3::BucketPolicy": "its bucket",
    "SNS::Subscription": "its topic",
    "SNS::TopicPolicy": "its topic",
    "SQS::QueuePolicy": "its queue",
    "Scheduler::Schedule": "its group",
}
"""What has no name in the account, and in what it is found instead."""

STAGE = "${Stage}"
LONGEST = {STAGE: "a" * 20, "${AWS::AccountId}": "1" * 12, "${AWS::Region}": "ap-southeast-2"}


def names(template: Template) -> list[tuple[str, str, str]]:
    """Kind, name with its placeholders, and who asks for it."""
    found = [
        (kind, sub(properties.get(NAMED[kind][0])), logical_id)
        for kind in NAMED
        for logical_id, properties in template.of(kind).items()
    ]
    for key, output in template.body.get("Outputs", {}).items():
        if "Export" in output:
            found.append(("export", sub(output["Export"]["Name"]), key))
    for node in walk(template.body):
        if isinstance(node, dict):
            found += [
                ("metrics", sub(node[key]), key)
                for key in ("Namespace", "POWERTOOLS_METRICS_NAMESPACE")
                if key in node and not sub(node[key]).startswith("AWS/")
            ]
    return found


def own_parts(templates: dict[str, Template]) -> dict[str, set[str]]:
    """What follows the stage in the names of each kind; stacks among them."""
    parts: dict[str, set[str]] = {"stack": {f"-{member.dist}" for member in workspace().stacks}}
    for template in templates.values():
        for kind, name, _ in names(template):
            parts.setdefault(kind, set()).add(name.partition(STAGE)[2])
    return parts


@pytest.mark.parametrize("name", FILES)
def test_every_resource_is_named_by_the_stage_or_within_something_that_is(
    templates: dict[str, Template], name: str
) -> None:
    template = templates[name]
    kinds = {template.type_of(logical_id) for logical_id in template.resources}
    assert kinds <= NAMED.keys() | NAMED_WITHIN.keys(), "say of a new type what it is known by"
    for kind, asked, who in names(template):
        assert STAGE in asked, f"{who} ({kind}) has the name {asked!r} on every stage"
    for logical_id, group in template.of("Scheduler::Schedule").items():
        assert group.get("GroupName"), f"{logical_id} would be in the account's default group"
    for logical_id, role in template.of("IAM::Role").items():
        assert "RoleName" not in role, f"{logical_id}: leave its name to CloudFormation"


def test_no_stage_can_take_a_name_of_another(templates: dict[str, Template]) -> None:
    """`ecom-a-b-c` is `c` of stage `a-b` or `b-c` of stage `a`: no own part may end in another one."""
    clashes = [
        f"{kind}: {longer!r} of stage a is {shorter!r} of stage a{longer.removesuffix(shorter)}"
        for kind, parts in own_parts(templates).items()
        for longer in parts
        for shorter in parts
        if longer != shorter
        and longer.endswith(shorter)
        and (STAGE_PATTERN.fullmatch(f"a{longer.removesuffix(shorter)}"))
    ]
    assert clashes == []


def test_such_a_name_would_be_found(templates: dict[str, Template]) -> None:
    changed = templates["payment-service"].copy()
    changed.resources["PaymentDLQ"]["Properties"]["QueueName"] = {"Fn::Sub": "ecom-${Stage}-dead-payment"}
    with pytest.raises(AssertionError, match="'-dead-payment' of stage a is '-payment' of stage a-dead"):
        test_no_stage_can_take_a_name_of_another({**templates, "payment-service": changed})


@pytest.mark.parametrize(
    ("logical_id", "key", "value"),
    [
        ("PaymentQueue", "QueueName", "ecom-payments"),
        ("PaymentLambdaLogGroup", "LogGroupName", "/aws/lambda/payment"),
        ("OperatorErrorsAlarm", "Namespace", "Ecom"),
    ],
)
def test_a_name_without_the_stage_would_be_found(
    templates: dict[str, Template], logical_id: str, key: str, value: Json
) -> None:
    changed = templates["payment-service"].copy()
    changed.resources[logical_id]["Properties"][key] = value
    with pytest.raises(AssertionError, match="on every stage"):
        test_every_resource_is_named_by_the_stage_or_within_something_that_is(
            {"payment-service": changed}, "payment-service"
        )


@pytest.mark.parametrize("name", FILES)
def test_the_longest_stage_has_room(templates: dict[str, Template], name: str) -> None:
    for kind, asked, who in names(templates[name]):
        full = asked
        for placeholder, text in LONGEST.items():
            full = full.replace(placeholder, text)
        limit = NAMED.get(kind, ("", 255))[1]
        assert "${" not in full, f"{who}: how long may {full!r} become?"
        assert len(full) <= limit, f"{who} ({kind}): {full!r} has {len(full)} of {limit} characters"


@pytest.mark.parametrize("name", FILES)
def test_the_templates_take_the_stages_that_the_tool_takes(templates: dict[str, Template], name: str) -> None:
    pattern = re.compile(templates[name].body["Parameters"]["Stage"]["AllowedPattern"])
    for stage in ("a", "alice-feature", "prod", "prod-eu", "a" * 20, "a1", "x--y"):
        assert pattern.fullmatch(stage), stage
        assert STAGE_PATTERN.fullmatch(stage), stage
    for stage in ("", "A", "1a", "-a", "a_b", "a" * 21, "production", "prod2", "a.b"):
        assert not pattern.fullmatch(stage), stage
        assert not STAGE_PATTERN.fullmatch(stage), stage
