"""What holds for any order: whatever arrives and in what order, whatever is wished for, whenever swept."""

from __future__ import annotations

import itertools
import json
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from decimal import Decimal
from typing import Any

import pytest
from botocore.exceptions import ClientError
from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_common.facts import Fact, iso, new_fact
from ecom_common.rows import from_item, to_item
from ecom_testkit.telemetry import counted
from order_service import intake, model
from order_service.handlers import Lifecycle
from order_service.intake import Flaw, InvalidOrderError
from order_service.model import (
    CANCELLING,
    FORWARD,
    MAX_AMOUNT,
    MAX_QUANTITY,
    MINOR_DIGITS,
    MOVES,
    CancelReason,
    Limits,
    Line,
    Status,
    Sweep,
    Wish,
    merge,
    minor_units,
)
from order_service.store import Orders, _row, order_of

NOON = datetime(2026, 1, 31, 12, tzinfo=UTC)
LIMITS = Limits(timedelta(seconds=60), timedelta(seconds=900), timedelta(seconds=3600))
ORDER = "5b3c9a52-6d7e-5f4a-9a41-2f6f0d9ca9a9"

quick = settings(deadline=None, max_examples=100)


# ── ranks ────────────────────────────────────────────────────────────────────────────────────────────────


class Row:
    """One order's row, with as much of UpdateItem as `Orders.advance` asks of it."""

    def __init__(self) -> None:
        wish = Wish((Line("mug", 1),), 500, "USD")
        self.item = to_item(_row(model.place(wish, ORDER, "anna", NOON, LIMITS)))

    def update_item(self, **request: Any) -> dict[str, Any]:
        names, values = request["ExpressionAttributeNames"], request["ExpressionAttributeValues"]
        if not all(
            self._holds(part, names, values) for part in request["ConditionExpression"].split(" AND ")
        ):
            refusal: Any = {"Error": {"Code": "ConditionalCheckFailedException"}, "Item": self.item}
            raise ClientError(refusal, "UpdateItem")
        sets, _, removes = request["UpdateExpression"].removeprefix("SET ").partition(" REMOVE ")
        changed = dict(self.item)
        for assignment in re.split(r", (?![^(]*\))", sets):
            name, _, value = assignment.partition(" = ")
            if value == "list_append(timeline, :step)":
                changed[name] = {"L": self.item["timeline"]["L"] + values[":step"]["L"]}
            else:
                changed[names[name]] = values[value]
        for name in filter(None, removes.split(", ")):
            changed.pop(name, None)
        self.item = changed
        return {"Attributes": changed}

    def _holds(self, part: str, names: dict[str, str], values: dict[str, Any]) -> bool:
        if part == "attribute_exists(orderId)":
            return True
        name, sign, value = part.split(" ")
        mine, theirs = (int(each["N"]) for each in (self.item[names[name]], values[value]))
        return {"<": mine < theirs, "<=": mine <= theirs, "=": mine == theirs}[sign]


def fact(detail_type: str, outcome: str) -> Fact:
    """What the other services say, as `MOVES` names it."""
    data: dict[str, Any] = {"orderId": ORDER, "placedAt": iso(NOON)}
    if detail_type == "StockConfirmation":
        data["stockConfirmed"] = outcome == "reserved"
    elif detail_type == "PaymentConfirmation":
        data |= {"paymentConfirmed": outcome == "charged", "outcome": outcome}
    elif detail_type == "StockReleased":
        data["outcome"] = outcome
    return new_fact("any.service", detail_type, data, outcome=outcome, occurred_at=iso(NOON))


CANCEL = ("", "cancel")
FACTS = {name: fact(*name) for name in MOVES}
RANK = {CANCEL: CANCELLING.rank} | {name: move.rank for name, move in MOVES.items()}


