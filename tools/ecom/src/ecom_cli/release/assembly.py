"""Makes the artifacts of a release: the same commit gives the same bytes, manifest included."""

from __future__ import annotations

import shutil
import tempfile
import time
from pathlib import Path

from ecom_cli import build as builder
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.release import store
from ecom_cli.release.rendering import rendered
from ecom_cli.release.sbom import Subject, sbom
from ecom_cli.release.store import Artifact, Release
from ecom_cli.release.wheel import build_wheel
from ecom_cli.workspace import Member, Workspace

FOLDER = "dist"  # git-ignored, at the root


def folder_of(root: Path, name: str, version: str) -> Path:
    """Where a release's files lie in a folder of releases such as `dist/`."""
    return root / name / version


def assemble(at: Workspace, member: Member, tag: str, commit: str, draft: Path) -> Release:
    """Write every artifact of a member into `draft`, the manifest last.

    `at`: the checkout of that commit and nothing else. Raises EcomError where one cannot be built.
    """
    contents: dict[str, bytes] = {}
    code_key, vendored = None, None
    if member.has_zip:
        built = builder.build(member, at)
        vendored = builder.vendored(at, member)
        contents[f"{member.dist}-{member.version}.zip"] = built.path.read_bytes()
        code_key = built.key
    if member.package is not None:
        name, content = build_wheel(at, member)
        contents[name] = content
    if member.template is not None:
        contents[member.template.name] = _template(member, code_key)
    contract = _contract(member)
    contents[store.CONTRACT] = contract
    committed_at = _committed_at(at, commit)
    subject = Subject(member, tag, commit, committed_at, _artifacts(contents))
    contents[store.SBOM] = sbom(subject, at.libraries(member), vendored)
    release = Release(
        name=member.dist,
        version=member.version,
        tag=tag,
        commit=commit,
        committed_at=committed_at,
        python=builder.LAMBDA_PYTHON if code_key else None,
        platform=builder.LAMBDA_PLATFORM if code_key else None,
        depends_on=member.depends_on,
        code_key=code_key,
        template=member.template.name if member.template else None,
        contract=Artifact.of(contract).sha256,
        files=_artifacts(contents),
        folder=draft,
    )
    for name, content in {**contents, store.MANIFEST: release.manifest}.items():
        (draft / name).write_bytes(content)
    return store.read(draft)


def drafted(place: Path) -> Path:
    """An empty folder beside the releases of a member, to become one of them."""
    place.parent.mkdir(parents=True, exist_ok=True)
    for left in place.parent.glob(".draft-*"):  # by a run that was killed: only one runs at a time
        shutil.rmtree(left, ignore_errors=True)
    draft = Path(tempfile.mkdtemp(prefix=".draft-", dir=place.parent))
    draft.chmod(0o755)
    return draft


def put(draft: Path, place: Path) -> Release:
    """Give a finished draft its place. What was there before is gone: a tag's files are always the same."""
    if place.exists():
        place.rename(draft.with_name(f"{draft.name}-before"))
    draft.rename(place)
    shutil.rmtree(draft.with_name(f"{draft.name}-before"), ignore_errors=True)
    return store.read(place)


def _template(member: Member, code_key: str | None) -> bytes:
    path = member.template
    if path is None or not path.is_file():
        raise EcomError(f"{member.dist} has no template {path}.", "See [tool.ecom] in its pyproject.toml.")
    text = path.read_text(encoding="utf-8")
    return (rendered(text, code_key, path.name) if code_key else text).encode()


def _contract(member: Member) -> bytes:
    from ecom_cli.contracts import contract_of

    return contract_of(member).as_json().encode()


def _committed_at(at: Workspace, commit: str) -> str:
    seconds = int(Git(at.root).run("log", "-1", "--format=%ct", commit))
    return time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime(seconds))


def _artifacts(contents: dict[str, bytes]) -> dict[str, Artifact]:
    return {name: Artifact.of(content) for name, content in sorted(contents.items())}
