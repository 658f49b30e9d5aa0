"""What one seed's world came to."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from simulation.history import History
    from simulation.invariants import Violation

Move = tuple[str, str, str]
"""Whose row ("reservation", "payment", "shipment", "order"), from, to. "": there is no row."""


@dataclass(frozen=True)
class Outcome:
    """One run, after its last fault and when nothing was left to happen.

    `faults`: injected, by kind. `ended`: orders by their closed status. `state_hash`: SHA-256 of tables,
    queues and ledgers, in hex. `history` is kept only where it was asked for.
    """

    seed: int
    mode: str
    violations: tuple[Violation, ...]
    invocations: int
    calls: int
    orders: int
    faults: Mapping[str, int]
    moves: frozenset[Move]
    ended: Mapping[str, int]
    state_hash: str
    history: History | None = None
