"""The tools of the gate. Each finds without regard to waivers; how its answer is read stands here."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecom_cli import pins as pinning
from ecom_cli.environments import environment
from ecom_cli.lint import waivers as waived
from ecom_cli.lint.findings import Finding, Waiver
from ecom_cli.lint.programs import run
from ecom_cli.lint.scope import Scope
from ecom_cli.workspace import workspace

Found = tuple[Iterable[Finding], Iterable[Waiver]]

CHECKOV_PINS = Path(__file__).with_name("checkov-requirements.txt")
CHECKOV_SCAN = Path(__file__).with_name("checkov_scan.py")
FIXABLE = "`./ecom check --fix` repairs it."


class ToolBrokeError(Exception):
    """A tool that could not do its work, with what it said."""


@dataclass(frozen=True)
class Tool:
    """A row of the gate. `look` answers what it found and what people waived.

    `seconds` is what it takes about, on a core of its own. `quick`: part of `ecom check`. `fix`: what repairs
    it, where a program can. `whole`: it knows no members, so it runs with the whole workspace only.
    """

    name: str
    does: str
    look: Callable[[Scope], Found]
    seconds: float
    quick: bool = False
    fix: Callable[[Scope], None] | None = None
    whole: bool = False


# ---------------------------------------------------------------------------------------------- templates


def cfn_lint(scope: Scope) -> Found:
    """Also its informational rules and the serverless ones, and also what the templates ask it to ignore."""
    answer = _run(
        scope, "cfn-lint", "--include-checks", "I", "--mandatory-checks", "E", "W", "I",
        "--append-rules", "cfn_lint_serverless.rules", "--regions", "us-east-1", "eu-central-1",
        "--format", "json", "--", *scope.templates.values(), good=range(16),
    )  # fmt: skip
    findings = []
    for each in _json(answer):
        path, rule = each["Location"]["Path"] or [], each["Rule"]["Id"]
        findings.append(
            Finding(
                each["Filename"],
                each["Location"]["Start"]["LineNumber"],
                waived.CFN_LINT,
                rule,
                each["Message"],
                str(path[1]) if len(path) > 1 and path[0] == "Resources" else "",
                f"Repair it ({each['Rule']['Source']}). If it is right as it is, say why in the resource's "
                f"metadata: cfn-lint: {{config: {{ignore_checks: [{rule}]}}, reasons: {{{rule}: WHY}}}}",
            )
        )
    return _with_template_waivers(scope, waived.CFN_LINT, findings)


def checkov(scope: Scope) -> Found:
    """All templates in one process, in an environment of its own, without the network."""
    python = environment(workspace().state / "checkov", CHECKOV_PINS) / "bin" / "python"
    files = {str((scope.root / path).resolve()): path for path in scope.templates.values()}
    # none of the user's settings: some of them send findings to a server
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
    done = run((str(python), str(CHECKOV_SCAN), *files), scope.root, bare)
    if done.returncode:
        raise ToolBrokeError(done.stderr.strip() or done.stdout.strip())
    answer = _json(done.stdout)
    if unread := [path for file, path in files.items() if file not in answer["read"]]:
        raise ToolBrokeError(f"it could not read {', '.join(unread)}: {done.stderr.strip()}")
    findings = [
        Finding(
            files[each["file"]],
            each["line"],
            waived.CHECKOV,
            each["rule"],
            each["message"],
            each["resource"],
            "Repair it. If it is right as it is, say why in the resource's metadata: "
            f"checkov: {{skip: [{{id: {each['rule']}, comment: WHY}}]}}",
        )
        for each in answer["failed"]
    ]
    return _with_template_waivers(scope, waived.CHECKOV, findings)


def house_rules(scope: Scope) -> Found:
    """tests/templates/house.py, as a program: it prints what it finds and why the house wants it."""
    answer = _run(scope, sys.executable, "-m", "templates", *scope.templates, folder="tests")
    return [
        Finding(
            scope.templates[each["template"]],
            each["line"],
            "house rules",
            each["rule"],
            each["message"],
            each["resource"],
            f"Repair it: the house rules know no waivers. {each['why']}".strip(),
        )
        for each in _json(answer)
    ], ()


def permissions(scope: Scope) -> Found:
    """tests/iam, as a program: what policies open or close that they should not, at the resource."""
    answer = _run(scope, sys.executable, "-m", "iam", folder="tests")
    return [
        Finding(
            scope.templates[each["template"]],
            each["line"],
            "permissions",
            each["rule"],
            each["message"],
            each["resource"],
            f"Repair the policy: there are no waivers. {each['why']}",
        )
        for each in _json(answer)
        # It reads all templates, whichever are asked about: policies answer each other.
        if each["template"] in scope.templates
    ], ()


def _with_template_waivers(scope: Scope, tool: str, findings: list[Finding]) -> Found:
    waivers = []
    for path in scope.templates.values():
        of_this, malformed = waived.in_template(scope.root, path, tool)
        waivers += of_this
        findings += malformed
    return findings, waivers


# ------------------------------------------------------------------------------------------------- Python


def ruff(scope: Scope) -> Found:
    answer = _run(scope, "ruff", "check", "--output-format", "json", *scope.folders, good=(0, 1))
    findings = []
    for path, each in _of_ruff(scope, answer):
        code = each["code"] or "syntax"
        advice = f"Repair it ({each['url'] or 'see there'}); or `# noqa: {code} - WHY`."
        if each["fix"]:
            advice = FIXABLE
        row = each["location"]["row"]
        findings.append(Finding(path, row, waived.RUFF, code, each["message"], advice=advice))
    return findings, _comments(scope, waived.RUFF)


def ruff_format(scope: Scope) -> Found:
    answer = _run(
        scope, "ruff", "format", "--check", "--output-format", "json", *scope.folders, good=(0, 1, 2)
    )
    return [
        Finding(path, each["location"]["row"], "ruff format", each["code"], each["message"], advice=FIXABLE)
        for path, each in _of_ruff(scope, answer)
    ], ()


def _of_ruff(scope: Scope, answer: str) -> Iterator[tuple[str, Any]]:
    for each in _json(answer):
        yield Path(each["filename"]).relative_to(scope.root.resolve()).as_posix(), each


def fix_style(scope: Scope) -> None:
    _run(scope, "ruff", "check", "--fix", "--quiet", *scope.folders, good=(0, 1))
    _run(scope, "ruff", "format", "--quiet", *scope.folders)


def mypy(scope: Scope) -> Found:
    answer = _run(scope, "mypy", "--output", "json", *scope.sources, good=(0, 1, 2))
    findings = []
    for line in filter(str.strip, answer.splitlines()):
        each = _json(line)
        if each["severity"] == "error":
            advice = f"Correct the types; or `# type: ignore[{each['code']}]  # WHY`."
            findings.append(
                Finding(each["file"], max(each["line"], 0), waived.MYPY, each["code"] or "types",
                        each["message"], advice=advice)
            )  # fmt: skip
    return findings, _comments(scope, waived.MYPY)


def bandit(scope: Scope) -> Found:
    """What runs outside of tests, whatever comments ask it to overlook."""
    answer = _run(
        scope,
        "bandit",
        "--quiet",
        "--recursive",
        "--ignore-nosec",
        "--format",
        "json",
        *scope.shipped,
        good=(0, 1),
    )
    report = _json(answer)
    if report["errors"]:
        raise ToolBrokeError("; ".join(f"{each['filename']}: {each['reason']}" for each in report["errors"]))
    findings = [
        Finding(
            each["filename"],
            min(each["line_range"]),
            waived.BANDIT,
            each["test_id"],
            each["issue_text"],
            advice=f"Repair it ({each['more_info']}); or `# nosec {each['test_id']}  # WHY`.",
            until=max(each["line_range"]),
        )
        for each in report["results"]
    ]
    return findings, _comments(scope, waived.BANDIT)


def _comments(scope: Scope, tool: str) -> list[Waiver]:
    """Waivers in what ships: in tests, `noqa` and `type: ignore` may stand without a reason."""
    return [
        waiver
        for folder in scope.shipped
        for path in sorted((scope.root / folder).rglob("*.py"))
        for waiver in waived.in_comments(scope.root, path.relative_to(scope.root).as_posix(), [tool])
    ]


# ---------------------------------------------------------------------------------------------- the rest


def detect_secrets(scope: Scope) -> Found:
    """Every file of the repository; nothing is sent anywhere to find out whether it is real."""
    answer = _run(
        scope, "detect-secrets", "scan", "--no-verify",
        "--disable-filter", "detect_secrets.filters.allowlist.is_line_allowlisted", *scope.files,
    )  # fmt: skip
    advice = (
        "Take it out, and revoke it if it was ever real. If it is none: `# pragma: allowlist secret  # WHY`."
    )
    findings = [
        Finding(path, each["line_number"], waived.SECRETS, each["type"], "looks like a secret", advice=advice)
        for path, all_of_it in _json(answer)["results"].items()
        for each in all_of_it
    ]
    return findings, [waiver for path in scope.files for waiver in waived.of_secrets(scope.root, path)]


def pins(_: Scope) -> Found:
    advice = "Run `./ecom pins` and commit what it wrote."
    return [
        Finding("pyproject.toml", 0, "pins", "pins", problem, advice=advice) for problem in pinning.check()
    ], ()


TOOLS = (
    Tool("ruff check", "mistakes and habits in Python", ruff, 0.1, quick=True, fix=fix_style),
    Tool("ruff format", "layout of Python", ruff_format, 0.1, quick=True, fix=fix_style),
    Tool("mypy", "types, strictly", mypy, 10, quick=True),
    Tool("house rules", "what this system wants of its templates", house_rules, 2, quick=True),
    Tool("permissions", "who may do what, and who may not", permissions, 3, quick=True),
    Tool("pins", "exact versions, in step with the dependencies", pins, 0.5, quick=True, whole=True),
    Tool("cfn-lint", "what CloudFormation accepts, and the serverless rules", cfn_lint, 6),
    Tool("checkov", "known misconfigurations of AWS resources", checkov, 5),
    Tool("bandit", "dangerous Python in what ships", bandit, 2),
    Tool("detect-secrets", "passwords and keys in any file", detect_secrets, 9),
)


def _run(
    scope: Scope, program: str, *arguments: str, good: Sequence[int] | range = (0,), folder: str = "."
) -> str:
    """Run a program of the workspace's environment and return what it printed. Raises ToolBrokeError."""
    scripts = Path(sys.executable).parent
    done = run((str(scripts / program), *arguments), scope.root / folder)
    if done.returncode not in good or (done.returncode and not done.stdout.strip()):
        raise ToolBrokeError((done.stderr or done.stdout).strip() or f"it exited with {done.returncode}")
    return done.stdout


def _json(text: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        raise ToolBrokeError(f"its answer is no JSON: {text[-2000:]}") from error
