"""Who publishes, reads, exports and imports what; and whether a change or a combination keeps it.

A producer owns the schemas of its facts (`events/`), a consumer declares what it reads of others' (`reads/`).
"""

from ecom_cli.contracts import released
from ecom_cli.contracts.changes import breaks
from ecom_cli.contracts.fit import misfits, unheard
from ecom_cli.contracts.model import Break, Contract, Kind, Reading
from ecom_cli.contracts.reading import contract_at, contract_of, contracts_of, readers_of

__all__ = [
    "Break",
    "Contract",
    "Kind",
    "Reading",
    "breaks",
    "contract_at",
    "contract_of",
    "contracts_of",
    "misfits",
    "readers_of",
    "released",
    "unheard",
]
