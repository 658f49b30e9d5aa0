"""One row per order, moved only by compare-and-set: how every participant keeps what it decided."""

from __future__ import annotations

import random
import time
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ecom_common.errors import Retry
from ecom_common.rows import Row, from_item, refused, row_in, to_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


TRIES = 5
_BATCH_GET = 100
"""BatchGetItem takes no more keys."""

Sleep = Callable[[float], None]


class StateTable:
    """A DynamoDB table whose rows have one key attribute and, where they are moved, a ``state``."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, *, key: str, sleep: Sleep = time.sleep) -> None:
        self._dynamodb = dynamodb
        self.name = table
        self._key = key
        self._sleep = sleep

    def find(self, key: str) -> Row | None:
        """The row, read consistently."""
        answer = self._dynamodb.get_item(TableName=self.name, Key=self.key(key), ConsistentRead=True)
        return from_item(answer["Item"]) if "Item" in answer else None

    def find_many(self, keys: Iterable[str]) -> dict[str, Row]:
        """The rows there are with these keys, by key, read consistently.

        Raises Retry while the table is too busy to answer in full.
        """
        wanted = list(dict.fromkeys(keys))
        found: dict[str, Row] = {}
        for start in range(0, len(wanted), _BATCH_GET):
            for row in self._get([self.key(key) for key in wanted[start : start + _BATCH_GET]]):
                found[row[self._key]] = row
        return found

    def _get(self, keys: list[Any]) -> Iterator[Row]:
        request: Any = {self.name: {"Keys": keys, "ConsistentRead": True}}
        for attempt in range(TRIES):
            if attempt:
                # Full jitter: callers that were throttled together must not come back together.
                self._sleep(random.uniform(0, 0.05 * 2**attempt))  # nosec B311  # jitter, nobody gains by guessing it
            answer = self._dynamodb.batch_get_item(RequestItems=request)
            yield from (from_item(item) for item in answer["Responses"].get(self.name, []))
            request = answer.get("UnprocessedKeys")
            if not request:
                return
        raise Retry("the rows could not be read in full")

    def add(self, row: Row) -> Row:
        """Write a row unless there is one. Returns the row that stands: this one, or the one before it."""
        try:
            self._dynamodb.put_item(**self.put(row))
        except ClientError as error:
            standing = row_in(error)
            if not refused(error) or standing is None:
                raise
            return standing
        return row

    def put(self, row: Row) -> Any:
        """The request that `add` makes, for use in a transaction."""
        return {
            "TableName": self.name,
            "Item": to_item(row),
            "ConditionExpression": "attribute_not_exists(#key)",
            "ExpressionAttributeNames": {"#key": self._key},
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def move(
        self,
        key: str,
        state: str,
        changes: Mapping[str, Any],
        *,
        adds: Mapping[str, int | set[str]] | None = None,
        deletes: Mapping[str, set[str]] | None = None,
    ) -> tuple[bool, Row]:
        """Change the row if it still is in `state`: set `changes`, add to numbers and sets, delete from sets.

        Returns whether it moved, and the row that stands afterwards. Raises Retry where the row has gone.
        """
        clauses: list[str] = []
        names = {"#state": "state"}
        values: dict[str, Any] = {":state": state}

        def operand(prefix: str, attribute: str, value: Any, glue: str) -> str:
            names[f"#{prefix}_{attribute}"] = attribute
            values[f":{prefix}_{attribute}"] = value
            return f"#{prefix}_{attribute}{glue}:{prefix}_{attribute}"

        for verb, prefix, glue, operands in (
            ("SET", "set", " = ", {name: value for name, value in changes.items() if value is not None}),
            ("ADD", "add", " ", adds or {}),
            ("DELETE", "del", " ", deletes or {}),
        ):
            if operands:
                parts = (operand(prefix, name, value, glue) for name, value in operands.items())
                clauses.append(f"{verb} {', '.join(parts)}")
        try:
            answer = self._dynamodb.update_item(
                TableName=self.name,
                Key=self.key(key),
                UpdateExpression=" ".join(clauses),
                ConditionExpression="#state = :state",
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=to_item(values),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not refused(error):
                raise
            standing = row_in(error)
            if standing is None:
                raise Retry("the row has gone") from error
            return False, standing
        return True, from_item(answer["Attributes"])

    def key(self, key: str) -> Any:
        """The key of a row as the low-level client wants it."""
        return to_item({self._key: key})
