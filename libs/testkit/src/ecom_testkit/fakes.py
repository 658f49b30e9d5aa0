"""Stand-ins for what `ecom_common` sends away."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any

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
