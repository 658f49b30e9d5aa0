"""A scratch clone with two releases of payment-service, a stage of its own, and customers who never stop."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
import uuid
from pathlib import Path
from types import TracebackType
from typing import Any

from e2e.system import eventually
from ecom_cli.aws import Stage
from ecom_cli.demo.customers import PASSING
from ecom_cli.git import Git
from ecom_cli.release.making import release
from ecom_cli.release.plan import plan
from ecom_cli.shop.api import Api, ApiError, Line
from ecom_cli.shop.money import to_minor
from ecom_cli.shop.shelves import Item, Shelves
from ecom_cli.shop.tables import ORDERS, PAYMENTS, Row, get_many
from ecom_cli.workspace import load, workspace

SERVICE = "payment-service"
GATEWAY = f"packages/{SERVICE}/src/payment_service/gateway.py"
CHARGE_ID = 'f"ch_{'  # what each release writes into its payments, in another form
CURRENCY, PRICE, PIECES = "USD", "10.00", 100_000
PAUSE_SECONDS = 0.4
WITHIN = 120.0
TRIES = 6
LEFT_OUT = {".ecom", ".venv", ".git", "dist", "__pycache__", ".mypy_cache", ".ruff_cache", ".pytest_cache"}


class Clone:
    """A copy of this repository's files with a history of its own."""

    def __init__(self, root: Path) -> None:
        shutil.copytree(workspace().root, root, ignore=lambda _, names: LEFT_OUT & set(names))
        # zips of what is the same there are built already
        (cache := workspace().state / "build").mkdir(parents=True, exist_ok=True)
        (root / ".ecom").mkdir()
        (root / ".ecom/build").symlink_to(cache)
        self.root, self.git = root, Git(root)
        self.git.run("init", "--quiet", "--initial-branch", "main")
        self.commit("chore: as it is")

    def commit(self, message: str) -> None:
        self.git.run("add", "--all")
        self.git.run("commit", "--quiet", "--message", message)

    def write(self, path: str, old: str, new: str) -> None:
        text = (self.root / path).read_text(encoding="utf-8")
        assert text.count(old) == 1, f"{path} has {old!r} {text.count(old)} times"
        (self.root / path).write_text(text.replace(old, new), encoding="utf-8")

    def released(self) -> str:
        """Release payment-service as its commits ask for, and return the tag. (Its tests run elsewhere.)"""
        repo = load(self.root)
        member = repo.member(SERVICE)
        return release(repo, plan(repo, member, None), lambda _: None, lambda *_: "green").tag

    def ecom(self, *arguments: str) -> Any:
        """Run the clone's own `ecom … --json`; what it printed."""
        aside = {
            name: value for name, value in os.environ.items() if not name.startswith(("AWS_", "PYTHONPATH"))
        }
        done = subprocess.run(
            [sys.executable, "-c", "from ecom_cli.cli import main; main()", *arguments, "--json"],
            cwd=self.root,
            env={**aside, "PYTHONPATH": str(self.root / "tools/ecom/src")},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, done.stderr
        return json.loads(done.stdout)


def clone_with_releases(root: Path) -> Clone:
    """payment-service 1.1.0 and 1.2.0: the first writes charges that begin with `one_`, the second `two_`."""
    clone = Clone(root)
    version = load(root).member(SERVICE).version
    clone.write(f"packages/{SERVICE}/pyproject.toml", f'version = "{version}"', 'version = "1.1.0"')
    clone.write(GATEWAY, CHARGE_ID, 'f"one_{')
    clone.commit(f"chore({SERVICE}): 1.1.0 is what we begin with")
    assert clone.released() == f"{SERVICE}/v1.1.0"
    clone.write(GATEWAY, 'f"one_{', 'f"two_{')
    clone.commit(f"feat({SERVICE}): another form of charges")
    assert clone.released() == f"{SERVICE}/v1.2.0"
    return clone


class Customers:
    """One order after the other until the block ends; who gets no answer tries again with the same key."""

    def __init__(self, stage: Stage) -> None:
        self.stage = stage
        self._item = Item(uuid.uuid4().hex[:10], "mug", to_minor(PRICE, CURRENCY), CURRENCY, PIECES, PIECES)
        assert Shelves(stage).create(self._item)
        self._swept = time.monotonic()
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._order_all, daemon=True)
        self.ids: list[str] = []
        self.problems: list[str] = []

    def __enter__(self) -> Customers:
        self._thread.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._stop.set()
        self._thread.join()

    def wait_for(self, more: int) -> list[str]:
        """Until so many more orders have been placed; their ids."""
        before = len(self.ids)
        eventually(
            lambda: len(self.ids) >= before + more or bool(self.problems),
            lambda: f"{len(self.ids) - before} of {more} orders were taken: {self.problems}",
            within=WITHIN,
        )
        return self.ids[before : before + more]

    def charges(self, ids: list[str]) -> dict[str, str]:
        """The charge of each of these orders, once all are paid."""
        rows: dict[str, Row] = {}

        def paid() -> bool:
            self._sweep()
            rows.update(get_many(self.stage, PAYMENTS, "orderId", ids))
            return all("chargeId" in rows.get(order_id, {}) for order_id in ids)

        eventually(paid, lambda: f"not all of {ids} are paid: {rows}", within=WITHIN)
        return {order_id: str(rows[order_id]["chargeId"]) for order_id in ids}

    def wait_closed(self) -> dict[str, Row]:
        """Until every order is at its end; their rows."""
        rows: dict[str, Row] = {}

        def still_open() -> list[str]:
            self._sweep()
            rows.update(get_many(self.stage, ORDERS, "orderId", self.ids))
            return [order_id for order_id in self.ids if not rows.get(order_id, {}).get("closed")]

        eventually(lambda: not still_open(), lambda: f"still open: {still_open()}", within=WITHIN)
        return rows

    def _sweep(self) -> None:
        """As the schedule does each minute. The emulator ends a function's processes when its code changes: a
        message that one of them had is seen again after three minutes, and the sweeper is quicker.
        """
        if time.monotonic() - self._swept < 1:
            return
        self._swept = time.monotonic()
        name = self.stage.physical_id("order-service", "OrderLambda")
        answer = self.stage.client("lambda").invoke(FunctionName=name, Payload=b'{"sweep": true}')
        assert not answer.get("FunctionError"), answer["Payload"].read()

    def _order_all(self) -> None:
        with Api.of(self.stage) as api:
            while not self._stop.wait(PAUSE_SECONDS):
                try:
                    self.ids.append(self._order(api, uuid.uuid4().hex))
                except ApiError as error:
                    self.problems.append(str(error))
                    return

    def _order(self, api: Api, key: str) -> str:
        for attempt in range(TRIES):
            try:
                answer = api.place([Line(self._item.item_id, 1)], self._item.price, CURRENCY, key)
            except ApiError as error:
                if error.status not in PASSING or attempt == TRIES - 1:
                    raise
                time.sleep(0.2 * 2**attempt)
            else:
                return str(answer.order["orderId"])
        raise AssertionError("unreachable")
