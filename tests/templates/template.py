"""A CloudFormation template as the house rules see it: parsed, short forms resolved, with line numbers."""

from __future__ import annotations

import copy
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from cfnlint.decode import cfn_yaml  # type: ignore[import-untyped]

ROOT = Path(__file__).parents[2]
FILES = {
    "base-infra": ROOT / "packages/base-infra/base-infra.yaml",
    "order-service": ROOT / "packages/order-service/order-stack.yaml",
    "inventory-service": ROOT / "packages/inventory-service/inventory-stack.yaml",
    "payment-service": ROOT / "packages/payment-service/payment-stack.yaml",
    "shipping-service": ROOT / "packages/shipping-service/shipping-stack.yaml",
    "stage-dashboard": ROOT / "packages/stage-dashboard/dashboard.yaml",
}
SERVICES = [name for name in FILES if name.endswith("-service")]
RUNBOOK = re.compile(r"\S. (docs/runbooks/[a-z0-9-]+\.md)")
"""How an alarm's description ends."""
BANNER = re.compile(r"^ *# =+ (?P<name>[^=]+?) =+$")

Json = Any


@dataclass
class Template:
    """One template.

    Attributes
    ----------
    name: the package it belongs to
    text: the file as written
    body: the parsed template; `!Sub` and the like are `{"Fn::Sub": ...}`, a GetAtt is a list of two
    lines: line (from 1) on which each resource begins
    """

    name: str
    text: str
    body: dict[str, Json]
    lines: dict[str, int] = field(default_factory=dict)

    @classmethod
    def read(cls, name: str) -> Template:
        return cls.parse(name, FILES[name].read_text(encoding="utf-8"))

    @classmethod
    def parse(cls, name: str, text: str) -> Template:
        nodes = cfn_yaml.loads(text)
        lines = {str(key): key.start_mark.line + 1 for key in nodes.get("Resources", {})}
        return cls(name, text, _plain(nodes), lines)

    def copy(self) -> Template:
        return copy.deepcopy(self)

    @property
    def resources(self) -> dict[str, dict[str, Json]]:
        resources: dict[str, dict[str, Json]] = self.body["Resources"]
        return resources

    def of(self, *types: str) -> dict[str, dict[str, Json]]:
        """Properties of the resources of these types ("SQS::Queue"), by logical id."""
        wanted = {f"AWS::{name}" for name in types}
        return {
            logical_id: resource.get("Properties", {})
            for logical_id, resource in self.resources.items()
            if resource["Type"] in wanted
        }

    def type_of(self, logical_id: str | None) -> str:
        """The type of a resource ("SQS::Queue"); empty where there is no such resource."""
        resource = self.resources.get(logical_id or "", {})
        return str(resource.get("Type", "")).removeprefix("AWS::")

    def banners(self) -> list[tuple[int, str]]:
        """The section banners: line (from 1) and name, in the order of the file."""
        found = ((number, BANNER.match(line)) for number, line in enumerate(self.text.splitlines(), 1))
        return [(number, match["name"]) for number, match in found if match]

    def physical_name(self, logical_id: str) -> str:
        """The name a resource asks for, with its placeholders ("ecom-${Stage}-orders")."""
        names = ("QueueName", "TopicName", "TableName", "FunctionName", "BucketName", "AlarmName", "Name")
        properties = self.resources[logical_id].get("Properties", {})
        return next((sub(properties[name]) for name in names if name in properties), "")


def _plain(node: Json) -> Json:
    if isinstance(node, dict):
        return {str(key): _plain(value) for key, value in node.items()}
    if isinstance(node, list):
        return [_plain(value) for value in node]
    return str(node) if isinstance(node, str) else node


# ---------------------------------------------------------------------------------------- reading values


def refers_to(value: Json) -> str | None:
    """The logical id that a `Ref` or `GetAtt` speaks of; None for anything else."""
    if isinstance(value, dict) and len(value) == 1:
        if "Ref" in value:
            return str(value["Ref"])
        if "Fn::GetAtt" in value:
            return str(value["Fn::GetAtt"][0])
    return None


def sub(value: Json) -> str:
    """The text of a `Sub` or of a plain string; empty for anything else."""
    if isinstance(value, dict) and "Fn::Sub" in value:
        value = value["Fn::Sub"]
    return value if isinstance(value, str) else ""


def imports(value: Json) -> str | None:
    """The name that an `ImportValue` asks for, with its placeholders; None for anything else."""
    return sub(value["Fn::ImportValue"]) if isinstance(value, dict) and "Fn::ImportValue" in value else None


def some(value: Json) -> list[Json]:
    """A policy's one-or-many as a list."""
    if value is None:
        return []
    return value if isinstance(value, list) else [value]


def walk(node: Json) -> Iterator[Json]:
    """A node and everything below it."""
    yield node
    children = node.values() if isinstance(node, dict) else node if isinstance(node, list) else ()
    for child in children:
        yield from walk(child)


def choices(value: Json) -> Iterator[tuple[str | None, Json]]:
    """What a value may become: the branches of an `If` with their conditions ("!IsProd" for the second)."""
    if isinstance(value, dict) and "Fn::If" in value:
        condition, yes, no = value["Fn::If"]
        for name, branch in ((condition, yes), (f"!{condition}", no)):
            if branch != {"Ref": "AWS::NoValue"}:
                yield name, branch
    else:
        yield None, value


def statements(policy: Json) -> Iterator[tuple[str | None, dict[str, Json]]]:
    """The statements of a policy document, each with the condition of the template it depends on, if any."""
    for statement in some(policy.get("Statement")):
        yield from choices(statement)


def condition_values(statement: dict[str, Json], key: str) -> list[Json]:
    """What a statement's condition compares `key` with, whatever the operator; empty if it does not."""
    found: list[Json] = []
    for comparison in statement.get("Condition", {}).values():
        for name, value in comparison.items():
            if name.lower() == key.lower():
                found += some(value)
    return found
