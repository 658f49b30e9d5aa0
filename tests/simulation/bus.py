"""EventBridge: which rule a fact matches, what its targets get, and which entries the bus refuses.

Sources: the EventBridge user guide ("Creating event patterns", "Input transformation", "Calculating PutEvents
entry size") and the API reference of PutEvents.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import lru_cache
from typing import Any

from botocore.exceptions import ClientError

from simulation.cloudformation import ACCOUNT, REGION
from simulation.tables import CANARY_REQUEST
from simulation.topology import TargetSpec, Topology, TransformSpec

MOST_ENTRIES = 10
MOST_BYTES = 256 * 1024
"""Of all entries of a request together. The quota has been raised; facts stay far below the old one."""


def _no_number(name: str) -> Any:
    raise ValueError(f"{name} is not JSON")


Event = Mapping[str, Any]
Test = Callable[[Any], bool]
_JSON = json.JSONEncoder(separators=(",", ":"), ensure_ascii=False).encode
_DECODER = json.JSONDecoder(parse_constant=_no_number)
_PATH = re.compile(r"\$((?:\.[A-Za-z0-9_-]+)+)")


# ---------------------------------------------------------------------------------------------- patterns


def compile_pattern(pattern: Mapping[str, Any]) -> Callable[[Event], bool]:
    """A test of whether an event matches: all fields must, and of each field one of the values.

    Text matches text and `true` matches `true`, never "true"; a list in the event matches where one of its
    elements does. Raises NotImplementedError for a matcher that no template uses, ValueError for what
    EventBridge refuses.
    """
    return _object(pattern, "")


def _object(pattern: Mapping[str, Any], path: str) -> Test:
    if not pattern:
        raise ValueError(f"an empty object at {path or 'the top'}: EventBridge refuses it")
    fields = tuple((name, _field(wanted, f"{path}.{name}")) for name, wanted in pattern.items())

    def matches(value: Any) -> bool:
        if isinstance(value, list):
            return any(map(matches, value))
        if not isinstance(value, dict):
            return False
        for name, test in fields:  # noqa: SIM110 - as all(...) it takes twice as long
            if name not in value or not test(value[name]):
                return False
        return True

    return matches


def _field(wanted: Any, path: str) -> Test:
    if path.rpartition(".")[2].startswith("$"):
        raise NotImplementedError(f"the matcher {path[1:]} is not simulated")
    if isinstance(wanted, dict):
        return _object(wanted, path)
    if not isinstance(wanted, list) or not wanted:
        raise ValueError(f"{path[1:]} must be an object or a list with a value: EventBridge refuses {wanted}")
    for value in wanted:
        # Numbers: EventBridge compares some by their digits and some by their value; no rule here needs that.
        if not isinstance(value, str | bool):
            raise NotImplementedError(f"the matcher {path[1:]}: [{_JSON(value)}] is not simulated")
    return _one_of(wanted)


def _one_of(wanted: Sequence[str | bool]) -> Test:
    texts = frozenset(value for value in wanted if isinstance(value, str))
    truths = [value for value in wanted if isinstance(value, bool)]

    def matches(value: Any) -> bool:
        if isinstance(value, str):
            return value in texts
        if isinstance(value, bool):
            return value in truths
        return isinstance(value, list) and any(map(matches, value))

    return matches


# ------------------------------------------------------------------------------------------------ events


@lru_cache(maxsize=512)
def _detail(text: str) -> Any:
    """The detail of an entry. Shared by everybody who asks: to be read only."""
    return _DECODER.decode(text)


def envelope(entry: Event, event_id: str, now: float, replay: str | None = None) -> dict[str, Any]:
    """The event as targets see it, made of an entry that the bus has accepted.

    `replay` is the name of the replay that an archived event comes from; it keeps its id and time (`now` is
    when it was first put on the bus). The detail is not to be changed.
    """
    event = {
        "version": "0",
        "id": event_id,
        "detail-type": entry["DetailType"],
        "source": entry["Source"],
        "account": ACCOUNT,
        "time": datetime.fromtimestamp(now, UTC).strftime("%Y-%m-%dT%H:%M:%SZ"),
        "region": REGION,
        "resources": list(entry.get("Resources", ())),
        "detail": _detail(entry["Detail"]),
    }
    if replay is not None:
        event["replay-name"] = replay
    return event


def transformed(target: TargetSpec, event: Event) -> str:
    """What a target gets: the event as JSON, or what the rule's input transformer makes of it."""
    if target.transform is None:
        return _JSON(event)
    return _renderer(target.transform.template, tuple(target.transform.paths.items()))(event)


