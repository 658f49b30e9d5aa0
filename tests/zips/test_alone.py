"""Each service's zip, alone: every function runs in an interpreter that has nothing but the zip.

The end-to-end tests cannot show that a zip is complete: the emulator's functions see the emulator's packages.
"""

from __future__ import annotations

import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from ecom_cli import bare
from ecom_cli.bare_events import functions
from ecom_cli.build import build
from ecom_cli.workspace import Member, workspace

REPO = workspace()
SERVICES = [member for member in REPO.stacks if member.has_zip]
NAMES_IN_CALLS = {
    "DynamoDB_20120810": "dynamodb",
    "AWSEvents": "events",
    "AmazonSQS": "sqs",
    "TrentService": "kms",
}


def called(report: bare.Report) -> set[str]:
    return {NAMES_IN_CALLS[call.partition(".")[0]] for call in report.calls}


@pytest.mark.parametrize("service", SERVICES, ids=lambda member: member.dist)
def test_a_zip_needs_nothing_beside_itself(service: Member) -> None:
    report = bare.run(REPO, service, build(service).path)

    assert report.problems == ()
    # the zip keeps the models of just these
    assert called(report) == set(service.aws_services)


def test_every_function_is_tried_with_every_kind_of_event_that_it_gets() -> None:
    tried = {
        (function.name, function.handler): {event.title for event in function.events}
        for service in SERVICES
        for function in functions(REPO, service)
    }
    assert tried == {
        ("InventoryLambda", "inventory_service.app.handler"): {
            "a batch from InventoryQueue",
            "a batch from InventoryCompensationQueue",
        },
        ("OrderLambda", "order_service.app.handler"): {
            "a batch from OrderLifecycleQueue",
            "the schedule's event",
            "POST /orders",
            "GET /orders",
            "GET /orders/{orderId}",
            "POST /orders/{orderId}/cancel",
        },
        ("PaymentLambda", "payment_service.app.handler"): {"a batch from PaymentQueue"},
        ("ShippingLambda", "shipping_service.app.handler"): {"a batch from ShippingQueue"},
        ("DLQProcessorLambda", "shipping_service.app.dlq_handler"): {"a batch from ShippingDLQ"},
    }


def without(zipped: Path, folder: Path, unwanted: Callable[[str], bool]) -> Path:
    """A copy of a zip without some of its files."""
    copy = folder / "without.zip"
    with zipfile.ZipFile(zipped) as before, zipfile.ZipFile(copy, "w") as after:
        for entry in before.infolist():
            if not unwanted(entry.filename):
                after.writestr(entry, before.read(entry))
    return copy


@pytest.mark.parametrize(
    ("unwanted", "said"),
    [
        ("jmespath/", "No module named 'jmespath'"),
        ("ecom_common/retention.py", "No module named 'ecom_common.retention'"),
        ("botocore/data/sqs/", "Unknown service: 'sqs'"),
    ],
)
def test_what_a_zip_lacks_is_found(tmp_path: Path, unwanted: str, said: str) -> None:
    service = REPO.member("payment-service")
    zipped = without(build(service).path, tmp_path, lambda name: name.startswith(unwanted))

    [problem] = bare.run(REPO, service, zipped).problems

    assert "PaymentLambda: payment_service.app.handler could not be tried out" in problem
    assert said in problem
