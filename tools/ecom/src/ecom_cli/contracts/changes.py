"""What a change of a schema does to whoever reads the facts."""

from __future__ import annotations

from ecom_cli.contracts.model import Break, Kind, Schema

_WORDS = ("title", "description", "examples", "$id", "$schema", "$comment")


def breaks(old: Schema, new: Schema, kind: Kind) -> list[Break]:
    """How a producer's new schema breaks readers of the old one; empty where it breaks nobody."""
    if _meaning(old) == _meaning(new):
        return []
    return [Break(str(kind), "", "the schema has changed, in a way that is not shown to be compatible")]


def _meaning(schema: Schema) -> dict[str, object]:
    return {key: value for key, value in schema.items() if key not in _WORDS}
