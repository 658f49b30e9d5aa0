"""The plan of the simulated system is the one in the templates, and nothing in them is passed over."""

from __future__ import annotations

import shutil
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from ecom_cli.templates import parse_template
from simulation.cloudformation import templates
from simulation.tables import IndexSpec
from simulation.topology import Topology, UnresolvedError, read

ROOT = Path(__file__).parents[2]
TEMPLATES = {path.parent.name: path for path in templates(ROOT)}
RESOURCES = {
    name: parse_template(path.read_text(encoding="utf-8"), name).resources for name, path in TEMPLATES.items()
}


@pytest.fixture(scope="module")
def topology() -> Topology:
    return read(ROOT)


def written(kind: str) -> list[tuple[str, str, dict[str, Any]]]:
    """Stack, logical id and properties of all resources of a type, as they stand in the templates."""
    return [
        (stack, logical, resource.get("Properties", {}))
        for stack, resources in RESOURCES.items()
        for logical, resource in resources.items()
        if resource["Type"] == f"AWS::{kind}"
    ]


def key(stack: str, logical: str) -> str:
    return f"{stack}/{logical}" if logical == "UndeliveredQueue" else logical


def test_all_stacks_are_read() -> None:
    assert sorted(TEMPLATES) == [
        "base-infra",
        "inventory-service",
        "order-service",
        "payment-service",
        "shipping-service",
        "stage-dashboard",
    ]


def test_every_queue_is_there_as_the_template_has_it(topology: Topology) -> None:
    assert sorted(topology.queues) == sorted(
        key(stack, logical) for stack, logical, _ in written("SQS::Queue")
    )
    for stack, logical, properties in written("SQS::Queue"):
        queue = topology.queues[key(stack, logical)]
        assert queue.logical == key(stack, logical)
        assert queue.name == properties["QueueName"]["Sub"].replace("${Stage}", "sim")
        assert queue.arn.endswith(f":{queue.name}")
        assert queue.url.endswith(f"/{queue.name}")
        assert queue.visibility == properties.get("VisibilityTimeout", 30)
        assert queue.retention == properties["MessageRetentionPeriod"]
        redrive = properties.get("RedrivePolicy", {})
        assert queue.max_receives == redrive.get("maxReceiveCount")
        target = redrive["deadLetterTargetArn"]["GetAtt"] if redrive else None
        assert queue.dead_letter == (target and target.removesuffix(".Arn"))
        assert queue.key == ("KmsMasterKeyId" in properties)


def test_every_rule_and_target_is_there(topology: Topology) -> None:
    rules = {rule.name: rule for rule in topology.rules}
    assert len(rules) == len(topology.rules) == len(written("Events::Rule"))
    for stack, _, properties in written("Events::Rule"):
        rule = rules[properties["Name"]["Sub"].replace("${Stage}", "sim")]
        assert rule.pattern == properties["EventPattern"]
        assert [target.logical for target in rule.targets] == [
            target["Id"] for target in properties["Targets"]
        ]
        for target, body in zip(rule.targets, properties["Targets"], strict=True):
            assert target.rule == rule.name
            assert target.kind == ("topic" if "InputTransformer" in body else "queue")
            assert target.dead_letter == f"{stack}/UndeliveredQueue"
            if target.transform is not None:
                assert target.transform.paths == body["InputTransformer"]["InputPathsMap"]
                assert target.transform.template == body["InputTransformer"]["InputTemplate"]


def test_every_mapping_is_there_as_the_template_has_it(topology: Topology) -> None:
    mappings = {mapping.queue: mapping for mapping in topology.mappings}
    assert len(mappings) == len(topology.mappings) == len(written("Lambda::EventSourceMapping"))
    for _, _, properties in written("Lambda::EventSourceMapping"):
        mapping = mappings[properties["EventSourceArn"]["GetAtt"].removesuffix(".Arn")]
        assert mapping.function == properties["FunctionName"]["Ref"]
        assert mapping.batch_size == properties["BatchSize"]
        assert mapping.window_seconds == properties.get("MaximumBatchingWindowInSeconds", 0)
        assert mapping.max_concurrency == 10, "the default of MaxConcurrency"
        assert mapping.partial


