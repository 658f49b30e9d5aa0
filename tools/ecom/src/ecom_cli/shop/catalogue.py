"""Catalogue files: items with their prices and first quantities, and putting them on the shelves."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError
from ecom_cli.shop.money import to_minor
from ecom_cli.shop.shelves import MOST, Item, Shelves

CATALOGUE = Path("packages") / "inventory-service" / "catalogue.json"
CURRENCY_LETTERS = 3


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
    from ecom_cli.shop.api import ITEM_PATTERN

    if not ITEM_PATTERN.fullmatch(text):
        raise EcomError(f"{text!r} is not an item id.", "It looks like ITEM_ID-02.")
    return text


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
