"""What a stage would refuse: who needs what of whom, in words."""

from __future__ import annotations

from typing import Any

import pytest

from ecom_cli.contracts import Contract, Kind, Reading, misfits, unheard
from ecom_cli.contracts.widths import UNKNOWN, Width, width

STOCK = Kind("inventory.service", "StockConfirmation", 1)


def data(required: list[str], **fields: Any) -> dict[str, Any]:
    inner = {"type": "object", "required": required, "properties": fields}
    return {"type": "object", "required": ["data"], "properties": {"data": inner}}


TOTALS = {"type": "object", "required": ["amount"], "properties": {"amount": {"type": "integer"}}}
PUBLISHED = data(["ok", "amount"], ok={"type": "boolean"}, amount={"type": "integer", "minimum": 0})


def inventory(schema: Any = PUBLISHED, version: str = "1.0.0") -> Contract:
    return Contract("inventory-service", version, publishes={STOCK: schema})


def payment(schema: Any, *patterns: Any, kind: Kind = STOCK) -> Contract:
    return Contract("payment-service", "1.3.0", reads={kind: Reading(schema, patterns or ({},))})


def fit(*contracts: Contract, exports: tuple[str, ...] = ()) -> list[str]:
    return misfits({contract.dist: contract for contract in contracts}, exports)


def test_what_is_read_is_published() -> None:
    assert fit(inventory(), payment(data(["amount"], amount={"type": "integer"}))) == []


@pytest.mark.parametrize(
    ("reads", "sentence"),
    [
        (
            data(["totals"], totals=TOTALS),
            "reads `data.totals` of StockConfirmation v1, which inventory-service 1.0.0 on this stage does "
            "not publish.",
        ),
        (
            data([], totals={"type": "object"}),
            "reads `data.totals` of StockConfirmation v1, which inventory-service 1.0.0 on this stage does "
            "not publish.",
        ),
        (
            data(["amount"], amount={"type": "string"}),
            "reads `data.amount` of StockConfirmation v1, which inventory-service 1.0.0 on this stage may "
            "publish as what it cannot read: it may be a number.",
        ),
        (
            data(["amount"], amount={"type": "integer", "minimum": 1}),
            "reads `data.amount` of StockConfirmation v1, which inventory-service 1.0.0 on this stage may "
            "publish as what it cannot read: it may be less than 1.",
        ),
        (
            data(["ok"], ok={"const": True}),
            "reads `data.ok` of StockConfirmation v1, which inventory-service 1.0.0 on this stage may "
            "publish as what it cannot read: it may be false.",
        ),
    ],
)
def test_what_is_read_and_not_published_is_said(reads: Any, sentence: str) -> None:
    assert fit(inventory(), payment(reads)) == [f"payment-service 1.3.0 {sentence}"]


def test_a_field_of_a_field_is_named_in_full() -> None:
    publishes = data(["totals"], totals={"type": "object", "properties": {"tax": {"type": "integer"}}})

    assert fit(inventory(publishes), payment(data(["totals"], totals=TOTALS))) == [
        "payment-service 1.3.0 reads `data.totals.amount` of StockConfirmation v1, which inventory-service "
        "1.0.0 on this stage does not publish."
    ]


def test_a_field_that_is_there_at_times_only_is_said() -> None:
    publishes = data(["ok"], ok={"type": "boolean"}, amount={"type": "integer"})

    assert fit(inventory(publishes, "1.1.0"), payment(data(["amount"], amount={"type": "integer"}))) == [
        "payment-service 1.3.0 reads `data.amount` of StockConfirmation v1, which inventory-service 1.1.0 on "
        "this stage does not always publish."
    ]


def test_only_what_the_rules_carry_has_to_be_readable() -> None:
    reads = data(["ok"], ok={"const": True})

    assert fit(inventory(), payment(reads, {"data": {"ok": [True]}})) == []
    assert len(fit(inventory(), payment(reads, {"data": {"ok": [True]}}, {"data": {"ok": [False]}}))) == 1


@pytest.mark.parametrize(
    "pattern",
    [
        {"data": {"ok": [{"exists": True}]}},
        {"data": {"ok": [True, {"prefix": "t"}]}},
        {"$or": [{"data": {"ok": [True]}}, {"data": {"ok": [True]}}]},
    ],
)
def test_a_pattern_that_is_not_understood_lets_everything_through(pattern: Any) -> None:
    assert fit(inventory(), payment(data(["amount"], amount={"type": "integer"}), pattern)) == []
    assert len(fit(inventory(), payment(data(["ok"], ok={"const": True}), pattern))) == 1


