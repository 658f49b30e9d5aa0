"""The environment of the functions, ShippingTable on moto, and nothing more."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import boto3
import pytest
from moto import mock_aws

from ecom_testkit import lambda_environment, make_table, rows
from ecom_testkit.lambdas import REGION

SETTINGS = {"CARRIER_FAILURE_RATE_PERCENT": "10", "CARRIER_LATENCY_MS": "0"}
os.environ.update(lambda_environment("shipping.service", **SETTINGS))

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

TEMPLATE = Path(__file__).parents[1] / "shipping-stack.yaml"


@pytest.fixture
def environment(monkeypatch: pytest.MonkeyPatch) -> pytest.MonkeyPatch:
    """The variables of these functions, whatever the tests of another package have set."""
    for name, value in lambda_environment("shipping.service", **SETTINGS).items():
        monkeypatch.setenv(name, value)
    return monkeypatch


@pytest.fixture(scope="module")
def table() -> Iterator[DynamoDBClient]:
    with mock_aws():
        client = boto3.client("dynamodb", region_name=REGION)
        make_table(client, TEMPLATE, "ShippingTable")
        yield client


@pytest.fixture
def dynamodb(environment: pytest.MonkeyPatch, table: DynamoDBClient) -> DynamoDBClient:
    """ShippingTable, empty."""
    for row in rows(table):
        table.delete_item(TableName="table", Key={"orderId": {"S": row["orderId"]}})
    return table
