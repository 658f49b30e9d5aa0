"""Single calls whose outcome at AWS is known, from its developer guide and from the tests of ScyllaDB's
Alternator and of dynalite, which their authors ran against AWS.

Each case begins with the row `ROW` in its table.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, NamedTuple

from boto3.dynamodb.types import TypeSerializer

_serialize = TypeSerializer().serialize

THINGS, ORDERS = "shipping", "orders"
"""The tables of the cases, by short name; the second has indexes."""

CHECKED = "ConditionalCheckFailedException"
INVALID = "ValidationException"
CANCELLED = "TransactionCanceledException"


def typed(row: Mapping[str, Any]) -> dict[str, Any]:
    """Plain Python as attribute values."""
    return {name: _serialize(value) for name, value in row.items()}


KEY = {"orderId": {"S": "one"}}
ROW = {
    "orderId": "one",
    "n": 5,
    "m": 7,
    "s": "abc",
    "t": "abd",
    "ss": {"a", "b"},
    "ns": {1},
    "li": ["x"],
    "yes": True,
}


class Case(NamedTuple):
    """A call, the error code it answers (empty: none), the reasons of a cancelled transaction, and what it
    changes of the row: attributes with their new values, None for those taken off."""

    name: str
    operation: str
    request: dict[str, Any]
    code: str = ""
    reasons: tuple[str, ...] = ()
    changed: Mapping[str, Any] = {}
    table: str = THINGS


def _update(
    name: str,
    expression: str,
    values: Mapping[str, Any] | None = None,
    *,
    condition: str | None = None,
    names: Mapping[str, str] | None = None,
    code: str = "",
    table: str = THINGS,
    changed: Mapping[str, Any] | None = None,
    **also_changed: Any,
) -> Case:
    request: dict[str, Any] = {"Key": KEY, "UpdateExpression": expression}
    if condition is not None:
        request["ConditionExpression"] = condition
    if names is not None:
        request["ExpressionAttributeNames"] = dict(names)
    if values is not None:
        request["ExpressionAttributeValues"] = typed({f":{short}": value for short, value in values.items()})
    return Case(name, "update_item", request, code, (), {**(changed or {}), **also_changed}, table)


def _if(condition: str, holds: bool, values: Mapping[str, Any] | None = None) -> Case:
    name = f"{condition} with {dict(values)}" if values else condition
    if not holds:
        return _update(name, "REMOVE yes", values, condition=condition, code=CHECKED)
    return _update(name, "REMOVE yes", values, condition=condition, yes=None)


def _not_allowed(condition: str, values: Mapping[str, Any] | None = None) -> Case:
    name = f"{condition} with {dict(values)}" if values else condition
    return _update(name, "REMOVE yes", values, condition=condition, code=INVALID)


CONDITIONS = (
    _if("n = :v", True, {"v": 5}),
    _if("n = :v", False, {"v": "5"}),
    _if("n <> :v", True, {"v": "5"}),
    _if("n < m", True),
    _if("n < :v", True, {"v": 10}),
    _if("n < :v", False, {"v": "9"}),
    _if("s < t", True),
    _if("n < s", False),
    _if("gone = :v", False, {"v": 5}),
    _if("gone <> :v", True, {"v": 5}),
    _if("gone < :v", False, {"v": 5}),
    _if("gone >= :v", False, {"v": 5}),
    _if("NOT gone < :v", True, {"v": 5}),
    _if("gone = nothing", False),
    _if("gone <> nothing", True),
    _if("attribute_exists(n) AND attribute_not_exists(gone)", True),
    _if("attribute_not_exists(orderId)", False),
    _if("n = :v OR n = :w AND s = :v", True, {"v": 5, "w": 6}),
    _if("(n = :v OR n = :w) AND s = :v", False, {"v": 5, "w": 6}),
    _if("NOT n = :v AND s = :s", False, {"v": 5, "s": "abc"}),
    _if("NOT (n = :v AND s = :v)", True, {"v": 5}),
    _if("not n = :w and s = :s", True, {"w": 6, "s": "abc"}),
    _if("n BETWEEN :v AND :w", True, {"v": 5, "w": 6}),
    _if("n between n and m", True),
    _if("n BETWEEN :v AND :w", False, {"v": "4", "w": "6"}),
    _if("n IN (:v, :w)", True, {"v": 6, "w": 5}),
    _if("gone IN (:v)", False, {"v": 5}),
    _if("ss = :v", True, {"v": {"b", "a"}}),
    _if("contains(ss, :v)", True, {"v": "a"}),
    _if("contains(ns, :v)", False, {"v": "1"}),
    _if("contains(s, :v)", True, {"v": "bc"}),
    _if("contains(li, :v)", True, {"v": "x"}),
    _if("begins_with(s, :v)", True, {"v": "ab"}),
    _if("begins_with(n, :v)", False, {"v": "5"}),
    _not_allowed("n < :v", {"v": [1]}),
    _not_allowed("begins_with(s, :v)", {"v": 1}),
    _not_allowed("n BETWEEN :v AND :w", {"v": 6, "w": 5}),
    _not_allowed("n BETWEEN :v AND :w", {"v": 6, "w": "7"}),
    _not_allowed("n = n"),
    _not_allowed("contains(s, s)"),
    _not_allowed("attribute_exists(:v)", {"v": 1}),
    _not_allowed("((n = m))"),
    _not_allowed("n = :other", {"v": 1}),
    _not_allowed("#n = m"),
    _not_allowed("n = m AND"),
    _not_allowed("status = s"),
    _not_allowed("exists(n)"),
    _not_allowed(""),
)

UPDATES = (
    _update("SET a number", "SET n = :v", {"v": 6}, n=6),
    _update("SET adds", "SET n = n + :v", {"v": 6}, n=11),
    _update("SET subtracts", "SET n = m - n", n=2),
    _update("SET reads what was before", "SET n = m, m = n", n=7, m=5),
    _update("REMOVE of what SET reads", "REMOVE n SET m = n", n=None, m=5),
    _update(
        "all four clauses",
        "SET n = :one ADD m :one REMOVE s DELETE ss :set",
        {"one": 1, "set": {"a"}},
        n=1,
        m=8,
        s=None,
        ss={"b"},
    ),
    _update("clauses in small letters", "set n = :one remove s", {"one": 1}, n=1, s=None),
    _update("list_append", "SET li = list_append(li, :v)", {"v": ["y"]}, li=["x", "y"]),
    _update("list_append in front", "SET li = list_append(:v, li)", {"v": ["y"]}, li=["y", "x"]),
    _update("if_not_exists of what exists", "SET n = if_not_exists(n, :v)", {"v": 1}),
    _update("if_not_exists of what does not", "SET x = if_not_exists(x, :v)", {"v": 1}, x=1),
    _update("counting from nothing", "SET x = if_not_exists(x, :v) + :v", {"v": 1}, x=2),
    _update("appending to nothing", "SET x = list_append(if_not_exists(x, :v), :v)", {"v": [1]}, x=[1, 1]),
    _update("ADD makes a number", "ADD x :v", {"v": -3}, x=-3),
    _update("ADD makes a set", "ADD x :v", {"v": {"c"}}, x={"c"}),
    _update("ADD to a set", "ADD ss :v", {"v": {"b", "c"}}, ss={"a", "b", "c"}),
    _update("DELETE from a set", "DELETE ss :v", {"v": {"b", "c"}}, ss={"a"}),
    _update("DELETE of the last member", "DELETE ss :v", {"v": {"a", "b"}}, ss=None),
    _update("DELETE from nothing", "DELETE x :v", {"v": {"a"}}),
    _update("REMOVE of nothing", "REMOVE x"),
    _update(
        "a reserved word behind #", "SET #state = :v", {"v": "NEW"}, names={"#state": "state"}, state="NEW"
    ),
    _update("a word with a dash behind #", "SET #x = :v", {"v": 1}, names={"#x": "a-b"}, changed={"a-b": 1}),
    _update("SET of what is not there", "SET n = x", code=INVALID),
    _update("arithmetic on what is not there", "SET n = x + n", code=INVALID),
    _update("arithmetic on a text", "SET n = s + n", code=INVALID),
    _update("arithmetic with a text", "SET n = n + :v", {"v": "1"}, code=INVALID),
    _update("three terms", "SET n = n + n + n", code=INVALID),
    _update("list_append to a text", "SET s = list_append(s, :v)", {"v": ["y"]}, code=INVALID),
    _update("list_append to nothing", "SET x = list_append(x, :v)", {"v": ["y"]}, code=INVALID),
    _update("list_append of a text", "SET li = list_append(li, :v)", {"v": "y"}, code=INVALID),
    _update(
        "list_append in list_append",
        "SET li = list_append(list_append(li, :v), :v)",
        {"v": [1]},
        code=INVALID,
    ),
    _update("ADD of a text", "ADD n :v", {"v": "1"}, code=INVALID),
    _update("ADD of a list", "ADD li :v", {"v": ["y"]}, code=INVALID),
    _update("ADD of a number to a text", "ADD s :v", {"v": 1}, code=INVALID),
    _update("ADD of another kind of set", "ADD ss :v", {"v": {1}}, code=INVALID),
    _update("DELETE of a text", "DELETE ss :v", {"v": "a"}, code=INVALID),
    _update("DELETE from a number", "DELETE n :v", {"v": {"a"}}, code=INVALID),
    _update("what fails first: condition", "SET n = x", condition="attribute_exists(gone)", code=CHECKED),
    _update("an error keeps what came before it", "SET n = :v, m = x", {"v": 1}, code=INVALID),
    _update("a clause twice", "SET n = :v SET m = :v", {"v": 1}, code=INVALID),
    _update("an attribute twice", "SET n = :v REMOVE n", {"v": 1}, code=INVALID),
    _update(
        "an attribute twice under two names", "SET n = :v, #n = :v", {"v": 1}, names={"#n": "n"}, code=INVALID
    ),
    _update("the key", "SET orderId = :v", {"v": "two"}, code=INVALID),
    _update("the key taken off", "REMOVE orderId", code=INVALID),
    _update("an empty expression", "", code=INVALID),
    _update("no clause", "n = :v", {"v": 1}, code=INVALID),
    _update("a reserved word", "SET state = :v", {"v": 1}, code=INVALID),
    _update("an unused value", "SET n = :v", {"v": 1, "w": 1}, code=INVALID),
    _update("an unused name", "SET n = :v", {"v": 1}, names={"#m": "m"}, code=INVALID),
    _update("an undefined value", "SET n = :w", {"v": 1}, code=INVALID),
    _update("an undefined name", "SET #n = :v", {"v": 1}, code=INVALID),
    _update("an empty name table", "SET n = :v", {"v": 1}, names={}, code=INVALID),
    _update("an index key of a wrong kind", "SET sweepAt = :v", {"v": "soon"}, code=INVALID, table=ORDERS),
    _update("an empty index key", "SET openShard = :v", {"v": ""}, code=INVALID, table=ORDERS),
)


def _call(name: str, operation: str, code: str = "", table: str = THINGS, **request: Any) -> Case:
    return Case(name, operation, request, code, table=table)


def _item(**row: Any) -> dict[str, Any]:
    return {"Item": typed(row)}


OTHERS = (
    _call("put without a key", "put_item", INVALID, **_item(n=1)),
    _call("put with a number for key", "put_item", INVALID, **_item(orderId=1)),
    _call("put with an empty key", "put_item", INVALID, **_item(orderId="")),
    _call("put with too long a key", "put_item", INVALID, **_item(orderId="x" * 2049)),
    _call("put with the longest key", "put_item", **_item(orderId="x" * 2048)),
    _call("put with an empty text", "put_item", **_item(orderId="two", s="")),
    _call("put with an empty set", "put_item", INVALID, Item={**typed({"orderId": "two"}), "ss": {"SS": []}}),
    _call(
        "put with a member twice",
        "put_item",
        INVALID,
        Item={**typed({"orderId": "two"}), "ss": {"SS": ["a", "a"]}},
    ),
    _call("put with no number", "put_item", INVALID, Item={**typed({"orderId": "two"}), "n": {"N": "five"}}),
    _call(
        "put with 39 digits", "put_item", INVALID, Item={**typed({"orderId": "two"}), "n": {"N": "1" * 39}}
    ),
    _call(
        "put with an index key of a wrong kind", "put_item", INVALID, ORDERS, **_item(orderId="two", owner=1)
    ),
    _call("put with an empty index key", "put_item", INVALID, ORDERS, **_item(orderId="two", owner="")),
    _call(
        "put that returns the new row", "put_item", INVALID, **_item(orderId="two"), ReturnValues="ALL_NEW"
    ),
    _call("get with another key", "get_item", INVALID, Key=typed({"pk": "one"})),
    _call("get with more than the key", "get_item", INVALID, Key=typed({"orderId": "one", "n": 5})),
    _call("get with an empty key", "get_item", INVALID, Key=typed({"orderId": ""})),
    _call("get of nothing", "get_item", Key=typed({"orderId": "two"})),
    _call("delete of nothing", "delete_item", Key=typed({"orderId": "two"})),
    _call(
        "delete with a condition on nothing",
        "delete_item",
        CHECKED,
        Key=typed({"orderId": "two"}),
        ConditionExpression="attribute_exists(orderId)",
        ReturnValuesOnConditionCheckFailure="ALL_OLD",
    ),
)


def _transaction(
    name: str, *actions: tuple[str, str | int, dict[str, Any]], code: str = "", reasons: str = ""
) -> Case:
    """Actions are (kind, key, what else); reasons as one word."""
    items = []
    for kind, key, more in actions:
        row = typed({"orderId": key})
        items.append({kind: {**({"Item": row} if kind == "Put" else {"Key": row}), **more}})
    return Case(name, "transact_write_items", {"TransactItems": items}, code, tuple(reasons.split()))


_THERE = {"ConditionExpression": "attribute_exists(orderId)"}
_NOT_THERE = {"ConditionExpression": "attribute_not_exists(orderId)"}
_OLD = {"ReturnValuesOnConditionCheckFailure": "ALL_OLD"}
_BROKEN = {"UpdateExpression": "SET n = x"}

TRANSACTIONS = (
    _transaction(
        "all pass", ("Put", "two", _NOT_THERE), ("ConditionCheck", "one", _THERE), ("Delete", "three", {})
    ),
    _transaction(
        "reasons in order",
        ("Put", "two", {}),
        ("Put", "one", {**_NOT_THERE, **_OLD}),
        ("Delete", "three", _THERE),
        code=CANCELLED,
        reasons="None ConditionalCheckFailed ConditionalCheckFailed",
    ),
    _transaction(
        "the row only where asked for",
        ("Put", "one", _NOT_THERE),
        ("Put", "two", {**_THERE, **_OLD}),
        code=CANCELLED,
        reasons="ConditionalCheckFailed ConditionalCheckFailed",
    ),
    _transaction(
        "an update the row does not allow",
        ("Put", "two", {}),
        ("Update", "one", _BROKEN),
        code=CANCELLED,
        reasons="None ValidationError",
    ),
    _transaction("an empty key in a transaction", ("Put", "two", {}), ("Put", "", {}), code=INVALID),
    _transaction("an empty key to delete", ("Put", "two", {}), ("Delete", "", {}), code=INVALID),
    # only the first misfit is named, and no condition is looked at
    _transaction(
        "a key of a wrong kind in a transaction",
        ("Put", "one", _NOT_THERE),
        ("Put", 2, {}),
        ("Delete", 3, {}),
        code=CANCELLED,
        reasons="None ValidationError None",
    ),
    _transaction("a row twice", ("Put", "two", {}), ("Delete", "two", {}), code=INVALID),
    _transaction(
        "a row checked and written", ("ConditionCheck", "one", _THERE), ("Delete", "one", {}), code=INVALID
    ),
    _transaction(
        "an unknown name", ("Delete", "one", {"ConditionExpression": "attribute_exists(#x)"}), code=INVALID
    ),
    _transaction("a hundred actions", *(("Put", f"row {number}", {}) for number in range(100))),
    _transaction("too many actions", *(("Put", f"row {number}", {}) for number in range(101)), code=INVALID),
)


def _keys(*keys: str) -> dict[str, Any]:
    return {
        "RequestItems": {THINGS: {"Keys": [typed({"orderId": key}) for key in keys], "ConsistentRead": True}}
    }


BATCHES = (
    Case("what is missing is left out", "batch_get_item", _keys("one", "two")),
    Case("a hundred keys", "batch_get_item", _keys(*(f"row {number}" for number in range(100)))),
    Case("too many keys", "batch_get_item", _keys(*(f"row {number}" for number in range(101))), INVALID),
    Case("a key twice", "batch_get_item", _keys("one", "one"), INVALID),
    Case("an empty key", "batch_get_item", _keys("one", ""), INVALID),
)


def _query(name: str, condition: str, values: Mapping[str, Any], code: str = "", **more: Any) -> Case:
    request = {
        "IndexName": "open",
        "KeyConditionExpression": condition,
        "ExpressionAttributeValues": typed({f":{short}": value for short, value in values.items()}),
        **more,
    }
    return Case(name, "query", request, code, table=ORDERS)


QUERIES = (
    _query("a partition that is not there", "openShard = :s", {"s": "9"}),
    _query("a condition on the range alone", "sweepAt = :v", {"v": 1}, INVALID),
    _query("a comparison of the partition", "openShard < :s", {"s": "9"}, INVALID),
    _query("another attribute", "openShard = :s AND n = :s", {"s": "9"}, INVALID),
    _query("unequal", "openShard = :s AND sweepAt <> :v", {"s": "9", "v": 1}, INVALID),
    _query("or", "openShard = :s OR sweepAt = :v", {"s": "9", "v": 1}, INVALID),
    _query("a partition of a wrong kind", "openShard = :s", {"s": 9}, INVALID),
    _query("a range of a wrong kind", "openShard = :s AND sweepAt < :v", {"s": "9", "v": "1"}, INVALID),
    _query("an empty partition key", "openShard = :s", {"s": ""}, INVALID),
    _query("a query with an unused value", "openShard = :s", {"s": "9", "v": 1}, INVALID),
    _query("consistently", "openShard = :s", {"s": "9"}, INVALID, ConsistentRead=True),
    _query("more than the index keeps", "openShard = :s", {"s": "9"}, INVALID, Select="ALL_ATTRIBUTES"),
    _query("no such index", "openShard = :s", {"s": "9"}, INVALID, IndexName="closed"),
    _query(
        "from another partition",
        "openShard = :s",
        {"s": "9"},
        INVALID,
        ExclusiveStartKey=typed({"openShard": "8", "sweepAt": 1, "orderId": "one"}),
    ),
    _query(
        "from half a key", "openShard = :s", {"s": "9"}, INVALID, ExclusiveStartKey=typed({"orderId": "one"})
    ),
)

CASES = (*CONDITIONS, *UPDATES, *OTHERS, *TRANSACTIONS, *BATCHES, *QUERIES)


def request_of(case: Case, tables: Mapping[str, str]) -> dict[str, Any]:
    """The case's request with the tables' real names, by short name."""
    if case.operation == "batch_get_item":
        return {"RequestItems": {tables[name]: part for name, part in case.request["RequestItems"].items()}}
    name = {"TableName": tables[case.table]}
    if case.operation == "transact_write_items":
        actions = case.request["TransactItems"]
        return {
            "TransactItems": [{kind: {**name, **part} for kind, part in action.items()} for action in actions]
        }
    return {**name, **case.request}
