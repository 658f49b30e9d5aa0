"""The real code of the services, imported once more and on its own, with the ends of the world swapped.

What is swapped: the clock and the pauses (virtual time), the boto3 clients, gateway and carriers (fakes that
belong to the world of the invocation that calls), logger and metrics (recorders), `uuid4`. Nothing else: the
entry points build their parts as they do in Lambda, from the environment that the templates give them.
"""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import CodeType, ModuleType, SimpleNamespace
from typing import Any

from simulation import clients
from simulation.bus import Bus
from simulation.cloudformation import REGION
from simulation.topology import Topology, read

PACKAGES = ("ecom_common", "order_service", "inventory_service", "payment_service", "shipping_service")

Handler = Callable[[dict[str, Any], Any], Any]


class Services:
    """The code of one source tree, and sandboxes to run it in."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.topology: Topology = read(root)
        self.bus = Bus(self.topology)
        self._paths = [str(path) for path in (root / "libs/common/src", *sorted(root.glob("packages/*/src")))]
        self._modules: dict[str, ModuleType] = {}
        self._idle: dict[str, list[Handler]] = {}
        self._code: dict[str, CodeType] = {}
        self.start_anew()
        with self._environment(next(iter(self.topology.functions))), self.installed(), _virtual_sleep():
            self._swap()

    @contextmanager
    def installed(self) -> Iterator[None]:
        """While inside, the services' names mean this tree's modules, for imports inside functions too."""
        ours = _take_out()
        sys.modules.update(self._modules)
        before, sys.path[:0] = sys.path[:], self._paths
        try:
            yield
        finally:
            self._modules = _take_out()
            sys.modules.update(ours)
            sys.path[:] = before

    def start_anew(self) -> None:
        """Let all sandboxes go: what one world left in their memory is nothing to the next."""
        self._idle = {name: [] for name in self.topology.functions}

    def take(self, function: str) -> Handler:
        """An idle sandbox of a function, or a new one. One sandbox runs one invocation at a time."""
        idle = self._idle[function]
        return idle.pop() if idle else self._start(function)

    def give_back(self, function: str, handler: Handler) -> None:
        """The sandbox is free for the next invocation."""
        self._idle[function].append(handler)

    def module(self, name: str) -> ModuleType:
        """A module of this tree."""
        return self._modules.get(name) or sys.modules[name]

    def _start(self, function: str) -> Handler:
        """Run the module of the entry point anew, as a cold start does."""
        module_name, _, attribute = self.topology.functions[function].handler.rpartition(".")
        with self._environment(function), _virtual_sleep():
            code = self._code_of(module_name)
            module = ModuleType(module_name)
            module.__file__ = code.co_filename
            # dataclasses look their module up by name
            before = sys.modules.get(module_name)
            sys.modules[module_name] = module
            try:
                exec(code, module.__dict__)
            finally:
                if before is not None:
                    sys.modules[module_name] = before
        handler: Handler = getattr(module, attribute)
        return handler

    def _code_of(self, module_name: str) -> CodeType:
        """The compiled module of an entry point, read once: sandboxes start by the thousand."""
        if module_name not in self._code:
            spec = importlib.util.find_spec(module_name)
            assert spec is not None, f"there is no module {module_name}"
            path = str(spec.origin)
            self._code[module_name] = compile(Path(path).read_text(encoding="utf-8"), path, "exec")
        return self._code[module_name]

    def _swap(self) -> None:
        """Import in an order in which every later `from … import` gets what was swapped."""
        importlib.import_module("ecom_common.facts").utc_now = clients.utc_now  # type: ignore[attr-defined]
        tracing: Any = importlib.import_module("ecom_common.tracing")
        tracing.time = SimpleNamespace(time=clients.epoch)
        telemetry: Any = importlib.import_module("ecom_common.telemetry")
        telemetry.logger, telemetry.metrics = clients.Log(), clients.Meter()
        importlib.import_module("ecom_common.clients").client = clients.client  # type: ignore[attr-defined]
        gateway: Any = importlib.import_module("payment_service.gateway")
        gateway.SimulatedGateway = lambda *_: clients.Gateway(gateway)
        carrier: Any = importlib.import_module("shipping_service.carrier")
        carrier.SimulatedCarrier = lambda name, *_: clients.Carrier(name, carrier)
        handlers: Any = importlib.import_module("order_service.handlers")
        handlers.uuid = SimpleNamespace(uuid4=clients.new_id)
        for function in self.topology.functions.values():
            importlib.import_module(function.handler.rpartition(".")[0].rpartition(".")[0] + ".handlers")
        importlib.import_module("ecom_common.worker")

    @contextmanager
    def _environment(self, function: str) -> Iterator[None]:
        before = dict(os.environ)
        os.environ.update(self.topology.functions[function].environment)
        os.environ.update({"AWS_DEFAULT_REGION": REGION, "POWERTOOLS_TRACE_DISABLED": "true"})
        try:
            yield
        finally:
            os.environ.clear()
            os.environ.update(before)


def load(root: Path) -> Services:
    """The services of a source tree: `libs/common/src`, `packages/*/src` and the templates below `root`."""
    return Services(root)


@contextmanager
def _virtual_sleep() -> Iterator[None]:
    """`time.sleep` as default argument: whoever is defined inside sleeps in virtual time for ever."""
    before: Any = time.sleep
    time.sleep = clients.sleep  # type: ignore[assignment]
    try:
        yield
    finally:
        time.sleep = before


def _take_out() -> dict[str, ModuleType]:
    """Remove whatever modules of the services are imported; returns them."""
    names = [name for name in sys.modules if name.startswith(PACKAGES)]
    return {name: sys.modules.pop(name) for name in names}
