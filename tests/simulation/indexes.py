"""A secondary index: what a query on it sees, in the index's order."""

from __future__ import annotations

from bisect import bisect_left, bisect_right, insort
from collections.abc import Mapping
from operator import itemgetter
from typing import Any, Literal, NamedTuple

from simulation.attribute_values import InvalidError, Item, SchemaError, comparable
from simulation.expressions import ORDERED, Term

Place = tuple[Any, str]
"""Where a row stands in its partition: what orders its range attribute, then the row's key."""

_range_of = itemgetter(0)


class IndexSpec(NamedTuple):
    """The index's key attributes and what it keeps of a row."""

    hash: str
    range: str | None
    projected: Literal["KEYS_ONLY", "ALL"]


class Index:
    """Rows that have the index's key attributes, as the index has heard of them so far."""

    def __init__(self, key: str, spec: IndexSpec, types: Mapping[str, str]) -> None:
        self.spec = spec
        self._key = key
        self._hash = spec.hash
        self._range = spec.range or spec.hash  # without one, the rows' keys alone order a partition
        self.attributes = tuple(name for name in (spec.hash, spec.range) if name is not None)
        self._kinds = {name: types.get(name) for name in self.attributes}
        self._keys = dict.fromkeys((*self.attributes, key))
        self._partitions: dict[str, list[Place]] = {}
        self._items: dict[str, Item] = {}

    def check(self, item: Item) -> None:
        """Raises InvalidError or SchemaError for a row that the index could not hold."""
        for name, kind in self._kinds.items():
            value = item.get(name)
            if value is None:
                continue
            if kind not in value and (kind is not None or not any(one in value for one in ORDERED)):
                raise SchemaError(
                    f"One or more parameter values were invalid: Type mismatch for Index Key {name}"
                )
            if value.get("S") == "" or value.get("B") == b"":
                raise InvalidError(f"One or more parameter values are not valid: an empty index key {name}")

    def move(self, key: str, before: Item | None, after: Item | None) -> None:
        """Hear of a row's change."""
        if (
            self.spec.projected == "KEYS_ONLY"
            and before is not None
            and after is not None
            and before.get(self._hash) == after.get(self._hash)
            and before.get(self._range) == after.get(self._range)
        ):
            return  # most writes to a row leave its place alone
        old, new = self._place(key, before), self._place(key, after)
        if old != new:
            if old is not None:
                partition = self._partitions[old[0]]
                del partition[bisect_left(partition, old[1])]
                del self._items[key]
            if new is not None:
                insort(self._partitions.setdefault(new[0], []), new[1])
        if new is not None and after is not None:
            self._items[key] = self._projection(after)

    def _projection(self, item: Item) -> Item:
        return item if self.spec.projected == "ALL" else {name: item[name] for name in self._keys}

    def _place(self, key: str, item: Item | None) -> tuple[str, Place] | None:
        """The partition a row is in, and its place there; None where it lacks one of the attributes."""
        if item is None:
            return None
        partition = item.get(self._hash)
        if partition is None:
            return None
        place = item.get(self._range)
        return None if place is None else (comparable(partition), (comparable(place), key))

    def select(
        self, terms: tuple[Term, ...], values: Item, forward: bool, start: Item | None
    ) -> list[tuple[str, Item]]:
        """The rows that meet a key condition, by key, in order, from behind `start`."""
        hash_value, term = self._conditions(terms, values)
        partition = self._partitions.get(comparable(hash_value), [])
        bounds = [] if term is None else [comparable(values[name]) for name in term.values]
        low, high = _bounds(partition, term.comparator if term else "", bounds)
        if start is not None:
            if start.keys() != self._keys.keys() or "S" not in start[self._key]:
                raise InvalidError("The provided starting key is invalid")
            place = self._place(start[self._key]["S"], start)
            if place is None or place[0] != comparable(hash_value):
                raise InvalidError(
                    "The provided starting key is outside query boundaries based on provided conditions"
                )
            if forward:
                low = max(low, bisect_right(partition, place[1]))
            else:
                high = min(high, bisect_left(partition, place[1]))
        places = partition[low:high]
        return [(key, self._items[key]) for _, key in (places if forward else reversed(places))]

    def _conditions(self, terms: tuple[Term, ...], values: Item) -> tuple[Any, Term | None]:
        """The hash value asked for, and the condition on the range attribute."""
        by_attribute = {term.attribute: term for term in terms}
        on_hash = by_attribute.pop(self.spec.hash, None)
        if on_hash is None or on_hash.comparator != "=" or len(by_attribute) != len(terms) - 1:
            raise InvalidError(
                "Query condition missed key schema element, or query key condition not supported"
            )
        on_range = by_attribute.pop(self.spec.range or "", None)
        if by_attribute:
            raise InvalidError("Query key condition not supported")
        for term in filter(None, (on_hash, on_range)):
            self.check_condition(term, values)
        return values[on_hash.values[0]], on_range

    def check_condition(self, term: Term, values: Item) -> None:
        kind = self._kinds[term.attribute]
        for name in term.values:
            if (kind or "") not in values[name] and kind is not None:
                raise InvalidError("Condition parameter type does not match schema type")
            if not any(one in values[name] for one in ORDERED):
                raise InvalidError("One or more parameter values were invalid: Unsupported type for a key")
            if values[name].get("S") == "" or values[name].get("B") == b"":
                raise InvalidError(
                    "One or more parameter values are not valid: an empty value for a key attribute"
                )


def _bounds(partition: list[Place], comparator: str, bounds: list[Any]) -> tuple[int, int]:
    """The slice of a partition that a range condition selects."""

    def at_least(bound: Any) -> int:
        return bisect_left(partition, bound, key=_range_of)

    def beyond(bound: Any) -> int:
        return bisect_right(partition, bound, key=_range_of)

    match comparator:
        case "=":
            return at_least(*bounds), beyond(*bounds)
        case "<":
            return 0, at_least(*bounds)
        case "<=":
            return 0, beyond(*bounds)
        case ">":
            return beyond(*bounds), len(partition)
        case ">=":
            return at_least(*bounds), len(partition)
        case "between":
            return at_least(bounds[0]), beyond(bounds[1])
        case "begins_with":
            first, prefix = at_least(*bounds), bounds[0]
            last = bisect_left(partition, True, lo=first, key=lambda place: not place[0].startswith(prefix))
            return first, last
        case _:
            return 0, len(partition)
