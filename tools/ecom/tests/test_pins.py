"""The pins cover everything, agree with each other and name no host (docs/adr/001-host-free-pins.md)."""

from __future__ import annotations

import re
import subprocess
import tomllib

import pytest

from ecom_cli import pins
from ecom_cli.errors import EcomError
from ecom_cli.workspace import workspace

ROOT = workspace().root
# spelt in two halves, so that this file does not name them either


def constraints() -> dict[str, set[str]]:
    settings = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["tool"]["uv"]
    found: dict[str, set[str]] = {}
    for line in settings["constraint-dependencies"]:
        name, _, rest = line.partition("==")
        assert rest, f"{line} is not exact"
        found.setdefault(name, set()).add(rest.split(" ")[0])
    return found


def test_the_pins_are_in_step_with_the_dependencies():
    assert pins.check() == []


def test_every_third_party_package_is_pinned():
    lock = tomllib.loads((ROOT / "uv.lock").read_text(encoding="utf-8"))
    third_party = {p["name"]: p["version"] for p in lock["package"] if "registry" in p["source"]}
    assert len(third_party) > 20
    pinned = constraints()
    assert not [n for n, version in third_party.items() if version not in pinned.get(n, ())]


@pytest.mark.parametrize("dist", [m.dist for m in workspace().members if m.has_zip])
def test_the_zips_are_pinned_to_the_tested_versions_with_hashes(dist):
    text = workspace().member(dist).requirements.read_text(encoding="utf-8")
    packages = re.findall(r"^([a-z0-9.-]+)==(\S+)", text, re.MULTILINE)
    assert {"boto3", "botocore", "aws-lambda-powertools"} <= {name for name, _ in packages}
    assert not [(n, version) for n, version in packages if version not in constraints()[n]]
    assert len(re.findall(r"--hash=sha256:[0-9a-f]{64}", text)) >= len(packages)
    assert not re.search(r"ecom-common|file:|-e |--index|--find-links|/home/|/Users/", text)


def test_the_lock_is_ignored_by_git():
    done = subprocess.run(["git", "check-ignore", "-q", "uv.lock"], cwd=ROOT, check=False)
    if done.returncode == 128:
        pytest.skip("not a git checkout")
    assert done.returncode == 0


def lock(*packages: dict) -> dict:
    return {"package": list(packages)}


def package(name: str, version: str = "1.0", **more) -> dict:
    return {"name": name, "version": version, "source": {"registry": "https://mirror.example/simple"}, **more}


def test_members_are_not_pinned_and_no_host_gets_through():
    member = {"name": "mine", "version": "1", "source": {"editable": "libs/mine"}}
    root = {"name": "root", "version": "1", "source": {"virtual": "."}}
    assert pins.constraints(lock(package("b"), package("a", "2.1"), member, root)) == ["a==2.1", "b==1.0"]


def test_a_package_with_two_versions_keeps_its_markers():
    old = package("n", "1", **{"resolution-markers": ["python_full_version < '3.12'"]})
    new = package("n", "2", **{"resolution-markers": ["python_full_version >= '3.12'"]})
    assert pins.constraints(lock(old, new)) == [
        "n==1 ; (python_full_version < '3.12')",
        "n==2 ; (python_full_version >= '3.12')",
    ]


def test_a_package_that_is_not_from_an_index_cannot_be_pinned():
    with pytest.raises(EcomError, match="odd comes from"):
        pins.constraints(lock({"name": "odd", "version": "1", "source": {"git": "https://host.example/odd"}}))


def test_the_block_is_replaced_and_the_rest_left_alone():
    before = f"a = 1\n{pins.BEGIN}\nconstraint-dependencies = []\n{pins.END}\nb = 2\n"
    after = pins.with_constraints(before, ["x==1"])
    assert after == f'a = 1\n{pins.BEGIN}\nconstraint-dependencies = [\n    "x==1",\n]\n{pins.END}\nb = 2\n'
    assert pins.with_constraints(after, []) == before.replace("[]", "[\n]")


def test_without_the_marker_lines_nothing_is_written():
    with pytest.raises(EcomError, match="has no lines"):
        pins.with_constraints("a = 1\n", [])


def test_files_that_differ_are_found_and_written(tmp_path):
    same, other = tmp_path / "same", tmp_path / "other"
    same.write_text("1")
    wanted = pins.Pins({same: "1", other: "2"})
    assert wanted.stale() == [other]
    assert wanted.write() == [other]
    assert wanted.stale() == []
