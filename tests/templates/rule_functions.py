"""The `Rules` of a template, evaluated as CloudFormation does before it makes anything."""

from __future__ import annotations

from collections.abc import Mapping

from .template import Json, Template


def refusals(template: Template, values: Mapping[str, str]) -> list[str]:
    """What CloudFormation says to these values, all others at their defaults; empty if it takes them.

    Raises ValueError for a function that the rules of this house do without.
    """
    parameters = {
        name: str(values.get(name, parameter.get("Default", "")))
        for name, parameter in template.body["Parameters"].items()
    }
    return [
        str(assertion.get("AssertDescription", "an assertion without a description"))
        for rule in template.body.get("Rules", {}).values()
        if _value(rule.get("RuleCondition", True), parameters)
        for assertion in rule["Assertions"]
        if not _value(assertion["Assert"], parameters)
    ]


def _value(node: Json, parameters: Mapping[str, str]) -> Json:
    if not isinstance(node, dict):
        return node
    ((function, argument),) = node.items()
    if function == "Ref":
        return parameters[argument]
    values = [_value(part, parameters) for part in argument]
    match function:
        case "Fn::Equals":
            return values[0] == values[1]
        case "Fn::Not":
            return not values[0]
        case "Fn::And":
            return all(values)
        case "Fn::Or":
            return any(values)
        case "Fn::Contains":
            return values[1] in argument[0]
    raise ValueError(f"{function} in Rules")
