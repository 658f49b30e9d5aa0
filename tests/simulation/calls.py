"""One call to AWS, to the gateway or to a carrier: how long it takes, and what may go wrong with it.

The effect of a call and its answer are two things. Either may be missing, the effect may come after the
caller has given up or died, and the SDK repeats by itself what it takes for a failure, up to three times in
all.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError, ReadTimeoutError

from simulation import weather
from simulation.engine import task
from simulation.tables import CANARY_REQUEST
from simulation.watch.promises import CANARY_GATEWAY

if TYPE_CHECKING:
    from simulation.invocation import Invocation

SDK_ATTEMPTS = 3
READ_TIMEOUT = 3.0
"""Seconds; both as in `ecom_common.clients.CONFIG`."""

OUTSIDE_TIMEOUT = 5.0
OVERTAKEN_WITHIN, OVERTAKEN_STEP = 6.0, 0.25
"""Seconds that a caller is held until a rival has written, and between two looks."""

LATEST_EFFECT = 20.0
"""Seconds after which a request that nobody waits for any more has taken effect, or never will."""

TRANSACTED = (*weather.AT_CALLS, weather.CONFLICT)
READ_MANY = (*weather.AT_CALLS, weather.UNPROCESSED)
SENT = (*weather.AT_CALLS, weather.PARTIAL, weather.ACCEPTED_BUT_FAILED)
KINDS: Mapping[str, tuple[str, ...]] = {
    "transact_write_items": TRANSACTED,
    "put_item": TRANSACTED,
    "update_item": TRANSACTED,
    "batch_get_item": READ_MANY,
    "put_events": SENT,
}

_RETRIED_BY_SDK = {
    "put_events": "ThrottlingException",
    "send_message": "RequestThrottled",
    "change_message_visibility": "RequestThrottled",
    "encrypt": "ThrottlingException",
    "decrypt": "ThrottlingException",
}

_PERSISTENCE = (1, 1, 1, 2, 3, 3)
"""How many of the SDK's attempts one fault may hit."""

Effect = Callable[[], Any]


def call(operation: str, request: Mapping[str, Any]) -> Any:
    """Make an AWS call. Raises what botocore would: ClientError, or ReadTimeoutError without an answer."""
    running: Invocation = task()
    world = running.world
    world.calls += 1
    # The client makes one token for a transaction and sends it again with each of its attempts.
    token = f"{running.number}-{world.calls}"

    def effect() -> Any:
        return world.execute(operation, request, token)

    rng = world.rng
    fault = running.strike(KINDS.get(operation, weather.AT_CALLS))
    running.wait((0.002 + 0.03 * rng.random()) * running.pace)
    if fault is None:
        return effect()
    world.struck(running, fault, operation)
    if fault is weather.STALL:
        running.wait(40 * rng.random())
        return effect()
    if fault is weather.CRASH_BEFORE:
        raise running.crash(operation)
    if fault is weather.CRASH_AFTER:
        _do(effect)
        raise running.crash(operation)
    if fault is weather.CONFLICT:
        raise _conflict(world, operation, request)
    if fault is weather.OVERTAKEN:
        return _overtaken(running, operation, request, effect)
    if fault is weather.ODD_ERROR:
        raise refused("SomethingNewException", 400, operation)
    if fault in _PARTLY:
        return _PARTLY[fault](world, request, effect)
    return _unlucky(running, fault, operation, effect)


def ask_outside(whom: str, what: str, order_id: str, effect: Effect, unknown: Exception) -> Any:
    """Ask the gateway or a carrier. Raises `unknown` where there is no answer."""
    running: Invocation = task()
    world = running.world
    rng = world.rng
    fault = running.strike(weather.AT_OUTSIDE)
    running.wait(0.02 + 0.3 * rng.random())
    if world.outside_is_down(whom):
        fault = weather.OUTSIDE_BEFORE
    elif fault is None:
        answer = effect()
        world.note(order_id, str(running), f"{what} → {answer}")
        return answer
    world.struck(running, fault, what, order_id)
    if fault is weather.CRASH_BEFORE:
        raise running.crash(what)
    if fault is weather.STALL:
        running.wait(40 * rng.random())
        return effect()
    if fault in (weather.OUTSIDE_AFTER, weather.CRASH_AFTER):
        world.note(order_id, str(running), f"{what} → {effect()}, unheard")
    if fault is weather.CRASH_AFTER:
        raise running.crash(what)
    if fault is weather.OUTSIDE_LATE:
        world.later(LATEST_EFFECT * rng.random(), lambda: _do(effect))
    running.wait(OUTSIDE_TIMEOUT * rng.random())
    raise unknown from ConnectionError(CANARY_GATEWAY)


