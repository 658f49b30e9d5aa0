"""A failure is logged at the level of who can mend it, without a word of what the customer sent."""

from __future__ import annotations

import json
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ecom_common import telemetry
from ecom_common.errors import Retry
from ecom_common.telemetry import FIELDS, begin, count, dropped, flush, log_failure, logger
from ecom_testkit import context
from ecom_testkit.telemetry import Log, captured_log, counted

SECRET = "12 High Street"  # pragma: allowlist secret  # where an invented customer lives


def client_error(code: str, message: str = SECRET) -> ClientError:
    response: Any = {"Error": {"Code": code, "Message": message}}
    return ClientError(response, "PutItem")


def raised(error: Exception) -> Exception:
    """The error as a handler would catch it, with a traceback."""
    try:
        raise error
    except Exception as caught:  # noqa: BLE001 - that is what is wanted
        return caught


@pytest.mark.parametrize(
    ("error", "level", "who", "operators"),
    [
        (client_error("ThrottlingException"), "WARNING", "time", 0),
        (ReadTimeoutError(endpoint_url="https://…"), "WARNING", "time", 0),
        (Retry("busy"), "WARNING", "time", 0),
        (client_error("AccessDeniedException"), "ERROR", "operator", 1),
        (client_error("KMS.DisabledException"), "ERROR", "operator", 1),
        (client_error("ValidationException"), "ERROR", "unknown", 0),
        (KeyError(SECRET), "ERROR", "unknown", 0),
    ],
    ids=lambda value: type(value).__name__ if isinstance(value, Exception) else str(value),
)
def test_the_level_says_who_mends_it(
    error: Exception, level: str, who: str, operators: int, log: Log
) -> None:
    log_failure(raised(error), "record failed", orderId="order-1")
    [line] = log.lines
    assert (line["level"], line["mendedBy"], line["orderId"]) == (level, who, "order-1")
    assert line["error"] == type(error).__name__
    assert line["message"] == "record failed"
    assert counted().get("OperatorErrors", 0) == operators
    assert SECRET not in log.text, "AWS quotes values of the request; so do KeyError and ValueError"


def test_the_key_is_named_when_the_key_is_the_trouble(log: Log) -> None:
    log_failure(client_error("KmsDisabled"), "m")
    log_failure(client_error("AccessDeniedException", "KMS says no"), "m")
    log_failure(client_error("AccessDeniedException", "not authorized: dynamodb:PutItem"), "m")
    arns = [line.get("kmsKeyArn") for line in log.lines]
    assert arns == ["arn:aws:kms:eu-west-1:123456789012:key/1234"] * 2 + [None]


def test_a_bug_says_where_it_is(log: Log) -> None:
    log_failure(raised(KeyError(SECRET)), "record failed")
    [line] = log.lines
    assert line["stack"][-1].startswith("test_telemetry.py:")
    assert line["stack"][-1].endswith(" raised")


def test_a_retry_says_why(log: Log) -> None:
    """The words of a Retry are ours."""
    log_failure(Retry("stock is contended"), "record failed")
    assert log.lines[0]["reason"] == "stock is contended"


def test_metrics_leave_in_the_embedded_format(capsys: pytest.CaptureFixture[str]) -> None:
    count("ParkedMessages", 2)
    flush()
    document = json.loads(capsys.readouterr().out)
    [directive] = document["_aws"]["CloudWatchMetrics"]
    assert directive["Namespace"] == "ecom-test"
    assert directive["Dimensions"] == [["service"]]
    assert document["service"] == "test.service"
    assert document["ParkedMessages"] == [2.0]


def test_no_metrics_no_line(capsys: pytest.CaptureFixture[str]) -> None:
    flush()
    assert capsys.readouterr().out == ""


def test_more_than_a_hundred_counts_are_not_lost(capsys: pytest.CaptureFixture[str]) -> None:
    """EMF takes 100 values of a metric in one line."""
    for _ in range(250):
        count("FailedRecords")
    flush()
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert sum(sum(line["FailedRecords"]) for line in lines) == 250


class TestListedFields:
    def test_what_is_not_on_the_list_is_left_out_and_counted(self, log: Log) -> None:
        logger.info("order placed", extra={"orderId": "order-1", "customer": SECRET, "owner": SECRET})
        [line] = log.lines
        assert (line["orderId"], line["message"]) == ("order-1", "order placed")
        assert SECRET not in log.text
        assert dropped == {"customer", "owner"}
        assert counted()["LogFieldsDropped"] == 2
        dropped.clear()

    def test_the_text_of_an_error_has_no_other_way_in(self, log: Log) -> None:
        try:
            raise ValueError(SECRET)
        except ValueError:
            logger.exception("failed")
        assert SECRET not in log.text
        assert {"exception", "exception_name"} <= dropped
        dropped.clear()

    @pytest.mark.parametrize(
        "said", [("order of %s", SECRET), ({"customer": SECRET},), (ValueError(SECRET),)], ids=str
    )
    def test_a_sentence_is_fixed(self, log: Log, said: tuple[Any, ...]) -> None:
        logger.info(*said)
        assert SECRET not in log.text
        assert log.lines[0]["level"] == "INFO", "the line itself is there"
        assert dropped == {"message"}
        assert counted()["LogFieldsDropped"] == 1
        dropped.clear()

    def test_a_test_that_logs_something_else_fails(self) -> None:
        with pytest.raises(AssertionError, match="customer"), captured_log():
            logger.info("order placed", extra={"customer": SECRET})
        assert not dropped

    def test_a_failure_has_listed_fields_only(self, log: Log) -> None:
        log_failure(raised(KeyError(SECRET)), "record failed", orderId="order-1")
        log_failure(client_error("KmsDisabled"), "record failed")
        for line in log.lines:
            own = {"level", "location", "message", "timestamp", "service"}
            assert line.keys() - own <= FIELDS


class TestBegin:
    @pytest.fixture(autouse=True)
    def _end(self, monkeypatch: pytest.MonkeyPatch) -> Any:
        monkeypatch.setattr(telemetry, "_cold", True)
        yield
        logger.remove_keys(["requestId", "apiRequestId", "functionVersion", "coldStart"])

    def test_every_line_names_its_invocation(self, log: Log) -> None:
        begin(context(), "api-request")
        logger.info("one")
        begin(context())
        logger.info("two")
        one, two = log.lines
        assert (one["requestId"], one["functionVersion"], one["coldStart"]) == ("request", "1", True)
        assert one["apiRequestId"] == "api-request"
        assert two["coldStart"] is False
        assert "apiRequestId" not in two, "that of another request"
