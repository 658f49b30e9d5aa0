"""The tools of the gate. Each finds without regard to waivers; how its answer is read stands here."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from ecom_cli import pins as pinning
from ecom_cli.environments import environment
from ecom_cli.lint import imports as declared
from ecom_cli.lint import waivers as waived
from ecom_cli.lint import workflows
from ecom_cli.lint.findings import Finding, Waiver
from ecom_cli.lint.programs import run
from ecom_cli.lint.scope import Scope
from ecom_cli.lint.tool import Found, Tool, ToolBrokeError, ask, parsed
from ecom_cli.workspace import workspace

CHECKOV_PINS = Path(__file__).with_name("checkov-requirements.txt")
CHECKOV_SCAN = Path(__file__).with_name("checkov_scan.py")
FIXABLE = "`./ecom check --fix` repairs it."

# ---------------------------------------------------------------------------------------------- templates


def cfn_lint(scope: Scope) -> Found:
    """Also its informational rules and the serverless ones, and also what the templates ask it to ignore."""
    answer = ask(
        scope, "cfn-lint", "--include-checks", "I", "--mandatory-checks", "E", "W", "I",
        "--append-rules", "cfn_lint_serverless.rules", "--regions", "us-east-1", "eu-central-1",
        "--format", "json", "--", *scope.all_templates.values(), good=range(16),
    )  # fmt: skip
    findings = []
    for each in parsed(answer):
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
    files = {str((scope.root / path).resolve()): path for path in scope.all_templates.values()}
    # none of the user's settings: some of them send findings to a server
    bare = {name: os.environ[name] for name in ("PATH", "HOME", "LANG", "LC_ALL") if name in os.environ}
    done = run((str(python), str(CHECKOV_SCAN), *files), scope.root, bare)
    if done.returncode:
        raise ToolBrokeError(done.stderr.strip() or done.stdout.strip())
    answer = parsed(done.stdout)
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
    answer = ask(scope, sys.executable, "-m", "templates", *scope.templates, folder="tests")
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
        for each in parsed(answer)
    ], ()


def permissions(scope: Scope) -> Found:
    """tests/iam, as a program: what policies open or close that they should not, at the resource."""
    answer = ask(scope, sys.executable, "-m", "iam", folder="tests")
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
        for each in parsed(answer)
        # It reads all templates, whichever are asked about: policies answer each other.
        if each["template"] in scope.templates
    ], ()


def _with_template_waivers(scope: Scope, tool: str, findings: list[Finding]) -> Found:
    waivers = []
    for path in scope.all_templates.values():
        of_this, malformed = waived.in_template(scope.root, path, tool)
        waivers += of_this
        findings += malformed
    return findings, waivers


# ------------------------------------------------------------------------------------------------- Python


def ruff(scope: Scope) -> Found:
    answer = ask(scope, "ruff", "check", "--output-format", "json", *scope.folders, good=(0, 1))
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
    answer = ask(
        scope, "ruff", "format", "--check", "--output-format", "json", *scope.folders, good=(0, 1, 2)
    )
    return [
        Finding(path, each["location"]["row"], "ruff format", each["code"], each["message"], advice=FIXABLE)
        for path, each in _of_ruff(scope, answer)
    ], ()


def _of_ruff(scope: Scope, answer: str) -> Iterator[tuple[str, Any]]:
    for each in parsed(answer):
        yield Path(each["filename"]).relative_to(scope.root.resolve()).as_posix(), each


def fix_style(scope: Scope) -> None:
    ask(scope, "ruff", "check", "--fix", "--quiet", *scope.folders, good=(0, 1))
    ask(scope, "ruff", "format", "--quiet", *scope.folders)


def mypy(scope: Scope) -> Found:
    answer = ask(scope, "mypy", "--output", "json", *scope.sources, good=(0, 1, 2))
    findings = []
    for line in filter(str.strip, answer.splitlines()):
        each = parsed(line)
        if each["severity"] == "error":
            advice = f"Correct the types; or `# type: ignore[{each['code']}]  # WHY`."
            findings.append(
                Finding(each["file"], max(each["line"], 0), waived.MYPY, each["code"] or "types",
                        each["message"], advice=advice)
            )  # fmt: skip
    return findings, _comments(scope, waived.MYPY)


def bandit(scope: Scope) -> Found:
    """What runs outside of tests, whatever comments ask it to overlook."""
    answer = ask(
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
    report = parsed(answer)
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
    answer = ask(
        scope, "detect-secrets", "scan", "--no-verify",
        "--disable-filter", "detect_secrets.filters.allowlist.is_line_allowlisted", *scope.files,
    )  # fmt: skip
    advice = (
        "Take it out, and revoke it if it was ever real. If it is none: `# pragma: allowlist secret  # WHY`."
    )
    findings = [
        Finding(path, each["line_number"], waived.SECRETS, each["type"], "looks like a secret", advice=advice)
        for path, all_of_it in parsed(answer)["results"].items()
        for each in all_of_it
    ]
    return findings, [waiver for path in scope.files for waiver in waived.of_secrets(scope.root, path)]


def pins(_: Scope) -> Found:
    advice = "Run `./ecom pins` and commit what it wrote."
    return [
        Finding("pyproject.toml", 0, "pins", "pins", problem, advice=advice) for problem in pinning.check()
    ], ()


def _templates(scope: Scope) -> object:
    return scope.templates


def _sources(scope: Scope) -> object:
    return scope.sources


def _shipped(scope: Scope) -> object:
    return scope.shipped


TOOLS = (
    Tool("ruff check", "mistakes and habits in Python", ruff, 0.1, quick=True, fix=fix_style),
    Tool("ruff format", "layout of Python", ruff_format, 0.1, quick=True, fix=fix_style),
    Tool("mypy", "types, strictly", mypy, 10, _sources, quick=True),
    Tool("house rules", "what this system wants of its templates", house_rules, 2, _templates, quick=True),
    Tool("permissions", "who may do what, and who may not", permissions, 3, _templates, quick=True),
    Tool(declared.IMPORTS, "what is imported is declared", declared.imports, 3, declared.subject, quick=True),
    Tool("pins", "exact versions, in step with the dependencies", pins, 0.5, quick=True, whole=True),
    Tool("schemas", "keys that GitHub knows", workflows.schemas, 2, workflows.files, quick=True, whole=True),
    Tool("zizmor", "dangerous workflows", workflows.zizmor, 0.2, workflows.files, quick=True, whole=True),
    Tool("cfn-lint", "what CloudFormation accepts, and the serverless rules", cfn_lint, 6, _templates),
    Tool("checkov", "known misconfigurations of AWS resources", checkov, 5, _templates),
    Tool("bandit", "dangerous Python in what ships", bandit, 2, _shipped),
    Tool("detect-secrets", "passwords and keys in any file", detect_secrets, 9),
)
