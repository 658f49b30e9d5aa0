"""What `ecom check` looks at."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecom_cli.checks import checks
from ecom_cli.workspace import Workspace


@pytest.fixture(autouse=True)
def no_members(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("ecom_cli.checks.workspace", lambda: Workspace(tmp_path, ()))


def command(root: Path, name: str) -> tuple[str, ...]:
    (found,) = [check.command for check in checks(root) if check.name == name]
    return found


def test_types_are_checked_in_every_members_source_and_in_the_simulation(tmp_path: Path) -> None:
    for folder in ("libs/common/src", "packages/x-service/src", "packages/x-service/tests", "tools/ecom/src"):
        (tmp_path / folder).mkdir(parents=True)
    sources = ("libs/common/src", "packages/x-service/src", "tools/ecom/src")
    assert command(tmp_path, "mypy") == ("mypy", *sources)
    (tmp_path / "tests/simulation").mkdir(parents=True)
    assert command(tmp_path, "mypy") == ("mypy", *sources, "tests/simulation")


def test_style_is_checked_wherever_there_is_python(tmp_path: Path) -> None:
    for folder in ("libs", "tests"):
        (tmp_path / folder).mkdir()
    assert command(tmp_path, "ruff check") == ("ruff", "check", "libs", "tests")
    assert command(tmp_path, "ruff format") == ("ruff", "format", "--check", "libs", "tests")
