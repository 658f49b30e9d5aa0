"""The event envelope: how a fact is named, written on the bus and read back.

On the bus a fact is an EventBridge event whose ``detail`` is ``{"metadata": {...}, "data": {...}}``.
The same fact always has the same id, so whoever sees it twice can tell.
"""

from __future__ import annotations

import json
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ecom_common.errors import Poison

SCHEMA_VERSION = 1
MAX_TEXT = 1024
MAX_WHOLE = 2**53 - 1
"""The largest integer that every JSON reader keeps exactly."""

_NAMESPACE = uuid.uuid5(uuid.NAMESPACE_URL, "https://ecom.example/facts")

Clock = Callable[[], datetime]


def utc_now() -> datetime:
    """The time now, aware, in UTC."""
    return datetime.now(UTC)


def iso(moment: datetime) -> str:
    """``2026-01-31T12:00:00.000Z``: UTC, milliseconds, sorts as text the way it sorts as time."""
    return moment.astimezone(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def parse_iso(text: str) -> datetime:
    """Read what `iso` wrote. Raises ValueError for anything that is not a time with a zone."""
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment


def fact_id(order_id: str, detail_type: str, outcome: str = "") -> str:
    """The id of a fact: the same order, type and outcome give the same id for ever."""
    return str(uuid.uuid5(_NAMESPACE, f"{order_id}:{detail_type}:{outcome}"))


@dataclass(frozen=True, slots=True)
class Fact:
    """Something that happened to one order, as it travels on the bus.

    `data` always holds ``orderId`` and ``placedAt``. `attempt` is not part of the fact: it counts how often
    this delivery has been received (1 is the first time) and is never written to the bus.
    """

    source: str
    detail_type: str
    data: Mapping[str, Any]
    event_id: str
    occurred_at: str
    schema_version: int = SCHEMA_VERSION
    causation_id: str | None = None
    trace_id: str | None = None
    attempt: int = field(default=1, compare=False)

    @property
    def order_id(self) -> str:
        return str(self.data["orderId"])

    @property
    def placed_at(self) -> datetime:
        """When the order was placed. The one clock that redrive and replay do not reset."""
        return parse_iso(self.data["placedAt"])

    def age(self, now: datetime) -> timedelta:
        """How long ago the order, not the fact, was made."""
        return now - self.placed_at

    def text(self, name: str) -> str:
        """A non-empty text field of `data`. Raises Poison when it is not there."""
        value = self.data.get(name)
        if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
            raise Poison(f"{self.detail_type}.{name} is not a text of 1 to {MAX_TEXT} characters")
        return value

    def whole(self, name: str) -> int:
        """A non-negative integer field of `data`. Raises Poison when it is not there."""
        value = self.data.get(name)
        if isinstance(value, bool) or not isinstance(value, int) or not 0 <= value <= MAX_WHOLE:
            raise Poison(f"{self.detail_type}.{name} is not a whole number from 0 to {MAX_WHOLE}")
        return value

    def flag(self, name: str) -> bool:
        """A true-or-false field of `data`. Raises Poison when it is not there."""
        value = self.data.get(name)
        if not isinstance(value, bool):
            raise Poison(f"{self.detail_type}.{name} is neither true nor false")
        return value

    def detail(self) -> dict[str, Any]:
        """The ``detail`` of the EventBridge event. What is not known is left out."""
        metadata = {
            "eventId": self.event_id,
            "schemaVersion": self.schema_version,
            "occurredAt": self.occurred_at,
            "correlationId": self.order_id,
            "causationId": self.causation_id,
            "traceId": self.trace_id,
        }
        return {
            "metadata": {name: value for name, value in metadata.items() if value is not None},
            "data": dict(self.data),
        }


def new_fact(
    source: str,
    detail_type: str,
    data: Mapping[str, Any],
    *,
    outcome: str = "",
    occurred_at: str,
    causation_id: str | None = None,
) -> Fact:
    """A fact to publish. `outcome` tells apart the different ends one detail-type may have for one order.

    `occurred_at` is when it was decided, as stored in the row: publishing again must not make it younger.
    """
    return Fact(
        source=source,
        detail_type=detail_type,
        data={name: value for name, value in data.items() if value is not None},
        event_id=fact_id(str(data["orderId"]), detail_type, outcome),
        occurred_at=occurred_at,
        causation_id=causation_id,
    )


def received(body: str, attempt: int = 1) -> Fact:
    """Read the EventBridge event that an SQS message carries.

    Fields nobody asked for are ignored, so a producer may add some. Raises Poison, with the reason, for
    anything that can never become a fact: no retry would help.
    """
    try:
        event = json.loads(body)
        if "\\ud" in body.lower():
            # JSON can write half a character ("\ud800"). No AWS service takes it back, and one such key
            # would fail the read of a whole batch.
            json.dumps(event, ensure_ascii=False).encode()
    except (ValueError, RecursionError) as error:
        raise Poison("the body is not JSON") from error
    detail = _member(event, "detail", "the body")
    metadata = _member(detail, "metadata", "detail")
    data = _member(detail, "data", "detail")
    version = metadata.get("schemaVersion")
    if isinstance(version, bool) or not isinstance(version, int):
        raise Poison("metadata.schemaVersion is not a number")
    fact = Fact(
        source=_text(event, "source", "the event"),
        detail_type=_text(event, "detail-type", "the event"),
        data=data,
        event_id=_text(metadata, "eventId", "metadata"),
        occurred_at=_text(metadata, "occurredAt", "metadata"),
        schema_version=version,
        causation_id=metadata.get("causationId"),
        trace_id=metadata.get("traceId"),
        attempt=attempt,
    )
    # Not by fact.text, whose words name the type: until that is known, it is something that somebody sent.
    _text(data, "orderId", "data")
    try:
        parse_iso(_text(data, "placedAt", "data"))
    except ValueError as error:
        raise Poison("data.placedAt is not a time with a zone") from error
    return fact


def _member(parent: Any, name: str, where: str) -> dict[str, Any]:
    value = parent.get(name) if isinstance(parent, dict) else None
    if not isinstance(value, dict):
        raise Poison(f"{where} has no {name} object")
    return value


def _text(parent: Mapping[str, Any], name: str, where: str) -> str:
    value = parent.get(name)
    if not isinstance(value, str) or not 0 < len(value) <= MAX_TEXT:
        raise Poison(f"{where} has no {name} of 1 to {MAX_TEXT} characters")
    return value
