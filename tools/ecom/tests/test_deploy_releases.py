"""Releases on a stage: deployed to the byte, kept whole, gone back to, and told of."""

from __future__ import annotations

import json
import shutil
import uuid

import pytest
from typer.testing import CliRunner

from ecom_cli.aws import Stage
from ecom_cli.delivery import rollback_command
from ecom_cli.delivery.artifacts import wanted
from ecom_cli.delivery.bucket import Bucket
from ecom_cli.delivery.deploy import deploy, plan
from ecom_cli.delivery.releases import Service, on_stage, stages
from ecom_cli.delivery.rollback import plan as going_back
from ecom_cli.delivery.rollback import rollback
from ecom_cli.delivery.stacks import Stack
from ecom_cli.delivery.tags import KEPT_RELEASES, Running, running, tags_for
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.workspace import Workspace

TOY, BASE = "toy-service", "base-infra"


@pytest.fixture
def stage(emulator: str) -> Stage:
    return Stage(f"t{uuid.uuid4().hex[:12]}", "eu-central-1", emulator)


@pytest.fixture
def repo(released_repo: Workspace) -> Workspace:
    return released_repo


def run(stage: Stage, repo: Workspace, *asked: str, **options):
    done = deploy(stage, asked, {}, Reporter(quiet=True), repo, **options)
    return {stack.service: stack for stack in done}


def back(stage: Stage, repo: Workspace, to: str | None = None, **options):
    (done,) = rollback(stage, TOY, to, Reporter(quiet=True), repo, **options)
    return done


def hears(stage: Stage) -> str:
    name = stage.physical_id(TOY, "ToyLambda")
    return stage.client("lambda").invoke(FunctionName=name)["Payload"].read().decode().strip('"')


def now(stage: Stage, service: str = TOY) -> Running:
    return running(Stack(stage, stage.stack_name(service)).describe())


def shown(stage: Stage, repo: Workspace, **options) -> dict[str, Service]:
    return {service.service: service for service in on_stage(stage, repo, **options)}


# ----- deploying a release


def test_a_release_is_deployed_to_the_byte_whatever_the_tree_holds(stage, repo):
    done = run(stage, repo, BASE, f"{TOY}@1.1.0")
    assert hears(stage) == "1.1.0"
    assert done[TOY].release == "toy-service/v1.1.0"
    assert (now(stage).version, now(stage).commit) == ("1.1.0", "c" * 40)
    assert done[BASE].release is None, "trees and releases can be mixed"


def test_the_tree_after_a_release_is_the_tree_again(stage, repo):
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    run(stage, repo, TOY)
    assert hears(stage) == "the tree"
    assert (now(stage).release, now(stage).previous) == (None, ("toy-service/v1.1.0",))


def test_the_same_release_again_changes_nothing(stage, repo):
    run(stage, repo, f"{BASE}@1.0.0", f"{TOY}@1.1.0")
    again = run(stage, repo, f"{BASE}@1.0.0", f"{TOY}@1.1.0")
    assert {stack.status for stack in again.values()} == {"unchanged"}


def test_a_release_with_the_code_that_runs_is_still_told(stage, repo, cut):
    """Tags only: which release runs is worth a change."""
    run(stage, repo, BASE, TOY)
    repo = cut(repo, TOY, "1.3.0")
    assert run(stage, repo, f"{TOY}@1.3.0")[TOY].status == "updated"
    assert now(stage).release == "toy-service/v1.3.0"


def test_what_differs_from_the_manifest_is_not_deployed(stage, repo):
    zipped = repo.root / f"dist/{TOY}/1.1.0/{TOY}-1.1.0.zip"
    zipped.write_bytes(zipped.read_bytes() + b"x")
    with pytest.raises(EcomError, match=r"toy-service-1\.1\.0\.zip is not the file that was released"):
        run(stage, repo, BASE, f"{TOY}@1.1.0")
    assert Stack(stage, stage.stack_name(BASE)).describe() is None, "nothing was begun"


