"""What is left of findings when waivers are taken off, and what is wrong with waivers."""

from __future__ import annotations

from ecom_cli.lint.findings import Finding, Waiver, judge

REASON = "it is right as it is"


def finding(rule: str = "B603", line: int = 3, **more) -> Finding:
    return Finding("a.py", line, "bandit", rule, "a message", **more)


def waiver(rule: str = "B603", line: int = 3, reason: str = REASON, **more) -> Waiver:
    return Waiver("bandit", "a.py", line, rule, reason, **more)


def rules(findings) -> list[str]:
    return [finding.rule for finding in findings]


def test_a_finding_that_nobody_waived_is_left():
    judgement = judge([finding()], [])
    assert judgement.findings == (finding(),)
    assert judgement.waived == ()


def test_a_waived_finding_is_taken_off_and_its_waiver_listed():
    judgement = judge([finding(), finding("B311", 9)], [waiver()])
    assert judgement.findings == (finding("B311", 9),)
    assert judgement.waived == (waiver(),)


def test_a_waiver_is_for_one_rule_on_one_line():
    for other in (waiver("B311"), waiver(line=4), Waiver("bandit", "b.py", 3, "B603", REASON)):
        left = rules(judge([finding()], [other]).findings)
        assert sorted(left) == ["B603", "stale-waiver"]


def test_it_may_stand_on_any_line_of_the_statement():
    statement = finding(line=3, until=6)
    for line in (3, 5, 6):
        assert not judge([statement], [waiver(line=line)]).findings
    for line in (2, 7):
        assert "B603" in rules(judge([statement], [waiver(line=line)]).findings)


def test_beside_a_resource_the_line_does_not_matter():
    queue = Finding("s.yaml", 20, "checkov", "CKV_AWS_27", "a message", "Queue")
    for_queue = Waiver("checkov", "s.yaml", 25, "CKV_AWS_27", REASON, "Queue")
    assert not judge([queue], [for_queue]).findings
    for_another = Waiver("checkov", "s.yaml", 20, "CKV_AWS_27", REASON, "OtherQueue")
    (left, stale) = sorted(judge([queue], [for_another]).findings, key=lambda each: each.rule)
    assert (left, stale.resource) == (queue, "OtherQueue")


def test_a_waiver_without_a_reason_does_not_count_as_one():
    for reason in ("", "it is fine"):
        judgement = judge([finding()], [waiver(reason=reason)])
        (told,) = judgement.findings
        assert (told.rule, told.line, judgement.waived) == ("waiver-without-reason", 3, ())
        assert "B603" in told.message
        assert "4 words" in told.advice


def test_a_waiver_of_what_does_not_occur_any_more_is_stale():
    judgement = judge([], [waiver()])
    (told,) = judgement.findings
    assert (told.rule, told.where, judgement.waived) == ("stale-waiver", "a.py:3", ())
    assert "B603" in told.message


def test_where_the_tool_itself_reports_useless_waivers_none_is_stale():
    judgement = judge([], [waiver(checked=True)])
    assert judgement == judge([finding()], [waiver(checked=True)])
    assert not judgement.findings


def test_a_waiver_without_a_rule_is_for_whatever_the_line_holds():
    assert not judge([finding(), finding("B105")], [waiver("")]).findings
