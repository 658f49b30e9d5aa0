"""The real code, on its own: nothing of it is left behind, nothing of the process gets into it."""

from __future__ import annotations

import datetime
import os
import random
import sys
import time
import uuid
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FunctionType, MethodType, ModuleType
from typing import Any

import boto3
import pytest
from aws_lambda_powertools.logging import Logger
from aws_lambda_powertools.metrics import Metrics
from botocore.client import BaseClient

import ecom_common.clients
import ecom_common.facts
import ecom_common.publisher
import ecom_common.telemetry
import order_service.handlers
import payment_service.gateway
import payment_service.handlers
from simulation import clients
from simulation.conftest import ROOT
from simulation.guards import Mutant, apply
from simulation.services import PACKAGES, Services, load
from simulation.world import run

REAL_SLEEP = time.sleep

CHANGED = Mutant(
    id="another-key",
    guards="nothing: it only has to be told from the original",
    file="packages/payment-service/src/payment_service/handlers.py",
    find='f"{payment.order_id}:charge"',
    replace='f"{payment.order_id}:another"',
)


@pytest.fixture(scope="module")
def ordinary(services: Services) -> int:
    """A seed in whose small world every service has something to do."""
    worlds = ((seed, run(seed, services)) for seed in range(100))
    return next(seed for seed, each in worlds if "SHIPPED" in each.ended and each.invocations < 150)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory) -> Services:
    """The services of a copy, in which one line is another."""
    root = tmp_path_factory.mktemp("other")
    apply(CHANGED, ROOT, root)
    return load(root)


# ------------------------------------------------------------------------------------------------- isolation


def ours() -> dict[str, ModuleType]:
    return {name: module for name, module in sys.modules.items() if name.startswith(PACKAGES)}


def surroundings() -> dict[str, Any]:
    assert time.sleep is REAL_SLEEP
    return {
        "modules": ours(),
        "environment": dict(os.environ),
        "path": sys.path[:],
        "chance": random.getstate(),
        "clock": ecom_common.facts.utc_now,
        "uuid": vars(order_service.handlers)["uuid"],
        "uuid4": uuid.uuid4,
        "client": ecom_common.clients.client,
        "logger": ecom_common.telemetry.logger,
        "gateway": payment_service.gateway.SimulatedGateway,
    }


def test_a_run_leaves_the_process_as_it_was(services: Services, ordinary: int) -> None:
    random.seed(4711)
    before = surroundings()
    path, environment = sys.path, os.environ
    run(ordinary, services)
    after = surroundings()
    for name, value in before.items():
        assert after[name] == value, name
    assert all(sys.modules[name] is module for name, module in before["modules"].items())
    assert sys.path is path
    assert os.environ is environment
    assert vars(payment_service.handlers)["utc_now"] is ecom_common.facts.utc_now


def test_loading_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    before = surroundings()
    apply(CHANGED, ROOT, tmp_path)
    load(tmp_path)
    after = surroundings()
    assert [name for name, value in before.items() if after[name] != value] == []


def test_a_run_that_breaks_down_leaves_the_process_as_it_was(
    services: Services, ordinary: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_: Any) -> None:
        raise ZeroDivisionError

    monkeypatch.setattr("simulation.aws.Aws.wake", broken)
    before = surroundings()
    with pytest.raises(ZeroDivisionError):
        run(ordinary, services)
    after = surroundings()
    assert [name for name, value in before.items() if after[name] != value] == []


def test_a_tree_that_does_not_load_leaves_the_process_as_it_was(tmp_path: Path) -> None:
    bug = Mutant("bug", "nothing", CHANGED.file, CHANGED.find, "1 +* 2")
    apply(bug, ROOT, tmp_path)
    before = surroundings()
    with pytest.raises(SyntaxError):
        load(tmp_path)
    after = surroundings()
    assert [name for name, value in before.items() if after[name] != value] == []


# ------------------------------------------------------------------------------------------- whose code it is


def test_every_module_of_a_tree_is_of_that_tree(services: Services, other: Services, ordinary: int) -> None:
    run(ordinary, other)
    for tree in (services, other):
        with tree.installed():
            files = {name: Path(str(module.__file__)) for name, module in ours().items()}
        assert len(files) > 25
        assert [name for name, file in files.items() if not file.is_relative_to(tree.root)] == []


def test_two_trees_have_no_module_in_common_with_each_other_or_the_process(
    services: Services, other: Services
) -> None:
    sets = [set(map(id, ours().values()))]
    for tree in (services, other):
        with tree.installed():
            sets.append(set(map(id, ours().values())))
    assert not sets[0] & sets[1]
    assert not sets[0] & sets[2]
    assert not sets[1] & sets[2]


