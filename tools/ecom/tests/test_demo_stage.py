"""Which stage the demo orders from, and whether it deploys to it first."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ecom_cli import local
from ecom_cli.demo import command

Ask = Callable[[str | None], list[str]]


@pytest.fixture
def asked(monkeypatch: pytest.MonkeyPatch) -> Ask:
    """What becomes of the stage of this name: brought up, or taken as it stands."""

    def ask(stage: str | None) -> list[str]:
        done: list[str] = []

        def up(*_: object) -> tuple[None]:
            done.append("brought up")
            return (None,)

        monkeypatch.setattr(local, "up", up)
        monkeypatch.setattr(command, "resolve_stage", lambda *_: done.append("as it stands"))
        command._up(stage, None)
        return done

    monkeypatch.delenv("AWS_ENDPOINT_URL", raising=False)
    return ask


def emulator(monkeypatch: pytest.MonkeyPatch, *, runs: bool) -> None:
    monkeypatch.setattr(local, "running_emulator", lambda _: object() if runs else None)


@pytest.mark.parametrize("runs", [True, False])
def test_without_a_name_the_local_stage_is_brought_up(
    asked: Ask, monkeypatch: pytest.MonkeyPatch, runs: bool
) -> None:
    emulator(monkeypatch, runs=runs)
    assert asked(None) == ["brought up"]


def test_what_runs_on_a_named_stage_stays(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator(monkeypatch, runs=True)
    assert asked("local") == ["as it stands"]
    assert asked("dev") == ["as it stands"]


def test_a_local_stage_that_is_down_is_brought_up_by_its_name_too(
    asked: Ask, monkeypatch: pytest.MonkeyPatch
) -> None:
    emulator(monkeypatch, runs=False)
    assert asked("local") == ["brought up"]
    assert asked("dev") == ["as it stands"]


def test_another_emulator_is_left_as_it_is(asked: Ask, monkeypatch: pytest.MonkeyPatch) -> None:
    emulator(monkeypatch, runs=False)
    monkeypatch.setenv("AWS_ENDPOINT_URL", "http://127.0.0.1:1")
    assert asked(None) == asked("local") == ["as it stands"]
