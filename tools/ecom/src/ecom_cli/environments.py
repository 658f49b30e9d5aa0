"""Environments of their own, for programs whose pins would drag the workspace's along."""

from __future__ import annotations

import fcntl
import hashlib
import platform
import shutil
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from ecom_cli.uvtool import uv


def environment(home: Path, requirements: Path) -> Path:
    """The virtual environment in `home` with exactly these pins, made at the first call."""
    pins = requirements.read_bytes()
    key = hashlib.sha256(pins + sys.version.encode() + platform.machine().encode()).hexdigest()[:16]
    folder = home / f"env-{key}"
    python = folder / "bin" / "python"
    with only_one(home / "env.lock"):
        if not (folder / "complete").exists() or not python.exists():
            shutil.rmtree(folder, ignore_errors=True)
            # not inside the repository, where uv would apply the workspace's constraints
            outside = Path(folder.anchor)
            uv("venv", "--quiet", "--no-project", "--python", sys.executable, str(folder), cwd=outside)
            uv(
                "pip", "install", "--quiet", "--no-deps", "--compile-bytecode",
                "--python", str(python), "--requirement", str(requirements),
                cwd=outside,
            )  # fmt: skip
            (folder / "complete").touch()
    return folder


@contextmanager
def only_one(lock: Path, waiting: Callable[[], None] = lambda: None) -> Iterator[None]:
    """Let one process at a time pass; the others wait. `waiting` is called before that, if there is need."""
    lock.parent.mkdir(parents=True, exist_ok=True)
    with lock.open("w") as file:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            waiting()
            fcntl.flock(file, fcntl.LOCK_EX)
        yield