@lru_cache(maxsize=64)
def _renderer(template: str, paths: tuple[tuple[str, str], ...]) -> Callable[[Event], str]:
    """Fills a quoted sentence, without escaping. The quotes stay. A field that is missing leaves a hole."""
    if not (len(template) > 1 and template[0] == template[-1] == '"' and '"' not in template[1:-1]):
        raise NotImplementedError(
            f"an input template that is no sentence in quotes is not simulated: {template}"
        )
    steps = {name: _steps(path) for name, path in paths}
    pieces = re.split(r"<([^<>]+)>", template)
    unknown = [name for name in pieces[1::2] if name not in steps]
    if unknown:
        raise NotImplementedError(f"<{unknown[0]}> has no path, or is a variable that is not simulated")

    def render(event: Event) -> str:
        texts = pieces.copy()
        texts[1::2] = [_found(event, steps[name]) for name in pieces[1::2]]
        return "".join(texts)

    return render


def _steps(path: str) -> tuple[str, ...]:
    found = _PATH.fullmatch(path)
    if found is None:
        raise NotImplementedError(f"the path {path} is not simulated")
    return tuple(found[1][1:].split("."))


def _found(event: Event, steps: tuple[str, ...]) -> str:
    value: Any = event
    for step in steps:
        if not isinstance(value, dict) or step not in value:
            return ""
        value = value[step]
    return value if isinstance(value, str) else _JSON(value)


# --------------------------------------------------------------------------------------------------- bus


class Bus:
    """The rules of the bus, compiled. Knows no time and keeps nothing: delivering is the world's work."""

    def __init__(self, topology: Topology) -> None:
        self._rules = []
        for rule in topology.rules:
            head = {key: value for key, value in rule.pattern.items() if key != "detail"}
            unknown = [key for key in head if key not in ("source", "detail-type")]
            if unknown:
                raise NotImplementedError(f"{rule.name}: a pattern on {unknown[0]} is not simulated")
            detail = {"detail": rule.pattern["detail"]} if "detail" in rule.pattern else None
            self._rules.append(
                (
                    compile_pattern(head) if head else None,
                    compile_pattern(detail) if detail else None,
                    rule.targets,
                )
            )
            for target in rule.targets:
                if target.transform is not None:
                    _check(target.transform)
        self._candidates: dict[tuple[str, str], list[tuple[Test | None, tuple[TargetSpec, ...]]]] = {}

    def validate(self, entry: Event) -> str | None:
        """The error code of an entry that PutEvents refuses; None for one that it takes."""
        if not entry.get("Source") or not entry.get("DetailType") or not entry.get("Detail"):
            return "InvalidArgument"
        if entry["Source"].startswith("aws."):
            return "NotAuthorizedForSourceException"
        try:
            detail = _detail(entry["Detail"])
        except ValueError:
            return "MalformedDetail"
        return None if isinstance(detail, dict) else "MalformedDetail"

    def check(self, entries: Sequence[Event]) -> None:
        """Raises the ValidationException with which PutEvents refuses a request as a whole."""
        if not 1 <= len(entries) <= MOST_ENTRIES:
            raise _validation(f"Member must have length between 1 and {MOST_ENTRIES}")
        if sum(map(_size, entries)) > MOST_BYTES:
            raise _validation("Total size of the entries in the request is over the limit.")

    def route(self, entry: Event) -> list[TargetSpec]:
        """The targets of all rules that an accepted entry matches; one that two rules name comes twice."""
        kind = (entry["Source"], entry["DetailType"])
        if kind not in self._candidates:
            event = {"source": kind[0], "detail-type": kind[1]}
            self._candidates[kind] = [
                (detail, targets) for head, detail, targets in self._rules if head is None or head(event)
            ]
        reached: list[TargetSpec] = []
        for detail, targets in self._candidates[kind]:
            if detail is None or detail({"detail": _detail(entry["Detail"])}):
                reached += targets
        return reached


def _check(transform: TransformSpec) -> None:
    _renderer(transform.template, tuple(transform.paths.items()))


def _size(entry: Event) -> int:
    """Bytes of an entry, as PutEvents counts them."""
    texts = [entry.get(name) or "" for name in ("Source", "DetailType", "Detail")] + entry.get(
        "Resources", []
    )
    return sum(len(text.encode()) for text in texts) + (14 if "Time" in entry else 0)


def _validation(message: str) -> ClientError:
    error = {"Code": "ValidationException", "Message": f"{message} ({CANARY_REQUEST})"}
    return ClientError({"Error": error, "ResponseMetadata": {"HTTPStatusCode": 400}}, "PutEvents")  # type: ignore[typeddict-item]
