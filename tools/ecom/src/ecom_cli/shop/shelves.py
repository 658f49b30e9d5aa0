"""The shelves of a stage: rows of InventoryTable that hold stock, each change one conditional write."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError
from ecom_cli.shop.money import from_minor
from ecom_cli.shop.tables import INVENTORY, get_many, plain, scan, typed

MOST = 1_000_000_000
"""No shelf holds more: a quantity beyond it is a slip of the hand."""


@dataclass(frozen=True)
class Item:
    """One row of stock. `price` in minor units; reserved = received - quantity."""

    item_id: str
    name: str
    price: int
    currency: str
    quantity: int
    received: int

    @classmethod
    def of(cls, row: Mapping[str, Any]) -> Item:
        return cls(
            item_id=row["pk"].removeprefix("ITEM#"),
            name=row.get("name", ""),
            # a release may have brought back an item that was taken off the catalogue: only a quantity
            price=row.get("price", 0),
            currency=row.get("currency", "USD"),
            quantity=row["quantity"],
            received=row.get("received", 0),
        )

    def row(self) -> dict[str, Any]:
        """The row as inventory-service reads it."""
        return {
            "pk": _pk(self.item_id),
            "itemId": self.item_id,
            "name": self.name,
            "price": self.price,
            "currency": self.currency,
            "quantity": self.quantity,
            "received": self.received,
        }

    def as_json(self) -> dict[str, Any]:
        return {
            "itemId": self.item_id,
            "name": self.name,
            "price": from_minor(self.price, self.currency),
            "currency": self.currency,
            "quantity": self.quantity,
            "reserved": self.received - self.quantity,
            "received": self.received,
        }


class Shelves:
    """The stock of one stage. Every change is one conditional write, so it is safe beside running orders."""

    def __init__(self, stage: Stage) -> None:
        self._stage = stage

    def all(self) -> dict[str, Item]:
        """Every item by id, in the order of their ids."""
        items = (Item.of(row) for row in scan(self._stage, INVENTORY) if row["pk"].startswith("ITEM#"))
        return {item.item_id: item for item in sorted(items, key=lambda item: item.item_id)}

    def some(self, item_ids: list[str]) -> dict[str, Item]:
        """These items by id; those that do not exist are left out."""
        found = get_many(self._stage, INVENTORY, "pk", [_pk(item_id) for item_id in item_ids])
        return {item.item_id: item for item in map(Item.of, found.values())}

    def get(self, item_id: str) -> Item | None:
        return self.some([item_id]).get(item_id)

    def create(self, item: Item) -> bool:
        """Put a new item on the shelf; False, and nothing changed, if there is one already."""
        from botocore.exceptions import ClientError

        try:
            self._client.put_item(
                TableName=self._table, Item=typed(item.row()), ConditionExpression="attribute_not_exists(pk)"
            )
        except ClientError as error:
            if _refused(error):
                return False
            raise
        return True

    def add(self, item_id: str, pieces: int) -> Item:
        """A delivery (or, below zero, a loss): on hand and received change together, in one write.

        Raises EcomError if the item does not exist or fewer than that many are on hand.
        """
        updated = self._update(
            item_id,
            "SET quantity = quantity + :n, received = received + :n",
            "attribute_exists(pk) AND quantity >= :least",
            {":n": pieces, ":least": max(0, -pieces)},
        )
        if updated is not None:
            return updated
        item = self.get(item_id)
        if item is None:
            raise EcomError(f"There is no item {item_id}.", "`./ecom stock show` lists the items.")
        raise EcomError(f"{item_id} has {item.quantity} on hand: {-pieces} cannot be taken away.")

    def set_quantity(self, seen: Item, quantity: int) -> Item:
        """Set what is on hand, if it is still what `seen` says; reservations stay as they are.

        Raises EcomError if the stock moved in between.
        """
        updated = self._update(
            seen.item_id,
            "SET quantity = :q, received = received + :difference",
            "quantity = :seen",
            {":q": quantity, ":difference": quantity - seen.quantity, ":seen": seen.quantity},
        )
        if updated is None:
            raise EcomError(
                f"The stock of {seen.item_id} moved meanwhile (it was {seen.quantity}): nothing was changed.",
                "Look again with `./ecom stock show` and repeat, or use --add.",
            )
        return updated

    def describe(self, item_id: str, *, name: str, price: int, currency: str) -> Item:
        """Change an item's name and price (minor units). Orders at the old price are refused from then on."""
        updated = self._update(
            item_id,
            "SET #name = :name, price = :price, currency = :currency",
            "attribute_exists(pk)",
            {":name": name, ":price": price, ":currency": currency},
            {"#name": "name"},
        )
        if updated is None:
            raise EcomError(f"There is no item {item_id}.", "`./ecom stock show` lists the items.")
        return updated

    def _update(
        self,
        item_id: str,
        change: str,
        condition: str,
        values: Mapping[str, Any],
        names: Mapping[str, str] | None = None,
    ) -> Item | None:
        from botocore.exceptions import ClientError

        try:
            answer = self._client.update_item(
                TableName=self._table,
                Key={"pk": {"S": _pk(item_id)}},
                UpdateExpression=change,
                ConditionExpression=condition,
                ExpressionAttributeValues=typed(values),
                ReturnValues="ALL_NEW",
                **({"ExpressionAttributeNames": dict(names)} if names else {}),
            )
        except ClientError as error:
            if _refused(error):
                return None
            raise
        return Item.of(plain(answer["Attributes"]))

    @property
    def _client(self) -> Any:
        return self._stage.client("dynamodb")

    @property
    def _table(self) -> str:
        return self._stage.physical_id(*INVENTORY)


def _pk(item_id: str) -> str:
    return f"ITEM#{item_id}"


def _refused(error: Any) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")
