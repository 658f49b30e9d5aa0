"""One run from the restocked shelves to the checked tables."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime

from ecom_cli.aws import Stage
from ecom_cli.demo.board import Board
from ecom_cli.demo.customers import Customers, keys_for
from ecom_cli.demo.invariants import Tables, broken
from ecom_cli.demo.mailbox import Mailbox
from ecom_cli.demo.picture import View
from ecom_cli.demo.plan import make_plan, needed_stock
from ecom_cli.demo.report import Report
from ecom_cli.errors import EcomError
from ecom_cli.shop.api import Api
from ecom_cli.shop.caller import owner_of
from ecom_cli.shop.catalogue import load_sample_catalogue, read_catalogue, sample_catalogue
from ecom_cli.shop.shelves import Item, Shelves
from ecom_cli.shop.tables import INVENTORY, ORDERS, PAYMENTS, SHIPMENTS, get_many, scan

POLL_SECONDS = 0.2
POLL_SECONDS_AWS = 1.0
LAST_MAIL_SECONDS = 1
"""Notifications may trail the closing of an order: the mailbox is read until it is quiet for so long."""
READS = 4
READ_AGAIN_SECONDS = 1.0


@dataclass(frozen=True)
class Settings:
    """What to run. `timeout`: seconds in which no order moves, after which the open ones count as stuck."""

    orders: int
    clients: int
    seed: int
    timeout: float


def run(stage: Stage, settings: Settings, view: View) -> Report:
    """Restock, place the orders, follow them to their end and check the tables.

    Raises EcomError if the stage is not deployed or cannot be ordered from.
    """
    shelves = Shelves(stage)
    before = _catalogue(stage, shelves)
    currency, prices = _prices(before)
    plan = make_plan(settings.orders, settings.seed, prices, currency)
    restocked = {
        item_id: needed - before[item_id].quantity
        for item_id, needed in needed_stock(plan).items()
        if needed > before[item_id].quantity
    }
    for item_id, pieces in restocked.items():
        shelves.add(item_id, pieces)
    if restocked:
        view.note(f"restocked {sum(restocked.values())} pieces of {len(restocked)} items")
    keys = keys_for(
        plan,
        settings.seed,
        owner_of(stage),
        lambda order_ids: set(get_many(stage, ORDERS, "orderId", order_ids)),
    )

    board = Board(settings.orders)
    pause = POLL_SECONDS if stage.is_emulator else POLL_SECONDS_AWS
    with Mailbox(stage) as mailbox, Api.of(stage) as api, view:
        begun = time.monotonic()
        mails = 0
        with Customers(api, board, keys, settings.clients) as customers:
            customers.start(plan)
            moved_at = 0.0
            while True:
                placed = customers.done()
                moved = board.saw(get_many(stage, ORDERS, "orderId", board.open_ids()))
                mails += mailbox.read()
                seconds = time.monotonic() - begun
                view.show(board, seconds, mails)
                if placed and not board.open_ids():
                    break
                # Not since it was placed: a slow machine with many orders is slow, not stuck.
                moved_at = seconds if moved or not placed else moved_at
                if seconds - moved_at > settings.timeout:
                    break
                time.sleep(pause)
        while mailbox.read(wait_seconds=LAST_MAIL_SECONDS):
            pass  # a quiet second ends it
    answers = board.answers()
    tracks = board.tracks()
    return Report(
        stage=stage.name,
        seed=settings.seed,
        clients=settings.clients,
        asked=settings.orders,
        seconds=seconds,
        tracks=tracks,
        http=answers.http,
        answer_seconds=answers.seconds,
        wrong=answers.wrong,
        stock_before={item_id: item.quantity for item_id, item in before.items()},
        restocked=restocked,
        stock_after={item_id: item.quantity for item_id, item in shelves.all().items()},
        notifications=mailbox.count(track.order_id for track in tracks if track.order_id),
        promises=lasting(lambda: broken(read_tables(stage))),
    )


def read_tables(stage: Stage) -> Tables:
    """All rows of the four tables, in the order that the invariants ask for."""
    orders = list(scan(stage, ORDERS))
    shipments = list(scan(stage, SHIPMENTS))
    payments = list(scan(stage, PAYMENTS))
    return Tables.from_rows(orders, scan(stage, INVENTORY), payments, shipments, datetime.now(UTC))


def lasting(
    look: Callable[[], dict[str, list[str]]], sleep: Callable[[float], None] = time.sleep
) -> dict[str, list[str]]:
    """What is broken in every one of several looks.

    The tables cannot be read at one moment; where others order at the same time, two reads may not match.
    What is really broken stays so.
    """
    found = look()
    for _ in range(READS - 1):
        if not any(found.values()):
            break
        sleep(READ_AGAIN_SECONDS)
        again = look()
        found = {
            promise: [what for what in each if what in again[promise]] for promise, each in found.items()
        }
    return found


def _catalogue(stage: Stage, shelves: Shelves) -> dict[str, Item]:
    items = shelves.all()
    if not items:
        load_sample_catalogue(stage)
        items = shelves.all()
    return items


def _prices(items: dict[str, Item]) -> tuple[str, dict[str, int]]:
    """The currency that most items are priced in, and their prices.

    Only the sample catalogue's items where they are there: an item added by hand changes no seed's orders.
    """
    sample = {item.item_id for item in read_catalogue(sample_catalogue())}
    chosen: Iterable[Item] = [item for item in items.values() if item.item_id in sample] or items.values()
    priced = [item for item in chosen if item.price > 0]
    if not priced:
        raise EcomError(
            "No item has a price.", "`./ecom stock load` puts the sample catalogue on the shelves."
        )
    currency = Counter(item.currency for item in priced).most_common(1)[0][0]
    return currency, {item.item_id: item.price for item in priced if item.currency == currency}
