"""What a change of one file does to whom. Where it cannot be told, it does more rather than less."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecom_cli import build
from ecom_cli.affected.graph import WORKSPACE, Graph
from ecom_cli.affected.result import Work
from ecom_cli.affected.rules import File, Kind
from ecom_cli.errors import EcomError
from ecom_cli.suites import END_TO_END, SPANNING

TOOL = "ecom-cli"
RECIPE = f"src/ecom_cli/{Path(build.__file__).name}"
"""The tool's module that decides the bytes of every zip."""

TESTED = frozenset({Work.TEST})
DEPLOYED = frozenset({Work.TEST, Work.DEPLOY})
REBUILT = frozenset({Work.BUILD, Work.DEPLOY})  # no package's tests see its zip: those of the tool do
ALL = frozenset(Work)

Before = Callable[[str], str | None]
"""A file's text as it was, by its path; None where there was none."""


@dataclass(frozen=True)
class Touch:
    """One package or suite, why a file touches it, and what is to be done, as far as it can be done."""

    name: str
    reason: str
    works: frozenset[Work] = TESTED


def touches(file: File, graph: Graph, before: Before) -> Iterator[Touch]:
    """Whom a changed file touches."""
    yield from _OF_KIND[file.kind](file, graph, before)
    for user in graph.readers_by_tests(file.path):
        yield Touch(
            user, f"its tests read files of {file.member.dist if file.member else 'all'} that changed"
        )
    if file.kind is not Kind.NOBODYS:
        yield Touch(SPANNING, "the tests that span packages look at every file")


def _code(file: File, graph: Graph, _: Before) -> Iterator[Touch]:
    dist = _owner(file)
    what = "code" if file.kind is Kind.CODE else "files"
    yield Touch(dist, f"its {what} changed", ALL)
    for user in graph.importers(dist):
        yield Touch(user, f"it imports {dist}, whose {what} changed", ALL)
    yield from _tests_with(file, graph)
    yield Touch(END_TO_END, f"{dist} changed")
    if dist == TOOL and file.inside == RECIPE:
        for member in graph.repo.members:
            if member.has_zip:
                yield Touch(member.dist, f"{file.path} changed, which decides what a zip holds", REBUILT)


def _tests(file: File, _: Graph, __: Before) -> Iterator[Touch]:
    yield Touch(_owner(file), "its tests changed")


def _template(file: File, graph: Graph, _: Before) -> Iterator[Touch]:
    dist = _owner(file)
    yield Touch(dist, "its template changed", DEPLOYED)
    for user in graph.builders(dist):
        yield Touch(user, f"it imports exports of {dist}, whose template changed")
    for fact in graph.facts_of(dist):
        # whether a fact still gets out is decided in here: by the function, its role and its environment
        for user in graph.readers(fact) - {dist}:
            yield Touch(user, f"it reads facts of {dist}, whose template changed")
    yield Touch(END_TO_END, f"the template of {dist} changed")


def _facts(file: File, graph: Graph, _: Before) -> Iterator[Touch]:
    dist, fact = _owner(file), _fact(file)
    # The stack is tagged with its contract.
    yield Touch(dist, f"its schema {fact} changed", DEPLOYED)
    for user in graph.readers(fact) - {dist}:
        yield Touch(user, f"it reads {fact} of {dist}, whose schema changed")


def _reads(file: File, _: Graph, __: Before) -> Iterator[Touch]:
    yield Touch(_owner(file), f"what it reads of {_fact(file)} changed", DEPLOYED)


def _pins(file: File, _: Graph, __: Before) -> Iterator[Touch]:
    dist = _owner(file)
    yield Touch(dist, "the pins of its zip changed", ALL)
    yield Touch(END_TO_END, f"the pins of {dist} changed")


def _project(file: File, graph: Graph, _: Before) -> Iterator[Touch]:
    """Version, dependencies, what is deployed: of the package, and in the environments of its users."""
    dist = _owner(file)
    yield Touch(dist, "its pyproject.toml changed", ALL)
    for user in graph.importers(dist):
        yield Touch(user, f"it imports {dist}, whose pyproject.toml changed")
    yield from _tests_with(file, graph)
    yield Touch(END_TO_END, f"{file.path} changed")


def _beside(file: File, _: Graph, __: Before) -> Iterator[Touch]:
    yield Touch(_owner(file), f"its {file.inside} changed")
    yield Touch(END_TO_END, f"{file.path} changed, which it works with")


def _end_to_end(_: File, __: Graph, ___: Before) -> Iterator[Touch]:
    yield Touch(END_TO_END, "its tests changed")


def _shared_by_tests(_: File, __: Graph, ___: Before) -> Iterator[Touch]:
    yield Touch(END_TO_END, "modules changed that it shares with other tests")


