"""`ecom stock`: what is on the shelves, new items, deliveries and corrections."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from ecom_cli.aws import resolve_stage
from ecom_cli.errors import EcomError
from ecom_cli.options import JsonOption, RegionOption, StageOption
from ecom_cli.shop.catalogue import (
    load_catalogue,
    parse_currency,
    parse_item_id,
    parse_price,
    sample_catalogue,
)
from ecom_cli.shop.money import shown
from ecom_cli.shop.shelves import MOST, Item, Shelves

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Look at the stock, add items, book deliveries and corrections.",
)


SET_EXAMPLES = """
[bold]Examples[/]

A new item:  [cyan]./ecom stock set ITEM_ID-16 --quantity 40 --price 24.90 --name "Tea pot"[/]

A delivery of ten:  [cyan]./ecom stock set ITEM_ID-02 --add 10[/]

Two were broken:  [cyan]./ecom stock set ITEM_ID-02 --add -2[/]

Counted, and it is 12:  [cyan]./ecom stock set ITEM_ID-02 --quantity 12 --force[/]

A new price:  [cyan]./ecom stock set ITEM_ID-02 --price 54.99[/]
"""


@app.command("show", epilog="Example: [cyan]./ecom stock show ITEM_ID-02 ITEM_ID-15[/]")
def show(
    items: Annotated[list[str] | None, typer.Argument(metavar="[ITEM]...", help="Only these.")] = None,
    stage: StageOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """What is on hand, what is reserved and what it costs."""
    shelves = Shelves(resolve_stage(stage, region))
    found = shelves.some([parse_item_id(item) for item in items]) if items else shelves.all()
    if missing := [item for item in items or () if item not in found]:
        raise EcomError(f"There is no item {', '.join(missing)}.", "`./ecom stock show` lists the items.")
    _print(sorted(found.values(), key=lambda item: item.item_id), as_json)


@app.command("set", epilog=SET_EXAMPLES)
def set_(
    item: Annotated[str, typer.Argument(metavar="ITEM", help="The item's id, as in ITEM_ID-02.")],
    quantity: Annotated[
        int | None, typer.Option("--quantity", "-q", metavar="N", help="Pieces on hand.")
    ] = None,
    add: Annotated[
        int | None,
        typer.Option("--add", "-a", metavar="N", help="Pieces delivered, or lost if below zero."),
    ] = None,
    force: Annotated[
        bool, typer.Option("--force", help="With --quantity: overwrite the stock of an existing item.")
    ] = False,
    price: Annotated[str | None, typer.Option("--price", "-p", help="Price of one, as in 12.34.")] = None,
    currency: Annotated[
        str | None, typer.Option("--currency", "-c", help="Default: the item's own, USD for a new one.")
    ] = None,
    name: Annotated[str | None, typer.Option("--name", "-n", help="What it is called.")] = None,
    stage: StageOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create an item, book a delivery or a loss, or correct the stock.

    Live stock is never overwritten silently: --add counts up or down beside running orders, and \
--quantity on an existing item needs --force, and does nothing if an order took a piece in between.
    """
    item_id = parse_item_id(item)
    if quantity is not None and not 0 <= quantity <= MOST:
        raise EcomError(f"--quantity {quantity} is not a number from 0 to {MOST}.")
    if add is not None and abs(add) > MOST:
        raise EcomError(f"--add {add} is more than {MOST}.")
    if quantity is not None and add is not None:
        raise EcomError("--quantity and --add exclude each other.")
    if quantity is None and add is None and price is None and name is None and currency is None:
        raise EcomError("Nothing to set.", "Give --add, --quantity, --price or --name.")
    if force and quantity is None:
        raise EcomError("--force goes with --quantity.")
    shelves = Shelves(resolve_stage(stage, region))
    seen = shelves.get(item_id)
    if seen is None:
        changed = _create(shelves, item_id, quantity, add, price, currency, name)
    else:
        changed = _change(shelves, seen, quantity, add, force, price, currency, name)
    if not as_json:
        _say_what_changed(seen, changed)
    _print([changed], as_json)


