"""Alarms and runbooks in step, both ways; and what a runbook says to type can be typed."""

from __future__ import annotations

import ast
import re
import shlex
from collections import Counter
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typed import commands, wrong_with_ecom

from .alarms import OWN_METRICS
from .template import ROOT, RUNBOOK, SERVICES, Template

FOLDER = ROOT / "docs/runbooks"
PAGES = {path.stem: path for path in sorted(FOLDER.glob("*.md")) if path.stem != "README"}
SECTIONS = ["What it means", "Which cause", "What to do", "When to stop"]

EVERYWHERE = {"output", "query", "region"}
"""Options that the AWS CLI takes with every command."""

CLI_ONLY = {"logs tail": {"since", "filter-pattern", "follow", "format"}}
"""Commands of the AWS CLI that are no operation of the service."""

RENAMED = {"sns subscribe": {"endpoint": "notification-endpoint"}}
"""Options that the AWS CLI spells differently, since it has one of that name for all commands."""


def alarms(templates: dict[str, Template]) -> Iterator[tuple[str, str]]:
    """Every alarm with the name of its runbook."""
    for template in templates.values():
        for logical_id, alarm in template.of("CloudWatch::Alarm").items():
            found = RUNBOOK.search(alarm["AlarmDescription"])
            assert found, logical_id
            yield f"{template.name} {logical_id}", Path(found[1]).stem


def wrong_with(command: str) -> str:
    """Why a command cannot be typed as it stands; empty where it can."""
    try:
        words = shlex.split(command, comments=True)
    except ValueError as error:
        return str(error)
    if words[:1] == ["./ecom"]:
        return wrong_with_ecom(words[1:])
    if words[:1] == ["aws"]:
        return wrong_with_aws(words[1:])
    return "neither ./ecom nor aws"


@cache
def _session() -> Any:
    import botocore.session

    return botocore.session.get_session()


def wrong_with_aws(words: list[str]) -> str:
    from botocore import xform_name

    if len(words) < 2:
        return "no operation"
    service, operation, *rest = words
    given = {word[2:].partition("=")[0] for word in rest if word.startswith("--")}
    if f"{service} {operation}" in CLI_ONLY:
        unknown = given - EVERYWHERE - CLI_ONLY[f"{service} {operation}"]
        return f"no option {sorted(unknown)}" if unknown else ""
    if service not in _session().get_available_services():
        return f"there is no service {service}"
    model = _session().get_service_model(service)
    operations = {xform_name(name, "-"): name for name in model.operation_names}
    if operation not in operations:
        return f"{service} has no {operation}"
    shape = model.operation_model(operations[operation]).input_shape
    members = shape.members if shape else {}
    renamed = RENAMED.get(f"{service} {operation}", {})

    def spelt(name: str) -> str:
        option = xform_name(name, "-")
        return renamed.get(option, option)

    options = {spelt(name) for name in members} | EVERYWHERE
    options |= {
        f"no-{xform_name(name, '-')}" for name, member in members.items() if member.type_name == "boolean"
    }
    if _session().get_paginator_model(service)._paginator_config.get(operations[operation]):
        options.add("max-items")  # the AWS CLI turns the pages itself
    if unknown := given - options:
        return f"no option {sorted(unknown)}"
    required = {spelt(name) for name in (shape.required_members if shape else ())}
    missing = required - given - {name for name in required if f"no-{name}" in given}
    return f"lacks {sorted(missing)}" if missing else ""


def test_every_runbook_is_an_alarms(templates: dict[str, Template]) -> None:
    """The other way round, alarm to runbook, is a house rule."""
    assert PAGES.keys() == {page for _, page in alarms(templates)}


def test_the_list_of_runbooks_is_complete_and_counts_right(templates: dict[str, Template]) -> None:
    text = (FOLDER / "README.md").read_text(encoding="utf-8")
    listed = re.findall(r"^\| \[([a-z0-9-]+)\]\(\1\.md\) \|[^|]+\| (\d+) \|$", text, re.MULTILINE)
    counted = Counter(page for _, page in alarms(templates))
    assert {page: int(number) for page, number in listed} == counted
    total = counted.total()
    assert f"**{total} alarms in all.**" in text
    assert f"{total / 10:.2f} USD a month" in text


