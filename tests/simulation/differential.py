"""The tables of the simulation beside another DynamoDB: the same calls on both, answers and errors compared.

`Twin` is a client on both at once; what calls it is in `experiments`, `inventor` and `cases`. Where the other
differs from AWS, the test that knows of it says so by name: see `Deviation`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from botocore.exceptions import ClientError

from simulation.attribute_values import InvalidError, Item, canonical
from simulation.cases import ROW, THINGS, Case, request_of, typed
from simulation.tables import Database, IndexSpec, TableSpec

INCOMPARABLE = ("ResponseMetadata", "ConsumedCapacity", "ItemCollectionMetrics", "LastEvaluatedKey")
"""Parts of an answer that are not asked for, or that may differ: where a page ends on the last row, there may
or may not be said to be another."""

BUGS = (AssertionError, ValueError, TypeError, KeyError, AttributeError, IndexError)
BROKEN = "it broke"

Answer = tuple[str, Any]
"""("", what came back) or (error code, what came with it)."""


class Call(NamedTuple):
    """A request, and what became of it here and there."""

    operation: str
    request: Mapping[str, Any]
    ours: Answer
    theirs: Answer
    our_rows: list[Item | None]
    their_rows: list[Item | None]
    """What a write leaves."""


class Deviation(NamedTuple):
    """Something that the other implementation does otherwise than AWS."""

    name: str
    recognised: Callable[[Call], bool]


def specs(prefix: str) -> dict[str, TableSpec]:
    """The tables of the services, by short name."""
    types = {"openShard": "S", "sweepAt": "N", "owner": "S", "placedAt": "S"}
    indexes = {
        "open": IndexSpec("openShard", "sweepAt", "KEYS_ONLY"),
        "byOwner": IndexSpec("owner", "placedAt", "KEYS_ONLY"),
    }
    return {
        "orders": TableSpec(f"{prefix}-orders", "orderId", indexes, "expiresAt", types),
        "inventory": TableSpec(f"{prefix}-inventory", "pk", {}, "expiresAt"),
        "shipping": TableSpec(f"{prefix}-shipping", "orderId", {}, "expiresAt"),
    }


def create(client: Any, spec: TableSpec) -> None:
    """The same table over there."""
    attributes = {spec.key: "S", **spec.types}
    indexes = [
        {
            "IndexName": name,
            "KeySchema": _key_schema(index.hash, index.range),
            "Projection": {"ProjectionType": index.projected},
        }
        for name, index in spec.indexes.items()
    ]
    client.create_table(
        TableName=spec.name,
        BillingMode="PAY_PER_REQUEST",
        KeySchema=_key_schema(spec.key, None),
        AttributeDefinitions=[
            {"AttributeName": name, "AttributeType": kind} for name, kind in attributes.items()
        ],
        **({"GlobalSecondaryIndexes": indexes} if indexes else {}),
    )


def _key_schema(hash_key: str, range_key: str | None) -> list[dict[str, str]]:
    keys = [{"AttributeName": hash_key, "KeyType": "HASH"}]
    return keys if range_key is None else [*keys, {"AttributeName": range_key, "KeyType": "RANGE"}]


@dataclass
class Twin:
    """A DynamoDB client that makes each call here and there. Its answers are ours.

    `differences` is what nobody has an explanation for, `met` the deviations seen.
    """

    database: Database
    other: Any
    deviations: tuple[Deviation, ...] = ()
    now: float = 1.8e9
    calls: int = 0
    differences: list[Call] = field(default_factory=list)
    met: dict[str, int] = field(default_factory=dict)

    def __getattr__(self, operation: str) -> Callable[..., Any]:
        if operation.startswith("_"):
            raise AttributeError(operation)
        return lambda **request: self.call(operation, request)

    def call(self, operation: str, request: Mapping[str, Any], token: str | None = None) -> Any:
        """Our answer. Raises our error."""
        self.calls += 1
        self.now += 0.01
        error: ClientError | None = None
        result: Any = None
        try:
            result = self.database.execute(operation, request, self.now, token)
            ours = "", _comparable(result)
        except ClientError as raised:
            error, ours = raised, _refusal(raised)
        theirs = self._theirs(operation, request, token)
        touched = self._written(operation, request)
        call = Call(operation, request, ours, theirs, *self._rows(touched))
        if call.ours != call.theirs or call.our_rows != call.their_rows:
            self._explain(call)
        if error is not None:
            raise error
        return result

    def _theirs(self, operation: str, request: Mapping[str, Any], token: str | None) -> Answer:
        extra = {} if token is None else {"ClientRequestToken": token}
        try:
            return "", _comparable(getattr(self.other, operation)(**request, **extra))
        except ClientError as raised:
            return _refusal(raised)
        except BUGS as broken:
            # an implementation in this very process
            return BROKEN, type(broken).__name__

    def _explain(self, call: Call) -> None:
        for deviation in self.deviations:
            if deviation.recognised(call):
                self.met[deviation.name] = self.met.get(deviation.name, 0) + 1
                break
        else:
            self.differences.append(call)
        for table, key in self._written(call.operation, call.request):
            self._make_alike(table, key)

    def _written(self, operation: str, request: Mapping[str, Any]) -> list[tuple[str, Item]]:
        """The rows that a call may write: their tables and keys."""
        parts = [request] if operation in ("put_item", "update_item", "delete_item") else []
        if operation == "transact_write_items":
            parts = [part for action in request["TransactItems"] for part in action.values()]
        keys = []
        for part in parts:
            item, table = part.get("Key") or part["Item"], self.database.tables.get(part["TableName"])
            if table is not None and "S" in item.get(table.key, {}) and item[table.key]["S"]:
                keys.append((table.name, {table.key: item[table.key]}))
        return keys

    def _rows(self, keys: list[tuple[str, Item]]) -> tuple[list[Item | None], list[Item | None]]:
        ours: list[Item | None] = []
        theirs: list[Item | None] = []
        for name, key in keys:
            table = self.database.tables[name]
            ours.append(table.rows.get(key[table.key]["S"]))
            row = self.other.get_item(TableName=name, Key=key, ConsistentRead=True).get("Item")
            theirs.append(None if row is None else _spelt(row))
        return ours, theirs

    def _make_alike(self, name: str, key: Item) -> None:
        """What follows is compared afresh: give them our row."""
        table = self.database.tables[name]
        row = table.rows.get(key[table.key]["S"])
        if row is not None:
            self.other.put_item(TableName=name, Item=row)
        else:
            self.other.delete_item(TableName=name, Key=key)

    def assert_alike(self) -> None:
        """Fails with the first difference that nobody can explain, or where rows differ in the end."""
        assert not self.differences, (len(self.differences), self.differences[0])
        ours, theirs = self.contents()
        assert ours == theirs

    def contents(self) -> tuple[dict[str, Any], dict[str, Any]]:
        """All rows by table and key, ours and theirs."""
        ours, theirs = {}, {}
        for name, table in self.database.tables.items():
            ours[name] = dict(table.sorted_rows())
            pages = self.other.get_paginator("scan").paginate(TableName=name, ConsistentRead=True)
            rows = (_spelt(row) for page in pages for row in page["Items"])
            theirs[name] = dict(sorted((row[table.key]["S"], row) for row in rows))
        return ours, theirs


def _spelt(row: Item) -> Item:
    """The row in the one spelling; as it is where DynamoDB would never have taken it."""
    try:
        return canonical(row)
    except InvalidError:
        return row


def _refusal(error: ClientError) -> Answer:
    response: Any = error.response
    reasons = [
        (reason["Code"], _spelt(reason["Item"]) if reason.get("Item") else None)
        for reason in response.get("CancellationReasons", ())
    ]
    item = response.get("Item")
    return response["Error"]["Code"], (_spelt(item) if item else None, reasons)


def _comparable(response: Mapping[str, Any]) -> Any:
    """An answer without what differs from call to call or has no order."""
    answer = {name: value for name, value in response.items() if name not in INCOMPARABLE}
    for name in ("Item", "Attributes"):
        if name in answer:
            answer[name] = _spelt(answer[name])
    if "Items" in answer:
        answer["Items"] = [_spelt(item) for item in answer["Items"]]
    if "Responses" in answer:
        answer["Responses"] = {
            table: sorted((_spelt(item) for item in items), key=str)
            for table, items in answer["Responses"].items()
        }
    return answer


def check_cases(twin: Twin, prefix: str, cases: Iterable[Case]) -> list[str]:
    """Make each of the calls with its row as it should be. The names of those that differ."""
    names = {short: spec.name for short, spec in specs(prefix).items()}
    row = typed(ROW)
    differing = []
    for case in cases:
        for table in dict.fromkeys((names[THINGS], names[case.table])):
            if twin.database.tables[table].rows.get("one") != canonical(row):
                twin.put_item(TableName=table, Item=row)
        before = len(twin.differences)
        with suppress(ClientError):
            twin.call(case.operation, request_of(case, names))
        if len(twin.differences) > before:
            differing.append(case.name)
            del twin.differences[before:]
    return differing
