"""`./ecom` on machines that lack something, and the messages of the command itself."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from ecom_cli.workspace import workspace

ROOT = workspace().root


def run(words: list[str], cwd: str | Path = "/", **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        words,
        cwd=cwd,
        env={**os.environ, **environment},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )


def command(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    ecom = [sys.executable, "-c", "from ecom_cli.cli import main; main()", *arguments]
    return run(ecom, ROOT, **environment)


@pytest.fixture
def bare(tmp_path: Path) -> Path:
    """A folder whose path has a space, with only ./ecom in it and commands that come first on PATH."""
    folder = tmp_path / "a b"
    (folder / "bin").mkdir(parents=True)
    shutil.copy(ROOT / "ecom", folder / "ecom")
    return folder


def fake(folder: Path, name: str, script: str) -> None:
    path = folder / "bin" / name
    path.write_text(f"#!/bin/sh\n{script}\n")
    path.chmod(0o755)


def fake_uv(folder: Path, version: str) -> None:
    """Makes the environment slowly, keeping a list of how often; prints the arguments of everything else."""
    fake(
        folder,
        "uv",
        f"""case "$1" in
          --version) echo "uv {version}";;
          sync) echo sync >> "$HOME/syncs"; sleep 0.5; mkdir "$HOME/.venv";;
          *) printf "<%s>" "$@";;
        esac""",
    )


def start(folder: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    path = f"{folder / 'bin'}:{os.environ['PATH']}"
    return run([str(folder / "ecom"), *arguments], PATH=path, HOME=str(folder))


def test_without_a_new_enough_python_it_says_so(bare):
    for name in ("python3", "python3.11", "python3.12", "python3.13", "python3.14", "python"):
        fake(bare, name, 'echo "Python 3.9.1"; exit 1')
    fake(bare, "uv", 'echo "uv 0.4.0"')  # too old to be of use
    done = start(bare, "--help")
    assert done.returncode == 1
    assert "needs Python 3.11 or newer" in done.stderr
    assert "python3 is Python 3.9.1" in done.stderr


def test_a_python_without_venv_is_told_which_package_is_missing(bare):
    fake(bare, "python3", 'case "$1" in -c) exit 0;; *) exit 1;; esac')
    fake(bare, "uv", 'echo "uv 0.4.0"')
    done = start(bare, "--help")
    assert done.returncode == 1
    assert "python3-venv" in done.stderr


@pytest.mark.parametrize("version", ["0.9.0", "0.13.9", "0.100.0", "1.0.0"])
def test_a_uv_that_is_new_enough_is_used_with_the_arguments_as_given(bare, version):
    fake_uv(bare, version)
    done = start(bare, "order", "place", "two words")
    assert done.returncode == 0, done.stderr
    assert done.stdout.endswith("<ecom><order><place><two words>")
    assert f"<--project><{bare}>" in done.stdout


def test_of_several_first_starts_at_once_one_installs(bare):
    fake_uv(bare, "1.0.0")
    with ThreadPoolExecutor() as pool:
        done = list(pool.map(lambda word: start(bare, word), ["up", "status", "down"]))
    assert [one.returncode for one in done] == [0, 0, 0], done
    assert (bare / "syncs").read_text() == "sync\n"
    assert not (bare / ".ecom" / "first-start.lock").exists()


def test_a_second_start_installs_nothing(bare):
    fake_uv(bare, "1.0.0")
    assert "Installing" in start(bare, "up").stderr
    assert start(bare, "up").stderr == ""
    assert (bare / "syncs").read_text() == "sync\n"


def test_a_first_start_that_was_killed_is_not_waited_for(bare):
    fake_uv(bare, "1.0.0")
    lock = bare / ".ecom" / "first-start.lock"
    lock.mkdir(parents=True)
    gone = subprocess.Popen(["true"])
    gone.wait()
    (lock / "pid").write_text(str(gone.pid))
    assert start(bare, "up").returncode == 0
    assert not lock.exists()


def test_the_scripts_hand_their_arguments_on(bare):
    (bare / "ecom").write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    for script, words in (("deploy_stacks.sh", "<deploy>{}<--yes>"), ("destroy_stacks.sh", "<destroy>{}")):
        shutil.copy(ROOT / script, bare / script)
        done = run([str(bare / script), "--stage", "x y"])
        assert done.stdout == words.format("<--stage><x y>")


def test_a_person_who_deploys_with_the_script_is_asked(bare):
    """Without a terminal it goes on, as it always did: nobody could answer."""
    (bare / "ecom").write_text('#!/bin/sh\nprintf "<%s>" "$@"\n')
    shutil.copy(ROOT / "deploy_stacks.sh", bare / "deploy_stacks.sh")
    terminal, other_end = os.openpty()
    try:
        script = [str(bare / "deploy_stacks.sh")]
        done = subprocess.run(script, stdin=other_end, capture_output=True, text=True, check=True)
    finally:
        os.close(terminal)
        os.close(other_end)
    assert done.stdout == "<deploy>"


def test_the_scripts_of_the_repository_can_be_executed():
    for name in ("ecom", "deploy_stacks.sh", "destroy_stacks.sh", ".ci/run"):
        assert os.access(ROOT / name, os.X_OK), name


def test_help_names_every_command_and_imports_no_sdk():
    done = command("--help")
    assert done.returncode == 0
    for name in [
        "up",
        "demo",
        "status",
        "down",
        "order",
        "stock",
        "deploy",
        "rollback",
        "releases",
        "destroy",
        "build",
        "test",
        "simulate",
        "check",
        "pins",
    ]:
        assert f" {name} " in done.stdout
    script = "import sys, ecom_cli.cli; print({'boto3', 'botocore', 'yaml', 'httpx'} & set(sys.modules))"
    loaded = run([sys.executable, "-c", script])
    assert loaded.stdout.strip() == "set()"


def test_an_error_is_two_lines_and_no_traceback():
    done = command("deploy", "no-such-service", "--endpoint-url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "There is no service no-such-service." in done.stderr
    assert "There are: base-infra" in done.stderr
    assert "Traceback" not in done.stderr
    assert done.stdout == ""


def test_an_emulator_that_is_not_there_is_told_in_words():
    done = command("status", "--endpoint-url", "http://127.0.0.1:9", AWS_MAX_ATTEMPTS="1")
    assert done.returncode == 1
    assert "Could not connect to the endpoint URL" in done.stderr
    assert "Is the emulator running" in done.stderr
    assert "Traceback" not in done.stderr


def test_a_parameter_without_a_value_is_refused():
    done = command("deploy", "--param", "DeclineRatePercent", "--endpoint-url", "http://127.0.0.1:9")
    assert done.returncode == 1
    assert "is not NAME=VALUE" in done.stderr
