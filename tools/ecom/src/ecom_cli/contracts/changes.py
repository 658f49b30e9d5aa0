"""What a change of a schema does to whoever reads the facts."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ecom_cli.contracts.cover import Gap, How, gaps
from ecom_cli.contracts.model import Break, Contract, Kind, Pattern, Reading, Schema
from ecom_cli.contracts.schemas import WORDS, cases_of, fields_of, matched_by, opened
from ecom_cli.contracts.shapes import NotUnderstood, meet


def breaks(old: Schema, new: Schema, kind: Kind) -> list[Break]:
    """How a producer's new schema breaks readers of the old one, whoever they are; empty where it cannot.

    A reader can read every value that the old schema allows, and values of an `enum` that it does not know
    (whoever here does not is found by `gaps_of`). What is not shown to be compatible is a break.
    """
    if _meaning(old) == _meaning(new):
        return []
    try:
        possible = cases_of(new)
        if not possible:
            return [Break(str(kind), "", "allows no fact at all: its parts contradict each other")]
        return _breaks(kind, gaps(possible, cases_of(opened(old))))
    except NotUnderstood as error:
        return [Break(str(kind), "", f"the change cannot be judged: at {error} in the schema")]


def breaks_with_readers(
    old: Schema, new: Schema, kind: Kind, everybody: Mapping[str, Contract]
) -> list[Break]:
    """The breaks for readers anywhere and for the ones in `everybody`, each with who is known to be hit."""
    found = {each.pointer: each for each in breaks(old, new, kind)}
    hit: dict[str, set[str]] = {pointer: set() for pointer in found}
    for dist, contract in everybody.items():
        if kind not in contract.reads:
            continue
        reading = contract.reads[kind]
        for each in _breaks(kind, _new_gaps(old, new, reading)):
            found.setdefault(each.pointer, each)
            hit.setdefault(each.pointer, set()).add(dist)
        for pointer in found:
            if pointer in listened_to(reading):
                hit[pointer].add(dist)
    return [
        Break(each.subject, pointer, each.what, tuple(sorted(hit[pointer])))
        for pointer, each in sorted(found.items())
    ]


def gaps_of(schema: Schema, reading: Reading) -> list[Gap]:
    """What a reader may get that it cannot read, and fields that its rules wait for in vain.

    Only facts that its rules carry to it count; where no rule is known, all of them. Raises NotUnderstood.
    """
    published, readable = cases_of(schema), cases_of(reading.schema)
    # a pattern goes through lists without saying so
    described = [field.replace("/*", "") + "/" for field in fields_of(schema)]
    found: dict[Gap, None] = {}
    for pattern in reading.patterns or ({},):
        for pointer in _leaves(pattern):
            if not any(field.startswith(f"{pointer}/") for field in described):
                found[Gap(pointer, How.UNDESCRIBED, "absent, or anything")] = None
        carried = meet(published, matched_by(pattern)) if pattern else published
        if not carried:
            found[Gap("", How.UNHEARD, "nothing that a rule of its reader waits for")] = None
        for gap in gaps(carried, readable):
            found[gap] = None
    return list(found)


def listened_to(reading: Reading) -> set[str]:
    """The fields, as JSON pointers, by which a reader's rules choose its facts."""
    return {pointer for pattern in reading.patterns for pointer in _leaves(pattern)}


def _new_gaps(old: Schema, new: Schema, reading: Reading) -> list[Gap]:
    try:
        before = gaps_of(old, reading)
    except NotUnderstood:
        before = []
    try:
        return [gap for gap in gaps_of(new, reading) if gap not in before]
    except NotUnderstood as error:
        return [Gap("", How.OTHER, f"what cannot be judged: at {error} in the schema")]


def _leaves(pattern: Pattern, at: str = "") -> Iterator[str]:
    for name, inner in pattern.items():
        if name == "$or":  # no field; what is in it may be there or not
            continue
        here = f"{at}/{name.replace('~', '~0').replace('/', '~1')}"
        if isinstance(inner, Mapping):
            yield from _leaves(inner, here)
        else:
            yield here


def _breaks(kind: Kind, found: Iterable[Gap]) -> list[Break]:
    """One break for each field, whatever may be wrong with it."""
    whats: dict[str, list[str]] = {}
    for gap in found:
        whats.setdefault(gap.pointer, []).append(_words(gap))
    return [Break(str(kind), pointer, " or ".join(words)) for pointer, words in whats.items()]


def _words(gap: Gap) -> str:
    words = {
        How.UNDESCRIBED: "is not described any more, so it may be absent or anything",
        How.ABSENT: "may be absent now",
        How.PRESENT: "may be there now",
        How.UNHEARD: "is never what a rule of its reader waits for",
        How.OTHER: f"may be {gap.may_be} now",
    }
    return words[gap.how]


def _meaning(schema: Any) -> Any:
    """A schema without the words that allow and forbid nothing."""
    if not isinstance(schema, Mapping):
        return schema
    return {
        key: {name: _meaning(each) for name, each in value.items()}
        if key == "properties"
        else _meaning(value)
        for key, value in schema.items()
        if key not in WORDS
    }
