"""What the services see of the world: boto3-shaped clients, the clock, gateway, carriers, logger and metrics.

Each call is a point where anything may happen. It belongs to the invocation whose code makes it, waits in
virtual time (so that others run meanwhile), and may meet a fault: see `calls`.
"""

from __future__ import annotations

from datetime import UTC, datetime
from types import ModuleType, SimpleNamespace
from typing import Any

from simulation.calls import ask_outside, call
from simulation.engine import task
from simulation.outside import Declined, Refused

ENDPOINT = "https://sqs.eu-west-1.amazonaws.com"


def utc_now() -> datetime:
    """The time by the clock of the sandbox that asks: some are fast, some are slow."""
    running = task()
    return datetime.fromtimestamp(running.engine.now + running.skew, UTC)


def epoch() -> float:
    """Stands in for `time.time`."""
    return utc_now().timestamp()


def sleep(seconds: float) -> None:
    """Pause in virtual time."""
    task().wait(seconds)


def new_id() -> Any:
    """Stands in for `uuid.uuid4`."""
    return task().world.new_id()


class DynamoDB:
    """The operations on tables that the services use; any other is an AttributeError."""

    def get_item(self, **request: Any) -> Any:
        return call("get_item", request)

    def batch_get_item(self, **request: Any) -> Any:
        return call("batch_get_item", request)

    def put_item(self, **request: Any) -> Any:
        return call("put_item", request)

    def update_item(self, **request: Any) -> Any:
        return call("update_item", request)

    def query(self, **request: Any) -> Any:
        return call("query", request)

    def transact_write_items(self, **request: Any) -> Any:
        return call("transact_write_items", request)


class Events:
    """The bus, for those who publish."""

    def put_events(self, **request: Any) -> Any:
        return call("put_events", request)


class Sqs:
    """What a function asks of queues itself; receiving and deleting is the event source mapping's work."""

    meta = SimpleNamespace(endpoint_url=ENDPOINT)

    def send_message(self, **request: Any) -> Any:
        return call("send_message", request)

    def change_message_visibility(self, **request: Any) -> Any:
        return call("change_message_visibility", request)


class Kms:
    """The key itself, for what is sealed with it directly."""

    def encrypt(self, **request: Any) -> Any:
        return call("encrypt", request)

    def decrypt(self, **request: Any) -> Any:
        return call("decrypt", request)


_CLIENTS: dict[str, Any] = {"dynamodb": DynamoDB(), "events": Events(), "kms": Kms(), "sqs": Sqs()}


def client(service: str) -> Any:
    """Stands in for `ecom_common.clients.client`."""
    return _CLIENTS[service]


class Gateway:
    """A payment gateway over the world's ledger, with the answers of the module `payment_service.gateway`."""

    def __init__(self, module: ModuleType) -> None:
        self._module: Any = module

    def charge(self, charge: Any) -> Any:
        world = task().world

        def effect() -> Any:
            return world.gateway.charge(
                charge.key, charge.order_id, charge.amount, charge.currency, world.engine.now
            )

        answer = self._ask("charge", charge, effect)
        if isinstance(answer, Declined):
            return self._module.Declined(answer.reason)
        return self._module.Charged(answer.charge_id)

    def void(self, charge: Any) -> Any:
        world = task().world
        charge_id = self._ask("void", charge, lambda: world.gateway.void(charge.key, world.engine.now))
        return self._module.Charged(charge_id) if charge_id else None

    def refund(self, charge: Any, charge_id: str) -> str:
        world = task().world
        refund_id: str = self._ask(
            "refund", charge, lambda: world.gateway.refund(charge_id, world.engine.now)
        )
        return refund_id

    def _ask(self, what: str, charge: Any, effect: Any) -> Any:
        unknown = self._module.OutcomeUnknown("the gateway did not answer")
        return ask_outside("gateway", what, charge.order_id, effect, unknown)


class Carrier:
    """A carrier over the world's ledger, with the answers of the module `shipping_service.carrier`."""

    def __init__(self, name: str, module: ModuleType) -> None:
        self.name = name
        self._module: Any = module

    def book(self, parcel: Any) -> Any:
        world = task().world
        ledger = world.carriers[self.name]
        booking = self._ask(
            "book", parcel, lambda: ledger.book(parcel.key, parcel.order_id, world.engine.now)
        )
        if isinstance(booking, Refused):
            raise self._module.CarrierUnavailableError("the carrier refuses a cancelled key")
        return self._booking(booking)

    def cancel(self, parcel: Any) -> Any:
        world = task().world
        ledger = world.carriers[self.name]
        booking = self._ask("cancel", parcel, lambda: ledger.cancel(parcel.key, world.engine.now))
        return self._booking(booking) if booking else None

    def _ask(self, what: str, parcel: Any, effect: Any) -> Any:
        unknown = self._module.CarrierUnavailableError("the carrier did not answer")
        return ask_outside(self.name, f"{self.name}: {what}", parcel.order_id, effect, unknown)

    def _booking(self, booking: Any) -> Any:
        return self._module.Booking(self.name, booking.shipping_id, booking.tracking_number)


class Log:
    """Stands in for powertools' Logger: hands each line to the world."""

    def append_keys(self, **keys: Any) -> None:
        """Which invocation a line is of is known here anyway."""

    def info(self, message: str, extra: dict[str, Any] | None = None) -> None:
        task().world.logged("INFO", message, extra or {})

    def warning(self, message: str, extra: dict[str, Any] | None = None) -> None:
        task().world.logged("WARNING", message, extra or {})

    def error(self, message: str, extra: dict[str, Any] | None = None) -> None:
        task().world.logged("ERROR", message, extra or {})


class Meter:
    """Stands in for powertools' Metrics: adds up in the world."""

    metric_set = True

    def add_metric(self, name: str, unit: Any, value: float) -> None:
        task().world.metrics[name] += int(value)

    def flush_metrics(self) -> None:
        """Nothing waits to be written."""
