"""What orders do with each request and each fact: one decision at one row, then the facts it leads to."""

from __future__ import annotations

import base64
import binascii
import hashlib
import uuid
from typing import Any

from ecom_common import tracing
from ecom_common.errors import AwsError, Retry
from ecom_common.facts import Clock, Fact, iso, parse_iso, utc_now
from ecom_common.publisher import Publisher
from ecom_common.sealing import Seal
from ecom_common.telemetry import count, log_failure, logger
from order_service import events, http, intake, model
from order_service.http import Kind, Problem, Request, Response
from order_service.model import CANCELLING, CancelReason, Customer, Limits, Order, Status
from order_service.store import Orders, Position, order_of

DEFAULT_PAGE = 20
LARGEST_PAGE = 100
PAGE_PARAMETERS = ("limit", "next")


class Api:
    """The four requests customers make.

    A fact that cannot be published now changes no answer: the order's row is the outbox, and the sweeper
    publishes from it.
    """

    def __init__(
        self, orders: Orders, publisher: Publisher, seal: Seal, limits: Limits, *, clock: Clock = utc_now
    ) -> None:
        self._orders = orders
        self._publisher = publisher
        self._seal = seal
        self._limits = limits
        self._clock = clock

    def routes(self) -> http.Routes:
        """The requests by method and resource, as the template names them."""
        return {
            ("POST", "/orders"): self.place,
            ("GET", "/orders"): self.page,
            ("GET", "/orders/{orderId}"): self.show,
            ("POST", "/orders/{orderId}/cancel"): self.cancel,
        }

    def place(self, request: Request) -> Response:
        """``POST /orders``: write the order, then say so. The same key and wish give the same order again."""
        key = _idempotency_key(request)
        wish = _wish(request)
        order_id = str(uuid.uuid4()) if key is None else model.order_id(request.owner, key)
        tracing.about(order_id)
        # Sealed first: what cannot be sealed must not be stored, in the clear or without its customer.
        sealed = self._sealed(order_id, wish.customer)
        order = model.place(wish, order_id, request.owner, self._clock(), self._limits, sealed)
        standing = self._orders.add(order)
        if (standing.owner, standing.fingerprint) != (order.owner, order.fingerprint):
            raise Problem(Kind.KEY_REUSED, "This key was used for an order with other items or amount.")
        if standing is not order and not self._is_for(standing, wish.customer):
            raise Problem(Kind.KEY_REUSED, "This key was used for an order for another customer.")
        if standing is order:
            count("OrdersPlaced")
            logger.info("order placed", extra={"orderId": order.order_id})
        if standing.status is Status.PLACED:
            self._publisher.publish([events.order_placed(standing)])
        return http.accepted(view(standing), http.location(request, standing.order_id))

    def show(self, request: Request) -> Response:
        """``GET /orders/{orderId}``: the order as it is now."""
        tracing.about(request.order_id)
        order = self._orders.find(request.order_id)
        if order is None or order.owner != request.owner:
            raise http.no_such_order()
        return http.ok(view(order) | self._customer(order))

    def page(self, request: Request) -> Response:
        """``GET /orders``: the caller's orders, newest first. ``next`` is there only if there are more."""
        _refuse_unknown(request)
        limit = _limit(request)
        after = _position(request)
        positions = self._orders.positions(request.owner, limit + 1, after)
        shown = positions[:limit]
        rows = self._orders.rows([position.order_id for position in shown])
        body: dict[str, Any] = {"orders": [view(order_of(row)) for row in rows]}
        if len(positions) > limit:
            body["next"] = _token(request.owner, shown[-1])
        return http.ok(body)

    def cancel(self, request: Request) -> Response:
        """``POST /orders/{orderId}/cancel``: turn the order back, unless it turned or ended already."""
        tracing.about(request.order_id)
        now = self._clock()
        order, moved = self._orders.advance(
            request.order_id,
            CANCELLING,
            at=iso(now),
            now=now,
            notes={"cancelReason": CancelReason.CUSTOMER.value},
            owner=request.owner,
        )
        if order is None or order.owner != request.owner:
            raise http.no_such_order()
        if order.closed:
            raise Problem(Kind.ORDER_CLOSED, f"The order is {order.status} and can no longer be cancelled.")
        if moved:
            count("OrdersCancelled")
            logger.info("order cancelled by its customer", extra={"orderId": order.order_id})
        if order.status is Status.CANCELLING:
            self._publisher.publish([events.cancel_requested(order)])
        return http.accepted(view(order))

    def _sealed(self, order_id: str, customer: Customer | None) -> bytes | None:
        if customer is None:
            return None
        try:
            return self._seal.close(order_id, customer.known())
        except AwsError as error:
            log_failure(error, "customer not sealed", orderId=order_id)
            raise http.busy("Customer data cannot be taken at the moment. Nothing was ordered.") from error

    def _is_for(self, standing: Order, customer: Customer | None) -> bool:
        """Whether a standing order has this customer. The seals of the same data differ, so it is opened.

        A customer who was erased is taken for the same: nobody can tell any more, and nothing is stored.
        """
        if customer is None:
            return standing.sealed is None and standing.erased_at is None
        if standing.sealed is None:
            return standing.erased_at is not None
        try:
            return self._seal.open(standing.order_id, standing.sealed) == customer.known()
        except AwsError as error:
            log_failure(error, "customer not opened", orderId=standing.order_id)
            raise http.busy("The order is there, but cannot be compared at the moment.") from error

    def _customer(self, order: Order) -> dict[str, Any]:
        """The customer of an order, null where there is one who cannot be read now.

        The order is shown all the same: where a parcel is does not depend on the key's request quota.
        """
        if order.sealed is None:
            return {}
        try:
            return {"customer": self._seal.open(order.order_id, order.sealed)}
        except AwsError as error:
            log_failure(error, "customer not opened", orderId=order.order_id)
            return {"customer": None}


