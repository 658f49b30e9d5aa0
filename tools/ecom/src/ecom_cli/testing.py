"""`ecom test`: every package's tests in an environment of its own, then those that span the services."""

from __future__ import annotations

import json
import os
import subprocess  # nosec B404  # it starts uv and pytest
import sys
import tempfile
import threading
import time
import xml.etree.ElementTree as ET  # nosec B405  # reads only reports of our own pytest
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.text import Text
from typer.core import TyperCommand

from ecom_cli.aws import EMULATOR_KEY
from ecom_cli.options import AffectedOption, SinceOption
from ecom_cli.suites import Suite, chosen, suites
from ecom_cli.uvtool import uv_path
from ecom_cli.workspace import Workspace, workspace

SIDE_BY_SIDE = 2
PYTEST_NO_TESTS = 5

_PYTEST_ARGUMENTS = "ecom_cli.testing.pytest_arguments"


@dataclass(frozen=True)
class Result:
    """How a suite ended. `problem` is said where it failed without a failed test."""

    suite: Suite
    passed: int
    failed: int
    skipped: int
    seconds: float
    output: str
    problem: str = ""

    @property
    def ok(self) -> bool:
        return self.failed == 0 and not self.problem


def touched(picked: Sequence[Suite], house: Workspace, since: str | None, console: Console) -> list[Suite]:
    """Of these suites those that the changes since a commit touch (see `ecom_cli.affected`); maybe none."""
    from ecom_cli.affected import Work
    from ecom_cli.affected.command import narrowed

    names = narrowed(house, [suite.name for suite in picked], Work.TEST, since, console)
    return [suite for suite in picked if suite.name in names]


def counted(
    suite: Suite, exit_code: int, report: str, seconds: float, output: str, *, narrowed: bool
) -> Result:
    """Read pytest's JUnit report (empty: there is none) and its exit code.

    `narrowed`: the caller gave pytest arguments, so that a suite may well select no test.
    """
    passed = failed = skipped = 0
    if report:
        root = ET.fromstring(report)  # nosec B314  # a report of our own pytest
        for each in root.iter("testsuite"):
            bad = int(each.get("failures", 0)) + int(each.get("errors", 0))
            ignored = int(each.get("skipped", 0))
            failed, skipped = failed + bad, skipped + ignored
            passed += int(each.get("tests", 0)) - bad - ignored
    problem = ""
    if exit_code not in (0, PYTEST_NO_TESTS) and failed == 0:
        problem = f"it exited with {exit_code}"
    elif passed + failed == 0 and not narrowed:
        problem = "it ran no test"
    return Result(suite, passed, failed, skipped, seconds, output, problem)


def run_suite(suite: Suite, house: Workspace, extra: Sequence[str]) -> Result:
    """Run one suite and count. Its output is kept, not shown."""
    begun = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="ecom-test-") as folder:
        report = Path(folder) / "report.xml"
        cache = house.state / "pytest" / suite.name
        done = subprocess.run(  # nosec B603  # uv and pytest, with folders of this repository
            suite.command(uv_path(), report, cache, extra),
            cwd=house.root,
            env=environment(os.environ),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            errors="replace",
            check=False,
        )
        text = report.read_text(encoding="utf-8") if report.is_file() else ""
    seconds = time.monotonic() - begun
    return counted(suite, done.returncode, text, seconds, done.stdout, narrowed=bool(extra))


def environment(outer: Mapping[str, str]) -> dict[str, str]:
    """The tests' environment: no endpoint, profile or credentials of the caller, so no account is touched."""
    inner = {
        name: value
        for name, value in outer.items()
        if not name.startswith(("AWS_", "VIRTUAL_ENV", "PYTHONPATH", "PYTEST_"))
    }
    return inner | {
        "AWS_ACCESS_KEY_ID": EMULATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": EMULATOR_KEY,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def run_all(
    picked: Sequence[Suite], run: Callable[[Suite], Result], tell: Callable[[Result, set[str]], None]
) -> list[Result]:
    """Run the suites, two at a time, those that must be alone at the end.

    `tell` is called for each as it ends, with the names of those still running.
    """
    running: set[str] = set()
    lock = threading.Lock()

    def one(suite: Suite) -> Result:
        with lock:
            running.add(suite.name)
        try:
            return run(suite)
        finally:
            with lock:
                running.discard(suite.name)

    results: list[Result] = []
    for group, workers in (
        ([suite for suite in picked if not suite.alone], SIDE_BY_SIDE),
        ([suite for suite in picked if suite.alone], 1),
    ):
        with ThreadPoolExecutor(workers) as pool:
            for done in as_completed([pool.submit(one, suite) for suite in group]):
                results.append(done.result())
                tell(results[-1], set(running))
    return results


