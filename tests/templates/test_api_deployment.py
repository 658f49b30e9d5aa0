"""A changed API gets a new deployment, or the stage goes on with the old methods and nobody notices."""

from __future__ import annotations

import pytest

from .api import deployment_name
from .template import Template


@pytest.fixture
def template(templates: dict[str, Template]) -> Template:
    return templates["order-service"].copy()


def test_the_deployment_is_named_after_what_it_holds(template: Template) -> None:
    (name,) = template.of("ApiGateway::Deployment")
    wanted = deployment_name(template)
    assert name == wanted, (
        f"the API has changed, so it needs a new deployment: rename {name} to {wanted} in order-stack.yaml, "
        "at the resource and at OrderApiStage"
    )


def test_the_stage_shows_the_deployment(template: Template) -> None:
    (name,) = template.of("ApiGateway::Deployment")
    assert [stage["DeploymentId"] for stage in template.of("ApiGateway::Stage").values()] == [{"Ref": name}]


def test_the_snapshot_is_taken_when_everything_is_there(template: Template) -> None:
    (name,) = template.of("ApiGateway::Deployment")
    parts = set(template.of("ApiGateway::Method", "ApiGateway::GatewayResponse"))
    missing = parts - set(template.resources[name]["DependsOn"])
    assert not missing, f"{name} may be taken before {sorted(missing)} exist: add them to its DependsOn"


@pytest.mark.parametrize(
    ("resource", "path", "value"),
    [
        ("PlaceOrderMethod", "AuthorizationType", "NONE"),
        ("OrderResource", "PathPart", "{id}"),
        ("ClientErrorResponse", "ResponseTemplates", {}),
        ("OrderApi", "Description", "another"),
    ],
)
def test_any_change_of_the_api_asks_for_a_new_name(
    template: Template, resource: str, path: str, value: object
) -> None:
    before = deployment_name(template)
    template.resources[resource]["Properties"][path] = value
    assert deployment_name(template) != before


def test_a_new_method_asks_for_a_new_name(template: Template) -> None:
    before = deployment_name(template)
    template.resources["DeleteOrderMethod"] = template.resources["GetOrderMethod"]
    assert deployment_name(template) != before


def test_what_is_not_in_the_snapshot_keeps_the_name(template: Template) -> None:
    before = deployment_name(template)
    template.resources["OrderApiStage"]["Properties"]["TracingEnabled"] = False
    template.resources["OrderLambda"]["Properties"]["MemorySize"] = 1024
    assert deployment_name(template) == before
