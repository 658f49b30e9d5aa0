"""Whose rights CloudFormation works with, where the one who deploys has hardly any."""

from __future__ import annotations

from typing import Any

import pytest

from ecom_cli.aws import Stage
from ecom_cli.delivery.changesets import Request
from ecom_cli.delivery.stacks import ROLE_VARIABLE, Stack

ROLE = "arn:aws:iam::111122223333:role/cloudformation-ecom-dev"


class CloudFormation:
    """Takes change sets and keeps what it was asked for."""

    def __init__(self) -> None:
        self.asked: dict[str, Any] = {}

    def describe_stacks(self, **_: str) -> dict[str, Any]:
        return {"Stacks": [{"StackStatus": "UPDATE_COMPLETE"}]}

    def create_change_set(self, **asked: Any) -> dict[str, str]:
        self.asked = asked
        return {"Id": "change-set"}

    def describe_change_set(self, **_: str) -> dict[str, Any]:
        return {"Status": "CREATE_COMPLETE", "Changes": [], "StackId": "one"}


@pytest.fixture
def proposed(monkeypatch):
    def propose() -> dict[str, Any]:
        cloudformation = CloudFormation()
        monkeypatch.setattr(Stage, "client", lambda *_: cloudformation)
        Stack(Stage("dev", "eu-central-1"), "ecom-dev-x").propose(Request({"TemplateBody": "{}"}, [], {}))
        return cloudformation.asked

    return propose


def test_the_role_that_the_environment_names_is_handed_on(proposed, monkeypatch):
    monkeypatch.setenv(ROLE_VARIABLE, ROLE)
    assert proposed()["RoleARN"] == ROLE


@pytest.mark.parametrize("value", [None, ""])
def test_without_one_nothing_is_said_so_a_stack_keeps_the_role_that_it_has(proposed, monkeypatch, value):
    monkeypatch.delenv(ROLE_VARIABLE, raising=False)
    if value is not None:
        monkeypatch.setenv(ROLE_VARIABLE, value)
    assert "RoleARN" not in proposed()