def told(names: Sequence[tuple[str, str]]) -> model.Order:
    """The order after all of these, in this order. Its rank never falls on the way."""
    row: Any = Row()
    orders = Orders(row, "table")
    lifecycle = Lifecycle(orders, clock=lambda: NOON)
    order = order_of(from_item(row.item))
    for name in names:
        if name == CANCEL:
            notes = {"cancelReason": CancelReason.TIMEOUT.value}
            orders.advance(ORDER, CANCELLING, at=iso(NOON), now=NOON, notes=notes)
        else:
            assert lifecycle.follow(FACTS[name]) == []
        after = order_of(from_item(row.item))
        assert after.rank == max(order.rank, RANK[name])
        assert len(after.timeline) - len(order.timeline) == (after.rank > order.rank)
        assert after.status is after.timeline[-1].status
        assert after.closed is (after.open_shard is None) is (after.sweep_at is None)
        assert not order.closed or after == order, "a closed order changed"
        order = after
    counted()
    return order


RESERVED, REJECTED = ("StockConfirmation", "reserved"), ("StockConfirmation", "rejected")
CHARGED, DECLINED = ("PaymentConfirmation", "charged"), ("PaymentConfirmation", "declined")
VOIDED, REFUNDED = ("PaymentConfirmation", "cancelled"), ("PaymentRefunded", "")
CREATED, FAILED = ("ShipmentCreated", ""), ("ShipmentFailed", "")


def released(outcome: str) -> tuple[str, str]:
    return ("StockReleased", outcome)


LIVES = {
    # status at the end, and what led there: (what was surely said, what may have been said as well)
    "shipped": (Status.SHIPPED, [RESERVED, CHARGED, CREATED], [CANCEL]),
    "refused": (Status.OUT_OF_STOCK, [REJECTED], [CANCEL, FAILED, VOIDED]),
    "declined": (Status.PAYMENT_FAILED, [RESERVED, DECLINED, released("declined")], [CANCEL, FAILED]),
    "voided": (Status.CANCELLED, [FAILED, VOIDED, released("cancelled")], [CANCEL, RESERVED]),
    "too late": (Status.CANCELLED, [released("cancelled")], [CANCEL, FAILED, VOIDED]),
    "refunded": (
        Status.REFUNDED,
        [RESERVED, CHARGED, FAILED, REFUNDED, released("refunded")],
        [CANCEL],
    ),
}


@quick
@given(st.sampled_from(sorted(LIVES)), st.data())
def test_the_facts_of_one_life_lead_to_its_end_in_any_order_and_however_often(
    name: str, data: st.DataObject
) -> None:
    end, sure, maybe = LIVES[name]
    said = sure + data.draw(st.lists(st.sampled_from(maybe), unique=True))
    again = data.draw(st.lists(st.sampled_from(said), max_size=6))
    order = told(data.draw(st.permutations(said + again)))
    assert (order.status, order.closed) == (end, True)
    ranks = [RANK.get(each, 0) for each in said]
    assert order.rank == max(ranks) == 90
    assert ranks.count(90) == 1, "two ends to one life"


@quick
@given(st.lists(st.sampled_from(sorted(RANK)), max_size=12), st.randoms(use_true_random=False))
def test_even_facts_that_cannot_be_true_together_lead_to_one_rank(
    names: list[tuple[str, str]], rng: Any
) -> None:
    shuffled = rng.sample(names, len(names))
    one, other = told(names), told(shuffled)
    assert one.rank == other.rank == max([10, *(RANK[name] for name in names)])
    assert one.closed == other.closed
    turned = [order for order in (one, other) if order.rank >= CANCELLING.rank and order.status in FORWARD]
    assert not turned, "an order on its way back shows a status of the way forward"


# ── money ────────────────────────────────────────────────────────────────────────────────────────────────

currencies = st.sampled_from(sorted(MINOR_DIGITS))


