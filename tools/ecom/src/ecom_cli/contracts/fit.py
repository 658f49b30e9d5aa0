"""Whether packages fit together: on a stage, or in the working tree."""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from ecom_cli.contracts.model import Contract


def misfits(by_dist: Mapping[str, Contract], exports: Iterable[str] = ()) -> list[str]:
    """Who needs what that the others do not give: a sentence each, empty where all fits.

    `by_dist` are the contracts of everything that is (about to be) on a stage. `exports` are CloudFormation
    exports that are there besides, without the stage's prefix: of stacks whose contract is not known.
    """
    sources = {kind.source for contract in by_dist.values() for kind in contract.publishes}
    published = {kind: contract for contract in by_dist.values() for kind in contract.publishes}
    exported = {name for contract in by_dist.values() for name in contract.exports} | set(exports)
    found = [
        f"{contract.name} reads {kind.words}, which nobody on this stage publishes any more."
        for contract in by_dist.values()
        for kind in contract.reads
        if kind not in published and kind.source in sources
    ]
    found += [
        f"{contract.name} imports {name}, which nobody on this stage exports."
        for contract in by_dist.values()
        for name in contract.imports
        if name not in exported
    ]
    return sorted(found)


def unheard(by_dist: Mapping[str, Contract]) -> list[str]:
    """Facts that are read while their publisher is not on the stage yet: no reason to refuse anything."""
    sources = {kind.source for contract in by_dist.values() for kind in contract.publishes}
    return sorted(
        f"{contract.name} reads {kind.words} of {kind.source}, which is not on this stage yet."
        for contract in by_dist.values()
        for kind in contract.reads
        if kind.source not in sources
    )