def _tool_only(_: File, __: Graph, ___: Before) -> Iterator[Touch]:
    yield Touch(TOOL, "what stands around it changed, and its tests look at that")


def _only_the_spanning_tests(_: File, __: Graph, ___: Before) -> Iterator[Touch]:
    yield from ()


def _everything(file: File, graph: Graph, _: Before) -> Iterator[Touch]:
    why, works = f"nobody's: no rule knows {file.path}", ALL
    if file.kind is Kind.ENTRY:
        # it runs or watches every test, but decides nothing of what is deployed
        why, works = f"./{file.path} changed, which all tests go through", TESTED
    yield from _each(graph, why, works)


def _each(graph: Graph, why: str, works: frozenset[Work] = TESTED) -> Iterator[Touch]:
    for name in (*(member.dist for member in graph.repo.members), SPANNING, END_TO_END):
        yield Touch(name, why, works)


def _settings(file: File, graph: Graph, before: Before) -> Iterator[Touch]:
    """The root pyproject.toml, by what in it is another thing than before: not comments, not layout."""
    now_file = graph.repo.root / file.path
    now = _sections(now_file.read_text(encoding="utf-8") if now_file.is_file() else None)
    then = _sections(before(file.path))
    changed = {name for name in now.keys() | then.keys() if now.get(name) != then.get(name)}
    # they change how code is looked at, not what it does: `./ecom lint` is the one to run
    changed -= {"tool.ruff", "tool.mypy", "tool.bandit", "tool.deptry"}
    if "constraints" in changed:
        changed.remove("constraints")
        yield from _constraints(_names(now["constraints"] ^ then["constraints"]), graph)
    if changed & {"project", "dependency-groups"}:
        changed -= {"project", "dependency-groups"}
        yield Touch(END_TO_END, "what the workspace's environment holds changed")
    for name in sorted(changed):
        yield from _each(graph, f"[{name}] in {file.path} changed")


def _constraints(packages: set[str], graph: Graph) -> Iterator[Touch]:
    """A zip is built from its own requirements.txt, so here only tests are touched."""
    try:
        users = graph.users_of(packages)
    except EcomError:
        yield from _each(graph, "pins changed, and without a uv.lock nobody knows whose")
        return
    for name, used in users.items():
        if used:
            some = ", ".join(sorted(used)[:3]) + (f" and {len(used) - 3} more" if len(used) > 3 else "")
            yield Touch(END_TO_END if name == WORKSPACE else name, f"the pins of {some} changed")


def _sections(text: str | None) -> dict[str, Any]:
    """The tables of a pyproject.toml, those below [tool] one by one; the pins apart, as a set."""
    document = tomllib.loads(text or "")
    tools: Mapping[str, Any] = document.pop("tool", {})
    sections = document | {f"tool.{name}": table for name, table in tools.items()}
    uv = dict(sections.pop("tool.uv", {}))
    constraints = frozenset(uv.pop("constraint-dependencies", ()))
    return sections | {"tool.uv": uv, "constraints": constraints}


def _names(pins: frozenset[str]) -> set[str]:
    return {re.split(r"[^A-Za-z0-9._-]", pin, maxsplit=1)[0] for pin in pins}


def _tests_with(file: File, graph: Graph) -> Iterator[Touch]:
    for user in graph.testers(_owner(file)) - graph.importers(_owner(file)):
        yield Touch(user, f"its tests use {_owner(file)}, which changed")


def _owner(file: File) -> str:
    if file.member is None:  # by the rules, which ask for one
        raise EcomError(f"{file.path} belongs to no package.")
    return file.member.dist


def _fact(file: File) -> str:
    return file.path.rpartition("/")[2].partition(".")[0]


_OF_KIND: dict[Kind, Callable[[File, Graph, Before], Iterator[Touch]]] = {
    Kind.CODE: _code,
    Kind.REST: _code,
    Kind.TESTS: _tests,
    Kind.TEMPLATE: _template,
    Kind.FACTS: _facts,
    Kind.READS: _reads,
    Kind.PINS: _pins,
    Kind.PROJECT: _project,
    Kind.BESIDE: _beside,
    Kind.WORDS: _only_the_spanning_tests,
    Kind.SPANNING: _only_the_spanning_tests,
    Kind.SHARED_BY_TESTS: _shared_by_tests,
    Kind.END_TO_END: _end_to_end,
    Kind.DOCS: _only_the_spanning_tests,
    Kind.SETTINGS: _settings,
    Kind.ENTRY: _everything,
    Kind.SCRIPTS: _tool_only,
    Kind.AUTOMATION: _tool_only,
    Kind.HOUSEKEEPING: _only_the_spanning_tests,
    Kind.NOBODYS: _everything,
}
