"""Which suites there are, how they are run, and what counts as a failure."""

from __future__ import annotations

import threading
import time
from pathlib import Path

import pytest

from ecom_cli.errors import EcomError
from ecom_cli.suites import Suite, chosen, suites
from ecom_cli.testing import Result, counted, environment, failures, run_all, split_arguments
from ecom_cli.workspace import load

SUITE = Suite(
    "inventory-service", Path("/repo/packages/inventory-service/tests"), package="inventory-service"
)


@pytest.fixture
def house(tmp_path: Path) -> Path:
    """A workspace: a stack without code, a service with tests, one without, and tests that span them."""

    def write(path: str, text: str = "") -> None:
        (tmp_path / path).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / path).write_text(text)

    write("pyproject.toml", "[tool.uv.workspace]\n")
    for dist in ("base", "tested", "untested"):
        write(f"packages/{dist}/pyproject.toml", f'[project]\nname = "{dist}"\nversion = "0.1.0"\n')
    write("packages/tested/src/tested/__init__.py")
    write("packages/tested/tests/test_it.py")
    write("packages/untested/src/untested/__init__.py")
    write("tests/contracts/test_contracts.py")
    write("tests/e2e/test_saga.py")
    return tmp_path


def test_every_member_with_code_is_a_suite_and_what_spans_them_two_more(house: Path) -> None:
    assert [suite.name for suite in suites(load(house))] == ["tested", "untested", "tests", "e2e"]


def test_without_end_to_end_tests_the_folder_above_is_still_one_suite(house: Path) -> None:
    (house / "tests/e2e/test_saga.py").unlink()
    assert [suite.name for suite in suites(load(house))] == ["tested", "untested", "tests"]


def test_a_package_runs_in_an_environment_of_its_own() -> None:
    command = SUITE.command("uv", Path("/tmp/r.xml"), Path("/tmp/cache"), ["-x"])
    assert command[:7] == ["uv", "run", "--isolated", "--package", "inventory-service", "--group", "dev"]
    assert command[7:9] == ["pytest", "/repo/packages/inventory-service/tests"]
    assert "--junit-xml=/tmp/r.xml" in command
    assert command[-1] == "-x"


def test_what_spans_services_runs_in_the_workspaces_environment() -> None:
    suite = Suite("tests", Path("/repo/tests"), ignore=Path("/repo/tests/e2e"))
    command = suite.command("uv", Path("/tmp/r.xml"), Path("/tmp/cache"), [])
    assert "--isolated" not in command
    assert "--ignore=/repo/tests/e2e" in command


def test_names_choose_suites_and_none_chooses_all(house: Path) -> None:
    every = suites(load(house))
    assert chosen(every, []) == every
    assert [suite.name for suite in chosen(every, ["e2e", "tested"])] == ["e2e", "tested"]
    assert [suite.name for suite in chosen(every, [], e2e=False)] == ["tested", "untested", "tests"]


def test_an_unknown_package_is_refused_with_the_names_there_are(house: Path) -> None:
    with pytest.raises(EcomError, match="'nosuch'") as caught:
        chosen(suites(load(house)), ["nosuch"])
    assert "tested, untested, tests, e2e" in caught.value.hint


def junit(tests: int, failures: int = 0, errors: int = 0, skipped: int = 0) -> str:
    counts = f'tests="{tests}" failures="{failures}" errors="{errors}" skipped="{skipped}"'
    return f'<testsuites><testsuite name="pytest" {counts}/></testsuites>'


def count(exit_code: int, report: str, *, narrowed: bool = False) -> Result:
    return counted(SUITE, exit_code, report, 1.0, "output", narrowed=narrowed)


def test_errors_count_as_failures_and_the_rest_passed() -> None:
    result = count(1, junit(10, failures=2, errors=1, skipped=3))
    assert (result.passed, result.failed, result.skipped) == (4, 3, 3)
    assert not result.ok


def test_a_suite_that_passed_is_ok() -> None:
    assert count(0, junit(5)).ok
    assert failures([count(0, junit(5))]) == 0


@pytest.mark.parametrize(
    ("exit_code", "report"), [(5, junit(0)), (0, junit(0)), (0, ""), (0, junit(2, skipped=2))]
)
def test_a_suite_that_ran_no_test_fails(exit_code: int, report: str) -> None:
    result = count(exit_code, report)
    assert result.problem == "it ran no test"
    assert failures([result]) == 1


def test_a_suite_may_run_no_test_where_the_caller_narrowed_it_down() -> None:
    assert count(5, junit(0), narrowed=True).ok


@pytest.mark.parametrize("exit_code", [1, 2, 3, 4, -9, 127])
def test_a_suite_that_broke_before_a_test_failed_is_a_failure(exit_code: int) -> None:
    result = count(exit_code, junit(3), narrowed=True)
    assert result.problem == f"it exited with {exit_code}"
    assert failures([result]) == 1


def test_two_suites_run_side_by_side_and_a_third_one_alone_after_them() -> None:
    lock = threading.Lock()
    running: set[str] = set()
    together: list[set[str]] = []

    def run(suite: Suite) -> Result:
        with lock:
            running.add(suite.name)
        time.sleep(0.02)
        with lock:
            together.append(set(running))
        time.sleep(0.02)
        with lock:
            running.discard(suite.name)
        return Result(suite, 1, 0, 0, 0.0, "")

    picked = [Suite("e2e", Path(), alone=True), *(Suite(name, Path()) for name in "abcd")]
    told: list[str] = []
    results = run_all(picked, run, lambda result, _: told.append(result.suite.name))

    assert max(len(each) for each in together) == 2
    assert together[-1] == {"e2e"}
    assert sorted(told) == ["a", "b", "c", "d", "e2e"]
    assert len(results) == 5


def test_no_account_of_the_callers_is_within_reach() -> None:
    inner = environment(
        {"PATH": "/bin", "AWS_PROFILE": "prod", "AWS_ENDPOINT_URL": "http://x", "AWS_SESSION_TOKEN": "t"}
    )
    assert inner["PATH"] == "/bin"
    assert {"AWS_PROFILE", "AWS_ENDPOINT_URL", "AWS_SESSION_TOKEN"}.isdisjoint(inner)
    assert inner["AWS_ACCESS_KEY_ID"] == "test"


@pytest.mark.parametrize(
    ("args", "typed", "split"),
    [
        (["a", "b"], ["ecom", "test", "a", "b"], (["a", "b"], [])),
        (["a", "--", "-k", "x"], [], (["a"], ["-k", "x"])),
        (["a", "-k", "x"], ["ecom", "test", "a", "--", "-k", "x"], (["a"], ["-k", "x"])),
        (["-k", "x"], ["ecom", "test", "--", "-k", "x"], ([], ["-k", "x"])),
        (["a"], ["ecom", "test", "a", "--"], (["a"], [])),
        (["a"], ["pytest", "--", "b"], (["a"], [])),
    ],
)
def test_what_follows_the_two_dashes_is_for_pytest(
    args: list[str], typed: list[str], split: tuple[list[str], list[str]]
) -> None:
    assert split_arguments(args, typed) == split
