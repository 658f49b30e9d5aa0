"""An event source mapping: reads a queue, invokes the function, deletes what it handled."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from simulation import weather
from simulation.invariants import Promise
from simulation.messages import Message, order_of, record

if TYPE_CHECKING:
    from simulation.aws import Aws
    from simulation.invocation import Invocation
    from simulation.topology import MappingSpec
    from simulation.world import World


class Mapping:
    """Between one queue and one function, with batch size and concurrency as the template says."""

    def __init__(self, world: World, aws: Aws, spec: MappingSpec) -> None:
        self._world, self._aws, self.spec = world, aws, spec
        self._queue = aws.queues[spec.queue]
        self._running = 0
        self._planned: float | None = None

    def look(self) -> None:
        """See to it that the queue is read when there is, or will be, something to see."""
        visible = self._queue.next_visible(self._world.now)
        if visible is None:
            return
        rng = self._world.rng
        # Messages that come together are often, not always, read together.
        wait = 0.02 + (0.3 * rng.random() if rng.random() < 0.8 else 2 * rng.random())
        when = max(visible, self._world.now) + wait
        if self._planned is None or when < self._planned:
            self._planned = when
            self._world.engine.at(when, lambda: self._read(when))

    def _read(self, when: float) -> None:
        if self._planned != when:
            return
        self._planned = None
        world = self._world
        if not world.key_enabled:
            world.engine.after(60, self.look)
            return
        if self._running >= self.spec.max_concurrency:
            return
        most = (
            self.spec.batch_size
            if world.rng.random() < 0.7
            else 1 + world.rng.randrange(self.spec.batch_size)
        )
        batch = self._queue.receive(most, world.now)
        if batch:
            self._invoke(batch)
        self.look()

    def _invoke(self, batch: list[Message]) -> None:
        world = self._world
        self._running += 1
        event = {"Records": [record(message, self._queue.spec) for message in batch]}
        receipts = {message.id: message.receipt for message in batch}
        for message in batch:
            if world.weather.strikes(weather.DUPLICATE_MESSAGE):
                self._come_again(message)
        world.invoke(self.spec.function, event, lambda invocation: self._answered(invocation, receipts))

    def _come_again(self, message: Message) -> None:
        """SQS hands a message out twice: while it is being handled, or after it was deleted."""
        world = self._world
        body, attributes = message.body, message.attributes
        world.later(60 * world.rng.random() ** 3, lambda: self._aws.send(self.spec.queue, body, attributes))

    def _answered(self, invocation: Invocation, receipts: dict[str, str]) -> None:
        """Delete what was handled. What failed, or the whole batch of a function that died, stays."""
        world = self._world
        self._running -= 1
        failed = set(receipts) if invocation.raised is not None else self._failed(invocation, receipts)
        if world.history is not None:
            for each in invocation.event["Records"]:
                state = f"died: {invocation.raised}" if invocation.raised else "done"
                end = state if invocation.raised or each["messageId"] not in failed else "failed, comes again"
                world.note(order_of(each["body"]), str(invocation), f"message of {self.spec.queue}: {end}")
        if invocation.raised is not None and not invocation.crashed:
            world.broken(Promise.UNFAILING, "", f"{invocation}: {invocation.raised!r}")
        for message_id, receipt in receipts.items():
            if message_id not in failed or not world.mode.redelivers:
                self._queue.delete(receipt, world.now)
        self.look()

    def _failed(self, invocation: Invocation, receipts: dict[str, str]) -> set[str]:
        if not self.spec.partial:
            return set()
        # An answer of nothing means that all went well.
        answer: Any = invocation.result or {}
        named = {failure["itemIdentifier"] for failure in answer.get("batchItemFailures") or ()}
        # Lambda fails the whole batch for an id that it does not know.
        return set(receipts) if named - set(receipts) else named
