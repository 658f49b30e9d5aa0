"""What a zip is found to lack, and which answers of its functions are none: on a service of a few lines."""

from __future__ import annotations

import json
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ecom_cli import bare
from ecom_cli.bare_events import functions
from ecom_cli.errors import EcomError
from ecom_cli.workspace import Workspace, load

TEMPLATE = """
Parameters:
  Stage: {Type: String}
  Pace: {Type: Number, Default: 5}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {RedrivePolicy: {deadLetterTargetArn: !GetAtt DeadLetters.Arn}}}
  DeadLetters: {Type: AWS::SQS::Queue}
  Rule:
    Type: AWS::Events::Rule
    Properties:
      EventPattern: {source: [toy.service], detail-type: [Said], detail: {data: {loud: [true]}}}
      Targets: [{Id: Queue, Arn: !GetAtt Queue.Arn}]
  Main:
    Type: AWS::Lambda::Function
    Properties:
      Handler: toy_service.app.handler
      Environment:
        Variables: {PACE: !Ref Pace, TABLE_NAME: !Ref Table, PARKING_QUEUE_URL: !Ref DeadLetters}
  Mapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Main, EventSourceArn: !GetAtt Queue.Arn}
"""
RESCUE = """
  Rescue: {Type: AWS::Lambda::Function, Properties: {Handler: toy_service.app.handler}}
  RescueMapping:
    Type: AWS::Lambda::EventSourceMapping
    Properties: {FunctionName: !Ref Rescue, EventSourceArn: !GetAtt DeadLetters.Arn}
"""
SWEEPS = """
  Schedule:
    Type: AWS::Scheduler::Schedule
    Properties: {Target: {Arn: !GetAtt Main.Arn, Input: '{"sweep": true}'}}
"""
ANSWERS = """
  Permission:
    Type: AWS::Lambda::Permission
    Properties: {FunctionName: !Ref Main, Principal: apigateway.amazonaws.com}
"""
API = """
paths:
  /things:
    post:
      requestBody: {content: {application/json: {examples: {one: {value: {a: 1}}, two: {value: {a: 2}}}}}}
  /things/{orderId}:
    parameters: []
    get: {}
"""
SCHEMA = {
    "examples": [
        {"metadata": {}, "data": {"orderId": "1", "placedAt": "2020-01-01T00:00:00.000Z", "loud": loud}}
        for loud in (True, False)
    ]
}
ASK = """
import json, os, urllib.error, urllib.request
from botocore.exceptions import ClientError

def ask(call):
    request = urllib.request.Request(os.environ["AWS_ENDPOINT_URL"], json.dumps({}).encode())
    request.add_header("X-Amz-Target", call)
    try:
        return json.load(urllib.request.urlopen(request))
    except urllib.error.URLError as error:
        raise ClientError(str(error))
"""
GOOD = """
from toy_service.ask import ClientError, ask

def handler(event, context):
    assert context.get_remaining_time_in_millis() > 1000
    if "sweep" in event:
        return ask("DynamoDB.Query")
    try:
        ask("DynamoDB.PutItem")
        failed, status = [], 202
    except ClientError as error:
        failed = [{"itemIdentifier": record["messageId"]} for record in event.get("Records", ())]
        status = 503
    return {"batchItemFailures": failed} if "Records" in event else {"statusCode": status}
"""

Make = Callable[..., tuple[Workspace, Path]]


@pytest.fixture
def toy(tmp_path: Path) -> Make:
    """A workspace with one service, and its zip with the files named; `app` is its handler's module."""

    def make(app: str = GOOD, template: str = TEMPLATE, **files: str) -> tuple[Workspace, Path]:
        folder = tmp_path / "packages/toy-service"
        deploy = '[tool.ecom]\ntemplate = "stack.yaml"\naws-services = ["dynamodb"]\n'
        project = f'[project]\nname = "toy-service"\nversion = "0.1.0"\n{deploy}'
        written = {"pyproject.toml": project, "stack.yaml": template, "openapi.yaml": API}
        written |= {"events/Said.v1.json": json.dumps(SCHEMA), "src/toy_service/__init__.py": ""}
        for name, text in written.items():
            (folder / name).parent.mkdir(parents=True, exist_ok=True)
            (folder / name).write_text(text)
        entries = {
            "toy_service/__init__.py": "",
            "toy_service/app.py": app,
            "toy_service/ask.py": ASK,
            "botocore/__init__.py": "",
            "botocore/exceptions.py": "class ClientError(Exception): pass\n",
        }
        zipped = tmp_path / "toy.zip"
        with zipfile.ZipFile(zipped, "w") as archive:
            for name, text in (entries | files).items():
                archive.writestr(name, text)
        return load(tmp_path), zipped

    return make


def run(made: tuple[Workspace, Path]) -> bare.Report:
    repo, zipped = made
    return bare.run(repo, repo.member("toy-service"), zipped)


def test_a_zip_that_holds_all_it_needs_passes(toy: Make) -> None:
    report = run(toy(template=TEMPLATE + RESCUE + SWEEPS + ANSWERS))

    assert report.problems == ()
    assert report.calls == {"DynamoDB.PutItem", "DynamoDB.Query"}
    assert report.invocations == 3 * (5 + 1), (
        "in three worlds: batch, sweep, three requests; the other's batch"
    )


