"""What must be allowed and what must not, asked of every policy in the templates.

The questions are made from the resources, not from the policies: whoever adds a rule, a queue or an alarm is
asked about it, and whoever takes a statement out hears which way is closed.

What an AWS service sends along with a call is what its documentation says; each such set of condition keys
has a function of its own here, with the page's name. Keys that a service does not send are not in it, so a
policy that asks for one is found to deny.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iam.estate import ACCOUNT, REGION, STAGE, Estate, Finding, FunctionIdentity, arn
from iam.policies import Answer, Caller, Request

FOREIGN = "999999999999"
SOME_ORDER = "01234567-89ab-5def-8123-456789abcdef"
OTHER_STAGE = "dev"

EVENTS = Caller("events.amazonaws.com")
SCHEDULER = Caller("scheduler.amazonaws.com")
CLOUDWATCH = Caller("cloudwatch.amazonaws.com")
LOGS = Caller(f"logs.{REGION}.amazonaws.com")
API_GATEWAY = Caller("apigateway.amazonaws.com")
LAMBDA = Caller("lambda.amazonaws.com")
ADMINISTRATOR = Caller(
    f"arn:aws:iam::{ACCOUNT}:role/admin",
    ACCOUNT,
    ({"Statement": {"Effect": "Allow", "Action": "*", "Resource": "*"}},),
)
"""Somebody of this account whom IAM allows everything: the deployer, an operator, or who stole their keys."""
STRANGER = Caller(f"arn:aws:iam::{FOREIGN}:role/anybody", FOREIGN, None)

TLS = {"aws:SecureTransport": "true"}
READ, MAKE, MAKE_UNSEEN = "kms:Decrypt", "kms:GenerateDataKey", "kms:GenerateDataKeyWithoutPlaintext"

TABLE_ACTIONS = [
    f"dynamodb:{action}"
    for action in (
        "BatchGetItem", "BatchWriteItem", "ConditionCheckItem", "DeleteItem", "DeleteTable", "GetItem",
        "PartiQLSelect", "PutItem", "Query", "Scan", "UpdateItem",
    )
]  # fmt: skip
QUEUE_ACTIONS = [
    f"sqs:{action}"
    for action in (
        "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "PurgeQueue", "ReceiveMessage",
        "SendMessage", "SetQueueAttributes",
    )
]  # fmt: skip
KEY_USE = [READ, MAKE, MAKE_UNSEEN, "kms:Encrypt", "kms:ReEncryptFrom"]
KEY_ADMINISTRATION = [
    f"kms:{action}" for action in ("CreateGrant", "DisableKey", "PutKeyPolicy", "ScheduleKeyDeletion")
]


@dataclass(frozen=True)
class Question:
    """Whether a request should be allowed. `about`: which way, or who at what; for people."""

    about: str
    request: Request
    allowed: bool


def wrong(estate: Estate, questions: Callable[[Estate], Iterator[Question]]) -> list[Finding]:
    """The questions that AWS would answer otherwise than they should be."""
    found = []
    for question in questions(estate):
        request = question.request
        answer: Answer = estate.asks(request)
        if answer.allowed != question.allowed:
            verdict = "is allowed and should not be" if answer.allowed else "is denied and should be allowed"
            # A role's own policy where there is one, else that of what it wants.
            place = estate.names.get(request.caller.name) or estate.name(request.resource)
            message = f"{question.about} {verdict} ({answer.why}): {request}"
            found.append(Finding(place, questions.__name__, message))
    return found


# ------------------------------------------------------------------- what AWS sends, by the pages that say so


def from_rule(rule: str, account: str = ACCOUNT) -> dict[str, str]:
    """EventBridge user guide, "Using resource-based policies for Amazon EventBridge": rule and account."""
    return {**TLS, "aws:SourceArn": rule, "aws:SourceAccount": account}


def via(service: str, **context: str) -> dict[str, str]:
    """KMS developer guide, "AWS KMS condition keys": a service that acts with the caller's rights says so."""
    return {
        **TLS,
        "kms:ViaService": f"{service}.{REGION}.amazonaws.com",
        "kms:CallerAccount": ACCOUNT,
        **context,
    }


