"""The ledgers keep the promises of gateway and carrier, for as long as promised and not a moment longer."""

from __future__ import annotations

import random
from collections.abc import Callable

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from payment_service import gateway
from payment_service.gateway import Charge, SimulatedGateway
from payment_service.model import GATEWAY_KEY_WINDOW
from shipping_service.carrier import FALLBACK, PRIMARY, Parcel, SimulatedCarrier
from shipping_service.model import SHIPPING_WINDOW, Booking
from simulation.outside import (
    CARRIER_KEY_SECONDS,
    GATEWAY_KEY_SECONDS,
    Booked,
    CarrierLedger,
    Declined,
    GatewayLedger,
    Refused,
    Taken,
    UnknownChargeError,
)

DAY = 24 * 3600.0
NOON = 1_769_860_800.0


def a_gateway(declines: float = 0.0) -> GatewayLedger:
    return GatewayLedger(random.Random(1), declines)


def a_carrier(soonest: float = 3600.0, latest: float = 3600.0) -> CarrierLedger:
    return CarrierLedger(random.Random(1), PRIMARY, soonest, latest)


def charge(ledger: GatewayLedger, at: float, key: str = "key") -> Taken | Declined:
    return ledger.charge(key, "order", 500, "USD", at)


def refund_id(ledger: GatewayLedger, answer: Taken | Declined, at: float) -> str:
    assert isinstance(answer, Taken)
    return ledger.refund(answer.charge_id, at)


class TestGateway:
    def test_the_windows_are_those_the_services_rely_on(self) -> None:
        assert GATEWAY_KEY_WINDOW.total_seconds() == GATEWAY_KEY_SECONDS
        assert SHIPPING_WINDOW.total_seconds() == CARRIER_KEY_SECONDS

    def test_a_key_is_one_charge_for_a_day_from_its_first_use_and_no_longer(self) -> None:
        ledger = a_gateway()
        first = charge(ledger, NOON)
        for later in (0.0, 1.0, 0.9 * DAY, DAY - 0.001):
            assert charge(ledger, NOON + later) == first
        assert len(ledger.charges) == 1, "asking again does not prolong the key"
        second = charge(ledger, NOON + DAY)
        assert isinstance(second, Taken)
        assert second != first
        assert [(entry.order_id, entry.at) for entry in ledger.charges] == [
            ("order", NOON),
            ("order", NOON + DAY),
        ]
        assert charge(ledger, NOON + 2 * DAY - 1) == second, "and is a new key from then on"

    def test_what_was_first_asked_for_is_what_is_charged(self) -> None:
        ledger = a_gateway()
        ledger.charge("key", "order", 500, "USD", NOON)
        ledger.charge("key", "other", 999, "EUR", NOON + 1)
        assert [(entry.order_id, entry.amount, entry.currency) for entry in ledger.charges] == [
            ("order", 500, "USD")
        ]

    def test_a_decline_is_an_answer_that_stays_as_long_as_the_key(self) -> None:
        ledger = a_gateway(declines=1.0)
        first = charge(ledger, NOON)
        assert first == Declined("card_declined")
        ledger.declines = 0.0
        assert charge(ledger, NOON + DAY - 1) == first
        assert isinstance(charge(ledger, NOON + DAY), Taken)

    def test_so_many_are_declined(self) -> None:
        ledger = a_gateway(declines=0.25)
        answers = [charge(ledger, NOON, key=str(number)) for number in range(4000)]
        assert 900 < sum(isinstance(answer, Declined) for answer in answers) < 1100
        assert len(ledger.charges) == sum(isinstance(answer, Taken) for answer in answers)

    @pytest.mark.parametrize("after", [0.0, DAY, 100 * DAY])
    def test_a_void_comes_before_the_charge_and_lives_for_ever(self, after: float) -> None:
        ledger = a_gateway()
        assert ledger.void("key", NOON) is None
        assert charge(ledger, NOON + after) == Declined("voided")
        assert ledger.charges == []
        assert isinstance(charge(ledger, NOON, key="other"), Taken)

    @pytest.mark.parametrize("after", [1.0, DAY, 100 * DAY])
    def test_a_void_finds_the_charge_however_old_and_ends_the_key(self, after: float) -> None:
        ledger = a_gateway()
        first = charge(ledger, NOON)
        assert isinstance(first, Taken)
        assert ledger.void("key", NOON + after) == first.charge_id
        assert ledger.void("key", NOON + after) == first.charge_id
        assert charge(ledger, NOON + after) == Declined("voided")

    def test_of_two_charges_a_void_finds_the_last(self) -> None:
        """Found once is not found twice: who charges after a day has lost the first."""
        ledger = a_gateway()
        charge(ledger, NOON)
        second = charge(ledger, NOON + DAY)
        assert isinstance(second, Taken)
        assert ledger.void("key", NOON + DAY) == second.charge_id

    def test_a_void_of_a_declined_charge_finds_nothing(self) -> None:
        ledger = a_gateway(declines=1.0)
        charge(ledger, NOON)
        assert ledger.void("key", NOON) is None

    def test_a_charge_is_refunded_once_however_often_asked(self) -> None:
        ledger = a_gateway()
        first, other = charge(ledger, NOON), charge(ledger, NOON, key="other")
        refunds = [refund_id(ledger, first, NOON + later) for later in (1.0, 2.0, 400 * DAY)]
        assert len(set(refunds)) == 1
        assert [entry.refunded_at for entry in ledger.charges] == [NOON + 1.0, None]
        assert refund_id(ledger, other, NOON) not in refunds
        assert isinstance(first, Taken)
        assert ledger.void("key", NOON) == first.charge_id, "it went through, though it went back since"

    def test_a_charge_nobody_made_cannot_be_refunded(self) -> None:
        with pytest.raises(UnknownChargeError):
            a_gateway().refund("ch_1", NOON)


