"""Stock on an in-memory DynamoDB: nothing is overwritten silently, nothing goes below zero."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from moto import mock_aws
from typer.testing import CliRunner

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError
from ecom_cli.shop import catalogue, stock
from ecom_cli.shop.catalogue import load_catalogue, load_sample_catalogue, read_catalogue
from ecom_cli.shop.shelves import Item, Shelves
from ecom_cli.workspace import find_root

TABLE = "ecom-test-inventory"
REPOSITORY = find_root(Path(__file__).resolve().parent)
MUG = Item("mug", "Enamel mug", 1250, "USD", quantity=10, received=12)


@pytest.fixture(scope="module")
def table() -> Iterator[Stage]:
    """One table for all tests: making clients is what takes long."""
    with pytest.MonkeyPatch.context() as patch, mock_aws():
        for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
            patch.delenv(name, raising=False)
        patch.setattr(Stage, "physical_id", lambda *_: TABLE)
        stage = Stage("test", "eu-central-1")
        patch.setattr(stock, "resolve_stage", lambda *_: stage)
        stage.client("dynamodb").create_table(
            TableName=TABLE,
            KeySchema=[{"AttributeName": "pk", "KeyType": "HASH"}],
            AttributeDefinitions=[{"AttributeName": "pk", "AttributeType": "S"}],
            BillingMode="PAY_PER_REQUEST",
        )
        yield stage


@pytest.fixture
def stage(table: Stage) -> Stage:
    """The stage with an empty table."""
    client = table.client("dynamodb")
    for row in client.scan(TableName=TABLE)["Items"]:
        client.delete_item(TableName=TABLE, Key={"pk": row["pk"]})
    return table


@pytest.fixture
def shelves(stage: Stage) -> Shelves:
    shelves = Shelves(stage)
    assert shelves.create(MUG)
    return shelves


def ecom_stock(*arguments: str) -> Any:
    """Run the command; what it raises, and its output."""
    return CliRunner().invoke(stock.app, list(arguments))


def test_a_row_is_what_inventory_reads(stage: Stage, shelves: Shelves) -> None:
    answer = stage.client("dynamodb").get_item(TableName=TABLE, Key={"pk": {"S": "ITEM#mug"}})
    assert answer["Item"] == {
        "pk": {"S": "ITEM#mug"},
        "itemId": {"S": "mug"},
        "name": {"S": "Enamel mug"},
        "price": {"N": "1250"},
        "currency": {"S": "USD"},
        "quantity": {"N": "10"},
        "received": {"N": "12"},
    }


def test_a_second_creation_changes_nothing(shelves: Shelves) -> None:
    assert not shelves.create(Item("mug", "Other", 1, "EUR", 99, 99))
    assert shelves.get("mug") == MUG


@pytest.mark.parametrize(("pieces", "quantity", "received"), [(5, 15, 17), (-10, 0, 2), (0, 10, 12)])
def test_a_delivery_moves_on_hand_and_received_together(
    shelves: Shelves, pieces: int, quantity: int, received: int
) -> None:
    added = shelves.add("mug", pieces)
    assert (added.quantity, added.received) == (quantity, received)
    assert shelves.get("mug") == added


def test_no_more_is_taken_away_than_there_is(shelves: Shelves) -> None:
    with pytest.raises(EcomError, match="mug has 10 on hand: 11 cannot be taken away"):
        shelves.add("mug", -11)
    assert shelves.get("mug") == MUG


def test_nothing_is_added_to_an_item_that_does_not_exist(shelves: Shelves) -> None:
    with pytest.raises(EcomError, match="There is no item cup"):
        shelves.add("cup", 1)
    assert shelves.get("cup") is None


def test_a_count_is_set_and_the_reserved_pieces_stay_reserved(shelves: Shelves) -> None:
    counted = shelves.set_quantity(MUG, 7)
    assert (counted.quantity, counted.received) == (7, 9)


def test_a_count_is_not_set_where_an_order_took_a_piece_meanwhile(shelves: Shelves) -> None:
    sold = shelves.add("mug", -1)
    with pytest.raises(EcomError, match="moved meanwhile"):
        shelves.set_quantity(MUG, 20)
    assert shelves.get("mug") == sold


def test_live_stock_is_not_overwritten_without_force(shelves: Shelves) -> None:
    result = ecom_stock("set", "mug", "--quantity", "99")
    assert isinstance(result.exception, EcomError)
    assert "10 on hand" in result.exception.message
    assert "--quantity 99 --force" in result.exception.hint
    assert shelves.get("mug") == MUG


def test_live_stock_is_overwritten_with_force(shelves: Shelves) -> None:
    assert ecom_stock("set", "mug", "--quantity", "99", "--force").exit_code == 0
    assert shelves.get("mug") == Item("mug", "Enamel mug", 1250, "USD", 99, 101)


def test_a_delivery_from_the_command_line(shelves: Shelves) -> None:
    result = ecom_stock("set", "mug", "--add", "-2")
    assert "10 → 8 on hand" in result.output


def test_a_new_item_from_the_command_line(shelves: Shelves) -> None:
    result = ecom_stock("set", "pot", "--quantity", "4", "--price", "24.90", "--name", "Tea pot", "--json")
    assert json.loads(result.stdout) == [
        {
            "itemId": "pot",
            "name": "Tea pot",
            "price": "24.90",
            "currency": "USD",
            "quantity": 4,
            "reserved": 0,
            "received": 4,
        }
    ]
    assert shelves.get("pot") == Item("pot", "Tea pot", 2490, "USD", 4, 4)


def test_a_new_price_leaves_the_stock_alone(shelves: Shelves) -> None:
    assert ecom_stock("set", "mug", "--price", "13").exit_code == 0
    assert shelves.get("mug") == Item("mug", "Enamel mug", 1300, "USD", 10, 12)


@pytest.mark.parametrize(
    ("arguments", "why"),
    [
        (["mug"], "Nothing to set"),
        (["mug", "--add", "1", "--quantity", "2"], "exclude each other"),
        (["mug", "--add", "1", "--force"], "--force goes with --quantity"),
        (["mug", "--currency", "EUR"], "needs a --price"),
        (["mug", "--add", "1", "--price", "1.005"], "more digits"),
        (["mug", "--price", "0"], "above zero"),
        (["mug", "--price", "-1"], "below zero"),
        (["mug", "--price", "1e3"], "not an amount"),
        (["mug", "--price", "NaN"], "not an amount"),
        (["mug", "--price", "1", "--currency", "usd"], "not a currency"),
        (["a b", "--add", "1"], "not an item id"),
        (["pot", "--quantity", "1"], "needs --quantity and --price"),
        (["pot", "--price", "1"], "needs --quantity and --price"),
        (["pot", "--add", "1"], "no item pot"),
        (["mug", "--quantity", "-1", "--force"], "not a number from 0"),
        (["mug", "--quantity", "9999999999", "--force"], "not a number from 0"),
        (["mug", "--add", "9999999999"], "is more than"),
    ],
)
def test_a_slip_of_the_hand_changes_nothing(shelves: Shelves, arguments: list[str], why: str) -> None:
    result = ecom_stock("set", *arguments)
    assert result.exit_code != 0
    assert isinstance(result.exception, EcomError)
    assert why in result.exception.message
    assert shelves.all() == {"mug": MUG}


@pytest.mark.parametrize("arguments", [["--quantity", "1.5"], ["--quantity", ""], ["--add", "x"]])
def test_a_quantity_that_is_none_is_refused(shelves: Shelves, arguments: list[str]) -> None:
    assert ecom_stock("set", "mug", *arguments).exit_code == 2
    assert shelves.get("mug") == MUG


def test_show_lists_items_and_not_reservations(stage: Stage, shelves: Shelves) -> None:
    stage.client("dynamodb").put_item(
        TableName=TABLE, Item={"pk": {"S": "ORDER#1"}, "state": {"S": "RESERVED"}}
    )
    found = json.loads(ecom_stock("show", "--json").stdout)
    assert [(item["itemId"], item["quantity"], item["reserved"]) for item in found] == [("mug", 10, 2)]


def test_show_names_the_item_that_does_not_exist(shelves: Shelves) -> None:
    result = ecom_stock("show", "mug", "cup")
    assert "There is no item cup" in str(result.exception)


def test_a_load_creates_what_is_missing_and_leaves_the_rest(
    tmp_path: Path, shelves: Shelves, stage: Stage
) -> None:
    entry = {"name": "x", "price": "1.00", "currency": "USD", "quantity": 3}
    file = tmp_path / "catalogue.json"
    file.write_text(json.dumps([{"itemId": "mug", **entry}, {"itemId": "cup", **entry}]))

    loaded = load_catalogue(stage, file)

    assert (loaded.created, loaded.kept) == (("cup",), ("mug",))
    assert shelves.get("mug") == MUG
    assert shelves.get("cup") == Item("cup", "x", 100, "USD", 3, 3)


def test_the_sample_catalogue_is_loaded_once(stage: Stage) -> None:
    assert len(load_sample_catalogue(stage).created) == 15
    assert load_sample_catalogue(stage).created == ()


def test_the_sample_catalogue_is_the_one_of_the_readme() -> None:
    assert REPOSITORY is not None
    items = read_catalogue(REPOSITORY / catalogue.CATALOGUE)
    by_id = {item.item_id: item for item in items}
    assert list(by_id) == [f"ITEM_ID-{number:02d}" for number in range(1, 16)]
    assert {(item.quantity, item.currency) for item in items} == {(15, "USD")}
    assert by_id["ITEM_ID-15"].price + by_id["ITEM_ID-02"].price == 125099


GOOD = {"itemId": "a", "name": "A", "price": "1.00", "currency": "USD", "quantity": 1}


@pytest.mark.parametrize(
    ("content", "why"),
    [
        ("{", "cannot be read as JSON"),
        ("{}", "must hold a list"),
        ("[1]", "entry 1"),
        (json.dumps([GOOD, {**GOOD, "itemId": "b", "price": 1.5}]), "entry 2: the price must be in quotes"),
        (json.dumps([{**GOOD, "quantity": "1"}]), "whole number"),
        (json.dumps([{**GOOD, "quantity": True}]), "whole number"),
        (json.dumps([{**GOOD, "quantity": -1}]), "whole number"),
        (json.dumps([{**GOOD, "price": "0"}]), "above zero"),
        (json.dumps([{"itemId": "a"}]), "has no price"),
        (json.dumps([GOOD, GOOD]), "more than once"),
    ],
)
def test_a_catalogue_with_a_mistake_is_refused_as_a_whole(
    tmp_path: Path, shelves: Shelves, stage: Stage, content: str, why: str
) -> None:
    file = tmp_path / "catalogue.json"
    file.write_text(content)
    with pytest.raises(EcomError, match=why):
        load_catalogue(stage, file)
    assert shelves.all() == {"mug": MUG}


def test_a_catalogue_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(EcomError, match="There is no file"):
        read_catalogue(tmp_path / "none.json")
