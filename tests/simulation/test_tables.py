"""The simulation's DynamoDB against what is known of the real one, and beside moto's."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from simulation.attribute_values import canonical
from simulation.cases import CASES, ROW, THINGS, Case, request_of, typed
from simulation.differential import Call, Deviation, Twin, check_cases, create, specs
from simulation.experiments import serve
from simulation.grammar import RESERVED
from simulation.inventor import experiment
from simulation.tables import CANARY_REQUEST, Change, Database, IndexSpec, Table, TableSpec

NOW = 1.8e9
NAMES = {short: spec.name for short, spec in specs("t").items()}


def attempt(database: Database, operation: str, request: dict[str, Any], **more: Any) -> tuple[Any, Any]:
    """The answer or the error's response, one of them None."""
    try:
        return database.execute(operation, request, more.pop("now", NOW), **more), None
    except ClientError as error:
        return None, error.response


@pytest.fixture
def writes() -> list[list[Change]]:
    """What was reported, call by call."""
    return []


@pytest.fixture
def database(writes: list[list[Change]]) -> Database:
    return Database(specs("t").values(), writes.append)


@pytest.fixture
def things(database: Database) -> Table:
    return database.tables[NAMES[THINGS]]


@pytest.fixture
def orders(database: Database) -> Table:
    return database.tables[NAMES["orders"]]


def put(database: Database, table: Table, now: float = NOW, **row: Any) -> None:
    database.execute("put_item", {"TableName": table.name, "Item": typed(row)}, now)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_a_call_ends_as_it_does_at_aws(case: Case, database: Database) -> None:
    row = canonical(typed(ROW))
    for table in (THINGS, case.table):
        database.execute("put_item", {"TableName": NAMES[table], "Item": row}, NOW)

    _, error = attempt(database, case.operation, request_of(case, NAMES))

    error = error or {"Error": {"Code": "", "Message": CANARY_REQUEST}}
    reasons = tuple(reason["Code"] for reason in error.get("CancellationReasons", ()))
    assert (error["Error"]["Code"], reasons) == (case.code, case.reasons)
    assert CANARY_REQUEST in error["Error"]["Message"]
    expected = {name: value for name, value in {**ROW, **case.changed}.items() if value is not None}
    assert database.tables[NAMES[case.table]].rows["one"] == canonical(typed(expected))


def test_case_names_are_unique() -> None:
    assert [name for name, number in Counter(case.name for case in CASES).items() if number > 1] == []


# what is not in a single answer


def test_an_update_makes_the_row_that_is_not_there(database: Database, things: Table) -> None:
    request = {
        "TableName": things.name,
        "Key": typed({"orderId": "new"}),
        "UpdateExpression": "SET n = :v",
        "ConditionExpression": "attribute_not_exists(orderId)",
        "ExpressionAttributeValues": typed({":v": 1}),
        "ReturnValues": "ALL_NEW",
    }
    assert database.execute("update_item", request, NOW) == {"Attributes": typed({"orderId": "new", "n": 1})}
    _, error = attempt(database, "update_item", request)
    assert error["Error"]["Code"] == "ConditionalCheckFailedException"


def test_numbers_are_exact_and_spelt_as_dynamodb_does(database: Database, things: Table) -> None:
    def add(value: str) -> Any:
        request = {
            "TableName": things.name,
            "Key": typed({"orderId": "one"}),
            "UpdateExpression": "ADD n :v",
            "ExpressionAttributeValues": {":v": {"N": value}},
        }
        return attempt(database, "update_item", request)[1]

    for value, after in (
        ("007", "7"),
        ("1.50", "8.5"),
        ("-8.5", "0"),
        ("1e2", "100"),
        ("9" * 36, "1" + "0" * 34 + "99"),
    ):
        assert add(value) is None
        assert things.rows["one"]["n"] == {"N": after}
    assert (
        add("0." + "0" * 20 + "1")["Error"]["Code"] == "ValidationException"
    )  # more than 38 digits together


