"""A message of SQS: what may be sent, and what a function that reads the queue gets to see of it."""

from __future__ import annotations

import json
import re
from base64 import b64encode
from collections.abc import Mapping
from hashlib import md5
from typing import Any

from botocore.exceptions import ClientError

from simulation.cloudformation import ACCOUNT, REGION
from simulation.tables import CANARY_REQUEST
from simulation.topology import QueueSpec

MOST_BYTES = 1024 * 1024
"""Of body and attributes together: 1 MiB since August 2025."""
MOST_ATTRIBUTES = 10

_REFUSED = re.compile("[^\t\n\r\x20-\ud7ff\ue000-\ufffd\U00010000-\U0010ffff]")
_NAME = re.compile(r"(?!(?:AWS|Amazon)\.)(?!\.)[A-Za-z0-9_.-]{1,256}(?<!\.)", re.IGNORECASE)
_DATA_TYPE = re.compile(r"(String|Number|Binary)(\..{1,249})?")

Attributes = Mapping[str, Mapping[str, Any]]


class Message:
    """A message in a queue; times in seconds since the epoch.

    Attributes
    ----------
    attributes: message attributes as they were sent, by name
    receives: how often this queue has handed it out
    earlier: how often the queues did that it was dead-lettered from
    receipt: the handle of the latest receive; empty before the first
    received_at: when that was
    visible_at: from when on it may be received
    source: ARN of the queue it was dead-lettered from, if any
    """

    __slots__ = (
        "attributes",
        "body",
        "earlier",
        "first_received_at",
        "id",
        "receipt",
        "received_at",
        "receives",
        "sent_at",
        "source",
        "visible_at",
    )

    def __init__(self, message_id: str, body: str, attributes: Attributes, sent_at: float, visible_at: float):
        self.id = message_id
        self.body = body
        self.attributes = attributes
        self.receives = 0
        self.earlier = 0
        self.sent_at = sent_at
        self.first_received_at: float | None = None
        self.received_at = 0.0
        self.receipt = ""
        self.visible_at = visible_at
        self.source: str | None = None


def check(body: str, attributes: Attributes) -> None:
    """Raises ClientError for what SendMessage refuses."""
    if not body:
        raise refused(
            "SendMessage", "MissingParameter", "The request must contain the parameter MessageBody."
        )
    if _REFUSED.search(body):
        raise refused("SendMessage", "InvalidMessageContents", "Invalid characters found.")
    size = len(body) if body.isascii() else _bytes(body)
    if attributes:
        size += _check_attributes(attributes)
    if size > MOST_BYTES:
        raise invalid("SendMessage", f"Message must be shorter than {MOST_BYTES} bytes.")


def record(message: Message, spec: QueueSpec) -> dict[str, Any]:
    """The record of a just received message in the event that Lambda's event source mapping makes."""
    attributes = {
        "ApproximateReceiveCount": str(message.earlier + message.receives),
        "SentTimestamp": str(int(message.sent_at * 1000)),
        "SenderId": ACCOUNT,
        "ApproximateFirstReceiveTimestamp": str(
            int((message.first_received_at or message.received_at) * 1000)
        ),
    }
    if message.source is not None:
        attributes["DeadLetterQueueSourceArn"] = message.source
    return {
        "messageId": message.id,
        "receiptHandle": message.receipt,
        "body": message.body,
        "attributes": attributes,
        "messageAttributes": {name: _attribute(value) for name, value in message.attributes.items()},
        "md5OfBody": md5(message.body.encode(), usedforsecurity=False).hexdigest(),
        "eventSource": "aws:sqs",
        "eventSourceARN": spec.arn,
        "awsRegion": REGION,
    }


def order_of(body: str) -> str:
    """The order a message is about; empty where it does not say so."""
    try:
        return str(json.loads(body)["detail"]["data"]["orderId"])
    except (ValueError, KeyError, TypeError):
        return ""


def _attribute(value: Mapping[str, Any]) -> dict[str, Any]:
    shown: dict[str, Any] = {}
    if "StringValue" in value:
        shown["stringValue"] = value["StringValue"]
    if "BinaryValue" in value:
        shown["binaryValue"] = b64encode(value["BinaryValue"]).decode()
    return shown | {"stringListValues": [], "binaryListValues": [], "dataType": value["DataType"]}


def _check_attributes(attributes: Attributes) -> int:
    """Their size in bytes. Raises ClientError for what SendMessage refuses."""
    if len(attributes) > MOST_ATTRIBUTES:
        raise invalid(
            "SendMessage",
            f"Number of message attributes [{len(attributes)}] exceeds the allowed maximum [10].",
        )
    size = 0
    for name, value in attributes.items():
        kind = value.get("DataType", "")
        if not _NAME.fullmatch(name) or ".." in name or not _DATA_TYPE.fullmatch(kind):
            raise invalid("SendMessage", f"The message attribute '{name}' has an invalid name or type.")
        content = value.get("BinaryValue" if kind.startswith("Binary") else "StringValue")
        if not content:
            raise invalid("SendMessage", f"The message attribute '{name}' must contain a non-empty value.")
        if isinstance(content, str) and _REFUSED.search(content):
            raise invalid("SendMessage", f"The message attribute '{name}' has invalid characters.")
        size += (
            _bytes(name) + _bytes(kind) + (len(content) if isinstance(content, bytes) else _bytes(content))
        )
    return size


def _bytes(text: str) -> int:
    return len(text.encode(errors="surrogatepass"))


def invalid(operation: str, text: str) -> ClientError:
    """The error for a parameter that SQS does not take."""
    return refused(operation, "InvalidParameterValue", text)


def refused(operation: str, code: str, text: str, status: int = 400) -> ClientError:
    """An error answer of SQS. Its text holds what AWS would quote of the request."""
    error = {"Code": code, "Message": f"{text} ({CANARY_REQUEST})", "Type": "Sender"}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": status}}, operation)  # type: ignore[typeddict-item]