def opened_variables(function: FunctionIdentity) -> dict[str, str]:
    """The encryption context in the log entries of Lambda's own calls: the function's ARN."""
    return via("lambda", **{"kms:EncryptionContext:aws:lambda:FunctionArn": function.arn})


def sealed_queue(queue: str) -> dict[str, str]:
    """SQS developer guide, "Key management": the queue's ARN is the encryption context. EventBridge sends no
    source to KMS on this way."""
    return {**TLS, "kms:EncryptionContext:aws:sqs:arn": queue}


def sealed_topic(topic: str) -> dict[str, str]:
    """SNS developer guide, "Managing Amazon SNS encryption keys and costs"."""
    return {**TLS, "kms:EncryptionContext:aws:sns:topicArn": topic}


def sealed_event(bus: str) -> dict[str, str]:
    """EventBridge user guide, "Encrypting EventBridge event buses with AWS KMS keys"; so do archives."""
    return {**TLS, "kms:EncryptionContext:aws:events:event-bus:arn": bus}


def sealed_log(group: str) -> dict[str, str]:
    """CloudWatch Logs user guide, "Encrypt log data in CloudWatch Logs using AWS KMS"."""
    return {**TLS, "kms:EncryptionContext:aws:logs:arn": group.removesuffix(":*")}


# ------------------------------------------------------------------- the ways of the picture


def rules_reach_their_targets(estate: Estate) -> Iterator[Question]:
    """Rule → queue or topic, and what could not be delivered → the rule's dead-letter queue."""
    for stack, logical, properties in estate.of("Events::Rule"):
        rule = stack.text({"Fn::GetAtt": [logical, "Arn"]})
        for target in properties["Targets"]:
            to = stack.text(target["Arn"])
            name = f"{logical} → {estate.name(to)}"
            if ":sqs:" in to:
                yield from _into_queue(estate, name, to, from_rule(rule))
            elif ":sns:" in to:  # anything else is no target of this house, and a rule of it says so
                role = stack.text(target["RoleArn"]) if "RoleArn" in target else "nobody"
                yield from _with_role(estate, name, rule, role, to)
            if "DeadLetterConfig" in target:  # where it is missing, a house rule says so
                dead = stack.text(target["DeadLetterConfig"]["Arn"])
                yield from _into_queue(estate, f"{logical} → {estate.name(dead)}", dead, from_rule(rule))


def _into_queue(estate: Estate, name: str, queue: str, context: Mapping[str, str]) -> Iterator[Question]:
    yield Question(name, Request(EVENTS, "sqs:SendMessage", queue, context), True)
    if queue in estate.keys:
        for action in (READ, MAKE):
            key = Request(EVENTS, action, estate.keys[queue], sealed_queue(queue))
            yield Question(f"{name}: the key", key, True)


def _with_role(estate: Estate, name: str, rule: str, role: str, topic: str) -> Iterator[Question]:
    yield Question(name, Request(EVENTS, "sts:AssumeRole", role, from_rule(rule)), True)
    caller = estate.roles.get(role, Caller(role, ACCOUNT))
    yield Question(name, Request(caller, "sns:Publish", topic, TLS), True)
    if topic in estate.keys:
        for action in (READ, MAKE):
            context = {**via("sns"), **sealed_topic(topic)}
            yield Question(f"{name}: the key", Request(caller, action, estate.keys[topic], context), True)


def the_bus_seals_and_keeps(estate: Estate) -> Iterator[Question]:
    """Bus and archive use the key; what the bus cannot seal goes to a queue that needs no key."""
    for action in (READ, MAKE, "kms:ReEncryptFrom", "kms:ReEncryptTo"):
        request = Request(EVENTS, action, estate.key, sealed_event(estate.bus))
        yield Question("EcomEventBus: the key", request, True)
    look = {**TLS, "aws:SourceAccount": ACCOUNT, "aws:SourceArn": estate.bus}
    yield Question("EcomEventBus: the key", Request(EVENTS, "kms:DescribeKey", estate.key, look), True)
    for stack, _, properties in estate.of("Events::EventBus"):
        dead = stack.text(properties["DeadLetterConfig"]["Arn"])
        yield from _into_queue(estate, f"EcomEventBus → {estate.names[dead]}", dead, from_rule(estate.bus))


