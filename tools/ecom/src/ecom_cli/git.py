"""What the tool asks git, and the few things it has git do. Everything else about git is the user's."""

from __future__ import annotations

import os
import re
import subprocess  # nosec B404  # it starts git, nothing else
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecom_cli.errors import EcomError

_CONTROL = re.compile(r"[^\S\n ]|[\x00-\x09\x0b-\x1f\x7f-\x9f]")


@dataclass(frozen=True)
class Commit:
    """One commit. `when` is its committer date in seconds since 1970."""

    sha: str
    when: int
    subject: str
    body: str


@dataclass(frozen=True)
class Git:
    """The repository whose top folder is `root`. Every method raises EcomError with git's own words."""

    root: Path

    def run(self, *arguments: str, env: dict[str, str] | None = None) -> str:
        """Run git and return what it printed, as it stands."""
        done = self._ask(arguments, env)
        if done.returncode:
            said = (done.stderr or done.stdout).strip() or f"exit code {done.returncode}"
            settings = 2 * arguments.count("-c")  # each with its value, before the command
            raise EcomError(f"git {arguments[settings]}: {said}")
        return done.stdout

    def is_repository(self) -> bool:
        """Whether `root` is the top of a repository (a copy without .git can still build and deploy)."""
        done = self._ask(("rev-parse", "--show-toplevel"))
        return done.returncode == 0 and Path(done.stdout.strip()).resolve() == self.root.resolve()

    def commit_of(self, ref: str) -> str:
        """The full id of the commit that `ref` (a branch, tag or id) names."""
        done = self._ask(("rev-parse", "--verify", "--quiet", "--end-of-options", f"{ref}^{{commit}}"))
        if done.returncode:
            raise EcomError(
                f"git knows no commit {ref!r}.",
                "Name a branch, tag or commit. Where the clone is shallow: `git fetch --unshallow --tags`.",
            )
        return done.stdout.strip()

    def merge_base(self, ref: str, other: str = "HEAD") -> str:
        """The last commit that both have."""
        return self.run("merge-base", self.commit_of(ref), self.commit_of(other)).strip()

    def uncommitted(self) -> list[str]:
        """Paths, relative to the root, that differ from HEAD or are new and not ignored."""
        listed = self.run("status", "--porcelain=v1", "-z", "--untracked-files=all", "--no-renames")
        return sorted(entry[3:] for entry in listed.split("\0") if entry)

    def changed(self, since: str, until: str | None = None) -> list[str]:
        """Paths that differ between the commit `since` and `until`, or the working tree and its new files.

        A renamed file counts under both names: who lost it is touched as well as who got it.
        """
        start = self.commit_of(since)
        to = [self.commit_of(until)] if until else []
        paths = set(self.run("diff", "--name-only", "--no-renames", "-z", start, *to).split("\0"))
        if until is None:
            paths |= set(self.run("ls-files", "--others", "--exclude-standard", "-z").split("\0"))
        return sorted(paths - {""})

    def commits(self, after: str | None, *paths: str, until: str = "HEAD") -> list[Commit]:
        """The commits after `after` (None: from the first) up to `until` that touch `paths`, newest first."""
        span = f"{self.commit_of(after)}..{until}" if after else until
        # a subject is one line, and NUL is the only character that no message can hold
        listed = self.run("log", "-z", "--no-merges", "--format=%H%n%ct%n%s%n%b", span, "--", *paths)
        records = (record.split("\n", 3) for record in listed.split("\0") if record)
        return [
            Commit(sha, int(when), _readable(subject), _readable(body.strip()))
            for sha, when, subject, body in records
        ]

    def tags(self, pattern: str) -> list[str]:
        """The tags that match a glob pattern, highest version first."""
        return self.run("tag", "--list", "--sort=-version:refname", pattern).split()

    def file(self, ref: str, path: str) -> str | None:
        """A file's text as of `ref`; None where there was none."""
        done = self._ask(("show", f"{self.commit_of(ref)}:{path}"))
        return done.stdout if done.returncode == 0 else None

    def files(self, ref: str, *folders: str) -> list[str]:
        """The paths of all files below these folders as of `ref`."""
        listed = self.run("ls-tree", "-r", "--name-only", "-z", self.commit_of(ref), "--", *folders)
        return [path for path in listed.split("\0") if path]

    def _ask(
        self, arguments: Sequence[str], env: dict[str, str] | None = None
    ) -> subprocess.CompletedProcess[str]:
        try:
            return subprocess.run(  # nosec B603, B607  # git, without a shell
                ["git", "-C", str(self.root), *arguments],
                capture_output=True,
                text=True,
                errors="surrogateescape",
                check=False,
                env={**os.environ, "LC_ALL": "C", **(env or {})},
            )
        except FileNotFoundError as error:
            raise EcomError("git is not installed.", "Install git, and start this again.") from error


def _readable(text: str) -> str:
    """A message as it can be shown and written anywhere: git takes any bytes, whatever they are."""
    return _CONTROL.sub(" ", text.encode(errors="surrogateescape").decode(errors="replace"))
