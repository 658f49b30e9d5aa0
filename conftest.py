"""A package's tests read no other's files in secret: `./ecom affected` would not know when to run them.

They read their own package, the sources of libraries, and what `tests-read` in [tool.ecom] of their
pyproject.toml names. What spans packages is tested in tests/, which runs for every change. What programs do
that a test starts is not seen here.
"""

from __future__ import annotations

import os
import sys
import tomllib
from fnmatch import fnmatchcase
from functools import cache
from pathlib import Path
from typing import Any

ROOT = f"{Path(__file__).resolve().parent}/"
OF_PACKAGES = ("packages", "libs", "tools")
WATCHED = tuple(f"{ROOT}{folder}/" for folder in (*OF_PACKAGES, "tests", "docs"))


@cache
def tests_read(package: str) -> tuple[str, ...]:
    """The patterns that a package's pyproject.toml names; `package` is its folder."""
    project = tomllib.loads(Path(ROOT, package, "pyproject.toml").read_text(encoding="utf-8"))
    return ("libs/*/src/*", *project.get("tool", {}).get("ecom", {}).get("tests-read", ()))


def may_read(test: str, path: str) -> bool:
    """Whether a test, by its id as pytest spells it, may read the file at this path below the root."""
    top, _, rest = test.partition("/")
    if top not in OF_PACKAGES:
        return True
    package = f"{top}/{rest.partition('/')[0]}"
    return path.startswith(f"{package}/") or any(fnmatchcase(path, each) for each in tests_read(package))


def source(opened: str) -> str:
    """What is read by opening a file: of a compiled module, wherever it is kept, the module."""
    if opened.endswith(".pyc"):
        folder, _, name = opened.removeprefix(sys.pycache_prefix or "").rpartition("/")
        return f"{folder.removesuffix('/__pycache__')}/{name.partition('.')[0]}.py"
    return opened


def heard(event: str, arguments: tuple[Any, ...]) -> None:
    """Refuse to open what the test that runs now may not read."""
    if event != "open" or not isinstance(arguments[0], str):
        return
    file, test = source(arguments[0]), os.environ.get("PYTEST_CURRENT_TEST", "")
    path = file.removeprefix(ROOT)
    if file.startswith(WATCHED) and not may_read(test, path):
        raise RuntimeError(
            f"{path} is read by {test}, and `./ecom affected` does not know. "
            "Name it in tests-read of the package's pyproject.toml, or move the test to tests/."
        )


sys.addaudithook(heard)
