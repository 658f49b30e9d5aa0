"""The house rules about the API: who may call, what is checked, what it answers itself, what it logs."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator

from .house import Findings, rule
from .rule_functions import refusals
from .template import Json, Template, choices, refers_to, sub

ASKED = ["AWS_IAM", "COGNITO_USER_POOLS", "NONE"]
"""Who may call, in API Gateway's own words; the first is the default."""

POOL = "eu-central-1_AbCdEf123"
REFUSED = {
    "AuthorizationType NONE is for the stage 'local' only": [
        {"Stage": stage, "ApiAuthorization": "NONE"} for stage in ("dev", "prod", "prod-eu", "local2", "loca")
    ],
    "a user pool is named where it is asked": [{"Stage": "dev", "ApiAuthorization": "COGNITO_USER_POOLS"}],
    "a user pool is named only where it is asked": [
        {"Stage": "dev", "ApiAuthorization": "AWS_IAM", "UserPoolId": POOL},
        {"Stage": "local", "ApiAuthorization": "NONE", "UserPoolId": POOL},
    ],
}
TAKEN = [
    {"Stage": "prod"},
    {"Stage": "prod", "ApiAuthorization": "COGNITO_USER_POOLS", "UserPoolId": POOL},
    {"Stage": "local", "ApiAuthorization": "NONE"},
    {"Stage": "local", "ApiAuthorization": "AWS_IAM"},
]

WITHOUT_BODY = {"cancelOrder"}
"""Operations of POST that take none."""

ANSWERS = {
    "ACCESS_DENIED", "BAD_REQUEST_BODY", "DEFAULT_4XX", "DEFAULT_5XX", "EXPIRED_TOKEN",
    "INTEGRATION_TIMEOUT", "INVALID_SIGNATURE", "MISSING_AUTHENTICATION_TOKEN", "REQUEST_TOO_LARGE",
    "RESOURCE_NOT_FOUND", "THROTTLED", "UNAUTHORIZED", "WAF_FILTERED",
}  # fmt: skip
"""What API Gateway may answer here itself. Others take the default's status, which must be right for them."""


LOGGED = {
    f"$context.{name}"
    for name in (
        "error.responseType", "extendedRequestId", "httpMethod", "integration.status", "integrationLatency",
        "requestTime", "resourcePath", "responseLatency", "status", "xrayTraceId",
    )
}  # fmt: skip
"""What the access log may say. No `requestId`, which clients may choose (API Gateway's guide)."""


def _if_pool(value: Json) -> Json:
    return {"Fn::If": ["AsksUserPool", value, {"Ref": "AWS::NoValue"}]}


@rule
def api_is_closed_and_throttled(template: Template) -> Findings:
    for logical_id, method in template.of("ApiGateway::Method").items():
        if method.get("AuthorizationType") != {"Ref": "ApiAuthorization"}:
            yield logical_id, "who may call is the parameter ApiAuthorization's to say (AuthorizationType)"
    for logical_id in template.of("ApiGateway::RestApi"):
        parameter = template.body["Parameters"].get("ApiAuthorization", {})
        if parameter.get("Default") != ASKED[0]:
            yield logical_id, f"the API is closed by default (ApiAuthorization: {ASKED[0]})"
        if parameter.get("AllowedValues") != ASKED:
            yield logical_id, f"ApiAuthorization is one of {ASKED}"
        for why, cases in REFUSED.items():
            for case in cases:
                if not refusals(template, case):
                    yield logical_id, f"{why}: the template's Rules let {case} pass"
        for case in TAKEN:
            if found := refusals(template, case):
                yield logical_id, f"the template's Rules refuse {case}: {found[0]}"
    for logical_id, stage in template.of("ApiGateway::Stage").items():
        settings = [
            s
            for s in stage.get("MethodSettings", [])
            if (s.get("HttpMethod"), s.get("ResourcePath")) == ("*", "/*")
        ]
        if not settings or (
            settings[0].get("ThrottlingRateLimit") != {"Ref": "ApiRateLimit"}
            or settings[0].get("ThrottlingBurstLimit") != {"Ref": "ApiBurstLimit"}
        ):
            yield logical_id, "all methods are throttled, by ApiRateLimit and ApiBurstLimit (MethodSettings)"
        elif (
            settings[0].get("MetricsEnabled") is not True or settings[0].get("DataTraceEnabled") is not False
        ):
            yield logical_id, "metrics are on and data traces off: they would log whole orders"
        if stage.get("TracingEnabled") is not True:
            yield logical_id, "tracing is on"