class Lifecycle:
    """Follows each order through the other services."""

    def __init__(self, orders: Orders, *, clock: Clock = utc_now) -> None:
        self._orders = orders
        self._clock = clock

    def follow(self, fact: Fact) -> list[Fact]:
        """Any fact that moves an order. Late and repeated ones change nothing.

        Raises Retry for an order that does not exist: it was written before its first fact was published, so
        this can only be a table that is being restored, or somebody else's order.
        """
        move = events.move(fact)
        order, moved = self._orders.advance(
            fact.order_id, move, at=events.occurred_at(fact), now=self._clock(), notes=events.notes(fact)
        )
        if order is None:
            raise Retry("there is no such order")
        count(f"Orders{move.status.title().replace('_', '')}" if moved else "FactsAbsorbed")
        return []


def view(order: Order) -> dict[str, Any]:
    """An order as its customer sees it."""
    return {
        "orderId": order.order_id,
        "status": order.status,
        # PAYMENT_FAILED and REFUNDED are shown before the stock is back, and again when it is.
        "closed": order.closed,
        "placedAt": order.placed_at,
        "updatedAt": order.updated_at,
        "items": [{"itemId": line.item_id, "quantity": line.quantity} for line in order.lines],
        "amount": model.major_units(order.amount, order.currency),
        "currency": order.currency,
        "timeline": [{"status": step.status, "at": step.at} for step in order.timeline],
        **({"customerErasedAt": order.erased_at} if order.erased_at else {}),
        **order.notes,
    }


def _wish(request: Request) -> model.Wish:
    try:
        return intake.read(request.body(intake.MAX_BODY))
    except intake.InvalidOrderError as error:
        flaws = [{"pointer": flaw.pointer, "detail": flaw.detail} for flaw in error.flaws]
        raise Problem(Kind.INVALID_ORDER, "The order was not placed; see errors.", errors=flaws) from error


def _idempotency_key(request: Request) -> str | None:
    if "idempotency-key" in request.repeated_headers:
        # Which of them counts would be up to the next proxy: the same request might order twice.
        raise Problem(Kind.INVALID_REQUEST, "Idempotency-Key must be given once.")
    key = request.headers.get("idempotency-key")
    if key is not None and not intake.IDEMPOTENCY_KEY.fullmatch(key):
        detail = "Idempotency-Key must be 1 to 255 printable ASCII characters without blanks at its ends."
        raise Problem(Kind.INVALID_REQUEST, detail)
    return key


def _refuse_unknown(request: Request) -> None:
    # A misspelt `next`, dropped in silence, would give a client the first page again and again.
    for name in request.query:
        # A request may carry its signature in its address (AWS, Signature Version 4, "Query string").
        if name not in PAGE_PARAMETERS and not name.lower().startswith("x-amz-"):
            known = " and ".join(PAGE_PARAMETERS)
            raise Problem(Kind.INVALID_REQUEST, f"This list takes {known}, and no other parameters.")
        if name in request.repeated_parameters:
            raise Problem(Kind.INVALID_REQUEST, "This list takes each parameter once.")


def _limit(request: Request) -> int:
    text = request.query.get("limit", str(DEFAULT_PAGE))
    if not (text.isascii() and text.isdigit() and len(text) <= 3 and 1 <= int(text) <= LARGEST_PAGE):
        raise Problem(Kind.INVALID_REQUEST, f"limit must be a whole number from 1 to {LARGEST_PAGE}.")
    return int(text)


def _position(request: Request) -> Position | None:
    token = request.query.get("next")
    if token is None:
        return None
    try:
        placed_at, order_id, _ = base64.urlsafe_b64decode(token.encode("ascii")).decode("ascii").split("|")
        position = Position(iso(parse_iso(placed_at)), order_id)
    except (binascii.Error, ValueError, OverflowError):
        position = Position("", "")
    if not http.ORDER_ID.fullmatch(position.order_id) or token != _token(request.owner, position):
        raise Problem(Kind.INVALID_REQUEST, "next is not a token that this list gave you.")
    return position


def _token(owner: str, position: Position) -> str:
    """An opaque name for a position. The check ties it to its owner and finds typing errors; it guards
    nothing, since the owner whose orders are listed comes from the caller's identity. Anyone may make one
    up, so what it holds is checked as any input is."""
    check = hashlib.sha256("|".join((owner, *position)).encode()).hexdigest()[:16]
    return base64.urlsafe_b64encode("|".join((*position, check)).encode()).decode()
