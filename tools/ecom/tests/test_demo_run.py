"""The parts of a run that touch more than memory: notifications, repeated looks, the live picture."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from moto import mock_aws
from rich.console import Console

from ecom_cli.aws import Stage
from ecom_cli.demo.board import Board
from ecom_cli.demo.mailbox import TOPICS, Mailbox, parse_mail
from ecom_cli.demo.picture import LANES, PlainView, picture
from ecom_cli.demo.plan import Planned
from ecom_cli.demo.report import Report, page
from ecom_cli.demo.run import READS, lasting
from ecom_cli.shop.api import Line
from ecom_cli.shop.orders import STYLES

MINE = "1b4e28ba-2fa1-51d2-a83f-b9a761bda4a9"
OTHER = "9c5b94b1-35ad-59bb-b118-8e8fc24abf80"
TOPIC = "arn:aws:sns:eu-central-1:123456789012:shipping"


def test_a_mail_names_its_topic_and_its_order() -> None:
    body = json.dumps({"TopicArn": TOPIC, "Message": f'"Your order {MINE} is on its way."'})
    assert parse_mail(body, {TOPIC: "shipping"}) == ("shipping", frozenset({MINE}))
    assert parse_mail(body, {})[0] == "other"


@pytest.fixture
def stage(monkeypatch: pytest.MonkeyPatch) -> Iterator[Stage]:
    for name in ("AWS_ENDPOINT_URL", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    with mock_aws():
        stage = Stage("test", "eu-central-1")
        topics = {
            where: stage.client("sns").create_topic(Name=word)["TopicArn"] for word, where in TOPICS.items()
        }
        monkeypatch.setattr(Stage, "physical_id", lambda _, *where: topics[where])
        yield stage


def test_a_mailbox_counts_this_runs_notifications_and_leaves_nothing_behind(stage: Stage) -> None:
    sns, sqs = stage.client("sns"), stage.client("sqs")
    shipping = stage.physical_id(*TOPICS["shipping"])
    with Mailbox(stage) as mailbox:
        for number in range(12):
            sns.publish(TopicArn=shipping, Message=f"order {MINE}, mail {number}")
        sns.publish(TopicArn=shipping, Message=f"order {OTHER}")
        sns.publish(TopicArn=stage.physical_id(*TOPICS["payment_failed"]), Message=f"order {MINE}")
        assert mailbox.read() == 14
        assert mailbox.read() == 0
    assert mailbox.count([MINE]) == {"out_of_stock": 0, "payment_failed": 1, "shipping": 12}
    assert sqs.list_queues().get("QueueUrls", []) == []
    assert sns.list_subscriptions()["Subscriptions"] == []


def test_a_mailbox_is_removed_when_the_run_breaks(stage: Stage) -> None:
    with pytest.raises(KeyboardInterrupt), Mailbox(stage):
        raise KeyboardInterrupt
    assert stage.client("sqs").list_queues().get("QueueUrls", []) == []


def test_only_what_is_broken_in_every_look_is_broken() -> None:
    looks = iter([{"a": ["x", "y"], "b": ["z"]}, {"a": ["y"], "b": ["w"]}, {"a": ["y"], "b": []}])
    found = lasting(lambda: next(looks, {"a": ["y"], "b": []}), sleep=lambda _: None)
    assert found == {"a": ["y"], "b": []}


def test_what_holds_is_looked_at_once_and_what_does_not_several_times() -> None:
    looks: list[int] = []

    def look(broken: bool) -> dict[str, list[str]]:
        looks.append(1)
        return {"a": ["x"] if broken else []}

    lasting(lambda: look(False), sleep=lambda _: None)
    assert len(looks) == 1
    lasting(lambda: look(True), sleep=lambda _: None)
    assert len(looks) == 1 + READS


def placed(count: int) -> Board:
    board = Board(count)
    for number in range(1, count + 1):
        order = Planned(number, (Line("mug"),), 500, "USD", "plain", None, twice=False, cancel_after=None)
        board.placed(order, f"order-{number}")
    return board


def drawn(board: Board, width: int, height: int) -> list[str]:
    console = Console(width=width, height=height, record=True, force_terminal=True, file=None, quiet=False)
    with console.capture() as capture:
        console.print(picture(board, "demo", 61.0, 1, width, height), end="")
    return capture.get().splitlines()


@pytest.mark.parametrize(("width", "height"), [(80, 24), (80, 50), (120, 30), (200, 60)])
@pytest.mark.parametrize("orders", [1, 30, 2000])
def test_the_picture_fits_the_terminal(orders: int, width: int, height: int) -> None:
    lines = drawn(placed(orders), width, height)
    assert len(lines) <= height
    text = "\n".join(lines)
    assert "1 notification" in text
    assert "1:01" in text
    assert f"0 of {orders} closed" in text


def test_the_report_tells_refusals_apart() -> None:
    reasons = ["amount_mismatch", "out_of_stock", "amount_mismatch"]
    board = placed(3)
    board.saw(
        {
            f"order-{number}": {
                "status": "OUT_OF_STOCK",
                "rank": 90,
                "closed": True,
                "reason": reason,
                "placedAt": "2026-01-31T12:00:00.000Z",
                "updatedAt": "2026-01-31T12:00:01.000Z",
            }
            for number, reason in enumerate(reasons, 1)
        }
    )
    report = Report("local", 1, 1, 3, 1.0, board.tracks(), {}, [], [], {}, {}, {}, {}, {})
    assert report.as_json()["refused"] == {"amount_mismatch": 2, "out_of_stock": 1}
    console = Console(width=100, no_color=True)
    with console.capture() as capture:
        console.print(page(report, 100))
    words = [line.split() for line in capture.get().splitlines()]
    assert ["amount", "mismatch", "2"] in [line[:3] for line in words]


def test_every_status_has_a_lane_and_a_colour() -> None:
    lanes = [status for _, statuses in LANES for status in statuses]
    assert sorted(lanes) == sorted(STYLES)


def test_a_pipe_gets_a_line_only_when_something_moved(capsys: pytest.CaptureFixture[str]) -> None:
    view = PlainView(Console(width=200))
    board = placed(2)
    with view:
        view.show(board, 0.0, 0)
        view.show(board, 5.0, 0)
        board.placed(board.tracks()[0].planned, "order-1")
        view.show(board, 9.0, 1)
    assert capsys.readouterr().out.splitlines() == [
        "   0.0 s  2 placed; 0 notifications",
        "   9.0 s  2 placed; 1 notification",
    ]
