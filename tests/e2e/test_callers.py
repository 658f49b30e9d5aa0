"""Who may call a real stage, whose orders they see, and what API Gateway says to everybody else.

A stage of its own, since `local` asks nobody. Bodies are checked by the function alone here: the emulator's
CloudFormation has no request validators.
"""

from __future__ import annotations

import json
import shutil
from collections.abc import Iterator, Mapping
from typing import Any

import httpx
import pytest

from ecom_cli.aws import EMULATOR_REGION, Stage
from ecom_cli.delivery.deploy import deploy
from ecom_cli.emulator import start, stop
from ecom_cli.errors import EcomError
from ecom_cli.progress import Reporter
from ecom_cli.shop.api import Api, Line
from ecom_cli.shop.caller import Bearer, SigV4
from ecom_cli.shop.tables import ORDERS, scan

PASSWORD = "Abcdef1!x"  # pragma: allowlist secret  # of users of an emulator
BASKET = ([Line("ITEM_ID-02")], 5199, "USD")
POOL, IAM = {"ApiAuthorization": "COGNITO_USER_POOLS"}, {"ApiAuthorization": "AWS_IAM", "UserPoolId": ""}


@pytest.fixture(scope="module")
def stage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("callers")
    running = start(folder)
    try:
        stage = Stage("dev", EMULATOR_REGION, running.endpoint_url)
        deploy(stage, ["base-infra"], {}, report=Reporter(quiet=True))
        ask(stage, SweepState="DISABLED")
        yield stage
    finally:
        stop(running.process.pid)
        running.process.communicate()
        shutil.rmtree(folder / "tmp", ignore_errors=True)


def ask(stage: Stage, **parameters: str) -> None:
    deploy(stage, ["order-service"], parameters, report=Reporter(quiet=True))
    stage.forget()


@pytest.fixture(scope="module")
def pools(stage: Stage) -> dict[str, str]:
    """Two user pools by name; anna and bob are in both."""
    cognito = stage.client("cognito-idp")
    made = {}
    for name in ("ours", "theirs"):
        made[name] = cognito.create_user_pool(PoolName=name)["UserPool"]["Id"]
        for user in ("anna", "bob"):
            cognito.admin_create_user(UserPoolId=made[name], Username=user, MessageAction="SUPPRESS")
            cognito.admin_set_user_password(
                UserPoolId=made[name], Username=user, Password=PASSWORD, Permanent=True
            )
    return made


def token(stage: Stage, pool: str, user: str) -> str:
    cognito = stage.client("cognito-idp")
    flow = "ADMIN_USER_PASSWORD_AUTH"
    client = cognito.create_user_pool_client(
        UserPoolId=pool, ClientName="shop", ExplicitAuthFlows=[f"ALLOW_{flow}"]
    )["UserPoolClient"]["ClientId"]
    names = {"USERNAME": user, "PASSWORD": PASSWORD}
    found = cognito.admin_initiate_auth(UserPoolId=pool, ClientId=client, AuthFlow=flow, AuthParameters=names)
    return str(found["AuthenticationResult"]["IdToken"])


def as_session(stage: Stage, role: str, name: str) -> Api:
    """The API as a session of a role calls it."""
    found = stage.client("sts").assume_role(RoleArn=role, RoleSessionName=name)["Credentials"]
    return Api(stage.api_url, auth=signature(stage, found))


def signature(stage: Stage, found: Mapping[str, Any]) -> SigV4:
    """With credentials as STS gives them."""
    credentials = {
        "aws_access_key_id": found["AccessKeyId"],
        "aws_secret_access_key": found["SecretAccessKey"],
        "aws_session_token": found["SessionToken"],
    }
    return SigV4(stage.region, credentials)


@pytest.fixture(scope="module")
def role(stage: Stage) -> str:
    """A backend that may call the API."""
    iam, api = stage.client("iam"), stage.output("order-service", "ApiId")
    trust = {"Effect": "Allow", "Principal": {"AWS": "*"}, "Action": "sts:AssumeRole"}
    invoke = {
        "Effect": "Allow",
        "Action": "execute-api:Invoke",
        "Resource": f"arn:aws:execute-api:*:*:{api}/*",
    }
    made = iam.create_role(RoleName="shop-backend", AssumeRolePolicyDocument=policy(trust))
    iam.put_role_policy(RoleName="shop-backend", PolicyName="order", PolicyDocument=policy(invoke))
    return str(made["Role"]["Arn"])


def policy(statement: Mapping[str, Any]) -> str:
    return json.dumps({"Version": "2012-10-17", "Statement": [statement]})


def refused(answer: httpx.Response, status: int, kind: str, challenge: str | None) -> None:
    shown = (answer.status_code, answer.headers.get("WWW-Authenticate"), answer.headers["Content-Type"])
    assert shown == (status, challenge, "application/problem+json"), answer.text
    body = answer.json()
    assert (body["status"], body["type"]) == (status, f"https://ecom.example/problems/{kind}")
    assert body["title"]
    assert body["detail"]