def functions_take_their_work(estate: Estate) -> Iterator[Question]:
    """Queue → mapping → function, as the function's role; and the role itself."""
    for function in estate.functions.values():
        role = Request(LAMBDA, "sts:AssumeRole", function.role.name, TLS)
        yield Question(f"{function.logical}: its role", role, True)
        variables = Request(function.role, READ, estate.key, opened_variables(function))
        yield Question(f"{function.logical}: its variables", variables, True)
        for queue in function.queues:
            name = f"{estate.names[queue]} → {function.logical}"
            for action in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes"):
                yield Question(name, Request(function.role, f"sqs:{action}", queue, TLS), True)
            if queue in estate.keys:
                key = Request(function.role, READ, estate.keys[queue], {**via("sqs"), **sealed_queue(queue)})
                yield Question(f"{name}: the key", key, True)


def functions_publish(estate: Estate) -> Iterator[Question]:
    """Function → bus, each under its own name."""
    for function in estate.functions.values():
        request = Request(
            function.role, "events:PutEvents", estate.bus, {**TLS, "events:source": function.source}
        )
        yield Question(f"{function.logical} → EcomEventBus", request, True)


def functions_write_logs(estate: Estate) -> Iterator[Question]:
    """Function → log group, and every log group → the key."""
    for function in estate.functions.values():
        for action in ("CreateLogStream", "PutLogEvents"):
            stream = function.log_group.removesuffix("*") + "log-stream:2026/11/22/[$LATEST]0"
            yield Question(
                f"{function.logical}: its log", Request(function.role, f"logs:{action}", stream, TLS), True
            )
    for group in estate.arns("logs"):
        for action in (
            READ, MAKE, MAKE_UNSEEN, "kms:Encrypt", "kms:ReEncryptFrom", "kms:ReEncryptTo", "kms:DescribeKey",
        ):  # fmt: skip
            key = Request(LOGS, action, estate.key, sealed_log(group))
            yield Question(f"{estate.names[group]}: the key", key, True)


def the_api_reaches_its_function(estate: Estate) -> Iterator[Question]:
    """API → OrderLambda, every method on the stage."""
    for stack, logical, properties in estate.of("ApiGateway::Method"):
        resources = dict(stack.of("ApiGateway::Resource"))
        path = ""
        part = properties["ResourceId"].get("Ref")
        while part in resources:
            path = f"/{resources[part]['PathPart']}{path}"
            part = resources[part]["ParentId"].get("Ref")
        path = path.replace("{orderId}", "*")  # as API Gateway writes it
        source = arn(
            "execute-api",
            f"{stack.text(properties['RestApiId'])}/{STAGE}/{properties['HttpMethod']}{path}",
        )
        context = {**TLS, "aws:SourceArn": source, "aws:SourceAccount": ACCOUNT}
        function = stack.text(properties["Integration"]["Uri"]).split("/functions/")[1]
        request = Request(
            API_GATEWAY, "lambda:InvokeFunction", function.removesuffix("/invocations"), context
        )
        yield Question(f"{logical} → OrderLambda", request, True)


def the_schedule_starts_the_sweeper(estate: Estate) -> Iterator[Question]:
    """Schedule → role → OrderLambda, or the dead-letter queue. Scheduler names the schedule's group as source
    (EventBridge Scheduler user guide, "Confused deputy prevention")."""
    for stack, logical, properties in estate.of("Scheduler::Schedule"):
        target = properties["Target"]
        group = arn("scheduler", f"schedule-group/{stack.text(properties['GroupName'])}")
        role = estate.roles[stack.text(target["RoleArn"])]
        context = {**TLS, "aws:SourceArn": group, "aws:SourceAccount": ACCOUNT}
        yield Question(f"{logical}: its role", Request(SCHEDULER, "sts:AssumeRole", role.name, context), True)
        function, dead = stack.text(target["Arn"]), stack.text(target["DeadLetterConfig"]["Arn"])
        yield Question(
            f"{logical} → {estate.name(function)}",
            Request(role, "lambda:InvokeFunction", function, TLS),
            True,
        )
        yield Question(f"{logical} → {estate.names[dead]}", Request(role, "sqs:SendMessage", dead, TLS), True)
        # It has no right to the key and needs none: its dead-letter queue is sealed by SQS.
        yield Question(
            f"{logical}: a dead-letter queue without the key",
            Request(role, READ, estate.key, via("sqs")),
            False,
        )


