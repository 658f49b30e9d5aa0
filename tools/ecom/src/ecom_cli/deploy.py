"""Deploys stacks: zips into the artifact bucket, then change sets, each stack after those it depends on."""

from __future__ import annotations

import base64
import hashlib
import subprocess  # nosec B404  # to ask git for a commit
import time
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

from ecom_cli import build as builder
from ecom_cli.aws import LOCAL_STAGE, Stage
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.schedule import in_order
from ecom_cli.stacks import INLINE_TEMPLATE_BYTES, NEVER_CREATED, ChangeSet, Request, Stack
from ecom_cli.templates import Template, parse_template
from ecom_cli.workspace import Member, Workspace, workspace

BASE = "base-infra"
OWN_PARAMETERS = ("Stage", "CodeKey")  # the deployer's: they decide names and code


@dataclass(frozen=True)
class Deployed:
    """What became of one stack. `status`: created, updated or unchanged; `seconds`: how long that took."""

    service: str
    stack: str
    status: str
    version: str
    changes: list[str] = field(default_factory=list)
    seconds: float = 0.0

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass
class Deployment:
    """One run of the deployer on one stage."""

    stage: Stage
    members: Sequence[Member]
    parameters: Mapping[str, str]
    report: Reporter
    repo: Workspace
    built: dict[str, builder.Built] = field(default_factory=dict)
    templates: dict[str, Template] = field(default_factory=dict)

    def run(self) -> list[Deployed]:
        """Deploy all; raises EcomError with every stack's failure when some fail."""
        self.templates = {m.dist: read_template(m) for m in self.members}
        self._check_parameters()
        self._check_prerequisites()
        self.built = {zip_.dist: zip_ for zip_ in builder.build_all(self.members, self.repo)}
        for zip_ in self.built.values():
            made = "built" if zip_.fresh else "as built before"
            self.report.note(zip_.dist, f"zip of {zip_.size / 1e6:.1f} MB, {made}: {zip_.sha256[:12]}")
        by_name = {member.dist: member for member in self.members}
        after = {member.dist: set(member.depends_on) for member in self.members}
        try:
            return list(in_order(after, lambda name: self._deploy(by_name[name])).values())
        finally:
            self.stage.forget()

    def _check_parameters(self) -> None:
        known = {name for template in self.templates.values() for name in template.parameters}
        settable = ", ".join(sorted(known - set(OWN_PARAMETERS)))
        if own := sorted(set(self.parameters) & set(OWN_PARAMETERS)):
            raise EcomError(f"{', '.join(own)} cannot be set: the deployer does.", f"These can: {settable}.")
        if self.parameters.get("PlainHttp") == "allowed" and not self.stage.is_emulator:
            raise EcomError("Plain HTTP is never allowed on AWS.", "Leave PlainHttp as it is.")
        if unknown := sorted(set(self.parameters) - known):
            raise EcomError(f"No stack here has a parameter {', '.join(unknown)}.", f"There are: {settable}.")

    def _check_prerequisites(self) -> None:
        chosen = {member.dist for member in self.members}
        for needed in sorted({name for m in self.members for name in m.depends_on} - chosen):
            status = Stack(self.stage, self.stage.stack_name(needed)).status
            if status is None or status in NEVER_CREATED:
                raise EcomError(
                    f"{needed} is not deployed ({self.stage.where}), and "
                    f"{', '.join(sorted(m.dist for m in self.members if needed in m.depends_on))} needs it.",
                    f"Deploy it as well: `./ecom deploy {needed}`, or all of them: `./ecom deploy`.",
                )

    def _deploy(self, member: Member) -> Deployed:
        started = time.monotonic()
        stack = Stack(self.stage, self.stage.stack_name(member))
        found = self._cleared(stack, member)
        if zip_ := self.built.get(member.dist):
            self._upload(member, zip_.key, zip_.path.read_bytes())
        tags = self._tags(member)
        request = Request(self._template(member), self._parameters(member, stack, found), tags)
        change_set = stack.propose(request)
        if change_set and self._is_only_a_commit(change_set, found, tags):
            stack.discard(change_set)
            change_set = None
        changes = [str(change) for change in change_set.changes] if change_set else []
        if change_set:
            for line in change_set.summary():
                self.report.note(member.dist, line)
            try:
                stack.execute(change_set, lambda done, total: self.report.progress(member.dist, done, total))
            finally:
                self.report.finished(member.dist)
        if self.stage.is_production and stack.protect():
            self.report.note(member.dist, "termination protection is on")
        if self.stage.is_emulator and zip_:
            self._assert_code(stack, zip_)
        status = "unchanged" if not change_set else "created" if change_set.creates else "updated"
        seconds = round(time.monotonic() - started, 1)
        self.report.note(member.dist, f"{status} ({seconds} s)" if change_set else "unchanged")
        return Deployed(member.dist, stack.name, status, member.version, changes, seconds)

    def _cleared(self, stack: Stack, member: Member) -> dict[str, Any] | None:
        """The stack as it is, once a failed creation has been cleared away; None when it does not exist."""
        found = stack.describe()
        status = found["StackStatus"] if found else ""
        if status == "REVIEW_IN_PROGRESS":
            return (
                None  # it has no resources, only change sets: ours goes beside one left, or being made, there
            )
        if status in NEVER_CREATED:
            self.report.note(
                member.dist, f"an earlier creation failed ({status}): deleting what is left of it"
            )
            stack.delete(lambda done, total: self.report.progress(member.dist, done, total))
            return None
        if status.endswith("_IN_PROGRESS"):
            raise EcomError(
                f"{stack.name} is {status}: somebody deploys it now.", "Try again when that is done."
            )
        if status.endswith("_FAILED"):
            raise EcomError(
                f"{stack.name} is {status} and takes no update.",
                "`./ecom destroy` finishes a failed delete; continue a failed rollback in the AWS console.",
            )
        return found

    def _upload(self, member: Member, key: str, content: bytes) -> str:
        """Put an object that is named by its content into the artifact bucket, unless it is there."""
        from botocore.exceptions import ClientError

        bucket, s3 = self.stage.physical_id(BASE, "ArtifactBucket"), self.stage.client("s3")
        try:
            s3.head_object(Bucket=bucket, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in ("404", "NoSuchKey", "NotFound"):
                raise
            s3.put_object(Bucket=bucket, Key=key, Body=content)
            self.report.note(member.dist, f"uploaded {len(content) / 1e6:.1f} MB")
        return bucket

    def _template(self, member: Member) -> dict[str, str]:
        """The template in the request, or by way of the bucket where it is too long for that."""
        text = _template_path(member).read_text(encoding="utf-8")
        if len(text.encode()) <= INLINE_TEMPLATE_BYTES:
            return {"TemplateBody": text}
        if member.dist == BASE:
            raise EcomError(
                f"{_template_path(member)} is longer than {INLINE_TEMPLATE_BYTES} bytes.",
                "It makes the bucket that longer templates lie in, so it has to be short itself.",
            )
        key = f"{member.dist}/{hashlib.sha256(text.encode()).hexdigest()}.yaml"
        bucket = self._upload(member, key, text.encode())
        host = self.stage.client("s3").meta.endpoint_url.rstrip("/")
        return {"TemplateURL": f"{host}/{bucket}/{key}"}

    def _parameters(self, member: Member, stack: Stack, found: dict[str, Any] | None) -> list[dict[str, Any]]:
        """Values given now, else what the stack was given before, else the stage's presets, else defaults."""
        values = {"Stage": self.stage.name, **self.parameters}
        if zip_ := self.built.get(member.dist):
            values["CodeKey"] = zip_.key
        before = {p["ParameterKey"]: p["ParameterValue"] for p in (found or {}).get("Parameters", ())}
        # a value that equals the default of its time was never given: it follows the default of today
        defaults = parse_template(stack.template_text(), stack.name).parameters if before else {}
        chosen: list[dict[str, Any]] = []
        for name in self.templates[member.dist].parameters:
            if name in values:
                chosen.append({"ParameterKey": name, "ParameterValue": values[name]})
            elif name in before and before[name] != defaults.get(name):
                chosen.append({"ParameterKey": name, "UsePreviousValue": True})
            elif name not in before and name in (preset := presets(self.stage)):
                chosen.append({"ParameterKey": name, "ParameterValue": preset[name]})
        return chosen

    def _tags(self, member: Member) -> dict[str, str]:
        tags = {
            "Project": "ecom",
            "Stage": self.stage.name,
            "Service": member.dist,
            "Version": member.version,
        }
        if commit := last_commit(self.repo, member):
            tags["Commit"] = commit
        return tags

    def _is_only_a_commit(
        self, change_set: ChangeSet, found: dict[str, Any] | None, tags: dict[str, str]
    ) -> bool:
        """Whether nothing but the Commit tag would change: a commit that changed no code, no template."""
        if not found or not change_set.changes:
            return False
        before = {tag["Key"]: tag["Value"] for tag in found.get("Tags", ())}
        others = {**before, "Commit": ""} == {**tags, "Commit": ""}
        return others and all(change.only_tags for change in change_set.changes)

    def _assert_code(self, stack: Stack, zip_: builder.Built) -> None:
        """An emulator reports success for a zip that it never found, so ask each function what it runs."""
        wanted = base64.b64encode(bytes.fromhex(zip_.sha256)).decode()
        for resource in stack.resources():
            if resource["ResourceType"] == "AWS::Lambda::Function":
                name = resource["PhysicalResourceId"]
                runs = self.stage.client("lambda").get_function_configuration(FunctionName=name)["CodeSha256"]
                if runs != wanted:
                    raise EcomError(
                        f"{name} does not run the zip that was deployed ({runs}, not {wanted}).",
                        "Start afresh: `./ecom down`, then `./ecom up`.",
                    )


def deploy(
    stage: Stage,
    services: Sequence[str] = (),
    parameters: Mapping[str, str] | None = None,
    report: Reporter | None = None,
    repo: Workspace | None = None,
) -> list[Deployed]:
    """Deploy these services' stacks (all of them when none is named) and return what became of each.

    Raises EcomError for an unknown service or parameter, a missing prerequisite, a refused or failed stack.
    """
    repo = repo or workspace()
    members = selected(repo, services)
    with report or Reporter() as report:
        return Deployment(stage, members, dict(parameters or {}), report, repo).run()


def selected(repo: Workspace, services: Sequence[str]) -> list[Member]:
    """The members with these names, in deployment order; all when none is named."""
    stacks = repo.stacks
    names = [member.dist for member in stacks]
    if unknown := sorted(set(services) - set(names)):
        raise EcomError(f"There is no service {', '.join(unknown)}.", f"There are: {', '.join(names)}.")
    return [member for member in stacks if not services or member.dist in services]


def presets(stage: Stage) -> dict[str, str]:
    """Parameter values that a new stack gets by where it is; `--param` overrides them."""
    values = {"EventArchive": "off", "PlainHttp": "allowed"} if stage.is_emulator else {}
    if stage.name == LOCAL_STAGE:
        values |= {"ApiAuthorization": "NONE", "RetryBaseSeconds": "1", "MaxConcurrency": "2"}
    return values


def read_template(member: Member) -> Template:
    path = _template_path(member)
    return parse_template(path.read_text(encoding="utf-8"), str(path))


def _template_path(member: Member) -> Any:
    if member.template is None or not member.template.is_file():
        raise EcomError(
            f"{member.dist} has no template {member.template}.", "See [tool.ecom] in its pyproject.toml."
        )
    return member.template


def last_commit(repo: Workspace, member: Member) -> str | None:
    """The last commit that touched what is deployed for this member; None outside of git.

    Not HEAD: a commit elsewhere must not make every stack look changed.
    """
    folders = [str(m.folder) for m in (member, *repo.libraries(member))]
    command = ["git", "-C", str(repo.root), "log", "-1", "--format=%h", "--", *folders]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=10)  # nosec B603  # git, with folders of this repository
    except (FileNotFoundError, subprocess.TimeoutExpired):
        return None
    return done.stdout.strip() or None
