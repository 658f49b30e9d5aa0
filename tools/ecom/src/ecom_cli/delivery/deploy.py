"""Deploys stacks: a plan of all change sets first, then zips into the bucket, then stack by stack."""

from __future__ import annotations

import base64
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.delivery.artifacts import Artifact, wanted
from ecom_cli.delivery.bucket import BASE, Bucket, contract_key
from ecom_cli.delivery.plan import UNCHANGED, Plan, Step, refuse_losses
from ecom_cli.delivery.planning import Planner
from ecom_cli.delivery.schedule import in_order
from ecom_cli.delivery.stacks import Stack
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.workspace import Workspace, workspace

Confirm = Callable[[Plan], bool]
"""Asked with what is about to happen, if anything is; nothing happens where it says no."""


@dataclass(frozen=True)
class Deployed:
    """What became of one stack. `status`: created, updated or unchanged; `seconds`: how long that took.

    `release` is the git tag of what runs now; None for a working tree.
    """

    service: str
    stack: str
    status: str
    version: str
    changes: list[str] = field(default_factory=list)
    seconds: float = 0.0
    release: str | None = None

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Deployment:
    """One run of the deployer on one stage."""

    stage: Stage
    planner: Planner
    report: Reporter
    allow_replace: bool = False
    begun: set[str] = field(default_factory=set)

    def execute(self, plan: Plan) -> list[Deployed]:
        """Deploy as planned; raises EcomError with every stack's failure when some fail."""
        steps = {step.service: step for step in plan.steps}
        # the base makes the bucket that all leave something in, also who imports nothing of it
        after = {step.service: {*step.artifact.depends_on, BASE} - {step.service} for step in plan.steps}
        try:
            return list(in_order(after, lambda name: self._deploy(steps[name])).values())
        except BaseException:
            self._take_back(plan)
            raise
        finally:
            self.stage.forget()

    def _deploy(self, step: Step) -> Deployed:
        started = time.monotonic()
        dist, stack = step.service, step.stack
        if dist != BASE:
            self._upload(step.artifact)
        if step.later:
            self._plan_now(step)
        changes = step.change_set
        if changes:
            self.begun.add(dist)
            try:
                stack.execute(changes, lambda done, total: self.report.progress(dist, done, total))
            finally:
                self.report.finished(dist)
        if dist == BASE:
            self._upload(step.artifact)  # into the bucket that it has only now
        if self.stage.is_production and stack.protect():
            self.report.note(dist, "termination protection is on")
        if step.artifact.code:
            self._assert_code(stack, step.artifact.code.sha256)
        status = UNCHANGED if not changes else "created" if changes.creates else "updated"
        seconds = round(step.seconds + time.monotonic() - started, 1)
        self.report.note(dist, f"{status} ({seconds} s)" if changes else UNCHANGED)
        return Deployed(
            dist,
            stack.name,
            status,
            step.artifact.version,
            [str(change) for change in step.changed],
            seconds,
            step.artifact.release,
        )

    def _take_back(self, plan: Plan) -> None:
        """The change sets that wait for nobody any more: another deployment would have to wonder at them."""
        from botocore.exceptions import BotoCoreError, ClientError

        for step in plan.steps:
            if step.change_set and step.service not in self.begun:
                # what went wrong before is what has to be told
                with suppress(BotoCoreError, ClientError):
                    step.stack.discard(step.change_set)

    def _plan_now(self, step: Step) -> None:
        """What could not be planned before: now its surroundings are there."""
        if step.leftover:
            self.report.note(step.service, step.later)
            step.stack.delete(lambda done, total: self.report.progress(step.service, done, total))
        self.planner.propose(step)
        if step.losses and not self.allow_replace:
            if step.change_set:
                step.stack.discard(step.change_set)
            refuse_losses([step], f"{step.service} was left as it is")
        if step.change_set:
            for line in step.change_set.summary():
                self.report.note(step.service, line)

    def _upload(self, artifact: Artifact) -> None:
        """All that this artifact leaves in the bucket. What lies there already is left as it is.

        Without a base there is no bucket, and only who needs none can be deployed: it leaves no contract.
        """
        if not self.planner.has_base:
            return
        bucket, size = Bucket(self.stage), 0
        if artifact.code and bucket.put(artifact.code.key, artifact.code.content):
            size += len(artifact.code.content)
        bucket.put(
            contract_key(artifact.dist, artifact.contract.sha256), artifact.contract.as_json().encode()
        )
        if artifact.release and bucket.keep(artifact.dist, artifact.version, artifact.files):
            size += sum(map(len, artifact.files.values()))
        if size:
            self.report.note(artifact.dist, f"uploaded {size / 1e6:.1f} MB")

    def _assert_code(self, stack: Stack, sha256: str) -> None:
        """Ask each function what it runs: an emulator reports success for a zip that it never found, and on
        AWS somebody may have put other code there by hand.
        """
        for name, runs in code_of(self.stage, stack).items():
            if runs != sha256:
                raise EcomError(
                    f"{name} does not run the zip that was deployed ({runs}, not {sha256}).",
                    "Start afresh: `./ecom down`, then `./ecom up`."
                    if self.stage.is_emulator
                    else "Somebody put other code there: deploy another version, and then this one again.",
                )


