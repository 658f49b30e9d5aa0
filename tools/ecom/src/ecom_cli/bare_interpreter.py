"""Runs a function's handler where nothing is but its zip: started by `ecom_cli.bare`, as a program.

Usage: python -I -S bare_interpreter.py JOB ANSWER, both JSON files. It uses the standard library alone, since
no other package is there. JOB: `folder` (the unpacked zip), `handler`, `environment`, `packages` (their
modules are imported one by one), `events`. ANSWER: `answers`, one for each world and event, and what was
found out besides (see `main`).
"""

from __future__ import annotations

import importlib
import json
import os
import pkgutil
import sys
import threading
import time
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

GRANTS, REFUSES, SILENT = "grants", "refuses", "is silent"
"""The worlds: AWS says yes to everything, no to everything, or nothing at all."""

_NO = {"__type": "AccessDeniedException", "message": "not here"}
_NO_SUCH_ROW = {"__type": "ConditionalCheckFailedException", "message": "The conditional request failed"}


class Aws(BaseHTTPRequestHandler):
    """Answers the JSON protocols that DynamoDB, EventBridge, KMS and SQS speak."""

    protocol_version = "HTTP/1.1"
    world = GRANTS
    calls: list[str] = []  # noqa: RUF012 - of the class: there is one AWS

    def do_POST(self) -> None:
        request = json.loads(self.rfile.read(int(self.headers.get("Content-Length", 0))))
        call = self.headers.get("X-Amz-Target", "?")
        self.calls.append(call)
        answer = yes(call, request) if self.world == GRANTS else _NO
        body = json.dumps(answer).encode()
        self.send_response(400 if "__type" in answer else 200)
        self.send_header("Content-Type", "application/x-amz-json-1.0")
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Connection", "close")
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: Any) -> None:
        """Not on the function's stderr."""


def yes(call: str, request: dict[str, Any]) -> dict[str, Any]:
    """The shortest answer that says it is done; tables are empty and take everything."""
    if call == "AWSEvents.PutEvents":
        return {"FailedEntryCount": 0, "Entries": [{"EventId": "1"} for _ in request["Entries"]]}
    if call == "TrentService.Encrypt":
        return {"CiphertextBlob": "c2VhbGVk", "KeyId": "key"}
    if call.endswith((".Query", ".Scan")):
        return {"Items": [], "Count": 0, "ScannedCount": 0}
    if call.endswith(".UpdateItem") and request.get("ReturnValues", "NONE") != "NONE":
        return _NO_SUCH_ROW  # it would have to say what is in it
    return {}


class Context:
    """What Lambda hands over beside the event."""

    function_name = "function"
    function_version = "1"
    invoked_function_arn = "arn:aws:lambda:eu-central-1:123456789012:function:function"
    memory_limit_in_mb = 512
    aws_request_id = "request"
    log_group_name = log_stream_name = "log"

    def get_remaining_time_in_millis(self) -> int:
        return 30_000


class Watch:
    """Takes note of imports that find nothing and of ways out of this machine, even where code goes on."""

    def __init__(self, folder: str) -> None:
        self.folder = folder
        self.missing: dict[str, str] = {}
        self.outside: list[str] = []
        sys.meta_path.append(self)  # asked when all before knew nothing
        sys.addaudithook(self._heard)

    def find_spec(self, name: str, path: Any = None, target: Any = None) -> None:
        after = sys.meta_path[sys.meta_path.index(self) + 1 :]
        if any(finder.find_spec(name, path, target) for finder in after):
            return
        frame = sys._getframe(1)  # noqa: SLF001 - there is no other way to ask who imports
        while frame.f_back and "importlib" in frame.f_code.co_filename:
            frame = frame.f_back
        self.missing.setdefault(name, os.path.relpath(frame.f_code.co_filename, self.folder))

    def _heard(self, event: str, arguments: tuple[Any, ...]) -> None:
        if event == "socket.connect" and arguments[1][0] != "127.0.0.1":
            self.outside.append(f"connects to {arguments[1]}")
            raise OSError("there is no network here")
        if event == "socket.getaddrinfo" and arguments[0] not in ("127.0.0.1", "localhost", None):
            self.outside.append(f"looks up {arguments[0]}")
            raise OSError("there is no network here")
        if event in ("subprocess.Popen", "os.exec", "os.posix_spawn"):
            self.outside.append(f"starts {arguments[0]}")


def main(job: dict[str, Any]) -> dict[str, Any]:
    """Invoke the handler with each event in each world."""
    folder = job["folder"]
    sys.path.insert(0, folder)
    server = ThreadingHTTPServer(("127.0.0.1", 0), Aws)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    os.environ.clear()
    os.environ.update(job["environment"], AWS_ENDPOINT_URL=f"http://127.0.0.1:{server.server_port}")
    time.sleep = lambda _: None  # no pause before a call is repeated
    watch = Watch(folder)
    module, _, name = job["handler"].rpartition(".")
    handler = getattr(importlib.import_module(module), name)
    for package in job["packages"]:
        for each in pkgutil.iter_modules([f"{folder}/{package}"], f"{package}."):
            importlib.import_module(each.name)
    answers = []
    for world in (GRANTS, REFUSES, SILENT):
        Aws.world = world
        if world == SILENT:
            server.shutdown()
            server.server_close()
        answers += [{"world": world, **invoke(handler, event)} for event in job["events"]]
    return {
        "answers": answers,
        "calls": sorted(set(Aws.calls)),
        "missing": watch.missing,
        "outside": watch.outside,
        "foreign": foreign(folder),
    }


def invoke(handler: Any, event: dict[str, Any]) -> dict[str, Any]:
    """The handler's answer as Lambda would send it on, or the error that left it."""
    try:
        return {"answer": json.loads(json.dumps(handler(json.loads(json.dumps(event)), Context())))}
    except Exception as error:  # noqa: BLE001 - whatever it is, it is judged outside
        kind = type(error)
        return {"raised": f"{kind.__module__}.{kind.__qualname__}: {error}"}


def foreign(folder: str) -> list[str]:
    """Modules that come from neither the zip nor the standard library."""
    home = (f"{folder}/", f"{Path(os.__file__).parent}/", str(Path(__file__)))
    files = {name: getattr(module, "__file__", None) for name, module in sys.modules.items()}
    found = [name for name, file in files.items() if file and not file.startswith(home)]
    return sorted(found + [name for name, file in files.items() if file and "site-packages" in file])


if __name__ == "__main__":
    done = main(json.loads(Path(sys.argv[1]).read_text(encoding="utf-8")))
    Path(sys.argv[2]).write_text(json.dumps(done), encoding="utf-8")
