"""What must not be lost by the way: resources that hold something no template can make again."""

from __future__ import annotations

from collections.abc import Iterable

from ecom_cli.aws import Stage
from ecom_cli.delivery.changesets import Change

QUEUE = "AWS::SQS::Queue"
HOLDS = {
    "AWS::Cognito::UserPool": "its users",
    "AWS::DynamoDB::GlobalTable": "its rows",
    "AWS::DynamoDB::Table": "its rows",
    "AWS::Events::Archive": "the facts that can be replayed",
    "AWS::Events::EventBus": "the rules of every service",
    "AWS::KMS::Key": "all that is encrypted with it",
    "AWS::S3::Bucket": "its objects",
    QUEUE: "its messages",
}
"""What goes with a resource of this type when it is removed or made anew."""

_COUNTS = (
    "ApproximateNumberOfMessages",
    "ApproximateNumberOfMessagesNotVisible",
    "ApproximateNumberOfMessagesDelayed",
)


def losses(stage: Stage, changes: Iterable[Change]) -> list[str]:
    """What these changes would take away for good, a line each. An empty queue is no loss.

    A replacement that CloudFormation calls conditional is not counted: everything here that holds data has a
    name of its own, and CloudFormation refuses to replace such a thing instead of losing it.
    """
    return [
        f"{'removes' if change.action == 'Remove' else 'replaces'} {change.logical_id} ({change.type}), "
        f"and with it {HOLDS[change.type]}"
        for change in changes
        if change.type in HOLDS
        and (change.action == "Remove" or (change.action == "Modify" and change.replacement == "True"))
        and not (change.type == QUEUE and _is_empty(stage, change.physical_id))
    ]


def _is_empty(stage: Stage, url: str) -> bool:
    """Whether a queue holds no message. One that is gone already holds none."""
    if not url:
        return False
    sqs = stage.client("sqs")
    try:
        found = sqs.get_queue_attributes(QueueUrl=url, AttributeNames=list(_COUNTS))["Attributes"]
    except sqs.exceptions.QueueDoesNotExist:
        return True
    return not any(int(found.get(name, 0)) for name in _COUNTS)