class WithPytestArguments(TyperCommand):
    """Takes what follows `--` aside: it is for pytest, not the name of a package."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        args, ctx.meta[_PYTEST_ARGUMENTS] = split_arguments(args, sys.argv)
        parsed: list[str] = super().parse_args(ctx, args)
        return parsed


def split_arguments(args: list[str], typed: list[str]) -> tuple[list[str], list[str]]:
    """Our own arguments, and those that follow `--`.

    An outer command may have dropped the `--` on the way; what was `typed` at the prompt still has it.
    """
    if "--" in args:
        cut = args.index("--")
        return args[:cut], args[cut + 1 :]
    if "--" in typed:
        extra = typed[typed.index("--") + 1 :]
        if extra and args[-len(extra) :] == extra:
            return args[: -len(extra)], extra
    return args, []


EXAMPLES = """
[bold]Examples[/]

Everything:  [cyan]./ecom test[/]

One package alone, in its own environment:  [cyan]./ecom test inventory-service[/]

What my branch touches, and no more:  [cyan]./ecom test --affected[/]

All but the emulator's:  [cyan]./ecom test --no-e2e[/]

One test, with its output:  [cyan]./ecom test e2e -- -k refund -x -s[/]
"""


command = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@command.command(cls=WithPytestArguments, epilog=EXAMPLES)
def run_tests(
    ctx: typer.Context,
    packages: Annotated[
        list[str] | None,
        typer.Argument(metavar="[PACKAGE]...", help="Only these; also `tests` and `e2e`. Default: all."),
    ] = None,
    no_e2e: Annotated[bool, typer.Option("--no-e2e", help="Leave out what needs the emulator.")] = False,
    affected: AffectedOption = False,
    since: SinceOption = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The counts as one line of JSON; all else to stderr.")
    ] = False,
) -> None:
    """Run the tests: each package's in its own environment, then those that span the services.

    What follows `--` is handed to pytest. Exit code 1 if a test fails or a suite runs none.
    """
    extra: list[str] = ctx.meta[_PYTEST_ARGUMENTS]
    house = workspace()
    picked = chosen(suites(house), packages or (), e2e=not no_e2e)
    console = Console(stderr=as_json, highlight=False)
    if affected or since:
        picked = touched(picked, house, since, console)
        if not picked:
            if as_json:
                print(json.dumps(_as_json([], 0, 0, 0, 0.0)))
            return
    width = max((len(suite.name) for suite in picked), default=0)
    begun = time.monotonic()
    with console.status("") as status:

        def tell(result: Result, running: set[str]) -> None:
            console.print(_line(result, width))
            if not result.ok:
                console.print(Text(result.output))
            status.update(f"[dim]{', '.join(sorted(running))}[/]")

        status.update(f"[dim]{len(picked)} suites, {SIDE_BY_SIDE} at a time[/]")
        results = run_all(picked, lambda suite: run_suite(suite, house, extra), tell)
    passed, failed = sum(r.passed for r in results), failures(results)
    skipped = sum(r.skipped for r in results)
    seconds = time.monotonic() - begun
    summary = f"{passed} passed, {failed} failed" + (f", {skipped} skipped" if skipped else "")
    console.print(f"\n[dim]{len(results)} suite{'' if len(results) == 1 else 's'} in {seconds:.1f} s[/]")
    if passed + failed == 0:
        console.print("[red]no test ran[/]")
    console.print(summary, markup=False)
    if as_json:
        print(json.dumps(_as_json(results, passed, failed, skipped, seconds)))
    if failed or passed == 0:
        raise typer.Exit(1)


def failures(results: Sequence[Result]) -> int:
    """Failed tests, and one more for each suite that failed without one."""
    return sum(result.failed + bool(result.problem) for result in results)


def _line(result: Result, width: int) -> Text:
    counts = f"{result.passed} passed"
    if result.failed:
        counts += f", {result.failed} failed"
    if result.skipped:
        counts += f", {result.skipped} skipped"
    if result.problem:
        counts += f", {result.problem}"
    return Text.assemble(
        ("✓ ", "green") if result.ok else ("✗ ", "bold red"),
        f"{result.suite.name:<{width}}  ",
        (f"{counts:<24}", "" if result.ok else "red"),
        (f"{result.seconds:>8.1f} s", "dim"),
    )


def _as_json(
    results: Sequence[Result], passed: int, failed: int, skipped: int, seconds: float
) -> dict[str, Any]:
    return {
        "passed": passed,
        "failed": failed,
        "skipped": skipped,
        "seconds": round(seconds, 1),
        "suites": [
            {
                "name": result.suite.name,
                "passed": result.passed,
                "failed": result.failed,
                "skipped": result.skipped,
                "seconds": round(result.seconds, 1),
                "problem": result.problem,
            }
            for result in results
        ],
    }
