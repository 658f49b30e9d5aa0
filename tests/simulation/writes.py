"""One write on a DynamoDB table: what is wrong with it whatever is stored, and the row after it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

from simulation.attribute_values import InvalidError, Item, canonical
from simulation.expressions import Plan, plan
from simulation.store import Table

_CONDITION = (
    "ConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ReturnValuesOnConditionCheckFailure",
)
WRITES: Mapping[str, frozenset[str]] = {
    "Put": frozenset(("TableName", "Item", *_CONDITION)),
    "Update": frozenset(("TableName", "Key", "UpdateExpression", *_CONDITION)),
    "Delete": frozenset(("TableName", "Key", *_CONDITION)),
    "ConditionCheck": frozenset(("TableName", "Key", *_CONDITION)),
}
"""The parameters of each kind of write."""


class Write(NamedTuple):
    """A write that is well formed."""

    kind: str
    table: Table
    key: str
    item: Item
    """The row to put, or the key of the row to change."""
    plan: Plan
    values: Item
    wants_standing: bool
    """The row that fails the condition is to be in the error."""

    def allows(self, before: Item | None) -> bool:
        """Whether the row that stands meets the condition."""
        condition = self.plan.condition
        return condition is None or condition(before or {}, self.values)

    def after(self, before: Item | None) -> Item | None:
        """The row after it. Raises InvalidError where the row that stands does not allow it."""
        if self.kind == "Put":
            return self.item
        if self.kind != "Update":
            return None
        standing = before or {}
        after = dict(before or self.item)
        for attribute, new_value in self.plan.changes:
            value = new_value(standing, self.values)
            if value is None:
                after.pop(attribute, None)
            else:
                after[attribute] = value
        if any(attribute in self.table.index_attributes for attribute, _ in self.plan.changes):
            self.table.check_indexes(after)
        return after


def prepared(kind: str, request: Mapping[str, Any], table: Callable[[str], Table]) -> Write:
    """A request's write. Raises InvalidError, SchemaError or NotImplementedError."""
    known(request, WRITES[kind])
    target, values = table(request["TableName"]), request.get("ExpressionAttributeValues")
    made = plan(
        request.get("ConditionExpression"),
        request.get("UpdateExpression"),
        None,
        request.get("ExpressionAttributeNames"),
        values,
    )
    values = canonical(values) if values else {}
    made.check(values)
    if kind == "ConditionCheck" and made.condition is None:
        raise InvalidError("The ConditionExpression of a ConditionCheck must not be null")
    standing = request.get("ReturnValuesOnConditionCheckFailure", "NONE")
    if standing not in ("NONE", "ALL_OLD"):
        raise InvalidError("returnValuesOnConditionCheckFailure must be one of NONE, ALL_OLD")
    item: Item = canonical(request["Item"]) if kind == "Put" else request["Key"]
    if kind == "Put":
        key = target.key_of(item)
        target.check_indexes(item)
    else:
        key = target.key_in(item)
    if any(attribute == target.key for attribute, _ in made.changes):
        raise InvalidError("Cannot update an attribute that is part of the key")
    return Write(kind, target, key, item, made, values, standing == "ALL_OLD")


def known(request: Mapping[str, Any], parameters: frozenset[str]) -> None:
    """Raises NotImplementedError where a request has a parameter that is not among these."""
    if not request.keys() <= parameters:
        raise NotImplementedError(f"one of the parameters {', '.join(request)}")
