"""Writes down every AWS call of the functions: Python runs this file at the start of each of their processes.

The end-to-end tests put its folder on the functions' PYTHONPATH (see `System.launched`); nothing of it is in
a zip. It takes note before botocore sends anything, so a call counts whatever its answer.
"""

from __future__ import annotations

import importlib.abc
import importlib.util
import json
import os
import sys
from typing import Any

MODULE = "botocore.handlers"
FILE = os.environ.get("ECOM_RECORDED_CALLS", "")
FUNCTION = os.environ.get("AWS_LAMBDA_FUNCTION_NAME", "")
"""Not set in the emulator's own process, which makes no calls worth knowing."""


def note(model: Any, params: Any, **_: Any) -> None:
    line = json.dumps([FUNCTION, model.service_model.service_name, model.name, params], default=repr) + "\n"
    # One write to a file opened for appending: lines of several processes do not mix, and a killed one leaves
    # none behind half done.
    file = os.open(FILE, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
    try:
        os.write(file, line.encode())
    finally:
        os.close(file)


class Noting(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Finds botocore's list of built-in handlers, wherever it comes from, and adds one to it.

    Which botocore that is, the function's own, is only known once its code is on the path: importing one here
    would load the emulator's.
    """

    def __init__(self) -> None:
        self._loader: Any = None

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        if name != MODULE:
            return None
        sys.meta_path.remove(self)
        spec = importlib.util.find_spec(name)
        if spec is None:
            return None
        self._loader, spec.loader = spec.loader, self
        return spec

    def create_module(self, spec: Any) -> Any:
        return self._loader.create_module(spec)

    def exec_module(self, module: Any) -> None:
        self._loader.exec_module(module)
        module.BUILTIN_HANDLERS.append(("before-parameter-build", note))


if FILE and FUNCTION:
    sys.meta_path.insert(0, Noting())
