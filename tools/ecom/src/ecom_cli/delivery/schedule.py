"""Work on several stacks side by side, each after the ones it has to wait for."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Set
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import TypeVar

from ecom_cli.errors import EcomError, explained

_T = TypeVar("_T")


def in_order(after: Mapping[str, Set[str]], work: Callable[[str], _T]) -> dict[str, _T]:
    """Do the work for each name once all names in `after[name]` are done; return the results by name.

    Names outside of the mapping count as done. One failure does not stop the others, but nothing starts that
    waits for it. Raises EcomError with every failure, and with what was not started for that reason.
    """
    waiting = list(after)
    running: dict[Future[_T], str] = {}
    done: dict[str, _T] = {}
    failed: list[EcomError] = []
    with ThreadPoolExecutor(max_workers=max(len(after), 1)) as pool:
        while waiting or running:
            for name in [name for name in waiting if not (after[name] & set(after)) - set(done)]:
                waiting.remove(name)
                running[pool.submit(work, name)] = name
            if not running:
                break  # what still waits, waits for what failed
            for future in wait(running, return_when=FIRST_COMPLETED).done:
                name = running.pop(future)
                try:
                    with explained():
                        done[name] = future.result()
                except EcomError as error:
                    failed.append(error)
    if failed:
        lines = [error.message for error in failed]
        if waiting:
            lines.append(f"Not started, for that reason: {', '.join(waiting)}.")
        hints = dict.fromkeys(error.hint for error in failed if error.hint)
        raise EcomError("\n".join(lines), "\n".join(hints))
    return {name: done[name] for name in after}
