"""Logs and metrics of a function: JSON lines on standard output, metrics in the embedded format (EMF).

Nothing here takes a body, a row or a customer's field: callers name what they log, one field at a time, and
a field that is not on the list below gets into no line.
"""

from __future__ import annotations

import os
import traceback
from collections.abc import Mapping
from pathlib import PurePath
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.logging.formatter import LambdaPowertoolsFormatter
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from ecom_common import tracing
from ecom_common.errors import Mender, Retry, code_of, mender_of, names_the_key

if TYPE_CHECKING:
    from logging import LogRecord

    from aws_lambda_powertools.utilities.typing import LambdaContext

FIELDS = frozenset(
    {
        # which invocation, of what: `begin` sets them
        *("requestId", "apiRequestId", "functionVersion", "coldStart"),
        # which order, by which message; the order's id is its correlation id
        *("orderId", "eventId", "detailType", "attempt", "messageId"),
        # what went wrong
        *("error", "code", "codes", "mendedBy", "reason", "stack", "kmsKeyArn"),
        # where, and how much of it
        *("carrier", "shard", "number"),
        # what a sweep did
        *("due", "resent", "cancelled", "reminded", "unpublished", "failed", "openTooLong", "lateElsewhere"),
    }
)
"""All that a line may say beside its message: names and numbers of ours, never what somebody sent."""

_POWERTOOLS = frozenset({"level", "location", "message", "timestamp", "service", "xray_trace_id"})

dropped: set[str] = set()
"""Names of fields that were not on the list. The test kit fails a test that leaves one here."""


class _ListedFieldsOnly(LambdaPowertoolsFormatter):
    """Leaves out and counts what is not on the list. Dropped and not refused: a line less would be worse.

    That goes for powertools' own `exception` too, which would quote the error. A message that is not a fixed
    sentence is cut back to the part that is.
    """

    def format(self, record: LogRecord) -> str:
        if record.args or not isinstance(record.msg, str):
            record.msg, record.args = record.msg if isinstance(record.msg, str) else "(no sentence)", None
            dropped.add("message")
            count("LogFieldsDropped")
        return super().format(record)

    def serialize(self, log: Any) -> str:
        line: Mapping[str, Any] = log
        unlisted = line.keys() - FIELDS - _POWERTOOLS
        if unlisted:
            dropped.update(unlisted)
            count("LogFieldsDropped", len(unlisted))
        return super().serialize({name: line[name] for name in line if name not in unlisted})


metrics = Metrics()
logger = Logger(logger_formatter=_ListedFieldsOnly())
_cold = True


def begin(context: LambdaContext, api_request_id: str | None = None) -> None:
    """Name the invocation in every line from here on. `api_request_id` is the one in API Gateway's log."""
    global _cold
    logger.append_keys(
        requestId=context.aws_request_id,
        apiRequestId=api_request_id,
        functionVersion=context.function_version,
        coldStart=_cold,
    )
    _cold = False


def count(name: str, number: int = 1) -> None:
    """Add to a metric of the stage's namespace (``ecom-<stage>``), dimension ``service``."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)


def flush() -> None:
    """The invocation ends: write its metrics, if there are any, and say which orders it was about."""
    tracing.send()
    if metrics.metric_set:
        metrics.flush_metrics()


def log_failure(error: BaseException, message: str, **fields: object) -> None:
    """Log why something failed, at the level of who can mend it, and count what needs an operator.

    The text of the error is left out: AWS quotes values of the request in some of them, and so does Python.
    Only a Retry is quoted, since its words are ours.
    """
    who = mender_of(error)
    fields |= {"error": type(error).__name__, "code": code_of(error), "mendedBy": who.value}
    if names_the_key(error):
        fields["kmsKeyArn"] = os.environ.get("KMS_KEY_ARN", "")
    if isinstance(error, Retry):
        fields["reason"] = str(error)
    if who is Mender.OPERATOR:
        count("OperatorErrors")
        logger.error(message, extra=fields)
    elif who is Mender.TIME:
        logger.warning(message, extra=fields)
    else:
        # Where, but not the traceback itself, which ends with the text of the error.
        fields["stack"] = [
            f"{PurePath(frame.filename).name}:{frame.lineno} {frame.name}"
            for frame in traceback.extract_tb(error.__traceback__)
        ]
        logger.error(message, extra=fields)
