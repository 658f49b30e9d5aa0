"""The queue worker: takes a batch of SQS messages, hands facts to handlers, publishes what they answer.

A record fails on its own: it comes back later while the rest of its batch is done with. The order of the
steps is the protocol: a handler writes its row first, then the worker publishes; a record is done only when
everything it led to is on the bus. A crash anywhere leaves the message in the queue, and the handler, seeing
it again, answers with the outcome its row holds.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.utilities.batch.base import BasePartialBatchProcessor, EventType
from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord

from ecom_common import tracing
from ecom_common.errors import AwsError, Poison, Retry
from ecom_common.facts import SCHEMA_VERSION, Clock, Fact, received, utc_now
from ecom_common.queues import Queues, receive_count
from ecom_common.retention import CLOCK_SKEW, REPLAY_HORIZON
from ecom_common.telemetry import begin, count, flush, log_failure, logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.batch.types import PartialItemFailureResponse
    from aws_lambda_powertools.utilities.typing import LambdaContext

    from ecom_common.publisher import Publisher

Result = Sequence[Fact] | Exception
"""What one fact led to: facts to publish (none is fine), or why it could not be handled."""

Handler = Callable[[Fact], Sequence[Fact]]
"""Handles one fact. Raises to fail that record alone: Retry for later, Poison for never."""

GroupHandler = Callable[[Sequence[Fact]], Sequence[Result]]
"""Handles all facts of one type in the batch together. One result each, in the same order."""

LAST_CALL_MS = 14_000
"""No new record is begun with less time left than this: what is done must still be published."""


@dataclass
class _Delivery:
    """One SQS message of the batch, and what became of it."""

    record: SQSRecord
    fact: Fact | None = None
    result: Result = ()


class Worker:
    """Makes a Lambda entry point for SQS out of handlers, one for each detail-type.

    Example
    -------
        worker = Worker(publisher, queues, one={"ShipmentFailed": payments.undo})
        def handler(event, context): return worker.run(event, context)
    """

    def __init__(
        self,
        publisher: Publisher,
        queues: Queues,
        *,
        one: Mapping[str, Handler] | None = None,
        group: Mapping[str, GroupHandler] | None = None,
        clock: Clock = utc_now,
    ) -> None:
        self._publisher = publisher
        self._queues = queues
        self._one = one or {}
        self._group = group or {}
        self._clock = clock
        self._processor = _GroupProcessor(EventType.SQS, raise_on_entire_batch_failure=False)

    def run(self, event: Mapping[str, Any], context: LambdaContext) -> PartialItemFailureResponse:
        """Handle an SQS batch. Answers with the records that must come again; raises only for a bug here."""

        def handle(records: Sequence[SQSRecord]) -> list[Exception | None]:
            return self._handle(records, context)

        begin(context)
        try:
            with self._processor(records=event["Records"], handler=handle) as processor:
                processor.process()
            response: PartialItemFailureResponse = processor.response()
            return response
        finally:
            flush()

    def _handle(self, records: Sequence[SQSRecord], context: LambdaContext) -> list[Exception | None]:
        deliveries = [self._open(record) for record in records]
        self._decide([delivery for delivery in deliveries if delivery.fact is not None], context)
        self._publish(deliveries)
        for delivery in deliveries:
            self._close(delivery)
        self._queues.come_back_later(
            [delivery.record for delivery in deliveries if isinstance(delivery.result, Exception)]
        )
        return [
            delivery.result if isinstance(delivery.result, Exception) else None for delivery in deliveries
        ]

    def _open(self, record: SQSRecord) -> _Delivery:
        """Read the message. What needs no handler is settled here."""
        attempt = receive_count(record)
        if attempt > 1:
            count("RetriedRecords")
        try:
            fact = received(record.body, attempt=attempt)
        except Poison as error:
            return _Delivery(record, result=error)
        if fact.detail_type not in self._one and fact.detail_type not in self._group:
            return _Delivery(record, result=Poison("nobody here handles facts of this type"))
        if fact.schema_version != SCHEMA_VERSION:
            # A newer version is published beside the one we read, never instead of it.
            logger.info("other schema version ignored", extra=_name(fact))
            return _Delivery(record)
        tracing.about(fact.order_id)
        age = fact.age(self._clock())
        if age < -CLOCK_SKEW:
            return _Delivery(record, result=Poison("data.placedAt is in the future"))
        if age > REPLAY_HORIZON:
            count("FactsPastHorizon")
            logger.warning("fact past the replay horizon ignored", extra=_name(fact))
            return _Delivery(record)
        return _Delivery(record, fact)

    def _decide(self, deliveries: Sequence[_Delivery], context: LambdaContext) -> None:
        """Hand each distinct fact to its handler once; a copy in the same batch shares the result."""
        facts: dict[str, Fact] = {}
        for delivery in deliveries:
            if delivery.fact is not None:
                first = facts.setdefault(delivery.fact.event_id, delivery.fact)
                if (first.detail_type, first.data) != (delivery.fact.detail_type, delivery.fact.data):
                    # Not a copy, whatever its id says. Sharing the result would delete or park a genuine fact
                    # that nobody has handled.
                    delivery.result = Retry("another fact in the batch has the same id")
                    delivery.fact = None
        results: dict[str, Result] = {}
        for detail_type, handle_group in self._group.items():
            together = [fact for fact in facts.values() if fact.detail_type == detail_type]
            if together:
                results |= self._call_group(handle_group, together)
        for fact in facts.values():
            if fact.detail_type in self._one:
                results[fact.event_id] = self._call_one(fact, context)
        for delivery in deliveries:
            if delivery.fact is not None:
                delivery.result = results[delivery.fact.event_id]

    def _call_one(self, fact: Fact, context: LambdaContext) -> Result:
        if context.get_remaining_time_in_millis() < LAST_CALL_MS:
            return Retry("no time left in this invocation")
        try:
            return self._one[fact.detail_type](fact)
        except Exception as error:  # noqa: BLE001 - whatever it is, it fails this record alone
            return error

    def _call_group(self, handle: GroupHandler, facts: Sequence[Fact]) -> dict[str, Result]:
        try:
            return {fact.event_id: result for fact, result in zip(facts, handle(facts), strict=True)}
        except Exception as error:  # noqa: BLE001 - a bug fails these records, not the function
            return {fact.event_id: error for fact in facts}

    def _publish(self, deliveries: Sequence[_Delivery]) -> None:
        """Publish what the batch led to, in few calls. Unpublished facts fail their records."""
        unpublished = self._publisher.publish(
            fact for delivery in deliveries for fact in _facts(delivery.result)
        )
        for delivery in deliveries:
            facts = _facts(delivery.result)
            missing = [unpublished[fact.event_id] for fact in facts if fact.event_id in unpublished]
            if missing:
                delivery.result = Retry(f"not published: {missing[0]}")

    def _close(self, delivery: _Delivery) -> None:
        """Log what failed; park what can never work. Parking that fails leaves the record to the redrive."""
        error = delivery.result
        if not isinstance(error, Exception):
            return
        if isinstance(error, Poison):
            try:
                self._queues.park(delivery.record, str(error))
                delivery.result = ()
            except AwsError as parking_error:
                log_failure(parking_error, "poison not parked", messageId=delivery.record.message_id)
            return
        count("FailedRecords")
        name = _name(delivery.fact) if delivery.fact else {}
        log_failure(error, "record failed", messageId=delivery.record.message_id, **name)


class _GroupProcessor(BasePartialBatchProcessor):
    """Powertools' partial batch responses, with the whole batch handed to one function."""

    def process(self) -> list[tuple[Any, ...]]:
        records = [SQSRecord(record) for record in self.records]
        errors = self.handler(records)
        return [
            self.success_handler(record, None)
            if error is None
            else self.failure_handler(record, (type(error), error, error.__traceback__))
            for record, error in zip(records, errors, strict=True)
        ]

    def _process_record(self, record: dict[str, Any]) -> Any:
        raise NotImplementedError("records are handled together, in process()")

    async def _async_process_record(self, record: dict[str, Any]) -> Any:
        raise NotImplementedError("records are handled together, in process()")


def _facts(result: Result) -> Sequence[Fact]:
    if isinstance(result, Retry):
        return result.facts
    return () if isinstance(result, Exception) else result


def _name(fact: Fact) -> dict[str, object]:
    return {
        "orderId": fact.order_id,
        "detailType": fact.detail_type,
        "eventId": fact.event_id,
        "attempt": fact.attempt,
    }
