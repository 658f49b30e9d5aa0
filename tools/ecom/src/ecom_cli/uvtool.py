"""Calls to uv, which resolves, pins and installs everything third-party."""

from __future__ import annotations

import os
import shutil
import subprocess  # nosec B404  # it starts uv, nothing else
from pathlib import Path

from ecom_cli.errors import EcomError
from ecom_cli.workspace import workspace


def uv_path() -> str:
    """The uv that started us (it sets UV), else one on PATH, else the one that ./ecom brought."""
    brought = workspace().state / "uv" / "bin" / "uv"
    found = os.environ.get("UV") or shutil.which("uv") or (str(brought) if brought.is_file() else None)
    if not found:
        raise EcomError("uv is not to be found.", "Run this through ./ecom, which brings it.")
    return found


def uv(*arguments: str, cwd: Path | None = None) -> str:
    """Run uv and return its output. Raises EcomError with what uv said."""
    environment = {k: v for k, v in os.environ.items() if k not in ("VIRTUAL_ENV", "PYTHONPATH")}
    done = subprocess.run(  # nosec B603  # uv, without a shell
        [uv_path(), *arguments],
        cwd=cwd or workspace().root,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
    if done.returncode:
        raise EcomError(
            f"`uv {' '.join(arguments[:3])} …` failed.",
            done.stderr.strip() or f"It exited with {done.returncode}.",
        )
    return done.stdout
