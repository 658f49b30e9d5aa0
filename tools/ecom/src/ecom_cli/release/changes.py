"""What commits changed, by their subjects: https://www.conventionalcommits.org."""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from ecom_cli.git import Commit
from ecom_cli.release.versions import Bump, Version

BREAKING, ADDED, FIXED, CHANGED = "Breaking", "Added", "Fixed", "Changed"

_TYPES = {
    "feat": ADDED, "fix": FIXED, "perf": CHANGED, "revert": CHANGED,
    # what its users cannot notice
    "build": None, "chore": None, "ci": None, "docs": None, "refactor": None, "style": None, "test": None,
}  # fmt: skip
_SUBJECT = re.compile(r"(?P<type>[A-Za-z]+)(\((?P<scope>[^()]*)\))?(?P<bang>!)?: +(?P<text>.+)")
_FOOTER = re.compile(r"^BREAKING[ -]CHANGE: +(?P<text>.+)$", re.MULTILINE)


@dataclass(frozen=True)
class Change:
    """One commit as a changelog tells it. `heading` is None for what its users cannot notice."""

    heading: str | None
    text: str
    sha: str

    @classmethod
    def of(cls, commit: Commit, name: str) -> Change:
        """What a commit says. A subject that follows no convention is a change like any other.

        `name`: whose changelog it is for; another scope than that is said.
        """
        match = _SUBJECT.fullmatch(commit.subject)
        if match is None or match["type"].lower() not in _TYPES:
            heading: str | None = CHANGED
            text, bang = commit.subject, False
        else:
            heading, bang = _TYPES[match["type"].lower()], bool(match["bang"])
            scope = match["scope"]
            text = match["text"] if scope in (None, "", name) else f"{scope}: {match['text']}"
        footer = _FOOTER.search(commit.body)
        if footer:
            text = f"{text}: {footer['text']}"
        return cls(BREAKING if bang or footer else heading, text, commit.sha)


@dataclass(frozen=True)
class Changes:
    """What happened since a release: to the member itself, and to the libraries that it carries along."""

    own: tuple[Change, ...]
    libraries: tuple[tuple[str, tuple[Change, ...]], ...] = ()

    def __bool__(self) -> bool:
        return bool(self.own or self.libraries)

    def bump(self, current: Version) -> Bump:
        """The least bump that says what happened.

        Before 1.0.0 nothing is promised yet, so that a break asks for a minor version only: 1.0.0 is a
        decision, made by `--bump major`. A library's change is a patch of those who carry it: what they
        promise themselves has not changed.
        """
        kinds = {change.heading for change in self.own}
        if BREAKING in kinds:
            return Bump.MAJOR if current.major else Bump.MINOR
        return Bump.MINOR if ADDED in kinds else Bump.PATCH


def told(commits: Iterable[Commit], name: str) -> tuple[Change, ...]:
    return tuple(Change.of(commit, name) for commit in commits)
