"""A copy of the templates and one small service of Python, in which findings are planted."""

from __future__ import annotations

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from ecom_cli.lint.gate import Verdict, verdict
from ecom_cli.lint.scope import Scope
from ecom_cli.lint.tools import TOOLS
from ecom_cli.workspace import load, workspace

SERVICE = "payment-service"
TEMPLATE = f"packages/{SERVICE}/payment-stack.yaml"
CODE = f"packages/{SERVICE}/src/payment_service/planted.py"


class Copy:
    """What is planted stands in one service, and the gate looks at that one alone."""

    def __init__(self, root: Path) -> None:
        self.root = root

    def edit(self, *changes: tuple[str, str]) -> None:
        """Change the template as a person would: old text, new text."""
        text = (self.root / TEMPLATE).read_text(encoding="utf-8")
        for old, new in changes:
            assert old in text, f"{old!r} is not in the template any more"
            text = text.replace(old, new, 1)
        (self.root / TEMPLATE).write_text(text, encoding="utf-8")

    def write(self, text: str, path: str = CODE) -> None:
        (self.root / path).parent.mkdir(parents=True, exist_ok=True)
        (self.root / path).write_text(text, encoding="utf-8")

    def verdict(self, tool: str) -> Verdict:
        (found,) = [each for each in TOOLS if each.name == tool]
        told = verdict(found, Scope.of(load(self.root), [SERVICE]))
        assert not told.broken, told.broken
        return told


@pytest.fixture
def copied(tmp_path: Path) -> Callable[[], Copy]:
    """Copies what the gate reads of templates; the service's Python is empty."""

    def make() -> Copy:
        root = workspace().root
        for member in workspace().stacks:
            for path in (member.folder / "pyproject.toml", member.template):
                assert path
                target = tmp_path / path.relative_to(root)
                target.parent.mkdir(parents=True, exist_ok=True)
                shutil.copyfile(path, target)
        shutil.copyfile(root / "pyproject.toml", tmp_path / "pyproject.toml")
        for programs in ("tests/templates", "tests/iam"):
            shutil.copytree(
                root / programs, tmp_path / programs, ignore=shutil.ignore_patterns("__pycache__")
            )
        (tmp_path / "tests/simulation").mkdir()
        reader = "tests/simulation/cloudformation.py"  # with which tests/iam reads the templates
        shutil.copyfile(root / reader, tmp_path / reader)
        shutil.copytree(root / "docs", tmp_path / "docs")  # where the alarms' runbooks are
        copy = Copy(tmp_path)
        copy.write("", f"packages/{SERVICE}/src/payment_service/__init__.py")
        return copy

    return make
