"""Money between people and minor units."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ecom_cli.shop.money import MOST_MINOR, from_minor, shown, to_minor


@pytest.mark.parametrize(
    ("text", "currency", "minor"),
    [
        ("12.34", "USD", 1234),
        ("12.3", "USD", 1230),
        ("12", "EUR", 1200),
        ("0.01", "USD", 1),
        ("0", "USD", 0),
        (" 7.10 ", "USD", 710),
        ("1.10000", "USD", 110),
        ("1250.99", "USD", 125099),
        ("9999999999.99", "USD", 999999999999),
        ("500", "JPY", 500),
    ],
)
def test_a_decimal_becomes_minor_units_without_loss(text: str, currency: str, minor: int) -> None:
    assert to_minor(text, currency) == minor


@pytest.mark.parametrize(
    "text", ["", ".", "-", "1,50", "1.2.3", "NaN", "inf", "1e3", "0x1", "\u0661", "12 USD", "1_0"]
)
def test_what_is_no_plain_decimal_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match="not an amount"):
        to_minor(text, "USD")


@pytest.mark.parametrize(("text", "currency"), [("0.001", "USD"), ("12.345", "USD"), ("1.5", "JPY")])
def test_a_fraction_finer_than_the_currency_is_refused(text: str, currency: str) -> None:
    with pytest.raises(ValueError, match="more digits"):
        to_minor(text, currency)


@pytest.mark.parametrize("currency", ["USD", "JPY"])
def test_more_than_an_order_may_come_to_is_refused(currency: str) -> None:
    most = from_minor(MOST_MINOR, currency)
    assert to_minor(most, currency) == MOST_MINOR
    for more in (str(Decimal(most) + 1), "9" * 44):
        with pytest.raises(ValueError, match="is more than"):
            to_minor(more, currency)


def test_less_than_nothing_is_refused() -> None:
    with pytest.raises(ValueError, match="below zero"):
        to_minor("-0.01", "USD")


@pytest.mark.parametrize(
    ("minor", "currency", "text"),
    [(1234, "USD", "12.34"), (1, "USD", "0.01"), (0, "USD", "0.00"), (5, "JPY", "5")],
)
def test_minor_units_are_written_with_the_currencys_digits(minor: int, currency: str, text: str) -> None:
    assert from_minor(minor, currency) == text
    assert to_minor(text, currency) == minor


def test_people_get_the_currency_and_thousands() -> None:
    assert shown(1_250_990, "USD") == "12,509.90 USD"
