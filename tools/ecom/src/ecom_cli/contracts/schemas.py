"""From JSON Schema (2020-12) to cases, and from a rule's pattern to cases."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ecom_cli.contracts.shapes import (
    ANYTHING,
    KINDS,
    NUMBERS,
    Cases,
    NotUnderstood,
    Shape,
    canonical,
    complement,
    join,
    kind_of,
    meet,
    tidied,
)

WORDS = frozenset({"$schema", "$id", "$comment", "title", "description", "examples", "default", "deprecated"})
"""Keywords that allow or forbid nothing."""

_ASSERTIONS: Mapping[str, Callable[[Any], Shape]] = {
    "type": lambda names: Shape(kinds=_kinds(names)),
    "const": lambda value: Shape(values=frozenset({canonical(value)})),
    "enum": lambda values: Shape(values=frozenset(map(canonical, values))),
    "minLength": lambda number: Shape(min_length=number),
    "maxLength": lambda number: Shape(max_length=number),
    "pattern": lambda pattern: Shape(patterns=frozenset({pattern})),
    "format": lambda name: Shape(formats=frozenset({name})),
    "minimum": lambda number: Shape(minimum=number),
    "maximum": lambda number: Shape(maximum=number),
    "minItems": lambda number: Shape(min_items=number),
    "maxItems": lambda number: Shape(max_items=number),
    "required": lambda names: Shape(required=frozenset(names)),
}

_APPLICATORS = frozenset({"properties", "items", "if", "then", "else", "not", "allOf", "anyOf"})

KEYWORDS = WORDS | _ASSERTIONS.keys() | _APPLICATORS
"""What is understood. Facts are open: a schema that forbids further fields could never grow."""


def cases_of(schema: Any, at: str = "") -> Cases:
    """The values that a schema accepts. Raises NotUnderstood, with a pointer into the schema."""
    if isinstance(schema, bool):
        return ANYTHING if schema else ()
    if not isinstance(schema, Mapping):
        raise NotUnderstood(at, "this is no schema")
    for keyword in schema:
        if keyword not in KEYWORDS:
            raise NotUnderstood(f"{at}/{_escape(keyword)}", f"the keyword {keyword!r} is not understood")
    try:
        found = ANYTHING
        for keyword, value in schema.items():
            if keyword in _ASSERTIONS:
                found = meet(found, tidied([_ASSERTIONS[keyword](value)]))
        for part in _applied(schema, at):
            found = meet(found, part)
    except NotUnderstood as error:
        raise NotUnderstood(error.pointer or at, error.why) from error
    except (TypeError, KeyError, AttributeError) as error:
        raise NotUnderstood(at, f"this is no valid schema: {error}") from error
    return found


def matched_by(pattern: Any) -> Cases:
    """The details that a rule's pattern may let through: rather more of them than it really does.

    Exact values are understood, all else (`prefix`, `exists`, `$or`, …) lets everything through here. In a
    list EventBridge looks for one element that matches, so that lists may get through anywhere.
    """
    listed = Shape(kinds=frozenset({"array"}))
    if isinstance(pattern, Mapping):
        exact = {name: inner for name, inner in pattern.items() if _is_exact(inner)}
        fields = {name: matched_by(inner) for name, inner in exact.items()}
        shape = Shape(kinds=frozenset({"object"}), required=frozenset(fields), properties=fields)
        return tidied([shape, listed])
    return tidied([Shape(values=frozenset(map(canonical, pattern))), listed])


def opened(schema: Any) -> Any:
    """The schema with every list of allowed values opened to more of their kind.

    Readers elsewhere have been told to expect values that they do not know; where the list decides what else
    holds (under `if` and `not`), it stays. A `const` stays: the version of the schema is one.
    """
    if not isinstance(schema, Mapping):
        return schema
    found: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword == "enum":
            kinds = {kind_of(each) for each in value}
            found["type"] = sorted("number" if kind == "fraction" else kind for kind in kinds)
        elif keyword == "properties":
            found[keyword] = {name: opened(each) for name, each in value.items()}
        elif keyword in ("items", "then", "else"):
            found[keyword] = opened(value)
        elif keyword in ("allOf", "anyOf"):
            found[keyword] = [opened(each) for each in value]
        elif keyword != "type" or "enum" not in schema:  # the list says more than a type beside it
            found[keyword] = value
    return found


def fields_of(schema: Any, at: str = "") -> set[str]:
    """The fields that a schema describes, as JSON pointers into the value: those without fields of their own.

    The elements of a list are `*`. What a condition (`if`, `not`) asks about is not described by that.
    """
    if not isinstance(schema, Mapping):
        return {at} if at else set()
    inner: set[str] = set()
    for name, each in schema.get("properties", {}).items():
        inner |= fields_of(each, f"{at}/{_escape(name)}")
    if "items" in schema:
        inner |= fields_of(schema["items"], f"{at}/*")
    conditional = [schema[keyword] for keyword in ("then", "else") if keyword in schema]
    for each in (*conditional, *schema.get("allOf", ()), *schema.get("anyOf", ())):
        inner |= fields_of(each, at) - {at}
    return inner or ({at} if at else set())


def _applied(schema: Mapping[str, Any], at: str) -> list[Cases]:
    found = []
    if "properties" in schema:
        fields = {
            name: cases_of(each, f"{at}/properties/{_escape(name)}")
            for name, each in schema["properties"].items()
        }
        found.append(tidied([Shape(properties=fields)]))
    if "items" in schema:
        found.append(tidied([Shape(items=cases_of(schema["items"], f"{at}/items"))]))
    if "not" in schema:
        found.append(complement(cases_of(schema["not"], f"{at}/not")))
    found += [cases_of(each, f"{at}/allOf/{number}") for number, each in enumerate(schema.get("allOf", ()))]
    if "anyOf" in schema:
        options = (cases_of(each, f"{at}/anyOf/{number}") for number, each in enumerate(schema["anyOf"]))
        found.append(join(*options))
    if "if" in schema:
        condition = cases_of(schema["if"], f"{at}/if")
        then = cases_of(schema.get("then", True), f"{at}/then")
        otherwise = cases_of(schema.get("else", True), f"{at}/else")
        found.append(join(meet(condition, then), meet(complement(condition), otherwise)))
    elif {"then", "else"} & schema.keys():
        raise NotUnderstood(at, "`then` and `else` mean nothing without `if`")
    return found


def _is_exact(inner: Any) -> bool:
    return isinstance(inner, Mapping) or not any(isinstance(each, Mapping) for each in inner)


def _kinds(names: Any) -> frozenset[str]:
    names = [names] if isinstance(names, str) else names
    found = frozenset().union(*(NUMBERS if name == "number" else {name} for name in names))
    if not found <= KINDS or "fraction" in names:
        raise NotUnderstood("", f"there is no type {sorted(set(names) - KINDS | {'fraction'} & set(names))}")
    return found


def _escape(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1")
