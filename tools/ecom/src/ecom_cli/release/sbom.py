"""The bill of materials of a release, as CycloneDX 1.6: https://cyclonedx.org/docs/1.6/json/.

Written from the hashed pins and what the installed packages say about themselves; no library is worth its
weight for a dozen components. Nothing in it is random or depends on the clock.
"""

from __future__ import annotations

import json
import re
import uuid
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from email.message import Message
from email.parser import HeaderParser
from pathlib import Path
from typing import Any

from ecom_cli.errors import EcomError
from ecom_cli.release.store import Artifact
from ecom_cli.workspace import Member

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://ecom.example/releases")
_PIN = re.compile(
    r"^(?P<name>[A-Za-z0-9._-]+)==(?P<version>\S+)(?P<hashes>(?:\s*\\\n\s+--hash=sha256:[0-9a-f]{64})*)",
    re.MULTILINE,
)
_EXTRA = re.compile(r"\bextra\b")


@dataclass(frozen=True)
class Subject:
    """The release that the bill is for. `contents`: its artifacts, by file name; `committed_at`: ISO 8601."""

    member: Member
    tag: str
    commit: str
    committed_at: str
    contents: dict[str, Artifact]


def sbom(subject: Subject, libraries: Sequence[Member], vendored: Path | None) -> bytes:
    """The bill's bytes. `vendored`: the folder of its installed third-party packages; None without a zip."""
    member = subject.member
    carried = [_library(library) for library in libraries]
    third_party = list(_third_party(member, vendored)) if vendored else []
    known = {part["name"]: part["bom-ref"] for part in [*carried, *third_party]}
    edges = {_ref(member): member.requires}
    edges |= {_ref(library): library.requires for library in libraries}
    if vendored:
        edges |= {
            known[name]: tuple(_required(metadata))
            for name, metadata in _installed(vendored)
            if name in known
        }
    document = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid.uuid5(_NAMESPACE, f'{subject.tag} {subject.commit}')}",
        "version": 1,
        "metadata": {"timestamp": subject.committed_at, "component": _subject(subject)},
        "components": [*carried, *third_party],
        "dependencies": [
            {"ref": ref, "dependsOn": sorted({known[name] for name in map(_normal, needs) if name in known})}
            for ref, needs in sorted(edges.items())
        ],
    }
    return (json.dumps(document, indent=2) + "\n").encode()


def _subject(subject: Subject) -> dict[str, Any]:
    member = subject.member
    return {
        "type": "application" if member.template else "library",
        "bom-ref": _ref(member),
        "name": member.dist,
        "version": member.version,
        "purl": _ref(member),
        "properties": [
            {"name": "ecom:commit", "value": subject.commit},
            *(
                {"name": f"ecom:sha256:{name}", "value": artifact.sha256}
                for name, artifact in sorted(subject.contents.items())
            ),
        ],
    }


def _library(library: Member) -> dict[str, Any]:
    """A library of this workspace. Its source is that of the release's commit; no index has it."""
    return {
        "type": "library",
        "bom-ref": _ref(library),
        "name": library.dist,
        "version": library.version,
        "purl": _ref(library),
    }


def _ref(member: Member) -> str:
    """Its package URL: `generic`, since an index may have something else of the same name."""
    return f"pkg:generic/{member.dist}@{member.version}"


def _third_party(member: Member, vendored: Path) -> Iterator[dict[str, Any]]:
    """The pinned packages. Their hashes are those of the files that the pin allows: wheel and source."""
    installed = dict(_installed(vendored))
    for match in _PIN.finditer(member.requirements.read_text(encoding="utf-8")):
        name, version = _normal(match["name"]), match["version"]
        if name not in installed or installed[name]["Version"] != version:
            raise EcomError(f"{name} {version} is pinned for {member.dist}, but not installed for its zip.")
        hashes = re.findall(r"[0-9a-f]{64}", match["hashes"])
        yield {
            "type": "library",
            "bom-ref": f"pkg:pypi/{name}@{version}",
            "name": name,
            "version": version,
            "purl": f"pkg:pypi/{name}@{version}",
            "hashes": [{"alg": "SHA-256", "content": each} for each in hashes],
            **_licences(installed[name]),
        }


def _licences(metadata: Message) -> dict[str, Any]:
    """What the package says of its licence: an SPDX expression, else words."""
    if expression := metadata["License-Expression"]:
        return {"licenses": [{"expression": expression, "acknowledgement": "declared"}]}
    classifiers = (text.split(" :: ") for text in metadata.get_all("Classifier", ()))
    names = [parts[-1] for parts in classifiers if parts[0] == "License"]
    names = names or (metadata["License"] or "").splitlines()[:1]
    return (
        {"licenses": [{"license": {"name": n, "acknowledgement": "declared"}} for n in names]}
        if names
        else {}
    )


def _installed(vendored: Path) -> Iterator[tuple[str, Message]]:
    for file in sorted(vendored.glob("*.dist-info/METADATA")):
        metadata = HeaderParser().parsestr(file.read_text(encoding="utf-8"))
        yield _normal(metadata["Name"]), metadata


def _required(metadata: Message) -> Iterator[str]:
    """The names of what a package needs, its extras left out."""
    for requirement in metadata.get_all("Requires-Dist", ()):
        need, _, marker = requirement.partition(";")
        if not _EXTRA.search(marker):
            yield re.split(r"[^A-Za-z0-9._-]", need.strip(), maxsplit=1)[0]


def _normal(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()
