"""What other parts of the repository rely on: names, variables, parameters, exports."""

from __future__ import annotations

import tomllib
from dataclasses import dataclass, field
from typing import Any

import pytest

from .template import FILES, ROOT, SERVICES, Template, imports, refers_to, sub, walk

# The public vocabulary of the system: logical id, type, physical name after `ecom-<stage>-`.
VOCABULARY = {
    "base-infra": {
        "MyKmsKey": ("KMS::Key", ""),
        "EcomEventBus": ("Events::EventBus", "bus"),
        "OpsAlertTopic": ("SNS::Topic", "ops-alerts"),
        "ArtifactBucket": ("S3::Bucket", "artifacts-${AWS::AccountId}-${AWS::Region}"),
    },
    "order-service": {
        "OrdersTable": ("DynamoDB::Table", "orders"),
        "OrderLambda": ("Lambda::Function", "order"),
        "OrderApi": ("ApiGateway::RestApi", "orders"),
        "OrderLifecycleQueue": ("SQS::Queue", "order-lifecycle"),
        "OrderLifecycleDLQ": ("SQS::Queue", "order-lifecycle-dlq"),
        "UndeliveredQueue": ("SQS::Queue", "order-undelivered"),
    },
    "inventory-service": {
        "InventoryTable": ("DynamoDB::Table", "inventory"),
        "InventoryLambda": ("Lambda::Function", "inventory"),
        "InventoryQueue": ("SQS::Queue", "inventory"),
        "InventoryDLQ": ("SQS::Queue", "inventory-dlq"),
        "InventoryCompensationQueue": ("SQS::Queue", "inventory-compensation"),
        "InventoryCompensationDLQ": ("SQS::Queue", "inventory-compensation-dlq"),
        "StockNotificationsTopic": ("SNS::Topic", "stock-notifications"),
        "UndeliveredQueue": ("SQS::Queue", "inventory-undelivered"),
    },
    "payment-service": {
        "PaymentTable": ("DynamoDB::Table", "payment"),
        "PaymentLambda": ("Lambda::Function", "payment"),
        "PaymentQueue": ("SQS::Queue", "payment"),
        "PaymentDLQ": ("SQS::Queue", "payment-dlq"),
        "PaymentFailureTopic": ("SNS::Topic", "payment-failures"),
        "UndeliveredQueue": ("SQS::Queue", "payment-undelivered"),
    },
    "shipping-service": {
        "ShippingTable": ("DynamoDB::Table", "shipping"),
        "ShippingLambda": ("Lambda::Function", "shipping"),
        "DLQProcessorLambda": ("Lambda::Function", "shipping-dlq-processor"),
        "ShippingQueue": ("SQS::Queue", "shipping"),
        "ShippingDLQ": ("SQS::Queue", "shipping-dlq"),
        "ShippingParkingQueue": ("SQS::Queue", "shipping-parking"),
        "ShippingNotificationTopic": ("SNS::Topic", "shipping-notifications"),
        "UndeliveredQueue": ("SQS::Queue", "shipping-undelivered"),
    },
    "stage-dashboard": {"StageDashboard": ("CloudWatch::Dashboard", "")},
}
EXPORTS = {"KmsKeyArn", "EventBusName", "EventBusArn", "OpsAlertTopicArn", "ArtifactBucketName"}


@dataclass(frozen=True)
class Function:
    template: str
    handler: str
    source: str
    table: str
    parking: str
    own: dict[str, tuple[str, int]] = field(default_factory=dict)
    """Variables that only this function has, with the parameter and its default."""


