"""A package's contract against the one of its last release."""

from __future__ import annotations

from collections.abc import Iterable

from ecom_cli.contracts.changes import breaks_with_readers
from ecom_cli.contracts.model import Break
from ecom_cli.contracts.reading import contract_at, contract_of, contracts_of
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.workspace import Member, Workspace


def last_tag(repo: Workspace, member: Member) -> str | None:
    """The tag of a package's highest release; None before its first."""
    tags = Git(repo.root).tags(f"{member.dist}/v*")
    return tags[0] if tags else None


def check(repo: Workspace, member: Member, tag: str | None) -> list[Break]:
    """What the working tree's contract of a package breaks for readers of the one at `tag` (a tag or commit).

    Empty where it breaks nobody; also where `tag` is None, since nothing was released that could be broken.
    Raises EcomError for a tag that git does not know and for files that cannot be read.
    """
    if tag is None:
        return []
    old, new = contract_at(repo, member, tag), contract_of(member)
    everybody = contracts_of(repo)
    found = []
    for kind, schema in old.publishes.items():
        readers = tuple(sorted(dist for dist, contract in everybody.items() if kind in contract.reads))
        if kind in new.publishes:
            found += breaks_with_readers(schema, new.publishes[kind], kind, everybody)
        elif readers:
            found.append(Break(str(kind), "", "is published no more", readers))
    for name in sorted(set(old.exports) - set(new.exports)):
        if importers := tuple(sorted(d for d, contract in everybody.items() if name in contract.imports)):
            found.append(Break(f"export {name}", "", "is exported no more", importers))
    return found


def refusal(member: Member, tag: str, found: Iterable[Break]) -> EcomError:
    """The error that refuses a release for these breaks."""
    lines = "\n".join(f"  {each}" for each in found)
    return EcomError(
        f"{member.dist} breaks who reads what it published as {tag}:\n{lines}",
        "Leave the released schema as it is, and publish a new version beside it: <DetailType>.v2.json.",
    )
