"""The path filters of the packages' workflows say what `./ecom affected` says, file by file."""

from __future__ import annotations

from collections.abc import Iterator
from functools import cache

import pytest

from ecom_cli.affected.effects import touches
from ecom_cli.affected.graph import Graph
from ecom_cli.affected.rules import Kind, file
from ecom_cli.git import Git
from ecom_cli.workspace import Member, workspace

from .workflows import CHECK, ROOT, WORKFLOWS, listed, matches

REPO = workspace()
MEMBERS = {member.dist: member for member in REPO.members}


def inside(member: Member, path: str) -> str:
    return f"{member.folder.relative_to(REPO.root).as_posix()}/{path}"


def not_there_yet() -> Iterator[str]:
    """Files that somebody may add tomorrow."""
    graph = Graph(REPO)
    for member in REPO.members:
        for path in ("src/new/new.py", "tests/test_new.py", "tests/data/new.json", "new.json", "README.md"):
            yield inside(member, path)
        for fact in graph.facts_of(member.dist):
            yield inside(member, f"events/{fact}.v9.json")
        if member.has_zip:
            yield inside(member, "reads/StockConfirmation.v9.json")
            yield inside(member, "events/NobodyReadsThis.v1.json")
    yield from (
        "docs/new.md",
        "NEW.md",
        "tests/new/test_new.py",
        "tests/e2e/test_new.py",
        ".github/workflows/x.yml",
    )


@cache
def files() -> tuple[str, ...]:
    git = Git(ROOT)
    tracked = git.run("ls-files", "--cached", "--others", "--exclude-standard", "-z").split("\0")
    every = {path for path in tracked if (ROOT / path).is_file()} | set(not_there_yet())
    # of a file that no rule knows a filter knows nothing either; tests/affected sees that there is none
    return tuple(sorted(path for path in every if path and file(REPO, path).kind is not Kind.NOBODYS))


@cache
def touched() -> dict[str, set[str]]:
    """Whom a change of each file touches, whatever changes in it."""
    graph = Graph(REPO)
    return {
        path: {touch.name for touch in touches(file(REPO, path), graph, lambda _: None)} for path in files()
    }


def wanted(package: str) -> set[str]:
    """The files that the workflow of a package is to run for: also itself, and what it calls."""
    own = {f".github/workflows/{package}.yml", f".github/workflows/{CHECK}"}
    return {path for path, names in touched().items() if package in names} | own


@pytest.mark.parametrize("package", MEMBERS)
@pytest.mark.parametrize("event", ["pull_request", "push"])
def test_filters_and_affected_are_in_step(package: str, event: str) -> None:
    filters = listed(WORKFLOWS[f"{package}.yml"], event)
    found = {path for path in files() if matches(filters, path)}
    missing, needless = sorted(wanted(package) - found), sorted(found - wanted(package))
    assert not missing, f"{package}.yml does not run for these, which `./ecom affected` says touch it"
    assert not needless, f"{package}.yml runs for these, which `./ecom affected` says do not touch it"


@pytest.mark.parametrize("package", MEMBERS)
def test_every_line_of_a_filter_is_of_use(package: str) -> None:
    filters = listed(WORKFLOWS[f"{package}.yml"], "pull_request")
    assert len(filters) == len(set(filters))
    whole = {path for path in files() if matches(filters, path)}
    for line in filters:
        rest = [other for other in filters if other != line]
        assert {path for path in files() if matches(rest, path)} != whole, f"{package}.yml: {line}"


@pytest.mark.parametrize(
    ("pattern", "path", "fits"),
    [
        ("libs/common/**", "libs/common/src/a/b.py", True),
        ("libs/common/**", "libs/commons/a.py", False),
        ("libs/*.md", "libs/a.md", True),
        ("libs/*.md", "libs/common/a.md", False),
        ("a.py", "axpy", False),
        ("ecom", "tools/ecom", False),
    ],
)
def test_patterns_fit_as_on_github(pattern: str, path: str, fits: bool) -> None:
    assert matches([pattern], path) is fits


def test_the_last_pattern_that_fits_decides() -> None:
    assert not matches(["a/**", "!a/*.md"], "a/README.md")
    assert matches(["a/**", "!a/*.md", "a/README.md"], "a/README.md")
