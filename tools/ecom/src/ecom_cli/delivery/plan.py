"""What a deployment would do, stack by stack, in plain words, before it does it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.delivery.artifacts import Artifact
from ecom_cli.delivery.changesets import Change, ChangeSet
from ecom_cli.delivery.stacks import NEVER_CREATED, Stack
from ecom_cli.delivery.tags import Running, running
from ecom_cli.errors import EcomError

UNCHANGED = "unchanged"


@dataclass
class Step:
    """One stack: what is to be deployed, and the change set that waits for it.

    `found` is the stack as it is; None where there is none, or only what a failed creation left (`leftover`).
    `later` says why there is no change set yet; it is empty where there is one, or nothing to change.
    `dropped` are parameters that were set and that this template has no place for; `losses` what would go.
    """

    artifact: Artifact
    stack: Stack
    found: dict[str, Any] | None = None
    leftover: bool = False
    change_set: ChangeSet | None = None
    later: str = ""
    dropped: Mapping[str, str] = field(default_factory=dict)
    losses: Sequence[str] = ()
    seconds: float = 0.0

    @property
    def service(self) -> str:
        return self.artifact.dist

    @property
    def changes(self) -> bool:
        return bool(self.change_set or self.later)

    @property
    def to(self) -> Running:
        return Running(self.artifact.version, self.artifact.commit, self.artifact.release)

    @property
    def changed(self) -> tuple[Change, ...]:
        return self.change_set.changes if self.change_set else ()

    def lines(self) -> list[str]:
        """For people, a line each."""
        if not self.changes:
            return [UNCHANGED]
        before = running(self.found).words if self.found else "new"
        head = self.to.words if before == self.to.words else f"{before} → {self.to.words}"
        found = [head]
        found += [
            f"drops {name}={value}: this template has no such parameter"
            for name, value in self.dropped.items()
        ]
        if self.later:
            found.append(self.later)
        if self.change_set:
            found += self.change_set.summary()
        return found + [f"LOSES: {loss}" for loss in self.losses]

    def as_json(self) -> dict[str, Any]:
        before = running(self.found)
        return {
            "service": self.service,
            "stack": self.stack.name,
            "changes": self.changes,
            "from": {"version": before.version, "release": before.release, "commit": before.commit}
            if self.found
            else None,
            "to": {"version": self.to.version, "release": self.to.release, "commit": self.to.commit},
            "words": self.lines(),
            "planned": not self.later,
            "loses": list(self.losses),
        }


@dataclass
class Plan:
    """All steps of one call."""

    stage: Stage
    steps: Sequence[Step]

    @property
    def changes(self) -> bool:
        return any(step.changes for step in self.steps)

    def as_json(self) -> list[dict[str, Any]]:
        return [step.as_json() for step in self.steps]

    def discard(self) -> None:
        """Take all change sets back; stacks are as they were."""
        for step in self.steps:
            if step.change_set:
                step.stack.discard(step.change_set)
                step.change_set = None


def refuse_losses(steps: Sequence[Step], left: str = "nothing was changed") -> None:
    """Raises EcomError naming what these steps would take away for good. `left`: how things are now."""
    lines = [f"  {step.service} {loss}" for step in steps for loss in step.losses]
    if lines:
        raise EcomError(
            "\n".join([f"Data would be lost, so {left}:", *lines]),
            "If that is what you want, repeat it with --allow-replace.",
        )


def step_for(artifact: Artifact, stack: Stack, found: dict[str, Any] | None) -> Step:
    """A step for a stack as it was found. Raises EcomError for one that takes no change now."""
    status = found["StackStatus"] if found else ""
    if status == "REVIEW_IN_PROGRESS":
        # it has no resources, only change sets: ours goes beside one left, or being made, there
        return Step(artifact, stack)
    if status in NEVER_CREATED:
        return Step(
            artifact, stack, leftover=True, later=f"clears away what a failed creation left ({status})"
        )
    if status.endswith("_IN_PROGRESS"):
        raise EcomError(f"{stack.name} is {status}: somebody deploys it now.", "Try again when that is done.")
    if status.endswith("_FAILED"):
        raise EcomError(
            f"{stack.name} is {status} and takes no update.",
            "`./ecom destroy` finishes a failed delete; continue a failed rollback in the AWS console.",
        )
    return Step(artifact, stack, found)
