"""The sweeper: goes over the open orders every minute and publishes again what has not moved.

It needs no lock. Whatever it does may be done twice, by two sweeps at once or by one that died half-way:
facts are published first and the order's next sweep is set after that, so a crash repeats and never forgets.
"""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Sequence
from datetime import datetime

from ecom_common import tracing
from ecom_common.errors import AwsError, Retry
from ecom_common.facts import Clock, Fact, iso, utc_now
from ecom_common.publisher import Publisher
from ecom_common.rows import Row
from ecom_common.telemetry import count, flush, log_failure, logger
from order_service import events, model
from order_service.model import CANCELLING, CancelReason, Limits, Order, Sweep
from order_service.store import Orders, order_of

LAST_PAGE_MS = 10_000
"""No page is begun with less time left than this. What is not reached stays due."""


class Sweeper:
    """Sees to it that every order comes to an end."""

    def __init__(
        self, orders: Orders, publisher: Publisher, limits: Limits, *, clock: Clock = utc_now
    ) -> None:
        self._orders = orders
        self._publisher = publisher
        self._limits = limits
        self._clock = clock

    def run(self, time_left: Callable[[], int]) -> dict[str, int]:
        """Sweep every order that is due while time (milliseconds) is left. Returns how many of what.

        What goes wrong with one order or one shard keeps the others waiting for nothing. An index that could
        not be read is raised at the end, so that the invocation counts as failed.
        """
        try:
            return self._run(time_left)
        finally:
            flush()

    def _run(self, time_left: Callable[[], int]) -> dict[str, int]:
        now = self._clock()
        tally: Counter[str] = Counter(due=0, resent=0, cancelled=0, reminded=0, unpublished=0, failed=0)
        trouble: Exception | None = None
        shards = model.shards() + model.shards(late=True)
        # In another order each time, so that with too much to do no shard is always the one that waits.
        random.shuffle(shards)
        for shard in shards:
            try:
                if not self._shard(shard, now, time_left, tally):
                    count("SweepsCutShort")
                    logger.warning("no time left to sweep")
                    break
            except AwsError as error:
                log_failure(error, "shard not swept", shard=shard)
                trouble = error
        if trouble is None:
            # An order that could not be swept has not moved to its late shard, and counts all the same.
            late = sum(self._orders.count_open(shard) for shard in model.shards(late=True))
            tally["openTooLong"] = late + tally.pop("lateElsewhere", 0)
            count("OrdersOpenTooLong", tally["openTooLong"])
        logger.info("swept", extra=dict(tally))
        if trouble is not None:
            raise trouble
        return dict(tally)

    def _shard(self, shard: str, now: datetime, time_left: Callable[[], int], tally: Counter[str]) -> bool:
        """Sweep what is due in a shard. False where the time ran out."""
        for order_ids in self._orders.due(shard, now):
            if time_left() < LAST_PAGE_MS:
                return False
            self._page(order_ids, now, tally)
        return True

    def _page(self, order_ids: Sequence[str], now: datetime, tally: Counter[str]) -> None:
        try:
            rows = self._orders.rows(order_ids)
        except (Retry, *AwsError) as error:
            log_failure(error, "page not swept", number=len(order_ids))
            tally["failed"] += len(order_ids)
            return
        orders = self._read(rows, tally)
        swept: list[tuple[Order, Fact]] = []
        for order in orders:
            try:
                swept += self._decide(order, now, tally)
            except Exception as error:  # noqa: BLE001 - whatever it is, it stops this order alone
                log_failure(error, "order not swept", orderId=order.order_id)
                tally["failed"] += 1
        done = self._send(swept, now, tally)
        tally["lateElsewhere"] += sum(
            model.is_late(order, now, self._limits) and order.open_shard in model.shards()
            for order in orders
            if not order.closed and order.order_id not in done
        )

    def _read(self, rows: Sequence[Row], tally: Counter[str]) -> list[Order]:
        orders: list[Order] = []
        for row in rows:
            try:
                orders.append(order_of(row))
            except (KeyError, TypeError, ValueError) as error:
                log_failure(error, "order not readable", orderId=row["orderId"])
                tally["failed"] += 1
                # It can never close by itself, so it is open too long from now on.
                tally["lateElsewhere"] += 1
        return orders

    def _decide(self, order: Order, now: datetime, tally: Counter[str]) -> list[tuple[Order, Fact]]:
        """What an order needs; a cancel is written to its row at once, before anyone hears of it."""
        todo = model.sweep(order, now, self._limits)
        if todo is None:
            return []
        tracing.about(order.order_id)
        tally["due"] += 1
        if todo is Sweep.RESEND:
            tally["resent"] += 1
            return [(order, events.order_placed(order))]
        if todo is Sweep.REMIND:
            tally["reminded"] += 1
            return [(order, events.cancel_requested(order))]
        cancelled, moved = self._orders.advance(
            order.order_id,
            CANCELLING,
            at=iso(now),
            now=now,
            notes={"cancelReason": CancelReason.TIMEOUT.value},
        )
        if cancelled is None or not moved:
            # It moved on since it was read. It stays due: the next sweep sees what it needs now.
            return []
        tally["cancelled"] += 1
        return [(cancelled, events.cancel_requested(cancelled))]

    def _send(self, swept: Sequence[tuple[Order, Fact]], now: datetime, tally: Counter[str]) -> set[str]:
        """Publish, then set when each is looked at next; returns whose facts are out. The others stay due."""
        unpublished = self._publisher.publish(fact for _, fact in swept)
        done: set[str] = set()
        for order, fact in swept:
            if fact.event_id in unpublished:
                tally["unpublished"] += 1
                continue
            try:
                self._orders.postpone(
                    order.order_id,
                    sweep_at=model.next_sweep(order, now, self._limits),
                    shard=model.shard(order.order_id, late=model.is_late(order, now, self._limits)),
                )
            except AwsError as error:
                log_failure(error, "order stays due", orderId=order.order_id)
                tally["failed"] += 1
            else:
                done.add(order.order_id)
        return done
