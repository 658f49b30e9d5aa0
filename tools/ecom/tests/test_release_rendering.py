from __future__ import annotations

import pytest

from ecom_cli.errors import EcomError
from ecom_cli.release.rendering import rendered

KEY = "toy-service/0.zip"
BLOCK = """\
Metadata:
  AWS::CloudFormation::Interface:
    ParameterLabels:
      CodeKey: {default: Function zip}  # the same name, another place

Parameters:
  # für alle
  CodeKey:
    # why it is there
    Type: String
  Other: {Type: String, Default: x}
Resources:
  Queue: {Type: AWS::SQS::Queue, Properties: {QueueName: !Sub '${CodeKey}'}}
"""


def test_the_default_is_one_more_line_and_everything_else_stays() -> None:
    after = rendered(BLOCK, KEY, "t")
    assert after == BLOCK.replace("    Type: String\n", f"    Default: '{KEY}'\n    Type: String\n", 1)
    assert rendered(after, KEY, "t") == after


def test_a_default_that_was_there_is_replaced() -> None:
    before = BLOCK.replace("    Type: String\n", "    Type: String\n    Default: none  # yet\n", 1)
    assert rendered(before, KEY, "t") == before.replace("Default: none  # yet", f"Default: '{KEY}'  # yet")


def test_a_parameter_on_one_line_is_rendered_too() -> None:
    before = "Parameters: {CodeKey: {Type: String}}\nResources: {}\n"
    assert rendered(before, KEY, "t") == (
        f"Parameters: {{CodeKey: {{Default: '{KEY}', Type: String}}}}\nResources: {{}}\n"
    )


def test_a_template_without_the_parameter_is_refused() -> None:
    with pytest.raises(EcomError, match=r"t\.yaml has no parameter CodeKey"):
        rendered("Parameters: {Stage: {Type: String}}\nResources: {}\n", KEY, "t.yaml")


def test_a_parameter_shared_by_an_anchor_is_refused_rather_than_changed_twice() -> None:
    shared = "Parameters:\n  Other: &x\n    Type: String\n  CodeKey: *x\nResources: {}\n"
    with pytest.raises(EcomError, match="cannot be set"):
        rendered(shared, KEY, "t.yaml")
