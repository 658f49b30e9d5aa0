"""Queues and bus of the simulation against moto's. Each difference is known, with what AWS does."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from simulation.honest_bus import WORDS, BusDuel
from simulation.honest_queues import CHAIN, Duel
from simulation.topology import REGION, Topology, read

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_sqs import SQSClient

Known = dict[str, str]

# "The minimum message size is 1 byte"; the characters of XML 1.0; attributes count towards the size, are ten
# at most, not empty and not named like AWS's own; a delay is 0 to 900 s (SQS developer guide, quotas).
UNCHECKED: Known = {
    f"send: {circumstance}": "moto does not check it"
    for circumstance in (
        "an empty body",
        "a control character",
        "no character at all",
        "attributes that make it too long",
        "an empty attribute",
        "a control character in an attribute",
        "an attribute named like AWS's",
        "eleven attributes",
        "a negative delay",
    )
}
ONE_LIFE: Known = {
    "change visibility: -1 s": "moto knows the upper bound only",
    "change visibility: of what is deleted": (
        "AWS answers InvalidParameterValue (aws/aws-sdk-net#1927), moto ReceiptHandleIsInvalid"
    ),
}
# Checked on AWS by localstack/localstack#9632: success, and nothing happens.
HIDE: Known = {"receive: which messages of Work": "moto hides a visible message again"}
NO_SOURCE: Known = {"receive: DeadLetterQueueSourceArn": "moto does not set it"}
# In localstack/localstack#5225 the same was a bug: on AWS each queue allows its own number of receives.
WAY_DOWN: Known = NO_SOURCE | {
    "receive: which messages of Failed, time 2": "moto counts on from the first queue, so it moves on early",
    "receive: which messages of Failed, time 3": "the same",
    "receive: which messages of Parked, time 1": "the same",
    "change visibility: in Failed": "the same",
}
# Checked on AWS by localstack/localstack#11990: text, lists and numbers are MalformedDetail.
BAD_ENTRIES: Known = {
    "a source of AWS": "moto takes it",
    "a detail that is text": "moto warns and takes it",
    "a detail that is a list": "moto warns and takes it",
    "a detail that is a number": "moto warns and takes it",
    "a detail that is not JSON": "moto takes what Python takes",
}
ROUTES: Known = {
    "event with number changed": "to moto, as to Python, 1 is true",
    "event with data in a list changed": "moto does not look into lists of objects, EventBridge does",
    "fields of an event": "moto's events have no account",
}
# "If there is no value, the variable is not created and does not appear in the output."
MAILS: Known = dict.fromkeys(WORDS, "moto leaves the name of a missing field in the sentence")


@pytest.fixture
def sqs(monkeypatch: pytest.MonkeyPatch) -> Iterator[SQSClient]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        yield boto3.client("sqs", region_name=REGION)


@pytest.fixture
def events(sqs: SQSClient) -> EventBridgeClient:
    return boto3.client("events", region_name=REGION)


@pytest.fixture(scope="module")
def topology() -> Topology:
    return read(Path(__file__).parents[2])


def differences(duel: Duel | BusDuel, known: Known) -> None:
    """Fails for a difference that is not known, and for one that is known and no longer there."""
    assert duel.differences.keys() == known.keys(), duel.differences


def test_what_may_not_be_sent(sqs: SQSClient) -> None:
    duel = Duel(sqs, "refusals")
    duel.refusals()
    differences(duel, UNCHECKED)


def test_one_message(sqs: SQSClient) -> None:
    duel = Duel(sqs, "life")
    duel.one_life()
    differences(duel, ONE_LIFE)


def test_hiding_what_is_visible(sqs: SQSClient) -> None:
    duel = Duel(sqs, "hide")
    duel.hide_what_is_visible()
    differences(duel, HIDE)


def test_down_a_chain_of_dead_letter_queues(sqs: SQSClient) -> None:
    duel = Duel(sqs, "down", CHAIN)
    duel.way_down()
    differences(duel, WAY_DOWN)


@pytest.mark.parametrize("seed", range(3))
def test_random_calls(sqs: SQSClient, seed: int) -> None:
    duel = Duel(sqs, "random", seed=seed)
    duel.random_calls(150)
    duel.drain()
    differences(duel, NO_SOURCE)


@pytest.mark.filterwarnings("ignore:EventDetail should be of type dict")
def test_entries_with_something_wrong(events: EventBridgeClient, sqs: SQSClient, topology: Topology) -> None:
    duel = BusDuel(events, sqs, "refusals", topology)
    duel.refusals()
    differences(duel, BAD_ENTRIES)


def test_random_events_through_all_rules(
    events: EventBridgeClient, sqs: SQSClient, topology: Topology
) -> None:
    duel = BusDuel(events, sqs, "routes", topology, seed=4)
    duel.routes(100)
    differences(duel, ROUTES)


def test_what_mails_say(events: EventBridgeClient, sqs: SQSClient, topology: Topology) -> None:
    duel = BusDuel(events, sqs, "mails", topology)
    words = {name: word for name, word in WORDS.items() if name != "text with quotes"}  # moto crashes on it
    duel.mails(words)
    differences(duel, {name: MAILS[name] for name in words})
