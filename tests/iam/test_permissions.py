"""Roles against use, both ways, without the emulator: the calls are those the end-to-end tests recorded."""

from __future__ import annotations

import pytest
from iam.calls import Place, UnknownCallError, Use, at, dump, load, uses
from iam.estate import Estate
from iam.permissions import RECORDED, allowed, granted_for_nothing, out_of_step, recorded, used

HERE = Place("local", "000000000000", "eu-central-1", "arn:aws:kms:eu-central-1:000000000000:key/k")
TABLE = "arn:aws:dynamodb:{region}:{account}:table/ecom-{stage}-orders"


def test_roles_allow_what_is_used_and_nothing_else(estate: Estate) -> None:
    found = list(out_of_step(estate, recorded()))
    assert not found, "\n" + "\n".join(map(str, found))


def test_resources_grant_what_is_needed_and_nothing_else(estate: Estate) -> None:
    found = list(granted_for_nothing(estate))
    assert not found, "\n" + "\n".join(map(str, found))


def test_every_function_has_made_calls(estate: Estate) -> None:
    assert len(recorded()) == len(estate.functions)
    for function in estate.functions.values():
        assert len(used(estate, function, recorded())) > 10
        assert len(allowed(function.role)) > 10


def test_a_call_that_no_role_allows_is_reported(estate: Estate) -> None:
    calls = recorded() | {"ecom-{stage}-payment": {Use("dynamodb:DeleteItem", TABLE)}}
    found = list(map(str, out_of_step(estate, calls)))
    assert "PaymentLambdaRole: missing dynamodb:DeleteItem on OrdersTable" in found
    assert "PaymentLambdaRole: unused dynamodb:PutItem on PaymentTable" in found


def test_an_unknown_function_is_reported(estate: Estate) -> None:
    found = list(out_of_step(estate, recorded() | {"ecom-{stage}-stranger": set()}))
    assert list(map(str, found)) == [
        "ecom-{stage}-stranger has made calls and is no function of the templates"
    ]


def test_what_is_checked_in_is_what_the_tests_write() -> None:
    assert dump(recorded()) == RECORDED.read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("service", "operation", "parameters", "needs"),
    [
        ("dynamodb", "GetItem", {"TableName": "ecom-local-orders"}, {Use("dynamodb:GetItem", TABLE)}),
        (
            "dynamodb",
            "Query",
            {"TableName": "ecom-local-orders", "IndexName": "open"},
            {Use("dynamodb:Query", f"{TABLE}/index/open")},
        ),
        (
            "dynamodb",
            "BatchGetItem",
            {"RequestItems": {"ecom-local-orders": {}}},
            {Use("dynamodb:BatchGetItem", TABLE)},
        ),
        (
            "dynamodb",
            "TransactWriteItems",
            {
                "TransactItems": [
                    {"Put": {"TableName": "ecom-local-orders"}},
                    {"Update": {"TableName": "ecom-local-orders"}},
                    {"ConditionCheck": {"TableName": "ecom-local-orders"}},
                    {"Delete": {"TableName": "ecom-local-orders"}},
                ]
            },
            {
                Use(f"dynamodb:{action}", TABLE)
                for action in ("PutItem", "UpdateItem", "ConditionCheckItem", "DeleteItem")
            },
        ),
        (
            "sqs",
            "ChangeMessageVisibilityBatch",
            {"QueueUrl": "http://127.0.0.1:4566/000000000000/ecom-local-payment"},
            {Use("sqs:ChangeMessageVisibility", "arn:aws:sqs:{region}:{account}:ecom-{stage}-payment")},
        ),
        (
            "events",
            "PutEvents",
            {"Entries": [{"EventBusName": "ecom-local-bus", "Source": source} for source in "ab"]},
            {
                Use(
                    "events:PutEvents",
                    "arn:aws:events:{region}:{account}:event-bus/ecom-{stage}-bus",
                    (("events:source", source),),
                )
                for source in "ab"
            },
        ),
        (
            "kms",
            "Encrypt",
            {"KeyId": HERE.key, "EncryptionContext": {"stage": "local", "orderId": "1-2"}},
            {
                Use(
                    "kms:Encrypt",
                    "{key}",
                    (("kms:EncryptionContext:orderId", "{any}"), ("kms:EncryptionContext:stage", "{stage}")),
                )
            },
        ),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
def test_what_a_call_needs(
    service: str, operation: str, parameters: dict[str, object], needs: set[Use]
) -> None:
    found = set(uses(service, operation, parameters, HERE))
    assert found == needs
    assert load(dump({"f": found})) == {"f": found}
    assert all("{" not in at(use, HERE).resource for use in found)


@pytest.mark.parametrize(
    ("service", "operation"),
    [("dynamodb", "ExecuteStatement"), ("sqs", "PurgeQueue"), ("events", "PutRule"), ("s3", "GetObject")],
)
def test_a_call_that_is_not_known_is_an_error(service: str, operation: str) -> None:
    with pytest.raises(UnknownCallError, match=f"{service}:{operation}"):
        list(uses(service, operation, {"QueueUrl": "u"}, HERE))
