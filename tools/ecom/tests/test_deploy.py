"""The deployer against a real (if emulated) CloudFormation."""

from __future__ import annotations

import uuid

import pytest

from ecom_cli.aws import Stage
from ecom_cli.delivery.changesets import Change, ChangeSet
from ecom_cli.delivery.deploy import Deployed, deploy
from ecom_cli.delivery.destroy import _empty, destroy
from ecom_cli.delivery.parameters import presets
from ecom_cli.delivery.stacks import Stack
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.workspace import Workspace, load

QUEUES = """
Parameters:
  Stage: {Type: String}
  Delay: {Type: Number, Default: 0}
  Label: {Type: String, Default: none}
Resources:
  Inbox:
    Type: AWS::SQS::Queue
    Properties: {QueueName: !Sub 'ecom-${Stage}-NAME', DelaySeconds: !Ref Delay}
Outputs:
  InboxUrl: {Value: !Ref Inbox}
  Label: {Value: !Ref Label}
"""
BROKEN = """
Parameters:
  Stage: {Type: String}
Resources:
  Fine:
    Type: AWS::SNS::Topic
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    DependsOn: Fine
    Properties: {FunctionName: nobody, EventSourceArn: !Ref Nowhere}
  Nowhere:
    Type: AWS::Events::Archive
    Properties: {SourceArn: none}
"""


@pytest.fixture
def stage(emulator: str) -> Stage:
    """A stage of its own for each test: they share an emulator."""
    return Stage(f"t{uuid.uuid4().hex[:12]}", "eu-central-1", emulator)


@pytest.fixture
def repo(make_repo) -> Workspace:
    return make_repo(a_service=QUEUES.replace("NAME", "a"), b_service=QUEUES.replace("NAME", "b"))


def run(stage: Stage, repo: Workspace, *services: str, **parameters: str) -> dict[str, Deployed]:
    done = deploy(stage, services, parameters, Reporter(quiet=True), repo)
    return {stack.service: stack for stack in done}


def edit(repo: Workspace, dist: str, old: str, new: str) -> Workspace:
    template = repo.member(dist).template
    assert template
    text = template.read_text(encoding="utf-8")
    assert old in text
    template.write_text(text.replace(old, new), encoding="utf-8")
    return repo


def delay(stage: Stage, service: str) -> str:
    url = stage.physical_id(service, "Inbox")
    return stage.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=["DelaySeconds"])[
        "Attributes"
    ]["DelaySeconds"]


def test_all_stacks_are_created_and_a_second_deploy_changes_nothing(stage, repo):
    first = run(stage, repo)
    assert {name: stack.status for name, stack in first.items()} == dict.fromkeys(
        ("base-infra", "a-service", "b-service"), "created"
    )
    assert stage.output("a-service", "InboxUrl") == stage.physical_id("a-service", "Inbox")
    second = run(stage, repo)
    assert {stack.status for stack in second.values()} == {"unchanged"}
    pending = stage.client("cloudformation").list_change_sets(StackName=stage.stack_name("a-service"))[
        "Summaries"
    ]
    assert [change_set for change_set in pending if change_set["Status"] == "FAILED"] == []


def test_tags_that_reach_every_resource_are_told_in_one_line():
    tagged = [Change("Modify", f"Queue{n}", "AWS::SQS::Queue", scope=("Tags",)) for n in range(3)]
    code = Change("Modify", "ToyLambda", "AWS::Lambda::Function", properties=("Code",))
    assert ChangeSet("id", False, (*tagged, code)).summary() == [
        "changes ToyLambda (AWS::Lambda::Function): Code",
        "changes the tags of 3 more",
    ]
    assert ChangeSet("id", False, tuple(tagged)).summary() == ["changes the tags of 3"]
    assert ChangeSet("id", False, ()).summary() == ["changes outputs only"]


def test_stacks_carry_tags_that_say_what_they_are(stage, repo):
    run(stage, repo, "base-infra")
    tags = {
        tag["Key"]: tag["Value"] for tag in Stack(stage, stage.stack_name("base-infra")).describe()["Tags"]
    }
    contract = tags.pop("Contract")
    assert len(contract) == 64
    assert tags == {
        "Project": "ecom",
        "Stage": stage.name,
        "Service": "base-infra",
        "Version": "0.1.0",
        "Release": "none",
    }