def _unlucky(running: Invocation, fault: str, operation: str, effect: Effect) -> Any:
    """One or more of the SDK's attempts fail. It gives up after its last."""
    world = running.world
    hit = world.rng.choice(_PERSISTENCE)
    error: Exception | None = None
    for attempt in range(SDK_ATTEMPTS):
        if attempt:
            running.wait(0.5 * world.rng.random() * 2**attempt)
        if attempt >= hit:
            if fault is weather.LOST_ANSWER:
                world.weather.count(weather.SDK_RETRY)
            return effect()
        if fault is weather.THROTTLE:
            error = _throttled(operation, world.rng.random())
            continue
        if fault is weather.LOST_ANSWER:
            _do(effect)
        elif fault is weather.LATE_EFFECT:
            world.later(READ_TIMEOUT + LATEST_EFFECT * world.rng.random(), lambda: _do(effect))
        running.wait(READ_TIMEOUT)
        error = ReadTimeoutError(endpoint_url=f"https://example/?{CANARY_REQUEST}")
    assert error is not None
    raise error


def _do(effect: Effect) -> None:
    """Let it happen; the answer gets lost, even if it is an error."""
    with suppress(ClientError):
        effect()


def _throttled(operation: str, chance: float) -> ClientError:
    if chance < 0.2:
        return refused("InternalServerError", 500, operation)
    return refused(_RETRIED_BY_SDK.get(operation, "ProvisionedThroughputExceededException"), 400, operation)


def _overtaken(running: Invocation, operation: str, request: Mapping[str, Any], effect: Effect) -> Any:
    """After this call, somebody else writes one of its rows before the caller goes on."""
    world = running.world
    rows = world.aws.rows_of(operation, request)
    try:
        return effect()
    finally:
        before = world.aws.writes_of(rows)
        waited = 0.0
        while waited < OVERTAKEN_WITHIN and world.aws.writes_of(rows) == before:
            running.wait(OVERTAKEN_STEP)
            waited += OVERTAKEN_STEP


def _conflict(world: Any, operation: str, request: Mapping[str, Any]) -> ClientError:
    """Somebody else's transaction holds one of the rows. The other reasons are those there are."""
    chance = world.rng.random()
    if operation != "transact_write_items":
        return refused("TransactionConflictException", 400, operation)
    actions = request["TransactItems"]
    code = "TransactionConflict" if chance < 0.7 else "ThrottlingError"
    reasons: list[Any] = list(world.aws.database.reasons(request))
    reasons[int(chance * 1000) % len(actions)] = {"Code": code, "Message": CANARY_REQUEST}
    error = refused("TransactionCanceledException", 400, operation)
    error.response["CancellationReasons"] = reasons
    return error


def refused(code: str, status: int, operation: str, about: str = "") -> ClientError:
    """An error answer of AWS. Its text quotes the request, as those of AWS may."""
    return ClientError(
        {
            "Error": {"Code": code, "Message": f"{about} {CANARY_REQUEST}"},
            "ResponseMetadata": {"HTTPStatusCode": status},  # type: ignore[typeddict-item]
        },
        operation,
    )


def _some_keys_unread(world: Any, request: Mapping[str, Any], effect: Effect) -> Any:
    """BatchGetItem answers for some of the keys and names the others."""
    ((table, wanted),) = request["RequestItems"].items()
    keys = list(wanted["Keys"])
    world.rng.shuffle(keys)
    number = world.rng.randrange(len(keys))
    answered: Any = {"Responses": {table: []}}
    if number:
        answered = world.execute(
            "batch_get_item", {"RequestItems": {table: {**wanted, "Keys": keys[:number]}}}
        )
    return {**answered, "UnprocessedKeys": {table: {**wanted, "Keys": keys[number:]}}}


def _some_entries(world: Any, request: Mapping[str, Any], accepts: bool) -> Any:
    """PutEvents fails for some entries; with `accepts` they get on the bus all the same."""
    results = []
    failed = 0
    surely = world.rng.randrange(len(request["Entries"]))
    for number, entry in enumerate(request["Entries"]):
        fails = number == surely or world.rng.random() < 0.6
        result = {}
        if not fails or accepts:
            result = world.execute("put_events", {"Entries": [entry]})["Entries"][0]
        if fails:
            result = {"ErrorCode": world.rng.choice(_ENTRY_ERRORS), "ErrorMessage": CANARY_REQUEST}
            failed += 1
        results.append(result)
    return {"FailedEntryCount": failed, "Entries": results}


_ENTRY_ERRORS = ("InternalFailure", "ThrottlingException", "InternalException")

_PARTLY: Mapping[str, Callable[[Any, Mapping[str, Any], Effect], Any]] = {
    weather.UNPROCESSED: _some_keys_unread,
    weather.PARTIAL: lambda world, request, _: _some_entries(world, request, accepts=False),
    weather.ACCEPTED_BUT_FAILED: lambda world, request, _: _some_entries(world, request, accepts=True),
}
