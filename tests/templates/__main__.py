"""`python -m templates [PACKAGE…]` in tests/: what the house rules find, as JSON. `./ecom lint` reads it."""

from __future__ import annotations

import json
import sys

from .house import RULES, check
from .template import FILES, Template


def findings(names: list[str]) -> list[dict[str, str | int]]:
    """What is wrong with the templates of these packages; `why` is the docstring of the rule."""
    templates = {name: Template.read(name) for name in names}
    return [
        {
            "template": name,
            "line": template.lines.get(finding.resource, 0),
            "resource": finding.resource,
            "rule": finding.rule,
            "message": finding.message,
            "why": " ".join((RULES[finding.rule].__doc__ or "").split()),
        }
        for name, template in templates.items()
        for finding in check(template)
    ]


if __name__ == "__main__":
    json.dump(findings(sys.argv[1:] or list(FILES)), sys.stdout)
