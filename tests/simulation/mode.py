"""What helps the system to repair itself in a run.

Repairs overlap: a fact lost by one is brought back by another, and a missing guard goes unnoticed. So in some
runs one layer of repair is off, and the others have to do.
"""

from __future__ import annotations

from dataclasses import dataclass
from random import Random

from simulation.weather import KEY_DISABLED, Weather


@dataclass(frozen=True)
class Mode:
    """Which layers of repair there are.

    `sweeps`: the sweeper runs. `redelivers`: SQS brings back what failed; without, each message has one
    chance. `re_emits`: a fact may get on the bus more than once; without, only its first publication does.
    """

    name: str
    sweeps: bool = True
    redelivers: bool = True
    re_emits: bool = True

    @property
    def safe_intake(self) -> bool:
        """Requests meet no fault: only the sweeper could repair what they leave undone."""
        return not self.sweeps

    def prepare(self, weather: Weather) -> None:
        """Leave out what this mode has no repair for."""
        if self.safe_intake:
            weather.without(KEY_DISABLED)


FULL = Mode("full")
MODES = {
    mode.name: mode
    for mode in (
        FULL,
        Mode("no-sweeper", sweeps=False),
        Mode("no-redelivery", redelivers=False),
        Mode("no-re-emit", re_emits=False),
    )
}


def mode_of(seed: int, name: str | None = None) -> Mode:
    """The mode of a name, or that of a seed: two of five seeds have everything on."""
    if name is not None:
        return MODES[name]
    return Random(seed + 9).choice((*MODES.values(), FULL))