def test_only_the_stack_that_changed_is_updated_and_the_change_is_told(stage, repo):
    run(stage, repo)
    edit(repo, "a-service", "DelaySeconds: !Ref Delay", "DelaySeconds: 7")
    done = run(stage, repo)
    assert {name: stack.status for name, stack in done.items()} == {
        "base-infra": "unchanged",
        "a-service": "updated",
        "b-service": "unchanged",
    }
    assert done["a-service"].changes[0].startswith("changes Inbox (AWS::SQS::Queue)")
    assert delay(stage, "a-service") == "7"


def test_one_service_alone_leaves_the_others_as_they_are(stage, repo):
    run(stage, repo)
    edit(repo, "a-service", "DelaySeconds: !Ref Delay", "DelaySeconds: 7")
    edit(repo, "b-service", "DelaySeconds: !Ref Delay", "DelaySeconds: 7")
    assert set(run(stage, repo, "a-service")) == {"a-service"}
    assert (delay(stage, "a-service"), delay(stage, "b-service")) == ("7", "0")


def test_a_parameter_that_was_given_stays_until_another_is_given(stage, repo):
    run(stage, repo, Delay="5")
    assert delay(stage, "a-service") == delay(stage, "b-service") == "5"
    edit(repo, "a-service", "Default: none", "Default: other")
    run(stage, repo)
    assert delay(stage, "a-service") == "5"
    run(stage, repo, "a-service", Delay="6")
    assert (delay(stage, "a-service"), delay(stage, "b-service")) == ("6", "5")


def test_a_parameter_that_was_never_given_follows_a_new_default(stage, repo):
    run(stage, repo)
    edit(repo, "a-service", "Delay: {Type: Number, Default: 0}", "Delay: {Type: Number, Default: 3}")
    run(stage, repo)
    assert delay(stage, "a-service") == "3"


def test_a_parameter_that_a_new_template_no_longer_has_is_dropped(stage, repo):
    run(stage, repo, Delay="5")
    edit(repo, "a-service", "  Delay: {Type: Number, Default: 0}\n", "")
    edit(repo, "a-service", "!Ref Delay", "1")
    run(stage, repo)
    assert delay(stage, "a-service") == "1"


def test_an_unknown_parameter_is_refused_before_anything_happens(stage, repo):
    with pytest.raises(EcomError, match="No stack here has a parameter Dealy") as caught:
        run(stage, repo, Dealy="5")
    assert "Delay, Label" in caught.value.hint
    assert Stack(stage, stage.stack_name("base-infra")).describe() is None


def test_the_deployers_own_parameters_cannot_be_given(stage, repo):
    with pytest.raises(EcomError, match="Stage cannot be set"):
        run(stage, repo, Stage="other")


def test_an_unknown_service_is_answered_with_those_that_exist(stage, repo):
    with pytest.raises(EcomError, match="no service c-service") as caught:
        run(stage, repo, "c-service")
    assert "a-service" in caught.value.hint


def test_a_service_without_its_base_is_told_so(stage, repo):
    with pytest.raises(EcomError, match=r"base-infra is not deployed .* a-service needs it") as caught:
        run(stage, repo, "a-service")
    assert f"./ecom deploy base-infra --stage {stage.name}" in caught.value.hint


def test_the_resource_that_failed_first_is_named_with_its_reason(stage, make_repo):
    repo = make_repo(a_service=QUEUES.replace("NAME", "a"), bad_service=BROKEN)
    with pytest.raises(EcomError) as caught:
        run(stage, repo)
    message = caught.value.message
    assert f"ecom-{stage.name}-bad-service" in message
    assert "AWS::Events::Archive" in message
    # the other stack did not suffer
    assert Stack(stage, stage.stack_name("a-service")).status == "CREATE_COMPLETE"


def test_what_a_failed_creation_left_is_cleared_away_by_the_next_deploy(stage, repo):
    run(stage, repo, "base-infra")
    cloudformation, name = stage.client("cloudformation"), stage.stack_name("a-service")
    # a queue under the name that the stack wants, with other attributes: creating the stack fails on it
    failing = (
        repo.member("a-service")
        .template.read_text()
        .replace("DelaySeconds: !Ref Delay", "DelaySeconds: 9999")
    )
    cloudformation.create_stack(
        StackName=name,
        TemplateBody=failing,
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage.name}],
    )
    wait_until_settled(stage, name)
    assert Stack(stage, name).status == "ROLLBACK_COMPLETE"
    assert run(stage, repo, "a-service")["a-service"].status == "created"
    assert Stack(stage, name).status == "CREATE_COMPLETE"


