"""What a person at the terminal is told: what went wrong, and what to do."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from contextlib import contextmanager


class EcomError(Exception):
    """A failure that the user can act on. Shown without a traceback; exit code 1.

    Parameters: `message` says what went wrong, `hint` (may be empty) what to do about it.
    """

    def __init__(self, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message}\n{self.hint}" if self.hint else self.message


_HINTS = {
    "NoCredentialsError": "Set AWS_PROFILE, or log in with the AWS CLI. To run it here: `./ecom up`.",
    "TokenRetrievalError": "Log in again: `aws sso login`.",
    "UnauthorizedSSOTokenError": "Log in again: `aws sso login`.",
    "ProfileNotFound": "Correct AWS_PROFILE.",
    "EndpointConnectionError": "Is the emulator running (`./ecom status`)? Is AWS_ENDPOINT_URL right?",
    "ConnectTimeoutError": "Check the network, and AWS_ENDPOINT_URL.",
    "AccessDenied": "These credentials lack the permission that the message names.",
    "AccessDeniedException": "These credentials lack the permission that the message names.",
    "ExpiredToken": "Log in again.",
    "ExpiredTokenException": "Log in again.",
    "InvalidClientTokenId": "These credentials are not known there. Check AWS_PROFILE or AWS_ACCESS_KEY_ID.",
    "UnrecognizedClientException": "These credentials are not known there. Check AWS_PROFILE.",
}


@contextmanager
def explained() -> Iterator[None]:
    """Turn what AWS or the way to it answers into an EcomError."""
    try:
        yield
    except Exception as error:
        if "botocore" not in sys.modules:  # not loaded, so the error is none of its
            raise
        from botocore.exceptions import BotoCoreError, ClientError

        if isinstance(error, ClientError):
            code = error.response.get("Error", {}).get("Code", "")
            raise EcomError(str(error), _HINTS.get(code, "")) from error
        if isinstance(error, BotoCoreError):
            raise EcomError(str(error), _HINTS.get(type(error).__name__, "")) from error
        raise
