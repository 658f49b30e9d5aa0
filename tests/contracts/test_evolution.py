"""Whether a schema's change breaks a reader is decided soundly: jsonschema judges every verdict."""

from __future__ import annotations

import copy
import itertools
import json
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from contracts.reading import documents, judge
from ecom_cli.contracts import breaks, contracts_of, released
from ecom_cli.contracts.changes import gaps_of
from ecom_cli.contracts.cover import gaps
from ecom_cli.contracts.model import Kind, Reading
from ecom_cli.contracts.schemas import cases_of, matched_by, opened
from ecom_cli.contracts.shapes import NotUnderstood, admits, canonical, complement, meet
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.workspace import Member, workspace

REPO = workspace()
CONTRACTS = contracts_of(REPO)
PUBLISHED: Mapping[Kind, Mapping[str, Any]] = {
    kind: schema for contract in CONTRACTS.values() for kind, schema in contract.publishes.items()
}
READERS = [
    (dist, kind, reading) for dist, contract in CONTRACTS.items() for kind, reading in contract.reads.items()
]
RELEASABLE = [member for member in REPO.members if member.dist in CONTRACTS]

SCALARS = [None, True, False, 0, 1, 2, 1.5, "", "a", "ab", "b"]
FIELDS = ("p", "q")

Edit = Callable[[dict[str, Any]], None]


def in_cases(cases: Any, value: Any) -> bool:
    return any(admits(shape, canonical(value), unsure=True) for shape in cases)


def name_of(value: object) -> str:
    if isinstance(value, Reading):
        return "reading"
    return value.words.replace(" ", ".") if isinstance(value, Kind) else str(getattr(value, "dist", value))


# ----- schemas of all kinds, over a world so small that every value of it can be tried


def _worlds() -> list[Any]:
    inner = [*SCALARS, [], [0], ["a"]]
    pairs = itertools.product([*inner, "absent"], repeat=len(FIELDS))
    objects = [
        {name: value for name, value in zip(FIELDS, pair, strict=True) if value != "absent"} for pair in pairs
    ]
    lists = [list(each) for size in range(3) for each in itertools.product([*SCALARS, {"p": 1}], repeat=size)]
    return [*SCALARS, *lists, *objects, {"p": {"q": 1}}, {"p": {"q": "a", "p": None}}]


WORLD = _worlds()

_LEAVES = st.one_of(
    st.sampled_from([True, {}, {"const": 1}, {"const": "a"}, {"const": True}, {"enum": ["a", "b"]}]),
    st.lists(st.sampled_from(SCALARS), min_size=1, max_size=3, unique_by=canonical).map(
        lambda v: {"enum": v}
    ),
    st.sampled_from(
        ["null", "boolean", "integer", "number", "string", "array", "object", ["string", "null"]]
    ).map(lambda kinds: {"type": kinds}),
    st.builds(lambda low: {"type": "string", "minLength": low}, st.integers(0, 2)),
    st.builds(lambda high: {"type": "string", "maxLength": high}, st.integers(0, 2)),
    st.builds(lambda low, high: {"minimum": low, "maximum": high}, st.integers(0, 2), st.integers(0, 2)),
    st.sampled_from([{"type": "string", "pattern": "^a"}, {"pattern": "^[ab]{1,2}$"}]),
    st.builds(lambda low, high: {"minItems": low, "maxItems": high}, st.integers(0, 2), st.integers(0, 2)),
)


def _composed(inner: st.SearchStrategy[Any]) -> st.SearchStrategy[Any]:
    fields = st.dictionaries(st.sampled_from(FIELDS), inner, max_size=2)
    required = st.lists(st.sampled_from(FIELDS), unique=True, max_size=2)
    objects = st.builds(lambda p, r: {"type": "object", "properties": p, "required": r}, fields, required)
    conditions = st.builds(lambda p: {"properties": p}, fields) | st.builds(
        lambda r: {"required": r}, required
    )
    return st.one_of(
        objects,
        objects,
        st.builds(lambda p: {"properties": p}, fields),
        st.builds(lambda each: {"items": each}, inner),
        st.builds(lambda o, c, t, e: {**o, "if": c, "then": t, "else": e}, objects, conditions, inner, inner),
        st.builds(lambda o, c: {**o, "not": c}, objects, conditions),
        st.builds(lambda a, b: {"anyOf": [a, b]}, inner, inner),
        st.builds(lambda a, b: {"allOf": [a, b]}, inner, inner),
    )


ANY_SCHEMA = st.recursive(_LEAVES, _composed, max_leaves=6)


