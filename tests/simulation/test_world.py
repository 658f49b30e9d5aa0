"""The world as a whole: every fault happens, every mode leaves its layer out, a broken promise is found."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from random import Random
from typing import Any

import pytest

from simulation import poison, weather
from simulation.conftest import ROOT, Lab
from simulation.guards import Mutant, apply
from simulation.invariants import Promise
from simulation.invocation import Done
from simulation.mode import MODES
from simulation.outcome import Outcome
from simulation.services import Services, load
from simulation.weather import KINDS
from simulation.world import World, _fixed_chance, run

SEEDS = (112, 47, 11, 104, 78, 111, 13)
"""Small worlds that have nearly every kind of fault between them."""
MORE_SEEDS = range(1000, 1060)
BUSY = tuple(range(7))


class Seen(World):
    """A world that keeps what is invoked."""

    def __init__(self, seed: int, services: Services, mode: str) -> None:
        super().__init__(seed, services, MODES[mode], None)
        self.events: list[tuple[float, str, Any]] = []
        self.locked: list[float] = []

    def invoke(self, function: str, event: Any, done: Done, *, safe: bool = False) -> None:
        self.events.append((self.now, function, event))
        if not self.key_enabled:
            self.locked.append(self.now)
        super().invoke(function, event, done, safe=safe)

    @property
    def records(self) -> list[dict[str, Any]]:
        """Every SQS record that a function got."""
        return [record for _, _, event in self.events for record in event.get("Records", ())]

    @property
    def sweeps(self) -> int:
        return sum("sweep" in event for _, _, event in self.events)

    @property
    def published(self) -> Counter[str]:
        """How often each fact got on the bus, by its id."""
        return Counter(json.loads(entry["Detail"])["metadata"]["eventId"] for _, _, entry in self.aws.archive)


def lived(seed: int, services: Services, mode: str, prepare: Callable[[Seen], None] = lambda _: None) -> Seen:
    """A world of a seed after its end."""
    with services.installed(), _fixed_chance(seed):
        world = Seen(seed, services, mode)
        prepare(world)
        world.live()
    return world


# ------------------------------------------------------------------------------------------------ the faults


def test_every_kind_of_fault_strikes_in_some_small_world(services: Services) -> None:
    missing = set(KINDS)
    for seed in (*SEEDS, *MORE_SEEDS):
        faults = run(seed, services).faults
        assert set(faults) <= set(KINDS)
        missing -= {kind for kind, number in faults.items() if number > 0}
        if not missing:
            break
    assert not missing


def test_a_world_counts_only_faults_that_it_has(worlds: dict[str, list[Seen]]) -> None:
    for world in worlds["full"]:
        # what the SDK does after success follows from other faults; DOWN makes calls fail
        followed = {weather.SDK_RETRY, weather.OUTSIDE_BEFORE}
        assert {kind for kind in world.weather.injected if not world.weather.is_on(kind)} <= followed


def test_calm_worlds_have_no_faults_and_keep_every_promise(services: Services) -> None:
    def calm(world: Seen) -> None:
        world.weather.without(*KINDS)
        for table in world.aws.database.tables.values():
            table.index_lag = 0.0
        world.weather.injected.clear()

    for seed in BUSY:
        world = lived(seed, services, "full", calm)
        assert not world.weather.injected
        assert not world.watch.violations
        assert set(world.aws.ended()) <= {"SHIPPED", "PAYMENT_FAILED", "OUT_OF_STOCK", "SHIPPING_FAILED"}
        assert {record["attributes"]["ApproximateReceiveCount"] for record in world.records} <= {"1"}


# ------------------------------------------------------------------------------------------------- the modes


@pytest.fixture(scope="module")
def worlds(services: Services) -> dict[str, list[Seen]]:
    """The same seeds with everything on and with each layer off."""
    return {mode: [lived(seed, services, mode) for seed in BUSY] for mode in MODES}


def redelivered(world: Seen) -> int:
    """Records that had been received before, by this queue or the one they were dead-lettered from."""
    return sum(record["attributes"]["ApproximateReceiveCount"] != "1" for record in world.records)


def test_without_the_sweeper_nothing_is_swept(worlds: dict[str, list[Seen]]) -> None:
    assert sum(world.sweeps for world in worlds["no-sweeper"]) == 0
    for mode in set(MODES) - {"no-sweeper"}:
        assert sum(world.sweeps for world in worlds[mode]) > 0, mode


def test_without_redelivery_nothing_is_received_twice(worlds: dict[str, list[Seen]]) -> None:
    assert sum(map(redelivered, worlds["no-redelivery"])) == 0
    for world in worlds["no-redelivery"]:
        ids = [record["messageId"] for record in world.records]
        assert len(set(ids)) == len(ids)
    for mode in set(MODES) - {"no-redelivery"}:
        assert sum(map(redelivered, worlds[mode])) > 0, mode


def test_without_re_emission_each_fact_gets_on_the_bus_once(worlds: dict[str, list[Seen]]) -> None:
    for world in worlds["no-re-emit"]:
        assert max(world.published.values(), default=1) == 1
    for mode in set(MODES) - {"no-re-emit"}:
        assert max(max(world.published.values(), default=1) for world in worlds[mode]) > 1, mode


def test_whatever_is_left_out_every_promise_is_kept(worlds: dict[str, list[Seen]]) -> None:
    for mode, each in worlds.items():
        for world in each:
            assert not world.watch.violations, (mode, world.seed, world.watch.violations)
            assert world.aws.work_left() == 0
            assert not list(world.aws.open_orders())


# ------------------------------------------------------------------------------------------------ the outcome


@pytest.mark.parametrize("seed", [11, 17, 47])
def test_keeping_a_trace_changes_nothing(services: Services, seed: int) -> None:
    without, traced = run(seed, services), run(seed, services, trace=True)
    assert without.state_hash == traced.state_hash
    assert without.faults == traced.faults
    assert without.history is None
    assert traced.history is not None
    assert traced.history.notes


def test_the_hash_tells_worlds_apart_by_what_they_hold(lab: Lab) -> None:
    hashes = {lab.aws.state_hash()}
    lab.aws.database.execute(
        "put_item", {"TableName": "ecom-sim-payment", "Item": {"orderId": {"S": "o"}}}, lab.world.now
    )
    hashes.add(lab.aws.state_hash())
    lab.aws.queues["PaymentDLQ"].send("letter", lab.world.now)
    hashes.add(lab.aws.state_hash())
    lab.world.gateway.charge("k", "o", 1, "USD", lab.world.now)
    hashes.add(lab.aws.state_hash())
    lab.world.carriers["fallback"].book("k", "o", lab.world.now)
    hashes.add(lab.aws.state_hash())
    lab.world.metrics["Something"] += 1
    hashes.add(lab.aws.state_hash())
    lab.weather.count(weather.STALL)
    hashes.add(lab.aws.state_hash())
    assert len(hashes) == 7


def test_the_mode_may_be_asked_for(services: Services) -> None:
    assert [run(21, services, mode=mode).mode for mode in MODES] == list(MODES)


# ---------------------------------------------------------------------------------------- promises on purpose


def first_broken(services: Services, seeds: range, mode: str | None = None) -> Outcome | None:
    return next((found for seed in seeds if (found := run(seed, services, mode=mode)).violations), None)


def broken_by(mutant: Mutant, folder: Path, mode: str | None = None) -> Outcome | None:
    apply(mutant, ROOT, folder)
    return first_broken(load(folder), range(20), mode)


def test_a_service_that_publishes_what_it_has_not_written_is_found(tmp_path: Path) -> None:
    found = broken_by(
        Mutant(
            id="publish-first",
            guards="no event without its fact",
            file="packages/payment-service/src/payment_service/handlers.py",
            find="payment = self._payments.move(payment, wanted)",
            replace="payment = wanted",
        ),
        tmp_path,
    )
    assert found is not None
    assert found.violations[0].promise == Promise.TRUE_FACT
    assert found.violations[0].order_id


def test_a_service_that_logs_what_aws_said_is_found(tmp_path: Path) -> None:
    found = broken_by(
        Mutant(
            id="log-the-text",
            guards="the text of an error quotes the request",
            file="libs/common/src/ecom_common/telemetry.py",
            find='"code": code_of(error)',
            replace='"code": str(error)',
        ),
        tmp_path,
    )
    assert found is not None
    assert found.violations[0].promise == Promise.NO_CANARY


def test_a_function_with_a_bug_is_found(tmp_path: Path) -> None:
    found = broken_by(
        Mutant(
            id="bug",
            guards="nothing",
            file="packages/shipping-service/src/shipping_service/app.py",
            find="return shipping.run(event, context)",
            replace='raise ValueError("a bug")',
        ),
        tmp_path,
    )
    assert found is not None
    assert found.violations[0].promise == Promise.UNFAILING


def test_a_run_without_an_end_is_a_promise_broken(
    services: Services, monkeypatch: pytest.MonkeyPatch
) -> None:
    needed = 300
    monkeypatch.setattr("simulation.world.MOST_STEPS", needed)
    found = run(8, services)
    assert [violation.promise for violation in found.violations] == [Promise.CALM]


# ------------------------------------------------------------------------------------ what the operator does


def test_poison_is_parked_with_its_reason_and_stays_there(services: Services) -> None:
    found = 0
    for seed in range(60):
        if not (weathers := World(seed, services, MODES["full"], None).weather).is_on(weather.POISON):
            continue
        assert not weathers.injected.get(weather.POISON)
        world = lived(seed, services, "full")
        assert not world.watch.violations
        parked = [
            message
            for name, queue in world.aws.queues.items()
            if world.aws.is_dead_end(name)
            for message in queue.messages.values()
        ]
        for body, reason in world.watch.planted.items():
            notes = [each.attributes["reason"]["StringValue"] for each in parked if each.body == body]
            assert notes, f"seed {seed}: {body} is nowhere"
            assert all(reason in note for note in notes), (reason, notes)
        found += len(world.watch.planted)
        if found >= 6:
            return
    pytest.fail("hardly any poison in sixty worlds")


@pytest.mark.parametrize("apart", [20.0, 0.0])
@pytest.mark.parametrize("queue", sorted(poison.FOR_QUEUE))
def test_every_poison_is_parked_by_the_queue_it_is_for(services: Services, queue: str, apart: float) -> None:
    """One by one and all together, in a world in which nothing else happens."""

    def only_poison(world: Seen) -> None:
        world.weather.without(*KINDS)
        for number, (body, reason) in enumerate((*poison.ANYWHERE, *poison.FOR_QUEUE[queue])):
            world.watch.planted[body] = reason
            world.later(apart * number, lambda body=body: world.aws.send(queue, body))  # type: ignore[misc]

    world = lived(3, services, "full", only_poison)
    assert not world.watch.violations, world.watch.violations
    parked = [m.body for name, q in world.aws.queues.items() for m in q.messages.values()]
    assert sorted(parked) == sorted(world.watch.planted)


def test_while_the_key_is_disabled_nothing_is_invoked(services: Services) -> None:
    def lock_after_a_while(world: Seen) -> None:
        world.weather.without(*KINDS)
        world.engine.after(2.0, lambda: setattr(world, "key_enabled", False))
        world.engine.after(2.0 + 1200, lambda: setattr(world, "key_enabled", True))

    found = 0
    for seed in BUSY:
        world = lived(seed, services, "full", lock_after_a_while)
        began = world.locked
        # a sweep sets out a moment after the schedule goes off
        assert all(at < world.events[0][0] + 1200 for at in began)
        assert len(began) <= 1
        assert not world.watch.violations
        found += sum(at > 1_767_225_600.0 + 1202 for at, _, _ in world.events)
    assert found > 20, "afterwards it all goes on"


def test_the_operator_disables_the_key_for_a_while(lab: Lab) -> None:
    lab.world.operator._rng = lab.chance
    lab.world.operator._disable_key()
    assert not lab.world.key_enabled
    assert lab.weather.injected == {weather.KEY_DISABLED: 1}
    lab.pause(299)
    assert not lab.world.key_enabled
    lab.pause(2)
    assert lab.world.key_enabled


def test_the_end_of_the_storm_enables_the_key_at_once(lab: Lab) -> None:
    lab.world.operator._disable_key()
    lab.world.operator.clear_up()
    assert lab.world.key_enabled


def test_a_restore_puts_rows_back_and_replays_what_came_after(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    world = lab.world
    world.operator._rng = Random(0)
    replayed: list[tuple[float, str]] = []
    monkeypatch.setattr(lab.aws, "replay", lambda since, name, **_: replayed.append((since, name)))
    tables = lab.aws.database.tables

    def write(state: str, order_id: str) -> None:
        for name in tables:
            key = tables[name].key
            row = {key: {"S": order_id}, "orderId": {"S": order_id}, "state": {"S": state}}
            lab.aws.database.execute("put_item", {"TableName": name, "Item": row}, world.now)

    write("EARLY", "o-1")
    before = {name: dict(table.rows) for name, table in tables.items()}
    taken = world.now
    world.operator._back_up()
    write("LATE", "o-1")
    write("LATE", "o-2")
    after = {name: dict(table.rows) for name, table in tables.items()}
    lab.pause(600)
    changed = [name for name in tables if tables[name].rows != after[name]]
    assert len(changed) == 1, "one table of four"
    assert tables[changed[0]].rows == before[changed[0]]
    assert lab.weather.injected == {weather.RESTORE: 1}
    assert replayed == [(taken - 300, f"restore-{changed[0]}")]


def test_a_redrive_puts_a_dead_letter_back_where_it_came_from(lab: Lab) -> None:
    lab.stand.batch = lambda event, context: {"batchItemFailures": [{"itemIdentifier": ""}]}
    lab.aws.send("PaymentQueue", "{}")
    lab.pause(8 * 180 + 180)
    assert len(lab.aws.queues["PaymentDLQ"].messages) == 1
    lab.stand.batch = lambda event, context: {"batchItemFailures": []}
    lab.world.operator._redrive_early()
    assert lab.weather.injected == {weather.REDRIVE: 1}
    assert not lab.aws.queues["PaymentDLQ"].messages
    assert len(lab.aws.queues["PaymentQueue"].messages) == 1
    lab.pause(10)
    assert not lab.aws.queues["PaymentQueue"].messages


def test_a_redrive_of_nothing_is_no_fault(lab: Lab) -> None:
    lab.world.operator._redrive_early()
    assert not lab.weather.injected


# ------------------------------------------------------------------------------------- on the way to a queue

FACT = {
    "Source": "orders.service",
    "DetailType": "OrderPlaced",
    "Detail": json.dumps({"metadata": {"eventId": "f-1"}, "data": {"orderId": "o-1"}}),
}


def received(lab: Lab) -> list[dict[str, Any]]:
    """The records that functions get from now on."""
    records: list[dict[str, Any]] = []

    def take(event: Any, context: Any) -> Any:
        records.extend(event["Records"])
        return {"batchItemFailures": []}

    lab.stand.batch = take
    return records


def arrivals(lab: Lab, seconds: float) -> list[float]:
    """Publish a fact; when it got into InventoryQueue."""
    came: list[float] = []
    send = lab.aws.send

    def note(queue: str, body: str, attributes: Any = None) -> str:
        if queue == "InventoryQueue":
            came.append(lab.world.now - began)
        return send(queue, body, attributes)

    lab.aws.send = note  # type: ignore[method-assign]
    began = lab.world.now
    lab.aws.execute("put_events", {"Entries": [FACT]}, None)
    lab.pause(seconds)
    return came


@pytest.mark.parametrize(
    ("kind", "after"),
    [
        ("", [0.11]),
        (weather.DUPLICATE_EVENT, [0.11, 0.11]),
        (weather.DELAY, [0.11 + 10 * (90**0.5)]),
        (weather.REORDER, [10.11]),
        (weather.TARGET_FAILURE, []),
    ],
)
def test_what_befalls_a_fact_on_its_way(lab: Lab, kind: str, after: list[float]) -> None:
    lab.weather.everywhere = {kind}
    assert arrivals(lab, 5 * 3600) == pytest.approx(after, abs=1e-4)
    assert lab.weather.injected == ({kind: 1} if kind else {})
    undelivered = list(lab.aws.queues["inventory-service/UndeliveredQueue"].messages.values())
    assert len(undelivered) == (kind == weather.TARGET_FAILURE)


def test_what_could_not_be_delivered_is_put_into_the_right_queue_by_a_redrive(lab: Lab) -> None:
    lab.weather.everywhere = {weather.TARGET_FAILURE}
    arrivals(lab, 10)
    lab.weather.everywhere = set()
    seen = received(lab)
    assert lab.world.operator._redrive() == 1
    lab.pause(10)
    assert [json.loads(record["body"])["detail"] for record in seen] == [json.loads(FACT["Detail"])]
    assert {record["eventSourceARN"].rpartition(":")[2] for record in seen} == {"ecom-sim-inventory"}


def test_a_replay_sends_only_what_the_archive_still_holds_and_says_so(lab: Lab) -> None:
    lab.aws.execute("put_events", {"Entries": [FACT]}, None)
    lab.pause(10)
    seen = received(lab)
    lab.aws.replay(lab.world.now, "too-late")
    lab.pause(10)
    assert seen == []
    lab.aws.replay(0.0, "all")
    lab.pause(10)
    assert [json.loads(record["body"])["replay-name"] for record in seen] == ["all"]
    lab.pause(lab.aws.topology.archive_days * 86400)
    lab.aws.replay(0.0, "forgotten")
    lab.pause(10)
    assert len(seen) == 1


def test_a_clock_is_off_by_no_more_than_two_clocks_may_differ(lab: Lab) -> None:
    from ecom_common.retention import CLOCK_SKEW

    lab.weather._strength = {weather.SKEW: 0.01}
    lab.chance.free = True
    drawn = [lab.world.skew() for _ in range(500)]
    assert max(drawn) - min(drawn) <= CLOCK_SKEW.total_seconds()
    assert max(drawn) > 100
    assert min(drawn) < -100
    lab.weather.calm = True
    assert lab.world.skew() == 0.0


def test_an_index_that_is_stale_trails_by_seconds(services: Services) -> None:
    lags = []
    for seed in range(30):
        world = World(seed, services, MODES["full"], None)
        stale = world.weather.is_on(weather.STALE_INDEX)
        lag = [table.index_lag for table in world.aws.database.tables.values()]
        assert all(0 < each <= 90 if stale else each == 0 for each in lag)
        lags += lag
    assert max(lags) > 60


def test_the_schedule_goes_off_when_an_order_falls_due_and_perhaps_twice(lab: Lab) -> None:
    swept: list[float] = []
    lab.stand.code = lambda: swept.append(lab.world.now)
    due = lab.world.now + 90
    row = {
        "orderId": {"S": "o-1"}, "openShard": {"S": "0"}, "sweepAt": {"N": str(int(due))},
        "status": {"S": "PLACED"},
    }  # fmt: skip
    lab.aws.database.execute("put_item", {"TableName": "ecom-sim-orders", "Item": row}, lab.world.now)
    lab.pause(89)
    assert swept == []
    lab.pause(40)
    assert len(swept) == 1
    lab.weather.everywhere = {weather.DUPLICATE_MESSAGE}
    lab.pause(60)
    assert len(swept) == 3, "it goes off again as long as the order is due"
    lab.world.key_enabled = False
    lab.pause(600)
    assert len(swept) == 3
