"""Money as the system keeps it: whole minor units of a currency, never a float."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation

MINOR_DIGITS = {"JPY": 0, "KRW": 0}
"""Digits after the point, where they are not the usual two."""

MOST_MINOR = 10**12
"""Minor units: the most an order may come to."""


def digits(currency: str) -> int:
    """Digits after the point in an amount of this currency."""
    return MINOR_DIGITS.get(currency, 2)


def to_minor(text: str, currency: str) -> int:
    """``"12.34", "USD"`` → 1234.

    Raises ValueError, in words for a person, on anything but a plain decimal that is zero or more and has
    no finer fraction than the currency.
    """
    plain = text.strip()
    # Decimal also takes "1e3", "NaN" and digits of other scripts: no person writes a price so.
    if not plain.isascii() or not set(plain) <= set("0123456789.-"):
        raise ValueError(f"{text!r} is not an amount: write it like 12.34")
    try:
        value = Decimal(plain)
    except InvalidOperation:
        raise ValueError(f"{text!r} is not an amount: write it like 12.34") from None
    if value < 0:
        raise ValueError(f"{text!r} is below zero")
    if value >= Decimal(MOST_MINOR + 1).scaleb(-digits(currency)):
        raise ValueError(f"{text!r} is more than {shown(MOST_MINOR, currency)}")
    minor = value.scaleb(digits(currency))
    if minor != minor.to_integral_value():
        raise ValueError(
            f"{text!r} has more digits after the point than {currency} knows ({digits(currency)})"
        )
    return int(minor)


def from_minor(minor: int, currency: str) -> str:
    """1234, ``"USD"`` → ``"12.34"``."""
    return str(Decimal(minor).scaleb(-digits(currency)))


def shown(minor: int, currency: str) -> str:
    """1250990, ``"USD"`` → ``"12,509.90 USD"``: for people."""
    return f"{Decimal(minor).scaleb(-digits(currency)):,} {currency}"