CARRIER = {
    "CARRIER_FAILURE_RATE_PERCENT": ("CarrierFailureRatePercent", 10),
    "CARRIER_LATENCY_MS": ("CarrierLatencyMs", 0),
}
FUNCTIONS = {
    "OrderLambda": Function(
        "order-service",
        "order_service.app.handler",
        source="orders.service",
        table="OrdersTable",
        parking="OrderLifecycleDLQ",
        own={
            "CANCEL_AFTER_SECONDS": ("CancelAfterSeconds", 900),
            "RESEND_AFTER_SECONDS": ("ResendAfterSeconds", 60),
            "OPEN_TOO_LONG_SECONDS": ("OpenTooLongSeconds", 3600),
        },
    ),
    "InventoryLambda": Function(
        "inventory-service",
        "inventory_service.app.handler",
        source="inventory.service",
        table="InventoryTable",
        parking="InventoryDLQ",
    ),
    "PaymentLambda": Function(
        "payment-service",
        "payment_service.app.handler",
        source="payment.service",
        table="PaymentTable",
        parking="PaymentDLQ",
        own={
            "DECLINE_RATE_PERCENT": ("DeclineRatePercent", 25),
            "GATEWAY_LATENCY_MS": ("GatewayLatencyMs", 0),
        },
    ),
    "ShippingLambda": Function(
        "shipping-service",
        "shipping_service.app.handler",
        source="shipping.service",
        table="ShippingTable",
        parking="ShippingParkingQueue",
        own=CARRIER,
    ),
    "DLQProcessorLambda": Function(
        "shipping-service",
        "shipping_service.app.dlq_handler",
        source="shipping.service",
        table="ShippingTable",
        parking="ShippingParkingQueue",
        own=CARRIER,
    ),
}

# Queue: function, batch, tries, where to after that.
WORK = {
    "OrderLifecycleQueue": ("order-service", "OrderLambda", 25, 8, "OrderLifecycleDLQ"),
    "InventoryQueue": ("inventory-service", "InventoryLambda", 25, 8, "InventoryDLQ"),
    "InventoryCompensationQueue": ("inventory-service", "InventoryLambda", 10, 8, "InventoryCompensationDLQ"),
    "PaymentQueue": ("payment-service", "PaymentLambda", 10, 8, "PaymentDLQ"),
    "ShippingQueue": ("shipping-service", "ShippingLambda", 10, 3, "ShippingDLQ"),
    "ShippingDLQ": ("shipping-service", "DLQProcessorLambda", 10, 10, "ShippingParkingQueue"),
}


@pytest.mark.parametrize("name", FILES)
def test_the_vocabulary_is_there(templates: dict[str, Template], name: str) -> None:
    template = templates[name]
    for logical_id, (kind, physical) in VOCABULARY[name].items():
        assert template.type_of(logical_id) == kind, f"{name}: {logical_id} is a {kind}"
        if physical:
            assert template.physical_name(logical_id) == f"ecom-${{Stage}}-{physical}"


@pytest.mark.parametrize("name", FILES)
def test_tables_queues_topics_and_functions_are_outputs(templates: dict[str, Template], name: str) -> None:
    template = templates[name]
    shown = {refers_to(output["Value"]) for output in template.body["Outputs"].values()}
    named = template.of("DynamoDB::Table", "SQS::Queue", "SNS::Topic", "Lambda::Function")
    assert not named.keys() - shown, f"{name} has no output for {sorted(named.keys() - shown)}"


def test_base_infra_exports_what_services_need_and_no_more(templates: dict[str, Template]) -> None:
    exported = {
        sub(o["Export"]["Name"]) for o in templates["base-infra"].body["Outputs"].values() if "Export" in o
    }
    imported = {
        found
        for name, template in templates.items()
        for node in walk(template.body["Resources"])
        if name != "base-infra" and (found := imports(node))
    }
    assert exported == {f"ecom-${{Stage}}-{name}" for name in EXPORTS}
    assert imported == exported


@pytest.mark.parametrize("name", SERVICES)
def test_services_export_nothing(templates: dict[str, Template], name: str) -> None:
    """Services meet on the bus. An export would tie their deployments together."""
    assert not [key for key, output in templates[name].body["Outputs"].items() if "Export" in output]


