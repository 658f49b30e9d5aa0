"""`ecom dashboard`: draws the dashboard of a stage from the templates, into a template of its own.

The structure of a dashboard's body: https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/
CloudWatch-Dashboard-Body-Structure.html
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from textwrap import indent
from typing import Any

from ecom_cli.errors import EcomError
from ecom_cli.templates import parse_template
from ecom_cli.workspace import Workspace

DIST = "stage-dashboard"
COLUMNS = 24
CHART = (8, 6)  # width and height of a chart in the grid's units
ALARMS_IN_A_ROW = 6

_BODY = re.compile(r"^( {6}DashboardBody: !Sub \|\n)(?: {8}.*\n)*", re.MULTILINE)

Json = Any
Metric = list[Json]


@dataclass(frozen=True)
class Stack:
    """One stack's resources by logical id, as its template has them."""

    name: str
    resources: Mapping[str, Mapping[str, Json]]

    def of(self, kind: str) -> dict[str, dict[str, Json]]:
        """The properties of all resources of a type ("SQS::Queue")."""
        return {
            logical_id: dict(resource.get("Properties", {}))
            for logical_id, resource in self.resources.items()
            if resource["Type"] == f"AWS::{kind}"
        }


def template(repo: Workspace) -> str:
    """The dashboard's template with the body that the templates of all the other stacks call for.

    Raises EcomError where the file has no place for the body.
    """
    stacks = [
        Stack(member.dist, parse_template(member.template.read_text(encoding="utf-8"), member.dist).resources)
        for member in repo.stacks
        if member.template and member.dist != DIST
    ]
    widgets = ",\n".join(json.dumps(widget, ensure_ascii=False) for widget in draw(stacks))
    body = indent(f'{{"start": "-PT3H", "periodOverride": "inherit", "widgets": [\n{widgets}\n]}}\n', " " * 8)
    file = path(repo)
    text, places = _BODY.subn(lambda found: found[1] + body, file.read_text(encoding="utf-8"))
    if places != 1:
        raise EcomError(f"{file} has {places} places for the dashboard's body.", "It should have one.")
    return text


def path(repo: Workspace) -> Path:
    """Where the template lies. Raises EcomError where the workspace has no such package."""
    found = repo.member(DIST).template
    if found is None:
        raise EcomError(f"{DIST} has no template.", "See [tool.ecom] in its pyproject.toml.")
    return found


def update(repo: Workspace) -> Path | None:
    """Write the template anew; None where it was up to date."""
    file, text = path(repo), template(repo)
    if file.read_text(encoding="utf-8") == text:
        return None
    file.write_text(text, encoding="utf-8")
    return file


