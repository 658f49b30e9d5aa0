"""The shop as its customers and its people know it: what a test says and asks, in the saga's own words."""

from __future__ import annotations

import random
import time
import uuid
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import Any

import httpx

from e2e import description
from e2e.system import DEAD_LETTER_QUEUES, Event, Mail, System, eventually, take
from ecom_cli.demo.invariants import Tables, broken, messages
from ecom_cli.demo.run import read_tables
from ecom_cli.shop.api import Line, force_key, order_body, order_id_of
from ecom_cli.shop.caller import LOCAL_OWNER
from ecom_cli.shop.money import to_minor
from ecom_cli.shop.orders import is_closed
from ecom_cli.shop.shelves import Item, Shelves
from ecom_cli.shop.tables import INVENTORY, ORDERS, PAYMENTS, SHIPMENTS, Row, get_many, typed

CURRENCY = "USD"
SECONDS = 60.0
"""Longer than anything here takes, also where other work fills the machine."""


@dataclass(frozen=True)
class Order:
    """An order as its customer placed it. `amount` in minor units."""

    order_id: str
    key: str
    lines: tuple[Line, ...]
    amount: int

    def __str__(self) -> str:
        pieces = ", ".join(f"{line.quantity} x {line.item_id.rpartition('.')[2]}" for line in self.lines)
        return f"order {self.order_id} ({pieces})"


@dataclass(frozen=True)
class Rows:
    """What the four tables hold about one order; empty where there is no row."""

    order: Row = field(default_factory=dict)
    reservation: Row = field(default_factory=dict)
    payment: Row = field(default_factory=dict)
    shipment: Row = field(default_factory=dict)


@dataclass(frozen=True)
class Parked:
    """A message in a dead-letter queue. `reason` is empty where SQS moved it there by itself."""

    queue: str
    body: str
    reason: str
    source: str


