"""A changed API gets a new deployment, or the stage goes on with the old methods and nobody notices."""

from __future__ import annotations

from typing import Any

import pytest

from .api import KINDS, deployment_names
from .template import Template


@pytest.fixture
def template(templates: dict[str, Template]) -> Template:
    return templates["order-service"].copy()


def deployments(template: Template) -> dict[str, str]:
    """By the condition under which each is made."""
    names = template.of("ApiGateway::Deployment")
    return {str(template.resources[name].get("Condition")): name for name in names}


def test_the_deployments_are_named_after_what_they_hold(template: Template) -> None:
    found, wanted = deployments(template), deployment_names(template)
    assert found == wanted, (
        f"the API has changed, so it needs new deployments: rename {sorted(found.values())} to "
        f"{sorted(wanted.values())} in order-stack.yaml, at the resources and at OrderApiStage"
    )


def chosen(value: Any, asked: str) -> Any:
    """What a value is where one condition holds and the others do not."""
    while isinstance(value, dict) and "Fn::If" in value:
        condition, yes, no = value["Fn::If"]
        assert condition in KINDS
        value = yes if condition == asked else no
    return value


@pytest.mark.parametrize("asked", KINDS)
def test_the_stage_shows_the_deployment_that_is_made(template: Template, asked: str) -> None:
    (stage,) = template.of("ApiGateway::Stage").values()
    assert chosen(stage["DeploymentId"], asked) == {"Ref": deployments(template)[asked]}


def test_there_is_one_for_everybody_who_may_be_asked(template: Template) -> None:
    """Another parameter would otherwise leave the stage with the snapshot of the one before."""
    conditions = template.body["Conditions"]
    asked = [conditions[name] for name in KINDS]
    values = template.body["Parameters"]["ApiAuthorization"]["AllowedValues"]
    assert asked == [{"Fn::Equals": [{"Ref": "ApiAuthorization"}, value]} for value in values]


def test_the_snapshot_is_taken_when_everything_is_there(template: Template) -> None:
    parts = set(template.of("ApiGateway::Method", "ApiGateway::GatewayResponse"))
    for name in template.of("ApiGateway::Deployment"):
        missing = parts - set(template.resources[name]["DependsOn"])
        assert not missing, f"{name} may be taken before {sorted(missing)} exist: add them to its DependsOn"


@pytest.mark.parametrize(
    ("resource", "path", "value"),
    [
        ("PlaceOrderMethod", "AuthorizationType", "NONE"),
        ("OrderResource", "PathPart", "{id}"),
        ("ClientErrorResponse", "ResponseTemplates", {}),
        ("OrderApi", "Description", "another"),
        ("OrderApiAuthorizer", "IdentitySource", "method.request.header.Token"),
        ("OrderApiValidator", "ValidateRequestBody", False),
        ("OrderRequestModel", "Schema", {"type": "object"}),
    ],
)
def test_any_change_of_the_api_asks_for_new_names(
    template: Template, resource: str, path: str, value: object
) -> None:
    before = deployment_names(template)
    template.resources[resource]["Properties"][path] = value
    assert not set(deployment_names(template).values()) & set(before.values())


def test_a_new_method_asks_for_new_names(template: Template) -> None:
    before = deployment_names(template)
    template.resources["DeleteOrderMethod"] = template.resources["GetOrderMethod"]
    assert not set(deployment_names(template).values()) & set(before.values())


def test_what_is_not_in_the_snapshot_keeps_the_names(template: Template) -> None:
    before = deployment_names(template)
    template.resources["OrderApiStage"]["Properties"]["TracingEnabled"] = False
    template.resources["OrderLambda"]["Properties"]["MemorySize"] = 1024
    assert deployment_names(template) == before


def test_no_other_parameter_is_in_the_snapshot(template: Template) -> None:
    """Nothing could tell that it changed. The stage's name is not one: it belongs to the stack for life."""
    from .api import SNAPSHOT
    from .template import walk

    parameters = template.body["Parameters"].keys() - {"Stage", "ApiAuthorization"}
    kinds = [f"ApiGateway::{kind}" for kind in SNAPSHOT]
    read = {
        f"{logical_id} reads {name}"
        for logical_id, properties in template.of(*kinds).items()
        for node in walk(properties)
        for name in parameters
        if node == {"Ref": name} or (isinstance(node, str) and f"${{{name}}}" in node)
    }
    assert not read
