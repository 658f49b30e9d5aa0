"""What people waived beside the code: each with a reason, each read here, whatever tool it is for.

In a template, in the metadata of the resource:

    Metadata:
      cfn-lint:
        config: {ignore_checks: [ES6000]}
        reasons: {ES6000: The last queue of its line; people empty it.}
      checkov:
        skip:
          - {id: CKV_AWS_117, comment: It speaks to public AWS endpoints only.}

In code, behind the line: `# nosec B603  # why`, `# pragma: allowlist secret  # why`, `# noqa: BLE001 - why`,
`# type: ignore[arg-type]  # why`; in a workflow `# zizmor: ignore[unpinned-uses] why`.
"""

from __future__ import annotations

import io
import re
import tokenize
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

from ecom_cli.lint.findings import Finding, Waiver
from ecom_cli.templates import parse_template

BANDIT, SECRETS, RUFF, MYPY = "bandit", "detect-secrets", "ruff check", "mypy"
CFN_LINT, CHECKOV, ZIZMOR = "cfn-lint", "checkov", "zizmor"

_NO_RULE = "(no rule named)"
_DIRECTIVES = {
    BANDIT: re.compile(r"#\s*nosec\b:?\s*(?P<rules>(?:B\d{3}\b[\s,]*)*)"),
    SECRETS: re.compile(r"#\s*pragma:\s*allowlist[ -]secret"),
    RUFF: re.compile(r"#\s*noqa\b:?\s*(?P<rules>(?:[A-Z]+\d+\b[\s,]*)*)"),
    MYPY: re.compile(r"#\s*type:\s*ignore(?:\[(?P<rules>[^\]]*)\])?"),
}
_CHECKED = {RUFF, MYPY}  # RUF100 and warn_unused_ignores
_SECRETS_ELSEWHERE = re.compile(r"(?:#|//|<!--|/\*)\s*pragma:\s*allowlist[ -]secret(?P<reason>[^`]*)$")
_IN_WORKFLOWS = re.compile(r"#\s*zizmor:\s*ignore(?:\[(?P<rules>[^\]]*)\])?(?P<reason>.*)$")
_AROUND_REASONS = " \t#-:/*<>!"


def in_comments(root: Path, path: str, tools: Iterable[str]) -> Iterator[Waiver]:
    """The waivers of these tools in one file of Python."""
    text = (root / path).read_text(encoding="utf-8")
    if not any(word in text for word in ("nosec", "pragma:", "noqa", "type: ignore")):
        return
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type != tokenize.COMMENT:
            continue
        found = {tool: match for tool, form in _DIRECTIVES.items() if (match := form.search(token.string))}
        reason = token.string
        for match in found.values():
            reason = reason.replace(match[0], " ")
        reason = " ".join(reason.strip(_AROUND_REASONS).split())
        for tool in found.keys() & set(tools):
            rules = found[tool].groupdict().get("rules")
            named = re.split(r"[\s,]+", rules.strip(" ,")) if rules and rules.strip(" ,") else [_NO_RULE]
            for rule in [""] if tool == SECRETS else named:
                yield Waiver(tool, path, token.start[0], rule, reason, checked=tool in _CHECKED)


def of_secrets(root: Path, path: str) -> Iterator[Waiver]:
    """Lines that are allowed to look like a secret, in any file."""
    if path.endswith(".py"):
        yield from in_comments(root, path, [SECRETS])
        return
    text = (root / path).read_text(encoding="utf-8", errors="ignore")
    if "pragma:" not in text:
        return
    for number, line in enumerate(text.splitlines(), 1):
        if match := _SECRETS_ELSEWHERE.search(line):
            yield Waiver(SECRETS, path, number, "", match["reason"].strip(_AROUND_REASONS))


def in_workflow(root: Path, path: str) -> Iterator[Waiver]:
    """The waivers in a file that GitHub or pre-commit reads."""
    for number, line in enumerate((root / path).read_text(encoding="utf-8").splitlines(), 1):
        if match := _IN_WORKFLOWS.search(line):
            reason = match["reason"].strip(_AROUND_REASONS)
            for rule in re.split(r"[\s,]+", match["rules"].strip(" ,")) if match["rules"] else [_NO_RULE]:
                yield Waiver(ZIZMOR, path, number, rule, reason)


def in_template(root: Path, path: str, tool: str) -> tuple[list[Waiver], list[Finding]]:
    """The waivers of cfn-lint or checkov beside a template's resources, and what is wrong in them."""
    text = (root / path).read_text(encoding="utf-8")
    waivers, findings = [], []
    for resource, body in parse_template(text, path).resources.items():
        settings = body.get("Metadata", {}).get(tool, {})
        pairs = list(_checkov(settings) if tool == CHECKOV else _cfn_lint(settings))
        for rule, reason in pairs:
            line = _line(text, resource, rule)
            waivers.append(Waiver(tool, path, line, rule, reason, resource))
        if tool == CFN_LINT:
            for rule in sorted(settings.get("reasons", {}).keys() - {rule for rule, _ in pairs}):
                message = f"{rule} has a reason but is not waived"
                advice = "Name it in config: ignore_checks as well, or take the reason out."
                line = _line(text, resource, rule)
                findings.append(Finding(path, line, tool, "stale-waiver", message, resource, advice))
    return waivers, findings


def _cfn_lint(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for rule in settings.get("config", {}).get("ignore_checks", []):
        yield str(rule), str(settings.get("reasons", {}).get(rule, ""))


def _checkov(settings: dict[str, Any]) -> Iterator[tuple[str, str]]:
    for skip in settings.get("skip", []):
        yield str(skip.get("id", _NO_RULE)), str(skip.get("comment", ""))


def _line(text: str, resource: str, rule: str) -> int:
    """The line of a waiver, else of its resource."""
    lines = text.splitlines()
    start = next((n for n, line in enumerate(lines) if re.match(rf"  {re.escape(resource)}:\s*$", line)), 0)
    for number, line in enumerate(lines[start:], start):
        if rule in line:
            return number + 1
        if number > start and re.match(r"  \w", line):
            break
    return start + 1
