"""One edit to a policy, and it is named: the way it opens or closes, the permission that is out of step."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import chain

import pytest
from iam.estate import Estate, Finding
from iam.permissions import granted_for_nothing, out_of_step, recorded
from iam.questions import STRANGERS, WAYS, wrong
from templates import edits
from templates.edits import (
    allows,
    changed,
    of,
    sid,
    stated,
    unconditional,
    without,
    without_condition,
    without_operator,
)  # fmt: skip
from templates.edits import with_statement as more
from templates.edits import without_statement as less
from templates.template import Template

BASE, ORDER, INVENTORY = edits.BASE, edits.ORDER, edits.INVENTORY
PAYMENT, SHIPPING = edits.PAYMENT, edits.SHIPPING

ROOT = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
EVENTS = {"Service": "events.amazonaws.com"}
BUCKETS = {"Service": "s3.amazonaws.com"}
ORDER_LAMBDA = {"Fn::GetAtt": ["OrderLambda", "Arn"]}
TABLE = {"Fn::GetAtt": ["PaymentTable", "Arn"]}
QUEUE = {"Fn::GetAtt": ["PaymentQueue", "Arn"]}
TOPIC = {"Ref": "PaymentFailureTopic"}
ANY_QUEUE = {"Fn::Sub": "arn:${AWS::Partition}:sqs:${AWS::Region}:${AWS::AccountId}:*"}
HERE = {"StringEquals": {"aws:SourceAccount": {"Ref": "AWS::AccountId"}}}


@dataclass(frozen=True)
class Case:
    """`says` is part of what is found."""

    template: str
    edit: edits.Edit
    says: str

    def __str__(self) -> str:
        return f"{self.template}: {self.says}"


def key(name: str, says: str) -> Case:
    """The key's policy without one of its statements."""
    return Case(BASE, less("MyKmsKey", sid(name)), says)


CLOSED = [
    key("AdministrationByThisAccount", "MyKmsKey: administration is denied"),
    key("UseThroughTheServiceThatHoldsTheData", "PaymentQueue → PaymentLambda: the key is denied"),
    key("GrantsForAwsResourcesOnly", "MyKmsKey: grants for dynamodb is denied"),
    key("CustomersUnderTheirOrder", "OrderLambda: the key by hand is denied"),
    key("EventsOnTheBus", "EcomEventBus: the key is denied"),
    key("EventsInTheArchive", "EcomEventBus: the key is denied"),
    key("EventBridgeLooksAtTheKey", "EcomEventBus: the key is denied"),
    key("EventsIntoQueues", "OrderPlacedRule → InventoryQueue: the key is denied"),
    key("AlarmsIntoTheOpsTopic", "PaymentDLQAlarm → OpsAlertTopic: the key is denied"),
    key("LogGroupsOfThisStage", "PaymentLambdaLogGroup: the key is denied"),
    Case(PAYMENT, less("PaymentQueuePolicy", allows("sqs:SendMessage")), "→ PaymentQueue is denied"),
    Case(PAYMENT, without("UndeliveredQueuePolicy"), "→ payment-service/UndeliveredQueue is denied"),
    Case(BASE, without("BusUndeliveredQueuePolicy"), "EcomEventBus → BusUndeliveredQueue is denied"),
    Case(BASE, less("OpsAlertTopicPolicy", allows("sns:Publish")), "→ OpsAlertTopic is denied"),
    Case(PAYMENT, less("MailRole", allows("sns:Publish")), "→ PaymentFailureTopic is denied"),
    Case(PAYMENT, less("MailRole", allows("sts:AssumeRole")), "→ PaymentFailureTopic is denied"),
    Case(
        PAYMENT, less("MailRole", allows("kms:GenerateDataKey")), "→ PaymentFailureTopic: the key is denied"
    ),
    Case(ORDER, without("OrderApiPermission"), "PlaceOrderMethod → OrderLambda is denied"),
    Case(
        ORDER, less("SweeperRole", allows("lambda:InvokeFunction")), "SweeperSchedule → OrderLambda is denied"
    ),
    Case(ORDER, less("SweeperRole", allows("sts:AssumeRole")), "SweeperSchedule: its role is denied"),
    Case(PAYMENT, less("PaymentLambdaRole", allows("sts:AssumeRole")), "PaymentLambda: its role is denied"),
    Case(PAYMENT, less("PaymentLambdaRole", sid("OwnLog")), "PaymentLambda: its log is denied"),
    Case(
        PAYMENT,
        less("PaymentLambdaRole", sid("PublishAsItselfOnly")),
        "PaymentLambda → EcomEventBus is denied",
    ),
    Case(
        PAYMENT,
        of("PaymentDLQAlarm", "AlarmName", {"Fn::Sub": "elsewhere-${Stage}-x"}),
        "PaymentDLQAlarm → OpsAlertTopic is denied",
    ),
]

