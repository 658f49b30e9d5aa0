"""The envelope: what is written is read back; whatever else arrives is poison, and nothing but poison."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime, timedelta, timezone
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ecom_common.errors import Poison
from ecom_common.facts import MAX_WHOLE, Fact, fact_id, iso, new_fact, parse_iso, received
from ecom_testkit import sqs_record

MOMENT = "2026-01-31T12:00:00.000Z"

Change = Callable[[dict[str, Any]], object]


def body(**data: Any) -> dict[str, Any]:
    return {
        "version": "0",
        "id": "delivery",
        "source": "orders.service",
        "detail-type": "OrderPlaced",
        "detail": {
            "metadata": {"eventId": "event", "schemaVersion": 1, "occurredAt": MOMENT},
            "data": {"orderId": "order", "placedAt": MOMENT} | data,
        },
    }


plain = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(max_size=8),
    lambda inner: (
        st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=8), inner.filter(bool), max_size=3)
    ),
    max_leaves=8,
)
text = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=50)


class TestRoundTrip:
    @given(
        order_id=text,
        detail_type=text,
        outcome=text,
        causation=st.none() | text,
        extra=st.dictionaries(text, st.integers() | text | st.booleans(), max_size=3),
    )
    def test_a_published_fact_is_read_back_as_it_was(
        self, order_id: str, detail_type: str, outcome: str, causation: str | None, extra: dict[str, Any]
    ) -> None:
        fact = new_fact(
            "orders.service",
            detail_type,
            extra | {"orderId": order_id, "placedAt": MOMENT},
            outcome=outcome,
            occurred_at=MOMENT,
            causation_id=causation,
        )
        assert received(sqs_record(fact)["body"]) == fact

    def test_what_is_not_known_is_left_out(self) -> None:
        fact = new_fact("s", "T", {"orderId": "1", "placedAt": MOMENT, "reason": None}, occurred_at=MOMENT)
        assert fact.detail() == {
            "metadata": {
                "eventId": fact.event_id,
                "schemaVersion": 1,
                "occurredAt": MOMENT,
                "correlationId": "1",
            },
            "data": {"orderId": "1", "placedAt": MOMENT},
        }

    def test_the_attempt_is_no_part_of_the_fact(self) -> None:
        first, second = (received(json.dumps(body()), attempt=attempt) for attempt in (1, 2))
        assert (first.attempt, second.attempt) == (1, 2)
        assert first == second
        assert "attempt" not in json.dumps(second.detail())


class TestIds:
    def test_the_same_fact_has_the_same_id_for_ever(self) -> None:
        """A change of this id would make every duplicate in flight look new."""
        assert fact_id("order", "PaymentConfirmation", "charged") == "363eaa56-67a2-5f3a-a919-c21255ff223a"

    def test_order_type_and_outcome_tell_facts_apart(self) -> None:
        ids = {
            fact_id("a", "T", "x"),
            fact_id("b", "T", "x"),
            fact_id("a", "U", "x"),
            fact_id("a", "T", "y"),
            fact_id("a", "T"),
        }
        assert len(ids) == 5

    def test_nothing_else_does(self) -> None:
        data = {"orderId": "1", "placedAt": MOMENT}
        early = new_fact("s", "T", data, occurred_at=MOMENT)
        late = new_fact("s", "T", data | {"more": 1}, occurred_at="2027-01-01T00:00:00Z", causation_id="c")
        assert early.event_id == late.event_id


class TestReading:
    def test_fields_nobody_asked_for_are_ignored(self) -> None:
        event = body(colour="green")
        event["new"] = {"deep": [1]}
        event["detail"]["new"] = 1
        event["detail"]["metadata"]["new"] = [None]
        fact = received(json.dumps(event))
        assert (fact.order_id, fact.event_id, fact.source) == ("order", "event", "orders.service")

    def test_characters_beyond_the_first_plane_are_text(self) -> None:
        assert received(json.dumps(body(orderId="\N{PACKAGE}"))).order_id == "\N{PACKAGE}"

    def test_another_schema_version_is_read_too(self) -> None:
        """What to do with it is for the worker to say."""
        event = body()
        event["detail"]["metadata"]["schemaVersion"] = 2
        assert received(json.dumps(event)).schema_version == 2

    @pytest.mark.parametrize(
        "text",
        [
            "",
            " ",
            "hello",
            "{",
            '{"detail"',
            "null",
            "true",
            "0",
            '"text"',
            "[]",
            "{}",
            "[1,2]",
            "NaN",
            "\x00",
            "1" * 5000,  # more digits than Python reads
            "[" * 100_000,
            '{"detail":' * 100_000,
            '{"a":' + "[" * 900 + "]" * 900 + "}",
        ],
        ids=lambda text: f"{text[:12]!r}x{len(text)}",
    )
    def test_what_is_not_an_event_is_poison(self, text: str) -> None:
        with pytest.raises(Poison):
            received(text)

    @pytest.mark.parametrize(
        "change",
        [
            lambda event: event.pop("source"),
            lambda event: event.pop("detail-type"),
            lambda event: event.pop("detail"),
            lambda event: event.update(source=""),
            lambda event: event.update({"detail-type": 7}),
            lambda event: event.update(detail=[]),
            lambda event: event.update(detail="text"),
            lambda event: event["detail"].pop("metadata"),
            lambda event: event["detail"].pop("data"),
            lambda event: event["detail"].update(data=[{"orderId": "1"}]),
            lambda event: event["detail"]["metadata"].pop("eventId"),
            lambda event: event["detail"]["metadata"].update(eventId=1),
            lambda event: event["detail"]["metadata"].update(eventId=""),
            # Named as the cause of what follows, it would make a whole PutEvents call too large.
            lambda event: event["detail"]["metadata"].update(eventId="x" * 1025),
            lambda event: event["detail"]["metadata"].pop("occurredAt"),
            lambda event: event["detail"]["metadata"].pop("schemaVersion"),
            lambda event: event["detail"]["metadata"].update(schemaVersion="1"),
            lambda event: event["detail"]["metadata"].update(schemaVersion=True),
            lambda event: event["detail"]["metadata"].update(schemaVersion=1.0),
            lambda event: event["detail"]["data"].pop("orderId"),
            lambda event: event["detail"]["data"].update(orderId=""),
            lambda event: event["detail"]["data"].update(orderId=5),
            lambda event: event["detail"]["data"].update(orderId={"S": "1"}),
            lambda event: event["detail"]["data"].update(orderId="x" * 1025),
            lambda event: event["detail"]["data"].pop("placedAt"),
            lambda event: event["detail"]["data"].update(placedAt=1769860800),
            lambda event: event["detail"]["data"].update(placedAt="yesterday"),
            lambda event: event["detail"]["data"].update(placedAt="2026-01-31T12:00:00"),
            lambda event: event["detail"]["data"].update(placedAt="2026-01-31"),
            lambda event: event["detail"]["data"].update(placedAt="2026-13-31T12:00:00Z"),
            lambda event: event["detail"]["data"].update(placedAt="99999-01-31T12:00:00Z"),
            # Half a character: JSON can write it, no AWS service takes it.
            lambda event: event["detail"]["data"].update(orderId="\ud800"),
            lambda event: event["detail"]["data"].update(items=[{"itemId": "\udfff"}]),
        ],
    )
    def test_an_event_with_a_part_missing_or_wrong_is_poison(self, change: Change) -> None:
        event = body()
        change(event)
        with pytest.raises(Poison):
            received(json.dumps(event))

    @given(plain)
    def test_any_json_is_a_fact_or_poison(self, value: Any) -> None:
        with pytest.raises(Poison):
            received(json.dumps(value))
        for spot in ("detail", "source"):
            with pytest.raises(Poison):
                received(json.dumps(body() | {spot: value if not isinstance(value, str) else None}))
        assert received(json.dumps(body(anything=value))).order_id == "order"

    def test_the_reason_says_what_is_wrong_and_quotes_nothing(self) -> None:
        with pytest.raises(Poison) as poison:
            received(json.dumps(body(placedAt="Jane Doe, 12 High Street")))
        assert str(poison.value) == "data.placedAt is not a time with a zone"

    @pytest.mark.parametrize("missing", ["orderId", "placedAt"])
    def test_not_even_its_type(self, missing: str) -> None:
        """Before a type is known to be one of ours, it is a text of somebody's; and reasons are logged."""
        stray = {**body(**{missing: None}), "detail-type": "anna@example.org"}
        with pytest.raises(Poison, match=f"data has no {missing}") as poison:
            received(json.dumps(stray))
        assert "anna" not in str(poison.value)


