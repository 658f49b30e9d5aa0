"""What the services' zips hold: what they call and no more, in an order of its own, from no place."""

from __future__ import annotations

import json
import time
import zipfile
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecom_cli.build import build, build_all
from ecom_cli.cli import app
from ecom_cli.workspace import Member, workspace

REPO = workspace()
SERVICES = [member for member in REPO.stacks if member.has_zip]
each_service = pytest.mark.parametrize("service", SERVICES, ids=lambda member: member.dist)


@each_service
def test_a_zip_holds_what_its_service_calls_and_no_more(service: Member) -> None:
    with zipfile.ZipFile(build(service).path) as archive:
        entries = set(archive.namelist())
    models = {entry.split("/")[2] for entry in entries if entry.startswith("botocore/data/")}
    assert {model for model in models if "." not in model} == set(service.aws_services)
    assert {"endpoints.json", "partitions.json", "sdk-default-configuration.json", "_retry.json"} <= models
    assert f"{service.package}/__init__.py" in entries
    assert "ecom_common/__init__.py" in entries
    junk = [
        e
        for e in entries
        if ".dist-info/" in e or "__pycache__" in e or e.endswith((".pyc", ".so")) or e.startswith("bin/")
    ]
    assert not junk
    assert not [entry for entry in entries if "/tests/" in entry or entry.startswith("ecom_cli")]


@each_service
def test_a_zip_is_small_sorted_and_without_a_trace_of_where_it_was_built(service: Member) -> None:
    built = build(service)
    assert built.size < 4_000_000
    with zipfile.ZipFile(built.path) as archive:
        infos = archive.infolist()
        assert archive.testzip() is None
    assert [info.filename for info in infos] == sorted(info.filename for info in infos)
    assert {(info.date_time, info.external_attr >> 16, info.create_system) for info in infos} == {
        ((1980, 1, 1, 0, 0, 0), 0o100644, 3)
    }
    assert str(REPO.root).encode() not in built.path.read_bytes()


def test_the_command_says_where_a_zip_is() -> None:
    done = CliRunner().invoke(app, ["build", "payment-service", "--json"], catch_exceptions=False)
    assert done.exit_code == 0, done.output
    (built,) = json.loads(done.stdout)
    assert built["dist"] == "payment-service"
    assert Path(built["path"]).name == f"{built['sha256']}.zip"
    assert built["key"] == f"payment-service/{built['sha256']}.zip"


def test_building_all_again_takes_no_time() -> None:
    build_all(REPO.stacks)
    started = time.monotonic()
    again = build_all(REPO.stacks)
    assert len(again) == len(SERVICES)
    assert not any(built.fresh for built in again)
    assert time.monotonic() - started < 1.0
