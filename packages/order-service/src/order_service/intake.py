"""Reading what a customer sends: a wish for an order, or everything that is wrong with it. Pure."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from order_service import model
from order_service.model import MAX_LINES, MAX_QUANTITY, MINOR_DIGITS, Customer, Line, Wish

DEFAULT_CURRENCY = "USD"
MAX_BODY = 16 * 1024
"""Bytes."""
MAX_FLAWS = 50
MAX_CUSTOMER = 2048
"""Bytes of the customer's fields together, as UTF-8."""

ITEM_ID = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]{0,63}")
IDEMPOTENCY_KEY = re.compile(r"[!-~]([ -~]{0,253}[!-~])?")
"""Blanks at its ends are no part of a header's value (RFC 9110, 5.5): some hop would take them off."""

EMAIL = re.compile(r"[^@\s]+@[^@\s]+")
"""Only a mail that arrives proves an address: this finds what is in the wrong field."""
UNPRINTABLE = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\u202a-\u202e\u2066-\u2069\ud800-\udfff]")
"""Control characters, line ends, changes of the writing direction (which make a text look like another), and
halves of characters, which no AWS service takes."""
LOST = "\ufffd"
"""Stands for bytes that are no UTF-8: API Gateway hands a body on as text, and puts it there itself."""

_ORDER_FIELDS = ("items", "amount", "currency", "customer")
_CUSTOMER_FIELDS = {"email": 254, "name": 200, "address": 1000}
"""With the most characters of each; an address has no more (RFC 5321, 4.5.3.1)."""
_LINE_FIELDS = ("itemId", "quantity")


@dataclass(frozen=True, slots=True)
class Flaw:
    """One thing wrong with a request. `pointer` names the place (RFC 6901); empty for the whole body."""

    pointer: str
    detail: str


class InvalidOrderError(ValueError):
    """The body is no order; `flaws` says why, each thing on its own, at most MAX_FLAWS of them."""

    def __init__(self, *flaws: Flaw) -> None:
        super().__init__(f"{len(flaws)} flaws")
        self.flaws = flaws[:MAX_FLAWS]


def read(body: bytes) -> Wish:
    """Read the body of ``POST /orders``. Raises InvalidOrderError with all that is wrong."""
    document = _json(body)
    if not isinstance(document, dict):
        raise InvalidOrderError(Flaw("", "must be a JSON object"))
    flaws: list[Flaw] = []
    _refuse_unknown(document, _ORDER_FIELDS, "", "an order", flaws)
    lines = _lines(document, flaws)
    currency = _currency(document, flaws)
    amount = _amount(document, currency, flaws)
    customer = _customer(document, flaws)
    if flaws:
        raise InvalidOrderError(*flaws)
    return Wish(model.merge(lines), amount, currency, customer)


def _json(body: bytes) -> Any:
    if not body.strip():
        raise InvalidOrderError(Flaw("", "is empty"))
    try:
        return json.loads(
            # Said here, since json.loads would guess UTF-16 and UTF-32 as well.
            body.decode("utf-8"),
            parse_float=Decimal,
            parse_constant=_refuse_constant,
            object_pairs_hook=_unique,
        )
    except InvalidOrderError:
        raise
    # Too deep, an integer of thousands of digits, an exponent of dozens: valid JSON, but no order.
    except (ValueError, RecursionError, ArithmeticError) as error:
        raise InvalidOrderError(Flaw("", "is not JSON in UTF-8")) from error


def _refuse_constant(name: str) -> Any:
    raise InvalidOrderError(Flaw("", f"holds {name}, which is not a JSON number"))


def _unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    # Readers disagree on which of two values counts; a price checked by one must be the price seen by all.
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise InvalidOrderError(Flaw("", f"names {name!r} twice in one object"))
        found[name] = value
    return found


def _refuse_unknown(
    found: Mapping[str, Any], known: tuple[str, ...], where: str, what: str, flaws: list[Flaw]
) -> None:
    # A misspelt field must not be dropped in silence: "quantty" would order one instead of ten.
    for name in found:
        if name not in known:
            pointer = name.replace("~", "~0").replace("/", "~1")
            flaws.append(Flaw(f"{where}/{pointer}", f"is not a field of {what}: {', '.join(known)}"))


