"""A commit's files in a folder of their own, so that nothing else gets into a release."""

from __future__ import annotations

import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from ecom_cli.git import Git

_HOME = re.compile(r"ecom-release-(?P<process>\d+)-")
NO_HOOKS = f"core.hooksPath={os.devnull}"  # they are for people at work in their own tree


@contextmanager
def checkout(git: Git, commit: str) -> Iterator[Path]:
    """The commit's files, byte for byte, in a temporary working tree with no branch."""
    _clear_away_what_was_left(git)
    home = Path(tempfile.mkdtemp(prefix=f"ecom-release-{os.getpid()}-"))
    folder = home / git.root.name
    # whatever line endings this machine prefers
    as_committed = ("-c", "core.autocrlf=false", "-c", "core.eol=lf", "-c", NO_HOOKS)
    try:
        git.run(*as_committed, "worktree", "add", "--quiet", "--detach", str(folder), commit)
        # resolved once, not in each checkout: it is ignored by git, and uv corrects what is out of step
        if (git.root / "uv.lock").is_file():
            shutil.copyfile(git.root / "uv.lock", folder / "uv.lock")
        yield folder.resolve()
    finally:
        shutil.rmtree(home, ignore_errors=True)
        git.run("worktree", "prune")


def _clear_away_what_was_left(git: Git) -> None:
    """Checkouts of runs that were killed: git would list them for ever, and they are as large as the tree."""
    for line in git.run("worktree", "list", "--porcelain").splitlines():
        home = Path(line.removeprefix("worktree ")).parent
        if (match := _HOME.match(home.name)) and not _runs(int(match["process"])):
            shutil.rmtree(home, ignore_errors=True)
    git.run("worktree", "prune")


def _runs(process: int) -> bool:
    try:
        os.kill(process, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True  # somebody else's
    return True
