"""Each fault at a call: what was really done, what the code gets, and when. Times are virtual seconds.

Where nothing else is said, every number the world draws is one half: a call takes 0.017 s.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from types import ModuleType
from typing import Any

import pytest
from botocore.exceptions import ClientError, ReadTimeoutError

from ecom_common.clients import CONFIG
from ecom_common.errors import Mender, mender, mender_of
from simulation import calls, weather
from simulation.calls import SDK_ATTEMPTS, call
from simulation.clients import DynamoDB, Events, Gateway, Sqs, client
from simulation.conftest import Heard, Lab
from simulation.engine import Crash, task
from simulation.invariants import CANARY_GATEWAY
from simulation.services import Services
from simulation.tables import CANARY_REQUEST

TABLE = "ecom-sim-payment"
KEY = {"orderId": {"S": "o-1"}}
NEW = {
    "TableName": TABLE,
    "Item": {**KEY, "state": {"S": "INTENT"}},
    "ConditionExpression": "attribute_not_exists(orderId)",
}
READ = {"TableName": TABLE, "Key": KEY, "ConsistentRead": True}
QUERY = {
    "TableName": TABLE,
    "KeyConditionExpression": "orderId = :o",
    "ExpressionAttributeValues": {":o": {"S": "o-1"}},
}
CHANGE = {
    "TableName": TABLE,
    "Key": KEY,
    "UpdateExpression": "SET #s = :s",
    "ExpressionAttributeNames": {"#s": "state"},
    "ExpressionAttributeValues": {":s": {"S": "CHARGED"}},
}
TOGETHER = {"TransactItems": [{"Put": {**NEW, "Item": {"orderId": {"S": f"o-{n}"}}}} for n in range(3)]}
ASKED = 0.017
TIMED_OUT = ASKED + 3.0


def entry(number: int) -> dict[str, str]:
    """A fact that no rule sends anywhere."""
    metadata = {"eventId": f"fact-{number}"}
    detail = {"metadata": metadata, "data": {"orderId": f"o-{number}"}}
    return {"Source": "tests", "DetailType": "OrderPlaced", "Detail": json.dumps(detail)}


def entries(number: int) -> dict[str, Any]:
    return {"Entries": [entry(n) for n in range(number)]}


def on_bus(lab: Lab) -> list[str]:
    return [json.loads(each["Detail"])["metadata"]["eventId"] for _, _, each in lab.aws.archive]


def is_near(heard: Heard, seconds: float) -> bool:
    return heard.seconds == pytest.approx(seconds, abs=1e-5)


# ------------------------------------------------------------------------------------------- without a fault


def test_a_call_takes_its_time_and_then_its_effect_at_once(lab: Lab) -> None:
    heard = lab.call("put_item", NEW)
    assert heard.error is None
    assert is_near(heard, ASKED)
    assert heard.rows == 1
    assert not lab.weather.injected
    lab.chance.says = [0.0]
    assert is_near(lab.call("get_item", READ), 0.002)
    assert lab.world.calls == 2


def test_others_come_between_two_calls(lab: Lab) -> None:
    """Between a read and the write that follows from it, another sandbox may write."""

    def read_then_write() -> tuple[Any, Any]:
        found = call("get_item", READ)
        lab.aws.database.execute("put_item", NEW, lab.world.now)
        return found, call("get_item", READ)

    before, after = lab.hear(read_then_write).answer
    assert before == {}
    assert after["Item"]["state"] == {"S": "INTENT"}


def test_the_sdks_limits_are_those_of_the_services() -> None:
    settings: Any = CONFIG
    assert settings.retries["total_max_attempts"] == SDK_ATTEMPTS
    assert settings.read_timeout == calls.READ_TIMEOUT
    assert settings.retries["mode"] == "standard"


@pytest.mark.parametrize("fake", [DynamoDB, Events, Sqs])
def test_what_no_fake_knows_is_noticed(fake: type) -> None:
    with pytest.raises(AttributeError):
        fake().delete_item(TableName=TABLE)
    with pytest.raises(KeyError):
        client("sns")


# ----------------------------------------------------------------------------------------- crashes and stalls


def test_a_crash_before_a_call_leaves_nothing(lab: Lab) -> None:
    heard = lab.call("put_item", NEW, weather.CRASH_BEFORE)
    assert isinstance(heard.error, Crash)
    lab.pause(600)
    assert lab.rows == {}
    assert lab.weather.injected == {weather.CRASH_BEFORE: 1}


def test_a_crash_after_a_call_leaves_its_effect(lab: Lab) -> None:
    heard = lab.call("put_item", NEW, weather.CRASH_AFTER)
    assert isinstance(heard.error, Crash)
    assert heard.rows == 1
    assert is_near(heard, ASKED)
    assert lab.weather.injected == {weather.CRASH_AFTER: 1}


def test_a_crash_after_a_refused_call_is_a_crash(lab: Lab) -> None:
    lab.call("put_item", NEW)
    assert isinstance(lab.call("put_item", NEW, weather.CRASH_AFTER).error, Crash)


def test_a_crash_ends_the_invocation_there(lab: Lab) -> None:
    lab.weather.next = [weather.CRASH_BEFORE]
    seen: list[str] = []

    def code() -> None:
        try:
            call("put_item", NEW)
        except Exception:  # noqa: BLE001 - what is shown is that this catches nothing
            seen.append("caught")
        seen.append("went on")

    assert lab.run(code).crashed
    assert seen == []


@pytest.mark.parametrize("fault", [weather.CRASH_BEFORE, weather.CRASH_AFTER])
def test_a_sandbox_that_has_died_makes_no_more_calls(lab: Lab, fault: str) -> None:
    lab.weather.next = [fault]

    def code() -> None:
        try:
            call("get_item", READ)
        finally:
            call("put_item", NEW)

    assert lab.run(code).crashed
    lab.pause(60)
    assert lab.rows == {}


def test_a_stall_delays_the_effect_and_its_answer(lab: Lab) -> None:
    heard = lab.call("put_item", NEW, weather.STALL)
    assert heard.error is None
    assert is_near(heard, ASKED + 20)
    assert heard.rows == 1
    assert lab.weather.injected == {weather.STALL: 1}


def test_a_stall_past_the_time_out_ends_at_it_and_without_the_effect(lab: Lab) -> None:
    lab.chance.says = [0.5, 0.99]
    heard = lab.call("put_item", NEW, weather.STALL)
    assert isinstance(heard.error, Crash)
    assert is_near(heard, 30)
    lab.pause(600)
    assert lab.rows == {}


# ----------------------------------------------------------------------------- what the SDK tries by itself

DYNAMODB_BUSY = "ProvisionedThroughputExceededException"


@pytest.mark.parametrize(
    ("operation", "request_", "code"),
    [
        ("put_item", NEW, DYNAMODB_BUSY),
        ("update_item", CHANGE, DYNAMODB_BUSY),
        ("get_item", READ, DYNAMODB_BUSY),
        ("query", QUERY, DYNAMODB_BUSY),
        ("transact_write_items", TOGETHER, DYNAMODB_BUSY),
        ("put_events", entries(1), "ThrottlingException"),
        ("send_message", {}, "RequestThrottled"),
        ("change_message_visibility", {}, "RequestThrottled"),
    ],
)
def test_a_throttle_that_lasts_is_an_error_after_three_attempts(
    lab: Lab, operation: str, request_: Any, code: str
) -> None:
    heard = lab.call(operation, request_, weather.THROTTLE, hits=3)
    assert isinstance(heard.error, ClientError)
    assert heard.code == code
    assert heard.error.response["ResponseMetadata"]["HTTPStatusCode"] == 400
    assert is_near(heard, ASKED + 0.5 + 1.0)
    lab.pause(600)
    assert lab.rows == {}
    assert on_bus(lab) == []
    assert mender_of(heard.error) is Mender.TIME
    assert lab.weather.injected == {weather.THROTTLE: 1}


def test_some_throttles_are_errors_of_the_server(lab: Lab) -> None:
    lab.chance.says = [0.5, 0.1, 0.5, 0.1, 0.5, 0.1]
    heard = lab.call("put_item", NEW, weather.THROTTLE, hits=3)
    assert isinstance(heard.error, ClientError)
    assert heard.code == "InternalServerError"
    assert heard.error.response["ResponseMetadata"]["HTTPStatusCode"] == 500
    assert mender_of(heard.error) is Mender.TIME


@pytest.mark.parametrize(("hits", "seconds"), [(1, 0.5), (2, 1.5)])
def test_a_throttle_that_passes_only_takes_time(lab: Lab, hits: int, seconds: float) -> None:
    heard = lab.call("put_item", NEW, weather.THROTTLE, hits=hits)
    assert heard.error is None
    assert heard.rows == 1
    assert is_near(heard, ASKED + seconds)
    assert lab.weather.injected == {weather.THROTTLE: 1}


def test_no_answer_and_nothing_done_is_a_read_time_out(lab: Lab) -> None:
    heard = lab.call("put_item", NEW, weather.NO_ANSWER, hits=3)
    assert isinstance(heard.error, ReadTimeoutError)
    assert is_near(heard, ASKED + 9 + 1.5)
    lab.pause(600)
    assert lab.rows == {}
    assert lab.weather.injected == {weather.NO_ANSWER: 1}
    assert mender_of(heard.error) is Mender.TIME


def test_after_no_answer_the_sdk_asks_again(lab: Lab) -> None:
    heard = lab.call("put_item", NEW, weather.NO_ANSWER, hits=1)
    assert heard.error is None
    assert heard.rows == 1
    assert is_near(heard, TIMED_OUT + 0.5)
    assert lab.weather.injected == {weather.NO_ANSWER: 1}


def test_a_lost_answer_is_a_time_out_with_the_effect_there(lab: Lab) -> None:
    heard = lab.call("put_item", NEW, weather.LOST_ANSWER, hits=3)
    assert isinstance(heard.error, ReadTimeoutError)
    assert heard.rows == 1
    assert is_near(heard, ASKED + 9 + 1.5)
    assert lab.weather.injected == {weather.LOST_ANSWER: 1}


def test_the_sdk_that_retries_a_write_sees_its_own_as_a_refused_condition(lab: Lab) -> None:
    heard = lab.call(
        "put_item", {**NEW, "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}, weather.LOST_ANSWER
    )
    assert isinstance(heard.error, ClientError)
    assert heard.code == "ConditionalCheckFailedException"
    assert heard.error.response["Item"] == NEW["Item"]  # type: ignore[typeddict-item]
    assert is_near(heard, TIMED_OUT + 0.5)
    assert heard.rows == 1
    assert lab.weather.injected == {weather.LOST_ANSWER: 1, weather.SDK_RETRY: 1}


def test_the_sdk_that_retries_a_transaction_sends_the_same_token_and_succeeds(lab: Lab) -> None:
    heard = lab.call("transact_write_items", TOGETHER, weather.LOST_ANSWER, hits=2)
    assert heard.error is None
    assert heard.rows == 3
    assert lab.weather.injected == {weather.LOST_ANSWER: 1, weather.SDK_RETRY: 1}


def test_the_next_call_with_the_same_transaction_has_a_token_of_its_own(lab: Lab) -> None:
    def twice() -> None:
        call("transact_write_items", TOGETHER)
        call("transact_write_items", TOGETHER)

    assert lab.hear(twice).code == "TransactionCanceledException"


def test_the_sdk_that_retries_a_publication_publishes_twice(lab: Lab) -> None:
    heard = lab.call("put_events", entries(1), weather.LOST_ANSWER)
    assert heard.answer["FailedEntryCount"] == 0
    assert on_bus(lab) == ["fact-0", "fact-0"]


def test_an_effect_may_come_after_the_caller_has_given_up(lab: Lab) -> None:
    heard = lab.call("put_item", NEW, weather.LATE_EFFECT, hits=3)
    assert isinstance(heard.error, ReadTimeoutError)
    assert heard.rows == 0
    # of the first attempt: 3 s of waiting and half of the longest lateness after it was sent
    lab.pause(ASKED + 3 + 10 - heard.seconds - 0.01)
    assert lab.rows == {}
    lab.pause(0.02)
    assert list(lab.rows) == ["o-1"]
    assert lab.world.pending == 2
    lab.pause(60)
    assert lab.world.pending == 0
    assert lab.weather.injected[weather.LATE_EFFECT] == 1


def test_a_late_effect_meets_what_the_retry_has_written(lab: Lab) -> None:
    heard = lab.call("put_item", NEW, weather.LATE_EFFECT)
    assert heard.error is None
    assert heard.rows == 1
    lab.aws.database.execute("update_item", CHANGE, lab.world.now)
    lab.pause(60)
    assert lab.rows["o-1"]["state"] == {"S": "CHARGED"}, "its condition does not hold any more"


def test_a_late_publication_comes_on_top_of_the_retry(lab: Lab) -> None:
    lab.call("put_events", entries(1), weather.LATE_EFFECT)
    assert on_bus(lab) == ["fact-0"]
    lab.pause(60)
    assert on_bus(lab) == ["fact-0", "fact-0"]


def test_a_late_transaction_that_its_retry_has_made_does_nothing_again(
    lab: Lab, monkeypatch: pytest.MonkeyPatch
) -> None:
    lab.call("transact_write_items", TOGETHER, weather.LATE_EFFECT)
    rows = dict(lab.rows)
    written: list[Any] = []
    monkeypatch.setattr(lab.watch, "wrote", written.append)
    lab.pause(60)
    assert lab.rows == rows
    assert written == []


def test_a_late_effect_comes_even_after_its_caller_has_died(lab: Lab) -> None:
    def code() -> None:
        lab.sleep(29)
        call("put_item", NEW)

    lab.weather.next = [weather.LATE_EFFECT]
    invocation = lab.run(code)
    assert invocation.crashed
    assert lab.world.now == invocation.began_at + 30
    assert lab.rows == {}
    lab.pause(60)
    assert list(lab.rows) == ["o-1"]


def test_a_retry_counts_as_one_after_success_only_where_the_first_attempt_has_taken_effect(lab: Lab) -> None:
    for fault in (weather.THROTTLE, weather.NO_ANSWER):
        lab.call("put_events", entries(1), fault)
    assert weather.SDK_RETRY not in lab.weather.injected
    lab.call("put_events", entries(1), weather.LOST_ANSWER)
    assert lab.weather.injected[weather.SDK_RETRY] == 1
    lab.call("put_events", entries(1), weather.LATE_EFFECT)
    assert len(on_bus(lab)) == 5, "the first attempt is still under way"
    assert lab.weather.injected[weather.SDK_RETRY] == 1


# --------------------------------------------------------------------------------- what DynamoDB refuses


@pytest.mark.parametrize(("operation", "request_"), [("put_item", NEW), ("update_item", CHANGE)])
def test_a_write_that_meets_a_transaction_is_refused(lab: Lab, operation: str, request_: Any) -> None:
    heard = lab.call(operation, request_, weather.CONFLICT)
    assert heard.code == "TransactionConflictException"
    assert is_near(heard, ASKED), "the SDK does not try it again"
    lab.pause(600)
    assert lab.rows == {}
    assert lab.weather.injected == {weather.CONFLICT: 1}


@pytest.mark.parametrize(
    ("chance", "code", "place"), [(0.5, "TransactionConflict", 2), (0.7, "ThrottlingError", 1)]
)
def test_a_transaction_that_meets_another_says_for_each_action_why(
    lab: Lab, chance: float, code: str, place: int
) -> None:
    lab.chance.says = [0.5, chance]
    heard = lab.call("transact_write_items", TOGETHER, weather.CONFLICT)
    assert isinstance(heard.error, ClientError)
    assert heard.code == "TransactionCanceledException"
    response: Any = heard.error.response
    reasons = response["CancellationReasons"]
    assert [reason["Code"] for reason in reasons] == ["None" if n != place else code for n in range(3)]
    assert all("Item" not in reason for reason in reasons)
    assert CANARY_REQUEST in reasons[place]["Message"]
    assert lab.rows == {}


def test_a_real_refusal_has_the_same_shape_and_the_row_that_stands(lab: Lab) -> None:
    lab.call("put_item", {**NEW, "Item": {"orderId": {"S": "o-1"}}})
    asked = [dict(action) for action in TOGETHER["TransactItems"]]
    asked[1] = {"Put": {**asked[1]["Put"], "ReturnValuesOnConditionCheckFailure": "ALL_OLD"}}
    heard = lab.call("transact_write_items", {"TransactItems": asked})
    response: Any = getattr(heard.error, "response", {})
    codes = [reason["Code"] for reason in response["CancellationReasons"]]
    assert codes == ["None", "ConditionalCheckFailed", "None"]
    assert response["CancellationReasons"][1]["Item"] == {"orderId": {"S": "o-1"}}
    assert len(lab.rows) == 1


def test_keys_left_unread_are_named_and_the_others_answered(lab: Lab) -> None:
    names = [f"o-{number}" for number in range(4)]
    for name in names:
        lab.aws.database.execute(
            "put_item", {"TableName": TABLE, "Item": {"orderId": {"S": name}}}, lab.world.now
        )
    wanted = {"Keys": [{"orderId": {"S": name}} for name in names], "ConsistentRead": True}
    numbers = set()
    for _ in range(30):
        heard = lab.call("batch_get_item", {"RequestItems": {TABLE: wanted}}, weather.UNPROCESSED)
        read = [row["orderId"]["S"] for row in heard.answer["Responses"][TABLE]]
        left = heard.answer["UnprocessedKeys"][TABLE]
        unread = [key["orderId"]["S"] for key in left["Keys"]]
        assert sorted(read + unread) == names
        assert unread, "announced, and nothing was left unread"
        assert left["ConsistentRead"] is True
        numbers.add(len(unread))
    assert numbers == {1, 2, 3, 4}
    assert len(wanted["Keys"]) == 4  # type: ignore[arg-type]
    assert lab.weather.injected == {weather.UNPROCESSED: 30}


# ------------------------------------------------------------------------------------------------ the bus


def failing(lab: Lab, fault: str, number: int) -> tuple[list[bool], set[str]]:
    """Publish so many facts; which were reported as failed, and which of them are on the bus."""
    lab.aws.archive.clear()
    heard = lab.call("put_events", entries(number), fault)
    results = heard.answer["Entries"]
    assert len(results) == number
    assert heard.answer["FailedEntryCount"] == sum("ErrorCode" in result for result in results)
    for result in results:
        assert ("EventId" in result) is not ("ErrorCode" in result)
        assert "EventId" in result or CANARY_REQUEST in result["ErrorMessage"]
        assert mender(result.get("ErrorCode", "Throttled")) is Mender.TIME
    return ["ErrorCode" in result for result in results], set(on_bus(lab))


def test_entries_that_are_not_accepted_are_not_on_the_bus_and_the_others_are(lab: Lab) -> None:
    lab.chance.free = True
    for _ in range(50):
        failed, there = failing(lab, weather.PARTIAL, 3)
        assert there == {f"fact-{number}" for number in range(3) if not failed[number]}
    assert lab.weather.injected == {weather.PARTIAL: 50}


def test_entries_that_are_reported_failed_may_be_on_the_bus(lab: Lab) -> None:
    lab.chance.free = True
    for _ in range(50):
        _, there = failing(lab, weather.ACCEPTED_BUT_FAILED, 3)
        assert there == {"fact-0", "fact-1", "fact-2"}
    assert lab.weather.injected == {weather.ACCEPTED_BUT_FAILED: 50}


@pytest.mark.parametrize("fault", [weather.PARTIAL, weather.ACCEPTED_BUT_FAILED])
def test_where_entries_fail_each_may(lab: Lab, fault: str) -> None:
    lab.chance.free = True
    failed = {tuple(failing(lab, fault, 2)[0]) for _ in range(100)}
    assert failed >= {(True, False), (False, True), (True, True)}


@pytest.mark.parametrize("fault", [weather.PARTIAL, weather.ACCEPTED_BUT_FAILED])
@pytest.mark.parametrize("number", [1, 2])
def test_where_entries_are_said_to_fail_at_least_one_does(lab: Lab, fault: str, number: int) -> None:
    lab.chance.free = True
    assert all(any(failing(lab, fault, number)[0]) for _ in range(100))


def test_an_entry_that_the_bus_refuses_is_no_fault_of_the_world(lab: Lab) -> None:
    heard = lab.call("put_events", {"Entries": [entry(0), {**entry(1), "Detail": "no JSON"}]})
    assert heard.answer["FailedEntryCount"] == 1
    assert heard.answer["Entries"][1]["ErrorCode"] == "MalformedDetail"
    assert on_bus(lab) == ["fact-0"]
    assert not lab.weather.injected


# ------------------------------------------------------------------------------------------------- the key

LOCKED = [
    ("put_item", NEW, "AccessDeniedException"),
    ("get_item", READ, "AccessDeniedException"),
    ("transact_write_items", TOGETHER, "AccessDeniedException"),
    ("put_events", entries(1), "AccessDeniedException"),
]


@pytest.mark.parametrize(("operation", "request_", "code"), LOCKED)
def test_without_the_key_nothing_is_read_written_or_published(
    lab: Lab, operation: str, request_: Any, code: str
) -> None:
    lab.world.key_enabled = False
    heard = lab.call(operation, request_)
    assert heard.code == code
    assert heard.error is not None
    assert mender_of(heard.error) is Mender.OPERATOR
    assert lab.rows == {}
    assert on_bus(lab) == []
    lab.world.key_enabled = True
    assert lab.call(operation, request_).error is None


def test_without_the_key_nothing_gets_into_a_queue_that_it_protects(lab: Lab) -> None:
    lab.world.key_enabled = False
    parking = {"MessageBody": "x"}
    for spec in lab.world.services.topology.queues.values():
        heard = lab.call("send_message", {**parking, "QueueUrl": spec.url})
        assert (heard.code == "KMS.DisabledException") is spec.key
        assert len(lab.aws.queues[spec.logical].messages) == (0 if spec.key else 1)


# ------------------------------------------------------------------------------------- gateway and carriers


@pytest.fixture
def gateway(services: Services) -> Gateway:
    return Gateway(services.module("payment_service.gateway"))


@pytest.fixture
def module(services: Services) -> ModuleType:
    return services.module("payment_service.gateway")


@pytest.fixture
def charge(gateway: Gateway, module: Any) -> Callable[[], Any]:
    wanted = module.Charge(key="o-1:charge", order_id="o-1", amount=500, currency="USD")
    return lambda: gateway.charge(wanted)


ANSWERED = 0.17
LONGEST_DOWN = 2 * 3600.0


def test_a_charge_is_money_and_an_answer_in_the_services_words(lab: Lab, charge: Any, module: Any) -> None:
    heard = lab.hear(charge)
    assert isinstance(heard.answer, module.Charged)
    assert is_near(heard, ANSWERED)
    assert [(entry.order_id, entry.amount) for entry in lab.world.gateway.charges] == [("o-1", 500)]
    lab.world.gateway.declines = 1.0
    other = module.Charge(key="o-2:charge", order_id="o-2", amount=1, currency="USD")
    declined = lab.hear(lambda: Gateway(module).charge(other)).answer
    assert isinstance(declined, module.Declined)
    assert declined.reason == "card_declined"


@pytest.mark.parametrize(
    ("fault", "then", "later"),
    [
        (weather.OUTSIDE_BEFORE, 0, 0),
        (weather.OUTSIDE_AFTER, 1, 1),
        (weather.OUTSIDE_LATE, 0, 1),
    ],
)
def test_without_an_answer_from_the_gateway_the_money_may_have_moved(
    lab: Lab, charge: Any, module: Any, fault: str, then: int, later: int
) -> None:
    seen: list[int] = []

    def asked() -> Any:
        try:
            return charge()
        finally:
            seen.append(len(lab.world.gateway.charges))

    heard = lab.hear(asked, fault)
    assert isinstance(heard.error, module.OutcomeUnknown)
    assert is_near(heard, ANSWERED + 2.5)
    assert seen == [then]
    lab.pause(60)
    assert len(lab.world.gateway.charges) == later
    assert lab.weather.injected == {fault: 1}
    assert CANARY_GATEWAY in heard.text


def test_a_late_charge_may_come_before_the_time_out_too(lab: Lab, charge: Any) -> None:
    lab.chance.says = [0.5, 0.05, 0.9]
    seen: list[int] = []

    def asked() -> Any:
        try:
            return charge()
        finally:
            seen.append(len(lab.world.gateway.charges))

    lab.hear(asked, weather.OUTSIDE_LATE)
    assert seen == [1]


@pytest.mark.parametrize(("fault", "charged"), [(weather.CRASH_BEFORE, 0), (weather.CRASH_AFTER, 1)])
def test_a_sandbox_may_die_before_or_after_the_money_moves(
    lab: Lab, charge: Any, fault: str, charged: int
) -> None:
    assert isinstance(lab.hear(charge, fault).error, Crash)
    lab.pause(60)
    assert len(lab.world.gateway.charges) == charged
    assert lab.weather.injected == {fault: 1}


def test_a_stall_at_the_gateway_delays_the_charge(lab: Lab, charge: Any) -> None:
    heard = lab.hear(charge, weather.STALL)
    assert heard.error is None
    assert is_near(heard, ANSWERED + 20)
    assert len(lab.world.gateway.charges) == 1


def test_a_gateway_that_is_down_answers_nobody_until_it_is_up_again(
    lab: Lab, charge: Any, module: Any
) -> None:
    lab.weather.everywhere = {weather.OUTSIDE_DOWN}
    assert isinstance(lab.hear(charge).error, module.OutcomeUnknown)
    lab.weather.everywhere = set()
    assert isinstance(lab.hear(charge).error, module.OutcomeUnknown)
    assert not lab.world.gateway.charges
    lab.pause(LONGEST_DOWN)
    assert lab.hear(charge).error is None
    assert lab.weather.injected == {weather.OUTSIDE_DOWN: 1, weather.OUTSIDE_BEFORE: 2}


def test_one_carrier_may_be_down_while_the_other_is_not(lab: Lab, services: Services) -> None:
    carrier: Any = services.module("shipping_service.carrier")
    parcel = carrier.Parcel(key="o-1", order_id="o-1")
    primary, fallback = (carrier.SimulatedCarrier(name) for name in ("primary", "fallback"))
    lab.weather.everywhere = {weather.OUTSIDE_DOWN}
    assert isinstance(lab.hear(lambda: primary.book(parcel)).error, carrier.CarrierUnavailableError)
    lab.weather.everywhere = set()
    booked = lab.hear(lambda: fallback.book(parcel)).answer
    assert isinstance(booked, carrier.Booking)
    assert booked.carrier == "fallback"
    assert [len(lab.world.carriers[name].parcels) for name in ("primary", "fallback")] == [0, 1]


def test_sometimes_nobody_outside_answers(lab: Lab, services: Services, charge: Any, module: Any) -> None:
    carrier: Any = services.module("shipping_service.carrier")
    primary, parcel = carrier.SimulatedCarrier("primary"), carrier.Parcel(key="o-1", order_id="o-1")
    lab.weather.everywhere = {weather.OUTSIDE_DOWN}
    lab.chance.says = [0.5, 0.5, 0.1]
    assert isinstance(lab.hear(charge).error, module.OutcomeUnknown)
    lab.weather.everywhere = set()
    assert isinstance(lab.hear(lambda: primary.book(parcel)).error, carrier.CarrierUnavailableError)
    assert not lab.world.carriers["primary"].parcels


def test_who_is_down_outside_comes_back_by_himself(lab: Lab, charge: Any) -> None:
    lab.weather.everywhere = {weather.OUTSIDE_DOWN}
    lab.hear(charge)
    lab.weather.everywhere, lab.weather.calm = set(), True
    assert lab.hear(charge).error is not None
    lab.pause(2 * 3600)
    assert lab.hear(charge).error is None


@pytest.mark.parametrize(
    ("fault", "booked"),
    [(weather.OUTSIDE_BEFORE, 0), (weather.OUTSIDE_AFTER, 1), (weather.OUTSIDE_LATE, 1)],
)
def test_without_an_answer_from_a_carrier_a_parcel_may_be_on_its_way(
    lab: Lab, services: Services, fault: str, booked: int
) -> None:
    carrier: Any = services.module("shipping_service.carrier")
    primary, parcel = carrier.SimulatedCarrier("primary"), carrier.Parcel(key="o-1", order_id="o-1")
    heard = lab.hear(lambda: primary.book(parcel), fault)
    assert isinstance(heard.error, carrier.CarrierUnavailableError)
    lab.pause(60)
    assert len(lab.world.carriers["primary"].parcels) == booked
    assert lab.weather.injected == {fault: 1}


def test_a_cancelled_key_is_refused_by_the_carrier(lab: Lab, services: Services) -> None:
    carrier: Any = services.module("shipping_service.carrier")
    primary, parcel = carrier.SimulatedCarrier("primary"), carrier.Parcel(key="o-1", order_id="o-1")
    assert lab.hear(lambda: primary.cancel(parcel)).answer is None
    assert isinstance(lab.hear(lambda: primary.book(parcel)).error, carrier.CarrierUnavailableError)
    assert not lab.world.carriers["primary"].parcels


# ----------------------------------------------------------------------------------------------- what it says

FAILING = [
    *(
        ("put_item", NEW, fault)
        for fault in (weather.THROTTLE, weather.NO_ANSWER, weather.LOST_ANSWER, weather.LATE_EFFECT)
    ),
    ("put_item", NEW, weather.CONFLICT),
    ("transact_write_items", TOGETHER, weather.CONFLICT),
    ("put_events", entries(1), weather.THROTTLE),
    ("send_message", {}, weather.THROTTLE),
]


@pytest.mark.parametrize(("operation", "request_", "fault"), FAILING)
def test_every_error_text_quotes_the_request(lab: Lab, operation: str, request_: Any, fault: str) -> None:
    heard = lab.call(operation, request_, fault, hits=3)
    assert heard.error is not None
    assert CANARY_REQUEST in str(heard.error)


def test_even_an_error_that_the_fakes_raise_by_themselves_quotes_the_request(lab: Lab) -> None:
    lab.call("put_item", NEW)
    for operation, request in (("put_item", NEW), ("transact_write_items", TOGETHER)):
        heard = lab.call(operation, request)
        assert isinstance(heard.error, ClientError)
        assert CANARY_REQUEST in str(heard.error)
    lab.world.key_enabled = False
    assert CANARY_REQUEST in str(lab.call("get_item", READ).error)


# -------------------------------------------------------------------------------------- who meets which fault


def test_which_faults_a_call_may_meet(lab: Lab, monkeypatch: pytest.MonkeyPatch) -> None:
    asked: list[tuple[str, ...]] = []
    monkeypatch.setattr(lab.weather, "strike", lambda kinds, now: asked.append(kinds))
    for operation, request in (("get_item", READ), ("query", QUERY), ("put_item", NEW)):
        lab.call(operation, request)
    lab.call("transact_write_items", TOGETHER)
    lab.call("put_events", entries(1))
    lab.call("batch_get_item", {"RequestItems": {TABLE: {"Keys": [KEY]}}})
    everywhere = set(weather.AT_CALLS)
    extra = [set(kinds) - everywhere for kinds in asked]
    assert all(everywhere <= set(kinds) for kinds in asked)
    assert extra == [
        set(), set(), {weather.CONFLICT}, {weather.CONFLICT}, {weather.PARTIAL, weather.ACCEPTED_BUT_FAILED},
        {weather.UNPROCESSED},
    ]  # fmt: skip


def test_a_safe_invocation_meets_none_and_any_other_is_marked_by_the_first(lab: Lab) -> None:
    struck: list[bool] = []
    for safe in (True, False):
        lab.weather.next = [weather.STALL]
        lab.stand.code = lambda: call("get_item", READ)
        lab.world.invoke("OrderLambda", {}, lambda done: struck.append(done.struck), safe=safe)
        lab.pause(40)
    assert struck == [False, True]
    assert lab.weather.injected == {weather.STALL: 1}


def test_a_sandboxs_clock_is_its_own_and_its_deadline_is_not(lab: Lab, services: Services) -> None:
    def look() -> tuple[float, int]:
        lab.sleep(10)
        now = services.module("ecom_common.facts").utc_now().timestamp()
        return now - lab.world.now, task().get_remaining_time_in_millis()

    assert lab.hear(look).answer == (0.0, 20_000)
    lab.weather._strength = {weather.SKEW: 0.01}
    lab.chance.says = [1.0]
    off, left = lab.hear(look).answer
    assert off == pytest.approx(150.0)
    assert left == 20_000
