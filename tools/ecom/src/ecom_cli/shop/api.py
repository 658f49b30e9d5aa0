"""A small client of the order API: place, get, list and cancel orders."""

from __future__ import annotations

import hashlib
import itertools
import json
import re
import time
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any
from urllib.parse import quote

import httpx

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError
from ecom_cli.shop.caller import TOKEN_VARIABLE, auth_of
from ecom_cli.shop.money import from_minor

TIMEOUT_SECONDS = 30.0
PAGE = 50

ORDER_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://ecom.example/orders")
"""Where order ids come from; a contract with order-service, kept by a test."""

FORCED = {
    "declined": "dec1",
    "always-ok": "a9a9",
    "gateway-slow": "70a1",
    "gateway-dead": "70ff",
    "carrier-down-once": "ca01",
    "carrier-down": "ca03",
    "carrier-dead": "caff",
}
"""The simulated outcomes and the ends of an order id that force them."""

ITEM_PATTERN = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


class ApiError(EcomError):
    """The API said no. `status` is the HTTP code (0: no answer), `problem` the RFC 9457 body."""

    def __init__(self, status: int, problem: dict[str, Any], hint: str = "") -> None:
        title = str(problem.get("title") or httpx.codes.get_reason_phrase(status) or "no answer")
        detail = str(problem.get("detail") or "")
        super().__init__(f"{title} (HTTP {status})" + (f": {detail}" if detail else ""), hint)
        self.status = status
        self.problem = problem


@dataclass(frozen=True)
class Line:
    """So many pieces of one item."""

    item_id: str
    quantity: int = 1


def parse_line(text: str) -> Line:
    """``ITEM_ID-02`` or ``ITEM_ID-02:3``. Raises EcomError on anything else."""
    item_id, colon, quantity = text.partition(":")
    if not ITEM_PATTERN.fullmatch(item_id):
        raise EcomError(f"{text!r} names no item.", "Write ITEM_ID-02, or ITEM_ID-02:3 for three of them.")
    if not colon:
        return Line(item_id)
    if not (quantity.isascii() and quantity.isdigit() and 1 <= len(quantity) <= 3 and int(quantity) > 0):
        raise EcomError(f"{text!r}: {quantity!r} is not a quantity from 1 to 999.", "Write ITEM_ID-02:3.")
    return Line(item_id, int(quantity))


def order_id_of(owner: str, key: str) -> str:
    """The id of the order that this owner places with this Idempotency-Key."""
    return str(uuid.uuid5(ORDER_NAMESPACE, f"{owner}\n{key}"))


def force_key(owner: str, suffix: str, prefix: str | None = None) -> str:
    """Find an Idempotency-Key whose order id ends in `suffix` (four hex digits, or a name of FORCED).

    The search tries 65 thousand keys on average (about 0.1 s). `prefix` makes it repeatable; by default it is
    random, so that each call finds another order. Raises EcomError if the suffix is neither.
    """
    wanted = FORCED.get(suffix, suffix).lower()
    if not re.fullmatch(r"[0-9a-f]{4}", wanted):
        raise EcomError(
            f"{suffix!r} is not an outcome that can be forced.", f"There are: {', '.join(FORCED)}."
        )
    start = prefix if prefix is not None else uuid.uuid4().hex[:12]
    end = bytes.fromhex(wanted)
    # uuid5 is the head of a SHA-1 (RFC 9562 §5.5) whose last two bytes stay as they are: compare only those.
    begun = hashlib.sha1(ORDER_NAMESPACE.bytes + f"{owner}\n{start}-".encode(), usedforsecurity=False)
    for number in itertools.count():
        digest = begun.copy()
        digest.update(b"%d" % number)
        if digest.digest()[14:16] == end:
            return f"{start}-{number}"
    raise AssertionError("unreachable")


def order_body(lines: Sequence[Line], amount: int, currency: str) -> bytes:
    """The request as JSON. `amount` (minor units) becomes an exact decimal number, never a float."""
    rest = json.dumps(
        {
            "items": [{"itemId": line.item_id, "quantity": line.quantity} for line in lines],
            "currency": currency,
        }
    )
    return f'{rest[:-1]}, "amount": {from_minor(amount, currency)}}}'.encode()


@dataclass(frozen=True)
class Answer:
    """What the API said to a placed order, and how long it took."""

    status: int
    order: dict[str, Any]
    seconds: float


