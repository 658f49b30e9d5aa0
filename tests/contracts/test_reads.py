"""What each service declares to read (`reads/`) is what its code and its rules read: no more, no less."""

from __future__ import annotations

import ast
import json
from collections.abc import Mapping
from typing import Any

import jsonschema
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from contracts.facts import PACKAGES, carried_to, examples, published
from contracts.reading import Interest, documents, fields_of_rule, fields_read, judge, nearly, read, rules
from ecom_cli.contracts import contracts_of, misfits, unheard
from ecom_cli.contracts.schemas import KEYWORDS, cases_of, fields_of
from ecom_cli.workspace import workspace
from ecom_common.errors import Poison

CONTRACTS = contracts_of(workspace())
READS: Mapping[Interest, Mapping[str, Any]] = {
    (dist, kind.source, kind.detail_type): reading.schema
    for dist, contract in CONTRACTS.items()
    for kind, reading in contract.reads.items()
}
RULES = list(rules())
QUEUES = sorted({(queue, interest) for interest, queues, _ in RULES for queue in queues})
SAID = [*examples(), *published()]

FACT_METHODS = {"text", "whole", "flag"}


def title(value: object) -> str:
    return "-".join(value[:1] + value[2:]) if isinstance(value, tuple) else str(value)


def event(interest: Interest, detail: Any) -> dict[str, Any]:
    return {"source": interest[1], "detail-type": interest[2], "detail": detail}


def read_by_code(interest: Interest, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """What the functions of a service ask for, over all the facts of a kind that are carried to them."""
    found: set[str] = set()
    for queue in sorted({queue for queue, other in QUEUES if other == interest}):
        for said in SAID:
            if said.kind == interest[1:] and queue in carried_to(said.event):
                found |= fields_read(queue, said.event, monkeypatch)
    return found


def test_every_rule_has_its_declaration_and_every_declaration_its_rule() -> None:
    assert {interest for interest, _, _ in RULES} == set(READS)


@pytest.mark.parametrize("interest", READS, ids=title)
def test_what_is_declared_is_what_is_read(interest: Interest, monkeypatch: pytest.MonkeyPatch) -> None:
    by_rules = set().union(*(fields_of_rule(rule) for other, _, rule in RULES if other == interest))
    by_code = read_by_code(interest, monkeypatch)
    declared = fields_of(READS[interest])

    assert declared - by_rules - by_code == set(), "declared, but nobody reads it"
    assert (by_rules | by_code) - declared == set(), "read, but not declared"


@pytest.mark.parametrize(
    "path", sorted(PACKAGES.glob("*/src/*/*.py")), ids=lambda path: "/".join(path.parts[-2:])
)
def test_only_events_py_reads_a_facts_own_fields(path: Any) -> None:
    """So what `READERS` runs is all there is; elsewhere only the envelope is asked for."""
    if path.name == "events.py":
        return
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if not (
            isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and "fact" in node.value.id
        ):
            continue
        assert node.attr != "data", f"{path.name}:{node.lineno} reads data itself"
    for call in (
        node for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))) if isinstance(node, ast.Call)
    ):
        if isinstance(call.func, ast.Attribute) and call.func.attr in FACT_METHODS:
            names = [argument.value for argument in call.args if isinstance(argument, ast.Constant)]
            assert names == ["placedAt"], f"{path.name}:{call.lineno} reads {names}"


@pytest.mark.parametrize(("queue", "interest"), QUEUES, ids=title)
@settings(max_examples=30, deadline=None)
@given(data=st.data())
def test_a_reader_takes_whatever_its_declaration_allows(
    queue: str, interest: Interest, data: st.DataObject
) -> None:
    read(queue, event(interest, data.draw(documents(READS[interest]))))


@pytest.mark.parametrize(("queue", "interest"), QUEUES, ids=title)
@settings(max_examples=80, deadline=None)
@given(data=st.data())
def test_a_reader_calls_poison_what_its_declaration_forbids(
    queue: str, interest: Interest, data: st.DataObject
) -> None:
    schema = READS[interest]
    detail = data.draw(nearly(schema, fields_of(schema)))

    try:
        read(queue, event(interest, json.loads(json.dumps(detail))))
    except Poison:
        assert not judge(schema).is_valid(detail)
    else:
        assert judge(schema).is_valid(detail)


@pytest.mark.parametrize("interest", READS, ids=title)
def test_every_fact_that_is_carried_is_as_its_reader_declares(interest: Interest) -> None:
    for said in SAID:
        if said.kind == interest[1:] and any(
            queue in carried_to(said.event) for queue, i in QUEUES if i == interest
        ):
            errors = jsonschema.Draft202012Validator(READS[interest]).iter_errors(said.detail)
            assert [f"{said.title}: {error.json_path} {error.message}" for error in errors] == []


def test_every_schema_uses_only_keywords_that_are_understood() -> None:
    """So every change of it can be judged; cases_of names the keyword and the place."""
    files = [*PACKAGES.glob("*/events/*.json"), *PACKAGES.glob("*/reads/*.json")]

    for path in files:
        schema = json.loads(path.read_text(encoding="utf-8"))
        jsonschema.Draft202012Validator.check_schema(schema)
        assert cases_of(schema), f"{path.name} accepts nothing"
        assert set(schema) <= KEYWORDS
    assert len(files) >= 8 + 17


def test_all_packages_of_this_tree_fit_together() -> None:
    assert misfits(CONTRACTS, where="in this tree") == []
    assert unheard(CONTRACTS) == []
    assert sum(len(contract.reads) for contract in CONTRACTS.values()) >= 17
