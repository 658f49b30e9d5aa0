"""More edits that rules about policies, the key and alarms must report: template, edit, resource, words."""

from __future__ import annotations

from .edits import (
    BASE,
    ORDER,
    PAYMENT,
    Edit,
    allows,
    changed,
    of,
    put,
    sid,
    stated,
    under_another_operator,
    with_resource,
    with_statement,
)
from .template import Json, Template

ROOT = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
LAMBDA = {"Service": "lambda.amazonaws.com"}
HERE = {"Ref": "AWS::AccountId"}
TABLE = {"Fn::GetAtt": ["PaymentTable", "Arn"]}
QUEUE = {"Fn::GetAtt": ["PaymentQueue", "Arn"]}
EVERYTHING = {"Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}]}
ROLE, SENDERS, USE = "PaymentLambdaRole", "PaymentQueuePolicy", "UseThroughTheServiceThatHoldsTheData"
ALARM = "PaymentDLQAlarm"


def added(action: str, to: str) -> Edit:
    """One more action in a statement of the key's policy."""
    return stated("MyKmsKey", sid(to), lambda statement: statement["Action"].append(action))


def through(service: Json) -> Edit:
    def change(statement: dict[str, Json]) -> None:
        statement["Condition"]["StringEquals"]["kms:ViaService"].append(service)

    return stated("MyKmsKey", sid(USE), change)


def only_where(condition: str, resource: str, **values: Json) -> Edit:
    """One more statement, under a condition of the template."""
    no_value = {"Ref": "AWS::NoValue"}

    def change(statement: dict[str, Json]) -> None:
        statement.clear()
        statement["Fn::If"] = [condition, {"Effect": "Allow", **values}, no_value]

    def edit(template: Template) -> None:
        with_statement(resource)(template)
        stated(resource, sid("Added"), change)(template)

    return edit


def policy_for(queue: Json, name: str = "Another") -> Edit:
    return with_resource(name, "SQS::QueuePolicy", Queues=[queue], PolicyDocument={"Statement": []})


STRANGERS: dict[str, dict[str, Json]] = {
    "IAM::ManagedPolicy": {"Roles": [{"Ref": ROLE}], "PolicyDocument": EVERYTHING},
    "IAM::Policy": {"Roles": [{"Ref": ROLE}], "PolicyDocument": EVERYTHING},
    "IAM::RolePolicy": {"RoleName": {"Ref": ROLE}, "PolicyDocument": EVERYTHING},
    "IAM::User": {"Policies": [{"PolicyName": "all", "PolicyDocument": EVERYTHING}]},
    "Events::EventBusPolicy": {"StatementId": "all", "Statement": EVERYTHING["Statement"][0]},
    "Lambda::Url": {"AuthType": "NONE", "TargetFunctionArn": {"Ref": "PaymentLambda"}},
    "SNS::TopicInlinePolicy": {"PolicyDocument": EVERYTHING},
    "SQS::QueueInlinePolicy": {"PolicyDocument": EVERYTHING},
}

PROOFS: dict[str, list[tuple[str, Edit, str, str]]] = {
    "types_are_known": [
        (PAYMENT, with_resource("Another", kind, **properties), "Another", f"AWS::{kind}")
        for kind, properties in STRANGERS.items()
    ],
    "nothing_grants_on_the_side": [
        (
            PAYMENT,
            of("PaymentTable", "ResourcePolicy", {"PolicyDocument": EVERYTHING}),
            "PaymentTable",
            "roles",
        ),
        (PAYMENT, of("PaymentTable", "StreamSpecification", {}), "PaymentTable", "StreamSpecification"),
        (BASE, of("EcomEventBus", "Policy", EVERYTHING), "EcomEventBus", "Policy"),
        (ORDER, of("OrderApi", "Policy", EVERYTHING), "OrderApi", "authorizer"),
        (PAYMENT, of("PaymentLambda", "Layers", ["arn"]), "PaymentLambda", "in the zip"),
        (
            PAYMENT,
            of("PaymentLambda", "LoggingConfig", {"ApplicationLogLevel": "DEBUG"}),
            "PaymentLambda",
            "libraries may log",
        ),
        (BASE, of("ArtifactBucket", "ReplicationConfiguration", {}), "ArtifactBucket", "Replication"),
        (BASE, of("ArtifactBucket", "WebsiteConfiguration", {}), "ArtifactBucket", "Website"),
        (PAYMENT, of("PaymentFailureTopic", "Subscription", []), "PaymentFailureTopic", "a resource of"),
        (
            PAYMENT,
            with_resource("Another", "SNS::Subscription", Protocol="https", Endpoint="https://elsewhere"),
            "Another",
            "an address that is a parameter",
        ),
    ],
    "statements_are_plain": [
        (PAYMENT, with_statement(ROLE, NotAction="iam:*", Resource=TABLE), ROLE, "NotAction"),
        (PAYMENT, with_statement(ROLE, Action="sqs:SendMessage", NotResource=QUEUE), ROLE, "NotResource"),
        (
            BASE,
            with_statement("MyKmsKey", NotPrincipal=ROOT, Action="kms:Decrypt"),
            "MyKmsKey",
            "NotPrincipal",
        ),
        (
            PAYMENT,
            under_another_operator(SENDERS, sid("FromTheseRulesOnly"), "ArnEquals", "ArnEqualsIfExists"),
            SENDERS,
            "aws:SourceArn by ArnEqualsIfExists, and not by ArnEquals",
        ),
        (
            PAYMENT,
            under_another_operator(SENDERS, sid("FromTheseRulesOnly"), "ArnEquals", "ArnNotEquals"),
            SENDERS,
            "ArnNotEquals",
        ),
        (
            PAYMENT,
            under_another_operator(ROLE, sid("KeyForParking"), "StringEquals", "ForAllValues:StringEquals"),
            ROLE,
            "kms:ViaService by ForAllValues:StringEquals",
        ),
        (
            PAYMENT,
            under_another_operator(
                ROLE, sid("PublishAsItselfOnly"), "StringEqualsIfExists", "ForAllValues:StringEquals"
            ),
            ROLE,
            "events:source by ForAllValues",
        ),
        (
            BASE,
            under_another_operator("MyKmsKey", sid("GrantsForAwsResourcesOnly"), "Bool", "BoolIfExists"),
            "MyKmsKey",
            "kms:GrantIsForAWSResource by BoolIfExists",
        ),
    ],
    "there_is_one_policy_for_each": [
        (PAYMENT, policy_for({"Ref": "PaymentQueue"}), "PaymentQueue", "PaymentQueuePolicy and Another"),
        (PAYMENT, policy_for({"Fn::Sub": "…/ecom-${Stage}-shipping"}), "Another", "of its own stack"),
        (PAYMENT, policy_for({"Ref": "PaymentFailureTopic"}), "Another", "a queue of its own stack"),
    ],
    "stages_are_alike": [
        (PAYMENT, only_where("IsProd", ROLE, Action="dynamodb:DeleteItem", Resource=TABLE), ROLE, "IsProd"),
        (
            PAYMENT,
            only_where("IsProd", SENDERS, Action="sqs:SendMessage"),
            SENDERS,
            "IsProd",
        ),
        (BASE, only_where("HasAlertEmail", "MyKmsKey", Action="kms:Decrypt"), "MyKmsKey", "HasAlertEmail"),
        (
            PAYMENT,
            of(ROLE, "Policies/0/PolicyName", {"Fn::If": ["DeniesPlainHttp", "a", "b"]}),
            ROLE,
            "where not DeniesPlainHttp",
        ),
        (PAYMENT, put(f"Resources/{SENDERS}/Condition", "IsProd"), SENDERS, "where IsProd"),
        *(
            (PAYMENT, put(f"Resources/{name}/Condition", "IsProd"), name, "every stage")
            for name in ("StockConfirmedRule", "PaymentMapping", "PaymentTable", "PaymentDLQ")
        ),
    ],
    "callers_are_named": [
        (
            PAYMENT,
            stated(SENDERS, sid("FromTheseRulesOnly"), changed(Principal="*")),
            SENDERS,
            "one AWS service",
        ),
        (
            PAYMENT,
            with_statement(
                "PaymentFailureTopicPolicy",
                Principal={"AWS": "*"},
                Action="sns:Subscribe",
                Resource={"Ref": "PaymentFailureTopic"},
                Condition={"StringEquals": {"aws:SourceAccount": HERE}, "ArnLike": {"aws:SourceArn": "x"}},
            ),
            "PaymentFailureTopicPolicy",
            "one AWS service",
        ),
        (
            PAYMENT,
            stated(ROLE, allows("sts:AssumeRole"), changed(Principal={**LAMBDA, **ROOT})),
            ROLE,
            "one AWS service",
        ),
        (PAYMENT, stated(ROLE, allows("sts:AssumeRole"), changed(Principal="*")), ROLE, "one AWS service"),
        (
            PAYMENT,
            stated(ROLE, allows("sts:AssumeRole"), changed(Principal={"Service": ["lambda", "ec2"]})),
            ROLE,
            "one AWS service",
        ),
        (ORDER, of("OrderApiPermission", "Principal", "*"), "OrderApiPermission", "one AWS service"),
    ],
    "key_policy_is_scoped": [
        (BASE, of("MyKmsKey", "PendingWindowInDays", 7), "MyKmsKey", "30 days"),
        (BASE, of("MyKmsKey", "Enabled", False), "MyKmsKey", "Enabled"),
        (BASE, of("MyKmsKey", "BypassPolicyLockoutSafetyCheck", True), "MyKmsKey", "Bypass"),
        (BASE, of("MyKmsKeyAlias", "AliasName", "alias/ours"), "MyKmsKey", "alias/ecom-"),
        (BASE, added("kms:GenerateDataKeyPair", USE), "MyKmsKey", "neither use nor administration"),
        (BASE, added("kms:ReplicateKey", "AdministrationByThisAccount"), "MyKmsKey", "kms:ReplicateKey is"),
        (
            BASE,
            added("kms:GenerateDataKeyWithoutPlaintext", "AdministrationByThisAccount"),
            "MyKmsKey",
            "use must go through a service",
        ),
        (BASE, added("kms:PutKeyPolicy", USE), "MyKmsKey", "must not use it"),
        (BASE, through("kinesis.amazonaws.com"), "MyKmsKey", "kept by kinesis.amazonaws.com"),
        (
            BASE,
            stated("MyKmsKey", sid(USE), changed(Principal={"AWS": "arn:aws:iam::999999999999:root"})),
            "MyKmsKey",
            "for this account's principals",
        ),
        (
            BASE,
            with_statement("MyKmsKey", Effect="Deny", Principal=ROOT, Action="kms:Decrypt"),
            "MyKmsKey",
            "taken back",
        ),
        (
            BASE,
            stated("MyKmsKey", sid("EventsIntoQueues"), changed(Principal={"Service": ["events", "sns"]})),
            "MyKmsKey",
            "the condition for ['events', 'sns']",
        ),
    ],
    "rule_targets_are_buffered": [
        (PAYMENT, of("StockConfirmedRule", "State", "DISABLED"), "StockConfirmedRule", "switched off"),
    ],
    "mappings_are_capped": [
        (PAYMENT, of("PaymentMapping", "Enabled", False), "PaymentMapping", "must be on")
    ],
    "buckets_are_private": [
        (
            BASE,
            of("ArtifactBucket", "LifecycleConfiguration/Rules/0/ExpirationInDays", 7),
            "ArtifactBucket",
            "must stay, a rollback deploys it",
        ),
    ],
    "tables_are_safe": [
        (
            PAYMENT,
            of("PaymentTable", "PointInTimeRecoverySpecification/RecoveryPeriodInDays", 1),
            "PaymentTable",
            "35 days",
        ),
    ],
    "alarms_can_fire": [
        (ORDER, put("Conditions/Sweeps", {"Fn::Equals": ["a", "b"]}), "OrdersOpenTooLongAlarm", "Sweeps"),
    ],
    "alarms_watch_it_rightly": [
        (PAYMENT, of(ALARM, "MetricName", "ApproximateNumberOfMessages"), ALARM, "nothing here knows"),
        (PAYMENT, of(ALARM, "Namespace", "AWS/SNS"), ALARM, "in the namespace AWS/SQS"),
        (PAYMENT, of(ALARM, "Statistic", "Minimum"), ALARM, "by Maximum, not by Minimum"),
        (PAYMENT, of("PaymentLambdaErrorsAlarm", "Statistic", "Average"), "PaymentLambdaErrors", "by Sum"),
        (PAYMENT, of(ALARM, "Unit", "Bytes"), ALARM, "has Unit"),
        (PAYMENT, of(ALARM, "Threshold", 1000), ALARM, "at 1 of ApproximateNumberOfMessagesVisible"),
        (PAYMENT, of(ALARM, "EvaluationPeriods", 60), ALARM, "within 600 s"),
        (PAYMENT, of(ALARM, "Dimensions/0/Name", "Queue"), ALARM, "by QueueName, not by Queue"),
        (PAYMENT, of("OperatorErrorsAlarm", "Namespace", "Ecom"), "OperatorErrorsAlarm", "ecom-${Stage}"),
        (PAYMENT, put(f"Resources/{ALARM}/Condition", "IsProd"), ALARM, "on every stage"),
        (
            PAYMENT,
            of(ALARM, "AlarmDescription", "It is bad. docs/runbooks/api-errors.md"),
            ALARM,
            "or undelivered, not api-errors",
        ),
    ],
}