def judged(schema: Any) -> Any:
    """The cases of a random schema; passes over those that are refused."""
    try:
        return cases_of(schema)
    except NotUnderstood:
        assume(False)


@settings(max_examples=80, deadline=None)
@given(schema=ANY_SCHEMA)
def test_the_cases_of_a_schema_are_what_it_accepts(schema: Any) -> None:
    cases, accepts = judged(schema), judge(schema).is_valid

    assert [v for v in WORLD if in_cases(cases, v) != accepts(v)] == []


@settings(max_examples=80, deadline=None)
@given(one=ANY_SCHEMA, other=ANY_SCHEMA)
def test_no_gap_means_that_every_value_fits(one: Any, other: Any) -> None:
    inner, outer = judge(one), judge(other)

    if not gaps(judged(one), judged(other)):
        assert [v for v in WORLD if inner.is_valid(v) and not outer.is_valid(v)] == []


@settings(max_examples=80, deadline=None)
@given(one=ANY_SCHEMA, other=ANY_SCHEMA)
def test_what_is_in_both_fits_in_each(one: Any, other: Any) -> None:
    """This is the direction that must not be missed too often: here no gap may be reported."""
    both = meet(judged(one), judged(other))

    assert [
        v for v in WORLD if in_cases(both, v) != (judge(one).is_valid(v) and judge(other).is_valid(v))
    ] == []
    assert gaps(both, judged(one)) == []


HAS_P: dict[str, Any] = {"type": "object", "required": ["p"], "properties": {"p": {"type": "integer"}}}
NOT_ONE = {"not": {"properties": {"p": {"const": 1}}}}
ONE_OR_TWO = {"type": "array", "items": {"enum": [1, 2]}}


@pytest.mark.parametrize(
    ("one", "other", "may_be"),
    [
        (HAS_P, {**HAS_P, **NOT_ONE}, "1"),
        ({**HAS_P, **NOT_ONE}, HAS_P, None),
        (HAS_P, {"anyOf": [{"properties": {"p": {"const": 1}}}, NOT_ONE]}, None),
        ({}, {"anyOf": [{"required": ["p"]}, {"not": {"required": ["p"]}}]}, None),
        ({"enum": [1, "a"]}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, None),
        ({"type": ["integer", "string"]}, {"anyOf": [{"type": "integer"}, {"type": "string"}]}, None),
        ({"type": "array", "items": {"type": "integer"}}, ONE_OR_TWO, "something else than 1, 2"),
        ({"type": "array", "maxItems": 0}, ONE_OR_TWO, None),
        ({"type": "array"}, {"items": {"type": "number"}}, "something else than a number"),
        ({"type": "array"}, {"type": "array", "minItems": 1}, "a list of fewer than 1"),
        ({"type": ["null", "string"]}, {"type": "string"}, "null"),
        (
            HAS_P,
            {"anyOf": [{"properties": {"p": {"const": each}}} for each in (1, 2)]},
            "something else than 1",
        ),
    ],
)
def test_what_is_shown_and_what_is_not(one: Any, other: Any, may_be: str | None) -> None:
    assert [gap.may_be for gap in gaps(cases_of(one), cases_of(other))] == ([may_be] if may_be else [])


@settings(max_examples=80, deadline=None)
@given(schema=ANY_SCHEMA)
def test_what_is_outside_is_all_that_is_not_inside(schema: Any) -> None:
    try:
        outside = complement(judged(schema))
    except NotUnderstood:
        return

    assert [v for v in WORLD if in_cases(outside, v) == judge(schema).is_valid(v)] == []


# ----- this system's own schemas


def fields(schema: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[str, ...]]:
    """The path in a fact to each field that its schema describes, innermost ones only."""
    for name, inner in schema.get("properties", {}).items():
        deeper = list(fields(inner, (*path, name)))
        yield from deeper or [(*path, name)]


def parent_of(schema: dict[str, Any], path: tuple[str, ...]) -> dict[str, Any]:
    for name in path[:-1]:
        schema = schema["properties"][name]
    return schema


def drop(path: tuple[str, ...]) -> Edit:
    """Take a field out of the schema and out of what it requires."""

    def edit(schema: dict[str, Any]) -> None:
        parent = parent_of(schema, path)
        del parent["properties"][path[-1]]
        parent["required"] = [name for name in parent["required"] if name != path[-1]]

    return edit


def unrequire(path: tuple[str, ...]) -> Edit:
    return lambda schema: parent_of(schema, path)["required"].remove(path[-1])


def change(path: tuple[str, ...], **keywords: Any) -> Edit:
    """Set keywords of a field; None takes one away."""

    def edit(schema: dict[str, Any]) -> None:
        field = parent_of(schema, path)["properties"][path[-1]]
        field |= keywords
        for name in [name for name, value in keywords.items() if value is None]:
            del field[name]

    return edit


