"""What is connected with what, read from the five templates: the simulated world is built to this plan."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

from simulation.cloudformation import ACCOUNT, REGION, Stack, UnresolvedError, stacks
from simulation.tables import IndexSpec, TableSpec

__all__ = [
    "ACCOUNT",
    "REGION",
    "FunctionSpec",
    "MappingSpec",
    "QueueSpec",
    "RuleSpec",
    "SweepSpec",
    "TargetSpec",
    "Topology",
    "TransformSpec",
    "UnresolvedError",
    "read",
]

MINUTE, HOUR, DAY = 60, 3600, 86400


class QueueSpec(NamedTuple):
    """A queue; `visibility` and `retention` in seconds, `key` where it is encrypted with the stage's key."""

    logical: str
    name: str
    arn: str
    url: str
    visibility: int
    retention: int
    dead_letter: str | None
    max_receives: int | None
    key: bool


class TransformSpec(NamedTuple):
    """An input transformer: JSON paths by placeholder, and the text they are put into."""

    paths: Mapping[str, str]
    template: str


class TargetSpec(NamedTuple):
    """Where a rule sends: a queue or topic by logical id, and the queue for what could not be delivered."""

    rule: str
    logical: str
    kind: Literal["queue", "topic"]
    dead_letter: str | None
    transform: TransformSpec | None


class RuleSpec(NamedTuple):
    name: str
    pattern: Mapping[str, Any]
    targets: tuple[TargetSpec, ...]


class MappingSpec(NamedTuple):
    """A queue that invokes a function. `partial`: the function may name the records that failed."""

    function: str
    queue: str
    batch_size: int
    window_seconds: int
    max_concurrency: int
    partial: bool


class FunctionSpec(NamedTuple):
    """A function; `handler` as "package.module.function", `timeout` in seconds."""

    logical: str
    name: str
    handler: str
    timeout: int
    environment: Mapping[str, str]


class SweepSpec(NamedTuple):
    """The schedule of the sweeper: `interval` in seconds, `payload` the JSON text it invokes with."""

    function: str
    interval: int
    payload: str
    dead_letter: str | None


@dataclass(frozen=True)
class Topology:
    """The whole system. Queues, functions and topics go by logical id; an id that several stacks use
    carries its stack: "order-service/UndeliveredQueue". `archive_days` is 0 where the bus keeps nothing.
    """

    bus: str
    archive_days: int
    queues: Mapping[str, QueueSpec]
    rules: tuple[RuleSpec, ...]
    mappings: tuple[MappingSpec, ...]
    functions: Mapping[str, FunctionSpec]
    tables: tuple[TableSpec, ...]
    topics: tuple[str, ...]
    sweep: SweepSpec

    @property
    def sweep_interval(self) -> int:
        """Seconds between two sweeps."""
        return self.sweep.interval


def read(root: Path) -> Topology:
    """The plan of the stage `sim`, from the templates under `root` with their parameters' defaults.

    Raises UnresolvedError for anything that the simulation would have to know and does not, such as a new
    property of a queue, so that no template can change behind its back.
    """
    return _Reader(stacks(root)).topology()


