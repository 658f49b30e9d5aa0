"""The simulated gateway: its answers are a function of the order and the settings, and nothing else."""

from __future__ import annotations

import dataclasses
import uuid

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payment_service.gateway import Charge, Charged, Declined, OutcomeUnknown, SimulatedGateway

order_ids = st.uuids(version=4).map(str)


def charge(order_id: str, attempt: int = 1) -> Charge:
    return Charge(f"{order_id}:charge", order_id, 500, "USD", attempt)


def an_order(ending: str) -> str:
    return f"5b3c9a52-6d7e-5f4a-9a41-2f6f0d9c{ending}"


@settings(deadline=None)
@given(order_ids, st.integers(0, 100), st.integers(2, 9))
def test_the_same_question_gets_the_same_answer_from_any_sandbox(
    order_id: str, percent: int, attempt: int
) -> None:
    answer = SimulatedGateway(percent).charge(charge(order_id, attempt))
    assert SimulatedGateway(percent).charge(charge(order_id, attempt + 1)) == answer
    voided = SimulatedGateway(percent).void(charge(order_id, attempt))
    assert voided == (answer if isinstance(answer, Charged) else None)


@pytest.mark.parametrize("percent", [0, 25, 60, 100])
def test_so_many_in_a_hundred_are_declined(percent: int) -> None:
    gateway = SimulatedGateway(percent)
    number = 4_000
    answers = [
        gateway.charge(charge(str(uuid.uuid5(uuid.NAMESPACE_URL, str(each))), attempt=2))
        for each in range(number)
    ]
    declined = sum(isinstance(answer, Declined) for answer in answers) / number
    # Four standard deviations: it is the same 4,000 orders each time, so this is no game of chance.
    assert abs(declined - percent / 100) <= 4 * (percent / 100 * (1 - percent / 100) / number) ** 0.5


@pytest.mark.parametrize("percent", [0, 100])
@pytest.mark.parametrize("ending", ["a9a9", "ca01", "ca03", "caff"])
def test_the_ids_that_are_always_charged(ending: str, percent: int) -> None:
    assert isinstance(SimulatedGateway(percent).charge(charge(an_order(ending))), Charged)


@pytest.mark.parametrize("percent", [0, 100])
def test_the_id_that_is_always_declined(percent: int) -> None:
    gateway = SimulatedGateway(percent)
    assert gateway.charge(charge(an_order("dec1"))) == Declined("card_declined")
    assert gateway.void(charge(an_order("dec1"))) is None


@pytest.mark.parametrize("percent", [0, 100])
def test_the_id_that_times_out_once_then_is_charged(percent: int) -> None:
    gateway = SimulatedGateway(percent)
    with pytest.raises(OutcomeUnknown):
        gateway.charge(charge(an_order("70a1"), attempt=1))
    assert isinstance(gateway.charge(charge(an_order("70a1"), attempt=2)), Charged)


def test_the_id_that_never_gets_an_answer_to_a_charge_but_can_be_voided() -> None:
    gateway = SimulatedGateway(0)
    for attempt in (1, 2, 8, 100):
        with pytest.raises(OutcomeUnknown):
            gateway.charge(charge(an_order("70ff"), attempt))
    assert gateway.void(charge(an_order("70ff"))) is None


def test_charges_and_refunds_have_ids_of_their_own() -> None:
    gateway = SimulatedGateway(0)
    first = gateway.charge(charge(an_order("0001")))
    second = gateway.charge(charge(an_order("0002")))
    assert isinstance(first, Charged)
    assert isinstance(second, Charged)
    refunds = {gateway.refund(charge(an_order("0001")), each.charge_id) for each in (first, second)}
    assert len({first.charge_id, second.charge_id} | refunds) == 4
    assert gateway.refund(charge(an_order("0001")), first.charge_id) in refunds


def test_the_key_alone_makes_the_charge() -> None:
    """Another amount or attempt with the same key is the same charge; another key is another one."""
    gateway = SimulatedGateway(0)
    asked = charge(an_order("0001"))
    assert gateway.charge(dataclasses.replace(asked, amount=1, attempt=7)) == gateway.charge(asked)
    assert gateway.charge(dataclasses.replace(asked, key="other")) != gateway.charge(asked)


def test_every_call_takes_the_latency_that_is_set() -> None:
    slept: list[float] = []
    gateway = SimulatedGateway(0, 250, sleep=slept.append)
    answer = gateway.charge(charge(an_order("0001")))
    gateway.void(charge(an_order("0001")))
    assert isinstance(answer, Charged)
    gateway.refund(charge(an_order("0001")), answer.charge_id)
    assert slept == [0.25] * 3


def test_even_a_time_out_takes_time_and_without_latency_nobody_sleeps() -> None:
    slept: list[float] = []
    with pytest.raises(OutcomeUnknown):
        SimulatedGateway(0, 100, sleep=slept.append).charge(charge(an_order("70ff")))
    SimulatedGateway(0, 0, sleep=slept.append).charge(charge(an_order("0001")))
    assert slept == [0.1]
