"""The functions of a template, and an event of each kind that the template sends to them.

Facts are the examples in the schemas of their publishers, requests those in the package's openapi.yaml.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ecom_cli.errors import EcomError
from ecom_cli.templates import Template, parse_template
from ecom_cli.workspace import Member, Workspace

QUEUE, REQUEST, SCHEDULE = "queue", "request", "schedule"

ACCOUNT, REGION = "123456789012", "eu-central-1"
ORDER_ID = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9"
ENVIRONMENT = {
    "AWS_REGION": REGION,
    "AWS_DEFAULT_REGION": REGION,
    "AWS_ACCESS_KEY_ID": "nobody",
    "AWS_SECRET_ACCESS_KEY": ACCOUNT,  # whatever: it opens nothing
    "AWS_LAMBDA_FUNCTION_NAME": "function",
}
"""What Lambda adds to a function's own variables, as far as the functions look at it."""


@dataclass(frozen=True)
class Event:
    """One invocation: its kind, what to call it in a message, and what the handler gets."""

    kind: str
    title: str
    body: Mapping[str, Any]


@dataclass(frozen=True)
class Function:
    """A function of a template, with its variables as they are on a stage that was given no parameters."""

    name: str
    handler: str
    environment: Mapping[str, str]
    events: tuple[Event, ...]


def functions(repo: Workspace, member: Member) -> list[Function]:
    """The functions of a package's template. Raises EcomError for one that nothing is sent to."""
    template = _template(member)
    found = []
    for name, resource in template.resources.items():
        if resource["Type"] == "AWS::Lambda::Function":
            properties = resource["Properties"]
            events = (
                *_batches(repo, template, name),
                *_schedules(template, name),
                *_requests(member, template, name),
            )
            if not events:
                raise EcomError(f"{member.dist}: no event of {name} is known, so it cannot be tried out.")
            found.append(
                Function(name, properties["Handler"], _environment(template, properties), tuple(events))
            )
    return found


def _environment(template: Template, properties: Mapping[str, Any]) -> dict[str, str]:
    variables = properties.get("Environment", {}).get("Variables", {})
    return ENVIRONMENT | {name: _value(template, name, value) for name, value in variables.items()}


def _value(template: Template, name: str, value: Any) -> str:
    """A variable: a parameter's default, or something of the shape that its name promises."""
    if isinstance(value, str):
        return value
    default = template.parameters.get(value.get("Ref", "")) if isinstance(value, dict) else None
    if default is not None:
        return default
    if name.endswith("_URL"):
        return f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/queue"
    return f"arn:aws:kms:{REGION}:{ACCOUNT}:key/key" if name.endswith("_ARN") else "name"


# --------------------------------------------------------------------------------------------- from queues


def _batches(repo: Workspace, template: Template, function: str) -> Iterator[Event]:
    """For each queue that is mapped to the function, one batch with all the facts that get there."""
    for mapping in _of(template, "Lambda::EventSourceMapping"):
        if _name(mapping["FunctionName"]) == function:
            queue = _name(mapping["EventSourceArn"])
            facts = list(_facts(repo, template, queue))
            if not facts:
                raise EcomError(f"No rule of this template sends anything to {queue}.")
            records = [_record(number, fact) for number, fact in enumerate(facts)]
            yield Event(QUEUE, f"a batch from {queue}", {"Records": records})


def _facts(repo: Workspace, template: Template, queue: str) -> Iterator[dict[str, Any]]:
    """What the rules send to a queue, and what the queues send there whose dead letters it takes."""
    for rule in _of(template, "Events::Rule"):
        if queue in {_name(target["Arn"]) for target in rule.get("Targets", ())}:
            pattern = rule["EventPattern"]
            for detail_type in pattern["detail-type"]:
                for detail in _examples(repo, detail_type):
                    if _matches(pattern.get("detail", {}), detail):
                        yield {"source": pattern["source"][0], "detail-type": detail_type, "detail": detail}
    for name, resource in template.resources.items():
        redrive = resource.get("Properties", {}).get("RedrivePolicy", {})
        if resource["Type"] == "AWS::SQS::Queue" and _name(redrive.get("deadLetterTargetArn")) == queue:
            yield from _facts(repo, template, name)


