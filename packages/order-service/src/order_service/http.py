"""HTTP as API Gateway speaks it to a function: requests in, answers and problems (RFC 9457) out."""

from __future__ import annotations

import base64
import binascii
import json
import re
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import Enum
from typing import Any

from ecom_common.errors import Mender, mender_of
from ecom_common.telemetry import count, flush, log_failure

LOCAL_STAGE = "local"
LOCAL_OWNER = "local"
"""Whose orders they are on the local stage, where the API asks nobody who they are."""

RETRY_AFTER_SECONDS = 2

JSON = "application/json"

ORDER_ID = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
ROLE_SESSION = re.compile(r"(arn:[^:]+:sts::[^:]*:assumed-role/(?!AWSReservedSSO_)[^/]+)/.+")
"""A session of a role, but for those of IAM Identity Center: there, the session is a person (ADR 019)."""
FEDERATED_USER = re.compile(r"arn:[^:]+:sts::[^:]*:federated-user/.+")
"""Somebody with a token that an IAM user made (GetFederationToken), under any name that this user chose."""

Response = dict[str, Any]


class Kind(Enum):
    """The problems this API reports. The name in small letters ends the problem's type URI.

    API Gateway reports some of them before a request gets here, 429 and 504 it alone: the template says so in
    the same words.
    """

    INVALID_ORDER = (400, "The order is not valid")
    INVALID_REQUEST = (400, "The request is not valid")
    UNAUTHENTICATED = (401, "Nobody is signed in")
    FORBIDDEN = (403, "The caller may not do this")
    NOT_FOUND = (404, "There is no such thing here")
    METHOD_NOT_ALLOWED = (405, "This cannot be done here")
    ORDER_CLOSED = (409, "The order is closed")
    BODY_TOO_LARGE = (413, "The request is too large")
    UNSUPPORTED_MEDIA_TYPE = (415, "The request is not JSON")
    KEY_REUSED = (422, "The Idempotency-Key belongs to another order")
    TOO_MANY_REQUESTS = (429, "Too many requests at once")
    INTERNAL = (500, "Something went wrong on our side")
    BUSY = (503, "Too busy at the moment")
    TIMED_OUT = (504, "There was no answer in time")


class Problem(Exception):  # noqa: N818 - RFC 9457's own word
    """Ends a request with an answer that says what is wrong. Every text in it is meant for the client."""

    def __init__(
        self,
        kind: Kind,
        detail: str,
        *,
        errors: Sequence[Mapping[str, str]] = (),
        headers: Mapping[str, str] | None = None,
    ) -> None:
        super().__init__(kind.name)
        self.kind = kind
        self.detail = detail
        self.errors = errors
        self.headers = headers or {}

    def response(self) -> Response:
        status, title = self.kind.value
        body: dict[str, Any] = {
            "type": f"https://ecom.example/problems/{self.kind.name.lower().replace('_', '-')}",
            "title": title,
            "status": status,
            "detail": self.detail,
        }
        if self.errors:
            body["errors"] = self.errors
        return _response(status, "application/problem+json", body, self.headers)


@dataclass(frozen=True, slots=True)
class Request:
    """What a route needs of API Gateway's proxy event. Header names are in small letters.

    Of a header or parameter that came several times, API Gateway hands on the last value; `repeated_headers`
    and `repeated_parameters` name those, for routes where it matters which it was.
    """

    owner: str
    path: str
    order_id: str
    headers: Mapping[str, str]
    query: Mapping[str, str]
    raw_body: str
    base64: bool
    repeated_headers: frozenset[str]
    repeated_parameters: frozenset[str]

    @classmethod
    def of(cls, event: Mapping[str, Any], stage: str) -> Request:
        """Read an event. Raises Problem where the caller is unknown, or the id in the path is none."""
        context = event.get("requestContext") or {}
        order_id = (event.get("pathParameters") or {}).get("orderId")
        if order_id is not None and not ORDER_ID.fullmatch(order_id):
            raise no_such_order()
        return cls(
            owner=_owner(context, stage),
            path=context.get("path") or event.get("path") or "",
            order_id=order_id or "",
            headers={name.lower(): value for name, value in (event.get("headers") or {}).items()},
            query=event.get("queryStringParameters") or {},
            raw_body=event.get("body") or "",
            base64=bool(event.get("isBase64Encoded")),
            repeated_headers=_repeated(event.get("multiValueHeaders"), str.lower),
            repeated_parameters=_repeated(event.get("multiValueQueryStringParameters")),
        )

    def body(self, limit: int) -> bytes:
        """The body's bytes. Raises Problem where there are more than `limit`, they cannot be read, or are
        said to be no JSON."""
        kind = self.headers.get("content-type", JSON).partition(";")[0].strip().lower()
        if kind != JSON:
            # A form, most often: curl sends one unless it is told otherwise.
            raise Problem(
                Kind.UNSUPPORTED_MEDIA_TYPE, f"The Content-Type must be {JSON}.", headers={"Accept": JSON}
            )
        try:
            body = base64.b64decode(self.raw_body, validate=True) if self.base64 else self.raw_body.encode()
        except (binascii.Error, ValueError) as error:
            raise Problem(Kind.INVALID_REQUEST, "The body cannot be decoded.") from error
        if len(body) > limit:
            raise Problem(Kind.BODY_TOO_LARGE, f"The body has more than {limit} bytes.")
        return body


