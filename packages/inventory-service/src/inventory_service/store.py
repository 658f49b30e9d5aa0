"""The only room that speaks to InventoryTable: stock rows ``ITEM#…`` and reservation rows ``ORDER#…``."""

from __future__ import annotations

import random
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ecom_common.errors import Mender, Retry, code_of, mender
from ecom_common.facts import parse_iso
from ecom_common.retention import expires_at
from ecom_common.rows import Row, from_item, to_item
from ecom_common.table import Sleep, StateTable
from inventory_service.model import Item, Line, Outcome, Reason, Reservation, State, taken

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


TRIES = 5


@dataclass(frozen=True)
class Refusal:
    """Why a transaction wrote nothing. `standing` are the reservations that were there already."""

    standing: dict[str, Reservation] = field(default_factory=dict)
    repriced: frozenset[str] = frozenset()
    short: frozenset[str] = frozenset()


class Stock:
    """Stock on hand and who holds it."""

    def __init__(self, dynamodb: DynamoDBClient, table: str, *, sleep: Sleep = time.sleep) -> None:
        self._dynamodb = dynamodb
        self._table = table
        self._rows = StateTable(dynamodb, table, key="pk", sleep=sleep)
        self._sleep = sleep

    def catalogue(self, item_ids: Iterable[str]) -> dict[str, Item]:
        """The items there are among these, with their prices now. Raises Retry while the table is busy."""
        rows = self._rows.find_many(_item_pk(item_id) for item_id in sorted(set(item_ids)))
        return {
            row["itemId"]: Item(row["itemId"], row["price"], row["currency"])
            for row in rows.values()
            if "price" in row and "currency" in row
        }

    def find(self, order_id: str) -> Reservation | None:
        """The reservation row of an order, read consistently."""
        row = self._rows.find(_order_pk(order_id))
        return _reservation(row) if row else None

    def add(self, reservation: Reservation) -> Reservation:
        """Write a row that takes no stock, unless the order has one. Returns the row that stands."""
        return _reservation(self._rows.add(_row(reservation)))

    def reserve(self, group: Sequence[Reservation], catalogue: Mapping[str, Item]) -> Refusal | None:
        """Write all these rows and take what they hold from stock, or nothing at all.

        None when it is done. Raises Retry while others hold the same rows: that says nothing about stock.
        """
        items = taken(group)
        actions: list[Any] = [{"Put": self._rows.put(_row(reservation))} for reservation in group]
        actions += [
            {"Update": self._take(catalogue[item_id], quantity)} for item_id, quantity in items.items()
        ]
        for _ in self._tries():
            reasons = self._transact(actions)
            if reasons is None:
                return None
            rows, stocks = reasons[: len(group)], reasons[len(group) :]
            standing = [_reservation(from_item(reason["Item"])) for reason in rows if _refused(reason)]
            if standing:
                return Refusal(standing={reservation.order_id: reservation for reservation in standing})
            if all(reason["Code"] in ("None", "ConditionalCheckFailed") for reason in reasons):
                return _verdict(stocks, [catalogue[item_id] for item_id in items])
        raise Retry("stock is contended")

    def release(self, released: Reservation) -> bool:
        """Move RESERVED to RELEASED and give back the lines the row holds. False if it was not RESERVED."""
        row = _row(released)
        actions: list[Any] = [
            {
                "Update": {
                    "TableName": self._table,
                    "Key": to_item({"pk": row["pk"]}),
                    "UpdateExpression": (
                        "SET #state = :released, outcome = :outcome, decidedAt = :at, causedBy = :cause"
                    ),
                    "ConditionExpression": "#state = :reserved",
                    "ExpressionAttributeNames": {"#state": "state"},
                    "ExpressionAttributeValues": to_item(
                        {
                            ":released": row["state"],
                            ":reserved": State.RESERVED.value,
                            ":outcome": row["outcome"],
                            ":at": row["decidedAt"],
                            ":cause": row["causedBy"],
                        }
                    ),
                }
            }
        ]
        actions += [{"Update": self._give_back(line)} for line in released.lines]
        for _ in self._tries():
            reasons = self._transact(actions)
            if reasons is None:
                return True
            if _refused(reasons[0]):
                return False
        raise Retry("stock is contended")

    def _transact(self, actions: Sequence[Any]) -> list[Any] | None:
        """One TransactWriteItems. None when done, otherwise a reason for each action, in order.

        The client sends the same request token when it tries again by itself, so an answer that got lost
        does not take the stock twice.
        """
        try:
            self._dynamodb.transact_write_items(TransactItems=actions)
        except ClientError as error:
            if code_of(error) != "TransactionCanceledException":
                raise
            reasons: list[Any] = list(error.response.get("CancellationReasons", []))
            for reason in reasons:
                code = reason["Code"]
                if code not in ("None", "ConditionalCheckFailed") and mender(code) is not Mender.TIME:
                    raise
            return reasons
        return None

    def _tries(self) -> Iterator[int]:
        """Tries, with a pause before each but the first: full jitter, so that rivals part."""
        for attempt in range(TRIES):
            if attempt:
                self._sleep(random.uniform(0, 0.025 * 2**attempt))  # nosec B311  # jitter, nobody gains by guessing it
            yield attempt

    def _take(self, item: Item, quantity: int) -> Any:
        return {
            "TableName": self._table,
            "Key": to_item({"pk": _item_pk(item.item_id)}),
            "UpdateExpression": "SET quantity = quantity - :taken",
            # The price the orders were checked against must still be the price.
            "ConditionExpression": "quantity >= :taken AND price = :price AND currency = :currency",
            "ExpressionAttributeValues": to_item(
                {":taken": quantity, ":price": item.price, ":currency": item.currency}
            ),
            "ReturnValuesOnConditionCheckFailure": "ALL_OLD",
        }

    def _give_back(self, line: Line) -> Any:
        return {
            "TableName": self._table,
            "Key": to_item({"pk": _item_pk(line.item_id)}),
            # No condition: an item taken off the catalogue meanwhile must not keep the order open for ever.
            "UpdateExpression": "ADD quantity :back",
            "ExpressionAttributeValues": to_item({":back": line.quantity}),
        }


