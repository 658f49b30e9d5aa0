"""What has to be so before a release, each with the words for when it is not."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.release.plan import Plan
from ecom_cli.suites import END_TO_END, SPANNING, Suite, suites
from ecom_cli.testing import run_suite
from ecom_cli.workspace import Member, Workspace

TEMPLATES = "templates"  # the folder in tests/ with the house rules
_SHOWN = 5


@dataclass(frozen=True)
class Check:
    """One condition. `problem` is empty where it holds."""

    name: str
    problem: str = ""
    hint: str = ""

    @property
    def ok(self) -> bool:
        return not self.problem


def checks(repo: Workspace, plan: Plan) -> list[Check]:
    """Everything but the tests: what can be seen at once, and changes nothing."""
    git = Git(repo.root)
    of_the_clone = [_on_a_branch(git), _clean(git), _whole_history(git), _up_to_date(git)]
    return [*of_the_clone, _new_tag(git, plan), _contract(repo, plan)]


def branch(git: Git) -> str | None:
    """The branch that is checked out; None where HEAD is detached."""
    name = git.run("rev-parse", "--symbolic-full-name", "HEAD").strip()
    return name.removeprefix("refs/heads/") if name.startswith("refs/heads/") else None


def _on_a_branch(git: Git) -> Check:
    name = "on a branch"
    if branch(git):
        return Check(name)
    return Check(name, "No branch is checked out, so the release's commit would be lost.", "git switch main")


def _clean(git: Git) -> Check:
    name = "nothing uncommitted"
    if not (paths := git.uncommitted()):
        return Check(name)
    listed = ", ".join(paths[:_SHOWN]) + (f" and {len(paths) - _SHOWN} more" if paths[_SHOWN:] else "")
    return Check(name, f"Not committed: {listed}.", "A release is what a commit says: commit or remove them.")


def _whole_history(git: Git) -> Check:
    name = "the whole history"
    if git.run("rev-parse", "--is-shallow-repository").strip() != "true":
        return Check(name)
    return Check(name, "This clone lacks earlier commits.", "git fetch --unshallow --tags")


def _up_to_date(git: Git) -> Check:
    """As far as the last fetch knows: a release of an old commit could not be pushed."""
    name = "not behind its upstream"
    here = branch(git)
    upstream = git.run("for-each-ref", "--format=%(upstream)", f"refs/heads/{here}").strip() if here else ""
    if not upstream or not git.run("for-each-ref", upstream):
        return Check(name)
    behind = int(git.run("rev-list", "--count", f"HEAD..{upstream}"))
    if not behind:
        return Check(name)
    return Check(
        name, f"{here} lacks {behind} commits of {upstream.removeprefix('refs/remotes/')}.", "git pull"
    )


def _new_tag(git: Git, plan: Plan) -> Check:
    name = "a new version"
    if plan.tag not in git.tags(plan.tag):
        return Check(name)
    where = git.run("log", "-1", "--format=%h", plan.tag).strip()
    return Check(
        name,
        f"{plan.tag} exists already, on commit {where}, which this branch does not contain.",
        "Bring that commit in (git merge), or ask for another version with --bump.",
    )


def _contract(repo: Workspace, plan: Plan) -> Check:
    from ecom_cli.contracts import released

    name = "nobody's reading broken"
    if plan.last is None or not (broken := released.check(repo, plan.member, plan.last)):
        return Check(name)
    refusal = released.refusal(plan.member, plan.last, broken)
    return Check(name, refusal.message, refusal.hint)


def test(repo: Workspace, member: Member) -> str:
    """Run the member's tests in an environment of its own, and say how many passed.

    A member without code has none of its own: those of the templates judge it. Raises EcomError with the
    output of what failed.
    """
    results = [run_suite(suite, repo, ()) for suite in _suites(repo, member)]
    for result in results:
        if not result.ok:
            problem = result.problem or f"{result.failed} failed"
            raise EcomError(
                f"The tests of {member.dist} are not green: {problem}.\n{result.output.strip()}",
                "Nothing was released.",
            )
    return f"{sum(result.passed for result in results)} passed"


def _suites(repo: Workspace, member: Member) -> Iterator[Suite]:
    own = [s for s in suites(repo) if s.name == member.dist and s.name not in (SPANNING, END_TO_END)]
    yield from own
    folder = repo.root / SPANNING / TEMPLATES
    if not own and folder.is_dir():
        yield Suite(f"{SPANNING}/{TEMPLATES}", folder)
