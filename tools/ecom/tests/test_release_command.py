from __future__ import annotations

import json
import re
import threading
import zipfile
from collections.abc import Callable
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any

import pytest
import typer
from typer.testing import CliRunner, Result

from ecom_cli.errors import EcomError
from ecom_cli.release import checks, command, making, wheel
from ecom_cli.workspace import Workspace, load

from .release_repo import BASE, SERVICE, Toy, green, nobodys_git, toy


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    """0.1.0 of base-infra is out, and a fix waits."""
    nobodys_git(monkeypatch)
    made = toy(tmp_path / "repo")
    made.release(BASE)
    made.touch(BASE, "fix: one")
    monkeypatch.setattr(command, "workspace", lambda: made.repo)
    monkeypatch.setattr(making.release, "__defaults__", (green,))
    return made


def run(name: str, *arguments: str) -> Result:
    app = typer.Typer()
    app.command()(getattr(command, name))
    return CliRunner().invoke(app, list(arguments))


def told(result: Result) -> dict[str, Any]:
    assert result.exception is None, result.exception
    found: dict[str, Any] = json.loads(result.stdout)
    return found


def test_a_dry_run_shows_all_and_changes_nothing(repo: Toy) -> None:
    before = repo.git.run("for-each-ref"), sorted((repo.root / "dist").rglob("*"))
    result = run("release", BASE, "--dry-run")
    assert result.exit_code == 0
    for shown in ("base-infra 0.1.1 (patch", "✓ nothing uncommitted", "### Fixed", "- one ("):
        assert shown in result.stdout
    found = told(run("release", BASE, "--dry-run", "--json"))
    assert (found["version"], found["released"], found["last"]) == ("0.1.1", False, "base-infra/v0.1.0")
    assert all(check["ok"] for check in found["checks"])
    assert (repo.git.run("for-each-ref"), sorted((repo.root / "dist").rglob("*"))) == before


def test_a_release_says_what_to_push(repo: Toy) -> None:
    result = run("release", BASE)
    assert result.exit_code == 0, result.exception
    assert "Released as base-infra/v0.1.1, in dist/base-infra/0.1.1/" in result.stdout
    assert "✓ tests: 0 passed" in result.stderr
    assert "git push --atomic origin main base-infra/v0.1.1" in result.stdout
    assert repo.git.tags("base-infra/v0.1.1")


def test_the_bump_can_be_asked_for(repo: Toy) -> None:
    found = told(run("release", BASE, "--bump", "minor", "--json"))
    assert (found["version"], found["released"], found["commit"]) == ("0.2.0", True, repo.head)
    assert (repo.root / found["folder"] / "manifest.json").is_file()


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_failed_check_is_a_failure_with_all_that_is_wrong(repo: Toy, dry: tuple[str, ...]) -> None:
    (repo.root / "new.txt").write_text("")
    repo.git.run("switch", "--quiet", "--detach")
    before = repo.git.run("for-each-ref")
    result = run("release", BASE, *dry)
    assert isinstance(result.exception, EcomError)
    assert "No branch is checked out" in result.exception.message
    assert "Not committed: new.txt" in result.exception.message
    assert "✗ nothing uncommitted" in result.output
    assert repo.git.run("for-each-ref") == before


def test_an_unknown_bump_is_refused(repo: Toy) -> None:
    result = run("release", BASE, "--bump", "huge")
    assert isinstance(result.exception, EcomError)
    assert "auto, patch, minor, major" in result.exception.message


