"""A check of answers that finds nothing would let any API drift from its description."""

from __future__ import annotations

import copy
import io
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from ecom_testkit.gateway import Gateway
from ecom_testkit.openapi import Description, misfits

DOCUMENT = """
openapi: 3.0.3
info: {title: Things, version: '1'}
paths:
  /things/{thingId}:
    parameters: [{name: thingId, in: path, required: true, schema: {type: string}}]
    get:
      responses:
        '200':
          description: The thing.
          headers:
            Cache-Control: {$ref: '#/components/headers/NoStore'}
            Age: {schema: {type: integer, minimum: 0}}
          content:
            application/json:
              schema:
                allOf:
                  - $ref: '#/components/schemas/Thing'
                  - properties:
                      name: {type: string, maxLength: 3}
                      note: {type: string, nullable: true, description: Anything.}
        '404': {$ref: '#/components/responses/NotFound'}
components:
  headers:
    NoStore: {required: true, schema: {type: string, enum: [no-store]}}
  responses:
    NotFound:
      description: There is none.
      content:
        application/problem+json:
          schema: {type: object, required: [title], properties: {title: {type: string}}}
  schemas:
    Thing:
      type: object
      required: [id, at]
      properties:
        id: {$ref: '#/components/schemas/Id'}
        at: {type: string, example: 2026-01-31T12:00:00Z}
        name: {type: string}
        parts:
          type: array
          items: {oneOf: [{$ref: '#/components/schemas/Id'}, {$ref: '#/components/schemas/Part'}]}
    Id: {type: string, pattern: '^[a-z]+$', example: a, x-note: none}
    Part: {type: object, properties: {id: {$ref: '#/components/schemas/Id'}}}
"""
GET = ("GET", "/things/{thingId}")
HEADERS = {"content-type": "application/json; charset=utf-8", "cache-control": "no-store"}
THING = {"id": "a", "at": "now"}


@pytest.fixture
def api(tmp_path: Path) -> Description:
    path = tmp_path / "openapi.yaml"
    path.write_text(DOCUMENT)
    return Description.read(path)


def flaws(api: Description, body: Any = THING, **headers: str | None) -> list[str]:
    sent = HEADERS | {name.replace("_", "-"): value for name, value in headers.items()}
    known = {name: value for name, value in sent.items() if value is not None}
    return api.flaws(*GET, 200, known, body if isinstance(body, str) else json.dumps(body), closed=True)


def test_what_is_described_has_no_flaw(api: Description) -> None:
    assert list(api.operations) == [GET]
    assert flaws(api) == []
    assert flaws(api, {**THING, "name": "abc", "note": None, "parts": ["a", {"id": "b"}]}, Age="3") == []
    problem = {"content-type": "application/problem+json"}
    assert api.flaws(*GET, 404, problem, '{"title": "x"}', closed=True) == []


@pytest.mark.parametrize(
    ("body", "flaw"),
    [
        ({"id": "a"}, "$: 'at' is a required property"),
        ({**THING, "id": "A"}, "$.id: 'A' does not match"),
        ({**THING, "id": "a\n"}, r"$.id: 'a\n' does not match"),
        ({**THING, "id": None}, "$.id: None is not of type 'string'"),
        ({**THING, "name": "abcd"}, "$.name: 'abcd' is too long"),
        ({**THING, "owner": "anna"}, "$: Additional properties are not allowed ('owner' was unexpected)"),
        ({**THING, "parts": [{"id": "a", "x": 1}]}, "$.parts[0]"),
        ("not JSON", "is no JSON"),
    ],
    ids=str,
)
def test_a_body_that_is_not_as_described(api: Description, body: Any, flaw: str) -> None:
    (found,) = flaws(api, body)
    assert flaw in found


