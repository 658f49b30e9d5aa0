"""Who may import whom, read from the syntax tree: no import is too hidden to count."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent

SERVICES = ("order_service", "inventory_service", "payment_service", "shipping_service")
TOOLS = ("ecom_cli", "ecom_testkit")

ROOMS: dict[str, frozenset[str]] = {
    # puts the parts together, so it may see every room
    "app": frozenset({"handlers", "sweeper", "store", "events", "model", "gateway", "carrier", "http"}),
    "handlers": frozenset({"model", "store", "events", "gateway", "carrier", "http", "intake"}),
    # handles the third input of orders, the schedule's
    "sweeper": frozenset({"model", "store", "events"}),
    "store": frozenset({"model"}),
    "events": frozenset({"model"}),
    # what the outside world looks like: interfaces with a simulated implementation
    "gateway": frozenset({"model"}),
    "carrier": frozenset({"model"}),
    # what a request may say
    "intake": frozenset({"model"}),
    "http": frozenset(),
    "model": frozenset(),
    "__init__": frozenset(),
}
"""Room → the rooms of the same service it may import."""

PURE_COMMON = frozenset({"facts", "retention", "errors"})
"""What `model` may use of ecom_common: names, times and errors, nothing that acts."""

IMPURE = frozenset(
    {
        "asyncio", "boto3", "botocore", "aws_lambda_powertools", "http", "httpx", "io", "logging", "os",
        "random", "requests", "secrets", "shutil", "socket", "ssl", "subprocess", "sys", "tempfile",
        "threading", "time", "urllib", "urllib3",
    }
)  # fmt: skip
"""What `model` may not import: the cloud, the clock, chance, the machine."""

CLOCK_AND_CHANCE = frozenset({"now", "utcnow", "today", "utc_now", "uuid1", "uuid4"})
"""What `model` may not call, wherever it comes from."""


@dataclass(frozen=True)
class Import:
    """One imported module, as dotted names from the top, and the line that says so."""

    module: str
    line: int

    @property
    def top(self) -> str:
        return self.module.split(".", 1)[0]


def imports(tree: ast.AST, package: str) -> Iterator[Import]:
    """Every module a file imports: at the top, in functions, for type checking, relative, by name."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield Import(alias.name, node.lineno)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, (package, node.module))) if node.level else node.module or ""
            # `from package import room` imports the room
            for alias in node.names:
                yield Import(f"{base}.{alias.name}", node.lineno)
        elif isinstance(node, ast.Call) and node.args:
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            first = node.args[0]
            by_name = isinstance(first, ast.Constant) and isinstance(first.value, str)
            if name in ("import_module", "__import__") and by_name:
                yield Import(str(first.value), node.lineno)  # type: ignore[attr-defined]


def violations(root: Path) -> list[str]:
    """Every import that the house forbids, as `file:line what`. `root` is the repository."""
    return [
        f"{path.relative_to(root)}:{line} {what}"
        for path, package in _sources(root)
        for line, what in _violations_of(path, package)
    ]


def _sources(root: Path) -> Iterator[tuple[Path, str]]:
    for source in sorted(
        (*root.glob("packages/*/src/*"), *root.glob("libs/*/src/*"), *root.glob("tools/*/src/*"))
    ):
        for path in sorted(source.rglob("*.py")):
            yield path, source.name


def _violations_of(path: Path, package: str) -> Iterator[tuple[int, str]]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    room = path.stem
    for imported in imports(tree, package):
        if imported.top in SERVICES and imported.top != package:
            yield imported.line, f"{package} imports {imported.top}"
        if imported.top in TOOLS and package in (*SERVICES, "ecom_common"):
            yield imported.line, f"{package} imports {imported.top}, which is not in its zip"
        if package in SERVICES:
            yield from _between_rooms(imported, package, room)
            if room == "model":
                yield from _impure(imported)
    if package in SERVICES:
        if room not in ROOMS:
            yield 1, f"{room} is a room this house does not know: say in ROOMS what it may import"
        if room == "model":
            yield from _calls_clock_or_chance(tree)


def _between_rooms(imported: Import, package: str, room: str) -> Iterator[tuple[int, str]]:
    if imported.top == package:
        parts = imported.module.split(".")
        other = parts[1] if len(parts) > 1 else "__init__"
        if other not in ROOMS.get(room, frozenset()):
            yield imported.line, f"{room} imports {other}"