class TestCarrier:
    def test_a_key_is_one_parcel_for_a_week_from_its_first_use_and_no_longer(self) -> None:
        ledger = a_carrier()
        first = ledger.book("key", "order", NOON)
        for later in (0.0, 1.0, 7 * DAY - 1):
            assert ledger.book("key", "order", NOON + later) == first
        assert len(ledger.parcels) == 1
        second = ledger.book("key", "order", NOON + 7 * DAY)
        assert second != first
        assert [(parcel.order_id, parcel.booking) for parcel in ledger.parcels] == [
            ("order", first),
            ("order", second),
        ]
        assert ledger.book("key", "order", NOON + 14 * DAY - 1) == second

    def test_a_parcel_is_stopped_before_it_is_picked_up(self) -> None:
        ledger = a_carrier(3600.0, 3600.0)
        ledger.book("key", "order", NOON)
        assert ledger.cancel("key", NOON + 3599) is None
        assert ledger.cancel("key", NOON + 5 * DAY) is None, "and stays stopped"
        assert ledger.parcels == []

    @pytest.mark.parametrize("after", [3600.0, 8 * DAY])
    def test_a_parcel_cannot_be_stopped_once_it_is_picked_up(self, after: float) -> None:
        ledger = a_carrier(3600.0, 3600.0)
        booked = ledger.book("key", "order", NOON)
        for _ in range(2):
            assert ledger.cancel("key", NOON + after) == booked
        assert [parcel.booking for parcel in ledger.parcels] == [booked]
        assert ledger.book("key", "order", NOON + after) == Refused("cancelled")

    @pytest.mark.parametrize("after", [0.0, 7 * DAY, 100 * DAY])
    def test_a_cancelled_key_is_refused_for_ever(self, after: float) -> None:
        ledger = a_carrier()
        assert ledger.cancel("key", NOON) is None
        assert ledger.book("key", "order", NOON + after) == Refused("cancelled")
        assert ledger.bookings == []
        assert isinstance(ledger.book("other", "order", NOON), Booked)

    def test_parcels_are_picked_up_after_minutes_or_days(self) -> None:
        ledger = a_carrier(60.0, 3 * DAY)
        for number in range(1000):
            ledger.book(str(number), "order", NOON)
        waits = [parcel.picked_up_at - NOON for parcel in ledger.parcels]
        assert min(waits) >= 60
        assert max(waits) <= 3 * DAY
        assert sum(wait < 3600 for wait in waits) > 200
        assert sum(wait > DAY for wait in waits) > 50

    def test_carriers_give_their_parcels_names_of_their_own(self) -> None:
        ledgers = [CarrierLedger(random.Random(1), name) for name in (PRIMARY, FALLBACK)]
        booked = [ledger.book(str(number), "order", NOON) for ledger in ledgers for number in range(3)]
        assert len({each.shipping_id for each in booked if isinstance(each, Booked)}) == 6
        assert len({each.tracking_number for each in booked if isinstance(each, Booked)}) == 6


def _some_life(seed: int) -> str:
    rng = random.Random(seed)
    bank = GatewayLedger(random.Random(rng.random()), 0.3)
    carrier = CarrierLedger(random.Random(rng.random()), PRIMARY)
    for step in range(50):
        key, now = f"key-{rng.randrange(9)}", NOON + step * 7200
        answer = charge(bank, now, key)
        if isinstance(answer, Taken) and rng.random() < 0.3:
            bank.refund(answer.charge_id, now)
        if rng.random() < 0.1:
            bank.void(key, now)
            carrier.cancel(key, now)
        carrier.book(key, "order", now)
    return repr([bank.state(), carrier.state()])


def test_the_same_seed_makes_the_same_books() -> None:
    assert _some_life(1) == _some_life(1)
    assert _some_life(1) != _some_life(2)


# The shipped simulators against the ledgers: any sequence of calls within the windows gets answers of the
# same kind, and the same again wherever the ledger repeats itself. They differ on purpose in what needs a
# memory, which a function of the order has not: see the tests at the end.


