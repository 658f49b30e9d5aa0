"""A private emulator with all five stacks on it, and a shop for each test."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from e2e.shop import Shop
from e2e.system import System

HERE = Path(__file__).parent
LAST = "test_the_calls_are_those_that_are_checked_in"


NARROWED = pytest.StashKey[bool]()


def pytest_deselected(items: list[pytest.Item]) -> None:
    for item in items:
        item.config.stash[NARROWED] = True


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if HERE in item.path.parents:
            item.add_marker(pytest.mark.e2e)
    # stable: only what looks at the whole run goes to its end
    items.sort(key=lambda item: item.name == LAST)


@pytest.fixture(scope="session")
def whole_run(request: pytest.FixtureRequest) -> bool:
    """Whether every end-to-end test runs: none was deselected, no file left out, none has failed."""
    session, config = request.session, request.config
    picked = any("::" in argument for argument in config.args) or hasattr(config, "workerinput")
    complete = set(HERE.glob("test_*.py")) <= {item.path for item in session.items}
    return complete and not (picked or config.stash.get(NARROWED, False) or session.testsfailed)


@pytest.fixture(scope="session")
def system(tmp_path_factory: pytest.TempPathFactory) -> Iterator[System]:
    """The system that all tests share, each with items and orders of its own."""
    with System.launched(tmp_path_factory.mktemp("emulator")) as launched:
        yield launched


@pytest.fixture
def shop(system: System) -> Iterator[Shop]:
    opened = Shop(system)
    yield opened
    opened.close()
