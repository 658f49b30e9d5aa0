"""Every error code that AWS may answer with is sorted by who can mend it."""

from __future__ import annotations

import json
from typing import Any, cast

import boto3
import pytest
from botocore.exceptions import (
    ClientError,
    ConnectTimeoutError,
    EndpointConnectionError,
    ParamValidationError,
    ReadTimeoutError,
)
from botocore.parsers import create_parser

from ecom_common.errors import Mender, Poison, Retry, code_of, mender, mender_of, names_the_key

TIME, OPERATOR, UNKNOWN = Mender.TIME, Mender.OPERATOR, Mender.UNKNOWN
PENDING_DELETION = "arn:aws:kms:eu-west-1:123456789012:key/1 is pending deletion."


def client_error(code: str, message: str = "", status: int = 400) -> ClientError:
    response: Any = {
        "Error": {"Code": code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": status},
    }
    return ClientError(response, "Operation")


# What each service answers about the key: the code in error.response["Error"]["Code"], and who mends it.
KEY_ERRORS = {
    # SQS speaks JSON now, but the header x-amzn-query-error brings its old spelling back (see below).
    "sqs": {
        "KMS.DisabledException": OPERATOR,
        "KMS.AccessDeniedException": OPERATOR,
        "KMS.NotFoundException": OPERATOR,
        "KMS.InvalidKeyUsageException": OPERATOR,
        "KMS.OptInRequired": OPERATOR,
        "KMS.InvalidStateException": TIME,
        "KMS.ThrottlingException": TIME,
        "KmsDisabled": OPERATOR,
        "KmsAccessDenied": OPERATOR,
        "KmsNotFound": OPERATOR,
        "KmsInvalidKeyUsage": OPERATOR,
        "KmsOptInRequired": OPERATOR,
        "KmsInvalidState": TIME,
        "KmsThrottled": TIME,
    },
    "sns": {
        "KMSDisabled": OPERATOR,
        "KMSAccessDenied": OPERATOR,
        "KMSNotFound": OPERATOR,
        "KMSOptInRequired": OPERATOR,
        "KMSInvalidState": TIME,
        "KMSThrottling": TIME,
    },
    "kms": {
        "DisabledException": OPERATOR,
        "NotFoundException": OPERATOR,
        "InvalidKeyUsageException": OPERATOR,
        "KMSInvalidStateException": TIME,
        "KMSInternalException": TIME,
        "KeyUnavailableException": TIME,
        "DependencyTimeoutException": TIME,
    },
    "lambda": {
        "KMSDisabledException": OPERATOR,
        "KMSAccessDeniedException": OPERATOR,
        "KMSNotFoundException": OPERATOR,
        "KMSInvalidStateException": TIME,
    },
}

OTHER_ERRORS = {
    "dynamodb": {
        "AccessDeniedException": OPERATOR,
        "ProvisionedThroughputExceededException": TIME,
        "RequestLimitExceeded": TIME,
        "ThrottlingException": TIME,
        "InternalServerError": TIME,
        "TransactionConflictException": TIME,
        "TransactionInProgressException": TIME,
        "ReplicatedWriteConflictException": TIME,
        # codes inside CancellationReasons, not exceptions of their own
        "TransactionConflict": TIME,
        "ThrottlingError": TIME,
        "ProvisionedThroughputExceeded": TIME,
        "ValidationError": UNKNOWN,
        "ItemCollectionSizeLimitExceeded": UNKNOWN,
        "ValidationException": UNKNOWN,
        "ResourceNotFoundException": UNKNOWN,
    },
    "events": {
        # codes of single entries of PutEvents
        "ThrottlingException": TIME,
        "InternalFailure": TIME,
        "InternalException": TIME,
        "AccessDeniedException": OPERATOR,
        "NotAuthorizedForSourceException": OPERATOR,
        "NotAuthorizedForDetailTypeException": OPERATOR,
        "MalformedDetail": UNKNOWN,
        "InvalidArgument": UNKNOWN,
    },
    "sqs": {
        "RequestThrottled": TIME,
        "OverLimit": TIME,
        "AccessDenied": OPERATOR,
        "InvalidMessageContents": UNKNOWN,
    },
    "sns": {"AuthorizationError": OPERATOR, "Throttled": TIME, "InvalidParameter": UNKNOWN},
    "lambda": {"TooManyRequestsException": TIME},
}


def cases(table: dict[str, dict[str, Mender]]) -> list[Any]:
    return [
        pytest.param(code, who, id=f"{service}:{code}")
        for service, codes in table.items()
        for code, who in codes.items()
    ]


@pytest.mark.parametrize(("code", "who"), cases(KEY_ERRORS))
def test_trouble_with_the_key_is_sorted_and_recognised(code: str, who: Mender) -> None:
    assert mender(code, "the key is pending import") is who
    assert names_the_key(client_error(code))


@pytest.mark.parametrize(("code", "who"), cases(OTHER_ERRORS))
def test_other_trouble_is_sorted_and_not_blamed_on_the_key(code: str, who: Mender) -> None:
    assert mender(code) is who
    assert not names_the_key(client_error(code, "nothing about keys"))


@pytest.mark.parametrize(
    "code",
    ["KMS.InvalidStateException", "KmsInvalidState", "KMSInvalidState", "KMSInvalidStateException"],
)
@pytest.mark.parametrize(
    ("message", "who"),
    [
        (PENDING_DELETION, OPERATOR),
        ("the key is disabled", OPERATOR),
        ("arn:… is pending import.", TIME),
        ("arn:… is unavailable", TIME),
        ("", TIME),
    ],
)
def test_the_state_of_the_key_says_whether_waiting_helps(code: str, message: str, who: Mender) -> None:
    assert mender_of(client_error(code, message)) is who


def test_access_denied_names_the_key_when_its_text_does() -> None:
    """DynamoDB and EventBridge have no key errors of their own."""
    message = "KMS key access denied error: the ciphertext refers to a key that you may not use"
    assert names_the_key(client_error("AccessDeniedException", message))
    assert not names_the_key(client_error("AccessDeniedException", "not authorized: dynamodb:PutItem"))


@pytest.mark.parametrize("service", ["sqs", "sns", "kms", "lambda", "dynamodb", "events"])
def test_every_key_error_in_the_models_is_sorted(service: str) -> None:
    """A new botocore with a new key error turns this red."""
    model = boto3.client(service, region_name="eu-west-1").meta.service_model  # type: ignore[call-overload]
    for shape in model.error_shapes:
        name = shape.name.lower()
        about_the_state = any(word in name for word in ("disabled", "denied", "state", "throttl"))
        if "kms" in name and about_the_state:
            assert mender(shape.error_code or shape.name) is not UNKNOWN, shape.name
            assert names_the_key(client_error(shape.error_code or shape.name)), shape.name


@pytest.mark.parametrize(
    ("header", "code"),
    [("KMS.DisabledException;Sender", "KMS.DisabledException"), (None, "KmsDisabled")],
)
def test_sqs_errors_arrive_in_either_spelling(header: str | None, code: str) -> None:
    """botocore puts the old spelling into Code where SQS sends its compatibility header."""
    client = boto3.client("sqs", region_name="eu-west-1")
    operation = client.meta.service_model.operation_model("SendMessage")
    headers = {"x-amzn-query-error": header} if header else {}
    answer = {
        "status_code": 400,
        "headers": headers,
        "body": json.dumps({"__type": "com.amazonaws.sqs#KmsDisabled", "message": "…"}).encode(),
    }
    parsed = create_parser("json").parse(answer, cast(Any, operation.output_shape))
    error = ClientError(cast(Any, parsed), "SendMessage")
    assert code_of(error) == code
    assert mender_of(error) is OPERATOR
    assert names_the_key(error)


@pytest.mark.parametrize(
    "error",
    [
        ReadTimeoutError(endpoint_url="https://…"),
        ConnectTimeoutError(endpoint_url="https://…"),
        EndpointConnectionError(endpoint_url="https://…"),
        Retry("busy"),
        client_error("Whatever", status=500),
        client_error("Whatever", status=503),
        client_error("Whatever", status=429),
    ],
    ids=lambda error: type(error).__name__,
)
def test_no_answer_and_a_tired_server_are_mended_by_time(error: Exception) -> None:
    assert mender_of(error) is TIME


@pytest.mark.parametrize(
    "error",
    [
        client_error("Whatever", status=400),
        Poison("never"),
        ValueError("a bug"),
        # The request never left: the same arguments will be refused for ever.
        ParamValidationError(report="Invalid length for parameter Key"),
    ],
    ids=lambda error: type(error).__name__,
)
def test_the_rest_nobody_knows(error: Exception) -> None:
    assert mender_of(error) is UNKNOWN


def test_a_disabled_key_behind_a_server_error_is_still_for_an_operator() -> None:
    """Lambda answers 502 for it."""
    assert mender_of(client_error("KMSDisabledException", status=502)) is OPERATOR


def test_an_error_without_a_code_has_a_name() -> None:
    assert code_of(ReadTimeoutError(endpoint_url="x")) == "ReadTimeoutError"
    nothing: Any = {}
    assert code_of(ClientError(nothing, "Operation")) == "Unknown"
