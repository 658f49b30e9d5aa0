"""Who depends on whom: by imports, in tests, by stacks, by facts, by third-party packages."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fnmatch import fnmatchcase
from functools import cached_property, lru_cache
from typing import Any

from ecom_cli.affected.result import Work
from ecom_cli.errors import EcomError
from ecom_cli.suites import END_TO_END, SPANNING, suites
from ecom_cli.templates import parse_template
from ecom_cli.workspace import Workspace

WORKSPACE = "ecom"
"""The root project's name: the environment of the tests that span packages."""


@dataclass(frozen=True)
class Graph:
    """The edges of the workspace, in the direction in which a change travels: from the used to its users."""

    repo: Workspace

    @cached_property
    def works(self) -> dict[str, list[Work]]:
        """Every package and suite, with what there is to do for it: not all have tests, a zip, a stack."""
        members = self.repo.members
        having = {
            Work.TEST: {suite.name for suite in suites(self.repo)},
            Work.BUILD: {member.dist for member in members if member.has_zip},
            Work.DEPLOY: {member.dist for member in members if member.template},
        }
        names = [*(member.dist for member in members), SPANNING, END_TO_END]
        return {name: [work for work in Work if name in having[work]] for name in names}

    def importers(self, dist: str) -> set[str]:
        """The packages that run with this one: they, or what they import, require it."""
        return {user for user, used in self._imports.items() if dist in used}

    def testers(self, dist: str) -> set[str]:
        """The packages whose tests run with this one, by way of a dependency group."""
        return {
            user
            for user, declared in self._in_groups.items()
            for name in declared
            if name == dist or (user != dist and name in self.importers(dist))
        }

    def readers_by_tests(self, path: str) -> set[str]:
        """The packages whose tests read this file of another package, by `tests-read` in [tool.ecom]."""
        return {
            member.dist
            for member in self.repo.members
            if member.folder not in (self.repo.root / path).parents
            for pattern in self._projects[member.dist].get("tool", {}).get("ecom", {}).get("tests-read", ())
            if fnmatchcase(path, pattern)
        }

    def builders(self, dist: str) -> set[str]:
        """The stacks that build upon this one's exports, by `depends-on`."""
        found: set[str] = set()
        pending = [dist]
        while pending:
            name = pending.pop()
            more = {m.dist for m in self.repo.members if name in m.depends_on} - found
            found |= more
            pending += more
        return found - {dist}

    def readers(self, detail_type: str) -> set[str]:
        """The packages that read facts of this type: their rules let them through, or `reads/` says so."""
        from ecom_cli.contracts import readers_of

        by_rule = {
            dist for dist, patterns in self._patterns.items() if any(detail_type in p for p in patterns)
        }
        return by_rule | set(readers_of(self.repo, detail_type))

    def facts_of(self, dist: str) -> list[str]:
        """The detail-types that a package publishes, by the schemas in its `events/`."""
        files = (self.repo.member(dist).folder / "events").glob("*.json")
        return sorted({path.name.partition(".")[0] for path in files})

    def users_of(self, packages: Iterable[str]) -> Mapping[str, set[str]]:
        """Which of these third-party packages each environment holds: by dist name, and `WORKSPACE`.

        By uv.lock, which `./ecom` makes before anything else. It is not in git, so it may be missing.
        """
        wanted = set(packages)
        lock = self.repo.root / "uv.lock"
        if not lock.is_file():
            raise EcomError(
                "There is no uv.lock yet, so who uses what is not known.", "`./ecom pins` makes it."
            )
        edges = _edges(tomllib.loads(lock.read_text(encoding="utf-8"))["package"])
        roots = [member.dist for member in self.repo.members] + [WORKSPACE]
        return {root: _reached(edges, root) & wanted for root in roots}

    @cached_property
    def _imports(self) -> dict[str, set[str]]:
        return {m.dist: {library.dist for library in self.repo.libraries(m)} for m in self.repo.members}

    @cached_property
    def _in_groups(self) -> dict[str, set[str]]:
        """The names in the dependency groups of each package."""
        return {
            member.dist: {
                re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0]
                for group in self._projects[member.dist].get("dependency-groups", {}).values()
                for text in group
                if isinstance(text, str)  # not {include-group = …}, which names another of these groups
            }
            for member in self.repo.members
        }

    @cached_property
    def _patterns(self) -> dict[str, tuple[_Types, ...]]:
        """What the rules of each package's template let through."""
        return {
            member.dist: _rules(member.template.read_text(encoding="utf-8"), f"The template of {member.dist}")
            for member in self.repo.members
            if member.template and member.template.is_file()
        }

    @cached_property
    def _projects(self) -> dict[str, dict[str, Any]]:
        """Each package's pyproject.toml."""
        return {
            member.dist: tomllib.loads((member.folder / "pyproject.toml").read_text(encoding="utf-8"))
            for member in self.repo.members
        }


@dataclass(frozen=True)
class _Types:
    """The detail-types that a rule lets through. None: any, or more than can be told from here."""

    names: frozenset[str] | None

    def __contains__(self, detail_type: str) -> bool:
        return self.names is None or detail_type in self.names


@lru_cache(maxsize=32)
def _rules(template: str, name: str) -> tuple[_Types, ...]:
    found = []
    for resource in parse_template(template, name).resources.values():
        pattern = resource.get("Properties", {}).get("EventPattern")
        if resource.get("Type") == "AWS::Events::Rule" and pattern is not None:
            types = pattern.get("detail-type") if isinstance(pattern, Mapping) else None
            plain = isinstance(types, list) and all(isinstance(each, str) for each in types)
            found.append(_Types(frozenset(types) if plain else None))  # type: ignore[arg-type]  # plain says: a list
    return tuple(found)


def _edges(packages: Iterable[Mapping[str, Any]]) -> dict[str, set[str]]:
    """What each package of a uv.lock may bring along: with all its extras, and a member's with its groups.

    A package may be there in several versions; they count as one.
    """
    edges: dict[str, set[str]] = {}
    for package in packages:
        of_extras = package.get("optional-dependencies", {}).values()
        of_groups = package.get("dev-dependencies", {}).values()
        for listed in (package.get("dependencies", ()), *of_extras, *of_groups):
            edges.setdefault(package["name"], set()).update(each["name"] for each in listed)
    return edges


def _reached(edges: Mapping[str, set[str]], start: str) -> set[str]:
    found: set[str] = set()
    pending = [start]
    while pending:
        more = edges.get(pending.pop(), set()) - found
        found |= more
        pending += more
    return found
