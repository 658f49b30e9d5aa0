"""Where each order of a run is, as far as it is known. Shared by the clients, the watcher and the picture."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any

from ecom_cli.demo.plan import Planned
from ecom_cli.shop.orders import is_closed, parse_time

Row = Mapping[str, Any]


@dataclass
class Track:
    """One order of the run. `order_id` is None until the API has answered, `row` until it was read."""

    planned: Planned
    order_id: str | None = None
    row: Row | None = None

    @property
    def status(self) -> str:
        return str(self.row["status"]) if self.row else "PLACED"

    @property
    def closed(self) -> bool:
        return self.row is not None and is_closed(self.row)

    @property
    def seconds(self) -> float | None:
        """From placed to closed; None while it is open. The last update of a closed order is its closing."""
        if not self.closed or self.row is None:
            return None
        return (parse_time(self.row["updatedAt"]) - parse_time(self.row["placedAt"])).total_seconds()


@dataclass(frozen=True)
class Answered:
    """What the clients saw: HTTP codes (0: no answer), seconds of each POST /orders, and what went wrong."""

    http: dict[int, int]
    seconds: list[float]
    wrong: list[str]


@dataclass
class Board:
    """All orders of a run. Every method may be called from any thread."""

    total: int
    _tracks: dict[int, Track] = field(default_factory=dict)
    _http: Counter[int] = field(default_factory=Counter)
    _seconds: list[float] = field(default_factory=list)
    _wrong: list[str] = field(default_factory=list)
    _changed: list[int] = field(default_factory=list)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def answered(self, status: int, seconds: float | None = None) -> None:
        """Count one answer of the API; `seconds` for those whose speed is reported."""
        with self._lock:
            self._http[status] += 1
            if seconds is not None:
                self._seconds.append(seconds)

    def placed(self, planned: Planned, order_id: str) -> None:
        with self._lock:
            self._tracks[planned.number] = Track(planned, order_id)
            self._changed.append(planned.number)

    def went_wrong(self, what: str) -> None:
        """Something that the API must never do."""
        with self._lock:
            self._wrong.append(what)

    def saw(self, rows: Mapping[str, Row]) -> int:
        """Take the rows as read now; how many orders have moved since the last time."""
        with self._lock:
            moved = 0
            for number, track in self._tracks.items():
                row = rows.get(track.order_id or "")
                if row is None or (track.row is not None and track.row.get("rank") == row.get("rank")):
                    continue
                track.row = row
                moved += 1
                if number in self._changed:
                    self._changed.remove(number)
                self._changed.append(number)
            return moved

    def tracks(self) -> list[Track]:
        """Every order that the API took, by its number in the plan."""
        with self._lock:
            return [self._tracks[number] for number in sorted(self._tracks)]

    def latest(self, count: int) -> list[Track]:
        """The orders that moved last, the newest at the end."""
        with self._lock:
            return [self._tracks[number] for number in self._changed[-count:]] if count > 0 else []

    def open_ids(self) -> list[str]:
        return [track.order_id for track in self.tracks() if track.order_id and not track.closed]

    def by_status(self) -> dict[str, int]:
        return dict(Counter(track.status for track in self.tracks()))

    def answers(self) -> Answered:
        with self._lock:
            return Answered(dict(self._http), list(self._seconds), list(self._wrong))


def percentile(values: Iterable[float], share: float) -> float | None:
    """The smallest value that at least `share` (0 to 1) of all values do not exceed; None without values.

    Nearest rank: it is always a value that was measured.
    """
    ordered = sorted(values)
    if not ordered:
        return None
    rank = max(1, -(-len(ordered) * round(share * 1000) // 1000))  # the ceiling, without a float's error
    return ordered[min(rank, len(ordered)) - 1]
