"""What can go wrong, sorted by who can mend it: time, an operator, or nobody."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError, ParamValidationError

if TYPE_CHECKING:
    from ecom_common.facts import Fact

AwsError = (ClientError, BotoCoreError)
"""Everything an AWS call may raise: an error answer, or no answer (time-outs, broken connections)."""


class Retry(Exception):  # noqa: N818 - an instruction to the worker
    """This record cannot be finished now; a later delivery may. The record fails, its batch does not.

    `facts` are true already and are published all the same.
    """

    def __init__(self, message: str, facts: Sequence[Fact] = ()) -> None:
        super().__init__(message)
        self.facts = facts


class Poison(Exception):  # noqa: N818 - an instruction to the worker
    """This record can never be handled, however often it comes: it is parked with this reason."""


class Mender(Enum):
    """Who can mend an error."""

    TIME = "time"
    OPERATOR = "operator"
    UNKNOWN = "unknown"


# Every service reports trouble with the customer-managed key under names of its own. Sources: the "Errors"
# section of each service's API reference (SQS SendMessage, SNS Publish, KMS Decrypt, Lambda Invoke). DynamoDB
# and EventBridge have no key errors of their own and answer AccessDeniedException naming KMS in the text.
_KEY_NEEDS_OPERATOR = frozenset(
    {
        # SQS
        "KMS.DisabledException",
        "KMS.AccessDeniedException",
        "KMS.NotFoundException",
        "KMS.InvalidKeyUsageException",
        "KMS.OptInRequired",
        "KmsDisabled",
        "KmsAccessDenied",
        "KmsNotFound",
        "KmsInvalidKeyUsage",
        "KmsOptInRequired",
        # SNS
        "KMSDisabled",
        "KMSAccessDenied",
        "KMSNotFound",
        "KMSOptInRequired",
        # KMS itself, and Lambda
        "DisabledException",
        "NotFoundException",
        "InvalidKeyUsageException",
        "KMSDisabledException",
        "KMSAccessDeniedException",
        "KMSNotFoundException",
    }
)
# A key in another state than Enabled: "pending import", "unavailable" and "updating" pass, "pending deletion"
# does not; the text says which.
_KEY_STATE = frozenset(
    {"KMS.InvalidStateException", "KmsInvalidState", "KMSInvalidState", "KMSInvalidStateException"}
)
_KEY_WAITS = frozenset(
    {
        "KMS.ThrottlingException",
        "KmsThrottled",
        "KMSThrottling",
        "KMSThrottlingException",
        "KMSInternalException",
        "KeyUnavailableException",
        "DependencyTimeoutException",
    }
)
_ACCESS_DENIED = frozenset(
    {
        "AccessDenied",
        "AccessDeniedException",
        "AuthorizationError",
        "NotAuthorizedForDetailTypeException",
        "NotAuthorizedForSourceException",
    }
)
_TRANSIENT = frozenset(
    {
        "InternalException",
        "InternalFailure",
        "InternalServerError",
        "LimitExceededException",
        "OverLimit",
        "PriorRequestNotComplete",
        "ProvisionedThroughputExceeded",
        "ProvisionedThroughputExceededException",
        "ReplicatedWriteConflictException",
        "RequestLimitExceeded",
        "RequestThrottled",
        "RequestTimeout",
        "ServiceUnavailable",
        "Throttled",
        "Throttling",
        "ThrottlingError",
        "ThrottlingException",
        "TooManyRequestsException",
        "TransactionConflict",
        "TransactionConflictException",
        "TransactionInProgressException",
    }
)


def code_of(error: BaseException) -> str:
    """The error code AWS gave, or the name of the exception where there was no answer at all."""
    if isinstance(error, ClientError):
        return str(error.response.get("Error", {}).get("Code", "Unknown"))
    return type(error).__name__


def mender(code: str, message: str = "") -> Mender:
    """Who can mend an error with this code: time (retry), an operator, or nobody knows."""
    text = message.lower()
    if code in _KEY_STATE:
        return Mender.OPERATOR if "deletion" in text or "disabled" in text else Mender.TIME
    if code in _KEY_NEEDS_OPERATOR or code in _ACCESS_DENIED:
        return Mender.OPERATOR
    if code in _KEY_WAITS or code in _TRANSIENT:
        return Mender.TIME
    return Mender.UNKNOWN


def mender_of(error: BaseException) -> Mender:
    """The same for an exception. No answer from AWS (time-out, broken connection) is mended by time."""
    if isinstance(error, ClientError):
        known = mender(code_of(error), str(error.response.get("Error", {}).get("Message", "")))
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return Mender.TIME if known is Mender.UNKNOWN and (status >= 500 or status == 429) else known
    if isinstance(error, ParamValidationError):
        return Mender.UNKNOWN  # the request never left: it would be refused again
    if isinstance(error, BotoCoreError | Retry):
        return Mender.TIME
    return Mender.UNKNOWN


def names_the_key(error: BaseException) -> bool:
    """True where the error is about the encryption key, whatever the service calls it."""
    code = code_of(error)
    if code in _KEY_NEEDS_OPERATOR or code in _KEY_STATE or code in _KEY_WAITS:
        return True
    return code in _ACCESS_DENIED and "kms" in str(error).lower()