def test_a_change_set_that_was_never_executed_is_not_in_the_way(stage, repo):
    run(stage, repo, "base-infra")
    stage.client("cloudformation").create_change_set(
        StackName=stage.stack_name("a-service"),
        ChangeSetName="left-by-somebody",
        ChangeSetType="CREATE",
        TemplateBody=repo.member("a-service").template.read_text(),
        Parameters=[{"ParameterKey": "Stage", "ParameterValue": stage.name}],
    )
    assert run(stage, repo, "a-service")["a-service"].status == "created"


def test_a_failed_update_rolls_back_and_names_the_reason(stage, repo):
    run(stage, repo)
    edit(repo, "a-service", "DelaySeconds: !Ref Delay", "DelaySeconds: 9999")
    with pytest.raises(EcomError, match=r"Inbox \(AWS::SQS::Queue\)"):
        run(stage, repo)
    assert Stack(stage, stage.stack_name("a-service")).status == "UPDATE_ROLLBACK_COMPLETE"
    edit(repo, "a-service", "DelaySeconds: 9999", "DelaySeconds: 9")
    assert run(stage, repo)["a-service"].status == "updated"


def test_a_function_runs_the_zip_that_was_built_and_a_new_one_after_a_change(stage, zip_repo):
    repo = zip_repo()
    run(stage, repo)
    assert invoke(stage) == '"hello"'
    (repo.root / "libs/toy-common/src/toy_common/__init__.py").write_text('GREETING = "changed"\n')
    done = run(stage, repo)
    assert done["toy-service"].changes[0].startswith("changes ToyLambda")
    assert invoke(stage) == '"changed"'
    objects = stage.client("s3").list_objects_v2(Bucket=stage.physical_id("base-infra", "ArtifactBucket"))
    zips = [entry["Key"] for entry in objects["Contents"] if entry["Key"].endswith(".zip")]
    assert len(zips) == 2


def test_a_zip_that_is_there_is_not_uploaded_again(stage, zip_repo, monkeypatch):
    repo = zip_repo()
    run(stage, repo)
    puts = []
    s3 = stage.client("s3")
    monkeypatch.setattr(s3, "put_object", lambda **call: puts.append(call))
    run(stage, repo)
    assert not puts


def test_a_function_without_its_code_is_noticed(stage, zip_repo, monkeypatch):
    """The emulator reports success for a zip that is not in the bucket."""
    s3 = stage.client("s3")
    monkeypatch.setattr(s3, "put_object", lambda **call: None)
    with pytest.raises(EcomError, match="does not run the zip that was deployed"):
        run(stage, zip_repo())


def test_a_template_too_long_for_a_request_goes_by_way_of_the_bucket(stage, repo):
    edit(repo, "a-service", "Resources:", "# " + "long " * 11_000 + "\nResources:")
    assert run(stage, repo)["a-service"].status == "created"
    assert run(stage, repo)["a-service"].status == "unchanged"


def test_everything_is_deleted_and_what_stays_is_named(stage, zip_repo):
    repo = zip_repo()
    run(stage, repo)
    key = stage.physical_id("base-infra", "Key")
    done = {stack.service: stack for stack in destroy(stage, report=Reporter(quiet=True), repo=repo)}
    assert {stack.status for stack in done.values()} == {"deleted"}
    assert done["base-infra"].retained == [{"logical_id": "Key", "type": "AWS::KMS::Key", "physical_id": key}]
    assert list(done)[-1] == "base-infra"
    again = destroy(stage, report=Reporter(quiet=True), repo=repo)
    assert {stack.status for stack in again} == {"absent"}


def test_a_bucket_is_emptied_to_its_last_version(stage):
    s3, bucket = stage.client("s3"), f"ecom-{stage.name}"
    s3.create_bucket(Bucket=bucket, CreateBucketConfiguration={"LocationConstraint": stage.region})
    s3.put_bucket_versioning(Bucket=bucket, VersioningConfiguration={"Status": "Enabled"})
    for body in (b"1", b"2"):
        s3.put_object(Bucket=bucket, Key="twice", Body=body)
    s3.put_object(Bucket=bucket, Key="gone", Body=b"3")
    s3.delete_object(Bucket=bucket, Key="gone")
    assert _empty(stage, bucket) == 4  # two versions, one more, and a delete marker
    left = s3.list_object_versions(Bucket=bucket)
    assert not left.get("Versions")
    assert not left.get("DeleteMarkers")


