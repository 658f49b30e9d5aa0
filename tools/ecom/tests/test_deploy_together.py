"""Several who deploy at once, calls that are cut off, and whether what is deployed fits what runs."""

from __future__ import annotations

import json
import shutil
import uuid
from concurrent.futures import ThreadPoolExecutor

import pytest

from ecom_cli.aws import Stage
from ecom_cli.delivery.artifacts import wanted
from ecom_cli.delivery.bucket import Bucket
from ecom_cli.delivery.deploy import Deployment, deploy
from ecom_cli.delivery.planning import Planner
from ecom_cli.delivery.rollback import rollback
from ecom_cli.delivery.stacks import Stack
from ecom_cli.delivery.tags import running
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.workspace import Workspace

TOY, BASE = "toy-service", "base-infra"
QUIET = Reporter(quiet=True)
INBOX = """
Parameters:
  Stage: {Type: String}
Resources:
  Inbox:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub 'ecom-${Stage}-NAME', DelaySeconds: 0}
"""


class Killed(BaseException):
    """The deployer's process ends here."""


@pytest.fixture
def stage(emulator: str) -> Stage:
    return Stage(f"t{uuid.uuid4().hex[:12]}", "eu-central-1", emulator)


@pytest.fixture
def repo(make_repo) -> Workspace:
    return make_repo(a_service=INBOX.replace("NAME", "a"), b_service=INBOX.replace("NAME", "b"))


def run(stage: Stage, repo: Workspace, *asked: str, **options):
    done = deploy(stage, asked, {}, QUIET, repo, **options)
    return {stack.service: stack for stack in done}


def edit(repo: Workspace, dist: str, old: str, new: str) -> None:
    template = repo.member(dist).template
    text = template.read_text(encoding="utf-8")
    assert old in text
    template.write_text(text.replace(old, new), encoding="utf-8")


def status(stage: Stage, dist: str) -> str | None:
    return Stack(stage, stage.stack_name(dist)).status


# ----- at the same time


def test_the_second_of_two_deployers_of_one_service_is_refused(stage, repo):
    run(stage, repo)
    edit(repo, "a-service", "DelaySeconds: 0", "DelaySeconds: 7")
    planner = Planner(stage, wanted(repo, ["a-service"]), {}, QUIET, repo)
    late = planner.plan()
    edit(repo, "a-service", "DelaySeconds: 7", "DelaySeconds: 8")
    run(stage, repo, "a-service")
    with pytest.raises(EcomError, match="somebody else deploys it now"):
        Deployment(stage, planner, QUIET).execute(late)


def test_two_teams_deploy_their_services_at_the_same_time(stage, repo):
    """Of two machines: they share the stage, where what they upload is named by its content."""
    run(stage, repo, BASE)
    here, there = (Stage(stage.name, stage.region, stage.endpoint_url) for _ in range(2))
    with ThreadPoolExecutor(2) as pool:
        a = pool.submit(run, here, repo, "a-service")
        b = pool.submit(run, there, repo, "b-service")
        assert (a.result()["a-service"].status, b.result()["b-service"].status) == ("created", "created")


def test_two_who_deploy_a_new_stage_at_the_same_time_make_it_once(stage, repo):
    """Whoever comes second is told so, or finds it done; never does one see half of the other's."""

    def one(_: int) -> str:
        try:
            run(Stage(stage.name, stage.region, stage.endpoint_url), repo)
        except EcomError as error:
            return error.message
        return "done"

    with ThreadPoolExecutor(2) as pool:
        said = sorted(pool.map(one, range(2)), key=len)
    assert said[0] == "done"
    assert said[1] == "done" or "somebody else deploys it now" in said[1] or "_IN_PROGRESS" in said[1]
    assert {stack.status for stack in run(stage, repo).values()} == {"unchanged"}


def test_what_was_deployed_while_a_person_thought_is_looked_at_again(stage, talking):
    """The plan was good when it was made; meanwhile somebody took away what it needs."""
    repo = talking
    run(stage, repo)
    hears(repo, "a-service", "Said")

    def somebody_else(plan) -> bool:
        silent(repo, "b-service", "Said")
        run(stage, repo, "b-service")
        return True

    with pytest.raises(EcomError, match=r"a-service 0\.1\.0 reads Said v1"):
        run(stage, repo, "a-service", confirm=somebody_else)


# ----- cut off


@pytest.mark.parametrize("asked", ["tree", "release"])
@pytest.mark.parametrize("when", ["before the change set", "before it is executed", "while it is executed"])
def test_a_deploy_that_was_cut_off_is_finished_by_repeating_it(
    stage, released_repo, monkeypatch, asked, when
):
    repo = released_repo
    run(stage, repo, f"{BASE}@1.0.0", f"{TOY}@1.1.0")
    again = TOY if asked == "tree" else f"{TOY}@1.2.0"
    execute, propose = Stack.execute, Stack.propose

    def cut_off(self, *arguments):
        if when == "while it is executed":
            execute(self, *arguments)
        raise Killed

    def not_proposed(self, request):
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(Stack, "discard", lambda self, change_set: None)  # a killed process tidies nothing up
        if when == "before the change set":
            patch.setattr(Stack, "propose", not_proposed)
        else:
            patch.setattr(Stack, "execute", cut_off)
        with pytest.raises(Killed):
            run(stage, repo, again)
    assert Stack.propose is propose
    run(stage, repo, again)
    assert run(stage, repo, again)[TOY].status == "unchanged"
    runs = running(Stack(stage, stage.stack_name(TOY)).describe())
    assert runs.release == (None if asked == "tree" else "toy-service/v1.2.0")
    assert runs.previous == ("toy-service/v1.1.0",)
    assert Bucket(stage).get(f"{TOY}/contract-{runs.contract}.json") is not None