class Api:
    """The order API of a stage. Safe to share between threads; close it, or use it in a `with` block."""

    def __init__(
        self, url: str, auth: httpx.Auth | None = None, transport: httpx.BaseTransport | None = None
    ) -> None:
        """`transport`: how to connect; None is httpx's own, through the proxies of the environment."""
        self.url = url.rstrip("/")
        self._http = httpx.Client(
            auth=auth,
            timeout=TIMEOUT_SECONDS,
            headers={"Accept": "application/json, application/problem+json"},
            transport=transport,
            trust_env=transport is None,
        )

    @classmethod
    def of(cls, stage: Stage) -> Api:
        """The API of a stage, as whoever calls it there."""
        return cls(
            stage.api_url,
            auth=auth_of(stage),
            # no proxy leads to an emulator on this machine
            transport=httpx.HTTPTransport(retries=2) if stage.is_emulator else None,
        )

    def __enter__(self) -> Api:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def close(self) -> None:
        self._http.close()

    def place(self, lines: Sequence[Line], amount: int, currency: str, key: str | None = None) -> Answer:
        """POST /orders. `amount` in minor units. Raises ApiError on 4xx and 5xx."""
        headers = {"Content-Type": "application/json"}
        if key is not None:
            headers["Idempotency-Key"] = key
        begun = time.perf_counter()
        response = self._send("POST", "", content=order_body(lines, amount, currency), headers=headers)
        return Answer(response.status_code, _json(response), time.perf_counter() - begun)

    def get(self, order_id: str) -> dict[str, Any]:
        """GET /orders/{orderId}. Raises ApiError 404 for an unknown one."""
        return _json(self._send("GET", f"/{quote(order_id, safe='')}"))

    def list(self, limit: int | None = None) -> Iterator[dict[str, Any]]:
        """The caller's orders, newest first, page by page as they are read; at most `limit` of them."""
        left, token = limit, None
        while left is None or left > 0:
            query: dict[str, str] = {"limit": str(PAGE if left is None else min(PAGE, left))}
            if token:
                query["next"] = token
            page = _json(self._send("GET", "", params=query))
            for order in page["orders"][:left]:
                yield order
                left = None if left is None else left - 1
            token = page.get("next")
            if not token:
                return

    def cancel(self, order_id: str) -> Answer:
        """POST /orders/{orderId}/cancel. Raises ApiError 409 where it is too late."""
        begun = time.perf_counter()
        response = self._send("POST", f"/{quote(order_id, safe='')}/cancel")
        return Answer(response.status_code, _json(response), time.perf_counter() - begun)

    def _send(self, method: str, path: str, **request: Any) -> httpx.Response:
        try:
            response = self._http.request(method, self.url + path, **request)
        except httpx.TimeoutException as error:
            late = {"title": f"No answer within {TIMEOUT_SECONDS:g} s", "detail": self.url}
            raise ApiError(0, late) from error
        except httpx.HTTPError as error:
            unreachable = {"title": "The API could not be reached", "detail": f"{self.url}: {error}"}
            raise ApiError(0, unreachable) from error
        if response.is_success:
            return response
        raise ApiError(response.status_code, _problem(response), _hint(response.status_code))


def amount_of(order: Mapping[str, Any]) -> Decimal:
    """The amount of an order as the API writes it (a JSON number or a string), exact."""
    return Decimal(str(order["amount"]))


def _json(response: httpx.Response) -> dict[str, Any]:
    try:
        body = json.loads(response.content, parse_float=Decimal)
    except ValueError as error:
        raise ApiError(response.status_code, {"title": "Not JSON", "detail": response.text[:200]}) from error
    if not isinstance(body, dict):
        raise ApiError(response.status_code, {"title": "Not an object", "detail": response.text[:200]})
    return body


def _problem(response: httpx.Response) -> dict[str, Any]:
    """The problem+json body; API Gateway's own errors carry only a `message`."""
    try:
        body = json.loads(response.content)
    except ValueError:
        return {"detail": response.text[:200]}
    if not isinstance(body, dict):
        return {"detail": response.text[:200]}
    if "title" not in body and "message" in body:
        return {"detail": str(body["message"])}
    return body


def _hint(status: int) -> str:
    return {
        401: "Requests are signed with AWS credentials; where the stage asks a user pool, they carry a token"
        f" of it: set {TOKEN_VARIABLE}.",
        403: "Is this identity allowed to call the API (execute-api:Invoke)?",
        404: "`./ecom order list` shows your orders.",
        429: "Too many requests at once: try again in a moment.",
    }.get(status, "")
