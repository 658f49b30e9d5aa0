"""Erasing whom an order was for. The order itself stays: what was sold, and what became of it."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError
from ecom_cli.shop.tables import ORDERS, plain, typed


@dataclass(frozen=True)
class Erasure:
    """What was done to one order. `at` is when its customer was erased, None where it never had one."""

    order_id: str
    at: str | None
    now: bool

    def as_json(self) -> dict[str, object]:
        return {"orderId": self.order_id, "customerErasedAt": self.at, "erasedNow": self.now}


def erase(stage: Stage, order_id: str) -> Erasure:
    """Take the sealed customer out of the order's row and mark when. Doing it twice changes nothing.

    One conditional write of two attributes that order-service never writes once the order is placed: it may
    go on meanwhile. Raises EcomError where there is no such order.
    """
    from botocore.exceptions import ClientError

    now = datetime.now(UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")
    try:
        stage.client("dynamodb").update_item(
            TableName=stage.physical_id(*ORDERS),
            Key=typed({"orderId": order_id}),
            UpdateExpression="SET customerErasedAt = :now REMOVE sealedCustomer",
            ConditionExpression="attribute_exists(sealedCustomer)",
            ExpressionAttributeValues=typed({":now": now}),
            ReturnValuesOnConditionCheckFailure="ALL_OLD",
        )
    except ClientError as error:
        if error.response["Error"]["Code"] != "ConditionalCheckFailedException":
            raise
        standing: Any = error.response.get("Item")  # the stubs know no items in errors
        if not standing:
            raise EcomError(
                f"There is no order {order_id} ({stage.where}).", "Nothing was changed."
            ) from error
        return Erasure(order_id, plain(standing).get("customerErasedAt"), now=False)
    return Erasure(order_id, now, now=True)
