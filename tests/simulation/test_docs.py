"""docs/correctness.md keeps up with what the simulation does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from simulation.mode import MODES
from simulation.runner import ROOT
from simulation.watch.promises import Promise
from simulation.weather import KINDS

PAGE = Path(ROOT / "docs/correctness.md").read_text(encoding="utf-8")


def first_cells(section: str) -> set[str]:
    """What the first column of a section's table holds, with each entry of a list on its own."""
    (text,) = re.findall(rf"^## {re.escape(section)}\n(.*?)(?=^## |\Z)", PAGE, re.MULTILINE | re.DOTALL)
    cells = re.findall(r"^\| ([^|]+) \|", text, re.MULTILINE)
    return {cell.strip("` ") for cell in cells}


@pytest.mark.parametrize("kind", dict.fromkeys(KINDS))
def test_every_kind_of_fault_is_explained(kind: str) -> None:
    cells = first_cells("The faults")
    assert any(kind in (cell, *cell.split(", ")) for cell in cells), f"{kind} is not in the table of faults"


@pytest.mark.parametrize("promise", list(Promise))
def test_every_promise_is_explained(promise: Promise) -> None:
    assert promise.value in first_cells("What is checked")


def test_no_promise_is_explained_that_nobody_checks() -> None:
    explained = {cell for cell in first_cells("What is checked") if not cell.startswith("**")}
    assert explained - {"promise"} == {promise.value for promise in Promise}


def test_the_modes_are_explained() -> None:
    assert first_cells("Two modes, four ways to run") - {"mode"} == set(MODES)
