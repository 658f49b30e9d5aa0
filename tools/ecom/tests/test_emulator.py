"""Starting, finding and stopping the emulator: no process is left over, no other one is touched."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from ecom_cli import emulator, local
from ecom_cli.aws import Stage
from ecom_cli.emulator import _last_port, check_answers
from ecom_cli.errors import EcomError
from ecom_cli.localstate import EmulatorState, process_born, read_state, running_emulator, write_state
from ecom_cli.workspace import Workspace


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A state folder of its own (with the real environment), in a path with a space in it."""
    real = emulator.environment()
    state = tmp_path / "with a space" / ".ecom"
    monkeypatch.setattr(emulator, "workspace", lambda: Workspace(state.parent, ()))
    monkeypatch.setattr(emulator, "environment", lambda: real)
    yield state
    emulator.down()


def children(pid: int) -> list[int]:
    done = subprocess.run(["pgrep", "-g", str(pid)], capture_output=True, text=True, check=False)
    return [int(word) for word in done.stdout.split() if int(word) != pid]


def test_it_starts_once_is_found_and_stops(home):
    state, started = emulator.ensure_started()
    assert started
    assert running_emulator(home) == state
    assert emulator.answers(state.endpoint_url, seconds=5)
    assert emulator.ensure_started() == (state, False)
    assert emulator.down()
    assert process_born(state.pid) != state.born
    assert not emulator.answers(state.endpoint_url, seconds=1)
    assert running_emulator(home) is None
    assert not emulator.down()


def test_it_listens_on_this_machine_only(home):
    state, _ = emulator.ensure_started()
    socket.create_connection(("127.0.0.1", state.port), timeout=2).close()
    # all of 127.0.0.0/8 is this machine on Linux: whoever listens on every address answers here too
    with pytest.raises(OSError, match=r"refused|unreachable|timed out|assign"):
        socket.create_connection(("127.0.0.2", state.port), timeout=2)


def test_it_comes_back_on_the_same_port(home):
    first, _ = emulator.ensure_started()
    emulator.down()
    second, _ = emulator.ensure_started()
    assert second.port == first.port
    assert second.pid != first.pid


def test_it_takes_another_port_where_its_own_is_taken(home):
    first, _ = emulator.ensure_started()
    emulator.down()
    with socket.socket() as other:
        other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        other.bind(("127.0.0.1", first.port))
        other.listen()
        second, _ = emulator.ensure_started()
    assert second.port != first.port


def test_one_that_was_killed_is_noticed_and_started_again(home):
    first, _ = emulator.ensure_started()
    os.kill(first.pid, signal.SIGKILL)
    while process_born(first.pid) == first.born:
        time.sleep(0.02)
    second, started = emulator.ensure_started()
    assert started
    assert second.pid != first.pid


def test_a_process_that_got_the_recorded_pid_is_left_alone(home):
    bystander = subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"])
    try:
        write_state(
            home, EmulatorState(bystander.pid, "another time", 1, "http://127.0.0.1:1", "eu-central-1")
        )
        assert not emulator.down()
        assert bystander.poll() is None
        assert read_state(home) is None
    finally:
        bystander.kill()
        bystander.wait()


def test_one_that_runs_but_does_not_answer_is_an_error_that_says_what_to_do(home):
    mute = EmulatorState(os.getpid(), str(process_born(os.getpid())), 1, "http://127.0.0.1:1", "eu-central-1")
    write_state(home, mute)
    try:
        with pytest.raises(EcomError, match="does not answer") as caught:
            emulator.ensure_started()
        assert "./ecom down" in caught.value.hint
    finally:
        (home / "emulator" / "state.json").unlink()  # or the fixture would stop this very process


def test_one_that_cannot_start_shows_its_log(home, monkeypatch, tmp_path):
    fake = tmp_path / "env" / "bin" / "python"
    fake.parent.mkdir(parents=True)
    fake.write_text("#!/bin/sh\necho no such luck\nexit 3\n")
    fake.chmod(0o755)
    monkeypatch.setattr(emulator, "environment", lambda: tmp_path / "env")
    with pytest.raises(EcomError, match="does not start") as caught:
        emulator.ensure_started()
    assert "no such luck" in caught.value.hint
    assert read_state(home) is None


