"""The simulated carriers: their answers are a function of the order, the attempt and the settings alone."""

from __future__ import annotations

import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from shipping_service.carrier import (
    FALLBACK,
    PRIMARY,
    CarrierUnavailableError,
    Parcel,
    SimulatedCarrier,
)
from shipping_service.model import Booking

order_ids = st.uuids(version=4).map(str)


def parcel(order_id: str, attempt: int = 1) -> Parcel:
    return Parcel(f"{order_id}:shipment", order_id, attempt)


def an_order(ending: str) -> str:
    return f"5b3c9a52-6d7e-5f4a-9a41-2f6f0d9c{ending}"


def answer(carrier: SimulatedCarrier, asked: Parcel) -> Booking | None:
    try:
        return carrier.book(asked)
    except CarrierUnavailableError:
        return None


@settings(deadline=None)
@given(order_ids, st.integers(0, 100), st.integers(1, 9), st.sampled_from([PRIMARY, FALLBACK]))
def test_the_same_question_gets_the_same_answer_from_any_sandbox(
    order_id: str, percent: int, attempt: int, name: str
) -> None:
    first = answer(SimulatedCarrier(name, percent), parcel(order_id, attempt))
    assert answer(SimulatedCarrier(name, percent), parcel(order_id, attempt)) == first
    if first:
        assert first.carrier == name


@pytest.mark.parametrize("percent", [0, 10, 60, 100])
@pytest.mark.parametrize("attempt", [1, 3])
def test_so_many_in_a_hundred_attempts_with_the_primary_fail(percent: int, attempt: int) -> None:
    carrier = SimulatedCarrier(PRIMARY, percent)
    number = 4_000
    asked = [parcel(str(uuid.uuid5(uuid.NAMESPACE_URL, str(each))), attempt) for each in range(number)]
    failed = sum(answer(carrier, each) is None for each in asked) / number
    # Four standard deviations: it is the same 4,000 orders each time, so this is no game of chance.
    assert abs(failed - percent / 100) <= 4 * (percent / 100 * (1 - percent / 100) / number) ** 0.5


def test_each_attempt_has_luck_of_its_own() -> None:
    carrier = SimulatedCarrier(PRIMARY, 50)
    orders = [str(uuid.uuid5(uuid.NAMESPACE_URL, str(each))) for each in range(1_000)]
    first, second = (
        {order for order in orders if answer(carrier, parcel(order, attempt))} for attempt in (1, 2)
    )
    assert 180 < len(first & second) < 320, "the second try does not depend on the first"


@given(order_ids)
def test_the_fallback_fails_nobody_by_chance(order_id: str) -> None:
    if not order_id.endswith("caff"):
        assert answer(SimulatedCarrier(FALLBACK, 100), parcel(order_id))


@pytest.mark.parametrize("percent", [0, 100])
@pytest.mark.parametrize(
    ("ending", "attempt", "primary", "fallback"),
    [
        ("a9a9", 1, True, True),
        ("ca01", 1, False, True),
        ("ca01", 2, True, True),
        ("ca01", 3, True, True),
        ("ca03", 1, False, True),
        ("ca03", 9, False, True),
        ("caff", 1, False, False),
        ("caff", 9, False, False),
    ],
)
def test_the_documented_ids(ending: str, attempt: int, primary: bool, fallback: bool, percent: int) -> None:
    asked = parcel(an_order(ending), attempt)
    assert bool(answer(SimulatedCarrier(PRIMARY, percent), asked)) is primary
    assert bool(answer(SimulatedCarrier(FALLBACK, percent), asked)) is fallback


@pytest.mark.parametrize("ending", ["a9a9", "ca01", "ca03", "caff", "0001"])
@pytest.mark.parametrize("name", [PRIMARY, FALLBACK])
def test_a_cancel_always_succeeds(ending: str, name: str) -> None:
    assert SimulatedCarrier(name, 100).cancel(parcel(an_order(ending))) is None


def test_bookings_have_ids_of_their_own_per_order_and_carrier_but_not_per_attempt() -> None:
    carriers = [SimulatedCarrier(name, 0) for name in (PRIMARY, FALLBACK)]
    bookings = [
        carrier.book(parcel(an_order(ending), attempt))
        for carrier in carriers
        for ending in ("0001", "0002")
        for attempt in (1, 2)
    ]
    assert len({booking.shipping_id for booking in bookings}) == 4
    assert len({booking.tracking_number for booking in bookings}) == 4
    assert {booking.tracking_number[:2] for booking in bookings} == {"PR", "FA"}


def test_every_call_takes_the_latency_that_is_set() -> None:
    slept: list[float] = []
    carrier = SimulatedCarrier(PRIMARY, 0, 250, sleep=slept.append)
    carrier.book(parcel(an_order("0001")))
    carrier.cancel(parcel(an_order("0001")))
    assert answer(carrier, parcel(an_order("caff"))) is None
    assert slept == [0.25] * 3
    SimulatedCarrier(PRIMARY, 0, sleep=slept.append).book(parcel(an_order("0001")))
    assert len(slept) == 3
