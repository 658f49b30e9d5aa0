"""What a person sees while stacks are on their way: lines on stderr, and a live bar on a terminal."""

from __future__ import annotations

import threading
from types import TracebackType

from rich.console import Console
from rich.progress import BarColumn, MofNCompleteColumn, SpinnerColumn, TextColumn, TimeElapsedColumn
from rich.progress import Progress as RichProgress
from rich.text import Text


class Reporter:
    """Lines `<service>: <text>` from any thread. stdout stays free for results."""

    def __init__(self, *, quiet: bool = False) -> None:
        self.console = Console(stderr=True, quiet=quiet, highlight=False)
        self._lock = threading.Lock()
        self._bars: dict[str, int] = {}
        self._live = RichProgress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            MofNCompleteColumn(),
            TimeElapsedColumn(),
            console=self.console,
            transient=True,
            disable=not self.console.is_terminal,
        )

    def say(self, text: str) -> None:
        self.console.print(text, markup=False, soft_wrap=True)

    def note(self, service: str, text: str) -> None:
        self.console.print(Text.assemble((f"{service:>18}", "cyan"), "  ", text), soft_wrap=True)

    def progress(self, service: str, done: int, total: int) -> None:
        """`done` of `total` resources of this service's stack."""
        with self._lock:
            if service not in self._bars:
                self._bars[service] = self._live.add_task(service, total=total)
            self._live.update(self._bars[service], completed=done, total=total)  # type: ignore[arg-type]  # a TaskID is an int

    def finished(self, service: str) -> None:
        with self._lock:
            if (task := self._bars.pop(service, None)) is not None:
                self._live.remove_task(task)  # type: ignore[arg-type]  # a TaskID is an int

    def __enter__(self) -> Reporter:
        self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._live.stop()
