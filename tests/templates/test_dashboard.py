"""The dashboard of a stage: in step with the templates, complete, and such that CloudWatch takes it."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from itertools import combinations
from typing import Any

import pytest

from ecom_cli import dashboard
from ecom_cli.workspace import workspace

from .template import FILES, Template, sub

# https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
# and CloudWatch's quotas: widgets of a dashboard; metrics of a widget, of a dashboard; alarms of a widget.
WIDGETS, METRICS_OF_A_WIDGET, METRICS, ALARMS = 500, 500, 2500, 100

SHOWN = {
    "Lambda::Function": ("AWS/Lambda", "FunctionName"),
    "SQS::Queue": ("AWS/SQS", "QueueName"),
    "Events::Rule": ("AWS/Events", "RuleName"),
    "DynamoDB::Table": ("AWS/DynamoDB", "TableName"),
    "SNS::Topic": ("AWS/SNS", "TopicName"),
    "ApiGateway::RestApi": ("AWS/ApiGateway", "ApiName"),
    "Scheduler::ScheduleGroup": ("AWS/Scheduler", "ScheduleGroup"),
}
"""What has metrics: type, namespace, and the dimension that holds the name."""

Widget = dict[str, Any]


def body(template: Template, stage: str = "prod-eu") -> dict[str, Any]:
    """The body as CloudFormation hands it to CloudWatch."""
    text = sub(template.resources["StageDashboard"]["Properties"]["DashboardBody"])
    values = {
        "Stage": stage,
        "AWS::Region": "eu-central-1",
        "AWS::Partition": "aws",
        "AWS::AccountId": "1" * 12,
    }
    filled: dict[str, Any] = json.loads(re.sub(r"\$\{([^}]+)\}", lambda found: values[found[1]], text))
    return filled


def metrics(widget: Widget) -> Iterator[list[Any]]:
    """A chart's metrics, each dot replaced by what it stands for."""
    before: list[Any] = []
    for metric in widget["properties"].get("metrics", []):
        before = [before[place] if part == "." else part for place, part in enumerate(metric)]
        yield before


def shown(drawn: dict[str, Any]) -> set[tuple[str, str, str]]:
    """Namespace, dimension and name of everything that some chart shows."""
    return {
        (metric[0], *pair)
        for widget in drawn["widgets"]
        for metric in metrics(widget)
        if isinstance(metric[0], str)
        for pair in zip(metric[2::2], metric[3::2], strict=False)
        if isinstance(pair[0], str)
    }


def there(templates: dict[str, Template], stage: str = "prod-eu") -> set[tuple[str, str, str]]:
    """The same for everything that the templates make and that has metrics."""
    return {
        (*SHOWN[kind], template.physical_name(logical_id).replace("${Stage}", stage))
        for template in templates.values()
        for kind in SHOWN
        for logical_id in template.of(kind)
    }


@pytest.fixture(scope="module")
def drawn(templates: dict[str, Template]) -> dict[str, Any]:
    return body(templates["stage-dashboard"])


def test_it_is_what_the_templates_call_for() -> None:
    repo = workspace()
    assert dashboard.path(repo).read_text(encoding="utf-8") == dashboard.template(repo), (
        "packages/stage-dashboard/dashboard.yaml is out of step: `./ecom dashboard` writes it"
    )


def test_it_shows_all_that_has_metrics_and_nothing_else(
    templates: dict[str, Template], drawn: dict[str, Any]
) -> None:
    names = {dimension for _, dimension in SHOWN.values()}
    assert {entry for entry in shown(drawn) if entry[1] in names} == there(templates)
    assert {entry for entry in shown(drawn) if entry[1] not in names} == {
        ("AWS/Events", "EventBusName", "ecom-prod-eu-bus"),
        ("AWS/ApiGateway", "Stage", "prod-eu"),
    }


