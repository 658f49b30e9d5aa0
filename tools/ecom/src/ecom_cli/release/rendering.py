"""The template of a release: its own zip is the default of CodeKey, so that any tool can deploy it."""

from __future__ import annotations

from typing import Any

from ecom_cli.errors import EcomError
from ecom_cli.templates import parse_template

PARAMETER = "CodeKey"


def rendered(text: str, code_key: str, name: str) -> str:
    """The template's text with that default, and with everything else, comments too, as it was.

    Raises EcomError for a template without the parameter.
    """
    before = parse_template(text, name)
    if PARAMETER not in before.parameters:
        raise EcomError(f"{name} has no parameter {PARAMETER}.", "It says which zip the functions run.")
    parameter = _child(_child(_composed(text), "Parameters"), PARAMETER)
    begin, end, new = _edit(parameter, code_key)
    edited = text[:begin] + new + text[end:]
    after = parse_template(edited, name)
    if after.resources != before.resources or after.parameters != {**before.parameters, PARAMETER: code_key}:
        raise EcomError(
            f"The default of {PARAMETER} cannot be set in {name}.", "Write the parameter in a block."
        )
    return edited


def _edit(parameter: Any, code_key: str) -> tuple[int, int, str]:
    """Which span of the text becomes what: the present default's, or none before the first property."""
    if (default := _child(parameter, "Default")) is not None:
        return default.start_mark.index, default.end_mark.index, f"'{code_key}'"
    first = parameter.value[0][0].start_mark
    separator = ", " if parameter.flow_style else "\n" + " " * first.column
    return first.index, first.index, f"Default: '{code_key}'{separator}"


def _composed(text: str) -> Any:
    """The document as nodes, which know their place in the text."""
    import yaml

    return yaml.compose(text, yaml.SafeLoader)


def _child(mapping: Any, key: str) -> Any:
    return next((value for name, value in mapping.value if name.value == key), None)
