"""What the tool reads from a template itself: its parameters and what it keeps on delete."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ecom_cli.errors import EcomError


@dataclass(frozen=True)
class Template:
    """A parsed template: parameters with their defaults (None where there is none), resources, outputs."""

    parameters: dict[str, str | None]
    resources: dict[str, dict[str, Any]]
    outputs: dict[str, dict[str, Any]] = field(default_factory=dict)

    @property
    def retained(self) -> set[str]:
        """Logical ids of what stays when the stack is deleted."""
        keep = {"Retain", "RetainExceptOnCreate"}
        return {name for name, resource in self.resources.items() if resource.get("DeletionPolicy") in keep}


def parse_template(text: str, name: str) -> Template:
    """Parse a template in YAML or JSON; functions such as !Sub become plain values.

    Raises EcomError with the name and the place of a mistake.
    """
    import yaml

    class Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):  # type: ignore[misc]  # in C: ten times as fast
        """Knows CloudFormation's short forms, and keeps dates and times as text."""

    Loader.yaml_implicit_resolvers = {
        first: [(tag, pattern) for tag, pattern in resolvers if tag != "tag:yaml.org,2002:timestamp"]
        for first, resolvers in yaml.SafeLoader.yaml_implicit_resolvers.items()
    }
    Loader.add_multi_constructor("!", _short_form)
    try:
        document = yaml.load(text, Loader)  # nosec B506  # the safe loader, with short forms
    except yaml.YAMLError as error:
        raise EcomError(f"{name} is not valid YAML: {error}") from error
    if not isinstance(document, dict) or not isinstance(document.get("Resources"), dict):
        raise EcomError(f"{name} has no Resources.")
    parameters = {
        key: _text(value["Default"]) if "Default" in value else None
        for key, value in (document.get("Parameters") or {}).items()
    }
    return Template(parameters, document["Resources"], document.get("Outputs") or {})


def _short_form(loader: Any, suffix: str, node: Any) -> Any:
    import yaml

    if isinstance(node, yaml.ScalarNode):
        return {suffix: loader.construct_scalar(node)}
    if isinstance(node, yaml.SequenceNode):
        return {suffix: loader.construct_sequence(node, deep=True)}
    return {suffix: loader.construct_mapping(node, deep=True)}


def _text(value: object) -> str:
    """A default as CloudFormation spells it in a stack's parameters."""
    return str(value).lower() if isinstance(value, bool) else str(value)