def alarms_reach_the_operators(estate: Estate) -> Iterator[Question]:
    """Every alarm → OpsAlertTopic: the topic's policy, then the key's."""
    for stack, logical, properties in estate.of("CloudWatch::Alarm"):
        alarm = arn("cloudwatch", f"alarm:{stack.text(properties['AlarmName'])}")
        context = {**TLS, "aws:SourceArn": alarm, "aws:SourceAccount": ACCOUNT}
        for topic in {stack.text(each) for each in properties["AlarmActions"]}:
            name = f"{logical} → {estate.name(topic)}"
            yield Question(name, Request(CLOUDWATCH, "sns:Publish", topic, context), True)
            for action in (READ, MAKE) if topic in estate.keys else ():
                sealed = {**context, **sealed_topic(topic)}
                yield Question(
                    f"{name}: the key", Request(CLOUDWATCH, action, estate.keys[topic], sealed), True
                )


def orders_are_sealed(estate: Estate) -> Iterator[Question]:
    """OrderLambda → the key itself, under the order and the stage."""
    context = {
        **TLS,
        "kms:CallerAccount": ACCOUNT,
        "kms:EncryptionContext:orderId": SOME_ORDER,
        "kms:EncryptionContext:stage": STAGE,
    }
    for action in ("kms:Encrypt", "kms:Decrypt"):
        request = Request(estate.functions["OrderLambda"].role, action, estate.key, context)
        yield Question("OrderLambda: the key by hand", request, True)


def the_deployer_may_set_up(estate: Estate) -> Iterator[Question]:
    """Whoever deploys administers the key, and lets services hold grants: tables, and functions' variables.

    DynamoDB developer guide, "DynamoDB encryption at rest: How it works"; Lambda developer guide, "Securing
    Lambda environment variables".
    """
    for action in ("kms:PutKeyPolicy", "kms:ScheduleKeyDeletion", "kms:DescribeKey", "kms:EnableKeyRotation"):
        yield Question("MyKmsKey: administration", Request(ADMINISTRATOR, action, estate.key, TLS), True)
    for service in ("dynamodb", "lambda"):
        grant = {**via(service), "kms:GrantIsForAWSResource": "true"}
        yield Question(
            f"MyKmsKey: grants for {service}",
            Request(ADMINISTRATOR, "kms:CreateGrant", estate.key, grant),
            True,
        )
    for service in ("dynamodb", "lambda", "s3", "sqs", "sns"):
        for action in (READ, MAKE, MAKE_UNSEEN):
            request = Request(ADMINISTRATOR, action, estate.key, via(service))
            yield Question(f"MyKmsKey: through {service}", request, True)


WAYS = (
    rules_reach_their_targets,
    the_bus_seals_and_keeps,
    functions_take_their_work,
    functions_publish,
    functions_write_logs,
    the_api_reaches_its_function,
    the_schedule_starts_the_sweeper,
    alarms_reach_the_operators,
    orders_are_sealed,
    the_deployer_may_set_up,
)


# ------------------------------------------------------------------- who has no business here


