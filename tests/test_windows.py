"""The ladder of time windows: each must leave room for the one before it (docs/protocol.md, time windows)."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest

from ecom_cli.templates import parse_template
from ecom_common.retention import REPLAY_HORIZON, ROW_TTL
from inventory_service.model import RESERVATION_WINDOW
from order_service.model import LONGEST_PAUSE, ORDER_TTL
from payment_service.model import GATEWAY_KEY_WINDOW, PAYMENT_WINDOW
from shipping_service.model import SHIPPING_WINDOW

PACKAGES = Path(__file__).resolve().parent.parent / "packages"

Rung = tuple[str, timedelta]


def parameter(template: str, name: str, field: str) -> timedelta:
    """A parameter's default or limit, in the seconds that its name says."""
    return timedelta(seconds=int(parameters(template)[name][field]))


def parameters(template: str) -> dict[str, Any]:
    import yaml

    class Loader(yaml.SafeLoader):
        pass

    Loader.add_multi_constructor("!", lambda loader, suffix, node: None)
    document = yaml.load((PACKAGES / template).read_text(encoding="utf-8"), Loader)
    found: dict[str, Any] = document["Parameters"]
    return found


def resources(template: str) -> dict[str, dict[str, Any]]:
    path = PACKAGES / template
    return parse_template(path.read_text(encoding="utf-8"), str(path)).resources


def wrong_rungs(ladder: Sequence[Rung]) -> list[str]:
    """Every rung that is not above the one before it."""
    return [
        f"{lower} ({short}) must be shorter than {upper} ({long})"
        for (lower, short), (upper, long) in pairwise(ladder)
        if not short < long
    ]


ORDERS = "order-service/order-stack.yaml"

LADDER: list[Rung] = [
    ("publishing an unmoved order again", parameter(ORDERS, "ResendAfterSeconds", "Default")),
    ("cancelling an order", parameter(ORDERS, "CancelAfterSeconds", "Default")),
    ("reserving stock", RESERVATION_WINDOW),
    ("charging", PAYMENT_WINDOW),
    ("the gateway's idempotency key", GATEWAY_KEY_WINDOW),
    ("shipping", SHIPPING_WINDOW),
    ("the replay horizon", REPLAY_HORIZON),
    ("a participant's row", ROW_TTL),
    ("the order's row", ORDER_TTL),
]


def test_each_window_leaves_room_for_the_one_before_it() -> None:
    assert wrong_rungs(LADDER) == []


def test_the_windows_are_those_of_the_design() -> None:
    assert [limit for _, limit in LADDER[1:]] == [
        timedelta(minutes=15),
        timedelta(hours=1),
        timedelta(hours=12),
        timedelta(hours=24),
        timedelta(days=7),
        timedelta(days=60),
        timedelta(days=90),
        timedelta(days=365),
    ]


@pytest.mark.parametrize("rung", range(1, len(LADDER)))
def test_a_rung_out_of_place_is_seen(rung: int) -> None:
    broken = list(LADDER)
    broken[rung] = (broken[rung][0], broken[rung - 1][1])

    assert wrong_rungs(broken)


def test_no_setting_lets_an_order_wait_for_its_cancel_past_the_reservation_window() -> None:
    """Then OrderPlaced, published again, would write a tombstone for an order nobody has cancelled."""
    assert parameter(ORDERS, "CancelAfterSeconds", "MaxValue") < RESERVATION_WINDOW


def test_no_setting_publishes_again_later_than_it_cancels() -> None:
    assert parameter(ORDERS, "ResendAfterSeconds", "MaxValue") <= parameter(
        ORDERS, "CancelAfterSeconds", "Default"
    )


def test_the_sweeper_comes_back_before_a_payment_is_too_old() -> None:
    """A cancel that was lost is repeated several times before the charge could no longer be voided by key."""
    assert 4 * LONGEST_PAUSE <= PAYMENT_WINDOW


def test_what_is_kept_for_people_is_redriven_within_the_horizon() -> None:
    """A message that waited in a queue and then in a dead-letter queue still counts when it is redriven."""
    files = [path for path in PACKAGES.glob("*/*.yaml") if path.name != "openapi.yaml"]
    templates = sorted(str(path.relative_to(PACKAGES)) for path in files)
    kept = [
        timedelta(seconds=resource["Properties"]["MessageRetentionPeriod"])
        for template in templates
        for resource in resources(template).values()
        if resource["Type"] == "AWS::SQS::Queue"
    ]

    assert len(kept) > 10
    assert 2 * max(kept) < REPLAY_HORIZON


def test_the_archive_keeps_what_may_be_replayed_and_no_more() -> None:
    archive = resources("base-infra/base-infra.yaml")["EcomEventArchive"]["Properties"]

    assert timedelta(days=archive["RetentionDays"]) == REPLAY_HORIZON
