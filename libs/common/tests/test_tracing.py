"""An invocation tells X-Ray which orders it was about, if it is traced; nothing fails if nobody listens."""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from typing import Any

import pytest

from ecom_common import tracing
from ecom_common.telemetry import flush

TRACE = "Root=1-5759e988-bd862e3fe1be46a994272793;Parent=53995c3f42cd8ad8;Sampled=1;Lineage=1:a:0"


class Daemon:
    """What Lambda runs beside a traced function."""

    def __init__(self, listening: socket.socket) -> None:
        self._socket = listening

    @property
    def address(self) -> str:
        host, port = self._socket.getsockname()
        return f"{host}:{port}"

    def heard(self) -> list[dict[str, Any]]:
        """The documents that arrived, checked for the line that X-Ray wants before each."""
        found = []
        while True:
            try:
                header, _, document = self._socket.recv(65_536).partition(b"\n")
            except BlockingIOError:
                return found
            assert json.loads(header) == {"format": "json", "version": 1}
            found.append(json.loads(document))


@pytest.fixture
def daemon(monkeypatch: pytest.MonkeyPatch) -> Iterator[Daemon]:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as listening:
        listening.bind(("127.0.0.1", 0))
        listening.setblocking(False)
        found = Daemon(listening)
        monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", found.address)
        monkeypatch.setenv("_X_AMZN_TRACE_ID", TRACE)
        yield found
    tracing.send()


def test_each_order_is_an_annotation_of_the_trace(daemon: Daemon) -> None:
    tracing.about("order-1")
    tracing.about("order-2")
    tracing.about("order-1")
    flush()
    documents = daemon.heard()
    assert [document["annotations"] for document in documents] == [
        {"orderId": "order-1"},
        {"orderId": "order-2"},
    ]
    for document in documents:
        assert document["type"] == "subsegment"
        assert document["trace_id"] == "1-5759e988-bd862e3fe1be46a994272793"
        assert document["parent_id"] == "53995c3f42cd8ad8"
        assert 0 < document["start_time"] <= document["end_time"]
        assert len(bytes.fromhex(document["id"])) == 8
    assert len({document["id"] for document in documents}) == 2


def test_the_next_invocation_starts_with_none(daemon: Daemon) -> None:
    tracing.about("order-1")
    flush()
    daemon.heard()
    flush()
    assert daemon.heard() == []


def test_x_ray_indexes_no_more_than_fifty(daemon: Daemon) -> None:
    for number in range(60):
        tracing.about(f"order-{number}")
    flush()
    assert len(daemon.heard()) == 50


@pytest.mark.parametrize(
    "trace", ["", "Root=1-5759e988-bd862e3fe1be46a994272793", TRACE.replace("Sampled=1", "Sampled=0")]
)
def test_what_is_not_traced_sends_nothing(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, trace: str
) -> None:
    monkeypatch.setenv("_X_AMZN_TRACE_ID", trace)
    tracing.about("order-1")
    flush()
    assert daemon.heard() == []


@pytest.mark.parametrize("address", ["", "nowhere", "127.0.0.1:udp", "127.0.0.1:0", "no.such.host.invalid:2"])
def test_without_a_daemon_nothing_fails(
    daemon: Daemon, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    monkeypatch.setenv("AWS_XRAY_DAEMON_ADDRESS", address)
    tracing.about("order-1")
    flush()
    assert daemon.heard() == []
