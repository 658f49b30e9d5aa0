"""DynamoDB's typed attribute values to and from plain Python."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from boto3.dynamodb.types import Binary, TypeDeserializer, TypeSerializer
from botocore.exceptions import ClientError

from ecom_common.errors import code_of

_serialize = TypeSerializer().serialize
_deserialize = TypeDeserializer().deserialize

Row = dict[str, Any]


def to_item(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row as the low-level client wants it. What is None is left out."""
    return {name: _serialize(value) for name, value in row.items() if value is not None}


def from_item(item: Mapping[str, Any]) -> Row:
    """A row as plain Python: numbers are ints, binary is bytes.

    A fraction, which nothing here writes, stays a Decimal.
    """
    return {name: _plain(_deserialize(value)) for name, value in item.items()}


def refused(error: ClientError) -> bool:
    """True where a conditional write was refused: not an error, an answer."""
    return code_of(error) == "ConditionalCheckFailedException"


def row_in(error: ClientError) -> Row | None:
    """The row that stood in the way, from a write with ``ReturnValuesOnConditionCheckFailure=ALL_OLD``.

    None where there was no row.
    """
    item: Any = error.response.get("Item")
    return from_item(item) if item else None


def _plain(value: Any) -> Any:
    if isinstance(value, Decimal):
        return int(value) if value == value.to_integral_value() else value
    if isinstance(value, Binary):
        return value.__bytes__()
    if isinstance(value, list):
        return [_plain(element) for element in value]
    if isinstance(value, dict):
        return {name: _plain(element) for name, element in value.items()}
    return value
