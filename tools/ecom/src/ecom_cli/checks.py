"""`ecom check`: style, types and templates, as before a push."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console

from ecom_cli import pins
from ecom_cli.uvtool import uv
from ecom_cli.workspace import workspace


@dataclass(frozen=True)
class Check:
    """One tool of the dev group, run in the workspace's root."""

    name: str
    command: tuple[str, ...]
    fix: tuple[str, ...] | None = None


def checks(root: Path) -> list[Check]:
    """The checks, the quick ones first."""
    folders = [
        name for name in ("libs", "packages", "tools", "tests", "benchmarks") if (root / name).is_dir()
    ]
    sources = sorted(
        str(path.relative_to(root))
        for top in ("libs", "packages", "tools")
        for path in root.glob(f"{top}/*/src")
    )
    if (root / "tests/simulation").is_dir():
        sources.append("tests/simulation")  # a program of its own, with tests beside it
    templates = [
        str(m.template.relative_to(root)) for m in workspace().stacks if m.template and m.template.is_file()
    ]
    return [
        Check("ruff check", ("ruff", "check", *folders), ("ruff", "check", "--fix", *folders)),
        Check("ruff format", ("ruff", "format", "--check", *folders), ("ruff", "format", *folders)),
        Check("cfn-lint", ("cfn-lint", *templates)),
        Check("mypy", ("mypy", *sources)),
    ]


def run(*, fix: bool = False) -> list[str]:
    """Run all checks, say what each found, and return the names of those that failed."""
    console = Console(highlight=False)
    root = workspace().root
    uv("sync", "--inexact", "--quiet", "--all-groups")  # the tools of the dev group, if they are missing
    scripts = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{scripts}{os.pathsep}{os.environ.get('PATH', '')}"}
    failed = []
    for check in checks(root):
        started = time.monotonic()
        command = check.fix if fix and check.fix else check.command
        done = subprocess.run(command, cwd=root, env=environment, stdin=subprocess.DEVNULL, check=False)
        good = done.returncode == 0
        _verdict(console, check.name, good, time.monotonic() - started)
        if not good:
            failed.append(check.name)
    problems = pins.check()
    for problem in problems:
        console.print(problem)
    _verdict(console, "pins", not problems)
    return [*failed, "pins"] if problems else failed


def _verdict(console: Console, name: str, good: bool, seconds: float = 0.0) -> None:
    mark = "[green]✓[/]" if good else "[red]✗[/]"
    console.print(f"{mark} {name} [dim]{seconds:.1f} s[/]")
