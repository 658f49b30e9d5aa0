"""What a package promises to others and needs of them, read from its files: one value that can be kept."""

from __future__ import annotations

import hashlib
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from ecom_cli.errors import EcomError

Schema = Mapping[str, Any]
"""A JSON Schema (2020-12) of an event's `detail`: metadata and data."""

Pattern = Mapping[str, Any]
"""The `detail` part of a rule's EventBridge pattern; empty where the rule takes every fact of the type."""

_KEY = re.compile(r"(?P<source>[^/\s]+)/(?P<type>[A-Za-z0-9]+)\.v(?P<version>[1-9]\d*)")


class Kind(NamedTuple):
    """A fact's source, detail-type and schema version. Written `inventory.service/StockConfirmation.v1`."""

    source: str
    detail_type: str
    version: int

    def __str__(self) -> str:
        return f"{self.source}/{self.detail_type}.v{self.version}"

    @property
    def words(self) -> str:
        """As it is called in a sentence: `StockConfirmation v1`."""
        return f"{self.detail_type} v{self.version}"

    @classmethod
    def parse(cls, text: str) -> Kind:
        """The reverse of `str`. Raises EcomError."""
        found = _KEY.fullmatch(text)
        if not found:
            raise EcomError(
                f"{text!r} names no kind of fact.", "As in: inventory.service/StockConfirmation.v1"
            )
        return cls(found["source"], found["type"], int(found["version"]))


@dataclass(frozen=True)
class Reading:
    """What a package reads of one kind of fact: a schema of the fields it reads, and which facts it gets.

    `patterns` are those of the rules in its template that carry the fact to it: any of them lets it through.
    """

    schema: Schema
    patterns: tuple[Pattern, ...] = ({},)


@dataclass(frozen=True)
class Contract:
    """The contract of one package at one version.

    `exports` and `imports` are names of CloudFormation exports without the stage: `KmsKeyArn`.
    """

    dist: str
    version: str
    publishes: Mapping[Kind, Schema] = field(default_factory=dict)
    reads: Mapping[Kind, Reading] = field(default_factory=dict)
    exports: tuple[str, ...] = ()
    imports: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """As it is called in a sentence: `payment-service 1.3.0`."""
        return f"{self.dist} {self.version}"

    def as_json(self) -> str:
        """The whole contract as JSON text: the same contract always gives the same bytes."""
        return (
            json.dumps(
                {
                    "dist": self.dist,
                    "version": self.version,
                    "publishes": {str(kind): schema for kind, schema in self.publishes.items()},
                    "reads": {
                        str(kind): {"schema": reading.schema, "patterns": reading.patterns}
                        for kind, reading in self.reads.items()
                    },
                    "exports": self.exports,
                    "imports": self.imports,
                },
                indent=1,
                sort_keys=True,
                ensure_ascii=False,
            )
            + "\n"
        )

    @property
    def sha256(self) -> str:
        """Of the bytes of `as_json`, in hex."""
        return hashlib.sha256(self.as_json().encode()).hexdigest()

    @classmethod
    def from_json(cls, text: str) -> Contract:
        """The reverse of `as_json`. Raises EcomError for a text that is no contract."""
        try:
            raw = json.loads(text)
            return cls(
                raw["dist"],
                raw["version"],
                {Kind.parse(key): schema for key, schema in raw["publishes"].items()},
                {
                    Kind.parse(key): Reading(reading["schema"], tuple(reading["patterns"]))
                    for key, reading in raw["reads"].items()
                },
                tuple(raw["exports"]),
                tuple(raw["imports"]),
            )
        except (ValueError, KeyError, TypeError, AttributeError) as error:
            raise EcomError(f"This is no contract: {type(error).__name__}: {error}.") from error


@dataclass(frozen=True)
class Break:
    """One way in which a change breaks who reads what was there before.

    `subject` is the kind of fact as text, or `export NAME`. `pointer` is a JSON pointer into the fact's
    detail (`/data/amount`), empty for the whole of it. `what` says in plain words what changed. `readers` are
    the packages here that declare to read it; none where only readers elsewhere are broken.
    """

    subject: str
    pointer: str
    what: str
    readers: tuple[str, ...] = ()

    def __str__(self) -> str:
        place = f" {self.pointer}" if self.pointer else ""
        whom = f" Breaks {', '.join(self.readers)}." if self.readers else ""
        return f"{self.subject}{place}: {self.what}.{whom}"

    def as_json(self) -> dict[str, Any]:
        """For machines."""
        return {
            "subject": self.subject,
            "pointer": self.pointer,
            "what": self.what,
            "readers": list(self.readers),
        }
