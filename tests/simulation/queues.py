"""SQS standard queues: at least once, unordered, hidden while in flight, moved on after too many receives.

Sources: the SQS developer guide (visibility time-out, dead-letter queues and their retention, message quotas)
and the API reference; where these leave a choice to AWS, the queue's `rng` takes it.
"""

from __future__ import annotations

from collections.abc import Callable
from random import Random

from botocore.exceptions import ClientError

from simulation.messages import Attributes, Message, check, invalid, record, refused
from simulation.topology import QueueSpec

__all__ = ["LONGEST_VISIBILITY", "Message", "Queue", "record"]

LONGEST_VISIBILITY = 43200
LONGEST_DELAY = 900


class Queue:
    """One queue. `messages` holds what is in it, by message id.

    `to_dead_letter` is called with a message that was received too often, no longer in this queue, and the
    logical id of the queue that it belongs in from now on: `put` it there.
    """

    def __init__(
        self,
        spec: QueueSpec,
        rng: Random,
        to_dead_letter: Callable[[Message, str], None] | None = None,
    ) -> None:
        if spec.dead_letter is not None and to_dead_letter is None:
            raise ValueError(f"{spec.logical} has a dead-letter queue and no way to it")
        self.spec = spec
        self.messages: dict[str, Message] = {}
        self._to_dead_letter = to_dead_letter
        self._rng = rng
        self._receives = 0
        self._mark = f"{spec.logical}:"

    def send(self, body: str, now: float, attributes: Attributes | None = None, delay: float = 0.0) -> str:
        """Put a message in, visible after `delay` seconds; its id. Raises ClientError as SendMessage does."""
        if not 0 <= delay <= LONGEST_DELAY:
            raise invalid("SendMessage", f"Value {delay} for parameter DelaySeconds is invalid.")
        check(body, attributes or {})
        message_id = self._new_id()
        self.messages[message_id] = Message(message_id, body, attributes or {}, now, now + delay)
        return message_id

    def receive(self, most: int, now: float) -> list[Message]:
        """Up to `most` of the visible messages, in any order, from now on hidden for the visibility time-out.

        One that has been received `max_receives` times moves on instead of being handed out again. A later
        receive changes the same object: read its receipt (or make its `record`) now.
        """
        self.expire(now)
        visible = [message for message in self.messages.values() if message.visible_at <= now]
        if not visible:
            return []
        received = []
        draw = self._rng.random
        for left in range(len(visible), 0, -1):
            # one step of a shuffle: any of those left, whose place the last one takes
            place = int(draw() * left)
            message = visible[place]
            visible[place] = visible[left - 1]
            if self._moves_on(message):
                continue
            self._receives += 1
            message.receives += 1
            message.receipt = f"{self._mark}{message.id}:{self._receives}"
            message.received_at = now
            message.visible_at = now + self.spec.visibility
            if message.first_received_at is None:
                message.first_received_at = now
            received.append(message)
            if len(received) == most:
                break
        return received

    def delete(self, receipt: str, now: float) -> bool:
        """Take a message out. Raises ClientError for what is no handle of this queue.

        False where the call succeeds and nothing was deleted: the message was gone already, or the handle is
        not that of its latest receive. For such a handle SQS promises success and no more ("the message will
        not be deleted", in another place "might not be deleted"), so either happens.
        """
        message = self._message(receipt, "DeleteMessage")
        if message is None or now >= message.sent_at + self.spec.retention:
            return False
        if message.receipt != receipt and self._rng.random() < 0.5:
            return False
        del self.messages[message.id]
        return True

    def change_visibility(self, receipt: str, seconds: int, now: float) -> None:
        """Hide a message for `seconds` from now; 0 shows it at once. Raises ClientError where SQS refuses.

        A message that is visible again stays so: SQS answers with success and does nothing, or, as documented
        but hardly ever seen, with MessageNotInflight (here one call in four). What an older handle does to a
        message that was received again is documented nowhere: it works, does nothing or is refused.
        """
        if not 0 <= seconds <= LONGEST_VISIBILITY:
            raise invalid(
                "ChangeMessageVisibility",
                f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: Must be between 0 and "
                f"{LONGEST_VISIBILITY}, if provided.",
            )
        message = self._message(receipt, "ChangeMessageVisibility")
        if message is None:
            raise _gone()
        if message.visible_at <= now:
            if self._rng.random() < 0.25:
                code = "AWS.SimpleQueueService.MessageNotInflight"
                raise refused("ChangeMessageVisibility", code, "The message referred to isn't in flight.")
            return
        if message.receipt != receipt:
            fate = self._rng.randrange(3)
            if fate == 0:
                raise _gone()
            if fate == 1:
                return
        if now + seconds - message.received_at > LONGEST_VISIBILITY:
            raise invalid(
                "ChangeMessageVisibility",
                f"Value {seconds} for parameter VisibilityTimeout is invalid. Reason: The total "
                f"VisibilityTimeout is beyond the limit [{LONGEST_VISIBILITY} seconds].",
            )
        message.visible_at = now + seconds

    def next_visible(self, now: float) -> float | None:
        """When the next message can be received: `now` if one is visible, None if the queue is empty."""
        if not self.messages:
            return None
        return max(now, min(message.visible_at for message in self.messages.values()))

    def expire(self, now: float) -> list[Message]:
        """Drop what is older than the retention, counted from when it was first sent to any queue."""
        horizon = now - self.spec.retention
        old = [message for message in self.messages.values() if message.sent_at <= horizon]
        for message in old:
            del self.messages[message.id]
        return old

    def put(self, message: Message, now: float) -> None:
        """Take over a message that another queue has dead-lettered: same id, same age, visible at once.

        It may be received here as often as any other, but its ApproximateReceiveCount counts on. (Moving a
        message back by hand is not this: that sends a new one.)
        """
        message.earlier += message.receives
        message.receives = 0
        message.receipt = ""
        message.visible_at = now
        self.messages[message.id] = message

    def _moves_on(self, message: Message) -> bool:
        """True after sending a message that may not be received once more to the dead-letter queue."""
        spec = self.spec
        if spec.max_receives is None or message.receives < spec.max_receives:
            return False
        if spec.dead_letter is None or self._to_dead_letter is None:
            return False
        del self.messages[message.id]
        message.source = spec.arn
        self._to_dead_letter(message, spec.dead_letter)
        return True

    def _message(self, receipt: str, operation: str) -> Message | None:
        """The message that a handle of this queue stands for; None where it is gone."""
        if not receipt.startswith(self._mark):
            text = f'The input receipt handle "{receipt}" is not a valid receipt handle.'
            raise refused(operation, "ReceiptHandleIsInvalid", text, status=404)
        return self.messages.get(receipt[len(self._mark) :].partition(":")[0])

    def _new_id(self) -> str:
        digits = f"{self._rng.getrandbits(128):032x}"
        return f"{digits[:8]}-{digits[8:12]}-{digits[12:16]}-{digits[16:20]}-{digits[20:]}"


def _gone() -> ClientError:
    text = "Message does not exist or is not available for visibility timeout change."
    return invalid("ChangeMessageVisibility", f"Value for parameter ReceiptHandle is invalid. Reason: {text}")
