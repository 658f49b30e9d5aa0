"""The git-ignored record of the emulator that `ecom up` started, and whether it still runs."""

from __future__ import annotations

import json
import subprocess  # nosec B404  # to ask ps for a process
from dataclasses import asdict, dataclass
from pathlib import Path

STATE_FILE = Path("emulator") / "state.json"


@dataclass(frozen=True)
class EmulatorState:
    """A started emulator. `born` is the process's start time, as the system spells it:
    together with the pid it tells this process from a later one with the same pid."""

    pid: int
    born: str
    port: int
    endpoint_url: str
    region: str

    @property
    def is_running(self) -> bool:
        return process_born(self.pid) == self.born


def process_born(pid: int) -> str | None:
    """When the process started, as an opaque text; None when there is no such process (or a zombie)."""
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            # the command name is in brackets and may hold spaces: count from the last bracket (proc(5))
            fields = stat.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else f"ticks {fields[19]}"
    answer = subprocess.run(  # nosec B603 B607  # ps of the user's own PATH, with a number
        ["ps", "-o", "stat=,lstart=", "-p", str(pid)], capture_output=True, text=True, check=False
    )
    status, _, born = answer.stdout.strip().partition(" ")
    return None if answer.returncode or status.startswith("Z") else born.strip()


def read_state(folder: Path) -> EmulatorState | None:
    """The record in `folder` (the workspace's `.ecom`), running or not; None when there is none to read."""
    try:
        return EmulatorState(**json.loads((folder / STATE_FILE).read_text(encoding="utf-8")))
    except (FileNotFoundError, ValueError, TypeError):
        return None


def write_state(folder: Path, state: EmulatorState) -> None:
    path = folder / STATE_FILE
    path.parent.mkdir(parents=True, exist_ok=True)
    draft = path.with_suffix(".new")
    draft.write_text(json.dumps(asdict(state)), encoding="utf-8")
    draft.replace(path)


def forget_state(folder: Path) -> None:
    (folder / STATE_FILE).unlink(missing_ok=True)


def running_emulator(folder: Path) -> EmulatorState | None:
    """The recorded emulator if its process is still that process."""
    state = read_state(folder)
    return state if state and state.is_running else None