@pytest.mark.parametrize("logical_id", FUNCTIONS)
def test_functions_get_the_variables_they_read(templates: dict[str, Template], logical_id: str) -> None:
    function = FUNCTIONS[logical_id]
    template = templates[function.template]
    properties = template.resources[logical_id]["Properties"]
    variables: dict[str, Any] = properties["Environment"]["Variables"]
    assert properties["Handler"] == function.handler
    assert variables == {
        "STAGE": {"Ref": "Stage"},
        "TABLE_NAME": {"Ref": function.table},
        "EVENT_BUS_NAME": {"Fn::ImportValue": {"Fn::Sub": "ecom-${Stage}-EventBusName"}},
        "PARKING_QUEUE_URL": {"Ref": function.parking},
        "KMS_KEY_ARN": {"Fn::ImportValue": {"Fn::Sub": "ecom-${Stage}-KmsKeyArn"}},
        "RETRY_BASE_SECONDS": {"Ref": "RetryBaseSeconds"},
        "POWERTOOLS_SERVICE_NAME": function.source,
        "POWERTOOLS_METRICS_NAMESPACE": {"Fn::Sub": "ecom-${Stage}"},
        "POWERTOOLS_LOG_LEVEL": {"Ref": "LogLevel"},
        **{variable: {"Ref": parameter} for variable, (parameter, _) in function.own.items()},
    }
    defaults = {
        "RetryBaseSeconds": 5,
        "LogLevel": "INFO",
        "MaxConcurrency": 10,
        **dict(function.own.values()),
    }
    for parameter, default in defaults.items():
        assert template.body["Parameters"][parameter]["Default"] == default


@pytest.mark.parametrize("queue", WORK)
def test_queues_are_worked_on_as_agreed(templates: dict[str, Template], queue: str) -> None:
    name, function, batch, tries, after = WORK[queue]
    template = templates[name]
    mappings = [
        (refers_to(mapping["FunctionName"]), mapping["BatchSize"])
        for mapping in template.of("Lambda::EventSourceMapping").values()
        if refers_to(mapping["EventSourceArn"]) == queue
    ]
    assert mappings == [(function, batch)]
    redrive = template.resources[queue]["Properties"]["RedrivePolicy"]
    assert (redrive["maxReceiveCount"], refers_to(redrive["deadLetterTargetArn"])) == (tries, after)


@pytest.mark.parametrize("name", SERVICES)
def test_every_cap_that_may_be_chosen_is_known(templates: dict[str, Template], name: str) -> None:
    """The cap goes through a mapping (the template says why): a value that is not in it fails the stack."""
    body = templates[name].body
    entries = {key: entry["Invocations"] for key, entry in body["Mappings"]["Concurrency"].items()}
    allowed = body["Parameters"]["MaxConcurrency"]["AllowedValues"]
    assert entries == {str(value): value for value in allowed}
    assert min(allowed) >= 2, "an event source mapping takes no cap below 2"


@pytest.mark.parametrize("name", FILES)
def test_alarms_on_own_metrics_hear_their_own_stage_only(templates: dict[str, Template], name: str) -> None:
    """Several stages may share an account; the functions write to the namespace of theirs."""
    for logical_id, alarm in templates[name].of("CloudWatch::Alarm").items():
        namespace = alarm["Namespace"]
        own = not (isinstance(namespace, str) and namespace.startswith("AWS/"))
        assert not own or namespace == {"Fn::Sub": "ecom-${Stage}"}, logical_id


@pytest.mark.parametrize("name", SERVICES)
def test_the_zip_is_the_one_the_deployer_built(templates: dict[str, Template], name: str) -> None:
    parameter = templates[name].body["Parameters"]["CodeKey"]
    assert parameter["AllowedPattern"] == rf"^{name}/[0-9a-f]{{64}}\.zip$"
    for function in templates[name].of("Lambda::Function").values():
        assert function["Code"] == {
            "S3Bucket": {"Fn::ImportValue": {"Fn::Sub": "ecom-${Stage}-ArtifactBucketName"}},
            "S3Key": {"Ref": "CodeKey"},
        }