def breaking(schema: Mapping[str, Any]) -> Iterator[tuple[str, tuple[str, ...], Edit]]:
    """Every way to break readers by one edit of one field."""
    for path in fields(schema):
        parent = parent_of(dict(schema), path)
        field = parent["properties"][path[-1]]
        if path[-1] in parent["required"]:
            yield "required no more", path, unrequire(path)
        yield "gone", path, drop(path)
        for keyword, value in field.items():
            if keyword == "type" and path[-1] not in parent.get("then", {}).get("properties", {}):
                yield "another type", path, change(path, type="array" if value != "array" else "object")
                yield "null as well", path, change(path, type=[value, "null"])
            if keyword in ("minLength", "minimum", "minItems"):
                yield f"{keyword} lowered", path, change(path, **{keyword: value - 1})
            if keyword in ("maxLength", "maximum", "maxItems"):
                yield f"{keyword} raised", path, change(path, **{keyword: value + 1})
            if keyword in ("pattern", "format", "maxLength", "maximum", "const", "enum"):
                yield f"no {keyword}", path, change(path, **{keyword: None})
            if keyword == "pattern":
                yield "another pattern", path, change(path, pattern=f"{value}|^$")
            if keyword == "const":
                yield "another value", path, change(path, const=2)
            if keyword == "enum":
                yield "a value of another type", path, change(path, enum=[*value, 7])


BREAKING = [
    pytest.param(kind, path, edit, id=f"{kind.detail_type}.{path[-1]}: {what}")
    for kind, schema in PUBLISHED.items()
    for what, path, edit in breaking(schema)
]


@pytest.mark.parametrize(("kind", "path", "edit"), BREAKING)
def test_each_way_to_break_readers_is_reported_with_its_place(
    kind: Kind, path: tuple[str, ...], edit: Edit
) -> None:
    new = copy.deepcopy(dict(PUBLISHED[kind]))
    edit(new)

    assert "/" + "/".join(path) in {found.pointer for found in breaks(PUBLISHED[kind], new, kind)}


@pytest.mark.parametrize("field", ["amount", "stockConfirmed"])
def test_what_is_gone_is_called_gone_and_nothing_else(field: str) -> None:
    """Though a condition in the schema asks for one of them, and makes two cases of all the rest."""
    kind = Kind("inventory.service", "StockConfirmation", 1)
    new: Any = copy.deepcopy(dict(PUBLISHED[kind]))
    drop(("data", field))(new)

    (found,) = breaks(PUBLISHED[kind], new, kind)
    assert found.pointer == f"/data/{field}"
    assert found.what == (
        "is not described any more, so it may be absent or anything"
        if field == "amount"
        else "may be absent now"
    )


def test_a_schema_that_contradicts_itself_is_a_break() -> None:
    kind = Kind("payment.service", "PaymentConfirmation", 1)
    new: Any = copy.deepcopy(dict(PUBLISHED[kind]))
    new["properties"]["data"]["properties"]["paymentConfirmed"]["type"] = "string"

    assert [found.what for found in breaks(PUBLISHED[kind], new, kind)] == [
        "allows no fact at all: its parts contradict each other"
    ]


def additions(schema: Mapping[str, Any]) -> list[Edit]:
    """Edits that break nobody: more is said, and nothing that was said is taken back."""
    found: list[Edit] = [
        lambda schema: schema["properties"].update(added={"type": "object"}),
        lambda schema: schema["properties"]["data"]["properties"].update(totals={"type": "integer"}),
        lambda schema: schema["properties"]["data"].update(
            required=[*schema["properties"]["data"]["required"], "added"]
        ),
        lambda schema: schema.update(description="Other words."),
    ]
    for path in fields(schema):
        field = parent_of(dict(schema), path)["properties"][path[-1]]
        if "maxLength" in field and "pattern" not in field:
            found.append(change(path, maxLength=field["maxLength"] - 1))
            found.append(change(path, minLength=field.get("minLength", 0) + 1))
        if "maximum" in field:
            found.append(change(path, maximum=field["maximum"] - 1))
        if "enum" in field:
            found.append(change(path, enum=[*field["enum"], "not_known_yet"]))
            found.append(change(path, enum=field["enum"][:1]))
    return found


