"""The house rules about alarms: all that can break has one, it can fire, it is heard, it says what to do."""

from __future__ import annotations

from collections.abc import Iterator
from fnmatch import fnmatchcase
from functools import cache

from .house import (
    Findings,
    consumed_queues,
    dead_letter_queues,
    rule,
    undelivered_queues,
)
from .template import (
    ROOT,
    RUNBOOK,
    Json,
    Template,
    condition_values,
    imports,
    refers_to,
    some,
    statements,
    sub,
)

OWN_METRICS = {
    "order-service": {"OrdersOpenTooLong", "SweepsCutShort", "FailedRequests"},
    "shipping-service": {"ParcelsNotStopped"},
}
"""What a service counts that nothing else rings for: no queue fills up, no invocation fails."""

HEARTBEATS = {"OrdersOpenTooLong": {"Fn::If": ["Sweeps", "breaching", "notBreaching"]}}
"""Metrics that come every minute, whatever happens: silence is an alarm, where they are meant to come."""

SWEEPS = {"Fn::Equals": [{"Ref": "SweepState"}, "ENABLED"]}

KEY_USE = {"kms:Decrypt", "kms:GenerateDataKey"}
"""What a service needs to publish to an encrypted topic."""


def _alarms(template: Template, metric: str, dimension: str, value: Json) -> list[dict[str, Json]]:
    return [
        alarm
        for alarm in template.of("CloudWatch::Alarm").values()
        if alarm.get("MetricName") == metric
        and any(d["Name"] == dimension and d["Value"] == value for d in alarm.get("Dimensions", []))
    ]


@rule
def every_part_has_its_alarms(template: Template) -> Findings:
    """What breaks must be heard of, and heard of before customers write."""
    for logical_id in template.of("Lambda::Function"):
        for metric in ("Errors", "Throttles", "Duration"):
            if not _alarms(template, metric, "FunctionName", {"Ref": logical_id}):
                yield logical_id, f"a function must have an alarm on {metric}"
    rests = undelivered_queues(template) | dead_letter_queues(template).keys()
    for logical_id in template.of("SQS::Queue"):
        name: Json = {"Fn::GetAtt": [logical_id, "QueueName"]}
        if logical_id in rests and not _alarms(
            template, "ApproximateNumberOfMessagesVisible", "QueueName", name
        ):
            yield logical_id, "a dead-letter queue must have an alarm on its visible messages"
        if logical_id in consumed_queues(template) and not _alarms(
            template, "ApproximateAgeOfOldestMessage", "QueueName", name
        ):
            yield logical_id, "a queue must have an alarm on the age of its oldest message"
        if logical_id not in rests | consumed_queues(template).keys():
            yield logical_id, "nothing works on this queue and nothing dead-letters to it: what should ring?"
    # What a rule does dead-letter lands in the undelivered queue, which has its alarm.
    for logical_id, properties in template.of("Events::Rule").items():
        name = {"Fn::Sub": template.physical_name(logical_id)}
        bus = {"Name": "EventBusName", "Value": properties.get("EventBusName")}
        for metric in ("FailedInvocations", "InvocationsFailedToBeSentToDlq"):
            if not any(bus in a["Dimensions"] for a in _alarms(template, metric, "RuleName", name)):
                yield logical_id, f"a rule must have an alarm on {metric}, by rule and bus"
    for logical_id in template.of("ApiGateway::RestApi"):
        for metric in ("5XXError", "Latency"):
            if not _alarms(template, metric, "ApiName", {"Fn::Sub": template.physical_name(logical_id)}):
                yield logical_id, f"an API must have an alarm on {metric}"
    for logical_id, function in template.of("Lambda::Function").items():
        service = function.get("Environment", {}).get("Variables", {}).get("POWERTOOLS_SERVICE_NAME")
        for metric in sorted({"OperatorErrors"} | OWN_METRICS.get(template.name, set())):
            if not _alarms(template, metric, "service", service):
                yield logical_id, f"the service {service} must have an alarm on {metric}"


