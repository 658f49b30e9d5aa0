"""What the tests of every service need. Never in a zip: a dev dependency only.

Nothing here imports ``ecom_common.telemetry``, which reads the environment: `lambda_environment` can be put
in place first. The fakes and the log do, so they are imported from ``ecom_testkit.fakes`` and
``ecom_testkit.telemetry`` by tests, not by a conftest that sets the environment.
"""

from ecom_testkit.crashes import Call, Crash, CrashingClient, CrashPoint, crash_points
from ecom_testkit.lambdas import context, lambda_environment, sqs_event, sqs_record
from ecom_testkit.tables import make_table, read_template, rows

__all__ = [
    "Call",
    "Crash",
    "CrashPoint",
    "CrashingClient",
    "context",
    "crash_points",
    "lambda_environment",
    "make_table",
    "read_template",
    "rows",
    "sqs_event",
    "sqs_record",
]
