"""Deliveries that are at work at the same time, in every order, with deaths and silences of the gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_common.errors import Retry
from ecom_common.facts import Fact
from ecom_common.table import StateTable
from ecom_testkit.schedules import Choices, Stage, StageTable, every_path, random_paths
from payment_service.store import Payments

from .till import AMOUNT, ORDER, FakeGateway, Till, outcome, shipment_failed, stock_confirmed

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

FACTS: dict[str, Callable[[], Fact]] = {"stock": stock_confirmed, "failed": shipment_failed}
SAID = {"CHARGED": "charged", "DECLINED": "declined", "VOIDED": "cancelled", "REFUNDED": "refunded"}


def play(
    choices: Choices,
    *names: str,
    deaths: int = 0,
    silences: int = 0,
    declines: bool = False,
    hours: float = 1,
) -> None:
    """Deliver these facts at the same time, then again whatever was not finished, until all is. Then check.

    `names` are keys of FACTS, with a number behind where one is delivered more than once.
    """
    stage = Stage(choices, deaths=deaths, silences=silences)
    gateway = FakeGateway(declines=declines, silent=stage.silent, pause=stage.pause)
    gateway.clock.at(hours=hours)
    table: Any = StageTable(stage)
    payments = Payments(None, "table")  # type: ignore[arg-type]
    payments._rows = table
    till = Till(payments, gateway)
    unfinished = set(names)

    def part(name: str) -> Callable[[], None]:
        def delivery() -> None:
            handle = {"stock": till.cashier.charge, "failed": till.cashier.undo}[name.split(maxsplit=1)[0]]
            try:
                facts = handle(FACTS[name.split(maxsplit=1)[0]]())
            except Retry as error:
                facts = list(error.facts)
            else:
                stage.pause("publish")
                unfinished.discard(name)
            for fact in facts:
                till.publish(fact)

        return delivery

    try:
        unfinished |= stage.play({name: part(name) for name in names})
        while unfinished:
            again = sorted(unfinished)
            part(again[choices.choose(len(again))])()
        check(till, table, {name.split()[0] for name in names}, declines)
    except AssertionError as error:
        raise AssertionError(f"{error}\nafter:{choices}") from error


def check(till: Till, table: StageTable, delivered: set[str], declines: bool) -> None:
    state = (table.find(ORDER) or {})["state"]
    assert len(till.gateway.taken()) <= 1, "charged twice"
    if "failed" in delivered:
        assert till.gateway.kept() == 0, "undone, but the money is still with us"
        assert state in {"VOIDED", "REFUNDED", "DECLINED"}
    elif declines:
        assert state == "DECLINED"
    else:
        assert (state, till.gateway.taken(), till.gateway.kept()) == ("CHARGED", [AMOUNT], AMOUNT)
    for name in delivered:
        assert outcome(till.deliver(FACTS[name]())) == SAID[state], "a duplicate says something else"


@pytest.mark.parametrize(("deaths", "silences"), [(1, 0), (0, 1)])
def test_charge_and_undo_at_once_in_every_order(deaths: int, silences: int) -> None:
    paths = 0
    for choices in every_path():
        play(choices, "stock", "failed", deaths=deaths, silences=silences)
        paths += 1
    assert paths > 300, "the stage does not offer the choices it should"


@pytest.mark.parametrize("declines", [False, True])
def test_two_deliveries_of_the_same_stock_in_every_order(declines: bool) -> None:
    for choices in every_path():
        play(choices, "stock 1", "stock 2", deaths=1, declines=declines)


@pytest.mark.parametrize("hours", [1, 13, 30])
def test_many_deliveries_many_deaths_many_silences(hours: float) -> None:
    for choices in random_paths(400):
        play(choices, "stock 1", "stock 2", "failed 1", "failed 2", deaths=3, silences=3, hours=hours)


# --- the stage's table is the real one, in memory

_sets = st.sets(st.sampled_from(["a", "b", "c"]), min_size=1)
_operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(["x", "y"]), st.sampled_from("AB"), st.none() | _sets),
        st.tuples(
            st.just("move"),
            st.sampled_from(["x", "y"]),
            st.sampled_from("AB"),
            st.fixed_dictionaries({"state": st.sampled_from("AB"), "note": st.none() | st.just("n")}),
            st.fixed_dictionaries({}, optional={"asked": _sets, "times": st.integers(1, 3)}),
            st.fixed_dictionaries({}, optional={"gone": _sets}),
        ),
    ),
    max_size=6,
)


def test_the_stage_s_table_does_what_the_real_one_does(dynamodb: DynamoDBClient) -> None:
    tables: list[Any] = []

    @settings(max_examples=40, deadline=None, database=None, derandomize=True)
    @given(_operations)
    def same(operations: list[Any]) -> None:
        tables.append(None)
        prefix = f"{len(tables)}-"
        real: Any = StateTable(dynamodb, "table", key="orderId")
        played: Any = StageTable()
        for operation in operations:
            answers = [_outcome_of(table, prefix, operation) for table in (real, played)]
            assert answers[0] == answers[1]

    same()


def _outcome_of(table: Any, prefix: str, operation: Any) -> Any:
    name, key, state, *rest = operation
    if name == "add":
        row = table.add({"orderId": prefix + key, "state": state, "asked": rest[0], "gone": rest[0]})
        return {name: value for name, value in row.items() if value is not None}
    changes, adds, deletes = rest
    try:
        return table.move(prefix + key, state, changes, adds=adds, deletes=deletes)
    except Retry:
        return "gone"