def _impure(imported: Import) -> Iterator[tuple[int, str]]:
    if imported.top in IMPURE:
        yield imported.line, f"model imports {imported.top}"
    parts = imported.module.split(".")
    if imported.top == "ecom_common" and (len(parts) < 2 or parts[1] not in PURE_COMMON):
        yield imported.line, f"model imports {imported.module}"


def _calls_clock_or_chance(tree: ast.AST) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            name = getattr(node.func, "attr", getattr(node.func, "id", ""))
            if name in CLOCK_AND_CHANCE:
                yield node.lineno, f"model calls {name}(): the caller passes time and chance in"


def test_imports_go_one_way() -> None:
    assert violations(ROOT) == []


def test_every_service_has_the_same_rooms() -> None:
    for service in SERVICES:
        folder = ROOT / "packages" / service.replace("_", "-") / "src" / service
        found = {path.stem for path in folder.glob("*.py")}
        assert {"app", "handlers", "model", "store", "events"} <= found, service


ORDER = "packages/order-service/src/order_service"
COMMON = "libs/common/src/ecom_common"
CLI = "tools/ecom/src/ecom_cli"


@pytest.mark.parametrize(
    ("file", "code", "said"),
    [
        (f"{ORDER}/handlers.py", "import payment_service.model", ":1 order_service imports payment_service"),
        (f"{ORDER}/app.py", "def f():\n    from payment_service import model", ":2 order_service imports"),
        (
            f"{ORDER}/store.py",
            "\nimportlib.import_module('shipping_service.model')",
            "imports shipping_service",
        ),
        (f"{ORDER}/app.py", "from ecom_cli.shop.money import shown", "ecom_cli, which is not in its zip"),
        (f"{COMMON}/worker.py", "from inventory_service.model import Line", "imports inventory_service"),
        (f"{COMMON}/facts.py", "import ecom_testkit", "ecom_testkit, which is not in its zip"),
        (f"{CLI}/stock.py", "from inventory_service import model", "ecom_cli imports inventory_service"),
        (f"{ORDER}/model.py", "from order_service.store import Orders", "model imports store"),
        (f"{ORDER}/model.py", "from . import store", "model imports store"),
        (f"{ORDER}/model.py", "from .events import SOURCE", "model imports events"),
        (f"{ORDER}/handlers.py", "from order_service import app", "handlers imports app"),
        (f"{ORDER}/store.py", "from order_service.events import SOURCE", "store imports events"),
        (f"{ORDER}/events.py", "from order_service.handlers import x", "events imports handlers"),
        (f"{ORDER}/model.py", "import boto3", "model imports boto3"),
        (f"{ORDER}/model.py", "import time as t", "model imports time"),
        (f"{ORDER}/model.py", "from random import random", "model imports random"),
        (f"{ORDER}/model.py", "if TYPE_CHECKING:\n    import botocore", ":2 model imports botocore"),
        (f"{ORDER}/model.py", "from ecom_common.clients import client", "model imports ecom_common.clients"),
        (f"{ORDER}/model.py", "import datetime as d\nd.datetime.now()", ":2 model calls now()"),
        (f"{ORDER}/model.py", "from uuid import uuid4\nuuid4()", "model calls uuid4()"),
        (f"{ORDER}/attic.py", "", "attic is a room this house does not know"),
    ],
)
def test_the_check_sees(tmp_path: Path, file: str, code: str, said: str) -> None:
    path = tmp_path / file
    path.parent.mkdir(parents=True)
    path.write_text(code, encoding="utf-8")

    found = violations(tmp_path)

    assert any(said in each for each in found), found


def test_the_check_lets_pass_what_is_allowed(tmp_path: Path) -> None:
    folder = tmp_path / "packages" / "a" / "src" / "order_service"
    folder.mkdir(parents=True)
    (folder / "app.py").write_text("from order_service.handlers import x\nimport os", encoding="utf-8")
    (folder / "handlers.py").write_text(
        "from order_service import events, model\nimport time", encoding="utf-8"
    )
    (folder / "model.py").write_text(
        "import uuid\nfrom datetime import timedelta\nfrom ecom_common.facts import parse_iso",
        encoding="utf-8",
    )

    assert violations(tmp_path) == []
