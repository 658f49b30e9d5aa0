"""Who calls the order API from here, and under which name order-service knows them."""

from __future__ import annotations

import base64
import json
import os
import re
from collections.abc import Generator, Mapping

import httpx

from ecom_cli.aws import LOCAL_STAGE, Stage
from ecom_cli.errors import EcomError

LOCAL_OWNER = "local"
"""Who orders where the API asks nobody who they are."""

TOKEN_VARIABLE = "ECOM_TOKEN"  # nosec B105  # the name of a variable, no token
"""The environment's variable with an identity token, for a stage that asks a user pool."""

ROLE_SESSION = re.compile(r"(arn:[^:]+:sts::[^:]*:assumed-role/(?!AWSReservedSSO_)[^/]+)/.+")
"""order-service's: a role owns its orders, whatever its session is called."""


def auth_of(stage: Stage) -> httpx.Auth | None:
    """A token where there is one, else a signature; nothing on stage local, which asks nobody."""
    if stage.name == LOCAL_STAGE:
        return None
    token = _token()
    return Bearer(token) if token else SigV4(stage.region, stage.credentials())


def owner_of(stage: Stage) -> str:
    """Whose orders they are that are placed from here. Raises EcomError for a token that is none."""
    if stage.name == LOCAL_STAGE:
        return LOCAL_OWNER
    token = _token()
    if token:
        return subject_of(token)
    return principal_of(str(stage.client("sts").get_caller_identity()["Arn"]))


def principal_of(arn: str) -> str:
    """The owner that an IAM caller is, from the caller's ARN."""
    session = ROLE_SESSION.fullmatch(arn)
    return session[1] if session else arn


def subject_of(token: str) -> str:
    """The owner that a user of a pool is, from a token; whether it is valid is for the API to say."""
    try:
        _, claims, _ = token.split(".")
        subject = json.loads(base64.urlsafe_b64decode(claims + "=" * (-len(claims) % 4)))["sub"]
    except (ValueError, KeyError, TypeError) as error:
        raise EcomError(
            f"{TOKEN_VARIABLE} is not a token of a user pool.", "It has three parts with dots between them."
        ) from error
    return str(subject)


def _token() -> str:
    return os.environ.get(TOKEN_VARIABLE, "").strip()


class Bearer(httpx.Auth):
    """Sends a token along (RFC 6750)."""

    def __init__(self, token: str) -> None:
        self._token = token

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        request.headers["Authorization"] = f"Bearer {self._token}"
        yield request


class SigV4(httpx.Auth):
    """Signs a request for API Gateway.

    `credentials` as `Stage.credentials` has them; empty for those of this session.
    """

    requires_request_body = True

    def __init__(self, region: str, credentials: Mapping[str, str] | None = None) -> None:
        import botocore.credentials
        import botocore.session

        self._region = region
        if credentials:
            self._credentials = botocore.credentials.Credentials(
                credentials["aws_access_key_id"],
                credentials["aws_secret_access_key"],
                credentials.get("aws_session_token"),
            )
            return
        found = botocore.session.Session().get_credentials()
        if found is None:
            raise EcomError("No AWS credentials were found.", "Sign in (`aws sso login`) or set AWS_PROFILE.")
        self._credentials = found

    def auth_flow(self, request: httpx.Request) -> Generator[httpx.Request, httpx.Response, None]:
        from botocore.auth import SigV4Auth
        from botocore.awsrequest import AWSRequest

        signed = {
            name: request.headers[name]
            for name in ("Content-Type", "Idempotency-Key")
            if name in request.headers
        }
        prepared = AWSRequest(
            method=request.method, url=str(request.url), data=request.content, headers=signed
        )
        SigV4Auth(self._credentials.get_frozen_credentials(), "execute-api", self._region).add_auth(prepared)
        request.headers.update(dict(prepared.headers.items()))
        yield request