def test_a_folder_of_another_release_is_not_deployed(stage, repo):
    shutil.copytree(repo.root / f"dist/{TOY}/1.1.0", repo.root / f"dist/{TOY}/9.9.9")
    with pytest.raises(EcomError, match=r"holds toy-service/v1\.1\.0, not toy-service 9\.9\.9"):
        run(stage, repo, BASE, f"{TOY}@9.9.9")


def test_a_release_that_nobody_has_is_explained(stage, repo):
    with pytest.raises(EcomError, match=r"no toy-service 3\.0\.0 in dist/\.") as caught:
        run(stage, repo, BASE, f"{TOY}@3.0.0")
    assert caught.value.hint == "`./ecom dist toy-service@3.0.0` makes it."
    run(stage, repo, BASE)
    with pytest.raises(EcomError, match=rf"3\.0\.0 in dist/ nor on stage {stage.name}"):
        run(stage, repo, f"{TOY}@3.0.0")


@pytest.mark.parametrize(
    "text",
    [
        "toy-service@",
        "toy-service@1.1",
        "toy-service@../x",
        "toy-service/v",
        "toy-service/v1",
    ],
)
def test_what_is_no_version_is_refused(repo, text):
    with pytest.raises(EcomError, match="names no release"):
        wanted(repo, [text])


def test_a_release_may_be_named_by_its_tag(repo):
    assert wanted(repo, [f"{TOY}/v1.1.0"]) == wanted(repo, [f"{TOY}@1.1.0"])


def test_a_service_can_be_asked_for_once(repo):
    with pytest.raises(EcomError, match="named twice"):
        wanted(repo, [TOY, f"{TOY}@1.1.0"])


# ----- the stage keeps releases


def test_the_stage_keeps_a_release_whole_and_deploys_it_without_dist(stage, repo):
    run(stage, repo, f"{BASE}@1.0.0", f"{TOY}@1.1.0")
    run(stage, repo, f"{TOY}@1.2.0")
    kept = Bucket(stage).fetch(TOY, "1.1.0")
    folder = repo.root / f"dist/{TOY}/1.1.0"
    assert kept == {path.name: path.read_bytes() for path in folder.iterdir()}
    assert Bucket(stage).versions(BASE) == ["1.0.0"], "that of the base as well, once it had made the bucket"
    shutil.rmtree(repo.root / "dist")
    run(stage, repo, f"{TOY}@1.1.0")
    assert hears(stage) == "1.1.0"


def test_what_the_stage_keeps_is_verified_when_it_is_read_back(stage, repo):
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    run(stage, repo, f"{TOY}@1.2.0")
    shutil.rmtree(repo.root / "dist")
    key = f"releases/{TOY}/1.1.0/{TOY}-1.1.0.zip"
    stage.client("s3").put_object(Bucket=Bucket(stage).name, Key=key, Body=b"other code")
    with pytest.raises(EcomError, match="is not the file that was released"):
        back(stage, repo)
    assert hears(stage) == "1.2.0"


def test_another_release_under_a_version_that_the_stage_knows_is_refused(stage, repo, cut):
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    shutil.rmtree(repo.root / f"dist/{TOY}/1.1.0")
    cut(repo, TOY, "1.1.0")  # the same version, of another tree
    for act in (plan, deploy):  # it is said before anything changes
        with pytest.raises(EcomError, match=r"knows another toy-service 1\.1\.0: a release never changes"):
            act(stage, [f"{TOY}@1.1.0"], {}, Reporter(quiet=True), repo)
    assert hears(stage) == "1.1.0"