def test_the_base_is_not_destroyed_under_a_service(stage, repo):
    run(stage, repo)
    with pytest.raises(EcomError, match="a-service is deployed and needs base-infra"):
        destroy(stage, ["base-infra"], report=Reporter(quiet=True), repo=repo)
    assert Stack(stage, stage.stack_name("base-infra")).status == "CREATE_COMPLETE"


def test_a_protected_table_keeps_everything(stage, make_repo):
    """Asked for first: CloudFormation would delete the functions and queues before it stops at the table."""
    table = """
Resources:
  Rows:
    Type: AWS::DynamoDB::Table
    Properties:
      TableName: !Sub 'ecom-${Stage}-rows'
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""
    repo = make_repo(a_service=QUEUES.replace("NAME", "a").replace("\nResources:\n", table, 1))
    run(stage, repo)
    name, dynamodb = f"ecom-{stage.name}-rows", stage.client("dynamodb")
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=True)
    with pytest.raises(EcomError, match=f"is on for {name}: nothing was deleted"):
        destroy(stage, yes=True, report=Reporter(quiet=True), repo=repo)
    assert Stack(stage, stage.stack_name("a-service")).status == "CREATE_COMPLETE"
    dynamodb.update_table(TableName=name, DeletionProtectionEnabled=False)
    done = destroy(stage, yes=True, report=Reporter(quiet=True), repo=repo)
    assert {stack.status for stack in done} == {"deleted"}


ROWS = """
Resources:
  Rows:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      TableName: !Sub 'ecom-${Stage}-rows'
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{AttributeName: id, AttributeType: S}]
      KeySchema: [{AttributeName: id, KeyType: HASH}]
