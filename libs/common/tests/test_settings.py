"""A function that is told too little does not start, and says what is missing."""

from __future__ import annotations

from dataclasses import dataclass

import pytest

from ecom_common.settings import Settings, SettingsError
from ecom_testkit import lambda_environment


@dataclass(frozen=True)
class More(Settings):
    cancel_after_seconds: int
    greeting: str = "hello"
    limit: int = 3


def test_every_field_is_read_with_its_type() -> None:
    settings = More.from_env(lambda_environment("a", CANCEL_AFTER_SECONDS="900"))
    assert settings.cancel_after_seconds == 900
    assert settings.retry_base_seconds == 5
    assert settings.table_name == "table"
    assert (settings.greeting, settings.limit) == ("hello", 3)


def test_a_default_can_be_overridden() -> None:
    env = lambda_environment("a", CANCEL_AFTER_SECONDS="1", GREETING="hi", LIMIT="7")
    assert (More.from_env(env).greeting, More.from_env(env).limit) == ("hi", 7)


def test_all_that_is_wrong_is_named_at_once() -> None:
    env = lambda_environment("a", CANCEL_AFTER_SECONDS="soon", TABLE_NAME="")
    del env["KMS_KEY_ARN"]
    with pytest.raises(SettingsError) as error:
        More.from_env(env)
    assert set(str(error.value).split("; ")) == {
        "TABLE_NAME is missing",
        "KMS_KEY_ARN is missing",
        "CANCEL_AFTER_SECONDS is not a whole number",
    }


@pytest.mark.parametrize("value", ["-1", "1.5", "1e3", " 5", "0x10", "five"])
def test_a_number_is_a_whole_number(value: str) -> None:
    with pytest.raises(SettingsError, match="RETRY_BASE_SECONDS is not a whole number"):
        Settings.from_env(lambda_environment("a", RETRY_BASE_SECONDS=value))


def test_zero_is_a_number_and_not_missing() -> None:
    assert Settings.from_env(lambda_environment("a", RETRY_BASE_SECONDS="0")).retry_base_seconds == 0


def test_a_wrong_value_is_not_quoted() -> None:
    """It may be a secret in the wrong variable."""
    with pytest.raises(SettingsError) as error:
        Settings.from_env(lambda_environment("a", RETRY_BASE_SECONDS="hunter2"))
    assert "hunter2" not in str(error.value)