@pytest.mark.parametrize("kind", PUBLISHED, ids=name_of)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_additions_break_nobody_and_readers_can_read_what_comes_of_them(
    kind: Kind, data: st.DataObject
) -> None:
    old, new = PUBLISHED[kind], copy.deepcopy(dict(PUBLISHED[kind]))
    for edit in data.draw(st.lists(st.sampled_from(additions(old)), min_size=1, max_size=4)):
        edit(new)

    assert breaks(old, new, kind) == []
    detail = data.draw(documents(new))
    assert judge(opened(old)).is_valid(detail)
    for _, read, reading in READERS:
        if read == kind and any(in_cases(matched_by(pattern), detail) for pattern in reading.patterns):
            shown = gaps_of(new, reading) == []
            assert not shown or judge(reading.schema).is_valid(detail)


@pytest.mark.parametrize(("dist", "kind", "reading"), READERS, ids=name_of)
@settings(max_examples=15, deadline=None)
@given(data=st.data())
def test_what_is_published_and_carried_is_what_its_reader_declares(
    dist: str, kind: Kind, reading: Reading, data: st.DataObject
) -> None:
    assert gaps_of(PUBLISHED[kind], reading) == []
    pattern = data.draw(st.sampled_from(reading.patterns))
    detail = data.draw(documents(PUBLISHED[kind], pattern))

    assert in_cases(matched_by(pattern), detail)
    assert [error.message for error in judge(reading.schema).iter_errors(detail)] == []


def test_a_list_of_values_is_opened_to_its_kind_except_where_it_decides() -> None:
    decides = {"properties": {"p": {"enum": ["a"]}}}

    assert opened({"type": ["string", "null"], "enum": ["a"]}) == {"type": ["string"]}
    assert opened({"enum": ["a"], "type": ["string", "null"]}) == {"type": ["string"]}
    assert opened({"enum": ["a", 1.5], "minLength": 1}) == {"type": ["number", "string"], "minLength": 1}
    assert opened({"if": decides, "not": decides}) == {"if": decides, "not": decides}
    for keyword in ("then", "else", "items"):
        assert opened({keyword: decides}) == {keyword: {"properties": {"p": {"type": ["string"]}}}}


def test_a_value_that_a_reader_lists_is_its_break_and_no_other_readers() -> None:
    kind = Kind("payment.service", "PaymentConfirmation", 1)
    new: Any = copy.deepcopy(dict(PUBLISHED[kind]))
    new["properties"]["data"]["properties"]["outcome"]["enum"].append("postponed")

    assert breaks(PUBLISHED[kind], new, kind) == []
    hit = {dist: gaps_of(new, reading) for dist, read, reading in READERS if read == kind}
    assert {dist for dist, found in hit.items() if found} == {"inventory-service", "order-service"}
    assert {gap.may_be for found in hit.values() for gap in found} == {'"postponed"'}


@pytest.mark.parametrize("member", RELEASABLE, ids=name_of)
def test_each_schema_keeps_what_its_last_release_promised(member: Member) -> None:
    """The design's rule. A copy without history cannot tell, and says so; a shallow clone is an error."""
    if not Git(REPO.root).is_repository():
        pytest.skip("this is a copy without git: nobody knows what was released")
    tag = released.last_tag(REPO, member)
    if tag is None:
        pytest.skip(f"{member.dist} has no release yet")

    assert [str(found) for found in released.check(REPO, member, tag)] == []


def test_a_shallow_clone_does_not_pass_for_one_without_releases(monkeypatch: pytest.MonkeyPatch) -> None:
    answers = {"rev-parse": "true\n", "tag": ""}
    monkeypatch.setattr(Git, "run", lambda self, name, *rest, **_: answers[name])

    with pytest.raises(EcomError, match="shallow"):
        released.last_tag(REPO, RELEASABLE[0])


def test_json_of_equal_numbers_is_the_same() -> None:
    assert canonical({"b": [1.0, True], "a": 1}) == canonical(json.loads('{"a": 1.0, "b": [1, true]}'))
    assert canonical(1) != canonical(True)


def test_a_schema_of_too_many_cases_is_refused_before_it_is_compared() -> None:
    choices = [{"anyOf": [{"required": [f"{letter}{number}"]} for number in range(17)]} for letter in "ab"]

    with pytest.raises(NotUnderstood, match="more than 256 cases"):
        cases_of({"allOf": choices})


def test_what_takes_too_long_to_show_is_given_up() -> None:
    """Somewhere one of two fields is there without the other: to rule that out, 4 to the 14th cases."""
    pairs = [(f"a{number}", f"b{number}") for number in range(14)]
    either = [
        {"required": [there], "not": {"required": [other]}}
        for pair in pairs
        for there, other in (pair, pair[::-1])
    ]

    assert gaps(cases_of({}), cases_of({"anyOf": either})) != []
