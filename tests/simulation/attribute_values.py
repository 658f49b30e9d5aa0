"""DynamoDB's typed attribute values, ``{"S": "…"}``: which are valid, and one spelling for each."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from decimal import Context, Decimal, Inexact, InvalidOperation
from functools import lru_cache
from typing import Any, TypeAlias

from botocore.exceptions import ParamValidationError

Value: TypeAlias = dict[str, Any]
Item: TypeAlias = dict[str, Any]
"""Values by attribute. Nobody changes one in place: a write puts another in its stead."""

Number: TypeAlias = int | Decimal

SETS = ("SS", "NS", "BS")

_any_number = re.compile(r"[-+]?([0-9]+\.?[0-9]*|\.[0-9]+)([eE][-+]?[0-9]+)?").fullmatch
_PRECISION = Context(prec=38, traps=[Inexact, InvalidOperation])
_EXACT = Context(prec=400)
"""Enough digits for any sum of two numbers in DynamoDB's range, 1E-130 to 9.9…E+125."""
_LIMIT = 10**38


class InvalidError(Exception):
    """What DynamoDB refuses with a ValidationException."""


class SchemaError(InvalidError):
    """A key of a wrong kind. A transaction does not refuse it at once but tells which action has it."""


def kind_of(value: Value) -> str:
    """``S``, ``N``, ``SS`` …"""
    for kind in value:
        return kind
    raise InvalidError(
        "Supplied AttributeValue is empty, must contain exactly one of the supported datatypes"
    )


def number(text: str) -> Number:
    """What the text of a valid N stands for, exactly."""
    try:
        return int(text)
    except ValueError:
        return Decimal(text)


def number_text(exact: Number) -> str:
    """How DynamoDB spells a number. Raises InvalidError beyond 38 digits or its range."""
    if isinstance(exact, int) and -_LIMIT < exact < _LIMIT:
        return str(exact)
    try:
        rounded = _PRECISION.create_decimal(exact)
    except (Inexact, InvalidOperation):
        raise InvalidError("Attempting to store more than 38 significant digits in a Number") from None
    if not rounded:
        return "0"
    if not -130 <= rounded.adjusted() <= 125:
        raise InvalidError("Number overflow or underflow")
    text = f"{rounded:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def sum_text(left: str, right: str, sign: int = 1) -> str:
    """left plus or minus right, as DynamoDB spells it. Raises InvalidError beyond its digits or range."""
    one, other = number(left), sign * number(right)
    if isinstance(one, int) and isinstance(other, int):
        return number_text(one + other)
    return number_text(_EXACT.add(one, other))


def canonical(values: Mapping[str, Value]) -> Item:
    """The values in the one spelling under which equal ones are ``==``: numbers as DynamoDB writes them,
    sets in order. Raises InvalidError for what DynamoDB refuses."""
    result = dict(values)
    for name, value in values.items():
        # most are texts, which are canonical as they are
        if "S" not in value or len(value) > 1 or type(value["S"]) is not str:
            result[name] = _canonical(value)
    return result


def _canonical(value: Value) -> Value:
    kind = kind_of(value)
    if len(value) > 1:
        raise InvalidError("Supplied AttributeValue has more than one datatypes set")
    content = value[kind]
    if type(content) is not _PYTHON.get(kind):
        raise ParamValidationError(report=f"Invalid type for an attribute value of type {kind}")
    respell = _CONTENT.get(kind)
    return {kind: respell(content)} if respell else value


@lru_cache(maxsize=65536)
def _canonical_number(text: str) -> str:
    if not _any_number(text):
        raise InvalidError("The parameter cannot be converted to a numeric value")
    return number_text(Decimal(text))


def _distinct(members: list[Any]) -> list[Any]:
    if not members:
        raise InvalidError("One or more parameter values were invalid: a set may not be empty")
    if len(set(members)) != len(members):
        raise InvalidError("One or more parameter values were invalid: Input collection contains duplicates")
    return members


def _null(content: bool) -> bool:
    if not content:
        raise InvalidError(
            "One or more parameter values were invalid: Null attribute value types must be true"
        )
    return content


_PYTHON: Mapping[str, type] = {
    "S": str, "N": str, "B": bytes, "BOOL": bool, "NULL": bool,
    "SS": list, "NS": list, "BS": list, "L": list, "M": dict,
}  # fmt: skip
_CONTENT: Mapping[str, Callable[[Any], Any]] = {
    "N": _canonical_number,
    "NULL": _null,
    "SS": lambda members: sorted(_distinct(members)),
    "NS": lambda members: sorted(_distinct([_canonical_number(member) for member in members]), key=number),
    "BS": lambda members: sorted(_distinct(members)),
    "L": lambda elements: [_canonical(element) for element in elements],
    "M": canonical,
}


def comparable(value: Value) -> Any:
    """What orders values of one kind: texts by UTF-8 bytes, numbers by size. None for kinds without order."""
    if "S" in value:
        return value["S"]  # by code point is by UTF-8 byte
    if "N" in value:
        return number(value["N"])
    return value.get("B")


def equal(left: Value | None, right: Value | None) -> bool:
    """Nothing equals what is not there, not even something else that is not there."""
    return left is not None and left == right


def begins(whole: Value | None, start: Value | None) -> bool:
    """Whether a text or bytes begin with others; False for all else."""
    if not whole or not start:
        return False
    kind = kind_of(whole)
    return kind in ("S", "B") and kind in start and whole[kind].startswith(start[kind])


def contains(whole: Value | None, part: Value | None) -> bool:
    """Whether a text or bytes hold others, or a set or list a member; False for all else."""
    if not whole or not part:
        return False
    (kind, content), (part_kind, member) = *whole.items(), *part.items()
    if kind == "L":
        return part in content
    if kind in SETS:
        return kind == part_kind + "S" and member in content
    return kind in ("S", "B") and kind == part_kind and member in content


def added(standing: Value | None, value: Value) -> Value:
    """A number plus another, or a set with more members; the value alone where nothing stands.

    Raises InvalidError for kinds that do not go together.
    """
    if standing is None:
        return value
    kind = kind_of(value)
    if kind not in standing:
        raise InvalidError("An operand in the update expression has an incorrect data type")
    if kind == "N":
        return {"N": sum_text(standing["N"], value["N"])}
    members = standing[kind]
    return {kind: _in_order(kind, members + [one for one in value[kind] if one not in members])}


def without(standing: Value | None, value: Value) -> Value | None:
    """A set without some members; None where none is left. Raises InvalidError for what is no such set."""
    if standing is None:
        return None
    kind = kind_of(value)
    if kind not in standing:
        raise InvalidError("An operand in the update expression has an incorrect data type")
    left = [one for one in standing[kind] if one not in value[kind]]
    return {kind: left} if left else None


def _in_order(kind: str, members: list[Any]) -> list[Any]:
    key: Callable[[str], Number] | None = number if kind == "NS" else None
    return sorted(members, key=key) if key else sorted(members)
