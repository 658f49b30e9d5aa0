"""The roles by which GitHub's workflows deploy: who gets them, what they may, and that it is enough."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

import pytest
from templates import house
from templates.template import FILES, Json, Template, condition_values, some, statements, sub

from ecom_cli import aws
from ecom_cli.delivery import stacks
from ecom_cli.lint.scope import BY_HAND

from .registry import ASKED
from .workflows import ROOT

ACCESS = Template.parse("deploy-access", (ROOT / BY_HAND["deploy-access"]).read_text(encoding="utf-8"))
ROLES = ACCESS.of("IAM::Role")
DEPLOY, CLOUDFORMATION = ROLES["DeployRole"], ROLES["CloudFormationRole"]
OF_THE_STAGE = re.compile(r"[:/]ecom-\$\{Stage\}(-|$)")
LONGEST_STAGE = "prod-abcdefghijklm"
OF_A_ROLE = 10_240  # characters without blanks: IAM's quota for all inline policies of a role


def granted(role: dict[str, Json]) -> Iterator[dict[str, Json]]:
    for policy in role["Policies"]:
        for _, statement in statements(policy["PolicyDocument"]):
            assert statement["Effect"] == "Allow"
            yield statement


def actions(role: dict[str, Json]) -> set[str]:
    return {action for statement in granted(role) for action in some(statement["Action"])}


def test_only_a_job_of_the_stages_environment_gets_in() -> None:
    """Without the subject, any workflow on GitHub could; with a pattern, any branch of the repository."""
    (statement,) = DEPLOY["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Action"] == "sts:AssumeRoleWithWebIdentity"
    assert set(statement["Principal"]) == {"Federated"}
    assert statement["Condition"].keys() == {"StringEquals"}
    github = "token.actions.githubusercontent.com"
    assert condition_values(statement, f"{github}:aud") == ["sts.amazonaws.com"]
    (subject,) = condition_values(statement, f"{github}:sub")
    assert sub(subject) == "repo:${Repository}:environment:${Stage}"
    pattern = ACCESS.body["Parameters"]["Repository"]["AllowedPattern"]
    assert re.fullmatch(pattern, "example-org/ecom")
    assert re.fullmatch(pattern, "example-org-1234/ecom-5678")
    assert not any(
        re.fullmatch(pattern, text) for text in ("example-org/*", "*/ecom", "a/b:ref:x", "a", "a/b/c")
    )


def test_the_other_role_is_cloudformations_alone() -> None:
    (statement,) = CLOUDFORMATION["AssumeRolePolicyDocument"]["Statement"]
    assert statement["Principal"] == {"Service": "cloudformation.amazonaws.com"}
    passing = [each for each in granted(DEPLOY) if "iam:PassRole" in some(each["Action"])]
    assert [each["Resource"] for each in passing] == [{"Fn::GetAtt": ["CloudFormationRole", "Arn"]}]
    assert condition_values(passing[0], "iam:PassedToService") == ["cloudformation.amazonaws.com"]


def test_the_workflows_role_makes_nothing_itself() -> None:
    prefixes = {action.partition(":")[0] for action in actions(DEPLOY)}
    assert prefixes == {"cloudformation", "iam", "kms", "lambda", "s3", "sqs"}
    assert {action for action in actions(DEPLOY) if not action.startswith("cloudformation:")} == {
        "iam:PassRole", "kms:Decrypt", "kms:GenerateDataKey", "lambda:GetFunctionConfiguration",
        "s3:GetObject", "s3:ListBucket", "s3:PutObject", "sqs:GetQueueAttributes",
    }  # fmt: skip


def test_what_the_deployer_asks_of_cloudformation_is_allowed() -> None:
    source = "".join((ROOT / module.__file__).read_text(encoding="utf-8") for module in (stacks, aws))
    called = set(re.findall(r"_cloudformation\s*\.(?!get_paginator)(\w+)\(", source))
    called |= set(re.findall(r'get_paginator\(\s*"(\w+)"', source))
    called |= set(re.findall(r'_of_stack\(\s*stack, "(\w+)"', source))
    assert {"create_change_set", "describe_stack_events", "describe_stack_resource"} <= called
    wanted = {"cloudformation:" + "".join(word.title() for word in name.split("_")) for name in called}
    assert wanted <= actions(DEPLOY)


def test_a_stack_of_production_is_deleted_by_people() -> None:
    deleting = [
        condition
        for policy in DEPLOY["Policies"]
        for condition, statement in statements(policy["PolicyDocument"])
        if "cloudformation:DeleteStack" in some(statement["Action"])
    ]
    assert deleting == ["IsNotProd"]


def reach(statement: dict[str, Json], resource: str) -> str:
    """Why a resource that does not carry the stage's name is right; empty where it is not."""
    if resource == "*" and statement["Action"] == "sns:Unsubscribe":
        return "there is no resource to name"
    if resource == "*" and all(
        re.search(r":(Describe|List)\w+$", action) for action in some(statement["Action"])
    ):
        return "finds, and reads nothing"
    for key in ("aws:RequestTag/Stage", "aws:ResourceTag/Stage"):
        if condition_values(statement, key) == [{"Ref": "Stage"}]:
            return "by the stage's tag"
    if any(OF_THE_STAGE.search(sub(arn)) for arn in condition_values(statement, "lambda:FunctionArn")):
        return "by its function"
    if condition_values(statement, "iam:AWSServiceName") == ["ops.apigateway.amazonaws.com"]:
        return "a role that only API Gateway can take"
    if ":apigateway:" in resource or resource.endswith(":event-source-mapping:*"):
        return "AWS draws its name"
    return ""