def _lines(document: Mapping[str, Any], flaws: list[Flaw]) -> list[Line]:
    items = document.get("items")
    if not isinstance(items, list) or not 1 <= len(items) <= MAX_LINES:
        flaws.append(Flaw("/items", f"must be a list of 1 to {MAX_LINES} items"))
        return []
    lines: list[Line] = []
    sums: dict[str, int] = {}
    for number, item in enumerate(items):
        where = f"/items/{number}"
        line = _line(item, where, flaws)
        if line is None:
            continue
        lines.append(line)
        sums[line.item_id] = sums.get(line.item_id, 0) + line.quantity
        if sums[line.item_id] > MAX_QUANTITY:
            flaws.append(Flaw(where, f"makes more than {MAX_QUANTITY} of {line.item_id} in all"))
    return lines


def _line(item: Any, where: str, flaws: list[Flaw]) -> Line | None:
    if isinstance(item, str):
        return _checked(item, 1, where, where, flaws)
    if not isinstance(item, dict):
        flaws.append(Flaw(where, "must be an item id, or an object with itemId and quantity"))
        return None
    _refuse_unknown(item, _LINE_FIELDS, where, "an item", flaws)
    return _checked(item.get("itemId"), item.get("quantity"), f"{where}/itemId", f"{where}/quantity", flaws)


def _checked(item_id: Any, quantity: Any, id_at: str, quantity_at: str, flaws: list[Flaw]) -> Line | None:
    good_id = isinstance(item_id, str) and ITEM_ID.fullmatch(item_id)
    if not good_id:
        flaws.append(
            Flaw(id_at, "must be an item id: 1 to 64 of A-Z a-z 0-9 _ . - with a letter or digit first")
        )
    # type(), not isinstance: true is an int to Python.
    good_quantity = type(quantity) is int and 1 <= quantity <= MAX_QUANTITY
    if not good_quantity:
        flaws.append(Flaw(quantity_at, f"must be a whole number from 1 to {MAX_QUANTITY}"))
    return Line(item_id, quantity) if good_id and good_quantity else None


def _currency(document: Mapping[str, Any], flaws: list[Flaw]) -> str:
    currency = document.get("currency", DEFAULT_CURRENCY)
    if isinstance(currency, str) and currency in MINOR_DIGITS:
        return currency
    flaws.append(Flaw("/currency", f"must be one of {', '.join(MINOR_DIGITS)}"))
    return ""


def _amount(document: Mapping[str, Any], currency: str, flaws: list[Flaw]) -> int:
    amount = document.get("amount")
    if type(amount) is not int and not isinstance(amount, Decimal):
        flaws.append(Flaw("/amount", "must be a number"))
    elif currency:
        try:
            return model.minor_units(amount, currency)
        except ValueError as error:
            flaws.append(Flaw("/amount", str(error)))
    elif amount <= 0:
        flaws.append(Flaw("/amount", "must be above 0"))
    return 0


def _customer(document: Mapping[str, Any], flaws: list[Flaw]) -> Customer | None:
    """No flaw quotes a value: answers end up in the logs of clients. Fields nobody knows are named."""
    if "customer" not in document:
        return None
    customer = document["customer"]
    if not isinstance(customer, dict) or not customer:
        flaws.append(Flaw("/customer", f"must be an object with some of {', '.join(_CUSTOMER_FIELDS)}"))
        return None
    before = len(flaws)
    _refuse_unknown(customer, tuple(_CUSTOMER_FIELDS), "/customer", "a customer", flaws)
    for name, most in _CUSTOMER_FIELDS.items():
        if name in customer and (flaw := _flaw_of_text(customer[name], most, email=name == "email")):
            flaws.append(Flaw(f"/customer/{name}", flaw))
    if len(flaws) > before:
        return None
    found = Customer(**customer)
    if sum(len(value.encode()) for value in found.known().values()) > MAX_CUSTOMER:
        flaws.append(Flaw("/customer", f"holds more than {MAX_CUSTOMER} bytes"))
    return found


def _flaw_of_text(value: Any, most: int, *, email: bool) -> str | None:
    if not isinstance(value, str) or not value.strip() or len(value) > most:
        return f"must be a text of 1 to {most} characters"
    if UNPRINTABLE.search(value):
        return "must be one line without control characters"
    if LOST in value:
        return "must be in UTF-8: characters of it are lost"
    if email and not EMAIL.fullmatch(value):
        return "must be an e-mail address"
    return None
