"""What conftest.py in the root lets a package's tests read."""

from __future__ import annotations

import importlib.util
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from ecom_cli.workspace import workspace

ROOT = workspace().root
WATCH = (ROOT / "conftest.py").read_text(encoding="utf-8")


@pytest.fixture
def tried(tmp_path: Path) -> Callable[..., str]:
    """Run one test of a package, which reads a file, in a small repository; returns what pytest said."""

    def run(test: str, path: str, *, declared: str = "") -> str:
        folder = tmp_path / "/".join(test.split("/")[:2])
        for each in (path, test):
            (tmp_path / each).parent.mkdir(parents=True, exist_ok=True)
            (tmp_path / each).write_text("", encoding="utf-8")
        (tmp_path / "conftest.py").write_text(WATCH, encoding="utf-8")
        (tmp_path / "pyproject.toml").write_text("[tool.pytest.ini_options]\n", encoding="utf-8")
        (folder / "pyproject.toml").write_text(f"[tool.ecom]\ntests-read = [{declared}]\n", encoding="utf-8")
        code = f"def test_it():\n    assert open({str(tmp_path / path)!r}).read() is not None\n"
        (tmp_path / test).write_text(code, encoding="utf-8")
        command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", test]
        alone = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}  # others take seconds to load
        return subprocess.run(
            command, cwd=tmp_path, env=alone, capture_output=True, text=True, check=False
        ).stdout

    return run


PAYMENT = "packages/payment-service/tests/test_it.py"


@pytest.mark.parametrize(
    "path",
    [
        "packages/order-service/order-stack.yaml",
        "tools/ecom/pyproject.toml",
        "docs/a.md",
        "tests/a.py",
    ],
)
def test_what_belongs_to_others_is_refused(tried: Callable[..., str], path: str) -> None:
    said = tried(PAYMENT, path)
    assert f"{path} is read by {PAYMENT}::test_it" in said
    assert "1 failed" in said


@pytest.mark.parametrize(
    ("test", "path"),
    [
        (PAYMENT, "packages/payment-service/payment-stack.yaml"),
        (PAYMENT, "libs/common/src/ecom_common/facts.py"),
        (PAYMENT, "uv.lock"),
        ("tests/contracts/test_it.py", "packages/payment-service/payment-stack.yaml"),
    ],
)
def test_ones_own_files_and_libraries_are_read(tried: Callable[..., str], test: str, path: str) -> None:
    assert "1 passed" in tried(test, path)


@pytest.mark.parametrize("prefix", [None, "/somewhere/else"])
def test_what_is_read_of_a_compiled_module_is_the_module(
    monkeypatch: pytest.MonkeyPatch, prefix: str | None
) -> None:
    monkeypatch.setattr(sys, "pycache_prefix", prefix)
    spec = importlib.util.spec_from_file_location("watch", ROOT / "conftest.py")
    assert spec
    assert spec.loader
    watch = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "addaudithook", lambda _: None)  # there is one already
    spec.loader.exec_module(watch)

    compiled = importlib.util.cache_from_source("/repo/tests/a.py")

    assert compiled.endswith(".pyc")
    assert watch.source(compiled) == watch.source("/repo/tests/a.py") == "/repo/tests/a.py"


def test_what_is_declared_is_read(tried: Callable[..., str]) -> None:
    said = tried(PAYMENT, "packages/order-service/order-stack.yaml", declared='"packages/*/*.yaml"')
    assert "1 passed" in said