def test_what_was_planned_and_not_begun_does_not_stay_to_be_executed(stage, repo, monkeypatch):
    run(stage, repo, BASE, f"{TOY}@1.1.0")

    def refused(**call):
        raise EcomError("no room")

    monkeypatch.setattr(stage.client("s3"), "put_object", refused)
    with pytest.raises(EcomError, match="no room"):
        run(stage, repo, f"{TOY}@1.2.0")
    listed = stage.client("cloudformation").list_change_sets(StackName=stage.stack_name(TOY))["Summaries"]
    assert [each for each in listed if each["ExecutionStatus"] == "AVAILABLE"] == []


@pytest.mark.parametrize("uploads", range(4))
def test_a_release_whose_upload_was_cut_off_is_kept_by_the_next_deploy(stage, repo, monkeypatch, uploads):
    """Whatever had been uploaded by then: the manifest goes last, so what has none is not there."""
    run(stage, repo, BASE)
    s3 = stage.client("s3")
    put, left = s3.put_object, list(range(uploads))

    def cut_off(**call):
        if call["Key"].startswith("releases/"):
            left.pop()
        return put(**call)

    with monkeypatch.context() as patch:
        patch.setattr(s3, "put_object", cut_off)
        with pytest.raises(IndexError):
            run(stage, repo, f"{TOY}@1.1.0")
    bucket = Bucket(stage)
    assert bucket.fetch(TOY, "1.1.0") is None
    assert bucket.versions(TOY) == []
    assert run(stage, repo, f"{TOY}@1.1.0")[TOY].status == "created"
    files = {path.name for path in (repo.root / f"dist/{TOY}/1.1.0").iterdir()}
    assert len(files) == 4
    assert bucket.fetch(TOY, "1.1.0").keys() == files


# ----- going back


def test_back_and_forth_and_back(stage, repo):
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    run(stage, repo, f"{TOY}@1.2.0")
    assert now(stage).previous == ("toy-service/v1.1.0",)
    assert back(stage, repo).release == "toy-service/v1.1.0"
    assert hears(stage) == "1.1.0"
    assert now(stage).previous == (), "one step back, and nothing before it"
    with pytest.raises(EcomError, match=r"No release of toy-service ran before") as caught:
        back(stage, repo)
    assert "./ecom deploy toy-service@VERSION" in caught.value.hint
    run(stage, repo, f"{TOY}@1.2.0")
    assert back(stage, repo).release == "toy-service/v1.1.0"


def test_from_a_working_tree_to_the_release_that_it_replaced(stage, repo):
    run(stage, repo, BASE, f"{TOY}@1.2.0")
    run(stage, repo, TOY)
    assert back(stage, repo).release == "toy-service/v1.2.0"
    assert hears(stage) == "1.2.0"


def test_to_an_earlier_one_by_name_and_twice_is_once(stage, repo, cut):
    repo = cut(repo, TOY, "1.3.0")
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    for version in ("1.2.0", "1.3.0"):
        run(stage, repo, f"{TOY}@{version}")
    with pytest.raises(EcomError, match=r"v1\.0\.0 is none of the last releases") as caught:
        back(stage, repo, "1.0.0")
    assert "toy-service/v1.2.0, toy-service/v1.1.0" in caught.value.message
    assert f"./ecom deploy toy-service@1.0.0 --stage {stage.name}" in caught.value.hint
    assert back(stage, repo, "1.1.0").status == "updated"
    assert back(stage, repo, "1.1.0").status == "unchanged"
    assert (hears(stage), now(stage).previous) == ("1.1.0", ())


def test_the_way_back_can_be_looked_at_first(stage, repo):
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    run(stage, repo, f"{TOY}@1.2.0")
    (step,) = going_back(stage, TOY, None, Reporter(quiet=True), repo).steps
    assert step.lines()[0] == "toy-service/v1.2.0 → toy-service/v1.1.0"
    assert any("ToyLambda" in line for line in step.lines())
    assert (hears(stage), now(stage).previous) == ("1.2.0", ("toy-service/v1.1.0",))


