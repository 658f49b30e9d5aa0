"""Queues and bus of the simulation against the emulator's. Each difference is known, with what AWS does."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from e2e.system import System
from simulation.honest_bus import BusDuel
from simulation.honest_queues import CHAIN, PAIR, Chain, Duel
from simulation.topology import Topology, read

Known = dict[str, str]

# Attributes count towards the size, are ten at most, not empty, of three types and not named like AWS's own;
# a delay is 0 to 900 s (SQS developer guide, quotas).
UNCHECKED: Known = {
    f"send: {circumstance}": "the emulator does not check it"
    for circumstance in (
        "attributes that make it too long",
        "an empty attribute",
        "a control character in an attribute",
        "an attribute of no known type",
        "an attribute named like AWS's",
        "eleven attributes",
        "a delay too long",
        "a negative delay",
    )
}
ONE_LIFE: Known = {
    "change visibility: -1 s": "the emulator knows no bounds",
    "change visibility: 43201 s": "the same",
    "change visibility: twelve hours after a second": "the same",
    # A receipt of what is gone deletes nothing and succeeds.
    "delete: a second time": "the emulator answers ReceiptHandleIsInvalid",
    "change visibility: of what is deleted": (
        "AWS answers InvalidParameterValue (aws/aws-sdk-net#1927), the emulator ReceiptHandleIsInvalid"
    ),
}
# Checked on AWS by localstack/localstack#9632: success, and nothing happens.
HIDE: Known = {"receive: which messages of Work": "the emulator hides a visible message again"}
# In localstack/localstack#5225 the same was a bug: on AWS each queue allows its own number of receives.
WAY_DOWN: Known = {
    "receive: which messages of Failed, time 2": "the emulator counts on from the first queue",
    "receive: which messages of Failed, time 3": "the same",
    "receive: which messages of Parked, time 1": "the same",
    "change visibility: in Failed": "the same",
}
# "The request succeeds, but the message might not be deleted."
OLDER: Known = {
    "delete: with an older handle": "the emulator answers ReceiptHandleIsInvalid",
    "change visibility: with an older handle": "the same",
}
# Checked on AWS by localstack/localstack#11990 and its tests of PutEvents.
BAD_ENTRIES: Known = dict.fromkeys(
    (
        "no source",
        "no detail type",
        "no detail",
        "a detail cut short",
        "a detail that is text",
        "a detail that is a list",
        "a detail that is a number",
        "a detail that is not JSON",
    ),
    "the emulator takes it",
)


@pytest.fixture(scope="module")
def topology() -> Topology:
    return read(Path(__file__).parents[2])


@pytest.fixture
def bus(system: System, topology: Topology) -> Iterator[BusDuel]:
    client = system.stage.client
    with closing(BusDuel(client("events"), client("sqs"), "honest", topology, seed=5)) as duel:
        yield duel


def differences(duel: Duel | BusDuel, known: Known) -> None:
    """Fails for a difference that is not known, and for one that is known and no longer there."""
    assert duel.differences.keys() == known.keys(), duel.differences


def queues(system: System, chain: Chain = PAIR, seed: int = 0) -> closing[Duel]:
    return closing(Duel(system.stage.client("sqs"), "honest", chain, seed))


def test_what_may_not_be_sent(system: System) -> None:
    with queues(system) as duel:
        duel.refusals()
        differences(duel, UNCHECKED)


def test_one_message(system: System) -> None:
    with queues(system) as duel:
        duel.one_life()
        differences(duel, ONE_LIFE)


def test_hiding_what_is_visible(system: System) -> None:
    with queues(system) as duel:
        duel.hide_what_is_visible()
        differences(duel, HIDE)


def test_down_a_chain_of_dead_letter_queues(system: System) -> None:
    with queues(system, CHAIN) as duel:
        duel.way_down()
        differences(duel, WAY_DOWN)


@pytest.mark.parametrize("seed", range(3))
def test_random_calls(system: System, seed: int) -> None:
    with queues(system, seed=seed) as duel:
        duel.random_calls(200)
        duel.drain()
        differences(duel, OLDER)


def test_entries_with_something_wrong(bus: BusDuel) -> None:
    bus.refusals()
    differences(bus, BAD_ENTRIES)


def test_random_events_against_each_pattern(bus: BusDuel) -> None:
    bus.patterns(150)
    differences(bus, {})


def test_random_events_through_all_rules(bus: BusDuel) -> None:
    bus.routes(150)
    differences(bus, {})


def test_what_mails_say(bus: BusDuel) -> None:
    bus.mails()
    differences(bus, {})
