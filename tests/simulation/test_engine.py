"""The clock, the order of what happens, and code that waits and dies in virtual time."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from simulation.engine import Crash, EndlessError, Engine, Task, task

START = 1000.0
NEVER = 1e9


@pytest.fixture
def engine() -> Engine:
    return Engine(START, most_steps=100)


class Noted(Task):
    """A task that tells how and when it ended."""

    def __init__(self, engine: Engine, code: Callable[[], Any], deadline: float = NEVER) -> None:
        super().__init__(engine, code, deadline)
        self.ended_at: list[float] = []
        self.then: Callable[[], None] = lambda: None

    def ended(self) -> None:
        self.ended_at.append(self.engine.now)
        self.then()


def test_things_happen_when_they_are_due_and_not_in_the_order_planned(engine: Engine) -> None:
    seen: list[tuple[str, float]] = []
    for name, seconds in (("late", 30), ("soon", 1), ("later", 7)):
        engine.after(seconds, lambda name=name: seen.append((name, engine.now)))  # type: ignore[misc]
    engine.run(START + 30)
    assert seen == [("soon", START + 1), ("later", START + 7), ("late", START + 30)]


def test_what_is_due_together_happens_in_the_order_planned(engine: Engine) -> None:
    seen: list[int] = []
    for number in range(20):
        engine.at(START + 5, lambda number=number: seen.append(number))  # type: ignore[misc]
    engine.at(START + 5, lambda: engine.at(START + 5, lambda: seen.append(99)))
    engine.run(START + 5)
    assert seen == [*range(20), 99]


def test_what_is_planned_for_the_past_happens_at_once_and_the_clock_never_goes_back(engine: Engine) -> None:
    seen: list[float] = []
    engine.after(10, lambda: engine.at(START, lambda: seen.append(engine.now)))
    engine.run(START + 20)
    assert seen == [START + 10]
    engine.run(START)
    assert engine.now == START + 20


def test_a_run_stops_at_its_end_and_leaves_the_rest(engine: Engine) -> None:
    seen: list[str] = []
    engine.after(5, lambda: seen.append("on the edge"))
    engine.after(5.001, lambda: seen.append("after"))
    engine.run(START + 5)
    assert seen == ["on the edge"]
    assert engine.now == START + 5
    assert [engine.next_at] == [START + 5.001]
    engine.run(START + 100)
    assert seen == ["on the edge", "after"]
    assert engine.next_at is None
    assert engine.now == START + 100


def test_what_goes_round_in_circles_is_stopped(engine: Engine) -> None:
    def again() -> None:
        engine.after(0.0, again)

    again()
    with pytest.raises(EndlessError, match="101 steps"):
        engine.run(START + 1)
    assert engine.now == START


def test_a_hundred_steps_may_be_taken_in_several_runs_and_not_one_more(engine: Engine) -> None:
    for second in range(101):
        engine.after(second, lambda: None)
    engine.run(START + 99)
    assert engine.steps == 100
    with pytest.raises(EndlessError):
        engine.run(START + 100)


def test_tasks_take_turns_wherever_one_waits(engine: Engine) -> None:
    seen: list[tuple[str, float]] = []

    def code(name: str, *pauses: float) -> str:
        for pause in pauses:
            task().wait(pause)
            seen.append((name, engine.now - START))
        return name

    one, two = Noted(engine, lambda: code("a", 1, 3)), Noted(engine, lambda: code("b", 2, 1, 4))
    for each in (one, two):
        engine.at(START, each.switch)
    engine.run(START + 60)
    assert seen == [("a", 1), ("b", 2), ("b", 3), ("a", 4), ("b", 7)]
    assert (one.result, two.result) == ("a", "b")
    assert (one.ended_at, two.ended_at) == ([START + 4], [START + 7])


def test_a_task_does_nothing_until_it_is_switched_to(engine: Engine) -> None:
    seen: list[str] = []
    Noted(engine, lambda: seen.append("ran"))
    engine.run(START + 60)
    assert seen == []


@pytest.mark.parametrize(("pause", "dies"), [(29.999, False), (30.0, True), (1e6, True)])
def test_a_task_that_waits_dies_exactly_at_its_deadline(engine: Engine, pause: float, dies: bool) -> None:
    after: list[float] = []

    def code() -> None:
        task().wait(pause)
        after.append(engine.now)

    slow = Noted(engine, code, START + 30)
    engine.at(START, slow.switch)
    engine.run(START + 2e6)
    assert isinstance(slow.raised, Crash) is dies
    assert slow.ended_at == [START + 30 if dies else START + pause]
    assert bool(after) is not dies


def test_many_short_waits_do_not_outlive_the_deadline(engine: Engine) -> None:
    def code() -> None:
        while True:
            task().wait(0.7)

    slow = Noted(engine, code, START + 10)
    engine.at(START, slow.switch)
    engine.run(START + 60)
    assert isinstance(slow.raised, Crash)
    assert slow.ended_at == [START + 10]


def test_no_handler_of_exceptions_survives_the_end_of_its_sandbox(engine: Engine) -> None:
    seen: list[str] = []

    def code() -> None:
        try:
            task().wait(60)
        except Exception:  # noqa: BLE001 - what is shown is that this catches nothing
            seen.append("caught")
        seen.append("went on")

    stubborn = Noted(engine, code, START + 1)
    engine.at(START, stubborn.switch)
    engine.run(START + 120)
    assert isinstance(stubborn.raised, Crash)
    assert seen == []


def test_who_waits_again_after_the_deadline_gets_no_time_for_it(engine: Engine) -> None:
    seen: list[float] = []

    def code() -> None:
        try:
            task().wait(60)
        finally:
            task().wait(0.001)
            seen.append(engine.now)

    tidy = Noted(engine, code, START + 1)
    engine.at(START, tidy.switch)
    engine.run(START + 120)
    assert seen == []
    assert tidy.ended_at == [START + 1]


def test_what_code_raises_is_kept_and_harms_nobody_else(engine: Engine) -> None:
    def code() -> None:
        task().wait(1)
        raise ValueError("a bug")

    broken, well = Noted(engine, code), Noted(engine, lambda: task().wait(2))
    for each in (broken, well):
        engine.at(START, each.switch)
    engine.run(START + 10)
    assert isinstance(broken.raised, ValueError)
    assert broken.result is None
    assert well.raised is None
    assert well.ended_at == [START + 2]


def test_the_end_of_one_task_may_start_another(engine: Engine) -> None:
    second = Noted(engine, lambda: task().wait(3))
    first = Noted(engine, lambda: task().wait(2))
    first.then = lambda: engine.at(engine.now, second.switch)
    engine.at(START, first.switch)
    engine.run(START + 60)
    assert first.ended_at == [START + 2]
    assert second.ended_at == [START + 5]
    assert first.dead
    assert second.dead


def test_a_task_is_the_one_whose_code_runs(engine: Engine) -> None:
    seen: list[object] = []

    def code() -> None:
        seen.append(task())
        task().wait(1)
        seen.append(task())

    one, two = Noted(engine, code), Noted(engine, code)
    for each in (one, two):
        engine.at(START, each.switch)
    engine.run(START + 5)
    assert seen == [one, two, one, two]
    assert task() is engine.hub