def other_accounts(estate: Estate) -> Iterator[Question]:
    """Somebody from another account, who may do everything there; and services on their behalf."""
    actions: dict[str, list[str]] = {
        "sqs": QUEUE_ACTIONS,
        "sns": ["sns:Publish", "sns:Subscribe"],
        "dynamodb": TABLE_ACTIONS,
        "lambda": ["lambda:InvokeFunction", "lambda:GetFunction"],
        "events": ["events:PutEvents", "events:PutRule"],
        "s3": ["s3:GetObject", "s3:PutObject", "s3:ListBucket"],
        "kms": [*KEY_USE, *KEY_ADMINISTRATION],
        "iam": ["sts:AssumeRole"],
        "logs": ["logs:GetLogEvents", "logs:PutLogEvents"],
    }
    for resource, name in estate.names.items():
        for action in actions[resource.split(":")[2]]:
            yield Question(f"{name}: another account", Request(STRANGER, action, resource, TLS), False)
    strange = [
        (EVENTS, "sqs:SendMessage", each, from_rule(_abroad(rule), FOREIGN))
        for each in estate.arns("sqs")
        for rule in estate.rules()
    ]
    strange += [
        (CLOUDWATCH, "sns:Publish", each, _source(f"arn:aws:cloudwatch:{REGION}:{FOREIGN}:alarm:ecom-sim-x"))
        for each in estate.arns("sns")
    ]
    strange += [
        (caller, "sts:AssumeRole", each, _source(_abroad(source)))
        for each in estate.arns("iam")
        for caller, source in (
            *((EVENTS, rule) for rule in estate.rules()),
            (SCHEDULER, arn("scheduler", f"schedule-group/ecom-{STAGE}-order")),
        )
    ]
    strange += [
        (API_GATEWAY, "lambda:InvokeFunction", each, _source(_abroad(source)))
        for each in estate.arns("lambda")
        for source in (arn("execute-api", f"api1234567/{STAGE}/POST/orders"),)
    ]
    for action in KEY_USE:
        strange += [
            (EVENTS, action, estate.key, sealed_event(_abroad(estate.bus))),
            (LOGS, action, estate.key, sealed_log(_abroad(estate.arns("logs")[0]))),
            *((EVENTS, action, estate.key, sealed_queue(_abroad(each))) for each in estate.arns("sqs")),
            *(
                (
                    CLOUDWATCH,
                    action,
                    estate.key,
                    {**sealed_topic(_abroad(each)), "aws:SourceAccount": FOREIGN},
                )
                for each in estate.arns("sns")
            ),
        ]
    strange.append((EVENTS, "kms:DescribeKey", estate.key, {**TLS, "aws:SourceAccount": FOREIGN}))
    for caller, action, resource, context in strange:
        yield Question(
            f"{estate.names[resource]}: on behalf of another account",
            Request(caller, action, resource, context),
            False,
        )


def _abroad(resource: str) -> str:
    return resource.replace(f":{ACCOUNT}:", f":{FOREIGN}:")


def _source(source: str) -> dict[str, str]:
    return {**TLS, "aws:SourceArn": source, "aws:SourceAccount": source.split(":")[4]}


