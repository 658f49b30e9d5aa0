"""How DynamoDB says no."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from botocore.exceptions import ClientError

from simulation.attribute_values import InvalidError

CANARY_REQUEST = "canary-7f3a9c51d2e8"
"""Part of every error message, where AWS quotes what was asked for: it must not get into a log."""


class RefusedError(Exception):
    """An error answer of any other kind than a ValidationException."""

    def __init__(self, code: str, message: str, **fields: Any) -> None:
        super().__init__(code)
        self.code = code
        self.message = message
        self.fields = fields


PASSED: Mapping[str, Any] = {"Code": "None"}
"""The reason of an action that the transaction was not cancelled for."""


def misfit(error: InvalidError) -> Mapping[str, Any]:
    return {"Code": "ValidationError", "Message": f"{error} {CANARY_REQUEST}"}


def cancelled(reasons: list[Mapping[str, Any]]) -> RefusedError:
    codes = ", ".join(reason["Code"] for reason in reasons)
    message = f"Transaction cancelled, please refer cancellation reasons for specific reasons [{codes}]"
    return RefusedError("TransactionCanceledException", message, CancellationReasons=reasons)


def client_error(refused: RefusedError, operation: str) -> ClientError:
    message = f"{refused.message} {CANARY_REQUEST}"
    response: Any = {
        "Error": {"Code": refused.code, "Message": message},
        "ResponseMetadata": {"HTTPStatusCode": 400, "RetryAttempts": 0},
        "message": message,
        **refused.fields,
    }
    return ClientError(response, operation)
