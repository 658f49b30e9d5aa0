"""Works out a plan: what is there, what is to be deployed, whether it fits, and every change set it takes."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from typing import Any

from ecom_cli import build as builder
from ecom_cli.aws import Stage
from ecom_cli.delivery import fit, parameters
from ecom_cli.delivery.artifacts import Artifact, Wanted, from_release, from_tree, with_code
from ecom_cli.delivery.bucket import BASE, MANIFEST, Bucket
from ecom_cli.delivery.changesets import ChangeSet, Request
from ecom_cli.delivery.plan import Plan, Step, step_for
from ecom_cli.delivery.schedule import in_order
from ecom_cli.delivery.stacks import INLINE_TEMPLATE_BYTES, NEVER_CREATED, Stack
from ecom_cli.delivery.stateful import losses
from ecom_cli.delivery.tags import Running, running, tags_for
from ecom_cli.errors import EcomError, explained
from ecom_cli.progress import Reporter
from ecom_cli.templates import parse_template
from ecom_cli.workspace import Workspace


@dataclass
class Planner:
    """Plans one call on one stage.

    `previous`: earlier releases by service, where they are not to follow from what runs now.
    """

    stage: Stage
    wanted: Sequence[Wanted]
    given: Mapping[str, str]
    report: Reporter
    repo: Workspace
    previous: Mapping[str, tuple[str, ...]] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    stacks: dict[str, dict[str, Any]] = field(default_factory=dict)

    def plan(self) -> Plan:
        """Everything that can be known before anything changes. Its change sets wait: execute or discard it.

        Raises EcomError for what is not there, does not fit, or is refused by CloudFormation.
        """
        self._look()
        self._make()
        self._check_prerequisites()
        self._check_fit()
        steps = [
            step_for(artifact, Stack(self.stage, self.stage.stack_name(dist)), self.stacks.get(dist))
            for dist, artifact in self.artifacts.items()
        ]
        plan = Plan(self.stage, steps)
        new = {step.service for step in steps if not step.found}
        now = [step for step in steps if not step.leftover and not new & set(step.artifact.depends_on)]
        for step in steps:
            if step not in now:
                step.later = self._what_comes_later(step)
        try:
            refused = in_order({step.service: set() for step in now}, self._propose_by_name(now))
            for step in now:
                if error := refused[step.service]:
                    self._put_off(step, error, plan)
        except BaseException:
            plan.discard()
            raise
        return plan

    @property
    def has_base(self) -> bool:
        """Whether base-infra is there, or comes with this call."""
        return BASE in self.artifacts or self._runs(BASE)

    def check_again(self) -> None:
        """Whether it still fits: while a person thought about the plan, others may have deployed."""
        self._look()
        self._check_prerequisites()
        self._check_fit()

    def propose(self, step: Step) -> None:
        """Make the step's change set, unless nothing would change."""
        started = time.monotonic()
        tags = self._tags(step)
        chosen = self._parameters(step)
        request = Request(self._template(step.artifact), chosen.values, tags)
        change_set = step.stack.propose(request)
        if change_set and _is_only_a_commit(change_set, step.found, tags):
            step.stack.discard(change_set)
            change_set = None
        step.change_set, step.dropped, step.later = change_set, chosen.dropped, ""
        step.losses = losses(self.stage, step.changed)
        step.seconds += time.monotonic() - started

    # ----- before anything changes

    def _look(self) -> None:
        """All stacks of the stage as they are, side by side."""

        def look(name: str) -> dict[str, Any] | None:
            with explained():
                return Stack(self.stage, self.stage.stack_name(name)).describe()

        names = [member.dist for member in self.repo.stacks]
        with ThreadPoolExecutor(max_workers=max(len(names), 1)) as pool:
            found = dict(zip(names, pool.map(look, names), strict=True))
        self.stacks = {name: stack for name, stack in found.items() if stack}

    def _make(self) -> None:
        """What is to be deployed, in its order; parameters are checked before zips are built."""
        trees = [want.member for want in self.wanted if want.version is None]
        bucket = Bucket(self.stage) if self._runs(BASE) else None
        made = {artifact.dist: artifact for artifact in from_tree(self.repo, trees)}
        for want in self.wanted:
            if want.version:
                release = from_release(self.repo, want.member.dist, want.version, bucket)
                if bucket:
                    bucket.knows(release.dist, release.version, release.files[MANIFEST])
                made[want.member.dist] = release
        parameters.check(self.stage, self.given, [artifact.template for artifact in made.values()])
        for zip_ in builder.build_all(trees, self.repo):
            said = "built" if zip_.fresh else "as built before"
            self.report.note(zip_.dist, f"zip of {zip_.size / 1e6:.1f} MB, {said}: {zip_.sha256[:12]}")
            made[zip_.dist] = with_code(made[zip_.dist], zip_)
        self.artifacts = {want.member.dist: made[want.member.dist] for want in self.wanted}

    def _check_prerequisites(self) -> None:
        every = self.artifacts.values()
        # a release is kept in the base's bucket
        needs = {a.dist: {*a.depends_on, *([BASE] if a.release else [])} for a in every}
        for needed in sorted({name for names in needs.values() for name in names} - set(self.artifacts)):
            if not self._runs(needed):
                who = ", ".join(sorted(dist for dist, names in needs.items() if needed in names))
                here = f"--stage {self.stage.name}"
                raise EcomError(
                    f"{needed} is not deployed ({self.stage.where}), and {who} needs it.",
                    f"Deploy it as well: `./ecom deploy {needed} {here}`, or all: `./ecom deploy {here}`.",
                )

    def _check_fit(self) -> None:
        there = {name: stack for name, stack in self.stacks.items() if self._runs(name)}
        unknown = fit.check(self.stage, [artifact.contract for artifact in self.artifacts.values()], there)
        for name in unknown:
            self.report.note(name, "left no contract when it was deployed: its facts are not compared")

    def _runs(self, name: str) -> bool:
        return name in self.stacks and self.stacks[name]["StackStatus"] not in NEVER_CREATED

    def _propose_by_name(self, steps: Sequence[Step]) -> Callable[[str], EcomError | None]:
        by_name = {step.service: step for step in steps}

        def propose(name: str) -> EcomError | None:
            try:
                self.propose(by_name[name])
            except EcomError as error:
                return error
            return None

        return propose

    def _put_off(self, step: Step, error: EcomError, plan: Plan) -> None:
        """Plan a step later whose change set wants an export that a stack of this call will make."""
        coming = [
            other.service
            for other in plan.steps
            if other.changes and other.service in step.artifact.depends_on
        ]
        if not coming or "export" not in error.message.lower():
            raise error
        step.later = f"can be planned once {', '.join(coming)} has changed: {error.message}"

    def _what_comes_later(self, step: Step) -> str:
        count = len(step.artifact.template.resources)
        needs = [name for name in step.artifact.depends_on if not self._runs(name)]
        then = f" (to be planned once {', '.join(needs)} is there)" if needs else ""
        return "; ".join(part for part in (step.later, f"creates up to {count} resources{then}") if part)

    def _template(self, artifact: Artifact) -> dict[str, str]:
        """The template in the request, or by way of the bucket where it is too long for that."""
        text = artifact.text.encode()
        if len(text) <= INLINE_TEMPLATE_BYTES:
            return {"TemplateBody": artifact.text}
        if artifact.dist == BASE:
            raise EcomError(
                f"The template of {BASE} is longer than {INLINE_TEMPLATE_BYTES} bytes.",
                "It makes the bucket that longer templates lie in, so it has to be short itself.",
            )
        bucket, key = Bucket(self.stage), f"{artifact.dist}/{hashlib.sha256(text).hexdigest()}.yaml"
        bucket.put(key, text)
        return {"TemplateURL": bucket.url(key)}

    def _parameters(self, step: Step) -> parameters.Chosen:
        values = {"Stage": self.stage.name, **self.given}
        if code := step.artifact.code:
            values["CodeKey"] = code.key
        before = {p["ParameterKey"]: p["ParameterValue"] for p in (step.found or {}).get("Parameters", ())}
        defaults = parse_template(step.stack.template_text(), step.stack.name).parameters if before else {}
        template = step.artifact.template
        return parameters.choose(template, values, before, defaults, parameters.presets(self.stage))

    def _tags(self, step: Step) -> dict[str, str]:
        artifact = step.artifact
        earlier = self.previous.get(artifact.dist, running(step.found).before(artifact.release))
        runs = Running(artifact.version, artifact.commit, artifact.release, earlier, artifact.contract.sha256)
        return tags_for(self.stage.name, artifact.dist, runs)


def _is_only_a_commit(
    change_set: ChangeSet, found: Mapping[str, Any] | None, tags: Mapping[str, str]
) -> bool:
    """Whether nothing but the Commit tag would change: a commit that changed no code, no template."""
    if not found or not change_set.changes:
        return False
    before = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
    others = {**before, "Commit": ""} == {**tags, "Commit": ""}
    return others and all(change.only_tags for change in change_set.changes)