def test_the_functions_processes_end_with_it(home, zip_repo):
    from ecom_cli.delivery.deploy import deploy
    from ecom_cli.progress import Reporter

    state, _ = emulator.ensure_started()
    stage = Stage("local", "eu-central-1", state.endpoint_url)
    deploy(stage, report=Reporter(quiet=True), repo=zip_repo())
    stage.client("lambda").invoke(FunctionName=stage.physical_id("toy-service", "ToyLambda"))
    workers = children(state.pid)
    assert workers
    emulator.down()
    assert not [pid for pid in workers if process_born(pid)]


def test_one_that_does_not_end_when_asked_is_killed_with_its_children(monkeypatch):
    monkeypatch.setattr(emulator, "STOP_SECONDS", 0.3)
    stubborn = subprocess.Popen(
        ["sh", "-c", "trap '' TERM; sleep 60 & echo $!; wait; sleep 60"],
        stdout=subprocess.PIPE,
        start_new_session=True,
    )
    assert stubborn.stdout
    child = int(stubborn.stdout.readline())
    emulator.stop(stubborn.pid)
    assert stubborn.wait(timeout=5) == -signal.SIGKILL
    stubborn.stdout.close()
    for _ in range(100):
        if process_born(child) is None:
            break
        time.sleep(0.02)
    assert process_born(child) is None


def test_a_private_one_ends_when_its_owner_is_killed():
    script = (
        "import sys, time\n"
        "from ecom_cli.emulator import private_emulator\n"
        "with private_emulator() as url:\n"
        "    print(url, flush=True)\n"
        "    time.sleep(60)\n"
    )
    owner = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert owner.stdout
    url = owner.stdout.readline().strip()
    assert emulator.answers(url, seconds=5)
    owner.kill()
    owner.communicate()
    deadline = time.monotonic() + 10
    while emulator.answers(url, seconds=1) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not emulator.answers(url, seconds=1)


def test_its_surroundings_know_nothing_of_the_users_aws_settings(home, monkeypatch):
    monkeypatch.setenv("AWS_PROFILE", "real-account")
    monkeypatch.setenv("AWS_SESSION_TOKEN", "real-token")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy.example:1")
    state, _ = emulator.ensure_started()
    environ = Path(f"/proc/{state.pid}/environ")
    if not environ.exists():
        pytest.skip("no /proc here")
    settings = dict(pair.partition("=")[::2] for pair in environ.read_text().split("\0") if pair)
    assert not {"AWS_PROFILE", "AWS_SESSION_TOKEN", "HTTPS_PROXY"} & set(settings)
    assert settings["AWS_ENDPOINT_URL"] == state.endpoint_url
    assert (settings["BIND_HOST"], settings["AUTH"]) == ("127.0.0.1", "true")


def test_the_status_of_a_stage_counts_messages(emulator, make_repo, monkeypatch):
    import uuid

    from ecom_cli.delivery.deploy import deploy
    from ecom_cli.progress import Reporter

    queue = "Parameters: {Stage: {Type: String}}\nResources: {Inbox: {Type: 'AWS::SQS::Queue'}}\n"
    repo = make_repo(a_service=queue)
    monkeypatch.setattr(local, "workspace", lambda: repo)
    stage = Stage(f"t{uuid.uuid4().hex[:12]}", "eu-central-1", emulator)
    assert not local.status(stage).running
    deploy(stage, report=Reporter(quiet=True), repo=repo)
    stage.client("sqs").send_message(QueueUrl=stage.physical_id("a-service", "Inbox"), MessageBody="x")
    found = local.status(stage)
    assert found.running
    assert {(s.service, s.status, s.version) for s in found.stacks} == {
        ("base-infra", "CREATE_COMPLETE", "0.1.0"),
        ("a-service", "CREATE_COMPLETE", "0.1.0"),
    }
    assert [(q.logical_id, q.visible, q.in_flight) for q in found.queues] == [("Inbox", 1, 0)]
    assert found.as_json()["endpoint_url"] == emulator


@pytest.mark.parametrize("note", ["", "x", "8080.5"])
def test_a_damaged_note_of_the_last_port_counts_as_none(tmp_path, note):
    (tmp_path / "port").write_text(note)
    assert _last_port(tmp_path / "port") is None
    (tmp_path / "port").write_text("8080")
    assert _last_port(tmp_path / "port") == 8080
    assert _last_port(tmp_path / "nothing") is None


def test_an_emulator_that_is_deaf_is_told_at_once():
    with pytest.raises(EcomError, match="does not answer"):
        check_answers("http://127.0.0.1:9")
