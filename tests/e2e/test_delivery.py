"""One team's releases go out and come back, on a stage beside another one, and no order is lost."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from e2e.delivery import SERVICE, Clone, Customers, clone_with_releases
from e2e.system import System
from ecom_cli.aws import Stage
from ecom_cli.delivery.deploy import deploy
from ecom_cli.delivery.destroy import destroy
from ecom_cli.delivery.stacks import Stack
from ecom_cli.demo.invariants import broken, messages
from ecom_cli.demo.run import read_tables
from ecom_cli.progress import Reporter
from ecom_cli.workspace import load

QUIET = Reporter(quiet=True)
STACKS = ("base-infra", "order-service", "inventory-service", f"{SERVICE}@1.1.0", "shipping-service")
NOTHING_FAILS = {
    "DeclineRatePercent": "0",
    "CarrierFailureRatePercent": "0",
    "RetryBaseSeconds": "1",
    # the sweeper runs when the test says so
    "SweepState": "DISABLED",
    "ResendAfterSeconds": "1",
}


@pytest.fixture(scope="module")
def clone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Clone]:
    with pytest.MonkeyPatch.context() as patch:
        for who in ("AUTHOR", "COMMITTER"):
            patch.setenv(f"GIT_{who}_NAME", "Team")
            patch.setenv(f"GIT_{who}_EMAIL", "team@example.com")
        patch.setenv("GIT_CONFIG_GLOBAL", os.devnull)
        yield clone_with_releases(Path(tmp_path_factory.mktemp("delivery")) / "clone")


@pytest.fixture(scope="module")
def beside(system: System, clone: Clone) -> Stage:
    """A second stage on the same emulator, with payment-service 1.1.0. Orders have to be signed there."""
    stage = Stage("beside", system.stage.region, system.stage.endpoint_url, own_emulator=True)
    deploy(stage, STACKS, NOTHING_FAILS, QUIET, load(clone.root))
    return stage


def told(clone: Clone, stage: Stage) -> dict[str, Any]:
    """What `./ecom releases --json` says of payment-service."""
    place = ("--stage", stage.name, "--region", stage.region, "--endpoint-url", str(stage.endpoint_url))
    (found,) = clone.ecom("releases", *place)["stages"]
    (service,) = [each for each in found["services"] if each["service"] == SERVICE]
    return {key: service[key] for key in ("release", "newest", "behind", "previous", "other_code")}


def test_releases_go_out_and_back_while_orders_flow(clone: Clone, beside: Stage) -> None:
    place = ("--stage", beside.name, "--region", beside.region, "--endpoint-url", str(beside.endpoint_url))
    one, two = f"{SERVICE}/v1.1.0", f"{SERVICE}/v1.2.0"
    alike = {"newest": "1.2.0", "other_code": []}
    with Customers(beside) as customers:
        assert told(clone, beside) == {"release": one, "behind": 1, "previous": [], **alike}
        first = customers.charges(customers.wait_for(5))

        (done,) = clone.ecom("deploy", f"{SERVICE}@1.2.0", *place)["stacks"]
        assert (done["status"], done["release"]) == ("updated", two)
        assert told(clone, beside) == {"release": two, "behind": 0, "previous": [one], **alike}
        second = customers.charges(customers.wait_for(5))

        (done,) = clone.ecom("rollback", SERVICE, *place)["stacks"]
        assert (done["status"], done["release"]) == ("updated", one)
        assert told(clone, beside) == {"release": one, "behind": 1, "previous": [], **alike}
        third = customers.charges(customers.wait_for(5))
    assert customers.problems == []
    ends = {row["status"] for row in customers.wait_closed().values()}
    assert ends == {"SHIPPED"}, f"of {len(customers.ids)} orders"
    for charges, form in ((first, "one_"), (second, "two_"), (third, "one_")):
        assert {charge[:4] for charge in charges.values()} == {form}
    assert messages(broken(read_tables(beside))) == []


def test_stages_beside_each_other_share_nothing(system: System, clone: Clone, beside: Stage) -> None:
    """An order here changes nothing there, and what is destroyed here stays there."""
    system.wait_quiet()
    before, heard = read_tables(system.stage), len(system.tap.all())
    with Customers(beside) as customers:
        customers.wait_for(3)
    customers.wait_closed()
    assert read_tables(system.stage).orders == before.orders
    assert read_tables(system.stage).items == before.items
    assert len(system.tap.all()) == heard

    done = destroy(beside, report=QUIET, repo=load(clone.root))
    assert {stack.status for stack in done} == {"deleted", "absent"}
    for stack in done:
        assert Stack(beside, stack.stack).describe() is None
    left = system.stage.client("dynamodb").list_tables()["TableNames"]
    assert not [name for name in left if name.startswith(f"ecom-{beside.name}-")]
    assert Stack(system.stage, system.stage.stack_name(SERVICE)).status in (
        "CREATE_COMPLETE",
        "UPDATE_COMPLETE",
    )
    assert read_tables(system.stage).orders == before.orders
    with Customers(system.stage) as customers:
        customers.wait_for(2)
    customers.wait_closed()