def deploy(
    stage: Stage,
    services: Sequence[str] = (),
    given: Mapping[str, str] | None = None,
    report: Reporter | None = None,
    repo: Workspace | None = None,
    *,
    confirm: Confirm | None = None,
    allow_replace: bool = False,
    previous: Mapping[str, tuple[str, ...]] | None = None,
) -> list[Deployed]:
    """Deploy these services' stacks (all of them when none is named) and return what became of each.

    `services`: `payment-service` from the working tree, `payment-service@1.3.0` for that release, to the
    byte. Raises EcomError for an unknown service, release or parameter, a missing prerequisite, contracts
    that do not fit, data that would be lost (unless `allow_replace`), a no, a refused or failed stack.
    """
    repo, report = repo or workspace(), report or Reporter()
    planner = Planner(stage, wanted(repo, services), given or {}, report, repo, previous or {})
    planned = planner.plan()
    try:
        show(planned, report)
        if not allow_replace:
            refuse_losses(planned.steps)
        if confirm and planned.changes:
            if not confirm(planned):
                raise EcomError(f"Nothing was changed on {stage.where}.")
            planner.check_again()
    except BaseException:
        planned.discard()
        raise
    with report:
        return Deployment(stage, planner, report, allow_replace).execute(planned)


def plan(
    stage: Stage,
    services: Sequence[str] = (),
    given: Mapping[str, str] | None = None,
    report: Reporter | None = None,
    repo: Workspace | None = None,
    *,
    previous: Mapping[str, tuple[str, ...]] | None = None,
) -> Plan:
    """What `deploy` would do now, and nothing more: its change sets are taken back.

    Raises EcomError as `deploy` does, up to the point where something would change.
    """
    repo, report = repo or workspace(), report or Reporter()
    found = Planner(stage, wanted(repo, services), given or {}, report, repo, previous or {}).plan()
    taken = replace(found, steps=[replace(step) for step in found.steps])
    found.discard()
    return taken


def show(plan: Plan, report: Reporter) -> None:
    """What would change, a line each; stacks that stay as they are have none."""
    for step in plan.steps:
        if step.changes:
            for line in step.lines():
                report.note(step.service, line)


def code_of(stage: Stage, stack: Stack) -> dict[str, str]:
    """The SHA-256, in hex, of the zip that each function of a stack runs, by its name.

    Whatever a function has that is no such hash is returned as it is.
    """
    found = {}
    for resource in stack.resources():
        if resource["ResourceType"] == "AWS::Lambda::Function":
            name = resource["PhysicalResourceId"]
            runs = stage.client("lambda").get_function_configuration(FunctionName=name)["CodeSha256"]
            try:
                found[name] = base64.b64decode(runs, validate=True).hex()
            except ValueError:
                found[name] = runs
    return found
