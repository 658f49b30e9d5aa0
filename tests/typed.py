"""What documents and workflows say to type, read and tried against the real parsers. Nothing is run."""

from __future__ import annotations

import importlib
import inspect
import re
from typing import Any

import typer

from ecom_cli import cli


def commands(text: str) -> list[str]:
    """What is to be typed: the lines of console blocks, and what stands in backticks and is a command."""
    typed: list[str] = []
    for block in re.findall(r"^```console\n(.*?)^```", text, re.DOTALL | re.MULTILINE):
        for line in block.splitlines():
            inner = re.findall(r"\$\(([^()]*)\)", line)
            rest = re.sub(r"\$\([^()]*\)", "", line)
            typed += [*inner, rest] if not re.fullmatch(r"[A-Z]+=\S*(\s+#.*)?", rest.strip()) else inner
    outside = re.sub(r"^```.*?^```", "", text, flags=re.DOTALL | re.MULTILINE)
    typed += re.findall(r"`((?:\./ecom|aws) [^`]+)`", outside)
    return [command.strip() for command in typed]


def wrong_with_ecom(words: list[str]) -> str:
    command: Any = typer.main.get_command(cli.app)
    # Typer carries its own click: a group shows by what it has, not by its class.
    while getattr(command, "commands", None):
        if not words and command.invoke_without_command:
            break
        if not words or words[0] not in command.commands:
            return f"there is no command {words[:1]}"
        name, words = words[0], words[1:]
        command = _handed_on(command.commands[name])
    try:
        command.make_context("ecom", [*words])
    except Exception as error:  # noqa: BLE001 - whatever refuses the words, they cannot be typed
        return f"{type(error).__name__}: {getattr(error, 'message', error)}"
    return ""


def is_command(name: str) -> bool:
    """Whether there is `./ecom NAME`, with whatever arguments: so prose speaks of it."""
    top: Any = typer.main.get_command(cli.app)
    return name in top.commands


def _handed_on(command: Any) -> Any:
    """The command itself, where the one at the top only hands its words on to a module of its own."""
    source = inspect.getsource(command.callback) if command.callback else ""
    found = re.search(r'_hand_on\(ctx, "([\w.]+)", "(\w+)"\)', source)
    if not found:
        return command
    there = getattr(importlib.import_module(found[1]), found[2])
    if isinstance(there, typer.Typer):
        return typer.main.get_command(there)
    single = typer.Typer(add_completion=False)
    single.command()(there)
    return typer.main.get_command(single)
