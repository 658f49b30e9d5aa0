"""cfn-lint knows what CloudFormation knows."""

from __future__ import annotations

import pytest
from cfnlint.api import ManualArgs, lint_file  # type: ignore[import-untyped]

from .template import FILES


@pytest.mark.parametrize("name", FILES)
def test_cfn_lint_has_nothing_to_say(name: str) -> None:
    """As `cfn-lint -c I`: hints count too."""
    hints_too = ManualArgs(include_checks=["I"], regions=["us-east-1", "eu-central-1"])
    found = lint_file(FILES[name], config=hints_too)
    assert not found, "\n" + "\n".join(map(str, found))
