"""Which orders an invocation was about, as annotations of its X-Ray trace.

Lambda makes the trace; what it cannot know is the order. That is one small document to the X-Ray daemon that
Lambda runs beside a traced function, over UDP: nothing waits for it and nothing fails by it. X-Ray's own SDK
would do the same for 297 ms of each cold start (ADR 018).
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time

MOST = 50
"""Annotations of one trace that X-Ray indexes."""

_HEADER = b'{"format": "json", "version": 1}\n'
_orders: dict[str, float] = {}


def about(order_id: str) -> None:
    """The invocation has to do with this order, from now on."""
    if len(_orders) < MOST:
        _orders.setdefault(order_id, time.time())


def send() -> None:
    """Tell X-Ray which orders this invocation was about, if it is traced at all; then forget them."""
    orders, now = dict(_orders), time.time()
    _orders.clear()
    host, _, port = os.environ.get("AWS_XRAY_DAEMON_ADDRESS", "").rpartition(":")
    trace = dict(
        part.split("=", 1) for part in os.environ.get("_X_AMZN_TRACE_ID", "").split(";") if "=" in part
    )
    if not (orders and host and port.isdecimal() and trace.get("Sampled") == "1" and "Parent" in trace):
        return
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as daemon:
        daemon.setblocking(False)
        for order_id, begun in orders.items():
            document = {
                "name": "order",
                "id": secrets.token_hex(8),
                "trace_id": trace.get("Root"),
                "parent_id": trace["Parent"],
                "type": "subsegment",
                "start_time": begun,
                "end_time": now,
                "annotations": {"orderId": order_id},
            }
            try:
                daemon.sendto(_HEADER + json.dumps(document).encode(), (host, int(port)))
            except OSError:
                return  # no daemon, or one that is busy: a trace without an annotation harms nobody
