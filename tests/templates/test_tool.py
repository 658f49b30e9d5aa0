"""What the tool takes for granted of the templates."""

from __future__ import annotations

import re

import pytest

from ecom_cli.aws import Stage
from ecom_cli.build import LAMBDA_PLATFORM, LAMBDA_PYTHON
from ecom_cli.delivery.stateful import HOLDS
from ecom_cli.templates import Template, parse_template
from ecom_cli.workspace import Member, workspace

STACKS = workspace().stacks


def text_of(member: Member) -> str:
    assert member.template
    return member.template.read_text(encoding="utf-8")


def template_of(member: Member) -> Template:
    return parse_template(text_of(member), member.dist)


def test_every_type_that_a_template_retains_is_guarded() -> None:
    """What no delete of a stack may take along, no change of it may either."""
    templates = [template_of(member) for member in STACKS]
    kept = {template.resources[name]["Type"] for template in templates for name in template.retained}
    assert kept
    assert kept <= set(HOLDS)


@pytest.mark.parametrize("member", [m for m in STACKS if m.has_zip], ids=lambda member: member.dist)
def test_zips_are_made_for_what_the_template_runs_them_on(member: Member) -> None:
    resources = template_of(member).resources
    functions = [each["Properties"] for each in resources.values() if each["Type"] == "AWS::Lambda::Function"]
    assert functions
    machine = {"aarch64": "arm64", "x86_64": "x86_64"}[LAMBDA_PLATFORM.split("-")[0]]
    for properties in functions:
        assert properties["Runtime"] == f"python{LAMBDA_PYTHON}"
        assert properties["Architectures"] == [machine]


def test_on_aws_the_url_is_what_the_stack_says(monkeypatch: pytest.MonkeyPatch) -> None:
    """The template's output and what is made of it, read together: neither may add /orders on its own."""
    text = text_of(workspace().member("order-service"))
    found = re.search(r"\n  ApiUrl:\n.*\n    Value: !Sub '(.*)'", text)
    assert found
    said = found[1]
    stage = Stage("dev", "eu-west-1")
    monkeypatch.setattr(Stage, "output", lambda self, member, key: said)
    assert stage.api_url == said
    assert said.endswith("/orders")
