"""The orders of a demo run, drawn from a seed: same seed and same prices, same orders."""

from __future__ import annotations

import math
import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from ecom_cli.shop.api import Line

Kind = Literal["plain", "wrong amount", "too many", "cancelled", "forced"]

TOO_MANY = 999
"""The most pieces a line may ask for; more than a demo's stock ever holds."""

CANCEL_WITHIN_SECONDS = 1.5
"""A customer who changes their mind does so within this time, so that cancels meet orders in every state."""


@dataclass(frozen=True)
class Planned:
    """One order of the run."""

    number: int
    lines: tuple[Line, ...]
    amount: int
    """Minor units."""
    currency: str
    kind: Kind
    force: str | None
    """The simulated outcome asked for (a name of ``api.FORCED``), or None: whatever comes."""
    twice: bool
    """The customer presses the button twice: the same request, the same key."""
    cancel_after: float | None
    """Seconds after the answer at which the customer cancels."""


@dataclass(frozen=True)
class Share:
    """How many orders of a run are special, and in what way."""

    kind: Kind
    of_all: float
    at_least_one_from: int
    """Runs of this many orders and more show at least one."""
    force: str | None = None

    def count(self, orders: int) -> int:
        wanted = math.floor(orders * self.of_all + 0.5)
        return max(wanted, 1) if orders >= self.at_least_one_from else wanted


SHARES = (
    Share("too many", 0.06, 5),
    Share("wrong amount", 0.05, 6),
    Share("cancelled", 0.10, 4),
    Share("forced", 0.03, 8, "declined"),
    Share("forced", 0.03, 10, "carrier-down-once"),
    Share("forced", 0.02, 12, "gateway-slow"),
    Share("forced", 0.02, 15, "carrier-down"),
    Share("forced", 0.02, 15, "carrier-dead"),
)
TWICE = 0.15


def make_plan(orders: int, seed: int, prices: Mapping[str, int], currency: str) -> tuple[Planned, ...]:
    """Draw the orders of a run.

    `prices`: minor units by item id. Raises ValueError if there is nothing to order.
    """
    if not prices:
        raise ValueError("no items to order")
    dice = random.Random(seed)  # nosec B311  # sample orders that can be drawn again
    special = [share for share in SHARES for _ in range(share.count(orders))][:orders]
    kinds: list[tuple[Kind, str | None]] = [(share.kind, share.force) for share in special]
    kinds += [("plain", None)] * (orders - len(special))
    dice.shuffle(kinds)
    return tuple(
        _draw(number, kind, force, dice, prices, currency)
        for number, (kind, force) in enumerate(kinds, start=1)
    )


def needed_stock(plan: Sequence[Planned]) -> dict[str, int]:
    """Pieces of each item that the run's orders can take, leaving out those meant to find too few."""
    needed: Counter[str] = Counter()
    for order in plan:
        if order.kind != "too many":
            for line in order.lines:
                needed[line.item_id] += line.quantity
    return dict(sorted(needed.items()))


def _draw(
    number: int, kind: Kind, force: str | None, dice: random.Random, prices: Mapping[str, int], currency: str
) -> Planned:
    items = sorted(prices)
    chosen = dice.sample(items, k=min(len(items), dice.choices((1, 2, 3, 4), weights=(4, 3, 2, 1))[0]))
    lines = [Line(item_id, dice.choices((1, 2, 3), weights=(6, 2, 1))[0]) for item_id in chosen]
    if kind == "too many":
        short = dice.randrange(len(lines))
        lines[short] = Line(lines[short].item_id, TOO_MANY)
    amount = sum(prices[line.item_id] * line.quantity for line in lines)
    if kind == "wrong amount":
        amount += dice.choice((-1, 1)) * dice.randint(1, max(1, amount // 10))
    twice = dice.random() < TWICE
    cancel_after = round(dice.uniform(0, CANCEL_WITHIN_SECONDS), 2)
    return Planned(
        number=number,
        lines=tuple(lines),
        amount=max(amount, 1),
        currency=currency,
        kind=kind,
        force=force,
        twice=twice,
        cancel_after=cancel_after if kind == "cancelled" else None,
    )
