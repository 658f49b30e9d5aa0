"""What holds at each write of an order's row."""

from __future__ import annotations

from simulation.sealed import customer_of
from simulation.watch.memory import Item, Memory, number, seconds, text
from simulation.watch.promises import (
    CANARY_CUSTOMER,
    CANCEL_AFTER,
    CAUSES,
    EARLY,
    LATE,
    LONGEST_PAUSE,
    REPLAY_HORIZON,
    Cause,
    Promise,
)

FIXED = ("placedAt", "items", "amount", "currency", "owner", "fingerprint")
CUSTOMER = "sealedCustomer"
CANCELLING = 40
"""The rank from which on an order is on its way back, or has ended."""
MOVING = ("status", "rank", "timeline", "closed")


class Orders:
    """An order's row is a projection of the other rows: it only goes forward, and only to what happened."""

    def __init__(self, memory: Memory) -> None:
        self._memory = memory
        self._broken = memory.broken

    def wrote(self, order_id: str, before: Item | None, after: Item | None) -> None:
        """Judge one write. `before` is None for a new row, `after` for one that is deleted."""
        if after is None:
            self._deleted(order_id, before or {})
            return
        if before is None:
            self._placed(order_id, after)
        else:
            if before.get(CUSTOMER) != after.get(CUSTOMER):
                self._broken(Promise.FIXED, order_id, "whom it is for has changed")
            for name in FIXED:
                if before[name] is not after[name] and before[name] != after[name]:
                    self._broken(
                        Promise.FIXED, order_id, f"{name} was {before[name]} and is now {after.get(name)}"
                    )
            if any(before.get(name) != after.get(name) for name in MOVING):
                self._moved(order_id, before, after)
            if before["sweeps"] is not after["sweeps"] and before["sweeps"] != after["sweeps"]:
                self._swept(order_id, after)
        self._memory.rows["order"][order_id] = after
        self._memory.written[order_id] = self._memory.now()
        shown = ("openShard" in after) + ("sweepAt" in after)
        if shown != (0 if "closed" in after else 2):
            how = "closed" if "closed" in after else "open"
            self._broken(
                Promise.INDEXED, order_id, f"the order is {how}, and has {shown} of the index's 2 attributes"
            )
        if "sweepAt" in after:
            self._is_swept_in_time(order_id, after)
        if ("expiresAt" in after) != ("closed" in after):
            self._broken(Promise.KEPT, order_id, "only a closed order may ever be deleted")

    def _is_swept_in_time(self, order_id: str, order: Item) -> None:
        """An order is looked at when it has to be cancelled, and at least every quarter of an hour."""
        due, placed = number(order, "sweepAt"), self._memory.placed[order_id]
        latest = self._memory.now() + LONGEST_PAUSE + EARLY
        if int(order["rank"]["N"]) < CANCELLING:
            latest = min(latest, max(placed + CANCEL_AFTER, self._memory.now() + EARLY) + 2)
        if due > latest:
            self._broken(
                Promise.TIMELY,
                order_id,
                f"{text(order, 'status')}, swept next {due - placed:.0f} s after it was placed",
            )

    def all_swept(self, began: float, lag: float) -> None:
        """Nothing went wrong with a sweep that began then: no order that was due may be as it was before.

        `lag`: by how much the index may have trailed behind.
        """
        memory = self._memory
        for order_id, order in memory.rows["order"].items():
            late = began - lag - EARLY - number(order, "sweepAt")
            if "sweepAt" in order and late > 0 and memory.written[order_id] < began:
                self._broken(
                    Promise.SWEPT,
                    order_id,
                    f"{text(order, 'status')}, due to be swept for {late + EARLY:.0f} s, and left alone",
                )

    def _swept(self, order_id: str, order: Item) -> None:
        age = self._memory.age(order_id)
        if int(order["rank"]["N"]) < CANCELLING and age > CANCEL_AFTER + LATE:
            self._broken(
                Promise.SWEPT,
                order_id,
                f"{text(order, 'status')} {age:.0f} s after it was placed, and sent on instead of cancelled",
            )

    def _placed(self, order_id: str, order: Item) -> None:
        memory = self._memory
        known = memory.order(order_id)
        if known is not None:
            if ("order", order_id) not in memory.gone:
                self._broken(Promise.LEGAL, order_id, f"placed again, though it is {text(known, 'status')}")
            memory.begin_anew(order_id)
        memory.moves.add(("order", "intake", text(order, "status")))
        if (text(order, "status"), order["rank"]["N"], len(order["timeline"]["L"])) != ("PLACED", "10", 1):
            self._broken(
                Promise.LEGAL,
                order_id,
                f"begins as {text(order, 'status')} with rank {order['rank']['N']}, not as PLACED with 10",
            )
        try:
            customer_of(order)
        except (ValueError, TypeError) as error:
            self._broken(Promise.SEALED, order_id, f"{error}: {order}")
        if CANARY_CUSTOMER in str(order):
            self._broken(Promise.SEALED, order_id, f"in the clear: {order}")
        memory.born[order_id] = memory.now()
        memory.placed[order_id] = seconds(text(order, "placedAt"))
        if abs(memory.placed[order_id] - memory.now()) > LATE:
            self._broken(Promise.TIMELINE, order_id, f"placed at {text(order, 'placedAt')}, which is not now")

    def _deleted(self, order_id: str, order: Item) -> None:
        if not 0 < number(order, "expiresAt") <= self._memory.now():
            self._broken(Promise.KEPT, order_id, f"the order was deleted as {text(order, 'status')}")
        self._memory.gone.add(("order", order_id))

    def _moved(self, order_id: str, before: Item, after: Item) -> None:
        was, status = text(before, "status"), text(after, "status")
        rank = after["rank"]["N"]
        if "closed" in before:
            self._broken(Promise.CLOSED, order_id, f"the order ended as {was}, and is now {status}")
        elif int(rank) <= int(before["rank"]["N"]):
            self._broken(
                Promise.FORWARD, order_id, f"{was} (rank {before['rank']['N']}) became {status} (rank {rank})"
            )
        if (rank == "90") != ("closed" in after):
            self._broken(Promise.CLOSED, order_id, f"{status} with rank {rank} is the end, or it is not")
        step = self._step(order_id, before, after, status)
        cause = CAUSES.get((status, rank))
        if cause is not None:
            self._memory.moves.add(("order", cause.fact, status))
            self._has_happened(order_id, after, step, cause)
        elif (status, rank) == ("CANCELLING", "40"):
            self._turned_back(order_id, after)
        else:
            self._broken(
                Promise.LEGAL, order_id, f"{was} became {status} with rank {rank}: there is no such move"
            )

    def _step(self, order_id: str, before: Item, after: Item, status: str) -> Item:
        """The step that the move added to the timeline."""
        steps, earlier = after["timeline"]["L"], before["timeline"]["L"]
        if len(steps) != len(earlier) + 1 or steps[: len(earlier)] != earlier:
            self._broken(
                Promise.TIMELINE,
                order_id,
                f"{len(earlier)} steps became {len(steps)}, or one of them was written anew",
            )
        step: Item = steps[-1]["M"]
        if text(step, "status") != status:
            self._broken(
                Promise.TIMELINE, order_id, f"the order is {status}, its last step {text(step, 'status')}"
            )
        return step

    def _has_happened(self, order_id: str, order: Item, step: Item, cause: Cause) -> None:
        memory = self._memory
        status = text(order, "status")
        row = memory.stood[cause.kind].get(order_id, {}).get(cause.state)
        if row is None or text(row, "outcome") != cause.outcome:
            now = memory.state(cause.kind, order_id)
            self._broken(
                Promise.BACKED,
                order_id,
                f"the order says {status}, but the {cause.kind} never was {cause.state} {cause.outcome}"
                f" (it is {now or 'missing'})",
            )
            return
        if text(step, "at") != text(row, "decidedAt"):
            self._broken(
                Promise.TIMELINE,
                order_id,
                f"{status} at {text(step, 'at')}, but the {cause.kind} was {cause.state} at"
                f" {text(row, 'decidedAt')}",
            )
        for name in cause.notes:
            if row.get(name) != order.get(name):
                self._broken(
                    Promise.BACKED,
                    order_id,
                    f"the order's {name} is {text(order, name)}, the {cause.kind}'s {text(row, name)}",
                )
        age = memory.age(order_id)
        if age > REPLAY_HORIZON + LATE:
            self._broken(
                Promise.HORIZON, order_id, f"became {status} {age / 86400:.1f} days after it was placed"
            )

    def _turned_back(self, order_id: str, order: Item) -> None:
        reason = text(order, "cancelReason")
        self._memory.moves.add(("order", reason, "CANCELLING"))
        cancels = self._memory.cancels
        if reason == "customer" and cancels is not None and (text(order, "owner"), order_id) not in cancels:
            self._broken(Promise.BACKED, order_id, "cancelled by its customer, who never asked for that")
        age = self._memory.age(order_id)
        if reason == "timeout" and age < CANCEL_AFTER - EARLY:
            self._broken(Promise.BACKED, order_id, f"timed out {age:.0f} s after it was placed")