def _verdict(reasons: Sequence[Any], items: Sequence[Item]) -> Refusal:
    """Tell a shortage from a changed price by the row that refused."""
    short: set[str] = set()
    repriced: set[str] = set()
    for reason, item in zip(reasons, items, strict=True):
        if not _refused(reason):
            continue
        row = from_item(reason.get("Item") or {})
        same_price = (row.get("price"), row.get("currency")) == (item.price, item.currency)
        (short if same_price else repriced).add(item.item_id)
    return Refusal(short=frozenset(short), repriced=frozenset(repriced))


def _refused(reason: Mapping[str, Any]) -> bool:
    return bool(reason["Code"] == "ConditionalCheckFailed")


def _item_pk(item_id: str) -> str:
    return f"ITEM#{item_id}"


def _order_pk(order_id: str) -> str:
    return f"ORDER#{order_id}"


def _row(reservation: Reservation) -> Row:
    return {
        "pk": _order_pk(reservation.order_id),
        "orderId": reservation.order_id,
        "placedAt": reservation.placed_at,
        "state": reservation.state.value,
        "lines": [{"itemId": line.item_id, "quantity": line.quantity} for line in reservation.lines],
        "amount": reservation.amount,
        "currency": reservation.currency,
        "reason": reservation.reason.value if reservation.reason else None,
        "outcome": reservation.outcome.value if reservation.outcome else None,
        "decidedAt": reservation.decided_at,
        "causedBy": reservation.caused_by,
        "expiresAt": expires_at(parse_iso(reservation.placed_at)),
    }


def _reservation(row: Row) -> Reservation:
    return Reservation(
        order_id=row["orderId"],
        placed_at=row["placedAt"],
        state=State(row["state"]),
        decided_at=row["decidedAt"],
        caused_by=row["causedBy"],
        lines=tuple(Line(line["itemId"], line["quantity"]) for line in row["lines"]),
        amount=row.get("amount"),
        currency=row.get("currency"),
        reason=Reason(row["reason"]) if row.get("reason") else None,
        outcome=Outcome(row["outcome"]) if row.get("outcome") else None,
    )
