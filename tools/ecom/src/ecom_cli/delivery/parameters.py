"""Which value each of a stack's parameters gets: given now, given before, a preset, or the default."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ecom_cli.aws import LOCAL_STAGE, Stage
from ecom_cli.errors import EcomError
from ecom_cli.templates import Template

OWN_PARAMETERS = ("Stage", "CodeKey")  # the deployer's: they decide names and code


@dataclass(frozen=True)
class Chosen:
    """`values` in CloudFormation's form. `dropped`: values set before that this template has no place for."""

    values: list[dict[str, Any]]
    dropped: dict[str, str]


def check(stage: Stage, given: Mapping[str, str], templates: Iterable[Template]) -> None:
    """Raises EcomError for a parameter that no template has, or that is not for people to set."""
    known = {name for template in templates for name in template.parameters}
    settable = ", ".join(sorted(known - set(OWN_PARAMETERS)))
    if own := sorted(set(given) & set(OWN_PARAMETERS)):
        raise EcomError(f"{', '.join(own)} cannot be set: the deployer does.", f"These can: {settable}.")
    if given.get("PlainHttp") == "allowed" and not stage.is_emulator:
        raise EcomError("Plain HTTP is never allowed on AWS.", "Leave PlainHttp as it is.")
    if unknown := sorted(set(given) - known):
        raise EcomError(f"No stack here has a parameter {', '.join(unknown)}.", f"There are: {settable}.")


def choose(
    template: Template,
    values: Mapping[str, str],
    before: Mapping[str, str],
    defaults: Mapping[str, str | None],
    preset: Mapping[str, str],
) -> Chosen:
    """A value for each parameter of the template that does not follow its default.

    `values` are given now; `before` is what the stack has, under a template with these `defaults`: a value
    that equals the default of its time was never given, so it follows the default of today.
    """
    chosen: list[dict[str, Any]] = []
    kept = {name: value for name, value in before.items() if value != defaults.get(name)}
    for name in template.parameters:
        if name in values:
            chosen.append({"ParameterKey": name, "ParameterValue": values[name]})
        elif name in kept:
            chosen.append({"ParameterKey": name, "UsePreviousValue": True})
        elif name not in before and name in preset:
            chosen.append({"ParameterKey": name, "ParameterValue": preset[name]})
    gone = set(kept) - set(template.parameters) - set(OWN_PARAMETERS)
    return Chosen(chosen, {name: kept[name] for name in sorted(gone)})


def presets(stage: Stage) -> dict[str, str]:
    """Parameter values that a new stack gets by where it is; `--param` overrides them."""
    # an emulator is as big as one machine: it starts a process for each invocation at the same time
    values = (
        {"EventArchive": "off", "PlainHttp": "allowed", "MaxConcurrency": "2"} if stage.is_emulator else {}
    )
    if stage.name == LOCAL_STAGE:
        values |= {"ApiAuthorization": "NONE", "RetryBaseSeconds": "1"}
    return values
