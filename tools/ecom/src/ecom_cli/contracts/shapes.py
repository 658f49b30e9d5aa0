"""Schemas as sets of values: a union of cases, each of which says everything that a value has to be at once.

JSON Schema puts assertions side by side, some of them conditional (`if`), some denied (`not`). To tell
whether all values of one schema are values of another, both are brought into this form first. It knows the
keywords that this system's schemas use; any other is refused, since what is not understood cannot be judged.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from functools import reduce
from typing import Any

NUMBERS = frozenset({"integer", "fraction"})
"""`number` in two parts that have nothing in common: whole numbers, and the others."""

KINDS = frozenset({"null", "boolean", "string", "array", "object"}) | NUMBERS
MOST_CASES = 256


class NotUnderstood(Exception):  # noqa: N818  # it is an answer, not a fault
    """A schema says something that cannot be judged here. `pointer` says where in the schema, `why` what."""

    def __init__(self, pointer: str, why: str) -> None:
        super().__init__(f"{pointer or '/'}: {why}")
        self.pointer = pointer
        self.why = why


@dataclass(frozen=True)
class Shape:
    """One case. As in JSON Schema, what is said of one kind of value says nothing about the other kinds.

    `values` (None: any) and `excluded` hold values as canonical JSON, see `canonical`.
    """

    kinds: frozenset[str] = KINDS
    values: frozenset[str] | None = None
    excluded: frozenset[str] = frozenset()
    min_length: int = 0
    max_length: int | None = None
    patterns: frozenset[str] = frozenset()
    formats: frozenset[str] = frozenset()
    minimum: float | None = None
    maximum: float | None = None
    min_items: int = 0
    max_items: int | None = None
    items: tuple[Shape, ...] | None = None
    required: frozenset[str] = frozenset()
    forbidden: frozenset[str] = frozenset()
    properties: Mapping[str, tuple[Shape, ...]] = field(default_factory=dict)


Cases = tuple[Shape, ...]
"""A value is one of these; () where there is none that could be."""

ANYTHING: Cases = (Shape(),)


def canonical(value: Any) -> str:
    """A value as text that is the same for equal values. JSON Schema takes 1 and 1.0 for equal, not True."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    elif isinstance(value, dict):
        value = {name: json.loads(canonical(each)) for name, each in value.items()}
    elif isinstance(value, list):
        value = [json.loads(canonical(each)) for each in value]
    return json.dumps(value, sort_keys=True, ensure_ascii=False)


def kind_of(value: Any) -> str:
    """Which of KINDS a JSON value is."""
    if isinstance(value, bool):
        return "boolean"
    if isinstance(value, float):
        return "integer" if value.is_integer() else "fraction"
    names = {int: "integer", str: "string", list: "array", dict: "object", type(None): "null"}
    return names[type(value)]


def meet(one: Cases, other: Cases) -> Cases:
    """The values that are in both."""
    if ANYTHING in (one, other):
        return one if other == ANYTHING else other
    found: list[Shape] = []
    for a in one:
        for b in other:
            both = _both(a, b)
            if both is not None and both not in found:
                found.append(both)
    if len(found) > MOST_CASES:
        raise NotUnderstood("", f"there are more than {MOST_CASES} cases")
    return tuple(found)


def join(*unions: Cases) -> Cases:
    """The values that are in any of these."""
    found: list[Shape] = []
    for shape in (shape for cases in unions for shape in cases):
        if shape not in found:
            found.append(shape)
    return tuple(found)


def complement(cases: Cases) -> Cases:
    """The values that are in none of these cases. Raises NotUnderstood where that is no set of cases."""
    return reduce(meet, (_outside(shape) for shape in cases), ANYTHING)


def _both(a: Shape, b: Shape) -> Shape | None:
    items = a.items if b.items is None else b.items if a.items is None else meet(a.items, b.items)
    names = a.properties.keys() | b.properties.keys()
    return tidy(
        Shape(
            kinds=a.kinds & b.kinds,
            values=a.values if b.values is None else b.values if a.values is None else a.values & b.values,
            excluded=a.excluded | b.excluded,
            min_length=max(a.min_length, b.min_length),
            max_length=_lower(a.max_length, b.max_length),
            patterns=a.patterns | b.patterns,
            formats=a.formats | b.formats,
            minimum=_higher(a.minimum, b.minimum),
            maximum=_lower(a.maximum, b.maximum),
            min_items=max(a.min_items, b.min_items),
            max_items=_lower(a.max_items, b.max_items),
            items=items,
            required=a.required | b.required,
            forbidden=a.forbidden | b.forbidden,
            properties={
                name: meet(a.properties.get(name, ANYTHING), b.properties.get(name, ANYTHING))
                for name in sorted(names)
            },
        )
    )


