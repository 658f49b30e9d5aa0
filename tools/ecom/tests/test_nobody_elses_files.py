"""The tests of this package are run when this package changes; so they read no other's files in secret."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecom_cli.workspace import workspace

SERVICE = workspace().member("payment-service").folder


@pytest.mark.parametrize("name", ["payment-stack.yaml", "src/payment_service/model.py", "catalogue.json"])
def test_what_is_not_declared_cannot_be_read(name: str) -> None:
    with pytest.raises(
        RuntimeError, match=rf"packages/payment-service/{name} is read, and `./ecom affected`"
    ):
        (SERVICE / name).read_text(encoding="utf-8")


def test_what_is_declared_can_be_read() -> None:
    assert (SERVICE / "pyproject.toml").read_text(encoding="utf-8")


def test_other_files_can_be_read(tmp_path: Path) -> None:
    (tmp_path / "packages").write_text("a", encoding="utf-8")
    assert (tmp_path / "packages").read_text(encoding="utf-8") == "a"