def test_all_changes_of_a_transaction_are_reported_at_once(
    database: Database, things: Table, writes: list[list[Change]]
) -> None:
    put(database, things, orderId="one")
    key, name = typed({"orderId": "one"}), things.name
    actions = [
        {"Delete": {"TableName": name, "Key": key}},
        {"Put": {"TableName": name, "Item": typed({"orderId": "two"})}},
    ]

    database.execute("transact_write_items", {"TransactItems": actions}, NOW)

    assert writes[1] == [Change(name, "one", key, None), Change(name, "two", None, typed({"orderId": "two"}))]


def test_a_refused_call_reports_nothing(
    database: Database, things: Table, writes: list[list[Change]]
) -> None:
    condition = {"ConditionExpression": "attribute_exists(orderId)"}
    put_of_nothing = {"TableName": things.name, "Item": typed({"orderId": "one"}), **condition}
    attempt(database, "put_item", put_of_nothing)
    other = {"TableName": things.name, "Item": typed({"orderId": "two"})}
    attempt(database, "transact_write_items", {"TransactItems": [{"Put": other}, {"Put": put_of_nothing}]})
    assert (writes, things.rows) == ([], {})


def test_a_check_of_nothing(database: Database, things: Table) -> None:
    check = {"ConditionCheck": {"TableName": things.name, "Key": typed({"orderId": "one"})}}
    _, error = attempt(database, "transact_write_items", {"TransactItems": [check]})
    assert error["Error"]["Code"] == "ValidationException"


class TestTokens:
    """A transaction's request token."""

    @staticmethod
    def transaction(things: Table, number: int = 1, **more: Any) -> dict[str, Any]:
        values = {":v": {"N": str(number)}}
        update = {"UpdateExpression": "ADD n :v", "ExpressionAttributeValues": values, **more}
        return {
            "TransactItems": [
                {"Update": {"TableName": things.name, "Key": typed({"orderId": "one"}), **update}}
            ]
        }

    def test_the_same_again_does_nothing(self, database: Database, things: Table) -> None:
        for now in (NOW, NOW + 600):
            assert attempt(
                database, "transact_write_items", self.transaction(things), token="a", now=now
            ) == ({}, None)
        assert things.rows["one"]["n"] == {"N": "1"}

    def test_after_ten_minutes_it_is_forgotten(self, database: Database, things: Table) -> None:
        for now in (NOW, NOW + 601):
            attempt(database, "transact_write_items", self.transaction(things), token="a", now=now)
        assert things.rows["one"]["n"] == {"N": "2"}

    def test_with_another_request_it_is_refused(self, database: Database, things: Table) -> None:
        attempt(database, "transact_write_items", self.transaction(things), token="a")
        _, error = attempt(database, "transact_write_items", self.transaction(things, 2), token="a")
        assert error["Error"]["Code"] == "IdempotentParameterMismatchException"

    def test_a_cancelled_transaction_may_be_tried_again(self, database: Database, things: Table) -> None:
        request = self.transaction(things, ConditionExpression="attribute_exists(orderId)")
        assert attempt(database, "transact_write_items", request, token="a")[1] is not None
        put(database, things, orderId="one")
        assert attempt(database, "transact_write_items", request, token="a") == ({}, None)
        assert things.rows["one"]["n"] == {"N": "1"}

    def test_too_long_a_token(self, database: Database, things: Table) -> None:
        _, error = attempt(database, "transact_write_items", self.transaction(things), token="a" * 37)
        assert error["Error"]["Code"] == "ValidationException"