class TestFields:
    def fact(self, **data: Any) -> Fact:
        return received(json.dumps(body(**data)))

    @pytest.mark.parametrize("value", [None, "", 1, True, ["x"], "x" * 1025])
    def test_a_text_is_a_text(self, value: Any) -> None:
        with pytest.raises(Poison, match=r"OrderPlaced\.reason"):
            self.fact(reason=value).text("reason")

    @pytest.mark.parametrize(
        "value", [None, "1", 1.0, True, -1, MAX_WHOLE + 1, 10**4000, [1], float("nan"), float("inf")]
    )
    def test_a_whole_number_is_a_whole_number(self, value: Any) -> None:
        with pytest.raises(Poison, match=r"OrderPlaced\.amount"):
            self.fact(amount=value).whole("amount")

    @pytest.mark.parametrize("value", [None, "true", 0, 1])
    def test_a_flag_is_true_or_false(self, value: Any) -> None:
        with pytest.raises(Poison, match=r"OrderPlaced\.stockConfirmed"):
            self.fact(stockConfirmed=value).flag("stockConfirmed")

    def test_good_fields_are_given_out(self) -> None:
        fact = self.fact(reason="x" * 1024, amount=MAX_WHOLE, free=0, stockConfirmed=False)
        assert fact.text("reason") == "x" * 1024
        assert (fact.whole("amount"), fact.whole("free")) == (MAX_WHOLE, 0)
        assert fact.flag("stockConfirmed") is False

    def test_a_field_that_is_not_there_is_poison(self) -> None:
        for read in (Fact.text, Fact.whole, Fact.flag):
            with pytest.raises(Poison):
                read(self.fact(), "nowhere")


class TestTime:
    @given(
        st.integers(0, 2**32).map(lambda ms: datetime(2026, 1, 1, tzinfo=UTC) + timedelta(milliseconds=ms))
    )
    def test_times_are_read_back_to_the_millisecond(self, moment: datetime) -> None:
        assert parse_iso(iso(moment)) == moment

    def test_text_sorts_as_time_does(self) -> None:
        early = datetime(2026, 1, 1, 0, 30, tzinfo=timezone(timedelta(hours=2)))
        late = datetime(2025, 12, 31, 23, 0, tzinfo=UTC)
        assert early < late
        assert iso(early) < iso(late)
        assert iso(late) == "2025-12-31T23:00:00.000Z"

    def test_age_is_counted_from_the_order_not_the_fact(self) -> None:
        fact = new_fact(
            "s", "T", {"orderId": "1", "placedAt": MOMENT}, occurred_at="2026-03-01T00:00:00.000Z"
        )
        assert fact.age(datetime(2026, 1, 31, 13, tzinfo=UTC)) == timedelta(hours=1)