@quick
@given(
    currencies,
    st.integers(0, 10**11),
    st.text("0123456789", max_size=3),
    st.sampled_from([0, 0, 0, 1, 2, 40]),
    st.sampled_from(["", "", "1"]),
)
def test_a_written_amount_is_its_digits_or_refused(
    currency: str, whole: int, decimals: str, zeros: int, last: str
) -> None:
    """Against arithmetic on the text: the point moves right, and only noughts may be left behind it."""
    decimals = f"{decimals}{'0' * zeros}{last}"
    written = f"{whole}.{decimals}" if decimals else str(whole)
    digits = 0 if currency in ("JPY", "KRW") else 2
    padded = decimals.ljust(digits, "0")
    minor = int(f"{whole}{padded[:digits]}")
    if padded[digits:].strip("0") or not 0 < minor <= MAX_AMOUNT:
        with pytest.raises(ValueError, match=r"decimals of|must be above 0"):
            minor_units(Decimal(written), currency)
    else:
        assert minor_units(Decimal(written), currency) == minor
        if "." not in written:
            assert minor_units(int(written), currency) == minor


@quick
@given(currencies, st.decimals(allow_nan=False, allow_infinity=False), st.decimals(0, 10**6, places=2))
def test_no_amount_is_rounded_and_none_changes_its_place(currency: str, wild: Decimal, tame: Decimal) -> None:
    exact = {amount: minor for amount in (wild, tame) if (minor := or_refused(amount, currency)) is not None}
    for amount, minor in exact.items():
        assert Decimal(minor).scaleb(-MINOR_DIGITS[currency]) == amount
        assert 0 < minor <= MAX_AMOUNT
        assert model.major_units(minor, currency) == amount
    if len(exact) == 2:
        assert (wild < tame) is (exact[wild] < exact[tame])


def or_refused(amount: Decimal, currency: str) -> int | None:
    try:
        return minor_units(amount, currency)
    except ValueError:
        return None


@quick
@given(currencies, st.integers(-5, 5))
def test_the_bounds_are_part_of_what_is_taken(currency: str, off: int) -> None:
    for edge, taken in ((0, off > 0), (MAX_AMOUNT, off <= 0)):
        amount = Decimal(edge + off).scaleb(-MINOR_DIGITS[currency])
        assert or_refused(amount, currency) == (edge + off if taken else None)


# ── intake ───────────────────────────────────────────────────────────────────────────────────────────────

item_ids = st.sampled_from(["mug", "lamp", "ITEM_ID-01", "a.b-c_D9", "x" * 64])
lines = st.builds(Line, item_ids, st.integers(1, 19))
numbers = st.from_regex(r"-?(0|[1-9]\d{0,14})(\.\d{1,40})?([eE][+-]?\d{1,12})?", fullmatch=True)


@quick
@given(st.lists(lines, max_size=50))
def test_merging_keeps_every_sum_and_who_was_named_first(wanted: list[Line]) -> None:
    merged = merge(wanted)
    sums: Counter[str] = Counter()
    for line in wanted:
        sums[line.item_id] += line.quantity
    assert {line.item_id: line.quantity for line in merged} == dict(sums)
    assert [line.item_id for line in merged] == list(dict.fromkeys(line.item_id for line in wanted))
    assert merge(merged) == merged


def written(line: Line) -> Any:
    return line.item_id if line.quantity == 1 else {"itemId": line.item_id, "quantity": line.quantity}


@quick
@given(st.lists(lines, min_size=1, max_size=50), st.integers(1, 10**10), currencies, st.randoms())
def test_a_good_order_is_taken_as_it_was_meant(
    wanted: list[Line], minor: int, currency: str, rng: Any
) -> None:
    amount = f"{model.major_units(minor, currency):f}"
    items = json.dumps([written(line) for line in wanted])
    body = f'{{"items": {items}, "amount": {amount}, "currency": "{currency}"}}'
    wish = intake.read(body.encode())
    assert wish == Wish(merge(wanted), minor, currency)
    shuffled = [written(line) for line in rng.sample(wanted, len(wanted))]
    other = f'{{"currency": "{currency}", "amount": {amount}, "items": {json.dumps(shuffled)}}}'
    assert intake.read(other.encode()).fingerprint == wish.fingerprint
    more = replace(wish, lines=(*wish.lines[1:], replace(wish.lines[0], quantity=1000)))
    for different in (more, replace(wish, amount=minor + 1), replace(wish, currency="XXX")):
        assert different.fingerprint != wish.fingerprint


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["itemId", "quantity", "a/b~c", "", "\ud800"]) | st.text(), inner, max_size=3
        )
    ),
    max_leaves=8,
)
items = st.lists(plain | item_ids | st.builds(written, lines), max_size=5)
big_lines = st.builds(Line, item_ids, st.sampled_from([1, 500, MAX_QUANTITY]))
good_lines = st.builds(written, big_lines)
odd_lines = st.fixed_dictionaries(
    {"itemId": item_ids, "quantity": st.booleans() | st.floats(0, 3) | st.integers(-1, 2)}
)
nearly = st.fixed_dictionaries(
    {
        "items": st.lists(good_lines, min_size=1, max_size=3)
        | st.lists(good_lines | odd_lines, min_size=1, max_size=4),
        "amount": st.integers(0, 99) | st.booleans(),
    },
    optional={"currency": currencies, "curency": currencies},
)
almost = st.fixed_dictionaries(
    {}, optional={"items": items | plain, "amount": plain, "currency": currencies | plain, "a~/b": plain}
)