def test_a_pattern_finds_one_element_of_a_list() -> None:
    publishes = data(["tags"], tags={"type": "array", "items": {"type": "string"}})

    assert (
        fit(inventory(publishes), payment(data(["tags"], tags={"type": "array"}), {"data": {"tags": ["a"]}}))
        == []
    )
    assert (
        len(fit(inventory(publishes), payment(data([], tags={"const": "a"}), {"data": {"tags": ["a"]}}))) == 1
    )


def test_what_no_rule_is_known_for_has_to_be_readable_all_the_same() -> None:
    reader = Contract("payment-service", "1.3.0", reads={STOCK: Reading(data(["totals"], totals={}), ())})

    assert len(fit(inventory(), reader)) == 1


def test_a_rule_that_waits_in_vain_is_said() -> None:
    publishes = data(["ok"], ok={"const": False})

    assert fit(inventory(publishes), payment(data(["ok"], ok={}), {"data": {"ok": [True]}})) == [
        "payment-service 1.3.0 waits for a StockConfirmation v1 that inventory-service 1.0.0 on this stage "
        "never publishes."
    ]
    assert fit(inventory(data([], amount={})), payment(data([], ok={}), {"data": {"ok": [True]}})) == [
        "payment-service 1.3.0 reads `data.ok` of StockConfirmation v1, which inventory-service 1.0.0 on "
        "this stage does not publish."
    ]


def test_another_version_is_not_this_one() -> None:
    newer = Kind("inventory.service", "StockConfirmation", 2)

    assert fit(inventory(), payment(data([]), kind=newer)) == [
        "payment-service 1.3.0 reads StockConfirmation v2, which inventory-service 1.0.0 on this stage does "
        "not publish."
    ]


def test_a_publisher_that_is_not_there_is_worth_a_word_and_no_refusal() -> None:
    reader = payment(data(["amount"], amount={}))

    assert fit(reader) == []
    assert unheard({"payment-service": reader}) == [
        "payment-service 1.3.0 reads StockConfirmation v1 of inventory.service, which is not on this stage "
        "yet."
    ]
    assert unheard({"payment-service": reader, "inventory-service": inventory()}) == []


def test_a_schema_that_cannot_be_judged_does_not_fit() -> None:
    odd = data(["amount"], amount={"type": "integer", "multipleOf": 5})

    (line,) = fit(inventory(odd), payment(data(["amount"], amount={"type": "integer"})))
    assert line.startswith(
        "payment-service 1.3.0 may not be able to read StockConfirmation v1 of inventory-service"
    )
    assert "multipleOf" in line


def test_imports_are_exports() -> None:
    base = Contract("base-infra", "1.0.0", exports=("KmsKeyArn",))
    service = Contract("payment-service", "1.3.0", imports=("EventBusName", "KmsKeyArn"))

    assert fit(base, service) == [
        "payment-service 1.3.0 imports EventBusName, which nothing on this stage exports."
    ]
    assert fit(base, service, exports=("EventBusName",)) == []


@pytest.mark.parametrize(
    ("pattern", "lengths"),
    [
        ("^[0-9a-f]{8}-[0-9a-f]{4}$", Width(13, 13)),
        (r"^\d{4}-\d{2}\.\d{3}Z$", Width(12, 12)),
        ("^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$", Width(1, 64)),
        ("^a?b*$", Width(0, None)),
        ("^a+$", Width(1, None)),
        ("^[ab]{2,}$", Width(2, None)),
        ("^$", Width(0, 0)),
        ("abc", UNKNOWN),
        ("^abc", UNKNOWN),
        (r"^abc\$", UNKNOWN),
        (r"^abc\\$", Width(4, 4)),
        ("^(ab|c)$", UNKNOWN),
        ("^a|b$", UNKNOWN),
        ("^[^]]$", UNKNOWN),
        (r"^\bab$", UNKNOWN),
    ],
)
def test_how_long_a_text_is_that_a_pattern_matches(pattern: str, lengths: Width) -> None:
    assert width(pattern) == lengths