def draw(stacks: list[Stack]) -> list[dict[str, Json]]:
    """The widgets, stack by stack, each with its place in the grid. Names hold placeholders for Fn::Sub."""
    bus = next((_text(p["Name"]) for stack in stacks for p in stack.of("Events::EventBus").values()), "")
    widgets: list[dict[str, Json]] = []
    y = 0
    for stack in stacks:
        title = {"markdown": f"## {stack.name}"}
        widgets.append(_widget("text", 0, y, (COLUMNS, 1), title))
        y += 1
        if arns := [_alarm_arn(alarm) for alarm in stack.of("CloudWatch::Alarm").values()]:
            height = 1 + math.ceil(len(arns) / ALARMS_IN_A_ROW)
            alarms = {"title": "Alarms", "sortBy": "stateUpdatedTimestamp", "alarms": arns}
            widgets.append(_widget("alarm", 0, y, (COLUMNS, height), alarms))
            y += height
        charts = list(_charts(stack, bus))
        for number, chart in enumerate(charts):
            row, column = divmod(number, COLUMNS // CHART[0])
            widgets.append(_widget("metric", column * CHART[0], y + row * CHART[1], CHART, chart))
        y += math.ceil(len(charts) / (COLUMNS // CHART[0])) * CHART[1]
    return widgets


def _charts(stack: Stack, bus: str) -> Iterator[dict[str, Json]]:
    functions, queues = stack.of("Lambda::Function"), stack.of("SQS::Queue")
    for service in dict.fromkeys(
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"] for function in functions.values()
    ):
        # Found when it is looked at, whatever the code counts: no list of metrics to keep up.
        found = f"SEARCH('{{\"ecom-${{Stage}}\",service}} service=\"{service}\"', 'Sum', 60)"
        yield _chart(f"What {service} counts", [[{"expression": found, "id": "own"}]], "Sum")
    for api in stack.of("ApiGateway::RestApi").values():
        on = ["ApiName", _text(api["Name"]), "Stage", "${Stage}"]
        counts = [["AWS/ApiGateway", name, *on] for name in ("Count", "4XXError", "5XXError")]
        yield _chart("Requests", counts, "Sum")
        times = [["AWS/ApiGateway", "Latency", *on, {"stat": stat}] for stat in ("p50", "p95", "p99")]
        yield _chart("Latency (ms)", times, "p95", lines=_thresholds(stack, "Latency"))
    if functions:
        on_functions = [["FunctionName", _text(function["FunctionName"])] for function in functions.values()]
        counts = _each("AWS/Lambda", ("Invocations", "Errors", "Throttles"), on_functions)
        yield _chart("Invocations, errors, throttles", counts, "Sum")
        slowest = _each("AWS/Lambda", ("Duration",), on_functions)
        yield _chart("Longest duration (ms)", slowest, "Maximum", lines=_thresholds(stack, "Duration"))
        at_once = _each("AWS/Lambda", ("ConcurrentExecutions",), on_functions)
        yield _chart("Invocations at once", at_once, "Maximum")
    worked_on = {_refers_to(m["EventSourceArn"]) for m in stack.of("Lambda::EventSourceMapping").values()}
    work = [["QueueName", _text(queue["QueueName"])] for name, queue in queues.items() if name in worked_on]
    rest = [
        ["QueueName", _text(queue["QueueName"])] for name, queue in queues.items() if name not in worked_on
    ]
    visible = "ApproximateNumberOfMessagesVisible"
    if work:
        age = "ApproximateAgeOfOldestMessage"
        oldest = _each("AWS/SQS", (age,), work)
        yield _chart("Oldest message (s)", oldest, "Maximum", lines=_thresholds(stack, age))
        yield _chart("Messages waiting", _each("AWS/SQS", (visible,), work), "Maximum")
    if rest:
        yield _chart("Messages that failed", _each("AWS/SQS", (visible,), rest), "Maximum")
    if rules := [
        ["EventBusName", bus, "RuleName", _text(rule["Name"])] for rule in stack.of("Events::Rule").values()
    ]:
        yield _chart("Facts by rule", _each("AWS/Events", ("Invocations",), rules), "Sum")
        failures = ("FailedInvocations", "InvocationsSentToDlq", "InvocationsFailedToBeSentToDlq")
        yield _chart("Facts not delivered", _each("AWS/Events", failures, rules), "Sum")
    if tables := [["TableName", _text(table["TableName"])] for table in stack.of("DynamoDB::Table").values()]:
        units = ("ConsumedReadCapacityUnits", "ConsumedWriteCapacityUnits")
        yield _chart("Table: units", _each("AWS/DynamoDB", units, tables), "Sum")
        refused = ("ReadThrottleEvents", "WriteThrottleEvents", "TransactionConflict")
        yield _chart("Table: refused", _each("AWS/DynamoDB", refused, tables), "Sum")
    if topics := [["TopicName", _text(topic["TopicName"])] for topic in stack.of("SNS::Topic").values()]:
        mails = ("NumberOfMessagesPublished", "NumberOfNotificationsFailed")
        yield _chart("Mails", _each("AWS/SNS", mails, topics), "Sum")
    if groups := [
        ["ScheduleGroup", _text(group["Name"])] for group in stack.of("Scheduler::ScheduleGroup").values()
    ]:
        started = ("InvocationAttemptCount", "TargetErrorCount", "InvocationDroppedCount")
        yield _chart("Schedule", _each("AWS/Scheduler", started, groups), "Sum")


def _each(namespace: str, names: tuple[str, ...], dimensions: list[list[str]]) -> list[Metric]:
    return [[namespace, name, *on] for name in names for on in dimensions]


def _chart(title: str, metrics: list[Metric], stat: str, lines: list[int] | None = None) -> dict[str, Json]:
    properties: dict[str, Json] = {
        "title": title,
        "region": "${AWS::Region}",
        "period": 60,
        "stat": stat,
        "metrics": _shortened(metrics),
    }
    if lines:
        alarms = [{"label": "alarm", "value": value} for value in lines]
        properties["annotations"] = {"horizontal": alarms}
    return properties


def _shortened(metrics: list[Metric]) -> list[Metric]:
    """A dot stands for what the metric before has in the same place."""
    short: list[Metric] = []
    for before, metric in zip([[], *metrics], metrics, strict=False):
        repeats = len(before) == len(metric)
        short.append(
            [
                "." if repeats and isinstance(part, str) and before[place] == part else part
                for place, part in enumerate(metric)
            ]
        )
    return short


def _thresholds(stack: Stack, metric: str) -> list[int]:
    """Where the alarms on a metric ring: lines in its chart."""
    alarms = stack.of("CloudWatch::Alarm").values()
    return sorted({alarm["Threshold"] for alarm in alarms if alarm.get("MetricName") == metric})


def _alarm_arn(alarm: dict[str, Json]) -> str:
    place = "arn:${AWS::Partition}:cloudwatch:${AWS::Region}:${AWS::AccountId}"
    return f"{place}:alarm:{_text(alarm['AlarmName'])}"


def _widget(kind: str, x: int, y: int, size: tuple[int, int], properties: dict[str, Json]) -> dict[str, Json]:
    return {"type": kind, "x": x, "y": y, "width": size[0], "height": size[1], "properties": properties}


def _text(value: Json) -> str:
    """A name with its placeholders. Raises EcomError for one that the template leaves to CloudFormation."""
    if isinstance(value, dict):
        value = value.get("Sub", value.get("Fn::Sub"))
    if not isinstance(value, str):
        raise EcomError("A resource without a name of its own cannot be drawn.", "Give it one, with !Sub.")
    return value


def _refers_to(value: Json) -> str:
    """The logical id that a !GetAtt or !Ref speaks of."""
    found = value.get("GetAtt", value.get("Fn::GetAtt", value.get("Ref", "")))
    return str(found[0] if isinstance(found, list) else found).split(".")[0]
