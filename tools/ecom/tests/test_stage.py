"""Which stage a command acts on: the difference between a laptop and somebody's account."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecom_cli.aws import Stage, resolve_stage
from ecom_cli.errors import EcomError
from ecom_cli.localstate import EmulatorState, process_born, read_state, running_emulator, write_state

EMULATOR = "http://127.0.0.1:4566"


def recorded(folder: Path, *, pid: int | None = None, born: str | None = None) -> EmulatorState:
    """Record this test's process as the running emulator, or whatever is given."""
    pid = pid or os.getpid()
    state = EmulatorState(pid, born or str(process_born(pid)), 4599, "http://127.0.0.1:4599", "eu-west-1")
    write_state(folder, state)
    return state


def test_on_an_emulator_the_stage_is_local_and_the_region_has_a_default(tmp_path: Path):
    stage = resolve_stage(endpoint_url=EMULATOR + "/", state_folder=tmp_path)
    assert stage == Stage("local", "eu-central-1", EMULATOR)
    assert stage.is_emulator


def test_the_environment_names_the_endpoint_and_an_option_is_stronger(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", EMULATOR)
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    assert resolve_stage(state_folder=tmp_path) == Stage("local", "us-east-1", EMULATOR)
    other = resolve_stage("test", "eu-west-3", "http://127.0.0.1:1", state_folder=tmp_path)
    assert other == Stage("test", "eu-west-3", "http://127.0.0.1:1")


def test_on_aws_the_stage_is_dev(tmp_path):
    assert resolve_stage(region="eu-west-1", state_folder=tmp_path) == Stage("dev", "eu-west-1")


def test_an_amazon_endpoint_is_aws_not_an_emulator(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_ENDPOINT_URL", "https://cloudformation.eu-west-1.amazonaws.com")
    assert not resolve_stage(region="eu-west-1", state_folder=tmp_path).is_emulator


def test_the_profiles_endpoint_counts(tmp_path, monkeypatch):
    config = tmp_path / "config"
    config.write_text(f"[default]\nregion = eu-west-2\nendpoint_url = {EMULATOR}\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert resolve_stage(state_folder=tmp_path) == Stage("local", "eu-central-1", EMULATOR)


def test_the_profiles_region_counts_on_aws(tmp_path, monkeypatch):
    config = tmp_path / "config"
    config.write_text("[default]\nregion = eu-west-2\n")
    monkeypatch.setenv("AWS_CONFIG_FILE", str(config))
    assert resolve_stage(state_folder=tmp_path) == Stage("dev", "eu-west-2")


def test_the_running_local_emulator_is_found_with_its_region(tmp_path, monkeypatch):
    monkeypatch.setenv("AWS_REGION", "us-east-1")
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "a-real-key")
    state = recorded(tmp_path)
    stage = resolve_stage(state_folder=tmp_path)
    assert (stage.name, stage.region, stage.endpoint_url) == ("local", "eu-west-1", state.endpoint_url)
    assert stage.own_emulator
    assert stage.credentials()["aws_access_key_id"] == "test"


def test_a_stage_asked_for_by_name_is_on_aws_while_the_local_one_runs(tmp_path):
    recorded(tmp_path)
    assert resolve_stage("dev", "eu-west-1", state_folder=tmp_path) == Stage("dev", "eu-west-1")


def test_another_emulator_is_not_taken_for_the_own(tmp_path):
    recorded(tmp_path)
    stage = resolve_stage(endpoint_url=EMULATOR, state_folder=tmp_path)
    assert (stage.endpoint_url, stage.own_emulator, stage.region) == (EMULATOR, False, "eu-central-1")


def test_the_open_local_stage_is_refused_on_aws(tmp_path):
    with pytest.raises(EcomError, match="open to all") as caught:
        resolve_stage("local", "eu-west-1", state_folder=tmp_path)
    assert "./ecom up" in caught.value.hint


def test_no_region_on_aws_is_an_error_that_says_what_to_do(tmp_path):
    with pytest.raises(EcomError, match="No AWS region") as caught:
        resolve_stage(state_folder=tmp_path)
    assert "AWS_REGION" in caught.value.hint


@pytest.mark.parametrize("name", ["", "Dev", "1a", "a_b", "a" * 21, "dev/../prod", "production", "prod2"])
def test_names_that_no_stack_could_carry_are_refused(tmp_path, name):
    with pytest.raises(EcomError, match="is not a stage name"):
        resolve_stage(name, "eu-west-1", state_folder=tmp_path)


def test_an_endpoint_that_is_no_url_is_refused(tmp_path):
    with pytest.raises(EcomError, match="is not a URL"):
        resolve_stage(endpoint_url="localhost", state_folder=tmp_path)


def test_credentials_of_the_environment_are_used_on_an_emulator_that_somebody_else_started(monkeypatch):
    stage = Stage("local", "eu-west-1", EMULATOR)
    assert stage.credentials() == {"aws_access_key_id": "test", "aws_secret_access_key": "test"}
    monkeypatch.setenv("AWS_ACCESS_KEY_ID", "theirs")
    assert stage.credentials() == {}


def test_on_aws_credentials_are_left_to_the_usual_chain():
    assert Stage("dev", "eu-west-1").credentials() == {}


def test_a_process_that_is_gone_is_no_running_emulator(tmp_path):
    child = subprocess.Popen([sys.executable, "-c", "pass"])
    born = process_born(child.pid)
    child.wait()
    recorded(tmp_path, pid=child.pid, born=born or "long ago")
    assert running_emulator(tmp_path) is None


def test_another_process_with_the_recorded_pid_is_no_running_emulator(tmp_path):
    recorded(tmp_path, born="before the last reboot")
    assert running_emulator(tmp_path) is None


def test_a_damaged_record_counts_as_none(tmp_path):
    recorded(tmp_path)
    file = tmp_path / "emulator" / "state.json"
    file.write_text(file.read_text()[:20])
    assert read_state(tmp_path) is None
    file.write_text('{"unknown": 1}')
    assert read_state(tmp_path) is None
