"""The command around the simulation: options, reports, exit codes, with a world that costs nothing."""

from __future__ import annotations

import importlib
import json
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from typer.testing import CliRunner

from ecom_cli import simulate
from ecom_cli.errors import EcomError
from ecom_cli.workspace import Workspace, workspace


@pytest.fixture(autouse=True)
def pretend(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Seeds end in what happens to them: 13 breaks a promise, 31 raises."""
    monkeypatch.setattr(simulate, "NEEDED", ())
    simulate.make_importable()
    found = importlib.import_module("simulation.pretend")
    monkeypatch.setattr("simulation.runner.real_world", found.world)
    return found


def run(*arguments: str) -> Any:
    done = CliRunner().invoke(simulate.command, [*arguments])
    if done.exception and not isinstance(done.exception, SystemExit):
        raise done.exception
    return done


def report(*arguments: str) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(run(*arguments, "--json").stdout)
    return document


def test_the_modes_are_those_of_the_simulation() -> None:
    mode = importlib.import_module("simulation.mode")
    assert [each.value for each in simulate.Mode] == list(mode.MODES)


def test_worlds_that_keep_their_promises() -> None:
    done = run("--seeds", "10", "--workers", "1")
    assert done.exit_code == 0
    assert "10 in " in done.stdout
    assert "0 violations" in done.stdout


def test_a_broken_promise_fails_and_says_how_to_see_it_again() -> None:
    done = run("--first", "110", "-n", "5", "-w", "1")
    assert done.exit_code == 1
    assert "seed 113 (no-sweeper)  shipped means paid  order-113" in done.stderr
    assert "./ecom simulate --seed 113" in done.stderr
    assert "2 violations in 1 seed" in done.stdout


def test_a_seed_that_raises_fails_like_a_broken_promise() -> None:
    done = run("--first", "31", "-n", "1", "-w", "1")
    assert done.exit_code == 1
    assert "RuntimeError: seed 31 raises" in done.stderr


def test_the_report_for_programs_is_alone_on_standard_output() -> None:
    found = report("--first", "80", "--seeds", "20", "--workers", "2", "--mode", "full")
    assert (found["seeds"], found["asked"], found["violations"], found["interrupted"]) == (20, 20, 0, False)
    assert found["modes"] == {"full": 20}
    assert found["invocations"] == 200
    assert found["faults"]["throttle"] == 40
    assert found["moves"]["seen"] <= found["moves"]["legal"]


def test_a_chosen_mode_is_part_of_the_line_that_reproduces() -> None:
    (found,) = report("--first", "13", "-n", "1", "--mode", "no-re-emit")["violations_found"]
    assert found["reproduce"] == "./ecom simulate --seed 13 --mode no-re-emit"


def test_stop_at_the_first() -> None:
    found = report("--first", "13", "-n", "100000", "-w", "1", "--stop-at-first")
    assert found["violating_seeds"] == 1
    assert found["seeds"] < 100


def test_after_ctrl_c_it_says_what_is_known(monkeypatch: pytest.MonkeyPatch, pretend: ModuleType) -> None:
    runner = importlib.import_module("simulation.runner")

    def interrupted(tasks: list[Any], workers: int, prepare: Any) -> Iterator[Any]:
        for task in tasks[:3]:
            yield runner.run_one(pretend.run, task)
        raise KeyboardInterrupt

    monkeypatch.setattr(runner, "results", interrupted)
    done = run("--seeds", "50000", "--json")
    assert done.exit_code == simulate.INTERRUPTED
    found = json.loads(done.stdout)
    assert (found["seeds"], found["asked"], found["interrupted"]) == (3, 50000, True)
    assert "Stopped after 3 of 50,000 seeds." in done.stderr
    assert run("--first", "13", "--seeds", "50000").exit_code == 1, "what was found by then counts"


def test_workers_that_cannot_begin_are_told_in_words(
    monkeypatch: pytest.MonkeyPatch, pretend: ModuleType
) -> None:
    monkeypatch.setattr("simulation.runner.real_world", pretend.no_world)
    with pytest.raises(EcomError, match="cannot begin") as caught:
        run("-n", "3", "-w", "1")
    assert "there is no world" in caught.value.hint


def test_one_world_tells_what_happened_to_the_order_that_broke() -> None:
    done = run("--seed", "13")
    assert done.exit_code == 1
    assert "shipped means paid" in done.stdout
    assert "placed order-13" in done.stdout
    assert "placed order-1 " not in done.stdout
    assert "./ecom simulate --seed 13 --order order-1" in done.stdout


def test_one_world_without_a_violation_lists_its_orders() -> None:
    done = run("--seed", "14")
    assert done.exit_code == 0
    assert "no promise broken" in done.stdout
    assert "placed order" not in done.stdout
    assert "./ecom simulate --seed 14 --order order-14" in done.stdout


def test_another_order_of_one_world() -> None:
    done = run("--seed", "14", "--order", "order-1")
    assert "placed order-1 " in done.stdout
    with pytest.raises(EcomError, match="no order nosuch") as caught:
        run("--seed", "14", "--order", "nosuch")
    assert "order-1, order-14" in caught.value.hint


def test_one_world_for_a_program() -> None:
    found = report("--seed", "13")
    assert (found["seed"], found["violations"]) == (13, 2)
    assert found["violations_found"][0]["order_id"] == "order-13"
    assert len(found["history"]) == 2
    assert len(found["state_hash"]) == 64


def test_one_world_that_raises() -> None:
    done = run("--seed", "31", "--json")
    assert done.exit_code == 1
    assert "RuntimeError: seed 31 raises" in json.loads(done.stdout)["detail"]


@pytest.mark.parametrize(
    "arguments",
    [
        ["some-mutant"],
        ["--order", "order-1"],
        ["--mutants", "--seed", "0"],
        ["--mutants", "--mode", "full"],
    ],
)
def test_what_does_not_go_together_is_refused(arguments: list[str]) -> None:
    with pytest.raises(EcomError):
        run(*arguments)


@pytest.mark.parametrize("arguments", [["--mode", "nosuch"], ["--seeds", "0"], ["--seed", "-1"], ["-w", "0"]])
def test_wrong_values_are_a_usage_error(arguments: list[str]) -> None:
    assert run(*arguments).exit_code == 2


def test_what_it_needs_is_installed_first(monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(simulate, "NEEDED", ("json", "no_such_module_here"))
    monkeypatch.setattr(simulate, "uv", lambda *arguments: asked.append(arguments))
    with pytest.raises(EcomError, match="needs no_such_module_here"):
        simulate.make_importable()
    assert asked == [("sync", "--inexact", "--quiet", "--all-groups")]


def test_nothing_is_installed_where_all_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(simulate, "NEEDED", ("json",))
    monkeypatch.setattr(simulate, "uv", lambda *arguments: pytest.fail("uv was called"))
    simulate.make_importable()


def test_without_the_tests_of_the_repository_it_says_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(simulate, "workspace", lambda: Workspace(tmp_path, workspace().members))
    with pytest.raises(EcomError, match="no simulation in"):
        simulate.make_importable()


@pytest.fixture
def mutants(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Three mutants: one that is found, one that gets away, one that gets away with a reason."""
    module = importlib.import_module("simulation.mutants")
    known = [
        module.Mutant("found", "A guard.", "a.py", "x", "y"),
        module.Mutant("gets-away", "Another.", "a.py", "x", "z"),
        module.Mutant("harmless", "A third.", "a.py", "x", "w", equivalent="Nobody needs it."),
    ]

    def hunt_all(picked: list[Any], seeds: range, workers: int, on_result: Any) -> None:
        for mutant in picked:
            found = mutant.id == "found"
            hunt = module.Hunt(mutant.id, found, 3 if found else len(seeds), 0.5)
            if found:
                hunt = module.Hunt(mutant.id, True, 3, 0.5, seeds[2], "full", "one charge at most: 2 charges")
            on_result(hunt)

    monkeypatch.setattr(module, "read", lambda: known)
    monkeypatch.setattr(module, "hunt_all", hunt_all)
    return module


def test_a_mutant_that_gets_away_without_a_reason_fails(mutants: ModuleType) -> None:
    done = run("--mutants", "--seeds", "50", "--json")
    assert done.exit_code == 1
    found = json.loads(done.stdout)
    assert (found["hunted"], found["found"], found["explained"]) == (3, 1, 1)
    assert found["survivors"] == ["gets-away"]
    first = found["mutants"][0]
    assert (first["id"], first["seeds"], first["seed"], first["promise"]) == (
        "found",
        3,
        2,
        "one charge at most",
    )
    assert found["mutants"][1]["seeds"] == 50
    assert "not found: gets-away" in done.stderr


def test_mutants_may_be_named(mutants: ModuleType) -> None:
    done = run("--mutants", "harmless", "found")
    assert done.exit_code == 0
    assert "1 of 2 mutants found, 1 with a written reason" in done.stdout
    assert "Nobody needs it." in done.stdout
    assert "gets-away" not in done.stdout


def test_an_unknown_mutant_is_refused(mutants: ModuleType) -> None:
    with pytest.raises(EcomError, match="nosuch"):
        run("--mutants", "nosuch")


def test_ctrl_c_in_a_hunt_says_what_is_known(mutants: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    hunt_all = mutants.hunt_all

    def interrupted(picked: list[Any], *rest: Any) -> None:
        hunt_all(picked[:1], *rest)
        raise KeyboardInterrupt

    monkeypatch.setattr(mutants, "hunt_all", interrupted)
    done = run("--mutants", "--json")
    assert done.exit_code == simulate.INTERRUPTED
    found = json.loads(done.stdout)
    assert (found["hunted"], found["interrupted"]) == (1, True)


def test_help_teaches_by_examples() -> None:
    text = run("--help").stdout
    for line in ("./ecom simulate --seed 4711", "--mutants", "docs/correctness.md", "Exit code 1"):
        assert line in text
