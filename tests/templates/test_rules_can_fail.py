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
STAGE, POOL = {"Ref": "Stage"}, {"Ref": "UserPoolId"}
LOCAL_AND_DEV = ["local", "dev"]
HEADER = "gatewayresponse.header."
TEMPLATE = "ResponseTemplates/application~1json"
LOG = "AccessLogSetting/Fn::If/1/Format"
GATEWAY_RESPONSES = {
    "ACCESS_DENIED": "DeniedResponse",
    "BAD_REQUEST_BODY": "BadBodyResponse",
    "DEFAULT_4XX": "ClientErrorResponse",
    "DEFAULT_5XX": "ServerErrorResponse",
    "EXPIRED_TOKEN": "ExpiredResponse",
    "INTEGRATION_TIMEOUT": "TimedOutResponse",
    "INVALID_SIGNATURE": "BadSignatureResponse",
    "MISSING_AUTHENTICATION_TOKEN": "NoRouteResponse",
    "REQUEST_TOO_LARGE": "TooLargeResponse",
    "RESOURCE_NOT_FOUND": "NotFoundResponse",
    "THROTTLED": "ThrottledResponse",
    "UNAUTHORIZED": "BadTokenResponse",
    "WAF_FILTERED": "FilteredResponse",
}

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
        (ORDER, rewritten("Resources:\n", "Resources:\n" + "# why\n" * 9000), "template", "than 65536"),
        (ORDER, lambda t: setattr(t, "text", t.text[:40_000]), "template", "out of LONG"),
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
        (SHIPPING, of("ShippingDLQ", "RedrivePolicy"), "ShippingDLQ", "must have a dead-letter"),
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
                "context",
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
        (ORDER, put("Parameters/ApiAuthorization/AllowedValues/1", "CUSTOM"), "OrderApi", "is one of"),
        (ORDER, put("Rules"), "OrderApi", "AuthorizationType NONE is for the stage 'local' only"),
        (
            ORDER,
            put("Rules/OpenApiOnlyOnALaptop/Assertions/0/Assert", {"Fn::Contains": [LOCAL_AND_DEV, STAGE]}),
            "OrderApi",
            "let {'Stage': 'dev', 'ApiAuthorization': 'NONE'} pass",
        ),
        (
            ORDER,
            put("Rules/OpenApiOnlyOnALaptop/RuleCondition", {"Fn::Equals": [STAGE, "prod"]}),
            "OrderApi",
            "'Stage': 'dev'",
        ),
        (ORDER, put("Rules/UserPoolWhereItIsAsked/Assertions/0"), "OrderApi", "named where it is asked"),
        (ORDER, put("Rules/UserPoolWhereItIsAsked/Assertions/1"), "OrderApi", "only where it is asked"),
        (
            ORDER,
            put("Rules/UserPoolWhereItIsAsked/Assertions/1/Assert", {"Fn::Equals": [POOL, ""]}),
            "OrderApi",
            "refuse {'Stage': 'prod'",
        ),
        (ORDER, of("OrderApiStage", "MethodSettings"), "OrderApiStage", "throttled"),
        (ORDER, of("OrderApiStage", "MethodSettings/0/ThrottlingRateLimit", 0), "OrderApiStage", "ApiRate"),
        (
            ORDER,
            of("OrderApiStage", "MethodSettings/0/DataTraceEnabled", True),
            "OrderApiStage",
            "whole orders",
        ),
        (ORDER, of("OrderApiStage", "TracingEnabled"), "OrderApiStage", "tracing"),
    ],
    "api_asks_the_pool_it_was_given": [
        (ORDER, of("ListOrdersMethod", "AuthorizerId"), "ListOrdersMethod", "AuthorizerId"),
        (
            ORDER,
            of("ListOrdersMethod", "AuthorizerId/Fn::If/0", "AsksIam"),
            "ListOrdersMethod",
            "AuthorizerId",
        ),
        (ORDER, without("OrderApiAuthorizer"), "PlaceOrderMethod", "AuthorizerId"),
        (ORDER, put("Resources/OrderApiAuthorizer/Condition"), "OrderApiAuthorizer", "Condition"),
        (ORDER, of("OrderApiAuthorizer", "Type", "TOKEN"), "OrderApiAuthorizer", "Type"),
        (
            ORDER,
            of("OrderApiAuthorizer", "ProviderARNs/0", {"Fn::Sub": "userpool/${UserPoolId}"}),
            "OrderApiAuthorizer",
            "stage's variable",
        ),
        (ORDER, of("OrderApiStage", "Variables"), "OrderApiStage", "which pool"),
        (ORDER, put("Parameters/UserPoolId/AllowedPattern", "^.*$"), "OrderApiAuthorizer", "'*' pass"),
        (ORDER, put("Parameters/UserPoolId/AllowedPattern", "^.+_.+$"), "OrderApiAuthorizer", "refuses ''"),
    ],
    "api_requests_are_checked": [
        (ORDER, of("GetOrderMethod", "RequestValidatorId"), "GetOrderMethod", "validator"),
        (ORDER, without("OrderApiValidator"), "PlaceOrderMethod", "validator"),
        (ORDER, of("OrderApiValidator", "ValidateRequestBody", False), "PlaceOrderMethod", "validator"),
        (ORDER, of("OrderApiValidator", "ValidateRequestParameters"), "ListOrdersMethod", "validator"),
        (ORDER, of("PlaceOrderMethod", "RequestModels"), "PlaceOrderMethod", "model"),
        (ORDER, without("OrderRequestModel"), "PlaceOrderMethod", "model"),
        (ORDER, of("OrderRequestModel", "Schema/$schema"), "OrderRequestModel", "draft 4"),
        (ORDER, of("OrderRequestModel", "Schema/additionalProperties"), "OrderRequestModel", "misspelt"),
    ],
    "api_answers_are_problems": [
        *((ORDER, without(name), "OrderApi", kind) for kind, name in GATEWAY_RESPONSES.items()),
        (
            ORDER,
            of("ThrottledResponse", f"ResponseParameters/{HEADER}Content-Type", "'application/json'"),
            "ThrottledResponse",
            "application/problem+json",
        ),
        (
            ORDER,
            of("DeniedResponse", "ResponseParameters"),
            "DeniedResponse",
            "application/problem+json",
        ),
        (
            ORDER,
            of("ThrottledResponse", f"ResponseParameters/{HEADER}Retry-After"),
            "ThrottledResponse",
            "Retry-After",
        ),
        (
            ORDER,
            of("ExpiredResponse", f"ResponseParameters/{HEADER}WWW-Authenticate"),
            "ExpiredResponse",
            "challenge",
        ),
        (
            ORDER,
            of("BadTokenResponse", f"ResponseParameters/{HEADER}WWW-Authenticate", "'Bearer'"),
            "BadTokenResponse",
            "challenge",
        ),
        (
            ORDER,
            of("NoRouteResponse", f"ResponseParameters/{HEADER}WWW-Authenticate"),
            "NoRouteResponse",
            "challenge",
        ),
        (ORDER, of("NoRouteResponse", "StatusCode", "403"), "NoRouteResponse", "its StatusCode 403"),
        (ORDER, of("TimedOutResponse", "StatusCode"), "TimedOutResponse", "says 504"),
        (ORDER, of("NotFoundResponse", "ResponseType", "THROTTLED"), "ThrottledResponse", "one answer"),
        (ORDER, of("DeniedResponse", "ResponseTemplates"), "DeniedResponse", "one body"),
        (ORDER, of("DeniedResponse", TEMPLATE, '{"type": "about:blank"}'), "DeniedResponse", "detail"),
        (
            ORDER,
            of("DeniedResponse", TEMPLATE, '{"title": $context.error.messageString}'),
            "DeniedResponse",
            "not JSON",
        ),
        (
            ORDER,
            of("BadBodyResponse", TEMPLATE, '{"title": "$context.error.validationErrorString"}'),
            "BadBodyResponse",
            "repeat what was sent",
        ),
    ],
    "api_logs_name_nobody": [
        (ORDER, of("OrderApiStage", "AccessLogSetting"), "OrderApiStage", "access log"),
        (ORDER, of("OrderApiStage", LOG, "$context.identity.sourceIp"), "OrderApiStage", "no caller"),
        (
            ORDER,
            of("OrderApiStage", LOG, '{"s": "$context.authorizer.claims.sub"}'),
            "OrderApiStage",
            "no caller",
        ),
        (ORDER, of("OrderApiStage", LOG, '{"e": "$context.error.message"}'), "OrderApiStage", "was sent"),
        (ORDER, of("OrderApiStage", LOG, '{"r": "$context.requestId"}'), "OrderApiStage", "requestId may"),
        (ORDER, of("OrderApiStage", LOG, '{"d": "$context.domainName"}'), "OrderApiStage", "was sent"),
        (ORDER, of("OrderApiStage", LOG, "$context.status"), "OrderApiStage", "is JSON"),
        (ORDER, of("OrderApiStage", LOG, '{"s": "$context.status"}'), "OrderApiStage", "how it ended"),
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
        (PAYMENT, of("PaymentDLQAlarm", "ActionsEnabled", False), "PaymentDLQAlarm", "actions must be on"),
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
            "end with",
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
