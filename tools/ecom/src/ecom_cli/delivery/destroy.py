"""Takes stacks away, in the reverse of their order, and says what stays by policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.delivery.artifacts import selected
from ecom_cli.delivery.schedule import in_order
from ecom_cli.delivery.stacks import Stack
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.templates import parse_template
from ecom_cli.workspace import Member, Workspace, workspace

TABLE = "AWS::DynamoDB::Table"


@dataclass(frozen=True)
class Destroyed:
    """What became of one stack. `status`: deleted or absent; `retained`: what stays, by DeletionPolicy.

    `tables`: those that would have stayed and were deleted all the same, since the stage is not production.
    """

    service: str
    stack: str
    status: str
    retained: list[dict[str, str]] = field(default_factory=list)
    tables: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def destroy(
    stage: Stage,
    services: Sequence[str] = (),
    *,
    yes: bool = False,
    report: Reporter | None = None,
    repo: Workspace | None = None,
) -> list[Destroyed]:
    """Delete these services' stacks (all of them when none is named), services first, base-infra last.

    On a production stage tables stay, by policy; elsewhere they go with their stacks.
    Raises EcomError on a production stage without `yes`, for a stack that others still need, for what is
    protected, and for what would not go.
    """
    if stage.is_production and not yes:
        raise EcomError(
            f"{stage.name} is a production stage: nothing was deleted.",
            "If you are sure, repeat it with --yes.",
        )
    repo = repo or workspace()
    members = {member.dist: member for member in selected(repo, services)}
    for needing in repo.stacks:
        needed = sorted(set(needing.depends_on) & set(members))
        if needed and needing.dist not in members and Stack(stage, stage.stack_name(needing)).describe():
            raise EcomError(
                f"{needing.dist} is deployed and needs {', '.join(needed)}.",
                f"Destroy {needing.dist} as well.",
            )
    after = {
        name: {other.dist for other in members.values() if name in other.depends_on}
        for name in reversed(members)
    }
    stacks = [Stack(stage, stage.stack_name(member)) for member in members.values()]
    if protected := _protected_stacks(stacks):
        raise EcomError(
            f"Termination protection is on for {', '.join(protected)}: nothing was deleted.",
            "If the stage may go: `aws cloudformation update-termination-protection "
            "--no-enable-termination-protection --stack-name …` for each, then repeat this.",
        )
    if protected := _protected_tables(stage, stacks):
        raise EcomError(
            f"Deletion protection is on for {', '.join(protected)}: nothing was deleted.",
            "If the rows may go: `aws dynamodb update-table --no-deletion-protection-enabled --table-name …` "
            "for each, then repeat this.",
        )
    with report or Reporter() as report:
        try:
            return list(in_order(after, lambda name: _destroy(stage, members[name], report)).values())
        finally:
            stage.forget()


def _protected_stacks(stacks: Sequence[Stack]) -> list[str]:
    """The stacks that CloudFormation would refuse to delete. All are asked before the first one goes."""
    return [
        stack.name
        for stack in stacks
        if (found := stack.describe()) is not None and found.get("EnableTerminationProtection")
    ]


def _protected_tables(stage: Stage, stacks: Sequence[Stack]) -> list[str]:
    """The tables that would refuse to go. Asked first: a stack that stops at its table has lost the rest."""
    tables = [
        resource["PhysicalResourceId"]
        for stack in stacks
        if stack.describe() is not None
        for resource in stack.resources()
        if resource["ResourceType"] == TABLE
        and resource.get("PhysicalResourceId")
        and not (stage.is_production and resource["LogicalResourceId"] in _policy(stack))
    ]
    return [name for name in tables if _is_protected(stage, name)]


def _is_protected(stage: Stage, table: str) -> bool:
    """Whether a table refuses to be deleted. One that is gone (an earlier try stopped half-way) does not."""
    dynamodb = stage.client("dynamodb")
    try:
        found = dynamodb.describe_table(TableName=table)["Table"]
    except dynamodb.exceptions.ResourceNotFoundException:
        return False
    return bool(found.get("DeletionProtectionEnabled"))


def _destroy(stage: Stage, member: Member, report: Reporter) -> Destroyed:
    stack = Stack(stage, stage.stack_name(member))
    if stack.describe() is None:
        report.note(member.dist, "is not there")
        return Destroyed(member.dist, stack.name, "absent")
    policy = _policy(stack)
    resources = stack.resources()
    kept = [
        {
            "logical_id": resource["LogicalResourceId"],
            "type": resource["ResourceType"],
            "physical_id": resource["PhysicalResourceId"],
        }
        for resource in resources
        if resource["LogicalResourceId"] in policy and resource.get("PhysicalResourceId")
    ]
    # A policy cannot depend on the stage, so tables stay on all of them; where the stage is not production,
    # they are only in the way of the next. Before their stack, so that repeating this finds what is left.
    tables = [] if stage.is_production else [thing for thing in kept if thing["type"] == TABLE]
    for table in tables:
        _drop(stage, table["physical_id"])
        report.note(member.dist, f"deleted {table['physical_id']} with its rows")
    retained = [thing for thing in kept if thing not in tables]
    for resource in resources:
        if resource["ResourceType"] == "AWS::S3::Bucket" and resource["LogicalResourceId"] not in policy:
            count = _empty(stage, resource["PhysicalResourceId"])
            report.note(member.dist, f"emptied {resource['PhysicalResourceId']} ({count} objects)")
    try:
        stack.delete(lambda done, total: report.progress(member.dist, done, total))
    finally:
        report.finished(member.dist)
    report.note(member.dist, "deleted")
    for stays in retained:
        report.note(
            member.dist, f"kept by policy: {stays['logical_id']} ({stays['type']}) {stays['physical_id']}"
        )
    return Destroyed(member.dist, stack.name, "deleted", retained, [table["physical_id"] for table in tables])


def _policy(stack: Stack) -> set[str]:
    """Logical ids of what stays when the stack is deleted, by the template that it was deployed with."""
    return parse_template(stack.template_text(), stack.name).retained


def _drop(stage: Stage, table: str) -> None:
    """Delete a table and wait until its name is free; one that is gone already is fine."""
    dynamodb = stage.client("dynamodb")
    try:
        dynamodb.delete_table(TableName=table)
    except dynamodb.exceptions.ResourceNotFoundException:
        return
    pause = {"Delay": 1, "MaxAttempts": 300}
    dynamodb.get_waiter("table_not_exists").wait(TableName=table, WaiterConfig=pause)


def _empty(stage: Stage, bucket: str) -> int:
    """Delete every version of every object of a bucket that the stack is about to delete; return how many."""
    s3, count = stage.client("s3"), 0
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        versions = [*page.get("Versions", ()), *page.get("DeleteMarkers", ())]
        if versions:
            objects = [{"Key": version["Key"], "VersionId": version["VersionId"]} for version in versions]
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": objects, "Quiet": True})
            if errors := answer.get("Errors"):
                raise EcomError(f"{bucket} could not be emptied: {errors[0]['Key']}: {errors[0]['Message']}")
            count += len(versions)
    return count
