"""What Lambda hands to a function: its environment, SQS events, the context."""

from __future__ import annotations

import itertools
import json
from typing import Any

from aws_lambda_powertools.utilities.typing import LambdaContext

from ecom_common.facts import Fact

REGION = "eu-west-1"
ACCOUNT = "123456789012"

_numbers = itertools.count(1)


def lambda_environment(source: str, **more: str) -> dict[str, str]:
    """The environment of a service's function: what all have, and more by name.

    `source` is the service's event source, e.g. ``orders.service``. Put it into ``os.environ`` before the
    first import of the service: telemetry and app read it then.
    """
    return {
        "AWS_ACCESS_KEY_ID": "test",
        "AWS_SECRET_ACCESS_KEY": "test",  # pragma: allowlist secret  # what emulators call root
        "AWS_DEFAULT_REGION": REGION,
        "STAGE": "test",
        "TABLE_NAME": "table",
        "EVENT_BUS_NAME": "bus",
        "PARKING_QUEUE_URL": f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/parking",
        "KMS_KEY_ARN": f"arn:aws:kms:{REGION}:{ACCOUNT}:key/1234",
        "RETRY_BASE_SECONDS": "5",
        "POWERTOOLS_SERVICE_NAME": source,
        "POWERTOOLS_METRICS_NAMESPACE": "ecom-test",
        "POWERTOOLS_LOG_LEVEL": "INFO",
        "POWERTOOLS_TRACE_DISABLED": "true",
    } | more


def sqs_record(message: Fact | str, *, attempt: int = 1, queue: str = "queue") -> dict[str, Any]:
    """One SQS message as Lambda sees it: a fact in its EventBridge envelope, or a body taken as it is.

    Every record has a message id of its own, as every delivery by EventBridge has.
    """
    number = next(_numbers)
    return {
        "messageId": f"message-{number}",
        "receiptHandle": f"receipt-{number}",
        "body": message if isinstance(message, str) else json.dumps(_envelope(message, number)),
        "attributes": {
            "ApproximateReceiveCount": str(attempt),
            "SentTimestamp": "1767225600000",
            "SenderId": ACCOUNT,
            "ApproximateFirstReceiveTimestamp": "1767225600001",
        },
        "messageAttributes": {},
        "md5OfBody": "",
        "eventSource": "aws:sqs",
        "eventSourceARN": f"arn:aws:sqs:{REGION}:{ACCOUNT}:{queue}",
        "awsRegion": REGION,
    }


def sqs_event(*messages: Fact | str, attempt: int = 1, queue: str = "queue") -> dict[str, Any]:
    """A batch: facts (or bodies), in this order, all received for the `attempt`-th time."""
    return {"Records": [sqs_record(message, attempt=attempt, queue=queue) for message in messages]}


def context(ms: int = 30_000) -> LambdaContext:
    """A Lambda context that always has `ms` milliseconds left."""
    return _Context(ms)


class _Context(LambdaContext):
    _function_name = "function"
    _function_version = "1"
    _invoked_function_arn = f"arn:aws:lambda:{REGION}:{ACCOUNT}:function:function"
    _memory_limit_in_mb = 512
    _aws_request_id = "request"

    def __init__(self, ms: int) -> None:
        self._ms = ms

    # Powertools declares it static; in Lambda it is a method.
    def get_remaining_time_in_millis(self) -> int:  # type: ignore[override]
        return self._ms


def _envelope(fact: Fact, number: int) -> dict[str, Any]:
    return {
        "version": "0",
        # EventBridge gives each delivery an id of its own: nothing may take it for the fact's id.
        "id": f"delivery-{number}",
        "detail-type": fact.detail_type,
        "source": fact.source,
        "account": ACCOUNT,
        "time": "2026-01-01T00:00:00Z",
        "region": REGION,
        "resources": [],
        "detail": fact.detail(),
    }
