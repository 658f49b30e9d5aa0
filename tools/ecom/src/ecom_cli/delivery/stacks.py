"""CloudFormation, one stack at a time: change sets, waiting, and the reason of a failure."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any, TypeVar

from ecom_cli.aws import Stage
from ecom_cli.delivery.changesets import ChangeSet, Request, read_change
from ecom_cli.errors import EcomError

INLINE_TEMPLATE_BYTES = 51_200  # CreateChangeSet: TemplateBody; a longer one has to lie in a bucket
NEVER_CREATED = {"REVIEW_IN_PROGRESS", "ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"}
_NO_CHANGES = ("didn't contain changes", "No updates are to be performed")
_CONSEQUENCES = (
    "Resource creation cancelled",
    "Resource update cancelled",
    "The following resource(s) failed",
)
_GIVE_UP_AFTER = 3600.0  # seconds
ROLE_VARIABLE = "ECOM_CLOUDFORMATION_ROLE"
_LEFT_BEHIND = (
    "An earlier stack left it behind: tables outlive their stacks. If its rows may go, delete it and deploy "
    "again; if not, import it: `aws cloudformation create-change-set --change-set-type IMPORT …`."
)

_T = TypeVar("_T")
Progress = Callable[[int, int], None]  # resources done, resources in all


@dataclass
class Stack:
    """One stack by name."""

    stage: Stage
    name: str
    _cloudformation: Any = field(init=False, repr=False)

    def __post_init__(self) -> None:
        self._cloudformation = self.stage.client("cloudformation")

    def describe(self) -> dict[str, Any] | None:
        """The stack as DescribeStacks has it; None when there is none."""
        from botocore.exceptions import ClientError

        try:
            found: dict[str, Any] = self._cloudformation.describe_stacks(StackName=self.name)["Stacks"][0]
        except ClientError as error:
            if "does not exist" in error.response["Error"]["Message"]:
                return None
            raise
        return found

    @property
    def status(self) -> str | None:
        found = self.describe()
        return found["StackStatus"] if found else None

    def template_text(self) -> str:
        """The template as it was deployed."""
        body = self._cloudformation.get_template(StackName=self.name, TemplateStage="Original")[
            "TemplateBody"
        ]
        if isinstance(body, str):
            return body
        import json

        return json.dumps(body)  # botocore parses a template in JSON

    def resources(self) -> list[dict[str, Any]]:
        """Every resource of the stack that exists."""
        pages = self._cloudformation.get_paginator("list_stack_resources").paginate(StackName=self.name)
        return [
            resource
            for page in pages
            for resource in page["StackResourceSummaries"]
            if resource["ResourceStatus"] != "DELETE_COMPLETE"
        ]

    def propose(self, request: Request) -> ChangeSet | None:
        """Make a change set; None when the stack is already so (the empty change set is deleted).

        Raises EcomError with CloudFormation's reason when it refuses the template or the parameters.
        """
        from botocore.exceptions import ClientError

        creates = self.status in (None, "REVIEW_IN_PROGRESS")
        try:
            change_set = self._cloudformation.create_change_set(
                StackName=self.name,
                ChangeSetName=f"ecom-{uuid.uuid4().hex}",
                ChangeSetType="CREATE" if creates else "UPDATE",
                Capabilities=["CAPABILITY_IAM"],
                Parameters=request.parameters,
                Tags=[{"Key": key, "Value": value} for key, value in request.tags.items()],
                **_role(),
                **request.template,
            )["Id"]
        except ClientError as error:
            if error.response["Error"]["Code"] == "AlreadyExistsException":
                raise self._overtaken() from error
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            raise EcomError(f"{self.name} is refused: {error.response['Error']['Message']}") from error

        def finished() -> dict[str, Any] | None:
            answer: dict[str, Any] = self._cloudformation.describe_change_set(ChangeSetName=change_set)
            return answer if answer["Status"] in ("CREATE_COMPLETE", "FAILED") else None

        answer = self._wait(finished, f"the change set of {self.name}")
        if answer["Status"] == "FAILED":
            self.discard(ChangeSet(change_set, creates, ()))
            reason = answer.get("StatusReason", "")
            if any(text in reason for text in _NO_CHANGES):
                return None
            raise EcomError(f"{self.name} is refused: {reason}")
        changes = [read_change(change["ResourceChange"]) for change in answer["Changes"]]
        while token := answer.get("NextToken"):
            answer = self._cloudformation.describe_change_set(ChangeSetName=change_set, NextToken=token)
            changes += [read_change(change["ResourceChange"]) for change in answer["Changes"]]
        return ChangeSet(change_set, creates, tuple(changes), answer["StackId"])

    def discard(self, change_set: ChangeSet) -> None:
        """Delete a change set, and the empty stack that it was made for."""
        from botocore.exceptions import ClientError

        self._cloudformation.delete_change_set(ChangeSetName=change_set.id)
        if change_set.creates and self.status == "REVIEW_IN_PROGRESS":
            try:
                self._cloudformation.delete_stack(StackName=self.name)
            except ClientError as error:
                # who may not delete stacks leaves it there: it is empty, and in nobody's way
                if error.response["Error"]["Code"] not in ("AccessDenied", "AccessDeniedException"):
                    raise

    def execute(self, change_set: ChangeSet, progress: Progress) -> None:
        """Execute and wait. Raises EcomError naming the resource that failed first, and why."""
        from botocore.exceptions import ClientError

        if change_set.creates and (self.describe() or {}).get("StackId") != change_set.stack_id:
            raise self._overtaken()  # another stack has been begun under this name
        seen = {event["EventId"] for event in self.events()}
        # a creation that fails takes everything away again, retained resources too: they are still empty,
        # and their names have to be free for the next attempt
        keep = {"RetainExceptOnCreate": True} if change_set.creates else {}
        try:
            self._cloudformation.execute_change_set(ChangeSetName=change_set.id, **keep)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("ChangeSetNotFound", "InvalidChangeSetStatus"):
                raise
            raise self._overtaken() from error
        touched = {c.logical_id for c in change_set.changes}

        def finished() -> str | None:
            status = self.status or "DELETE_COMPLETE"
            done = {
                event["LogicalResourceId"]
                for event in self.events(seen)
                if event["ResourceStatus"].endswith("_COMPLETE")
            }
            progress(len(done & touched), len(touched))
            return None if status.endswith("_IN_PROGRESS") else status

        status = self._wait(finished, self.name)
        if status not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            reason = self.first_failure(seen)
            raise EcomError(
                f"{self.name} failed ({status}). {reason}", _LEFT_BEHIND if "exists" in reason else ""
            )

    def _overtaken(self) -> EcomError:
        return EcomError(
            f"{self.name} has changed since its changes were worked out: somebody else deploys it now.",
            "Try again when that is done.",
        )

    def protect(self) -> bool:
        """Switch termination protection on; False where it is on already. Only a person switches it off."""
        found = self.describe()
        if found is None or found.get("EnableTerminationProtection"):
            return False
        self._cloudformation.update_termination_protection(
            StackName=self.name, EnableTerminationProtection=True
        )
        return True

    def delete(self, progress: Progress) -> None:
        """Delete the stack and wait. Raises EcomError naming the resource that would not go, and why."""
        found = self.describe()
        if found is None:
            return
        # a deleted stack answers to its id only, no longer to its name
        by_id = Stack(self.stage, found["StackId"])
        seen = {event["EventId"] for event in by_id.events()}
        total = len(self.resources())
        self._cloudformation.delete_stack(StackName=self.name)

        def finished() -> str | None:
            status = by_id.status or "DELETE_COMPLETE"
            gone = {
                e["LogicalResourceId"] for e in by_id.events(seen) if e["ResourceStatus"] == "DELETE_COMPLETE"
            }
            progress(min(len(gone), total), total)
            return None if status.endswith("_IN_PROGRESS") else status

        status = self._wait(finished, self.name)
        if status != "DELETE_COMPLETE":
            raise EcomError(f"{self.name} could not be deleted ({status}). {by_id.first_failure(seen)}")

    def events(self, seen: set[str] | None = None) -> list[dict[str, Any]]:
        """The stack's events, oldest first; with `seen`, those that came after these ids."""
        from botocore.exceptions import ClientError

        found: list[dict[str, Any]] = []
        try:
            for page in self._cloudformation.get_paginator("describe_stack_events").paginate(
                StackName=self.name
            ):
                new = [event for event in page["StackEvents"] if event["EventId"] not in (seen or ())]
                found += new
                if seen and len(new) < len(page["StackEvents"]):
                    break
        except ClientError as error:
            if "does not exist" not in error.response["Error"]["Message"]:
                raise
        return found[::-1]

    def first_failure(self, seen: set[str]) -> str:
        """The first resource that failed after `seen`, and why: what came later was its consequence."""
        for event in self.events(seen):
            reason = event.get("ResourceStatusReason", "")
            failed = event["ResourceStatus"].endswith("_FAILED")
            if failed and not any(text in reason for text in _CONSEQUENCES):
                return (
                    f"{event['LogicalResourceId']} ({event['ResourceType']}): {reason or 'no reason given'}"
                )
        return (self.describe() or {}).get("StackStatusReason") or "CloudFormation gives no reason."

    def _wait(self, finished: Callable[[], _T | None], what: str) -> _T:
        pause, limit = (0.1, 120.0) if self.stage.is_emulator else (3.0, _GIVE_UP_AFTER)
        deadline = time.monotonic() + limit
        while (answer := finished()) is None:
            if time.monotonic() > deadline:
                raise EcomError(f"Waited {limit:.0f} seconds for {what}.", "Look at the stack's events.")
            time.sleep(pause)
        return answer


def _role() -> dict[str, str]:
    """The role that CloudFormation works with; without one, the stack's last one or the caller's rights."""
    arn = os.environ.get(ROLE_VARIABLE)
    return {"RoleARN": arn} if arn else {}
