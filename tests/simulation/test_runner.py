"""Every seed has a result, whatever becomes of it; the sums do not depend on who ran what when."""

from __future__ import annotations

import json
import multiprocessing
import os
import signal
import subprocess
import sys
from collections.abc import Iterable
from contextlib import suppress
from pathlib import Path

import pytest

from simulation import pretend
from simulation.report import MOST_KEPT, Tally
from simulation.runner import BROKEN, Result, Task, WorkersError, broken, results, run_one

TESTS = Path(__file__).resolve().parent.parent


def run(seeds: Iterable[int], workers: int = 2, patience: float = 60.0) -> list[Result]:
    return list(results((Task(seed) for seed in seeds), workers, pretend.world, patience))


def tally(found: Iterable[Result]) -> Tally:
    total = Tally(pretend.MOVES)
    for result in found:
        total.add(result)
    return total


def test_each_seed_has_one_result() -> None:
    found = run(range(40, 60))
    assert sorted(result.task.seed for result in found) == list(range(40, 60))
    assert all(result.first is None for result in found)
    assert multiprocessing.active_children() == []


def test_more_workers_than_seeds_and_no_seed_at_all() -> None:
    assert [result.task.seed for result in run([5], workers=3)] == [5]
    assert run([]) == []


def test_the_seed_chooses_its_mode_unless_told() -> None:
    modes = {run_one(pretend.run, Task(seed)).mode for seed in range(4)}
    assert modes == {"full", "no-sweeper", "no-redelivery", "no-re-emit"}
    assert {run_one(pretend.run, Task(seed, "full")).mode for seed in range(4)} == {"full"}


def test_a_violation_is_the_first_of_its_seed_and_the_rest_are_counted() -> None:
    result = run_one(pretend.run, Task(pretend.VIOLATES))
    assert result.violations == 2
    assert result.first is not None
    assert (result.first.promise, result.first.order_id) == ("shipped means paid", "order-13")


def test_a_seed_that_raises_is_a_violation_with_its_traceback() -> None:
    first = run_one(pretend.run, Task(pretend.RAISES)).first
    assert first is not None
    assert first.promise == BROKEN
    assert "RuntimeError: seed 31 raises" in first.detail


def test_a_seed_that_raises_or_takes_its_process_down_costs_no_other_one() -> None:
    seeds = [*range(29, 33), *range(62, 70)]
    found = {result.task.seed: result.first for result in run(seeds, workers=1)}
    assert sorted(found) == seeds
    assert {seed for seed, first in found.items() if first} == {pretend.RAISES, pretend.DIES}
    first = found[pretend.DIES]
    assert first is not None
    assert (first.promise, first.detail) == (BROKEN, "its process ended with 9")


def test_a_seed_that_does_not_end_is_ended() -> None:
    found = {result.task.seed: result.first for result in run(range(75, 80), workers=1, patience=2.0)}
    assert sorted(found) == list(range(75, 80))
    first = found[pretend.HANGS]
    assert first is not None
    assert (first.promise, first.detail) == (BROKEN, "no end after 2 s")
    assert sum(each is not None for each in found.values()) == 1


def test_workers_that_cannot_begin_say_why_and_no_seed_is_blamed() -> None:
    with pytest.raises(WorkersError, match="there is no world"):
        list(results([Task(1)], 2, pretend.no_world))
    assert multiprocessing.active_children() == []


def test_who_stops_listening_ends_the_workers() -> None:
    running = results((Task(seed) for seed in range(10_000_000)), 2, pretend.world)
    next(running)
    assert len(multiprocessing.active_children()) == 2
    running.close()
    assert multiprocessing.active_children() == []


def test_tasks_are_taken_as_they_are_needed() -> None:
    taken = 0

    def tasks() -> Iterable[Task]:
        nonlocal taken
        for taken in range(1, 1_000_000):
            yield Task(100 * taken)

    running = results(tasks(), 2, pretend.world)
    next(running)
    running.close()
    assert taken < 100


def test_workers_print_nothing_where_results_go(capfd: pytest.CaptureFixture[str]) -> None:
    run([pretend.TALKS])
    assert capfd.readouterr().out == ""


