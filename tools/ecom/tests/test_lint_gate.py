"""What the gate looks at, which tools it runs, and what it says on the terminal."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecom_cli.errors import EcomError
from ecom_cli.lint import command, gate, tools
from ecom_cli.lint.findings import Finding, Waiver
from ecom_cli.lint.scope import BY_HAND, Scope
from ecom_cli.lint.tool import Tool, ToolBrokeError
from ecom_cli.lint.tools import TOOLS
from ecom_cli.workspace import Workspace, load

FOUND = Finding("packages/x/s.yaml", 7, "checkov", "CKV_AWS_27", "not encrypted", "Queue", "Repair it.")
WAIVED = Waiver("checkov", "packages/x/s.yaml", 9, "CKV_AWS_26", "it is right as it is", "Topic")
OF_TOPIC = Finding("packages/x/s.yaml", 9, "checkov", "CKV_AWS_26", "not encrypted", "Topic")


def tool(name: str, *found: Finding, waivers: tuple[Waiver, ...] = (), **more) -> Tool:
    return Tool(name, "for a test", lambda _: (found, waivers), 1, **more)


def write(root: Path, *names: str) -> None:
    for name in names:
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text("", encoding="utf-8")


# ---------------------------------------------------------------------------------- what is looked at


def test_types_are_checked_in_every_members_source_and_in_the_simulation(zip_repo):
    repo = zip_repo()
    assert Scope(repo).sources == ["packages/toy-service/src", "libs/toy-common/src"]
    write(repo.root, "tests/simulation/world.py")
    assert Scope(repo).sources[-1] == "tests/simulation"
    assert Scope(repo).shipped == ["packages/toy-service/src", "libs/toy-common/src"]


def test_what_ships_is_neither_the_tests_nor_what_they_share(zip_repo):
    repo = zip_repo()
    write(repo.root, "libs/testkit/src/toy_testkit/__init__.py", "tests/simulation/world.py")
    (repo.root / "libs/testkit/pyproject.toml").write_text(
        '[project]\nname = "toy-testkit"\nversion = "0.1.0"\n', encoding="utf-8"
    )
    scope = Scope(load(repo.root))
    assert {"libs/testkit/src", "tests/simulation"} <= set(scope.sources)
    assert scope.shipped == ["packages/toy-service/src", "libs/toy-common/src"]


def test_style_is_checked_wherever_there_is_python(tmp_path):
    write(tmp_path, "libs/a.py", "tests/b.py", "docs/c.md", "conftest.py")
    assert Scope(Workspace(tmp_path, ())).folders == ["libs", "tests", "conftest.py"]


def test_one_member_alone(zip_repo):
    repo = zip_repo()
    scope = Scope.of(repo, ["toy-service"])
    assert scope.folders == ["packages/toy-service"]
    assert scope.sources == scope.shipped == ["packages/toy-service/src"]
    assert scope.templates == {"toy-service": "packages/toy-service/stack.yaml"}
    assert scope.files
    assert {name.split("/")[1] for name in scope.files} == {"toy-service"}
    with pytest.raises(EcomError, match="no package 'nobody'"):
        Scope.of(repo, ["nobody"])


def test_templates_come_in_the_order_of_their_dependencies(make_repo):
    assert list(Scope(make_repo(a_service="Resources: {}")).templates) == ["base-infra", "a-service"]


def test_a_template_that_people_deploy_by_hand_is_looked_at_with_the_whole(zip_repo):
    repo = zip_repo()
    write(repo.root, *BY_HAND.values())
    assert Scope(repo).all_templates == Scope(repo).templates | BY_HAND
    assert Scope.of(repo, ["toy-service"]).all_templates == Scope.of(repo, ["toy-service"]).templates


def test_secrets_are_looked_for_in_what_is_or_would_be_in_git(tmp_path):
    write(tmp_path, "kept.py", "new.md", "ignored.log")
    (tmp_path / ".gitignore").write_text("*.log\n", encoding="utf-8")
    subprocess.run(["git", "init", "-q"], cwd=tmp_path, check=True)
    subprocess.run(["git", "add", "kept.py"], cwd=tmp_path, check=True)
    assert Scope(Workspace(tmp_path, ())).files == [".gitignore", "kept.py", "new.md"]


def test_outside_of_a_checkout_they_are_looked_for_in_every_visible_file(tmp_path, monkeypatch):
    monkeypatch.setenv("GIT_CEILING_DIRECTORIES", str(tmp_path.parent))
    write(tmp_path, "a/b.py", ".venv/c.py", "a/__pycache__/d.pyc")
    assert Scope(Workspace(tmp_path, ())).files == ["a/b.py"]


# ---------------------------------------------------------------------------------- which tools run


def test_the_gate_has_all_its_tools():
    assert {tool.name for tool in TOOLS} == {
        "ruff check", "ruff format", "mypy", "house rules", "permissions", "pins", "schemas", "zizmor",
        "cfn-lint", "checkov", "bandit", "detect-secrets", "imports",
    }  # fmt: skip
    assert {tool.name for tool in TOOLS if tool.quick} == {
        "ruff check", "ruff format", "mypy", "house rules", "permissions", "pins", "schemas", "zizmor",
        "imports",
    }  # fmt: skip


def test_tools_are_chosen_by_name(zip_repo):
    repo = zip_repo()
    write(repo.root, ".github/workflows/toy.yml")
    everything = Scope(repo)
    assert gate.chosen((), everything) == list(TOOLS)
    assert [each.name for each in gate.chosen(["bandit", "mypy", "bandit"], everything)] == ["bandit", "mypy"]
    with pytest.raises(EcomError, match="no tool 'lint'"):
        gate.chosen(["lint"], everything)


def test_with_members_named_what_knows_none_is_left_out(zip_repo):
    repo = zip_repo()
    write(repo.root, ".github/workflows/toy.yml")
    left_out = set(TOOLS) - set(gate.chosen((), Scope.of(repo, ["toy-service"])))
    assert {each.name for each in left_out} == {"pins", "schemas", "zizmor"}


def test_a_tool_with_nothing_to_look_at_does_not_run(zip_repo):
    """mypy and bandit refuse to run without a path, cfn-lint waits for one on its input."""
    repo = zip_repo()
    (infra,) = [m.dist for m in repo.stacks if m.package is None]
    without_code = {each.name for each in gate.chosen((), Scope.of(repo, [infra]))}
    assert without_code & {"cfn-lint", "mypy", "bandit"} == {"cfn-lint"}
    without_template = {each.name for each in gate.chosen((), Scope.of(repo, ["toy-common"]))}
    assert without_template & {"cfn-lint", "checkov", "house rules", "permissions", "mypy", "bandit"} == {
        "mypy", "bandit",
    }  # fmt: skip
    assert not {"schemas", "zizmor"} & {each.name for each in gate.chosen((), Scope(repo))}


def test_verdicts_keep_the_order_of_the_tools_and_each_is_told_as_it_ends(tmp_path):
    told: list[tuple[str, int]] = []
    picked = [tool("a"), tool("b", FOUND), tool("c")]
    verdicts = gate.run(
        picked, Scope(Workspace(tmp_path, ())), lambda v, left: told.append((v.tool, len(left)))
    )
    assert [(verdict.tool, verdict.good) for verdict in verdicts] == [("a", True), ("b", False), ("c", True)]
    assert sorted(name for name, _ in told) == ["a", "b", "c"]
    assert [left for _, left in told] == [2, 1, 0]


def test_a_tool_that_breaks_does_not_pass_and_the_others_run_on(tmp_path):
    def breaks(_):
        raise ToolBrokeError("out of memory")

    verdicts = gate.run(
        [Tool("a", "", breaks, 1), tool("b")], Scope(Workspace(tmp_path, ())), lambda *_: None
    )
    assert [(verdict.good, verdict.broken) for verdict in verdicts] == [(False, "out of memory"), (True, "")]


def test_stale_pins_are_a_finding(monkeypatch, tmp_path):
    monkeypatch.setattr(tools.pinning, "check", lambda: ["x is not in step"])
    ((told,), _) = tools.pins(Scope(Workspace(tmp_path, ())))
    assert "not in step" in told.message
    assert "./ecom pins" in told.advice


# ---------------------------------------------------------------------------------- what it says


@pytest.fixture
def terminal(monkeypatch, tmp_path):
    """Run `ecom lint` with these tools instead of the real ones."""
    monkeypatch.setattr(command, "workspace", lambda: Workspace(tmp_path, ()))
    monkeypatch.setattr(command, "uv", lambda *_: "")

    def run(*picked: Tool, arguments: tuple[str, ...] = ()):
        monkeypatch.setattr(gate, "TOOLS", picked)
        return CliRunner().invoke(command.command, arguments)

    return run


def test_when_all_is_well(terminal):
    result = terminal(tool("checkov", OF_TOPIC, waivers=(WAIVED,)), tool("mypy"))
    assert result.exit_code == 0
    assert "checkov CKV_AWS_26  x/Topic\n    it is right as it is" in result.output
    rows = [line.split() for line in result.output.splitlines()[-2:]]
    assert [row[:4] for row in rows] == [["checkov", "passed", "0", "1"], ["mypy", "passed", "0", "0"]]


def test_a_finding_names_resource_rule_reason_and_what_to_do(terminal):
    result = terminal(tool("checkov", FOUND), tool("mypy"))
    assert isinstance(result.exception, EcomError)
    assert "Not passed: checkov." in result.exception.message
    assert "✗ Queue CKV_AWS_27  not encrypted\n  packages/x/s.yaml:7  checkov\n  Repair it." in result.output
    assert ["checkov", "failed", "1", "0"] in [line.split()[:4] for line in result.output.splitlines()]


def test_a_broken_tool_shows_what_it_said(terminal):
    def breaks(_):
        raise ToolBrokeError("out of memory")

    result = terminal(Tool("checkov", "", breaks, 1))
    assert result.exception
    assert "checkov could not do its work:\nout of memory" in result.output


def test_one_entry_for_each_reason(terminal):
    other = Finding("packages/y/s.yaml", 9, "checkov", "CKV_AWS_26", "not encrypted", "Topic")
    of_other = Waiver("checkov", "packages/y/s.yaml", 9, "CKV_AWS_26", WAIVED.reason, "Topic")
    result = terminal(tool("checkov", OF_TOPIC, other, waivers=(WAIVED, of_other)))
    assert "(2):\n  checkov CKV_AWS_26  x/Topic, y/Topic\n" in result.output


def test_json_is_all_there_is_on_stdout(terminal):
    result = terminal(tool("checkov", FOUND, OF_TOPIC, waivers=(WAIVED,)), arguments=("--json",))
    report = json.loads(result.stdout)
    assert result.exception
    assert report["passed"] is False
    ((row),) = report["tools"]
    assert row["findings"] == [FOUND.as_json()]
    assert row["waived"] == [WAIVED.as_json()]
    assert row["findings"][0]["resource"] == "Queue"


def test_fix_repairs_before_it_looks(terminal):
    repaired: list[str] = []

    def look(_):
        assert repaired == ["once"]
        return (), ()

    picked = [
        Tool(name, "", look, 1, fix=fix) for fix in [lambda _: repaired.append("once")] for name in "ab"
    ]
    assert terminal(*picked, arguments=("--fix",)).exit_code == 0


def test_help_teaches_tools_and_waivers(terminal):
    shown = " ".join(terminal(arguments=("--help",)).output.split())
    for words in ("detect-secrets", "ignore_checks: [ES6000]", "# nosec B603 # WHY", "./ecom check --fix"):
        assert words in shown
