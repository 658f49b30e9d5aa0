"""Each function's role against what the function uses: nothing missing, nothing unused.

Used is what the end-to-end tests have recorded (recorded-calls.json), and what AWS does with the role beside
the handler's own calls: the short lists below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from itertools import product
from pathlib import Path
from typing import Any

from iam.calls import Place, Use, at, load
from iam.estate import ACCOUNT, REGION, STAGE, Estate, Finding, FunctionIdentity
from iam.policies import Caller, Request, some
from iam.questions import SOME_ORDER, TLS, WAYS, opened_variables, via

RECORDED = Path(__file__).with_name("recorded-calls.json")

MAPPING = ("sqs:ReceiveMessage", "sqs:DeleteMessage", "sqs:GetQueueAttributes")
"""Lambda polls with the function's role. Lambda developer guide, "Configuring an Amazon SQS queue to use with
Lambda": execution role permissions."""

LOGS = ("logs:CreateLogStream", "logs:PutLogEvents")
"""Lambda writes what the function prints. Lambda developer guide, "Sending Lambda function logs to CloudWatch
Logs". Not logs:CreateLogGroup: the stack makes the group, with the key."""

TRACES = ("xray:PutTraceSegments", "xray:PutTelemetryRecords")
"""Active tracing. Lambda developer guide, "Visualize Lambda function invocations using AWS X-Ray"."""

VARIABLES = ("kms:Decrypt",)
"""Lambda opens the function's environment. Lambda developer guide, "Securing Lambda environment variables":
with a grant that Lambda makes with the deployer's permissions. A grant is for one role and not for its name,
so the role has the permission as well, for its own function (aws/serverless-application-model, #1989)."""

KEY: Mapping[str, Mapping[str, tuple[str, ...]]] = {
    "dynamodb": {"*": ("kms:Decrypt",)},
    "sqs": {
        "sqs:ReceiveMessage": ("kms:Decrypt",),
        "sqs:SendMessage": ("kms:GenerateDataKey", "kms:Decrypt"),
    },
}
"""The key behind a table or queue, with the caller's rights.

DynamoDB developer guide, "DynamoDB encryption at rest usage notes", "Monitoring DynamoDB interaction with AWS
KMS": whoever accesses a table is the user of Decrypt (of the table's key, after five minutes without it);
GenerateDataKey is DynamoDB's own, with a grant, when encryption begins. The longer list under "Key policy for
a customer managed key" is for the principal who selects the key: the deployer.
SQS developer guide, "Key management": a producer makes data keys and opens them, a consumer opens them."""


def variables_of(function: FunctionIdentity) -> dict[str, str]:
    """What says in a request for the key that it is about this function's variables."""
    names = ("kms:ViaService", "kms:EncryptionContext:aws:lambda:FunctionArn")
    return {name: value for name, value in opened_variables(function).items() if name in names}


def recorded() -> dict[str, set[Use]]:
    """What is checked in, by the function's name, as it is in the templates' stage but for the key."""
    return load(RECORDED.read_text(encoding="utf-8"))


def used(estate: Estate, function: FunctionIdentity, calls: Mapping[str, set[Use]]) -> set[Use]:
    """Everything the function's role is used for. The way to the key is in the context (kms:ViaService)."""
    place = Place(STAGE, ACCOUNT, REGION, estate.key)
    name = function.name.replace(f"ecom-{STAGE}-", "ecom-{stage}-")
    found = {at(use, place) for use in calls.get(name, ())}
    found |= {Use(action, queue) for queue in function.queues for action in MAPPING}
    found |= {Use(action, function.log_group) for action in LOGS}
    found |= {Use(action, "*") for action in TRACES}
    found |= {Use(action, estate.key, tuple(variables_of(function).items())) for action in VARIABLES}
    return found | set(_behind(estate, found))


def _behind(estate: Estate, uses: set[Use]) -> Iterator[Use]:
    for use in uses:
        service = use.resource.split(":")[2] if ":" in use.resource else ""
        sealed = estate.keys.get(use.resource.partition("/index/")[0])
        needs = KEY.get(service, {})
        if sealed:
            for action in needs.get("*", needs.get(use.action, ())):
                yield Use(action, sealed, (("kms:ViaService", via(service)["kms:ViaService"]),))


