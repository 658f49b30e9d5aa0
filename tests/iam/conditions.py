"""A statement's Condition block against what is known about a request.

Rules: IAM user guide, "IAM JSON policy elements: Condition operators" and "Single-valued vs. multivalued
context keys". Operators that no policy here uses are refused, not guessed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from functools import cache
from typing import Any

Context = Mapping[str, str | Sequence[str]]
"""What a request brings along: condition keys in any case, each with a value or several."""


class UnknownConditionError(Exception):
    """A condition says something that this evaluator does not understand."""


def like(value: str, pattern: str) -> bool:
    """`*` stands for any number of characters, `?` for one; both cross slashes and colons."""
    if "*" not in pattern and "?" not in pattern:
        return value == pattern
    return _expression(pattern).fullmatch(value) is not None


@cache
def _expression(pattern: str) -> re.Pattern[str]:
    parts = re.split(r"([*?])", pattern)
    return re.compile("".join({"*": ".*", "?": "."}.get(part, re.escape(part)) for part in parts), re.DOTALL)


def _arn_like(value: str, pattern: str) -> bool:
    """Each of the six parts by itself: a `*` in an ARN does not reach over a colon of the first five."""
    have, want = value.split(":", 5), pattern.split(":", 5)
    return len(have) == len(want) == 6 and all(map(like, have, want))


def _bool(value: str, wanted: str) -> bool:
    return value.lower() == wanted.lower()


def _not(operator: Callable[[str, str], bool]) -> Callable[[str, str], bool]:
    return lambda value, wanted: not operator(value, wanted)


_POSITIVE: Mapping[str, Callable[[str, str], bool]] = {
    "StringEquals": str.__eq__,
    "StringLike": like,
    "ArnEquals": _arn_like,
    "ArnLike": _arn_like,
    "Bool": _bool,
}
_NEGATIVE: Mapping[str, Callable[[str, str], bool]] = {
    "StringNotEquals": _not(str.__eq__),
    "StringNotLike": _not(like),
    "ArnNotEquals": _not(_arn_like),
    "ArnNotLike": _not(_arn_like),
}


def fill(text: str, context: Context) -> str:
    """Policy variables: `${aws:PrincipalAccount}` is what the request says. Without an answer it stays."""

    def value(found: re.Match[str]) -> str:
        known = _of(context, found[1])
        return known[0] if known and len(known) == 1 else found[0]

    return re.sub(r"\$\{([^}]+)\}", value, text)


def met(condition: Mapping[str, Mapping[str, Any]], context: Context) -> bool:
    """Whether every comparison holds. Raises UnknownConditionError."""
    return all(
        _compare(operator, key, [fill(_text(value), context) for value in _some(wanted)], context)
        for operator, comparison in condition.items()
        for key, wanted in comparison.items()
    )


def understood(condition: Mapping[str, Any]) -> None:
    """Raises UnknownConditionError where `met` could not tell, whatever the request."""
    for operator in condition:
        quantifier, _, name = operator.rpartition(":")
        plain = name.removesuffix("IfExists")
        known = plain in _POSITIVE or plain in _NEGATIVE or name == "Null"
        if not known or quantifier not in ("", "ForAllValues", "ForAnyValue"):
            raise UnknownConditionError(f"the operator {operator} is not known here")


def _compare(operator: str, key: str, wanted: list[str], context: Context) -> bool:
    understood({operator: {}})
    quantifier, _, name = operator.rpartition(":")
    have = _of(context, key)
    if name == "Null":
        return (have is None) == (wanted == ["true"])
    if name.endswith("IfExists"):
        if have is None:
            return True
        name = name.removesuffix("IfExists")
    negative = name in _NEGATIVE
    compare = (_NEGATIVE if negative else _POSITIVE)[name]
    match = all if negative else any  # several wanted values are an "or", and a "nor" where they are negated

    def holds(value: str) -> bool:
        return match(compare(value, each) for each in wanted)

    if quantifier == "ForAllValues":
        return all(map(holds, have or ()))
    if quantifier == "ForAnyValue":
        return any(map(holds, have or ()))
    if have is None:
        return negative  # what a request does not say equals nothing
    if len(have) != 1:
        raise UnknownConditionError(f"{key} has several values, {operator} takes one")
    return holds(have[0])


def _of(context: Context, key: str) -> list[str] | None:
    for name, value in context.items():
        if name.lower() == key.lower():
            return [value] if isinstance(value, str) else list(value)
    return None


def _some(value: Any) -> list[Any]:
    return value if isinstance(value, list) else [value]


def _text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