class TestIndexes:
    """Queries on the index of open orders."""

    @staticmethod
    def query(table: Table, condition: str = "openShard = :s", **more: Any) -> dict[str, Any]:
        values = typed({":s": "0", **more.pop("values", {})})
        return {
            "TableName": table.name,
            "IndexName": "open",
            "KeyConditionExpression": condition,
            "ExpressionAttributeValues": values,
            **more,
        }

    def found(self, database: Database, table: Table, *args: str, now: float = NOW, **more: Any) -> list[str]:
        answer = database.execute("query", self.query(table, *args, **more), now)
        return [item["orderId"]["S"] for item in answer["Items"]]

    @pytest.fixture(autouse=True)
    def rows(self, database: Database, orders: Table) -> None:
        for number in (3, 1, 10, 2):
            put(database, orders, orderId=f"o{number}", openShard="0", sweepAt=number, n=number)
        put(database, orders, orderId="closed")
        put(database, orders, orderId="half", openShard="0")
        put(database, orders, orderId="elsewhere", openShard="1", sweepAt=1)

    @pytest.mark.parametrize(
        ("condition", "expected"),
        [
            ("openShard = :s", ["o1", "o2", "o3", "o10"]),
            ("sweepAt < :v AND openShard = :s", ["o1", "o2"]),
            ("openShard = :s AND sweepAt <= :v", ["o1", "o2", "o3"]),
            ("(openShard = :s) AND (sweepAt > :v)", ["o10"]),
            ("openShard = :s AND sweepAt >= :v", ["o3", "o10"]),
            ("openShard = :s AND sweepAt = :v", ["o3"]),
            ("openShard = :s AND sweepAt BETWEEN :w AND :v", ["o2", "o3"]),
        ],
    )
    def test_a_range(self, condition: str, expected: list[str], database: Database, orders: Table) -> None:
        values = {f":{short}": value for short, value in {"v": 3, "w": 2}.items() if f":{short}" in condition}
        assert self.found(database, orders, condition, values=values) == expected
        assert (
            self.found(database, orders, condition, values=values, ScanIndexForward=False) == expected[::-1]
        )

    def test_it_keeps_its_keys_only(self, database: Database, orders: Table) -> None:
        answer = database.execute("query", self.query(orders, Limit=1), NOW)
        assert answer["Items"] == [typed({"openShard": "0", "sweepAt": 1, "orderId": "o1"})]

    @pytest.mark.parametrize("forward", [True, False])
    def test_pages_hold_every_row_once(self, forward: bool, database: Database, orders: Table) -> None:
        for number in range(3):  # rows in the same place
            put(database, orders, orderId=f"twin{number}", openShard="0", sweepAt=2)
        request = self.query(orders, Limit=2, ScanIndexForward=forward)
        walked: list[str] = []
        while True:
            answer = database.execute("query", request, NOW)
            walked += [item["orderId"]["S"] for item in answer["Items"]]
            if "LastEvaluatedKey" not in answer:
                break
            request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
        whole = self.found(database, orders, ScanIndexForward=forward)
        assert walked == whole
        assert len(whole) == 7

    def test_counting(self, database: Database, orders: Table) -> None:
        assert database.execute("query", self.query(orders, Select="COUNT"), NOW) == {
            "Count": 4,
            "ScannedCount": 4,
        }

    def test_a_text_range_by_its_beginning(self, database: Database, orders: Table) -> None:
        for at in ("2027-01", "2027-02", "2028-01"):
            put(database, orders, orderId=at, owner="anne", placedAt=at)
        request = {
            "TableName": orders.name,
            "IndexName": "byOwner",
            "KeyConditionExpression": "#owner = :o AND begins_with(placedAt, :p)",
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": typed({":o": "anne", ":p": "2027"}),
        }
        answer = database.execute("query", request, NOW)
        assert [item["orderId"]["S"] for item in answer["Items"]] == ["2027-01", "2027-02"]

    def test_a_row_moves_to_its_new_place(self, database: Database, orders: Table) -> None:
        request = {
            "TableName": orders.name,
            "Key": typed({"orderId": "o1"}),
            "UpdateExpression": "SET sweepAt = :v",
            "ExpressionAttributeValues": typed({":v": 5}),
        }
        database.execute("update_item", request, NOW)
        assert self.found(database, orders) == ["o2", "o3", "o1", "o10"]

    def test_an_index_of_whole_rows_follows_every_change(self) -> None:
        spec = TableSpec("whole", "orderId", {"all": IndexSpec("owner", None, "ALL")}, None)
        database = Database([spec])
        for n in (1, 2):
            put(database, database.tables["whole"], orderId="one", owner="anne", n=n)
        request = {
            "TableName": "whole",
            "IndexName": "all",
            "KeyConditionExpression": "#owner = :o",
            "ExpressionAttributeNames": {"#owner": "owner"},
            "ExpressionAttributeValues": typed({":o": "anne"}),
        }
        assert database.execute("query", request, NOW)["Items"] == [
            typed({"orderId": "one", "owner": "anne", "n": 2})
        ]

    def test_it_trails_behind(self, database: Database, orders: Table) -> None:
        orders.index_lag = 5
        put(database, orders, NOW + 10, orderId="o2")
        put(database, orders, NOW + 12, orderId="o4", openShard="0", sweepAt=4)
        assert self.found(database, orders, now=NOW + 14) == ["o1", "o2", "o3", "o10"]
        assert self.found(database, orders, now=NOW + 15) == ["o1", "o3", "o10"]
        assert self.found(database, orders, now=NOW + 17) == ["o1", "o3", "o4", "o10"]

    def test_reads_that_ask_for_nothing_better_trail_behind_too(
        self, database: Database, orders: Table
    ) -> None:
        orders.index_lag = 5
        put(database, orders, NOW + 10, orderId="o2", n=0)
        request = {"TableName": orders.name, "Key": typed({"orderId": "o2"})}
        for consistent, now, n in ((True, NOW + 11, "0"), (False, NOW + 11, "2"), (False, NOW + 15, "0")):
            answer = database.execute("get_item", {**request, "ConsistentRead": consistent}, now)
            assert answer["Item"]["n"] == {"N": n}

    def test_a_restore_brings_rows_and_indexes_back(self, database: Database, orders: Table) -> None:
        before = orders.snapshot()
        put(database, orders, orderId="o2")
        put(database, orders, orderId="o5", openShard="0", sweepAt=5)
        orders.restore(before)
        assert self.found(database, orders) == ["o1", "o2", "o3", "o10"]
        assert orders.rows == before