def wrong_sources(estate: Estate) -> Iterator[Question]:
    """Services on behalf of something of this account that the resource does not wait for; or of nothing."""
    feeds: dict[str, set[str]] = {each: set() for each in estate.arns("sqs")}
    publishers: dict[str, set[str]] = {each: set() for each in estate.arns("iam")}
    for stack, logical, properties in estate.of("Events::Rule"):
        rule = stack.text({"Fn::GetAtt": [logical, "Arn"]})
        for target in properties["Targets"]:
            feeds.setdefault(stack.text(target["Arn"]), set()).add(rule)
            if "DeadLetterConfig" in target:
                feeds[stack.text(target["DeadLetterConfig"]["Arn"])].add(rule)
            if "RoleArn" in target:
                publishers[stack.text(target["RoleArn"])].add(rule)
    elsewhere = arn("events", "rule/default/anything")
    rules = [*estate.rules(), elsewhere]
    for queue in estate.arns("sqs"):
        for rule in set(rules) - feeds[queue]:
            yield _unwanted(estate, Request(EVENTS, "sqs:SendMessage", queue, from_rule(rule)))
    for role in estate.arns("iam"):
        for rule in set(rules) - publishers[role]:
            yield _unwanted(estate, Request(EVENTS, "sts:AssumeRole", role, from_rule(rule)))
        for group in ("default", f"ecom-{OTHER_STAGE}-order"):
            source = _source(arn("scheduler", f"schedule-group/{group}"))
            yield _unwanted(estate, Request(SCHEDULER, "sts:AssumeRole", role, source))
    for topic in estate.arns("sns"):
        for rule in rules:
            yield _unwanted(estate, Request(EVENTS, "sns:Publish", topic, from_rule(rule)))
        for alarm in ("anything", f"ecom-{OTHER_STAGE}-order-errors"):
            source = _source(arn("cloudwatch", f"alarm:{alarm}"))
            yield _unwanted(estate, Request(CLOUDWATCH, "sns:Publish", topic, source))
    for function in estate.functions.values():
        for method in (
            f"zzzzzzzzzz/{STAGE}/POST/orders",
            f"api1234567/{OTHER_STAGE}/POST/orders",
            f"api1234567/{STAGE}/GET/x",
        ):
            source = _source(arn("execute-api", method))
            yield _unwanted(estate, Request(API_GATEWAY, "lambda:InvokeFunction", function.arn, source))
        for caller in (EVENTS, SCHEDULER, Caller("sns.amazonaws.com"), Caller("s3.amazonaws.com")):
            yield _unwanted(
                estate, Request(caller, "lambda:InvokeFunction", function.arn, from_rule(elsewhere))
            )
    # Roles are for services, not for people.
    for role in estate.arns("iam"):
        yield _unwanted(estate, Request(ADMINISTRATOR, "sts:AssumeRole", role, TLS))
    # Nobody says on whose behalf: as if a statement had no condition.
    for resource, action, caller in [
        *((each, "sqs:SendMessage", EVENTS) for each in estate.arns("sqs")),
        *((each, "sns:Publish", caller) for each in estate.arns("sns") for caller in (EVENTS, CLOUDWATCH)),
        *((each, "sts:AssumeRole", caller) for each in estate.arns("iam") for caller in (EVENTS, SCHEDULER)),
        *((each.arn, "lambda:InvokeFunction", API_GATEWAY) for each in estate.functions.values()),
        *(
            (estate.key, action, caller)
            for action in KEY_USE
            for caller in (EVENTS, CLOUDWATCH, LOGS, SCHEDULER)
        ),
    ]:
        yield _unwanted(estate, Request(caller, action, resource, TLS))


def _unwanted(estate: Estate, request: Request) -> Question:
    return Question(f"{estate.names[request.resource]}: a source that is not its own", request, False)


def other_services_events(estate: Estate) -> Iterator[Question]:
    """A function under another's name on the bus: whoever consumes a fact trusts its source."""
    sources = {function.source for function in estate.functions.values()}
    for function in estate.functions.values():
        for source in {*sources, "aws.s3", "anything"} - {function.source}:
            context = {**TLS, "events:source": source}
            yield Question(
                f"{function.logical} as {source}",
                Request(function.role, "events:PutEvents", estate.bus, context),
                False,
            )
        elsewhere = arn("events", "event-bus/default")
        context = {**TLS, "events:source": function.source}
        yield Question(
            f"{function.logical} on another bus",
            Request(function.role, "events:PutEvents", elsewhere, context),
            False,
        )


