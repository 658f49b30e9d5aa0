"""The repository: its root, and what each member says about itself in its pyproject.toml."""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from ecom_cli.errors import EcomError

MEMBER_FOLDERS = ("packages", "libs", "tools")


@dataclass(frozen=True)
class Member:
    """One member of the workspace. `template` is None where there is no stack.

    `aws_services` are the botocore models its zip keeps: empty means that there is no zip.
    `requires` are the dist names of its run-time dependencies, without versions.
    """

    dist: str
    folder: Path
    version: str
    template: Path | None = None
    depends_on: tuple[str, ...] = ()
    aws_services: tuple[str, ...] = ()
    requires: tuple[str, ...] = ()
    package: str | None = None

    @property
    def has_zip(self) -> bool:
        return bool(self.aws_services)

    @property
    def source(self) -> Path:
        """The folder of its import package, e.g. `packages/order-service/src/order_service`."""
        if self.package is None:
            raise EcomError(f"{self.dist} has no Python code.")
        return self.folder / "src" / self.package

    @property
    def requirements(self) -> Path:
        """Its hashed third-party pins, written by `ecom pins`."""
        return self.folder / "requirements.txt"


@dataclass(frozen=True)
class Workspace:
    """The root folder and its members, by dist name."""

    root: Path
    members: tuple[Member, ...]

    @property
    def state(self) -> Path:
        """Git-ignored folder for builds, environments and the emulator's state."""
        return self.root / ".ecom"

    @property
    def stacks(self) -> tuple[Member, ...]:
        """The members with a stack, each after the stacks that it depends on.

        Raises EcomError on a dependency that is unknown or goes round in a circle.
        """
        pending = {m.dist: m for m in self.members if m.template}
        known = set(pending)
        ordered: list[Member] = []
        while pending:
            ready = [m for m in pending.values() if not set(m.depends_on) & set(pending)]
            for member in pending.values():
                if unknown := sorted(set(member.depends_on) - known):
                    raise EcomError(
                        f"{member.dist} depends on {', '.join(unknown)}, which is not a stack.",
                        f"Correct [tool.ecom] depends-on in {member.folder / 'pyproject.toml'}.",
                    )
            if not ready:
                raise EcomError(f"Stacks depend on each other in a circle: {', '.join(sorted(pending))}.")
            for member in sorted(ready, key=lambda m: m.dist):
                ordered.append(member)
                del pending[member.dist]
        return tuple(ordered)

    def libraries(self, member: Member) -> tuple[Member, ...]:
        """The members that this one imports, and the ones that those import."""
        found: dict[str, Member] = {}
        pending = list(member.requires)
        by_name = {m.dist: m for m in self.members}
        while pending:
            if (name := pending.pop()) in by_name and name not in found:
                found[name] = by_name[name]
                pending += found[name].requires
        return tuple(found[name] for name in sorted(found))

    def member(self, name: str) -> Member:
        """The member of this dist name; raises EcomError naming the ones that exist."""
        for member in self.members:
            if name == member.dist:
                return member
        raise EcomError(
            f"There is no package {name!r} here.", f"There are: {', '.join(m.dist for m in self.members)}."
        )


def text_of(path: Path) -> str:
    """A text file's content. Raises EcomError naming the file that is not there, or is not UTF-8."""
    try:
        return path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else error
        raise EcomError(f"{path} cannot be read: {reason}.") from error


def read_member(folder: Path) -> Member:
    """Read one member's pyproject.toml. Raises EcomError naming the file and what is wrong in it."""
    path = folder / "pyproject.toml"
    try:
        project: dict[str, Any] = tomllib.loads(text_of(path))
    except tomllib.TOMLDecodeError as error:
        raise EcomError(f"{path} is not valid TOML: {error}") from error
    about = _table(path, project, "project")
    deploy = _table(path, project, "tool", "ecom")
    if missing := [key for key in ("name", "version") if key not in about]:
        raise EcomError(f"{path} has no project.{missing[0]}.")
    name, template = _text(path, about, "name"), _text(path, deploy, "template")
    package = name.replace("-", "_")
    requires = (
        re.split(r"[^A-Za-z0-9._-]", text, maxsplit=1)[0] for text in _texts(path, about, "dependencies")
    )
    return Member(
        dist=name,
        folder=folder,
        version=_text(path, about, "version"),
        template=folder / template if template else None,
        depends_on=_texts(path, deploy, "depends-on"),
        aws_services=_texts(path, deploy, "aws-services"),
        requires=tuple(requires),
        package=package if (folder / "src" / package).is_dir() else None,
    )


def _table(path: Path, document: dict[str, Any], *keys: str) -> dict[str, Any]:
    """The table with these keys below each other; empty where there is none."""
    found: Any = document
    for key in keys:
        found = found.get(key, {})
        if not isinstance(found, dict):
            raise EcomError(f"{path}: {'.'.join(keys)} is not one table.", f"As in: [{'.'.join(keys)}]")
    table: dict[str, Any] = found
    return table


def _text(path: Path, table: dict[str, Any], key: str) -> str:
    """A text of a table; empty where there is none."""
    value = table.get(key, "")
    if not isinstance(value, str):
        raise EcomError(f"{path}: {key} is not a text: {value!r}.", f'As in: {key} = "…"')
    return value


def _texts(path: Path, table: dict[str, Any], key: str) -> tuple[str, ...]:
    values = table.get(key, [])
    if not isinstance(values, list) or not all(isinstance(value, str) for value in values):
        raise EcomError(f"{path}: {key} is not a list of texts: {values!r}.", f'As in: {key} = ["…"]')
    return tuple(values)


def find_root(start: Path) -> Path | None:
    """The first folder at or above `start` whose pyproject.toml declares the workspace."""
    for folder in (start, *start.parents):
        file = folder / "pyproject.toml"
        if file.is_file() and "[tool.uv.workspace]" in file.read_text(encoding="utf-8"):
            return folder
    return None


def load(root: Path) -> Workspace:
    """The workspace in `root`, read anew."""
    folders = [f for parent in MEMBER_FOLDERS for f in sorted((root / parent).glob("*/")) if f.is_dir()]
    return Workspace(root, tuple(read_member(f) for f in folders if (f / "pyproject.toml").is_file()))


@lru_cache(maxsize=1)
def workspace() -> Workspace:
    """The workspace that this tool is installed from (or that holds the current folder)."""
    root = find_root(Path(__file__).resolve().parent) or find_root(Path.cwd().resolve())
    if root is None:
        raise EcomError(
            "This is not inside the repository: no workspace pyproject.toml was found above.",
            "Run the command from the repository, through ./ecom.",
        )
    return load(root)
