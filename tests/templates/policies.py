"""The house rules about policies wherever they may stand: what no rule reads, nobody checks."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from .house import Findings, rule
from .template import Json, Template, refers_to, some, walk

READ = {
    "ApiGateway": {
        "Authorizer", "Deployment", "GatewayResponse", "Method", "Model", "RequestValidator", "Resource",
        "RestApi", "Stage",
    },
    "CloudWatch": {"Alarm", "Dashboard"},
    "DynamoDB": {"Table"},
    "Events": {"Archive", "EventBus", "Rule"},
    "IAM": {"Role"},
    "KMS": {"Alias", "Key"},
    "Lambda": {"EventInvokeConfig", "EventSourceMapping", "Function", "Permission"},
    "Logs": {"LogGroup"},
    "S3": {"Bucket", "BucketPolicy"},
    "SNS": {"Subscription", "Topic", "TopicPolicy"},
    "SQS": {"Queue", "QueuePolicy"},
    "Scheduler": {"Schedule", "ScheduleGroup"},
}  # fmt: skip
"""The types of resources that the rules and tests/iam know, by service."""


@rule
def types_are_known(template: Template) -> Findings:
    """Many types grant something on the side (a managed policy, a function's URL), past what is checked here.
    Whoever needs a new one teaches the rules and tests/iam what it may do, then adds it to the list."""
    for logical_id in template.resources:
        service, _, kind = template.type_of(logical_id).partition("::")
        if kind not in READ.get(service, ()):
            yield logical_id, f"nothing here reads an {template.resources[logical_id]['Type']}"


BESIDE: Mapping[str, Mapping[str, str]] = {
    "ApiGateway::RestApi": {"Policy": "who may call is said by the authorizer"},
    "DynamoDB::Table": {
        "KinesisStreamSpecification": "rows leave the table by its service alone",
        "ResourcePolicy": "who may use a table is said by the roles",
        "StreamSpecification": "rows leave the table by its service alone",
    },
    "Events::EventBus": {"Policy": "who may publish is said by the roles"},
    "Lambda::EventInvokeConfig": {"DestinationConfig": "what was not done is kept by queues"},
    "Lambda::Function": {
        "Layers": "all code is in the zip, which was tested",
        "LoggingConfig": "with it, libraries may log what they send (botocore: bodies)",
    },
    "S3::Bucket": {
        "ReplicationConfiguration": "zips stay where they were put",
        "WebsiteConfiguration": "zips are for the deployer and Lambda",
    },
    "SNS::Topic": {"Subscription": "who listens has a resource of their own"},
}
"""Properties that let somebody in, or something out, besides roles and policies; and why there are none."""


@rule
def nothing_grants_on_the_side(template: Template) -> Findings:
    """Permissions stand in roles and in the policies of queues, topics, buckets and the key, where they are
    evaluated; subscriptions of people lead to an address that is a parameter."""
    for kind, properties in BESIDE.items():
        for logical_id, found in template.of(kind).items():
            for name in sorted(properties.keys() & found.keys()):
                yield logical_id, f"has a {name}: {properties[name]}"
    for logical_id, subscription in template.of("SNS::Subscription").items():
        if refers_to(subscription.get("Endpoint")) not in template.body["Parameters"]:
            yield logical_id, "a subscription must lead to an address that is a parameter"


OPERATORS = {"ArnEquals", "ArnLike", "Bool", "StringEquals", "StringLike"}
CONTEXT = "kms:EncryptionContext:orderId"
# Where the local emulator lacks a key, or a key has several values by nature; ADR 011 and 017 say why.
LENIENT = {
    ("ForAllValues:StringEquals", "kms:EncryptionContextKeys"),
    ("Null", CONTEXT),
    ("Null", "kms:EncryptionContext:stage"),
    ("StringEqualsIfExists", "events:source"),
    ("StringEqualsIfExists", "kms:CallerAccount"),
    ("StringEqualsIfExists", "kms:EncryptionContext:stage"),
    ("StringLikeIfExists", CONTEXT),
}


@rule
def statements_are_plain(template: Template) -> Findings:
    """Who, what and when, each named: "all but", "unless" and "if it is said at all" let strangers in."""
    for logical_id, resource in template.resources.items():
        for node in walk(resource):
            if isinstance(node, dict) and {"Effect", "Action"} & node.keys():
                about = f"statement {node['Sid']}" if "Sid" in node else "a statement"
                for name in sorted({"NotAction", "NotPrincipal", "NotResource"} & node.keys()):
                    yield logical_id, f"{about} has a {name}: it must name what it means"
                for operator, key in _compared(node.get("Condition", {})):
                    if operator not in OPERATORS and (operator, key) not in LENIENT:
                        yield logical_id, f"{about} compares {key} by {operator}, and not by {_plainly(key)}"


def _compared(condition: dict[str, Json]) -> Iterator[tuple[str, str]]:
    for operator, comparison in condition.items():
        for node in walk(comparison):
            if isinstance(node, dict):
                yield from ((operator, key) for key in node if ":" in key and not key.startswith("Fn::"))


def _plainly(key: str) -> str:
    return "ArnEquals or ArnLike" if key.lower().endswith("arn") else "StringEquals or Bool"


@rule
def there_is_one_policy_for_each(template: Template) -> Findings:
    """A queue, topic or bucket keeps one policy: the second replaces the first, in no order that is sure."""
    for kind, field in (("SQS::Queue", "Queues"), ("SNS::Topic", "Topics"), ("S3::Bucket", "Bucket")):
        about: dict[str, str] = {}
        for logical_id, policy in template.of(f"{kind}Policy").items():
            for each in map(refers_to, some(policy.get(field))):
                if template.type_of(each) != kind:
                    yield logical_id, f"must be for a {kind.partition('::')[2].lower()} of its own stack"
                elif about.setdefault(str(each), logical_id) != logical_id:
                    yield str(each), f"has two policies, {about[str(each)]} and {logical_id}"


POLICIES = (
    "IAM::Role", "KMS::Key", "Lambda::Permission", "S3::BucketPolicy", "SNS::TopicPolicy", "SQS::QueuePolicy",
)  # fmt: skip
PARTS = (
    "DynamoDB::Table", "Events::Rule", "Lambda::EventSourceMapping", "Lambda::Function", "SNS::Topic",
    "SQS::Queue",
)  # fmt: skip
ON_AWS = "DeniesPlainHttp"
"""The one condition under which a policy may stand: it holds wherever policies mean something."""


@rule
def stages_are_alike(template: Template) -> Findings:
    """Policies are evaluated for one stage, and orders flow on one: what only another has (production, say)
    nobody has looked at."""
    for logical_id in template.of(*PARTS):
        if "Condition" in template.resources[logical_id]:
            yield logical_id, "must be there on every stage (no Condition)"
    for logical_id in template.of(*POLICIES):
        resource = template.resources[logical_id]
        conditions = {resource["Condition"]} if "Condition" in resource else set()
        for node in walk(resource):
            if isinstance(node, dict) and "Fn::If" in node:
                condition, _, otherwise = node["Fn::If"]
                conditions.add(condition if otherwise == {"Ref": "AWS::NoValue"} else f"not {condition}")
        for condition in sorted(conditions - {ON_AWS}):
            yield logical_id, f"must say the same on every stage, not something else where {condition}"
