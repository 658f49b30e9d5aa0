"""What API Gateway answers itself is what the function would answer, to the letter."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from order_service import http, intake
from order_service.http import Kind, Problem

from .template import Template, choices

KINDS = {
    "ACCESS_DENIED": Kind.FORBIDDEN,
    "BAD_REQUEST_BODY": Kind.INVALID_ORDER,
    "DEFAULT_4XX": Kind.INVALID_REQUEST,
    "DEFAULT_5XX": Kind.INTERNAL,
    "EXPIRED_TOKEN": Kind.UNAUTHENTICATED,
    "INTEGRATION_TIMEOUT": Kind.TIMED_OUT,
    "INVALID_SIGNATURE": Kind.UNAUTHENTICATED,
    "MISSING_AUTHENTICATION_TOKEN if AsksIam": Kind.UNAUTHENTICATED,
    "MISSING_AUTHENTICATION_TOKEN if !AsksIam": Kind.NOT_FOUND,
    "REQUEST_TOO_LARGE": Kind.BODY_TOO_LARGE,
    "RESOURCE_NOT_FOUND": Kind.NOT_FOUND,
    "THROTTLED": Kind.TOO_MANY_REQUESTS,
    "UNAUTHORIZED": Kind.UNAUTHENTICATED,
    "WAF_FILTERED": Kind.FORBIDDEN,
}
HEADER = "gatewayresponse.header."


@pytest.fixture(scope="session")
def answers(templates: dict[str, Template]) -> dict[str, dict[str, Any]]:
    """By type, and condition where there is one: the body, and the headers that are always there."""
    found = {}
    for answer in templates["order-service"].of("ApiGateway::GatewayResponse").values():
        for condition, text in choices(answer["ResponseTemplates"]["application/json"]):
            kind = answer["ResponseType"] + (f" if {condition}" if condition else "")
            headers = answer["ResponseParameters"].items()
            found[kind] = {
                "body": json.loads(text),
                "headers": {name.removeprefix(HEADER): value for name, value in headers},
            }
    return found


def test_all_are_compared(answers: dict[str, dict[str, Any]]) -> None:
    assert answers.keys() == KINDS.keys()


@pytest.mark.parametrize("kind", KINDS)
def test_the_gateway_says_it_as_the_function_does(answers: dict[str, dict[str, Any]], kind: str) -> None:
    body, headers = answers[kind]["body"], answers[kind]["headers"]
    function = Problem(KINDS[kind], body["detail"], errors=body.get("errors", ())).response()
    assert body == json.loads(function["body"])
    assert headers["Content-Type"] == f"'{function['headers']['Content-Type']}'"


def test_every_kind_is_somebodys(answers: dict[str, dict[str, Any]]) -> None:
    """A kind that neither the function raises nor the template answers with is none."""
    source = "".join(path.read_text(encoding="utf-8") for path in Path(http.__file__).parent.glob("*.py"))
    raised = {kind for kind in Kind if f"Kind.{kind.name}" in source}
    assert set(Kind) - raised - set(KINDS.values()) == set()


def test_a_body_that_is_no_order_is_refused_in_the_form_of_flaws(answers: dict[str, dict[str, Any]]) -> None:
    """A client reads `errors`, whoever refuses: here, one about the whole body."""
    (flaw,) = answers["BAD_REQUEST_BODY"]["body"]["errors"]
    assert (flaw.keys(), flaw["pointer"]) == ({"pointer", "detail"}, "")


def test_numbers_are_those_of_the_code(answers: dict[str, dict[str, Any]]) -> None:
    assert f"more than {intake.MAX_BODY} bytes" in answers["REQUEST_TOO_LARGE"]["body"]["detail"]
    assert answers["THROTTLED"]["headers"]["Retry-After"] == f"'{http.RETRY_AFTER_SECONDS}'"
