"""What is sealed opens for the order it belongs to, and for nothing else."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError
from moto import mock_aws

from ecom_common.sealing import MOST, Seal

DATA = {"name": "Ólafur \N{GRINNING FACE}", "address": "12 High Street"}


class Counted:
    """Makes a client when asked, and counts how often."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self.made = 0

    def __call__(self) -> Any:
        self.made += 1
        return self._client


@pytest.fixture
def kms() -> Iterator[Any]:
    with mock_aws():
        yield boto3.client("kms", region_name="eu-west-1")


@pytest.fixture
def key(kms: Any) -> str:
    arn: str = kms.create_key()["KeyMetadata"]["Arn"]
    return arn


def test_what_is_sealed_comes_back(kms: Any, key: str) -> None:
    seal = Seal(lambda: kms, key, "test")
    sealed = seal.close("order-1", DATA)
    assert isinstance(sealed, bytes)
    assert b"High Street" not in sealed
    assert seal.open("order-1", sealed) == DATA


@pytest.mark.parametrize(("order_id", "stage"), [("order-2", "test"), ("order-1", "other")])
def test_a_seal_opens_for_its_order_and_stage_alone(kms: Any, key: str, order_id: str, stage: str) -> None:
    sealed = Seal(lambda: kms, key, "test").close("order-1", DATA)
    with pytest.raises(ClientError) as raised:
        Seal(lambda: kms, key, stage).open(order_id, sealed)
    assert raised.value.response["Error"]["Code"] == "InvalidCiphertextException"


def test_the_context_names_order_and_stage_and_nobody(kms: Any, key: str) -> None:
    """CloudTrail shows it in the clear, and the policies of role and key go by exactly these names."""
    sealed = Seal(lambda: kms, key, "test").close("order-1", DATA)
    context = {"orderId": "order-1", "stage": "test"}
    assert kms.decrypt(CiphertextBlob=sealed, EncryptionContext=context)["Plaintext"].startswith(b'{"name"')


def test_both_calls_name_the_key() -> None:
    """Without it, Decrypt opens what anybody sealed with a key that the role may use."""
    asked: list[Any] = []

    class Kms:
        def encrypt(self, **request: Any) -> Any:
            asked.append(request["KeyId"])
            return {"CiphertextBlob": b"x"}

        def decrypt(self, **request: Any) -> Any:
            asked.append(request["KeyId"])
            return {"Plaintext": b"{}"}

    client: Any = Kms()
    seal = Seal(lambda: client, "the-key", "test")
    seal.open("order-1", seal.close("order-1", DATA))
    assert asked == ["the-key", "the-key"]


def test_the_client_is_made_when_it_is_needed(kms: Any, key: str) -> None:
    made = Counted(kms)
    seal = Seal(made, key, "test")
    assert made.made == 0
    seal.close("order-1", DATA)
    assert made.made == 1


def test_what_kms_would_not_take_is_not_sent() -> None:
    def no_client() -> Any:
        raise AssertionError("there is nothing to send")

    with pytest.raises(ValueError, match="4096"):
        Seal(no_client, "key", "test").close("order-1", {"x": "é" * (MOST // 2)})
