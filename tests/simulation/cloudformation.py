"""CloudFormation's functions, as far as the templates need them to say what is connected with what."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from textwrap import indent
from typing import Any
from uuid import NAMESPACE_URL, uuid5

from ecom_cli.templates import parse_template

STAGE = "sim"
ACCOUNT = "123456789012"
REGION = "eu-west-1"

_PSEUDO = {
    "AWS::AccountId": ACCOUNT,
    "AWS::Partition": "aws",
    "AWS::Region": REGION,
    "AWS::URLSuffix": "amazonaws.com",
}
_PLACEHOLDER = re.compile(r"\$\{(!?)([^}]+)\}")
_NO_VALUE = object()

Json = Any


class UnresolvedError(Exception):
    """A template says something that this reader does not understand."""


class Stack:
    """One template with its parameters' defaults, on the stage `sim`.

    Attributes
    ----------
    name: the package it belongs to
    resources: the resources that are created, by logical id, as written (`value` resolves)
    exports: what others may import, by exported name, as written
    """

    def __init__(self, name: str, document: dict[str, Json], imports: Callable[[str], str]) -> None:
        self.name = name
        self._document = document
        self._imports = imports
        self._parameters = {
            key: _text(parameter["Default"])
            for key, parameter in document.get("Parameters", {}).items()
            if "Default" in parameter
        } | {"Stage": STAGE}
        self.resources: dict[str, dict[str, Json]] = {
            logical: resource
            for logical, resource in document["Resources"].items()
            if "Condition" not in resource or self._condition(resource["Condition"])
        }
        outputs = document.get("Outputs", {}).values()
        self.exports = {self.value(o["Export"]["Name"]): o["Value"] for o in outputs if "Export" in o}

    def of(self, kind: str) -> Iterator[tuple[str, dict[str, Json]]]:
        """Logical id and unresolved properties of the resources of a type, e.g. "SQS::Queue"."""
        for logical, resource in self.resources.items():
            if resource["Type"] == f"AWS::{kind}":
                yield logical, resource.get("Properties", {})

    def value(self, node: Json) -> Json:
        """A property with every function in it evaluated. Raises UnresolvedError for what is unknown."""
        if isinstance(node, list):
            return [value for value in map(self.value, node) if value is not _NO_VALUE]
        if not isinstance(node, dict):
            return node
        if len(node) == 1:
            ((key, argument),) = node.items()
            name = key.removeprefix("Fn::")
            if name in _FUNCTIONS:
                return _FUNCTIONS[name](self, argument)
            if key.startswith("Fn::"):
                raise UnresolvedError(f"{self.name}: {key} is not known here")
        resolved = {key: self.value(child) for key, child in node.items()}
        return {key: value for key, value in resolved.items() if value is not _NO_VALUE}

    def text(self, node: Json) -> str:
        """The same for what CloudFormation passes on as text, such as an environment variable."""
        value = self.value(node)
        if isinstance(value, str | bool | int | float):
            return _text(value)
        raise UnresolvedError(f"{self.name}: {node} is no text")

    def _ref(self, name: str) -> Json:
        if name == "AWS::NoValue":
            return _NO_VALUE
        if name in _PSEUDO:
            return _PSEUDO[name]
        return self._parameters[name] if name in self._parameters else self._attribute(name, "Ref")

    def _attribute(self, logical: str, attribute: str) -> str:
        if logical not in self.resources:
            raise UnresolvedError(f"{self.name}: {logical} is no resource and no parameter with a default")
        resource = self.resources[logical]
        known = self._identity(logical, resource["Type"], resource.get("Properties", {}))
        if attribute not in known:
            kind = resource["Type"]
            raise UnresolvedError(f"{self.name}: {attribute} of {logical} ({kind}) is not known here")
        return known[attribute]

    def _identity(self, logical: str, kind: str, properties: Mapping[str, Json]) -> dict[str, str]:
        """What `Ref` and `GetAtt` give for a resource."""
        if kind == "AWS::KMS::Key":
            key = str(uuid5(NAMESPACE_URL, f"{self.name}/{logical}"))
            return {"Ref": key, "KeyId": key, "Arn": _arn("kms", f"key/{key}")}
        if kind not in _NAMES:
            return {}
        name = self.text(properties[_NAMES[kind]])
        match kind:
            case "AWS::SQS::Queue":
                url = f"https://sqs.{REGION}.amazonaws.com/{ACCOUNT}/{name}"
                return {"Ref": url, "QueueUrl": url, "QueueName": name, "Arn": _arn("sqs", name)}
            case "AWS::SNS::Topic":
                return {"Ref": _arn("sns", name), "TopicArn": _arn("sns", name), "TopicName": name}
            case "AWS::DynamoDB::Table":
                return {"Ref": name, "Arn": _arn("dynamodb", f"table/{name}")}
            case "AWS::Lambda::Function":
                return {"Ref": name, "Arn": _arn("lambda", f"function:{name}")}
            case "AWS::Events::EventBus":
                return {"Ref": name, "Name": name, "Arn": _arn("events", f"event-bus/{name}")}
            case _:
                return {"Ref": name, "Arn": f"arn:aws:s3:::{name}"}

    def _get_att(self, argument: Json) -> str:
        logical, _, attribute = (".".join(argument) if isinstance(argument, list) else argument).partition(
            "."
        )
        return self._attribute(logical, attribute)

    def _sub(self, argument: Json) -> str:
        if not isinstance(argument, str):
            raise UnresolvedError(f"{self.name}: a Sub with variables of its own is not known here")

        def fill(found: re.Match[str]) -> str:
            literal, name = found.groups()
            if literal:
                return f"${{{name}}}"
            return str(self._get_att(name) if "." in name else self._ref(name))

        return _PLACEHOLDER.sub(fill, argument)

    def _import_value(self, argument: Json) -> str:
        return self._imports(self.value(argument))

    def _find_in_map(self, argument: Json) -> Json:
        name, *keys = self.value(argument)
        found = self._document.get("Mappings", {}).get(name)
        for key in keys:
            if not isinstance(found, dict) or key not in found:
                raise UnresolvedError(f"{self.name}: no {'.'.join([name, *keys])} in the mappings")
            found = found[key]
        return found

    def _if(self, argument: Json) -> Json:
        condition, yes, no = argument
        return self.value(yes if self._condition(condition) else no)

    def _condition(self, name: str) -> bool:
        return bool(self.value(self._document["Conditions"][name]))

    def _equals(self, argument: Json) -> bool:
        left, right = argument
        return self.text(left) == self.text(right)

    def _join(self, argument: Json) -> str:
        between, parts = self.value(argument)
        return str(between).join(parts)

    def _select(self, argument: Json) -> Json:
        index, choices = self.value(argument)
        return choices[int(index)]

    def _split(self, argument: Json) -> list[str]:
        between, text = self.value(argument)
        return str(text).split(between)

    def _not(self, argument: Json) -> bool:
        (condition,) = argument
        return not self.value(condition)


_FUNCTIONS: Mapping[str, Callable[[Stack, Json], Json]] = {
    "Ref": Stack._ref,
    "GetAtt": Stack._get_att,
    "Sub": Stack._sub,
    "ImportValue": Stack._import_value,
    "FindInMap": Stack._find_in_map,
    "If": Stack._if,
    "Equals": Stack._equals,
    "Join": Stack._join,
    "Select": Stack._select,
    "Split": Stack._split,
    "Not": Stack._not,
}

_NAMES = {
    "AWS::SQS::Queue": "QueueName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Events::EventBus": "Name",
    "AWS::S3::Bucket": "BucketName",
}


def templates(root: Path) -> list[Path]:
    """The files of all templates under `root`/packages; an API's description is YAML as well, and none."""
    return sorted(path for path in root.glob("packages/*/*.yaml") if path.name != "openapi.yaml")


def stacks(root: Path) -> list[Stack]:
    """Every template under `root`/packages, by name. Raises UnresolvedError where there is none."""

    def imported(name: str) -> str:
        for stack in found:
            if name in stack.exports:
                return stack.text(stack.exports[name])
        raise UnresolvedError(f"no stack exports {name}")

    found: list[Stack] = []
    for path in templates(root):
        found.append(Stack(path.parent.name, _document(path), imported))  # noqa: PERF401 - imported() reads it
    if not found:
        raise UnresolvedError(f"no templates under {root}")
    return found


def _document(path: Path) -> dict[str, Json]:
    # The parser hands out parameters and resources only; one level down, it hands out the whole document.
    text = "Resources:\n" + indent(path.read_text(encoding="utf-8"), "  ")
    return parse_template(text, str(path)).resources


def _arn(service: str, resource: str) -> str:
    return f"arn:aws:{service}:{REGION}:{ACCOUNT}:{resource}"


def _text(value: object) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)
