"""Programs that the gate starts."""

from __future__ import annotations

import subprocess  # nosec B404  # it starts the tools of the gate
from collections.abc import Mapping, Sequence
from pathlib import Path


def run(
    command: Sequence[str], folder: Path, environment: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run it to its end in `folder`, without input and without a shell, and return what it said."""
    return subprocess.run(  # nosec B603  # the gate's own tools, with paths of this repository
        command,
        cwd=folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        check=False,
    )
