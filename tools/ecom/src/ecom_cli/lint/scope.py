"""What the gate looks at: the whole workspace, or some of its members."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from ecom_cli.lint.programs import run
from ecom_cli.workspace import Member, Workspace

PYTHON_FOLDERS = ("libs", "packages", "tools", "tests", "benchmarks")
TEST_LIBRARY = "libs/testkit"  # checked for style and types; it ships nowhere
BY_HAND = {"deploy-access": ".github/deploy-access.yaml"}
"""Templates that belong to no member: an administrator deploys them, not `ecom deploy`."""


@dataclass(frozen=True)
class Scope:
    """Paths are relative to `house.root`, with slashes. `members` empty: everything."""

    house: Workspace
    members: tuple[Member, ...] = ()

    @classmethod
    def of(cls, house: Workspace, names: Sequence[str]) -> Scope:
        """The members of these names, or all. Raises EcomError naming those that exist."""
        return cls(house, tuple(house.member(name) for name in dict.fromkeys(names)))

    @property
    def root(self) -> Path:
        return self.house.root

    @property
    def folders(self) -> list[str]:
        """Where style is checked."""
        if self.members:
            return [self._relative(member.folder) for member in self.members]
        in_root = sorted(path.name for path in self.root.glob("*.py"))
        return [name for name in PYTHON_FOLDERS if (self.root / name).is_dir()] + in_root

    @property
    def sources(self) -> list[str]:
        """Where types are checked."""
        found = [self._relative(member.folder / "src") for member in self._picked if member.package]
        # programs of their own, with tests beside them
        programs = [name for name in ("tests/iam", "tests/simulation") if (self.root / name).is_dir()]
        found += [] if self.members else programs
        return found

    @property
    def shipped(self) -> list[str]:
        """What runs outside of tests: services, the library they share, the tools."""
        return [folder for folder in self.sources if folder.startswith(PYTHON_FOLDERS[:3]) and not
                folder.startswith(TEST_LIBRARY)]  # fmt: skip

    @property
    def templates(self) -> dict[str, str]:
        """The templates by the name of their member, what others build upon first."""
        return {
            member.dist: self._relative(member.template)
            for member in self.house.stacks
            if member.template and member.template.is_file() and (not self.members or member in self.members)
        }

    @property
    def all_templates(self) -> dict[str, str]:
        """The templates of the members, and those that belong to none."""
        by_hand = {name: path for name, path in BY_HAND.items() if (self.root / path).is_file()}
        return self.templates if self.members else self.templates | by_hand

    @cached_property
    def files(self) -> list[str]:
        """Every file that is, or would be, in git."""
        listed = run(("git", "ls-files", "-z", "--cached", "--others", "--exclude-standard"), self.root)
        every = listed.stdout.split("\0") if listed.returncode == 0 else self._walked()
        inside = tuple(f"{folder}/" for folder in self.folders) if self.members else ("",)
        return sorted(n for n in every if n.startswith(inside) and (self.root / n).is_file())

    @property
    def _picked(self) -> tuple[Member, ...]:
        return self.members or self.house.members

    def _walked(self) -> Iterator[str]:
        """Outside of a checkout: everything that is not hidden and not compiled."""
        for path in self.root.rglob("*"):
            name = self._relative(path)
            if not any(part.startswith(".") or part == "__pycache__" for part in name.split("/")):
                yield name

    def _relative(self, path: Path) -> str:
        return path.relative_to(self.root).as_posix()
