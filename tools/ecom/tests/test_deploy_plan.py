"""What a deployment would do is known, shown and agreed to before anything changes; data is not lost."""

from __future__ import annotations

import json
import sys
import uuid

import pytest

from ecom_cli.aws import Stage
from ecom_cli.delivery import deploy_command
from ecom_cli.delivery.bucket import Bucket
from ecom_cli.delivery.changesets import Change
from ecom_cli.delivery.deploy import deploy, plan
from ecom_cli.delivery.plan import Plan, Step
from ecom_cli.delivery.stacks import Stack
from ecom_cli.delivery.stateful import HOLDS, losses
from ecom_cli.delivery.tags import running
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.workspace import Workspace, load

INBOX = """
Parameters:
  Stage: {Type: String}
Resources:
  Inbox:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub 'ecom-${Stage}-NAME', DelaySeconds: 0}
Outputs:
  InboxUrl: {Value: !Ref Inbox}
"""
ROWS = """
  Rows:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      TableName: !Sub 'ecom-${Stage}-rows'
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""
OUTBOX = """
  Outbox:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub 'ecom-${Stage}-outbox'}
"""


@pytest.fixture
def stage(emulator: str) -> Stage:
    return Stage(f"t{uuid.uuid4().hex[:12]}", "eu-central-1", emulator)


@pytest.fixture
def repo(make_repo) -> Workspace:
    return make_repo(a_service=INBOX.replace("NAME", "a"), b_service=INBOX.replace("NAME", "b"))


def run(stage: Stage, repo: Workspace, *asked: str, **options):
    done = deploy(stage, asked, {}, Reporter(quiet=True), repo, **options)
    return {stack.service: stack for stack in done}


def planned(stage: Stage, repo: Workspace, *asked: str) -> dict[str, Step]:
    return {step.service: step for step in plan(stage, asked, {}, Reporter(quiet=True), repo).steps}


def edit(repo: Workspace, dist: str, old: str, new: str) -> Workspace:
    template = repo.member(dist).template
    text = template.read_text(encoding="utf-8")
    assert old in text
    template.write_text(text.replace(old, new), encoding="utf-8")
    return repo


def status(stage: Stage, dist: str) -> str | None:
    return Stack(stage, stage.stack_name(dist)).status


def waiting(stage: Stage, dist: str) -> list[str]:
    """Change sets of a stack that could still be executed."""
    found = stage.client("cloudformation").list_change_sets(StackName=stage.stack_name(dist))["Summaries"]
    return [each["ChangeSetName"] for each in found if each["ExecutionStatus"] == "AVAILABLE"]


# ----- the plan


def test_a_plan_of_an_empty_stage_says_what_can_only_be_planned_later_and_leaves_nothing(stage, repo):
    steps = planned(stage, repo)
    assert steps["base-infra"].lines()[:2] == ["new → working tree", "creates 2 resources"]
    assert steps["a-service"].lines() == [
        "new → working tree",
        "creates up to 1 resources (to be planned once base-infra is there)",
    ]
    assert status(stage, "base-infra") is None
    assert status(stage, "a-service") is None


def test_a_plan_tells_each_change_in_words_and_changes_nothing(stage, repo):
    run(stage, repo)
    edit(repo, "a-service", "DelaySeconds: 0", "DelaySeconds: 7")
    steps = planned(stage, repo)
    assert steps["a-service"].lines() == [
        "working tree",
        "changes Inbox (AWS::SQS::Queue): DelaySeconds",
    ]
    assert steps["b-service"].lines() == ["unchanged"]
    told = steps["a-service"].as_json()
    assert json.loads(json.dumps(told)) == told
    assert (told["changes"], told["planned"], told["loses"]) == (True, True, [])
    assert waiting(stage, "a-service") == []
    assert status(stage, "a-service") == "CREATE_COMPLETE"


def test_a_plan_of_a_new_service_leaves_no_stack_behind(stage, repo):
    run(stage, repo, "base-infra")
    assert planned(stage, repo, "a-service")["a-service"].lines()[1] == "creates 1 resources"
    assert status(stage, "a-service") is None


def test_who_may_not_delete_stacks_can_plan_a_new_one(stage, repo, monkeypatch):
    """The role of the workflows on production; the empty stack is in nobody's way."""
    from botocore.exceptions import ClientError

    run(stage, repo, "base-infra")
    refusals = [{"Error": {"Code": "AccessDenied", "Message": "no"}}, {"Error": {"Code": "Throttling"}}]

    def refused(**call):
        raise ClientError(refusals.pop(0), "DeleteStack")

    with monkeypatch.context() as patch:
        patch.setattr(stage.client("cloudformation"), "delete_stack", refused)
        assert planned(stage, repo, "a-service")["a-service"].changes
        assert status(stage, "a-service") == "REVIEW_IN_PROGRESS"
        with pytest.raises(ClientError, match="Throttling"):
            planned(stage, repo, "a-service")
    assert run(stage, repo, "a-service")["a-service"].status == "created"


