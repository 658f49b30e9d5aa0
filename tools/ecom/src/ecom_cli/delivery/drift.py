"""What has been changed by hand, as CloudFormation finds it by comparing a stack with what is there."""

from __future__ import annotations

import time
from dataclasses import asdict, dataclass, field
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError

NOT_KNOWN = "not known here"
_NO_SUCH_CALL = ("InvalidAction", "NotImplemented", "UnknownOperationException", "UnsupportedOperation")
_GIVE_UP_AFTER = 600.0  # seconds


@dataclass(frozen=True)
class Drift:
    """`status`: IN_SYNC, DRIFTED, UNKNOWN (CloudFormation could not tell) or `not known here` (no such call).

    `resources`: what differs, a line each.
    """

    status: str
    resources: list[str] = field(default_factory=list)

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


def detect(stage: Stage, stack: str) -> Drift:
    """Let CloudFormation compare a stack with what is there, and wait for it: some seconds to minutes."""
    from botocore.exceptions import ClientError

    cloudformation = stage.client("cloudformation")
    try:
        detection = cloudformation.detect_stack_drift(StackName=stack)["StackDriftDetectionId"]
    except ClientError as error:
        if error.response["Error"]["Code"] in _NO_SUCH_CALL:
            return Drift(NOT_KNOWN)
        raise
    deadline = time.monotonic() + _GIVE_UP_AFTER
    while True:
        answer = cloudformation.describe_stack_drift_detection_status(StackDriftDetectionId=detection)
        if answer["DetectionStatus"] != "DETECTION_IN_PROGRESS":
            break
        if time.monotonic() > deadline:
            raise EcomError(f"Waited {_GIVE_UP_AFTER:.0f} seconds for the drift of {stack}.")
        time.sleep(0.1 if stage.is_emulator else 3)
    return Drift(answer.get("StackDriftStatus", "UNKNOWN"), _different(cloudformation, stack))


def _different(cloudformation: Any, stack: str) -> list[str]:
    lines: list[str] = []
    more: dict[str, str] = {}
    while True:
        page = cloudformation.describe_stack_resource_drifts(
            StackName=stack, StackResourceDriftStatusFilters=["MODIFIED", "DELETED"], **more
        )
        lines += [_line(found) for found in page["StackResourceDrifts"]]
        if not (token := page.get("NextToken")):
            return lines
        more = {"NextToken": token}


def _line(found: dict[str, Any]) -> str:
    what = f"{found['LogicalResourceId']} ({found['ResourceType']})"
    if found["StackResourceDriftStatus"] == "DELETED":
        return f"{what} is gone"
    paths = sorted(each["PropertyPath"].lstrip("/") for each in found.get("PropertyDifferences", ()))
    return f"{what} differs in {', '.join(paths)}"