def allowed(role: Caller) -> set[Use]:
    """What a role allows, as written: by action, resource and, where it names one, service on the way."""
    found = set()
    for document in role.policies or ():
        for statement in some(document["Statement"]):
            if statement["Effect"] != "Allow":
                continue
            condition = statement.get("Condition", {})
            ways = [
                way
                for comparison in condition.values()
                for key, values in comparison.items()
                if key.lower() == "kms:viaservice"
                for way in some(values)
            ]
            for action in some(statement["Action"]):
                for resource in some(statement["Resource"]):
                    found |= {
                        Use(action, resource, (("kms:ViaService", way),) if way else ())
                        for way in ways or [""]
                    }
    return found


def out_of_step(estate: Estate, calls: Mapping[str, set[Use]]) -> Iterator[Finding]:
    """What is missing and what is not used, with the role, the action and the resource."""
    names = {
        function.name.replace(f"ecom-{STAGE}-", "ecom-{stage}-") for function in estate.functions.values()
    }
    for name in calls.keys() - names:
        yield Finding(name, "used_is_allowed", f"{name} has made calls and is no function of the templates")
    for function in estate.functions.values():
        role = estate.names[function.role.name]
        uses = used(estate, function, calls)
        for use in sorted(uses):
            request = Request(function.role, use.action, _concrete(use.resource), {**TLS, **_said(use)})
            if not estate.asks(request).allowed:
                message = f"{role}: missing {_show(estate, use)}"
                yield Finding(role, "used_is_allowed", message)
        plain = {Use(use.action, use.resource, _way(use.context)) for use in uses}
        yield from _unused(estate, function.role, plain)
    of_functions = {function.role.name for function in estate.functions.values()}
    asked = [question.request for way in WAYS for question in way(estate) if question.allowed]
    for other in (each for each in estate.roles.values() if each.name not in of_functions):
        # Nothing of ours runs with these: what they are for is a way of the picture.
        needed = {
            Use(request.action, request.resource, _way(request.context.items()))
            for request in asked
            if request.caller == other
        }
        yield from _unused(estate, other, needed)


def _unused(estate: Estate, role: Caller, needed: set[Use]) -> Iterator[Finding]:
    name = estate.names[role.name]
    for permission in sorted(allowed(role) - needed):
        yield Finding(name, "allowed_is_used", f"{name}: unused {_show(estate, permission)}")


def granted_for_nothing(estate: Estate) -> Iterator[Finding]:
    """What policies of resources grant to AWS services and no way of the picture needs."""
    asked = [question.request for way in WAYS for question in way(estate) if question.allowed]
    for resource, policy in estate.policies.items():
        for statement in policy["Statement"]:
            services = (
                some(statement["Principal"].get("Service", [])) if statement["Principal"] != "*" else []
            )
            for service, action in product(services, some(statement["Action"])):
                one = {**statement, "Action": action, "Principal": {"Service": service}}
                if statement["Effect"] == "Allow" and not any(
                    (request.caller.name, request.resource) == (service, resource)
                    and estate.decides(one, request)
                    for request in asked
                ):
                    name = estate.names[resource]
                    message = f"{name}: grants {action} to {service} for nothing ({statement.get('Sid', '')})"
                    yield Finding(name, "granted_is_needed", message)


def _way(context: Iterable[tuple[str, Any]]) -> tuple[tuple[str, str], ...]:
    return tuple((key, value) for key, value in context if key == "kms:ViaService")


def _said(use: Use) -> dict[str, str]:
    """The condition keys that come with a call; any order will do for one that names an order."""
    said = dict(use.context)
    if use.action.startswith("kms:"):
        said["kms:CallerAccount"] = ACCOUNT
    for key, value in said.items():
        if key.startswith("kms:EncryptionContext:") and value == "{any}":
            said[key] = SOME_ORDER
    return said


def _concrete(resource: str) -> str:
    """One of the streams where a log group's ARN stands for all of them."""
    if resource == "*":
        return "any"
    return f"{resource.removesuffix('*')}log-stream:any" if resource.endswith(":*") else resource


def _show(estate: Estate, use: Use) -> str:
    table, _, index = use.resource.partition("/index/")
    name = estate.names.get(table, table) + (f"/{index}" if index else "")
    ways = "".join(f" through {value}" for key, value in use.context if key == "kms:ViaService")
    return f"{use.action} on {name}{ways}"
