"""Each house rule is shown to fail: one edit to a good template, and it names the resource and the fault."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from .edits import (
    BASE,
    ORDER,
    PAYMENT,
    SHIPPING,
    Edit,
    allows,
    changed,
    of,
    put,
    rewritten,
    sid,
    stated,
    unconditional,
    without,
    without_condition,
    without_operator,
    without_statement,
)
from .house import RULES, check
from .proofs import PROOFS as MORE
from .template import Template


@dataclass(frozen=True)
class Case:
    rule: str
    template: str
    edit: Edit
    resource: str
    says: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.resource} {self.says}"


QUEUE = {"Fn::GetAtt": ["PaymentQueue", "Arn"]}

PROOFS: dict[str, list[tuple[str, Edit, str, str]]] = {
    "sections_in_order": [
        (PAYMENT, rewritten("# ===== Compute ", "# ===== Functions "), "sections", "'Functions'"),
    ],
    "resources_in_their_section": [
        (
            PAYMENT,
            lambda t: t.lines.update(PaymentQueue=t.lines["PaymentTable"]),
            "PaymentQueue",
            "belongs under 'Messaging'",
        ),
    ],
    "raw_and_small": [
        (PAYMENT, put("Transform", "AWS::Serverless-2016-10-31"), "Transform", "no transforms"),
        (PAYMENT, rewritten("Resources:\n", "Resources:\n" + "# why\n" * 9000), "template", "bytes long"),
    ],
    "no_places_in_the_template": [
        (BASE, rewritten("${AWS::Partition}", "aws"), "line", "a fixed partition"),
        (BASE, rewritten("${AWS::AccountId}", "123456789012"), "line", "an account id"),
        (BASE, rewritten("${AWS::Region}", "eu-central-1"), "line", "a region"),
        (BASE, rewritten("Default: ''", "Default: ops@example.com"), "line", "an e-mail"),
    ],
    "parameters_explain_themselves": [
        (PAYMENT, put("Parameters/CodeKey/Description"), "CodeKey", "description"),
        (PAYMENT, put("Parameters/Stage/ConstraintDescription"), "Stage", "ConstraintDescription"),
        (PAYMENT, put("Parameters/CodeKey/AllowedPattern"), "CodeKey", "a pattern"),
        (
            PAYMENT,
            put("Metadata/AWS::CloudFormation::Interface/ParameterGroups/0/Parameters", ["Stage"]),
            "CodeKey",
            "one group of the interface",
        ),
        (PAYMENT, put("Metadata/AWS::CloudFormation::Interface/ParameterLabels/CodeKey"), "CodeKey", "label"),
        (PAYMENT, put("Parameters/LogLevel"), "LogLevel", "does not exist"),
    ],
    "parameters_are_validated": [
        (PAYMENT, put("Parameters/CodeKey/AllowedPattern", "[a-z]+"), "CodeKey", "from ^ to $"),
        (PAYMENT, put("Parameters/CodeKey/ConstraintDescription", "a zip"), "CodeKey", "in words"),
        (PAYMENT, put("Parameters/CodeKey/Type", "AWS::SSM::Parameter::Name"), "CodeKey", "String or"),
        (PAYMENT, put("Parameters/DeclineRatePercent/MaxValue"), "DeclineRatePercent", "a greatest"),
        (PAYMENT, put("Parameters/DeclineRatePercent/Default", 101), "DeclineRatePercent", "limits"),
        (PAYMENT, put("Parameters/LogLevel/Default", "TRACE"), "LogLevel", "'TRACE'"),
        (BASE, put("Parameters/AlertEmail/Default", "nobody"), "AlertEmail", "match"),
    ],
    "outputs_explain_themselves": [
        (ORDER, put("Outputs/ApiUrl/Description"), "ApiUrl", "description"),
    ],
    "names_carry_the_stage": [
        (ORDER, of("OrdersTable", "TableName", "orders"), "OrdersTable", "'orders'"),
        (
            ORDER,
            of("OrderLambdaLogGroup", "LogGroupName", "/aws/lambda/order"),
            "OrderLambdaLogGroup",
            "/aws/lambda/ecom-",
        ),
    ],
    "data_says_what_happens_on_delete": [
        (ORDER, put("Resources/OrdersTable/DeletionPolicy"), "OrdersTable", "DeletionPolicy"),
        (ORDER, put("Resources/OrdersTable/UpdateReplacePolicy", "Delete"), "OrdersTable", "Retain"),
        (ORDER, put("Resources/OrdersTable/DeletionPolicy", "Delete"), "OrdersTable", "outlive"),
    ],
    "tables_are_safe": [
        (ORDER, of("OrdersTable", "SSESpecification"), "OrdersTable", "encrypted"),
        (
            ORDER,
            of("OrdersTable", "PointInTimeRecoverySpecification/PointInTimeRecoveryEnabled", False),
            "OrdersTable",
            "point-in-time recovery",
        ),
        (ORDER, of("OrdersTable", "DeletionProtectionEnabled"), "OrdersTable", "deletion protection"),
        (ORDER, of("OrdersTable", "TimeToLiveSpecification"), "OrdersTable", "expiresAt"),
        (ORDER, of("OrdersTable", "BillingMode", "PROVISIONED"), "OrdersTable", "by request"),
    ],
    "production_is_recognised": [
        (
            ORDER,
            put("Parameters/Stage/AllowedPattern", "^[a-z][a-z0-9-]{0,19}$"),
            "Stage",
            "'production' pass",
        ),
        (ORDER, put("Parameters/Stage/AllowedPattern", "^[a-z]+$"), "Stage", "'prod-eu'"),
        (ORDER, put("Conditions/IsProd", {"Fn::Equals": ["a", "b"]}), "IsProd", "first dash"),
    ],
    "everything_is_encrypted": [
        (PAYMENT, of("PaymentFailureTopic", "KmsMasterKeyId"), "PaymentFailureTopic", "the key"),
        (PAYMENT, of("PaymentQueue", "KmsMasterKeyId"), "PaymentQueue", "KmsMasterKeyId"),
        (PAYMENT, of("PaymentLambda", "KmsKeyArn"), "PaymentLambda", "KmsKeyArn"),
        (PAYMENT, of("PaymentLambdaLogGroup", "KmsKeyId"), "PaymentLambdaLogGroup", "the key"),
        (BASE, of("EcomEventBus", "KmsKeyIdentifier"), "EcomEventBus", "the key"),
        (BASE, of("EcomEventArchive", "KmsKeyIdentifier"), "EcomEventArchive", "the key"),
        (BASE, of("ArtifactBucket", "BucketEncryption"), "ArtifactBucket", "the key"),
        (
            PAYMENT,
            of(
                "UndeliveredQueue",
                "KmsMasterKeyId",
                {"Fn::ImportValue": {"Fn::Sub": "ecom-${Stage}-KmsKeyArn"}},
            ),
            "UndeliveredQueue",
            "by SQS, not with the key",
        ),
    ],
    "buckets_are_private": [
        (
            BASE,
            of("ArtifactBucket", "PublicAccessBlockConfiguration/BlockPublicAcls", False),
            "ArtifactBucket",
            "public access",
        ),
        (BASE, of("ArtifactBucket", "VersioningConfiguration"), "ArtifactBucket", "versioned"),
        (BASE, of("ArtifactBucket", "OwnershipControls"), "ArtifactBucket", "ACLs"),
    ],
    "key_policy_is_scoped": [
        (BASE, of("MyKmsKey", "EnableKeyRotation", False), "MyKmsKey", "must rotate"),
        (BASE, put("Resources/MyKmsKey/DeletionPolicy", "Delete"), "MyKmsKey", "must outlive"),
        (BASE, without("MyKmsKeyAlias"), "MyKmsKey", "alias"),
        (
            BASE,
            stated("MyKmsKey", sid("AdministrationByThisAccount"), changed(Action="kms:*")),
            "MyKmsKey",
            "wildcard",
        ),
        (
            BASE,
            stated("MyKmsKey", sid("EventsOnTheBus"), unconditional),
            "MyKmsKey",
            "the condition for events.amazonaws.com",
        ),
        (
            BASE,
            stated(
                "MyKmsKey",
                sid("EventsIntoQueues"),
                changed(Condition={"StringEquals": {"aws:SourceAccount": "x"}}),
            ),
            "MyKmsKey",
            "statement EventsIntoQueues",
        ),
        (
            BASE,
            stated("MyKmsKey", sid("UseThroughTheServiceThatHoldsTheData"), unconditional),
            "MyKmsKey",
            "kms:ViaService",
        ),
        *(
            (
                BASE,
                stated("MyKmsKey", sid("CustomersUnderTheirOrder"), change),
                "MyKmsKey",
                "statement CustomersUnderTheirOrder",
            )
            for change in (
                unconditional,
                without_condition("kms:CallerAccount"),
                without_condition("kms:EncryptionContext:stage"),
                without_condition("kms:EncryptionContext:orderId"),
                without_condition("kms:EncryptionContextKeys"),
                without_operator("Null"),
                changed(Action=["kms:Decrypt", "kms:Encrypt", "kms:GenerateDataKey"]),
            )
        ),
        (
            BASE,
            stated(
                "MyKmsKey", sid("GrantsForAwsResourcesOnly"), without_condition("kms:GrantIsForAWSResource")
            ),
            "MyKmsKey",
            "grants are for AWS resources only",
        ),
        (
            BASE,
            stated("MyKmsKey", sid("AlarmsIntoTheOpsTopic"), changed(Principal={"AWS": "*"})),
            "MyKmsKey",
            "no statement for",
        ),
        (
            BASE,
            without_statement("MyKmsKey", sid("AlarmsIntoTheOpsTopic")),
            "MyKmsKey",
            "no statement for cloudwatch.amazonaws.com",
        ),
        (
            BASE,
            without_statement("MyKmsKey", sid("LogGroupsOfThisStage")),
            "MyKmsKey",
            "no statement for logs.",
        ),
    ],
    "queues_have_dead_letter_queues": [
        (PAYMENT, of("PaymentQueue", "RedrivePolicy"), "PaymentQueue", "dead-letter"),
        (SHIPPING, of("ShippingDLQ", "RedrivePolicy"), "ShippingDLQ", "has a dead-letter queue"),
        (PAYMENT, of("PaymentQueue", "RedrivePolicy/maxReceiveCount", 1), "PaymentQueue", "3 to 10"),
        (PAYMENT, of("PaymentDLQ", "MessageRetentionPeriod", 345600), "PaymentDLQ", "14 days"),
        (SHIPPING, of("ShippingDLQ", "MessageRetentionPeriod", 60), "ShippingQueue", "at least as long"),
    ],
    "dead_letter_queues_take_only_their_own": [
        (PAYMENT, of("PaymentDLQ", "RedriveAllowPolicy"), "PaymentDLQ", "RedriveAllowPolicy"),
        (
            PAYMENT,
            of("PaymentQueue", "QueueName", {"Fn::Sub": "ecom-${Stage}-money"}),
            "PaymentDLQ",
            "byQueue",
        ),
    ],
    "visibility_covers_the_retries": [
        (PAYMENT, of("PaymentQueue", "VisibilityTimeout", 179), "PaymentQueue", "6 x 30"),
        (ORDER, of("OrderLifecycleQueue", "VisibilityTimeout", 180), "OrderLifecycleQueue", "+ 1 s"),
        (PAYMENT, of("PaymentLambda", "Timeout", 60), "PaymentQueue", "6 x 60"),
    ],
    "mappings_are_capped": [
        (PAYMENT, of("PaymentMapping", "FunctionResponseTypes"), "PaymentMapping", "ReportBatchItemFailures"),
        (PAYMENT, of("PaymentMapping", "ScalingConfig"), "PaymentMapping", "MaxConcurrency"),
        (PAYMENT, of("PaymentMapping", "BatchSize", 25), "PaymentMapping", "window"),
    ],
    "plain_http_is_denied": [
        (
            ORDER,
            put("Conditions/DeniesPlainHttp", {"Fn::Equals": ["a", "b"]}),
            "DeniesPlainHttp",
            "PlainHttp",
        ),
        (ORDER, put("Parameters/PlainHttp/Default", "allowed"), "PlainHttp", "by default"),
        (PAYMENT, without("PaymentDLQPolicy"), "PaymentDLQ", "plain HTTP"),
        (PAYMENT, without("PaymentFailureTopicPolicy"), "PaymentFailureTopic", "plain HTTP"),
        (BASE, without("ArtifactBucketPolicy"), "ArtifactBucket", "plain HTTP"),
        (PAYMENT, of("PaymentQueuePolicy", "PolicyDocument/Statement/1"), "PaymentQueue", "plain"),
        (PAYMENT, put("Resources/PaymentDLQPolicy/Condition", "IsProd"), "PaymentDLQ", "plain HTTP"),
    ],
    "rule_targets_are_buffered": [
        (
            PAYMENT,
            of("StockConfirmedRule", "Targets/0/Arn", {"Fn::GetAtt": ["PaymentLambda", "Arn"]}),
            "StockConfirmedRule",
            "rules target queues and topics",
        ),
        (
            PAYMENT,
            of("StockConfirmedRule", "Targets/0/DeadLetterConfig"),
            "StockConfirmedRule",
            "no dead-letter queue",
        ),
        (
            PAYMENT,
            of("PaymentDeclinedMailRule", "Targets/0/InputTransformer"),
            "PaymentDeclinedMailRule",
            "a sentence",
        ),
        (PAYMENT, of("StockConfirmedRule", "EventBusName"), "StockConfirmedRule", "bus"),
    ],
    "rules_may_deliver": [
        (
            PAYMENT,
            stated("PaymentQueuePolicy", allows("sqs:SendMessage"), without_condition("aws:SourceArn")),
            "StockConfirmedRule",
            "PaymentQueue does not let",
        ),
        (PAYMENT, without("UndeliveredQueuePolicy"), "ShipmentFailedRule", "UndeliveredQueue does"),
        (PAYMENT, of("PaymentDeclinedMailRule", "Targets/0/RoleArn"), "PaymentDeclinedMailRule", "no role"),
        (
            PAYMENT,
            of("PaymentDeclinedMailRule", "Name", {"Fn::Sub": "ecom-${Stage}-mail"}),
            "PaymentDeclinedMailRule",
            "no role",
        ),
        (
            PAYMENT,
            stated("MailRole", allows("kms:Decrypt"), changed(Action="kms:Decrypt")),
            "PaymentDeclinedMailRule",
            "no role",
        ),
    ],
    "callers_are_named": [
        (
            PAYMENT,
            stated("PaymentQueuePolicy", allows("sqs:SendMessage"), without_condition("aws:SourceArn")),
            "PaymentQueuePolicy",
            "aws:SourceArn",
        ),
        (
            BASE,
            stated("OpsAlertTopicPolicy", allows("sns:Publish"), without_condition("aws:SourceAccount")),
            "OpsAlertTopicPolicy",
            "aws:SourceAccount",
        ),
        (PAYMENT, stated("MailRole", allows("sts:AssumeRole"), unconditional), "MailRole", "SourceArn"),
        (ORDER, stated("SweeperRole", allows("sts:AssumeRole"), unconditional), "SweeperRole", "Source"),
        (ORDER, of("OrderApiPermission", "SourceArn"), "OrderApiPermission", "SourceArn"),
        (ORDER, of("OrderApiPermission", "SourceAccount"), "OrderApiPermission", "SourceAccount"),
    ],
    "roles_are_exact": [
        (
            PAYMENT,
            of("PaymentLambdaRole", "ManagedPolicyArns", ["AWSLambdaBasicExecutionRole"]),
            "PaymentLambdaRole",
            "managed",
        ),
        (
            PAYMENT,
            stated("PaymentLambdaRole", sid("OwnTable"), changed(Action="dynamodb:*")),
            "PaymentLambdaRole",
            "dynamodb:*",
        ),
        (
            PAYMENT,
            stated("PaymentLambdaRole", sid("OwnTable"), changed(Resource="*")),
            "PaymentLambdaRole",
            "wildcard resource",
        ),
        (
            PAYMENT,
            stated("PaymentLambdaRole", sid("KeyThroughTableAndQueues"), unconditional),
            "PaymentLambdaRole",
            "ViaService",
        ),
        *(
            (
                ORDER,
                stated("OrderLambdaRole", sid("CustomersUnderTheirOrder"), change),
                "OrderLambdaRole",
                "under the context of an order",
            )
            for change in (
                unconditional,
                without_condition("kms:EncryptionContext:stage"),
                without_condition("kms:EncryptionContext:orderId"),
                without_condition("kms:EncryptionContextKeys"),
                without_operator("Null"),
            )
        ),
        (
            SHIPPING,
            of("DLQProcessorLambda", "Role", {"Fn::GetAtt": ["ShippingLambdaRole", "Arn"]}),
            "ShippingLambdaRole",
            "one role",
        ),
        (ORDER, of("OrderApiPermission", "Action", "lambda:*"), "OrderApiPermission", "InvokeFunction"),
    ],
    "functions_publish_as_themselves": [
        (
            PAYMENT,
            stated("PaymentLambdaRole", allows("events:PutEvents"), unconditional),
            "PaymentLambdaRole",
            "payment.service only",
        ),
        (
            PAYMENT,
            stated(
                "PaymentLambdaRole", allows("events:PutEvents"), changed(Effect="Deny", Action="events:x")
            ),
            "PaymentLambdaRole",
            "cannot publish",
        ),
    ],
    "functions_may_work": [
        (
            PAYMENT,
            stated("PaymentLambdaRole", sid("OwnQueues"), changed(Action=["sqs:ReceiveMessage"])),
            "PaymentLambdaRole",
            "sqs:DeleteMessage",
        ),
        (
            PAYMENT,
            stated("PaymentLambdaRole", sid("ParkPoison"), changed(Resource=QUEUE)),
            "PaymentLambdaRole",
            "parking queue",
        ),
        (
            SHIPPING,
            stated(
                "ShippingLambdaRole",
                sid("OwnQueues"),
                changed(Resource={"Fn::GetAtt": ["ShippingDLQ", "Arn"]}),
            ),
            "ShippingLambdaRole",
            "may receive from it",
        ),
    ],
    "functions_are_set_up": [
        (PAYMENT, without("PaymentLambdaLogGroup"), "PaymentLambda", "log group"),
        (PAYMENT, put("Resources/PaymentLambda/DependsOn"), "PaymentLambda", "DependsOn"),
        (PAYMENT, of("PaymentLambda", "TracingConfig"), "PaymentLambda", "tracing"),
        (PAYMENT, of("PaymentLambda", "Architectures"), "PaymentLambda", "arm64"),
        (PAYMENT, of("PaymentLambda", "Timeout", 31), "PaymentLambda", "30 s"),
        (
            PAYMENT,
            of("PaymentLambdaLogGroup", "RetentionInDays"),
            "PaymentLambdaLogGroup",
            "LogRetentionDays",
        ),
    ],
    "schedules_keep_what_fails": [
        (ORDER, of("SweeperSchedule", "Target/DeadLetterConfig"), "SweeperSchedule", "DeadLetterConfig"),
        (ORDER, of("SweeperSchedule", "Target/RetryPolicy"), "SweeperSchedule", "RetryPolicy"),
        (
            ORDER,
            stated("SweeperRole", allows("sqs:SendMessage"), changed(Action="sqs:ReceiveMessage")),
            "SweeperSchedule",
            "nothing",
        ),
    ],
    "api_is_closed_and_throttled": [
        (ORDER, of("GetOrderMethod", "AuthorizationType", "NONE"), "GetOrderMethod", "ApiAuthorization"),
        (ORDER, put("Parameters/ApiAuthorization/Default", "NONE"), "OrderApi", "closed"),
        (ORDER, put("Rules"), "OrderApi", "AuthorizationType NONE"),
        (ORDER, without("ServerErrorResponse"), "OrderApi", "DEFAULT_5XX"),
        (ORDER, of("OrderApiStage", "MethodSettings"), "OrderApiStage", "throttled"),
        (
            ORDER,
            of("OrderApiStage", "MethodSettings/0/DataTraceEnabled", True),
            "OrderApiStage",
            "whole orders",
        ),
        (ORDER, of("OrderApiStage", "TracingEnabled"), "OrderApiStage", "tracing"),
        (ORDER, of("OrderApiStage", "AccessLogSetting"), "OrderApiStage", "access log"),
        (
            ORDER,
            of("OrderApiStage", "AccessLogSetting/Fn::If/1/Format", "$context.identity.sourceIp"),
            "OrderApiStage",
            "no caller",
        ),
    ],
    "every_part_has_its_alarms": [
        (PAYMENT, without("PaymentLambdaErrorsAlarm"), "PaymentLambda", "Errors"),
        (PAYMENT, without("PaymentLambdaThrottlesAlarm"), "PaymentLambda", "Throttles"),
        (PAYMENT, without("PaymentLambdaDurationAlarm"), "PaymentLambda", "Duration"),
        (PAYMENT, without("PaymentQueueAgeAlarm"), "PaymentQueue", "oldest message"),
        (PAYMENT, without("PaymentDLQAlarm"), "PaymentDLQ", "visible messages"),
        (PAYMENT, without("UndeliveredQueueAlarm"), "UndeliveredQueue", "visible"),
        (SHIPPING, without("ShippingParkingQueueAlarm"), "ShippingParkingQueue", "visible"),
        (BASE, without("BusUndeliveredAlarm"), "BusUndeliveredQueue", "visible"),
        (PAYMENT, without("StockConfirmedRuleFailuresAlarm"), "StockConfirmedRule", "Failed"),
        (PAYMENT, without("StockConfirmedRuleLossAlarm"), "StockConfirmedRule", "SentToDlq"),
        (ORDER, without("OrderApiServerErrorsAlarm"), "OrderApi", "5XXError"),
        (ORDER, without("OrderApiLatencyAlarm"), "OrderApi", "Latency"),
        (PAYMENT, without("OperatorErrorsAlarm"), "PaymentLambda", "OperatorErrors"),
        (ORDER, without("OrdersOpenTooLongAlarm"), "OrderLambda", "OrdersOpenTooLong"),
        (ORDER, without("SweepsCutShortAlarm"), "OrderLambda", "SweepsCutShort"),
        (ORDER, without("FailedRequestsAlarm"), "OrderLambda", "FailedRequests"),
        (SHIPPING, without("ParcelsNotStoppedAlarm"), "ShippingLambda", "ParcelsNotStopped"),
        (PAYMENT, of("StockConfirmedRuleLossAlarm", "Dimensions/0"), "StockConfirmedRule", "and bus"),
        (PAYMENT, without("PaymentMapping"), "PaymentQueue", "nothing works on this queue"),
        (
            PAYMENT,
            of("PaymentDLQAlarm", "Dimensions/0/Value", {"Fn::GetAtt": ["PaymentQueue", "QueueName"]}),
            "PaymentDLQ",
            "visible",
        ),
    ],
    "alarms_can_fire": [
        (PAYMENT, of("PaymentLambdaDurationAlarm", "Threshold", 30000), "PaymentLambdaDuration", "near"),
        (PAYMENT, of("PaymentLambda", "Timeout", 20), "PaymentLambdaDurationAlarm", "PaymentLambda"),
        (PAYMENT, of("PaymentLambdaDurationAlarm", "Threshold", 500), "PaymentLambdaDuration", "near"),
        (PAYMENT, of("PaymentQueue", "MessageRetentionPeriod", 600), "PaymentQueueAgeAlarm", "drops"),
        (PAYMENT, of("PaymentDLQAlarm", "Threshold", 0), "PaymentDLQAlarm", "at least 1"),
        (
            PAYMENT,
            of("PaymentDLQAlarm", "ComparisonOperator", "LessThanThreshold"),
            "PaymentDLQAlarm",
            "at or above",
        ),
        (PAYMENT, of("PaymentDLQAlarm", "ActionsEnabled", False), "PaymentDLQAlarm", "actions are on"),
        (PAYMENT, of("PaymentDLQAlarm", "Period", 10), "PaymentDLQAlarm", "whole minutes"),
        (PAYMENT, of("PaymentDLQAlarm", "TreatMissingData"), "PaymentDLQAlarm", "silence"),
        (PAYMENT, of("PaymentDLQAlarm", "TreatMissingData", "breaching"), "PaymentDLQAlarm", "silence"),
        (
            ORDER,
            of("OrdersOpenTooLongAlarm", "TreatMissingData", "notBreaching"),
            "OrdersOpenTooLongAlarm",
            "'breaching'",
        ),
    ],
    "alarms_name_their_runbook": [
        (PAYMENT, of("PaymentDLQAlarm", "AlarmDescription"), "PaymentDLQAlarm", "what is wrong"),
        (
            PAYMENT,
            of("PaymentDLQAlarm", "AlarmDescription", "docs/runbooks/dead-letters.md"),
            "PaymentDLQAlarm",
            "what is wrong",
        ),
        (
            PAYMENT,
            of("PaymentDLQAlarm", "AlarmDescription", "Bad. See docs/runbooks/dead-letters.md, please"),
            "PaymentDLQAlarm",
            "ends with",
        ),
        (
            PAYMENT,
            of("PaymentDLQAlarm", "AlarmDescription", "It is bad. docs/runbooks/bad.md"),
            "PaymentDLQAlarm",
            "there is no docs/runbooks/bad.md",
        ),
    ],
    "alarms_reach_the_operators": [
        (PAYMENT, of("PaymentDLQAlarm", "AlarmActions", []), "PaymentDLQAlarm", "AlarmActions"),
        (PAYMENT, of("PaymentDLQAlarm", "OKActions"), "PaymentDLQAlarm", "OKActions"),
        (
            PAYMENT,
            of("PaymentDLQAlarm", "AlarmName", {"Fn::Sub": "payment-${Stage}-dlq"}),
            "PaymentDLQAlarm",
            "of this name",
        ),
        (BASE, put("Outputs/OpsAlertTopicArn/Value", {"Ref": "EcomEventBus"}), "OpsAlertTopic", "exported"),
        (BASE, without("OpsAlertTopicPolicy"), "OpsAlertTopic", "its policy"),
        (BASE, put("Resources/OpsAlertTopicPolicy/Condition", "HasAlertEmail"), "OpsAlertTopic", "policy"),
        (BASE, of("OpsAlertTopicPolicy", "Topics", []), "OpsAlertTopic", "its policy"),
        (
            BASE,
            stated("OpsAlertTopicPolicy", allows("sns:Publish"), changed(Action="sns:Subscribe")),
            "OpsAlertTopic",
            "its policy",
        ),
        (
            BASE,
            stated(
                "OpsAlertTopicPolicy",
                allows("sns:Publish"),
                changed(
                    Condition={"ArnLike": {"aws:SourceArn": "x"}, "Bool": {"aws:MultiFactorAuthPresent": 1}}
                ),
            ),
            "OpsAlertTopic",
            "its policy",
        ),
        (
            BASE,
            stated(
                "OpsAlertTopicPolicy",
                allows("sns:Publish"),
                changed(Condition={"ArnLike": {"aws:SourceArn": {"Fn::Sub": "x:alarm:ecom-${Stage}-*"}}}),
            ),
            "BusUndeliveredAlarm",
            "of this name",
        ),
        (
            BASE,
            stated("OpsAlertTopicPolicy", sid("NoPlainHttp"), unconditional),
            "OpsAlertTopic",
            "denies more than plain HTTP",
        ),
        (
            BASE,
            stated("MyKmsKey", sid("AlarmsIntoTheOpsTopic"), changed(Effect="Deny", Action=[])),
            "OpsAlertTopic",
            "the key policy",
        ),
        (
            BASE,
            stated("MyKmsKey", sid("AlarmsIntoTheOpsTopic"), changed(Action=["kms:Decrypt"])),
            "OpsAlertTopic",
            "the key policy",
        ),
        (
            BASE,
            of("OpsAlertTopic", "TopicName", {"Fn::Sub": "ecom-${Stage}-ops"}),
            "OpsAlertTopic",
            "the key policy",
        ),
        (BASE, without("OpsAlertEmail"), "OpsAlertTopic", "subscribe"),
        (BASE, of("OpsAlertEmail", "FilterPolicy", {"a": ["b"]}), "OpsAlertTopic", "subscribe"),
        (BASE, put("Resources/OpsAlertEmail/Condition"), "OpsAlertTopic", "subscribe"),
    ],
}
"""By rule: template, edit, resource that is named, what is said."""

CASES = [Case(rule, *proof) for by_rule in (PROOFS, MORE) for rule in by_rule for proof in by_rule[rule]]


@pytest.mark.parametrize("case", CASES, ids=str)
def test_rule_reports_the_edit(templates: dict[str, Template], case: Case) -> None:
    template = templates[case.template].copy()
    assert not check(template, case.rule), "the template is not good to begin with"

    case.edit(template)

    findings = check(template, case.rule)
    reported = "\n".join(map(str, findings)) or "nothing"
    assert any(
        found.resource.startswith(case.resource) and case.says in found.message for found in findings
    ), f"{case.rule} should name {case.resource} and say {case.says!r}; it reported\n{reported}"


def test_every_rule_is_shown_to_fail() -> None:
    assert PROOFS.keys() | MORE.keys() == RULES.keys()
