"""Putting facts on the event bus, in tens, and saying which did not get there."""

from __future__ import annotations

import json
import os
import random
import time
from collections.abc import Callable, Iterable, Sequence
from itertools import islice
from typing import TYPE_CHECKING

from ecom_common.errors import AwsError, Mender, code_of, mender
from ecom_common.facts import Fact
from ecom_common.telemetry import count, log_failure, logger

if TYPE_CHECKING:
    from mypy_boto3_events import EventBridgeClient
    from mypy_boto3_events.type_defs import PutEventsRequestEntryTypeDef

# PutEvents takes ten entries and 256 KB a call; ours stay under 16 KB each (50 lines of 64-character ids).
BATCH = 10
TRIES = 3


class Publisher:
    """Publishes facts of one source on one bus."""

    def __init__(
        self,
        events: EventBridgeClient,
        bus: str,
        *,
        tries: int = TRIES,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        self._events = events
        self._bus = bus
        self._tries = tries
        self._sleep = sleep

    def publish(self, facts: Iterable[Fact]) -> dict[str, str]:
        """Put each fact on the bus once, however often it is named.

        Only the entries that failed and may still succeed are tried again. Returns what stayed unpublished
        after that: the error code by event id; empty when all is well. Never raises for an AWS error, since
        some facts of the batch may have been published.
        """
        unpublished: dict[str, str] = {}
        waiting = iter({fact.event_id: fact for fact in facts}.values())
        while chunk := list(islice(waiting, BATCH)):
            unpublished |= self._publish_chunk(chunk)
        return unpublished

    def _publish_chunk(self, chunk: list[Fact]) -> dict[str, str]:
        hopeless: dict[str, str] = {}
        for attempt in range(self._tries):
            if attempt:
                # Full jitter: callers that were throttled together must not come back together.
                self._sleep(random.uniform(0, 0.1 * 2**attempt))  # nosec B311  # jitter, nobody gains by guessing it
            failed = self._put(chunk)
            # Only what AWS calls busy is worth another try. No answer is not: the client has already tried
            # for as long as a record may take.
            chunk = [fact for fact in chunk if mender(failed.get(fact.event_id, "")) is Mender.TIME]
            busy = {fact.event_id for fact in chunk}
            hopeless |= {event_id: code for event_id, code in failed.items() if event_id not in busy}
            if not chunk:
                return hopeless
        return hopeless | failed

    def _put(self, chunk: Sequence[Fact]) -> dict[str, str]:
        try:
            answer = self._events.put_events(Entries=[self._entry(fact) for fact in chunk])
        except AwsError as error:
            # The client has already tried again; the facts may or may not be on the bus.
            log_failure(error, "facts not published")
            return {fact.event_id: code_of(error) for fact in chunk}
        results = answer["Entries"]
        failed = {
            fact.event_id: result["ErrorCode"]
            for fact, result in zip(chunk, results, strict=True)
            if result.get("ErrorCode")
        }
        if failed:
            codes = sorted(set(failed.values()))
            logger.warning("facts not published", extra={"number": len(failed), "codes": codes})
            if any(mender(code) is Mender.OPERATOR for code in codes):
                count("OperatorErrors")
        return failed

    def _entry(self, fact: Fact) -> PutEventsRequestEntryTypeDef:
        detail = fact.detail()
        trace = os.environ.get("_X_AMZN_TRACE_ID")
        if trace:
            detail["metadata"].setdefault("traceId", trace)
        return {
            "EventBusName": self._bus,
            "Source": fact.source,
            "DetailType": fact.detail_type,
            "Detail": json.dumps(detail, separators=(",", ":")),
        }