@pytest.mark.parametrize("role", ROLES)
def test_what_a_role_reaches_is_the_stages(role: str) -> None:
    for statement in granted(ROLES[role]):
        for resource in some(statement["Resource"]):
            arn = sub(resource) or (resource if isinstance(resource, str) else "")
            if resource == {"Fn::GetAtt": ["CloudFormationRole", "Arn"]}:
                continue
            assert OF_THE_STAGE.search(arn) or reach(statement, arn), f"{statement['Sid']}: {arn}"


def test_no_deployment_can_change_the_roles_it_is_made_with() -> None:
    assert [sub(role["RoleName"]) for role in ROLES.values()] == [
        "github-ecom-${Stage}-deploy",
        "cloudformation-ecom-${Stage}",
    ]
    roles = [each for each in granted(CLOUDFORMATION) if "iam:PutRolePolicy" in some(each["Action"])]
    assert [sub(each["Resource"]) for each in roles] == [
        "arn:${AWS::Partition}:iam::${AWS::AccountId}:role/ecom-${Stage}-*"
    ]
    assert not actions(CLOUDFORMATION) & {
        "iam:AttachRolePolicy", "iam:CreatePolicy", "iam:CreateUser", "iam:PutUserPolicy", "sts:AssumeRole",
    }  # fmt: skip


def test_rows_and_messages_are_out_of_reach() -> None:
    reading = (
        r"dynamodb:(Get|Put|Update|Delete|Batch\w+|Transact\w+)Items?|dynamodb:(Query|Scan|PartiQL\w+)|"
        r"sqs:\w*Message\w*|sns:Publish\w*|events:PutEvents|lambda:Invoke\w+|"
        r"logs:(Get|Filter|Start)\w*(Events|Query)|s3:(Put|Delete)Object\w*"
    )
    found = {action for action in actions(CLOUDFORMATION) if re.fullmatch(reading, action)}
    assert found == set()
    assert not {action for action in actions(CLOUDFORMATION) if "*" in action}


def types() -> set[str]:
    templates = [Template.read(name) for name in FILES]
    return {str(resource["Type"]) for template in templates for resource in template.resources.values()}


def test_every_kind_of_resource_can_be_made() -> None:
    """A type of a service that nobody thought of would fail in the middle of a deployment."""
    known = {action.partition(":")[0] for action in actions(CLOUDFORMATION)}
    services = {name.split("::")[1].lower(): name for name in types()}
    assert {name for service, name in services.items() if service not in known} == set()


@pytest.mark.parametrize("kind", ASKED)
def test_what_a_type_asks_for_is_granted(kind: str) -> None:
    assert kind in types(), f"no template has {kind} any more"
    assert set(ASKED[kind].split()) - actions(CLOUDFORMATION) == set()


@pytest.mark.parametrize("role", ROLES)
def test_the_policies_fit(role: str) -> None:
    text = json.dumps([policy["PolicyDocument"] for policy in ROLES[role]["Policies"]], separators=(",", ":"))
    text = text.replace("${Stage}", LONGEST_STAGE).replace("${AWS::Region}", "ap-southeast-1")
    assert len(text) < OF_A_ROLE


def test_the_longest_stage_is_the_longest() -> None:
    pattern = ACCESS.body["Parameters"]["Stage"]["AllowedPattern"]
    assert re.fullmatch(pattern, LONGEST_STAGE)
    assert not re.fullmatch(pattern, LONGEST_STAGE + "x")
    assert not re.fullmatch(pattern, "local")
    assert not re.fullmatch(pattern, "production")


def test_the_rules_of_the_house_that_hold_for_any_template() -> None:
    rules = (
        "raw_and_small", "no_places_in_the_template", "parameters_explain_themselves",
        "parameters_are_validated", "outputs_explain_themselves",
    )  # fmt: skip
    assert [str(finding) for finding in house.check(ACCESS, *rules)] == []
