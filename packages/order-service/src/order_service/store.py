"""The only room that speaks to OrdersTable and its two indexes.

``open`` (openShard, sweepAt) holds the open orders alone: closing removes both attributes. ``byOwner``
(owner, placedAt) is written once for each order. No other move touches either key, so following an order
costs the indexes nothing.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import TYPE_CHECKING, Any, NamedTuple

from botocore.exceptions import ClientError

from ecom_common.facts import iso
from ecom_common.rows import Row, from_item, refused, row_in, to_item
from ecom_common.table import Sleep, StateTable
from order_service.model import ORDER_TTL, CancelReason, Line, Move, Order, Status, Step

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

OPEN_INDEX = "open"
OWNER_INDEX = "byOwner"
NOTES = ("reason", "shippingId", "carrier", "trackingNumber", "refundId")

PAGE = 100
"""Rows of a page."""


class Advance(NamedTuple):
    """What became of a move: the row after it, or the row that refused it. None where there is no row."""

    order: Order | None
    moved: bool


class Position(NamedTuple):
    """Where an order stands in its owner's list."""

    placed_at: str
    order_id: str


class Orders:
    """The orders there are."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, *, sleep: Sleep = time.sleep) -> None:
        self._dynamodb = dynamodb
        self._table = StateTable(dynamodb, table, key="orderId", sleep=sleep)

    def add(self, order: Order) -> Order:
        """Write a new order, unless its id is taken. Returns the order that stands."""
        row = _row(order)
        standing = self._table.add(row)
        return order if standing is row else order_of(standing)

    def find(self, order_id: str) -> Order | None:
        """An order, read consistently."""
        row = self._table.find(order_id)
        return order_of(row) if row else None

    def rows(self, order_ids: Sequence[str]) -> list[Row]:
        """The rows of these orders, read consistently, in the order asked for; what is gone is left
        out. Raises Retry while the table is busy."""
        found = self._table.find_many(order_ids)
        return [found[order_id] for order_id in order_ids if order_id in found]

    def positions(self, owner: str, most: int, after: Position | None = None) -> list[Position]:
        """Up to `most` of an owner's orders, newest first, beginning after a position. The index may lag
        behind by a moment."""
        start: Any = {}
        if after:
            key = {"owner": owner, "placedAt": after.placed_at, "orderId": after.order_id}
            start = {"ExclusiveStartKey": to_item(key)}
        answer = self._dynamodb.query(
            TableName=self._table.name,
            IndexName=OWNER_INDEX,
            KeyConditionExpression="#owner = :owner",
            ExpressionAttributeNames={"#owner": "owner"},
            ExpressionAttributeValues=to_item({":owner": owner}),
            ScanIndexForward=False,
            Limit=most,
            **start,
        )
        return [
            Position(row["placedAt"], row["orderId"]) for row in (from_item(item) for item in answer["Items"])
        ]

    def advance(
        self,
        order_id: str,
        move: Move,
        *,
        at: str,
        now: datetime,
        notes: Mapping[str, str] | None = None,
        owner: str | None = None,
    ) -> Advance:
        """Move an order up to a higher rank; with `owner`, only if it is theirs. One write, no read.

        `at` is when it happened, `notes` is what the row keeps of it. Closing takes the order off the index
        of open orders and starts its TTL.
        """
        changes: Row = {
            "status": move.status.value,
            "rank": move.rank,
            "updatedAt": iso(now),
            **(notes or {}),
        }
        if move.closes:
            changes |= {"closed": True, "expiresAt": int((now + ORDER_TTL).timestamp())}
        names = {f"#{name}": name for name in changes}
        values = {f":{name}": value for name, value in changes.items()}
        update = (
            "SET "
            + ", ".join(f"#{name} = :{name}" for name in changes)
            + ", timeline = list_append(timeline, :step)"
            + (" REMOVE openShard, sweepAt" if move.closes else "")
        )
        condition = "attribute_exists(orderId) AND #rank < :rank"
        if owner is not None:
            condition += " AND #owner = :owner"
            names["#owner"] = "owner"
            values[":owner"] = owner
        try:
            answer = self._dynamodb.update_item(
                TableName=self._table.name,
                Key=self._table.key(order_id),
                UpdateExpression=update,
                ConditionExpression=condition,
                ExpressionAttributeNames=names,
                ExpressionAttributeValues=to_item(
                    {**values, ":step": [{"status": move.status.value, "at": at}]}
                ),
                ReturnValues="ALL_NEW",
                ReturnValuesOnConditionCheckFailure="ALL_OLD",
            )
        except ClientError as error:
            if not refused(error):
                raise
            standing = row_in(error)
            return Advance(order_of(standing) if standing else None, moved=False)
        return Advance(order_of(from_item(answer["Attributes"])), moved=True)

    def due(self, shard: str, now: datetime) -> Iterator[list[str]]:
        """The ids of a shard's open orders whose sweep is due, longest due first, page by page.

        The index lags behind: some may have closed or been swept meanwhile.
        """
        for page in self._open(shard, "sweepAt <= :now", {":now": int(now.timestamp())}):
            if page["Items"]:
                yield [from_item(item)["orderId"] for item in page["Items"]]

    def count_open(self, shard: str) -> int:
        """How many open orders a shard holds."""
        return sum(page["Count"] for page in self._open(shard, Select="COUNT"))

    def postpone(self, order_id: str, *, sweep_at: int, shard: str) -> bool:
        """Set when an open order is swept next (epoch seconds), and count this sweep. False if it closed."""
        try:
            self._dynamodb.update_item(
                TableName=self._table.name,
                Key=self._table.key(order_id),
                UpdateExpression="SET sweepAt = :at, openShard = :shard ADD sweeps :one",
                # An order that closed since it was read must not get back into the index.
                ConditionExpression="attribute_exists(openShard)",
                ExpressionAttributeValues=to_item({":at": sweep_at, ":shard": shard, ":one": 1}),
            )
        except ClientError as error:
            if not refused(error):
                raise
            return False
        return True

    def _open(
        self, shard: str, condition: str = "", values: Mapping[str, Any] | None = None, **more: Any
    ) -> Iterator[Any]:
        request: Any = {
            "TableName": self._table.name,
            "IndexName": OPEN_INDEX,
            "KeyConditionExpression": " AND ".join(filter(None, ("openShard = :shard", condition))),
            "ExpressionAttributeValues": to_item({":shard": shard, **(values or {})}),
            **more,
        }
        if "Select" not in more:
            request["Limit"] = PAGE
        while True:
            answer = self._dynamodb.query(**request)
            yield answer
            if "LastEvaluatedKey" not in answer:
                return
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]


def order_of(row: Row) -> Order:
    """An order from its row. Raises KeyError or ValueError for a row that nobody here wrote."""
    return Order(
        order_id=row["orderId"],
        owner=row["owner"],
        status=Status(row["status"]),
        rank=row["rank"],
        placed_at=row["placedAt"],
        updated_at=row["updatedAt"],
        lines=tuple(Line(item["itemId"], item["quantity"]) for item in row["items"]),
        amount=row["amount"],
        currency=row["currency"],
        fingerprint=row["fingerprint"],
        timeline=tuple(Step(Status(step["status"]), step["at"]) for step in row["timeline"]),
        open_shard=row.get("openShard"),
        sweep_at=row.get("sweepAt"),
        sweeps=row["sweeps"],
        closed=row.get("closed", False),
        cancel_reason=CancelReason(row["cancelReason"]) if row.get("cancelReason") else None,
        notes={name: row[name] for name in NOTES if name in row},
        sealed=row.get("sealedCustomer"),
        erased_at=row.get("customerErasedAt"),
    )


def _row(order: Order) -> Row:
    """The row of a new order. What a move adds later is `advance`'s to write."""
    return {
        "orderId": order.order_id,
        "owner": order.owner,
        "status": order.status.value,
        "rank": order.rank,
        "placedAt": order.placed_at,
        "updatedAt": order.updated_at,
        "items": [{"itemId": line.item_id, "quantity": line.quantity} for line in order.lines],
        "amount": order.amount,
        "currency": order.currency,
        "fingerprint": order.fingerprint,
        "timeline": [{"status": step.status.value, "at": step.at} for step in order.timeline],
        "openShard": order.open_shard,
        "sweepAt": order.sweep_at,
        "sweeps": order.sweeps,
        "sealedCustomer": order.sealed,
    }
