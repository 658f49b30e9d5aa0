"""Every import is paid at each cold start. These are known to be dear and must stay out."""

from __future__ import annotations

import subprocess
import sys

import pytest

# CPU ms above a bare interpreter: pydantic 209, X-Ray SDK 297, powertools' idempotency 396 and API resolver
# 164; moto and the test kit must never be in a zip at all.
DEAR = {
    "aws_lambda_powertools.event_handler",
    "aws_lambda_powertools.utilities.idempotency",
    "aws_lambda_powertools.utilities.parser",
    "aws_xray_sdk",
    "boto3.dynamodb.table",
    "ecom_testkit",
    "fastjsonschema",
    "jsonschema",
    "moto",
    "pydantic",
    "requests",
    "unittest",
    "yaml",
}


@pytest.mark.parametrize("module", ["worker", "publisher", "table", "clients", "telemetry"])
def test_nothing_dear_is_imported(module: str) -> None:
    program = f"import sys, ecom_common.{module}; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert f"ecom_common.{module}" in loaded.stdout.split()
    assert not DEAR & set(loaded.stdout.split())
