"""Deliveries that are at work at the same time, in every order, with deaths and silences of the carriers."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any

import pytest

from ecom_common.errors import Retry
from ecom_testkit.schedules import Choices, Stage, StageTable, every_path, random_paths
from shipping_service.carrier import FALLBACK, PRIMARY
from shipping_service.model import RESCUES
from shipping_service.store import Shipments

from .depot import ORDER, Clock, Depot, FakeCarrier, cancel_requested, paid

if TYPE_CHECKING:
    pass


def play(
    choices: Choices,
    *names: str,
    deaths: int = 0,
    silences: int = 0,
    down: tuple[str, ...] = (),
    gone: tuple[str, ...] = (),
    days: float = 0.1,
) -> None:
    """Deliver these facts at the same time, then again whatever was not finished, until all is. Then check.

    `names` have a number behind where one is delivered more than once: "ship" and "cancel" go to
    ShippingLambda, "rescue" and "stop" are the same facts in the hands of DLQProcessorLambda. Parcels of the
    carriers in `gone` cannot be stopped once they are booked.
    """
    stage = Stage(choices, deaths=deaths, silences=silences)
    clock = Clock()
    clock.at(days=days)
    primary, fallback = (
        FakeCarrier(name, down=name in down, gone=name in gone, silent=stage.silent, pause=stage.pause)
        for name in (PRIMARY, FALLBACK)
    )
    table: Any = StageTable(stage)
    shipments = Shipments(None, "table")  # type: ignore[arg-type]
    shipments._rows = table
    depot = Depot(shipments, primary, fallback, clock)
    unfinished = set(names)

    def part(name: str, kind: str) -> Callable[[], None]:
        handle = {
            "ship": depot.shipping.ship,
            "rescue": depot.rescuing.ship,
            "cancel": depot.shipping.cancel,
            "stop": depot.rescuing.cancel,
        }[kind]

        def delivery() -> None:
            try:
                facts = handle(paid() if kind in ("ship", "rescue") else cancel_requested())
            except Retry as error:
                facts = list(error.facts)
            else:
                stage.pause("publish")
                unfinished.discard(name)
            for fact in facts:
                depot.publish(fact)

        return delivery

    try:
        unfinished |= stage.play({name: part(name, name.split()[0]) for name in names})
        rounds = 0
        while unfinished:
            again = sorted(unfinished)
            name = again[choices.choose(len(again))]
            # What the first queue cannot do three times goes on to the second.
            rounds += 1
            kind = name.split()[0]
            part(name, "rescue" if kind == "ship" and rounds > 3 else kind)()
        check(depot, table, {name.split()[0] for name in names}, gone, days)
    except AssertionError as error:
        raise AssertionError(f"{error}\nafter:{choices}") from error


def check(depot: Depot, table: StageTable, delivered: set[str], gone: tuple[str, ...], days: float) -> None:
    row = table.find(ORDER) or {}
    held = depot.holds()
    if row["state"] == "CREATED":
        wanted = [booking for booking in held if booking.shipping_id == row["shippingId"]]
        assert len(wanted) == 1, "the parcel that was announced is not on its way"
        rest = {booking.carrier for booking in held if booking not in wanted}
        assert rest <= set(gone), "two parcels are on their way, and one could have been stopped"
        assert row["asked"] == {row["carrier"]}, "a carrier that may hold a leftover is not struck out"
    else:
        assert row["state"] == "FAILED"
        assert not held, "given up, but a parcel is on its way"
    may_fail = delivered & {"cancel", "stop"} or days > 7 or row["rescues"] >= RESCUES
    assert row["state"] == "CREATED" or may_fail, "given up for no reason"
    said = {"CREATED": "ShipmentCreated", "FAILED": "ShipmentFailed"}[row["state"]]
    assert {fact.detail_type for fact in depot.published} == {said}
    for deliver in (depot.ship, depot.rescue):
        assert deliver(paid()).detail_type == said


@pytest.mark.parametrize(
    ("names", "deaths", "silences"),
    [
        (("ship", "cancel"), 1, 0),
        (("ship", "cancel"), 0, 1),
        (("ship", "rescue"), 0, 1),
        (("rescue", "cancel"), 1, 0),
        (("rescue", "cancel"), 0, 1),
    ],
)
def test_two_at_once_in_every_order(names: tuple[str, ...], deaths: int, silences: int) -> None:
    paths = 0
    for choices in every_path():
        play(choices, *names, deaths=deaths, silences=silences)
        paths += 1
    assert paths > 100, "the stage does not offer the choices it should"


@pytest.mark.parametrize("down", [(), (PRIMARY,), (PRIMARY, FALLBACK)], ids=["up", "down", "all down"])
@pytest.mark.parametrize("days", [0.1, 8])
def test_many_deliveries_many_deaths_many_silences(down: tuple[str, ...], days: float) -> None:
    for choices in random_paths(120):
        play(choices, "ship 1", "ship 2", "rescue", deaths=3, silences=3, down=down, days=days)


@pytest.mark.parametrize("down", [(), (PRIMARY,), (PRIMARY, FALLBACK)], ids=["up", "down", "all down"])
def test_a_cancel_among_many_deliveries_deaths_and_silences(down: tuple[str, ...]) -> None:
    for choices in random_paths(200, seed=2):
        play(choices, "ship 1", "rescue 1", "rescue 2", "cancel", deaths=3, silences=4, down=down)


@pytest.mark.parametrize("gone", [(PRIMARY,), (FALLBACK,), (PRIMARY, FALLBACK)])
def test_parcels_that_cannot_be_stopped_among_deaths_and_silences(gone: tuple[str, ...]) -> None:
    for choices in random_paths(150, seed=3):
        play(choices, "ship 1", "ship 2", "rescue", "stop", deaths=2, silences=3, gone=gone)
