from __future__ import annotations

import pytest

from ecom_cli.delivery.schedule import in_order
from ecom_cli.errors import EcomError
from ecom_cli.templates import parse_template


def test_short_forms_dates_and_defaults_are_read():
    template = parse_template(
        """
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Rate: {Type: Number, Default: 25}
  Flag: {Type: String, Default: 'on'}
  Needed: {Type: String}
Resources:
  Table:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties: {TableName: !Sub 'x-${Stage}', Arn: !GetAtt [A, B], If: !If [C, {a: 1}, !Ref AWS::NoValue]}
  Key: {Type: 'AWS::KMS::Key', DeletionPolicy: RetainExceptOnCreate}
  Queue: {Type: 'AWS::SQS::Queue', DeletionPolicy: Delete}
""",
        "t.yaml",
    )
    assert template.parameters == {"Rate": "25", "Flag": "on", "Needed": None}
    assert template.retained == {"Table", "Key"}


@pytest.mark.parametrize(
    ("text", "message"),
    [("Resources: {\n", r"t\.yaml is not valid YAML.*line 2"), ("a: 1", r"t\.yaml has no Resources")],
)
def test_a_mistake_is_named_with_its_place(text, message):
    with pytest.raises(EcomError, match=f"(?s){message}"):
        parse_template(text, "t.yaml")


def test_each_waits_for_its_own_and_no_longer():
    finished: list[str] = []

    def work(name: str) -> str:
        finished.append(name)
        return name.upper()

    assert in_order({"c": {"b"}, "b": {"a"}, "a": {"elsewhere"}}, work) == {"c": "C", "b": "B", "a": "A"}
    assert finished == ["a", "b", "c"]


def test_a_failure_stops_only_what_waits_for_it():
    finished: list[str] = []

    def work(name: str) -> None:
        if name == "bad":
            raise EcomError("bad failed", "do this")
        finished.append(name)

    with pytest.raises(EcomError) as caught:
        in_order({"bad": set(), "good": set(), "after-bad": {"bad"}, "after-good": {"good"}}, work)
    assert finished == ["good", "after-good"]
    assert caught.value.message == "bad failed\nNot started, for that reason: after-bad."
    assert caught.value.hint == "do this"


def test_an_error_that_nobody_expected_is_not_swallowed():
    def work(name: str) -> None:
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        in_order({"a": set()}, work)