def _ledger_like(declined: bool) -> GatewayLedger:
    """A ledger that answers as the simulated gateway does for this order."""
    return a_gateway(declines=1.0 if declined else 0.0)


calls = st.lists(st.tuples(st.sampled_from(["charge", "void", "refund"]), st.integers(1, 3)), max_size=8)


@settings(deadline=None, max_examples=60)
@given(calls, st.uuids(version=4).map(str), st.sampled_from([0, 50, 100]))
def test_the_simulated_gateway_promises_what_the_ledger_does(
    calls: list[tuple[str, int]], order_id: str, percent: int
) -> None:
    simulated = SimulatedGateway(percent)
    asked = Charge(f"{order_id}:charge", order_id, 500, "USD", attempt=2)
    if order_id.endswith(SimulatedGateway.DEAD):
        return
    first = simulated.charge(asked)
    ledger = _ledger_like(isinstance(first, gateway.Declined))
    names = _Names()
    names.same(_shown(charge(ledger, NOON)), _shown(first))
    voided = False
    for call, attempt in calls:
        now = Charge(asked.key, order_id, 500, "USD", attempt + 1)
        if call == "void":
            voided = True
            found = simulated.void(now)
            names.same(ledger.void("key", NOON + 1), found.charge_id if found else None)
        elif call == "refund" and isinstance(first, gateway.Charged):
            names.same(
                ledger.refund(ledger.charges[0].charge_id, NOON + 1), simulated.refund(now, first.charge_id)
            )
        elif call == "charge" and not voided:
            names.same(_shown(charge(ledger, NOON + 1)), _shown(simulated.charge(now)))


@settings(deadline=None, max_examples=60)
@given(
    st.lists(st.tuples(st.sampled_from(["one", "two"]), st.integers(1, 3)), max_size=8),
    st.sampled_from([PRIMARY, FALLBACK]),
)
def test_the_simulated_carrier_promises_what_the_ledger_does(books: list[tuple[str, int]], name: str) -> None:
    simulated = SimulatedCarrier(name, 0)
    ledger = CarrierLedger(random.Random(1), name)
    names = _Names()
    for order_id, attempt in books:
        theirs = simulated.book(Parcel(f"{order_id}:shipment", order_id, attempt))
        ours = ledger.book(f"{order_id}:shipment", order_id, NOON)
        assert isinstance(ours, Booked)
        assert ours.carrier == theirs.carrier == name
        names.same(ours.shipping_id, theirs.shipping_id)
        names.same(ours.tracking_number, theirs.tracking_number)
    for order_id in ("one", "two"):
        parcel = Parcel(f"{order_id}:shipment", order_id)
        assert simulated.cancel(parcel) is None
        assert ledger.cancel(parcel.key, NOON + 1) is None


class _Names:
    """Two worlds call the same thing by different names, but each always by the same one."""

    def __init__(self) -> None:
        self._theirs: dict[str, str] = {}

    def same(self, ours: str | None, theirs: str | None) -> None:
        assert (ours is None) == (theirs is None)
        if ours is not None and theirs is not None:
            assert self._theirs.setdefault(ours, theirs) == theirs
            assert list(self._theirs.values()).count(theirs) == 1, "two things by one name"


def _shown(answer: Taken | Declined | gateway.Charged | gateway.Declined) -> str:
    return answer.reason if isinstance(answer, Declined | gateway.Declined) else answer.charge_id


def _refuses(book: Callable[[], object]) -> bool:
    return isinstance(book(), Refused)


def test_on_purpose_the_simulated_ones_have_no_memory() -> None:
    """Without any, they cannot know what was voided or cancelled, what was ever charged, or what time it is.

    The services may not lean on that: the simulation runs them against the ledgers.
    """
    order_id = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9"
    asked = Charge(f"{order_id}:charge", order_id, 500, "USD")
    bank, simulated = a_gateway(), SimulatedGateway(0)

    assert bank.void("key", NOON) is None
    assert simulated.void(asked) is not None, "it says that a charge went through which nobody asked for"
    assert charge(bank, NOON) == Declined("voided")
    assert isinstance(simulated.charge(asked), gateway.Charged), "it charges what was voided"
    with pytest.raises(UnknownChargeError):
        bank.refund("ch_1", NOON)
    assert simulated.refund(asked, "ch_1"), "it refunds what was never charged"

    parcel = Parcel(f"{order_id}:shipment", order_id)
    carrier, carriers_double = a_carrier(60.0, 60.0), SimulatedCarrier(PRIMARY, 0)
    carrier.book(parcel.key, order_id, NOON)
    assert carrier.cancel(parcel.key, NOON + 60) is not None
    assert carriers_double.cancel(parcel) is None, "it can stop any parcel"
    assert _refuses(lambda: carrier.book(parcel.key, order_id, NOON + 60))
    assert isinstance(carriers_double.book(parcel), Booking), "it books what was cancelled"