Route = Callable[[Request], Response]
Routes = Mapping[tuple[str, str], Route]


def respond(event: Mapping[str, Any], routes: Routes, stage: str) -> Response:
    """Answer a proxy event. Never raises: what is unexpected is logged, and answered without internals."""
    try:
        # API Gateway has matched the path already: a look-up is all that is left. A router library would do
        # it again, for 164 ms of CPU at each cold start.
        route = routes.get((event["httpMethod"], event["resource"]))
        if route is None:
            raise _no_route(event["resource"], routes)
        return route(Request.of(event, stage))
    except Problem as problem:
        return problem.response()
    except Exception as error:  # noqa: BLE001 - whatever it is, the client gets an answer
        return _unexpected(error).response()
    finally:
        flush()


def ok(body: Any) -> Response:
    return _response(200, JSON, body, {})


def busy(detail: str) -> Problem:
    """503: it is ours to mend, and the same request may work soon."""
    return Problem(Kind.BUSY, detail, headers={"Retry-After": str(RETRY_AFTER_SECONDS)})


def accepted(body: Any, location: str | None = None) -> Response:
    """202: it is stored and will be done."""
    return _response(202, JSON, body, {"Location": location} if location else {})


def location(request: Request, order_id: str) -> str:
    """Where a placed order is, relative to the address it was posted to (RFC 9110, section 10.2.2).

    Relative, so that following it works behind a stage, behind a custom domain's base path and on an
    emulator, whose addresses the function does not see.
    """
    return f"{'..' if request.path.endswith('/') else '.'}/orders/{order_id}"


def no_such_order() -> Problem:
    """One answer for no order and for another owner's: the difference would tell who has which."""
    return Problem(Kind.NOT_FOUND, "There is no such order.")


def to_json(value: Any) -> str:
    """JSON with Decimals as numbers, digit by digit; json.dumps could only write them as floats."""
    if isinstance(value, Decimal):
        return f"{value:f}"
    if isinstance(value, Mapping):
        return "{" + ",".join(f"{json.dumps(name)}:{to_json(member)}" for name, member in value.items()) + "}"
    if isinstance(value, Sequence) and not isinstance(value, str):
        return "[" + ",".join(to_json(member) for member in value) + "]"
    return json.dumps(value)


def _repeated(
    values: Mapping[str, Sequence[str]] | None, spelt: Callable[[str], str] = str
) -> frozenset[str]:
    """The names, spelt alike, that have more than one value."""
    numbers: Counter[str] = Counter()
    for name, given in (values or {}).items():
        numbers[spelt(name)] += len(given)
    return frozenset(name for name, number in numbers.items() if number > 1)


def _owner(context: Mapping[str, Any], stage: str) -> str:
    """Who is calling, as API Gateway found out, never as the client says. Why each: ADR 019."""
    claims = (context.get("authorizer") or {}).get("claims") or {}
    identity = context.get("identity") or {}
    owner = claims.get("sub") or identity.get("cognitoIdentityId") or _principal(identity.get("userArn"))
    if owner:
        return str(owner)
    if stage == LOCAL_STAGE:
        return LOCAL_OWNER
    # API Gateway has let in somebody it did not ask: it should ask in one of these ways.
    raise Problem(
        Kind.UNAUTHENTICATED,
        "The request carries no identity.",
        headers={"WWW-Authenticate": "AWS4-HMAC-SHA256, Bearer"},
    )


def _principal(arn: str | None) -> str:
    """An IAM caller that is the same tomorrow: a role without the session name that its client chose.

    Raises Problem for one whose name anybody else may have chosen as well.
    """
    if FEDERATED_USER.fullmatch(arn or ""):
        raise Problem(Kind.FORBIDDEN, "A federated user cannot order. Sign as an IAM user or a role.")
    session = ROLE_SESSION.fullmatch(arn or "")
    return session[1] if session else arn or ""


def _no_route(resource: str, routes: Routes) -> Problem:
    methods = sorted(method for method, path in routes if path == resource)
    if not methods:
        return Problem(Kind.NOT_FOUND, "There is nothing at this address.")
    allow = ", ".join(methods)
    return Problem(Kind.METHOD_NOT_ALLOWED, f"This address takes {allow}.", headers={"Allow": allow})


def _unexpected(error: Exception) -> Problem:
    log_failure(error, "request failed")
    if mender_of(error) is Mender.TIME:
        return busy("Please try again in a moment.")
    count("FailedRequests")
    return Problem(Kind.INTERNAL, "The request could not be handled. It has been noted.")


def _response(status: int, content_type: str, body: Any, headers: Mapping[str, str]) -> Response:
    return {
        "statusCode": status,
        "headers": {"Content-Type": content_type, "Cache-Control": "no-store", **headers},
        "body": to_json(body),
        "isBase64Encoded": False,
    }
