"""Deliveries that are at work at the same time, in every order, with deaths and silences of the gateway."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ecom_common.errors import Retry
from ecom_common.facts import Fact
from ecom_testkit.schedules import Choices, Stage, StageTable, every_path, random_paths
from payment_service.store import Payments

from .till import AMOUNT, ORDER, FakeGateway, Till, outcome, shipment_failed, stock_confirmed

if TYPE_CHECKING:
    pass

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
