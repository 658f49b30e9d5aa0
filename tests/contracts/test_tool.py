"""What the tool knows of the services by heart, checked against their sources.

It is checked here, where services and tool meet: the tool's own tests run without the services.
"""

from __future__ import annotations

import ast
import re
import uuid
from pathlib import Path
from typing import Any

import pytest

from ecom_cli.demo.invariants import PAYMENT_STATES, RANKS, RESERVATION_STATES, SHIPMENT_STATES
from ecom_cli.demo.plan import TOO_MANY
from ecom_cli.shop.api import FORCED, ITEM_PATTERN, ORDER_NAMESPACE, parse_line
from ecom_cli.shop.caller import LOCAL_OWNER, ROLE_SESSION
from ecom_cli.shop.money import digits
from ecom_cli.workspace import find_root

ROOT = find_root(Path(__file__).resolve().parent)


def source(service: str, module: str) -> ast.Module:
    assert ROOT is not None
    path = ROOT / "packages" / f"{service}-service" / "src" / f"{service}_service" / f"{module}.py"
    return ast.parse(path.read_text(encoding="utf-8"))


def assigned(tree: ast.Module, name: str) -> ast.expr:
    """The expression that a module gives a name."""
    for node in tree.body:
        targets = node.targets if isinstance(node, ast.Assign) else []
        if isinstance(node, ast.AnnAssign):
            targets = [node.target]
        if any(isinstance(target, ast.Name) and target.id == name for target in targets):
            assert isinstance(node, (ast.Assign, ast.AnnAssign))
            assert node.value is not None
            return node.value
    raise AssertionError(f"nothing is called {name}")


def texts(tree: ast.AST) -> set[Any]:
    return {node.value for node in ast.walk(tree) if isinstance(node, ast.Constant)}


def members(tree: ast.Module, name: str) -> set[Any]:
    """The values of an enumeration."""
    for node in tree.body:
        if isinstance(node, ast.ClassDef) and node.name == name:
            return {
                statement.value.value
                for statement in node.body
                if isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Constant)
            }
    raise AssertionError(f"there is no enumeration {name}")


def test_order_ids_come_from_the_same_namespace() -> None:
    written = ast.unparse(assigned(source("order", "model"), "ORDER_NAMESPACE"))
    assert written == "uuid.uuid5(uuid.NAMESPACE_URL, 'https://ecom.example/orders')"
    assert uuid.uuid5(uuid.NAMESPACE_URL, "https://ecom.example/orders") == ORDER_NAMESPACE


def test_the_local_owner_has_the_same_name() -> None:
    assert ast.literal_eval(assigned(source("order", "http"), "LOCAL_OWNER")) == LOCAL_OWNER


def test_roles_are_known_by_the_same_pattern() -> None:
    """Or a key that forces an outcome would lead to another order."""
    (pattern,) = texts(assigned(source("order", "http"), "ROLE_SESSION"))
    assert pattern == ROLE_SESSION.pattern


def test_every_forced_outcome_is_known_to_gateway_or_carrier() -> None:
    known = texts(source("payment", "gateway")) | texts(source("shipping", "carrier"))
    assert set(FORCED.values()) <= known


def test_item_ids_have_the_same_pattern() -> None:
    (pattern,) = texts(assigned(source("order", "intake"), "ITEM_ID"))
    for text in ("ITEM_ID-02", "a", "a.b_c-d", "_a", "-a", "", "a" * 64, "a" * 65, "a b", "é"):
        assert bool(re.fullmatch(pattern, text)) == bool(ITEM_PATTERN.fullmatch(text)), text


def test_the_largest_quantity_is_the_same() -> None:
    most = ast.literal_eval(assigned(source("order", "model"), "MAX_QUANTITY"))
    assert parse_line(f"a:{most}").quantity == most == TOO_MANY


def test_currencies_have_the_same_digits() -> None:
    known = ast.literal_eval(assigned(source("order", "model"), "MINOR_DIGITS"))
    assert {currency: digits(currency) for currency in known} == known


@pytest.mark.parametrize(
    ("service", "states"),
    [("inventory", RESERVATION_STATES), ("payment", PAYMENT_STATES), ("shipping", SHIPMENT_STATES)],
)
def test_the_states_of_a_row_are_the_services_own(service: str, states: frozenset[str]) -> None:
    assert members(source(service, "model"), "State") == states


def test_statuses_are_the_services_own() -> None:
    assert members(source("order", "model"), "Status") == set(RANKS)


def test_the_service_reads_what_the_tool_erases() -> None:
    code = ast.unparse(source("order", "store"))
    assert "row.get('sealedCustomer')" in code
    assert "row.get('customerErasedAt')" in code
