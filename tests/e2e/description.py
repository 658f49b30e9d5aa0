"""The API's description, and whether an answer is one that it describes."""

from __future__ import annotations

import re
from pathlib import Path

import httpx

from ecom_testkit.openapi import Description

API = Description.read(Path(__file__).parents[2] / "packages/order-service/openapi.yaml")
PATHS = {path: re.compile(".*" + re.sub(r"\{\w+\}", "[^/]+", path)) for _, path in API.operations}


def check(answer: httpx.Response) -> None:
    """Fails where the answer of an operation is not what openapi.yaml says. For an `httpx` event hook."""
    answer.read()
    method, address = answer.request.method, answer.request.url.path
    if answer.is_server_error and answer.headers.get("Content-Type") != "application/problem+json":
        return  # The emulator's own, where a function died: API Gateway would answer as the template says.
    for path, pattern in PATHS.items():
        if (method, path) in API.operations and pattern.fullmatch(address):
            flaws = API.flaws(method, path, answer.status_code, answer.headers, answer.text)
            assert flaws == [], f"{method} {path} is not answered as openapi.yaml says"
