"""Made-up conditions, updates and transactions, for a `Twin`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from typing import Any

from botocore.exceptions import ClientError

from simulation.differential import Twin, specs

KEYS = ("a", "b", "c")
COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
ATTRIBUTES = ("n", "m", "s", "t", "ns", "ss", "li")
_OF_KIND: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "N": lambda rng: {"N": rng.choice(("0", "1", "2", "-3", "10", "1.5", "1.50"))},
    "S": lambda rng: {"S": rng.choice(("", "a", "ab", "b", "1", "ä"))},
    "NS": lambda rng: {"NS": rng.sample(["1", "2", "3", "10"], rng.randint(1, 3))},
    "SS": lambda rng: {"SS": rng.sample(["a", "b", "c"], rng.randint(1, 3))},
    "L": lambda rng: {"L": [{"N": "1"}, {"M": {"x": {"S": "y"}}}][: rng.randint(0, 2)]},
    "BOOL": lambda rng: {"BOOL": rng.random() < 0.5},
}
_KIND = {"n": "N", "m": "N", "s": "S", "t": "S", "ns": "NS", "ss": "SS", "li": "L"}


class Inventor:
    """Makes up requests on a table whose rows have any of a few attributes.

    `strays` of the values, as a fraction, are not of the kind meant for their attribute.
    """

    def __init__(self, rng: random.Random, table: str, key: str, strays: float) -> None:
        self._rng = rng
        self._strays = strays
        self._table = table
        self._key = key
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def request(self) -> tuple[str, dict[str, Any]]:
        """An operation and its request."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.1:
            return "get_item", {"TableName": self._table, "Key": self._row_key(), "ConsistentRead": True}
        if chance < 0.2:
            wanted = [{self._key: {"S": key}} for key in rng.sample(KEYS, rng.randint(1, 3))]
            return "batch_get_item", {"RequestItems": {self._table: {"Keys": wanted, "ConsistentRead": True}}}
        if chance < 0.35:
            keys = rng.sample(KEYS, rng.randint(1, 3))
            return "transact_write_items", {"TransactItems": [self._action(key) for key in keys]}
        kind, request = self._write(rng.choice(KEYS), ("Put", "Update", "Update", "Update", "Delete"))
        returns = {
            "Put": ("NONE", "ALL_OLD"),
            "Delete": ("NONE", "ALL_OLD"),
            "Update": ("NONE", "ALL_OLD", "ALL_NEW"),
        }
        return f"{kind.lower()}_item", {**request, "ReturnValues": rng.choice(returns[kind])}

    def _action(self, key: str) -> dict[str, Any]:
        kind, request = self._write(key, ("Put", "Update", "Update", "Delete", "ConditionCheck"))
        return {kind: request}

    def _row_key(self) -> dict[str, Any]:
        return {self._key: {"S": self._rng.choice(KEYS)}}

    def _write(self, key: str, kinds: Sequence[str]) -> tuple[str, dict[str, Any]]:
        rng = self._rng
        self._names, self._values = {}, {}
        kind = rng.choice(kinds)
        request: dict[str, Any] = {"TableName": self._table}
        if kind == "Put":
            request["Item"] = {self._key: {"S": key}, **self._attributes()}
        else:
            request["Key"] = {self._key: {"S": key}}
        if kind == "Update":
            request["UpdateExpression"] = self._update()
        if kind == "ConditionCheck" or rng.random() < 0.6:
            request["ConditionExpression"] = self._condition(2)
            if rng.random() < 0.7:
                request["ReturnValuesOnConditionCheckFailure"] = rng.choice(("ALL_OLD", "NONE"))
        if self._names:
            request["ExpressionAttributeNames"] = self._names
        if self._values:
            request["ExpressionAttributeValues"] = self._values
        return kind, request

    def _attributes(self) -> dict[str, Any]:
        chosen = self._rng.sample(ATTRIBUTES, self._rng.randint(0, 5))
        return {name: self._of(name) for name in chosen}

    def _of(self, attribute: str, strays: float | None = None) -> dict[str, Any]:
        stray = self._rng.random() < (self._strays if strays is None else strays)
        kind = self._rng.choice(list(_OF_KIND)) if stray else _KIND[attribute]
        return _OF_KIND[kind](self._rng)

    def _path(self, attribute: str) -> str:
        if self._rng.random() < 0.5:
            return attribute
        self._names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def _value(self, value: dict[str, Any]) -> str:
        name = f":v{len(self._values)}"
        self._values[name] = value
        return name

    def _condition(self, depth: int) -> str:
        rng = self._rng
        if depth and rng.random() < 0.5:
            left, right = self._condition(depth - 1), self._condition(depth - 1)
            return rng.choice((f"{left} AND {right}", f"{left} OR ({right})", f"NOT ({left}) AND {right}"))
        return ("NOT " if rng.random() < 0.2 else "") + self._comparison()

    def _comparison(self) -> str:
        rng = self._rng
        attribute = rng.choice(("n", "m", "s", "t") if rng.random() < 0.3 else ATTRIBUTES)
        path = self._path(attribute)
        match rng.randint(0, 6):
            case 0:
                return f"attribute_exists({path})"
            case 1:
                return f"attribute_not_exists({path})"
            case 2 | 3 if attribute in ("n", "m", "s", "t"):
                return f"{path} {rng.choice(COMPARATORS)} {self._value(self._of(attribute, 0))}"
            case 4:
                return f"{path} IN ({self._value(self._of(attribute))}, {self._value(self._of(attribute))})"
            case 5:
                return f"contains({path}, {self._value(_OF_KIND[rng.choice('NS')](rng))})"
            case _:
                return f"{path} {rng.choice(('=', '<>'))} {self._value(self._of(attribute))}"

    def _update(self) -> str:
        rng = self._rng
        clauses: dict[str, list[str]] = {}
        for attribute in rng.sample(ATTRIBUTES, rng.randint(1, 3)):
            clause, action = self._change(attribute)
            clauses.setdefault(clause, []).append(action)
        return " ".join(f"{clause} {', '.join(actions)}" for clause, actions in clauses.items())

    def _change(self, attribute: str) -> tuple[str, str]:
        rng, path = self._rng, self._path(attribute)
        kind = _KIND[attribute]
        change = rng.randint(0, 5)
        if change == 0:
            return "REMOVE", path
        if change == 1 and kind in ("N", "NS", "SS"):
            return "ADD", f"{path} {self._value(self._of(attribute, 0))}"
        if change == 2 and kind in ("NS", "SS"):
            return "DELETE", f"{path} {self._value(self._of(attribute, 0))}"
        if change == 3 and kind == "N":
            return "SET", f"{path} = {path} {rng.choice('+-')} {self._value(self._of(attribute, 0))}"
        if change == 3 and kind == "L":
            return "SET", f"{path} = list_append({path}, {self._value(self._of(attribute, 0))})"
        if change == 4:
            return "SET", f"{path} = if_not_exists({path}, {self._value(self._of(attribute))})"
        if change == 5:
            alike = [name for name in ATTRIBUTES if _KIND[name] == kind and name != attribute]
            return "SET", f"{path} = {self._path(rng.choice(alike or [attribute]))}"
        return "SET", f"{path} = {self._value(self._of(attribute))}"


def experiment(twin: Twin, prefix: str, rng: random.Random, steps: int, *, strays: float) -> None:
    """Made-up calls on a few rows."""
    table = specs(prefix)["shipping"]
    inventor = Inventor(rng, table.name, table.key, strays)
    for _ in range(steps):
        operation, request = inventor.request()
        with suppress(ClientError):
            twin.call(operation, request)
