"""DynamoDB's condition, update and key condition expressions, compiled once for each text.

Conditions are functions of (item, values), the changes of an update functions that give an attribute's new
value; values are looked up when they are called, so that one plan serves every request of the same form.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Mapping
from typing import Any, NamedTuple, TypeAlias

from simulation.attribute_values import (
    SETS,
    InvalidError,
    Item,
    Value,
    added,
    begins,
    comparable,
    contains,
    equal,
    kind_of,
    sum_text,
    without,
)
from simulation.grammar import Reader, Tree

Predicate: TypeAlias = Callable[[Item, Item], bool]
Operand: TypeAlias = Callable[[Item, Item], Value | None]

ORDERED = ("S", "N", "B")
_ORDER: Mapping[str, Callable[[Any, Any], bool]] = {
    "<": operator.lt,
    "<=": operator.le,
    ">": operator.gt,
    ">=": operator.ge,
}


class Term(NamedTuple):
    """One condition on a key: an attribute, a comparator, and the names of the values compared with."""

    attribute: str
    comparator: str
    values: tuple[str, ...]


class Plan(NamedTuple):
    """What a request's expressions ask for."""

    condition: Predicate | None
    changes: tuple[tuple[str, Operand], ...]
    """The new value of each attribute that an update touches; None takes the attribute off."""
    key_condition: tuple[Term, ...]
    kinds: tuple[tuple[str, tuple[str, ...]], ...]
    """Values whose kind an operator prescribes."""
    ranges: tuple[tuple[str, str], ...]
    """Values that are the bounds of a BETWEEN."""

    def check(self, values: Item) -> None:
        """Raises InvalidError where an operator cannot take these values whatever the row is."""
        for name, kinds in self.kinds:
            if kind_of(values[name]) not in kinds:
                raise InvalidError("Incorrect operand type for operator or function")
        for low, high in self.ranges:
            if kind_of(values[low]) != kind_of(values[high]):
                raise InvalidError("The BETWEEN operator requires same data type for lower and upper bounds")
            if comparable(values[low]) > comparable(values[high]):
                raise InvalidError("The BETWEEN operator requires upper bound to be at least the lower bound")


class _Compiler:
    """Turns trees into functions, and collects what `Plan.check` must look at."""

    def __init__(self) -> None:
        self.kinds: list[tuple[str, tuple[str, ...]]] = []
        self.ranges: list[tuple[str, str]] = []

    def condition(self, tree: Tree) -> Predicate:
        what, *parts = tree
        if what in ("and", "or"):
            first, second = (self.condition(part) for part in parts)
            if what == "and":
                return lambda item, values: first(item, values) and second(item, values)
            return lambda item, values: first(item, values) or second(item, values)
        if what == "not":
            inner = self.condition(parts[0])
            return lambda item, values: not inner(item, values)
        if what == "group":
            return self.condition(parts[0])
        if what in ("attribute_exists", "attribute_not_exists"):
            attribute, wanted = parts[0][1], what == "attribute_exists"
            return lambda item, values: (attribute in item) is wanted
        return self._comparison(what, parts)

    def _comparison(self, what: str, parts: list[Tree]) -> Predicate:
        if what in ("between", "begins_with", *_ORDER):
            for part in parts:
                self._prescribe(part, ("S", "B") if what == "begins_with" else ORDERED)
        if what == "between" and parts[1][0] == parts[2][0] == "value":
            self.ranges.append((parts[1][1], parts[2][1]))
        left, *others = (_operand(part) for part in parts)
        if what == "between":
            at_least, at_most = _ordered(operator.ge, left, others[0]), _ordered(operator.le, left, others[1])
            return lambda item, values: at_least(item, values) and at_most(item, values)
        if what == "in":
            return lambda item, values: any(equal(left(item, values), one(item, values)) for one in others)
        (right,) = others
        if what == "=":
            return lambda item, values: equal(left(item, values), right(item, values))
        if what == "<>":
            # True where one is missing or of another kind: such are not equal.
            return lambda item, values: not equal(left(item, values), right(item, values))
        if what == "begins_with":
            return lambda item, values: begins(left(item, values), right(item, values))
        if what == "contains":
            return lambda item, values: contains(left(item, values), right(item, values))
        return _ordered(_ORDER[what], left, right)

    def change(self, clause: str, attribute: str, tree: Tree) -> Operand:
        if clause == "REMOVE":
            return lambda item, values: None
        if clause == "SET":
            return self._value(tree)
        name: str = tree[1]
        self._prescribe(tree, ("N", *SETS) if clause == "ADD" else SETS)
        combine = added if clause == "ADD" else without
        return lambda item, values: combine(item.get(attribute), values[name])

    def _value(self, tree: Tree) -> Operand:
        what, *parts = tree
        if what in ("path", "value"):
            return _present(_operand(tree))
        if what == "if_not_exists":
            attribute, fallback = parts[0][1], self._value(parts[1])

            def standing(item: Item, values: Item) -> Value | None:
                return item[attribute] if attribute in item else fallback(item, values)

            return standing
        kind = "L" if what == "list_append" else "N"
        for part in parts:
            self._prescribe(part, (kind,))
        left, right = (self._value(part) for part in parts)
        sign = -1 if what == "-" else 1

        def combined(item: Item, values: Item) -> Value:
            one, other = left(item, values), right(item, values)
            if not one or not other or kind not in one or kind not in other:
                raise InvalidError("An operand in the update expression has an incorrect data type")
            if kind == "L":
                return {"L": one["L"] + other["L"]}
            return {"N": sum_text(one["N"], other["N"], sign)}

        return combined

    def _prescribe(self, tree: Tree, kinds: tuple[str, ...]) -> None:
        if tree[0] == "value":
            self.kinds.append((tree[1], kinds))