def other_tables_and_queues(estate: Estate) -> Iterator[Question]:
    """A function, or whoever has taken it over, at what belongs to another; and at what it never needs."""
    for function in estate.functions.values():
        own = _environment(estate, function)
        for table in estate.arns("dynamodb"):
            if table != own["TABLE_NAME"]:
                for resource in (table, f"{table}/index/open"):
                    for action in TABLE_ACTIONS:
                        yield _beyond(estate, function, action, resource, table)
        for action in (
            "dynamodb:DeleteTable",
            "dynamodb:Scan",
            "dynamodb:DeleteItem",
            "dynamodb:UpdateTable",
        ):
            yield _beyond(estate, function, action, own["TABLE_NAME"], own["TABLE_NAME"])
        for queue in estate.arns("sqs"):
            for action in QUEUE_ACTIONS:
                working = queue in function.queues and action not in (
                    "sqs:PurgeQueue", "sqs:SendMessage", "sqs:SetQueueAttributes",
                )  # fmt: skip
                parking = queue == own["PARKING_QUEUE_URL"] and action == "sqs:SendMessage"
                if not working and not parking:
                    yield _beyond(estate, function, action, queue, queue)
        for topic in estate.arns("sns"):
            yield _beyond(estate, function, "sns:Publish", topic, topic)
        for other in estate.functions.values():
            yield _beyond(estate, function, "lambda:InvokeFunction", other.arn, other.arn)
        for bucket in estate.arns("s3"):
            yield _beyond(estate, function, "s3:GetObject", f"{bucket}/any.zip", bucket)
        for role in estate.arns("iam"):
            yield _beyond(estate, function, "sts:AssumeRole", role, role)
            yield _beyond(estate, function, "iam:PassRole", role, role)


def _environment(estate: Estate, function: FunctionIdentity) -> dict[str, str]:
    """ARNs of the function's own table and parking queue, from its variables."""
    for stack, logical, properties in estate.of("Lambda::Function"):
        if logical == function.logical:
            variables = properties["Environment"]["Variables"]
            return {
                "TABLE_NAME": arn("dynamodb", f"table/{stack.text(variables['TABLE_NAME'])}"),
                "PARKING_QUEUE_URL": arn(
                    "sqs", stack.text(variables["PARKING_QUEUE_URL"]).rpartition("/")[2]
                ),
            }
    raise KeyError(function.logical)


def _beyond(estate: Estate, function: FunctionIdentity, action: str, resource: str, of: str) -> Question:
    about = f"{function.logical} at {estate.names[of]}"
    return Question(about, Request(function.role, action, resource, TLS), False)


def plain_http(estate: Estate) -> Iterator[Question]:
    """What is right otherwise, without TLS: on every queue, topic and bucket, for everybody."""
    plain = {"aws:SecureTransport": "false"}
    for way in WAYS:
        for question in way(estate):
            if question.allowed and question.request.resource.split(":")[2] in ("sqs", "sns"):
                request = question.request.over(**plain)
                yield Question(f"{question.about} over plain HTTP", request, False)
    for service, actions in (("sqs", QUEUE_ACTIONS), ("sns", ["sns:Publish"])):
        for resource in estate.arns(service):
            for action in actions:
                request = Request(ADMINISTRATOR, action, resource, plain)
                yield Question(f"{estate.names[resource]} over plain HTTP", request, False)
    for bucket in estate.arns("s3"):
        for action in ("s3:ListBucket", "s3:GetBucketPolicy"):
            request = Request(ADMINISTRATOR, action, bucket, plain)
            yield Question(f"{estate.names[bucket]} over plain HTTP", request, False)


def other_stages(estate: Estate) -> Iterator[Question]:
    """Another stage in the same account: its services at ours, and ours at its."""

    def there(resource: str) -> str:
        return resource.replace(f"ecom-{STAGE}-", f"ecom-{OTHER_STAGE}-")

    for rule in map(there, estate.rules()):
        for queue in estate.arns("sqs"):
            request = Request(EVENTS, "sqs:SendMessage", queue, from_rule(rule))
            yield Question(f"{estate.names[queue]}: another stage's rule", request, False)
        for role in estate.arns("iam"):
            request = Request(EVENTS, "sts:AssumeRole", role, from_rule(rule))
            yield Question(f"{estate.names[role]}: another stage's rule", request, False)
    contexts: list[tuple[Caller, dict[str, str]]] = [
        (EVENTS, sealed_event(there(estate.bus))),
        *((EVENTS, sealed_queue(there(each))) for each in estate.arns("sqs")),
        *(
            (CLOUDWATCH, {**sealed_topic(there(each)), "aws:SourceAccount": ACCOUNT})
            for each in estate.arns("sns")
        ),
        *((LOGS, sealed_log(there(each))) for each in estate.arns("logs")),
    ]
    for caller, context in contexts:
        for action in KEY_USE:
            request = Request(caller, action, estate.key, context)
            yield Question("MyKmsKey: another stage's resource", request, False)
    theirs: Any = {
        "dynamodb": TABLE_ACTIONS,
        "sqs": QUEUE_ACTIONS,
        "sns": ["sns:Publish"],
        "events": ["events:PutEvents"],
        "lambda": ["lambda:InvokeFunction"],
    }
    for identity in estate.roles.values():
        for resource in estate.names:
            for action in theirs.get(resource.split(":")[2], []):
                request = Request(identity, action, there(resource), TLS)
                yield Question(f"{estate.names[identity.name]} at another stage", request, False)


