"""Which fact goes where, by the rules of all five templates: the picture of the system, as a table."""

from __future__ import annotations

import json
from typing import Any

import pytest

from .template import ROOT, Template, refers_to

ORDERS, INVENTORY, PAYMENT, SHIPPING = (
    "orders.service",
    "inventory.service",
    "payment.service",
    "shipping.service",
)
PUBLISHERS = {ORDERS: "order", INVENTORY: "inventory", PAYMENT: "payment", SHIPPING: "shipping"}

ROUTES: list[tuple[str, str, dict[str, Any], set[str]]] = [
    (ORDERS, "OrderPlaced", {}, {"InventoryQueue"}),
    (ORDERS, "OrderCancelRequested", {"reason": "timeout"}, {"ShippingQueue"}),
    (ORDERS, "OrderCancelRequested", {"reason": "customer"}, {"ShippingQueue"}),
    (INVENTORY, "StockConfirmation", {"stockConfirmed": True}, {"PaymentQueue", "OrderLifecycleQueue"}),
    (
        INVENTORY, "StockConfirmation", {"stockConfirmed": False, "reason": "out_of_stock"},
        {"OrderLifecycleQueue", "StockNotificationsTopic"},
    ),
    # Not a mail: the client and the shop disagree on a price, and the client has the answer already.
    (
        INVENTORY, "StockConfirmation", {"stockConfirmed": False, "reason": "amount_mismatch"},
        {"OrderLifecycleQueue"},
    ),
    (INVENTORY, "StockReleased", {"outcome": "declined"}, {"OrderLifecycleQueue"}),
    (
        PAYMENT, "PaymentConfirmation", {"paymentConfirmed": True, "outcome": "charged"},
        {"ShippingQueue", "OrderLifecycleQueue"},
    ),
    (
        PAYMENT, "PaymentConfirmation", {"paymentConfirmed": False, "outcome": "declined"},
        {"InventoryCompensationQueue", "OrderLifecycleQueue", "PaymentFailureTopic"},
    ),
    (
        PAYMENT, "PaymentConfirmation", {"paymentConfirmed": False, "outcome": "cancelled"},
        {"InventoryCompensationQueue", "OrderLifecycleQueue"},
    ),
    (PAYMENT, "PaymentRefunded", {}, {"InventoryCompensationQueue", "OrderLifecycleQueue"}),
    (SHIPPING, "ShipmentCreated", {}, {"OrderLifecycleQueue", "ShippingNotificationTopic"}),
    (
        SHIPPING, "ShipmentFailed", {"reason": "carrier_unavailable"},
        {"PaymentQueue", "OrderLifecycleQueue", "ShippingNotificationTopic"},
    ),
    # Who cancelled knows, so no mail.
    (SHIPPING, "ShipmentFailed", {"reason": "cancelled"}, {"PaymentQueue", "OrderLifecycleQueue"}),
    # A fact counts only from the service it belongs to.
    (PAYMENT, "OrderPlaced", {}, set()),
    (ORDERS, "StockConfirmation", {"stockConfirmed": True}, set()),
    (INVENTORY, "PaymentConfirmation", {"paymentConfirmed": True, "outcome": "charged"}, set()),
    (PAYMENT, "ShipmentCreated", {}, set()),
    ("somebody.else", "ShipmentFailed", {"reason": "carrier_unavailable"}, set()),
    (ORDERS, "SomethingNew", {}, set()),
]  # fmt: skip


def matches(pattern: dict[str, Any], event: dict[str, Any]) -> bool:
    """Event patterns as far as the house uses them: lists of exact values, nested objects."""
    for key, wanted in pattern.items():
        if isinstance(wanted, dict):
            if not matches(wanted, event.get(key, {})):
                return False
        elif any(isinstance(value, dict | list) for value in wanted):
            raise AssertionError(f"this test does not know the matcher {wanted}: teach it")
        elif not any(type(value) is type(event.get(key)) and value == event.get(key) for value in wanted):
            return False
    return True


def rules(templates: dict[str, Template]) -> list[tuple[str, dict[str, Any]]]:
    return [rule for template in templates.values() for rule in template.of("Events::Rule").items()]


@pytest.mark.parametrize(("source", "kind", "data", "wanted"), ROUTES)
def test_a_fact_goes_to_who_acts_on_it(
    templates: dict[str, Template], source: str, kind: str, data: dict[str, Any], wanted: set[str]
) -> None:
    event = {
        "source": source,
        "detail-type": kind,
        "detail": {"metadata": {}, "data": {"orderId": "o", **data}},
    }
    reached = [
        refers_to(target["Arn"])
        for _, rule in rules(templates)
        if matches(rule["EventPattern"], event)
        for target in rule["Targets"]
    ]
    assert sorted(map(str, reached)) == sorted(wanted)


def test_every_target_is_on_the_table(templates: dict[str, Template]) -> None:
    targets = {refers_to(target["Arn"]) for _, rule in rules(templates) for target in rule["Targets"]}
    assert targets == {name for *_, wanted in ROUTES for name in wanted}


def schema(source: str, kind: str) -> dict[str, Any]:
    path = ROOT / f"packages/{PUBLISHERS[source]}-service/events/{kind}.v1.json"
    loaded: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return loaded["properties"]["data"]  # type: ignore[no-any-return]


def test_rules_read_only_what_the_publisher_promises(templates: dict[str, Template]) -> None:
    """A pattern on a field that nobody sends, or on a misspelt fact, waits for ever."""
    for logical_id, rule in rules(templates):
        (source,) = rule["EventPattern"]["source"]
        for kind in rule["EventPattern"]["detail-type"]:
            data = schema(source, kind)
            for name, values in rule["EventPattern"].get("detail", {}).get("data", {}).items():
                assert name in data["properties"], f"{logical_id} looks at {name}, which is not in {kind}"
                allowed = data["properties"][name].get("enum")
                assert not allowed or set(values) <= set(allowed), (
                    f"{logical_id}: {kind}.{name} is one of {allowed}"
                )


def test_mails_speak_of_what_is_always_there(templates: dict[str, Template]) -> None:
    """A missing field would leave a hole in the sentence. And a mail says nothing about a person."""
    for logical_id, rule in rules(templates):
        for target in rule["Targets"]:
            if "InputTransformer" not in target:
                continue
            transformer = target["InputTransformer"]
            (source,), (kind,) = rule["EventPattern"]["source"], rule["EventPattern"]["detail-type"]
            for name, path in transformer["InputPathsMap"].items():
                assert path == f"$.detail.data.{name}"
                assert name in schema(source, kind)["required"], (
                    f"{logical_id}: {kind} may come without {name}"
                )
                assert name in {"orderId", "carrier", "trackingNumber"}, (
                    f"{logical_id}: no need for {name} in a mail"
                )
                assert f"<{name}>" in transformer["InputTemplate"]
            assert "<orderId>" in transformer["InputTemplate"]
            sentence = json.loads(transformer["InputTemplate"])
            assert sentence[0].isupper()
            assert sentence.endswith(".")