def _operand(tree: Tree) -> Operand:
    what, name = tree
    if what == "value":
        return lambda item, values: values[name]
    return lambda item, values: item.get(name)


def _present(operand: Operand) -> Operand:
    def value(item: Item, values: Item) -> Value:
        found = operand(item, values)
        if found is None:
            raise InvalidError(
                "The provided expression refers to an attribute that does not exist in the item"
            )
        return found

    return value


def _ordered(compare: Callable[[Any, Any], bool], left: Operand, right: Operand) -> Predicate:
    def predicate(item: Item, values: Item) -> bool:
        one, other = left(item, values), right(item, values)
        if not one or not other:
            return False
        kind = kind_of(one)
        return kind in ORDERED and kind in other and compare(comparable(one), comparable(other))

    return predicate


def _terms(tree: Tree) -> tuple[Term, ...]:
    """A key condition: one comparison, or two joined by AND."""
    what, *parts = tree
    if what == "group":
        return _terms(parts[0])
    if what == "and":
        return _terms(parts[0]) + _terms(parts[1])
    if what not in ("=", "between", "begins_with", *_ORDER):
        raise InvalidError("InvalidError operator used in KeyConditionExpression")
    path, *operands = parts
    if path[0] != "path" or any(operand[0] != "value" for operand in operands):
        raise InvalidError("InvalidError condition in KeyConditionExpression")
    return (Term(path[1], what, tuple(name for _, name in operands)),)


_plans: dict[tuple[Any, ...], Plan] = {}


def plan(
    condition: str | None = None,
    update: str | None = None,
    key_condition: str | None = None,
    names: Mapping[str, str] | None = None,
    values: Mapping[str, Value] | None = None,
) -> Plan:
    """The plan of a request's expressions. Raises InvalidError for what DynamoDB refuses whatever is stored,
    NotImplementedError for what it knows and this does not."""
    key = (
        condition,
        update,
        key_condition,
        None if names is None else tuple(names.items()),
        None if values is None else tuple(values),
    )
    made = _plans.get(key)
    if made is None:
        made = _plans[key] = _made(condition, update, key_condition, names, values)
    return made


def _made(
    condition: str | None,
    update: str | None,
    key_condition: str | None,
    names: Mapping[str, str] | None,
    values: Mapping[str, Value] | None,
) -> Plan:
    if condition is None and update is None and key_condition is None and (names, values) != (None, None):
        raise InvalidError("ExpressionAttributeNames and Values can only be specified when using expressions")
    if names == {} or values == {}:
        raise InvalidError("ExpressionAttributeNames and ExpressionAttributeValues must not be empty")
    used: set[str] = set()
    compiler = _Compiler()

    def reader(text: str) -> Reader:
        return Reader(text, names or {}, frozenset(values or ()), used)

    actions = () if update is None else reader(update).update()
    made = Plan(
        None if condition is None else compiler.condition(reader(condition).condition()),
        tuple((attribute, compiler.change(clause, attribute, tree)) for clause, attribute, tree in actions),
        () if key_condition is None else _terms(reader(key_condition).condition()),
        tuple(compiler.kinds),
        tuple(compiler.ranges),
    )
    if any(name not in used for name in (*(names or ()), *(values or ()))):
        raise InvalidError("Value provided in ExpressionAttributeNames or Values unused in expressions")
    return made
