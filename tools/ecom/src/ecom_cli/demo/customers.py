"""The customers of a run: threads that place orders through the API, press twice, change their minds."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from types import TracebackType

from ecom_cli.demo.board import Board
from ecom_cli.demo.plan import Planned
from ecom_cli.shop.api import Answer, Api, ApiError, force_key, order_id_of

TRIES = 8
FIRST_PAUSE_SECONDS = 0.2
LONGEST_PAUSE_SECONDS = 5.0
PASSING = frozenset({0, 429, 500, 502, 503, 504})
"""Answers after which the same request, with the same key, may be sent again."""
TOO_LATE = 409


def keys_for(
    plan: Sequence[Planned], seed: int, owner: str, taken: Callable[[Iterable[str]], set[str]]
) -> dict[int, str]:
    """An Idempotency-Key for each order, by its number.

    The keys follow from the seed, so that on a fresh system the same seed gives the same order ids, and with
    them the same simulated outcomes. `taken` tells which of some order ids exist: an earlier run's keys are
    not used again, or its orders would come back.
    """
    run = 1
    while True:
        prefix = f"demo-{seed}-{run}"
        free = {order.number: f"{prefix}-{order.number}" for order in plan if order.force is None}
        probe = free or _forced(plan[:1], prefix, owner)
        if not taken(order_id_of(owner, key) for key in probe.values()):
            return free | _forced(plan, prefix, owner)
        run += 1


def _forced(plan: Sequence[Planned], prefix: str, owner: str) -> dict[int, str]:
    return {
        order.number: force_key(owner, order.force, f"{prefix}-{order.number}")
        for order in plan
        if order.force is not None
    }


class Customers:
    """Places the orders of a plan from so many threads at once. Use it in a `with` block."""

    def __init__(self, api: Api, board: Board, keys: Mapping[int, str], clients: int) -> None:
        self._api = api
        self._board = board
        self._keys = keys
        self._stop = threading.Event()
        self._tills = ThreadPoolExecutor(clients, thread_name_prefix="customer")
        # Those who wait before they cancel must not keep others from ordering.
        self._regrets = ThreadPoolExecutor(max(4, clients), thread_name_prefix="regret")
        self._work: list[Future[None]] = []
        self._lock = threading.Lock()

    def __enter__(self) -> Customers:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._tills.shutdown(cancel_futures=True)
        self._regrets.shutdown(cancel_futures=True)

    def start(self, plan: Iterable[Planned]) -> None:
        """Queue up; returns at once."""
        for order in plan:
            self._submit(self._tills, self._order, order)

    def done(self) -> bool:
        """True when every order is placed and every cancel sent. Raises what a thread raised."""
        with self._lock:
            finished = [work for work in self._work if work.done()]
            self._work = [work for work in self._work if not work.done()]
            left = len(self._work)
        for work in finished:
            work.result()
        return left == 0

    def _submit(self, pool: ThreadPoolExecutor, what: Callable[[Planned], None], order: Planned) -> None:
        with self._lock:
            self._work.append(pool.submit(what, order))

    def _order(self, order: Planned) -> None:
        key = self._keys[order.number]
        answer = self._send(
            lambda: self._api.place(order.lines, order.amount, order.currency, key), timed=True
        )
        if answer is None:
            self._board.went_wrong(f"order {order.number} of the plan (key {key}) was not taken by the API")
            return
        order_id = str(answer.order["orderId"])
        self._board.placed(order, order_id)
        if order.cancel_after is not None:
            self._submit(self._regrets, lambda planned: self._cancel(planned, order_id), order)
        if order.twice:
            again = self._send(
                lambda: self._api.place(order.lines, order.amount, order.currency, key), timed=True
            )
            if again is None or again.order["orderId"] != order_id:
                found = "no order" if again is None else again.order["orderId"]
                self._board.went_wrong(f"{order_id}: the same request with the same key gave {found}")

    def _cancel(self, order: Planned, order_id: str) -> None:
        self._stop.wait(order.cancel_after or 0)
        if not self._stop.is_set():
            answer = self._send(lambda: self._api.cancel(order_id), refusals=frozenset({TOO_LATE}))
            if answer is None and not self._stop.is_set():
                self._board.went_wrong(f"{order_id}: the customer's cancel was not taken by the API")

    def _send(
        self, request: Callable[[], Answer], *, timed: bool = False, refusals: frozenset[int] = frozenset()
    ) -> Answer | None:
        """Send, and again after a pause while the answer may pass. None when it was refused or never taken.

        A refusal in `refusals` counts as taken: it is a proper answer without content.
        """
        pause = FIRST_PAUSE_SECONDS
        for _ in range(TRIES):
            try:
                answer = request()
            except ApiError as error:
                self._board.answered(error.status)
                if error.status in refusals:
                    return Answer(error.status, {}, 0)
                if error.status not in PASSING or self._stop.wait(pause):
                    return None
                pause = min(pause * 2, LONGEST_PAUSE_SECONDS)
                continue
            self._board.answered(answer.status, answer.seconds if timed else None)
            return answer
        return None
