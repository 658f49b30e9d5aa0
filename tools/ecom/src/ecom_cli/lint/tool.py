"""What a tool of the gate is, and how one that is a program is asked."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecom_cli.lint.findings import Finding, Waiver
from ecom_cli.lint.programs import run
from ecom_cli.lint.scope import Scope

Found = tuple[Iterable[Finding], Iterable[Waiver]]


class ToolBrokeError(Exception):
    """A tool that could not do its work, with what it said."""


def everything(_: Scope) -> bool:
    """There is always something to look at."""
    return True


@dataclass(frozen=True)
class Tool:
    """A row of the gate. `look` answers what it found and what people waived.

    `seconds` is what it takes about, on a core of its own. `quick`: part of `ecom check`. `fix`: what repairs
    it, where a program can. `whole`: it knows no members, so it runs with the whole workspace only.
    `subject`: what it looks at; where that is nothing (a member without a template, say) it does not run.
    """

    name: str
    does: str
    look: Callable[[Scope], Found]
    seconds: float
    subject: Callable[[Scope], object] = everything
    quick: bool = False
    fix: Callable[[Scope], None] | None = None
    whole: bool = False


def ask(
    scope: Scope,
    program: str,
    *arguments: str,
    good: Sequence[int] | range = (0,),
    folder: str = ".",
    environment: Mapping[str, str] | None = None,
) -> str:
    """Run a program of the workspace's environment and return what it printed. Raises ToolBrokeError."""
    scripts = Path(sys.executable).parent
    done = run((str(scripts / program), *arguments), scope.root / folder, environment)
    if done.returncode not in good or (done.returncode and not done.stdout.strip()):
        raise ToolBrokeError((done.stderr or done.stdout).strip() or f"it exited with {done.returncode}")
    return done.stdout


def parsed(text: str) -> Any:
    """A program's answer, which is to be JSON. Raises ToolBrokeError."""
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ToolBrokeError(f"its answer is no JSON: {text[-2000:]}") from error