def test_ctrl_c_reaches_the_one_who_sums_up_and_no_worker() -> None:
    script = (
        "import signal\n"
        "from simulation import pretend\n"
        "from simulation.runner import Task, results\n"
        # where tests run in the background of a shell, Ctrl-C is ignored from birth
        "signal.signal(signal.SIGINT, signal.default_int_handler)\n"
        "count = 0\n"
        "if __name__ == '__main__':\n"
        "    try:\n"
        "        for result in results((Task(100 * n) for n in range(10**9)), 2, pretend.world):\n"
        "            count += 1\n"
        "            if count == 50: print('running', flush=True)\n"
        "    except KeyboardInterrupt:\n"
        "        print('known', count > 0)\n"
    )
    with subprocess.Popen(
        [sys.executable, "-c", script],
        env={**os.environ, "PYTHONPATH": str(TESTS)},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
    ) as child:
        try:
            assert child.stdout is not None
            assert child.stdout.readline() == "running\n"
            os.killpg(child.pid, signal.SIGINT)  # as a terminal does: to all of them
            out, err = child.communicate(timeout=30)
        finally:
            with suppress(ProcessLookupError):
                os.killpg(child.pid, signal.SIGKILL)
    assert (out, err, child.returncode) == ("known True\n", "", 0)


def test_the_sums() -> None:
    total = tally(run_one(pretend.run, Task(seed)) for seed in range(20))
    assert (total.seeds, total.invocations, total.calls, total.orders) == (20, 200, 600, 20)
    assert total.violating == 1  # 13
    assert total.violations == 2
    assert total.faults == {"throttle": 40, "crash after a call": 10}
    assert total.ended == {"SHIPPED": 10, "PAYMENT_FAILED": 10}
    assert total.modes == {"full": 5, "no-sweeper": 5, "no-redelivery": 5, "no-re-emit": 5}


def test_moves_that_no_row_made_are_named() -> None:
    total = tally(run_one(pretend.run, Task(seed)) for seed in (2, 4))
    assert total.as_json()["moves"] == {
        "seen": 2,
        "legal": 3,
        "coverage_percent": 66.7,
        "missing": ["payment: INTENT→DECLINED"],
    }
    assert tally(run_one(pretend.run, Task(seed)) for seed in (2, 3)).coverage == 100.0


def test_a_move_that_is_not_legal_covers_nothing() -> None:
    total = Tally([("payment", "", "INTENT"), ("order", "", "PLACED")])
    total.add(run_one(pretend.run, Task(2)))
    assert (len(total.seen), total.missing, total.coverage) == (1, [("order", "", "PLACED")], 50.0)


def test_rates_are_by_the_clock_and_per_core_by_the_cores_own_time() -> None:
    clock = iter([100.0, 104.0, 104.0, 104.0, 104.0])
    total = Tally(pretend.MOVES, lambda: next(clock))
    for seed in range(2):
        result = run_one(pretend.run, Task(seed))
        total.add(Result(result.task, result.mode, 0, None, invocations=1000, cpu_seconds=0.25))
    assert total.per_second(total.invocations) == 500.0
    assert total.invocations_per_core == 4000.0


def test_the_order_in_which_results_come_changes_nothing() -> None:
    found = [run_one(pretend.run, Task(seed)) for seed in range(40)]
    one, other = tally(found).as_json(), tally(reversed(found)).as_json()
    for timing in ("seconds", "seeds_per_second", "invocations_per_second"):
        del one[timing], other[timing]
    assert one == other


def test_the_hash_of_a_run_differs_when_one_seed_ends_differently() -> None:
    found = [run_one(pretend.run, Task(seed)) for seed in range(5)]
    changed = [*found[:4], run_one(pretend.run, Task(4, "no-sweeper"))]
    assert tally(found).as_json()["state_hash"] != tally(changed).as_json()["state_hash"]


def test_of_many_violations_the_lowest_seeds_are_kept() -> None:
    total = tally(broken(Task(seed), "it raised") for seed in reversed(range(5 * MOST_KEPT)))
    assert [result.task.seed for result in total.firsts] == list(range(MOST_KEPT))
    assert total.violating == 5 * MOST_KEPT
    assert len(total.as_json()["violations_found"]) == MOST_KEPT


def test_the_report_says_how_to_see_a_failure_again() -> None:
    report = tally([run_one(pretend.run, Task(113)), run_one(pretend.run, Task(213, "no-sweeper"))]).as_json()
    assert [found["reproduce"] for found in report["violations_found"]] == [
        "./ecom simulate --seed 113",
        "./ecom simulate --seed 213 --mode no-sweeper",
    ]
    assert json.loads(json.dumps(report)) == report
