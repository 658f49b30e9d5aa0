"""How orders are priced and drawn on the command line."""

from __future__ import annotations

from typing import Any

import pytest
from rich.console import Console, RenderableType
from typer.testing import CliRunner

from ecom_cli.errors import EcomError
from ecom_cli.shop.api import Line
from ecom_cli.shop.orders import app, default_amount, is_closed, journey, timeline
from ecom_cli.shop.shelves import Item

LAMP = Item("lamp", "Desk lamp", 5199, "USD", 15, 15)
LAPTOP = Item("laptop", "Laptop", 119900, "USD", 15, 15)
SCARF = Item("scarf", "Scarf", 2000, "EUR", 15, 15)
CATALOGUE = {item.item_id: item for item in (LAMP, LAPTOP, SCARF)}


def text_of(drawn: RenderableType) -> str:
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(drawn)
    return capture.get()


def test_the_amount_is_the_sum_of_the_prices() -> None:
    assert default_amount([Line("lamp"), Line("laptop")], CATALOGUE) == (125099, "USD")
    assert default_amount([Line("lamp", 3)], CATALOGUE) == (15597, "USD")


def test_an_item_without_a_price_needs_an_amount() -> None:
    with pytest.raises(EcomError, match="no cup, pot") as caught:
        default_amount([Line("pot"), Line("lamp"), Line("cup")], CATALOGUE)
    assert "--amount" in caught.value.hint


@pytest.mark.parametrize("key", ["ü", "a\nb", "", "x" * 256], ids=["umlaut", "two lines", "empty", "long"])
def test_a_key_that_the_api_would_refuse_is_refused_at_once(key: str) -> None:
    result = CliRunner().invoke(app, ["place", "lamp", "--key", key])
    assert isinstance(result.exception, EcomError)
    assert "no Idempotency-Key" in result.exception.message


def test_one_order_has_one_currency() -> None:
    with pytest.raises(EcomError, match="EUR and USD"):
        default_amount([Line("lamp"), Line("scarf")], CATALOGUE)


def order(*steps: str, **more: Any) -> dict[str, Any]:
    return {
        "orderId": "o-1",
        "status": steps[-1],
        "timeline": [
            {"status": status, "at": f"2026-01-01T10:00:0{second}.250000+00:00"}
            for second, status in enumerate(steps)
        ],
        **more,
    }


def test_a_status_may_be_shown_before_the_order_is_closed() -> None:
    assert not is_closed(order("PLACED", "PAYMENT_FAILED"))
    assert not is_closed(order("PLACED", "PAYMENT_FAILED", closed=False))
    assert is_closed(order("PLACED", "PAYMENT_FAILED", closed=True))


def test_a_timeline_shows_each_step_with_the_time_since_it_was_placed() -> None:
    lines = [
        line.rstrip()
        for line in text_of(
            timeline(order("PLACED", "RESERVED", "PAID", "SHIPPED", closed=True))
        ).splitlines()
    ]
    assert lines[0] == "+0.00 s  ● placed"
    assert lines[-1] == "+3.00 s  ✓ shipped"
    assert "still under way" not in text_of(timeline(order("PLACED", "SHIPPED", closed=True)))


def test_a_timeline_of_an_open_order_says_so() -> None:
    assert "still under way" in text_of(timeline(order("PLACED", "PAID")))


def test_a_journey_is_one_line_and_names_a_status_once() -> None:
    refunded = order("PLACED", "PAID", "SHIPPING_FAILED", "REFUNDED", "REFUNDED", closed=True)
    assert journey(refunded).plain == "placed → paid → shipping failed → refunded ■"
    assert journey(order("PLACED")).plain == "placed …"
    assert journey(order("PLACED", "SHIPPED", closed=True)).plain == "placed → shipped ✓"
