"""The calls that the services make, through their own stores, for a `Twin`."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from itertools import count
from typing import Any, cast

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
