"""What a function has logged and counted."""

from __future__ import annotations

import io
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from ecom_common.telemetry import dropped, logger, metrics


class Log:
    """The lines logged so far: as objects by `lines`, as it stands by `text`."""

    def __init__(self, stream: io.StringIO) -> None:
        self._stream = stream

    @property
    def text(self) -> str:
        return self._stream.getvalue()

    @property
    def lines(self) -> list[dict[str, Any]]:
        return [json.loads(line) for line in self.text.splitlines()]


@contextmanager
def captured_log() -> Iterator[Log]:
    """Everything logged inside, and nothing of it on standard output.

    Raises AssertionError where a field was logged that is not on the list: in production it is left out.
    """
    handler: Any = logger.registered_handler
    stream = io.StringIO()
    before = handler.setStream(stream)
    try:
        yield Log(stream)
    finally:
        handler.setStream(before)
    unlisted = sorted(dropped)
    dropped.clear()
    assert unlisted == [], f"not on the list of what may be logged: {unlisted}"


def counted() -> dict[str, int]:
    """The metrics counted since the last flush, by name; forgotten once they are read."""
    sums = {name: int(sum(metric["Value"])) for name, metric in metrics.metric_set.items()}
    metrics.clear_metrics()
    return sums
