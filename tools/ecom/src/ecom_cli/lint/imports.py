"""Does each package declare what it imports? What it does not declare is not there when it is alone.

`./ecom test` would find out as well, in the environment of the package alone, but later, and only where a
test comes that way. deptry reads every import, those inside functions too, and knows which module is of which
distribution. What is imported for type checking alone does not count.
"""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from typing import Any

from ecom_cli.lint.findings import Finding, Waiver
from ecom_cli.lint.scope import Scope
from ecom_cli.lint.tool import Found, ask, parsed
from ecom_cli.workspace import Member

IMPORTS = "imports"
UNDECLARED, FOR_TESTS_ONLY = "undeclared", "for-tests-only"
_RULES = {"DEP001": UNDECLARED, "DEP003": UNDECLARED, "DEP004": FOR_TESTS_ONLY}
# boto3 pins botocore and raises its exceptions: who declares the one has the other
_SAME = "boto3=boto3|botocore"


def subject(scope: Scope) -> list[Member]:
    """The packages with code."""
    return [member for member in scope.members or scope.house.members if member.package]


def imports(scope: Scope) -> Found:
    findings: list[Finding] = []
    waivers: list[Waiver] = []
    for member in subject(scope):
        found = list(_of(scope, member))
        findings += found
        waivers += _waivers(scope, member, found)
    return findings, waivers


def _of(scope: Scope, member: Member) -> Iterator[Finding]:
    folder = member.folder.relative_to(scope.root).as_posix()
    project = f"{folder}/pyproject.toml"
    for each in _deptry(scope, folder):
        rule, path, module = _RULES[each["error"]["code"]], each["location"]["file"], each["module"]
        if rule == FOR_TESTS_ONLY and path.startswith(f"{folder}/tests/"):
            continue
        what = "declares for its tests only" if rule == FOR_TESTS_ONLY else "does not declare"
        yield Finding(
            path,
            each["location"]["line"],
            IMPORTS,
            rule,
            f"imports {module}, which {member.dist} {what}: alone, the package would not run",
            module,
            f"Do without it, or declare it in {project} and run `./ecom pins`. Where it comes from "
            f'elsewhere, say so there: [tool.ecom.undeclared] {module} = "WHY"',
        )


def _deptry(scope: Scope, folder: str) -> list[Mapping[str, Any]]:
    """What it says of a package's code and tests, held against the package's pyproject.toml."""
    roots = [path for path in (f"{folder}/src", f"{folder}/tests") if (scope.root / path).is_dir()]
    answer = ask(
        scope, "deptry", *roots, "--config", f"{folder}/pyproject.toml", "--json-output", "/dev/stdout",
        # nothing is left out (the default leaves out tests), and what is declared without being imported is
        # fine: some of it is there for the other packages of the zip
        "--exclude", r"\.venv", "--ignore", "DEP002", "--package-module-name-map", _SAME,
        good=(0, 1),
    )  # fmt: skip
    return list(parsed(answer))


def _waivers(scope: Scope, member: Member, findings: list[Finding]) -> Iterator[Waiver]:
    """What `[tool.ecom.undeclared]` says: one for each file that imports the module, or one that is idle."""
    file = member.folder / "pyproject.toml"
    project = tomllib.loads(file.read_text(encoding="utf-8"))
    for module, reason in project.get("tool", {}).get("ecom", {}).get("undeclared", {}).items():
        lines = {(each.path, each.rule): each.line for each in reversed(findings) if each.resource == module}
        idle = {(file.relative_to(scope.root).as_posix(), UNDECLARED): 0}
        for (path, rule), line in (lines or idle).items():
            yield Waiver(IMPORTS, path, line, rule, str(reason), module)