@pytest.mark.parametrize(
    ("name", "table", "key", "indexes"),
    [
        (
            "order-service", "OrdersTable", ("orderId", None),
            {"open": ("openShard", "sweepAt"), "byOwner": ("owner", "placedAt")},
        ),
        ("inventory-service", "InventoryTable", ("pk", None), {}),
        ("payment-service", "PaymentTable", ("orderId", None), {}),
        ("shipping-service", "ShippingTable", ("orderId", None), {}),
    ],
)  # fmt: skip
def test_tables_have_the_keys_the_code_uses(
    templates: dict[str, Template],
    name: str,
    table: str,
    key: tuple[str, str | None],
    indexes: dict[str, tuple[str, str]],
) -> None:
    properties = templates[name].resources[table]["Properties"]
    types = {a["AttributeName"]: a["AttributeType"] for a in properties["AttributeDefinitions"]}

    def keys(schema: list[dict[str, str]]) -> tuple[str, str | None]:
        by_kind = {part["KeyType"]: part["AttributeName"] for part in schema}
        return by_kind["HASH"], by_kind.get("RANGE")

    assert keys(properties["KeySchema"]) == key
    found = properties.get("GlobalSecondaryIndexes", [])
    assert {index["IndexName"]: keys(index["KeySchema"]) for index in found} == indexes
    assert all(index["Projection"] == {"ProjectionType": "KEYS_ONLY"} for index in found)
    assert types == {
        name: "N" if name == "sweepAt" else "S" for pair in (key, *indexes.values()) for name in pair if name
    }


def test_the_sweeper_is_started_every_minute(templates: dict[str, Template]) -> None:
    (schedule,) = templates["order-service"].of("Scheduler::Schedule").values()
    assert schedule["ScheduleExpression"] == "rate(1 minute)"
    assert schedule["State"] == {"Ref": "SweepState"}
    assert schedule["Target"]["Input"] == '{"sweep": true}'
    assert refers_to(schedule["Target"]["Arn"]) == "OrderLambda"
    assert templates["order-service"].body["Parameters"]["SweepState"]["AllowedValues"] == [
        "ENABLED",
        "DISABLED",
    ]


def test_the_api_has_the_four_routes(templates: dict[str, Template]) -> None:
    template = templates["order-service"]
    parts = template.of("ApiGateway::Resource")

    def path(logical_id: str | None) -> str:
        if logical_id not in parts:
            return ""
        return f"{path(refers_to(parts[logical_id]['ParentId']))}/{parts[logical_id]['PathPart']}"

    routes = {
        (method["HttpMethod"], path(refers_to(method["ResourceId"])))
        for method in template.of("ApiGateway::Method").values()
    }
    assert routes == {
        ("POST", "/orders"),
        ("GET", "/orders"),
        ("GET", "/orders/{orderId}"),
        ("POST", "/orders/{orderId}/cancel"),
    }
    assert all(m["Integration"]["Type"] == "AWS_PROXY" for m in template.of("ApiGateway::Method").values())
    assert {"ApiUrl", "ApiId", "ApiStageName"} <= template.body["Outputs"].keys()


def test_the_archive_can_be_left_out(templates: dict[str, Template]) -> None:
    """The local emulator has no archives: the deployer passes EventArchive=off there."""
    template = templates["base-infra"]
    assert template.body["Parameters"]["EventArchive"]["Default"] == "on"
    assert template.body["Conditions"]["HasEventArchive"] == {"Fn::Equals": [{"Ref": "EventArchive"}, "on"]}
    archives = template.of("Events::Archive")
    assert [template.resources[name].get("Condition") for name in archives] == ["HasEventArchive"]
    assert [archive["RetentionDays"] for archive in archives.values()] == [60]


@pytest.mark.parametrize("name", FILES)
def test_the_deployer_finds_the_template(templates: dict[str, Template], name: str) -> None:
    project = tomllib.loads((ROOT / "packages" / name / "pyproject.toml").read_text(encoding="utf-8"))
    assert ROOT / "packages" / name / project["tool"]["ecom"]["template"] == FILES[name]
    needs = (
        {"base-infra"} if any(imports(node) for node in walk(templates[name].body["Resources"])) else set()
    )
    assert set(project["tool"]["ecom"]["depends-on"]) == needs
