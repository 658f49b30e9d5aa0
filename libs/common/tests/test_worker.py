"""A batch: each record fails alone, nothing is done twice, nothing is over until its facts are published."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import boto3
import pytest
from botocore.exceptions import ClientError

from ecom_common.errors import Poison, Retry
from ecom_common.facts import Fact, new_fact
from ecom_common.queues import Queues
from ecom_common.retention import CLOCK_SKEW, REPLAY_HORIZON
from ecom_common.worker import LAST_CALL_MS, Result, Worker
from ecom_testkit import Crash, context, sqs_event
from ecom_testkit.fakes import FakePublisher, FakeQueues
from ecom_testkit.telemetry import Log, counted

NOW = datetime(2026, 1, 31, 12, 5, tzinfo=UTC)
MakeFact = Callable[..., Fact]


def answer_to(fact: Fact) -> Fact:
    """What a handler here publishes for a fact."""
    data = {"orderId": fact.order_id, "placedAt": fact.data["placedAt"]}
    return new_fact("test.service", f"{fact.detail_type}Done", data, occurred_at=fact.occurred_at)


class Bench:
    """A worker whose handlers keep what they get and fail the orders named in `fail`."""

    def __init__(self) -> None:
        self.fail: dict[str, Exception] = {}
        self.handled: list[str] = []
        self.groups: list[list[str]] = []
        self.publisher = FakePublisher()
        self.queues = FakeQueues()
        self.worker = Worker(
            self.publisher,
            self.queues,
            one={"One": self.one, "Other": self.one},
            group={"Group": self.group},
            clock=lambda: NOW,
        )

    def one(self, fact: Fact) -> Sequence[Fact]:
        self.handled.append(fact.order_id)
        if fact.order_id in self.fail:
            raise self.fail[fact.order_id]
        return [answer_to(fact)]

    def group(self, facts: Sequence[Fact]) -> Sequence[Result]:
        self.groups.append([fact.order_id for fact in facts])
        if "whole group" in self.fail:
            raise self.fail["whole group"]
        return [self.fail.get(fact.order_id) or [answer_to(fact)] for fact in facts]

    def run(self, *messages: Fact | str, ms: int = 30_000, attempt: int = 1) -> list[int]:
        """The positions of the records that are to come again."""
        event = sqs_event(*messages, attempt=attempt)
        ids = [record["messageId"] for record in event["Records"]]
        failures: Any = self.worker.run(event, context(ms))["batchItemFailures"]
        failed = [ids.index(failure["itemIdentifier"]) for failure in failures]
        assert sorted(self.queues.delayed) == sorted(ids[number] for number in failed)
        self.queues.delayed.clear()
        return failed

    @property
    def published(self) -> list[str]:
        return [fact.order_id for fact in self.publisher.published]


@pytest.fixture
def bench() -> Bench:
    return Bench()


class TestRecordsFailAlone:
    def test_all_is_well(self, bench: Bench, make_fact: MakeFact) -> None:
        facts = [make_fact("One", "1"), make_fact("Group", "2"), make_fact("Other", "3")]
        assert bench.run(*facts) == []
        assert sorted(bench.published) == ["1", "2", "3"]
        assert bench.queues.parked == []

    @pytest.mark.parametrize("error", [Retry("busy"), KeyError("bug"), RuntimeError("bug")])
    @pytest.mark.parametrize("kind", ["One", "Group"])
    def test_one_that_fails_comes_again_alone(
        self, bench: Bench, make_fact: MakeFact, error: Exception, kind: str, log: Log
    ) -> None:
        bench.fail["2"] = error
        assert bench.run(*(make_fact(kind, order) for order in "123")) == [1]
        assert bench.published == ["1", "3"]
        [line] = [line for line in log.lines if line["message"] == "record failed"]
        assert (line["orderId"], line["detailType"], line["attempt"]) == ("2", kind, 1)

    def test_a_whole_batch_that_fails_does_not_raise(self, bench: Bench, make_fact: MakeFact) -> None:
        """Raising would bring them all back too, but without a back-off, and look like a broken function."""
        bench.fail = {"1": Retry("busy"), "2": Retry("busy")}
        assert bench.run(make_fact("One", "1"), make_fact("Group", "2")) == [0, 1]

    def test_a_group_handler_that_raises_fails_its_facts_only(
        self, bench: Bench, make_fact: MakeFact
    ) -> None:
        bench.fail["whole group"] = RuntimeError("bug")
        facts = make_fact("Group", "1"), make_fact("One", "2"), make_fact("Group", "3")
        assert bench.run(*facts) == [0, 2]
        assert bench.published == ["2"]

    def test_a_group_handler_that_forgets_a_fact_fails_its_facts_only(
        self, bench: Bench, make_fact: MakeFact
    ) -> None:
        def forgetful(facts: Sequence[Fact]) -> Sequence[Result]:
            return [[answer_to(fact)] for fact in facts[1:]]

        bench.worker = Worker(
            bench.publisher,
            bench.queues,
            one={"One": bench.one},
            group={"Group": forgetful},
            clock=lambda: NOW,
        )
        facts = make_fact("Group", "1"), make_fact("Group", "2"), make_fact("One", "3")
        assert bench.run(*facts) == [0, 1]
        assert bench.published == ["3"]

    def test_the_next_batch_knows_nothing_of_the_last(self, bench: Bench, make_fact: MakeFact) -> None:
        bench.fail["1"] = Retry("busy")
        assert bench.run(make_fact("One", "1")) == [0]
        bench.fail.clear()
        assert bench.run(make_fact("One", "1")) == []

    def test_facts_reach_a_group_handler_together_and_in_order(
        self, bench: Bench, make_fact: MakeFact
    ) -> None:
        bench.run(make_fact("Group", "2"), make_fact("One", "9"), make_fact("Group", "1"))
        assert bench.groups == [["2", "1"]]

    def test_a_crash_is_not_caught(self, bench: Bench, make_fact: MakeFact) -> None:
        error: Any = Crash()
        bench.fail["1"] = error
        with pytest.raises(Crash):
            bench.worker.run(sqs_event(make_fact("One", "1")), context())


class TestDuplicates:
    @pytest.mark.parametrize("kind", ["One", "Group"])
    def test_copies_in_a_batch_are_handled_once(self, bench: Bench, make_fact: MakeFact, kind: str) -> None:
        assert bench.run(make_fact(kind, "1"), make_fact(kind, "2"), make_fact(kind, "1")) == []
        assert [*bench.handled, *itertools.chain(*bench.groups)] == ["1", "2"]
        assert bench.published == ["1", "2"]

    @pytest.mark.parametrize("kind", ["One", "Group"])
    def test_and_all_of_them_share_the_result(self, bench: Bench, make_fact: MakeFact, kind: str) -> None:
        bench.fail["1"] = Retry("busy")
        assert bench.run(make_fact(kind, "1"), make_fact(kind, "2"), make_fact(kind, "1")) == [0, 2]

    @pytest.mark.parametrize("forged", [("Other", "1"), ("One", "2")], ids=["other type", "other order"])
    def test_a_forged_id_does_not_settle_the_fact_it_was_taken_from(
        self, bench: Bench, make_fact: MakeFact, forged: tuple[str, str]
    ) -> None:
        """Ids can be computed by anyone: what only looks like a copy is handled on its next delivery."""
        genuine = make_fact("One", "1")
        assert bench.run(replace(make_fact(*forged), event_id=genuine.event_id), genuine) == [1]
        assert bench.run(genuine) == []
        assert bench.handled == [forged[1], "1"]

    def test_another_content_under_the_same_id_does_not_settle_the_fact_either(
        self, bench: Bench, make_fact: MakeFact
    ) -> None:
        """Of the same order and type, but without what the handler reads, say: that would be parked."""
        genuine = make_fact("One", "1")
        twisted = replace(genuine, data={**genuine.data, "amount": "none"})
        assert bench.run(twisted, genuine) == [1]
        assert bench.handled == ["1"]

    def test_a_copy_that_is_poison_does_not_settle_the_others(
        self, bench: Bench, make_fact: MakeFact
    ) -> None:
        assert bench.run(make_fact("One", "1"), "{}", make_fact("One", "1")) == []
        assert len(bench.queues.parked) == 1
        assert bench.published == ["1"]


class TestPoison:
    @pytest.mark.parametrize(
        ("body", "reason"),
        [
            ("", "the body is not JSON"),
            ("[" * 100_000, "the body is not JSON"),
            ("{}", "the body has no detail object"),
        ],
        ids=["empty", "deep", "no detail"],
    )
    def test_what_is_no_fact_is_parked_with_the_reason_and_is_done(
        self, bench: Bench, make_fact: MakeFact, body: str, reason: str
    ) -> None:
        assert bench.run(make_fact("One", "1"), body, make_fact("One", "2")) == []
        assert bench.queues.parked == [(body, reason)]
        assert bench.published == ["1", "2"]

    def test_a_detail_type_that_nobody_handles_is_parked(self, bench: Bench, make_fact: MakeFact) -> None:
        assert bench.run(make_fact("Unheard", "1")) == []
        assert [reason for _, reason in bench.queues.parked] == ["nobody here handles facts of this type"]

    @pytest.mark.parametrize("kind", ["One", "Group"])
    def test_what_a_handler_calls_poison_is_parked(
        self, bench: Bench, make_fact: MakeFact, kind: str
    ) -> None:
        bench.fail["2"] = Poison("no such thing")
        assert bench.run(make_fact(kind, "1"), make_fact(kind, "2")) == []
        assert [reason for _, reason in bench.queues.parked] == ["no such thing"]
        assert bench.published == ["1"]

    def test_what_cannot_be_parked_comes_again(self, make_fact: MakeFact, bench: Bench, log: Log) -> None:
        """The queue's own redrive keeps it then. Dropping it would be a loss that nobody sees."""
        response: Any = {"Error": {"Code": "KmsDisabled"}}
        bench.queues = FakeQueues(parking_fails_with=ClientError(response, "SendMessage"))
        bench.worker = Worker(bench.publisher, bench.queues, one={"One": bench.one}, clock=lambda: NOW)
        assert bench.run("{}", make_fact("One", "1"), make_fact("Unheard", "2")) == [0, 2]
        assert bench.published == ["1"]
        assert counted() == {}, "flushed"
        assert [line["message"] for line in log.lines] == ["poison not parked"] * 2

    @pytest.mark.parametrize("placed_at", ["9999-12-31T23:59:59.999Z", "9999-12-31T23:59:59-23:59"])
    def test_an_order_from_the_future_is_parked(
        self, bench: Bench, make_fact: MakeFact, placed_at: str
    ) -> None:
        """It would never grow old, and 90 days after the last day there is no day: the whole group fell."""
        assert bench.run(make_fact("Group", "1", placed_at), make_fact("Group", "2")) == []
        assert [reason for _, reason in bench.queues.parked] == ["data.placedAt is in the future"]
        assert bench.groups == [["2"]]

    def test_a_clock_that_is_a_little_ahead_is_not_poison(self, bench: Bench, make_fact: MakeFact) -> None:
        bench.run(make_fact("One", "1", (NOW + CLOCK_SKEW).isoformat()))
        assert bench.published == ["1"]


