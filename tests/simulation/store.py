"""A table: its rows, its indexes that trail behind, and its rows' time to live."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any, NamedTuple
from zlib import crc32

from simulation.attribute_values import InvalidError, Item, SchemaError, number
from simulation.expressions import Term
from simulation.indexes import Index, IndexSpec

KEY_BYTES = 2048
OLDEST_EXPIRY = 5 * 365 * 86400
"""Seconds: a time to live that ended longer ago is left alone, as DynamoDB does."""


class TableSpec(NamedTuple):
    """A table with one key attribute, a string. `types` is S, N or B for the indexes' attributes; where one
    is not named, any of them will do."""

    name: str
    key: str
    indexes: Mapping[str, IndexSpec]
    ttl: str | None
    types: Mapping[str, str] = MappingProxyType({})


class Change(NamedTuple):
    """What a write did to a row, even where it left it as it was. `key` is the key attribute's string."""

    table: str
    key: str
    before: Item | None
    after: Item | None


class Table:
    """Rows by key. Indexes, and reads that do not ask for consistency, see it `index_lag` seconds ago."""

    def __init__(self, spec: TableSpec) -> None:
        self.spec = spec
        self.name = spec.name
        self.key = spec.key
        self.rows: dict[str, Item] = {}
        self.index_lag = 0.0
        self._recent: deque[tuple[float, Change]] = deque()
        self._build_indexes()
        self.index_attributes = frozenset(
            name for index in self._indexes.values() for name in index.attributes
        )

    def _build_indexes(self) -> None:
        self._recent.clear()
        self._indexes = {
            name: Index(self.key, index, self.spec.types) for name, index in self.spec.indexes.items()
        }

    def write(self, key: str, after: Item | None, now: float) -> Change:
        """Put a row in a row's place, or take it away."""
        change = Change(self.name, key, self.rows.get(key), after)
        if after is None:
            self.rows.pop(key, None)
        else:
            self.rows[key] = after
        self._recent.append((now, change))
        self._settle(now)
        return change

    def _settle(self, now: float) -> None:
        """Let the indexes hear what is old enough."""
        recent, heard_until = self._recent, now - self.index_lag
        while recent and recent[0][0] <= heard_until:
            change = recent.popleft()[1]
            for index in self._indexes.values():
                index.move(change.key, change.before, change.after)

    def read(self, key: str, now: float, consistent: bool) -> Item | None:
        """The row, as of now or as of the lag before."""
        if not consistent and self._recent:
            self._settle(now)
            for _, change in self._recent:
                if change.key == key:
                    return change.before
        return self.rows.get(key)

    def index(self, name: str, now: float) -> Index:
        """An index as of the lag before. Raises InvalidError where there is none of the name."""
        if name not in self._indexes:
            raise InvalidError("The table does not have the specified index")
        self._settle(now)
        return self._indexes[name]

    def select(
        self, terms: tuple[Term, ...], values: Item, now: float, consistent: bool, start: Item | None
    ) -> list[tuple[str, Item]]:
        """The row, if there is one, that a condition on the key picks."""
        if [(term.attribute, term.comparator) for term in terms] != [(self.key, "=")]:
            raise InvalidError(
                "Query condition missed key schema element, or query key condition not supported"
            )
        key = self.key_in({self.key: values[terms[0].values[0]]})
        if start is not None and self.key_in(start) != key:
            raise InvalidError(
                "The provided starting key is outside query boundaries based on provided conditions"
            )
        row = self.read(key, now, consistent) if start is None else None
        return [] if row is None else [(key, row)]

    def scan(self, now: float, consistent: bool, start: str | None) -> list[tuple[str, Item]]:
        """All rows behind the key `start`, in an order that means nothing, as DynamoDB's."""
        late = {} if consistent else {change.key: None for _, change in self._recent}
        found = []
        for key in sorted({**self.rows, **late}, key=self.hashed):
            row = self.read(key, now, consistent)
            if row is not None and (start is None or self.hashed(key) > self.hashed(start)):
                found.append((key, row))
        return found

    def sorted_rows(self) -> Iterator[tuple[str, Item]]:
        """Every row by key, in the order of the keys."""
        for key in sorted(self.rows):
            yield key, self.rows[key]

    @staticmethod
    def hashed(key: str) -> tuple[int, str]:
        """Where DynamoDB might keep a key: anywhere, but always there."""
        return crc32(key.encode()), key

    def key_in(self, key: Mapping[str, Any]) -> str:
        """The key of a request. Raises InvalidError or SchemaError for one that cannot be."""
        if len(key) != 1 or self.key not in key or "S" not in key[self.key]:
            raise SchemaError("The provided key element does not match the schema")
        return self.key_of(key)

    def key_of(self, item: Mapping[str, Any]) -> str:
        """The key of a whole row. Raises InvalidError or SchemaError where it has none."""
        if self.key not in item:
            raise SchemaError("One or more parameter values were invalid: Missing the key in the item")
        key = item[self.key].get("S")
        if not isinstance(key, str):
            raise SchemaError("One or more parameter values were invalid: Type mismatch for key expected: S")
        if not key:
            raise InvalidError("One or more parameter values are not valid: an empty key")
        if len(key) > KEY_BYTES // 4 and len(key.encode()) > KEY_BYTES:
            raise InvalidError("Size of hashkey has exceeded the maximum size limit of 2048 bytes")
        return key

    def check_indexes(self, item: Item) -> None:
        """Raises InvalidError or SchemaError for a row that an index could not hold."""
        for index in self._indexes.values():
            index.check(item)

    def expire(self, now: float) -> list[Change]:
        """Delete the rows whose time to live is over."""
        name = self.spec.ttl
        if name is None:
            return []
        over = []
        for key, row in self.sorted_rows():
            text = row.get(name, {}).get("N")
            if text is not None and now - OLDEST_EXPIRY < number(text) <= now:
                over.append(key)
        return [self.write(key, None, now) for key in over]

    def snapshot(self) -> Any:
        """All rows as they are, for `restore`."""
        return dict(self.rows)

    def restore(self, snapshot: Any) -> None:
        """Back to a snapshot, indexes and all, at once."""
        self.rows = dict(snapshot)
        self._build_indexes()
        for key, row in self.rows.items():
            for index in self._indexes.values():
                index.move(key, None, row)