@rule
def api_asks_the_pool_it_was_given(template: Template) -> Findings:
    """By a variable of the stage: in the authorizer, a changed pool would wait for a new deployment."""
    authorizers = template.of("ApiGateway::Authorizer")
    for logical_id, method in template.of("ApiGateway::Method").items():
        wanted = [_if_pool({"Ref": authorizer}) for authorizer in authorizers]
        if method.get("AuthorizerId") not in wanted:
            yield logical_id, "has the authorizer where a user pool is asked (AuthorizerId)"
    for logical_id, authorizer in authorizers.items():
        if (
            authorizer.get("Type") != "COGNITO_USER_POOLS"
            or template.resources[logical_id].get("Condition") != "AsksUserPool"
        ):
            yield logical_id, "is a user pool's, made where one is asked (Type, Condition)"
        if list(map(sub, authorizer.get("ProviderARNs", []))) != [
            "arn:${AWS::Partition}:cognito-idp:${AWS::Region}:${AWS::AccountId}:userpool/${!stageVariables.userPoolId}"
        ]:
            yield logical_id, "names its pool by the stage's variable userPoolId (ProviderARNs)"
        pattern = template.body["Parameters"].get("UserPoolId", {}).get("AllowedPattern", "")
        for pool in ("", POOL, "us-gov-west-1_0aB"):
            if not re.fullmatch(pattern, pool):
                yield logical_id, f"the pattern of UserPoolId refuses {pool!r}"
        for pool in ("customers", "eu-central-1", f"userpool/{POOL}", f"{POOL}/*", "*", " "):
            if re.fullmatch(pattern, pool):
                yield logical_id, f"the pattern of UserPoolId lets {pool!r} pass"
    for logical_id, stage in template.of("ApiGateway::Stage").items():
        if stage.get("Variables") != _if_pool({"userPoolId": {"Ref": "UserPoolId"}}):
            yield logical_id, "says which pool is asked (Variables: userPoolId)"


@rule
def api_requests_are_checked(template: Template) -> Findings:
    """What cannot be an order is refused before it costs an invocation."""
    validators, models = template.of("ApiGateway::RequestValidator"), template.of("ApiGateway::Model")
    for logical_id, method in template.of("ApiGateway::Method").items():
        validator = validators.get(refers_to(method.get("RequestValidatorId")) or "", {})
        if not (
            validator.get("ValidateRequestBody") is True
            and validator.get("ValidateRequestParameters") is True
        ):
            yield logical_id, "has a validator of body and parameters (RequestValidatorId)"
        if method.get("HttpMethod") in {"POST", "PUT", "PATCH"} and (
            method.get("OperationName") not in WITHOUT_BODY
        ):
            model = models.get(refers_to(method.get("RequestModels", {}).get("application/json")) or "")
            if model is None:
                yield logical_id, "has a model for its body (RequestModels: application/json)"
    for logical_id, model in models.items():
        schema = model.get("Schema", {})
        if schema.get("$schema") != "http://json-schema.org/draft-04/schema#":
            yield logical_id, "is JSON Schema draft 4, and says so: API Gateway knows no other"
        if schema.get("type") != "object" or schema.get("additionalProperties") is not False:
            yield (
                logical_id,
                "is an object without unknown fields: a misspelt one must not be dropped in silence",
            )


