from __future__ import annotations

import pytest
from iam.estate import Estate
from templates.template import FILES, Template


@pytest.fixture(scope="session")
def templates() -> dict[str, Template]:
    """The five templates, parsed once. A test that changes one changes a copy."""
    return {name: Template.read(name) for name in FILES}


@pytest.fixture(scope="session")
def estate(templates: dict[str, Template]) -> Estate:
    return Estate({name: template.body for name, template in templates.items()})
