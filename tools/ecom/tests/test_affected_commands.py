"""What `--affected` leaves of what test, build and deploy would do."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import pytest
from typer.testing import CliRunner

from ecom_cli import build, cli, testing
from ecom_cli import workspace as workspaces
from ecom_cli.delivery import deploy, deploy_command
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.workspace import Workspace, load


def change(repo: Workspace, path: str, text: str = "# changed\n") -> None:
    """Write more text into a file, which need not be there yet."""
    (repo.root / path).parent.mkdir(parents=True, exist_ok=True)
    with (repo.root / path).open("a", encoding="utf-8") as file:
        file.write(text)


@pytest.fixture
def repo(make_repo: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch) -> Workspace:
    """Two services with tests and zips, all of it committed on main."""
    made = make_repo(a_service="Resources: {}\n", b_service="Resources: {}\n")
    for dist in ("a-service", "b-service"):
        change(made, f"packages/{dist}/pyproject.toml", 'aws-services = ["sqs"]\n')
        change(made, f"packages/{dist}/src/{dist.replace('-', '_')}/__init__.py")
        change(made, f"packages/{dist}/tests/test_it.py")
    change(made, "tests/test_it.py")
    change(made, "tests/e2e/test_it.py")
    git = Git(made.root)
    git.run("init", "-q", "-b", "main")
    git.run("config", "user.name", "Team")
    git.run("config", "user.email", "team@example.com")
    git.run("add", "--all")
    git.run("commit", "-q", "-m", "feat: all")
    found = load(made.root)
    for module in (workspaces, testing):
        monkeypatch.setattr(module, "workspace", lambda: found)
    return found


@pytest.fixture
def done(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of what was tested, built or deployed, instead of doing it."""
    names: list[str] = []

    def run_suite(suite: testing.Suite, *_: Any) -> testing.Result:
        names.append(suite.name)
        return testing.Result(suite, 1, 0, 0, 0.1, "")

    def build_all(members: Any, *_: Any) -> list[Any]:
        names.extend(member.dist for member in members if member.has_zip)
        return []

    def deploy_all(_: Any, services: list[str], *__: Any, **___: Any) -> list[Any]:
        assert services, "none means all"
        names.extend(services)
        return []

    monkeypatch.setattr(testing, "run_suite", run_suite)
    monkeypatch.setattr(build, "build_all", build_all)
    monkeypatch.setattr(deploy, "deploy", deploy_all)
    stage = SimpleNamespace(where="nowhere", is_emulator=True, name="x", region="y", endpoint_url=None)
    monkeypatch.setattr(deploy_command, "resolve_stage", lambda *_: stage)
    return names


def ecom(command: Any, *arguments: str) -> str:
    ran = CliRunner().invoke(command, arguments, catch_exceptions=False)
    assert ran.exit_code == 0, ran.output
    return ran.stdout


CODE = "packages/a-service/src/a_service/__init__.py"
HEAD = ("--affected", "--since", "HEAD")


def test_only_what_is_touched_is_tested(repo: Workspace, done: list[str]) -> None:
    change(repo, CODE)

    said = ecom(testing.command, *HEAD)

    assert sorted(done) == ["a-service", "e2e", "tests"]
    assert "to test: a-service, tests, e2e" in said
    assert "3 passed, 0 failed" in said


def test_of_the_named_suites_those_that_are_touched(repo: Workspace, done: list[str]) -> None:
    change(repo, CODE)

    ecom(testing.command, "a-service", "b-service", *HEAD)

    assert done == ["a-service"]


def test_no_change_needs_no_test_and_is_no_failure(repo: Workspace, done: list[str]) -> None:
    said = ecom(testing.command, "--since", "HEAD")

    assert done == []
    assert "to test: nothing" in said
    assert json.loads(ecom(testing.command, "--since", "HEAD", "--json"))["suites"] == []


def test_only_what_is_touched_is_built(repo: Workspace, done: list[str]) -> None:
    change(repo, CODE)
    change(repo, "packages/b-service/tests/test_it.py")

    assert ecom(cli.app, "build", *HEAD, "--json") == "[]\n"

    assert done == ["a-service"]


def test_nothing_is_built_where_nothing_is_touched(repo: Workspace, done: list[str]) -> None:
    ecom(cli.app, "build", "--since", "HEAD")

    assert done == []


def test_only_what_is_touched_is_deployed(repo: Workspace, done: list[str]) -> None:
    change(repo, "packages/base-infra/stack.yaml")
    change(repo, "packages/b-service/tests/test_it.py")

    ecom(deploy_command.command, *HEAD)

    assert done == ["base-infra"]


def test_nothing_is_deployed_where_nothing_is_touched(repo: Workspace, done: list[str]) -> None:
    """No name means all to the deployer."""
    change(repo, "packages/b-service/tests/test_it.py")

    assert json.loads(ecom(deploy_command.command, *HEAD, "--json"))["stacks"] == []

    assert done == []


@pytest.mark.parametrize(
    ("names", "said"), [(["a-service@1.0.0"], "a-service@1.0.0 is a release"), (["nosuch"], "'nosuch'")]
)
def test_a_release_or_an_unknown_name_is_refused(
    repo: Workspace, done: list[str], names: list[str], said: str
) -> None:
    with pytest.raises(EcomError, match=said):
        ecom(deploy_command.command, *names, *HEAD)
    assert done == []
