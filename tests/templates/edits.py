"""Edits to a parsed template, as a person might make them by mistake."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .template import Json, Template, some, statements

Statement = dict[str, Any]
Edit = Callable[[Template], None]
Wanted = Callable[[Statement], bool]
Change = Callable[[Statement], None]
GONE = object()

BASE, ORDER, INVENTORY = "base-infra", "order-service", "inventory-service"
PAYMENT, SHIPPING = "payment-service", "shipping-service"


def put(path: str, value: Any = GONE) -> Edit:
    """Set what stands at a path of the template, or take it out. A part of the path may be a list's index.

    A slash inside a part is written ~1, as in a JSON pointer (RFC 6901).
    """

    def edit(template: Template) -> None:
        *way, last = (part.replace("~1", "/") for part in path.split("/"))
        node: Any = template.body
        for part in way:
            node = node[int(part)] if isinstance(node, list) else node[part]
        key: Any = int(last) if isinstance(node, list) else last
        if value is GONE:
            del node[key]
        else:
            node[key] = value

    return edit


def of(resource: str, path: str, value: Any = GONE) -> Edit:
    return put(f"Resources/{resource}/Properties/{path}", value)


def without(resource: str) -> Edit:
    return put(f"Resources/{resource}")


def rewritten(old: str, new: str) -> Edit:
    """Change the file as a person would."""

    def edit(template: Template) -> None:
        assert old in template.text, f"{old!r} is not in the template any more"
        changed = Template.parse(template.name, template.text.replace(old, new, 1))
        template.text, template.body, template.lines = changed.text, changed.body, changed.lines

    return edit


def stated(resource: str, wanted: Wanted, change: Change) -> Edit:
    """Change those statements of a resource's policies that are wanted."""

    def edit(template: Template) -> None:
        found = [
            s for document in _documents(template, resource) for _, s in statements(document) if wanted(s)
        ]
        assert found, f"{resource} has no such statement any more"
        for statement in found:
            change(statement)

    return edit


def without_statement(resource: str, wanted: Wanted) -> Edit:
    """Take those statements of a resource's policies out that are wanted."""

    def edit(template: Template) -> None:
        found = 0
        for document in _documents(template, resource):
            there = document["Statement"]
            document["Statement"] = [
                kept for kept in there if not any(wanted(s) for _, s in statements({"Statement": [kept]}))
            ]
            found += len(there) - len(document["Statement"])
        assert found, f"{resource} has no such statement any more"

    return edit


def with_statement(resource: str, **values: Json) -> Edit:
    """Add a statement to the first of a resource's policies."""
    return lambda template: _documents(template, resource)[-1]["Statement"].append(
        {"Sid": "Added", "Effect": "Allow", **values}
    )


def with_resource(logical_id: str, kind: str, **properties: Json) -> Edit:
    """Add a resource of a type ("SQS::Queue"), on the line of whatever stands first."""

    def edit(template: Template) -> None:
        template.lines[logical_id] = min(template.lines.values())
        template.resources[logical_id] = {"Type": f"AWS::{kind}", "Properties": properties}

    return edit


def under_another_operator(resource: str, wanted: Wanted, old: str, new: str) -> Edit:
    """Compare the same as before, by another operator."""

    def change(statement: Statement) -> None:
        statement["Condition"][new] = statement["Condition"].pop(old)

    return stated(resource, wanted, change)


def _documents(template: Template, resource: str) -> list[dict[str, Json]]:
    """A resource's policy documents; a role's trust comes before what it allows."""
    properties = template.resources[resource]["Properties"]
    kinds = ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument")
    documents = [properties[kind] for kind in kinds if kind in properties]
    return documents + [policy["PolicyDocument"] for policy in properties.get("Policies", [])]


def sid(name: str) -> Wanted:
    return lambda statement: statement.get("Sid") == name


def allows(action: str) -> Wanted:
    return lambda statement: statement["Effect"] == "Allow" and action in some(statement.get("Action"))


def unconditional(statement: Statement) -> None:
    statement.pop("Condition", None)


def without_condition(key: str) -> Change:
    def change(statement: Statement) -> None:
        for comparison in statement["Condition"].values():
            comparison.pop(key, None)

    return change


def without_operator(name: str) -> Change:
    """Take a whole comparison ("Null") out of a statement's condition."""
    return lambda statement: statement["Condition"].pop(name)


def changed(**values: Any) -> Change:
    return lambda statement: statement.update(values)
