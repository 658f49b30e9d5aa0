"""A member's CHANGELOG.md: one section for each version, newest first (https://keepachangelog.com)."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator

from ecom_cli.release.changes import ADDED, BREAKING, CHANGED, FIXED, Change, Changes
from ecom_cli.release.versions import Version

MOST_LINES = 12  # of one heading: who wants all of them asks git

_SECTION = re.compile(r"^## +(?P<title>.+?) *$", re.MULTILINE)
_UNRELEASED = re.compile(r"\[?unreleased\]?", re.IGNORECASE)


def section(
    version: Version, day: str, changes: Changes, notes: str, all_of_them: Callable[[str | None], str]
) -> str:
    """The section of a new version.

    `day`: ISO 8601. `notes`: what somebody wrote by hand about it. `all_of_them`: the command that lists
    every commit to the member itself (None) or to a library, said where some are left out.
    """
    parts = [f"## {version} ({day})"]
    if notes:
        parts.append(notes)
    own = [(h, [c for c in changes.own if c.heading == h]) for h in (BREAKING, ADDED, CHANGED, FIXED)]
    parts += [_group(heading, told, all_of_them(None)) for heading, told in own if told]
    libraries = [(name, [c for c in theirs if c.heading]) for name, theirs in changes.libraries]
    parts += [_group(f"From {name}", told, all_of_them(name)) for name, told in libraries if told]
    if len(parts) == 1:
        parts.append("Nothing that its users could notice.")
    return "\n\n".join(parts) + "\n"


def _group(title: str, told: Iterable[Change], all_of_them: str) -> str:
    return f"### {title}\n\n" + "\n".join(_lines(told, all_of_them))


def _lines(changes: Iterable[Change], all_of_them: str) -> Iterator[str]:
    every = list(changes)
    for change in every[:MOST_LINES]:
        yield f"- {change.text} ({change.sha[:8]})"
    if len(every) > MOST_LINES:
        yield f"- and {len(every) - MOST_LINES} more: `{all_of_them}`"


def _sections(text: str) -> Iterator[tuple[str, int, int]]:
    """Each section's title, and where it begins and ends."""
    found = list(_SECTION.finditer(text))
    ends = [match.start() for match in found[1:]] + [len(text)]
    for match, end in zip(found, ends, strict=False):  # without any section there is one end too many
        yield match["title"], match.start(), end


def find(text: str, version: Version) -> str | None:
    """The section of a version, its title included; None where there is none."""
    for title, begin, end in _sections(text):
        if re.fullmatch(rf"\[?v?{re.escape(str(version))}\]?(\W.*)?", title):
            return text[begin:end].strip() + "\n"
    return None


def unreleased(text: str) -> str:
    """What was written by hand below `## Unreleased`: it belongs to the next version."""
    for title, begin, end in _sections(text):
        if _UNRELEASED.fullmatch(title):
            return text[begin:end].partition("\n")[2].strip()
    return ""


def with_section(text: str, new: str) -> str:
    """The changelog with a new section above the others, in place of what was unreleased."""
    for title, begin, end in _sections(text):
        if _UNRELEASED.fullmatch(title):
            text = text[:begin] + text[end:]
            break
    first = _SECTION.search(text)
    head, rest = (text[: first.start()], text[first.start() :]) if first else (text, "")
    return "\n\n".join(part.strip() for part in (head, new, rest) if part.strip()) + "\n"
