"""Who calls the API, and which owner that is."""

from __future__ import annotations

import base64
import json
from typing import Any

import httpx
import pytest

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError
from ecom_cli.shop.caller import TOKEN_VARIABLE, SigV4, auth_of, owner_of, principal_of, subject_of

DEV = Stage("dev", "eu-central-1", "http://127.0.0.1:1")
LOCAL = Stage("local", "eu-central-1", "http://127.0.0.1:1")


def token(**claims: Any) -> str:
    parts = ({"alg": "RS256"}, claims, "signature")
    return ".".join(
        base64.urlsafe_b64encode(json.dumps(part).encode()).decode().rstrip("=") for part in parts
    )


@pytest.fixture(autouse=True)
def no_token(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(TOKEN_VARIABLE, raising=False)


def test_stage_local_asks_nobody(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, token(sub="anna"))
    assert (auth_of(LOCAL), owner_of(LOCAL)) == (None, "local")


def test_other_stages_get_a_signature() -> None:
    assert isinstance(auth_of(DEV), SigV4)


def test_a_token_goes_before_a_signature(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(TOKEN_VARIABLE, f" {token(sub='anna')}\n")
    auth = auth_of(DEV)
    assert auth is not None
    request = next(auth.auth_flow(httpx.Request("GET", "https://api.example")))
    assert request.headers["Authorization"] == f"Bearer {token(sub='anna')}"
    assert owner_of(DEV) == "anna"


@pytest.mark.parametrize(
    ("arn", "owner"),
    [
        (
            "arn:aws:sts::123456789012:assumed-role/deployer/botocore-session-1763800000",
            "arn:aws:sts::123456789012:assumed-role/deployer",
        ),
        (
            "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admins_0123456789abcdef/anna@example.com",
            "arn:aws:sts::123456789012:assumed-role/AWSReservedSSO_Admins_0123456789abcdef/anna@example.com",
        ),
        ("arn:aws:iam::123456789012:user/anna", "arn:aws:iam::123456789012:user/anna"),
    ],
)
def test_a_role_is_one_owner_a_person_of_identity_center_another(arn: str, owner: str) -> None:
    assert principal_of(arn) == owner


@pytest.mark.parametrize("text", ["anna", "a.b", "a.b.c", "..", token(name="anna")])
def test_a_token_that_is_none_is_refused_by_name(text: str) -> None:
    with pytest.raises(EcomError, match=TOKEN_VARIABLE):
        subject_of(text)