"""


@pytest.fixture
def repo_with_rows(make_repo) -> Workspace:
    return make_repo(a_service=QUEUES.replace("NAME", "a").replace("\nResources:\n", ROWS, 1))


def tables(stage: Stage) -> list[str]:
    found = stage.client("dynamodb").list_tables()["TableNames"]
    return [name for name in found if name.startswith(f"ecom-{stage.name}-")]


def unprotect(stage: Stage, *services: str) -> None:
    for service in services:
        stage.client("cloudformation").update_termination_protection(
            StackName=stage.stack_name(service), EnableTerminationProtection=False
        )


def is_protected(stage: Stage, service: str) -> bool:
    return Stack(stage, stage.stack_name(service)).describe()["EnableTerminationProtection"]


@pytest.mark.parametrize("name", ["prod", "prod-eu"])
def test_a_production_stage_is_destroyed_with_yes_and_without_its_protection_only(
    emulator, repo_with_rows, name
):
    stage, repo, quiet = Stage(name, "eu-central-1", emulator), repo_with_rows, Reporter(quiet=True)
    run(stage, repo)
    with pytest.raises(EcomError, match="production stage: nothing was deleted"):
        destroy(stage, report=quiet, repo=repo)

    unprotect(stage, "base-infra")
    with pytest.raises(EcomError, match=f"on for ecom-{name}-a-service: nothing was deleted") as refused:
        destroy(stage, yes=True, report=quiet, repo=repo)
    assert "update-termination-protection --no-enable-termination-protection" in refused.value.hint
    assert Stack(stage, stage.stack_name("a-service")).status == "CREATE_COMPLETE"
    assert Stack(stage, stage.stack_name("base-infra")).status == "CREATE_COMPLETE"

    unprotect(stage, "a-service")
    stage.client("dynamodb").update_table(TableName=f"ecom-{name}-rows", DeletionProtectionEnabled=True)
    done = {stack.service: stack for stack in destroy(stage, yes=True, report=quiet, repo=repo)}
    assert {stack.status for stack in done.values()} == {"deleted"}
    assert tables(stage) == [f"ecom-{name}-rows"], "on production the rows outlive everything"
    assert done["a-service"].tables == []
    assert [kept["logical_id"] for kept in done["a-service"].retained] == ["Rows"]


def test_every_deployment_to_production_sees_to_the_protection(emulator, repo):
    stage = Stage("prod-again", "eu-central-1", emulator)
    run(stage, repo)
    assert is_protected(stage, "base-infra")
    assert is_protected(stage, "b-service")
    unprotect(stage, "b-service")
    assert run(stage, repo)["b-service"].status == "unchanged"
    assert is_protected(stage, "b-service")


def test_other_stages_are_not_protected_and_their_tables_go(stage, repo_with_rows):
    run(stage, repo_with_rows)
    assert not is_protected(stage, "a-service")
    done = {s.service: s for s in destroy(stage, report=Reporter(quiet=True), repo=repo_with_rows)}
    assert tables(stage) == []
    assert done["a-service"].tables == [f"ecom-{stage.name}-rows"]
    assert done["a-service"].retained == []
    assert run(stage, repo_with_rows)["a-service"].status == "created", "its name is free again"


def test_a_stack_that_somebody_protected_keeps_its_stage(stage, repo_with_rows):
    run(stage, repo_with_rows)
    Stack(stage, stage.stack_name("base-infra")).protect()
    with pytest.raises(EcomError, match="Termination protection is on"):
        destroy(stage, report=Reporter(quiet=True), repo=repo_with_rows)
    assert tables(stage) == [f"ecom-{stage.name}-rows"]


def test_a_destroy_that_stopped_half_way_can_be_repeated(stage, repo_with_rows):
    run(stage, repo_with_rows)
    stage.client("dynamodb").delete_table(TableName=f"ecom-{stage.name}-rows")
    done = destroy(stage, report=Reporter(quiet=True), repo=repo_with_rows)
    assert {stack.status for stack in done} == {"deleted"}


@pytest.mark.parametrize(("reason", "hinted"), [("it already exists", True), ("it is too long", False)])
def test_a_table_that_was_left_behind_is_explained(stage, repo, monkeypatch, reason, hinted):
    """On a stage that another tool deleted, tables stay and their names are taken."""
    monkeypatch.setattr(Stack, "first_failure", lambda self, seen: f"Rows (AWS::DynamoDB::Table): {reason}")
    with pytest.raises(EcomError, match=reason) as failed:
        run(stage, edit(repo, "a-service", "DelaySeconds: !Ref Delay", "DelaySeconds: 9999"))
    assert ("tables outlive their stacks" in str(failed.value)) is hinted


def test_the_stage_decides_the_presets():
    local = presets(Stage("local", "eu-central-1", "http://127.0.0.1:1"))
    assert local == {
        "EventArchive": "off",
        "PlainHttp": "allowed",
        "ApiAuthorization": "NONE",
        "RetryBaseSeconds": "1",
        "MaxConcurrency": "2",
    }
    assert presets(Stage("test", "eu-central-1", "http://127.0.0.1:1")) == {
        "EventArchive": "off",
        "PlainHttp": "allowed",
        "MaxConcurrency": "2",
    }
    assert presets(Stage("dev", "eu-central-1")) == {}


def test_a_commit_elsewhere_does_not_touch_a_stack(stage, repo):
    import subprocess

    def git(*words: str) -> None:
        who = ["-c", "user.name=t", "-c", "user.email=t@example.org"]
        subprocess.run(["git", *who, *words], cwd=repo.root, check=True, capture_output=True)

    git("init", "-q")
    git("add", "packages")
    git("commit", "-qm", "one")
    run(stage, repo)
    tags = Stack(stage, stage.stack_name("a-service")).describe()["Tags"]
    assert "Commit" in {tag["Key"] for tag in tags}
    (repo.root / "elsewhere").write_text("x")
    (repo.member("b-service").folder / "README.md").write_text("words only")
    git("add", "elsewhere", "packages")
    git("commit", "-qm", "two")
    assert {stack.status for stack in run(stage, load(repo.root)).values()} == {"unchanged"}


def invoke(stage: Stage) -> str:
    name = stage.physical_id("toy-service", "ToyLambda")
    return stage.client("lambda").invoke(FunctionName=name)["Payload"].read().decode()


def wait_until_settled(stage: Stage, name: str) -> None:
    import time

    for _ in range(100):
        if not str(Stack(stage, name).status).endswith("IN_PROGRESS"):
            return
        time.sleep(0.05)
    raise AssertionError(f"{name} is still {Stack(stage, name).status}")