def test_a_base_that_was_cut_off_before_it_kept_its_release_keeps_it_next_time(
    stage, released_repo, monkeypatch
):
    with monkeypatch.context() as patch:
        patch.setattr(Deployment, "_upload", lambda self, artifact: (_ for _ in ()).throw(Killed()))
        with pytest.raises(Killed):
            run(stage, released_repo, f"{BASE}@1.0.0")
    assert status(stage, BASE) == "CREATE_COMPLETE"
    assert run(stage, released_repo, f"{BASE}@1.0.0")[BASE].status == "unchanged"
    assert Bucket(stage).versions(BASE) == ["1.0.0"]


# ----- whether it fits


@pytest.fixture
def talking(repo) -> Workspace:
    """b-service publishes a fact that nobody reads yet."""
    says(repo, "b-service", "Said")
    return repo


def schema(dist: str, kind: str) -> str:
    source = dist.replace("-", ".")
    return json.dumps(
        {"$id": f"https://ecom.example/events/{source}/{kind}.v1.json", "type": "object", "properties": {}}
    )


def says(repo: Workspace, dist: str, kind: str) -> None:
    folder = repo.member(dist).folder / "events"
    folder.mkdir(exist_ok=True)
    (folder / f"{kind}.v1.json").write_text(schema(dist, kind))


def silent(repo: Workspace, dist: str, kind: str) -> None:
    says(repo, dist, "Other")
    (repo.member(dist).folder / "events" / f"{kind}.v1.json").unlink()


def hears(repo: Workspace, dist: str, kind: str, source: str = "b-service") -> None:
    folder = repo.member(dist).folder / "reads"
    folder.mkdir(exist_ok=True)
    (folder / f"{kind}.v1.json").write_text(schema(source, kind))


def deaf(repo: Workspace, dist: str) -> None:
    shutil.rmtree(repo.member(dist).folder / "reads")


def test_who_reads_what_nobody_publishes_is_refused_before_anything_changes(stage, talking):
    run(stage, talking)
    hears(talking, "a-service", "Unsaid")
    edit(talking, "a-service", "DelaySeconds: 0", "DelaySeconds: 7")
    with pytest.raises(EcomError, match=r"a-service 0\.1\.0 reads Unsaid v1") as caught:
        run(stage, talking, "a-service")
    assert "together with it in one call" in caught.value.hint
    assert status(stage, "a-service") == "CREATE_COMPLETE"
    says(talking, "b-service", "Unsaid")
    assert run(stage, talking)["a-service"].status == "updated", "together they fit"


def test_who_no_longer_publishes_what_is_read_on_the_stage_is_refused(stage, talking):
    hears(talking, "a-service", "Said")
    run(stage, talking)
    silent(talking, "b-service", "Said")
    with pytest.raises(EcomError, match=r"a-service 0\.1\.0 reads Said v1"):
        run(stage, talking, "b-service")
    deaf(talking, "a-service")
    run(stage, talking, "a-service")
    assert run(stage, talking, "b-service")["b-service"].status == "updated"


def test_an_export_that_is_imported_on_the_stage_stays(stage, released_repo):
    run(stage, released_repo)
    edit(released_repo, BASE, "ecom-${Stage}-ArtifactBucketName", "ecom-${Stage}-BucketName")
    with pytest.raises(EcomError, match=r"toy-service 1\.2\.0 imports ArtifactBucketName"):
        run(stage, released_repo, BASE)


def test_a_stack_that_left_no_contract_is_known_by_its_exports(stage, released_repo, capsys):
    """As every stack was before there were contracts."""
    run(stage, released_repo, BASE)
    forget_contract(stage, BASE)
    done = deploy(stage, [TOY], {}, Reporter(), released_repo)
    assert [stack.status for stack in done] == ["created"]
    assert "base-infra  left no contract when it was deployed" in capsys.readouterr().err


def test_a_contract_that_somebody_changed_in_the_bucket_is_not_believed(stage, talking):
    run(stage, talking)
    contract = running(Stack(stage, stage.stack_name("b-service")).describe()).contract
    key = f"b-service/contract-{contract}.json"
    text = Bucket(stage).get(key).decode().replace("Said", "Shouted")
    stage.client("s3").put_object(Bucket=Bucket(stage).name, Key=key, Body=text.encode())
    with pytest.raises(EcomError, match="is not the contract that was deployed"):
        run(stage, talking, "a-service")


def test_there_is_no_way_back_over_what_others_have_come_to_need(stage, talking, cut):
    repo = talking
    for version, kind in (("1.0.0", "Said"), ("2.0.0", "Added")):
        says(repo, "b-service", kind)
        repo = cut(repo, "b-service", version)
    run(stage, repo, BASE, "b-service@1.0.0")
    run(stage, repo, "b-service@2.0.0")
    hears(repo, "a-service", "Added")
    run(stage, repo, "a-service")
    with pytest.raises(EcomError, match=r"a-service 0\.1\.0 reads Added v1") as caught:
        rollback(stage, "b-service", None, QUIET, repo)
    assert "roll those back first" in caught.value.hint
    deaf(repo, "a-service")
    run(stage, repo, "a-service")
    (done,) = rollback(stage, "b-service", None, QUIET, repo)
    assert done.release == "b-service/v1.0.0"


def forget_contract(stage: Stage, dist: str) -> None:
    name = stage.stack_name(dist)
    stack = Stack(stage, name)
    stage.client("cloudformation").update_stack(
        StackName=name,
        TemplateBody=stack.template_text(),
        Parameters=[{"ParameterKey": "Stage", "UsePreviousValue": True}],
        Tags=[{"Key": "Project", "Value": "ecom"}],
    )
    stack._wait(lambda: str(stack.status).endswith("_COMPLETE") or None, name)
