"""What a change set says, in plain words."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True)
class Change:
    """One line of a change set. `action`: Add, Modify, Remove, Import or Dynamic."""

    action: str
    logical_id: str
    type: str
    replacement: str = ""
    scope: tuple[str, ...] = ()
    properties: tuple[str, ...] = ()
    physical_id: str = ""

    @property
    def only_tags(self) -> bool:
        """Whether the resource stays what it is and only takes on the stack's new tags."""
        return self.action == "Modify" and self.scope == ("Tags",)

    def __str__(self) -> str:
        verb = {"Add": "adds", "Remove": "removes", "Modify": "changes"}.get(self.action, self.action.lower())
        what = f"{self.logical_id} ({self.type})"
        if self.action == "Modify" and self.replacement == "True":
            return f"REPLACES {what}: what it holds is not carried over"
        if self.action == "Modify" and self.replacement == "Conditional":
            return f"changes {what}, replacing it if need be"
        parts = self.properties or tuple(part.lower() for part in self.scope)
        return f"{verb} {what}" + (f": {', '.join(parts)}" if parts else "")


@dataclass(frozen=True)
class ChangeSet:
    """A change set that waits to be executed. `changes` is empty where only outputs differ."""

    id: str
    creates: bool
    changes: tuple[Change, ...]
    stack_id: str = ""

    def summary(self) -> list[str]:
        """The changes in plain words, a line each; a stack's new tags reach every resource and get one."""
        if self.creates:
            return [f"creates {len(self.changes)} resources"]
        lines = [str(change) for change in self.changes if not change.only_tags]
        if tagged := len(self.changes) - len(lines):
            lines.append(f"changes the tags of {tagged} more" if lines else f"changes the tags of {tagged}")
        return lines or ["changes outputs only"]


@dataclass(frozen=True)
class Request:
    """What a stack should be. `parameters` is in CloudFormation's form."""

    template: dict[str, str]  # TemplateBody or TemplateURL
    parameters: list[dict[str, Any]]
    tags: dict[str, str]


def read_change(raw: dict[str, Any]) -> Change:
    """One ResourceChange of DescribeChangeSet."""
    targets = [detail.get("Target", {}) for detail in raw.get("Details", ())]
    properties = {
        target["Name"] for target in targets if target.get("Attribute") == "Properties" and "Name" in target
    }
    return Change(
        raw["Action"],
        raw["LogicalResourceId"],
        raw["ResourceType"],
        raw.get("Replacement", ""),
        tuple(raw.get("Scope", ())),
        tuple(sorted(properties)),
        raw.get("PhysicalResourceId", ""),
    )
