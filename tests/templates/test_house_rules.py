"""Every house rule over every template."""

from __future__ import annotations

import pytest

from .house import RULES, check
from .template import FILES, Template


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("rule", RULES)
def test_template_keeps_the_rule(templates: dict[str, Template], name: str, rule: str) -> None:
    findings = check(templates[name], rule)
    assert not findings, "\n" + "\n".join(map(str, findings))