@rule
def alarms_can_fire(template: Template) -> Findings:
    """An alarm whose threshold is never reached, or whose actions are off, is worse than none."""
    timeouts = {
        logical_id: function.get("Timeout", 3) * 1000
        for logical_id, function in template.of("Lambda::Function").items()
    }
    keeps = {
        logical_id: queue.get("MessageRetentionPeriod", 345_600)
        for logical_id, queue in template.of("SQS::Queue").items()
    }
    for logical_id, alarm in template.of("CloudWatch::Alarm").items():
        about = [refers_to(dimension["Value"]) or "" for dimension in alarm.get("Dimensions", [])]
        metric, threshold = alarm.get("MetricName"), alarm.get("Threshold", 0)
        for function in (name for name in about if metric == "Duration" and name in timeouts):
            if not timeouts[function] / 2 <= threshold < timeouts[function]:
                yield logical_id, f"{threshold} ms is not near the time-out of {function}, and below it"
        for queue in (name for name in about if metric == "ApproximateAgeOfOldestMessage" and name in keeps):
            if not threshold < keeps[queue]:
                yield logical_id, f"{queue} drops its messages before they are {threshold} s old"
        if alarm.get("ComparisonOperator") != "GreaterThanOrEqualToThreshold" or threshold < 1:
            yield logical_id, "an alarm must ring when something is at or above a threshold of at least 1"
        if alarm.get("ActionsEnabled", True) is not True:
            yield logical_id, "its actions must be on (ActionsEnabled)"
        if alarm.get("Period", 0) % 60 or not alarm.get("Period"):
            yield logical_id, "a period must be whole minutes: shorter ones cost three times as much"
        if metric in HEARTBEATS and template.body["Conditions"].get("Sweeps") != SWEEPS:
            yield logical_id, "its silence must be an alarm wherever SweepState is ENABLED (condition Sweeps)"
        wanted = HEARTBEATS.get(str(metric), "notBreaching")
        if alarm.get("TreatMissingData") != wanted:
            yield logical_id, f"what silence means must be said (TreatMissingData: {wanted})"


@rule
def alarms_name_their_runbook(template: Template) -> Findings:
    """Who is woken by it knows nothing yet: the mail holds the description, and that ends with the way on."""
    for logical_id, alarm in template.of("CloudWatch::Alarm").items():
        said = alarm.get("AlarmDescription")
        found = RUNBOOK.search(said) if isinstance(said, str) else None
        if not found or not str(said).endswith(found[1]):
            yield logical_id, "its description must say what is wrong and end with docs/runbooks/<name>.md"
        elif not (ROOT / found[1]).is_file():
            yield logical_id, f"there is no {found[1]}"


# -------------------------------------------------------------------- alarm → topic → key → subscription

TOPIC = "OpsAlertTopic"


@cache
def _ground() -> Template:
    return Template.read("base-infra")


@rule
def alarms_reach_the_operators(template: Template) -> Findings:
    """Alarm, topic policy, key policy, subscription: each hop is allowed, or it rings in an empty house."""
    ground = template if TOPIC in template.resources else _ground()
    sources = list(_who_may_publish(ground))
    for logical_id, alarm in template.of("CloudWatch::Alarm").items():
        for actions in ("AlarmActions", "OKActions"):
            if not any(
                imports(action) == "ecom-${Stage}-OpsAlertTopicArn" or refers_to(action) == TOPIC
                for action in alarm.get(actions, [])
            ):
                yield logical_id, f"{actions} must go to the ops topic"
        arn = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}:alarm:"
        name = arn + template.physical_name(logical_id)
        if sources and not any(fnmatchcase(name, _literal(pattern)) for pattern in sources):
            yield logical_id, f"the policy of {TOPIC} does not let an alarm of this name publish"
    if template is ground:
        yield from _hops_of(ground, sources)


