"""The house rule about how each metric is watched: an alarm on the wrong side of one never rings."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from .house import Findings, rule
from .template import RUNBOOK, Json, Template, sub

LONGEST = 600
"""Seconds that something may go wrong before it rings."""


@dataclass(frozen=True)
class Shape:
    """How a metric must be watched. `most`: the highest threshold; `pages`: runbooks that speak of it."""

    namespace: str
    dimensions: tuple[str, ...]
    statistic: str
    most: int
    pages: tuple[str, ...]


def _of_function(statistic: str, most: int, page: str) -> Shape:
    return Shape("AWS/Lambda", ("FunctionName",), statistic, most, (page,))


def _of_queue(most: int, *pages: str) -> Shape:
    return Shape("AWS/SQS", ("QueueName",), "Maximum", most, pages)


def _of_rule(page: str) -> Shape:
    return Shape("AWS/Events", ("EventBusName", "RuleName"), "Sum", 1, (page,))


def _of_api(statistic: str, most: int, page: str) -> Shape:
    return Shape("AWS/ApiGateway", ("ApiName", "Stage"), statistic, most, (page,))


def _own(page: str, statistic: str = "Sum") -> Shape:
    return Shape("ecom-${Stage}", ("service",), statistic, 1, (page,))


# What AWS's metrics mean, and in which dimensions they come: "Monitoring" in each service's developer guide.
SHAPES = {
    "Errors": _of_function("Sum", 1, "function-errors"),
    "Throttles": _of_function("Sum", 1, "function-throttles"),
    "Duration": _of_function("Maximum", 30_000, "function-duration"),
    "ApproximateAgeOfOldestMessage": _of_queue(900, "queue-age"),
    "ApproximateNumberOfMessagesVisible": _of_queue(
        1, "bus-undelivered", "dead-letters", "shipping-dlq", "shipping-parking", "undelivered"
    ),
    "FailedInvocations": _of_rule("rule-failures"),
    "InvocationsFailedToBeSentToDlq": _of_rule("rule-loss"),
    "NumberOfNotificationsFailed": Shape("AWS/SNS", ("TopicName",), "Sum", 1, ("ops-alerts",)),
    "5XXError": _of_api("Sum", 1, "api-errors"),
    "Latency": _of_api("p95", 3_000, "api-latency"),
    "FailedRequests": _own("failed-requests"),
    "OperatorErrors": _own("operator-errors"),
    "OrdersOpenTooLong": _own("orders-open-too-long", "Maximum"),
    "ParcelsNotStopped": _own("parcels-not-stopped"),
    "SweepsCutShort": _own("sweeps-cut-short"),
}


@rule
def alarms_watch_it_rightly(template: Template) -> Findings:
    """Another namespace, statistic, unit or dimension is another metric, which nobody sends."""
    for logical_id, alarm in template.of("CloudWatch::Alarm").items():
        metric = str(alarm.get("MetricName"))
        if metric not in SHAPES:
            yield logical_id, f"nothing here knows how to watch {metric}"
        else:
            yield from ((logical_id, message) for message in _misfits(metric, alarm, SHAPES[metric]))
        if "Condition" in template.resources[logical_id]:
            yield logical_id, "an alarm must be there on every stage (no Condition)"


def _misfits(metric: str, alarm: dict[str, Json], shape: Shape) -> Iterator[str]:
    namespace = sub(alarm.get("Namespace"))
    if namespace != shape.namespace:
        yield f"{metric} is in the namespace {shape.namespace}, not in {namespace}"
    dimensions = tuple(sorted(str(each["Name"]) for each in alarm.get("Dimensions", [])))
    if dimensions != shape.dimensions:
        yield f"{metric} comes by {' and '.join(shape.dimensions)}, not by {' and '.join(dimensions)}"
    statistic = alarm.get("Statistic") or alarm.get("ExtendedStatistic")
    if statistic != shape.statistic:
        yield f"{metric} must be watched by {shape.statistic}, not by {statistic}"
    if alarm.get("Threshold", 0) > shape.most:
        yield f"must ring at {shape.most} of {metric} at the latest"
    if alarm.get("Period", 0) * alarm.get("EvaluationPeriods", 0) > LONGEST:
        yield f"must ring within {LONGEST} s (Period x EvaluationPeriods)"
    for name in sorted({"Metrics", "Unit"} & alarm.keys()):
        yield f"has {name}: it would look at something else than {metric}"
    found = RUNBOOK.search(str(alarm.get("AlarmDescription")))
    page = found[1].removeprefix("docs/runbooks/").removesuffix(".md") if found else ""
    if page not in shape.pages:
        yield f"the runbook for {metric} is {' or '.join(shape.pages)}, not {page}"
