"""What docs/delivery.md says of the workflows is so, and what it says to type can be typed."""

from __future__ import annotations

import re
import shlex

import pytest
from typed import commands, is_command, wrong_with_ecom

from .workflows import ROOT, WORKFLOWS

PAGE = (ROOT / "docs/delivery.md").read_text(encoding="utf-8")
TYPED = [command for command in commands(PAGE.replace("$ ./ecom", "./ecom")) if command.startswith("./ecom")]


@pytest.mark.parametrize("command", sorted(set(TYPED)))
def test_what_the_page_says_to_type_can_be_typed(command: str) -> None:
    words = shlex.split(command, comments=True)[1:]
    assert (len(words) == 1 and is_command(words[0])) or wrong_with_ecom(words) == ""


def test_the_page_names_every_workflow_but_the_packages() -> None:
    of_packages = {name for name, workflow in WORKFLOWS.items() if "release" in workflow.jobs}
    named = set(re.findall(r"`([a-z-]+\.yml)`", PAGE))
    assert named == WORKFLOWS.keys() - of_packages


def test_the_variables_that_the_page_wants_are_the_ones_that_are_read() -> None:
    read = {name for workflow in WORKFLOWS.values() for name in re.findall(r"vars\.(\w+)", workflow.text)}
    assert read == set(re.findall(r"`(AWS_\w+)`", PAGE))


def test_the_night_is_as_long_as_the_page_says() -> None:
    (seeds,) = re.findall(r"simulate --seeds (\d+)", WORKFLOWS["whole.yml"].text)
    assert f"{int(seeds):,} worlds" in PAGE
