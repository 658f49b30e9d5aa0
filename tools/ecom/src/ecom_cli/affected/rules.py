"""Which kind of file a path is. Every file of the repository is of one kind; the rest is nobody's."""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from pathlib import PurePosixPath

from ecom_cli.workspace import Member, Workspace


class Kind(Enum):
    """A kind of file, by what a change of it can do. The first belong to a package, the others to all."""

    CODE = "code"
    TESTS = "tests of a package"
    TEMPLATE = "template"
    FACTS = "schema of a fact"
    READS = "what is read of a fact"
    PINS = "pins of a zip"
    PROJECT = "pyproject.toml of a package"
    BESIDE = "what stands beside the code"
    WORDS = "words"
    REST = "other file of a package"
    SPANNING = "tests that span packages"
    SHARED_BY_TESTS = "modules that tests share"
    END_TO_END = "end-to-end tests"
    DOCS = "documentation"
    SETTINGS = "the workspace's pyproject.toml"
    ENTRY = "what all tests go through"
    SCRIPTS = "scripts around the tool"
    AUTOMATION = "automation"
    HOUSEKEEPING = "git's own files"
    NOBODYS = "nobody's"


# Inside a package's folder. Its template is the one that its pyproject.toml names.
_OF_A_PACKAGE = {
    Kind.CODE: r"src/.+",
    Kind.TESTS: r"tests/.+",
    Kind.FACTS: r"events/[^/]+\.json",
    Kind.READS: r"reads/[^/]+\.json",
    Kind.PINS: r"requirements\.txt",
    Kind.PROJECT: r"pyproject\.toml",
    # what `ecom up` puts on stock, what the API promises: for tests and tools, no function reads it
    Kind.BESIDE: r"catalogue\.json|openapi\.yaml",
    Kind.WORDS: r"(README|CHANGELOG)\.md",
}
_OF_ALL = {
    Kind.SPANNING: r"tests/(?!e2e/)(.+/)?test_[^/]+\.py",
    Kind.SHARED_BY_TESTS: r"tests/(?!e2e/)(?!(.+/)?test_[^/]+\.py$).+",
    Kind.END_TO_END: r"tests/e2e/.+",
    Kind.DOCS: r"docs/.+|[A-Z]+\.md",
    Kind.SETTINGS: r"pyproject\.toml",
    Kind.ENTRY: r"ecom|conftest\.py",
    Kind.SCRIPTS: r"(deploy|destroy)_stacks\.sh",
    Kind.AUTOMATION: r"\.(ci|github)/.+|\.pre-commit-config\.yaml|CODEOWNERS",
    Kind.HOUSEKEEPING: r"\.git(ignore|attributes)|\.editorconfig|LICENSE",
}


@dataclass(frozen=True)
class File:
    """A path relative to the root, with slashes; `inside` is the rest of it in the folder of its package."""

    path: str
    member: Member | None
    inside: str

    @property
    def kind(self) -> Kind:
        """The one kind it is of. A package's file that no rule knows is still its package's."""
        found = self.kinds
        if found:
            return found[0]
        return Kind.REST if self.member else Kind.NOBODYS

    @property
    def kinds(self) -> list[Kind]:
        """Every rule that claims it. More than one is a mistake in the rules."""
        rules = _OF_A_PACKAGE if self.member else _OF_ALL
        found = [kind for kind, pattern in rules.items() if re.fullmatch(pattern, self.inside, re.DOTALL)]
        if self.member and self.member.template == self.member.folder / self.inside:
            found.append(Kind.TEMPLATE)
        return found


def file(repo: Workspace, path: str) -> File:
    """The file at this path of the repository, whether it is there (still) or not."""
    for member in repo.members:
        folder = member.folder.relative_to(repo.root)
        if PurePosixPath(path).is_relative_to(folder.as_posix()) and path != folder.as_posix():
            return File(path, member, path[len(folder.as_posix()) + 1 :])
    return File(path, None, path)