OPENED = [
    Case(
        PAYMENT,
        stated("PaymentQueuePolicy", allows("sqs:SendMessage"), without_condition("aws:SourceArn")),
        "PaymentQueue: a source that is not its own is allowed",
    ),
    Case(
        PAYMENT,
        stated("PaymentQueuePolicy", allows("sqs:SendMessage"), unconditional),
        "PaymentQueue: on behalf of another account is allowed",
    ),
    Case(
        PAYMENT,
        more("PaymentQueuePolicy", Principal="*", Action="sqs:*", Resource=QUEUE),
        "PaymentQueue: another account is allowed",
    ),
    Case(
        PAYMENT,
        more(
            "PaymentFailureTopicPolicy",
            Principal=EVENTS,
            Action="sns:Publish",
            Resource=TOPIC,
            Condition=HERE,
        ),
        "PaymentFailureTopic: a source that is not its own is allowed",
    ),
    Case(
        BASE,
        stated("OpsAlertTopicPolicy", allows("sns:Publish"), without_condition("aws:SourceArn")),
        "OpsAlertTopic: a source that is not its own is allowed",
    ),
    Case(
        PAYMENT,
        stated("MailRole", allows("sts:AssumeRole"), unconditional),
        "payment-service/MailRole: on behalf",
    ),
    Case(
        ORDER,
        stated("SweeperRole", allows("sts:AssumeRole"), without_condition("aws:SourceArn")),
        "SweeperRole: a source that is not its own is allowed",
    ),
    Case(
        PAYMENT,
        stated(
            "PaymentLambdaRole",
            allows("sts:AssumeRole"),
            changed(Principal={"Service": "lambda.amazonaws.com", **ROOT}),
        ),
        "PaymentLambdaRole: a source that is not its own is allowed",
    ),
    Case(
        ORDER, of("OrderApiPermission", "SourceArn"), "OrderLambda: a source that is not its own is allowed"
    ),
    Case(PAYMENT, less("PaymentQueuePolicy", sid("NoPlainHttp")), "PaymentQueue over plain HTTP is allowed"),
    Case(PAYMENT, without("PaymentDLQPolicy"), "PaymentDLQ over plain HTTP is allowed"),
    Case(PAYMENT, without("PaymentFailureTopicPolicy"), "PaymentFailureTopic over plain HTTP is allowed"),
    Case(BASE, without("ArtifactBucketPolicy"), "ArtifactBucket over plain HTTP is allowed"),
    Case(
        PAYMENT,
        stated("PaymentLambdaRole", allows("events:PutEvents"), unconditional),
        "PaymentLambda as orders.service is allowed",
    ),
    Case(
        PAYMENT,
        stated("PaymentLambdaRole", sid("OwnTable"), changed(Action="dynamodb:*")),
        "PaymentLambda at PaymentTable is allowed",
    ),
    Case(
        PAYMENT,
        stated("PaymentLambdaRole", sid("OwnTable"), changed(Resource="*")),
        "PaymentLambda at OrdersTable is allowed",
    ),
    Case(
        PAYMENT,
        stated("PaymentLambdaRole", sid("OwnQueues"), changed(Resource=ANY_QUEUE)),
        "PaymentLambda at ShippingQueue is allowed",
    ),
    Case(
        PAYMENT,
        stated("PaymentLambdaRole", sid("ParkPoison"), changed(Resource=ANY_QUEUE)),
        "PaymentLambdaRole at another stage is allowed",
    ),
    Case(
        SHIPPING,
        stated(
            "ShippingLambdaRole",
            sid("OwnVariables"),
            without_condition("kms:EncryptionContext:aws:lambda:FunctionArn"),
        ),
        "ShippingLambda: the variables of PaymentLambda is allowed",
    ),
    Case(
        BASE,
        more("MyKmsKey", Principal=ROOT, Action="kms:*", Resource="*"),
        "MyKmsKey: an administrator by hand is allowed",
    ),
    Case(
        BASE,
        stated("MyKmsKey", sid("UseThroughTheServiceThatHoldsTheData"), unconditional),
        "MyKmsKey: an administrator by hand is allowed",
    ),
    Case(
        BASE,
        stated("MyKmsKey", sid("GrantsForAwsResourcesOnly"), without_condition("kms:GrantIsForAWSResource")),
        "MyKmsKey: a grant for a person is allowed",
    ),
    Case(
        BASE,
        stated("MyKmsKey", sid("CustomersUnderTheirOrder"), without_operator("Null")),
        "MyKmsKey: an administrator by hand is allowed",
    ),
    *(
        Case(BASE, stated("MyKmsKey", sid(name), unconditional), says)
        for name, says in (
            ("EventsOnTheBus", "MyKmsKey: on behalf of another account is allowed"),
            ("EventsIntoQueues", "MyKmsKey: another stage's resource is allowed"),
            ("AlarmsIntoTheOpsTopic", "MyKmsKey: a source that is not its own is allowed"),
            ("LogGroupsOfThisStage", "MyKmsKey: another stage's resource is allowed"),
            ("EventBridgeLooksAtTheKey", "MyKmsKey: on behalf of another account is allowed"),
        )
    ),
]

