"""Whether packages fit together: on a stage, or in the working tree."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping

from ecom_cli.contracts.changes import gaps_of
from ecom_cli.contracts.cover import Gap, How
from ecom_cli.contracts.model import Contract, Kind
from ecom_cli.contracts.shapes import NotUnderstood

ON_A_STAGE = "on this stage"


def misfits(
    by_dist: Mapping[str, Contract], exports: Iterable[str] = (), where: str = ON_A_STAGE
) -> list[str]:
    """Who needs what that the others do not give: a sentence each, empty where all fits.

    `by_dist` are the contracts of everything that is (about to be) on a stage. `exports` are CloudFormation
    exports that are there besides, without the stage's prefix: of stacks whose contract is not known. A fact
    whose source is not there at all is no misfit, see `unheard`: services come one after the other.
    """
    exported = {name for contract in by_dist.values() for name in contract.exports} | set(exports)
    found = [
        f"{contract.name} imports {name}, which nothing {where} exports."
        for contract in by_dist.values()
        for name in contract.imports
        if name not in exported
    ]
    for contract in by_dist.values():
        for kind in contract.reads:
            found += _unread(contract, kind, by_dist, where)
    return sorted(found)


def unheard(by_dist: Mapping[str, Contract], where: str = ON_A_STAGE) -> list[str]:
    """Facts that are read while their source is not there yet: no reason to refuse anything."""
    sources = {kind.source for contract in by_dist.values() for kind in contract.publishes}
    return sorted(
        f"{contract.name} reads {kind.words} of {kind.source}, which is not {where} yet."
        for contract in by_dist.values()
        for kind in contract.reads
        if kind.source not in sources
    )


def _unread(reader: Contract, kind: Kind, by_dist: Mapping[str, Contract], where: str) -> Iterator[str]:
    producers = [c for c in by_dist.values() if any(k.source == kind.source for k in c.publishes)]
    publishers = [contract for contract in producers if kind in contract.publishes]
    if producers and not publishers:
        names = " and ".join(sorted(contract.name for contract in producers))
        yield f"{reader.name} reads {kind.words}, which {names} {where} does not publish."
    for publisher in publishers:
        try:
            found = gaps_of(publisher.publishes[kind], reader.reads[kind])
        except NotUnderstood as error:
            yield f"{reader.name} may not be able to read {kind.words} of {publisher.name}: {error}."
            continue
        for gap in found:
            yield _sentence(reader, kind, publisher, gap, where)


def _sentence(reader: Contract, kind: Kind, publisher: Contract, gap: Gap, where: str) -> str:
    field = ".".join(gap.pointer.split("/")[1:]).replace("~1", "/").replace("~0", "~")
    if gap.how is How.UNHEARD:
        return f"{reader.name} waits for a {kind.words} that {publisher.name} {where} never publishes."
    if not field:
        return f"{reader.name} reads {kind.words}, which in {publisher.name} {where} may be {gap.may_be}."
    what = f"{reader.name} reads `{field}` of {kind.words}, which {publisher.name} {where}"
    if gap.how is How.UNDESCRIBED:
        return f"{what} does not publish."
    if gap.how is How.ABSENT:
        return f"{what} does not always publish."
    return f"{what} may publish as what it cannot read: it may be {gap.may_be}."
