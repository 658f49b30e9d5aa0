"""For each tool of the gate: what is planted is found, and the message names place, rule and what to do."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from ecom_cli.lint.findings import Finding
from ecom_cli.lint.gate import Verdict

from .conftest import CODE, SERVICE, TEMPLATE, Copy

Copied = Callable[[], Copy]

IN_DLQ = ("        reasons: {ES6000: 'It is a dead-letter queue: people empty it.'}\n", "")
ON_TABLE = (
    "  PaymentTable:\n    Type: AWS::DynamoDB::Table\n",
    "  PaymentTable:\n    Type: AWS::DynamoDB::Table\n"
    "    Metadata:\n"
    "      cfn-lint: {config: {ignore_checks: [ES6000]}, reasons: {ES6000: a table is no queue}}\n"
    "      checkov: {skip: [{id: CKV_AWS_27, comment: a table is no queue}]}\n",
)


def resources(verdict: Verdict) -> set[tuple[str, str]]:
    assert all(finding.path == TEMPLATE and finding.line for finding in verdict.findings)
    return {(finding.resource, finding.rule) for finding in verdict.findings}


def about(verdict: Verdict, rule: str) -> Finding:
    (found,) = [finding for finding in verdict.findings if finding.rule == rule]
    return found


def in_code(verdict: Verdict) -> list[tuple[int, str]]:
    assert all(finding.path == CODE for finding in verdict.findings)
    return [(finding.line, finding.rule) for finding in verdict.findings]


def test_cfn_lint(copied: Copied) -> None:
    copy = copied()
    copy.edit(
        ("VisibilityTimeout: 180", "VisibilityTimeoutSeconds: 180"),
        ("ignore_checks: [ES1001]", "ignore_checks: []"),
        IN_DLQ,
        ON_TABLE,
    )
    verdict = copy.verdict("cfn-lint")
    assert resources(verdict) == {
        ("PaymentQueue", "E3002"),
        ("PaymentMapping", "ES1001"),
        ("PaymentMapping", "stale-waiver"),
        ("PaymentDLQ", "waiver-without-reason"),
        ("PaymentTable", "stale-waiver"),
    }
    assert "VisibilityTimeoutSeconds" in about(verdict, "E3002").message
    assert "ignore_checks: [ES1001]" in about(verdict, "ES1001").advice
    assert {(w.resource, w.rule) for w in verdict.waived} == {
        ("UndeliveredQueue", "ES6000"),
        ("PaymentLambda", "WS1004"),
    }


def test_checkov(copied: Copied) -> None:
    copy = copied()
    name = "      DisplayName: Payments\n"
    key = "      KmsMasterKeyId:\n        Fn::ImportValue: !Sub 'ecom-${Stage}-KmsKeyArn'\n"
    copy.edit(
        (name + key, name),
        ("comment: 'It speaks to AWS APIs only (TLS, IAM); there is nothing of it in a VPC.'", "comment: no"),
        ON_TABLE,
    )
    verdict = copy.verdict("checkov")
    assert resources(verdict) == {
        ("PaymentFailureTopic", "CKV_AWS_26"),
        ("PaymentLambda", "waiver-without-reason"),
        ("PaymentTable", "stale-waiver"),
    }
    assert "encrypt" in about(verdict, "CKV_AWS_26").message.lower()
    assert "id: CKV_AWS_26" in about(verdict, "CKV_AWS_26").advice
    assert {(w.resource, w.rule) for w in verdict.waived} == {
        ("UndeliveredQueue", "CKV_AWS_27"),
        ("PaymentLambda", "CKV_AWS_115"),
        ("PaymentLambda", "CKV_AWS_116"),
    }


def test_a_template_that_checkov_cannot_read_does_not_pass(copied: Copied) -> None:
    copy = copied()
    copy.write("Resources: [\n", TEMPLATE)
    with pytest.raises(AssertionError, match="could not read"):
        copy.verdict("checkov")


def test_house_rules(copied: Copied) -> None:
    copy = copied()
    copy.edit(("PointInTimeRecoveryEnabled: true", "PointInTimeRecoveryEnabled: false"))
    verdict = copy.verdict("house rules")
    assert resources(verdict) == {("PaymentTable", "tables_are_safe")}
    assert "point-in-time recovery" in about(verdict, "tables_are_safe").message


def test_permissions(copied: Copied) -> None:
    copy = copied()
    copy.edit(
        ("                  - dynamodb:UpdateItem\n", "                  - dynamodb:DeleteItem\n"),
        ("                  - !GetAtt ShipmentFailedRule.Arn\n", ""),
    )
    verdict = copy.verdict("permissions")
    assert resources(verdict) == {
        ("PaymentLambdaRole", "allowed_is_used"),
        ("PaymentLambdaRole", "used_is_allowed"),
        ("PaymentLambdaRole", "other_tables_and_queues"),
        ("PaymentQueue", "rules_reach_their_targets"),
    }
    assert "unused dynamodb:DeleteItem on PaymentTable" in about(verdict, "allowed_is_used").message
    assert "missing dynamodb:UpdateItem on PaymentTable" in about(verdict, "used_is_allowed").message
    assert (
        "ShipmentFailedRule → PaymentQueue is denied" in about(verdict, "rules_reach_their_targets").message
    )


def test_templates_that_do_not_fit_together_do_not_pass(copied: Copied) -> None:
    copy = copied()
    copy.edit(
        ("Fn::ImportValue: !Sub 'ecom-${Stage}-KmsKeyArn'", "Fn::ImportValue: !Sub 'ecom-${Stage}-Key'")
    )
    with pytest.raises(AssertionError, match="do not fit together: no stack exports ecom-sim-Key"):
        copy.verdict("permissions")


def test_ruff(copied: Copied) -> None:
    copy = copied()
    copy.write(
        "import os\n\n\ndef f() -> None:\n    try:\n        g()\n    except Exception:\n        raise\n"
    )
    verdict = copy.verdict("ruff check")
    assert {(line, rule) for line, rule in in_code(verdict)} >= {(1, "F401"), (6, "F821")}
    assert "./ecom check --fix" in about(verdict, "F401").advice
    assert "# noqa: F821 - WHY" in about(verdict, "F821").advice


@pytest.mark.parametrize("tool", ["ruff check", "ruff format", "mypy", "bandit", "detect-secrets", "imports"])
def test_code_in_which_nothing_is_planted(copied: Copied, tool: str) -> None:
    copy = copied()
    copy.write("def one() -> int:\n    return 1\n")
    assert copy.verdict(tool).good


def test_ruff_format(copied: Copied) -> None:
    copy = copied()
    copy.write("a = {1:2}\n")
    verdict = copy.verdict("ruff format")
    assert in_code(verdict) == [(1, "unformatted")]
    assert "./ecom check --fix" in verdict.findings[0].advice


def test_mypy(copied: Copied) -> None:
    copy = copied()
    copy.write('a: int = "1"\nb: int = "2"  # type: ignore[assignment]\n')
    verdict = copy.verdict("mypy")
    assert in_code(verdict) == [(1, "assignment"), (2, "waiver-without-reason")]
    assert "int" in verdict.findings[0].message


def test_imports(copied: Copied) -> None:
    copy = copied()
    copy.write(
        "from typing import TYPE_CHECKING\n"
        "import boto3\n"
        "from botocore.config import Config\n"
        "from ecom_common.facts import Fact\n"
        "from payment_service.model import charge\n"
        "import inventory_service.model\n"
        "def later():\n"
        "    import httpx, nosuchmodule\n"
        "    from pytest import fixture\n"
        "if TYPE_CHECKING:\n"
        "    from mypy_boto3_sqs import SQSClient\n"
    )
    verdict = copy.verdict("imports")
    assert sorted(in_code(verdict)) == [
        (6, "undeclared"),
        (8, "undeclared"),
        (8, "undeclared"),
        (9, "for-tests-only"),
    ]
    assert {finding.resource for finding in verdict.findings} == {
        *("inventory_service", "httpx", "nosuchmodule", "pytest")
    }
    assert "imports inventory_service, which payment-service does not declare" in verdict.findings[0].message
    assert f"packages/{SERVICE}/pyproject.toml" in verdict.findings[0].advice


def test_imports_of_tests_are_declared_too(copied: Copied) -> None:
    copy = copied()
    path = f"packages/{SERVICE}/tests/test_planted.py"
    copy.write("import moto\nimport pytest\nimport hypothesis\nimport greenlet\nimport till\n", path)
    copy.write("", f"packages/{SERVICE}/tests/till.py")
    verdict = copy.verdict("imports")
    assert [(f.path, f.line, f.resource) for f in verdict.findings] == [(path, 4, "greenlet")]


def test_an_import_from_elsewhere_needs_a_reason_and_a_reason_an_import(copied: Copied) -> None:
    copy = copied()
    copy.write("import httpx\nimport httpx.auth\nimport greenlet\n")
    project = copy.root / f"packages/{SERVICE}/pyproject.toml"
    waivers = (
        'httpx = "somebody else puts it there"\ngreenlet = "so what"\njinja2 = "it was here once, long ago"\n'
    )
    project.write_text(project.read_text() + f"\n[tool.ecom.undeclared]\n{waivers}")
    verdict = copy.verdict("imports")
    assert [(f.path, f.rule, f.resource) for f in verdict.findings] == [
        (f"packages/{SERVICE}/pyproject.toml", "stale-waiver", "jinja2"),
        (CODE, "waiver-without-reason", "greenlet"),
    ]
    assert [(w.resource, w.reason) for w in verdict.waived] == [("httpx", "somebody else puts it there")]


def test_bandit(copied: Copied) -> None:
    copy = copied()
    copy.write(
        "a = eval(\n    input()\n)\n"
        "b = eval(input())  # nosec B307  # a calculator of one's own\n"
        "c = eval(input())  # nosec B307\n"
        "d = eval(input())  # nosec\n"
        "e = 1  # nosec B307  # nothing happens here at all\n"
    )
    verdict = copy.verdict("bandit")
    assert in_code(verdict) == [
        (1, "B307"),
        (5, "waiver-without-reason"),
        (6, "B307"),
        (6, "waiver-without-reason"),
        (7, "stale-waiver"),
    ]
    assert "# nosec B307" in verdict.findings[0].advice
    assert [(waiver.line, waiver.reason) for waiver in verdict.waived] == [(4, "a calculator of one's own")]


def test_detect_secrets(copied: Copied) -> None:
    copy = copied()
    key = "AKIA" + "Z7QK3WJ5T2XN4R6B"
    copy.write(
        f'a = "{key}"\n'
        f'b = "{key[:-1]}C"  # pragma: allowlist secret  # an invented key, nobody has it\n'
        "c = 1  # pragma: allowlist secret  # there is nothing like one here\n"
    )
    verdict = copy.verdict("detect-secrets")
    assert in_code(verdict) == [(1, "AWS Access Key"), (3, "stale-waiver")]
    assert "revoke" in verdict.findings[0].advice
    assert key not in str(verdict)
    assert [waiver.line for waiver in verdict.waived] == [2]


WORKFLOW = ".github/workflows/planted.yml"
SOUND = """\
name: planted
on: pull_request
permissions: {}
concurrency: {group: planted, cancel-in-progress: true}
jobs:
  one:
    name: one
    runs-on: ubuntu-24.04
    timeout-minutes: 5
    permissions:
      contents: read
    steps:
      - uses: actions/checkout@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1
        with: {persist-credentials: false}
      - run: ./ecom lint "$TITLE"
        env:
          TITLE: ${{ github.event.pull_request.title }}
