"""DynamoDB: tables as data, with its answers and its errors, and time given by whoever asks.

Complete in what the services use of it; what they do not use is a NotImplementedError, so that a new kind of
call is noticed. Faults, throttling and waiting are not here. Not kept: limits on sizes (400 KB an item, 1 MB
a page, 16 MB a batch), consumed capacity.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

from simulation.attribute_values import InvalidError, Item, SchemaError, canonical
from simulation.expressions import plan
from simulation.indexes import IndexSpec
from simulation.refusals import CANARY_REQUEST, PASSED, RefusedError, cancelled, client_error, misfit
from simulation.store import Change, Table, TableSpec
from simulation.writes import Write, known, prepared

__all__ = ["CANARY_REQUEST", "Change", "Database", "IndexSpec", "Item", "Table", "TableSpec"]

TOKEN_SECONDS = 600
"""How long a transaction's request token is remembered."""

BATCH_MOST = 100
TRANSACTION_MOST = 100
TOKEN_MOST = 36
"""Characters."""

_RETURNS: Mapping[str, tuple[str, ...]] = {
    "Put": ("NONE", "ALL_OLD"),
    "Delete": ("NONE", "ALL_OLD"),
    "Update": ("NONE", "ALL_OLD", "ALL_NEW", "UPDATED_OLD", "UPDATED_NEW"),
}
_READ = frozenset(("TableName", "Key", "ConsistentRead"))
_SCAN = frozenset(("TableName", "ConsistentRead", "Limit", "ExclusiveStartKey", "Select"))
_QUERY = _SCAN | {
    "IndexName",
    "KeyConditionExpression",
    "ExpressionAttributeNames",
    "ExpressionAttributeValues",
    "ScanIndexForward",
}


