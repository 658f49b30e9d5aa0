from __future__ import annotations

import pytest

from .template import FILES, Template


@pytest.fixture(scope="session")
def templates() -> dict[str, Template]:
    """The templates, parsed once. A test that changes one changes a copy."""
    return {name: Template.read(name) for name in FILES}
