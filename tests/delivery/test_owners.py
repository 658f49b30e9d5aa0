"""CODEOWNERS, dependabot and pre-commit: what they name is there, and nobody is left out."""

from __future__ import annotations

import re
import shlex

import pytest
import yaml
from typed import wrong_with_ecom

from ecom_cli.affected.graph import Graph
from ecom_cli.workspace import workspace

from .workflows import ROOT

REPO = workspace()
GRAPH = Graph(REPO)
LINES = [
    line.split()
    for line in (ROOT / ".github/CODEOWNERS").read_text(encoding="utf-8").splitlines()
    if line and not line.startswith("#")
]
OWNERS = {pattern: set(teams) for pattern, *teams in LINES}


def folder(dist: str) -> str:
    return f"/{REPO.member(dist).folder.relative_to(REPO.root).as_posix()}/"


@pytest.mark.parametrize("dist", [member.dist for member in REPO.members])
def test_every_package_has_an_owner(dist: str) -> None:
    assert OWNERS[folder(dist)]


def test_who_reads_a_fact_reviews_its_schema_and_nobody_else() -> None:
    wanted = {
        f"{folder(member.dist)}events/{fact}.*": OWNERS[folder(member.dist)].union(
            *(OWNERS[folder(reader)] for reader in GRAPH.readers(fact))
        )
        for member in REPO.members
        for fact in GRAPH.facts_of(member.dist)
    }
    assert {pattern: teams for pattern, teams in OWNERS.items() if "/events/" in pattern} == wanted


def test_what_comes_later_counts_so_exceptions_come_last() -> None:
    patterns = list(OWNERS)
    assert len(patterns) == len(LINES), "a pattern stands twice"
    assert patterns[0] == "*"
    events = [number for number, pattern in enumerate(patterns) if "/events/" in pattern]
    assert min(events) > max(patterns.index(folder(member.dist)) for member in REPO.members)


def test_what_codeowners_names_is_there() -> None:
    for pattern in OWNERS:
        path = pattern.lstrip("/")
        assert pattern == "*" or list(ROOT.glob(path)), pattern


def test_teams_are_placeholders_of_one_organisation() -> None:
    teams = set().union(*OWNERS.values())
    assert all(re.fullmatch(r"@example-org/[a-z]+-team", team) for team in teams)


def test_dependabot_keeps_the_actions_fresh_and_leaves_the_pins_alone() -> None:
    """`./ecom pins --upgrade` moves all pins together; a bot that moved one would put them out of step."""
    updates = yaml.safe_load((ROOT / ".github/dependabot.yml").read_text(encoding="utf-8"))["updates"]
    assert [update["package-ecosystem"] for update in updates] == ["github-actions"]


def test_the_hook_before_a_commit_is_a_command_that_people_type() -> None:
    hooks = yaml.safe_load((ROOT / ".pre-commit-config.yaml").read_text(encoding="utf-8"))["repos"]
    assert [repo["repo"] for repo in hooks] == ["local"], "nothing is fetched from elsewhere"
    for hook in hooks[0]["hooks"]:
        words = shlex.split(hook["entry"])
        assert words[0] == "./ecom"
        assert wrong_with_ecom(words[1:]) == ""
        assert hook["pass_filenames"] is False
        assert hook["always_run"] is True
