"""DynamoDB's typed values to and from plain Python."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from botocore.exceptions import ClientError
from hypothesis import given
from hypothesis import strategies as st

from ecom_common.rows import from_item, refused, row_in, to_item

text = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)
values: Any = st.recursive(
    st.binary(max_size=20) | st.booleans() | st.integers(-(10**37), 10**37) | text,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(text, inner, max_size=4),
    max_leaves=12,
)


@given(st.dictionaries(text, values, max_size=5))
def test_a_row_is_read_back_as_it_was_written(row: dict[str, Any]) -> None:
    back = from_item(to_item(row))
    assert back == row
    assert "Decimal" not in repr(back)


def test_what_is_none_is_not_written() -> None:
    assert to_item({"a": None, "b": 0, "c": "", "d": False}) == {
        "b": {"N": "0"},
        "c": {"S": ""},
        "d": {"BOOL": False},
    }


def test_a_fraction_somebody_put_there_is_not_cut_down() -> None:
    """12.50 read as 12 would be another price."""
    assert from_item({"price": {"N": "12.5"}}) == {"price": Decimal("12.5")}
    [whole] = from_item({"price": {"N": "12.0"}}).values()
    assert (whole, type(whole)) == (12, int)


def error(code: str, item: Any = None) -> ClientError:
    response: Any = {"Error": {"Code": code}} | ({"Item": item} if item else {})
    return ClientError(response, "PutItem")


def test_a_refused_condition_is_an_answer() -> None:
    assert refused(error("ConditionalCheckFailedException"))
    assert not refused(error("TransactionConflictException"))


def test_the_row_that_stood_in_the_way_is_in_the_error() -> None:
    assert row_in(error("ConditionalCheckFailedException", {"n": {"N": "5"}})) == {"n": 5}
    assert row_in(error("ConditionalCheckFailedException")) is None
