"""The command that writes the dashboard's template. What it draws is judged in tests/templates."""

from __future__ import annotations

import json

import pytest
from typer.testing import CliRunner

from ecom_cli import cli, dashboard
from ecom_cli import workspace as repository
from ecom_cli.errors import EcomError
from ecom_cli.workspace import Workspace

QUEUE = """
Resources:
  Inbox:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub 'ecom-${Stage}-inbox'}
"""
DASHBOARD = """
Resources:
  StageDashboard:
    Type: AWS::CloudWatch::Dashboard
    Properties:
      DashboardName: x
      DashboardBody: !Sub |
        {"old": true}

Outputs: {}
"""


@pytest.fixture
def repo(make_repo, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    found: Workspace = make_repo(mail_service=QUEUE, stage_dashboard=DASHBOARD)
    monkeypatch.setattr(repository, "workspace", lambda: found)
    return found


def widgets(repo: Workspace) -> list[dict]:
    text = dashboard.path(repo).read_text(encoding="utf-8")
    body = text.split("DashboardBody: !Sub |\n")[1].split("\nOutputs")[0]
    return json.loads(body)["widgets"]


def test_it_is_written_once_and_then_up_to_date(repo: Workspace) -> None:
    run = CliRunner().invoke
    assert run(cli.app, ["dashboard"]).stdout == "wrote packages/stage-dashboard/stack.yaml\n"
    assert run(cli.app, ["dashboard"]).stdout == "The dashboard was up to date.\n"
    assert "ecom-${Stage}-inbox" in json.dumps(widgets(repo))
    assert dashboard.path(repo).read_text(encoding="utf-8").endswith("\nOutputs: {}\n")


def test_check_changes_nothing_and_tells(repo: Workspace) -> None:
    checked = CliRunner().invoke(cli.app, ["dashboard", "--check"])
    assert isinstance(checked.exception, EcomError)
    assert checked.exception.message == "packages/stage-dashboard/stack.yaml is out of step."
    assert dashboard.path(repo).read_text(encoding="utf-8") == DASHBOARD
    dashboard.update(repo)
    assert CliRunner().invoke(cli.app, ["dashboard", "--check"]).exit_code == 0


def test_a_template_without_a_place_for_the_body_is_refused(repo: Workspace) -> None:
    dashboard.path(repo).write_text(QUEUE, encoding="utf-8")
    with pytest.raises(EcomError, match="0 places"):
        dashboard.update(repo)


def test_a_resource_without_a_name_cannot_be_drawn(repo: Workspace) -> None:
    template = repo.member("mail-service").template
    assert template
    template.write_text(QUEUE.replace("!Sub 'ecom-${Stage}-inbox'", "!Ref Name"), encoding="utf-8")
    with pytest.raises(EcomError, match="without a name"):
        dashboard.template(repo)
