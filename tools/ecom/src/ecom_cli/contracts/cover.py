"""Whether all values of one schema are values of another, and where not, which field may be what."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import StrEnum

from ecom_cli.contracts.shapes import ANYTHING, NUMBERS, Cases, Shape, admits, kind_of, tidied
from ecom_cli.contracts.widths import width

MOST_SPLITS = 400
"""How far a case is taken apart before it counts as not shown."""
MOST_KINDS_NAMED = 3

_PLAIN = {
    "null": "null", "boolean": "true or false", "string": "a text", "array": "a list", "object": "an object",
    "integer": "a number", "fraction": "a number that is not whole",
}  # fmt: skip


class How(StrEnum):
    """In what a field may differ from what is expected of it."""

    UNDESCRIBED = "undescribed"
    ABSENT = "absent"
    PRESENT = "present"
    UNHEARD = "unheard"
    OTHER = "other"


@dataclass(frozen=True)
class Gap:
    """A field that may be what it should not be. `may_be` completes "it may be …".

    `pointer` is a JSON pointer into the value, with `*` for each element of a list.
    """

    pointer: str
    how: How
    may_be: str


def gaps(inner: Cases, outer: Cases) -> list[Gap]:
    """Where a value of `inner` may be no value of `outer`; empty only if it is shown that none is.

    That is sound, not complete: what cannot be shown counts as a gap.
    """
    found = _gaps(inner, outer, "")
    missing = {gap.pointer for gap in found if gap.how in (How.ABSENT, How.UNDESCRIBED)}
    # what else a field may be that is not there for certain says nothing more
    return [gap for gap in found if gap.how is not How.OTHER or gap.pointer not in missing]


def _gaps(inner: Cases, outer: Cases, at: str) -> list[Gap]:
    found: dict[Gap, None] = {}
    for case in inner:
        for gap in _case_gaps(case, outer, at, [MOST_SPLITS]):
            found[gap] = None
    return list(found)


def _case_gaps(case: Shape, outer: Cases, at: str, fuel: list[int]) -> list[Gap]:
    if not outer:
        return [Gap(at, How.PRESENT, "there")]
    options = [_shape_gaps(case, other, at) for other in outer]
    if any(not option for option in options):
        return []
    fuel[0] -= 1
    pieces = next(_splits(case, outer), None) if len(outer) > 1 and fuel[0] > 0 else None
    if pieces is None:
        return min(options, key=_distance)
    return [gap for piece in pieces for gap in _case_gaps(piece, outer, at, fuel)]


def _distance(found: list[Gap]) -> tuple[int, int]:
    """How far off a case is: of two with as many gaps, the one meant is where fewer values differ."""
    return len(found), sum(gap.how is How.OTHER for gap in found)


def _splits(case: Shape, outer: Cases) -> Iterator[Cases]:
    """Ways to take a case apart so that each piece may fit in another case of the outer schema."""
    if len(case.kinds) > 1:
        yield tidied(replace(case, kinds=frozenset({kind})) for kind in sorted(case.kinds))
    if case.kinds != {"object"} or case.values is not None:
        return
    decided = case.required | case.forbidden
    for name in _telling(outer):
        if name not in decided:
            yield tidied(
                [
                    replace(case, required=case.required | {name}),
                    replace(case, forbidden=case.forbidden | {name}),
                ]
            )
        elif name in case.required:
            yield from _by_values(case, name, outer)


def _telling(outer: Cases) -> list[str]:
    """The fields by which these cases differ: to ask for any other takes a case no nearer to one of them."""

    def says(shape: Shape, name: str) -> tuple[bool, bool, Cases]:
        return name in shape.required, name in shape.forbidden, shape.properties.get(name, ANYTHING)

    names = {name for shape in outer for name in _fields(shape)}
    return sorted(n for n in names if any(says(shape, n) != says(outer[0], n) for shape in outer))


def _by_values(case: Shape, name: str, outer: Cases) -> Iterator[Cases]:
    """By the values of one field that the outer cases tell apart."""
    told_apart = sorted(
        {
            value
            for other in outer
            for shape in other.properties.get(name, ())
            for value in (shape.values or frozenset()) | shape.excluded
        }
    )
    mine = case.properties.get(name, ANYTHING)
    possible = [value for value in told_apart if any(admits(shape, value, unsure=True) for shape in mine)]
    parts: list[Cases] = [
        tidied([Shape(kinds=frozenset({kind_of(json.loads(value))}), values=frozenset({value}))])
        for value in possible
    ]
    parts.append(
        tidied(
            replace(shape, excluded=shape.excluded | frozenset(possible))
            if shape.values is None
            else replace(shape, values=shape.values - frozenset(possible))
            for shape in mine
        )
    )
    parts = [part for part in parts if part]
    if possible and len(parts) > 1:
        yield tidied(replace(case, properties={**case.properties, name: part}) for part in parts)


def _fields(shape: Shape) -> set[str]:
    return set(shape.properties) | set(shape.required) | set(shape.forbidden)


def _shape_gaps(inner: Shape, outer: Shape, at: str) -> list[Gap]:
    """Where one case may leave another. The first difference of a kind is enough to say."""
    if inner.values is not None:
        unsure = outer.formats <= inner.formats
        strange = [value for value in sorted(inner.values) if not admits(outer, value, unsure=unsure)]
        return [Gap(at, How.OTHER, value) for value in strange]
    if outer.values is not None:
        known = ", ".join(sorted(outer.values))
        return [Gap(at, How.OTHER, f"something else than {known}")]
    if strange_kinds := inner.kinds - outer.kinds:
        return [Gap(at, How.OTHER, _kinds_in_words(strange_kinds, outer.kinds))]
    found = [
        Gap(at, How.OTHER, value)
        for value in sorted(outer.excluded - inner.excluded)
        if admits(inner, value, unsure=True)
    ]
    if "string" in inner.kinds:
        found += _text_gaps(inner, outer, at)
    if NUMBERS & inner.kinds:
        found += _number_gaps(inner, outer, at)
    if "array" in inner.kinds:
        found += _list_gaps(inner, outer, at)
    if "object" in inner.kinds:
        found += _object_gaps(inner, outer, at)
    return found


def _kinds_in_words(strange: frozenset[str], expected: frozenset[str]) -> str:
    few = len(strange) <= MOST_KINDS_NAMED
    named = strange if few else expected
    words = sorted(_PLAIN[kind] for kind in named - ({"fraction"} if named >= NUMBERS else set()))
    return " or ".join(words) if few else f"something else than {' or '.join(words)}"


def _text_gaps(inner: Shape, outer: Shape, at: str) -> list[Gap]:
    widths = [width(pattern) for pattern in inner.patterns]
    least = max([inner.min_length, *(each.least for each in widths)])
    most = min(
        (each for each in [inner.max_length, *(w.most for w in widths)] if each is not None), default=None
    )
    found = []
    if least < outer.min_length:
        short = "an empty text" if outer.min_length == 1 else f"shorter than {outer.min_length} characters"
        found.append(Gap(at, How.OTHER, short))
    if outer.max_length is not None and (most is None or most > outer.max_length):
        found.append(Gap(at, How.OTHER, f"longer than {outer.max_length} characters"))
    found += [
        Gap(at, How.OTHER, f"a text that does not match {pattern}")
        for pattern in sorted(outer.patterns - inner.patterns)
    ]
    found += [
        Gap(at, How.OTHER, f"a text that is no {name}") for name in sorted(outer.formats - inner.formats)
    ]
    return found


def _number_gaps(inner: Shape, outer: Shape, at: str) -> list[Gap]:
    found = []
    if outer.minimum is not None and (inner.minimum is None or inner.minimum < outer.minimum):
        found.append(Gap(at, How.OTHER, f"less than {outer.minimum}"))
    if outer.maximum is not None and (inner.maximum is None or inner.maximum > outer.maximum):
        found.append(Gap(at, How.OTHER, f"more than {outer.maximum}"))
    return found


def _list_gaps(inner: Shape, outer: Shape, at: str) -> list[Gap]:
    found = []
    if inner.min_items < outer.min_items:
        found.append(Gap(at, How.OTHER, f"a list of fewer than {outer.min_items}"))
    if outer.max_items is not None and (inner.max_items is None or inner.max_items > outer.max_items):
        found.append(Gap(at, How.OTHER, f"a list of more than {outer.max_items}"))
    if outer.items is not None and inner.max_items != 0:
        found += _gaps(inner.items if inner.items is not None else ANYTHING, outer.items, f"{at}/*")
    return found


def _object_gaps(inner: Shape, outer: Shape, at: str) -> list[Gap]:
    found = []
    for name in sorted(_fields(outer)):
        here = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        wanted = outer.properties.get(name, ANYTHING)
        if name in outer.forbidden:
            if name not in inner.forbidden:
                found.append(Gap(here, How.PRESENT, "there"))
            continue
        if name in inner.forbidden:
            if name in outer.required:
                found.append(Gap(here, How.ABSENT, "absent"))
            continue
        if name not in inner.properties and (wanted != ANYTHING or name not in inner.required):
            if wanted != ANYTHING or name in outer.required:
                found.append(Gap(here, How.UNDESCRIBED, "absent, or anything"))
            continue
        if name in outer.required and name not in inner.required:
            found.append(Gap(here, How.ABSENT, "absent"))
        found += _gaps(inner.properties.get(name, ANYTHING), wanted, here)
    return found
