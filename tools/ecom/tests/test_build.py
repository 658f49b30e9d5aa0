"""The zips: the same bytes from the same sources, small, and complete."""

from __future__ import annotations

import hashlib
import os
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ecom_cli import build as builder
from ecom_cli.build import build
from ecom_cli.errors import EcomError
from ecom_cli.workspace import Workspace


def names(path: Path) -> set[str]:
    with zipfile.ZipFile(path) as archive:
        return set(archive.namelist())


def toy(repo: Workspace) -> builder.Built:
    return build(repo.member("toy-service"), repo)


def test_two_checkouts_give_the_same_bytes(zip_repo, monkeypatch):
    first = toy(zip_repo("one"))
    repo = zip_repo("two")
    for path in repo.member("toy-service").source.rglob("*.py"):
        os.utime(path, (0, 0))
        path.chmod(0o755)
    (repo.member("toy-service").source / "__pycache__").mkdir()
    (repo.member("toy-service").source / "__pycache__" / "app.cpython-311.pyc").write_bytes(b"junk")
    second = toy(repo)
    assert second.path != first.path
    assert second.path.read_bytes() == first.path.read_bytes()
    assert second.key == f"toy-service/{hashlib.sha256(first.path.read_bytes()).hexdigest()}.zip"


def test_an_unchanged_member_is_not_built_again(zip_repo):
    repo = zip_repo()
    assert toy(repo).fresh
    again = toy(repo)
    assert not again.fresh
    assert again.sha256 == hashlib.sha256(again.path.read_bytes()).hexdigest()


@pytest.mark.parametrize(
    "changed", ["packages/toy-service/src/toy_service/app.py", "libs/toy-common/src/toy_common/__init__.py"]
)
def test_a_change_of_the_service_or_of_a_library_gives_another_zip(zip_repo, changed):
    repo = zip_repo()
    before = toy(repo)
    with (repo.root / changed).open("a") as file:
        file.write("# changed\n")
    after = toy(repo)
    assert after.fresh
    assert after.sha256 != before.sha256


def test_a_readme_is_no_part_of_the_zip(zip_repo):
    repo = zip_repo()
    before = toy(repo)
    (repo.member("toy-service").folder / "README.md").write_text("words")
    assert toy(repo).sha256 == before.sha256


def test_old_zips_make_room(zip_repo):
    repo = zip_repo()
    source = repo.member("toy-service").source / "app.py"
    for number in range(builder.KEPT_ZIPS + 2):
        source.write_text(f"NUMBER = {number}\n")
        latest = toy(repo)
    kept = list(latest.path.parent.glob("*.zip"))
    assert latest.path in kept
    assert len(kept) == builder.KEPT_ZIPS


def test_compiled_code_is_refused(zip_repo):
    repo = zip_repo()
    (repo.member("toy-service").source / "fast.cpython-313-x86_64-linux-gnu.so").write_bytes(b"\x7fELF")
    with pytest.raises(EcomError, match=r"compiled code: toy_service/fast\.cpython"):
        toy(repo)


def test_a_service_that_botocore_does_not_know_is_named(zip_repo):
    repo = zip_repo()
    pyproject = repo.member("toy-service").folder / "pyproject.toml"
    pyproject.write_text(pyproject.read_text().replace('"sqs"', '"sqz"'))
    with pytest.raises(EcomError, match="botocore knows no service sqz"):
        toy(workspace_again(repo))


def test_pins_that_are_missing_are_named(zip_repo):
    repo = zip_repo()
    repo.member("toy-service").requirements.unlink()
    with pytest.raises(EcomError, match=r"requirements\.txt is missing"):
        toy(repo)


def test_a_pin_whose_hash_is_wrong_installs_nothing(zip_repo, vendor):
    repo = zip_repo()
    before = set(vendor.iterdir())
    pins = repo.member("toy-service").requirements
    text = pins.read_text()
    digests = [word for word in text.split() if word.startswith("--hash=")]
    for digest in digests[:4]:  # all of the first packages' hashes
        text = text.replace(digest, "--hash=sha256:" + "0" * 64)
    pins.write_text(text)
    with pytest.raises(EcomError, match="uv pip install"):
        toy(repo)
    assert set(vendor.iterdir()) == before


def workspace_again(repo: Workspace) -> Workspace:
    from ecom_cli.workspace import load

    return load(repo.root)


def test_a_build_that_was_interrupted_leaves_nothing_that_counts(zip_repo):
    repo = zip_repo()
    built = toy(repo)
    built.path.write_bytes(b"half")  # its size gives it away
    assert toy(repo).fresh
    assert toy(repo).sha256 == built.sha256
    shutil.rmtree(repo.state)
    assert toy(repo).sha256 == built.sha256


def test_packages_are_installed_under_the_workspaces_own_constraints(
    zip_repo: Callable[..., Workspace], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tool may be another commit's than what it builds, with other versions in its pyproject.toml."""
    repo = zip_repo()
    (repo.root / ".ecom/build/vendor").unlink()  # nothing is installed yet
    where: list[Path | None] = []

    def uv(*arguments: str, cwd: Path | None = None) -> str:
        where.append(cwd)
        raise EcomError("stop here")

    monkeypatch.setattr(builder, "uv", uv)
    with pytest.raises(EcomError, match="stop here"):
        builder.vendored(repo, repo.member("toy-service"))
    assert where == [repo.root]
