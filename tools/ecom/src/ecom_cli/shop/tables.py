"""Rows of the services' tables as plain Python: numbers are ints, as everywhere in this system."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from typing import Any

from ecom_cli.aws import Stage

Row = dict[str, Any]

ORDERS = ("order-service", "OrdersTable")
INVENTORY = ("inventory-service", "InventoryTable")
PAYMENTS = ("payment-service", "PaymentTable")
SHIPMENTS = ("shipping-service", "ShippingTable")

_BATCH = 100  # what BatchGetItem takes


def typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row with DynamoDB's type tags. What is None is left out."""
    from boto3.dynamodb.types import TypeSerializer

    serialize = TypeSerializer().serialize
    return {name: serialize(value) for name, value in row.items() if value is not None}


def plain(item: Mapping[str, Any]) -> Row:
    """A row without DynamoDB's type tags."""
    from boto3.dynamodb.types import TypeDeserializer

    deserialize = TypeDeserializer().deserialize
    return {name: _whole(deserialize(value)) for name, value in item.items()}


def scan(stage: Stage, table: tuple[str, str]) -> Iterator[Row]:
    """Every row of a table, read consistently, page by page."""
    pages = stage.client("dynamodb").get_paginator("scan")
    for page in pages.paginate(TableName=stage.physical_id(*table), ConsistentRead=True):
        for item in page["Items"]:
            yield plain(item)


def get_many(stage: Stage, table: tuple[str, str], key: str, values: Iterable[str]) -> dict[str, Row]:
    """The rows with these keys, by key, read consistently; what does not exist is left out."""
    name, client = stage.physical_id(*table), stage.client("dynamodb")
    found: dict[str, Row] = {}
    wanted = list(dict.fromkeys(values))
    for start in range(0, len(wanted), _BATCH):
        keys = [{key: {"S": value}} for value in wanted[start : start + _BATCH]]
        while keys:
            answer = client.batch_get_item(RequestItems={name: {"Keys": keys, "ConsistentRead": True}})
            for item in answer["Responses"].get(name, ()):
                row = plain(item)
                found[row[key]] = row
            # a page is cut at 16 MB; what is left is asked for again
            keys = answer.get("UnprocessedKeys", {}).get(name, {}).get("Keys", [])
    return found


def _whole(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value)
    if isinstance(value, list):
        return [_whole(element) for element in value]
    if isinstance(value, dict):
        return {name: _whole(element) for name, element in value.items()}
    return value