def the_key_is_used_through_services_only(estate: Estate) -> Iterator[Question]:
    """Who administers the key cannot open anything with it, who uses it cannot administer it."""
    for action in (*KEY_USE, "kms:CreateGrant"):
        request = Request(ADMINISTRATOR, action, estate.key, {**TLS, "kms:CallerAccount": ACCOUNT})
        yield Question("MyKmsKey: an administrator by hand", request, False)
    for service in ("dynamodb", "lambda"):
        grant = {**via(service), "kms:GrantIsForAWSResource": "false"}
        request = Request(ADMINISTRATOR, "kms:CreateGrant", estate.key, grant)
        yield Question("MyKmsKey: a grant for a person", request, False)
    for service in ("secretsmanager", "ebs", "rds"):
        for action in KEY_USE:
            request = Request(ADMINISTRATOR, action, estate.key, via(service))
            yield Question(f"MyKmsKey: through {service}", request, False)
    for one in estate.functions.values():
        for other in estate.functions.values():
            if other != one:
                request = Request(one.role, READ, estate.key, opened_variables(other))
                yield Question(f"{one.logical}: the variables of {other.logical}", request, False)
    for role in estate.roles.values():
        name = estate.names[role.name]
        for action in KEY_ADMINISTRATION:
            yield Question(f"{name}: administers", Request(role, action, estate.key, TLS), False)
        for action in KEY_USE:
            for service in ("s3", "lambda", "secretsmanager"):
                request = Request(role, action, estate.key, via(service))
                yield Question(f"{name}: the key through {service}", request, False)


def customers_are_opened_for_their_order_only(estate: Estate) -> Iterator[Question]:
    """Personal data is sealed under its order and stage: nobody but OrderLambda, and nothing else by hand."""
    sealed = {"kms:EncryptionContext:orderId": SOME_ORDER, "kms:EncryptionContext:stage": STAGE}
    other = {**sealed, "kms:EncryptionContext:stage": OTHER_STAGE}
    plain = {**TLS, "kms:CallerAccount": ACCOUNT}
    for role in estate.roles.values():
        name = estate.names[role.name]
        for action in ("kms:Decrypt", "kms:Encrypt"):
            contexts: list[dict[str, str]] = [
                {},
                other,
                {**sealed, "kms:EncryptionContext:more": "x"},
                {**sealed, "kms:EncryptionContext:orderId": "everybody"},
                {"kms:EncryptionContext:stage": STAGE},
                {"kms:EncryptionContext:orderId": SOME_ORDER},
                {"kms:EncryptionContext:aws:dynamodb:tableName": f"ecom-{STAGE}-orders"},
                *({"kms:EncryptionContext:aws:sqs:arn": queue} for queue in estate.arns("sqs")),
                *([] if name == "OrderLambdaRole" else [sealed]),
            ]
            for context in contexts:
                request = Request(role, action, estate.key, {**plain, **context})
                yield Question(f"{name}: the key by hand", request, False)
    for action in ("kms:GenerateDataKey", "kms:ReEncryptFrom"):
        request = Request(ADMINISTRATOR, action, estate.key, {**plain, **sealed})
        yield Question("MyKmsKey: an administrator by hand", request, False)


STRANGERS = (
    other_accounts,
    wrong_sources,
    other_services_events,
    other_tables_and_queues,
    plain_http,
    other_stages,
    the_key_is_used_through_services_only,
    customers_are_opened_for_their_order_only,
)
