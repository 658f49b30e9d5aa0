"""What KMS makes of a text: unreadable to everyone but the watch, and opened under the same context alone."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, NamedTuple

from simulation.cloudformation import STAGE

_ORDER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Opened(NamedTuple):
    """What is in a seal, as its key would tell."""

    key: str
    context: Mapping[str, str]
    text: bytes


def seal(key: str, context: Mapping[str, str], text: bytes, number: int) -> bytes:
    """A seal. `number` tells two of the same text apart, as chance does with KMS's."""
    return json.dumps([number, key, dict(context), text.hex()], sort_keys=True).encode().hex().encode()


def opened(sealed: bytes) -> Opened:
    """Read a seal without asking. Raises ValueError for what is none."""
    _, key, context, text = json.loads(bytes.fromhex(sealed.decode("ascii")))
    return Opened(key, context, bytes.fromhex(text))


def permitted(context: Mapping[str, str]) -> bool:
    """Whether the role's policy lets a call through: the template's condition on the encryption context."""
    order_id = context.get("orderId")
    return (
        context.keys() <= {"orderId", "stage"}
        and context.get("stage", STAGE) == STAGE
        and (order_id is None or _ORDER_ID.fullmatch(order_id) is not None)
    )


def customer_of(row: Mapping[str, Any]) -> dict[str, str] | None:
    """Whom a stored order is for, and None for nobody. Raises ValueError where that is not sealed for it."""
    attribute = row.get("sealedCustomer")
    if attribute is None:
        return None
    _, context, text = opened(attribute["B"])
    if context != {"orderId": row["orderId"]["S"], "stage": STAGE}:
        raise ValueError(f"sealed under {context}")
    customer: dict[str, str] = json.loads(text)
    return customer
