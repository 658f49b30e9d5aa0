"""A package's contract against the one of its last release."""

from __future__ import annotations

from collections.abc import Iterable

from ecom_cli.contracts.changes import breaks_with_readers
from ecom_cli.contracts.model import Break
from ecom_cli.contracts.reading import contract_at, contract_of, contracts_of
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.release.versions import last_released, tag_of
from ecom_cli.workspace import Member, Workspace

WAY_OUT = (
    "Leave what was released as it is. What must be different comes as a new version beside it: "
    "events/<DetailType>.v2.json; the old one goes when nobody reads it any more."
)


def last_tag(repo: Workspace, member: Member) -> str | None:
    """The tag of the last release that this commit contains; None before the first.

    Raises EcomError where that cannot be known: a shallow clone has no tags, and would pass everything.
    """
    git = Git(repo.root)
    version = last_released(git, member.dist)
    if version is None and git.run("rev-parse", "--is-shallow-repository").strip() == "true":
        raise EcomError(
            "This clone is shallow, so it cannot be known what was released.",
            "Fetch the rest: `git fetch --unshallow --tags`; in a workflow, fetch-depth: 0.",
        )
    return tag_of(member.dist, version) if version else None


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
        WAY_OUT,
    )
