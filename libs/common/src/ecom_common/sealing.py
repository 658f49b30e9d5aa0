"""Personal data of an order, sealed with the stage's key before it is stored. KMS does the cryptography.

A seal is KMS Encrypt itself, no envelope: what is sealed fits into one call, and nothing here handles a key.
What it belongs to is its encryption context: a seal that is moved to another order's row, or to another
stage's, does not open. The context is no secret, CloudTrail shows it: it names the order and nobody.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from mypy_boto3_kms import KMSClient

MOST = 4096
"""Bytes: KMS Encrypt takes no more."""


class Seal:
    """Seals and opens small objects under the order they belong to.

    `kms` makes the client, when it is needed first: an order without personal data pays for none of this.
    """

    def __init__(self, kms: Callable[[], KMSClient], key_arn: str, stage: str) -> None:
        self._kms = kms
        self._key = key_arn
        self._stage = stage

    def close(self, order_id: str, data: Mapping[str, Any]) -> bytes:
        """Seal an object that JSON can write. Raises an AwsError; ValueError for more than MOST bytes."""
        text = json.dumps(data, ensure_ascii=False, separators=(",", ":")).encode()
        if len(text) > MOST:
            raise ValueError(f"more than {MOST} bytes cannot be sealed")
        answer = self._kms().encrypt(
            KeyId=self._key, Plaintext=text, EncryptionContext=self._context(order_id)
        )
        return answer["CiphertextBlob"]

    def open(self, order_id: str, sealed: bytes) -> dict[str, Any]:
        """What was sealed for this order. Raises an AwsError, also for a seal of anything else."""
        answer = self._kms().decrypt(
            # The key is named, so that what somebody sealed with a key of their own is not taken for ours.
            KeyId=self._key,
            CiphertextBlob=sealed,
            EncryptionContext=self._context(order_id),
        )
        data: dict[str, Any] = json.loads(answer["Plaintext"])
        return data

    def _context(self, order_id: str) -> dict[str, str]:
        return {"orderId": order_id, "stage": self._stage}