@settings(quick, max_examples=200)
@given(almost | nearly, numbers, st.sampled_from([False, False, True]))
def test_whatever_is_sent_is_a_wish_within_the_limits_or_flaws_that_point_at_their_places(
    document: dict[str, Any], number: str, plain_amount: bool
) -> None:
    text = json.dumps(document)
    if plain_amount:
        document = {**document, "amount": 0}
        text = json.dumps(document).replace('"amount": 0', f'"amount": {number}', 1)
    wish = wish_or_flaws(text)
    if not isinstance(wish, Wish):
        assert 1 <= len(wish) <= intake.MAX_FLAWS
        assert all(flaw.detail and points_into(document, flaw.pointer) for flaw in wish)
        sent = document.get("items")
        said = {flaw.pointer for flaw in wish}
        for place, item in enumerate(sent if isinstance(sent, list) and said != {""} else []):
            assert isinstance(item, str | dict) or f"/items/{place}" in said, "not all is said at once"
        return
    assert all(type(line.quantity) is int and 1 <= line.quantity <= MAX_QUANTITY for line in wish.lines)
    assert all(intake.ITEM_ID.fullmatch(line.item_id) for line in wish.lines)
    assert len({line.item_id for line in wish.lines}) == len(wish.lines) > 0
    assert set(document) <= {"items", "amount", "currency"}, "a field nobody knows was dropped in silence"
    agreed = number if plain_amount else json.dumps(document["amount"])
    assert model.major_units(wish.amount, wish.currency) == Decimal(agreed)


def wish_or_flaws(text: str) -> Wish | tuple[Flaw, ...]:
    try:
        return intake.read(text.encode())
    except InvalidOrderError as error:
        return error.flaws


def points_into(document: Any, pointer: str) -> bool:
    """Whether a JSON Pointer (RFC 6901) names a place, or a field of an order or item that is missing."""
    *way, last = [token.replace("~1", "/").replace("~0", "~") for token in pointer.split("/")]
    for token in way[1:]:
        document = document[int(token)] if isinstance(document, list) else document[token]
    if not way:
        return True
    if isinstance(document, list):
        return int(last) < len(document)
    return last in document or last in ("items", "amount", "itemId", "quantity")


keys = st.from_regex(intake.IDEMPOTENCY_KEY, fullmatch=True)
owners = st.text(max_size=10) | st.text("a\n", max_size=4)


@quick
@given(owners, keys, owners, keys)
def test_no_owner_and_key_make_the_order_of_another(owner: str, key: str, other: str, second: str) -> None:
    same = (owner, key) == (other, second)
    assert (model.order_id(owner, key) == model.order_id(other, second)) is same
    for shift in range(len(key)):
        assert model.order_id(owner + key[:shift], key[shift:]) != model.order_id(owner, key) or shift == 0


# ── sweeps ───────────────────────────────────────────────────────────────────────────────────────────────

limits = st.builds(
    lambda resend, cancel, more: Limits(
        timedelta(seconds=resend), timedelta(seconds=cancel), timedelta(seconds=cancel + more)
    ),
    st.integers(1, 3600),
    st.integers(1, 4 * 3600),
    st.integers(1, 4 * 3600),
)
moments = st.integers(0, 999).map(lambda ms: NOON + timedelta(milliseconds=ms))