def _hops_of(ground: Template, sources: list[str]) -> Findings:
    exported = [
        output["Value"]
        for output in ground.body["Outputs"].values()
        if sub(output.get("Export", {}).get("Name")) == "ecom-${Stage}-OpsAlertTopicArn"
    ]
    if list(map(refers_to, exported)) != [TOPIC]:
        yield TOPIC, "must be what is exported as OpsAlertTopicArn"
    if not sources:
        yield TOPIC, "its policy must let the alarms of this stage publish"
    for policy in _policies(ground):
        for _, statement in statements(policy["PolicyDocument"]):
            if statement.get("Effect") == "Deny" and statement.get("Condition") != {
                "Bool": {"aws:SecureTransport": False}
            }:
                yield TOPIC, f"its policy denies more than plain HTTP (statement {statement.get('Sid')})"
    key = refers_to(ground.of("SNS::Topic")[TOPIC].get("KmsMasterKeyId"))
    if key in ground.of("KMS::Key") and not any(
        _opens_the_topic(ground, statement)
        for _, statement in statements(ground.of("KMS::Key")[key]["KeyPolicy"])
    ):
        yield TOPIC, "the key policy must let alarms use the key for this topic"
    if not any(
        refers_to(subscription.get("TopicArn")) == TOPIC
        and subscription.get("Protocol") == "email"
        and "FilterPolicy" not in subscription
        and refers_to(subscription.get("Endpoint")) in ground.body["Parameters"]
        and ground.body["Conditions"].get(ground.resources[logical_id].get("Condition"))
        == {"Fn::Not": [{"Fn::Equals": [subscription["Endpoint"], ""]}]}
        for logical_id, subscription in ground.of("SNS::Subscription").items()
    ):
        yield (
            TOPIC,
            "an operator must be able to subscribe to all of it, by a parameter (AlertEmail)",
        )


def _policies(ground: Template) -> Iterator[dict[str, Json]]:
    for policy_id, policy in ground.of("SNS::TopicPolicy").items():
        about = map(refers_to, policy.get("Topics", []))
        # A policy that depends on a condition may not be there when it is needed.
        if TOPIC in about and "Condition" not in ground.resources[policy_id]:
            yield policy


def _who_may_publish(ground: Template) -> Iterator[str]:
    """The source ARNs that the topic's policy lets CloudWatch publish for, where we know each condition."""
    for policy in _policies(ground):
        for condition, statement in statements(policy["PolicyDocument"]):
            compared = {key for keys in statement.get("Condition", {}).values() for key in keys}
            if (
                condition is None
                and statement.get("Effect") == "Allow"
                and statement.get("Principal") == {"Service": "cloudwatch.amazonaws.com"}
                and "sns:Publish" in some(statement.get("Action"))
                and TOPIC in map(refers_to, some(statement.get("Resource")))
                and compared <= {"aws:SourceArn", "aws:SourceAccount"}
                and condition_values(statement, "aws:SourceAccount") in ([], [{"Ref": "AWS::AccountId"}])
            ):
                yield from map(sub, condition_values(statement, "aws:SourceArn"))


def _opens_the_topic(ground: Template, statement: dict[str, Json]) -> bool:
    """Whether a statement lets CloudWatch use the key for the topic, with all of its conditions met."""
    context = "kms:EncryptionContext:aws:sns:topicArn"
    compared = {key for keys in statement.get("Condition", {}).values() for key in keys}
    arn = "arn:${AWS::Partition}:sns:${AWS::Region}:${AWS::AccountId}:" + ground.physical_name(TOPIC)
    return (
        statement.get("Effect") == "Allow"
        and statement.get("Principal") == {"Service": "cloudwatch.amazonaws.com"}
        and set(some(statement.get("Action"))) >= KEY_USE
        and some(statement.get("Resource")) == ["*"]
        and compared <= {context, "aws:SourceAccount", "aws:SourceArn"}
        and condition_values(statement, "aws:SourceAccount") in ([], [{"Ref": "AWS::AccountId"}])
        and all(fnmatchcase(arn, _literal(sub(pattern))) for pattern in condition_values(statement, context))
    )


def _literal(pattern: str) -> str:
    """An ARN pattern for fnmatch: of its wildcards, only the star; placeholders stay as they are."""
    return pattern.replace("[", "[[]").replace("?", "[?]")