@rule
def api_answers_are_problems(template: Template) -> Findings:
    """What API Gateway says looks like what the function says (RFC 9457), and repeats nothing sent."""
    answers = template.of("ApiGateway::GatewayResponse")
    kinds = [str(answer.get("ResponseType")) for answer in answers.values()]
    for logical_id in template.of("ApiGateway::RestApi"):
        for kind in sorted(ANSWERS - set(kinds)):
            yield logical_id, f"{kind} is answered as a problem (GatewayResponse)"
    for logical_id, answer in answers.items():
        if kinds.count(str(answer.get("ResponseType"))) > 1:
            yield logical_id, f"{answer.get('ResponseType')} has one answer"
        headers = answer.get("ResponseParameters", {})
        if headers.get("gatewayresponse.header.Content-Type") != "'application/problem+json'":
            yield logical_id, "is application/problem+json (Content-Type)"
        if set(answer.get("ResponseTemplates", {})) != {"application/json"}:
            yield logical_id, "has one body, which API Gateway takes for every client (application/json)"
            continue
        bodies = list(choices(answer["ResponseTemplates"]["application/json"]))
        for condition, text in bodies:
            for flaw in _flaws_of_a_problem(text, _under(condition, answer.get("StatusCode"))):
                yield logical_id, flaw
        for flaw in _flaws_of_headers(answer):
            yield logical_id, flaw


def _under(condition: str | None, value: Json) -> Json:
    """What a value is under a condition; itself where it does not depend on one."""
    values = dict(choices(value))
    return values.get(condition, values.get(None))


def _flaws_of_a_problem(text: Json, status: Json) -> Iterator[str]:
    try:
        body = json.loads(text)
    except (TypeError, ValueError):
        yield "its body is not JSON as it stands"
        return
    if "$" in text:
        yield "its body is fixed: API Gateway's own words repeat what was sent"
    if not {"type", "title", "status", "detail"} <= body.keys():
        yield "its body has type, title, status and detail"
    elif str(body["status"]) != status:
        yield f"its body says {body['status']}, its StatusCode {status}"


def _flaws_of_headers(answer: dict[str, Json]) -> Iterator[str]:
    """RFC 9110, 11.6.1: a 401 names a challenge, and it has to be one of who is asked here."""
    headers = answer.get("ResponseParameters", {})
    challenge = headers.get("gatewayresponse.header.WWW-Authenticate")
    statuses = dict(choices(answer.get("StatusCode")))
    if set(statuses.values()) == {"401"}:
        wanted: Json = {"Fn::If": ["AsksUserPool", "'Bearer'", "'AWS4-HMAC-SHA256'"]}
    elif "401" in statuses.values():
        wanted = {"Fn::If": ["AsksIam", "'AWS4-HMAC-SHA256'", {"Ref": "AWS::NoValue"}]}
    else:
        wanted = None
    if challenge != wanted:
        yield "a 401, and nothing else, has the challenge of who is asked (WWW-Authenticate)"
    if ("429" in statuses.values()) != ("gatewayresponse.header.Retry-After" in headers):
        yield "a 429, and nothing else, says when to try again (Retry-After)"


@rule
def api_logs_name_nobody(template: Template) -> Findings:
    """A log is read by more people than an order is."""
    for logical_id, stage in template.of("ApiGateway::Stage").items():
        logs = [branch for _, branch in choices(stage.get("AccessLogSetting", {})) if branch]
        if not logs or template.type_of(refers_to(logs[0].get("DestinationArn"))) != "Logs::LogGroup":
            yield logical_id, "has an access log (AccessLogSetting)"
            continue
        text = sub(logs[0].get("Format"))
        for unknown in sorted(set(re.findall(r"\$[\w.]+", text)) - LOGGED):
            yield logical_id, f"the access log names no caller, and nothing that was sent: {unknown} may be"
        try:
            fields = json.loads(text)
        except ValueError:
            yield logical_id, "the access log is JSON"
            continue
        if not {"requestId", "status", "error", "resource"} <= fields.keys():
            yield logical_id, "the access log says which request, which route, and how it ended"