class Shop:
    """One test's shop: items under names of its own, so that nobody else's orders touch them."""

    def __init__(self, system: System) -> None:
        self.system = system
        self.orders: list[Order] = []
        self._prefix = uuid.uuid4().hex[:10]
        self._shelves = Shelves(system.stage)
        self._prices: dict[str, int] = {}
        self._parked: list[Parked] = []
        self._http = httpx.Client(
            timeout=30,
            trust_env=False,
            limits=httpx.Limits(max_connections=32),
            event_hooks={"response": [description.check]},
        )

    def close(self) -> None:
        self._http.close()

    # ----- given

    def given_item(self, name: str, *, price: str = "10.00", quantity: int = 10) -> None:
        """An item on the shelf, at a price in USD."""
        minor = to_minor(price, CURRENCY)
        item = Item(self.item_id(name), name, minor, CURRENCY, quantity, quantity)
        assert self._shelves.create(item), f"there is a {name} already"
        self._prices[name] = minor

    def item_id(self, name: str) -> str:
        return f"{self._prefix}.{name}"

    # ----- when

    def place(
        self, *, force: str | None = None, key: str | None = None, amount: str | None = None, **pieces: int
    ) -> Order:
        """Place an order for so many pieces of each item, through the API.

        `force` is one of the documented ends of an order id; `amount` is by default what the items cost.
        """
        order = self.planned(pieces, force=force, key=key, amount=amount)
        answer = self.post(self.body(order), key=order.key)
        assert answer.status_code == 202, (
            f"the shop does not take {order}: {answer.status_code} {answer.text}"
        )
        assert answer.json()["orderId"] == order.order_id
        self.orders.append(order)
        return order

    def planned(
        self,
        pieces: Mapping[str, int],
        *,
        force: str | None = None,
        key: str | None = None,
        amount: str | None = None,
    ) -> Order:
        """The same without placing it."""
        if key is None:
            key = uuid.uuid4().hex if force is None else force_key(LOCAL_OWNER, force)
        lines = tuple(Line(self.item_id(name), number) for name, number in pieces.items())
        cost = sum(self._prices.get(name, 0) * number for name, number in pieces.items())
        minor = cost if amount is None else to_minor(amount, CURRENCY)
        return Order(order_id_of(LOCAL_OWNER, key), key, lines, minor)

    def body(self, order: Order) -> bytes:
        return order_body(order.lines, order.amount, CURRENCY)

    def post(self, body: bytes, *, key: str | None = None) -> httpx.Response:
        """Any body to POST /orders, as it is."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        return self._http.post(self.system.stage.api_url, content=body, headers=headers)

    def get(self, order_id: str) -> httpx.Response:
        return self._http.get(f"{self.system.stage.api_url}/{order_id}")

    def page(self, **query: str | int) -> dict[str, Any]:
        """One page of GET /orders."""
        answer = self._http.get(self.system.stage.api_url, params=query)
        assert answer.status_code == 200, answer.text
        page: dict[str, Any] = answer.json()
        return page

    def cancel(self, order: Order | str) -> httpx.Response:
        order_id = order if isinstance(order, str) else order.order_id
        return self._http.post(f"{self.system.stage.api_url}/{order_id}/cancel")

    def place_all(
        self, orders: Sequence[Order], *, customers: int = 8, tries: int = 1
    ) -> dict[str, list[int]]:
        """Place many at once; returns the HTTP codes of each order's attempts.

        After no answer or a 5xx a customer tries again with the same key, `tries` times in all, each time
        after a longer pause.
        """

        def one(order: Order) -> tuple[str, list[int]]:
            codes: list[int] = []
            for attempt in range(tries):
                if attempt:
                    time.sleep(random.uniform(0.1, min(0.2 * 2**attempt, 4)))
                try:
                    codes.append(self.post(self.body(order), key=order.key).status_code)
                except httpx.TransportError:
                    codes.append(0)
                if 0 < codes[-1] < 500:
                    break
            return order.order_id, codes

        self.orders += orders
        with ThreadPoolExecutor(customers) as pool:
            return dict(pool.map(one, orders))

    def age(self, order: Order, by: timedelta) -> None:
        """Make an order older in its own row, and due for the sweeper."""
        row = self.rows(order).order
        placed = datetime.fromisoformat(row["placedAt"]) - by
        self.system.stage.client("dynamodb").update_item(
            TableName=self.system.stage.physical_id(*ORDERS),
            Key=typed({"orderId": order.order_id}),
            UpdateExpression="SET placedAt = :placed, sweepAt = :due",
            ConditionExpression="attribute_exists(openShard)",
            ExpressionAttributeValues=typed(
                {":placed": placed.isoformat(timespec="milliseconds").replace("+00:00", "Z"), ":due": 0}
            ),
        )

    # ----- then

    def look(self, order: Order) -> dict[str, Any]:
        """The order as the API shows it to its customer."""
        answer = self.get(order.order_id)
        assert answer.status_code == 200, f"{order} cannot be seen: {answer.status_code} {answer.text}"
        shown: dict[str, Any] = answer.json()
        return shown

    def wait_closed(self, order: Order, *, within: float = SECONDS, sweep: bool = False) -> dict[str, Any]:
        """Until the customer sees the order at its end. `sweep`: let the sweeper run meanwhile."""

        def closed() -> dict[str, Any] | None:
            if sweep:
                self.system.sweep()
            shown = self.look(order)
            return shown if is_closed(shown) else None

        return eventually(closed, lambda: f"{order} never ends: {self.story(order)}", within=within)

    def wait_status(self, order: Order, status: str, *, within: float = SECONDS) -> dict[str, Any]:
        """Until the customer sees this status."""

        def there() -> dict[str, Any] | None:
            shown = self.look(order)
            return shown if shown["status"] == status else None

        return eventually(there, lambda: f"{order} never is {status}: {self.story(order)}", within=within)

    def wait_all_closed(
        self,
        orders: Sequence[Order] | None = None,
        *,
        within: float = SECONDS,
        meanwhile: Callable[[], object] = lambda: None,
    ) -> dict[str, Row]:
        """Until these orders, or all of this shop, are at their end; their rows by order id."""
        awaited = self.orders if orders is None else orders
        ids = [order.order_id for order in awaited]
        rows: dict[str, Row] = {}

        def all_closed() -> bool:
            meanwhile()
            left = [order_id for order_id in ids if not rows.get(order_id, {}).get("closed")]
            rows.update(get_many(self.system.stage, ORDERS, "orderId", left))
            return all(rows.get(order_id, {}).get("closed") for order_id in ids)

        def complain() -> str:
            stuck = [order for order in awaited if not rows.get(order.order_id, {}).get("closed")]
            stories = "\n".join(f"{order}: {self.story(order)}" for order in stuck[:5])
            return f"{len(stuck)} of {len(ids)} orders never end, among them\n{stories}\n"

        eventually(all_closed, complain, within=within)
        return rows

    def closed(self, orders: Sequence[Order]) -> int:
        """How many of these are at their end now."""
        rows = get_many(self.system.stage, ORDERS, "orderId", [order.order_id for order in orders])
        return sum(bool(row.get("closed")) for row in rows.values())

    def stock(self, name: str) -> int:
        """How many are on the shelf."""
        item = self._shelves.get(self.item_id(name))
        assert item is not None, f"there is no {name}"
        return item.quantity

    def rows(self, order: Order) -> Rows:
        stage, order_id = self.system.stage, order.order_id
        pk = f"ORDER#{order_id}"
        return Rows(
            get_many(stage, ORDERS, "orderId", [order_id]).get(order_id, {}),
            get_many(stage, INVENTORY, "pk", [pk]).get(pk, {}),
            get_many(stage, PAYMENTS, "orderId", [order_id]).get(order_id, {}),
            get_many(stage, SHIPMENTS, "orderId", [order_id]).get(order_id, {}),
        )

    def events_of(self, *orders: Order) -> list[Event]:
        """What was said on the bus about these orders, copies included."""
        ids = {order.order_id for order in orders}
        return [event for event in self.system.tap.all() if event.order_id in ids]

    def mails_for(self, order: Order) -> list[Mail]:
        """What its customer was told so far, copies included."""
        return [mail for mail in self.system.mails.all() if order.order_id in mail.text]

    def wait_mail(self, order: Order, topic: str) -> Mail:
        """Until its customer is told something by this topic."""

        def arrived() -> Mail | None:
            return next((mail for mail in self.mails_for(order) if mail.topic == topic), None)

        return eventually(
            arrived,
            lambda: f"the customer of {order} hears nothing by {topic}: {self.story(order)}",
            within=10,
        )

    def dlq(self, queue: str) -> list[Parked]:
        """What was left in a dead-letter queue, with its reason; taken off the queue and remembered."""
        url, sqs = self.system.queue_url(queue), self.system.stage.client("sqs")
        while found := take(sqs, url):
            for message in found:
                notes = {
                    name: value["StringValue"] for name, value in message.get("MessageAttributes", {}).items()
                }
                self._parked.append(
                    Parked(queue, message["Body"], notes.get("reason", ""), notes.get("source", ""))
                )
        return [parked for parked in self._parked if parked.queue == queue]

    def tables(self) -> Tables:
        """The rows of all four tables, as far as they are about this shop's orders and items."""
        every = read_tables(self.system.stage)
        mine = {order.order_id for order in self.orders}
        items = {self.item_id(name) for name in self._prices}

        def of(keys: set[str], rows: Mapping[str, Row] | Mapping[str, Any]) -> dict[str, Any]:
            return {key: row for key, row in rows.items() if key in keys}

        return replace(
            every,
            orders=of(mine, every.orders),
            items=of(items, every.items),
            reservations=of(mine, every.reservations),
            payments=of(mine, every.payments),
            shipments=of(mine, every.shipments),
        )

    def assert_in_order(self) -> Tables:
        """The promises of the design hold over everything this shop did, and nothing needs a person."""
        tables = self.tables()
        assert messages(broken(tables)) == []
        left = [parked for queue in DEAD_LETTER_QUEUES for parked in self.dlq(queue)]
        mine = [parked for parked in left if any(order.order_id in parked.body for order in self.orders)]
        assert mine == [], "messages about good orders ended in dead-letter queues"
        return tables

    def story(self, order: Order) -> str:
        """Where an order is and how it got there, for people who read a failed test."""
        rows = self.rows(order)
        if not rows.order:
            return "there is no row of it"
        way = " -> ".join(step["status"] for step in rows.order["timeline"])
        states = ", ".join(
            f"{name} {row.get('state', '(no row)')}"
            for name, row in (
                ("reservation", rows.reservation),
                ("payment", rows.payment),
                ("shipment", rows.shipment),
            )
        )
        said = ", ".join(event.detail_type for event in self.events_of(order))
        return f"{way}; {states}; on the bus: {said}; waiting in queues: {self.system.backlog() or 'nothing'}"