UNEVEN = [
    # not needed
    Case(
        PAYMENT,
        more("PaymentLambdaRole", Action="dynamodb:DeleteItem", Resource=TABLE),
        "PaymentLambdaRole: unused dynamodb:DeleteItem on PaymentTable",
    ),
    Case(
        PAYMENT,
        more("PaymentLambdaRole", Action="sns:Publish", Resource=TOPIC),
        "PaymentLambdaRole: unused sns:Publish on PaymentFailureTopic",
    ),
    Case(
        PAYMENT,
        stated("PaymentLambdaRole", sid("OwnTable"), changed(Action="dynamodb:*")),
        "PaymentLambdaRole: unused dynamodb:* on PaymentTable",
    ),
    Case(
        PAYMENT,
        stated(
            "PaymentLambdaRole",
            sid("KeyThroughTableAndQueues"),
            changed(Action=["kms:Decrypt", "kms:Encrypt"]),
        ),
        "PaymentLambdaRole: unused kms:Encrypt on MyKmsKey through dynamodb",
    ),
    Case(
        PAYMENT,
        more("PaymentLambdaRole", Action="logs:CreateLogGroup", Resource="*"),
        "PaymentLambdaRole: unused logs:CreateLogGroup on *",
    ),
    Case(
        PAYMENT,
        without("PaymentMapping"),
        "PaymentLambdaRole: unused sqs:ReceiveMessage on PaymentQueue",
    ),
    Case(
        PAYMENT,
        more("MailRole", Action="sns:Subscribe", Resource=TOPIC),
        "payment-service/MailRole: unused sns:Subscribe on PaymentFailureTopic",
    ),
    Case(
        ORDER,
        more("SweeperRole", Action="lambda:GetFunction", Resource=ORDER_LAMBDA),
        "SweeperRole: unused lambda:GetFunction on OrderLambda",
    ),
    Case(
        PAYMENT,
        more(
            "PaymentQueuePolicy", Principal=BUCKETS, Action="sqs:SendMessage", Resource=QUEUE, Condition=HERE
        ),
        "PaymentQueue: grants sqs:SendMessage to s3.amazonaws.com for nothing (Added)",
    ),
    Case(
        BASE,
        more("MyKmsKey", Principal=BUCKETS, Action="kms:Decrypt", Resource="*", Condition=HERE),
        "MyKmsKey: grants kms:Decrypt to s3.amazonaws.com for nothing (Added)",
    ),
    # needed
    Case(
        PAYMENT,
        stated("PaymentLambdaRole", sid("OwnTable"), changed(Action="dynamodb:PutItem")),
        "PaymentLambdaRole: missing dynamodb:UpdateItem on PaymentTable",
    ),
    Case(
        ORDER,
        less("OrderLambdaRole", sid("OwnIndexes")),
        "OrderLambdaRole: missing dynamodb:Query on OrdersTable/open",
    ),
    Case(
        INVENTORY, less("InventoryLambdaRole", sid("ParkPoison")), "missing sqs:SendMessage on InventoryDLQ"
    ),
    Case(
        SHIPPING,
        stated(
            "DLQProcessorLambdaRole",
            sid("OwnQueues"),
            changed(Action=["sqs:ReceiveMessage", "sqs:DeleteMessage"]),
        ),
        "DLQProcessorLambdaRole: missing sqs:ChangeMessageVisibility on ShippingDLQ",
    ),
    Case(
        SHIPPING,
        less("ShippingLambdaRole", allows("kms:GenerateDataKey")),
        "ShippingLambdaRole: missing kms:GenerateDataKey on MyKmsKey through sqs",
    ),
    Case(
        SHIPPING,
        less("ShippingLambdaRole", sid("OwnVariables")),
        "ShippingLambdaRole: missing kms:Decrypt on MyKmsKey through lambda",
    ),
    Case(SHIPPING, less("ShippingLambdaRole", sid("Traces")), "missing xray:PutTraceSegments on *"),
    Case(
        SHIPPING,
        less("ShippingLambdaRole", sid("PublishAsItselfOnly")),
        "ShippingLambdaRole: missing events:PutEvents on EcomEventBus",
    ),
]


