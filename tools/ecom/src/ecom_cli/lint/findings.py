"""What a tool found, what people waived, and what is left when the one is taken from the other."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

LEAST_WORDS = 4
"""Fewer words than this are no reason."""


@dataclass(frozen=True, order=True)
class Finding:
    """One finding. `line` counts from 1, 0: the whole file; `until` is the last line of the statement.

    `resource` is a template's logical id, `advice` what to do about it.
    """

    path: str
    line: int
    tool: str
    rule: str
    message: str
    resource: str = ""
    advice: str = ""
    until: int = field(default=0, compare=False)

    @property
    def where(self) -> str:
        return f"{self.path}:{self.line}" if self.line else self.path

    def as_json(self) -> dict[str, str | int]:
        return {
            "tool": self.tool,
            "path": self.path,
            "line": self.line,
            "resource": self.resource,
            "rule": self.rule,
            "message": self.message,
            "advice": self.advice,
        }


@dataclass(frozen=True)
class Waiver:
    """A finding that somebody accepted, and why. `rule` empty: whatever the tool finds on this line.

    `checked`: the tool itself reports a waiver that is of no use, so it counts as used.
    """

    tool: str
    path: str
    line: int
    rule: str
    reason: str
    resource: str = ""
    checked: bool = False

    def covers(self, finding: Finding) -> bool:
        if self.path != finding.path or self.rule not in ("", finding.rule):
            return False
        if self.resource or finding.resource:
            return self.resource == finding.resource
        return finding.line <= self.line <= max(finding.line, finding.until)

    @property
    def where(self) -> str:
        return self.resource or f"{self.path}:{self.line}"

    def as_json(self) -> dict[str, str | int]:
        return {
            "tool": self.tool,
            "path": self.path,
            "line": self.line,
            "resource": self.resource,
            "rule": self.rule,
            "reason": self.reason,
        }


@dataclass(frozen=True)
class Judgement:
    """What is left to repair, and the waivers that count."""

    findings: tuple[Finding, ...]
    waived: tuple[Waiver, ...]


def judge(found: Iterable[Finding], waivers: Iterable[Waiver]) -> Judgement:
    """Take from `found` what is waived. A waiver without a reason, or of nothing, is a finding itself."""
    left, counting = set(found), []
    for waiver in sorted(set(waivers), key=lambda w: (w.path, w.line, w.tool, w.rule)):
        covered = {finding for finding in left if waiver.covers(finding)}
        what = waiver.rule or "a finding"
        if len(waiver.reason.split()) < LEAST_WORDS:
            left.add(
                _about(
                    waiver,
                    "waiver-without-reason",
                    f"{what} is waived without a reason",
                    f"Say why, in {LEAST_WORDS} words or more; or repair it and take the waiver out.",
                )
            )
        elif not covered and not waiver.checked:
            left.add(
                _about(
                    waiver,
                    "stale-waiver",
                    f"{what} is waived, but does not occur any more",
                    "Take the waiver out.",
                )
            )
        else:
            counting.append(waiver)
        left -= covered
    return Judgement(tuple(sorted(left)), tuple(counting))


def _about(waiver: Waiver, rule: str, message: str, advice: str) -> Finding:
    return Finding(waiver.path, waiver.line, waiver.tool, rule, message, waiver.resource, advice)
