"""The sample catalogue: what the README orders costs what the README says."""

from __future__ import annotations

import json
from decimal import Decimal
from pathlib import Path

CATALOGUE = json.loads((Path(__file__).parents[1] / "catalogue.json").read_text())


def test_fifteen_items_and_fifteen_of_each() -> None:
    assert [item["itemId"] for item in CATALOGUE] == [f"ITEM_ID-{n:02}" for n in range(1, 16)]
    assert {item["quantity"] for item in CATALOGUE} == {15}
    assert all(item["name"] for item in CATALOGUE)
    assert len({item["name"] for item in CATALOGUE}) == 15


def test_the_order_of_the_readme_costs_1250_99() -> None:
    price = {item["itemId"]: Decimal(item["price"]) for item in CATALOGUE}
    assert price["ITEM_ID-15"] + price["ITEM_ID-02"] == Decimal("1250.99")


def test_prices_are_positive_dollars_with_cents_and_no_floats() -> None:
    for item in CATALOGUE:
        assert isinstance(item["price"], str)
        assert Decimal(item["price"]).as_tuple().exponent == -2
        assert Decimal(item["price"]) > 0
        assert item["currency"] == "USD"
