"""What a function does with SQS messages it cannot finish: try later, or park with the reason."""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

from ecom_common.errors import AwsError, Mender, mender_of
from ecom_common.facts import iso, utc_now
from ecom_common.telemetry import count, log_failure, logger

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.data_classes.sqs_event import SQSRecord
    from mypy_boto3_sqs import SQSClient

LONGEST_DELAY = 900
"""Seconds. Enough tries spread over the half hour that most disturbances last."""


def delay(attempt: int, base: int, jitter: Callable[[], float] = random.random) -> int:
    """Whole seconds before a record that failed for the `attempt`-th time (1 is the first) comes again.

    Doubles from `base` up to LONGEST_DELAY; the upper half is random, so that what failed together does not
    return together.
    """
    full: int = min(LONGEST_DELAY, base * 2 ** min(attempt - 1, 20))
    return round(full / 2 + jitter() * full / 2)


class Queues:
    """The two ways back: a later delivery, or the parking queue."""

    def __init__(self, sqs: SQSClient, parking_url: str, retry_base_seconds: int) -> None:
        self._sqs = sqs
        self._parking_url = parking_url
        self._base = retry_base_seconds

    def park(self, record: SQSRecord, reason: str) -> None:
        """Copy a message to the parking queue, with why it is there and where it comes from.

        Raises an AwsError where that fails: the record must fail then, and the queue's own redrive keeps it.
        """
        # Reasons are words of ours; SQS would refuse one with a control character, or an empty one.
        printable = "".join(letter if letter.isprintable() else "?" for letter in reason[:256])
        notes = {
            "reason": printable or "(no reason given)",
            "source": record.queue_url or record.event_source_arn,
            "messageId": record.message_id,
            "parkedAt": iso(utc_now()),
        }
        self._sqs.send_message(
            QueueUrl=self._parking_url,
            # SQS refuses an empty body; a message that came with one has nothing to lose.
            MessageBody=record.body or "(empty)",
            MessageAttributes={
                name: {"DataType": "String", "StringValue": value} for name, value in notes.items()
            },
        )
        count("ParkedMessages")
        logger.error("message parked", extra={"reason": notes["reason"], "messageId": record.message_id})

    def come_back_later(self, records: Sequence[SQSRecord]) -> None:
        """Let failed records come again after a growing delay, not the queue's long visibility time-out.

        That time-out must outlast six runs of the function; a failure that has already been noticed need
        not wait so long. Where a call fails, the time-out still brings this record and the rest back. (One
        call for each record: the local emulator checks the batch call against a permission that AWS does
        not have.)
        """
        for done, record in enumerate(records):
            try:
                self._sqs.change_message_visibility(
                    QueueUrl=self._url(record.event_source_arn),
                    ReceiptHandle=record.receipt_handle,
                    VisibilityTimeout=delay(receive_count(record), self._base),
                )
            except AwsError as error:
                log_failure(
                    error, "failed records keep the queue's visibility time-out", number=len(records) - done
                )
                if mender_of(error) is not Mender.UNKNOWN:
                    return  # SQS is in trouble: as many time-outs as records would cost the whole invocation

    def _url(self, arn: str) -> str:
        """A queue's URL is its ARN in another order; asking SQS for it would be one more call."""
        *_, account, name = arn.split(":")
        return f"{self._sqs.meta.endpoint_url}/{account}/{name}"


def receive_count(record: SQSRecord) -> int:
    """How often SQS has handed this message out; 1 the first time."""
    return int(record.attributes.approximate_receive_count or 1)
