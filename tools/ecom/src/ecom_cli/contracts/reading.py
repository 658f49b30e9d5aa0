"""Contracts from files: of the working tree, or of any commit that git still has."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from typing import Any

from ecom_cli.contracts.model import Contract, Kind, Pattern, Reading, Schema
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.workspace import Member, Workspace, text_of

EVENTS, READS = "events", "reads"
_FILE = re.compile(r"(?P<type>[A-Za-z0-9]+)\.v(?P<version>[1-9]\d*)\.json")
_STAGE = "ecom-${Stage}-"

Files = Callable[[str], dict[str, str]]
"""The files of one folder of a package by name, as text."""


def contract_of(member: Member) -> Contract:
    """The contract of a package as its files say now. Raises EcomError naming the file that is wrong."""

    def files(folder: str) -> dict[str, str]:
        found = sorted((member.folder / folder).glob("*.json"))
        return {path.name: text_of(path) for path in found}

    template = text_of(member.template) if member.template else None
    return _contract(member.dist, member.version, files, template)


def contract_at(repo: Workspace, member: Member, ref: str) -> Contract:
    """The contract of a package as of a commit. `version` is the one that it had there."""
    import tomllib

    git, folder = Git(repo.root), member.folder.relative_to(repo.root).as_posix()

    def files(name: str) -> dict[str, str]:
        paths = [path for path in git.files(ref, f"{folder}/{name}") if path.endswith(".json")]
        return {path.rpartition("/")[2]: git.file(ref, path) or "" for path in paths}

    project = tomllib.loads(git.file(ref, f"{folder}/pyproject.toml") or "")
    template = project.get("tool", {}).get("ecom", {}).get("template")
    text = git.file(ref, f"{folder}/{template}") if template else None
    version = str(project.get("project", {}).get("version", ""))
    return _contract(member.dist, version, files, text)


def contracts_of(repo: Workspace) -> dict[str, Contract]:
    """The contracts of all packages that promise or need anything, by dist name."""
    found = {member.dist: contract_of(member) for member in repo.members}
    return {dist: c for dist, c in found.items() if c.publishes or c.reads or c.exports or c.imports}


def readers_of(repo: Workspace, detail_type: str) -> tuple[str, ...]:
    """The packages that declare to read facts of this detail-type, at any version."""
    return tuple(
        sorted(
            member.dist
            for member in repo.members
            for path in (member.folder / READS).glob("*.json")
            if path.name.partition(".")[0] == detail_type
        )
    )


def _contract(dist: str, version: str, files: Files, template: str | None) -> Contract:
    document = _document(template, dist) if template else {}
    rules = list(_rules(document))
    reads = {}
    for kind, schema in _schemas(dist, READS, files):
        patterns = [
            rule.get("detail", {})
            for rule in rules
            if _lets(rule.get("source"), kind.source) and _lets(rule.get("detail-type"), kind.detail_type)
        ]
        reads[kind] = Reading(schema, tuple(patterns))
    return Contract(
        dist,
        version,
        dict(_schemas(dist, EVENTS, files)),
        reads,
        tuple(sorted(_exports(document))),
        tuple(sorted(set(_imports(document)))),
    )


def _schemas(dist: str, folder: str, files: Files) -> Iterator[tuple[Kind, Schema]]:
    """The kind is in the file's name and in the last two parts of its $id."""
    for name, text in sorted(files(folder).items()):
        where, found = f"{dist}/{folder}/{name}", _FILE.fullmatch(name)
        if not found:
            raise EcomError(f"{where} is not named <DetailType>.v<N>.json.")
        try:
            schema = json.loads(text)
            source, last = schema["$id"].split("/")[-2:]
        except json.JSONDecodeError as error:
            raise EcomError(f"{where} is not valid JSON: {error}") from error
        except (KeyError, TypeError, AttributeError, ValueError) as error:
            raise EcomError(f"{where} has no $id that ends in <source>/{name}.") from error
        if last != name:
            raise EcomError(f"{where} has another file's name in its $id: {last}.")
        yield Kind(source, found["type"], int(found["version"])), schema


def _document(template: str, dist: str) -> dict[str, Any]:
    from ecom_cli.templates import parse_template

    parsed = parse_template(template, f"{dist}'s template")
    return {"Resources": parsed.resources, "Outputs": parsed.outputs}


def _rules(document: dict[str, Any]) -> Iterator[Pattern]:
    """The event pattern of each rule in a template."""
    for resource in document.get("Resources", {}).values():
        if resource.get("Type") == "AWS::Events::Rule":
            yield resource.get("Properties", {}).get("EventPattern") or {}


def _lets(wanted: Any, value: str) -> bool:
    """Whether a part of a pattern may let a value through: what is not there, or not exact, lets all."""
    return wanted is None or value in wanted or any(not isinstance(each, str) for each in wanted)


def _exports(document: dict[str, Any]) -> Iterator[str]:
    for output in document.get("Outputs", {}).values():
        if "Export" in output:
            yield _stageless(output["Export"].get("Name"))


def _imports(node: Any) -> Iterator[str]:
    if isinstance(node, dict):
        for key, value in node.items():
            if key in ("Fn::ImportValue", "ImportValue"):
                yield _stageless(value)
            else:
                yield from _imports(value)
    elif isinstance(node, list):
        for each in node:
            yield from _imports(each)


def _stageless(name: Any) -> str:
    """`KmsKeyArn` of `!Sub 'ecom-${Stage}-KmsKeyArn'`."""
    text = (
        next((name[key] for key in ("Sub", "Fn::Sub") if key in name), name)
        if isinstance(name, dict)
        else name
    )
    return str(text).removeprefix(_STAGE)