def test_it_shows_every_alarm_once(templates: dict[str, Template], drawn: dict[str, Any]) -> None:
    arns = [arn for w in drawn["widgets"] if w["type"] == "alarm" for arn in w["properties"]["alarms"]]
    names = {
        template.physical_name(logical_id).replace("${Stage}", "prod-eu")
        for template in templates.values()
        for logical_id in template.of("CloudWatch::Alarm")
    }
    assert sorted(arns) == sorted(
        f"arn:aws:cloudwatch:eu-central-1:{'1' * 12}:alarm:{name}" for name in names
    )


def test_it_searches_what_each_service_counts(templates: dict[str, Template], drawn: dict[str, Any]) -> None:
    services = {
        function["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]
        for template in templates.values()
        for function in template.of("Lambda::Function").values()
    }
    searches = [
        metric[0]["expression"]
        for widget in drawn["widgets"]
        for metric in metrics(widget)
        if isinstance(metric[0], dict)
    ]
    assert sorted(searches) == [
        f"SEARCH('{{\"ecom-prod-eu\",service}} service=\"{service}\"', 'Sum', 60)"
        for service in sorted(services)
    ]


def test_a_resource_that_is_not_drawn_is_noticed(
    templates: dict[str, Template], drawn: dict[str, Any]
) -> None:
    grown = {**templates, "payment-service": templates["payment-service"].copy()}
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Fn::Sub": "ecom-${Stage}-new"}}}
    grown["payment-service"].resources["NewQueue"] = queue
    assert there(grown) - shown(drawn) == {("AWS/SQS", "QueueName", "ecom-prod-eu-new")}


def test_a_new_resource_changes_the_drawing() -> None:
    queue = {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": {"Sub": "ecom-${Stage}-new"}}}
    before, after = (
        dashboard.draw([dashboard.Stack("a", {})]),
        dashboard.draw([dashboard.Stack("a", {"Q": queue})]),
    )
    assert before != after
    assert "ecom-${Stage}-new" in json.dumps(after)


def test_it_is_within_the_limits(drawn: dict[str, Any]) -> None:
    widgets = drawn["widgets"]
    counts = [len(list(metrics(widget))) for widget in widgets]
    assert len(widgets) <= WIDGETS
    assert max(counts) <= METRICS_OF_A_WIDGET
    assert sum(counts) <= METRICS
    for widget in widgets:
        if widget["type"] == "alarm":
            assert 1 <= len(widget["properties"]["alarms"]) <= ALARMS


def test_widgets_are_as_cloudwatch_wants_them(drawn: dict[str, Any]) -> None:
    assert drawn.keys() == {"start", "periodOverride", "widgets"}
    assert drawn["periodOverride"] in {"auto", "inherit"}
    for widget in drawn["widgets"]:
        properties = widget["properties"]
        if widget["type"] == "text":
            assert properties.keys() == {"markdown"}
        elif widget["type"] == "alarm":
            assert properties.keys() == {"title", "sortBy", "alarms"}
            assert properties["sortBy"] in {"default", "stateUpdatedTimestamp", "timestamp"}
        else:
            assert widget["type"] == "metric"
            assert properties.keys() - {"annotations"} == {"title", "region", "period", "stat", "metrics"}
            for metric in metrics(widget):
                options = metric[-1] if isinstance(metric[-1], dict) else {}
                assert options.keys() <= {"stat", "expression", "id"}
                assert "expression" in options or len(metric) - bool(options) in {4, 6}
            for line in properties.get("annotations", {}).get("horizontal", []):
                assert line.keys() == {"label", "value"}


def test_widgets_lie_in_the_grid_beside_each_other(drawn: dict[str, Any]) -> None:
    places = [(w["x"], w["y"], w["x"] + w["width"], w["y"] + w["height"]) for w in drawn["widgets"]]
    assert all(left >= 0 and right <= 24 for left, _, right, _ in places)
    overlapping = [
        (one, other)
        for one, other in combinations(places, 2)
        if one[0] < other[2] and other[0] < one[2] and one[1] < other[3] and other[1] < one[3]
    ]
    assert overlapping == []


def test_it_depends_on_no_other_stack() -> None:
    """By names alone: it can be deployed first, last or not at all."""
    assert "ImportValue" not in FILES["stage-dashboard"].read_text(encoding="utf-8")
