"""The table that stories are played on does what the real one does."""

from __future__ import annotations

import os
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import boto3
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from moto import mock_aws

from ecom_testkit import lambda_environment

os.environ.update(lambda_environment("test.service"))

# Below the environment, which telemetry reads when it is imported.
from ecom_common.errors import Retry
from ecom_common.table import StateTable
from ecom_testkit.schedules import StageTable

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@pytest.fixture
def dynamodb() -> Iterator[DynamoDBClient]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        client.create_table(
            TableName="table",
            BillingMode="PAY_PER_REQUEST",
            AttributeDefinitions=[{"AttributeName": "orderId", "AttributeType": "S"}],
            KeySchema=[{"AttributeName": "orderId", "KeyType": "HASH"}],
        )
        yield client


_sets = st.sets(st.sampled_from(["a", "b", "c"]), min_size=1)
_operations = st.lists(
    st.one_of(
        st.tuples(st.just("add"), st.sampled_from(["x", "y"]), st.sampled_from("AB"), st.none() | _sets),
        st.tuples(
            st.just("move"),
            st.sampled_from(["x", "y"]),
            st.sampled_from("AB"),
            st.fixed_dictionaries({"state": st.sampled_from("AB"), "note": st.none() | st.just("n")}),
            st.fixed_dictionaries({}, optional={"asked": _sets, "times": st.integers(1, 3)}),
            st.fixed_dictionaries({}, optional={"gone": _sets}),
        ),
    ),
    max_size=6,
)


def test_the_stage_s_table_does_what_the_real_one_does(dynamodb: DynamoDBClient) -> None:
    tables: list[Any] = []

    @settings(max_examples=40, deadline=None, database=None, derandomize=True)
    @given(_operations)
    def same(operations: list[Any]) -> None:
        tables.append(None)
        prefix = f"{len(tables)}-"
        real: Any = StateTable(dynamodb, "table", key="orderId")
        played: Any = StageTable()
        for operation in operations:
            answers = [_outcome_of(table, prefix, operation) for table in (real, played)]
            assert answers[0] == answers[1]

    same()


def _outcome_of(table: Any, prefix: str, operation: Any) -> Any:
    name, key, state, *rest = operation
    if name == "add":
        row = table.add({"orderId": prefix + key, "state": state, "asked": rest[0], "gone": rest[0]})
        return {name: value for name, value in row.items() if value is not None}
    changes, adds, deletes = rest
    try:
        return table.move(prefix + key, state, changes, adds=adds, deletes=deletes)
    except Retry:
        return "gone"
