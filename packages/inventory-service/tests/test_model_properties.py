"""What holds for any orders, any shelf and any trouble: cutting, deciding, bisecting, giving back."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_common.errors import Poison, Retry
from ecom_common.facts import Fact, iso, new_fact
from ecom_testkit.telemetry import counted
from inventory_service.handlers import Inventory
from inventory_service.model import (
    MAX_ACTIONS,
    RESERVATION_WINDOW,
    Item,
    Line,
    Order,
    Outcome,
    Reason,
    Reservation,
    State,
    decide,
    groups,
    taken,
    tombstone,
)
from inventory_service.store import Refusal

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
PLACED = iso(NOON)
ITEMS = ("mug", "lamp", "pen", "cup")
CATALOGUE = {item_id: Item(item_id, price, "USD") for price, item_id in enumerate(ITEMS, start=100)}
NOW: Any = {"decided_at": PLACED, "caused_by": "event"}

quick = settings(deadline=None, max_examples=120)


def a_wish(order_id: str, lines: Mapping[str, int]) -> Reservation:
    held = tuple(Line(item_id, quantity) for item_id, quantity in lines.items())
    return Reservation(order_id, PLACED, State.RESERVED, PLACED, "event", held, 5, "USD")


# ── cutting ──────────────────────────────────────────────────────────────────────────────────────────────


def fits(run: Sequence[Reservation], most: int) -> bool:
    return len(run) + len(taken(run)) <= most


def fewest(wanted: Sequence[Reservation], most: int) -> int:
    """The fewest runs that all fit, found by trying every place to cut."""
    best = [0]
    for end in range(1, len(wanted) + 1):
        best.append(1 + min(best[start] for start in range(end) if fits(wanted[start:end], most)))
    return best[-1]


few_lines = st.dictionaries(st.sampled_from(ITEMS), st.integers(1, 4), min_size=1)


@quick
@given(st.lists(few_lines, max_size=12), st.integers(len(ITEMS) + 1, 12))
def test_no_other_way_to_cut_needs_fewer_transactions(wanted: list[dict[str, int]], most: int) -> None:
    orders = [a_wish(str(number), lines) for number, lines in enumerate(wanted)]
    cut = list(groups(orders, most))
    assert [order for group in cut for order in group] == orders
    assert all(group and fits(group, most) for group in cut)
    assert len(cut) == fewest(orders, most)


# ── deciding ─────────────────────────────────────────────────────────────────────────────────────────────

catalogues = st.dictionaries(
    st.sampled_from(ITEMS), st.tuples(st.integers(0, 30), st.sampled_from(["USD", "EUR"])), min_size=3
).map(lambda drawn: {item_id: Item(item_id, price, currency) for item_id, (price, currency) in drawn.items()})
ages = st.sampled_from([-1, 0, 0, 0, 1]).map(lambda second: RESERVATION_WINDOW + timedelta(seconds=second))


@quick
@given(catalogues, few_lines, st.integers(0, 60), st.sampled_from([0, 0, 1, -1]), ages)
def test_only_known_items_of_one_currency_at_their_sum_are_reserved(
    catalogue: dict[str, Item], lines: dict[str, int], amount: int, off: int, age: timedelta
) -> None:
    known = all(item_id in catalogue for item_id in lines)
    if known:
        amount = sum(catalogue[item_id].price * quantity for item_id, quantity in lines.items()) + off
    order = Order("1", PLACED, tuple(Line(*line) for line in lines.items()), amount, "USD")
    decision = decide(order, catalogue, age, **NOW)
    good = known and off == 0 and all(catalogue[item_id].currency == "USD" for item_id in lines)
    assert decision.order_id == "1"
    if age > RESERVATION_WINDOW:
        assert decision == tombstone("1", PLACED, Outcome.CANCELLED, **NOW)
    else:
        assert decision.state is (State.RESERVED if good else State.REJECTED)
        assert (decision.reason is None) is good
        assert decision.reason is not Reason.OUT_OF_STOCK, "nobody has looked at the quantities yet"
        assert decision.lines == order.lines
    assert taken([decision]) == (lines if decision.state is State.RESERVED else {})


# ── giving back ──────────────────────────────────────────────────────────────────────────────────────────


@quick
@given(st.sampled_from(State), few_lines, st.lists(st.sampled_from(Outcome), min_size=1, max_size=5))
def test_the_first_release_is_the_only_one(
    state: State, lines: dict[str, int], outcomes: list[Outcome]
) -> None:
    before = replace(a_wish("1", lines), state=state)
    first = before.release(outcomes[0], decided_at="later", caused_by="first")
    for outcome in outcomes:
        assert first.release(outcome, decided_at="last", caused_by="other") is first
    assert first.lines == before.lines, "what was held is what goes back"
    if state is State.RESERVED:
        assert (first.state, first.outcome, first.caused_by) == (State.RELEASED, outcomes[0], "first")
    else:
        assert first is before


# ── bisecting ────────────────────────────────────────────────────────────────────────────────────────────


@dataclass
class Shelf:
    """A stock that answers as the table's transaction does, and sees who is refused in vain."""

    quantity: dict[str, int]
    rows: dict[str, Reservation] = field(default_factory=dict)
    repriced: frozenset[str] = frozenset()
    monsters: frozenset[str] = frozenset()
    """Orders that DynamoDB objects to."""
    busy: frozenset[int] = frozenset()
    """Transactions, counted from 1, that others keep from being made."""
    transactions: int = 0
    refused_in_vain: list[str] = field(default_factory=list)

    def catalogue(self, item_ids: Iterable[str]) -> dict[str, Item]:
        return {item_id: CATALOGUE[item_id] for item_id in item_ids if item_id in CATALOGUE}

    def reserve(self, group: Sequence[Reservation], catalogue: Mapping[str, Item]) -> Refusal | None:
        self.transactions += 1
        wanted = taken(group)
        assert group, "a transaction of nothing"
        assert len(group) + len(wanted) <= MAX_ACTIONS
        if self.transactions in self.busy:
            raise Retry("stock is contended")
        if any(each.order_id in self.monsters for each in group):
            raise ClientError({"Error": {"Code": "ValidationException"}}, "TransactWriteItems")
        standing = {each.order_id: self.rows[each.order_id] for each in group if each.order_id in self.rows}
        if standing:
            return Refusal(standing=standing)
        repriced = frozenset(wanted) & self.repriced
        short = frozenset(item for item, number in wanted.items() if self.quantity[item] < number) - repriced
        if short or repriced:
            return Refusal(repriced=repriced, short=short)
        for each in group:
            if each.reason is Reason.OUT_OF_STOCK and self.suffices(each):
                self.refused_in_vain.append(each.order_id)
            self.rows[each.order_id] = each
        for item, number in wanted.items():
            self.quantity[item] -= number
        return None

    def suffices(self, order: Reservation) -> bool:
        """Whether this order alone could have what it wants, now."""
        return all(self.quantity[line.item_id] >= line.quantity for line in order.lines)