"""


def planted_workflow(copied: Copied, *changes: tuple[str, str]) -> Copy:
    text = SOUND
    for old, new in changes:
        assert old in text
        text = text.replace(old, new, 1)
    copy = copied()
    copy.write(text, WORKFLOW)
    return copy


def in_workflow(verdict: Verdict) -> list[tuple[int, str]]:
    assert all(finding.path == WORKFLOW for finding in verdict.findings)
    return [(finding.line, finding.rule) for finding in verdict.findings]


@pytest.mark.parametrize("tool", ["schemas", "zizmor"])
def test_a_workflow_in_which_nothing_is_planted(copied: Copied, tool: str) -> None:
    assert planted_workflow(copied).verdict(tool).good


def test_zizmor(copied: Copied) -> None:
    verdict = planted_workflow(
        copied,
        ("permissions: {}\n", ""),
        ("@3d3c42e5aac5ba805825da76410c181273ba90b1 # v7.0.1", "@v7"),
        ("{persist-credentials: false}", "{fetch-depth: 0}"),
        ('"$TITLE"', "${{ github.event.pull_request.title }}"),
    ).verdict("zizmor")
    assert in_workflow(verdict) == [
        (1, "excessive-permissions"),
        (12, "artipacked"),
        (12, "unpinned-uses"),
        (14, "template-injection"),
    ]
    assert "# zizmor: ignore[unpinned-uses] WHY" in about(verdict, "unpinned-uses").advice


def test_zizmor_is_told_why_or_reports_the_waiver(copied: Copied) -> None:
    verdict = planted_workflow(
        copied,
        ("{persist-credentials: false}", "{fetch-depth: 0} # zizmor: ignore[artipacked]"),
        ('"$TITLE"', "${{ github.head_ref }} # zizmor: ignore[template-injection] a branch of our own"),
        (
            "    timeout-minutes: 5\n",
            "    timeout-minutes: 5 # zizmor: ignore[ref-confusion] there is nothing here\n",
        ),
    ).verdict("zizmor")
    assert in_workflow(verdict) == [(9, "stale-waiver"), (14, "waiver-without-reason")]
    assert [(waiver.rule, waiver.reason) for waiver in verdict.waived] == [
        ("template-injection", "a branch of our own")
    ]


def test_a_workflow_that_cannot_be_read_does_not_pass(copied: Copied) -> None:
    copy = copied()
    copy.write("on: [\n", WORKFLOW)
    with pytest.raises(AssertionError, match=r"planted\.yml"):
        copy.verdict("zizmor")
    assert [finding.rule for finding in copy.verdict("schemas").findings] == ["unreadable"]


def test_schemas(copied: Copied) -> None:
    copy = planted_workflow(copied, ("timeout-minutes: 5", "timeout-minute: 5"))
    copy.write(
        "version: 2\nupdates: [{package-ecosystem: github-actions, directory: /}]\n", ".github/dependabot.yml"
    )
    found = {finding.path: finding.message for finding in copy.verdict("schemas").findings}
    assert "'timeout-minute' was unexpected" in found[WORKFLOW]
    assert "jobs.one" in found[WORKFLOW]
    assert "'schedule' is a required property" in found[".github/dependabot.yml"]
