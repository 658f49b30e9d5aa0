"""Every arrow of the picture is open to whom it is meant for, and to nobody else."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator

import pytest
from iam.estate import Estate
from iam.questions import STRANGERS, WAYS, Question, wrong

Ask = Callable[[Estate], Iterator[Question]]

LEAST = {
    "rules_reach_their_targets": 50,
    "the_bus_seals_and_keeps": 6,
    "functions_take_their_work": 29,
    "functions_publish": 5,
    "functions_write_logs": 40,
    "the_api_reaches_its_function": 4,
    "the_schedule_starts_the_sweeper": 4,
    "alarms_reach_the_operators": 200,
    "orders_are_sealed": 2,
    "the_deployer_may_set_up": 16,
    "other_accounts": 600,
    "wrong_sources": 500,
    "other_services_events": 30,
    "other_tables_and_queues": 1000,
    "plain_http": 200,
    "other_stages": 2000,
    "the_key_is_used_through_services_only": 150,
    "customers_are_opened_for_their_order_only": 400,
}
"""How many questions there are at least: one that finds no resources would be content with everything."""


@pytest.mark.parametrize("ask", WAYS, ids=lambda ask: ask.__name__)
def test_the_way_is_open(estate: Estate, ask: Ask) -> None:
    found = wrong(estate, ask)
    assert not found, "\n" + "\n".join(map(str, found))


@pytest.mark.parametrize("ask", STRANGERS, ids=lambda ask: ask.__name__)
def test_the_way_is_closed(estate: Estate, ask: Ask) -> None:
    found = wrong(estate, ask)
    assert not found, "\n" + "\n".join(map(str, found[:20]))


@pytest.mark.parametrize("ask", [*WAYS, *STRANGERS], ids=lambda ask: ask.__name__)
def test_there_is_something_to_ask(estate: Estate, ask: Ask) -> None:
    questions = list(ask(estate))
    assert len(questions) >= LEAST[ask.__name__]
    wanted = Counter(question.allowed for question in questions)
    assert wanted[ask in WAYS], "ways are asked for what should be allowed, strangers for what should not"


def test_every_resource_is_asked_about(estate: Estate) -> None:
    """Strangers are sent to everything there is."""
    asked = {question.request.resource for ask in STRANGERS for question in ask(estate)}
    # A rule is no door: what it may reach is asked at its targets.
    doors = {each for each in estate.names if ":rule/" not in each}
    assert not doors - asked
