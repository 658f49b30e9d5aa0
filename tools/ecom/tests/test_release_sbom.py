from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_cli.errors import EcomError
from ecom_cli.release.sbom import Subject, sbom
from ecom_cli.release.store import Artifact
from ecom_cli.workspace import Member

HASHES = ("a" * 64, "b" * 64)
PINS = f"""\
# Exact versions and hashes
plain-lib==1.2 \\
    --hash=sha256:{HASHES[0]} \\
    --hash=sha256:{HASHES[1]}
typed.lib==3 \\
    --hash=sha256:{HASHES[0]}
"""
PLAIN = """\
Metadata-Version: 2.1
Name: plain_lib
Version: 1.2
License: MIT
Classifier: License :: OSI Approved :: MIT License
Classifier: Programming Language :: Python
Requires-Dist: Typed.Lib (<4,>=3) ; python_version > "3.8"
Requires-Dist: crt ; extra == 'fast'
Requires-Dist: Typed-Lib ; extra == 'typed'

License
"""
TYPED = "Metadata-Version: 2.4\nName: typed-lib\nVersion: 3\nLicense-Expression: PSF-2.0\n\nText.\n"


@pytest.fixture
def member(tmp_path: Path) -> Member:
    (tmp_path / "requirements.txt").write_text(PINS)
    return Member("toy-service", tmp_path, "1.0.0", tmp_path / "t.yaml", requires=("plain_lib", "toy-common"))


@pytest.fixture
def vendored(tmp_path: Path) -> Path:
    for name, text in (("plain_lib-1.2", PLAIN), ("typed_lib-3", TYPED)):
        folder = tmp_path / "vendor" / f"{name}.dist-info"
        folder.mkdir(parents=True)
        (folder / "METADATA").write_text(text)
    return tmp_path / "vendor"


def bill(member: Member, vendored: Path | None, tag: str = "toy-service/v1.0.0") -> dict[str, Any]:
    subject = Subject(member, tag, "c0ffee", "2026-01-02T03:04:05Z", {"x.zip": Artifact("d" * 64, 1)})
    library = Member("toy-common", member.folder, "0.3.0", requires=("typed-lib",))
    written = sbom(subject, (library,), vendored)
    assert written == sbom(subject, (library,), vendored)
    found: dict[str, Any] = json.loads(written)
    return found


def test_what_is_pinned_is_listed_with_its_hashes_and_licence(member: Member, vendored: Path) -> None:
    parts = {part["name"]: part for part in bill(member, vendored)["components"]}
    assert sorted(parts) == ["plain-lib", "toy-common", "typed-lib"]
    assert [each["content"] for each in parts["plain-lib"]["hashes"]] == list(HASHES)
    assert parts["plain-lib"]["licenses"] == [
        {"license": {"name": "MIT License", "acknowledgement": "declared"}}
    ]
    assert parts["typed-lib"]["licenses"] == [{"expression": "PSF-2.0", "acknowledgement": "declared"}]
    assert parts["typed-lib"]["purl"] == "pkg:pypi/typed-lib@3"
    assert parts["toy-common"]["purl"] == "pkg:generic/toy-common@0.3.0"


def test_who_needs_whom_without_extras(member: Member, vendored: Path) -> None:
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill(member, vendored)["dependencies"]}
    assert edges == {
        "pkg:generic/toy-service@1.0.0": ["pkg:generic/toy-common@0.3.0", "pkg:pypi/plain-lib@1.2"],
        "pkg:generic/toy-common@0.3.0": ["pkg:pypi/typed-lib@3"],
        "pkg:pypi/plain-lib@1.2": ["pkg:pypi/typed-lib@3"],
        "pkg:pypi/typed-lib@3": [],
    }


def test_an_extra_is_no_need(member: Member, vendored: Path) -> None:
    needless = PLAIN.replace('Requires-Dist: Typed.Lib (<4,>=3) ; python_version > "3.8"\n', "")
    (vendored / "plain_lib-1.2.dist-info/METADATA").write_text(needless)
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill(member, vendored)["dependencies"]}
    assert edges["pkg:pypi/plain-lib@1.2"] == []


def test_a_pin_that_is_not_what_was_installed_is_an_error(member: Member, vendored: Path) -> None:
    (vendored / "typed_lib-3.dist-info/METADATA").write_text(TYPED.replace("Version: 3", "Version: 4"))
    with pytest.raises(EcomError, match="typed-lib 3 is pinned for toy-service, but not installed"):
        bill(member, vendored)


def test_each_release_has_a_serial_number_of_its_own(member: Member, vendored: Path) -> None:
    one, other = (bill(member, vendored, tag)["serialNumber"] for tag in ("t/v1.0.0", "t/v1.0.1"))
    assert one != other
    assert one.startswith("urn:uuid:")


def test_without_a_zip_there_are_only_the_workspaces_own(member: Member) -> None:
    found = bill(member, None)
    assert [part["name"] for part in found["components"]] == ["toy-common"]
    names = [each["name"] for each in found["metadata"]["component"]["properties"]]
    assert names == ["ecom:commit", "ecom:sha256:x.zip"]
