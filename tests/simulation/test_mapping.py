"""Between a queue and its function: what is read together, what is deleted, what comes again and when."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from simulation import weather
from simulation.calls import call
from simulation.conftest import Lab
from simulation.engine import Crash, task
from simulation.invariants import Promise
from simulation.mode import MODES
from simulation.services import Services

WORK = "PaymentQueue"
QUEUES = (
    "InventoryCompensationQueue", "InventoryQueue", "OrderLifecycleQueue", "PaymentQueue", "ShippingDLQ",
    "ShippingQueue",
)  # fmt: skip
HOUR = 3600.0


class Function:
    """What a function saw: per invocation when, and the bodies. `failing` are named as failed."""

    def __init__(self, lab: Lab, takes: float = 1.0) -> None:
        self.lab, self.takes = lab, takes
        self.batches: list[tuple[float, list[str]]] = []
        self.records: list[dict[str, Any]] = []
        self.failing: set[str] = set()
        self.raises: BaseException | None = None
        self.running: Counter[str] = Counter()
        self.most: Counter[str] = Counter()
        lab.stand.batch = self

    def __call__(self, event: Any, context: Any) -> Any:
        records = event["Records"]
        source = records[0]["eventSourceARN"]
        assert {record["eventSourceARN"] for record in records} == {source}
        self.records += records
        self.batches.append((self.lab.world.now, [record["body"] for record in records]))
        self.running[source] += 1
        self.most[source] = max(self.most[source], self.running[source])
        try:
            self.lab.sleep(self.takes)
            if self.raises is not None:
                raise self.raises
        finally:
            self.running[source] -= 1
        failed = [record["messageId"] for record in records if record["body"] in self.failing]
        return {"batchItemFailures": [{"itemIdentifier": name} for name in failed]}

    @property
    def bodies(self) -> list[str]:
        return [body for _, batch in self.batches for body in batch]

    def times(self, body: str) -> list[float]:
        """When it got this message."""
        return [at for at, batch in self.batches if body in batch]


@pytest.fixture
def function(lab: Lab) -> Function:
    return Function(lab)


def fill(lab: Lab, number: int, queue: str = WORK) -> list[str]:
    bodies = [f"message {n}" for n in range(number)]
    for body in bodies:
        lab.aws.send(queue, body)
    return bodies


def left(lab: Lab, queue: str = WORK) -> list[str]:
    return sorted(message.body for message in lab.aws.queues[queue].messages.values())


# ---------------------------------------------------------------------------------------------- what is read


def test_these_are_the_queues_that_functions_read(lab: Lab) -> None:
    assert tuple(sorted(lab.aws.mappings)) == QUEUES


@pytest.mark.parametrize("queue", QUEUES)
def test_no_batch_is_larger_and_no_more_run_together_than_the_template_says(
    lab: Lab, function: Function, queue: str
) -> None:
    spec = lab.aws.mappings[queue].spec
    function.takes = 20.0
    sent = fill(lab, 3 * spec.batch_size * spec.max_concurrency, queue)
    lab.pause(HOUR)
    sizes = {len(batch) for _, batch in function.batches}
    assert max(sizes) == spec.batch_size
    assert function.most[lab.aws.queues[queue].spec.arn] == spec.max_concurrency
    assert sorted(function.bodies) == sorted(sent)
    assert left(lab, queue) == []


def test_each_queue_has_its_own_function(lab: Lab, services: Services) -> None:
    seen: list[tuple[str, str]] = []

    def note(event: Any, context: Any) -> Any:
        seen.append((event["Records"][0]["body"], task().function.logical))
        return {"batchItemFailures": []}

    lab.stand.batch = note
    for queue in QUEUES:
        lab.aws.send(queue, queue)
    lab.pause(60)
    assert sorted(seen) == [
        ("InventoryCompensationQueue", "InventoryLambda"),
        ("InventoryQueue", "InventoryLambda"),
        ("OrderLifecycleQueue", "OrderLambda"),
        ("PaymentQueue", "PaymentLambda"),
        ("ShippingDLQ", "DLQProcessorLambda"),
        ("ShippingQueue", "ShippingLambda"),
    ]


def test_messages_that_come_together_are_not_always_read_together(lab: Lab, function: Function) -> None:
    lab.chance.free = True
    for _ in range(30):
        fill(lab, 5)
        lab.pause(60)
    sizes = Counter(len(batch) for _, batch in function.batches)
    assert sizes[5] > 10
    assert len(sizes) > 2


# -------------------------------------------------------------------------------------------- what is deleted


def test_what_was_handled_is_deleted_when_the_function_answers_and_not_before(
    lab: Lab, function: Function
) -> None:
    function.takes = 10.0
    fill(lab, 3)
    lab.pause(8)
    assert len(function.batches) == 1
    assert len(left(lab)) == 3
    lab.pause(5)
    assert left(lab) == []


@pytest.mark.parametrize("dies", ["crash", "time-out", "bug"])
def test_a_function_that_dies_leaves_its_whole_batch_for_the_visibility_time_out(
    lab: Lab, function: Function, dies: str
) -> None:
    if dies == "time-out":
        function.takes = 100.0
    else:
        function.raises = Crash("here") if dies == "crash" else ValueError("a bug")
    sent = fill(lab, 3)
    lab.pause(60)
    assert len(function.batches) == 1, "nobody sees them before their time"
    assert left(lab) == sent
    began = function.batches[0][0]
    function.raises, function.takes = None, 1.0
    visibility = lab.aws.queues[WORK].spec.visibility
    lab.pause(began + visibility - lab.world.now)
    assert len(function.batches) == 1
    lab.pause(5)
    assert [sorted(batch) for _, batch in function.batches] == [sent, sent]
    assert {record["attributes"]["ApproximateReceiveCount"] for record in function.records[3:]} == {"2"}
    assert left(lab) == []
    told = [violation.promise for violation in lab.watch.violations]
    assert told == ([Promise.UNFAILING] if dies == "bug" else [])


def test_a_function_is_stopped_at_its_time_out(lab: Lab) -> None:
    ended: list[float] = []

    def hang(event: Any, context: Any) -> None:
        began = lab.world.now
        try:
            lab.sleep(1000)
        finally:
            ended.append(lab.world.now - began)

    lab.stand.batch = hang
    fill(lab, 1)
    lab.pause(60)
    assert ended == [pytest.approx(lab.aws.topology.functions["PaymentLambda"].timeout)]


def test_only_what_is_not_named_as_failed_is_deleted(lab: Lab, function: Function) -> None:
    fill(lab, 5)
    function.failing = {"message 1", "message 3"}
    lab.pause(30)
    assert left(lab) == ["message 1", "message 3"]
    function.failing = set()
    lab.pause(300)
    assert left(lab) == []
    assert Counter(function.bodies) == {f"message {n}": 2 if n in (1, 3) else 1 for n in range(5)}


def test_an_id_that_nobody_knows_fails_the_whole_batch(lab: Lab) -> None:
    sizes: list[int] = []

    def answer(event: Any, context: Any) -> Any:
        sizes.append(len(event["Records"]))
        known = event["Records"][0]["messageId"]
        return {"batchItemFailures": [{"itemIdentifier": known}, {"itemIdentifier": "nobody's"}]}

    lab.stand.batch = answer
    sent = fill(lab, 4)
    lab.pause(60)
    assert left(lab) == sent
    lab.pause(180)
    assert sizes == [4, 4]


def test_a_mapping_without_partial_answers_deletes_all_that_the_function_survived(
    lab: Lab, function: Function
) -> None:
    """Lambda does not look at the answer then: what the function names is lost."""
    mapping = lab.aws.mappings[WORK]
    mapping.spec = mapping.spec._replace(partial=False)
    fill(lab, 3)
    function.failing = {"message 1"}
    lab.pause(30)
    assert left(lab) == []


def test_what_fails_too_often_moves_on_to_the_dead_letter_queue(lab: Lab, function: Function) -> None:
    function.failing = {"message 0"}
    fill(lab, 1)
    spec = lab.aws.queues[WORK].spec
    assert spec.max_receives is not None
    assert spec.dead_letter is not None
    lab.pause(spec.max_receives * spec.visibility - 1)
    assert len(function.batches) == spec.max_receives
    assert left(lab) == ["message 0"]
    lab.pause(spec.visibility)
    assert len(function.batches) == spec.max_receives
    assert left(lab) == []
    assert left(lab, spec.dead_letter) == ["message 0"]


def test_what_shipping_cannot_do_goes_to_the_rescue_and_then_to_parking(lab: Lab, function: Function) -> None:
    function.failing = {"message 0"}
    fill(lab, 1, "ShippingQueue")
    lab.pause(6 * HOUR)
    sources = [record["eventSourceARN"].rpartition(":")[2] for record in function.records]
    assert sources == ["ecom-sim-shipping"] * 3 + ["ecom-sim-shipping-dlq"] * 10
    assert left(lab, "ShippingParkingQueue") == ["message 0"]


# ----------------------------------------------------------------------------------------- what comes again


@pytest.mark.parametrize("dies", [False, True])
def test_without_redelivery_each_message_has_one_chance(services: Services, dies: bool) -> None:
    lab = Lab(services, MODES["no-redelivery"])
    function = Function(lab)
    function.failing = {"message 1"}
    function.raises = Crash("here") if dies else None
    sent = fill(lab, 3)
    lab.pause(HOUR)
    assert sorted(function.bodies) == sent
    assert left(lab) == []
    assert {record["attributes"]["ApproximateReceiveCount"] for record in function.records} == {"1"}


def test_without_redelivery_a_function_cannot_bring_a_message_back_either(services: Services) -> None:
    """It asks for its failed record to come again soon, and takes longer than that to answer."""
    lab = Lab(services, MODES["no-redelivery"])
    bodies: list[str] = []

    def fail(event: Any, context: Any) -> Any:
        (record,) = event["Records"]
        bodies.append(record["body"])
        url, receipt = lab.aws.queues[WORK].spec.url, record["receiptHandle"]
        call("change_message_visibility", {"QueueUrl": url, "ReceiptHandle": receipt, "VisibilityTimeout": 2})
        lab.sleep(10)
        return {"batchItemFailures": [{"itemIdentifier": record["messageId"]}]}

    lab.stand.batch = fail
    fill(lab, 1)
    lab.pause(HOUR)
    assert bodies == ["message 0"]


def test_a_duplicate_comes_again_after_the_first_was_deleted(lab: Lab, function: Function) -> None:
    lab.weather.everywhere = {weather.DUPLICATE_MESSAGE}
    fill(lab, 1)
    while not function.batches:
        lab.pause(0.1)
    lab.weather.everywhere = set()
    lab.pause(60)
    first, second = function.times("message 0")
    # 60 s, of which the cube of one half; then 0.17 s until somebody looks
    assert second - first == pytest.approx(7.5 + 0.17)
    assert left(lab) == []
    assert lab.weather.injected == {weather.DUPLICATE_MESSAGE: 1}


def test_a_duplicate_may_be_handled_while_the_first_is(lab: Lab, function: Function) -> None:
    function.takes = 20.0
    lab.weather.everywhere = {weather.DUPLICATE_MESSAGE}
    fill(lab, 1)
    while not function.batches:
        lab.pause(0.1)
    lab.weather.everywhere = set()
    lab.pause(60)
    first, second = function.times("message 0")
    assert first < second < first + 20
    assert max(function.most.values()) == 2


def test_duplicates_count_one_for_each_message_that_comes_again(lab: Lab, function: Function) -> None:
    lab.weather.everywhere = {weather.DUPLICATE_MESSAGE}
    sent = fill(lab, 4)
    while not function.batches:
        lab.pause(0.1)
    lab.weather.everywhere = set()
    lab.pause(120)
    assert Counter(function.bodies) == dict.fromkeys(sent, 2)
    assert lab.weather.injected == {weather.DUPLICATE_MESSAGE: 4}


def test_a_function_may_let_what_failed_come_again_sooner(lab: Lab, function: Function) -> None:
    function.failing = {"message 0"}
    fill(lab, 1)
    while not function.batches:
        lab.pause(0.1)
    lab.pause(2)
    receipt, url = function.records[0]["receiptHandle"], lab.aws.queues[WORK].spec.url
    lab.call(
        "change_message_visibility", {"QueueUrl": url, "ReceiptHandle": receipt, "VisibilityTimeout": 40}
    )
    changed = lab.world.now
    function.failing = set()
    lab.pause(39)
    assert len(function.batches) == 1
    lab.pause(5)
    assert len(function.batches) == 2
    assert function.batches[1][0] >= changed + 40
    assert left(lab) == []


# -------------------------------------------------------------------------------------------------- the key


def test_without_the_key_nothing_is_read_and_afterwards_all_of_it(lab: Lab, function: Function) -> None:
    lab.world.key_enabled = False
    sent = fill(lab, 5)
    lab.pause(HOUR)
    assert function.batches == []
    assert left(lab) == sent
    lab.world.key_enabled = True
    lab.pause(62)
    assert sorted(function.bodies) == sent
    assert {record["attributes"]["ApproximateReceiveCount"] for record in function.records} == {"1"}
