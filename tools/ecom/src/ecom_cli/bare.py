"""Is a zip complete? Its functions run in an interpreter that has nothing but the zip.

The local emulator cannot tell: its functions see the packages that it is installed with itself. Here, each
function of a package's template is invoked with every kind of event that the template sends to it, while AWS
says yes, no, and nothing: what is missing is found, and no failure may escape that the template does not
provide for.
"""

from __future__ import annotations

import json
import os
import subprocess  # nosec B404  # it starts a Python, on the zip
import sys
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ecom_cli import bare_interpreter
from ecom_cli.bare_events import QUEUE, REQUEST, Event, Function, functions
from ecom_cli.bare_interpreter import GRANTS, SILENT
from ecom_cli.workspace import Member, Workspace

SIDE_BY_SIDE = 2
SECONDS = 60
OPTIONAL = frozenset(
    {
        "OpenSSL",  # urllib3.contrib.pyopenssl: another TLS than Python's
        "awscrt",  # botocore: signatures and transfers in C
        "backports",  # urllib3: zstandard answers, which AWS does not send
        "botocore.customizations",  # botocore.useragent: it asks whether it is the AWS CLI
        "brotli",  # urllib3: so are these
        "brotlicffi",
        "certifi",  # botocore brings certificates of its own
        "six.moves.winreg",  # dateutil: on Windows
    }
)
"""What packages look for and do without. Anything else that is missing is a mistake, caught or not."""


@dataclass(frozen=True)
class Report:
    """What came out for one zip. `calls` are the AWS calls that its functions made, `problems` sentences."""

    invocations: int
    calls: frozenset[str]
    problems: tuple[str, ...]


def run(repo: Workspace, member: Member, zipped: Path) -> Report:
    """Invoke every function of a zip, each in an interpreter of its own, with nothing but the zip."""
    found = functions(repo, member)
    packages = [library.source.name for library in (*repo.libraries(member), member)]
    with tempfile.TemporaryDirectory(prefix="ecom-bare-") as drafts:
        folder = Path(drafts).resolve() / "zip"
        with zipfile.ZipFile(zipped) as archive:
            archive.extractall(folder)
        with ThreadPoolExecutor(SIDE_BY_SIDE) as pool:
            outcomes = list(pool.map(lambda function: _outcome(function, folder, packages), found))
    problems = [f"{f.name}: {p}" for f, o in zip(found, outcomes, strict=True) for p in _problems(f, o)]
    calls = frozenset(call for outcome in outcomes for call in outcome.get("calls", ()))
    return Report(sum(len(outcome.get("answers", ())) for outcome in outcomes), calls, tuple(problems))


def _outcome(function: Function, folder: Path, packages: list[str]) -> dict[str, Any]:
    """What the interpreter wrote down; `broken` where it did not come that far."""
    job = {
        "folder": str(folder),
        "handler": function.handler,
        "environment": dict(function.environment),
        "packages": packages,
        "events": [dict(event.body) for event in function.events],
    }
    paths = folder.with_name(f"{function.name}.job"), folder.with_name(f"{function.name}.answer")
    paths[0].write_text(json.dumps(job), encoding="utf-8")
    # -I: no variable and no folder of the user counts. -S: no site-packages.
    command = [sys.executable, "-I", "-S", "-B", bare_interpreter.__file__, *map(str, paths)]
    try:
        done = subprocess.run(  # nosec B603  # this Python, on a zip of this repository
            command,
            cwd=folder.parent,
            env={"PATH": os.defpath},
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
        )
    except subprocess.TimeoutExpired:
        return {"broken": f"it took more than {SECONDS} s"}
    if done.returncode:
        return {"broken": done.stderr.strip() or f"it exited with {done.returncode}"}
    outcome: dict[str, Any] = json.loads(paths[1].read_text(encoding="utf-8"))
    return outcome


def _problems(function: Function, outcome: Mapping[str, Any]) -> Iterator[str]:
    if broken := outcome.get("broken"):
        yield f"{function.handler} could not be tried out: {broken}"
        return
    for module, importer in outcome["missing"].items():
        # what the standard library misses is of other systems, or of Python itself
        if not importer.startswith("..") and module not in OPTIONAL:
            yield f"{importer} imports {module}, which is not in the zip"
    yield from (f"it {what}" for what in outcome["outside"])
    yield from (f"{module} is not from the zip" for module in outcome["foreign"])
    events = function.events * len(outcome["answers"])
    for event, each in zip(events, outcome["answers"], strict=False):
        if flaw := _flaw(event, each):
            yield f"{event.title}, where AWS {each['world']}: {flaw}"


def _flaw(event: Event, each: Mapping[str, Any]) -> str:
    """What is wrong with an answer; empty where it is as it should be."""
    if event.kind == QUEUE:
        return _flaw_of_batch(event, each)
    if event.kind == REQUEST:
        return _flaw_of_response(each)
    # A schedule has nobody to answer. What it could not do counts as a failed invocation: an alarm, a retry.
    if each["world"] == GRANTS:
        return str(each.get("raised", ""))
    raised = str(each.get("raised", "nothing failed, though AWS did not help"))
    return "" if raised.startswith("botocore.") else raised


def _flaw_of_batch(event: Event, each: Mapping[str, Any]) -> str:
    if "raised" in each:
        return f"the whole batch fails with {each['raised']}"
    answer = each["answer"]
    if not isinstance(answer, dict) or not isinstance(answer.get("batchItemFailures"), list):
        return f"{answer} does not say which records failed"
    failed = {failure["itemIdentifier"] for failure in answer["batchItemFailures"]}
    sent = {record["messageId"] for record in event.body["Records"]}
    if not failed <= sent:
        return f"{', '.join(sorted(failed - sent))} are no records of the batch"
    if each["world"] != GRANTS and failed != sent:
        return f"{', '.join(sorted(sent - failed))} would be deleted, though nothing was done"
    return ""


def _flaw_of_response(each: Mapping[str, Any]) -> str:
    if "raised" in each:
        return f"the client gets no answer: {each['raised']}"
    status = each["answer"].get("statusCode")
    good = {GRANTS: range(200, 500), SILENT: [503]}.get(each["world"], [500, 503])
    return "" if status in good else f"it answers {status}: {each['answer'].get('body')}"