def test_what_a_failed_creation_left_is_part_of_the_plan(stage, repo):
    run(stage, repo, "base-infra")
    failing = repo.member("a-service").template.read_text().replace("DelaySeconds: 0", "DelaySeconds: 9999")
    name = stage.stack_name("a-service")
    stage.client("cloudformation").create_stack(
        StackName=name,
        TemplateBody=failing,
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage.name}],
    )
    Stack(stage, name)._wait(lambda: Stack(stage, name).status == "ROLLBACK_COMPLETE" or None, name)
    lines = planned(stage, repo, "a-service")["a-service"].lines()
    assert "clears away what a failed creation left (ROLLBACK_COMPLETE)" in lines[1]
    assert status(stage, "a-service") == "ROLLBACK_COMPLETE", "a plan clears nothing away"


def test_a_refused_stack_stops_everything_before_anything_changes(stage, repo):
    run(stage, repo)
    edit(repo, "a-service", "AWS::SQS::Queue", "AWS::Events::Archive")
    edit(repo, "b-service", "DelaySeconds: 0", "DelaySeconds: 7")
    with pytest.raises(EcomError, match=r"a-service.*AWS::Events::Archive"):
        run(stage, repo)
    assert status(stage, "b-service") == "CREATE_COMPLETE"
    assert waiting(stage, "b-service") == []


def test_what_imports_a_new_export_of_the_same_call_is_planned_after_it(stage, repo):
    run(stage, repo)
    exported = "Outputs:\n  Extra: {Value: '9', Export: {Name: !Sub 'ecom-${Stage}-Extra'}}\n"
    edit(repo, "base-infra", "Outputs:\n", exported)
    edit(repo, "base-infra", "'ecom-${Stage}-artifacts'}", "'ecom-${Stage}-artifacts', Tags: []}")
    edit(
        repo, "a-service", "DelaySeconds: 0", "DelaySeconds: {'Fn::ImportValue': !Sub 'ecom-${Stage}-Extra'}"
    )
    assert {stack.status for stack in run(stage, repo).values()} == {"updated", "unchanged"}
    url = stage.physical_id("a-service", "Inbox")
    found = stage.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])
    assert found["Attributes"]["DelaySeconds"] == "9"


@pytest.fixture
def exports_are_missed(stage, monkeypatch) -> None:
    """AWS refuses a change set that imports what nobody exports yet; the emulator does not look."""
    propose = Stack.propose

    def as_on_aws(self, request):
        if self.name == stage.stack_name("a-service") and not exports(stage, "Extra"):
            raise EcomError(f"{self.name} is refused: No export named ecom-{stage.name}-Extra found")
        return propose(self, request)

    monkeypatch.setattr(Stack, "propose", as_on_aws)


