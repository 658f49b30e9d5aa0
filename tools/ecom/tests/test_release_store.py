from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from ecom_cli.errors import EcomError
from ecom_cli.release.store import Artifact, Release, parse, read

ZIP, TEMPLATE, CONTRACT = b"PK code", b"Resources: {}\n", b"{}\n"


@pytest.fixture
def release(tmp_path: Path) -> Release:
    """A whole release of `toy-service`, written to disk."""
    contents = {"toy-service-1.2.0.zip": ZIP, "toy-stack.yaml": TEMPLATE, "contract.json": CONTRACT}
    release = Release(
        name="toy-service",
        version="1.2.0",
        tag="toy-service/v1.2.0",
        commit="c0ffee" * 6 + "c0ff",
        committed_at="2026-01-02T03:04:05Z",
        python="3.13",
        platform="aarch64-manylinux2014",
        depends_on=("base-infra",),
        code_key=f"toy-service/{Artifact.of(ZIP).sha256}.zip",
        template="toy-stack.yaml",
        contract=Artifact.of(CONTRACT).sha256,
        files={name: Artifact.of(content) for name, content in contents.items()},
        folder=tmp_path / "dist/toy-service/1.2.0",
    )
    release.folder.mkdir(parents=True)
    for name, content in contents.items():
        (release.folder / name).write_bytes(content)
    (release.folder / "manifest.json").write_bytes(release.manifest)
    return release


def test_what_was_written_is_read_back(release: Release) -> None:
    found = read(release.folder)
    assert found == release
    assert found.manifest == release.manifest
    assert found.zip
    assert found.zip.read_bytes() == ZIP
    assert found.template_path == release.folder / "toy-stack.yaml"
    assert found.contract_path == release.folder / "contract.json"


@pytest.mark.parametrize("name", ["toy-service-1.2.0.zip", "toy-stack.yaml", "contract.json"])
def test_a_file_that_differs_is_named(release: Release, name: str) -> None:
    content = (release.folder / name).read_bytes()
    (release.folder / name).write_bytes(content[:-1] + b"!")  # the same size
    with pytest.raises(EcomError, match=name):
        read(release.folder)


@pytest.mark.parametrize("name", ["toy-service-1.2.0.zip", "manifest.json"])
def test_a_file_that_is_missing_is_named(release: Release, name: str) -> None:
    (release.folder / name).unlink()
    with pytest.raises(EcomError, match=f"{name} is missing"):
        read(release.folder)


@pytest.mark.parametrize(
    "edit",
    [
        {"tag": "toy-service/v1.3.0"},
        {"version": "../1.2.0", "tag": "toy-service/v../1.2.0"},
        {"code_key": f"toy-service/{'0' * 64}.zip"},
        {"contract": "0" * 64},
        {"template": "other-stack.yaml"},
        {"files": {"../toy-service-1.2.0.zip": {"sha256": "0" * 64, "size": 1}}},
        {"files": {"toy-service-1.2.0.zip": {"sha256": "0", "size": 1}}},
        {"files": {}},
        {"unknown": 1},
    ],
)
def test_a_manifest_that_contradicts_itself_is_refused(release: Release, edit: dict[str, Any]) -> None:
    document = json.loads(release.manifest) | edit
    with pytest.raises(EcomError, match="not a release's manifest"):
        parse(json.dumps(document).encode(), release.folder)


def test_a_manifest_of_something_else_is_refused(tmp_path: Path) -> None:
    for text in (b"[]", b"{", b'{"name": "x"}'):
        with pytest.raises(EcomError, match="not a release's manifest") as caught:
            parse(text, tmp_path)
        assert "./ecom dist" in caught.value.hint


def test_a_release_without_functions_has_no_zip(release: Release) -> None:
    document = json.loads(release.manifest) | {"code_key": None, "python": None, "platform": None}
    found = parse(json.dumps(document).encode(), release.folder)
    assert found.zip is None
