"""A stack's tags: they say what runs there, and what ran there before."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

KEPT_RELEASES = 5
"""How many earlier releases a stack remembers; their names have to fit in one tag (256 characters)."""
_NO_RELEASE = "none"  # a tag's value cannot be empty


@dataclass(frozen=True)
class Running:
    """What a stack runs, by its tags. `release` is a git tag; None for what came from a working tree.

    `previous` are the releases before this one, newest first. `contract` is the sha256 of its contract.
    """

    version: str | None = None
    commit: str | None = None
    release: str | None = None
    previous: tuple[str, ...] = ()
    contract: str | None = None

    @property
    def words(self) -> str:
        """For people: `payment-service/v1.3.0`, or `working tree at 1a2b3c4d`."""
        if self.release:
            return self.release
        return f"working tree at {short(self.commit)}" if self.commit else "working tree"

    def before(self, release: str | None) -> tuple[str, ...]:
        """The earlier releases once `release` (None: a working tree) runs in its place."""
        earlier = (self.release, *self.previous) if self.release else self.previous
        return tuple(dict.fromkeys(name for name in earlier if name != release))[:KEPT_RELEASES]


def running(found: Mapping[str, Any] | None) -> Running:
    """What a stack (as DescribeStacks has it; None: there is none) runs."""
    tags = {tag["Key"]: tag["Value"] for tag in (found or {}).get("Tags", ())}
    release = tags.get("Release", _NO_RELEASE)
    return Running(
        tags.get("Version"),
        tags.get("Commit"),
        None if release == _NO_RELEASE else release,
        tuple(tags.get("Previous", "").split()),
        tags.get("Contract"),
    )


def tags_for(stage: str, service: str, runs: Running) -> dict[str, str]:
    """All tags of a stack that runs this."""
    tags = {
        "Project": "ecom",
        "Stage": stage,
        "Service": service,
        "Version": runs.version,
        "Commit": runs.commit,
        "Release": runs.release or _NO_RELEASE,
        "Previous": " ".join(runs.previous),
        "Contract": runs.contract,
    }
    return {key: value for key, value in tags.items() if value}


def short(commit: str | None) -> str:
    """A commit as people read it; what follows a full id (`+changes`) stays."""
    sha, plus, rest = (commit or "").partition("+")
    return sha[:10] + plus + rest