def export(repo: Workspace) -> None:
    exported = "Outputs:\n  Extra: {Value: '9', Export: {Name: !Sub 'ecom-${Stage}-Extra'}}\n"
    edit(repo, "base-infra", "Outputs:\n", exported)
    edit(repo, "base-infra", "'ecom-${Stage}-artifacts'}", "'ecom-${Stage}-artifacts', Tags: []}")


def test_a_change_set_that_misses_a_new_export_is_made_once_that_is_there(stage, repo, exports_are_missed):
    deploy_before(stage, repo)
    edit(repo, "a-service", "DelaySeconds: 0", "DelaySeconds: 7")
    with pytest.raises(EcomError, match="No export named"):
        planned(stage, repo, "a-service")  # no stack of the call will make it
    export(repo)
    assert "can be planned once base-infra has changed" in planned(stage, repo)["a-service"].lines()[1]
    done = run(stage, repo)
    assert done["a-service"].changes == ["changes Inbox (AWS::SQS::Queue): DelaySeconds"]


def test_what_is_planned_that_late_takes_no_data_along_either(stage, with_rows, exports_are_missed):
    deploy_before(stage, with_rows)
    edit(with_rows, "a-service", ROWS, "\n")
    export(with_rows)
    with pytest.raises(EcomError, match="Data would be lost, so a-service was left as it is"):
        run(stage, with_rows)
    assert waiting(stage, "a-service") == []
    assert run(stage, with_rows, allow_replace=True)["a-service"].status == "updated"


