"""The operator: stocks up, changes prices, redrives, replays, makes mistakes with keys and backups."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from random import Random
from typing import TYPE_CHECKING, Any

from ecom_cli.demo.invariants import CHECKS, title
from simulation import poison, weather
from simulation.aws import ORDERS_TABLE
from simulation.invariants import Promise
from simulation.messages import Message, order_of

if TYPE_CHECKING:
    from simulation.world import World

INVENTORY_TABLE = "ecom-sim-inventory"
ITEMS = ("mug", "pen", "hat")
MINUTE, HOUR = 60.0, 3600.0
STORM_ACTIONS = 4
KEY_DISABLED = 0.05
"""How likely, at each fact that sets out."""

KEPT_IN_A_CUT = frozenset(
    {Promise.LEGAL, Promise.NOT_NEGATIVE, Promise.STOCK, Promise.ONE_CHARGE, Promise.ENDS, Promise.NO_CANARY}
)
LOST_IN_A_CUT = tuple(promise for promise in (*Promise, *map(title, CHECKS)) if promise not in KEPT_IN_A_CUT)
"""What is not claimed of an order any more when one of its rows was put back to an earlier moment: what was
decided and told in between is forgotten by one service, and known to the others and outside."""
REPLAY_MARGIN = 5 * MINUTE
"""What is replayed after a restore begins this long before the moment restored: facts take time to land."""


class Operator:
    """Whoever runs the system, in the storm and after it."""

    def __init__(self, world: World) -> None:
        self._world = world
        self._rng: Random = world.rng
        self.catalogue: dict[str, int] = {}
        self._cut: dict[str, None] = {}
        self._tidies_from = 0.0
        self._key_was_off = False

    def stock_up(self) -> None:
        """A few items, few of each: orders compete."""
        rng = self._rng
        for item in ITEMS[: rng.randint(1, len(ITEMS))]:
            self.catalogue[item] = price = rng.choice((100, 250, 1999))
            quantity = rng.choice((1, 3, 8, 20, 60))
            self._put_item(item, price, quantity)

    def begin(self) -> None:
        """Plan what the operator does while it storms."""
        storm = self._world.weather
        for _ in range(STORM_ACTIONS):
            self._perhaps(0.1, self._deliver)
            self._perhaps(0.03, self.reprice)
            if storm.is_on(weather.REDRIVE):
                self._in_the_storm(0.5, self._redrive_early)
            if storm.is_on(weather.REPLAY):
                self._in_the_storm(0.3, self._replay)
            if storm.is_on(weather.NEWER_VERSION):
                self._in_the_storm(0.5, self._publish_newer)
            if storm.is_on(weather.FORGED) and self._world.mode.redelivers:
                self._in_the_storm(0.5, self._forge)
            if storm.is_on(weather.POISON) and self._world.mode.redelivers:
                self._in_the_storm(0.5, self._plant)
        if storm.is_on(weather.RESTORE):
            self._perhaps(0.7, self._back_up)

    def _perhaps(self, chance: float, action: Callable[[], None]) -> None:
        if self._rng.random() < chance:
            self._world.later(60 * MINUTE * self._rng.random() ** 2, action)

    def _in_the_storm(self, chance: float, action: Callable[[], None]) -> None:
        """The same for what goes wrong: not done any more if it has calmed meanwhile."""

        def act() -> None:
            if not self._world.weather.calm:
                action()

        self._perhaps(chance, act)

    # --- while it storms

    def _put_item(self, item: str, price: int, quantity: int) -> None:
        row = {
            "pk": {"S": f"ITEM#{item}"},
            "itemId": {"S": item},
            "name": {"S": item},
            "price": {"N": str(price)},
            "currency": {"S": "USD"},
            "quantity": {"N": str(quantity)},
            "received": {"N": str(quantity)},
        }
        self._tables("put_item", Item=row)

    def _deliver(self) -> None:
        item = self._rng.choice(sorted(self.catalogue))
        self._tables(
            "update_item",
            Key={"pk": {"S": f"ITEM#{item}"}},
            UpdateExpression="ADD quantity :more, received :more",
            ExpressionAttributeValues={":more": {"N": str(self._rng.randint(1, 5))}},
        )

    def reprice(self) -> None:
        """Give an item another price, and sometimes the old one back."""
        item = self._rng.choice(sorted(self.catalogue))
        self._tables(
            "update_item",
            Key={"pk": {"S": f"ITEM#{item}"}},
            UpdateExpression="SET price = :price",
            ExpressionAttributeValues={
                ":price": {"N": str(self.catalogue[item] + self._rng.choice((0, 50)))}
            },
        )

    def _tables(self, operation: str, **request: Any) -> None:
        self._world.aws.database.execute(
            operation, {"TableName": INVENTORY_TABLE, **request}, self._world.now
        )

    def _redrive_early(self) -> None:
        if self._redrive():
            self._world.weather.count(weather.REDRIVE)

    def _replay(self) -> None:
        """Replay a stretch of the archive: its end, or all of it."""
        world = self._world
        world.weather.count(weather.REPLAY)
        since = world.now - self._rng.choice((10 * MINUTE, 10_000 * MINUTE))
        world.aws.replay(since, f"replay-{world.next_number()}")

    def _plant(self) -> None:
        world = self._world
        for _ in range(self._rng.randint(1, 5)):
            world.weather.count(weather.POISON)
            queue = self._rng.choice(sorted(world.aws.mappings))
            bodies = (*poison.ANYWHERE, *poison.FOR_QUEUE.get(queue, ()))
            body, reason = self._rng.choice(bodies)
            world.watch.planted[body] = reason
            world.aws.send(queue, body)

    def _publish_newer(self) -> None:
        """Somebody publishes the next version of a fact beside today's. Nobody here may act on it."""
        world = self._world
        if not world.aws.archive:
            return
        _, event_id, entry = self._rng.choice(world.aws.archive)
        detail = json.loads(entry["Detail"])
        detail["metadata"] |= {"schemaVersion": 2, "eventId": f"newer-{world.next_number()}"}
        detail["data"] = {name: value for name, value in detail["data"].items() if name != "amount"}
        world.weather.count(weather.NEWER_VERSION)
        world.aws.deliver({**entry, "Detail": json.dumps(detail)}, event_id, world.now)

    def _forge(self) -> None:
        """Poison under the id of a genuine fact comes together with it. The fact is handled all the same."""
        world = self._world
        placed = [each for each in world.aws.archive if each[2]["DetailType"] == "OrderPlaced"]
        if not placed:
            return
        at, event_id, entry = self._rng.choice(placed)
        body, reason = poison.forged(json.loads(entry["Detail"]))
        world.weather.count(weather.FORGED)
        world.watch.planted[body] = reason
        for _ in range(2):
            world.aws.deliver(entry, event_id, at)
            world.aws.send("InventoryQueue", body)

    def perhaps_disable_key(self) -> None:
        """The key is switched off, if it is at all, while a fact is on its way: then that hurts most."""
        storm = self._world.weather
        if storm.is_on(weather.KEY_DISABLED) and not storm.calm and not self._key_was_off:
            self._key_was_off = self._rng.random() < KEY_DISABLED
            if self._key_was_off:
                self._disable_key()

    def _disable_key(self) -> None:
        world = self._world
        world.weather.count(weather.KEY_DISABLED)
        world.key_enabled = False
        world.note("", "operator", "disabled the key")
        world.later(20 * MINUTE * self._rng.random() ** 2, self._enable_key)

    def _enable_key(self) -> None:
        self._world.key_enabled = True
        self._world.note("", "operator", "enabled the key")

    def _back_up(self) -> None:
        """Remember a table as it is; some minutes later somebody puts it back to that."""
        world = self._world
        table = self._rng.choice(sorted(world.aws.database.tables))
        backup, taken = world.aws.database.tables[table].snapshot(), world.now
        world.later(10 * MINUTE * self._rng.random() ** 2, lambda: self._restore(table, backup, taken))

    def _restore(self, name: str, backup: Any, taken: float) -> None:
        """Point-in-time restore of one table, and then what the runbook says: replay what it has not seen."""
        world = self._world
        if world.weather.calm:
            return
        world.weather.count(weather.RESTORE)
        table = world.aws.database.tables[name]
        table.restore(backup)
        cut = world.watch.restored(name, table.rows)
        for order_id in cut:
            world.note(order_id, "operator", f"put {name} back by {world.now - taken:.0f} s")
        world.watch.forgive(cut, LOST_IN_A_CUT)
        self._cut.update(dict.fromkeys(cut))
        world.aws.replay(taken - REPLAY_MARGIN, f"restore-{name}")

    # --- when it calms

    def clear_up(self) -> None:
        """The storm is over: the key works. Dead-letter queues are looked at now, or only days later."""
        self._world.key_enabled = True
        if self._world.weather.is_on(weather.LATE_REDRIVE) and not self._tidies_from:
            late = self._rng.choice((1, 12, 24, 7 * 24)) * (0.9 + 0.25 * self._rng.random())
            self._tidies_from = self._world.now + HOUR * late

    def expire(self) -> None:
        """DynamoDB deletes what is past its time to live, SQS what is past its retention."""
        world = self._world
        for queue in world.aws.queues.values():
            queue.expire(world.now)
        for table in world.aws.database.tables.values():
            world.watch.wrote(table.expire(world.now))

    def tidy(self) -> None:
        """Put back what lies in dead-letter queues; what was parked with a reason stays."""
        if self._world.now >= self._tidies_from and self._redrive() and self._tidies_from:
            self._world.weather.count(weather.LATE_REDRIVE)

    def _redrive(self) -> int:
        """Move messages from where nobody reads to where they came from. Returns how many."""
        aws = self._world.aws
        moved = 0
        for name, message in list(self._letters()):
            if self._about_a_lost_order(message):
                del aws.queues[name].messages[message.id]
                continue
            source = self._source(name, message)
            if source is not None:
                del aws.queues[name].messages[message.id]
                aws.send(source, message.body)
                moved += 1
        return moved

    def _letters(self) -> Iterator[tuple[str, Message]]:
        """The messages that nobody but people reads, with the queue each is in."""
        for name, queue in self._world.aws.queues.items():
            if self._world.aws.is_dead_end(name):
                for message in queue.messages.values():
                    yield name, message

    def _about_a_lost_order(self, message: Message) -> bool:
        """Whether a restore lost the order that a message is about: nobody can follow it any more."""
        order_id = order_of(message.body)
        return order_id in self._cut and order_id not in self._world.aws.database.tables[ORDERS_TABLE].rows

    def _source(self, name: str, message: Message) -> str | None:
        """The queue a message came from; None for one that was parked for good."""
        if "reason" in message.attributes:
            return None
        topology = self._world.services.topology
        if "TARGET_ARN" in message.attributes:
            arn = message.attributes["TARGET_ARN"]["StringValue"]
        else:
            assert message.source is not None, f"how did this get into {name}?"
            arn = message.source
        return next(queue.logical for queue in topology.queues.values() if queue.arn == arn)

    def long_after(self) -> None:
        """Days or months later: rows have expired, and somebody replays everything."""
        self.expire()
        world = self._world
        world.aws.replay(0.0, "everything", kept=True)

    @property
    def idle_for(self) -> float:
        """Seconds until the operator looks at dead-letter queues."""
        return max(0.0, self._tidies_from - self._world.now)

    @property
    def has_letters(self) -> bool:
        """Whether a dead-letter queue holds what has to be put back."""
        return any("reason" not in message.attributes for _, message in self._letters())

    def count(self) -> None:
        """At rest: let everything be checked."""
        world = self._world
        aws = world.aws
        if world.fair:
            world.watch.prompt(aws.database.tables[ORDERS_TABLE].rows, world.longest_order)
        world.watch.at_rest(
            aws.database,
            world.gateway,
            world.carriers,
            world.now,
            parked=[(name, message.body, message.attributes) for name, message in self._letters()],
            metrics=world.metrics,
            work_left={name: len(aws.queues[name].messages) for name in aws.mappings},
        )
