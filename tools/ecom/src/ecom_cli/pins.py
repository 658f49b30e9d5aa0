"""Host-free pins: exact constraints in the root pyproject.toml, hashed requirements for the zips.

A lock file names the index that it was made from; these pins do not (docs/adr/001-host-free-pins.md).
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecom_cli.errors import EcomError
from ecom_cli.uvtool import uv
from ecom_cli.workspace import Workspace, workspace

BEGIN, END = "# >>> pins", "# <<< pins"
_BLOCK = re.compile(rf"{BEGIN}\n.*?{END}\n", re.DOTALL)
_HEADER = "# Exact versions and hashes of what the zip holds. Written by `./ecom pins`.\n"


@dataclass(frozen=True)
class Pins:
    """The text of every pinned file, by path."""

    files: dict[Path, str]

    def stale(self) -> list[Path]:
        """The files whose text on disk is another one."""
        return [path for path, text in self.files.items() if _read(path) != text]

    def write(self) -> list[Path]:
        """Write what is stale and return it."""
        changed = self.stale()
        for path in changed:
            path.write_text(self.files[path], encoding="utf-8")
        return changed


def constraints(lock: dict[str, Any]) -> list[str]:
    """One exact constraint per third-party package of a parsed uv.lock, with markers where versions fork.

    Raises EcomError for a package that comes from elsewhere than an index: it cannot be pinned by version.
    """
    lines: list[str] = []
    versions: dict[str, int] = {}
    third_party = [p for p in lock["package"] if not {"editable", "virtual"} & set(p["source"])]
    for package in third_party:
        versions[package["name"]] = versions.get(package["name"], 0) + 1
    for package in third_party:
        if "registry" not in package["source"]:
            raise EcomError(f"{package['name']} comes from {package['source']}, which has no version to pin.")
        pin = f"{package['name']}=={package['version']}"
        if versions[package["name"]] > 1:
            pin += " ; " + " or ".join(f"({marker})" for marker in package["resolution-markers"])
        lines.append(pin)
    return sorted(lines)


def with_constraints(pyproject: str, lines: list[str]) -> str:
    """The root pyproject.toml's text with these constraints between the marker comments."""
    listed = "".join(f'    "{line}",\n' for line in lines)
    block = f"{BEGIN}\nconstraint-dependencies = [\n{listed}]\n{END}\n"
    if not _BLOCK.search(pyproject):
        raise EcomError(
            f"The root pyproject.toml has no lines {BEGIN!r} and {END!r}.", "Put them into [tool.uv]."
        )
    return _BLOCK.sub(lambda _: block, pyproject)


def requirements(dist: str) -> str:
    """The member's third-party run-time closure with hashes, naming no index, no path and no marker."""
    exported = uv(
        "export", "--frozen", "--package", dist, "--no-dev", "--no-emit-workspace", "--no-emit-local",
        "--no-header", "--no-annotate", "--format", "requirements.txt",
    )  # fmt: skip
    if marked := re.findall(r"^(\S+) ;.*$", exported, re.MULTILINE):
        raise EcomError(
            f"{dist} needs {', '.join(marked)} on some platforms only, but one zip has to serve all of them.",
            "Do without that dependency, or with one that has no marker.",
        )
    return _HEADER + exported


def wanted(repo: Workspace) -> Pins:
    """What the files should say by the present uv.lock."""
    lock = tomllib.loads((repo.root / "uv.lock").read_text(encoding="utf-8"))
    root = repo.root / "pyproject.toml"
    files = {root: with_constraints(_read(root), constraints(lock))}
    files |= {member.requirements: requirements(member.dist) for member in repo.members if member.has_zip}
    return Pins(files)


def update(*, upgrade: bool = False) -> list[Path]:
    """Bring all pins in step with the members' dependencies; with `upgrade`, to the newest versions.

    Returns the files that changed.
    """
    repo = workspace()
    root = repo.root / "pyproject.toml"
    before = _read(root)
    try:
        if upgrade:
            root.write_text(with_constraints(before, []), encoding="utf-8")
        uv("lock", *(["--upgrade"] if upgrade else []))
        pins = wanted(repo)
    except BaseException:
        root.write_text(before, encoding="utf-8")
        raise
    root.write_text(before, encoding="utf-8")
    changed = pins.write()
    uv("lock")  # so that the lock has seen the constraints
    return changed


def check() -> list[str]:
    """What is wrong with the pins, one line each; nothing when all is well. Changes only the ignored lock."""
    repo = workspace()
    uv("lock")
    return [
        f"{path.relative_to(repo.root)} is not in step with the dependencies: run `./ecom pins`."
        for path in wanted(repo).stale()
    ]


def _read(path: Path) -> str:
    return path.read_text(encoding="utf-8") if path.is_file() else ""