def _examples(repo: Workspace, detail_type: str) -> Iterator[dict[str, Any]]:
    """The examples in the schemas of a fact, of an order that was placed now: older ones may be too old."""
    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    for member in repo.members:
        for path in sorted((member.folder / "events").glob(f"{detail_type}.v*.json")):
            for example in json.loads(path.read_text(encoding="utf-8")).get("examples", ()):
                yield {**example, "data": {**example["data"], "placedAt": now}}


def _matches(pattern: Mapping[str, Any], fact: Mapping[str, Any]) -> bool:
    """Whether a fact has one of the values that a pattern lists; other conditions are taken to be met."""
    for name, wanted in pattern.items():
        if isinstance(wanted, Mapping):
            if not _matches(wanted, fact.get(name, {})):
                return False
        elif not any(isinstance(value, dict) for value in wanted) and fact.get(name) not in wanted:
            return False
    return True


def _record(number: int, fact: Mapping[str, Any]) -> dict[str, Any]:
    envelope = {
        "version": "0",
        "id": f"delivery-{number}",
        "account": ACCOUNT,
        "region": REGION,
        "resources": [],
    }
    return {
        "messageId": f"message-{number}",
        "receiptHandle": f"receipt-{number}",
        "body": json.dumps({**envelope, "time": "2026-01-01T00:00:00Z", **fact}),
        "attributes": {"ApproximateReceiveCount": "1", "SentTimestamp": "1767225600000"},
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:queue",
        "awsRegion": REGION,
    }


# ------------------------------------------------------------------------------- from schedules and the API


def _schedules(template: Template, function: str) -> Iterator[Event]:
    for schedule in _of(template, "Scheduler::Schedule"):
        if _name(schedule["Target"]["Arn"]) == function:
            yield Event(SCHEDULE, "the schedule's event", json.loads(schedule["Target"]["Input"]))


def _requests(member: Member, template: Template, function: str) -> Iterator[Event]:
    """Each operation of the API, with each body that its description shows."""
    invoked = {_name(p["FunctionName"]): p["Principal"] for p in _of(template, "Lambda::Permission")}
    if invoked.get(function) != "apigateway.amazonaws.com":
        return
    import yaml

    api = yaml.safe_load((member.folder / "openapi.yaml").read_text(encoding="utf-8"))
    for path, operations in api["paths"].items():
        for method, operation in operations.items():
            if method in ("get", "post", "put", "patch", "delete"):
                content = operation.get("requestBody", {}).get("content", {}).get("application/json", {})
                bodies = [each["value"] for each in content.get("examples", {}).values()] or [None]
                for body in bodies:
                    yield Event(REQUEST, f"{method.upper()} {path}", _request(method.upper(), path, body))


def _request(method: str, path: str, body: Any) -> dict[str, Any]:
    """As API Gateway's proxy integration hands it over."""
    return {
        "httpMethod": method,
        "resource": path,
        "path": path.replace("{orderId}", ORDER_ID),
        "pathParameters": {"orderId": ORDER_ID} if "{orderId}" in path else None,
        "headers": {"Content-Type": "application/json"},
        "queryStringParameters": None,
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {
            "requestId": "request",
            "path": path,
            "identity": {"userArn": f"arn:aws:iam::{ACCOUNT}:user/somebody"},
        },
    }


# ------------------------------------------------------------------------------------- reading a template


def _template(member: Member) -> Template:
    if member.template is None:
        raise EcomError(f"{member.dist} has no template.")
    return parse_template(member.template.read_text(encoding="utf-8"), str(member.template))


def _of(template: Template, kind: str) -> Iterator[Mapping[str, Any]]:
    """The properties of all resources of a type ("SQS::Queue")."""
    for resource in template.resources.values():
        if resource["Type"] == f"AWS::{kind}":
            yield resource.get("Properties", {})


def _name(value: Any) -> str:
    """The logical id that a Ref or GetAtt speaks of; empty for anything else."""
    if isinstance(value, dict):
        for function in ("Ref", "GetAtt", "Fn::GetAtt"):
            if function in value:
                found = value[function]
                return str(found if isinstance(found, str) else found[0]).partition(".")[0]
    return ""
