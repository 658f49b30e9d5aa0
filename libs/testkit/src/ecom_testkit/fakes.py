"""Stand-ins for what `ecom_common` sends away, and for the key."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from ecom_common.facts import Fact
from ecom_common.publisher import Publisher
from ecom_common.queues import Queues

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord


class FakePublisher(Publisher):
    """Keeps what is published. `refuse` names detail-types or event ids that never get on the bus."""

    def __init__(self, refuse: Iterable[str] = ()) -> None:
        nothing: Any = None
        super().__init__(nothing, "bus")
        self.refuse = set(refuse)
        self.published: list[Fact] = []

    def publish(self, facts: Iterable[Fact]) -> dict[str, str]:
        unpublished: dict[str, str] = {}
        for fact in {fact.event_id: fact for fact in facts}.values():
            if {fact.event_id, fact.detail_type} & self.refuse:
                unpublished[fact.event_id] = "InternalFailure"
            else:
                self.published.append(fact)
        return unpublished


class FakeQueues(Queues):
    """Keeps what is parked (body, reason) and which message ids were put off."""

    def __init__(self, parking_fails_with: Exception | None = None) -> None:
        nothing: Any = None
        super().__init__(nothing, "parking", 5)
        self._parking_error = parking_fails_with
        self.parked: list[tuple[str, str]] = []
        self.delayed: list[str] = []

    def park(self, record: SQSRecord, reason: str) -> None:
        if self._parking_error:
            raise self._parking_error
        self.parked.append((record.body, reason))

    def come_back_later(self, records: Sequence[SQSRecord]) -> None:
        self.delayed += [record.message_id for record in records]


class FakeKms:
    """A key that hides what is sealed and opens it under the same context alone.

    `asked` holds the operation and the context of each call; `error`, once set, is what every call raises.
    """

    def __init__(self) -> None:
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.error: Exception | None = None
        self.made = 0

    def client(self) -> Any:
        """What makes the client, for whoever makes it when it is needed."""
        self.made += 1
        return self

    def encrypt(self, *, KeyId: str, Plaintext: bytes, EncryptionContext: Mapping[str, str]) -> Any:  # noqa: N803
        self._asked("encrypt", EncryptionContext)
        box = [KeyId, dict(EncryptionContext), Plaintext.hex()]
        # In capitals no part of it can be mistaken for what was sealed; numbered, no two seals are the same.
        return {"CiphertextBlob": f"{len(self.asked):04d}{json.dumps(box)}".encode().hex().upper().encode()}

    def decrypt(self, *, KeyId: str, CiphertextBlob: bytes, EncryptionContext: Mapping[str, str]) -> Any:  # noqa: N803
        self._asked("decrypt", EncryptionContext)
        try:
            key, context, plaintext = json.loads(bytes.fromhex(CiphertextBlob.decode())[4:])
        except ValueError:
            key, context, plaintext = "", {}, ""
        if (key, context) != (KeyId, EncryptionContext):
            error: Any = {"Error": {"Code": "InvalidCiphertextException", "Message": ""}}
            raise ClientError(error, "Decrypt")
        return {"Plaintext": bytes.fromhex(plaintext)}

    def _asked(self, operation: str, context: Mapping[str, str]) -> None:
        self.asked.append((operation, dict(context)))
        if self.error is not None:
            raise self.error
