"""Makes a release, or the artifacts of one that has a tag."""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec B404  # to run the tool of another commit
import tempfile
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecom_cli.environments import only_one
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.release import checks
from ecom_cli.release.assembly import FOLDER, assemble, drafted, folder_of, put
from ecom_cli.release.checkout import NO_HOOKS, checkout
from ecom_cli.release.plan import Plan
from ecom_cli.release.store import Release, read
from ecom_cli.release.versions import Version, named, released, tag_of
from ecom_cli.uvtool import uv_path
from ecom_cli.workspace import Member, Workspace, load

TOOL = "tools/ecom/src/"

Tell = Callable[[str], None]
Tested = Callable[[Workspace, Member], str]


@contextmanager
def one_at_a_time(repo: Workspace, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Only one release, or making of artifacts, at a time in this clone; others say so, and wait."""
    with only_one(repo.state / "release.lock", waiting):
        yield


def release(repo: Workspace, plan: Plan, tell: Tell, tested: Tested = checks.test) -> Release:
    """Commit, tag and make the artifacts of what was planned; its checks have passed.

    The artifacts are made and the tests run on the commit to be, in a checkout of its own, while no branch or
    tag knows it. Whatever fails until then leaves nothing behind. Then the branch moves on, then the tag is
    made; a run that is killed between the two is finished by the next one.
    """
    git, name = Git(repo.root), plan.member.dist
    here, before = checks.branch(git), plan.head
    place = folder_of(repo.root / FOLDER, name, str(plan.version))
    draft = drafted(place)
    try:
        with checkout(git, before) as folder:
            commit = _committed(folder, plan)
            at = load(folder)
            assemble(at, at.member(name), plan.tag, commit, draft)
            tell(f"artifacts made: {', '.join(sorted(path.name for path in draft.iterdir()))}")
            tell(f"tests: {tested(at, at.member(name))}")
        if (checks.branch(git), git.commit_of("HEAD")) != (here, before):
            raise EcomError("The branch has moved on meanwhile.", "Nothing was released: try again.")
        _publish(git, plan, before, commit)
        return put(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _committed(folder: Path, plan: Plan) -> str:
    """The id of the release's commit, made in a checkout without a branch; HEAD's where nothing changes."""
    git = Git(folder)
    if plan.files:
        for path, text in plan.files.items():
            (folder / path).write_bytes(text.encode())
        git.run("add", "--", *plan.files)
        git.run("-c", NO_HOOKS, "commit", "--quiet", "--message", plan.subject, "--", *plan.files)
    return git.commit_of("HEAD")


def _publish(git: Git, plan: Plan, before: str, commit: str) -> None:
    """Move the branch to the release's commit, and tag it; neither, if one of them fails."""
    if commit != before:
        try:
            git.run("merge", "--quiet", "--ff-only", commit)
        except EcomError as error:
            raise EcomError(
                f"The branch cannot take the release's commit.\n{error.message}", "Nothing was released."
            ) from error
    try:
        message = f"{plan.member.dist} {plan.version}\n\n{plan.section}"
        # whitespace: the changelog's headings begin with #, as comments do
        git.run("tag", "--annotate", "--cleanup=whitespace", "--message", message, plan.tag, commit)
    except BaseException:
        if commit != before:
            git.run("reset", "--quiet", "--keep", before)
        raise


@dataclass(frozen=True)
class Wanted:
    """A released version that artifacts are asked for."""

    name: str
    version: Version
    commit: str

    @property
    def tag(self) -> str:
        return tag_of(self.name, self.version)


def wanted(repo: Workspace, text: str) -> Wanted:
    """What `NAME`, `NAME@VERSION` or a tag means. Without a version: the one that pyproject.toml has.

    Raises EcomError for a version that has no tag, naming those that have one.
    """
    name, asked = named(text)
    member, git = repo.member(name), Git(repo.root)
    version = Version.parse(asked or member.version)
    there = released(git, name)
    if version not in there:
        known = ", ".join(map(str, there[:5])) or "none"
        raise EcomError(
            f"{name} {version} has not been released: there is no tag {tag_of(name, version)}.",
            f"Released: {known}. `git fetch --tags` brings what others released; "
            f"`./ecom release {name}` makes a release.",
        )
    return Wanted(name, version, git.commit_of(f"refs/tags/{tag_of(name, version)}"))


def dist(repo: Workspace, found: Wanted, into: Path) -> Release:
    """Make the artifacts of a released version from its tag, into `into`/<name>/<version>/."""
    git = Git(repo.root)
    place = folder_of(into, found.name, str(found.version))
    draft = drafted(place)
    try:
        with checkout(git, found.commit) as folder:
            if any(path.startswith(TOOL) for path in git.changed(found.commit)):
                _made_by_its_own_tool(folder, found, draft)
            else:
                at = load(folder)
                assemble(at, at.member(found.name), found.tag, found.commit, draft)
        return put(draft, place)
    finally:
        shutil.rmtree(draft, ignore_errors=True)


def _made_by_its_own_tool(folder: Path, found: Wanted, draft: Path) -> None:
    """What a zip holds is the tool's decision: the tool of that commit makes the artifacts of that commit."""
    path = os.pathsep.join([str(Path(uv_path()).parent), os.environ.get("PATH", "")])
    with tempfile.TemporaryDirectory(prefix="ecom-dist-") as other:
        done = subprocess.run(  # nosec B603  # this repository's own entry point, at a commit that has a tag
            [str(folder / "ecom"), "dist", f"{found.name}@{found.version}", "--into", other],
            cwd=folder,
            env={**os.environ, "PATH": path},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        if done.returncode:
            raise EcomError(
                f"The tool of {found.tag} could not make its artifacts.\n{done.stderr.strip()}",
                "Artifacts are made by the tool of the same commit, so that they are the same again.",
            )
        made = read(folder_of(Path(other), found.name, str(found.version)))
        for name in (*made.files, "manifest.json"):
            shutil.copyfile(made.folder / name, draft / name)