def test_time_to_live(database: Database, orders: Table) -> None:
    put(database, orders, orderId="over", expiresAt=int(NOW), openShard="0", sweepAt=1)
    put(database, orders, orderId="not yet", expiresAt=int(NOW) + 1)
    put(database, orders, orderId="a text", expiresAt="1")
    put(database, orders, orderId="long ago", expiresAt=1)
    put(database, orders, orderId="never")
    assert [(change.key, change.after) for change in orders.expire(NOW)] == [("over", None)]
    assert [key for key, _ in orders.sorted_rows()] == ["a text", "long ago", "never", "not yet"]
    assert TestIndexes().found(database, orders) == []


def test_a_scan_finds_every_row_once(database: Database, things: Table) -> None:
    keys = [f"o{number}" for number in range(7)]
    for key in keys:
        put(database, things, orderId=key)
    request: dict[str, Any] = {"TableName": things.name, "Limit": 3}
    found: list[str] = []
    while True:
        answer = database.execute("scan", request, NOW)
        found += [item["orderId"]["S"] for item in answer["Items"]]
        if "LastEvaluatedKey" not in answer:
            break
        request["ExclusiveStartKey"] = answer["LastEvaluatedKey"]
    assert sorted(found) == keys
    assert found != keys  # an order that nobody may rely on


def test_a_batch_comes_in_an_order_of_its_own(database: Database, things: Table) -> None:
    keys = [f"o{number}" for number in range(7)]
    for key in keys:
        put(database, things, orderId=key)
    request = {"RequestItems": {things.name: {"Keys": [typed({"orderId": key}) for key in keys]}}}
    rows = database.execute("batch_get_item", request, NOW)["Responses"][things.name]
    found = [row["orderId"]["S"] for row in rows]
    assert sorted(found) == keys
    assert found != keys


