"""docs/security.md: every threat has a control and a test, and each test that it names exists."""

from __future__ import annotations

import ast
import re
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs/security.md"
TEST = re.compile(r"`(?P<file>[\w./-]+\.py)::(?P<test>\w+)(?:\[(?P<case>\w+)\])?`")


def rows() -> list[list[str]]:
    """The cells of the table's rows, without its head and its headings."""
    lines = [line for line in PAGE.read_text(encoding="utf-8").splitlines() if line.startswith("|")]
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    return [row for row in cells if any(row[1:])]


@cache
def functions(path: Path) -> frozenset[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return frozenset(node.name for node in ast.walk(tree) if isinstance(node, ast.FunctionDef))


def test_the_table_is_there() -> None:
    assert len(rows()) > 25


@pytest.mark.parametrize("row", rows(), ids=lambda row: row[0][:60])
def test_a_threat_has_a_control_and_tests_that_exist(row: list[str]) -> None:
    threat, control, shown = row
    assert threat
    assert control
    named = list(TEST.finditer(shown))
    assert named, f"no test shows how it is with {threat!r}"
    assert TEST.sub("", shown).strip(", ") == "", "only tests stand in the last column"
    for found in named:
        path = ROOT / found["file"]
        assert path.is_file(), f"{found['file']} does not exist"
        assert found["test"].startswith("test_")
        assert found["test"] in functions(path), f"{found['test']} is not in {found['file']}"
        if case := found["case"]:
            # a case is called after the rule or the questions that it runs
            beside = frozenset[str]().union(*map(functions, path.parent.glob("*.py")))
            assert case in beside, f"nothing beside {found['file']} is called {case}"
