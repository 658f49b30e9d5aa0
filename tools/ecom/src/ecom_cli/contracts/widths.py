"""How long a text can be that a pattern matches, for the plain patterns that schemas are written with."""

from __future__ import annotations

import re
from dataclasses import dataclass

_ATOM = re.compile(
    r"\\[dwsDWS]|\\[.\-/^$|?*+()\[\]{}\\]"  # a class, or a character that is meant literally
    r"|\[(?!\^?\])\^?(?:\\.|[^\]\\])+\]"  # one of a set; `[]` and `[^]` mean other things elsewhere
    r"|[^\\\[\](){}|?*+^$.]"  # itself
)
_REPEAT = re.compile(r"\{(?P<least>\d+)(?P<comma>,)?(?P<most>\d+)?\}|(?P<sign>[?*+])")
_SIGNS: dict[str, tuple[int, int | None]] = {"?": (0, 1), "*": (0, None), "+": (1, None)}


@dataclass(frozen=True)
class Width:
    """Fewest and most characters; `most` is None where there is no end to it."""

    least: int = 0
    most: int | None = None


UNKNOWN = Width()


def width(pattern: str) -> Width:
    """The lengths of what matches; UNKNOWN, which is always true, for all but `^` atoms and repeats `$`.

    `$` ends the text here, as in JSON Schema's dialect of patterns; Python's own would allow a newline more.
    """
    if not (pattern.startswith("^") and pattern.endswith("$")):
        return UNKNOWN
    body, at = pattern[1:-1], 0
    least, most = 0, 0
    endless = False
    while at < len(body):
        atom = _ATOM.match(body, at)
        if not atom:
            return UNKNOWN
        low, high, at = _repeats(body, atom.end())
        least += low
        endless = endless or high is None
        most += high or 0
    return Width(least, None if endless else most)


def _repeats(body: str, at: int) -> tuple[int, int | None, int]:
    """How often the atom before `at` comes, and where the next one begins."""
    found = _REPEAT.match(body, at)
    if not found:
        return 1, 1, at
    if found["sign"]:
        return *_SIGNS[found["sign"]], found.end()
    least = int(found["least"])
    if not found["comma"]:
        return least, least, found.end()
    return least, int(found["most"]) if found["most"] else None, found.end()