@app.command("load", epilog="Example: [cyan]./ecom stock load my-catalogue.json[/]")
def load(
    file: Annotated[
        Path | None, typer.Argument(metavar="[FILE]", help="Default: the sample catalogue of 15 items.")
    ] = None,
    stage: StageOption = None,
    region: RegionOption = None,
    as_json: JsonOption = False,
) -> None:
    """Create the items of a catalogue file that do not exist yet. Existing items stay as they are."""
    loaded = load_catalogue(resolve_stage(stage, region), file or sample_catalogue())
    if as_json:
        print(json.dumps({"created": loaded.created, "kept": loaded.kept}))
        return
    console = Console()
    console.print(f"[green]✓[/] {len(loaded.created)} items created, {len(loaded.kept)} were there and stay.")


def _create(
    shelves: Shelves,
    item_id: str,
    quantity: int | None,
    add: int | None,
    price: str | None,
    currency: str | None,
    name: str | None,
) -> Item:
    if add is not None:
        raise EcomError(f"There is no item {item_id} to add to.", "Create it with --quantity and --price.")
    if quantity is None or price is None:
        raise EcomError(f"{item_id} is new: it needs --quantity and --price.")
    money = parse_currency(currency or "USD")
    item = Item(item_id, name or item_id, parse_price(price, money), money, quantity, received=quantity)
    if not shelves.create(item):
        raise EcomError(f"{item_id} was created by someone else meanwhile: nothing was changed.")
    return item


def _change(
    shelves: Shelves,
    seen: Item,
    quantity: int | None,
    add: int | None,
    force: bool,
    price: str | None,
    currency: str | None,
    name: str | None,
) -> Item:
    if quantity is not None and not force:
        raise EcomError(
            f"{seen.item_id} exists, with {seen.quantity} on hand: its stock is not overwritten.",
            f"Use --add to count up or down, or --quantity {quantity} --force to set it all the same.",
        )
    if currency and currency != seen.currency and price is None:
        raise EcomError(f"{seen.item_id} is priced in {seen.currency}: another currency needs a --price.")
    money = parse_currency(currency or seen.currency)
    # Read the price before the stock is touched: a slip there must not leave half of the change behind.
    minor = parse_price(price, money) if price is not None else seen.price
    changed = seen
    if quantity is not None:
        changed = shelves.set_quantity(seen, quantity)
    elif add is not None:
        changed = shelves.add(seen.item_id, add)
    if name is not None or price is not None:
        changed = shelves.describe(seen.item_id, name=name or seen.name, price=minor, currency=money)
    return changed


def _say_what_changed(seen: Item | None, changed: Item) -> None:
    console = Console()
    if seen is None:
        console.print(f"[green]✓[/] {changed.item_id} created.")
    elif changed.quantity != seen.quantity:
        console.print(f"[green]✓[/] {changed.item_id}: {seen.quantity} → {changed.quantity} on hand.")
    else:
        console.print(f"[green]✓[/] {changed.item_id} changed.")


def _print(items: list[Item], as_json: bool) -> None:
    if as_json:
        print(json.dumps([item.as_json() for item in items], indent=2))
        return
    console = Console()
    if not items:
        console.print("No items yet. `./ecom stock load` puts the sample catalogue on the shelves.")
        return
    table = Table(box=None, header_style="dim", pad_edge=False, padding=(0, 2, 0, 0))
    table.add_column("item")
    table.add_column("name")
    for title in ("price", "on hand", "reserved", "received"):
        table.add_column(title, justify="right")
    for item in items:
        table.add_row(
            item.item_id,
            item.name,
            shown(item.price, item.currency),
            f"[bold]{item.quantity}[/]" if item.quantity else "[bold red]0[/]",
            str(item.received - item.quantity),
            f"[dim]{item.received}[/]",
        )
    console.print(table)
