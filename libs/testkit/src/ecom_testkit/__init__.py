"""What the tests of every service need. Never in a zip: a dev dependency only."""

from ecom_testkit.crashes import Call, Crash, CrashingClient, CrashPoint, crash_points
from ecom_testkit.fakes import FakePublisher, FakeQueues
from ecom_testkit.lambdas import context, lambda_environment, sqs_event, sqs_record
from ecom_testkit.tables import make_table, read_template, rows

__all__ = [
    "Call",
    "Crash",
    "CrashPoint",
    "CrashingClient",
    "FakePublisher",
    "FakeQueues",
    "context",
    "crash_points",
    "lambda_environment",
    "make_table",
    "read_template",
    "rows",
    "sqs_event",
    "sqs_record",
]
