"""The real packages of the present commit, made twice: only the commit is the same."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
import zipfile

import pytest

from ecom_cli import build as builder
from ecom_cli.git import Git
from ecom_cli.release.store import Release, read
from ecom_cli.templates import parse_template
from ecom_cli.uvtool import uv_path
from ecom_cli.workspace import load, workspace

NAMES = ("payment-service", "ecom-common", "base-infra")

MAKE = """
import os, sys
from pathlib import Path

os.umask(int(sys.argv[1], 8))
from ecom_cli.release import making
from ecom_cli.workspace import load

repo = load(Path(sys.argv[2]))
for name in sys.argv[3:]:
    making.dist(repo, making.wanted(repo, name), repo.root / "dist")
"""
ONE = {"TZ": "UTC", "LC_ALL": "C.UTF-8", "PYTHONHASHSEED": "1"}
OTHER = {
    "TZ": "Pacific/Kiritimati", "LC_ALL": "C", "PYTHONHASHSEED": "2", "SOURCE_DATE_EPOCH": "1700000000",
}  # fmt: skip


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> list[dict[str, Release]]:
    """Each package's release, made in two clones: other folder, umask, time zone, locale, line ends."""
    house = workspace()
    if not Git(house.root).is_repository():
        pytest.skip("a copy without its history has no commits to build")
    home = tmp_path_factory.mktemp("homes")
    # whoever runs this may reach packages by settings of their own, so those stay
    shared = {**os.environ, "UV": uv_path()}
    found = []
    for folder, umask, line_ends, variables in (
        (home / "one", "022", "false", ONE),
        (home / "another/much/longer", "077", "true", OTHER),
    ):
        Git(house.root).run(
            "clone", "--quiet", "-c", f"core.autocrlf={line_ends}", str(house.root), str(folder)
        )
        clone = load(folder)
        for name in NAMES:
            tag = f"{name}/v{clone.member(name).version}"
            author = ("-c", "user.name=Team", "-c", "user.email=team@example.com")
            Git(folder).run(*author, "tag", "--force", "-a", "-m", "x", tag)
        variables["TMPDIR"] = str(tmp_path_factory.mktemp("tmp"))
        subprocess.run(
            [sys.executable, "-c", MAKE, umask, str(folder), *NAMES],
            env={**shared, **variables},
            check=True,
            timeout=300,
        )
        found.append({name: read(folder / "dist" / name / clone.member(name).version) for name in NAMES})
    return found


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_the_same_commit_gives_the_same_bytes(made: list[dict[str, Release]], name: str) -> None:
    one, other = (release[name] for release in made)
    assert one.folder != other.folder
    assert {n: a.sha256 for n, a in one.files.items()} == {n: a.sha256 for n, a in other.files.items()}
    assert one.manifest == other.manifest == (other.folder / "manifest.json").read_bytes()


@pytest.mark.slow
def test_a_service_has_every_artifact(made: list[dict[str, Release]]) -> None:
    release = made[0]["payment-service"]
    assert list(release.files) == [
        "contract.json",
        f"payment-service-{release.version}.zip",
        "payment-stack.yaml",
        f"payment_service-{release.version}-py3-none-any.whl",
        "sbom.cdx.json",
    ]
    assert (release.python, release.platform) == ("3.13", "aarch64-manylinux2014")
    assert release.depends_on == ("base-infra",)


@pytest.mark.slow
def test_the_zip_is_the_one_that_is_deployed_from_the_tree(made: list[dict[str, Release]]) -> None:
    release = made[0]["payment-service"]
    clone = load(release.folder.parents[2])
    installed = clone.state / "build" / "vendor"  # as this workspace has them already
    installed.parent.mkdir(parents=True, exist_ok=True)
    (workspace().state / "build" / "vendor").mkdir(parents=True, exist_ok=True)
    installed.symlink_to(workspace().state / "build" / "vendor")
    assert builder.build(clone.member("payment-service"), clone).key == release.code_key


@pytest.mark.slow
def test_the_template_deploys_its_own_zip(made: list[dict[str, Release]]) -> None:
    release = made[0]["payment-service"]
    assert release.template_path
    text = release.template_path.read_text(encoding="utf-8")
    assert parse_template(text, "t").parameters["CodeKey"] == release.code_key


@pytest.mark.slow
def test_the_wheel_names_the_one_backend_that_may_build_it(made: list[dict[str, Release]]) -> None:
    from ecom_cli.release.wheel import BACKEND

    release = made[0]["ecom-common"]
    wheel = zipfile.ZipFile(
        io.BytesIO((release.folder / next(n for n in release.files if n.endswith(".whl"))).read_bytes())
    )
    generator = next(wheel.read(name).decode() for name in wheel.namelist() if name.endswith("/WHEEL"))
    version = BACKEND.read_text(encoding="utf-8").partition("uv-build==")[2].split()[0]
    assert f"Generator: uv {version}\n" in generator
    assert not [name for name in wheel.namelist() if "__pycache__" in name or name.endswith(".pyc")]


@pytest.mark.slow
def test_the_bill_of_materials_lists_what_is_in_the_zip(made: list[dict[str, Release]]) -> None:
    release = made[0]["payment-service"]
    bill = json.loads((release.folder / "sbom.cdx.json").read_text(encoding="utf-8"))
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert bill["metadata"]["timestamp"] == release.committed_at
    clone = load(release.folder.parents[2])
    pins = clone.member("payment-service").requirements.read_text(encoding="utf-8")
    pinned = {line.split()[0] for line in pins.splitlines() if "==" in line}
    third_party = [part for part in bill["components"] if "hashes" in part]
    assert {f"{part['name']}=={part['version']}" for part in third_party} == pinned
    for part in third_party:
        assert part["purl"] == f"pkg:pypi/{part['name']}@{part['version']}"
        assert part["licenses"], part["name"]
        assert all(f"--hash=sha256:{each['content']}" in pins for each in part["hashes"])
    common = clone.member("ecom-common")
    assert f"pkg:generic/ecom-common@{common.version}" in {part["purl"] for part in bill["components"]}
    edges = {edge["ref"]: edge["dependsOn"] for edge in bill["dependencies"]}
    assert set(edges) == {part["bom-ref"] for part in bill["components"]} | {
        bill["metadata"]["component"]["bom-ref"]
    }
    boto3 = next(ref for ref in edges if ref.startswith("pkg:pypi/boto3@"))
    assert any(ref.startswith("pkg:pypi/botocore@") for ref in edges[boto3])


def test_the_backend_is_one_that_every_package_allows() -> None:
    """uv_build>=0.9,<0.14 in the pyproject.toml, one version in the pins."""
    import tomllib

    from ecom_cli.release.wheel import BACKEND

    text = BACKEND.read_text(encoding="utf-8")
    version = tuple(map(int, text.partition("uv-build==")[2].split()[0].split(".")))
    assert text.count("==") == 1
    for member in workspace().members:
        if member.package:
            project = tomllib.loads((member.folder / "pyproject.toml").read_text(encoding="utf-8"))
            assert project["build-system"]["requires"] == ["uv_build>=0.9,<0.14"]
            assert (0, 9) <= version < (0, 14)