def test_signatures_are_asked_for_where_nothing_else_is_said(stage: Stage) -> None:
    url = stage.api_url
    for answer in (httpx.get(url), httpx.post(url, json={}), httpx.get(f"{url}/nothing/here")):
        refused(answer, 401, "unauthenticated", "AWS4-HMAC-SHA256")
    assert list(scan(stage, ORDERS)) == []


def test_a_backend_that_restarts_finds_its_orders_and_orders_nothing_twice(stage: Stage, role: str) -> None:
    with as_session(stage, role, "task-1") as before:
        placed = before.place(*BASKET, key="basket-17").order["orderId"]
    with as_session(stage, role, "task-2") as after:
        assert after.place(*BASKET, key="basket-17").order["orderId"] == placed
        assert [order["orderId"] for order in after.list()] == [placed]
    assert [row["owner"] for row in scan(stage, ORDERS)] == [
        role.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/")
    ]


def test_a_federated_user_whose_name_anybody_may_choose_may_nothing(stage: Stage) -> None:
    everything = policy({"Effect": "Allow", "Action": "execute-api:Invoke", "Resource": "*"})
    found = stage.client("sts").get_federation_token(Name="anna", Policy=everything)["Credentials"]
    answer = httpx.get(stage.api_url, auth=signature(stage, found))
    refused(answer, 403, "forbidden", None)
    assert answer.headers["Cache-Control"] == "no-store", "API Gateway refused it, not the service"


@pytest.mark.parametrize(
    "parameters",
    [{"ApiAuthorization": "NONE"}, POOL, {"UserPoolId": "eu-central-1_AbCdEf123"}],
    ids=["anybody", "a pool without its id", "an id without asking"],
)
def test_what_would_not_be_asked_is_not_deployed(stage: Stage, parameters: dict[str, str]) -> None:
    with pytest.raises(EcomError, match=r"ApiAuthorization|UserPoolId|without authorization"):
        ask(stage, **parameters)


def test_users_of_the_pool_see_their_own_orders_alone(stage: Stage, pools: dict[str, str]) -> None:
    ask(stage, **POOL, UserPoolId=pools["ours"])
    let_in(stage, pools["ours"])
    url = stage.api_url

    for headers in ({}, {"Authorization": "Bearer x.y.z"}, bearer(token(stage, pools["theirs"], "anna"))):
        refused(httpx.get(url, headers=headers), 401, "unauthenticated", "Bearer")
    refused(httpx.get(f"{url}/nothing/here"), 404, "not-found", None)
    with pytest.raises(EcomError, match="401"):
        Api(url, auth=SigV4(stage.region, stage.credentials())).get("o-1")

    anna, bob = (Api(url, auth=Bearer(token(stage, pools["ours"], user))) for user in ("anna", "bob"))
    with anna, bob:
        placed = anna.place(*BASKET, key="basket-17").order["orderId"]
        assert anna.get(placed)["orderId"] == placed
        assert [order["orderId"] for order in anna.list()] == [placed]
        assert list(bob.list()) == []
        with pytest.raises(EcomError, match="404"):
            bob.get(placed)
        assert bob.place(*BASKET, key="basket-17").order["orderId"] != placed

    ask(stage, **IAM)
    refused(httpx.get(url, headers={}), 401, "unauthenticated", "AWS4-HMAC-SHA256")


def bearer(text: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {text}"}


def let_in(stage: Stage, pool: str) -> None:
    """The emulator does not look up the stage's variable in an authorizer: give it one that says the same."""
    gateway, api = stage.client("apigateway"), stage.output("order-service", "ApiId")
    shown = gateway.get_stage(restApiId=api, stageName=stage.name)["variables"]
    assert shown == {"userPoolId": pool}
    (authorizer,) = gateway.get_authorizers(restApiId=api)["items"]
    (arn,) = authorizer["providerARNs"]
    assert arn.endswith(":userpool/${stageVariables.userPoolId}")
    same = gateway.create_authorizer(
        restApiId=api,
        name="written-out",
        type=authorizer["type"],
        identitySource=authorizer["identitySource"],
        providerARNs=[arn.replace("${stageVariables.userPoolId}", pool)],
    )
    for resource in gateway.get_resources(restApiId=api)["items"]:
        for method in resource.get("resourceMethods", {}):
            where = {"restApiId": api, "resourceId": resource["id"], "httpMethod": method}
            assert gateway.get_method(**where)["authorizerId"] == authorizer["id"]
            operation = {"op": "replace", "path": "/authorizerId", "value": same["id"]}
            gateway.update_method(**where, patchOperations=[operation])
    gateway.create_deployment(restApiId=api, stageName=stage.name)
