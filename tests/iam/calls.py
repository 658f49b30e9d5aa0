"""What a call of the SDK needs to be allowed: operation and parameters in, actions on resources out.

Rules: service authorization reference; DynamoDB developer guide, "Using IAM with DynamoDB transactions" (a
transaction is no action, each of its items is one).
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

_IN_TRANSACTIONS = {
    "Put": "PutItem",
    "Update": "UpdateItem",
    "Delete": "DeleteItem",
    "ConditionCheck": "ConditionCheckItem",
    "Get": "GetItem",
}
_ON_ONE_TABLE = {"GetItem", "PutItem", "UpdateItem", "DeleteItem", "Query", "Scan"}
_ON_ONE_QUEUE = {
    "SendMessage",
    "ReceiveMessage",
    "DeleteMessage",
    "ChangeMessageVisibility",
    "GetQueueAttributes",
}
_ON_THE_KEY = {"Encrypt", "Decrypt", "GenerateDataKey"}


class UnknownCallError(Exception):
    """A function makes a call that nobody here knows the permissions of."""


@dataclass(frozen=True, order=True)
class Use:
    """An action on a resource, with the condition keys that the call itself determines.

    In names, `{stage}`, `{account}` and `{region}` stand for where it was; `{key}` for the stage's key.
    """

    action: str
    resource: str
    context: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class Place:
    """Where calls were recorded; what is special about it is taken out of names. `key`: the key's ARN."""

    stage: str
    account: str
    region: str
    key: str

    def arn(self, service: str, resource: str) -> str:
        return self.anywhere(f"arn:aws:{service}:{self.region}:{self.account}:{resource}")

    def anywhere(self, text: str) -> str:
        return (
            text.replace(self.key, "{key}")
            .replace(f"ecom-{self.stage}-", "ecom-{stage}-")
            .replace(f":{self.region}:", ":{region}:")
            .replace(f":{self.account}:", ":{account}:")
        )


def uses(service: str, operation: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Use]:
    """The permissions that one call needs. Raises UnknownCallError."""
    match service:
        case "dynamodb":
            yield from _dynamodb(operation, parameters, place)
        case "sqs" if (one := operation.removesuffix("Batch")) in _ON_ONE_QUEUE:
            # A batch is allowed by the action on one message.
            yield Use(f"sqs:{one}", place.arn("sqs", parameters["QueueUrl"].rpartition("/")[2]))
        case "events" if operation == "PutEvents":
            for entry in parameters["Entries"]:
                bus = entry["EventBusName"]
                resource = (
                    place.anywhere(bus) if bus.startswith("arn:") else place.arn("events", f"event-bus/{bus}")
                )
                yield Use("events:PutEvents", resource, (("events:source", entry["Source"]),))
        case "kms" if operation in _ON_THE_KEY:
            yield Use(f"kms:{operation}", place.anywhere(parameters["KeyId"]), _sealed(parameters, place))
        case _:
            raise UnknownCallError(f"{service}:{operation}")


def _dynamodb(operation: str, parameters: Mapping[str, Any], place: Place) -> Iterator[Use]:
    def table(name: str, index: str | None = None) -> str:
        return place.arn("dynamodb", f"table/{name}" + (f"/index/{index}" if index else ""))

    if operation in _ON_ONE_TABLE:
        yield Use(f"dynamodb:{operation}", table(parameters["TableName"], parameters.get("IndexName")))
    elif operation in ("BatchGetItem", "BatchWriteItem"):
        for name in parameters["RequestItems"]:
            yield Use(f"dynamodb:{operation}", table(name))
    elif operation in ("TransactWriteItems", "TransactGetItems"):
        for item in parameters["TransactItems"]:
            ((kind, body),) = item.items()
            yield Use(f"dynamodb:{_IN_TRANSACTIONS[kind]}", table(body["TableName"]))
    else:
        raise UnknownCallError(f"dynamodb:{operation}")


def _sealed(parameters: Mapping[str, Any], place: Place) -> tuple[tuple[str, str], ...]:
    """The encryption context as condition keys; which order it is does not matter."""
    context = parameters.get("EncryptionContext", {})
    return tuple(
        (f"kms:EncryptionContext:{name}", "{stage}" if value == place.stage else "{any}")
        for name, value in sorted(context.items())
    )


def read(lines: Iterable[str], place: Place) -> dict[str, set[Use]]:
    """What was used, by the function's name (`ecom-{stage}-order`), from lines of the recorder."""
    found: dict[str, set[Use]] = {}
    for line in lines:
        function, service, operation, parameters = json.loads(line)
        found.setdefault(place.anywhere(function), set()).update(uses(service, operation, parameters, place))
    return found


def dump(found: Mapping[str, set[Use]]) -> str:
    """As it is checked in: sorted, one use on a line."""
    functions = []
    for function in sorted(found):
        lines = [
            "    " + json.dumps([use.action, use.resource, *([dict(use.context)] if use.context else [])])
            for use in sorted(found[function])
        ]
        functions.append(f"  {json.dumps(function)}: [\n" + ",\n".join(lines) + "\n  ]")
    return "{\n" + ",\n".join(functions) + "\n}\n"


def load(text: str) -> dict[str, set[Use]]:
    return {
        function: {
            Use(action, resource, tuple(sorted(context[0].items())) if context else ())
            for action, resource, *context in listed
        }
        for function, listed in json.loads(text).items()
    }


def at(use: Use, place: Place) -> Use:
    """The same use at a place of the templates."""

    def put(text: str) -> str:
        return (
            text.replace("{key}", place.key)
            .replace("{stage}", place.stage)
            .replace("{account}", place.account)
            .replace("{region}", place.region)
        )

    return Use(use.action, put(use.resource), tuple((key, put(value)) for key, value in use.context))
