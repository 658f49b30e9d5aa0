"""The gate: every tool runs, side by side, and each gets a verdict."""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import dataclass

from ecom_cli.errors import EcomError
from ecom_cli.lint.findings import Finding, Waiver, judge
from ecom_cli.lint.scope import Scope
from ecom_cli.lint.tool import Tool, ToolBrokeError
from ecom_cli.lint.tools import TOOLS

SIDE_BY_SIDE = 2


@dataclass(frozen=True)
class Verdict:
    """What one tool came to. `broken` is what it said where it could not do its work."""

    tool: str
    seconds: float
    findings: tuple[Finding, ...] = ()
    waived: tuple[Waiver, ...] = ()
    broken: str = ""

    @property
    def good(self) -> bool:
        return not self.findings and not self.broken


def chosen(names: Sequence[str], scope: Scope) -> list[Tool]:
    """The tools of these names, else all, without those that have nothing to look at.

    Where members are named, also without those that know none.
    """
    known = {tool.name: tool for tool in TOOLS}
    if unknown := [name for name in names if name not in known]:
        raise EcomError(f"There is no tool {unknown[0]!r} in the gate.", f"There are: {', '.join(known)}.")
    picked = [known[name] for name in dict.fromkeys(names)] or list(TOOLS)
    return [tool for tool in picked if (names or not (tool.whole and scope.members)) and tool.subject(scope)]


def run(tools: Sequence[Tool], scope: Scope, tell: Callable[[Verdict, Sequence[str]], None]) -> list[Verdict]:
    """Run the tools, two at a time, the slow ones first; the verdicts in the order of `tools`.

    `tell` is called as each ends, with the names of those that have not ended yet.
    """
    verdicts: dict[str, Verdict] = {}
    with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
        waiting = sorted(tools, key=lambda tool: -tool.seconds)
        for done in as_completed([pool.submit(verdict, tool, scope) for tool in waiting]):
            verdicts[done.result().tool] = done.result()
            tell(done.result(), [tool.name for tool in waiting if tool.name not in verdicts])
    return [verdicts[tool.name] for tool in tools]


def verdict(tool: Tool, scope: Scope) -> Verdict:
    """Run one tool and take off what is waived."""
    started = time.monotonic()
    try:
        judgement = judge(*tool.look(scope))
    except (ToolBrokeError, EcomError) as error:
        return Verdict(tool.name, time.monotonic() - started, broken=str(error))
    return Verdict(tool.name, time.monotonic() - started, judgement.findings, judgement.waived)
