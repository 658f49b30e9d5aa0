"""Customers: they place orders, look, ask again, cancel, and try what they should not."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from random import Random
from typing import TYPE_CHECKING, Any

from simulation import weather
from simulation.calls import LATEST_EFFECT
from simulation.invariants import CANARY_CUSTOMER, CANARY_KEY, CANARY_OWNER, Promise
from simulation.watch.answers import named

if TYPE_CHECKING:
    from simulation.invocation import Invocation
    from simulation.world import World

ORDER_FUNCTION = "OrderLambda"
OWNERS = tuple(f"arn:aws:iam::123456789012:user/{CANARY_OWNER}-{number}" for number in range(2))
CROWDED = 0.03
"""How often very many order at once."""

ANSWER_WITHIN = 29.0
"""Seconds after which API Gateway gives up on a function."""

Answer = dict[str, Any]


@dataclass
class Plan:
    """An order as its customer means it. `order_id` is known once the API has said it."""

    owner: str
    key: str | None
    body: dict[str, Any]
    order_id: str | None = None
    asked: int = 0
    answers: list[int] = field(default_factory=list)


def request(
    method: str, resource: str, owner: str, *, order_id: str = "", body: Any = None, key: str | None = None,
    query: dict[str, str] | None = None,
) -> dict[str, Any]:  # fmt: skip
    """A request as API Gateway hands it to the function."""
    path = resource.replace("{orderId}", order_id)
    return {
        "httpMethod": method,
        "resource": resource,
        "path": path,
        "pathParameters": {"orderId": order_id} if order_id else None,
        "queryStringParameters": query,
        "headers": {} if key is None else {"Idempotency-Key": key},
        "body": None if body is None else json.dumps(body),
        "isBase64Encoded": False,
        "requestContext": {"path": f"/sim{path}", "identity": {"userArn": owner}},
    }


def _line(event: dict[str, Any]) -> str:
    return f"{event['httpMethod']} {event['resource']}"


def _order_in(event: dict[str, Any], answer: Answer) -> str:
    """The order that a request is about, as far as its path or its answer says."""
    named = (event["pathParameters"] or {}).get("orderId")
    return str(named or json.loads(answer["body"]).get("orderId", ""))


class Customers:
    """Everyone who orders in this run."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng: Random = world.rng
        self._chance = Random(world.seed + 30)
        self.orders: list[Plan] = []

    def begin(self) -> None:
        """Plan when who orders what: at once, or over half an hour."""
        rng, world = self._rng, self._world
        spread = rng.choice((0.5, 30.0, 600.0, 1800.0))
        number_of_orders = rng.choice((1, 3, 5, 8, 14))
        if rng.random() < CROWDED:
            spread, number_of_orders = 0.5, 40
        for number in range(number_of_orders):
            plan = self._plan(number)
            self.orders.append(plan)
            when = 1 + spread * rng.random()
            world.later(when, lambda plan=plan: self._place(plan))  # type: ignore[misc]
            if plan.key is not None and rng.random() < 0.3:
                world.later(1 + spread * rng.random(), lambda plan=plan: self._place(plan))  # type: ignore[misc]

    def _plan(self, number: int) -> Plan:
        rng = self._rng
        catalogue = self._world.operator.catalogue
        lines = {
            item: rng.choice((1, 1, 1, 2, 3))
            for item in rng.sample(sorted(catalogue), rng.randint(1, len(catalogue)))
        }
        amount = sum(catalogue[item] * quantity for item, quantity in lines.items())
        if rng.random() < 0.04:
            amount += 1
        if rng.random() < 0.03:
            lines["NO-SUCH-ITEM"] = 1
        items: list[Any] = [{"itemId": item, "quantity": quantity} for item, quantity in lines.items()]
        if rng.random() < 0.1:
            # The same, said in two lines, one of them a bare id.
            items[0] = {**items[0], "quantity": items[0]["quantity"] + 1}
            items, amount = [*items, next(iter(lines))], amount + 2 * catalogue.get(next(iter(lines)), 0)
        body = {
            "items": items,
            "amount": amount / 100,
            "currency": "EUR" if rng.random() < 0.05 else "USD",
        }
        if self._chance.random() < 0.4:
            body["customer"] = self._somebody()
        key = f"{CANARY_KEY}-{self._world.seed}-{number}" if rng.random() < 0.9 else None
        return Plan(rng.choice(OWNERS), key, body)

    def _somebody(self) -> dict[str, str]:
        """Whom an order is for, as far as they say."""
        number = self._chance.randrange(10**6)
        said = {
            "email": f"{CANARY_CUSTOMER}-{number}@example.org",
            "name": f"{CANARY_CUSTOMER} Þórsdóttir {number}",
            "address": f"{number} {CANARY_CUSTOMER} Street",
        }
        return {name: said[name] for name in self._chance.sample(sorted(said), self._chance.randint(1, 3))}

    # --- placing

    def _place(self, plan: Plan) -> None:
        plan.asked += 1
        event = request("POST", "/orders", plan.owner, body=plan.body, key=plan.key)
        self._send(event, lambda answer: self._placed(plan, answer))

    def _placed(self, plan: Plan, answer: Answer | None) -> None:
        status = 0 if answer is None else int(answer["statusCode"])
        plan.answers.append(status)
        if answer is not None and status == 202:
            known, plan.order_id = plan.order_id, json.loads(answer["body"])["orderId"]
            if known is None:
                self._follow(plan)
            elif known != plan.order_id:
                self._world.broken(Promise.OWN_KEY, known, f"the same key made {plan.order_id} as well")
        elif status == 422 and plan.key is not None:
            self._world.broken(Promise.OWN_KEY, named(plan.owner, plan.key), "the same wish was refused")
        elif plan.key is not None and plan.asked < 12:
            # Without an answer a customer with a key asks again; one without would order twice.
            self._world.later(2 + 30 * self._rng.random(), lambda: self._place(plan))

    def _follow(self, plan: Plan) -> None:
        """What a customer does with an order: look now and then, cancel, try a used key, spy on others."""
        rng, world = self._rng, self._world
        assert plan.order_id is not None
        for _ in range(rng.randint(0, 3)):
            world.later(600 * rng.random() ** 2, lambda: self._show(plan, plan.owner))
        if rng.random() < 0.15:
            stranger = next(owner for owner in OWNERS if owner != plan.owner)
            world.later(300 * rng.random(), lambda: self._show(plan, stranger))
            world.later(300 * rng.random(), lambda: self._cancel(plan, stranger))
        if world.weather.is_on(weather.CANCEL) and rng.random() < 0.5:
            longest = rng.choice((1.0, 10.0, 120.0, 1500.0))
            world.later(longest * rng.random(), lambda: self._cancel(plan, plan.owner))
        if plan.key is not None and rng.random() < 0.1:
            world.later(300 * rng.random(), lambda: self._reuse_key(plan))
        if rng.random() < 0.1:
            world.later(600 * rng.random(), lambda: self._send(request("GET", "/orders", plan.owner)))
        if rng.random() < 0.05:
            world.later(600 * rng.random(), lambda: self._ask_for_nothing(plan.owner))

    def _show(self, plan: Plan, owner: str) -> None:
        assert plan.order_id is not None
        event = request("GET", "/orders/{orderId}", owner, order_id=plan.order_id)
        self._send(event, lambda answer: self._own_only(plan, owner, answer))

    def _cancel(self, plan: Plan, owner: str, tries: int = 6) -> None:
        assert plan.order_id is not None
        if owner == plan.owner:
            self._world.weather.count(weather.CANCEL)

        def answered(answer: Answer | None) -> None:
            self._own_only(plan, owner, answer)
            if tries > 1 and (answer is None or answer["statusCode"] >= 500):
                self._world.later(20 * self._rng.random(), lambda: self._cancel(plan, owner, tries - 1))

        event = request("POST", "/orders/{orderId}/cancel", owner, order_id=plan.order_id)
        self._send(event, answered)

    def _ask_for_nothing(self, owner: str) -> None:
        """Look at and cancel an order that nobody placed."""
        nothing = Plan(owner, None, {}, order_id=str(self._world.new_id()))
        self._show(nothing, owner)
        self._send(request("POST", "/orders/{orderId}/cancel", owner, order_id=str(nothing.order_id)))

    def _own_only(self, plan: Plan, owner: str, answer: Answer | None) -> None:
        if answer is None or owner == plan.owner or answer["statusCode"] in (404, 500, 503):
            return
        self._world.broken(Promise.OWN_ORDERS, str(plan.order_id), f"answered {answer['statusCode']}")

    def _reuse_key(self, plan: Plan) -> None:
        other = {**plan.body, "amount": round(plan.body["amount"] + 1, 2)}
        if self._chance.random() < 0.5:
            other = {**plan.body, "customer": self._somebody()}

        def answered(answer: Answer | None) -> None:
            if answer is not None and answer["statusCode"] not in (422, 500, 503):
                self._world.broken(Promise.OWN_KEY, str(plan.order_id), f"answered {answer['statusCode']}")

        self._send(request("POST", "/orders", plan.owner, body=other, key=plan.key), answered)

    # --- at rest

    def look_back(self) -> None:
        """When all is over: each owner's list holds each of their orders, once."""
        for owner in OWNERS:
            known = {plan.order_id for plan in self.orders if plan.owner == owner and plan.order_id}
            listed: list[str] = []
            self._page(owner, listed, None)
            self._world.engine.run(self._world.now + 2 * ANSWER_WITHIN + LATEST_EFFECT)
            for order_id in sorted(known - set(listed)):
                self._world.broken(Promise.LISTED, order_id, "is not listed")
            if len(set(listed)) < len(listed):
                self._world.broken(Promise.LISTED, "", f"some twice: {listed}")

    def _page(self, owner: str, listed: list[str], token: str | None) -> None:
        query = {"limit": "2"} | ({"next": token} if token else {})

        def answered(answer: Answer | None) -> None:
            if answer is None or answer["statusCode"] != 200:
                self._world.broken(Promise.LISTED, "", f"unreadable when all is calm: {answer}")
                return
            page = json.loads(answer["body"])
            listed.extend(order["orderId"] for order in page["orders"])
            if "next" in page:
                self._page(owner, listed, page["next"])

        self._send(request("GET", "/orders", owner, query=query), answered)

    def _send(self, event: dict[str, Any], then: Callable[[Answer | None], None] = lambda _: None) -> None:
        """Make a request. `then` gets the answer, or None where there was none."""
        world = self._world
        began = world.now
        if not world.key_enabled:
            then(None)  # the function's environment cannot be read
            return

        def done(invocation: Invocation) -> None:
            if invocation.raised is not None:
                if not invocation.crashed:
                    world.broken(Promise.UNFAILING, "", f"{invocation}: {invocation.raised!r}")
                then(None)
                return
            late = world.now - began > ANSWER_WITHIN
            order_id = "" if world.history is None else _order_in(event, invocation.result)
            if order_id:
                answer = "no answer in time" if late else str(invocation.result["statusCode"])
                world.note(order_id, "customer", f"{_line(event)} → {answer}")
            if not late:
                excused = invocation.struck or not world.key_enabled
                world.watch.answered(event, invocation.result, struck=excused)
            then(None if late else invocation.result)

        world.watch.requested(event)
        world.invoke(ORDER_FUNCTION, event, done, safe=world.mode.safe_intake)