class TestWhatNeedsNoHandler:
    def test_facts_past_the_horizon_change_nothing(self, bench: Bench, make_fact: MakeFact, log: Log) -> None:
        """A replay of the whole archive is safe: rows that would tell a duplicate may have expired."""
        last = NOW - REPLAY_HORIZON
        old = make_fact("One", "1", (last - timedelta(seconds=1)).isoformat())
        assert bench.run(old, make_fact("One", "2", last.isoformat())) == []
        assert bench.handled == ["2"]
        assert [line["orderId"] for line in log.lines] == ["1"]
        assert bench.queues.parked == []

    def test_another_schema_version_is_ignored(self, bench: Bench, make_fact: MakeFact) -> None:
        newer = make_fact("One", "1")
        object.__setattr__(newer, "schema_version", 2)
        assert bench.run(newer, make_fact("One", "2")) == []
        assert bench.handled == ["2"]
        assert bench.queues.parked == []


class TestPublishing:
    def test_a_record_is_done_only_when_its_facts_are_published(
        self, bench: Bench, make_fact: MakeFact
    ) -> None:
        bench.publisher.refuse = {answer_to(make_fact("One", "2")).event_id}
        assert bench.run(*(make_fact("One", order) for order in "123")) == [1]
        assert bench.published == ["1", "3"]

    def test_copies_fail_together_when_their_fact_is_not_published(
        self, bench: Bench, make_fact: MakeFact
    ) -> None:
        bench.publisher.refuse = {"OneDone"}
        assert bench.run(make_fact("One", "1"), make_fact("Group", "2"), make_fact("One", "1")) == [0, 2]

    def test_a_retry_may_carry_facts_that_are_true_already(self, bench: Bench, make_fact: MakeFact) -> None:
        fact = make_fact("One", "1")
        bench.fail["1"] = Retry("later", [answer_to(fact)])
        assert bench.run(fact) == [0]
        assert bench.published == ["1"]

    def test_nothing_of_a_failed_record_is_published(self, bench: Bench, make_fact: MakeFact) -> None:
        bench.fail["1"] = RuntimeError("bug")
        assert bench.run(make_fact("One", "1")) == [0]
        assert bench.published == []


