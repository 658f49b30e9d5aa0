"""The workflows as parsed YAML, with the few questions that the tests ask of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / ".github/workflows"
CHECK, RELEASE, DEPLOY = "package.yml", "release.yml", "deploy.yml"
SAME_REPOSITORY = "$/.github/workflows/"

Yaml = Any


class _Loader(yaml.SafeLoader):
    """YAML 1.2, as GitHub reads it: `on` is a word."""


_Loader.yaml_implicit_resolvers = {
    first: [
        (tag, pattern)
        for tag, pattern in resolvers
        if tag != "tag:yaml.org,2002:bool" or first not in "oOyYnN"
    ]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}


@dataclass(frozen=True)
class Step:
    """One step. `env` is what its command sees of the workflow's, the job's and its own variables."""

    workflow: str
    job: str
    body: dict[str, Yaml]
    env: dict[str, str]

    @property
    def uses(self) -> str:
        """The action, without its version; empty for a command."""
        return str(self.body.get("uses", "")).partition("@")[0]

    @property
    def place(self) -> str:
        return f"{self.workflow} {self.job}"


@dataclass(frozen=True)
class Workflow:
    """One file of `.github/workflows`."""

    name: str
    text: str

    @cached_property
    def body(self) -> dict[str, Yaml]:
        found: dict[str, Yaml] = yaml.load(self.text, _Loader)  # nosec B506  # a safe loader
        return found

    @property
    def triggers(self) -> dict[str, Yaml]:
        on = self.body["on"]
        return on if isinstance(on, dict) else dict.fromkeys([on] if isinstance(on, str) else on)

    @property
    def jobs(self) -> dict[str, dict[str, Yaml]]:
        found: dict[str, dict[str, Yaml]] = self.body["jobs"]
        return found

    def steps(self) -> Iterator[Step]:
        for job, body in self.jobs.items():
            for step in body.get("steps", ()):
                env = {**self.body.get("env", {}), **body.get("env", {}), **step.get("env", {})}
                yield Step(self.name, job, step, env)


WORKFLOWS = {
    path.name: Workflow(path.name, path.read_text(encoding="utf-8")) for path in sorted(FOLDER.iterdir())
}


def listed(workflow: Workflow, event: str) -> list[str]:
    """The path filter of an event, in order."""
    found: list[str] = (workflow.triggers[event] or {}).get("paths", [])
    return found


def matches(filters: list[str], path: str) -> bool:
    """Whether GitHub starts the workflow for a change of this file: the last pattern that fits decides."""
    answer = False
    for pattern in filters:
        plain = pattern.removeprefix("!")
        if re.search(r"[\[\]?+]", plain):
            raise ValueError(f"{pattern}: only * and ** are understood here")
        expression = re.escape(plain).replace(r"\*\*", ".*").replace(r"\*", "[^/]*")
        if re.fullmatch(expression, path):
            answer = not pattern.startswith("!")
    return answer
