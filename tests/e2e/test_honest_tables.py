"""The simulation's DynamoDB beside the emulator's: the same calls, the same answers, errors and rows.

What is right where the two differ is said in `simulation.cases` and held against AWS in `test_tables`.
"""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping
from contextlib import suppress
from typing import Any

import pytest
from botocore.exceptions import ClientError

from e2e.system import System
from simulation.cases import CASES
from simulation.differential import Call, Deviation, Twin, check_cases, create, specs
from simulation.experiments import serve
from simulation.inventor import experiment
from simulation.tables import Database

PREFIX = "e2e-honest"

EMULATOR_DIFFERS = {
    # two attributes that are not there are equal to it; to AWS nothing equals what is not there
    "gone = nothing", "gone <> nothing",
    # it takes what AWS refuses, or refuses it only as a condition that does not hold
    "n < :v with {'v': [1]}", "n BETWEEN :v AND :w with {'v': 6, 'w': '7'}", "n = n",
    "three terms", "list_append in list_append", "a clause twice", "an attribute twice",
    "an attribute twice under two names", "unequal", "or", "more than the index keeps",
    # arithmetic and list_append on a wrong kind leave the value as it is, or write the other operand
    "arithmetic on a text", "arithmetic with a text", "list_append to a text", "list_append of a text",
    # it refuses where at AWS the condition does not hold
    "begins_with(n, :v) with {'v': '5'}",
    # it refuses the whole transaction where AWS tells which action the table cannot hold
    "a key of a wrong kind in a transaction",
}  # fmt: skip


def _lenient(call: Call) -> bool:
    """AWS refuses arithmetic and list_append on a row's attribute of a wrong kind; the emulator goes on."""
    if call.theirs[0] not in ("", call.ours[0]):
        return False
    if call.operation == "update_item":
        return call.ours[0] == "ValidationException" and _combines(call.request)
    if call.ours[0] != "TransactionCanceledException":
        return False
    reasons, actions = call.ours[1][1], call.request["TransactItems"]
    return all(
        _combines(action.get("Update", {}))
        for action, (code, _) in zip(actions, reasons, strict=True)
        if code == "ValidationError"
    )


def _combines(update: Mapping[str, Any]) -> bool:
    return any(sign in update.get("UpdateExpression", "") for sign in (" + ", " - ", "list_append("))


LENIENT = Deviation("lenient", _lenient)


@pytest.fixture
def twin(system: System) -> Iterator[Twin]:
    """The emulator's tables, empty, and ours."""
    client = system.stage.client("dynamodb")
    tables = specs(PREFIX)
    for spec in tables.values():
        create(client, spec)
    yield Twin(Database(tables.values()), client)
    for spec in tables.values():
        client.delete_table(TableName=spec.name)


def test_known_calls_beside_the_emulator(twin: Twin) -> None:
    assert set(check_cases(twin, PREFIX, CASES)) == EMULATOR_DIFFERS


def test_calls_of_the_services_beside_the_emulator(twin: Twin) -> None:
    serve(twin, PREFIX, random.Random(1), 100)
    twin.assert_alike()


def test_made_up_calls_beside_the_emulator(twin: Twin) -> None:
    twin.deviations = (LENIENT,)
    experiment(twin, PREFIX, random.Random(3), 150, strays=0.1)
    twin.assert_alike()


def test_a_request_token_beside_the_emulator(twin: Twin) -> None:
    name = specs(PREFIX)["inventory"].name
    update = {"UpdateExpression": "ADD n :v", "ExpressionAttributeValues": {":v": {"N": "1"}}}
    first, other = (
        {"TransactItems": [{"Update": {"TableName": name, "Key": {"pk": {"S": key}}, **update}}]}
        for key in "ab"
    )
    for request, token in ((first, "one"), (first, "one"), (first, "two"), (other, "one")):
        with suppress(ClientError):
            twin.call("transact_write_items", request, f"honest-{token}")
    twin.assert_alike()
    assert twin.database.tables[name].rows == {"a": {"pk": {"S": "a"}, "n": {"N": "2"}}}
