"""What holds of the stock after each write: the figures, the prices, and why an order was refused."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from itertools import product
from math import inf

from simulation.watch.memory import Item, Memory, lines, number, text
from simulation.watch.promises import LONGEST, Promise


class Stock:
    """Keeps what is reserved of each item, and how each item's row was at any moment.

    `began` gives when the invocation at work began, in epoch seconds; it bounds what that may have seen.
    """

    def __init__(self, memory: Memory, began: Callable[[], float]) -> None:
        self._memory = memory
        self._began = began
        self._reserved: dict[str, int] = {}
        self._versions: dict[str, list[tuple[float, Item | None]]] = {}
        self._touched: dict[str, str] = {}

    def item(self, item_id: str, before: Item | None, after: Item | None) -> None:
        """Note a write of an item's row."""
        versions = self._versions.get(item_id)
        if versions is None:
            versions = self._versions[item_id] = [(-inf, before)]
        versions.append((self._memory.now(), after))
        self._touched.setdefault(item_id, "")

    def reserved(self, order_id: str, was: str, row: Item) -> None:
        """Note a reservation that moved."""
        state = text(row, "state")
        sign = (state == "RESERVED") - (was == "RESERVED")
        if not sign:
            return
        for item_id, quantity in lines(row, "lines"):
            self._reserved[item_id] = self._reserved.get(item_id, 0) + sign * quantity
            self._touched[item_id] = order_id

    def settle(self) -> None:
        """Judge the figures of all items touched since, now that the whole transaction is known."""
        for item_id, order_id in self._touched.items():
            versions = self._versions.get(item_id)
            row = versions[-1][1] if versions else None
            reserved = self._reserved.get(item_id, 0)
            if row is None:
                if reserved:
                    self._memory.broken(
                        Promise.STOCK, item_id, f"{reserved} reserved of an item that does not exist"
                    )
                continue
            on_hand, received = int(row["quantity"]["N"]), number(row, "received")
            by = f", after {order_id}" if order_id else ""
            if on_hand < 0:
                self._memory.broken(Promise.NOT_NEGATIVE, item_id, f"{on_hand} on hand{by}")
            if on_hand != received - reserved:
                self._memory.broken(
                    Promise.STOCK,
                    item_id,
                    f"{on_hand} on hand, but {received} received - {reserved} reserved ="
                    f" {received - reserved}{by}",
                )
        self._touched.clear()

    def priced(self, order_id: str, row: Item) -> None:
        """Judge a reservation by the prices of this moment, on which its transaction was conditional."""
        wanted = lines(row, "lines")
        items = [self._versions.get(item_id, [(0.0, None)])[-1][1] for item_id, _ in wanted]
        currency = text(row, "currency")
        total = 0
        for (item_id, quantity), item in zip(wanted, items, strict=True):
            if item is None or text(item, "currency") != currency:
                self._memory.broken(
                    Promise.AGREED,
                    order_id,
                    f"{item_id} is reserved in {currency}, but is {_shown(item)}",
                )
                return
            total += quantity * number(item, "price")
        if total != number(row, "amount"):
            self._memory.broken(
                Promise.AGREED,
                order_id,
                f"reserved for {number(row, 'amount')} {currency}, but the items cost {total}",
            )

    def refused(self, order_id: str, row: Item) -> None:
        """Judge a refusal by what its invocation may have seen, at any moment of it."""
        reason, wanted = text(row, "reason"), lines(row, "lines")
        seen = {item_id: list(self._seen(item_id)) for item_id, _ in wanted}
        if reason == "out_of_stock":
            true = any(
                item is not None and number(item, "quantity") < quantity
                for item_id, quantity in wanted
                for item in seen[item_id]
            )
        elif reason == "unknown_item":
            true = any(item is None or "price" not in item for items in seen.values() for item in items)
        elif reason == "currency_mismatch":
            currency = text(row, "currency")
            true = any(
                item is not None and text(item, "currency") != currency
                for items in seen.values()
                for item in items
            )
        else:
            true = reason == "amount_mismatch" and _may_differ(wanted, seen, number(row, "amount"))
        if not true:
            levels = ", ".join(
                f"{quantity} of {item_id} with {'/'.join(_shown(item) for item in seen[item_id])}"
                for item_id, quantity in wanted
            )
            self._memory.broken(Promise.REFUSED, order_id, f"refused as {reason}, but it wanted {levels}")

    def restored(self, reserved: Mapping[str, int], items: Mapping[str, Item | None]) -> None:
        """Take the figures as they are: the table was put back to an earlier moment."""
        self._reserved = dict(reserved)
        for item_id, item in items.items():
            self._versions.setdefault(item_id, [(-inf, None)]).append((self._memory.now(), item))

    @property
    def items(self) -> list[str]:
        """The items ever heard of."""
        return list(self._versions)

    def _seen(self, item_id: str) -> Iterable[Item | None]:
        """How an item's row was at each moment since the invocation at work began."""
        since = max(self._began(), self._memory.now() - LONGEST)
        for at, item in reversed(self._versions.get(item_id, [(-inf, None)])):
            yield item
            if at < since:
                return


def _may_differ(wanted: list[tuple[str, int]], seen: Mapping[str, list[Item | None]], amount: int) -> bool:
    """Whether the items, each at a price it had, may have cost something else than the amount."""
    prices = [sorted({number(item, "price") for item in seen[item_id] if item}) for item_id, _ in wanted]
    quantities = [quantity for _, quantity in wanted]
    return any(
        sum(price * quantity for price, quantity in zip(each, quantities, strict=True)) != amount
        for each in product(*prices)
    )


def _shown(item: Item | None) -> str:
    if item is None:
        return "no such item"
    return f"{number(item, 'quantity')} at {number(item, 'price')} {text(item, 'currency')}"
