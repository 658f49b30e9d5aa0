"""Which suites of tests there are: one for each package, and those that span packages."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ecom_cli.errors import EcomError
from ecom_cli.workspace import Workspace

SPANNING, END_TO_END = "tests", "e2e"
"""The suites that span packages: without the emulator, and with it."""


@dataclass(frozen=True)
class Suite:
    """One pytest run. `package`: the dist whose environment it runs in; None for the workspace's.

    `alone`: it measures time or fills both cores, so nothing runs beside it.
    """

    name: str
    folder: Path
    package: str | None = None
    ignore: Path | None = None
    alone: bool = False

    def command(self, uv: str, report: Path, cache: Path, extra: Sequence[str]) -> list[str]:
        """The command line: with a package, in a fresh environment that holds only what it declares."""
        where = ["--isolated", "--package", self.package] if self.package else []
        ignore = [f"--ignore={self.ignore}"] if self.ignore else []
        return [
            *(uv, "run", *where, "--group", "dev", "pytest", str(self.folder), *ignore),
            *(f"--junit-xml={report}", "-o", f"cache_dir={cache}", *extra),
        ]


def suites(house: Workspace) -> list[Suite]:
    """Every suite there is: one for each member with code or tests, then what spans the services.

    A member with code but without tests is a suite too: it fails, because it runs no test.
    """
    found = [
        Suite(member.dist, member.folder / "tests", package=member.dist)
        for member in house.members
        if member.package is not None or _has_tests(member.folder / "tests")
    ]
    spanning, end_to_end = house.root / SPANNING, house.root / SPANNING / END_TO_END
    if _has_tests(spanning, leaving_out=end_to_end):
        found.append(Suite(SPANNING, spanning, ignore=end_to_end))
    if _has_tests(end_to_end):
        found.append(Suite(END_TO_END, end_to_end, alone=True))
    return found


def chosen(every: Sequence[Suite], names: Sequence[str], *, e2e: bool = True) -> list[Suite]:
    """The suites of these names, or all. Raises EcomError naming those that exist."""
    known = {suite.name: suite for suite in every}
    if unknown := [name for name in names if name not in known]:
        raise EcomError(
            f"There are no tests of {', '.join(map(repr, unknown))}.", f"There are: {', '.join(known)}."
        )
    picked = [known[name] for name in dict.fromkeys(names)] or list(every)
    return [suite for suite in picked if e2e or suite.name != END_TO_END]


def _has_tests(folder: Path, leaving_out: Path | None = None) -> bool:
    return any(
        leaving_out is None or leaving_out not in path.parents for path in sorted(folder.rglob("test_*.py"))
    )
