"""Versions `MAJOR.MINOR.PATCH`, and the tags that name a member's releases."""

from __future__ import annotations

import re
from enum import IntEnum
from typing import NamedTuple

from ecom_cli.errors import EcomError
from ecom_cli.git import Git

_VERSION = re.compile(r"(0|[1-9]\d*)\.(0|[1-9]\d*)\.(0|[1-9]\d*)")


class Bump(IntEnum):
    """How much a change asks of those who use what has changed: nothing, nothing, attention."""

    PATCH = 1
    MINOR = 2
    MAJOR = 3


class Version(NamedTuple):
    """A version by semver.org, without pre-releases: what is not finished is deployed from the tree."""

    major: int
    minor: int
    patch: int

    @classmethod
    def parse(cls, text: str, of: str = "A version") -> Version:
        if not (match := _VERSION.fullmatch(text)):
            raise EcomError(f"{of} is {text!r}.", "Versions here are MAJOR.MINOR.PATCH, as in 1.2.0.")
        return cls(*map(int, match.groups()))

    def bumped(self, bump: Bump) -> Version:
        if bump is Bump.MAJOR:
            return Version(self.major + 1, 0, 0)
        if bump is Bump.MINOR:
            return Version(self.major, self.minor + 1, 0)
        return Version(self.major, self.minor, self.patch + 1)

    def __str__(self) -> str:
        return f"{self.major}.{self.minor}.{self.patch}"


def tag_of(name: str, version: Version) -> str:
    return f"{name}/v{version}"


def named(text: str) -> tuple[str, str]:
    """Name and version of `NAME`, of `NAME@VERSION`, with a v or not, and of a tag, `NAME/vVERSION`; no
    version: empty.

    The tag is what an automation has in its hands, and it should not have to take it apart.
    """
    name, _, version = text.replace("/v", "@", 1).partition("@")
    return name, version.removeprefix("v")


def released(git: Git, name: str, *where: str) -> list[Version]:
    """The versions that have a tag, highest first; `where`: further arguments to `git tag`.

    Tags that look alike but hold no version, such as `order-service/v2-idea`, are nobody's release.
    """
    listed = git.run("tag", "--list", *where, f"{name}/v*").split()
    texts = (tag.removeprefix(f"{name}/v") for tag in listed)
    return sorted((Version.parse(text) for text in texts if _VERSION.fullmatch(text)), reverse=True)


def last_released(git: Git, name: str) -> Version | None:
    """The highest version that the present commit contains; None before the first.

    Not the highest of all: a fix of 1.2.0 on a branch of its own follows 1.2.0, whatever else is out.
    """
    return next(iter(released(git, name, "--merged", "HEAD")), None)
