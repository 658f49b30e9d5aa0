"""A package's tests see what the package declares, and nothing else that happens to be installed."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from ecom_cli.suites import Suite
from ecom_cli.testing import Result, run_suite
from ecom_cli.workspace import Workspace, load, workspace

REAL = workspace()
SERVICE = "payment-service"
SOURCE = f"packages/{SERVICE}/src/payment_service"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Workspace:
    """This workspace without its environments: git's files, and the lock, so that versions are the same."""
    root = tmp_path_factory.mktemp("isolation")
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REAL.root, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    for name in [*filter(None, listed.stdout.decode().split("\0")), "uv.lock"]:
        wanted = name.startswith(("packages/", "libs/", "tools/", "pyproject.toml", "uv.lock"))
        if wanted and (REAL.root / name).is_file():
            (root / name).parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(REAL.root / name, root / name)
    return load(root)


def outcome(copy: Workspace, *narrowed: str) -> Result:
    folder = copy.member(SERVICE).folder / "tests"
    return run_suite(Suite(SERVICE, folder, package=SERVICE), copy, narrowed)


def test_what_is_declared_is_there(copy: Workspace) -> None:
    result = outcome(copy, "-k", "test_gateway")

    assert result.ok, result.output
    assert result.passed


@pytest.mark.parametrize(
    ("module", "statement", "named"),
    [
        # a dependency of the tool: in the workspace's environment, and in nobody else's
        ("handlers.py", "import httpx", "No module named 'httpx'"),
        ("model.py", "from inventory_service.model import Line", "No module named 'inventory_service'"),
    ],
)
def test_what_is_not_declared_is_not_there(copy: Workspace, module: str, statement: str, named: str) -> None:
    path = Path(copy.root / SOURCE / module)
    text = path.read_text(encoding="utf-8")
    path.write_text(text + f"\n\n{statement}\n", encoding="utf-8")
    try:
        result = outcome(copy)
    finally:
        path.write_text(text, encoding="utf-8")

    assert not result.ok
    assert result.failed, "a red suite, not one that could not be started"
    assert named in result.output
    assert f"{module}:" in result.output, "and where it is imported"