def settle(shelf: Shelf, group: Sequence[Reservation]) -> dict[str, Reservation | Exception]:
    stock: Any = shelf
    try:
        return Inventory(stock, clock=lambda: NOON)._settle(group, CATALOGUE)
    finally:
        counted()


def most_transactions(group: Sequence[Reservation]) -> int:
    """One for each cut and each leaf of a tree that parts at every cut, one for each refusal written, and
    one that finds the rows that were there."""
    return 2 * len(group) - 1 + len(group) + 1


shelves = st.fixed_dictionaries({item_id: st.integers(0, 12) for item_id in ITEMS})
wishes = st.lists(few_lines, min_size=1, max_size=14).map(
    lambda drawn: [a_wish(f"order-{number}", lines) for number, lines in enumerate(drawn)]
)


@quick
@given(shelves, wishes)
def test_an_order_is_refused_only_if_it_alone_is_too_much(
    quantity: dict[str, int], group: list[Reservation]
) -> None:
    shelf = Shelf(dict(quantity))
    settled = settle(shelf, group)
    assert settled == shelf.rows, "each order has one result, and it is what its row says"
    assert sorted(settled) == sorted(each.order_id for each in group)
    assert not shelf.refused_in_vain
    for wish in group:
        result = settled[wish.order_id]
        assert result in (wish, wish.reject(Reason.OUT_OF_STOCK))
        if result != wish:
            assert not shelf.suffices(wish), "it was refused for what others wanted and did not get"
    reserved = Counter(taken([each for each in settled.values() if isinstance(each, Reservation)]))
    left = Counter(shelf.quantity)
    assert reserved + left == Counter(quantity)
    assert min(left.values()) >= 0
    assert shelf.transactions <= most_transactions(group)


@quick
@given(wishes)
def test_where_there_is_enough_one_transaction_takes_all(group: list[Reservation]) -> None:
    shelf = Shelf({item_id: taken(group).get(item_id, 0) for item_id in ITEMS})
    assert settle(shelf, group) == {each.order_id: each for each in group}
    assert shelf.transactions == 1


@quick
@given(st.lists(st.integers(1, 3), min_size=1, max_size=99), st.integers(1, 3))
def test_a_crowd_with_a_few_too_many_is_bisected_not_asked_one_by_one(
    numbers: list[int], missing: int
) -> None:
    group = [a_wish(f"order-{at}", {"mug": number}) for at, number in enumerate(numbers)]
    shelf = Shelf({"mug": max(0, sum(numbers) - missing)})
    settled = settle(shelf, group)
    refused = sum(settled[wish.order_id] != wish for wish in group)
    assert 1 <= refused <= missing
    depth = (len(group) - 1).bit_length() + 1
    # Every group that is refused holds somebody who is refused in the end, and leads to two more.
    assert shelf.transactions <= 1 + 2 * refused * depth + refused


