"""The guards of the protocol (`mutants.toml`), and a copy of the source without one of them."""

from __future__ import annotations

import re
import shutil
import tomllib
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
FILE = Path(__file__).with_name("mutants.toml")

COPIED = ("libs/common/src", "packages/*/src", "packages/*/events", "packages/*/*.yaml", "packages/*/*.json")
"""What of the repository the simulation loads."""

_ID = re.compile(r"[a-z][a-z0-9]*(-[a-z0-9]+)*")


class MutantError(Exception):
    """The list of mutants is not right, or does not fit the source any more. Says which mutant, and why."""


@dataclass(frozen=True)
class Mutant:
    """A guard and how it is taken out.

    `guards`: what the guard protects from. `find` is in `file` (from the root) exactly once. `equivalent`:
    why no promise depends on the guard, where that is so. `mode`: to hunt in; None leaves it to the seed.
    """

    id: str
    guards: str
    file: str
    find: str
    replace: str
    equivalent: str | None = None
    mode: str | None = None

    @property
    def part(self) -> str:
        """The part of the system whose guard it is: "common", "order" … or "templates"."""
        if self.file.endswith(".yaml"):
            return "templates"
        first, second, *_ = self.file.split("/")
        return second.removesuffix("-service") if first == "packages" else second

    def applied(self, text: str) -> str:
        """The text of the file without the guard. Raises MutantError where there is not exactly one."""
        number = text.count(self.find)
        if number != 1:
            times = "is not there" if number == 0 else f"is there {number} times"
            raise MutantError(f"{self.id}: what to find in {self.file} {times}: {self.find!r}")
        return text.replace(self.find, self.replace)


def read(path: Path = FILE) -> list[Mutant]:
    """The mutants of a file. Raises MutantError with the name of the mutant that is not right."""
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except tomllib.TOMLDecodeError as error:
        raise MutantError(f"{path.name} is not valid TOML: {error}") from error
    entries = document.pop("mutant", None)
    if document or not isinstance(entries, list):
        raise MutantError(f"{path.name} holds something else than a list of [[mutant]]")
    mutants = [_mutant(entry, f"{path.name}, number {number}") for number, entry in enumerate(entries, 1)]
    ids = [mutant.id for mutant in mutants]
    for twice in sorted({mutant_id for mutant_id in ids if ids.count(mutant_id) > 1}):
        raise MutantError(f"{path.name}: two mutants are called {twice}")
    return mutants


def chosen(mutants: Sequence[Mutant], ids: Iterable[str]) -> list[Mutant]:
    """Those with these ids, in the order asked for. Raises MutantError for an id that there is not."""
    by_id = {mutant.id: mutant for mutant in mutants}
    wanted = list(ids)
    for mutant_id in wanted:
        if mutant_id not in by_id:
            raise MutantError(f"there is no mutant {mutant_id!r}")
    return [by_id[mutant_id] for mutant_id in wanted]


def apply(mutant: Mutant, root: Path, target: Path) -> None:
    """Copy what the simulation loads from `root` to `target`, without the guard.

    Raises MutantError where the mutant does not fit the source.
    """
    for pattern in COPIED:
        for source in sorted(root.glob(pattern)):
            copy = target / source.relative_to(root)
            copy.parent.mkdir(parents=True, exist_ok=True)
            if source.is_dir():
                shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
            else:
                shutil.copy2(source, copy)
    path = target / mutant.file
    if not path.is_file():
        raise MutantError(f"{mutant.id}: {mutant.file} is not among what the simulation loads")
    path.write_text(mutant.applied(path.read_text(encoding="utf-8")), encoding="utf-8")


def _mutant(entry: Any, where: str) -> Mutant:
    if not isinstance(entry, dict):
        raise MutantError(f"{where}: is not a [[mutant]]")
    name = entry.get("id")
    where = name if isinstance(name, str) and name else where
    known = {field.name: field for field in fields(Mutant)}
    for key, value in entry.items():
        if key not in known:
            raise MutantError(f"{where}: {key} is not a field of a mutant: {', '.join(known)}")
        if not isinstance(value, str) or not (value.strip() or key == "replace"):
            raise MutantError(f"{where}: {key} is not a text")
    for key in ("id", "guards", "file", "find", "replace"):
        if key not in entry:
            raise MutantError(f"{where}: has no {key}")
    if not _ID.fullmatch(entry["id"]):
        raise MutantError(f"{where}: an id is words in small letters with dashes between")
    if entry["find"] == entry["replace"]:
        raise MutantError(f"{where}: replaces its text with the same")
    if entry["file"].startswith("/") or ".." in entry["file"].split("/"):
        raise MutantError(f"{where}: {entry['file']} is not a path from the root")
    for key in ("guards", "equivalent"):
        if key in entry:
            entry[key] = " ".join(entry[key].split())
    return Mutant(**entry)