def test_alarms_have_names_of_their_own(templates: dict[str, Template]) -> None:
    """CloudWatch overwrites an alarm of the same name without a word, also across stacks."""
    names = Counter(
        template.physical_name(logical_id)
        for template in templates.values()
        for logical_id in template.of("CloudWatch::Alarm")
    )
    assert not [name for name, number in names.items() if number > 1]


def counted_by(package: str) -> set[str]:
    """The metrics that the code behind a package's functions counts by name: its own and the library's."""
    sources = [*(ROOT / "packages" / package).glob("src/**/*.py"), *ROOT.glob("libs/common/src/**/*.py")]
    calls = (node for path in sources for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))))
    return {
        node.args[0].value
        for node in calls
        if isinstance(node, ast.Call)
        and getattr(node.func, "id", getattr(node.func, "attr", "")) == "count"
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, str)
    }


@pytest.mark.parametrize("package", SERVICES)
def test_alarms_listen_to_what_the_code_counts(templates: dict[str, Template], package: str) -> None:
    """A metric that nobody counts any more would leave its alarm silent for ever."""
    own = {
        alarm["MetricName"]
        for alarm in templates[package].of("CloudWatch::Alarm").values()
        if not str(alarm["Namespace"]).startswith("AWS/")
    }
    assert own == {"OperatorErrors"} | OWN_METRICS.get(package, set())
    assert not own - counted_by(package)


@pytest.mark.parametrize("page", PAGES)
def test_a_runbook_begins_with_what_to_run(page: str) -> None:
    text = PAGES[page].read_text(encoding="utf-8")
    assert re.match(r"# [^\n]+\n\n```console\nSTAGE=prod\n", text), "title, then commands"
    assert re.findall(r"^\*\*([^*]+)\.\*\*", text, re.MULTILINE) == SECTIONS
    assert len(commands(text)) >= 3


@pytest.mark.parametrize("page", [*PAGES, "README"])
def test_what_a_runbook_says_to_type_can_be_typed(page: str) -> None:
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    wrong = [f"{command}: {why}" for command in commands(text) if (why := wrong_with(command))]
    assert not wrong, "\n" + "\n".join(wrong)


@pytest.mark.parametrize("page", [*PAGES, "README"])
def test_links_between_runbooks_lead_somewhere(page: str) -> None:
    text = (FOLDER / f"{page}.md").read_text(encoding="utf-8")
    assert [link for link in re.findall(r"\]\(([^)#]+)", text) if not (FOLDER / link).is_file()] == []


@pytest.mark.parametrize(
    ("command", "why"),
    [
        ("./ecom redrive payment", "no command"),
        ("./ecom order", "no command"),
        ("./ecom order follow x", "no command"),
        ("./ecom order show", "MissingParameter"),
        ("./ecom order show x --verbose", "NoSuchOption"),
        ("./ecom order list --limit many", "BadParameter"),
        ("./ecom status --queues", "NoSuchOption"),
        ("./ecom order show 'x", "quotation"),
        ("aws queues list", "no service"),
        ("aws sqs list-messages", "has no list-messages"),
        ("aws sqs receive-message --queue-url u --count 3", "'count'"),
        ("aws sqs receive-message --max-number-of-messages 3", "lacks ['queue-url']"),
        ("aws logs tail g --until now", "'until'"),
        ("kubectl get pods", "neither"),
    ],
)
def test_what_cannot_be_typed_is_noticed(command: str, why: str) -> None:
    assert why in wrong_with(command)


def test_commands_are_found_wherever_they_stand() -> None:
    block = "STAGE=prod\nQ=a   # or b\nU=$(aws a b --c d)\n./ecom status\n"
    text = f"# x\n\n```console\n{block}```\n\nType `aws e f` or `x`.\n"
    assert commands(text) == ["aws a b --c d", "./ecom status", "aws e f"]
