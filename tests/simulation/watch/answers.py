"""What holds of each answer that a customer gets from the API."""

from __future__ import annotations

import json
import uuid
from bisect import bisect_left
from collections.abc import Callable, Mapping
from decimal import Decimal
from typing import Any

from simulation.sealed import customer_of
from simulation.tables import CANARY_REQUEST
from simulation.watch.memory import Item, Memory, lines, number, plain, text
from simulation.watch.promises import CANARY_GATEWAY, FORWARD, LONGEST, Promise

ORDER_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://ecom.example/orders")
WITHOUT_DECIMALS = frozenset({"JPY", "KRW"})
read = json.JSONDecoder(parse_float=Decimal).decode
"""JSON with every digit of its numbers."""

PROBLEM = ("type", "title", "status", "detail")
Wish = tuple[list[tuple[str, int]], int, str, dict[str, str] | None]


class Answers:
    """Judges answers by the rows behind them, and by what the customer was told before."""

    def __init__(self, memory: Memory, began: Callable[[], float]) -> None:
        self._memory = memory
        self._broken = memory.broken
        self._began = began
        self._seen: dict[str, tuple[list[float], list[int]]] = {}

    def requested(self, request: Mapping[str, Any]) -> None:
        """Note who asks for a cancel: it may be done whatever becomes of the answer."""
        if self._memory.cancels is None:
            self._memory.cancels = set()
        order_id = (request.get("pathParameters") or {}).get("orderId")
        if order_id and request["httpMethod"] == "POST":
            self._memory.cancels.add((owner_of(request), order_id))

    def answered(self, request: Mapping[str, Any], response: Mapping[str, Any], struck: bool) -> None:
        """Judge one answer. `struck`: a fault hit the invocation, so that it may have failed."""
        status = int(response["statusCode"])
        order_id = (request.get("pathParameters") or {}).get("orderId") or ""
        if CANARY_REQUEST in response["body"] or CANARY_GATEWAY in response["body"]:
            self._broken(Promise.PROBLEM, order_id, f"the answer quotes what failed: {response['body']}")
        body = read(response["body"])
        if status >= 400:
            self._refused(request, response, status, body, order_id, struck)
            return
        owner = owner_of(request)
        if "orders" in body:
            self._listed(owner, body["orders"])
            return
        self._shown(owner, body)
        if status == 200:
            self._told_whom(body, struck)
        elif "customer" in body:
            self._broken(Promise.SEEN, body["orderId"], "only the order itself tells whom it is for")
        if status == 202 and order_id:
            self._cancelled(order_id, body)
        elif status == 202:
            self._accepted(owner, request, body)

    def forget(self, order_id: str) -> None:
        """The order's row was put back to an earlier moment: what was shown may not be true any more."""
        self._seen.pop(order_id, None)

    # ----------------------------------------------------------------------------------------- what it shows

    def _shown(self, owner: str, view: Mapping[str, Any]) -> None:
        """An order as it is shown must be one that was stored, as it was at some moment since the request."""
        order_id = view["orderId"]
        order = self._memory.order(order_id)
        if order is None:
            self._broken(
                Promise.STORED, order_id, f"the answer shows a {view['status']} order that is not stored"
            )
            return
        if text(order, "owner") != owner:
            self._broken(Promise.OWN_ORDERS, order_id, "it was shown to somebody else")
        stored = lines(order, "items"), number(order, "amount"), text(order, "currency")
        shown = _lines(view["items"]), _minor(view["amount"], view["currency"]), view["currency"]
        if shown != stored or view["placedAt"] != text(order, "placedAt"):
            self._broken(
                Promise.SEEN, order_id, f"shown as {shown} of {view['placedAt']}, stored as {stored}"
            )
        steps = [plain(step) for step in order["timeline"]["L"]]
        timeline = view["timeline"]
        if timeline != steps[: len(timeline)] or timeline[-1]["status"] != view["status"]:
            self._broken(
                Promise.SEEN,
                order_id,
                f"shown as {view['status']} with {_names(timeline)}, while it is {_names(steps)}",
            )
        self._goes_on(order_id, timeline)

    def _told_whom(self, view: Mapping[str, Any], struck: bool) -> None:
        """An order tells its owner whom it is for; nobody knows (null) only while the key does not work."""
        order = self._memory.order(view["orderId"])
        if order is None:
            return
        stored = customer_of(order)
        shown = view.get("customer")
        if shown != stored and not (shown is None and "customer" in view and struck):
            self._broken(Promise.SEEN, view["orderId"], f"shown as for {shown}, stored as for {stored}")

    def _goes_on(self, order_id: str, timeline: list[Any]) -> None:
        """Whoever asks after an answer must see at least what that answer showed."""
        times, lengths = self._seen.setdefault(order_id, ([], []))
        before = bisect_left(times, max(self._began(), self._memory.now() - LONGEST))
        told = lengths[before - 1] if before else 0
        if len(timeline) < told:
            self._broken(
                Promise.SEEN, order_id, f"{told} steps were shown before, now only {_names(timeline)}"
            )
        times.append(self._memory.now())
        lengths.append(max(len(timeline), lengths[-1] if lengths else 0))

    def _listed(self, owner: str, views: list[Mapping[str, Any]]) -> None:
        for view in views:
            self._shown(owner, view)
            if "customer" in view:
                self._broken(Promise.SEEN, view["orderId"], "only the order itself tells whom it is for")
        order_ids = [view["orderId"] for view in views]
        if len(set(order_ids)) < len(order_ids):
            self._broken(Promise.SEEN, order_ids[0], f"a page shows an order twice: {order_ids}")
        placed = [view["placedAt"] for view in views]
        if placed != sorted(placed, reverse=True):
            self._broken(Promise.SEEN, order_ids[0], f"a page is not in order, newest first: {placed}")

    # -------------------------------------------------------------------------------------- what it promises

    def _accepted(self, owner: str, request: Mapping[str, Any], view: Mapping[str, Any]) -> None:
        order_id = view["orderId"]
        order = self._memory.order(order_id)
        if order is None:
            return
        wish, stored = wish_of(request), stored_wish(order)
        if wish != stored:
            self._broken(Promise.OWN_KEY, order_id, f"asked for {wish}, answered with an order for {stored}")
        key = key_of(request)
        if key is not None and order_id != named(owner, key):
            self._broken(
                Promise.OWN_KEY, order_id, f"the key stands for order {named(owner, key)}, not for this"
            )
        if key is None and self._memory.born[order_id] < self._since():
            self._broken(Promise.OWN_KEY, order_id, "a request without a key was answered with an old order")

    def _cancelled(self, order_id: str, view: Mapping[str, Any]) -> None:
        if view["orderId"] != order_id or view["status"] in FORWARD or view["closed"]:
            self._broken(
                Promise.STORED,
                order_id,
                f"the cancel was accepted, and shows {view['orderId']} {view['status']}",
            )

    def _refused(
        self,
        request: Mapping[str, Any],
        response: Mapping[str, Any],
        status: int,
        body: Any,
        order_id: str,
        struck: bool,
    ) -> None:
        kind = response["headers"].get("Content-Type")
        if kind != "application/problem+json" or any(name not in body for name in PROBLEM):
            self._broken(Promise.PROBLEM, order_id, f"answered {status} as {kind}: {response['body']}")
        elif body["status"] != status:
            self._broken(Promise.PROBLEM, order_id, f"answered {status}, and says {body['status']}")
        if status >= 500 and (status not in (500, 503) or not struck):
            self._broken(Promise.NO_EXCUSE, order_id, f"answered {status}: {body.get('detail')}")
        order = self._memory.order(order_id)
        gone = ("order", order_id) in self._memory.gone
        owner = owner_of(request)
        if status == 404 and order is not None and not gone and text(order, "owner") == owner:
            if self._memory.born[order_id] < self._since():
                self._broken(Promise.STORED, order_id, "its owner is told that there is no such order")
        elif status == 409 and (order is None or "closed" not in order or text(order, "owner") != owner):
            self._broken(
                Promise.STORED, order_id, "the cancel came too late, it says, for an order still open"
            )
        elif status == 422:
            self._key_taken(owner, request)

    def _key_taken(self, owner: str, request: Mapping[str, Any]) -> None:
        order_id = named(owner, key_of(request) or "")
        order = self._memory.order(order_id)
        if order is None or stored_wish(order) == wish_of(request):
            self._broken(Promise.OWN_KEY, order_id, "refused, though the key is new or the wish the same")

    def _since(self) -> float:
        return max(self._began(), self._memory.now() - LONGEST)


