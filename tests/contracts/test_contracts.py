"""Producers keep their schemas; consumers can read what producers say; the rules carry it to them."""

from __future__ import annotations

import copy
import json
from typing import Any

import jsonschema
import pytest

from contracts.facts import CONSUMERS, READERS, Kind, Said, carried_to, examples, matches, published, schemas
from ecom_common.errors import Poison
from ecom_common.facts import received

SCHEMAS = schemas()
EVERYTHING = [*examples(), *published()]


def validator(kind: Kind) -> jsonschema.Draft202012Validator:
    return jsonschema.Draft202012Validator(SCHEMAS[kind])


def flaws(kind: Kind, detail: Any) -> list[str]:
    """How a detail differs from the schema of its kind."""
    return [f"{error.json_path}: {error.message}" for error in validator(kind).iter_errors(detail)]


def read(queue: str, said: Said) -> None:
    """Read a fact as the function behind the queue does. Raises Poison."""
    READERS[queue, said.detail_type](received(json.dumps(said.event)))


def title_of(said: Said) -> str:
    return said.title


def test_every_fact_has_a_schema_and_every_schema_a_fact() -> None:
    assert set(SCHEMAS) == set(CONSUMERS)
    assert {said.kind for said in published()} == set(CONSUMERS)


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind[1])
def test_a_schema_is_valid_and_shows_an_example(kind: Kind) -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMAS[kind])
    assert SCHEMAS[kind].get("examples"), f"{kind[1]} has no example"


@pytest.mark.parametrize("said", EVERYTHING, ids=title_of)
def test_what_is_published_keeps_its_schema(said: Said) -> None:
    assert flaws(said.kind, said.detail) == []


@pytest.mark.parametrize("said", EVERYTHING, ids=title_of)
def test_whom_a_fact_is_carried_to_can_read_it(said: Said) -> None:
    queues = carried_to(said.event)

    assert queues <= CONSUMERS[said.kind]
    assert "OrderLifecycleQueue" in queues or said.source == "orders.service"
    for queue in queues:
        read(queue, said)


@pytest.mark.parametrize("said", EVERYTHING, ids=title_of)
def test_readers_ignore_what_they_do_not_know(said: Said) -> None:
    """A producer may add fields without asking."""
    detail = copy.deepcopy(dict(said.detail))
    detail["data"]["added"] = {"later": [1, None]}
    detail["metadata"]["added"] = "later"
    more = Said(said.source, said.detail_type, detail, said.title)

    for queue in carried_to(more.event):
        read(queue, more)


@pytest.mark.parametrize("kind", CONSUMERS, ids=lambda kind: kind[1])
def test_a_fact_reaches_all_its_consumers(kind: Kind) -> None:
    """Over its outcomes: only a paid order is shipped, only an unpaid one gives its stock back."""
    carried = [carried_to(said.event) for said in published() if said.kind == kind]

    assert set().union(*carried) == CONSUMERS[kind]


def test_outcomes_go_where_they_belong() -> None:
    by_title = {said.title: carried_to(said.event) - {"OrderLifecycleQueue"} for said in published()}

    assert by_title["stock: reserved"] == {"PaymentQueue"}
    assert by_title["stock: out_of_stock"] == set()
    assert by_title["payment: charged"] == {"ShippingQueue"}
    assert by_title["payment: declined"] == {"InventoryCompensationQueue"}
    assert by_title["payment: voided"] == {"InventoryCompensationQueue"}
    assert by_title["payment: refunded"] == {"InventoryCompensationQueue"}
    assert by_title["not shipped: cancelled"] == {"PaymentQueue"}
    assert by_title["shipped by dlq"] == set()


def test_the_same_fact_has_the_same_id_and_another_has_another() -> None:
    ids = {said.title: said.detail["metadata"]["eventId"] for said in published()}
    again = {said.title: said.detail["metadata"]["eventId"] for said in published()}

    assert ids == again
    different = {
        "stock: reserved", "stock: out_of_stock", "released: declined", "released: cancelled",
        "released: refunded", "payment: charged", "payment: declined", "payment: voided",
        "payment: refunded", "shipped by shipping", "not shipped: cancelled", "OrderPlaced",
        "cancel: customer", "cancel: timeout",
    }  # fmt: skip
    assert len({ids[title] for title in different}) == len(different)


# ----- that these checks can fail


@pytest.mark.parametrize("kind", SCHEMAS, ids=lambda kind: kind[1])
@pytest.mark.parametrize("part", ["metadata", "data"])
def test_a_schema_refuses_a_fact_without_what_it_requires(kind: Kind, part: str) -> None:
    required = SCHEMAS[kind]["properties"][part]["required"]
    good = SCHEMAS[kind]["examples"][0]

    for name in required:
        bad = copy.deepcopy(good)
        del bad[part][name]
        assert flaws(kind, bad), f"{kind[1]} without {part}.{name} would pass"
    assert {"orderId", "placedAt"} <= set(SCHEMAS[kind]["properties"]["data"]["required"])


@pytest.mark.parametrize(
    ("queue", "kind", "field"),
    [
        ("InventoryQueue", ("orders.service", "OrderPlaced"), "items"),
        ("InventoryQueue", ("orders.service", "OrderPlaced"), "amount"),
        ("InventoryQueue", ("orders.service", "OrderPlaced"), "currency"),
        ("PaymentQueue", ("inventory.service", "StockConfirmation"), "amount"),
        ("PaymentQueue", ("inventory.service", "StockConfirmation"), "currency"),
        ("PaymentQueue", ("inventory.service", "StockConfirmation"), "stockConfirmed"),
        ("PaymentQueue", ("shipping.service", "ShipmentFailed"), "placedAt"),
        ("InventoryCompensationQueue", ("payment.service", "PaymentConfirmation"), "outcome"),
        ("ShippingQueue", ("payment.service", "PaymentConfirmation"), "paymentConfirmed"),
        ("ShippingQueue", ("orders.service", "OrderCancelRequested"), "orderId"),
        ("OrderLifecycleQueue", ("inventory.service", "StockReleased"), "outcome"),
        ("OrderLifecycleQueue", ("inventory.service", "StockConfirmation"), "stockConfirmed"),
    ],
)
def test_a_consumer_stands_on_the_fields_that_the_producer_requires(
    queue: str, kind: Kind, field: str
) -> None:
    """Without the field the reader fails, so the schema must promise it wherever it is carried there."""
    said = next(said for said in published() if said.kind == kind and queue in carried_to(said.event))
    detail = copy.deepcopy(dict(said.detail))
    del detail["data"][field]

    with pytest.raises(Poison):
        read(queue, Said(*kind, detail, "without"))
    assert flaws(kind, detail), f"{kind[1]} may leave out {field}, which {queue} needs"


def test_the_matcher_tells_true_from_one() -> None:
    assert matches({"a": {"b": [True]}}, {"a": {"b": True}})
    assert not matches({"a": {"b": [True]}}, {"a": {"b": 1}})
    assert not matches({"a": {"b": [True]}}, {"a": {}})
    with pytest.raises(ValueError, match="exact values only"):
        matches({"a": [{"prefix": "x"}]}, {"a": "xy"})
