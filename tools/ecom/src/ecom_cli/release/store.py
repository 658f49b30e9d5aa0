"""A release on disk: a folder whose manifest names every file in it by its hash."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ecom_cli.errors import EcomError

MANIFEST, CONTRACT, SBOM = "manifest.json", "contract.json", "sbom.cdx.json"

_MAKE_AGAIN = "`./ecom dist NAME@VERSION` makes the files of a release from its tag."
_FILE_NAME = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._+-]*")
_VERSION = re.compile(r"\d+\.\d+\.\d+")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclass(frozen=True)
class Artifact:
    """One file: the SHA-256 of its content in hex, and its size in bytes."""

    sha256: str
    size: int

    @classmethod
    def of(cls, content: bytes) -> Artifact:
        return cls(hashlib.sha256(content).hexdigest(), len(content))


@dataclass(frozen=True)
class Release:
    """One released version and where its files lie.

    `committed_at` is in UTC, ISO 8601. `python` and `platform` say what the zip is for, `code_key` where it
    belongs in an artifact bucket; they are None where there is no zip. `template` is a file's name, None
    where there is no stack. `contract` is the SHA-256 of contract.json, None where there is none.
    """

    name: str
    version: str
    tag: str
    commit: str
    committed_at: str
    python: str | None
    platform: str | None
    depends_on: tuple[str, ...]
    code_key: str | None
    template: str | None
    contract: str | None
    files: Mapping[str, Artifact]
    folder: Path

    @property
    def zip(self) -> Path | None:
        """The functions' code; None for a member without functions."""
        return self.folder / f"{self.name}-{self.version}.zip" if self.code_key else None

    @property
    def template_path(self) -> Path | None:
        """The template whose default CodeKey is this release's zip; None for a member without a stack."""
        return self.folder / self.template if self.template else None

    @property
    def contract_path(self) -> Path | None:
        return self.folder / CONTRACT if self.contract else None

    @property
    def manifest(self) -> bytes:
        """The manifest's bytes: the same for the same release, wherever its folder is."""
        document = {key: value for key, value in asdict(self).items() if key != "folder"}
        return (json.dumps(document, indent=2) + "\n").encode()


def read(folder: Path) -> Release:
    """The release in this folder, once every file has been compared with its hash.

    Raises EcomError naming the file that is missing or differs. Files that the manifest does not name are not
    looked at.
    """
    release = parse(_content(folder, MANIFEST), folder)
    for name, artifact in release.files.items():
        if Artifact.of(_content(folder, name)) != artifact:
            raise EcomError(
                f"{folder / name} is not the file that was released as {release.tag}.",
                f"Make the release's files again: `./ecom dist {release.name}@{release.version}`.",
            )
    return release


def parse(manifest: bytes, folder: Path) -> Release:
    """The release that a manifest describes. Raises EcomError where it contradicts itself or is odd."""
    try:
        document: dict[str, Any] = json.loads(manifest)
        files = {name: Artifact(**artifact) for name, artifact in document.pop("files").items()}
        depends_on = tuple(document.pop("depends_on"))
        release = Release(**document, depends_on=depends_on, files=files, folder=folder)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise EcomError(f"{folder / MANIFEST} is not a release's manifest: {error}.", _MAKE_AGAIN) from error
    if problem := _contradiction(release):
        raise EcomError(f"{folder / MANIFEST} is not a release's manifest: {problem}.", _MAKE_AGAIN)
    return release


def _contradiction(release: Release) -> str:
    """What a manifest says that cannot be; empty when all is well."""
    if not _VERSION.fullmatch(release.version) or release.tag != f"{release.name}/v{release.version}":
        return f"its tag is {release.tag!r} and its version {release.version!r}"
    for name, artifact in release.files.items():
        if not _FILE_NAME.fullmatch(name) or not _SHA256.fullmatch(artifact.sha256):
            return f"it names {name!r} with the hash {artifact.sha256!r}"
    for named in (release.zip, release.template_path, release.contract_path):
        if named and named.name not in release.files:
            return f"it has no hash of {named.name}"
    if release.zip and release.code_key != f"{release.name}/{release.files[release.zip.name].sha256}.zip":
        return f"its code_key {release.code_key!r} is another zip's"
    if release.contract and release.contract != release.files[CONTRACT].sha256:
        return "its contract is another one than contract.json"
    return ""


def _content(folder: Path, name: str) -> bytes:
    try:
        return (folder / name).read_bytes()
    except FileNotFoundError as error:
        raise EcomError(
            f"{folder / name} is missing.",
            _MAKE_AGAIN,
        ) from error
