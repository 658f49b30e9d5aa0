"""`ecom stock`: what is on the shelves, new items, deliveries and corrections."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ecom_cli.aws import Stage, resolve_stage
from ecom_cli.errors import EcomError
from ecom_cli.money import from_minor, shown, to_minor
from ecom_cli.tables import INVENTORY, get_many, plain, scan, typed

MOST = 1_000_000_000
"""No shelf holds more: a quantity beyond it is a slip of the hand."""

CATALOGUE = Path("packages") / "inventory-service" / "catalogue.json"
CURRENCY_LETTERS = 3


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


@dataclass(frozen=True)
class Loaded:
    """What a load did: the ids of the items created, and of those that were there and stayed as they were."""

    created: tuple[str, ...]
    kept: tuple[str, ...]


def read_catalogue(path: Path) -> list[Item]:
    """Read a catalogue file. Raises EcomError naming the entry and what is wrong with it."""
    try:
        entries = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise EcomError(f"There is no file {path}.") from None
    except (OSError, ValueError) as error:
        raise EcomError(f"{path} cannot be read as JSON: {error}") from error
    if not isinstance(entries, list):
        raise EcomError(f"{path} must hold a list of items.")
    items = [_entry(path, number, entry) for number, entry in enumerate(entries, start=1)]
    if twice := {item.item_id for item in items if [i.item_id for i in items].count(item.item_id) > 1}:
        raise EcomError(f"{path} has {', '.join(sorted(twice))} more than once.")
    return items


def load_catalogue(stage: Stage, path: Path) -> Loaded:
    """Create the items of the file that are not there yet. Never changes one that is."""
    items, shelves = read_catalogue(path), Shelves(stage)
    there = shelves.some([item.item_id for item in items])
    created = [item.item_id for item in items if item.item_id not in there and shelves.create(item)]
    return Loaded(tuple(created), tuple(item.item_id for item in items if item.item_id not in created))


def load_sample_catalogue(stage: Stage) -> Loaded:
    """Put the sample catalogue on the shelves of a stage, leaving alone what is there."""
    return load_catalogue(stage, sample_catalogue())


def sample_catalogue() -> Path:
    """The sample catalogue's file in the repository."""
    from ecom_cli.workspace import workspace

    return workspace().root / CATALOGUE


def parse_price(text: str, currency: str) -> int:
    """``"12.34", "USD"`` → 1234. Raises EcomError unless it is a plain decimal above zero."""
    try:
        minor = to_minor(text, currency)
    except ValueError as error:
        raise EcomError(f"--price {error}") from None
    if minor == 0:
        raise EcomError("--price must be above zero.")
    return minor


def parse_currency(text: str) -> str:
    """Three capital letters (ISO 4217). Raises EcomError on anything else."""
    if not (len(text) == CURRENCY_LETTERS and text.isascii() and text.isalpha() and text.isupper()):
        raise EcomError(f"{text!r} is not a currency: write three capital letters, as in USD.")
    return text


def parse_item_id(text: str) -> str:
    """An item id as the API takes it. Raises EcomError on anything else."""
    from ecom_cli.api import ITEM_PATTERN

    if not ITEM_PATTERN.fullmatch(text):
        raise EcomError(f"{text!r} is not an item id.", "It looks like ITEM_ID-02.")
    return text


app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Look at the stock, add items, book deliveries and corrections.",
)

StageOption = Annotated[str | None, typer.Option("--stage", "-s", help="Default: the local one, else dev.")]
RegionOption = Annotated[str | None, typer.Option("--region", help="AWS region. Default: your profile's.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]

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


def _entry(path: Path, number: int, entry: Any) -> Item:
    where = f"{path}, entry {number}"
    if not isinstance(entry, dict):
        raise EcomError(f"{where}: an item is an object with itemId, name, price, currency and quantity.")
    try:
        price, quantity = entry["price"], entry["quantity"]
        item_id, currency = parse_item_id(str(entry["itemId"])), parse_currency(str(entry["currency"]))
        if not isinstance(price, str):
            raise EcomError('the price must be in quotes, as in "12.34"')
        if type(quantity) is not int or not 0 <= quantity <= MOST:
            raise EcomError(f"the quantity must be a whole number from 0 to {MOST}")
        minor = parse_price(price, currency)
    except KeyError as error:
        raise EcomError(f"{where} has no {error.args[0]}.") from None
    except EcomError as error:
        raise EcomError(f"{where}: {error.message}", error.hint) from None
    return Item(item_id, str(entry.get("name", item_id)), minor, currency, quantity, received=quantity)


def _pk(item_id: str) -> str:
    return f"ITEM#{item_id}"


def _refused(error: Any) -> bool:
    return bool(error.response["Error"]["Code"] == "ConditionalCheckFailedException")
