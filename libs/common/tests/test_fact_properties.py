"""What holds for any fact and any failed record: names that tell apart, times that sort, waits that end."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta, timezone
from uuid import UUID

from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_common.facts import fact_id, iso, new_fact, parse_iso
from ecom_common.queues import LONGEST_DELAY, delay
from ecom_common.retention import expires_at

quick = settings(deadline=None, max_examples=150)

# Alike in the first half, in the second or in both but the last digit.
halves = st.integers(0, 3)
order_ids = st.builds(lambda first, second: str(UUID(int=(first << 64) + second)), halves, halves)
words = st.text("abcXYZ_", max_size=3)
names = st.tuples(order_ids, words, words)
zones = st.integers(-14 * 60, 14 * 60).map(lambda minutes: timezone(timedelta(minutes=minutes)))
moments = st.datetimes(datetime(1000, 1, 2), datetime(9999, 12, 30), timezones=zones)  # noqa: DTZ001


@quick
@given(order_ids, st.lists(st.tuples(words, words), min_size=2, max_size=6))
def test_facts_of_an_order_have_the_same_id_only_if_type_and_outcome_are_the_same(
    order_id: str, drawn: list[tuple[str, str]]
) -> None:
    ids = {fact_id(order_id, detail_type, outcome) for detail_type, outcome in drawn}
    assert len(ids) == len(set(drawn))


@quick
@given(names, names)
def test_orders_never_share_a_fact(one: tuple[str, str, str], other: tuple[str, str, str]) -> None:
    assert (fact_id(*one) == fact_id(*other)) is (one == other)


@quick
@given(names, moments, moments, st.none() | words)
def test_an_id_knows_nothing_but_order_type_and_outcome(
    name: tuple[str, str, str], at: datetime, again: datetime, cause: str | None
) -> None:
    order_id, detail_type, outcome = name
    first = new_fact("a", detail_type, {"orderId": order_id}, outcome=outcome, occurred_at=iso(at))
    more = {"orderId": order_id, "more": 1}
    second = new_fact("b", detail_type, more, outcome=outcome, occurred_at=iso(again), causation_id=cause)
    assert first.event_id == second.event_id == fact_id(*name)


@quick
@given(moments, moments)
def test_times_sort_as_texts_the_way_they_sort_as_times(one: datetime, other: datetime) -> None:
    early, late = sorted((one, other))
    assert iso(early) <= iso(late)
    if late - early >= timedelta(milliseconds=1):
        assert iso(early) < iso(late)


@quick
@given(moments)
def test_a_time_is_read_back_to_the_millisecond_and_never_younger(moment: datetime) -> None:
    read = parse_iso(iso(moment))
    assert timedelta(0) <= moment - read < timedelta(milliseconds=1)
    assert read.utcoffset() == timedelta(0)
    assert iso(read) == iso(moment)
    assert len(iso(moment)) == len("2026-01-31T12:00:00.000Z"), "or it would not sort"


@quick
@given(st.datetimes(datetime(2000, 1, 1), datetime(2100, 1, 1), timezones=st.just(UTC)))  # noqa: DTZ001
def test_a_row_lives_its_ninety_days_whatever_the_clock_of_the_order(moment: datetime) -> None:
    left = expires_at(moment) - moment.timestamp()
    assert 90 * 86_400 - 1 < left <= 90 * 86_400


@quick
@given(st.integers(1, 10_000), st.integers(0, 900), st.floats(0, 1, exclude_max=True))
def test_waits_grow_with_the_attempt_and_end_at_the_longest(attempt: int, base: int, jitter: float) -> None:
    now, later = (delay(number, base, lambda: jitter) for number in (attempt, attempt + 1))
    assert 0 <= now <= later <= LONGEST_DELAY
    assert now >= min(base, LONGEST_DELAY) // 2
    assert type(now) is int, "SQS takes no fraction"