UNREAD = [
    Case(
        PAYMENT,
        more("PaymentLambdaRole", NotAction="iam:*", Resource=TABLE),
        "PaymentLambdaRole: statement Added",
    ),
    Case(
        PAYMENT, more("PaymentQueuePolicy", NotPrincipal=ROOT, Action="sqs:*", Resource=QUEUE), "NotPrincipal"
    ),
    Case(
        BASE,
        more(
            "MyKmsKey", Principal=ROOT, Action="kms:Decrypt", Condition={"IpAddress": {"aws:SourceIp": "::"}}
        ),
        "MyKmsKey: statement Added: the operator IpAddress is not known here",
    ),
]

INCOMPLETE = [
    Case(PAYMENT, of("StockConfirmedRule", "Targets/0/DeadLetterConfig"), "a rule without dead-letter queue"),
    Case(
        PAYMENT, of("StockConfirmedRule", "Targets/0/Arn", "arn:aws:lambda:x"), "a target that is a stranger"
    ),
    Case(PAYMENT, of("PaymentFailureTopic", "KmsMasterKeyId"), "a topic without key"),
    Case(PAYMENT, of("PaymentQueue", "KmsMasterKeyId"), "a queue without key"),
    Case(PAYMENT, of("PaymentLambdaLogGroup", "KmsKeyId"), "a log group without key"),
    Case(BASE, of("EcomEventBus", "KmsKeyIdentifier"), "a bus without key"),
    Case(PAYMENT, of("PaymentDLQAlarm", "AlarmActions", ["arn:aws:sns:x:1:y"]), "an alarm to elsewhere"),
]
"""What house rules speak of. Here it must only not stand in the way of what else there is to say."""


def after(templates: dict[str, Template], case: Case) -> Estate:
    changed_one = templates[case.template].copy()
    case.edit(changed_one)
    documents = {name: template.body for name, template in templates.items()}
    return Estate(documents | {case.template: changed_one.body})


@pytest.mark.parametrize("case", CLOSED, ids=str)
def test_a_way_that_is_closed_is_reported(templates: dict[str, Template], case: Case) -> None:
    estate = after(templates, case)
    assert_found(case, (finding for ask in WAYS for finding in wrong(estate, ask)))


@pytest.mark.parametrize("case", OPENED, ids=str)
def test_a_way_that_is_opened_is_reported(templates: dict[str, Template], case: Case) -> None:
    estate = after(templates, case)
    assert_found(case, (finding for ask in STRANGERS for finding in wrong(estate, ask)))


@pytest.mark.parametrize("case", UNEVEN, ids=str)
def test_a_permission_out_of_step_is_reported(templates: dict[str, Template], case: Case) -> None:
    estate = after(templates, case)
    assert_found(case, chain(out_of_step(estate, recorded()), granted_for_nothing(estate)))


@pytest.mark.parametrize("case", UNREAD, ids=str)
def test_a_statement_that_cannot_be_evaluated_is_reported(templates: dict[str, Template], case: Case) -> None:
    assert_found(case, iter(after(templates, case).unread))


@pytest.mark.parametrize("case", INCOMPLETE, ids=str)
def test_what_is_missing_stops_no_question(templates: dict[str, Template], case: Case) -> None:
    estate = after(templates, case)
    assert len([question for ask in (*WAYS, *STRANGERS) for question in ask(estate)]) > 5000
    list(chain(out_of_step(estate, recorded()), granted_for_nothing(estate)))


def assert_found(case: Case, findings: Iterator[Finding]) -> None:
    found = list(map(str, findings))
    assert any(case.says in finding for finding in found), f"should say {case.says!r}; it reported\n" + (
        "\n".join(found[:20]) or "nothing"
    )


def test_every_statement_of_the_key_is_missed(templates: dict[str, Template]) -> None:
    """Without any one of them something is closed: none is there for nothing."""
    policy = templates[BASE].resources["MyKmsKey"]["Properties"]["KeyPolicy"]
    for statement in policy["Statement"]:
        estate = after(templates, key(statement["Sid"], ""))
        found = [finding for ask in WAYS for finding in wrong(estate, ask)]
        found += out_of_step(estate, recorded())
        assert found, f"nothing misses the statement {statement['Sid']} of MyKmsKey"
