"""What the code and the rules of each service really read of a fact; and facts made from a schema alone."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence, Set
from typing import Any

import jsonschema
from hypothesis import strategies as st

import ecom_common.facts
from contracts.facts import PACKAGES, READERS
from ecom_cli.contracts.schemas import cases_of, matched_by
from ecom_cli.contracts.shapes import Cases, Shape, canonical, meet
from ecom_cli.templates import parse_template
from ecom_common.errors import Poison
from ecom_common.facts import SCHEMA_VERSION, Fact, parse_iso, received

Interest = tuple[str, str, str]
"""Who is interested: dist name, source, detail-type."""

FORMATS = jsonschema.FormatChecker(formats=())
"""`date-time` as the services have it: a time with a zone."""

MARK = "~"
"""Field names of a generated fact that nobody has agreed on begin with this."""


@FORMATS.checks("date-time", raises=ValueError)
def _is_time(value: object) -> bool:
    return not isinstance(value, str) or bool(parse_iso(value))


class Noted(dict[str, Any]):
    """An object of a fact that notes, as JSON pointers, which of its fields are asked for."""

    def __init__(self, fields: Mapping[str, Any], at: str, notes: set[str]) -> None:
        super().__init__({name: noted(value, f"{at}/{name}", notes) for name, value in fields.items()})
        self._at, self._notes = at, notes

    def get(self, name: str, default: Any = None) -> Any:
        self._notes.add(f"{self._at}/{name}")
        return super().get(name, default)

    def __getitem__(self, name: str) -> Any:
        self._notes.add(f"{self._at}/{name}")
        return super().__getitem__(name)

    def __contains__(self, name: object) -> bool:
        self._notes.add(f"{self._at}/{name}")
        return super().__contains__(name)

    def __iter__(self) -> Iterator[str]:
        self._notes.add(f"{self._at}/(every field)")
        return super().__iter__()

    def items(self) -> Any:
        self._notes.add(f"{self._at}/(every field)")
        return super().items()

    def values(self) -> Any:
        self._notes.add(f"{self._at}/(every field)")
        return super().values()

    def keys(self) -> Any:
        self._notes.add(f"{self._at}/(every field)")
        return super().keys()


def noted(value: Any, at: str, notes: set[str]) -> Any:
    """A value of which every object notes what is asked of it. Elements of a list are `*`."""
    if isinstance(value, dict):
        return Noted(value, at, notes)
    if isinstance(value, list):
        return [noted(each, f"{at}/*", notes) for each in value]
    return value


class _NotingJson:
    """Stands in for the json module where messages are read."""

    def __init__(self, notes: set[str]) -> None:
        self._notes = notes

    def loads(self, text: str) -> Any:
        event = json.loads(text)
        return {**event, "detail": noted(event["detail"], "", self._notes)}

    @staticmethod
    def dumps(value: Any, **options: Any) -> str:
        return json.dumps(value, **options)


def fields_read(queue: str, event: Mapping[str, Any], monkeypatch: Any) -> set[str]:
    """The fields of a fact's detail that the function behind a queue asks for, innermost ones only."""
    notes: set[str] = set()
    with monkeypatch.context() as patch:
        patch.setattr(ecom_common.facts, "json", _NotingJson(notes))
        fact = received(json.dumps(event))
        READERS[queue, str(event["detail-type"])](fact)
    return {note for note in notes if not any(other.startswith(f"{note}/") for other in notes)}


def read(queue: str, event: Mapping[str, Any]) -> Fact:
    """Read a fact as the function behind a queue does. Raises Poison for one it cannot use or passes over."""
    fact = received(json.dumps(event))
    if fact.schema_version != SCHEMA_VERSION:
        raise Poison("another version, which the worker leaves to those who know it")
    READERS[queue, fact.detail_type](fact)
    return fact


def rules() -> Iterator[tuple[Interest, set[str], Mapping[str, Any]]]:
    """Of each rule in the templates: who is interested in what, the queues it fills, and the rule."""
    for path in sorted(PACKAGES.glob("*/*-stack.yaml")):
        for resource in parse_template(path.read_text(encoding="utf-8"), str(path)).resources.values():
            if resource["Type"] != "AWS::Events::Rule":
                continue
            rule = resource["Properties"]
            arns = [target["Arn"].get("GetAtt", "") for target in rule["Targets"]]
            queues = {arn.partition(".")[0] for arn in arns if arn.partition(".")[0].endswith("Queue")}
            for source in rule["EventPattern"]["source"]:
                for detail_type in rule["EventPattern"]["detail-type"]:
                    yield (path.parent.name, source, detail_type), queues, rule


def fields_of_rule(rule: Mapping[str, Any]) -> set[str]:
    """The fields of the detail by which a rule chooses, and those that it puts in a mail."""
    found = set(_leaves(rule["EventPattern"].get("detail", {}), ""))
    for target in rule["Targets"]:
        for path in target.get("InputTransformer", {}).get("InputPathsMap", {}).values():
            if path.startswith("$.detail."):
                found.add("/" + path.removeprefix("$.detail.").replace(".", "/"))
    return found