class Database:
    """Some tables, and the calls on them.

    `on_write` hears of all changes of a call at once, after they are made. Rows that come back are those
    stored: they must not be changed.
    """

    def __init__(
        self, tables: Iterable[TableSpec], on_write: Callable[[list[Change]], None] | None = None
    ) -> None:
        self.tables = {spec.name: Table(spec) for spec in tables}
        self._on_write = on_write
        self._tokens: dict[str, tuple[float, Any]] = {}
        self._operations: Mapping[str, tuple[str, Callable[[Mapping[str, Any], float], dict[str, Any]]]] = {
            "get_item": ("GetItem", self._get_item),
            "batch_get_item": ("BatchGetItem", self._batch_get_item),
            "put_item": ("PutItem", lambda request, now: self._write("Put", request, now)),
            "update_item": ("UpdateItem", lambda request, now: self._write("Update", request, now)),
            "delete_item": ("DeleteItem", lambda request, now: self._write("Delete", request, now)),
            "query": ("Query", self._query),
            "scan": ("Scan", self._scan),
        }

    def execute(
        self, operation: str, request: Mapping[str, Any], now: float, token: str | None = None
    ) -> dict[str, Any]:
        """The answer of a client's method `operation` to a request made at `now`.

        Raises ClientError as DynamoDB does. `token` is a transaction's ClientRequestToken, which the SDK
        makes up where the caller gives none: the same within ten minutes does nothing again.
        """
        try:
            if operation == "transact_write_items":
                return self._transact_write_items(request, now, token)
            if operation not in self._operations:
                raise NotImplementedError(operation)
            return self._operations[operation][1](request, now)
        except InvalidError as invalid:
            refused = RefusedError("ValidationException", str(invalid))
        except RefusedError as other:
            refused = other
        name = self._operations[operation][0] if operation in self._operations else "TransactWriteItems"
        raise client_error(refused, name)

    def _table(self, name: str) -> Table:
        table = self.tables.get(name)
        if table is None:
            raise RefusedError("ResourceNotFoundException", "Requested resource not found")
        return table

    # reads

    def _get_item(self, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        known(request, _READ)
        table = self._table(request["TableName"])
        row = table.read(table.key_in(request["Key"]), now, bool(request.get("ConsistentRead")))
        return {} if row is None else {"Item": row}

    def _batch_get_item(self, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        known(request, frozenset(("RequestItems",)))
        asked = request["RequestItems"]
        number = sum(len(part["Keys"]) for part in asked.values())
        if not 1 <= number <= BATCH_MOST or not all(part["Keys"] for part in asked.values()):
            raise InvalidError("Too many items requested for the BatchGetItem call, or none")
        answers: dict[str, list[Item]] = {}
        for name, part in asked.items():
            known(part, frozenset(("Keys", "ConsistentRead")))
            table = self._table(name)
            keys = [table.key_in(key) for key in part["Keys"]]
            if len(set(keys)) < len(keys):
                raise InvalidError("Provided list of item keys contains duplicates")
            consistent = bool(part.get("ConsistentRead"))
            rows = (table.read(key, now, consistent) for key in sorted(keys, key=table.hashed))
            answers[name] = [row for row in rows if row is not None]
        return {"Responses": answers, "UnprocessedKeys": {}}

    def _scan(self, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        known(request, _SCAN)
        table = self._table(request["TableName"])
        start = request.get("ExclusiveStartKey")
        rows = table.scan(
            now, bool(request.get("ConsistentRead")), None if start is None else table.key_in(start)
        )
        return _page(rows, request, (table.key,), "ALL_ATTRIBUTES")

    def _query(self, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        known(request, _QUERY)
        table = self._table(request["TableName"])
        values = canonical(request.get("ExpressionAttributeValues") or {})
        made = plan(
            key_condition=request.get("KeyConditionExpression"),
            names=request.get("ExpressionAttributeNames"),
            values=request.get("ExpressionAttributeValues"),
        )
        name, consistent = request.get("IndexName"), bool(request.get("ConsistentRead"))
        forward, start = request.get("ScanIndexForward", True), request.get("ExclusiveStartKey")
        if name is None:
            rows = table.select(made.key_condition, values, now, consistent, start)
            return _page(rows, request, (table.key,), "ALL_ATTRIBUTES")
        if consistent:
            raise InvalidError("Consistent reads are not supported on global secondary indexes")
        index = table.index(name, now)
        if request.get("Select") == "ALL_ATTRIBUTES" and index.spec.projected != "ALL":
            raise InvalidError(
                "One or more parameter values were invalid: Select type ALL_ATTRIBUTES is not supported"
            )
        rows = index.select(made.key_condition, values, forward, start)
        return _page(rows, request, (*index.attributes, table.key), "ALL_PROJECTED_ATTRIBUTES")

    # writes

    def _write(self, kind: str, request: Mapping[str, Any], now: float) -> dict[str, Any]:
        returns = request.get("ReturnValues", "NONE")
        if returns not in _RETURNS[kind]:
            raise InvalidError("Return values set to invalid value")
        if returns.startswith("UPDATED"):
            raise NotImplementedError(f"ReturnValues={returns}")
        if "ReturnValues" in request:
            request = {name: value for name, value in request.items() if name != "ReturnValues"}
        write = prepared(kind, request, self._table)
        before = write.table.rows.get(write.key)
        if not write.allows(before):
            fields = {"Item": before} if write.wants_standing and before is not None else {}
            raise RefusedError("ConditionalCheckFailedException", "The conditional request failed", **fields)
        after = write.after(before)
        self._report([write.table.write(write.key, after, now)])
        row = after if returns == "ALL_NEW" else before if returns == "ALL_OLD" else None
        return {} if row is None else {"Attributes": row}

    def _transact_write_items(
        self, request: Mapping[str, Any], now: float, token: str | None
    ) -> dict[str, Any]:
        known(request, frozenset(("TransactItems", "ClientRequestToken")))
        actions, token = request["TransactItems"], token or request.get("ClientRequestToken")
        if token is not None and not 1 <= len(token) <= TOKEN_MOST:
            raise InvalidError("clientRequestToken must have a length of 1 to 36")
        if token is not None and self._done_before(token, actions, now):
            return {}
        writes = self._prepared_all(actions)
        befores = [write.table.rows.get(write.key) for write in writes]
        outcomes = [_outcome(write, before) for write, before in zip(writes, befores, strict=True)]
        if any(reason is not PASSED for reason, _ in outcomes):
            raise cancelled([reason for reason, _ in outcomes])
        changes = [
            write.table.write(write.key, after, now)
            for write, (_, after) in zip(writes, outcomes, strict=True)
            if write.kind != "ConditionCheck"
        ]
        if token is not None:
            self._tokens[token] = now, actions
        self._report(changes)
        return {}

    def reasons(self, request: Mapping[str, Any]) -> list[Any]:
        """Why each action of a transaction would be refused as things stand; "None" where it would not."""
        writes = self._prepared_all(request["TransactItems"])
        return [_outcome(write, write.table.rows.get(write.key))[0] for write in writes]

    def _done_before(self, token: str, actions: Sequence[Any], now: float) -> bool:
        while self._tokens:
            oldest = next(iter(self._tokens))
            if self._tokens[oldest][0] + TOKEN_SECONDS >= now:
                break
            del self._tokens[oldest]
        if token not in self._tokens:
            return False
        if self._tokens[token][1] != actions:
            raise RefusedError(
                "IdempotentParameterMismatchException", "The token was used with another request"
            )
        return True

    def _prepared_all(self, actions: Sequence[Any]) -> list[Write]:
        if not 1 <= len(actions) <= TRANSACTION_MOST:
            raise InvalidError("Member must have length between 1 and 100: transactItems")
        writes: list[Write] = []
        misfits: list[tuple[int, SchemaError]] = []
        for number, action in enumerate(actions):
            if len(action) != 1:
                raise InvalidError("TransactItems can only contain one of Check, Put, Update or Delete")
            for kind, request in action.items():
                try:
                    writes.append(prepared(kind, request, self._table))
                except SchemaError as error:
                    misfits.append((number, error))
        if len({(write.table.name, write.key) for write in writes}) < len(writes):
            raise InvalidError("Transaction request cannot include multiple operations on one item")
        if misfits:
            # Only the first is named, and no condition is looked at.
            reasons = [PASSED] * len(actions)
            reasons[misfits[0][0]] = misfit(misfits[0][1])
            raise cancelled(reasons)
        return writes

    def _report(self, changes: list[Change]) -> None:
        heard = [change for change in changes if change.before is not None or change.after is not None]
        if self._on_write is not None and heard:
            self._on_write(heard)


def _outcome(write: Write, before: Item | None) -> tuple[Mapping[str, Any], Item | None]:
    """An action's cancellation reason, and the row after it."""
    if not write.allows(before):
        standing = {"Item": before} if write.wants_standing and before is not None else {}
        message = f"The conditional request failed {CANARY_REQUEST}"
        return {"Code": "ConditionalCheckFailed", "Message": message, **standing}, None
    try:
        return PASSED, write.after(before)
    except InvalidError as error:
        return misfit(error), None


def _page(
    rows: list[tuple[str, Item]], request: Mapping[str, Any], keys: tuple[str, ...], whole: str
) -> dict[str, Any]:
    """A page of a query or scan. There may be more behind it wherever the limit was reached."""
    limit, select = request.get("Limit"), request.get("Select", whole)
    if select not in (whole, "COUNT"):
        raise NotImplementedError(f"Select={select}")
    if limit is not None and limit < 1:
        raise InvalidError("Member must be greater than or equal to 1: limit")
    page = rows if limit is None else rows[:limit]
    answer: dict[str, Any] = {"Count": len(page), "ScannedCount": len(page)}
    if select != "COUNT":
        answer["Items"] = [item for _, item in page]
    if limit is not None and len(page) == limit:
        answer["LastEvaluatedKey"] = {name: page[-1][1][name] for name in keys}
    return answer
