"""What holds of each mail to a customer: it tells what a row says, and nothing else."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import NamedTuple

from simulation.watch.memory import Memory, text
from simulation.watch.promises import Promise

ORDER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class News(NamedTuple):
    """What a mail with these words says: that a row was in this state, for this reason where there is one.

    `quoted`: what the mail must repeat of the row.
    """

    words: str
    kind: str
    state: str
    reason: str = ""
    quoted: tuple[str, ...] = ()


TOPICS: Mapping[str, tuple[News, ...]] = {
    "StockNotificationsTopic": (News("is out of stock", "reservation", "REJECTED", "out_of_stock"),),
    "PaymentFailureTopic": (News("was declined", "payment", "DECLINED"),),
    "ShippingNotificationTopic": (
        News("is on its way", "shipment", "CREATED", quoted=("carrier", "trackingNumber")),
        News("no carrier could take", "shipment", "FAILED", "carrier_unavailable"),
    ),
}
"""What customers hear, by topic."""


class Mails:
    """Judges mails by the rows they are about."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory

    def notified(self, topic: str, said: str) -> None:
        """Judge a mail of one of the customers' topics."""
        known = TOPICS.get(topic)
        if known is None:
            return
        found = ORDER_ID.search(said)
        order_id = found[0] if found else ""
        news = next((news for news in known if news.words in said), None)
        row = None if news is None else self._memory.stood[news.kind].get(order_id, {}).get(news.state)
        if news is None or row is None or (news.reason and text(row, "reason") != news.reason):
            self._memory.broken(Promise.MAILED, order_id, f"its customer is told: {said}")
            return
        for name in news.quoted:
            if text(row, name) not in said:
                self._memory.broken(
                    Promise.MAILED, order_id, f"its {name} is {text(row, name)}, its customer is told: {said}"
                )
