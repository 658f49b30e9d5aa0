"""Each house rule is shown to fail: one edit to a good template, and the rule names the resource and what is wrong."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import pytest

from .house import RULES, check
from .template import Template, some, statements

Edit = Callable[[Template], None]
GONE = object()


@dataclass(frozen=True)
class Case:
    rule: str
    template: str
    edit: Edit
    resource: str
    says: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.resource} {self.says}"


def put(path: str, value: Any = GONE) -> Edit:
    """Set what stands at a path of the template, or take it out. A part of the path may be a list's index."""

    def edit(template: Template) -> None:
        *way, last = path.split("/")
        node: Any = template.body
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node[part]
        key: Any = int(last) if isinstance(node, list) else last
        if value is GONE:
            del node[key]
        else:
            node[key] = value

    return edit


def of(resource: str, path: str, value: Any = GONE) -> Edit:
    return put(f"Resources/{resource}/Properties/{path}", value)


def without(resource: str) -> Edit:
    return put(f"Resources/{resource}")


def rewritten(old: str, new: str) -> Edit:
    """Change the file as a person would."""

    def edit(template: Template) -> None:
        assert old in template.text, f"{old!r} is not in the template any more"
        changed = Template.parse(template.name, template.text.replace(old, new, 1))
        template.text, template.body, template.lines = changed.text, changed.body, changed.lines

    return edit