def an_order(placed: datetime, limits: Limits) -> model.Order:
    return model.place(Wish((Line("mug", 1),), 500, "USD"), ORDER, "anna", placed, limits)


@quick
@given(limits, moments)
def test_an_unmoved_order_is_cancelled_at_its_limit_and_shown_to_somebody_at_the_next(
    limits: Limits, placed: datetime
) -> None:
    """A sweeper that is never late, from the placing of an order on, and nothing ever moves it."""
    order = an_order(placed, limits)
    sweeps: list[tuple[Sweep, float]] = []
    last = placed.timestamp()
    while True:
        assert order.sweep_at is not None
        assert order.sweep_at > last, "a sweep in the past would come at once, again and again"
        last = order.sweep_at
        now = datetime.fromtimestamp(order.sweep_at, UTC)
        assert model.sweep(order, now - timedelta(milliseconds=1), limits) is None, "it is not due yet"
        todo = model.sweep(order, now, limits)
        assert todo is not None, "it is due"
        sweeps.append((todo, (now - placed).total_seconds()))
        if todo is Sweep.CANCEL:
            order = replace(order, status=CANCELLING.status, rank=CANCELLING.rank)
        next_at = model.next_sweep(order, now, limits)
        order = replace(order, sweep_at=next_at, sweeps=order.sweeps + 1)
        if model.is_late(order, now, limits):
            break
    [cancelled] = [age for todo, age in sweeps if todo is Sweep.CANCEL]
    assert [todo for todo, age in sweeps] == [
        Sweep.RESEND if age < cancelled else Sweep.CANCEL if age == cancelled else Sweep.REMIND
        for _, age in sweeps
    ]
    for age, limit in ((cancelled, limits.cancel_after), (sweeps[-1][1], limits.open_too_long)):
        assert 0 <= age - limit.total_seconds() < 1, "at the first whole second after its limit"
    pauses = [later - age for (_, age), (_, later) in itertools.pairwise(sweeps)]
    assert max(pauses, default=0) <= model.LONGEST_PAUSE.total_seconds() + 1


@quick
@given(
    limits,
    moments,
    st.sampled_from(sorted({10, *RANK.values()})),
    st.integers(0, 10**6),
    st.integers(0, 10**6),
    st.booleans(),
)
def test_the_next_sweep_is_ahead_and_past_no_limit_that_is(
    limits: Limits, placed: datetime, rank: int, seconds: int, sweeps: int, closed: bool
) -> None:
    order = replace(an_order(placed, limits), rank=rank, sweeps=sweeps, closed=closed)
    now = NOON + timedelta(seconds=seconds)
    at_ = model.next_sweep(order, now, limits)
    assert now.timestamp() < at_ <= (now + model.LONGEST_PAUSE).timestamp() + 1
    relevant = [limits.open_too_long] + ([limits.cancel_after] if rank < CANCELLING.rank else [])
    for limit in relevant:
        falls_due = (placed + limit).timestamp()
        assert falls_due <= now.timestamp() or at_ < falls_due + 1
    if sweeps:
        earlier = model.next_sweep(replace(order, sweeps=sweeps - 1), now, limits)
        assert earlier <= at_, "ever later"
    todo = model.sweep(order, now, limits)
    if closed or order.sweep_at is None or order.sweep_at > now.timestamp():
        assert todo is None
    elif rank >= CANCELLING.rank:
        assert todo is Sweep.REMIND, "what turned back is never sent forward again, nor cancelled twice"
    else:
        assert todo is (Sweep.CANCEL if now - placed >= limits.cancel_after else Sweep.RESEND)


@quick
@given(st.uuids().map(str), st.booleans())
def test_every_order_has_a_shard_that_is_swept(order_id: str, late: bool) -> None:
    assert model.shard(order_id, late=late) in model.shards(late=late)
    assert model.shard(order_id, late=late) not in model.shards(late=not late)
