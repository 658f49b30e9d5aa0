"""What is deployed for one service: made from the working tree, or a release, to the byte."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from ecom_cli import build as builder
from ecom_cli.contracts import Contract, contract_of
from ecom_cli.delivery.bucket import Bucket
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.release.versions import named
from ecom_cli.templates import Template, parse_template
from ecom_cli.workspace import Member, Workspace, text_of

DIST_FOLDER = "dist"
CHANGED = "+changes"
"""After a commit: what is deployed differs from it."""

_VERSION = re.compile(r"\d+\.\d+\.\d+")


@dataclass(frozen=True)
class Wanted:
    """What somebody asks for: a service from the working tree, or its release of this version."""

    member: Member
    version: str | None = None


@dataclass(frozen=True)
class Code:
    """A function's zip, and its key in the artifact bucket."""

    key: str
    sha256: str
    content: bytes = field(repr=False)


@dataclass(frozen=True)
class Artifact:
    """All that a stack is made of. A release has a git tag and all its `files`; a working tree neither."""

    dist: str
    version: str
    commit: str | None
    text: str = field(repr=False)
    template: Template = field(repr=False)
    depends_on: tuple[str, ...]
    contract: Contract = field(repr=False)
    code: Code | None = None
    release: str | None = None
    files: Mapping[str, bytes] = field(default_factory=dict, repr=False)


def wanted(repo: Workspace, asked: Sequence[str]) -> list[Wanted]:
    """`payment-service` and `payment-service@1.3.0` as what they mean, in the order of deployment.

    A release may be named by its tag as well, `payment-service/v1.3.0`. All services from the tree when none
    is asked for. Raises EcomError for a service that does not exist, for what is no version, and for a
    service that is asked for twice.
    """
    versions: dict[str, str | None] = {}
    for text in asked:
        name, version = named(text)
        if name != text and not _VERSION.fullmatch(version):
            raise EcomError(f"{text!r} names no release.", "As in: payment-service@1.3.0")
        if name in versions:
            raise EcomError(f"{name} is named twice.", "Name the tree's or one release.")
        versions[name] = version or None
    return [Wanted(member, versions.get(member.dist)) for member in selected(repo, list(versions))]


def selected(repo: Workspace, services: Sequence[str]) -> list[Member]:
    """The members with these names, in deployment order; all when none is named."""
    stacks = repo.stacks
    names = [member.dist for member in stacks]
    if unknown := sorted(set(services) - set(names)):
        raise EcomError(f"There is no service {', '.join(unknown)}.", f"There are: {', '.join(names)}.")
    return [member for member in stacks if not services or member.dist in services]


def from_tree(repo: Workspace, members: Iterable[Member]) -> list[Artifact]:
    """What the working tree holds, still without its zips."""
    touched = _uncommitted(repo)
    return [
        Artifact(
            dist=member.dist,
            version=member.version,
            commit=_commit(repo, member, touched),
            text=(text := _template_text(member)),
            template=parse_template(text, f"the template of {member.dist}"),
            depends_on=member.depends_on,
            contract=contract_of(member),
        )
        for member in members
    ]


def with_code(artifact: Artifact, zip_: builder.Built | None) -> Artifact:
    """The same with the zip that was built for it."""
    if zip_ is None:
        return artifact
    return replace(artifact, code=Code(zip_.key, zip_.sha256, zip_.path.read_bytes()))


def from_release(repo: Workspace, name: str, version: str, bucket: Bucket | None) -> Artifact:
    """A release from dist/, else from the stage's bucket, with every hash verified.

    Raises EcomError where neither has it, and for one that is not as its manifest says.
    """
    folder = repo.root / DIST_FOLDER / name / version
    if folder.is_dir():
        return _read(folder, name, version)
    if bucket and (files := bucket.fetch(name, version)):
        with tempfile.TemporaryDirectory(prefix="ecom-release-") as draft:
            for file, content in files.items():
                if "/" not in file:
                    (Path(draft) / file).write_bytes(content)
            return _read(Path(draft), name, version)
    there = f" nor on {bucket.stage.where}" if bucket else ""
    raise EcomError(
        f"There is no {name} {version} in {DIST_FOLDER}/{there}.", f"`./ecom dist {name}@{version}` makes it."
    )


def _read(folder: Path, name: str, version: str) -> Artifact:
    from ecom_cli.release.store import CONTRACT, MANIFEST, read

    release = read(folder)
    if (release.name, release.version) != (name, version):
        raise EcomError(f"{folder} holds {release.tag}, not {name} {version}.")
    if release.template is None:
        raise EcomError(f"{name} has no stack: nothing to deploy.")
    files = {file: (folder / file).read_bytes() for file in (*release.files, MANIFEST)}
    text = files[release.template].decode()
    zipped = files[release.zip.name] if release.zip else None
    contract = Contract.from_json(files[CONTRACT].decode()) if release.contract else Contract(name, version)
    return Artifact(
        dist=name,
        version=version,
        commit=release.commit,
        text=text,
        template=parse_template(text, f"the template of {name} {version}"),
        depends_on=release.depends_on,
        contract=contract,
        code=Code(release.code_key, Path(release.code_key).stem, zipped)
        if release.code_key and zipped
        else None,
        release=release.tag,
        files=files,
    )


def without_changes(commit: str) -> str:
    """The commit alone, of one that may be marked as changed since."""
    return commit.removesuffix(CHANGED)


def _template_text(member: Member) -> str:
    if member.template is None or not member.template.is_file():
        raise EcomError(
            f"{member.dist} has no template {member.template}.", "See [tool.ecom] in its pyproject.toml."
        )
    return text_of(member.template)


def _uncommitted(repo: Workspace) -> list[Path] | None:
    """Files of the tree that differ from HEAD; None outside of git."""
    git = Git(repo.root)
    try:
        return [repo.root / path for path in git.uncommitted()] if git.is_repository() else None
    except EcomError:
        return None


def _commit(repo: Workspace, member: Member, touched: list[Path] | None) -> str | None:
    """The last commit that touched what is deployed for this member; None outside of git.

    Not HEAD: a commit elsewhere must not make every stack look changed.
    """
    if touched is None:
        return None
    folders = [m.folder for m in (member, *repo.libraries(member))]
    paths = [folder.relative_to(repo.root).as_posix() for folder in folders]
    try:
        sha = Git(repo.root).run("log", "-1", "--format=%H", "--", *paths).strip()
    except EcomError:
        return None  # a repository without a commit
    dirty = any(path.is_relative_to(folder) for path in touched for folder in folders)
    return f"{sha}{CHANGED}" if sha and dirty else sha or None
