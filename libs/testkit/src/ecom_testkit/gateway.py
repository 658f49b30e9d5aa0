"""What API Gateway does between a client and the function, as far as tests need it: a WSGI application."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable
from http import HTTPStatus
from typing import Any
from urllib.parse import parse_qsl

Answer = dict[str, Any]


class Gateway:
    """Finds the resource of a request's path, hands a proxy event on, and gives back the function's answer.

    `resources` are the paths with their parameters in braces. What matches none is a 403, as it is there. Any
    method is handed on: that a template has no others is for its own tests. `caller` is who signed in.
    """

    def __init__(
        self, resources: Iterable[str], function: Callable[[dict[str, Any]], Answer], caller: str
    ) -> None:
        self.caller = caller
        self._function = function
        self._resources = [
            (resource, re.compile(re.sub(r"\{(\w+)\}", r"(?P<\1>[^/]+)", resource)))
            for resource in dict.fromkeys(resources)
        ]

    def __call__(self, environ: dict[str, Any], start_response: Any) -> list[bytes]:
        answer = self._answer(environ)
        status = HTTPStatus(answer["statusCode"])
        start_response(f"{status.value} {status.phrase}", list(answer["headers"].items()))
        return [answer["body"].encode()]

    def _answer(self, environ: dict[str, Any]) -> Answer:
        # WSGI hands out bytes as Latin-1 (PEP 3333).
        path = environ["PATH_INFO"].encode("latin-1").decode("utf-8", "replace")
        for resource, pattern in self._resources:
            if match := pattern.fullmatch(path):
                return self._function(self._event(environ, resource, path, match.groupdict()))
        body = '{"message": "Missing Authentication Token"}'
        return {"statusCode": 403, "headers": {"Content-Type": "application/json"}, "body": body}

    def _event(
        self, environ: dict[str, Any], resource: str, path: str, parameters: dict[str, str]
    ) -> dict[str, Any]:
        headers = {
            name.removeprefix("HTTP_").replace("_", "-").title(): value
            for name, value in environ.items()
            if name.startswith("HTTP_") or (name == "CONTENT_TYPE" and value)
        }
        query = dict(parse_qsl(environ.get("QUERY_STRING", ""), keep_blank_values=True))
        body = environ["wsgi.input"].read(int(environ.get("CONTENT_LENGTH") or 0))
        return {
            "httpMethod": environ["REQUEST_METHOD"],
            "resource": resource,
            "path": path,
            "headers": headers or None,
            "queryStringParameters": query or None,
            "pathParameters": parameters or None,
            "requestContext": {"path": f"/v1{path}", "authorizer": {"claims": {"sub": self.caller}}},
            "body": body.decode("utf-8", "replace") or None,
            "isBase64Encoded": False,
        }
