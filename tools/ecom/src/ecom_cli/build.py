"""Reproducible zips of the functions: the same sources and pins give the same bytes.

A zip holds the service, the workspace libraries that it imports and its pinned third-party packages. It is
pure Python, so that one zip serves Lambda on arm64 and the emulator on a laptop.
"""

from __future__ import annotations

import hashlib
import json
import os
import shutil
import sys
import tempfile
import zipfile
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path, PurePosixPath

from ecom_cli.errors import EcomError
from ecom_cli.uvtool import uv
from ecom_cli.workspace import Member, Workspace, workspace

# part of every cache key: another way to build gives another zip from the same sources
RECIPE = hashlib.sha256(Path(__file__).read_bytes()).hexdigest()
LAMBDA_PYTHON = "3.13"
LAMBDA_PLATFORM = "aarch64-manylinux2014"
KEPT_ZIPS = 3

# botocore reads these whatever the service (botocore/loaders.py, regions.py, configprovider.py)
_BOTOCORE_FILES = {"_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json"}
_NEVER_USED = {"examples-1.json"}  # botocore/data: texts for the documentation
_NATIVE = {".so", ".pyd", ".dylib", ".dll"}
_EPOCH = (1980, 1, 1, 0, 0, 0)  # the earliest time that a zip can hold


@dataclass(frozen=True)
class Built:
    """A zip on disk. `size` and `unzipped` are bytes; `fresh` is false when an earlier build was good."""

    dist: str
    path: Path
    sha256: str
    size: int
    unzipped: int
    files: int
    fresh: bool

    @property
    def key(self) -> str:
        """Where it lives in the artifact bucket."""
        return f"{self.dist}/{self.sha256}.zip"

    def as_json(self) -> dict[str, object]:
        return {**asdict(self), "path": str(self.path), "key": self.key}


def build_all(members: Iterable[Member], repo: Workspace | None = None) -> list[Built]:
    """Build the zips of the members that have one, side by side."""
    repo = repo or workspace()
    wanted = [member for member in members if member.has_zip]
    for member in wanted:
        vendored(repo, member)  # one after the other: services often share the same folder
    with ThreadPoolExecutor() as pool:
        return list(pool.map(lambda member: build(member, repo), wanted))


def build(member: Member, repo: Workspace | None = None) -> Built:
    """Build one member's zip, or return the one of an earlier build from the same inputs.

    Raises EcomError for a member without a zip, missing pins, and anything that is not pure Python.
    """
    repo = repo or workspace()
    if not member.has_zip:
        raise EcomError(f"{member.dist} has no zip: it has no functions.")
    sources = {m.dist: m.source for m in (*repo.libraries(member), member)}
    inputs = _inputs(member, sources.values())
    folder = repo.state / "build" / member.dist
    record = folder / f"{inputs}.json"
    if record.is_file():
        known = json.loads(record.read_text(encoding="utf-8"))
        path = folder / f"{known['sha256']}.zip"
        if path.is_file() and path.stat().st_size == known["size"]:
            os.utime(record)
            return Built(member.dist, path, fresh=False, **known)

    entries = dict(_third_party(vendored(repo, member), set(member.aws_services)))
    for source in sources.values():
        entries |= {f"{source.name}/{name}": path for name, path in _tree(source)}
    _refuse_native(member, entries)
    folder.mkdir(parents=True, exist_ok=True)
    built = _write(member, folder, entries)
    known = {"sha256": built.sha256, "size": built.size, "unzipped": built.unzipped, "files": built.files}
    record.write_text(json.dumps(known), encoding="utf-8")
    _prune(folder)
    return built


def vendored(repo: Workspace, member: Member) -> Path:
    """The folder with the member's third-party packages, installed once per content of its pins."""
    if not member.requirements.is_file():
        raise EcomError(f"{member.requirements} is missing.", "Write it with `./ecom pins`.")
    pins = member.requirements.read_bytes()
    key = hashlib.sha256(f"{LAMBDA_PYTHON} {LAMBDA_PLATFORM}\n".encode() + pins).hexdigest()[:32]
    folder = repo.state / "build" / "vendor" / key
    if folder.is_dir():
        return folder
    folder.parent.mkdir(parents=True, exist_ok=True)
    draft = Path(tempfile.mkdtemp(prefix="draft-", dir=folder.parent))
    try:
        uv(
            "pip", "install", "--quiet", "--target", str(draft), "--requirement", str(member.requirements),
            "--require-hashes", "--no-deps", "--only-binary", ":all:",
            "--link-mode", "copy", "--no-compile-bytecode",
            "--python", sys.executable,
            "--python-version", LAMBDA_PYTHON, "--python-platform", LAMBDA_PLATFORM,
            cwd=repo.root,  # with that workspace's constraints, not those of the tool's own
        )  # fmt: skip
        draft.chmod(0o755)
        try:
            draft.rename(folder)
        except OSError:  # another build was quicker; its folder has the same content
            if not folder.is_dir():
                raise
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return folder


