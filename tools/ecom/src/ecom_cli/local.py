"""`ecom up` and `ecom status`: the local system as a whole."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field
from typing import Any

from ecom_cli import emulator
from ecom_cli.aws import EMULATOR_REGION, LOCAL_STAGE, Stage, resolve_stage
from ecom_cli.delivery.deploy import Deployed, deploy
from ecom_cli.delivery.stacks import Stack
from ecom_cli.errors import EcomError, explained
from ecom_cli.localstate import running_emulator
from ecom_cli.progress import Reporter
from ecom_cli.workspace import workspace

QUEUE_COUNTS = {
    "ApproximateNumberOfMessages": "visible",
    "ApproximateNumberOfMessagesNotVisible": "in_flight",
    "ApproximateNumberOfMessagesDelayed": "delayed",
}


@dataclass(frozen=True)
class StackStatus:
    """One stack: `status` as CloudFormation spells it, None where there is none."""

    service: str
    stack: str
    status: str | None
    version: str | None


@dataclass(frozen=True)
class QueueStatus:
    """Approximate numbers of messages of one queue."""

    service: str
    logical_id: str
    name: str
    visible: int
    in_flight: int
    delayed: int


@dataclass(frozen=True)
class Status:
    """A stage as a whole. `running` is false when the local emulator is not."""

    stage: str
    region: str | None
    running: bool
    api_url: str | None = None
    endpoint_url: str | None = None
    log: str | None = None
    stacks: list[StackStatus] = field(default_factory=list)
    queues: list[QueueStatus] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def up(report: Reporter, region: str | None = None) -> tuple[Stage, list[Deployed]]:
    """Start the emulator unless it runs, deploy all stacks to it, and stock the sample catalogue.

    Doing it again deploys what has changed since; two at once take turns.
    """
    with emulator.only_one("local.lock"):
        return _up(report, region)


def _up(report: Reporter, region: str | None) -> tuple[Stage, list[Deployed]]:
    from ecom_cli.shop.catalogue import load_sample_catalogue

    if not (running_emulator(workspace().state)):
        report.say("Starting the emulator (the first time, its environment is made: some seconds) …")
    state, started = emulator.ensure_started(region or EMULATOR_REGION)
    if region and region != state.region:
        raise EcomError(
            f"The emulator runs in {state.region}.",
            f"`./ecom down` first, then `./ecom up --region {region}`.",
        )
    report.say(f"Emulator {'started' if started else 'is running'} at {state.endpoint_url}")
    stage = resolve_stage(LOCAL_STAGE, endpoint_url=state.endpoint_url)
    done = deploy(stage, report=report)
    with explained():
        stocked = load_sample_catalogue(stage)
    if stocked.created:
        report.say(f"Stocked {len(stocked.created)} items of the sample catalogue")
    return stage, done


def local_is_down(stage: str | None, endpoint_url: str | None) -> bool:
    """Whether the question is about the local emulator and that is not running."""
    import os

    asked_elsewhere = endpoint_url or os.environ.get("AWS_ENDPOINT_URL")
    return stage in (None, LOCAL_STAGE) and not asked_elsewhere and not running_emulator(workspace().state)


def status(stage: Stage) -> Status:
    """The stage's stacks and queues, looked up side by side."""
    if stage.own_emulator and stage.endpoint_url:
        emulator.check_answers(stage.endpoint_url)
    with explained(), ThreadPoolExecutor(max_workers=8) as pool:
        stacks = list(pool.map(lambda member: _stack(stage, member.dist), workspace().stacks))
        there = [stack for stack in stacks if stack.status]
        queues = [queue for found in pool.map(lambda stack: _queues(stage, stack), there) for queue in found]
        deployed = any(stack.service == "order-service" for stack in there)
        return Status(
            stage=stage.name,
            region=stage.region,
            running=bool(there),
            api_url=stage.api_url if deployed else None,
            endpoint_url=stage.endpoint_url,
            log=str(emulator.log_path()) if stage.own_emulator else None,
            stacks=stacks,
            queues=queues,
        )


def _stack(stage: Stage, service: str) -> StackStatus:
    name = stage.stack_name(service)
    found = Stack(stage, name).describe()
    tags = {tag["Key"]: tag["Value"] for tag in (found or {}).get("Tags", ())}
    return StackStatus(service, name, found["StackStatus"] if found else None, tags.get("Version"))


def _queues(stage: Stage, stack: StackStatus) -> list[QueueStatus]:
    found = []
    for resource in Stack(stage, stack.stack).resources():
        if resource["ResourceType"] == "AWS::SQS::Queue" and resource.get("PhysicalResourceId"):
            url = resource["PhysicalResourceId"]
            counts = stage.client("sqs").get_queue_attributes(QueueUrl=url, AttributeNames=list(QUEUE_COUNTS))
            numbers = {word: int(counts["Attributes"].get(key, 0)) for key, word in QUEUE_COUNTS.items()}
            name = url.rsplit("/", 1)[-1]
            found.append(QueueStatus(stack.service, resource["LogicalResourceId"], name, **numbers))
    return found