def test_a_plan_of_the_way_back_is_all_that_is_asked_for(stage, repo, monkeypatch):
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    run(stage, repo, f"{TOY}@1.2.0")
    monkeypatch.setattr("ecom_cli.delivery.rollback.workspace", lambda: repo)
    where = ["--stage", stage.name, "--endpoint-url", stage.endpoint_url]
    told = CliRunner().invoke(rollback_command.command, [TOY, *where, "--plan"])
    assert "toy-service/v1.2.0 → toy-service/v1.1.0" in told.stdout
    (step,) = json.loads(
        CliRunner().invoke(rollback_command.command, [TOY, *where, "--plan", "--json"]).stdout
    )["stacks"]
    assert (step["to"]["version"], hears(stage)) == ("1.1.0", "1.2.0")


def test_the_version_to_go_back_to_may_be_part_of_the_name(stage, repo):
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    run(stage, repo, f"{TOY}@1.2.0")
    for version in ("1.2.0", "1.1.0"):  # the first of them runs: that is nothing to do, as with --to
        (done,) = rollback(stage, f"{TOY}@{version}", None, Reporter(quiet=True), repo)
        assert (done.release, hears(stage)) == (f"toy-service/v{version}", version)
    with pytest.raises(EcomError, match="said twice"):
        rollback(stage, f"{TOY}@1.1.0", "1.1.0", Reporter(quiet=True), repo)


def test_what_is_not_deployed_has_nothing_to_go_back_to(stage, repo):
    with pytest.raises(EcomError, match=r"toy-service is not deployed \(stage "):
        back(stage, repo)


def test_parameters_stay_and_those_without_a_place_are_told(stage, repo, cut):
    template = repo.member(TOY).template
    older = template.read_text()
    label = "Parameters:\n  Label: {Type: String, Default: none}\n"
    template.write_text(
        older.replace("Parameters:\n", label, 1).replace(
            "FunctionName: {Value: !Ref ToyLambda}",
            "FunctionName: {Value: !Ref ToyLambda}\n  Label: {Value: !Ref Label}",
        )
    )
    repo = cut(repo, TOY, "1.3.0")
    run(stage, repo, BASE, f"{TOY}@1.2.0")
    deploy(stage, [f"{TOY}@1.3.0"], {"Label": "mine"}, Reporter(quiet=True), repo)
    plans = []
    back(stage, repo, confirm=lambda plan: plans.append(plan) or True)
    assert "drops Label=mine: this template has no such parameter" in plans[0].steps[0].lines()
    assert hears(stage) == "1.2.0"


# ----- what is told of it


def test_releases_tell_what_runs_what_is_newer_and_what_was_before(stage, repo):
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    told = shown(stage, repo)
    assert told[TOY].words == "toy-service/v1.1.0"
    assert (told[TOY].newest, told[TOY].behind, told[TOY].previous) == ("1.2.0", 1, [])
    assert told[TOY].since
    assert told[TOY].since.startswith("20")
    assert (told[BASE].release, told[BASE].newest, told[BASE].behind) == (None, "1.0.0", None)
    run(stage, repo, f"{TOY}@1.2.0")
    told = shown(stage, repo)
    assert (told[TOY].release, told[TOY].behind, told[TOY].previous) == (
        "toy-service/v1.2.0", 0, ["toy-service/v1.1.0"],
    )  # fmt: skip


def test_releases_tell_of_what_is_not_there(stage, repo):
    assert {service.status for service in shown(stage, repo).values()} == {None}


def test_code_that_somebody_put_there_by_hand_is_told_and_not_deployed_over_in_silence(stage, repo):
    run(stage, repo, BASE, f"{TOY}@1.1.0")
    assert shown(stage, repo)[TOY].other_code == []
    other = (repo.root / f"dist/{TOY}/1.2.0/{TOY}-1.2.0.zip").read_bytes()
    name = stage.physical_id(TOY, "ToyLambda")
    stage.client("lambda").update_function_code(FunctionName=name, ZipFile=other)
    assert shown(stage, repo)[TOY].other_code == [name]
    with pytest.raises(EcomError, match="does not run the zip that was deployed"):
        run(stage, repo, f"{TOY}@1.1.0")