class TestTime:
    def test_no_record_is_begun_at_the_last_call(self, bench: Bench, make_fact: MakeFact) -> None:
        assert bench.run(make_fact("One", "1"), make_fact("One", "2"), ms=LAST_CALL_MS - 1) == [0, 1]
        assert bench.handled == []

    def test_what_was_done_before_it_is_published(self, bench: Bench, make_fact: MakeFact) -> None:
        left = iter([LAST_CALL_MS, LAST_CALL_MS - 1])
        event = sqs_event(make_fact("One", "1"), make_fact("One", "2"))
        running_out: Any = context()
        running_out.get_remaining_time_in_millis = lambda: next(left)
        failures: Any = bench.worker.run(event, running_out)["batchItemFailures"]
        assert [failure["itemIdentifier"] for failure in failures] == [event["Records"][1]["messageId"]]
        assert bench.published == ["1"]


class TestAttempts:
    def test_handlers_know_how_often_a_fact_has_come(self, bench: Bench, make_fact: MakeFact) -> None:
        seen: list[int] = []

        def handler(fact: Fact) -> Sequence[Fact]:
            seen.append(fact.attempt)
            return []

        worker = Worker(bench.publisher, bench.queues, one={"One": handler}, clock=lambda: NOW)
        worker.run(sqs_event(make_fact("One", "1"), attempt=3), context())
        assert seen == [3]

    def test_a_failed_record_is_put_off_by_its_attempts(self, bench: Bench, make_fact: MakeFact) -> None:
        calls: list[Any] = []

        class Sqs:
            meta = boto3.client("sqs", region_name="eu-west-1").meta

            def change_message_visibility(self, **arguments: Any) -> Any:
                calls.append(arguments)
                return {}

        sqs: Any = Sqs()
        bench.fail["1"] = Retry("busy")
        worker = Worker(
            bench.publisher, Queues(sqs, "https://parking", 8), one={"One": bench.one}, clock=lambda: NOW
        )
        worker.run(sqs_event(make_fact("One", "1"), make_fact("One", "2"), attempt=3), context())
        [call] = calls
        assert 16 <= call["VisibilityTimeout"] <= 32