def keys_asked_for(tree: Services, ordinary: int, monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The endings of the keys that a run's charges were made with."""
    keys: set[str] = set()
    original: Callable[..., Any] = clients.Gateway.charge

    def charge(self: Any, wanted: Any) -> Any:
        keys.add(wanted.key.rpartition(":")[2])
        return original(self, wanted)

    with monkeypatch.context() as patch:
        patch.setattr(clients.Gateway, "charge", charge)
        run(ordinary, tree)
    return keys


def test_the_code_that_runs_is_that_of_the_tree(
    services: Services, other: Services, ordinary: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    for _ in range(2):
        assert keys_asked_for(services, ordinary, monkeypatch) == {"charge"}
        assert keys_asked_for(other, ordinary, monkeypatch) == {"another"}


def test_two_trees_side_by_side_do_not_mix(services: Services, other: Services, ordinary: int) -> None:
    hashes = [run(ordinary, tree).state_hash for tree in (services, other, services, other)]
    assert hashes[0] == hashes[2]
    assert hashes[1] == hashes[3]
    assert hashes[0] != hashes[1]


def test_what_has_run_before_changes_nothing(services: Services, ordinary: int) -> None:
    """Sandboxes are used again: what one world leaves in them must not reach the next."""
    first = run(ordinary, services).state_hash
    for seed in (1, 5, 18):
        run(seed, services)
    assert run(ordinary, services).state_hash == first


def test_the_environment_of_a_function_is_the_templates(services: Services) -> None:
    for name, spec in services.topology.functions.items():
        settings = app_of(services, name)["settings"]
        assert settings.table_name == spec.environment["TABLE_NAME"]
        assert settings.parking_queue_url == spec.environment["PARKING_QUEUE_URL"]
        assert settings.stage == "sim"


def test_two_invocations_at_once_have_a_sandbox_each(services: Services) -> None:
    with services.installed():
        one = services.take("PaymentLambda")
        two = services.take("PaymentLambda")
        assert one.__globals__ is not two.__globals__
        services.give_back("PaymentLambda", one)
        assert services.take("PaymentLambda") is one
        services.give_back("PaymentLambda", one)
        services.give_back("PaymentLambda", two)


# ----------------------------------------------------------------------------------------- what was swapped

HARMLESS = (str, bytes, int, float, bool, type(None), CodeType, datetime.datetime, datetime.timedelta)
FORBIDDEN: tuple[Any, ...] = (
    REAL_SLEEP, time.time, time.time_ns, time.monotonic, time.perf_counter, os.urandom, uuid.uuid1,
    uuid.uuid4, boto3.client, boto3.resource, boto3.session.Session,
)  # fmt: skip
FORBIDDEN_KINDS = (BaseClient, Logger, Metrics, boto3.session.Session)
CLOCKS = {
    "time": {"sleep", "time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "localtime", "gmtime"},
    "datetime": {"now", "utcnow", "today"},
    "date": {"today"},
    "uuid": {"uuid1", "uuid4"},
    "os": {"urandom", "getrandom"},
    "boto3": {"client", "resource", "Session"},
    "random": {"SystemRandom"},
    "secrets": {"token_hex", "token_bytes", "token_urlsafe", "randbelow", "choice"},
}
"""What code must not ask of a module or class."""

OUT_OF_REACH = {
    "ecom_common.clients._client": "only `client` asks it, and that is swapped",
    "ecom_common.tracing.about": "what it asks goes into a trace, and nothing is traced here",
    "ecom_common.tracing.send": "what it asks goes into a trace, and nothing is traced here",
}


def app_of(tree: Services, function: str) -> dict[str, Any]:
    """The entry point's module, as a sandbox has it."""
    with tree.installed():
        handler: Any = tree.take(function)
        tree.give_back(function, handler)
    found: dict[str, Any] = handler.__globals__
    return found


def is_of_the_services(value: Any) -> bool:
    return str(getattr(value, "__module__", "")).partition(".")[0] in PACKAGES


def neighbours(value: Any) -> Iterator[tuple[str, Any]]:
    """What code that holds a value can get at from there."""
    if isinstance(value, MethodType):
        yield "self", value.__self__
        yield "function", value.__func__
    elif isinstance(value, FunctionType):
        yield from enumerate_(value.__defaults__ or ())
        yield from (value.__kwdefaults__ or {}).items()
        yield from ((f"cell {n}", cell.cell_contents) for n, cell in enumerate(value.__closure__ or ()))
        if hasattr(value, "__wrapped__"):
            yield "wrapped", value.__wrapped__
    elif hasattr(value, "__wrapped__"):
        yield "wrapped", value.__wrapped__
    elif isinstance(value, dict):
        yield from ((str(key), each) for key, each in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        yield from enumerate_(value)
    elif isinstance(value, property):
        yield "get", value.fget
    elif isinstance(value, staticmethod | classmethod):
        yield "function", value.__func__
    elif isinstance(value, type):
        if is_of_the_services(value):
            yield from list(vars(value).items())
            yield from enumerate_(value.__mro__[1:])
    elif is_of_the_services(type(value)) and not isinstance(value, ModuleType):
        yield "class", type(value)
        yield from getattr(value, "__dict__", {}).items()
        for kind in type(value).__mro__:
            for name in getattr(kind, "__slots__", ()):
                if hasattr(value, name):
                    yield name, getattr(value, name)


def enumerate_(values: Any) -> Iterator[tuple[str, Any]]:
    return ((f"[{number}]", each) for number, each in enumerate(values))


def reachable(tree: Services) -> dict[int, tuple[str, Any]]:
    """Everything that the code of a tree holds: path and value. Of other libraries only the thing itself."""
    apps = {name: app_of(tree, name) for name in tree.topology.functions}
    with tree.installed():
        waiting: list[tuple[str, Any]] = [(name, dict(vars(module))) for name, module in ours().items()]
    waiting += [(name, dict(app)) for name, app in apps.items()]
    found: dict[int, tuple[str, Any]] = {}
    while waiting:
        path, value = waiting.pop()
        if isinstance(value, HARMLESS) or id(value) in found:
            continue
        found[id(value)] = path, value
        if isinstance(value, FunctionType) and not is_of_the_services(value):
            continue
        waiting += [(f"{path}.{name}", each) for name, each in neighbours(value) if name != "__builtins__"]
    return found


@pytest.fixture(scope="module")
def held(services: Services, ordinary: int) -> dict[int, tuple[str, Any]]:
    """After a run: what is made late has been made."""
    run(ordinary, services)
    return reachable(services)


def code_of(function: FunctionType) -> Iterator[CodeType]:
    waiting = [function.__code__]
    while waiting:
        code = waiting.pop()
        yield code
        waiting += [each for each in code.co_consts if isinstance(each, CodeType)]


def asked_of(function: FunctionType) -> list[str]:
    """Forbidden things that its code names, as "module.name"."""
    found = []
    for code in code_of(function):
        names = set(code.co_names)
        found += [
            f"{owner}.{name}" for owner, wanted in CLOCKS.items() if owner in names for name in wanted & names
        ]
    return found


def test_no_real_clock_sleep_chance_or_client_can_be_reached(held: dict[int, tuple[str, Any]]) -> None:
    assert len(held) > 1000
    paths = [path for path, value in held.values() if any(value is each for each in FORBIDDEN)]
    assert paths == []
    assert [path for path, value in held.values() if isinstance(value, FORBIDDEN_KINDS)] == []


def test_no_code_asks_a_module_for_the_real_thing(held: dict[int, tuple[str, Any]]) -> None:
    functions = [
        value for _, value in held.values() if isinstance(value, FunctionType) and is_of_the_services(value)
    ]
    assert len(functions) > 200
    asking = {f"{each.__module__}.{each.__qualname__}": asked_of(each) for each in functions}
    # handlers' `uuid` is a stand-in that knows uuid4 alone
    allowed = {**OUT_OF_REACH, "order_service.handlers.Api.place": "its `uuid` is swapped"}
    assert {name: wants for name, wants in asking.items() if wants and name not in allowed} == {}
    assert {name for name, wants in asking.items() if wants} == set(allowed), "one is allowed for nothing"


def test_every_name_that_was_swapped_is_the_fake_wherever_it_was_imported(
    services: Services, held: dict[int, tuple[str, Any]]
) -> None:
    swapped: dict[str, Callable[[Any], bool]] = {
        "utc_now": lambda value: value is clients.utc_now,
        "clock": lambda value: value is clients.utc_now,
        "_clock": lambda value: value is clients.utc_now,
        "client": lambda value: value is clients.client,
        "sleep": lambda value: value is clients.sleep,
        "_sleep": lambda value: value is clients.sleep,
        "logger": lambda value: isinstance(value, clients.Log),
        "metrics": lambda value: isinstance(value, clients.Meter),
        "_events": lambda value: isinstance(value, clients.Events),
        "_sqs": lambda value: isinstance(value, clients.Sqs),
        "_gateway": lambda value: isinstance(value, clients.Gateway),
        "_dynamodb": lambda value: isinstance(value, clients.DynamoDB),
    }
    seen: dict[str, int] = dict.fromkeys(swapped, 0)
    for path, value in held.values():
        for name, each in neighbours(value):
            if name in swapped and not isinstance(each, str | None):
                seen[name] += 1
                assert swapped[name](each), f"{path}.{name} is {each!r}"
    assert min(seen.values()) > 0, seen
    with services.installed():
        apps = [app_of(services, name) for name in services.topology.functions]
    carriers = [app[name] for app in apps for name in ("primary", "fallback") if name in app]
    assert carriers
    assert all(isinstance(each, clients.Carrier) for each in carriers)
    assert {each.name for each in carriers} == {"primary", "fallback"}


def test_no_module_is_imported_while_a_world_runs(ordinary: int) -> None:
    """One that is would take the real sleep for its default."""
    fresh = load(ROOT)
    with fresh.installed():
        for name in fresh.topology.functions:
            fresh.give_back(name, fresh.take(name))
        before = set(ours())
    run(ordinary, fresh)
    with fresh.installed():
        assert set(ours()) == before


def test_the_search_for_real_things_would_find_them() -> None:
    """In the process' own modules, which nobody has swapped."""
    values = [value for _, value in neighbours(ecom_common.publisher.Publisher.__init__)]
    assert REAL_SLEEP in values
    assert "datetime.now" in asked_of(ecom_common.facts.utc_now)  # type: ignore[arg-type]
