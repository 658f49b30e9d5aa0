"""Tables for tests, made from the service's own template, so that test and template cannot drift."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

import yaml

from ecom_common.rows import Row, from_item

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

# What CreateTable understands. Names, keys of encryption and conditions on the stage mean nothing in a test.
_KEPT = (
    "AttributeDefinitions",
    "BillingMode",
    "GlobalSecondaryIndexes",
    "KeySchema",
    "LocalSecondaryIndexes",
    "StreamSpecification",
)


class _Loader(yaml.SafeLoader):
    """YAML with CloudFormation's short forms: ``!Sub x`` is read as ``{"Sub": x}``."""


def _short_form(loader: yaml.SafeLoader, name: str, node: yaml.Node) -> dict[str, Any]:
    if isinstance(node, yaml.ScalarNode):
        return {name: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {name: loader.construct_sequence(node, deep=True)}
    assert isinstance(node, yaml.MappingNode)
    return {name: loader.construct_mapping(node, deep=True)}


_Loader.add_multi_constructor("!", _short_form)


def read_template(path: Path) -> dict[str, Any]:
    """A CloudFormation template as plain data; short forms become one-key objects."""
    template: dict[str, Any] = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)
    return template


def make_table(client: DynamoDBClient, template_path: Path, logical_id: str, name: str = "table") -> str:
    """Create the table that a template describes, with its indexes and its TTL. Returns `name`.

    Raises KeyError where the template has no such resource.
    """
    properties = read_template(template_path)["Resources"][logical_id]["Properties"]
    wanted: Any = {key: properties[key] for key in _KEPT if key in properties}
    client.create_table(TableName=name, **wanted)
    if ttl := properties.get("TimeToLiveSpecification"):
        client.update_time_to_live(
            TableName=name,
            TimeToLiveSpecification={"Enabled": True, "AttributeName": ttl["AttributeName"]},
        )
    return name


def rows(client: DynamoDBClient, table: str = "table") -> list[Row]:
    """Every row of a table, as plain Python."""
    found: list[Row] = []
    for page in client.get_paginator("scan").paginate(TableName=table, ConsistentRead=True):
        found += [from_item(item) for item in page["Items"]]
    return found