def deploy_before(stage: Stage, repo: Workspace) -> None:
    """Deploy as it was before anybody imported anything new."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sys.modules[__name__], "exports", lambda *_: True)
        run(stage, repo)


def exports(stage: Stage, name: str) -> bool:
    found = Stack(stage, stage.stack_name("base-infra")).describe() or {}
    return any(o.get("ExportName") == f"ecom-{stage.name}-{name}" for o in found.get("Outputs", ()))


def independent(repo: Workspace, dist: str) -> Workspace:
    project = repo.member(dist).folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(text.replace('depends-on = ["base-infra"]', "depends-on = []"), encoding="utf-8")
    return load(repo.root)


def test_who_needs_nothing_of_the_base_waits_for_its_bucket_all_the_same(stage, repo):
    repo = independent(repo, "b-service")
    assert {stack.status for stack in run(stage, repo).values()} == {"created"}
    assert Bucket(stage).get(contract_key(stage, "b-service")) is not None


def test_who_needs_nothing_of_the_base_can_be_alone_but_not_as_a_release(stage, repo, cut):
    repo = independent(repo, "b-service")
    assert run(stage, repo, "b-service")["b-service"].status == "created"
    cut(repo, "b-service", "1.0.0")
    with pytest.raises(EcomError, match=r"base-infra is not deployed .* b-service needs it"):
        run(stage, repo, "b-service@1.0.0")
    assert run(stage, repo, "base-infra", "b-service@1.0.0")["b-service"].status == "updated"


def contract_key(stage: Stage, dist: str) -> str:
    runs = running(Stack(stage, stage.stack_name(dist)).describe())
    return f"{dist}/contract-{runs.contract}.json"


# ----- the question


def test_a_no_changes_nothing_and_is_asked_once_for_all(stage, repo):
    run(stage, repo)
    asked: list[set[str]] = []

    def no(found: Plan) -> bool:
        asked.append({step.service for step in found.steps if step.changes})
        return False

    for dist in ("a-service", "b-service"):
        edit(repo, dist, "DelaySeconds: 0", "DelaySeconds: 7")
    with pytest.raises(EcomError, match="Nothing was changed"):
        run(stage, repo, confirm=no)
    assert asked == [{"a-service", "b-service"}]
    assert waiting(stage, "a-service") == waiting(stage, "b-service") == []
    assert status(stage, "a-service") == "CREATE_COMPLETE"


def test_nobody_is_asked_where_nothing_changes(stage, repo):
    def never(found: Plan) -> bool:
        raise AssertionError("asked for nothing")

    run(stage, repo)
    assert {stack.status for stack in run(stage, repo, confirm=never).values()} == {"unchanged"}


def test_a_machine_is_not_asked_but_told_to_say_yes(monkeypatch):
    aws, emulated = Stage("dev", "eu-west-1"), Stage("dev", "eu-west-1", "http://127.0.0.1:1")
    assert deploy_command.asking(aws, yes=True) is None
    assert deploy_command.asking(emulated, yes=False) is None
    monkeypatch.setattr(sys.stdin, "isatty", lambda: False, raising=False)
    with pytest.raises(EcomError, match="Nobody is here to say yes") as caught:
        deploy_command.asking(aws, yes=False)(Plan(aws, []))
    assert "--yes" in caught.value.hint


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("n\n", False), ("\n", False)])
def test_a_person_is_asked_and_has_to_say_it(monkeypatch, typed, agreed):
    import io

    stdin = io.StringIO(typed)
    stdin.isatty = lambda: True
    monkeypatch.setattr(sys, "stdin", stdin)
    assert deploy_command.ask(Plan(Stage("dev", "eu-west-1"), [])) is agreed


# ----- data


@pytest.fixture
def with_rows(make_repo) -> Workspace:
    return make_repo(a_service=INBOX.replace("NAME", "a").replace("Outputs:", f"{ROWS}{OUTBOX}Outputs:"))


def test_a_table_is_removed_only_when_that_is_said(stage, with_rows):
    run(stage, with_rows)
    edit(with_rows, "a-service", ROWS, "\n")
    with pytest.raises(EcomError, match="Data would be lost, so nothing was changed") as caught:
        run(stage, with_rows)
    assert "a-service removes Rows (AWS::DynamoDB::Table), and with it its rows" in caught.value.message
    assert "--allow-replace" in caught.value.hint
    assert waiting(stage, "a-service") == []
    lines = planned(stage, with_rows, "a-service")["a-service"].lines()
    assert "LOSES: removes Rows (AWS::DynamoDB::Table), and with it its rows" in lines
    assert run(stage, with_rows, allow_replace=True)["a-service"].status == "updated"


def test_a_table_is_made_anew_only_when_that_is_said(stage, with_rows):
    run(stage, with_rows)
    edit(with_rows, "a-service", "${Stage}-rows'", "${Stage}-other-rows'")
    with pytest.raises(EcomError, match="replaces Rows"):
        run(stage, with_rows)


def test_a_queue_may_go_when_it_is_empty(stage, with_rows):
    run(stage, with_rows)
    url = stage.physical_id("a-service", "Outbox")
    stage.client("sqs").send_message(QueueUrl=url, MessageBody="an order")
    edit(with_rows, "a-service", OUTBOX, "\n")
    with pytest.raises(EcomError, match=r"removes Outbox .* its messages"):
        run(stage, with_rows)
    stage.client("sqs").purge_queue(QueueUrl=url)
    assert run(stage, with_rows)["a-service"].status == "updated"


@pytest.mark.parametrize("kind", sorted(set(HOLDS) - {"AWS::SQS::Queue"}))
def test_what_holds_something_is_guarded_whatever_it_is(kind):
    nowhere = Stage("dev", "eu-west-1")
    changes = [
        Change("Remove", "Gone", kind),
        Change("Modify", "Anew", kind, replacement="True"),
        Change("Modify", "Perhaps", kind, replacement="Conditional"),
        Change("Modify", "Kept", kind, replacement="False"),
        Change("Add", "New", kind),
    ]
    assert [line.split()[:2] for line in losses(nowhere, changes)] == [
        ["removes", "Gone"],
        ["replaces", "Anew"],
    ]
    assert losses(nowhere, [Change("Remove", "Rule", "AWS::Events::Rule")]) == []