def stated(resource: str, wanted: Callable[[dict[str, Any]], bool], change: Callable[[dict[str, Any]], None]) -> Edit:
    """Change those statements of a resource's policies that are wanted."""

    def edit(template: Template) -> None:
        properties = template.resources[resource]["Properties"]
        documents = [properties[k] for k in ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument") if k in properties]
        documents += [policy["PolicyDocument"] for policy in properties.get("Policies", [])]
        found = [s for document in documents for _, s in statements(document) if wanted(s)]
        assert found, f"{resource} has no such statement any more"
        for statement in found:
            change(statement)

    return edit


def sid(name: str) -> Callable[[dict[str, Any]], bool]:
    return lambda statement: statement.get("Sid") == name


def allows(action: str) -> Callable[[dict[str, Any]], bool]:
    return lambda statement: statement["Effect"] == "Allow" and action in some(statement.get("Action"))


def unconditional(statement: dict[str, Any]) -> None:
    statement.pop("Condition", None)


def without_condition(key: str) -> Callable[[dict[str, Any]], None]:
    def change(statement: dict[str, Any]) -> None:
        for comparison in statement["Condition"].values():
            comparison.pop(key, None)

    return change


def changed(**values: Any) -> Callable[[dict[str, Any]], None]:
    return lambda statement: statement.update(values)


QUEUE = {"Fn::GetAtt": ["PaymentQueue", "Arn"]}
PAYMENT, ORDER, BASE, SHIPPING = "payment-service", "order-service", "base-infra", "shipping-service"

CASES = [
    Case("sections_in_order", PAYMENT, rewritten("# ===== Compute ", "# ===== Functions "), "sections", "'Functions'"),
    Case(
        "resources_in_their_section", PAYMENT,
        lambda t: t.lines.update(PaymentQueue=t.lines["PaymentTable"]), "PaymentQueue", "belongs under 'Messaging'",
    ),
    Case("raw_and_small", PAYMENT, put("Transform", "AWS::Serverless-2016-10-31"), "Transform", "no transforms"),
    Case("raw_and_small", PAYMENT, rewritten("Resources:\n", "Resources:\n" + "# why\n" * 9000), "template", "bytes long"),
    Case("no_places_in_the_template", BASE, rewritten("${AWS::Partition}", "aws"), "line", "a fixed partition"),
    Case("no_places_in_the_template", BASE, rewritten("${AWS::AccountId}", "123456789012"), "line", "an account id"),
    Case("no_places_in_the_template", BASE, rewritten("${AWS::Region}", "eu-central-1"), "line", "a region"),
    Case("no_places_in_the_template", BASE, rewritten("Default: ''", "Default: ops@example.com"), "line", "an e-mail"),
    Case("parameters_explain_themselves", PAYMENT, put("Parameters/CodeKey/Description"), "CodeKey", "description"),
    Case(
        "parameters_explain_themselves", PAYMENT,
        put("Parameters/Stage/ConstraintDescription"), "Stage", "ConstraintDescription",
    ),
    Case("parameters_explain_themselves", PAYMENT, put("Parameters/CodeKey/AllowedPattern"), "CodeKey", "a pattern"),
    Case(
        "parameters_explain_themselves", PAYMENT,
        put("Metadata/AWS::CloudFormation::Interface/ParameterGroups/0/Parameters", ["Stage"]),
        "CodeKey", "one group of the interface",
    ),
    Case(
        "parameters_explain_themselves", PAYMENT,
        put("Metadata/AWS::CloudFormation::Interface/ParameterLabels/CodeKey"), "CodeKey", "label",
    ),
    Case("parameters_explain_themselves", PAYMENT, put("Parameters/LogLevel"), "LogLevel", "does not exist"),
    Case("outputs_explain_themselves", ORDER, put("Outputs/ApiUrl/Description"), "ApiUrl", "description"),
    Case("names_carry_the_stage", ORDER, of("OrdersTable", "TableName", "orders"), "OrdersTable", "'orders'"),
    Case(
        "names_carry_the_stage", ORDER,
        of("OrderLambdaLogGroup", "LogGroupName", "/aws/lambda/order"), "OrderLambdaLogGroup", "/aws/lambda/ecom-",
    ),
    Case(
        "data_says_what_happens_on_delete", ORDER,
        put("Resources/OrdersTable/DeletionPolicy"), "OrdersTable", "DeletionPolicy",
    ),
    Case(
        "data_says_what_happens_on_delete", ORDER,
        put("Resources/OrdersTable/UpdateReplacePolicy", "Delete"), "OrdersTable", "Retain",
    ),
    Case("tables_are_safe", ORDER, of("OrdersTable", "SSESpecification"), "OrdersTable", "encrypted"),
    Case(
        "tables_are_safe", ORDER,
        of("OrdersTable", "PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", False),
        "OrdersTable", "point-in-time recovery",
    ),
    Case("tables_are_safe", ORDER, of("OrdersTable", "DeletionProtectionEnabled"), "OrdersTable", "deletion protection"),
    Case("tables_are_safe", ORDER, of("OrdersTable", "TimeToLiveSpecification"), "OrdersTable", "expiresAt"),
    Case("tables_are_safe", ORDER, of("OrdersTable", "BillingMode", "PROVISIONED"), "OrdersTable", "by request"),
    Case(
        "production_is_recognised", ORDER,
        put("Parameters/Stage/AllowedPattern", "^[a-z][a-z0-9-]{0,19}$"), "Stage", "'production' pass",
    ),
    Case("production_is_recognised", ORDER, put("Parameters/Stage/AllowedPattern", "^[a-z]+$"), "Stage", "'prod-eu'"),
    Case("production_is_recognised", ORDER, put("Conditions/IsProd", {"Fn::Equals": ["a", "b"]}), "IsProd", "first dash"),
    Case("production_is_recognised", ORDER, put("Conditions/IsOnAws", {"Fn::Equals": ["a", "b"]}), "IsOnAws", "'local'"),
    Case("everything_is_encrypted", PAYMENT, of("PaymentFailureTopic", "KmsMasterKeyId"), "PaymentFailureTopic", "the key"),
    Case("everything_is_encrypted", PAYMENT, of("PaymentQueue", "KmsMasterKeyId"), "PaymentQueue", "KmsMasterKeyId"),
    Case("everything_is_encrypted", PAYMENT, of("PaymentLambda", "KmsKeyArn"), "PaymentLambda", "KmsKeyArn"),
    Case("everything_is_encrypted", PAYMENT, of("PaymentLambdaLogGroup", "KmsKeyId"), "PaymentLambdaLogGroup", "the key"),
    Case("everything_is_encrypted", BASE, of("EcomEventBus", "KmsKeyIdentifier"), "EcomEventBus", "the key"),
    Case("everything_is_encrypted", BASE, of("EcomEventArchive", "KmsKeyIdentifier"), "EcomEventArchive", "the key"),
    Case("everything_is_encrypted", BASE, of("ArtifactBucket", "BucketEncryption"), "ArtifactBucket", "the key"),
    Case(
        "everything_is_encrypted", PAYMENT,
        of("UndeliveredQueue", "KmsMasterKeyId", {"Fn::ImportValue": {"Fn::Sub": "ecom-${Stage}-KmsKeyArn"}}),
        "UndeliveredQueue", "by SQS, not with the key",
    ),
    Case(
        "buckets_are_private", BASE,
        of("ArtifactBucket", "PublicAccessBlockConfiguration/BlockPublicAcls", False), "ArtifactBucket", "public access",
    ),
    Case("buckets_are_private", BASE, of("ArtifactBucket", "VersioningConfiguration"), "ArtifactBucket", "versioned"),
    Case("buckets_are_private", BASE, of("ArtifactBucket", "OwnershipControls"), "ArtifactBucket", "ACLs"),
    Case("key_policy_is_scoped", BASE, of("MyKmsKey", "EnableKeyRotation", False), "MyKmsKey", "rotates"),
    Case("key_policy_is_scoped", BASE, put("Resources/MyKmsKey/DeletionPolicy", "Delete"), "MyKmsKey", "outlives"),
    Case("key_policy_is_scoped", BASE, without("MyKmsKeyAlias"), "MyKmsKey", "alias"),
    Case(
        "key_policy_is_scoped", BASE,
        stated("MyKmsKey", sid("AdministrationByThisAccount"), changed(Action="kms:*")), "MyKmsKey", "wildcard",
    ),
    Case(
        "key_policy_is_scoped", BASE,
        stated("MyKmsKey", sid("EventsOnTheBus"), unconditional), "MyKmsKey", "the condition for events.amazonaws.com",
    ),
    Case(
        "key_policy_is_scoped", BASE,
        stated("MyKmsKey", sid("EventsIntoQueues"), changed(Condition={"StringEquals": {"aws:SourceAccount": "x"}})),
        "MyKmsKey", "statement EventsIntoQueues",
    ),
    Case(
        "key_policy_is_scoped", BASE,
        stated("MyKmsKey", sid("UseThroughTheServiceThatHoldsTheData"), unconditional), "MyKmsKey", "kms:ViaService",
    ),
    Case(
        "key_policy_is_scoped", BASE,
        stated("MyKmsKey", sid("GrantsForAwsResourcesOnly"), without_condition("kms:GrantIsForAWSResource")),
        "MyKmsKey", "grants are for AWS resources only",
    ),
    Case(
        "key_policy_is_scoped", BASE,
        stated("MyKmsKey", sid("AlarmsIntoTheOpsTopic"), changed(Principal={"AWS": "*"})), "MyKmsKey", "no statement for",
    ),
    Case("queues_have_dead_letter_queues", PAYMENT, of("PaymentQueue", "RedrivePolicy"), "PaymentQueue", "dead-letter"),
    Case(
        "queues_have_dead_letter_queues", SHIPPING,
        of("ShippingDLQ", "RedrivePolicy"), "ShippingDLQ", "has a dead-letter queue",
    ),
    Case(
        "queues_have_dead_letter_queues", PAYMENT,
        of("PaymentQueue", "RedrivePolicy/maxReceiveCount", 1), "PaymentQueue", "3 to 10",
    ),
    Case(
        "queues_have_dead_letter_queues", PAYMENT,
        of("PaymentDLQ", "MessageRetentionPeriod", 345600), "PaymentDLQ", "14 days",
    ),
    Case(
        "queues_have_dead_letter_queues", SHIPPING,
        of("ShippingDLQ", "MessageRetentionPeriod", 60), "ShippingQueue", "at least as long",
    ),
    Case(
        "dead_letter_queues_take_only_their_own", PAYMENT,
        of("PaymentDLQ", "RedriveAllowPolicy"), "PaymentDLQ", "RedriveAllowPolicy",
    ),
    Case(
        "dead_letter_queues_take_only_their_own", PAYMENT,
        of("PaymentQueue", "QueueName", {"Fn::Sub": "ecom-${Stage}-money"}), "PaymentDLQ", "byQueue",
    ),
    Case("visibility_covers_the_retries", PAYMENT, of("PaymentQueue", "VisibilityTimeout", 179), "PaymentQueue", "6 x 30"),
    Case(
        "visibility_covers_the_retries", ORDER,
        of("OrderLifecycleQueue", "VisibilityTimeout", 180), "OrderLifecycleQueue", "+ 1 s",
    ),
    Case("visibility_covers_the_retries", PAYMENT, of("PaymentLambda", "Timeout", 60), "PaymentQueue", "6 x 60"),
    Case(
        "mappings_are_capped", PAYMENT,
        of("PaymentMapping", "FunctionResponseTypes"), "PaymentMapping", "ReportBatchItemFailures",
    ),
    Case("mappings_are_capped", PAYMENT, of("PaymentMapping", "ScalingConfig"), "PaymentMapping", "MaxConcurrency"),
    Case("mappings_are_capped", PAYMENT, of("PaymentMapping", "BatchSize", 25), "PaymentMapping", "window"),
    Case("plain_http_is_denied", PAYMENT, without("PaymentDLQPolicy"), "PaymentDLQ", "plain HTTP"),
    Case("plain_http_is_denied", PAYMENT, without("PaymentFailureTopicPolicy"), "PaymentFailureTopic", "plain HTTP"),
    Case("plain_http_is_denied", BASE, without("ArtifactBucketPolicy"), "ArtifactBucket", "plain HTTP"),
    Case("plain_http_is_denied", PAYMENT, of("PaymentQueuePolicy", "PolicyDocument/Statement/1"), "PaymentQueue", "plain"),
    Case(
        "plain_http_is_denied", PAYMENT,
        put("Resources/PaymentDLQPolicy/Condition", "IsProd"), "PaymentDLQ", "plain HTTP",
    ),
    Case(
        "rule_targets_are_buffered", PAYMENT,
        of("StockConfirmedRule", "Targets/0/Arn", {"Fn::GetAtt": ["PaymentLambda", "Arn"]}),
        "StockConfirmedRule", "rules target queues and topics",
    ),
    Case(
        "rule_targets_are_buffered", PAYMENT,
        of("StockConfirmedRule", "Targets/0/DeadLetterConfig"), "StockConfirmedRule", "no dead-letter queue",
    ),
    Case(
        "rule_targets_are_buffered", PAYMENT,
        of("PaymentDeclinedMailRule", "Targets/0/InputTransformer"), "PaymentDeclinedMailRule", "a sentence",
    ),
    Case("rule_targets_are_buffered", PAYMENT, of("StockConfirmedRule", "EventBusName"), "StockConfirmedRule", "bus"),
    Case(
        "rules_may_deliver", PAYMENT,
        stated("PaymentQueuePolicy", allows("sqs:SendMessage"), without_condition("aws:SourceArn")),
        "StockConfirmedRule", "PaymentQueue does not let",
    ),
    Case("rules_may_deliver", PAYMENT, without("UndeliveredQueuePolicy"), "ShipmentFailedRule", "UndeliveredQueue does"),
    Case(
        "rules_may_deliver", PAYMENT,
        of("PaymentDeclinedMailRule", "Targets/0/RoleArn"), "PaymentDeclinedMailRule", "no role",
    ),
    Case(
        "rules_may_deliver", PAYMENT,
        of("PaymentDeclinedMailRule", "Name", {"Fn::Sub": "ecom-${Stage}-mail"}), "PaymentDeclinedMailRule", "no role",
    ),
    Case(
        "rules_may_deliver", PAYMENT,
        stated("MailRole", allows("kms:Decrypt"), changed(Action="kms:Decrypt")), "PaymentDeclinedMailRule", "no role",
    ),
    Case(
        "callers_are_named", PAYMENT,
        stated("PaymentQueuePolicy", allows("sqs:SendMessage"), without_condition("aws:SourceArn")),
        "PaymentQueuePolicy", "aws:SourceArn",
    ),
    Case(
        "callers_are_named", BASE,
        stated("OpsAlertTopicPolicy", allows("sns:Publish"), without_condition("aws:SourceAccount")),
        "OpsAlertTopicPolicy", "aws:SourceAccount",
    ),
    Case("callers_are_named", PAYMENT, stated("MailRole", allows("sts:AssumeRole"), unconditional), "MailRole", "SourceArn"),
    Case("callers_are_named", ORDER, stated("SweeperRole", allows("sts:AssumeRole"), unconditional), "SweeperRole", "Source"),
    Case("callers_are_named", ORDER, of("OrderApiPermission", "SourceArn"), "OrderApiPermission", "SourceArn"),
    Case("callers_are_named", ORDER, of("OrderApiPermission", "SourceAccount"), "OrderApiPermission", "SourceAccount"),
    Case(
        "roles_are_exact", PAYMENT,
        of("PaymentLambdaRole", "ManagedPolicyArns", ["AWSLambdaBasicExecutionRole"]), "PaymentLambdaRole", "managed",
    ),
    Case(
        "roles_are_exact", PAYMENT,
        stated("PaymentLambdaRole", sid("OwnTable"), changed(Action="dynamodb:*")), "PaymentLambdaRole", "dynamodb:*",
    ),
    Case(
        "roles_are_exact", PAYMENT,
        stated("PaymentLambdaRole", sid("OwnTable"), changed(Resource="*")), "PaymentLambdaRole", "wildcard resource",
    ),
    Case(
        "roles_are_exact", PAYMENT,
        stated("PaymentLambdaRole", sid("KeyThroughTableAndQueues"), unconditional), "PaymentLambdaRole", "ViaService",
    ),
    Case(
        "roles_are_exact", SHIPPING,
        of("DLQProcessorLambda", "Role", {"Fn::GetAtt": ["ShippingLambdaRole", "Arn"]}), "ShippingLambdaRole", "one role",
    ),
    Case("roles_are_exact", ORDER, of("OrderApiPermission", "Action", "lambda:*"), "OrderApiPermission", "InvokeFunction"),
    Case(
        "functions_publish_as_themselves", PAYMENT,
        stated("PaymentLambdaRole", allows("events:PutEvents"), unconditional), "PaymentLambdaRole", "payment.service only",
    ),
    Case(
        "functions_publish_as_themselves", PAYMENT,
        stated("PaymentLambdaRole", allows("events:PutEvents"), changed(Effect="Deny", Action="events:x")),
        "PaymentLambdaRole", "cannot publish",
    ),
    Case(
        "functions_may_work", PAYMENT,
        stated("PaymentLambdaRole", sid("OwnQueues"), changed(Action=["sqs:ReceiveMessage"])),
        "PaymentLambdaRole", "sqs:DeleteMessage",
    ),
    Case(
        "functions_may_work", PAYMENT,
        stated("PaymentLambdaRole", sid("ParkPoison"), changed(Resource=QUEUE)), "PaymentLambdaRole", "parking queue",
    ),
    Case(
        "functions_may_work", SHIPPING,
        stated("ShippingLambdaRole", sid("OwnQueues"), changed(Resource={"Fn::GetAtt": ["ShippingDLQ", "Arn"]})),
        "ShippingLambdaRole", "may receive from it",
    ),
    Case("functions_are_set_up", PAYMENT, without("PaymentLambdaLogGroup"), "PaymentLambda", "log group"),
    Case("functions_are_set_up", PAYMENT, put("Resources/PaymentLambda/DependsOn"), "PaymentLambda", "DependsOn"),
    Case("functions_are_set_up", PAYMENT, of("PaymentLambda", "TracingConfig"), "PaymentLambda", "tracing"),
    Case("functions_are_set_up", PAYMENT, of("PaymentLambda", "Architectures"), "PaymentLambda", "arm64"),
    Case("functions_are_set_up", PAYMENT, of("PaymentLambda", "Timeout", 31), "PaymentLambda", "30 s"),
    Case(
        "functions_are_set_up", PAYMENT,
        of("PaymentLambdaLogGroup", "RetentionInDays"), "PaymentLambdaLogGroup", "LogRetentionDays",
    ),
    Case(
        "schedules_keep_what_fails", ORDER,
        of("SweeperSchedule", "Target/DeadLetterConfig"), "SweeperSchedule", "DeadLetterConfig",
    ),
    Case("schedules_keep_what_fails", ORDER, of("SweeperSchedule", "Target/RetryPolicy"), "SweeperSchedule", "RetryPolicy"),
    Case(
        "schedules_keep_what_fails", ORDER,
        stated("SweeperRole", allows("sqs:SendMessage"), changed(Action="sqs:ReceiveMessage")), "SweeperSchedule", "nothing",
    ),
    Case(
        "api_is_closed_and_throttled", ORDER,
        of("GetOrderMethod", "AuthorizationType", "NONE"), "GetOrderMethod", "ApiAuthorization",
    ),
    Case("api_is_closed_and_throttled", ORDER, put("Parameters/ApiAuthorization/Default", "NONE"), "OrderApi", "closed"),
    Case("api_is_closed_and_throttled", ORDER, put("Rules"), "OrderApi", "AuthorizationType NONE"),
    Case("api_is_closed_and_throttled", ORDER, without("ServerErrorResponse"), "OrderApi", "DEFAULT_5XX"),
    Case("api_is_closed_and_throttled", ORDER, of("OrderApiStage", "MethodSettings"), "OrderApiStage", "throttled"),
    Case(
        "api_is_closed_and_throttled", ORDER,
        of("OrderApiStage", "MethodSettings/0/DataTraceEnabled", True), "OrderApiStage", "whole orders",
    ),
    Case("api_is_closed_and_throttled", ORDER, of("OrderApiStage", "TracingEnabled"), "OrderApiStage", "tracing"),
    Case("api_is_closed_and_throttled", ORDER, of("OrderApiStage", "AccessLogSetting"), "OrderApiStage", "access log"),
    Case(
        "api_is_closed_and_throttled", ORDER,
        of("OrderApiStage", "AccessLogSetting/Fn::If/1/Format", "$context.identity.sourceIp"), "OrderApiStage", "no caller",
    ),
    Case("every_part_has_its_alarms", PAYMENT, without("PaymentLambdaErrorsAlarm"), "PaymentLambda", "Errors"),
    Case("every_part_has_its_alarms", PAYMENT, without("PaymentLambdaThrottlesAlarm"), "PaymentLambda", "Throttles"),
    Case("every_part_has_its_alarms", PAYMENT, without("PaymentLambdaDurationAlarm"), "PaymentLambda", "Duration"),
    Case("every_part_has_its_alarms", PAYMENT, without("PaymentQueueAgeAlarm"), "PaymentQueue", "oldest message"),
    Case("every_part_has_its_alarms", PAYMENT, without("PaymentDLQAlarm"), "PaymentDLQ", "visible messages"),
    Case("every_part_has_its_alarms", PAYMENT, without("UndeliveredQueueAlarm"), "UndeliveredQueue", "visible"),
    Case("every_part_has_its_alarms", SHIPPING, without("ShippingParkingQueueAlarm"), "ShippingParkingQueue", "visible"),
    Case("every_part_has_its_alarms", BASE, without("BusUndeliveredAlarm"), "BusUndeliveredQueue", "visible"),
    Case("every_part_has_its_alarms", PAYMENT, without("StockConfirmedRuleFailuresAlarm"), "StockConfirmedRule", "Failed"),
    Case("every_part_has_its_alarms", PAYMENT, without("StockConfirmedRuleLossAlarm"), "StockConfirmedRule", "SentToDlq"),
    Case("every_part_has_its_alarms", ORDER, without("OrderApiServerErrorsAlarm"), "OrderApi", "5XXError"),
    Case("every_part_has_its_alarms", ORDER, without("OrderApiLatencyAlarm"), "OrderApi", "Latency"),
    Case("every_part_has_its_alarms", PAYMENT, without("OperatorErrorsAlarm"), "PaymentLambda", "OperatorErrors"),
    Case(
        "every_part_has_its_alarms", PAYMENT,
        of("PaymentDLQAlarm", "Dimensions/0/Value", {"Fn::GetAtt": ["PaymentQueue", "QueueName"]}), "PaymentDLQ", "visible",
    ),
    Case("alarms_reach_the_operators", PAYMENT, of("PaymentDLQAlarm", "AlarmActions", []), "PaymentDLQAlarm", "AlarmActions"),
    Case("alarms_reach_the_operators", PAYMENT, of("PaymentDLQAlarm", "OKActions"), "PaymentDLQAlarm", "OKActions"),
    Case("alarms_reach_the_operators", PAYMENT, of("PaymentDLQAlarm", "AlarmDescription"), "PaymentDLQAlarm", "what is wrong"),
    Case("alarms_reach_the_operators", PAYMENT, of("PaymentDLQAlarm", "TreatMissingData"), "PaymentDLQAlarm", "silence"),
    Case("alarms_reach_the_operators", BASE, without("OpsAlertTopicPolicy"), "OpsAlertTopic", "its policy"),
    Case(
        "alarms_reach_the_operators", BASE,
        stated("MyKmsKey", sid("AlarmsIntoTheOpsTopic"), changed(Effect="Deny", Action=[])), "OpsAlertTopic", "the key policy",
    ),
    Case("alarms_reach_the_operators", BASE, without("OpsAlertEmail"), "OpsAlertTopic", "subscribe"),
]  # fmt: skip


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule_reports_the_edit(templates: dict[str, Template], case: Case) -> None:
    template = templates[case.template].copy()
    assert not check(template, case.rule), "the template is not good to begin with"

    case.edit(template)

    findings = check(template, case.rule)
    assert any(finding.resource.startswith(case.resource) and case.says in finding.message for finding in findings), (
        f"{case.rule} did not report {case.resource!r} with {case.says!r}, but:\n" + "\n".join(map(str, findings))
    )


def _rules_without_a_case() -> Iterator[str]:
    proven = {case.rule for case in CASES}
    yield from (rule for rule in RULES if rule not in proven)


def test_every_rule_is_shown_to_fail() -> None:
    assert not list(_rules_without_a_case())
