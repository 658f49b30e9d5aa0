"""How long rows and facts live. Each limit leaves room for the one before it."""

from __future__ import annotations

from datetime import datetime, timedelta

CLOCK_SKEW = timedelta(minutes=5)
"""No two clocks here differ by more. An order placed later than this from now would never grow old, and the
end of its row's life may not even be a date."""

REPLAY_HORIZON = timedelta(days=60)
"""A fact about an order older than this changes nothing any more: the rows that would tell a duplicate from
something new may be about to expire."""

ROW_TTL = timedelta(days=90)
"""A participant's row about an order may be deleted this long after the order was placed."""


def expires_at(placed_at: datetime) -> int:
    """The TTL attribute of a participant's row, in epoch seconds."""
    return int((placed_at + ROW_TTL).timestamp())
