"""What holds when all is done: the tables with each other, and with what really happened outside."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping
from datetime import UTC, datetime
from typing import Any, NamedTuple, Protocol

from ecom_cli.demo.invariants import Tables, broken
from simulation.watch.memory import Item, Memory, number, plain_row, text
from simulation.watch.promises import Promise


class Charge(Protocol):
    """Money really moved: what a ledger keeps of it."""

    order_id: str
    charge_id: str
    amount: int
    currency: str
    refunded_at: float | None
    refund_id: str | None


class Gateway(Protocol):
    @property
    def charges(self) -> Iterable[Charge]: ...


class Parcel(Protocol):
    order_id: str
    booking: Any


class Carrier(Protocol):
    @property
    def parcels(self) -> Iterable[Parcel]: ...


class Letter(NamedTuple):
    """A message in a queue that only people read."""

    queue: str
    body: str
    attributes: Mapping[str, Any]


class Rest:
    """Judges the state that nothing will change any more."""

    def __init__(self, memory: Memory, told: Collection[str]) -> None:
        self._memory = memory
        self._broken = memory.broken
        self._told = told

    def tables(self, tables: Mapping[str, Mapping[str, Item]], now: float) -> None:
        """The promises that any reader of the four tables can check. `tables` by the end of their names."""
        orders = {**self._expired(), **tables["orders"]}
        read = Tables.from_rows(
            [plain_row(row) for row in orders.values()],
            [plain_row(row) for row in tables["inventory"].values()],
            [plain_row(row) for row in tables["payment"].values()],
            [plain_row(row) for row in tables["shipping"].values()],
            datetime.fromtimestamp(now, UTC),
        )
        for promise, sentences in broken(read).items():
            if promise == Promise.STOCK and self._cut_and_expired():
                continue
            for sentence in sentences:
                order_id, _, what = sentence.partition(": ")
                self._broken(promise, order_id, what)

    def _cut_and_expired(self) -> bool:
        """Whether tables alone cannot tell any more what is reserved: where a reservation has expired they go
        by the order, and an order that a restore has cut may be gone or say something else. (What each write
        did to the stock has been added up all along.)"""
        return bool(self._memory.relaxed) and any(kind == "reservation" for kind, _ in self._memory.gone)

    def all_closed(self, orders: Mapping[str, Item], work_left: Mapping[str, int]) -> None:
        """Every order has ended, and no queue holds work."""
        for order_id, order in orders.items():
            if "closed" not in order:
                self._broken(Promise.ENDS, order_id, f"still {text(order, 'status')}")
        for queue, messages in work_left.items():
            if messages:
                self._broken(Promise.DONE, queue, f"{messages} messages are left in {queue}")

    def money(self, gateway: Gateway, payments: Mapping[str, Item]) -> None:
        """Each order was charged what it shipped for, once, and everything else was given back."""
        charges: dict[str, list[Charge]] = {}
        for charge in gateway.charges:
            charges.setdefault(charge.order_id, []).append(charge)
        kept: Counter[str] = Counter()
        for order_id, made in charges.items():
            self._charges(order_id, made, payments.get(order_id))
            if self._memory.claimed(Promise.MONEY, order_id):
                for charge in made:
                    kept[charge.currency] += charge.amount if charge.refunded_at is None else 0
        value: Counter[str] = Counter()
        for order_id, order in self._shipped():
            if order_id not in charges:
                self._broken(Promise.MONEY, order_id, "it shipped, and was never charged")
            if self._memory.claimed(Promise.MONEY, order_id):
                value[text(order, "currency")] += number(order, "amount")
        for currency in sorted(kept | value):
            if kept[currency] != value[currency]:
                self._broken(
                    Promise.MONEY,
                    currency,
                    f"{kept[currency]} {currency} charged and not refunded, {value[currency]} shipped",
                )

    def _charges(self, order_id: str, made: list[Charge], payment: Item | None) -> None:
        order = self._memory.order(order_id)
        if order is None:
            self._broken(
                Promise.MONEY, order_id, f"{made[0].amount} charged for an order that does not exist"
            )
            return
        if len(made) > self._memory.lives.get(order_id, 1):
            amounts = ", ".join(f"{charge.charge_id}: {charge.amount}" for charge in made)
            self._broken(Promise.ONE_CHARGE, order_id, f"charged {len(made)} times ({amounts})")
        last = made[-1]
        if (last.amount, last.currency) != (number(order, "amount"), text(order, "currency")):
            self._broken(
                Promise.MONEY,
                order_id,
                f"ordered for {number(order, 'amount')} {text(order, 'currency')},"
                f" charged {last.amount} {last.currency}",
            )
        status = text(order, "status")
        kept = [charge.charge_id for charge in made if charge.refunded_at is None]
        if "closed" in order and len(kept) != (status == "SHIPPED"):
            what = f"kept {', '.join(kept)}" if kept else "everything refunded"
            self._broken(Promise.MONEY, order_id, f"closed as {status}, with {what}")
        if payment is not None:
            told = text(payment, "chargeId"), text(payment, "refundId")
            true = last.charge_id, last.refund_id or ""
            if told != true:
                self._broken(Promise.MONEY, order_id, f"the payment says {told}, the gateway {true}")

    def parcels(self, carriers: Mapping[str, Carrier], shipments: Mapping[str, Item]) -> None:
        """A parcel for each order that shipped, none for any other."""
        carried: dict[str, list[Any]] = {}
        for carrier in carriers.values():
            for parcel in carrier.parcels:
                carried.setdefault(parcel.order_id, []).append(parcel.booking)
        shipped = dict(self._shipped())
        for order_id, bookings in carried.items():
            if order_id not in shipped:
                order = self._memory.order(order_id)
                status = text(order, "status") if order else "no order at all"
                self._broken(Promise.ONE_PARCEL, order_id, f"{_named(bookings)} carried, but it is {status}")
            elif len(bookings) > (2 if order_id in self._told else self._memory.lives.get(order_id, 1)):
                self._broken(Promise.ONE_PARCEL, order_id, f"{len(bookings)} parcels: {_named(bookings)}")
            self._booked(order_id, bookings, shipments.get(order_id))
        for order_id in shipped:
            if order_id not in carried:
                self._broken(Promise.ONE_PARCEL, order_id, "closed as SHIPPED, and no carrier has a parcel")
        for order_id in self._told:
            if len(carried.get(order_id, ())) < 2:
                self._broken(Promise.TOLD, order_id, "a second parcel is reported, and there is none")

    def reported(self, metrics: Mapping[str, int] | None) -> None:
        """Parcels that could not be stopped were counted, for the alarm."""
        if metrics is not None and metrics.get("ParcelsNotStopped", 0) < len(self._told):
            for order_id in self._told:
                self._broken(Promise.TOLD, order_id, "a parcel was not stopped, and no metric says so")

    def _booked(self, order_id: str, bookings: list[Any], shipment: Item | None) -> None:
        if shipment is None:
            return
        names = ("carrier", "shippingId", "trackingNumber")
        told = tuple(text(shipment, name) for name in names)
        if told not in [(each.carrier, each.shipping_id, each.tracking_number) for each in bookings]:
            self._broken(
                Promise.ONE_PARCEL, order_id, f"the customer was told {told}, carried: {_named(bookings)}"
            )

    def letters(self, parked: Iterable[Letter], planted: Mapping[str, str], kept: Mapping[str, str]) -> None:
        """Only poison is parked, each with its reason, and all that was planted has been at some time."""
        for queue, body, attributes in parked:
            reason = planted.get(body)
            if reason is None:
                self._broken(Promise.POISON, queue, f"{queue} holds {body[:200]}, which is no poison")
            elif reason not in reason_of(attributes):
                self._broken(
                    Promise.POISON, queue, f"{body[:200]} lies in {queue} for {reason_of(attributes)!r}"
                )
        for body, reason in planted.items():
            if reason not in kept.get(body, ""):
                self._broken(Promise.POISON, body[:80], f"{body[:200]} was never parked for {reason!r}")

    # ----------------------------------------------------------------------------------------------- helpers

    def _expired(self) -> dict[str, Item]:
        """Orders that are not in the table any more, as they ended."""
        gone = self._memory.gone
        return {id_: row for id_, row in self._memory.rows["order"].items() if ("order", id_) in gone}

    def _shipped(self) -> list[tuple[str, Item]]:
        return [each for each in self._memory.rows["order"].items() if text(each[1], "status") == "SHIPPED"]


def reason_of(attributes: Mapping[str, Any]) -> str:
    """Why a message was parked; empty where it does not say."""
    reason = attributes.get("reason", "")
    return str(reason["StringValue"] if isinstance(reason, Mapping) else reason)


def _named(bookings: list[Any]) -> str:
    return ", ".join(f"{booking.carrier} {booking.tracking_number}" for booking in bookings)
