"""What the code and the rules of each service really read of a fact; and facts made from a schema alone."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Set
from typing import Any

import jsonschema
from hypothesis import strategies as st

import ecom_common.facts
from contracts.facts import PACKAGES, READERS
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
_TIMES = st.sampled_from(
    ["2026-01-31T12:00:00.000Z", "2026-01-31T12:00:00+02:00", "2024-02-29T23:59:59.999999-05:30"]
)


def valid(schema: Mapping[str, Any], value: Any) -> bool:
    """Whether jsonschema takes the value."""
    return jsonschema.Draft202012Validator(schema, format_checker=FORMATS).is_valid(value)


def documents(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    """Values of a schema, with fields that it does not know."""
    judge = jsonschema.Draft202012Validator(schema, format_checker=FORMATS)
    return _values(schema).filter(judge.is_valid)


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


def _values(schema: Mapping[str, Any]) -> st.SearchStrategy[Any]:
    if "if" in schema:
        rest = {name: value for name, value in schema.items() if name not in ("if", "then", "else")}
        return st.one_of(*(_values(_and(rest, schema.get(branch, {}))) for branch in ("then", "else")))
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    kinds = schema.get("type")
    if kinds is None:
        return _JSON
    if isinstance(kinds, list):
        return st.one_of(*(_values({**schema, "type": kind}) for kind in kinds))
    made: st.SearchStrategy[Any] = _OF_KIND[kinds](schema)
    return made


def _and(one: Mapping[str, Any], other: Mapping[str, Any]) -> dict[str, Any]:
    return {
        **one,
        "required": [*one.get("required", ()), *other.get("required", ())],
        "properties": {**one.get("properties", {}), **other.get("properties", {})},
    }


def _texts(schema: Mapping[str, Any]) -> st.SearchStrategy[str]:
    if schema.get("format") == "date-time":
        return _TIMES
    least, most = schema.get("minLength", 0), schema.get("maxLength", 2000)
    short = st.text(min_size=least, max_size=min(most, least + 5))
    return short | st.sampled_from(["ä" * most, "x" * least])


def _lists(schema: Mapping[str, Any]) -> st.SearchStrategy[list[Any]]:
    return st.lists(
        _values(schema["items"]),
        min_size=schema.get("minItems", 0),
        max_size=min(schema.get("maxItems", 3), 3),
        # what the schemas can only say in words: each item once
        unique_by=lambda each: each["itemId"],
    )


@st.composite
def _objects(draw: st.DrawFn, schema: Mapping[str, Any]) -> dict[str, Any]:
    found = {f"{MARK}new": draw(_JSON)} if draw(st.booleans()) else {}
    for name, inner in schema["properties"].items():
        if name in schema["required"] or draw(st.booleans()):
            found[name] = draw(_values(inner))
    return found


_OF_KIND: Mapping[str, Any] = {
    "null": lambda _: st.none(),
    "boolean": lambda _: st.booleans(),
    "integer": lambda schema: st.integers(schema["minimum"], schema["maximum"]),
    "string": _texts,
    "array": _lists,
    "object": _objects,
}