def _leaves(pattern: Mapping[str, Any], at: str) -> Iterator[str]:
    for name, inner in pattern.items():
        if isinstance(inner, Mapping):
            yield from _leaves(inner, f"{at}/{name}")
        else:
            yield f"{at}/{name}"


# ----- facts, made from nothing but a schema

_JSON = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 2**60) | st.text(max_size=5) | st.just("x" * 1025),
    lambda inner: st.lists(inner, max_size=2) | st.dictionaries(st.text(max_size=3), inner, max_size=2),
    max_leaves=4,
)
_TIMES = ["2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00+02:00", "2024-02-29T23:59:59.999999-05:30"]
_SAMPLES = ["8580df03-7d3b-5c7a-a145-db2a9299dbbd", "ITEM_ID-15", "a", "USD", "EUR"]
"""Texts for the patterns of the schemas: making texts from patterns takes a hundred times as long."""


def judge(schema: Any) -> jsonschema.Draft202012Validator:
    """jsonschema's word on values of a schema, formats included."""
    return jsonschema.Draft202012Validator(schema, format_checker=FORMATS)


def documents(schema: Mapping[str, Any], pattern: Mapping[str, Any] | None = None) -> st.SearchStrategy[Any]:
    """Values of a schema (that a rule's pattern lets through), with fields that it does not know.

    They are made from the tool's own reading of the schema; what comes of that is for jsonschema to judge.
    """
    cases = cases_of(schema) if not pattern else meet(cases_of(schema), matched_by(pattern))
    return _values(cases).filter(judge(schema).is_valid)


@st.composite
def nearly(draw: st.DrawFn, schema: Mapping[str, Any], fields: Set[str]) -> Any:
    """A value of a schema with one of these fields taken out, or replaced by anything."""
    value = draw(documents(schema))
    *path, last = draw(st.sampled_from(sorted(fields))).split("/")[1:]
    parent = value
    for name in path:
        parent = parent[0] if name == "*" else parent[name]
    if draw(st.booleans()):
        parent.pop(last, None)
    else:
        parent[last] = draw(_JSON)
    return value


def _values(cases: Cases) -> st.SearchStrategy[Any]:
    return st.one_of(*(_in_case(shape) for shape in cases))


def _in_case(shape: Shape) -> st.SearchStrategy[Any]:
    if shape == Shape():
        return _JSON
    if shape.values is not None:
        return st.sampled_from([json.loads(value) for value in sorted(shape.values)])
    kinds = st.one_of(*(_OF_KIND[kind](shape) for kind in sorted(shape.kinds)))
    return kinds.filter(lambda value: canonical(value) not in shape.excluded)


def _texts(shape: Shape) -> st.SearchStrategy[str]:
    if shape.formats:
        return st.sampled_from(_fitting([*_TIMES, _long_time(shape.max_length or 30)], shape))
    if shape.patterns:
        return st.sampled_from(_fitting(_SAMPLES, shape))
    most = 2000 if shape.max_length is None else shape.max_length
    short = st.text(min_size=shape.min_length, max_size=min(most, shape.min_length + 5))
    return short | st.sampled_from(["ä" * most, "x" * shape.min_length])


def _fitting(texts: Sequence[str], shape: Shape) -> list[str]:
    return [text for text in texts if all(re.search(pattern, text) for pattern in shape.patterns)]


def _long_time(length: int) -> str:
    return f"2026-01-31T12:00:00.{'0' * (length - 21)}Z"


def _lists(shape: Shape) -> st.SearchStrategy[list[Any]]:
    """Short ones, and one as long as may be. What the schemas can only say in words: each item once."""
    elements = _values(shape.items or (Shape(),))
    most = 3 if shape.max_items is None else shape.max_items
    if not shape.items:
        return st.lists(elements, min_size=shape.min_items, max_size=min(most, 3))
    short = st.lists(
        elements, min_size=shape.min_items, max_size=min(most, 3), unique_by=lambda each: each["itemId"]
    )
    full = elements.map(lambda each: [{**each, "itemId": f"ITEM-{number}"} for number in range(most)])
    return short | full


def _integers(shape: Shape) -> st.SearchStrategy[int]:
    ends = [int(end) for end in (shape.minimum, shape.maximum) if end is not None]
    between = st.integers(*(None if end is None else int(end) for end in (shape.minimum, shape.maximum)))
    return st.sampled_from(ends) | between if ends else between


@st.composite
def _objects(draw: st.DrawFn, shape: Shape) -> dict[str, Any]:
    found = {f"{MARK}new": draw(_JSON)} if draw(st.booleans()) else {}
    for name in sorted(shape.properties.keys() | shape.required):
        if name in shape.required or draw(st.booleans()):
            found[name] = draw(_values(shape.properties.get(name, (Shape(),))))
    return found


_OF_KIND: Mapping[str, Callable[[Shape], st.SearchStrategy[Any]]] = {
    "null": lambda _: st.none(),
    "boolean": lambda _: st.booleans(),
    "integer": _integers,
    "fraction": lambda _: st.just(0.5),
    "string": _texts,
    "array": _lists,
    "object": _objects,
}
