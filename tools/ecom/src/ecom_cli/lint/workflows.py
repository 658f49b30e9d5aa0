"""What runs on GitHub and before a commit: is it well formed, and is it safe?

Two tools, since each sees what the other does not: the schemas know every key that GitHub accepts, zizmor
what can be done with the keys that are there. Neither needs the network.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecom_cli.lint import waivers as waived
from ecom_cli.lint.findings import Finding
from ecom_cli.lint.scope import Scope
from ecom_cli.lint.tool import Found, ToolBrokeError, ask, parsed

WORKFLOWS, DEPENDABOT, PRE_COMMIT = ".github/workflows", ".github/dependabot.yml", ".pre-commit-config.yaml"
SCHEMAS = {"vendor.github-workflows": f"{WORKFLOWS}/*.y*ml", "vendor.dependabot": DEPENDABOT}
"""The schemas that check-jsonschema brings along, and the files that they are for."""

_NO_NETWORK_NO_SETTINGS = ("--offline", "--no-config", "--no-progress", "--no-exit-codes")
_SETTINGS = ("GH_", "GITHUB_", "RUST_", "ZIZMOR_")


def files(scope: Scope) -> list[str]:
    """Everything here that GitHub or pre-commit reads."""
    patterns = (*SCHEMAS.values(), PRE_COMMIT)
    return sorted(path for pattern in patterns for path in _matching(scope, pattern))


def schemas(scope: Scope) -> Found:
    """Keys and values that GitHub would refuse, or worse, pass over."""
    findings: list[Finding] = []
    for schema, pattern in SCHEMAS.items():
        if paths := _matching(scope, pattern):
            answer = ask(
                scope, "check-jsonschema", "--builtin-schema", schema, "--output-format", "json", *paths,
                good=(0, 1),
            )  # fmt: skip
            findings += _misfits(parsed(answer))
    return findings, ()


def _misfits(answer: Any) -> Iterator[Finding]:
    advice = "Correct it: GitHub's reference of the file's syntax says what there is."
    for each in answer.get("parse_errors", ()):
        path, message = _relative(each["filename"]), each["message"]
        yield Finding(path, 0, "schemas", "unreadable", message, advice="Correct the YAML.")
    for each in answer.get("errors", ()):
        # where one of several forms would do, what is wrong with the nearest of them
        nearest = each.get("best_deep_match") or each
        message = f"{nearest['path'].removeprefix('$.')}: {nearest['message']}"
        yield Finding(_relative(each["filename"]), 0, "schemas", "schema", message, advice=advice)


def zizmor(scope: Scope) -> Found:
    """Everything it knows, down to habits; and also what comments ask it to ignore."""
    answer = ask(
        scope, "zizmor", *_NO_NETWORK_NO_SETTINGS, "--no-ignores", "--strict-collection", "--collect", "all",
        "--persona", "pedantic", "--format", "json-v1", *files(scope),
        # with a token it would look things up; RUST_BACKTRACE buries what it says of an unreadable file
        environment={name: value for name, value in os.environ.items() if not name.startswith(_SETTINGS)},
    )  # fmt: skip
    findings = [_unsafe(each) for each in parsed(answer)]
    return findings, [waiver for path in files(scope) for waiver in waived.in_workflow(scope.root, path)]


def _unsafe(each: Any) -> Finding:
    (place,) = [p for p in each["locations"] if p["symbolic"]["kind"] == "Primary"][:1] or [None]
    if place is None:
        raise ToolBrokeError(f"it says {each['ident']}, but not where")
    span = place["concrete"]["location"]
    return Finding(
        _relative(place["symbolic"]["key"]["Local"]["verbatim_path"]),
        span["start_point"]["row"] + 1,
        waived.ZIZMOR,
        each["ident"],
        f"{each['desc']}: {place['symbolic']['annotation']}",
        advice=f"Repair it ({each['url']}); or behind the line: `# zizmor: ignore[{each['ident']}] WHY`.",
        until=span["end_point"]["row"] + 1,
    )


def _matching(scope: Scope, pattern: str) -> list[str]:
    return sorted(path.relative_to(scope.root).as_posix() for path in scope.root.glob(pattern))


def _relative(path: str) -> str:
    return Path(path).as_posix()
