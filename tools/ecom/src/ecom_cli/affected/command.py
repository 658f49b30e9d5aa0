"""`ecom affected`, and what the `--affected` of other commands leaves of the names that they are given."""

from __future__ import annotations

import json
from collections.abc import Iterable, Sequence
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecom_cli.affected import Affected, Work, affected
from ecom_cli.errors import EcomError
from ecom_cli.options import JsonOption
from ecom_cli.workspace import Workspace, workspace

WIDTH_IN_FILES = 160

EPILOG = """
[bold]What counts[/]

All changes since REF, or since this branch and REF parted: commits, what is not committed, new files. \
A file that no rule knows is called nobody's, and touches everything.

[bold]Tested, built, deployed[/]

A change in a package's code asks for all three, of the package and of those that import it; one in its \
tests or words for no deployment. A schema is deployed with its package, and tested with all who read the \
fact. Whatever changes, the tests that span packages are run. docs/delivery.md has the whole table.

[bold]Examples[/]

What this branch touches:  [cyan]./ecom affected[/]

What I have not committed touches:  [cyan]./ecom affected --since HEAD[/]

Test just that:  [cyan]./ecom test --affected --since HEAD[/]

What is new since a release:  [cyan]./ecom affected --since payment-service/v1.2.0 --json[/]
"""

command = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@command.command(epilog=EPILOG)
def show(
    since: Annotated[
        str | None,
        typer.Option(
            "--since",
            metavar="REF",
            help="A branch, tag or commit. "
            "Default: where this branch left main; on main, each package's last release.",
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """What a change touches: which packages and suites to test, build and deploy, and why."""
    found = affected(workspace(), since)
    if as_json:
        print(json.dumps(found.as_json()))
        return
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_FILES
    count = f"{len(found.changed)} file{'' if len(found.changed) == 1 else 's'} changed"
    console.print(f"[bold]{count}[/] since {found.since}", soft_wrap=True)
    if found.works:
        console.print(_table(found))
    else:
        console.print("Nothing is touched by that.")
    say_nobodys(found, console)


def narrowed(
    repo: Workspace, names: Iterable[str], work: Work, since: str | None, console: Console
) -> tuple[str, ...]:
    """Of these names (none: of all there are) those that the changes since a commit touch.

    Tells on `console` what that leaves, for the log of whoever asked for less than everything.
    """
    found = affected(repo, since)
    left = found.among(names, work)
    what = ", ".join(left) or "nothing"
    console.print(f"Since {found.since}, to {work.value}: [bold]{what}[/]", soft_wrap=True)
    say_nobodys(found, console)
    return left


def packages(repo: Workspace, names: Sequence[str], work: Work, since: str | None) -> tuple[str, ...]:
    """The same for packages, telling on stderr. Raises EcomError for a name that is none, or a release's."""
    if releases := [name for name in names if "@" in name]:
        raise EcomError(
            f"{releases[0]} is a release, and --affected is about the working tree.",
            "Leave out the one or the other.",
        )
    for name in names:
        repo.member(name)
    return narrowed(repo, names, work, since, Console(stderr=True, highlight=False))


def say_nobodys(found: Affected, console: Console) -> None:
    """Warn of files that no rule knows: because of them everything counts as touched."""
    if found.nobodys:
        files = ", ".join(found.nobodys)
        console.print(
            Text.assemble(
                ("! ", "bold yellow"),
                f"Nobody's: {files}. So everything counts as touched.\n"
                "  Say whose they are, in ecom_cli/affected/rules.py.",
            ),
            soft_wrap=True,
        )


def _table(found: Affected) -> Table:
    table = Table("", *(work.value for work in Work), box=None, pad_edge=False)
    table.add_column("why", overflow="fold")  # a path that is cut off is of no use
    for name, works in found.works.items():
        marks = (Text("✓" if work in works else "", "green", justify="center") for work in Work)
        why = Text("\n").join(
            Text.assemble(reason.text, (_files(reason.files), "dim")) for reason in found.reasons(name)
        )
        table.add_row(name, *marks, why)
    return table


def _files(paths: tuple[str, ...]) -> str:
    """The one file, or how many there are: `--json` names all of them."""
    if not paths:
        return ""
    return f": {paths[0]}" if len(paths) == 1 else f" ({len(paths)} files)"
