"""One row per order, moved only by compare-and-set."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from ecom_common.errors import Retry
from ecom_common.table import StateTable
from ecom_testkit import CrashingClient

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

ROW = {"orderId": "1", "state": "INTENT", "amount": 5}


@pytest.fixture
def dynamodb() -> Iterator[DynamoDBClient]:
    with mock_aws():
        client = boto3.client("dynamodb")
        client.create_table(
            TableName="table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "orderId", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "orderId", "KeyType": "HASH"}],
        )
        yield client


@pytest.fixture
def table(dynamodb: DynamoDBClient) -> StateTable:
    return StateTable(dynamodb, "table", key="orderId")


def test_a_row_is_added_once_and_the_first_stands(table: StateTable) -> None:
    assert table.find("1") is None
    assert table.add(ROW) == ROW
    assert table.add(ROW | {"amount": 7}) == ROW
    assert table.find("1") == ROW


def test_a_row_moves_from_the_state_it_is_in(table: StateTable) -> None:
    table.add(ROW)
    moved, row = table.move("1", "INTENT", {"state": "CHARGED", "name": "reserved word", "none": None})
    assert moved
    assert row == ROW | {"state": "CHARGED", "name": "reserved word"} == table.find("1")


def test_a_row_in_another_state_stays_and_is_shown(table: StateTable) -> None:
    table.add(ROW)
    moved, row = table.move("1", "CHARGED", {"state": "REFUNDING"}, adds={"amount": 1})
    assert not moved
    assert row == ROW == table.find("1")


def test_numbers_and_sets_grow_and_shrink_in_the_same_move(table: StateTable) -> None:
    table.add(ROW | {"open": {"a", "b"}})
    moved, row = table.move(
        "1", "INTENT", {"state": "CREATED"}, adds={"attempts": 1, "amount": 2}, deletes={"open": {"a"}}
    )
    assert moved
    assert row == {"orderId": "1", "state": "CREATED", "amount": 7, "attempts": 1, "open": {"b"}}


def test_the_same_state_can_be_kept(table: StateTable) -> None:
    table.add(ROW)
    assert table.move("1", "INTENT", {}, adds={"attempts": 1}) == (True, ROW | {"attempts": 1})


def test_a_row_that_is_not_there_is_not_made(table: StateTable) -> None:
    with pytest.raises(Retry):
        table.move("1", "INTENT", {"state": "CHARGED"})
    assert table.find("1") is None


def test_other_errors_are_raised(dynamodb: DynamoDBClient) -> None:
    """A throttled write is no answer: taking it for one would give out a row that does not stand."""
    response: Any = {"Error": {"Code": "ThrottlingException"}}
    error = ClientError(response, "PutItem")
    client: Any = CrashingClient(dynamodb, 1, error=error)
    with pytest.raises(ClientError):
        StateTable(client, "table", key="orderId").add(ROW)
    client = CrashingClient(dynamodb, 1, error=error)
    with pytest.raises(ClientError):
        StateTable(client, "table", key="orderId").move("1", "INTENT", {"state": "CHARGED"})


def test_reads_are_consistent(dynamodb: DynamoDBClient) -> None:
    client: Any = CrashingClient(dynamodb)
    StateTable(client, "table", key="orderId").find("1")
    assert client.calls[0].arguments["ConsistentRead"] is True
