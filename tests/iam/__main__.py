"""`python -m iam` in tests/: what is wrong with who may do what, as JSON. `./ecom lint` reads it."""

from __future__ import annotations

import json
import sys

from iam.estate import Estate
from iam.permissions import granted_for_nothing, out_of_step, recorded
from iam.questions import STRANGERS, WAYS, wrong
from templates.template import FILES, Template

from simulation.cloudformation import UnresolvedError

WHY = {
    "policies_are_read": "A statement that cannot be evaluated may allow anything.",
    "used_is_allowed": "Each function's role allows what the end-to-end tests have seen it do.",
    "granted_is_needed": "A resource's policy lets no AWS service in that no way of the picture needs.",
    "allowed_is_used": "A role allows nothing that no test makes use of.",
} | {ask.__name__: " ".join((ask.__doc__ or "").split()) for ask in (*WAYS, *STRANGERS)}


def findings() -> list[dict[str, str | int]]:
    """The first finding of each rule at each resource: one cause may close a hundred ways."""
    templates = {name: Template.read(name) for name in FILES}
    estate = Estate({name: template.body for name, template in templates.items()})
    all_of_them = list(estate.unread)
    all_of_them += [finding for ask in (*WAYS, *STRANGERS) for finding in wrong(estate, ask)]
    permissions = [*out_of_step(estate, recorded()), *granted_for_nothing(estate)]
    first = {(finding.resource, finding.rule): finding for finding in reversed(all_of_them)}
    found: list[dict[str, str | int]] = []
    for finding in [*first.values(), *permissions]:
        template, resource = estate.homes.get(finding.resource, ("base-infra", finding.resource))
        found.append(
            {
                "template": template,
                "line": templates[template].lines.get(resource, 0),
                "resource": resource,
                "rule": finding.rule,
                "message": finding.message,
                "why": WHY[finding.rule],
            }
        )
    return found


if __name__ == "__main__":
    try:
        json.dump(findings(), sys.stdout)
    except UnresolvedError as error:
        sys.exit(f"The templates do not fit together: {error}.")