def test_drift_is_asked_for_and_names_what_differs(stage, make_repo):
    queue = """
Parameters:
  Stage: {Type: String}
Resources:
  Inbox:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub 'ecom-${Stage}-inbox', DelaySeconds: 3}
"""
    repo = make_repo(a_service=queue)
    run(stage, repo)
    assert shown(stage, repo)["a-service"].drift is None
    assert shown(stage, repo, drift=True)["a-service"].drift.status == "IN_SYNC"
    url = stage.physical_id("a-service", "Inbox")
    stage.client("sqs").set_queue_attributes(QueueUrl=url, Attributes={"DelaySeconds": "5"})
    drift = shown(stage, repo, drift=True)["a-service"].drift
    assert (drift.status, drift.resources) == (
        "DRIFTED", ["Inbox (AWS::SQS::Queue) differs in DelaySeconds"],
    )  # fmt: skip


def test_the_stages_of_an_account_are_found_by_their_tags(stage, repo):
    other = Stage(f"u{uuid.uuid4().hex[:12]}", stage.region, stage.endpoint_url)
    for each in (stage, other):
        run(each, repo, BASE)
    assert {stage.name, other.name} <= set(stages(stage))


# ----- tags


def test_the_earlier_releases_are_the_last_ones_each_once_and_fit_a_tag():
    runs = Running(release="inventory-service/v10.100.1000")
    for number in range(9):
        tag = f"inventory-service/v10.100.{2000 + number}"
        runs = Running(release=tag, previous=runs.before(tag))
    assert len(runs.previous) == KEPT_RELEASES
    assert runs.previous[0] == "inventory-service/v10.100.2007"
    assert all(len(value) <= 256 for value in tags_for("prod", "inventory-service", runs).values())
    again = runs.before("inventory-service/v10.100.2006")
    assert again[0] == runs.release
    assert "inventory-service/v10.100.2006" not in again


def test_a_stack_of_an_older_deployer_runs_a_tree():
    runs = running({"Tags": [{"Key": "Version", "Value": "0.1.0"}, {"Key": "Commit", "Value": "abc"}]})
    assert (runs.words, runs.previous, runs.contract) == ("working tree at abc", (), None)


def test_the_table_says_it_in_a_line_for_each_service(capsys, monkeypatch):
    from ecom_cli.delivery.releases_command import _show

    monkeypatch.setenv("COLUMNS", "120")
    since = "2026-11-22T16:52:26Z"
    _show(
        "prod",
        [
            Service(
                "a", "s", "UPDATE_COMPLETE", "1.1.0", "a/v1.1.0", "c", since, "1.3.0", 2, None, ["a/v1.0.0"]
            ),
            Service("b", "s", "UPDATE_COMPLETE", "1.0.0", None, "d" * 40, since, "1.0.0", None, 1),
            Service("c", "s", "UPDATE_ROLLBACK_FAILED", "1.0.0", "c/v1.0.0", other_code=["ecom-prod-c"]),
            Service("d", "s", newest="0.1.0"),
        ],
    )
    lines = [" ".join(line.split()) for line in capsys.readouterr().out.splitlines()]
    assert lines[2:6] == [
        "a 1.1.0 2026-11-22 16:52 1.3.0 2 releases 1.0.0",
        "b tree dddddddddd 2026-11-22 16:52 1.0.0 1 commit",
        "c 1.0.0",
        "d not there 0.1.0",
    ]
    assert lines[6:8] == [
        "! c: ecom-prod-c runs other code than was deployed",
        "! c: its stack is UPDATE_ROLLBACK_FAILED",
    ]
