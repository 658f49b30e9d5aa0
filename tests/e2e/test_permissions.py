"""What the functions' roles allow, on the emulator: enough, enforced, and known call by call.

The calls of the whole run are compared with tests/iam/recorded-calls.json, and that file, without any
emulator, with the roles in the templates (tests/iam/test_permissions.py).
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from iam.calls import dump, load
from iam.estate import STAGE, Estate
from iam.policies import Request
from iam.questions import TLS
from templates.template import FILES, Template

from e2e.shop import Order, Shop
from e2e.system import Json, System, eventually

RECORDED = Path(__file__).parents[1] / "iam/recorded-calls.json"
FUNCTIONS = ["OrderLambda", "InventoryLambda", "PaymentLambda", "ShippingLambda", "DLQProcessorLambda"]
DENIED = {"AccessDeniedException", "AccessDenied", "AWS.SimpleQueueService.AccessDenied"}
"""How services word a denial."""

REFRESH = "ECOM_REFRESH_CALLS"
"""Set to 1, the run writes the file instead of comparing with it."""


@contextmanager
def a_record_fails_in(system: System, queue: str) -> Iterator[None]:
    """Waits at the end of the block until a function has put off a record of this queue."""
    before = system.put_off(queue)
    yield
    eventually(
        lambda: system.put_off(queue) > before,
        lambda: f"no record of {queue} failed, though its function may not touch the table",
        within=60,
    )


@pytest.fixture(scope="module")
def estate() -> Estate:
    return Estate({name: Template.read(name).body for name in FILES})


def said(shop: Shop, order: Order, detail_type: str) -> None:
    eventually(
        lambda: any(event.detail_type == detail_type for event in shop.events_of(order)),
        lambda: f"no {detail_type}: {shop.story(order)}",
        within=60,
    )


def test_stock_is_reserved_once_the_permission_is_back(shop: Shop) -> None:
    """Roles are enforced here, and a permission that was forgotten costs time and no order."""
    shop.given_item("mug", quantity=10)
    with shop.system.forbidden("inventory-service", "InventoryLambdaRole", "dynamodb:*"):
        with a_record_fails_in(shop.system, "InventoryQueue"):
            order = shop.place(mug=2)
        assert shop.rows(order).reservation == {}

    assert shop.wait_closed(order)["status"] == "SHIPPED"
    assert shop.stock("mug") == 8
    shop.assert_in_order()


def test_stock_is_released_once_the_permission_is_back(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    with ExitStack() as forbidden:
        with (
            a_record_fails_in(shop.system, "InventoryCompensationQueue"),
            shop.system.asleep("inventory-service", "InventoryCompensationMapping"),
        ):
            order = shop.place(mug=2, force="dec1")
            said(shop, order, "PaymentConfirmation")
            forbidden.enter_context(
                shop.system.forbidden("inventory-service", "InventoryLambdaRole", "dynamodb:*")
            )
        assert shop.stock("mug") == 8

    assert shop.wait_closed(order)["status"] == "PAYMENT_FAILED"
    assert shop.stock("mug") == 10
    shop.assert_in_order()


def test_the_order_follows_its_facts_once_the_permission_is_back(shop: Shop) -> None:
    shop.given_item("mug", quantity=10)
    with shop.system.forbidden("order-service", "OrderLambdaRole", "dynamodb:UpdateItem"):
        with a_record_fails_in(shop.system, "OrderLifecycleQueue"):
            order = shop.place(mug=2)
        assert shop.look(order)["status"] == "PLACED"

    assert shop.wait_closed(order)["status"] == "SHIPPED"
    shop.assert_in_order()


@pytest.mark.parametrize("function", FUNCTIONS)
def test_a_role_reaches_its_own_and_nothing_else(system: System, estate: Estate, function: str) -> None:
    """Whoever gets code of theirs into a function has that function's rights, here as in the templates."""
    role = estate.functions[function].role
    asked: list[tuple[Request, tuple[str, str, Json]]] = [
        (Request(role, action, resource, TLS), call)
        for resource in [*estate.arns("dynamodb"), *estate.arns("sqs")]
        for action, call in _attempts(system, estate.names[resource], resource)
    ]
    # What is allowed must be harmless as well: no message is taken or sent.
    asked = [
        (request, call)
        for request, call in asked
        if not estate.asks(request).allowed or call[1] not in ("receive_message", "send_message")
    ]

    logical = estate.names[role.name]
    answers = system.attempt(_stack(estate, logical), logical, [call for _, call in asked])

    for (request, _), answer in zip(asked, answers, strict=True):
        assert (answer not in DENIED) == estate.asks(request).allowed, f"{request}: {answer}"
    assert len({answer in DENIED for answer in answers}) == 2, "nothing allowed, or nothing denied"


def _stack(estate: Estate, role: str) -> str:
    (found,) = (stack.name for stack, logical, _ in estate.of("IAM::Role") if logical == role)
    return found


def _attempts(system: System, name: str, resource: str) -> Iterator[tuple[str, tuple[str, str, Json]]]:
    """Calls on a table or queue, by the action they need. On a table they ask for what no table has."""
    physical = resource.rpartition(":")[2].rpartition("/")[2].replace(f"ecom-{STAGE}-", "ecom-local-")
    if ":dynamodb:" in resource:
        table, key = {"TableName": physical}, {"nothing": {"S": "x"}}
        yield "dynamodb:GetItem", ("dynamodb", "get_item", {**table, "Key": key})
        yield "dynamodb:PutItem", ("dynamodb", "put_item", {**table, "Item": key})
        yield "dynamodb:UpdateItem", ("dynamodb", "update_item", {**table, "Key": key})
        yield "dynamodb:DeleteItem", ("dynamodb", "delete_item", {**table, "Key": key})
        yield "dynamodb:Scan", ("dynamodb", "scan", {**table, "Limit": 1})
    else:
        queue = {"QueueUrl": f"{system.stage.endpoint_url}/{system.account}/{physical}"}
        yield "sqs:ReceiveMessage", ("sqs", "receive_message", queue)
        yield "sqs:SendMessage", ("sqs", "send_message", {**queue, "MessageBody": "x"})
        names = {"AttributeNames": ["QueueArn"]}
        yield "sqs:GetQueueAttributes", ("sqs", "get_queue_attributes", {**queue, **names})


def test_the_calls_are_those_that_are_checked_in(system: System, whole_run: bool) -> None:
    """Runs last (see conftest). A run of some tests may make fewer calls, but no others."""
    made = system.calls()
    if os.environ.get(REFRESH) == "1":
        assert whole_run, "only a run of all the tests makes all the calls"
        RECORDED.write_text(dump(made), encoding="utf-8")
        return

    known = load(RECORDED.read_text(encoding="utf-8"))
    news = {function: sorted(uses - known.get(function, set())) for function, uses in made.items()}
    gone = {function: sorted(uses - made.get(function, set())) for function, uses in known.items()}

    advice = f"{RECORDED.name} is out of step; {REFRESH}=1 ./ecom test e2e writes it anew"
    assert not any(news.values()), f"{advice}. New calls: {news}"
    assert not (whole_run and any(gone.values())), f"{advice}. No test makes these calls any more: {gone}"
