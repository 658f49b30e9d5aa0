"""The facts orders publish are what their schemas promise."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from order_service import events, intake, model
from order_service.model import CancelReason, Status, Step

FOLDER = Path(__file__).parents[1] / "events"
SCHEMAS = {path.name: json.loads(path.read_text()) for path in FOLDER.glob("*.json")}
PLACED = SCHEMAS["OrderPlaced.v1.json"]
CANCEL = SCHEMAS["OrderCancelRequested.v1.json"]
TURNED = Step(Status.CANCELLING, "2026-01-31T12:00:04.250Z")


def check(schema: Any, detail: Any) -> None:
    Draft202012Validator(schema, format_checker=Draft202012Validator.FORMAT_CHECKER).validate(detail)


@pytest.mark.parametrize("name", SCHEMAS)
def test_schemas_are_schemas_and_hold_for_their_example(name: str) -> None:
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    [example] = schema["examples"]
    check(schema, example)
    assert schema["$id"].endswith(f"/{events.SOURCE}/{name}")


@pytest.mark.parametrize("name", SCHEMAS)
def test_a_later_version_may_add_fields_but_drop_none(name: str) -> None:
    schema = SCHEMAS[name]
    example = json.loads(json.dumps(schema["examples"][0]))
    for part in ("metadata", "data"):
        example[part]["new"] = {"any": 1}
    check(schema, example)
    for part in ("metadata", "data"):
        for field in schema["properties"][part]["required"]:
            less = json.loads(json.dumps(example))
            del less[part][field]
            assert not Draft202012Validator(schema).is_valid(less), field


def test_the_examples_are_what_the_code_publishes(placed: Any) -> None:
    assert events.order_placed(placed()).detail() == PLACED["examples"][0]
    cancelled = placed(cancel_reason=CancelReason.CUSTOMER)
    cancelled = placed(cancel_reason=CancelReason.CUSTOMER, timeline=(*cancelled.timeline, TURNED))
    assert events.cancel_requested(cancelled).detail() == CANCEL["examples"][0]


@pytest.mark.parametrize("reason", [None, *CancelReason])
def test_every_cancel_holds_the_schema(placed: Any, reason: CancelReason | None) -> None:
    fact = events.cancel_requested(placed(cancel_reason=reason, timeline=(TURNED,)))
    check(CANCEL, fact.detail())
    assert fact.source == events.SOURCE


_ids = st.from_regex(intake.ITEM_ID, fullmatch=True)
_lines = st.fixed_dictionaries({"itemId": _ids, "quantity": st.integers(1, 19)})
_items = st.lists(_ids | _lines, min_size=1, max_size=50)


@given(_items, st.integers(1, 10**10), st.sampled_from(sorted(model.MINOR_DIGITS)))
def test_whatever_intake_takes_holds_the_schema(items: Any, amount: int, currency: str) -> None:
    from datetime import UTC, datetime, timedelta

    wish = intake.read(json.dumps({"items": items, "amount": amount, "currency": currency}).encode())
    minute = timedelta(minutes=1)
    limits = model.Limits(minute, minute, minute)
    order = model.place(wish, model.order_id("anna", "k1"), "anna", datetime.now(UTC), limits)
    check(PLACED, events.order_placed(order).detail())


def test_an_order_that_did_not_turn_back_has_no_cancel(placed: Any) -> None:
    with pytest.raises(ValueError, match="has not turned back"):
        events.cancel_requested(placed())