@quick
@given(shelves, wishes, st.data())
def test_what_is_wrong_with_one_order_decides_no_other(
    quantity: dict[str, int], group: list[Reservation], data: st.DataObject
) -> None:
    """Rows that stand, prices that changed, keys DynamoDB objects to, a busy table: each has its answer."""
    fates = data.draw(
        st.lists(
            st.sampled_from(["well", "well", "stands", "monster", "unknown item", "too old"]),
            min_size=len(group),
            max_size=len(group),
        )
    )
    by_fate = {each.order_id: fate for each, fate in zip(group, fates, strict=True)}
    decided = {"unknown item": Reason.UNKNOWN_ITEM}
    asked = [
        each.reject(decided[fate])
        if fate in decided
        else tombstone(each.order_id, PLACED, Outcome.CANCELLED, **NOW)
        if fate == "too old"
        else each
        for each, fate in zip(group, fates, strict=True)
    ]
    before = {
        order_id: tombstone(order_id, PLACED, Outcome.DECLINED, decided_at=PLACED, caused_by="earlier")
        for order_id, fate in by_fate.items()
        if fate == "stands"
    }
    repriced = data.draw(st.frozensets(st.sampled_from(ITEMS), max_size=1))
    shelf = Shelf(
        dict(quantity),
        dict(before),
        repriced,
        frozenset(order_id for order_id, fate in by_fate.items() if fate == "monster"),
        data.draw(st.frozensets(st.integers(1, 6), max_size=2)),
    )
    settled = settle(shelf, asked)

    assert set(settled) == set(by_fate)
    assert not shelf.refused_in_vain
    if 1 in shelf.busy:
        assert shelf.transactions == 1, "more calls only add to what keeps the table busy"
    assert shelf.transactions <= most_transactions(group)
    for each in asked:
        result, fate = settled[each.order_id], by_fate[each.order_id]
        touched = bool(repriced & taken([each]).keys())
        if isinstance(result, Exception):
            assert each.order_id not in shelf.rows or fate == "stands", "it failed, so nothing is written"
            if isinstance(result, ClientError):
                assert fate == "monster", "DynamoDB objects to another order"
            else:
                assert isinstance(result, Retry)
                assert shelf.busy or touched
            continue
        assert result == shelf.rows[each.order_id]
        assert fate != "monster"
        assert not touched or fate == "stands", "its price is not the one the order was checked against"
        if fate == "stands":
            assert result is before[each.order_id]
        elif result != each:
            assert result == each.reject(Reason.OUT_OF_STOCK)
            assert not shelf.suffices(each)
    mine = [row for order_id, row in shelf.rows.items() if order_id not in before]
    assert Counter(taken(mine)) + Counter(shelf.quantity) == Counter(quantity)


# ── a batch ──────────────────────────────────────────────────────────────────────────────────────────────


def placed(order_id: str, lines: Mapping[str, int], flaw: str) -> Fact:
    amount = sum(CATALOGUE[item_id].price * quantity for item_id, quantity in lines.items())
    data = {
        "orderId": order_id,
        "placedAt": iso(NOON - RESERVATION_WINDOW - timedelta(seconds=1)) if flaw == "too old" else PLACED,
        "items": [{"itemId": item_id, "quantity": quantity} for item_id, quantity in lines.items()],
        "amount": amount + (flaw == "amount"),
        "currency": "USD",
    }
    if flaw == "poison":
        data["items"] = []
    return new_fact("orders.service", "OrderPlaced", data, occurred_at=PLACED)


@quick
@given(
    shelves,
    st.lists(
        st.tuples(
            st.integers(0, 9),
            few_lines,
            st.sampled_from(["", "", "", "poison", "amount", "too old"]),
        ),
        max_size=20,
        unique_by=lambda drawn: drawn[0],
    ),
    st.frozensets(st.integers(1, 6), max_size=2),
)
def test_each_fact_of_a_batch_has_the_answer_to_its_own_order(
    quantity: dict[str, int], drawn: list[tuple[int, dict[str, int], str]], busy: frozenset[int]
) -> None:
    shelf: Any = Shelf(dict(quantity), busy=busy)
    facts = [placed(f"order-{number}", lines, flaw) for number, lines, flaw in drawn]
    results = Inventory(shelf, clock=lambda: NOON).reserve(facts)
    counted()
    assert len(results) == len(facts)
    for fact, result, (_, _, flaw) in zip(facts, results, drawn, strict=True):
        if isinstance(result, Exception):
            assert isinstance(result, Poison if flaw == "poison" else Retry)
            continue
        [told] = result
        row = shelf.rows[fact.order_id]
        assert (told.order_id, told.causation_id) == (fact.order_id, fact.event_id)
        assert flaw != "poison"
        if flaw == "too old":
            assert (told.detail_type, row.state) == ("StockReleased", State.RELEASED)
        else:
            assert told.data["stockConfirmed"] is (row.state is State.RESERVED)
            assert told.data.get("reason") == row.reason
            assert (row.reason is Reason.AMOUNT_MISMATCH) is (flaw == "amount")
