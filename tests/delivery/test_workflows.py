"""What the workflows may do, and that they only type what people type too."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
from typed import wrong_with_ecom

from ecom_cli.workspace import workspace

from .workflows import CHECK, DEPLOY, RELEASE, ROOT, SAME_REPOSITORY, WORKFLOWS, Step, Workflow

STEPS = [step for workflow in WORKFLOWS.values() for step in workflow.steps()]
COMMANDS = [step for step in STEPS if "run" in step.body]
ACTIONS = [step for step in STEPS if "uses" in step.body]
OF_PACKAGES = {member.dist: f"{member.dist}.yml" for member in workspace().members}
CALLED = {name for name, workflow in WORKFLOWS.items() if "workflow_call" in workflow.triggers}

TAKES_A_ROLE = "aws-actions/configure-aws-credentials"
ALLOWED_ACTIONS = {
    "actions/attest", "actions/checkout", "actions/download-artifact", "actions/setup-python",
    "actions/upload-artifact", TAKES_A_ROLE,
}  # fmt: skip
"""Everything else `./ecom` does."""

SAMPLES = {"${{ github.run_id }}": "19528735465"}
"""What an expression may become, where it is no name."""


def jobs() -> Iterator[tuple[str, Workflow, dict[str, Any]]]:
    for workflow in WORKFLOWS.values():
        for name, job in workflow.jobs.items():
            yield f"{workflow.name} {name}", workflow, job


def wrong_with(step: Step) -> str:
    """Why a `run` is more than one command that people could type as well; empty where it is one."""
    line = step.body["run"].strip()
    if "\n" in line or "${{" in line:
        return "not one plain line"
    if re.search(r"[|;&<>`\\]|\$\(", line):
        return "it has logic of its own"
    for name in re.findall(r"\$\{?(\w+)", line):
        if name not in step.env:
            return f"${name} is set nowhere"
    line = re.sub(r"\$\{?(\w+)\}?", lambda name: SAMPLES.get(step.env[name[1]], "payment-service"), line)
    words = shlex.split(line, comments=True)
    if words[:1] != ["./ecom"]:
        return "not ./ecom"
    return wrong_with_ecom(words[1:])


@pytest.mark.parametrize("step", COMMANDS, ids=lambda step: f"{step.place}: {step.body['run']}")
def test_every_run_is_one_command_that_there_is(step: Step) -> None:
    assert wrong_with(step) == ""


@pytest.mark.parametrize(
    ("line", "why"),
    [
        ("./ecom lint\n./ecom test", "one plain line"),
        ("./ecom lint ${{ inputs.package }}", "one plain line"),
        ("./ecom lint && ./ecom test", "logic"),
        ("./ecom affected --json > out", "logic"),
        ("./ecom lint $(cat name)", "logic"),
        ("./ecom lint $PACKAGES", "set nowhere"),
        ("pytest", "not ./ecom"),
        ("./ecom test --fast", "NoSuchOption"),
        ("./ecom publish", "no command"),
        ("./ecom rollback --stage prod", "MissingParameter"),
        ('./ecom dist "$PACKAGE"', ""),
    ],
)
def test_logic_in_a_run_is_noticed(line: str, why: str) -> None:
    found = wrong_with(Step("x.yml", "x", {"run": line}, {"PACKAGE": "${{ inputs.package }}"}))
    assert why in found if why else found == ""


def test_variables_of_a_run_come_from_the_context_by_way_of_the_environment() -> None:
    """An expression in the line itself would be run as code. Each variable is used, too."""
    for step in COMMANDS:
        own = step.body.get("env", {})
        read_by_the_tool = {"ECOM_CLOUDFORMATION_ROLE"}
        unused = {name for name in own if f"${name}" not in step.body["run"]} - read_by_the_tool
        assert not unused, f"{step.place}: {unused}"
        assert all(re.fullmatch(r"\$\{\{ [\w. |]+ \}\}", value) for value in own.values()), step.place


@pytest.mark.parametrize("step", ACTIONS, ids=lambda step: f"{step.place}: {step.uses}")
def test_actions_are_few_and_named_by_commit(step: Step) -> None:
    assert step.uses in ALLOWED_ACTIONS
    line = next(line for line in WORKFLOWS[step.workflow].text.splitlines() if step.body["uses"] in line)
    assert re.search(r"@[0-9a-f]{40} # v\d+\.\d+\.\d+$", line), line


def test_an_action_has_one_version_everywhere() -> None:
    by_name: dict[str, set[str]] = {}
    for step in ACTIONS:
        by_name.setdefault(step.uses, set()).add(step.body["uses"])
    assert [name for name, versions in by_name.items() if len(versions) > 1] == []


def test_a_checkout_leaves_no_token_behind() -> None:
    for step in ACTIONS:
        if step.uses == "actions/checkout":
            assert step.body["with"]["persist-credentials"] is False, step.place


def test_python_is_the_one_of_the_functions() -> None:
    runtimes = {
        match
        for member in workspace().stacks
        if member.template
        for match in re.findall(r"Runtime: python([\d.]+)", member.template.read_text(encoding="utf-8"))
    }
    used = {step.body["with"]["python-version"] for step in ACTIONS if step.uses == "actions/setup-python"}
    assert used == runtimes


def test_nothing_is_allowed_that_a_job_does_not_ask_for() -> None:
    for name, workflow, job in jobs():
        assert workflow.body["permissions"] == {}, name
        assert isinstance(job.get("permissions"), dict), f"{name} says what it may"
        writes = {scope for scope, level in job["permissions"].items() if level != "read"}
        assert writes <= {"id-token", "attestations"}, f"{name} writes {writes}"


def test_only_jobs_that_deploy_or_sign_can_prove_who_they_are() -> None:
    """A token for AWS, where nothing but the deployment runs; one for signing, where nothing of ours runs."""
    for name, _, job in jobs():
        used = {str(step.get("uses", "")).partition("@")[0] for step in job.get("steps", ())}
        wants_identity = "id-token" in job["permissions"]
        if "uses" in job:  # what is called may have no more than its caller
            called = WORKFLOWS[job["uses"].removeprefix(SAME_REPOSITORY)]
            needs = any("id-token" in inner["permissions"] for inner in called.jobs.values())
            assert wants_identity == needs, name
        else:
            assert wants_identity == bool(used & {TAKES_A_ROLE, "actions/attest"}), name
        if "actions/attest" in used:
            assert not any("run" in step for step in job["steps"]), name


def test_a_role_is_taken_from_the_environment_that_guards_the_stage() -> None:
    taking = [step for step in ACTIONS if step.uses == TAKES_A_ROLE]
    assert {step.workflow for step in taking} == {DEPLOY, "rollback.yml"}
    for step in taking:
        job = WORKFLOWS[step.workflow].jobs[step.job]
        assert step.body["with"]["role-to-assume"] == "${{ vars.AWS_DEPLOY_ROLE }}"
        assert not [key for key in step.body["with"] if "key" in key or "token" in key]
        assert job["environment"] == "${{ inputs.stage }}"
        assert job["concurrency"] == {
            "group": "deploy-${{ inputs.package }}-${{ inputs.stage }}",
            "cancel-in-progress": False,
        }
        (command,) = [inner for inner in job["steps"] if "run" in inner]
        assert command is job["steps"][-1], "what installs or builds runs without the role"
        assert {"--yes", "--stage"} <= set(command["run"].split())


def test_no_secret_is_kept() -> None:
    for workflow in WORKFLOWS.values():
        assert "secrets" not in workflow.text, workflow.name


def test_no_job_runs_for_ever() -> None:
    for name, _, job in jobs():
        if "uses" not in job:
            assert 0 < job["timeout-minutes"] <= 90, name


def test_production_comes_after_staging_and_both_take_what_was_made_once() -> None:
    stages = WORKFLOWS[RELEASE].jobs
    assert stages["staging"]["needs"] == "artifacts"
    assert stages["prod"]["needs"] == "staging"
    for stage in ("staging", "prod"):
        assert stages[stage]["with"]["stage"] == stage
        assert stages[stage]["uses"] == SAME_REPOSITORY + DEPLOY
    making = [step.place for step in COMMANDS if "dist" in step.body["run"].split()]
    assert making == ["deploy-release.yml artifacts", f"{RELEASE} artifacts"]


@pytest.mark.parametrize("package", OF_PACKAGES)
def test_every_package_has_a_workflow_that_says_no_more_than_its_name(package: str) -> None:
    workflow, member = WORKFLOWS[OF_PACKAGES[package]], workspace().member(package)
    check, release = workflow.jobs["check"], workflow.jobs["release"]
    assert list(workflow.jobs) == ["check", "release"]
    assert check["uses"] == SAME_REPOSITORY + CHECK
    assert release["uses"] == SAME_REPOSITORY + RELEASE
    assert release["needs"] == "check"
    assert release["if"] == "github.ref_type == 'tag'"
    assert workflow.triggers["push"]["tags"] == [f"{package}/v*"]
    assert release["with"] == {
        "package": package,
        "tag": "${{ github.ref_name }}",
        **({} if member.template else {"deploys": False}),
    }
    assert check["with"] == {
        "package": package,
        # base-infra and the dashboard are templates: what spans the packages tests them
        "suite": package if member.package else "tests",
        **({} if member.template else {"builds": False}),
    }


def test_workflows_by_hand_offer_every_stack() -> None:
    stacks = {member.dist for member in workspace().stacks}
    for name in ("deploy-release.yml", "rollback.yml"):
        inputs = WORKFLOWS[name].triggers["workflow_dispatch"]["inputs"]
        assert set(inputs["package"]["options"]) == stacks, name
        assert inputs["stage"]["type"] == "environment", name


def test_the_whole_runs_what_a_person_runs() -> None:
    typed = [
        line.split("<")[0].strip() for line in (ROOT / ".ci/run").read_text().splitlines() if "./ecom" in line
    ]
    whole = [step.body["run"] for step in COMMANDS if step.workflow == "whole.yml"]
    assert whole[: len(typed)] == typed


def test_what_is_called_is_there_and_what_can_be_called_is() -> None:
    used = {job["uses"].removeprefix(SAME_REPOSITORY) for _, _, job in jobs() if "uses" in job}
    assert used == CALLED == {CHECK, RELEASE, DEPLOY}


def test_a_pull_request_always_has_one_check_that_reports() -> None:
    """A check that is required, and skipped by its path filter, would hold a change for ever."""
    triggers = WORKFLOWS["pull-request.yml"].triggers
    assert {"pull_request", "merge_group"} <= triggers.keys()
    assert not any(triggers.values())
