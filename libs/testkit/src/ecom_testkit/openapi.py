"""An OpenAPI 3.0 description as tests need it: what it says of an answer, its schemas as JSON Schema.

Its dialect of JSON Schema is draft 4 but for `nullable` and notes for people, so draft 4 is what comes out,
with all references in place and each `allOf` one schema.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import yaml
from jsonschema import Draft4Validator, ValidationError
from jsonschema.validators import extend

Json = Any

METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
NOTES = frozenset({"description", "example", "default", "title", "externalDocs", "deprecated"})
"""What a schema says to people, and what it leaves to programs that write requests."""


class Description:
    """An API's description."""

    def __init__(self, document: dict[str, Json]) -> None:
        self.document = document
        self.operations: dict[tuple[str, str], Json] = {
            (method.upper(), path): item[method]
            for path, item in document["paths"].items()
            for method in METHODS
            if method in item
        }
        """By method and path, ("GET", "/things/{thingId}")."""

    @classmethod
    def read(cls, path: Path) -> Description:
        return cls(yaml.load(path.read_text(encoding="utf-8"), _Loader))  # nosec B506  # a safe loader

    def schema(self, name: str) -> Json:
        """A schema of the components."""
        return self.plain(self.document["components"]["schemas"][name])

    def plain(self, node: Json) -> Json:
        """A schema as JSON Schema, draft 4: complete in itself, without notes."""
        node = self._found(node)
        parts = [self.plain(part) for part in node.get("allOf", [])]
        own = {
            name: self._plain_value(name, value)
            for name, value in node.items()
            if name not in NOTES | {"allOf", "nullable"} and not name.startswith("x-")
        }
        schema = _merged([*parts, own])
        return {"anyOf": [schema, {"type": "null"}]} if node.get("nullable") else schema

    def response(self, method: str, path: str, status: int) -> Json:
        """What the description says of such an answer; None if nothing."""
        found = self.operations[method, path]["responses"].get(str(status))
        return self._found(found) if found else None

    def bodies(self, method: str, path: str, status: int) -> dict[str, Json]:
        """The schemas of an answer's body, by media type."""
        content = (self.response(method, path, status) or {}).get("content", {})
        return {kind: self.plain(media["schema"]) for kind, media in content.items()}

    def flaws(
        self,
        method: str,
        path: str,
        status: int,
        headers: Mapping[str, str],
        body: str,
        *,
        closed: bool = False,
    ) -> list[str]:
        """What the description does not say of an answer, or says otherwise. Empty: nothing.

        A field of an answer that is not described is a flaw. `closed`: so is a header, which suits a
        function's own answers and not those that have been through a network.
        """
        response = self.response(method, path, status)
        if response is None:
            return [f"{status} is not described for {method} {path}"]
        return [
            *self._flaws_of_headers(response, headers, closed=closed),
            *self._flaws_of_body(response, headers, body),
        ]

    def _flaws_of_headers(self, response: Json, headers: Mapping[str, str], *, closed: bool) -> Iterator[str]:
        described = {
            name.lower(): self._found(header) for name, header in response.get("headers", {}).items()
        }
        sent = {name.lower(): value for name, value in headers.items()}
        for name, header in described.items():
            if name not in sent:
                if header.get("required"):
                    yield f"header {name} is missing"
                continue
            schema = self.plain(header["schema"])
            value: Json = sent[name]
            if schema.get("type") == "integer" and re.fullmatch(r"-?\d+", value):
                value = int(value)
            yield from (f"header {name}: {flaw}" for flaw in misfits(schema, value))
        for name in sent.keys() - described.keys() - {"content-type"} if closed else ():
            yield f"header {name} is not described"

    def _flaws_of_body(self, response: Json, headers: Mapping[str, str], body: str) -> Iterator[str]:
        kind = next((value for name, value in headers.items() if name.lower() == "content-type"), "")
        media = response.get("content", {}).get(kind.partition(";")[0].strip())
        if media is None:
            yield f"content type {kind!r} is not described"
            return
        try:
            found = json.loads(body)
        except ValueError as error:
            yield f"the body is no JSON: {error}"
            return
        yield from (f"body {flaw}" for flaw in misfits(_closed(self.plain(media["schema"])), found))

    def _found(self, node: Json) -> Json:
        """What a reference inside this document points to."""
        while "$ref" in node:
            target: Json = self.document
            for name in node["$ref"].removeprefix("#/").split("/"):
                target = target[name]
            node = target
        return node

    def _plain_value(self, keyword: str, value: Json) -> Json:
        if keyword == "properties":
            return {name: self.plain(schema) for name, schema in value.items()}
        if keyword in ("items", "not"):
            return self.plain(value)
        if keyword in ("anyOf", "oneOf"):
            return [self.plain(schema) for schema in value]
        return value


def misfits(schema: Json, value: Json) -> list[str]:
    """Where and how a value is not what a schema of draft 4 wants."""
    errors = _Validator(schema).iter_errors(value)
    return [f"{error.json_path}: {error.message}" for error in errors]


def _merged(schemas: list[Json]) -> Json:
    """One schema that wants what all of these want, as far as objects and their fields are concerned.

    Raises ValueError where two of them say a thing in different ways that cannot be put together.
    """
    whole: dict[str, Json] = {}
    for schema in schemas:
        for keyword, value in schema.items():
            if keyword not in whole or whole[keyword] == value:
                whole[keyword] = value
            elif keyword == "properties":
                both = whole[keyword].keys() & value.keys()
                whole[keyword] = (
                    whole[keyword]
                    | value
                    | {name: _merged([whole[keyword][name], value[name]]) for name in both}
                )
            elif keyword == "required":
                whole[keyword] = [*dict.fromkeys([*whole[keyword], *value])]
            else:
                raise ValueError(f"{keyword} is said twice: {whole[keyword]!r} and {value!r}")
    return whole


def _closed(schema: Json) -> Json:
    """The same schema without room for fields it does not name."""
    if isinstance(schema, list):
        return [_closed(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    closed = {
        keyword: {name: _closed(field) for name, field in value.items()}
        if keyword == "properties"
        else _closed(value)
        if keyword in ("items", "anyOf", "oneOf")
        else value
        for keyword, value in schema.items()
    }
    return {"additionalProperties": False, **closed} if "properties" in closed else closed


def _pattern(_: Any, pattern: str, value: Json, __: Any) -> Iterator[ValidationError]:
    # To ECMA 262, whose patterns these are, `$` is the end; to Python also the place before a last line end.
    if isinstance(value, str) and not re.search(re.sub(r"\$$", r"\\Z", pattern), value):
        yield ValidationError(f"{value!r} does not match {pattern!r}")


_Validator = extend(Draft4Validator, {"pattern": _pattern})  # type: ignore[no-untyped-call]


class _Loader(yaml.SafeLoader):
    """Times stay texts, as JSON has them."""


_Loader.yaml_implicit_resolvers = {
    first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
    for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
}