def test_a_copy_without_git_cannot_release(make_repo: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    plain: Workspace = make_repo()
    monkeypatch.setattr(command, "workspace", lambda: plain)
    result = run("release", BASE)
    assert isinstance(result.exception, EcomError)
    assert "not a git repository" in result.exception.message


def test_artifacts_go_where_they_are_wanted(repo: Toy, tmp_path: Path) -> None:
    found = told(run("dist", "base-infra@0.1.0", "--into", str(tmp_path / "out"), "--json"))
    assert (found["name"], found["version"]) == (BASE, "0.1.0")
    assert Path(found["folder"]) == tmp_path / "out/base-infra/0.1.0"
    listed = run("dist", "base-infra@0.1.0").stdout
    assert "base.yaml" in listed
    assert "base-infra/v0.1.0 is in" in listed


@pytest.mark.parametrize("arguments", [("release", BASE), ("dist", "base-infra@0.1.0")])
def test_whoever_comes_second_waits(
    repo: Toy, monkeypatch: pytest.MonkeyPatch, arguments: tuple[str, ...]
) -> None:
    begun, ended = threading.Event(), threading.Event()
    one_at_a_time = making.one_at_a_time

    said: list[str] = []

    def announced(house: Workspace, *waiting: Callable[[], None]) -> AbstractContextManager[None]:
        begun.set()
        return one_at_a_time(house, *waiting)

    def second() -> None:
        said.append(run(*arguments).stderr)
        ended.set()

    monkeypatch.setattr(making, "one_at_a_time", announced)
    with one_at_a_time(repo.repo):
        thread = threading.Thread(target=second)
        thread.start()
        assert begun.wait(10)
        assert not ended.wait(0.5)
        assert repo.git.tags("base-infra/v0.1.1") == []
    thread.join(30)
    assert ended.is_set()
    assert said[0].startswith("Waits for another release")


def test_a_release_that_waited_goes_by_what_was_released_meanwhile(
    repo: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    before = repo.repo
    monkeypatch.setattr(command, "workspace", lambda: before)  # as it was read at the start
    repo.release(BASE)
    result = run("release", BASE)
    assert isinstance(result.exception, EcomError)
    assert "Nothing of base-infra has changed since base-infra/v0.1.1" in result.exception.message


def test_a_draft_of_a_run_that_was_killed_is_cleared_away(repo: Toy) -> None:
    (repo.root / "dist/base-infra/.draft-killed").mkdir()
    run("dist", "base-infra@0.1.0")
    assert [path.name for path in (repo.root / "dist/base-infra").iterdir()] == ["0.1.0"]


def test_a_service_without_functions_has_a_wheel(repo: Toy) -> None:
    made = repo.release(SERVICE)
    assert made.zip is None
    with zipfile.ZipFile(made.folder / "toy_service-0.1.0-py3-none-any.whl") as archive:
        about = archive.read("toy_service-0.1.0.dist-info/WHEEL").decode()
    exact = wheel.BACKEND.read_text(encoding="utf-8").partition("uv-build==")[2].split()[0]
    assert f"Generator: uv {exact}\n" in about  # not the backend of the uv that happens to run


def test_whichever_uv_runs_has_to_use_the_pinned_backend(repo: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    """The uv here would do so anyway, an older one would not."""
    asked: list[str] = []

    def uv(*arguments: str, cwd: Path) -> str:
        asked.extend(arguments)
        return ""

    monkeypatch.setattr(wheel, "uv", uv)
    with pytest.raises(EcomError, match="was built into nothing"):
        wheel.build_wheel(repo.repo, repo.repo.member(SERVICE))
    assert "--force-pep517" in asked


def test_a_build_backend_that_was_tampered_with_is_refused(
    repo: Toy, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    text = wheel.BACKEND.read_text(encoding="utf-8")
    backend = tmp_path / "build-requirements.txt"
    backend.write_text(re.sub(r"sha256:\w{8}", "sha256:00000000", text), encoding="utf-8")
    monkeypatch.setattr(wheel, "BACKEND", backend)
    with pytest.raises(EcomError, match=r"[Hh]ash"):
        wheel.build_wheel(load(repo.root), repo.repo.member(SERVICE))


def test_the_checks_of_a_release_run_before_anything_else(repo: Toy) -> None:
    assert [check.name for check in checks.checks(repo.repo, repo.planned(BASE))] == [
        "on a branch",
        "nothing uncommitted",
        "the whole history",
        "not behind its upstream",
        "a new version",
        "nobody's reading broken",
    ]
