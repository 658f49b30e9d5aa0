"""The template's API is the one that openapi.yaml describes: its methods, its model, its own answers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

import pytest

from ecom_testkit.openapi import Description

from .template import FILES, Json, Template, choices, refers_to

API = Description.read(FILES["order-service"].with_name("openapi.yaml"))
HEADER = "gatewayresponse.header."
PLACES = {"header": "header", "query": "querystring", "path": "path"}
AUTHORIZATIONS = {"iam": "AWS_IAM", "cognito": "COGNITO_USER_POOLS"}
NOBODYS = ("MISSING_AUTHENTICATION_TOKEN", "RESOURCE_NOT_FOUND")
"""About an address that does not exist, so of no operation: only a missing order's 404 looks like theirs."""
BODYS = ("BAD_REQUEST_BODY", "REQUEST_TOO_LARGE")
"""About the body of a request."""


@pytest.fixture
def template(templates: dict[str, Template]) -> Template:
    return templates["order-service"]


def path_of(template: Template, logical_id: str | None) -> str:
    parts = template.of("ApiGateway::Resource")
    if logical_id not in parts:
        return ""
    parent = path_of(template, refers_to(parts[logical_id]["ParentId"]))
    return f"{parent}/{parts[logical_id]['PathPart']}"


def methods(template: Template) -> dict[tuple[str, str], Json]:
    return {
        (method["HttpMethod"], path_of(template, refers_to(method["ResourceId"]))): method
        for method in template.of("ApiGateway::Method").values()
    }


def parameters(method: str, path: str) -> list[Json]:
    """Those of the path and of the operation."""
    every = [
        *API.document["paths"][path].get("parameters", []),
        *API.operations[method, path].get("parameters", []),
    ]
    named = API.document["components"]["parameters"]
    return [named[each["$ref"].rpartition("/")[2]] if "$ref" in each else each for each in every]


def test_its_methods_are_the_operations(template: Template) -> None:
    names = {key: method["OperationName"] for key, method in methods(template).items()}
    assert names == {key: operation["operationId"] for key, operation in API.operations.items()}


def test_its_parameters_are_theirs(template: Template) -> None:
    for (verb, path), method in methods(template).items():
        described = {
            f"method.request.{PLACES[each['in']]}.{each['name']}": each.get("required", False)
            for each in parameters(verb, path)
        }
        assert method.get("RequestParameters", {}) == described, f"{verb} {path}"


def test_the_request_model_is_the_schema(template: Template) -> None:
    models = template.of("ApiGateway::Model")
    for (verb, path), method in methods(template).items():
        content = API.operations[verb, path].get("requestBody", {}).get("content", {})
        bound = {media: refers_to(model) or "" for media, model in method.get("RequestModels", {}).items()}
        assert bound.keys() == content.keys(), f"{verb} {path}"
        for media, name in bound.items():
            wanted = {
                "$schema": "http://json-schema.org/draft-04/schema#",
                **API.plain(content[media]["schema"]),
            }
            advice = f"{name} is not what openapi.yaml says of {verb} {path}. This is:"
            assert models[name]["Schema"] == wanted, f"{advice}\n{json.dumps(wanted, indent=2)}"
            assert models[name]["ContentType"] == media


def test_a_model_that_differs_is_noticed(template: Template) -> None:
    changed = template.copy()
    changed.of("ApiGateway::Model")["OrderRequestModel"]["Schema"]["properties"]["items"]["maxItems"] = 51
    with pytest.raises(AssertionError, match=r"OrderRequestModel is not what openapi\.yaml says"):
        test_the_request_model_is_the_schema(changed)


def test_who_may_call_is_what_it_says(template: Template) -> None:
    allowed = template.body["Parameters"]["ApiAuthorization"]["AllowedValues"]
    described = [AUTHORIZATIONS[name] for requirement in API.document["security"] for name in requirement]
    assert allowed == [*described, "NONE"]


# ----- what API Gateway answers itself


def answers(template: Template) -> Iterator[tuple[str, int, dict[str, str], str]]:
    """Type, status, headers and body of each, and of each way a condition may turn out."""
    for answer in template.of("ApiGateway::GatewayResponse").values():
        for condition, body in choices(answer["ResponseTemplates"]["application/json"]):
            headers = {
                name.removeprefix(HEADER): chosen(value, condition).strip("'")
                for name, value in answer["ResponseParameters"].items()
                if isinstance(chosen(value, condition), str)
            }
            yield answer["ResponseType"], int(chosen(answer["StatusCode"], condition)), headers, body


def chosen(value: Json, condition: str | None) -> Any:
    """What a value is under a condition (None: nothing); the first it may be, if it depends on another."""
    found = dict(choices(value))
    same = {str(name).lstrip("!") for name in found} == {str(condition).lstrip("!")}
    return found.get(condition) if same else next(iter(found.values()))


def of_operations(kind: str, status: int) -> list[tuple[str, str]]:
    """The operations that may be answered so."""
    if kind in NOBODYS and status == 404:
        return [("GET", "/orders/{orderId}")]
    return [
        key for key, operation in API.operations.items() if kind not in BODYS or "requestBody" in operation
    ]


def test_what_the_gateway_answers_is_described(template: Template) -> None:
    flaws = {
        f"{kind} {status} for {verb} {path}": found
        for kind, status, headers, body in answers(template)
        for verb, path in of_operations(kind, status)
        if (found := API.flaws(verb, path, status, headers, body, closed=True))
    }
    assert flaws == {}


@pytest.mark.parametrize("status", [400, 403, 429, 504])
def test_what_only_the_gateway_can_answer_it_does(template: Template, status: int) -> None:
    """The rest of what is described, the function answers (test_openapi.py of the package)."""
    described = {key for key in API.operations if API.response(*key, status)}
    made = {
        key for kind, each, _, _ in answers(template) if each == status for key in of_operations(kind, status)
    }
    assert described == made == set(API.operations)
