"""Back to the release that ran before, from what the stage itself remembers."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from ecom_cli.aws import Stage
from ecom_cli.delivery.deploy import Confirm, Deployed, deploy
from ecom_cli.delivery.deploy import plan as planned
from ecom_cli.delivery.fit import MisfitError
from ecom_cli.delivery.plan import Plan
from ecom_cli.delivery.stacks import Stack
from ecom_cli.delivery.tags import Running, running
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.release.versions import named
from ecom_cli.workspace import Workspace, workspace


def rollback(
    stage: Stage,
    service: str,
    to: str | None = None,
    report: Reporter | None = None,
    repo: Workspace | None = None,
    *,
    confirm: Confirm | None = None,
    allow_replace: bool = False,
) -> list[Deployed]:
    """Deploy the release that ran before (or the earlier one with version `to`) in place of what runs.

    The code, the template and with it the defaults of parameters go back; rows and messages stay as they are,
    and parameters that were set stay set. Raises EcomError where there is nothing to go back to, where others
    need the newer one, and as `deploy` does.
    """
    repo, report = repo or workspace(), report or Reporter()
    back = _way_back(stage, service, to, repo)
    report.say(f"Rolling {back.service} back: {back.runs.words} → {back.target}")
    with _misfits_explained(back.runs):
        return deploy(
            stage,
            [back.target],
            None,
            report,
            repo,
            confirm=confirm,
            allow_replace=allow_replace,
            previous={back.service: back.earlier},
        )


def plan(
    stage: Stage,
    service: str,
    to: str | None = None,
    report: Reporter | None = None,
    repo: Workspace | None = None,
) -> Plan:
    """What `rollback` would do now, and nothing more. Raises EcomError as it does."""
    repo, report = repo or workspace(), report or Reporter()
    back = _way_back(stage, service, to, repo)
    with _misfits_explained(back.runs):
        return planned(stage, [back.target], None, report, repo, previous={back.service: back.earlier})


@dataclass(frozen=True)
class _Back:
    """A way back: what runs, the git tag to go back to, and the releases that ran before that one."""

    service: str
    runs: Running
    target: str
    earlier: tuple[str, ...]


def _way_back(stage: Stage, service: str, to: str | None, repo: Workspace) -> _Back:
    service, version = named(service)
    if version and to:
        raise EcomError(
            "A version and --to are the same thing said twice.", "Leave out the one or the other."
        )
    stack = Stack(stage, stage.stack_name(repo.member(service)))
    found = stack.describe()
    if found is None:
        raise EcomError(f"{service} is not deployed ({stage.where}).", "`./ecom releases` shows what is.")
    runs = running(found)
    target = _target(stage.name, service, runs, to or version)
    earlier = runs.previous if target == runs.release else runs.previous[runs.previous.index(target) + 1 :]
    return _Back(service, runs, target, earlier)


@contextmanager
def _misfits_explained(runs: Running) -> Iterator[None]:
    try:
        yield
    except MisfitError as error:
        hint = f"Others need what {runs.words} brought: roll those back first, or go on to a newer release."
        raise EcomError(error.message, hint) from error


def _target(stage: str, service: str, runs: Running, to: str | None) -> str:
    """The git tag of the release to go back to. The same one again for `to` what runs: a repeated call."""
    tag = f"{service}/v{to.removeprefix('v')}" if to else next(iter(runs.previous), None)
    if tag is None:
        raise EcomError(
            f"No release of {service} ran before {runs.words}: there is nothing to go back to.",
            f"Any release can be deployed by name: `./ecom deploy {service}@VERSION --stage {stage}`.",
        )
    if tag != runs.release and tag not in runs.previous:
        known = ", ".join(runs.previous) or "none"
        raise EcomError(
            f"{tag} is none of the last releases before {runs.words}; those are: {known}.",
            f"To deploy it all the same: `./ecom deploy {tag.replace('/v', '@')} --stage {stage}`.",
        )
    return tag
