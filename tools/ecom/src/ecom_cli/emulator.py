"""The emulator on this machine: its environment, its process, and what `ecom up` leaves running."""

from __future__ import annotations

import json
import os
import shutil
import signal
import socket
import subprocess  # nosec B404  # it starts the emulator
import tempfile
import time
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path

from ecom_cli import environments
from ecom_cli.aws import EMULATOR_KEY, EMULATOR_REGION
from ecom_cli.errors import EcomError
from ecom_cli.localstate import (
    EmulatorState,
    forget_state,
    process_born,
    running_emulator,
    write_state,
)
from ecom_cli.workspace import workspace

REQUIREMENTS = Path(__file__).with_name("emulator-requirements.txt")
HOST = "127.0.0.1"  # never another: whoever reaches the emulator runs code here
START_SECONDS = 30.0
STOP_SECONDS = 10.0
# what a Python needs of its surroundings to start; nothing of the user's AWS settings or proxies goes along
_PASSED_ON = ("PATH", "LANG", "LC_ALL", "LD_LIBRARY_PATH", "DYLD_LIBRARY_PATH", "SSL_CERT_FILE", "SYSTEMROOT")

# Runs the emulator, and ends it with all its children when whoever started it is gone, however that ended:
# then nobody holds the other end of stdin any more.
_LEASHED = """
import os, runpy, signal, threading
def watch():
    os.read(0, 1)
    os.killpg(os.getpgrp(), signal.SIGKILL)
threading.Thread(target=watch, daemon=True).start()
runpy.run_module("ministack", run_name="__main__", alter_sys=True)
"""


@dataclass(frozen=True)
class Running:
    """A started emulator process. `folder` holds its temporary files and `ministack.log`."""

    process: subprocess.Popen[bytes]
    port: int
    endpoint_url: str
    folder: Path


def home() -> Path:
    """The git-ignored folder of the emulator's environment and state."""
    return workspace().state / "emulator"


def log_path() -> Path:
    return home() / "run" / "ministack.log"


def environment() -> Path:
    """The emulator's own virtual environment, made at the first call (some seconds and 60 MB)."""
    return environments.environment(home(), REQUIREMENTS)


def start(
    folder: Path,
    *,
    port: int | None = None,
    region: str = EMULATOR_REGION,
    outlives: bool = False,
    inherited: Mapping[str, str] | None = None,
) -> Running:
    """Start an emulator that keeps its files in `folder`, and wait until it answers.

    It ends with this process (keep the answer as long as you need it), unless it `outlives` it.
    Takes `port` if that is free, else any. The functions' processes find what is `inherited` in their
    environment. Raises EcomError with the end of its log when it does not start.
    """
    python = environment() / "bin" / "python"
    scratch = folder / "tmp"
    scratch.mkdir(parents=True, exist_ok=True)
    log = folder / "ministack.log"
    for attempt in (port, None, None):
        number = attempt if attempt and _is_free(attempt) else _free_port()
        running = _spawn(python, folder, scratch, log, number, region, outlives, inherited or {})
        if _answers_in_time(running):
            return running
        stop(running.process.pid)
    raise EcomError("The emulator does not start.", f"{_tail(log)}\n(the end of {log})")


def _spawn(
    python: Path,
    folder: Path,
    scratch: Path,
    log: Path,
    port: int,
    region: str,
    outlives: bool,
    inherited: Mapping[str, str],
) -> Running:
    endpoint = f"http://{HOST}:{port}"
    settings = {key: os.environ[key] for key in _PASSED_ON if key in os.environ}
    settings |= {
        **inherited,
        "HOME": str(folder),
        "TMPDIR": str(scratch),
        "GATEWAY_PORT": str(port),
        "BIND_HOST": HOST,
        "AUTH": "true",
        "IOT_MTLS_ENABLED": "0",
        "SFTP_ENABLED": "0",
        "LAMBDA_EXECUTOR": "local",
        "LOG_LEVEL": "INFO",
        # the functions' processes inherit these, and reach the emulator by them
        "AWS_ENDPOINT_URL": endpoint,
        "AWS_ACCESS_KEY_ID": EMULATOR_KEY,
        "AWS_SECRET_ACCESS_KEY": EMULATOR_KEY,
        "AWS_REGION": region,
        "AWS_DEFAULT_REGION": region,
        "MINISTACK_REGION": region,
        "AWS_EC2_METADATA_DISABLED": "true",
        "PYTHONUNBUFFERED": "1",
    }
    with log.open("wb") as output:
        process = subprocess.Popen(  # nosec B603  # the emulator, in an environment of its own
            [str(python), "-m", "ministack"] if outlives else [str(python), "-c", _LEASHED],
            cwd=folder,
            env=settings,
            stdin=subprocess.DEVNULL if outlives else subprocess.PIPE,
            stdout=output,
            stderr=subprocess.STDOUT,
            start_new_session=True,  # Ctrl-C here is not for it, and its children can be ended as a group
        )
    return Running(process, port, endpoint, folder)