class _Reader:
    def __init__(self, found: list[Stack]) -> None:
        self._stacks = found
        self._ids = {
            **self._by_arn("SQS::Queue", "Arn"),
            **self._by_arn("SNS::Topic", "TopicArn"),
            **self._by_arn("Lambda::Function", "Arn"),
        }
        # A mapping may name its function by name, by reference or by ARN.
        self._ids |= {arn.rpartition(":")[2]: key for arn, key in self._ids.items() if ":lambda:" in arn}

    def topology(self) -> Topology:
        (bus,) = [stack.text({"Ref": logical}) for stack, logical, _ in self._all("Events::EventBus")]
        archives = [stack.value(body) for stack, _, body in self._all("Events::Archive")]
        (sweep,) = [self._sweep(stack, body) for stack, _, body in self._all("Scheduler::Schedule")]
        queues = [self._queue(*found) for found in self._all("SQS::Queue")]
        functions = [self._function(*found) for found in self._all("Lambda::Function")]
        rules = [self._rule(stack, body, bus) for stack, _, body in self._all("Events::Rule")]
        return Topology(
            bus=bus,
            archive_days=sum(int(archive["RetentionDays"]) for archive in archives),
            queues={queue.logical: queue for queue in queues},
            rules=tuple(rule for rule in rules if rule),
            mappings=tuple(self._mapping(*found) for found in self._all("Lambda::EventSourceMapping")),
            functions={function.logical: function for function in functions},
            tables=tuple(self._table(*found) for found in self._all("DynamoDB::Table")),
            topics=tuple(self._by_arn("SNS::Topic", "TopicArn").values()),
            sweep=sweep,
        )

    def _all(self, kind: str) -> list[tuple[Stack, str, dict[str, Any]]]:
        return [(stack, logical, body) for stack in self._stacks for logical, body in stack.of(kind)]

    def _by_arn(self, kind: str, attribute: str) -> dict[str, str]:
        """The keys of a topology for all resources of a type, by ARN."""
        found = self._all(kind)
        uses = Counter(logical for _, logical, _ in found)
        return {
            stack.text({"Fn::GetAtt": [logical, attribute]}): (
                logical if uses[logical] == 1 else f"{stack.name}/{logical}"
            )
            for stack, logical, _ in found
        }

    def _id(self, arn: str) -> str:
        if arn not in self._ids:
            raise UnresolvedError(f"{arn} is no queue, topic or function of these templates")
        return self._ids[arn]

    def _dead_letter(self, settings: Mapping[str, Any]) -> str | None:
        config = settings.get("DeadLetterConfig")
        return self._id(config["Arn"]) if config else None

    def _queue(self, stack: Stack, logical: str, body: Mapping[str, Any]) -> QueueSpec:
        known = "QueueName KmsMasterKeyId VisibilityTimeout MessageRetentionPeriod RedrivePolicy"
        body = _known(stack, logical, body, f"{known} RedriveAllowPolicy SqsManagedSseEnabled")
        arn = stack.text({"Fn::GetAtt": [logical, "Arn"]})
        redrive = body.get("RedrivePolicy")
        return QueueSpec(
            logical=self._id(arn),
            name=body["QueueName"],
            arn=arn,
            url=stack.text({"Ref": logical}),
            visibility=int(body.get("VisibilityTimeout", 30)),
            retention=int(body.get("MessageRetentionPeriod", 4 * DAY)),
            dead_letter=self._id(redrive["deadLetterTargetArn"]) if redrive else None,
            max_receives=int(redrive["maxReceiveCount"]) if redrive else None,
            key="KmsMasterKeyId" in body,
        )

    def _rule(self, stack: Stack, body: Mapping[str, Any], bus: str) -> RuleSpec | None:
        """A rule as it works; None for one that is switched off."""
        name = stack.text(body["Name"])
        known = "Name Description EventBusName EventPattern State Targets"
        targets = body["Targets"]
        body = _known(stack, name, body, known, leave="Targets")
        if body["EventBusName"] != bus:
            raise UnresolvedError(f"{name} listens to {body['EventBusName']} and not to {bus}")
        if body.get("State", "ENABLED") != "ENABLED":
            return None
        resolved = tuple(self._target(stack, name, target) for target in targets)
        return RuleSpec(name, body["EventPattern"], resolved)

    def _target(self, stack: Stack, rule: str, body: Mapping[str, Any]) -> TargetSpec:
        body = _known(stack, rule, body, "Id Arn RoleArn DeadLetterConfig InputTransformer", leave="RoleArn")
        service = body["Arn"].split(":")[2]
        if service not in ("sqs", "sns"):
            raise UnresolvedError(f"{rule}: a target in {service} is not known here")
        transformer = body.get("InputTransformer")
        return TargetSpec(
            rule=rule,
            logical=self._id(body["Arn"]),
            kind="queue" if service == "sqs" else "topic",
            dead_letter=self._dead_letter(body),
            transform=TransformSpec(transformer.get("InputPathsMap", {}), transformer["InputTemplate"])
            if transformer
            else None,
        )

    def _mapping(self, stack: Stack, logical: str, body: Mapping[str, Any]) -> MappingSpec:
        known = "EventSourceArn FunctionName BatchSize MaximumBatchingWindowInSeconds FunctionResponseTypes"
        body = _known(stack, logical, body, f"{known} ScalingConfig")
        return MappingSpec(
            function=self._id(body["FunctionName"]),
            queue=self._id(body["EventSourceArn"]),
            batch_size=int(body.get("BatchSize", 10)),
            window_seconds=int(body.get("MaximumBatchingWindowInSeconds", 0)),
            # Without a cap Lambda goes up to 1,250 invocations for each mapping (or the account's limit).
            max_concurrency=int(body.get("ScalingConfig", {}).get("MaximumConcurrency", 1250)),
            partial="ReportBatchItemFailures" in body.get("FunctionResponseTypes", ()),
        )

    def _function(self, stack: Stack, logical: str, body: Mapping[str, Any]) -> FunctionSpec:
        variables = body.get("Environment", {}).get("Variables", {})
        return FunctionSpec(
            logical=self._id(stack.text({"Fn::GetAtt": [logical, "Arn"]})),
            name=stack.text({"Ref": logical}),
            handler=stack.text(body["Handler"]),
            timeout=int(stack.text(body.get("Timeout", 3))),
            environment={name: stack.text(value) for name, value in variables.items()},
        )

    def _table(self, stack: Stack, logical: str, body: Mapping[str, Any]) -> TableSpec:
        body = stack.value(body)
        key, sort = _keys(body["KeySchema"])
        if sort or "LocalSecondaryIndexes" in body:
            raise UnresolvedError(f"{stack.name}: {logical} has a sort key or a local index")
        indexes = {
            index["IndexName"]: IndexSpec(*_keys(index["KeySchema"]), index["Projection"]["ProjectionType"])
            for index in body.get("GlobalSecondaryIndexes", ())
        }
        expiry = body.get("TimeToLiveSpecification", {})
        ttl = expiry["AttributeName"] if expiry.get("Enabled") else None
        types = {each["AttributeName"]: each["AttributeType"] for each in body["AttributeDefinitions"]}
        return TableSpec(body["TableName"], key, indexes, ttl, types)

    def _sweep(self, stack: Stack, body: Mapping[str, Any]) -> SweepSpec:
        expression, target = stack.text(body["ScheduleExpression"]), body["Target"]
        found = re.fullmatch(r"rate\((\d+) (minute|hour|day)s?\)", expression)
        if found is None or stack.text(body.get("State", "ENABLED")) != "ENABLED":
            raise UnresolvedError(f"{stack.name}: the sweeper is off, or {expression} is not known here")
        return SweepSpec(
            function=self._id(stack.text(target["Arn"])),
            interval=int(found[1]) * {"minute": MINUTE, "hour": HOUR, "day": DAY}[found[2]],
            payload=stack.text(target.get("Input", "{}")),
            dead_letter=self._dead_letter(stack.value({"DeadLetterConfig": target.get("DeadLetterConfig")})),
        )


def _known(
    stack: Stack, name: str, body: Mapping[str, Any], properties: str, leave: str = ""
) -> dict[str, Any]:
    """The properties resolved but for `leave`; none may be there that the simulation knows nothing of."""
    unknown = [key for key in body if key not in properties.split()]
    if unknown:
        raise UnresolvedError(f"{stack.name}: {', '.join(unknown)} of {name} is not simulated")
    return {key: stack.value(value) for key, value in body.items() if key != leave}


def _keys(schema: list[dict[str, str]]) -> tuple[str, str | None]:
    keys = {key["KeyType"]: key["AttributeName"] for key in schema}
    return keys["HASH"], keys.get("RANGE")