def tidy(shape: Shape) -> Shape | None:
    """The same set in one spelling; None where nothing is in it."""
    shape = _without_impossible_fields(shape)
    kinds = set(shape.kinds)
    if shape.max_length is not None and shape.min_length > shape.max_length:
        kinds.discard("string")
    if shape.minimum is not None and shape.maximum is not None and shape.minimum > shape.maximum:
        kinds -= NUMBERS
    if shape.max_items is not None and shape.min_items > shape.max_items:
        kinds.discard("array")
    if shape.required & shape.forbidden:
        kinds.discard("object")
    values = shape.values
    if values is None and kinds <= {"null", "boolean"}:
        values = frozenset({"null", "true", "false"})
    if values is not None:
        loose = replace(shape, kinds=frozenset(kinds), values=None)
        values = frozenset(value for value in values if admits(loose, value, unsure=True))
        kinds = {kind_of(json.loads(value)) for value in values}
        return Shape(frozenset(kinds), values, formats=shape.formats) if values else None
    if not kinds:
        return None
    excluded = frozenset(value for value in shape.excluded if kind_of(json.loads(value)) in kinds)
    return replace(shape, kinds=frozenset(kinds), excluded=excluded)


def _without_impossible_fields(shape: Shape) -> Shape:
    """A field that cannot have a value cannot be there; one that cannot be there needs no description."""
    impossible = {name for name, cases in shape.properties.items() if not cases}
    forbidden = shape.forbidden | impossible
    described = {
        name: cases for name, cases in shape.properties.items() if name not in forbidden and cases != ANYTHING
    }
    return replace(shape, forbidden=forbidden, properties=described)


def admits(shape: Shape, value: str, *, unsure: bool) -> bool:
    """Whether a value, as canonical JSON, is in a case. `unsure` is the answer where a format decides."""
    import re

    found = json.loads(value)
    kind = kind_of(found)
    if kind not in shape.kinds or value in shape.excluded:
        return False
    if kind == "string" and shape.formats and not unsure:
        return False
    if shape.values is not None:
        return value in shape.values
    if kind == "string":
        if (
            not shape.min_length
            <= len(found)
            <= (len(found) if shape.max_length is None else shape.max_length)
        ):
            return False
        return all(re.search(pattern, found) for pattern in shape.patterns)
    if kind in NUMBERS:
        return (shape.minimum is None or shape.minimum <= found) and (
            shape.maximum is None or found <= shape.maximum
        )
    if kind == "array":
        most = len(found) if shape.max_items is None else shape.max_items
        return shape.min_items <= len(found) <= most and all(
            _any_admits(shape.items, each, unsure) for each in found
        )
    if kind == "object":
        return (
            shape.required <= found.keys()
            and not shape.forbidden & found.keys()
            and all(_any_admits(shape.properties.get(name), each, unsure) for name, each in found.items())
        )
    return True


def _any_admits(cases: Cases | None, value: Any, unsure: bool) -> bool:
    return cases is None or any(admits(shape, canonical(value), unsure=unsure) for shape in cases)


def _outside(shape: Shape) -> Cases:
    """Everything but one case: one of its assertions has to fail."""
    if shape.patterns or shape.formats or shape.items is not None:
        raise NotUnderstood("", "a pattern, a format or elements under `if` or `not`")
    if shape.minimum is not None or shape.maximum is not None:
        raise NotUnderstood("", "a minimum or maximum under `if` or `not`")
    text, row, record = frozenset({"string"}), frozenset({"array"}), frozenset({"object"})
    found: list[Shape | None] = [Shape(kinds=KINDS - shape.kinds)] if shape.kinds != KINDS else []
    if shape.values is not None:
        found.append(Shape(excluded=shape.values))
    if shape.excluded:
        found.append(Shape(values=shape.excluded))
    if shape.min_length:
        found.append(Shape(kinds=text, max_length=shape.min_length - 1))
    if shape.max_length is not None:
        found.append(Shape(kinds=text, min_length=shape.max_length + 1))
    if shape.min_items:
        found.append(Shape(kinds=row, max_items=shape.min_items - 1))
    if shape.max_items is not None:
        found.append(Shape(kinds=row, min_items=shape.max_items + 1))
    found += [Shape(kinds=record, forbidden=frozenset({name})) for name in sorted(shape.required)]
    found += [Shape(kinds=record, required=frozenset({name})) for name in sorted(shape.forbidden)]
    found += [
        Shape(kinds=record, required=frozenset({name}), properties={name: complement(cases)})
        for name, cases in sorted(shape.properties.items())
    ]
    tidied = (tidy(each) for each in found if each is not None)
    return tuple(each for each in tidied if each is not None)


def _lower(one: Any, other: Any) -> Any:
    return min((each for each in (one, other) if each is not None), default=None)


def _higher(one: Any, other: Any) -> Any:
    return max((each for each in (one, other) if each is not None), default=None)


def tidied(shapes: Iterable[Shape]) -> Cases:
    """These cases, each in one spelling, without the empty ones."""
    return join(tuple(each for each in map(tidy, shapes) if each is not None))
