"""AWS between the services: tables, the bus with its rules, queues with what reads them, the sweeper.

Which queue, rule and mapping there is comes from the templates; what they do from the fakes. Here they are
connected: a fact on the bus becomes messages, messages become invocations.
"""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from random import Random
from typing import TYPE_CHECKING, Any

from simulation import weather
from simulation.bus import envelope, transformed
from simulation.calls import refused
from simulation.invariants import Promise
from simulation.mapping import Mapping as SourceMapping
from simulation.messages import Message, order_of
from simulation.queues import Queue
from simulation.sealed import opened, permitted, seal
from simulation.tables import Change, Database

if TYPE_CHECKING:
    from simulation.invocation import Invocation
    from simulation.topology import TargetSpec
    from simulation.world import World

MINUTE, HOUR, DAY = 60.0, 3600.0, 86400.0
ORDERS_TABLE = "ecom-sim-orders"

REPRICED = 0.01
"""How often a price changes at the worst of all moments: after it was read, before the stock is taken."""


class Aws:
    """What the services' account holds."""

    def __init__(self, world: World) -> None:
        self._world = world
        topology = world.services.topology
        self.topology = topology
        self.database = Database(topology.tables, self._wrote)
        chance = Random(world.seed + 20)
        self.queues = {name: Queue(spec, chance, self._gave_up) for name, spec in topology.queues.items()}
        self._by_url = {spec.url: name for name, spec in topology.queues.items()}
        self.mappings = {spec.queue: SourceMapping(world, self, spec) for spec in topology.mappings}
        self.archive: list[tuple[float, str, Mapping[str, str]]] = []
        self._writes: Counter[tuple[str, str]] = Counter()
        self._accepted: set[str] = set()
        self._failing: dict[str, float] = {}
        if world.weather.is_on(weather.STALE_INDEX):
            for table in self.database.tables.values():
                table.index_lag = 90 * world.rng.random()
            world.weather.count(weather.STALE_INDEX)

    # --- calls of services

    def execute(self, operation: str, request: Mapping[str, Any], token: str | None) -> Any:
        """Do what a call asks for. Raises ClientError."""
        if operation == "put_events":
            self._needs_key(operation, "AccessDeniedException")
            return self._put_events(request["Entries"])
        if operation == "send_message":
            return self._send_message(request)
        if operation in ("encrypt", "decrypt"):
            self._needs_key(operation, "DisabledException")
            return self._use_key(operation, request)
        if operation == "change_message_visibility":
            queue = self._queue_of(request["QueueUrl"])
            # Otherwise a message might be seen again before the function that failed it has answered.
            if self._world.mode.redelivers:
                self.queues[queue].change_visibility(
                    request["ReceiptHandle"], request["VisibilityTimeout"], self._world.now
                )
                self.wake(queue)
            return {}
        self._needs_key(operation, "AccessDeniedException")
        if operation == "batch_get_item" and self._world.rng.random() < REPRICED:
            self._world.later(0.03 * self._world.rng.random(), self._world.operator.reprice)
        return self.database.execute(operation, request, self._world.now, token)

    def _needs_key(self, operation: str, code: str) -> None:
        if not self._world.key_enabled:
            raise refused(code, 400, operation, "kms: the key is disabled")

    def _use_key(self, operation: str, request: Mapping[str, Any]) -> Any:
        context = request.get("EncryptionContext", {})
        if not permitted(context):
            raise refused("AccessDeniedException", 400, operation, f"not authorized: kms:{operation}")
        if operation == "encrypt":
            number = self._world.next_number()
            return {"CiphertextBlob": seal(request["KeyId"], context, request["Plaintext"], number)}
        found = opened(request["CiphertextBlob"])
        if (found.key, found.context) != (request["KeyId"], context):
            raise refused("InvalidCiphertextException", 400, operation)
        return {"Plaintext": found.text}

    def _queue_of(self, url: str) -> str:
        return self._by_url[url]

    def _send_message(self, request: Mapping[str, Any]) -> Any:
        name = self._queue_of(request["QueueUrl"])
        if self.topology.queues[name].key:
            self._needs_key("send_message", "KMS.DisabledException")
        return {"MessageId": self.send(name, request["MessageBody"], request.get("MessageAttributes"))}

    def _wrote(self, changes: list[Change]) -> None:
        self._world.watch.wrote(changes)
        for change in changes:
            self._writes[change.table, change.key] += 1
            if change.after is not None and "sweepAt" in change.after:
                self._world.sweep_from(float(change.after["sweepAt"]["N"]))
        if self._world.history is not None:
            for change in changes:
                order_id, what = described(change)
                self._world.note(order_id, self._world.actor, what)

    def rows_of(self, operation: str, request: Mapping[str, Any]) -> list[tuple[str, str]]:
        """The rows that a call reads or writes one by one: table and key."""
        if operation == "batch_get_item":
            return [
                (table, _text(key)) for table, part in request["RequestItems"].items() for key in part["Keys"]
            ]
        if operation == "put_item":
            table = self.database.tables[request["TableName"]]
            return [(table.name, request["Item"][table.key]["S"])]
        return [(request["TableName"], _text(request["Key"]))] if "Key" in request else []

    def writes_of(self, rows: Iterable[tuple[str, str]]) -> int:
        """How often these rows have been written."""
        return sum(self._writes[row] for row in rows)

    # --- the bus

    def _put_events(self, entries: list[Mapping[str, str]]) -> Any:
        results: list[dict[str, str]] = []
        self._world.services.bus.check(entries)
        for entry in entries:
            code = self._world.services.bus.validate(entry)
            if code is None:
                self._accept(entry)
                results.append({"EventId": f"entry-{self._world.calls}"})
            else:
                results.append({"ErrorCode": code, "ErrorMessage": "refused"})
        return {"FailedEntryCount": sum("ErrorCode" in result for result in results), "Entries": results}

    def _accept(self, entry: Mapping[str, str]) -> None:
        detail = json.loads(entry["Detail"])
        self._world.watch.published(
            {"source": entry["Source"], "detail-type": entry["DetailType"], "detail": detail}
        )
        event_id = detail["metadata"]["eventId"]
        if event_id in self._accepted and not self._world.mode.re_emits:
            return
        self._accepted.add(event_id)
        self._world.note(
            detail["data"]["orderId"], self._world.actor, told(entry["DetailType"], detail["data"])
        )
        number = f"event-{self._world.next_number()}"
        self.archive.append((self._world.now, number, entry))
        self.deliver(entry, number, self._world.now)

    def replay(self, since: float, name: str, *, kept: bool = False) -> None:
        """Send what the archive holds from then on to all rules again; `kept` for longer than it keeps things
        by itself, since someone may have."""
        oldest = 0.0 if kept else self._world.now - self.topology.archive_days * DAY
        for at, event_id, entry in list(self.archive):
            if at >= max(since, oldest):
                self.deliver(entry, event_id, at, name)

    def deliver(self, entry: Mapping[str, str], event_id: str, at: float, replay: str | None = None) -> None:
        """Send an event on its way to every target of every rule that matches."""
        world = self._world
        event = envelope(entry, event_id, at, replay)
        body = json.dumps(event, separators=(",", ":"))
        world.operator.perhaps_disable_key()
        for target in world.services.bus.route(entry):
            self._set_out(target, event, body)
            if world.weather.strikes(weather.DUPLICATE_EVENT):
                self._set_out(target, event, body)

    def _set_out(self, target: TargetSpec, event: Mapping[str, Any], body: str) -> None:
        world = self._world
        delay = 0.01 + 0.2 * world.rng.random()
        if world.weather.strikes(weather.DELAY):
            delay += self._how_late(event)
        elif world.weather.strikes(weather.REORDER, 3):
            delay += 20 * world.rng.random()
        world.later(delay, lambda: self._arrive(target, event, body))

    def _how_late(self, event: Mapping[str, Any]) -> float:
        """Some facts are minutes late, some come after one window or another (EventBridge tries for a day),
        and some just when the sweeper loses patience with their order."""
        world = self._world
        kind = world.rng.random()
        if kind < 0.3:
            limit = datetime.fromisoformat(event["detail"]["data"]["placedAt"]).timestamp() + HOUR / 4
            sweep = limit // MINUTE * MINUTE + MINUTE
            return max(0.0, sweep + 1.5 * world.rng.random() - world.now)
        shortest, longest = (10, HOUR / 4) if kind < 0.65 else (HOUR / 4, 13 * HOUR)
        return float(shortest * (longest / shortest) ** world.rng.random())

    def _arrive(self, target: TargetSpec, event: Mapping[str, Any], body: str) -> None:
        world = self._world
        if target.kind == "topic":
            world.watch.notified(target.logical, transformed(target, event))
            return
        locked = self.topology.queues[target.logical].key and not world.key_enabled
        if locked and world.rng.random() < 0.5:
            # EventBridge goes on trying for a day.
            world.later(120 * world.rng.random(), lambda: self._arrive(target, event, body))
        elif locked or self._fails(target):
            self._undelivered(target, body)
        else:
            self.send(target.logical, body)

    def _fails(self, target: TargetSpec) -> bool:
        """Whether a rule gives up on a target: this once, or for a while."""
        world = self._world
        if world.weather.strikes(weather.TARGET_FAILURE, 0.5):
            if world.rng.random() < 0.3:
                self._failing[target.logical] = world.now + HOUR / 4 * world.rng.random()
            return True
        if self._failing.get(target.logical, 0.0) > world.now and not world.weather.calm:
            world.weather.count(weather.TARGET_FAILURE)
            return True
        return False

    def _undelivered(self, target: TargetSpec, body: str) -> None:
        if target.dead_letter is None:
            return  # lost: whoever needs it will miss it
        if self.topology.queues[target.dead_letter].key and not self._world.key_enabled:
            return  # lost with the key
        notes = {
            "TARGET_ARN": {"DataType": "String", "StringValue": self.topology.queues[target.logical].arn},
            "ERROR_CODE": {"DataType": "String", "StringValue": "SDK_CLIENT_ERROR"},
        }
        self.send(target.dead_letter, body, notes)

    # --- the queues

    def send(self, queue: str, body: str, attributes: Mapping[str, Any] | None = None) -> str:
        """Put a message into a queue, whatever the key's state. Returns its id."""
        message_id = self.queues[queue].send(body, self._world.now, attributes)
        if self._world.history is not None:
            self._world.note(order_of(body), "SQS", f"a message in {queue}")
        self._world.watch.queued(queue, body, attributes or {}, self.is_dead_end(queue))
        self.wake(queue)
        return message_id

    def wake(self, queue: str) -> None:
        """Something in a queue has changed: whoever reads it should look."""
        mapping = self.mappings.get(queue)
        if mapping is not None:
            mapping.look()

    def is_dead_end(self, queue: str) -> bool:
        """Whether nobody but people reads a queue."""
        return queue not in self.mappings

    def _gave_up(self, message: Message, dead_letter: str) -> None:
        """SQS moves a message that was received too often."""
        self.queues[dead_letter].put(message, self._world.now)
        self._world.note(order_of(message.body), "SQS", f"moved to {dead_letter}")
        end = self.is_dead_end(dead_letter)
        self._world.watch.queued(dead_letter, message.body, message.attributes, end)
        self.wake(dead_letter)

    # --- the sweeper

    def first_due(self) -> float | None:
        """When the next of the open orders falls due to be swept, or did; None where none is open."""
        rows = self.database.tables[ORDERS_TABLE].rows.values()
        return min((float(row["sweepAt"]["N"]) for row in rows if "sweepAt" in row), default=None)

    def sweep(self) -> None:
        """The schedule goes off: once, or, being at-least-once, twice."""
        world = self._world
        if not world.key_enabled:
            return  # the function's environment cannot be read
        spec = self.topology.sweep
        for _ in range(2 if world.weather.strikes(weather.DUPLICATE_MESSAGE) else 1):
            world.later(
                2 * world.rng.random() ** 4,
                lambda: world.invoke(spec.function, json.loads(spec.payload), self._swept),
            )

    def _swept(self, invocation: Invocation) -> None:
        if invocation.raised is None and not invocation.struck and invocation.result:
            lag = self.database.tables[ORDERS_TABLE].index_lag
            self._world.watch.swept(invocation.began_at, invocation.result, lag)
        if invocation.raised is None or invocation.crashed or invocation.struck:
            return
        if self._world.key_enabled:
            self._world.broken(Promise.UNFAILING, "", f"{invocation}: {invocation.raised!r}")

    # --- how it stands

    def open_orders(self) -> Iterator[tuple[str, str]]:
        """Orders that have not ended, with their status."""
        for order_id, row in self.database.tables[ORDERS_TABLE].rows.items():
            if "closed" not in row:
                yield order_id, row["status"]["S"]

    def work_left(self) -> int:
        """Messages in queues that functions read."""
        return sum(len(self.queues[name].messages) for name in self.mappings)

    def ended(self) -> dict[str, int]:
        """How many orders closed with which status."""
        ended: dict[str, int] = {}
        for row in self.database.tables[ORDERS_TABLE].rows.values():
            if "closed" in row:
                status = row["status"]["S"]
                ended[status] = ended.get(status, 0) + 1
        return dict(sorted(ended.items()))

    def state_hash(self) -> str:
        """SHA-256 of all that tables, queues and the outside world hold, and of the way there."""
        world = self._world
        state = [
            {name: sorted(table.rows.items()) for name, table in self.database.tables.items()},
            {
                name: sorted((m.body, m.receives) for m in queue.messages.values())
                for name, queue in self.queues.items()
            },
            world.gateway.state(),
            [ledger.state() for ledger in world.carriers.values()],
            [world.now, world.calls, world.invocations, world.engine.steps],
            sorted(world.weather.injected.items()),
            sorted(world.metrics.items()),
        ]
        return hashlib.sha256(json.dumps(state, sort_keys=True, default=bytes.hex).encode()).hexdigest()


def _text(key: Mapping[str, Any]) -> str:
    ((_, value),) = key.items()
    return str(value["S"])


def told(detail_type: str, data: Mapping[str, Any]) -> str:
    """A fact in few words, for the trace."""
    said = [str(data[name]) for name in ("outcome", "reason", "carrier") if data.get(name)]
    confirmed = [name for name in ("stockConfirmed", "paymentConfirmed") if data.get(name)]
    return f"published {detail_type} {' '.join(confirmed + said)}".rstrip()


def described(change: Change) -> tuple[str, str]:
    """The order that a write is about, and what it did, for the trace."""
    row = change.after or change.before or {}
    order_id = row.get("orderId", {}).get("S", "")
    table = change.table.rpartition("-")[2]

    def state(item: Any) -> str:
        return "∅" if item is None else str((item.get("state") or item.get("status") or {}).get("S", "?"))

    if not order_id:
        return "", f"{table}: {change.key} quantity {row.get('quantity', {}).get('N')}"
    return order_id, f"{table}: {state(change.before)} → {state(change.after)}"