def stop(pid: int) -> None:
    """End an emulator (at most 10 seconds are given to it), then the processes of functions that it left."""
    born = process_born(pid)
    if born is not None:
        os.kill(pid, signal.SIGTERM)
    deadline = time.monotonic() + STOP_SECONDS
    while born is not None and process_born(pid) == born and time.monotonic() < deadline:
        time.sleep(0.05)
    try:
        os.killpg(pid, signal.SIGKILL)  # the group outlives its leader while a child is left
    except (ProcessLookupError, PermissionError):
        return


@contextmanager
def private_emulator(*, region: str = EMULATOR_REGION) -> Iterator[str]:
    """For tests: an emulator of one's own on a free port with its files in a temporary folder.

    Yields its endpoint URL; stops it at the end.
    """
    folder = Path(tempfile.mkdtemp(prefix="ecom-emulator-"))
    try:
        running = start(folder, region=region)
        try:
            yield running.endpoint_url
        finally:
            stop(running.process.pid)
            running.process.communicate()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def ensure_started(region: str = EMULATOR_REGION) -> tuple[EmulatorState, bool]:
    """The emulator of this repository, started unless it runs; true when it was started now.

    Raises EcomError when its process runs but does not answer.
    """
    state_folder = workspace().state
    with only_one("up.lock"):
        if known := running_emulator(state_folder):
            check_answers(known.endpoint_url)
            return known, False
        folder, port_file = home() / "run", home() / "port"
        shutil.rmtree(folder, ignore_errors=True)
        running = start(folder, port=_last_port(port_file), region=region, outlives=True)
        port_file.write_text(str(running.port), encoding="utf-8")
        born = process_born(running.process.pid)
        if born is None:
            raise EcomError("The emulator ended as soon as it had started.", f"Its log: {log_path()}")
        state = EmulatorState(running.process.pid, born, running.port, running.endpoint_url, region)
        write_state(state_folder, state)
        return state, True


def down() -> bool:
    """Stop this repository's emulator and forget it; false when none was running."""
    state_folder = workspace().state
    with only_one("up.lock"):
        state = running_emulator(state_folder)
        if state:
            stop(state.pid)
        forget_state(state_folder)
        shutil.rmtree(home() / "run" / "tmp", ignore_errors=True)
    return state is not None


def check_answers(endpoint_url: str) -> None:
    """Raises EcomError for an emulator that runs but is deaf: every later call would wait for minutes."""
    if not answers(endpoint_url, seconds=10):
        raise EcomError(
            f"The emulator runs but does not answer at {endpoint_url}.",
            f"Stop it with `./ecom down` and start again. Its log: {log_path()}",
        )


def _last_port(file: Path) -> int | None:
    """The port it had, so that addresses stay the same. A damaged note counts as none."""
    try:
        return int(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return None


def answers(endpoint_url: str, *, seconds: float) -> bool:
    """Whether an emulator answers there within this time."""
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    try:
        with opener.open(f"{endpoint_url}/_ministack/health", timeout=seconds) as answer:
            return "services" in json.loads(answer.read())
    except (urllib.error.URLError, TimeoutError, ConnectionError, ValueError):
        return False


def _answers_in_time(running: Running) -> bool:
    deadline = time.monotonic() + START_SECONDS
    while running.process.poll() is None and time.monotonic() < deadline:
        if answers(running.endpoint_url, seconds=2):
            return running.process.poll() is None
        time.sleep(0.05)
    return False


def _is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(
            socket.SOL_SOCKET, socket.SO_REUSEADDR, 1
        )  # as the server does: TIME_WAIT is no owner
        try:
            probe.bind((HOST, port))
        except OSError:
            return False
    return True


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind((HOST, 0))
        port: int = probe.getsockname()[1]
        return port


def _tail(log: Path, lines: int = 15) -> str:
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:])


def only_one(name: str) -> AbstractContextManager[None]:
    """Let one process at a time pass; the others wait."""
    return environments.only_one(home() / name)
