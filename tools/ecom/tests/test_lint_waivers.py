"""Waivers as people write them, in Python, in other files and beside a template's resources."""

from __future__ import annotations

from pathlib import Path

import pytest

from ecom_cli.lint.waivers import (
    BANDIT,
    CFN_LINT,
    CHECKOV,
    MYPY,
    RUFF,
    SECRETS,
    in_comments,
    in_template,
    in_workflow,
    of_secrets,
)


def read(tmp_path: Path, line: str, *tools: str) -> list[tuple[str, str, str]]:
    (tmp_path / "a.py").write_text(f"first = 1\n{line}\n", encoding="utf-8")
    found = list(in_comments(tmp_path, "a.py", tools))
    assert {waiver.line for waiver in found} <= {2}
    return sorted((waiver.tool, waiver.rule, waiver.reason) for waiver in found)


@pytest.mark.parametrize(
    "comment",
    [
        "# nosec B603  # git, without a shell",
        "# nosec: B603 - git, without a shell",
        "#nosec B603 git, without a shell",
    ],
)
def test_bandit_with_a_reason(tmp_path, comment):
    assert read(tmp_path, f"x = 1  {comment}", BANDIT) == [("bandit", "B603", "git, without a shell")]


def test_several_rules_share_a_reason(tmp_path):
    found = read(tmp_path, "x = 1  # nosec B603, B607  # ps, with a number", BANDIT)
    assert found == [("bandit", "B603", "ps, with a number"), ("bandit", "B607", "ps, with a number")]


def test_a_bare_nosec_names_no_rule_and_so_covers_none(tmp_path):
    ((_, rule, reason),) = read(tmp_path, "x = 1  # nosec", BANDIT)
    assert rule not in ("", "B603")
    assert reason == ""


def test_two_tools_may_share_a_comment_and_its_reason(tmp_path):
    line = 'x = "y"  # nosec B105  # pragma: allowlist secret  # what emulators call root'
    assert read(tmp_path, line, BANDIT, SECRETS) == [
        ("bandit", "B105", "what emulators call root"),
        ("detect-secrets", "", "what emulators call root"),
    ]


def test_ruff_and_mypy(tmp_path):
    found = read(tmp_path, "x = 1  # noqa: BLE001 - whatever it is", RUFF, MYPY)
    assert found == [("ruff check", "BLE001", "whatever it is")]
    found = read(tmp_path, "x = 1  # type: ignore[arg-type]  # a TaskID is an int", RUFF, MYPY)
    assert found == [("mypy", "arg-type", "a TaskID is an int")]


def test_text_that_only_speaks_of_waivers_is_none(tmp_path):
    line = "x = 'write # nosec B603, or # pragma: allowlist secret'"
    assert read(tmp_path, line, BANDIT, SECRETS) == []


def secrets_in(tmp_path: Path, name: str, text: str) -> list[tuple[int, str]]:
    (tmp_path / name).write_text(text, encoding="utf-8")
    return [(waiver.line, waiver.reason) for waiver in of_secrets(tmp_path, name)]


def test_secrets_of_any_file(tmp_path):
    yaml = "a: b\nkey: c  # pragma: allowlist secret  # an invented key, from RFC 7515\n"
    assert secrets_in(tmp_path, "a.yaml", yaml) == [(2, "an invented key, from RFC 7515")]
    page = "a = b <!-- pragma: allowlist secret - an invented key -->\n`# pragma: allowlist secret  # WHY`.\n"
    assert secrets_in(tmp_path, "a.md", page) == [(1, "an invented key")]


TEMPLATE = """\
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Metadata:
      cfn-lint:
        config: {ignore_checks: [ES6000, W1]}
        reasons: {ES6000: 'people empty it, nobody else', W9: gone}
      checkov:
        skip:
          - {id: CKV_AWS_27, comment: 'encrypted by SQS, not by us'}
          - {id: CKV_AWS_1}
  Topic:
    Type: AWS::SNS::Topic
"""


@pytest.fixture
def template(tmp_path: Path) -> Path:
    (tmp_path / "s.yaml").write_text(TEMPLATE, encoding="utf-8")
    return tmp_path


def test_cfn_lint_beside_a_resource(template):
    waivers, malformed = in_template(template, "s.yaml", CFN_LINT)
    assert [(w.resource, w.rule, w.reason, w.line) for w in waivers] == [
        ("Queue", "ES6000", "people empty it, nobody else", 6),
        ("Queue", "W1", "", 6),
    ]
    ((told),) = malformed
    assert (told.rule, told.resource, told.line) == ("stale-waiver", "Queue", 7)
    assert "W9" in told.message


def test_checkov_beside_a_resource(template):
    waivers, malformed = in_template(template, "s.yaml", CHECKOV)
    assert [(w.resource, w.rule, w.reason, w.line) for w in waivers] == [
        ("Queue", "CKV_AWS_27", "encrypted by SQS, not by us", 10),
        ("Queue", "CKV_AWS_1", "", 11),
    ]
    assert malformed == []


def test_in_a_workflow(tmp_path):
    (tmp_path / "w.yml").write_text(
        "name: a\n"
        "on: push # zizmor: ignore[dangerous-triggers,ref-confusion] only people of ours push\n"
        "jobs: {} # zizmor: ignore\n"
    )
    assert [(w.line, w.rule, w.reason) for w in in_workflow(tmp_path, "w.yml")] == [
        (2, "dangerous-triggers", "only people of ours push"),
        (2, "ref-confusion", "only people of ours push"),
        (3, "(no rule named)", ""),
    ]