@pytest.mark.parametrize(
    ("headers", "flaw"),
    [
        ({"cache_control": None}, "header cache-control is missing"),
        ({"cache_control": "max-age=60"}, "header cache-control: $: 'max-age=60' is not one of"),
        ({"Age": "-1"}, "header age: $: -1 is less than the minimum"),
        ({"Age": "soon"}, "header age: $: 'soon' is not of type 'integer'"),
        ({"Server": "x"}, "header server is not described"),
        ({"content_type": "text/html"}, "content type 'text/html' is not described"),
        ({"content_type": None}, "content type '' is not described"),
    ],
    ids=str,
)
def test_headers_that_are_not_as_described(api: Description, headers: Any, flaw: str) -> None:
    (found,) = flaws(api, **headers)
    assert flaw in found


def test_a_status_that_is_not_described(api: Description) -> None:
    assert api.flaws(*GET, 201, HEADERS, "{}") == ["201 is not described for GET /things/{thingId}"]


def test_headers_of_a_network_are_nobodys_business(api: Description) -> None:
    assert api.flaws(*GET, 200, {**HEADERS, "Date": "now"}, json.dumps(THING)) == []


def test_a_schema_comes_out_whole_and_without_notes(api: Description) -> None:
    thing = api.schema("Thing")
    assert thing["properties"]["id"] == {"type": "string", "pattern": "^[a-z]+$"}
    assert "$ref" not in json.dumps(thing)
    assert misfits(thing, {**THING, "more": 1}) == [], "only answers are held to the fields they name"


def test_two_parts_that_contradict_each_other_are_not_put_together(api: Description) -> None:
    document = copy.deepcopy(api.document)
    document["components"]["schemas"]["Thing"]["allOf"] = [{"type": "string"}]
    with pytest.raises(ValueError, match="type is said twice"):
        Description(document).schema("Thing")


# ----- the gateway


def ask(
    path: str, *, method: str = "GET", query: str = "", body: bytes = b"", **more: str
) -> tuple[str, Any]:
    """The status, and the event that the function was given (None: none)."""
    events: list[dict[str, Any]] = []
    statuses: list[str] = []

    def function(event: dict[str, Any]) -> dict[str, Any]:
        events.append(event)
        return {"statusCode": 202, "headers": {"Content-Type": "text/plain"}, "body": "é"}

    environ: dict[str, Any] = {
        "REQUEST_METHOD": method,
        "PATH_INFO": path,
        "QUERY_STRING": query,
        "CONTENT_LENGTH": str(len(body)),
        "wsgi.input": io.BytesIO(body),
        **more,
    }
    gateway = Gateway(["/things", "/things/{thingId}"], function, caller="anna")
    said = gateway(environ, lambda status, headers: statuses.append(status))
    assert said == (["é".encode()] if events else [b'{"message": "Missing Authentication Token"}'])
    return statuses[0], events[0] if events else None


def test_a_request_becomes_an_event() -> None:
    status, event = ask(
        "/things/a b",
        method="POST",
        query="x=1&y=",
        body="é".encode(),
        CONTENT_TYPE="text/x",
        HTTP_IF_MATCH="z",
    )
    assert status == "202 Accepted"
    assert event == {
        "httpMethod": "POST",
        "resource": "/things/{thingId}",
        "path": "/things/a b",
        "headers": {"Content-Type": "text/x", "If-Match": "z"},
        "queryStringParameters": {"x": "1", "y": ""},
        "pathParameters": {"thingId": "a b"},
        "requestContext": {"path": "/v1/things/a b", "authorizer": {"claims": {"sub": "anna"}}},
        "body": "é",
        "isBase64Encoded": False,
    }


def test_what_is_not_there_is_null_as_in_the_real_ones() -> None:
    _, event = ask("/things")
    assert event is not None
    names = ("headers", "queryStringParameters", "pathParameters", "body")
    assert [event[name] for name in names] == [None] * 4


@pytest.mark.parametrize("path", ["/", "/thing", "/things/a/b", "/things/"])
def test_an_address_that_does_not_exist_gets_a_403(path: str) -> None:
    assert ask(path) == ("403 Forbidden", None)


def test_the_document_is_what_yaml_says_but_for_times(api: Description) -> None:
    assert (
        api.document["components"]["schemas"]["Thing"]["properties"]["at"]["example"]
        == "2026-01-31T12:00:00Z"
    )
    assert api.document["info"] == yaml.safe_load(DOCUMENT)["info"]
