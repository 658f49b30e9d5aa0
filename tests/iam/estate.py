"""Everything in the five stacks that a policy speaks of, with the policies, read from the parsed templates.

As in the simulation, a reference that cannot be resolved is an error: nothing is passed over.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from iam.policies import Answer, Caller, Document, Kind, Request, answer, some, unreadable

from simulation.cloudformation import ACCOUNT, REGION, STAGE, Stack, UnresolvedError

__all__ = ["ACCOUNT", "REGION", "STAGE", "Estate", "FunctionIdentity"]

Json = Any

# Everything that can be switched on is on: what exists on some stage only is checked too.
PARAMETERS = {"ApiAccessLog": "on", "AlertEmail": "ops@example.com"}


class PolicyStack(Stack):
    """A stack whose references also resolve where only policies use them."""

    def _identity(self, logical: str, kind: str, properties: Mapping[str, Json]) -> dict[str, str]:
        match kind:
            case "AWS::IAM::Role":
                name = f"{self.name}-{logical}"
                return {"Ref": name, "Arn": f"arn:aws:iam::{ACCOUNT}:role/{name}"}
            case "AWS::Events::Rule":
                name, bus = self.text(properties["Name"]), self.text(properties["EventBusName"])
                return {"Ref": f"{bus}|{name}", "Arn": arn("events", f"rule/{bus}/{name}")}
            case "AWS::Logs::LogGroup":
                name = self.text(properties["LogGroupName"])
                return {"Ref": name, "Arn": arn("logs", f"log-group:{name}:*")}
            case "AWS::Scheduler::ScheduleGroup":
                name = self.text(properties["Name"])
                return {"Ref": name, "Arn": arn("scheduler", f"schedule-group/{name}")}
            case "AWS::ApiGateway::RestApi":
                return {"Ref": "api1234567", "RestApiId": "api1234567", "RootResourceId": "root"}
            case "AWS::ApiGateway::Resource":
                return {"Ref": f"resource-{logical}", "ResourceId": f"resource-{logical}"}
        return super()._identity(logical, kind, properties)


@dataclass(frozen=True)
class FunctionIdentity:
    """A function and the role it acts as. `source`: the one event source it may publish under."""

    logical: str
    name: str
    arn: str
    source: str
    role: Caller
    log_group: str
    queues: tuple[str, ...]
    """ARNs of the queues it is mapped to."""


@dataclass(frozen=True)
class Finding:
    """Something that is not as it should be. `resource`: whose policy decides, by its name in the estate."""

    resource: str
    rule: str
    message: str

    def __str__(self) -> str:
        return self.message


class Estate:
    """The resources of the stage `sim`, by ARN.

    Attributes
    ----------
    names: logical id by ARN; one that several stacks use carries its stack ("order-service/UndeliveredQueue")
    homes: stack and logical id by that name
    policies: the resource's own policy by ARN, statements of several gathered
    keys: the ARN of the key that a queue, topic, table, bus or log group is encrypted with
    unread: statements that are left out, because nobody here can tell what they allow
    """

    def __init__(self, documents: Mapping[str, dict[str, Json]]) -> None:
        self._stacks: list[Stack] = []
        for name, document in documents.items():
            own = copy.deepcopy(document)
            for parameter, value in PARAMETERS.items():
                if parameter in own.get("Parameters", {}):
                    own["Parameters"][parameter]["Default"] = value
            self._stacks.append(PolicyStack(name, own, self._imported))
        self.names: dict[str, str] = {}
        self.homes: dict[str, tuple[str, str]] = {}
        self.policies: dict[str, Document] = {}
        self.keys: dict[str, str] = {}
        self.roles: dict[str, Caller] = {}
        self.unread: list[Finding] = []
        self._name_resources()
        self._gather_policies()
        (self.key, *_) = (
            each for each in self.names if ":kms:" in each
        )  # a second one is no business of ours
        (self.bus,) = (each for each in self.names if ":event-bus/" in each)
        self.functions = {each.logical: each for each in self._functions()}

    # ------------------------------------------------------------------------------ what there is

    def of(self, kind: str) -> Iterator[tuple[Stack, str, dict[str, Json]]]:
        """Stack, logical id and unresolved properties of the resources of a type ("SQS::Queue")."""
        for stack in self._stacks:
            for logical, properties in stack.of(kind):
                yield stack, logical, properties

    def arns(self, service: str) -> list[str]:
        """The ARNs of the resources of a service ("sqs")."""
        return [each for each in self.names if each.split(":")[2] == service]

    def rules(self) -> list[str]:
        """The ARNs of the rules of the bus."""
        return [each for each in self.arns("events") if each.split(":", 5)[5].startswith("rule/")]

    def name(self, resource: str) -> str:
        """The name of a resource, also of a part of one (an index, a log stream); else its ARN."""
        whole = [each for each in self.names if resource.startswith(each.removesuffix("*"))]
        return self.names[max(whole, key=len)] if whole else resource

    # ------------------------------------------------------------------------------ what is allowed

    def asks(self, request: Request) -> Answer:
        """What AWS would answer. The resource's policy is found by its ARN."""
        kind = Kind.ORDINARY
        if request.resource == self.key:
            kind = Kind.GUARDED
            request = _with_context_keys(request)
        elif ":role/" in request.resource:
            kind = Kind.GUARDED
        return answer(request, self.policies.get(request.resource), ACCOUNT, kind)

    def decides(self, statement: Mapping[str, Json], request: Request) -> bool:
        """Whether this statement alone, as the resource's policy, would let a service in."""
        return answer(_with_context_keys(request), {"Statement": [statement]}, ACCOUNT).allowed

    # ------------------------------------------------------------------------------ reading

    def _imported(self, name: str) -> str:
        for stack in self._stacks:
            if name in stack.exports:
                return stack.text(stack.exports[name])
        raise UnresolvedError(f"no stack exports {name}")

    def _name_resources(self) -> None:
        ids = [logical for stack in self._stacks for logical in stack.resources]
        for kind, attribute, key in (
            ("SQS::Queue", "Arn", "KmsMasterKeyId"),
            ("SNS::Topic", "TopicArn", "KmsMasterKeyId"),
            ("DynamoDB::Table", "Arn", "SSESpecification"),
            ("Lambda::Function", "Arn", "KmsKeyArn"),
            ("Events::EventBus", "Arn", "KmsKeyIdentifier"),
            ("Logs::LogGroup", "Arn", "KmsKeyId"),
            ("S3::Bucket", "Arn", ""),
            ("KMS::Key", "Arn", ""),
            ("IAM::Role", "Arn", ""),
            ("Events::Rule", "Arn", ""),
        ):
            for stack, logical, properties in self.of(kind):
                found = stack.text({"Fn::GetAtt": [logical, attribute]})
                name = logical if ids.count(logical) == 1 else f"{stack.name}/{logical}"
                self.names[found], self.homes[name] = name, (stack.name, logical)
                sealed = properties.get(key)
                if isinstance(sealed, dict) and "KMSMasterKeyId" in sealed:
                    sealed = sealed["KMSMasterKeyId"]
                if sealed is not None:
                    self.keys[found] = stack.text(sealed)

    def _gather_policies(self) -> None:
        gathered: dict[str, list[Json]] = {}

        def add(resource: str, statements: Json) -> None:
            gathered.setdefault(resource, []).extend(self._read(resource, statements))

        for stack, _, properties in self.of("SQS::QueuePolicy"):
            for url in stack.value(properties["Queues"]):
                add(
                    arn("sqs", url.rpartition("/")[2]), stack.value(properties["PolicyDocument"])["Statement"]
                )
        for stack, _, properties in self.of("SNS::TopicPolicy"):
            for topic in stack.value(properties["Topics"]):
                add(topic, stack.value(properties["PolicyDocument"])["Statement"])
        for stack, _, properties in self.of("S3::BucketPolicy"):
            add(
                f"arn:aws:s3:::{stack.text(properties['Bucket'])}",
                stack.value(properties["PolicyDocument"])["Statement"],
            )
        for stack, logical, properties in self.of("KMS::Key"):
            add(
                stack.text({"Fn::GetAtt": [logical, "Arn"]}),
                stack.value(properties["KeyPolicy"])["Statement"],
            )
        for stack, _, properties in self.of("Lambda::Permission"):
            function, statement = self._permission(stack, properties)
            add(function, statement)
        for stack, logical, properties in self.of("IAM::Role"):
            role = stack.text({"Fn::GetAtt": [logical, "Arn"]})
            add(role, stack.value(properties["AssumeRolePolicyDocument"])["Statement"])
            policies = tuple(
                {"Statement": self._read(role, stack.value(each["PolicyDocument"])["Statement"])}
                for each in properties.get("Policies", ())
            )
            self.roles[role] = Caller(role, ACCOUNT, policies)
        self.policies = {each: {"Statement": found} for each, found in gathered.items()}

    def _read(self, resource: str, statements: Json) -> list[Json]:
        """The statements that can be evaluated."""
        good = []
        for statement in some(statements):
            if why := unreadable(statement):
                name = self.names.get(resource, resource)
                message = f"{name}: statement {statement.get('Sid', '(no name)')}: {why}"
                self.unread.append(Finding(name, "policies_are_read", message))
            else:
                good.append(statement)
        return good

    def _permission(self, stack: Stack, properties: Mapping[str, Json]) -> tuple[str, Json]:
        """A Lambda permission as the statement that Lambda makes of it (AddPermission, API reference)."""
        named = stack.text(properties["FunctionName"])
        function = named if named.startswith("arn:") else arn("lambda", f"function:{named}")
        condition: dict[str, Json] = {}
        if "SourceArn" in properties:
            condition["ArnLike"] = {"AWS:SourceArn": stack.text(properties["SourceArn"])}
        if "SourceAccount" in properties:
            condition["StringEquals"] = {"AWS:SourceAccount": stack.text(properties["SourceAccount"])}
        return function, {
            "Effect": "Allow",
            "Principal": {"Service": stack.text(properties["Principal"])},
            "Action": stack.text(properties["Action"]),
            "Resource": function,
            "Condition": condition,
        }

    def _functions(self) -> Iterator[FunctionIdentity]:
        mapped: dict[str, list[str]] = {}
        for stack, _, properties in self.of("Lambda::EventSourceMapping"):
            named = stack.text(properties["FunctionName"]).rpartition(":")[2]
            mapped.setdefault(named, []).append(stack.text(properties["EventSourceArn"]))
        for stack, logical, properties in self.of("Lambda::Function"):
            name = stack.text(properties["FunctionName"])
            yield FunctionIdentity(
                logical=logical,
                name=name,
                arn=arn("lambda", f"function:{name}"),
                source=stack.text(properties["Environment"]["Variables"]["POWERTOOLS_SERVICE_NAME"]),
                role=self.roles[stack.text(properties["Role"])],
                log_group=arn("logs", f"log-group:/aws/lambda/{name}:*"),
                queues=tuple(mapped.get(name, ())),
            )


def _with_context_keys(request: Request) -> Request:
    """KMS says which keys an encryption context has (KMS developer guide, "AWS KMS condition keys")."""
    prefix = "kms:EncryptionContext:"
    keys = [name.removeprefix(prefix) for name in request.context if name.startswith(prefix)]
    return request.over(**{"kms:EncryptionContextKeys": keys}) if keys else request


def arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"