def test_functions_get_what_the_template_sends_them(toy: Make) -> None:
    repo, _ = toy(template=TEMPLATE + RESCUE + SWEEPS + ANSWERS)

    main, rescue = functions(repo, repo.member("toy-service"))

    assert [event.title for event in main.events] == [
        "a batch from Queue", "the schedule's event", "POST /things", "POST /things", "GET /things/{orderId}",
    ]  # fmt: skip
    assert main.environment.items() >= {("PACE", "5"), ("TABLE_NAME", "name")}
    assert main.environment["PARKING_QUEUE_URL"].startswith("https://")
    [record] = main.events[0].body["Records"]  # the quiet one is not for us
    fact = json.loads(record["body"])
    assert (fact["source"], fact["detail-type"], fact["detail"]["data"]["loud"]) == (
        "toy.service",
        "Said",
        True,
    )
    assert fact["detail"]["data"]["placedAt"] > "2026"
    assert len(rescue.events[0].body["Records"]) == 1


def test_a_function_that_nothing_is_sent_to_cannot_pass_unseen(toy: Make) -> None:
    template = TEMPLATE.partition("  Mapping")[0]
    with pytest.raises(EcomError, match="no event of Main is known"):
        run(toy(template=template))


def test_a_queue_that_nothing_is_sent_to_cannot_pass_unseen(toy: Make) -> None:
    with pytest.raises(EcomError, match="No rule of this template sends anything to Queue"):
        run(toy(template=TEMPLATE.replace("[Said]", "[Whispered]")))


@pytest.mark.parametrize(
    ("app", "said"),
    [
        pytest.param("import boto3\n" + GOOD, "No module named 'boto3'", id="a package is missing"),
        pytest.param("def other(event, context): ...", "has no attribute 'handler'", id="no such handler"),
        pytest.param(
            GOOD.replace(
                "    if", "    try:\n        import boto3\n    except ImportError:\n        pass\n    if", 1
            ),
            "toy_service/app.py imports boto3, which is not in the zip",
            id="a package is missing, and nobody hears of it",
        ),
        pytest.param(
            "import os\nos.environ['NEEDED']\n" + GOOD, "KeyError: 'NEEDED'", id="a variable is missing"
        ),
        pytest.param(
            "import socket\n"
            + GOOD.replace("    if", "    socket.getaddrinfo('example.com', 80)\n    if", 1),
            "it looks up example.com",
            id="it looks for the network",
        ),
        pytest.param(
            "import socket\n"
            + GOOD.replace("    if", "    socket.create_connection(('192.0.2.1', 80))\n    if", 1),
            "it looks up 192.0.2.1",
            id="it finds the network",
        ),
        pytest.param(
            f"import sys\nsys.path.append({str(Path(pytest.__file__).parent.parent)!r})\nimport iniconfig\n"
            + GOOD,
            "iniconfig is not from the zip",
            id="it finds packages of this machine",
        ),
        pytest.param(
            "import subprocess\n" + GOOD.replace("    if", "    subprocess.run(['true'])\n    if", 1),
            "it starts ",
            id="it starts a program",
        ),
        pytest.param(
            GOOD.replace("except ClientError", "except KeyError"),
            "where AWS refuses: the whole batch fails with botocore.exceptions.ClientError",
            id="a batch fails as a whole",
        ),
        pytest.param(
            GOOD.replace("failed = [", "failed = 0 and ["),
            "where AWS is silent: {'batchItemFailures': 0} does not say which records failed",
            id="no list of failures",
        ),
        pytest.param(
            GOOD.replace("failed = [", "failed = 0 * ["),
            "a batch from Queue, where AWS is silent: message-0 would be deleted, though nothing was done",
            id="a failure is kept secret",
        ),
        pytest.param(
            GOOD.replace('record["messageId"]', '"another"'),
            "another are no records of the batch",
            id="a failure of nobody",
        ),
        pytest.param(
            GOOD.replace("status = 503", "status = 404"),
            "POST /things, where AWS is silent: it answers 404",
            id="a wrong answer",
        ),
        pytest.param(
            GOOD.replace("status = 503", "status = 1 / 0"),
            "GET /things/{orderId}, where AWS refuses: the client gets no answer: builtins.ZeroDivisionError",
            id="no answer",
        ),
        pytest.param(
            GOOD.replace('return ask("DynamoDB.Query")', "return event['x']"),
            "the schedule's event, where AWS grants: builtins.KeyError",
            id="a sweep that fails of itself",
        ),
        pytest.param(
            GOOD.replace('return ask("DynamoDB.Query")', "return None"),
            "the schedule's event, where AWS is silent: nothing failed, though AWS did not help",
            id="a sweep whose failure nobody hears of",
        ),
    ],
)
def test_it_is_found(toy: Make, app: str, said: str) -> None:
    report = run(toy(app, TEMPLATE + SWEEPS + ANSWERS))

    assert any(problem.startswith("Main: ") and said in problem for problem in report.problems), (
        report.problems
    )


def test_a_module_that_no_event_comes_by_is_imported_too(toy: Make) -> None:
    report = run(toy(**{"toy_service/attic.py": "import boto3\n"}))

    assert "No module named 'boto3'" in report.problems[0]


def test_nothing_of_the_machine_is_at_hand(toy: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither this environment's packages nor its variables."""
    monkeypatch.setenv("SECRET", "1")
    monkeypatch.setenv("PYTHONPATH", str(Path(pytest.__file__).parent.parent))
    app = "import os\nassert 'SECRET' not in os.environ\nimport pytest\n" + GOOD

    [problem] = run(toy(app)).problems

    assert "No module named 'pytest'" in problem


def test_a_function_that_does_not_end_is_ended(toy: Make, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bare, "SECONDS", 1)

    [problem] = run(toy("while True: pass\n")).problems

    assert "it took more than 1 s" in problem