@pytest.mark.parametrize(
    ("operation", "request_"),
    [
        ("batch_write_item", {}),
        (
            "get_item",
            {"TableName": NAMES[THINGS], "Key": typed({"orderId": "a"}), "ProjectionExpression": "n"},
        ),
        (
            "update_item",
            {"TableName": NAMES[THINGS], "Key": typed({"orderId": "a"}), "UpdateExpression": "REMOVE a.b"},
        ),
        (
            "update_item",
            {"TableName": NAMES[THINGS], "Key": typed({"orderId": "a"}), "UpdateExpression": "REMOVE a[1]"},
        ),
        (
            "put_item",
            {
                "TableName": NAMES[THINGS],
                "Item": typed({"orderId": "a"}),
                "ConditionExpression": "size(n) > m",
            },
        ),
    ],
)
def test_what_is_not_imitated_is_noticed(
    operation: str, request_: dict[str, Any], database: Database
) -> None:
    with pytest.raises(NotImplementedError):
        database.execute(operation, request_, NOW)


def test_no_such_table(database: Database) -> None:
    _, error = attempt(database, "get_item", {"TableName": "none", "Key": typed({"orderId": "a"})})
    assert error["Error"]["Code"] == "ResourceNotFoundException"


def test_the_reserved_words_are_those_of_the_developer_guide() -> None:
    from moto.dynamodb.parsing.reserved_keywords import ReservedKeywords

    assert set(ReservedKeywords.get_reserved_keywords()) == RESERVED


# beside moto

MOTO_DIFFERS = {
    # moto breaks with an exception of Python where AWS answers
    "n < :v with {'v': '9'}", "n < s", "n BETWEEN :v AND :w with {'v': '4', 'w': '6'}",
    "n < :v with {'v': [1]}", "attribute_exists(:v) with {'v': 1}", "n = :other with {'v': 1}", "#n = m",
    "n = m AND", "an undefined name", "an unknown name", "unequal", "or",
    # two attributes that are not there are equal to moto; to AWS nothing equals what is not there
    "gone = nothing", "gone <> nothing",
    # moto takes what AWS refuses, or refuses it only as a condition that does not hold
    "begins_with(s, :v) with {'v': 1}", "n BETWEEN :v AND :w with {'v': 6, 'w': 5}",
    "n BETWEEN :v AND :w with {'v': 6, 'w': '7'}", "n = n", "contains(s, s)", "", "three terms",
    "list_append in list_append", "an empty name table", "put with a member twice", "put with 39 digits",
    "put with an index key of a wrong kind", "an empty key to delete", "an empty key",
    "a partition of a wrong kind", "a range of a wrong kind", "a query with an unused value",
    "from another partition", "from half a key",
    # moto does not say which action a row or the table does not allow
    "an update the row does not allow", "a key of a wrong kind in a transaction",
    # moto answers ResourceNotFoundException
    "no such index",
}  # fmt: skip


def _unspecific(call: Call) -> bool:
    """AWS cancels the transaction and tells which action the row does not allow; moto just refuses."""
    reasons = call.ours[1][1] if call.ours[0] == "TransactionCanceledException" else []
    return any(code == "ValidationError" for code, _ in reasons) and call.theirs[0] == "ValidationException"


@pytest.fixture
def moto(monkeypatch: pytest.MonkeyPatch) -> Iterator[Twin]:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY"):
        monkeypatch.setenv(name, "test")
    with mock_aws():
        client = boto3.client("dynamodb", region_name="eu-west-1")
        tables = specs("t")
        for spec in tables.values():
            create(client, spec)
        yield Twin(Database(tables.values()), client)


def test_known_calls_beside_moto(moto: Twin) -> None:
    assert set(check_cases(moto, "t", CASES)) == MOTO_DIFFERS


def test_calls_of_the_services_beside_moto(moto: Twin) -> None:
    serve(moto, "t", random.Random(1), 100)
    moto.assert_alike()


def test_made_up_calls_beside_moto(moto: Twin) -> None:
    moto.deviations = (Deviation("unspecific", _unspecific),)
    # no strays: moto breaks where it compares values of different kinds
    experiment(moto, "t", random.Random(2), 150, strays=0)
    moto.assert_alike()
    assert moto.met.keys() == {"unspecific"}
