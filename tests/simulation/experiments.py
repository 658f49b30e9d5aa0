"""Calls for a `Twin`: those that the services make, through their own stores, and made-up ones."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, cast

from botocore.exceptions import ClientError

from ecom_common.errors import Retry
from inventory_service.model import Item, Outcome, Reservation
from inventory_service.model import Line as StockLine
from inventory_service.model import State as StockState
from inventory_service.store import Stock
from order_service.model import MOVES, PLACED, Line, Order, Step
from order_service.store import Orders, Position
from shipping_service.model import Booking, Reason, intent, tombstone
from shipping_service.model import State as ShipmentState
from shipping_service.store import Shipments
from simulation.differential import Twin, specs

START = datetime(2027, 1, 1, tzinfo=UTC)
OWNERS = ("anne", "bo")
SHARDS = ("0", "1")
CATALOGUE = {f"I{number}": Item(f"I{number}", 100 + number, "USD") for number in range(4)}
CARRIERS = ("north", "south")


def serve(twin: Twin, prefix: str, rng: random.Random, steps: int) -> None:
    """Steps of the services' stores, on a few orders each, so that they get into each other's way."""
    tables = specs(prefix)
    database = cast(Any, twin)
    orders = _OrderSteps(Orders(database, tables["orders"].name, sleep=_no_pause), rng)
    stock = _StockSteps(twin, Stock(database, tables["inventory"].name, sleep=_no_pause), rng)
    shipments = _ShippingSteps(Shipments(database, tables["shipping"].name), rng)
    for _ in range(steps):
        # A row that has gone is an answer too.
        with suppress(Retry):
            rng.choice((orders, stock, shipments)).step()


def _no_pause(seconds: float) -> None:
    del seconds


class _OrderSteps:
    def __init__(self, orders: Orders, rng: random.Random) -> None:
        self._orders = orders
        self._rng = rng
        self._ticks = count(1)
        self._ids = [f"order-{number}" for number in range(12)]
        self._after: dict[str, Position | None] = {}

    def step(self) -> None:
        steps: Sequence[Callable[[], object]] = (
            self._add,
            self._advance,
            self._advance,
            self._postpone,
            self._read,
        )
        self._rng.choice(steps)()

    def _time(self) -> datetime:
        """Never twice the same: rows of an index that stand in one place have no order."""
        return START + timedelta(seconds=next(self._ticks))

    def _add(self) -> None:
        rng, now = self._rng, self._time()
        at = now.isoformat()
        order = Order(
            order_id=rng.choice(self._ids),
            owner=rng.choice(OWNERS),
            status=PLACED.status,
            rank=PLACED.rank,
            placed_at=at,
            updated_at=at,
            lines=(Line("I1", rng.randint(1, 3)),),
            amount=rng.randint(1, 10**12),
            currency="USD",
            fingerprint="f",
            timeline=(Step(PLACED.status, at),),
            open_shard=rng.choice(SHARDS),
            sweep_at=int(now.timestamp()),
        )
        self._orders.add(order)

    def _advance(self) -> None:
        rng, now = self._rng, self._time()
        self._orders.advance(
            rng.choice(self._ids),
            rng.choice(list(MOVES.values())),
            at=now.isoformat(),
            now=now,
            notes=rng.choice((None, {"reason": "out_of_stock"}, {"shippingId": "s", "carrier": "north"})),
            owner=rng.choice((None, *OWNERS)),
        )

    def _postpone(self) -> None:
        sweep_at = int(self._time().timestamp())
        self._orders.postpone(self._rng.choice(self._ids), sweep_at=sweep_at, shard=self._rng.choice(SHARDS))

    def _read(self) -> None:
        rng, owner = self._rng, self._rng.choice(OWNERS)
        self._orders.find(rng.choice(self._ids))
        self._orders.rows(rng.sample(self._ids, 4))
        most = rng.randint(1, 3)
        page = self._orders.positions(owner, most, self._after.get(owner))
        self._after[owner] = page[-1] if len(page) == most else None
        list(self._orders.due(rng.choice(SHARDS), START + timedelta(seconds=rng.randint(0, 100))))
        self._orders.count_open(rng.choice(SHARDS))


class _StockSteps:
    def __init__(self, twin: Twin, stock: Stock, rng: random.Random) -> None:
        self._twin = twin
        self._stock = stock
        self._rng = rng
        self._table = stock._table
        self._ids = [f"order-{number}" for number in range(12)]

    def step(self) -> None:
        self._rng.choice((self._fill, self._reserve, self._reserve, self._release, self._read))()

    def _fill(self) -> None:
        item = self._rng.choice(list(CATALOGUE.values()))
        price, quantity = item.price + (self._rng.random() < 0.2), self._rng.randint(0, 9)
        row = {
            "pk": {"S": f"ITEM#{item.item_id}"},
            "itemId": {"S": item.item_id},
            "price": {"N": str(price)},
            "currency": {"S": "USD"},
            "quantity": {"N": str(quantity)},
        }
        self._twin.put_item(TableName=self._table, Item=row)

    def _reservation(self, order_id: str, state: StockState) -> Reservation:
        items = self._rng.sample(list(CATALOGUE), self._rng.randint(1, 2))
        lines = tuple(StockLine(item, self._rng.randint(1, 3)) for item in items)
        at = START.isoformat()
        return Reservation(order_id, at, state, at, "event", lines, 12, "USD")

    def _reserve(self) -> None:
        ids = self._rng.sample(self._ids, self._rng.randint(1, 3))
        self._stock.reserve([self._reservation(one, StockState.RESERVED) for one in ids], CATALOGUE)

    def _release(self) -> None:
        order_id = self._rng.choice(self._ids)
        row = self._stock.find(order_id) or self._reservation(order_id, StockState.RESERVED)
        released = row.release(Outcome.CANCELLED, decided_at="later", caused_by="cancel")
        if released is not row:
            self._stock.release(released)

    def _read(self) -> None:
        self._stock.catalogue(self._rng.sample([*CATALOGUE, "I9"], 3))
        order_id = self._rng.choice(self._ids)
        if self._stock.find(order_id) is None:
            self._stock.add(self._reservation(order_id, StockState.REJECTED))


class _ShippingSteps:
    def __init__(self, shipments: Shipments, rng: random.Random) -> None:
        self._shipments = shipments
        self._rng = rng
        self._ids = [f"order-{number}" for number in range(6)]

    def step(self) -> None:
        rng, at, carrier = self._rng, START.isoformat(), self._rng.choice(CARRIERS)
        order_id = rng.choice(self._ids)
        shipment = intent(order_id, at, carrier, decided_at=at, caused_by="paid")
        match rng.randint(0, 5):
            case 0:
                self._shipments.add(shipment)
            case 1:
                self._shipments.add(
                    tombstone(order_id, at, Reason.CANCELLED, decided_at=at, caused_by="cancel")
                )
            case 2:
                self._shipments.begin_rescue(shipment, carrier)
            case 3:
                self._shipments.note_asked(shipment, carrier)
            case 4:
                booking = Booking(carrier, "s", "t")
                created = shipment.to(
                    ShipmentState.CREATED, decided_at=at, caused_by="booked", booking=booking
                )
                self._shipments.move(shipment, created)
            case _:
                self._shipments.strike_out(shipment, carrier)


KEYS = ("a", "b", "c")
COMPARATORS = ("=", "<>", "<", "<=", ">", ">=")
ATTRIBUTES = ("n", "m", "s", "t", "ns", "ss", "li")
_OF_KIND: dict[str, Callable[[random.Random], dict[str, Any]]] = {
    "N": lambda rng: {"N": rng.choice(("0", "1", "2", "-3", "10", "1.5", "1.50"))},
    "S": lambda rng: {"S": rng.choice(("", "a", "ab", "b", "1", "ä"))},
    "NS": lambda rng: {"NS": rng.sample(["1", "2", "3", "10"], rng.randint(1, 3))},
    "SS": lambda rng: {"SS": rng.sample(["a", "b", "c"], rng.randint(1, 3))},
    "L": lambda rng: {"L": [{"N": "1"}, {"M": {"x": {"S": "y"}}}][: rng.randint(0, 2)]},
    "BOOL": lambda rng: {"BOOL": rng.random() < 0.5},
}
_KIND = {"n": "N", "m": "N", "s": "S", "t": "S", "ns": "NS", "ss": "SS", "li": "L"}


class Inventor:
    """Makes up requests on a table whose rows have any of a few attributes.

    `strays` of the values, as a fraction, are not of the kind meant for their attribute.
    """

    def __init__(self, rng: random.Random, table: str, key: str, strays: float) -> None:
        self._rng = rng
        self._strays = strays
        self._table = table
        self._key = key
        self._names: dict[str, str] = {}
        self._values: dict[str, Any] = {}

    def request(self) -> tuple[str, dict[str, Any]]:
        """An operation and its request."""
        rng = self._rng
        chance = rng.random()
        if chance < 0.1:
            return "get_item", {"TableName": self._table, "Key": self._row_key(), "ConsistentRead": True}
        if chance < 0.2:
            wanted = [{self._key: {"S": key}} for key in rng.sample(KEYS, rng.randint(1, 3))]
            return "batch_get_item", {"RequestItems": {self._table: {"Keys": wanted, "ConsistentRead": True}}}
        if chance < 0.35:
            keys = rng.sample(KEYS, rng.randint(1, 3))
            return "transact_write_items", {"TransactItems": [self._action(key) for key in keys]}
        kind, request = self._write(rng.choice(KEYS), ("Put", "Update", "Update", "Update", "Delete"))
        returns = {
            "Put": ("NONE", "ALL_OLD"),
            "Delete": ("NONE", "ALL_OLD"),
            "Update": ("NONE", "ALL_OLD", "ALL_NEW"),
        }
        return f"{kind.lower()}_item", {**request, "ReturnValues": rng.choice(returns[kind])}

    def _action(self, key: str) -> dict[str, Any]:
        kind, request = self._write(key, ("Put", "Update", "Update", "Delete", "ConditionCheck"))
        return {kind: request}

    def _row_key(self) -> dict[str, Any]:
        return {self._key: {"S": self._rng.choice(KEYS)}}

    def _write(self, key: str, kinds: Sequence[str]) -> tuple[str, dict[str, Any]]:
        rng = self._rng
        self._names, self._values = {}, {}
        kind = rng.choice(kinds)
        request: dict[str, Any] = {"TableName": self._table}
        if kind == "Put":
            request["Item"] = {self._key: {"S": key}, **self._attributes()}
        else:
            request["Key"] = {self._key: {"S": key}}
        if kind == "Update":
            request["UpdateExpression"] = self._update()
        if kind == "ConditionCheck" or rng.random() < 0.6:
            request["ConditionExpression"] = self._condition(2)
            if rng.random() < 0.7:
                request["ReturnValuesOnConditionCheckFailure"] = rng.choice(("ALL_OLD", "NONE"))
        if self._names:
            request["ExpressionAttributeNames"] = self._names
        if self._values:
            request["ExpressionAttributeValues"] = self._values
        return kind, request

    def _attributes(self) -> dict[str, Any]:
        chosen = self._rng.sample(ATTRIBUTES, self._rng.randint(0, 5))
        return {name: self._of(name) for name in chosen}

    def _of(self, attribute: str, strays: float | None = None) -> dict[str, Any]:
        stray = self._rng.random() < (self._strays if strays is None else strays)
        kind = self._rng.choice(list(_OF_KIND)) if stray else _KIND[attribute]
        return _OF_KIND[kind](self._rng)

    def _path(self, attribute: str) -> str:
        if self._rng.random() < 0.5:
            return attribute
        self._names[f"#{attribute}"] = attribute
        return f"#{attribute}"

    def _value(self, value: dict[str, Any]) -> str:
        name = f":v{len(self._values)}"
        self._values[name] = value
        return name

    def _condition(self, depth: int) -> str:
        rng = self._rng
        if depth and rng.random() < 0.5:
            left, right = self._condition(depth - 1), self._condition(depth - 1)
            return rng.choice((f"{left} AND {right}", f"{left} OR ({right})", f"NOT ({left}) AND {right}"))
        return ("NOT " if rng.random() < 0.2 else "") + self._comparison()

    def _comparison(self) -> str:
        rng = self._rng
        attribute = rng.choice(("n", "m", "s", "t") if rng.random() < 0.3 else ATTRIBUTES)
        path = self._path(attribute)
        match rng.randint(0, 6):
            case 0:
                return f"attribute_exists({path})"
            case 1:
                return f"attribute_not_exists({path})"
            case 2 | 3 if attribute in ("n", "m", "s", "t"):
                return f"{path} {rng.choice(COMPARATORS)} {self._value(self._of(attribute, 0))}"
            case 4:
                return f"{path} IN ({self._value(self._of(attribute))}, {self._value(self._of(attribute))})"
            case 5:
                return f"contains({path}, {self._value(_OF_KIND[rng.choice('NS')](rng))})"
            case _:
                return f"{path} {rng.choice(('=', '<>'))} {self._value(self._of(attribute))}"

    def _update(self) -> str:
        rng = self._rng
        clauses: dict[str, list[str]] = {}
        for attribute in rng.sample(ATTRIBUTES, rng.randint(1, 3)):
            clause, action = self._change(attribute)
            clauses.setdefault(clause, []).append(action)
        return " ".join(f"{clause} {', '.join(actions)}" for clause, actions in clauses.items())

    def _change(self, attribute: str) -> tuple[str, str]:
        rng, path = self._rng, self._path(attribute)
        kind = _KIND[attribute]
        change = rng.randint(0, 5)
        if change == 0:
            return "REMOVE", path
        if change == 1 and kind in ("N", "NS", "SS"):
            return "ADD", f"{path} {self._value(self._of(attribute, 0))}"
        if change == 2 and kind in ("NS", "SS"):
            return "DELETE", f"{path} {self._value(self._of(attribute, 0))}"
        if change == 3 and kind == "N":
            return "SET", f"{path} = {path} {rng.choice('+-')} {self._value(self._of(attribute, 0))}"
        if change == 3 and kind == "L":
            return "SET", f"{path} = list_append({path}, {self._value(self._of(attribute, 0))})"
        if change == 4:
            return "SET", f"{path} = if_not_exists({path}, {self._value(self._of(attribute))})"
        if change == 5:
            alike = [name for name in ATTRIBUTES if _KIND[name] == kind and name != attribute]
            return "SET", f"{path} = {self._path(rng.choice(alike or [attribute]))}"
        return "SET", f"{path} = {self._value(self._of(attribute))}"


def experiment(twin: Twin, prefix: str, rng: random.Random, steps: int, *, strays: float) -> None:
    """Made-up calls on a few rows."""
    table = specs(prefix)["shipping"]
    inventor = Inventor(rng, table.name, table.key, strays)
    for _ in range(steps):
        operation, request = inventor.request()
        with suppress(ClientError):
            twin.call(operation, request)