def _third_party(folder: Path, services: set[str]) -> Iterator[tuple[str, Path]]:
    """What a function can use of the installed packages."""
    missing = sorted(service for service in services if not (folder / "botocore" / "data" / service).is_dir())
    if missing:
        raise EcomError(
            f"botocore knows no service {', '.join(missing)}.", "Correct [tool.ecom] aws-services."
        )
    newest = {service: max(_names(folder / "botocore" / "data" / service)) for service in services}
    for name, path in _tree(folder):
        parts = PurePosixPath(name).parts
        # the metadata folders serve installers only: no package here looks itself up at run time
        if parts[0].endswith(".dist-info") or parts[0] == "bin" or (len(parts) == 1 and path.suffix != ".py"):
            continue
        if parts[:2] == ("botocore", "data"):
            of_service = (
                parts[2] in services and parts[3] == newest[parts[2]] and parts[-1] not in _NEVER_USED
            )
            if not (of_service or parts[2] in _BOTOCORE_FILES):
                continue
        if parts[:2] == ("boto3", "examples") or (
            parts[:2] == ("boto3", "data") and parts[2] not in services
        ):
            continue
        yield name, path


def _names(folder: Path) -> list[str]:
    return [entry.name for entry in folder.iterdir()]


def _tree(folder: Path) -> Iterator[tuple[str, Path]]:
    """Every file below `folder` that belongs to the code, as (name with slashes, path)."""
    for parent, folders, files in os.walk(folder):
        folders[:] = [name for name in folders if name != "__pycache__" and not name.startswith(".")]
        for name in files:
            if not name.endswith((".pyc", ".pyo")) and not name.startswith("."):
                path = Path(parent) / name
                yield path.relative_to(folder).as_posix(), path


def _refuse_native(member: Member, entries: dict[str, Path]) -> None:
    if native := sorted(name for name in entries if PurePosixPath(name).suffix in _NATIVE):
        raise EcomError(
            f"The zip of {member.dist} would hold compiled code: {', '.join(native[:3])}.",
            "It would run on one platform only. Choose a pure Python package.",
        )


def _inputs(member: Member, sources: Iterable[Path]) -> str:
    """A digest of everything that decides what the zip holds."""
    digest = hashlib.sha256(f"{RECIPE}\n{sorted(member.aws_services)}\n".encode())
    if member.requirements.is_file():
        digest.update(member.requirements.read_bytes())
    for source in sources:
        for name, path in sorted(_tree(source)):
            content = path.read_bytes()
            digest.update(f"{source.name}/{name} {len(content)}\n".encode() + content)
    return digest.hexdigest()[:32]


def _write(member: Member, folder: Path, entries: dict[str, Path]) -> Built:
    """Write the entries in order, with one time and one mode for all."""
    handle, draft = tempfile.mkstemp(prefix="draft-", dir=folder)
    unzipped = 0
    with os.fdopen(handle, "wb") as file, zipfile.ZipFile(file, "w") as archive:
        for name in sorted(entries):
            info = zipfile.ZipInfo(name, _EPOCH)
            info.create_system = 3  # Unix, also when built elsewhere
            info.external_attr = 0o100644 << 16
            info.compress_type = zipfile.ZIP_DEFLATED
            content = entries[name].read_bytes()
            unzipped += len(content)
            archive.writestr(info, content, compresslevel=6)
    sha256 = hashlib.sha256(Path(draft).read_bytes()).hexdigest()
    path = Path(draft).replace(folder / f"{sha256}.zip")
    path.chmod(0o644)
    return Built(member.dist, path, sha256, path.stat().st_size, unzipped, len(entries), fresh=True)


def _prune(folder: Path) -> None:
    """Keep the latest zips only: any other can be built again, to the byte."""
    records = sorted(folder.glob("*.json"), key=lambda path: path.stat().st_mtime, reverse=True)
    kept = {json.loads(record.read_text(encoding="utf-8"))["sha256"] for record in records[:KEPT_ZIPS]}
    for record in records[KEPT_ZIPS:]:
        record.unlink(missing_ok=True)
    for path in folder.glob("*.zip"):
        if path.stem not in kept:
            path.unlink(missing_ok=True)
