"""Whom an order is for is known to its owner, and to nothing else in the house."""

from __future__ import annotations

import json
import uuid
from typing import Any

import httpx

from e2e.shop import Order, Shop
from e2e.system import DEAD_LETTER_QUEUES
from ecom_cli.shop.erasure import erase
from ecom_cli.shop.tables import INVENTORY, ORDERS, PAYMENTS, SHIPMENTS, scan
from ecom_common.telemetry import FIELDS

OTHER = "arn:aws:iam::000000000000:user/somebody-else"


def customer(canary: str) -> dict[str, str]:
    return {
        "email": f"{canary}@example.org",
        "name": f"Þóra {canary}",
        "address": f"12 {canary} Street, Reykjavík",
    }


def place(shop: Shop, order: Order, said: dict[str, str]) -> httpx.Response:
    body = json.loads(shop.body(order)) | {"customer": said}
    return shop.post(json.dumps(body).encode(), key=order.key)


def as_somebody_else(shop: Shop, method: str, resource: str, order_id: str) -> dict[str, Any]:
    """The local API asks nobody who they are: the function gets what API Gateway sends elsewhere."""
    stage = shop.system.stage
    event = {
        "httpMethod": method,
        "resource": resource,
        "path": f"/orders/{order_id}",
        "headers": {},
        "pathParameters": {"orderId": order_id},
        "requestContext": {"identity": {"userArn": OTHER}},
    }
    answer = stage.client("lambda").invoke(
        FunctionName=stage.physical_id("order-service", "OrderLambda"), Payload=json.dumps(event).encode()
    )
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def logs(shop: Shop) -> str:
    """Every line that the functions have logged."""
    client = shop.system.stage.client("logs")
    groups = [group["logGroupName"] for group in client.describe_log_groups()["logGroups"]]
    pages = client.get_paginator("filter_log_events")
    return "\n".join(
        event["message"]
        for group in groups
        for page in pages.paginate(logGroupName=group)
        for event in page["events"]
    )


def test_a_customer_is_sealed_shown_to_the_owner_and_erased(shop: Shop) -> None:
    canary = f"canary{uuid.uuid4().hex}"
    said = customer(canary)
    shop.given_item("mug", quantity=10)
    # One that ships, one that turns back, one whose carriers fail: every fact, mail and queue there is.
    orders = [shop.planned({"mug": 1}, force=end) for end in ("a9a9", "dec1", "caff")]
    for order in orders:
        answer = place(shop, order, said)
        assert answer.status_code == 202, answer.text
        assert "customer" not in answer.json()
        shop.orders.append(order)
        assert place(shop, order, said).status_code == 202, "the same wish is the same order"
        assert place(shop, order, {**said, "name": "Somebody"}).status_code == 422
    shop.wait_all_closed(meanwhile=shop.system.sweep)
    shop.system.wait_quiet()
    order = orders[0]

    assert shop.look(order)["customer"] == said
    assert all("customer" not in listed for listed in shop.page(limit=3)["orders"])
    for method, resource in (("GET", "/orders/{orderId}"), ("POST", "/orders/{orderId}/cancel")):
        assert as_somebody_else(shop, method, resource, order.order_id)["statusCode"] == 404

    every = {table[1]: str(list(scan(shop.system.stage, table))) for table in _TABLES}
    every |= {queue: str(shop.dlq(queue)) for queue in DEAD_LETTER_QUEUES}
    every |= {"bus": str(shop.events_of(*orders)), "mails": str(shop.system.mails.all()), "logs": logs(shop)}
    assert order.order_id in every["OrdersTable"]
    assert order.order_id in every["bus"]
    assert order.order_id in every["mails"]
    assert order.order_id in every["logs"]
    assert [place for place, kept in every.items() if canary in kept] == [], "there it is in the clear"

    assert erase(shop.system.stage, order.order_id).now
    shown = shop.look(order)
    assert "customer" not in shown
    assert shown["customerErasedAt"]
    assert shown["status"] == "SHIPPED"
    assert "sealedCustomer" not in shop.rows(order).order
    assert place(shop, order, said).status_code == 202
    assert "sealedCustomer" not in shop.rows(order).order, "a repeated request brought it back"
    shop.assert_in_order()


def test_every_line_of_the_logs_holds_listed_fields_and_names_its_invocation(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    order = shop.place(mug=1, force="ca01")
    shop.wait_closed(order)
    lines = [json.loads(text) for text in logs(shop).splitlines() if text.startswith('{"level"')]
    mine = [line for line in lines if line.get("orderId") == order.order_id]
    assert {line["message"] for line in mine} >= {"order placed", "record failed"}
    by_powertools = {"level", "location", "message", "timestamp", "service", "xray_trace_id"}
    assert {name for line in lines for name in line} <= FIELDS | by_powertools
    for line in mine:
        assert {"requestId", "functionVersion", "coldStart"} <= line.keys(), line


def test_orders_are_erased_while_they_are_on_their_way(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    orders = [shop.planned({"mug": 1}, force="a9a9") for _ in range(5)]
    for order in orders:
        assert place(shop, order, customer("x")).status_code == 202
        shop.orders.append(order)
        assert erase(shop.system.stage, order.order_id).now
    rows = shop.wait_all_closed()
    assert {row["status"] for row in rows.values()} == {"SHIPPED"}
    assert not any("sealedCustomer" in row for row in rows.values())
    shop.assert_in_order()


def test_without_the_key_nothing_is_taken_and_the_rest_is_shown(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    order, late = (shop.planned({"mug": 1}, force="a9a9") for _ in range(2))
    assert place(shop, order, customer("x")).status_code == 202
    shop.orders.append(order)
    stage = shop.system.stage
    kms, key = stage.client("kms"), stage.physical_id("base-infra", "MyKmsKey")
    kms.disable_key(KeyId=key)
    try:
        refused = place(shop, late, customer("x"))
        shown = shop.look(order)
    finally:
        kms.enable_key(KeyId=key)
    assert (refused.status_code, refused.headers["Retry-After"]) == (503, "2")
    assert shop.get(late.order_id).status_code == 404
    assert (shown["orderId"], shown["customer"]) == (order.order_id, None)
    assert place(shop, late, customer("x")).status_code == 202
    shop.orders.append(late)
    assert shop.look(late)["customer"] == customer("x")
    shop.wait_all_closed()
    shop.assert_in_order()


_TABLES = (ORDERS, INVENTORY, PAYMENTS, SHIPMENTS)