def owner_of(request: Mapping[str, Any]) -> str:
    """Who is calling, as API Gateway says it."""
    return str(request["requestContext"]["identity"]["userArn"])


def key_of(request: Mapping[str, Any]) -> str | None:
    """The Idempotency-Key of a request."""
    headers: Mapping[str, str] = request["headers"]
    return next((value for name, value in headers.items() if name.lower() == "idempotency-key"), None)


def named(owner: str, key: str) -> str:
    """The order that a key stands for: part of the API, so that clients may compute it."""
    return str(uuid.uuid5(ORDER_NAMESPACE, f"{owner}\n{key}"))


def wish_of(request: Mapping[str, Any]) -> Wish:
    """What a request asks for: items with quantities, amount in minor units, currency."""
    body = read(request["body"])
    currency = body.get("currency", "USD")
    wanted: dict[str, int] = {}
    for item_id, quantity in _lines(body["items"]):
        wanted[item_id] = wanted.get(item_id, 0) + quantity
    return sorted(wanted.items()), _minor(body["amount"], currency), currency, body.get("customer")


def stored_wish(order: Item) -> Wish:
    """The same of an order that is stored."""
    wanted = sorted(lines(order, "items"))
    return wanted, number(order, "amount"), text(order, "currency"), customer_of(order)


def _lines(items: list[Any]) -> list[tuple[str, int]]:
    return [
        (item, 1) if isinstance(item, str) else (item["itemId"], item.get("quantity", 0)) for item in items
    ]


def _minor(amount: Any, currency: str) -> int:
    return int(Decimal(amount).scaleb(0 if currency in WITHOUT_DECIMALS else 2))


def _names(steps: list[Any]) -> str:
    return " → ".join(step["status"] for step in steps)
