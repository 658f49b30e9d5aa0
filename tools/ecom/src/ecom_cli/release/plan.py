"""What a release would be: its version, its section in the changelog, the files that its commit changes."""

from __future__ import annotations

import re
import time
import tomllib
from dataclasses import dataclass

from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.release import changelog
from ecom_cli.release.changes import Changes, told
from ecom_cli.release.versions import Bump, Version, last_released, tag_of
from ecom_cli.workspace import Member, Workspace, text_of

_VERSION_LINE = re.compile(
    r'(?P<before>^\[project\]$(?:\n(?!\[).*)*?\nversion *= *")[^"]*(?=")', re.MULTILINE
)


@dataclass(frozen=True)
class Plan:
    """A release before it is made, on top of the commit `head`.

    `why` says how the version came about, `last` is the tag before it.

    `files` are the texts that the release's commit changes, by path from the root: none where version and
    changelog already say it, and then the present commit is what is released.
    """

    member: Member
    head: str
    version: Version
    why: str
    last: str | None
    section: str
    files: dict[str, str]

    @property
    def tag(self) -> str:
        return tag_of(self.member.dist, self.version)

    @property
    def subject(self) -> str:
        """The subject of the release's commit."""
        return subject(self.member, self.version)


def subject(member: Member, version: Version) -> str:
    return f"chore({member.dist}): release {version}"


def plan(repo: Workspace, member: Member, bump: Bump | None) -> Plan:
    """Work out a release. `bump`: None to go by the commits.

    The version in pyproject.toml is the only place of the version. One that has no tag yet was chosen by
    hand, or by a release that was interrupted: it is released as it stands. Raises EcomError when nothing has
    changed.
    """
    git = Git(repo.root)
    folder = member.folder.relative_to(repo.root).as_posix()
    declared = Version.parse(member.version, f"The version in {folder}/pyproject.toml")
    last = last_released(git, member.dist)
    if last and declared < last:
        raise EcomError(
            f"{folder}/pyproject.toml says {declared}, but {last} has been released.",
            f"Write {last} there: the next version follows from it.",
        )
    tag = tag_of(member.dist, last) if last else None
    changes = changes_since(repo, member, tag)
    if declared == last and not changes:
        raise EcomError(
            f"Nothing of {member.dist} has changed since {tag}.",
            f"`./ecom dist {member.dist}@{last}` makes the artifacts of that release again.",
        )
    version, why = _version(git, member, declared, last, bump, changes)
    log = f"{folder}/CHANGELOG.md"
    before = text_of(repo.root / log) if (repo.root / log).is_file() else ""
    section, after = _section(repo, member, version, tag, changes, before)
    files = {log: after} if after != before else {}
    if version != declared:
        files[f"{folder}/pyproject.toml"] = with_version(member, version)
    return Plan(member, git.commit_of("HEAD"), version, why, tag, section, files)


def changes_since(repo: Workspace, member: Member, tag: str | None) -> Changes:
    """What happened to a member and to the libraries in its zip. Its own release commits do not count."""
    git = Git(repo.root)

    releases = re.compile(rf"chore\({re.escape(member.dist)}\): release \S+")
    own = [c for c in git.commits(tag, str(member.folder)) if not releases.fullmatch(c.subject)]
    seen = {commit.sha for commit in own}
    libraries = []
    for library in repo.libraries(member):
        carried = [c for c in git.commits(tag, str(library.source)) if c.sha not in seen]
        if carried:
            libraries.append((library.dist, told(carried, library.dist)))
            seen |= {commit.sha for commit in carried}
    return Changes(told(own, member.dist), tuple(libraries))


def with_version(member: Member, version: Version) -> str:
    """The member's pyproject.toml with another version and nothing else changed."""
    path = member.folder / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    edited = _VERSION_LINE.sub(lambda match: f"{match['before']}{version}", text, count=1)
    wanted = tomllib.loads(text)
    wanted["project"]["version"] = str(version)
    if tomllib.loads(edited) != wanted:
        raise EcomError(f'{path} has no plain line version = "…" in [project].', "Write it so.")
    return edited


def _version(
    git: Git, member: Member, declared: Version, last: Version | None, bump: Bump | None, changes: Changes
) -> tuple[Version, str]:
    """The version of the release, and why it is that one."""
    if declared != last:
        head = git.run("log", "-1", "--format=%s").strip()
        if head == subject(member, declared):
            return declared, "a release that was interrupted"
        if bump is None:
            return declared, "as pyproject.toml says"
        if last is not None:
            raise EcomError(
                f"The version {declared} of {member.dist} was written by hand and is not released yet.",
                f"Leave --bump away to release it, or set the version back to {last}.",
            )
    if bump is not None:
        return declared.bumped(bump), f"{bump.name.lower()}, as asked for"
    found = changes.bump(declared)
    return declared.bumped(
        found
    ), f"{found.name.lower()}, by the commits since {tag_of(member.dist, declared)}"


def _section(
    repo: Workspace, member: Member, version: Version, tag: str | None, changes: Changes, before: str
) -> tuple[str, str]:
    """The version's section, and the changelog that has it. One that somebody wrote stays as it is."""
    if written := changelog.find(before, version):
        return written, before
    span = f"{tag}..{tag_of(member.dist, version)}" if tag else tag_of(member.dist, version)
    day = time.strftime("%Y-%m-%d", time.gmtime())

    def listing(library: str | None) -> str:
        where = repo.member(library).source if library else member.folder
        return f"git log --oneline {span} -- {where.relative_to(repo.root).as_posix()}"

    new = changelog.section(version, day, changes, changelog.unreleased(before), listing)
    return new, changelog.with_section(before or f"# Changelog of {member.dist}\n", new)
