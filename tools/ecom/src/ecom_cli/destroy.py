"""Takes stacks away, in the reverse of their order, and says what stays by policy."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.deploy import selected
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.schedule import in_order
from ecom_cli.stacks import Stack
from ecom_cli.templates import parse_template
from ecom_cli.workspace import Member, Workspace, workspace


@dataclass(frozen=True)
class Destroyed:
    """What became of one stack. `status`: deleted or absent; `retained`: what stays, by DeletionPolicy."""

    service: str
    stack: str
    status: str
    retained: list[dict[str, str]] = field(default_factory=list)

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

    Raises EcomError on a production stage without `yes`, for a stack that others still need, and for what
    would not go.
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
    if protected := _protected_tables(stage, list(members.values())):
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


def _protected_tables(stage: Stage, members: Sequence[Member]) -> list[str]:
    """The tables that would refuse to go. Asked first: a stack that stops at its table has lost the rest."""
    stacks = [Stack(stage, stage.stack_name(member)) for member in members]
    tables = [
        resource["PhysicalResourceId"]
        for stack in stacks
        if stack.describe() is not None
        for resource in stack.resources()
        if resource["ResourceType"] == "AWS::DynamoDB::Table" and resource.get("PhysicalResourceId")
    ]
    dynamodb = stage.client("dynamodb")
    return [
        name
        for name in tables
        if dynamodb.describe_table(TableName=name)["Table"].get("DeletionProtectionEnabled")
    ]


def _destroy(stage: Stage, member: Member, report: Reporter) -> Destroyed:
    stack = Stack(stage, stage.stack_name(member))
    if stack.describe() is None:
        report.note(member.dist, "is not there")
        return Destroyed(member.dist, stack.name, "absent")
    policy = parse_template(stack.template_text(), stack.name).retained
    resources = stack.resources()
    retained = [
        {
            "logical_id": resource["LogicalResourceId"],
            "type": resource["ResourceType"],
            "physical_id": resource["PhysicalResourceId"],
        }
        for resource in resources
        if resource["LogicalResourceId"] in policy and resource.get("PhysicalResourceId")
    ]
    for resource in resources:
        if resource["ResourceType"] == "AWS::S3::Bucket" and resource["LogicalResourceId"] not in policy:
            count = _empty(stage, resource["PhysicalResourceId"])
            report.note(member.dist, f"emptied {resource['PhysicalResourceId']} ({count} objects)")
    try:
        stack.delete(lambda done, total: report.progress(member.dist, done, total))
    finally:
        report.finished(member.dist)
    report.note(member.dist, "deleted")
    for kept in retained:
        report.note(
            member.dist, f"kept by policy: {kept['logical_id']} ({kept['type']}) {kept['physical_id']}"
        )
    return Destroyed(member.dist, stack.name, "deleted", retained)


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