def test_every_function_has_its_environment_in_plain_text(topology: Topology) -> None:
    assert sorted(topology.functions) == sorted(logical for _, logical, _ in written("Lambda::Function"))
    urls = {queue.url for queue in topology.queues.values()}
    tables = {table.name for table in topology.tables}
    for stack, logical, properties in written("Lambda::Function"):
        function = topology.functions[logical]
        assert function.handler == properties["Handler"]
        assert function.timeout == properties["Timeout"]
        assert sorted(function.environment) == sorted(properties["Environment"]["Variables"])
        for name, value in function.environment.items():
            assert isinstance(value, str)
            assert "${" not in value, name
        assert function.environment["TABLE_NAME"] in tables
        assert function.environment["PARKING_QUEUE_URL"] in urls
        assert function.environment["EVENT_BUS_NAME"] == topology.bus == "ecom-sim-bus"
        defaults = parse_template(TEMPLATES[stack].read_text(encoding="utf-8"), stack).parameters
        assert function.environment["RETRY_BASE_SECONDS"] == defaults["RetryBaseSeconds"]


def test_tables_have_their_key_indexes_and_expiry(topology: Topology) -> None:
    assert len(topology.tables) == len(written("DynamoDB::Table"))
    orders = next(table for table in topology.tables if table.name == "ecom-sim-orders")
    assert orders.key == "orderId"
    assert orders.indexes == {
        "open": IndexSpec("openShard", "sweepAt", "KEYS_ONLY"),
        "byOwner": IndexSpec("owner", "placedAt", "KEYS_ONLY"),
    }
    assert {table.ttl for table in topology.tables} == {"expiresAt"}
    inventory = next(table for table in topology.tables if table.name == "ecom-sim-inventory")
    assert (inventory.key, inventory.indexes) == ("pk", {})


def test_the_rest_of_the_plan(topology: Topology) -> None:
    assert Counter(topology.topics) == Counter(logical for _, logical, _ in written("SNS::Topic"))
    assert topology.sweep_interval == 60
    assert topology.sweep.function == "OrderLambda"
    assert topology.sweep.payload == '{"sweep": true}'
    assert topology.sweep.dead_letter == "order-service/UndeliveredQueue"
    ((_, _, archive),) = written("Events::Archive")
    assert topology.archive_days == archive["RetentionDays"]


# ------------------------------------------------------------------------------------- changed templates

Edit = Callable[[str, str, str], Path]


@pytest.fixture
def edited(tmp_path: Path) -> Edit:
    """A copy of the templates in which a text of one is another; the text must be there once."""

    def edit(stack: str, old: str, new: str) -> Path:
        for name, path in TEMPLATES.items():
            target = tmp_path / "packages" / name / path.name
            target.parent.mkdir(parents=True)
            shutil.copyfile(path, target)
            if name == stack:
                text = path.read_text(encoding="utf-8")
                assert text.count(old) == 1
                target.write_text(text.replace(old, new), encoding="utf-8")
        return tmp_path

    return edit


def test_a_change_under_another_root_is_seen(edited: Edit) -> None:
    root = edited("shipping-service", "maxReceiveCount: 3", "maxReceiveCount: 5")
    assert read(root).queues["ShippingQueue"].max_receives == 5


def test_a_rule_that_is_off_sends_nothing(edited: Edit) -> None:
    rule = "Name: !Sub 'ecom-${Stage}-order-stock-facts'\n      Description"
    root = edited("order-service", rule, rule.replace("\n", "\n      State: DISABLED\n", 1))
    assert "ecom-sim-order-stock-facts" not in [rule.name for rule in read(root).rules]


@pytest.mark.parametrize(
    ("stack", "old", "new", "complaint"),
    [
        (
            "shipping-service",
            "maxReceiveCount: 3",
            "maxReceiveCount: 3\n      DelaySeconds: 5",
            "DelaySeconds",
        ),
        ("payment-service", "BatchSize: 10", "BatchSize: 10\n      FilterCriteria: {}", "FilterCriteria"),
        ("order-service", "STAGE: !Ref Stage", "STAGE: !Ref Nobody", "Nobody"),
        ("order-service", "STAGE: !Ref Stage", "STAGE: !Ref CodeKey", "CodeKey"),
        ("order-service", "STAGE: !Ref Stage", "STAGE: !Base64 Stage", "Base64"),
        (
            "order-service",
            "TABLE_NAME: !Ref OrdersTable",
            "TABLE_NAME: !GetAtt OrdersTable.StreamArn",
            "StreamArn",
        ),
        ("base-infra", "Name: !Sub 'ecom-${Stage}-EventBusName'", "Name: another", "ecom-sim-EventBusName"),
        ("order-service", "rate(1 minute)", "cron(0 * * * ? *)", "cron"),
        ("inventory-service", "'10': {Invocations: 10}", "'11': {Invocations: 10}", "Concurrency.10"),
    ],
)
def test_what_it_does_not_understand_is_refused(
    edited: Edit, stack: str, old: str, new: str, complaint: str
) -> None:
    with pytest.raises(UnresolvedError, match=complaint.replace(".", r"\.")):
        read(edited(stack, old, new))


def test_a_root_without_templates_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnresolvedError, match="no templates"):
        read(tmp_path)
