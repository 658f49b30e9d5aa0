"""What runs on each stage, by its stacks' tags: since when, what is newer, what was changed by hand."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.delivery.artifacts import DIST_FOLDER, without_changes
from ecom_cli.delivery.bucket import MANIFEST, Bucket
from ecom_cli.delivery.deploy import code_of
from ecom_cli.delivery.drift import Drift, detect
from ecom_cli.delivery.stacks import NEVER_CREATED, Stack
from ecom_cli.delivery.tags import Running, running
from ecom_cli.errors import EcomError, explained
from ecom_cli.git import Git
from ecom_cli.workspace import Member, Workspace

AT_ONCE = 8


@dataclass(frozen=True)
class Service:
    """What one service runs on one stage.

    `release` is a git tag, None for a working tree. `since`: when the stack last changed, UTC, ISO 8601.
    `newest`: the highest version that was ever released, as far as is known here; `behind`: how many releases
    are newer than what runs, or for a working tree `commits_behind`, how many commits have touched it since.
    `other_code`: functions that run another zip than was deployed. `drift`: None where nobody asked.
    """

    service: str
    stack: str
    status: str | None = None
    version: str | None = None
    release: str | None = None
    commit: str | None = None
    since: str | None = None
    newest: str | None = None
    behind: int | None = None
    commits_behind: int | None = None
    previous: list[str] = field(default_factory=list)
    other_code: list[str] = field(default_factory=list)
    drift: Drift | None = None

    @property
    def words(self) -> str:
        return Running(self.version, self.commit, self.release).words

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def stages(place: Stage) -> list[str]:
    """The stages that there are in one account and region, by the tags of their stacks."""
    pages = place.client("cloudformation").get_paginator("describe_stacks").paginate()
    found = set()
    for page in pages:
        for stack in page["Stacks"]:
            tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags", ())}
            if tags.get("Project") == "ecom" and "Stage" in tags:
                found.add(tags["Stage"])
    return sorted(found)


def on_stage(stage: Stage, repo: Workspace, *, drift: bool = False) -> list[Service]:
    """What each service of this workspace runs on a stage. `drift`: let CloudFormation look as well."""
    with explained(), ThreadPoolExecutor(max_workers=AT_ONCE) as pool:
        stacks = list(pool.map(lambda member: Stack(stage, stage.stack_name(member)).describe(), repo.stacks))
        bucket = Bucket(stage) if _has_bucket(stage) else None
        return list(
            pool.map(
                lambda pair: _service(stage, repo, pair[0], pair[1], bucket, drift=drift),
                zip(repo.stacks, stacks, strict=True),
            )
        )


def known_versions(repo: Workspace, member: Member, bucket: Bucket | None) -> list[str]:
    """Versions that were released: by the tags of git, the folders in dist/, and what the stage keeps."""
    dist = repo.root / DIST_FOLDER / member.dist
    found = {folder.parent.name for folder in dist.glob(f"*/{MANIFEST}")}
    found |= {tag.rpartition("/v")[2] for tag in _tags(repo, member)}
    if bucket:
        found |= set(bucket.versions(member.dist))
    return sorted((text for text in found if _order(text)), key=_order)


def _service(
    stage: Stage,
    repo: Workspace,
    member: Member,
    found: Mapping[str, Any] | None,
    bucket: Bucket | None,
    *,
    drift: bool,
) -> Service:
    versions = known_versions(repo, member, bucket)
    here = Service(member.dist, stage.stack_name(member), newest=versions[-1] if versions else None)
    if found is None or found["StackStatus"] == "REVIEW_IN_PROGRESS":
        return here
    runs = running(found)
    changed = found.get("LastUpdatedTime") or found.get("CreationTime")
    here = replace(
        here,
        status=found["StackStatus"],
        version=runs.version,
        release=runs.release,
        commit=runs.commit,
        since=changed.isoformat(timespec="seconds").replace("+00:00", "Z") if changed else None,
        behind=sum(_order(v) > _order(runs.version or "") for v in versions) if runs.release else None,
        commits_behind=None if runs.release else _commits_since(repo, member, runs.commit),
        previous=list(runs.previous),
    )
    if here.status in NEVER_CREATED:
        return here
    stack = Stack(stage, here.stack)
    wanted = _wanted_code(found, runs, member, bucket)
    other = [name for name, runs_now in code_of(stage, stack).items() if runs_now != wanted] if wanted else []
    return replace(here, other_code=other, drift=detect(stage, here.stack) if drift else None)


def _wanted_code(
    found: Mapping[str, Any], runs: Running, member: Member, bucket: Bucket | None
) -> str | None:
    """The hash of the zip that functions should run: the release's own word, else the stack's parameter."""
    from ecom_cli.release.store import parse

    manifest = bucket.release_file(member.dist, runs.version, MANIFEST) if bucket and runs.release else None
    if manifest:
        key = parse(manifest, Path(f"{runs.release}")).code_key
    else:
        values = {p["ParameterKey"]: p["ParameterValue"] for p in found.get("Parameters", ())}
        key = values.get("CodeKey")
    return Path(key).stem if key else None


def _has_bucket(stage: Stage) -> bool:
    try:
        return bool(Bucket(stage).name)
    except EcomError:
        return False  # base-infra is not there, or has just been begun


def _tags(repo: Workspace, member: Member) -> Iterable[str]:
    git = Git(repo.root)
    return git.tags(f"{member.dist}/v*") if git.is_repository() else ()


def _commits_since(repo: Workspace, member: Member, commit: str | None) -> int | None:
    """How many commits have touched a member since this one; None where git does not know it."""
    git = Git(repo.root)
    if not commit or not git.is_repository():
        return None
    paths = [m.folder.relative_to(repo.root).as_posix() for m in (member, *repo.libraries(member))]
    try:
        return len(git.commits(without_changes(commit), *paths))
    except EcomError:
        return None


def _order(version: str) -> tuple[int, ...]:
    """A version as it is compared; empty for a text that is none."""
    parts = version.split(".")
    return tuple(map(int, parts)) if len(parts) == 3 and all(part.isdigit() for part in parts) else ()
