"""Logs and metrics of a function: JSON lines on standard output, metrics in the embedded format (EMF).

Nothing here takes a body, a row or a customer's field: callers name what they log, one field at a time.
"""

from __future__ import annotations

import os
import traceback
from pathlib import PurePath

from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics, MetricUnit

from ecom_common.errors import Mender, Retry, code_of, mender_of, names_the_key

logger = Logger()
metrics = Metrics()


def count(name: str, number: int = 1) -> None:
    """Add to a metric of the stage's namespace (``ecom-<stage>``), dimension ``service``."""
    metrics.add_metric(name=name, unit=MetricUnit.Count, value=number)


def flush() -> None:
    """Write the metrics of this invocation, if there are any."""
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
