"""What came out: who is touched, by what, and what has to be done about it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Any


class Work(Enum):
    """What a change may ask for."""

    TEST = "test"
    BUILD = "build"
    DEPLOY = "deploy"


@dataclass(frozen=True, order=True)
class Reason:
    """Why a package or suite is touched, as a sentence about it, and by which changed files."""

    text: str
    files: tuple[str, ...]


@dataclass(frozen=True)
class Affected:
    """Who is touched since when.

    `since` is a description in words, `base` the commit that files were compared with (None: each package
    with its own last release). `works` has an entry for each package and suite that is touched, in the order
    of the workspace: what to do, and why. `nobodys` are changed files that no rule knows.
    """

    since: str
    base: str | None
    changed: tuple[str, ...]
    works: Mapping[str, Mapping[Work, tuple[Reason, ...]]]
    nobodys: tuple[str, ...] = ()

    def to(self, work: Work) -> tuple[str, ...]:
        """Who is to be tested (packages and suites), built or deployed (packages)."""
        return tuple(name for name, works in self.works.items() if work in works)

    def reasons(self, name: str) -> tuple[Reason, ...]:
        """Every reason why this package or suite is touched."""
        found = {reason: None for reasons in self.works.get(name, {}).values() for reason in reasons}
        return tuple(found)

    def among(self, names: Iterable[str], work: Work) -> tuple[str, ...]:
        """Those of these names that the work is to be done for; of all where none is named."""
        wanted = set(names)
        return tuple(name for name in self.to(work) if not wanted or name in wanted)

    def as_json(self) -> dict[str, Any]:
        """For machines: one list per kind of work, then why."""
        return {
            "since": self.since,
            "base": self.base,
            **{work.value: list(self.to(work)) for work in Work},
            "why": {
                name: {
                    work.value: [{"reason": r.text, "files": list(r.files)} for r in reasons]
                    for work, reasons in works.items()
                }
                for name, works in self.works.items()
            },
            "nobodys": list(self.nobodys),
            "changed": list(self.changed),
        }
