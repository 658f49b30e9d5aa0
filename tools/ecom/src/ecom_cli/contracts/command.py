"""`ecom contracts`: who publishes and reads what, and whether a change breaks somebody."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from ecom_cli.contracts import released
from ecom_cli.contracts.fit import misfits, unheard
from ecom_cli.contracts.model import Break, Contract, Kind
from ecom_cli.contracts.reading import contracts_of
from ecom_cli.contracts.schemas import fields_of
from ecom_cli.errors import EcomError
from ecom_cli.options import JsonOption
from ecom_cli.workspace import Member, Workspace, workspace

HERE = "in this tree"
WIDTH_IN_FILES = 160

_EPILOG = """
[bold]How a schema may change[/]

A new field, a field that is always there now, a narrower value: the version stays. Readers ignore fields \
that they do not read, and must expect values of an [cyan]enum[/] that they do not know, unless they list \
the ones they know in [cyan]reads/[/].

All else is a new version beside the old one: [cyan]events/<DetailType>.v2.json[/]. The old one goes when \
nobody's [cyan]reads/[/] has it any more. docs/delivery.md tells the steps.

[bold]Examples[/]

The table:  [cyan]./ecom contracts[/]

Does what I changed break anybody, since each package's last release?  [cyan]./ecom contracts check[/]

One package, since a tag, branch or commit:  \
[cyan]./ecom contracts check inventory-service --against inventory-service/v1.0.0[/]
"""

app = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@dataclass(frozen=True)
class Checked:
    """One package against what it was at `against` (a tag, branch or commit); None: it was never released."""

    member: Member
    against: str | None
    breaks: tuple[Break, ...]


@app.callback(invoke_without_command=True, epilog=_EPILOG)
def show(ctx: typer.Context, as_json: JsonOption = False) -> None:
    """Which package publishes which fact at which version, who reads what of it, who exports and imports."""
    if ctx.invoked_subcommand:
        ctx.obj = as_json  # said before the subcommand, it is meant for it
        return
    contracts = contracts_of(workspace())
    if as_json:
        print(json.dumps(_as_json(contracts)))
        return
    console = _console()
    console.print(_facts_table(contracts))
    console.print()
    console.print(_exports_table(contracts))
    for line in (*misfits(contracts, where=HERE), *unheard(contracts, HERE)):
        console.print(f"[yellow]![/] {line}", soft_wrap=True)


@app.command(epilog=_EPILOG)
def check(
    ctx: typer.Context,
    names: Annotated[
        list[str] | None, typer.Argument(metavar="[PACKAGE]...", help="Default: all of them.")
    ] = None,
    against: Annotated[
        str | None,
        typer.Option(
            "--against", metavar="REF", help="A tag, branch or commit. Default: each package's last release."
        ),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Whether a change breaks who reads the facts or imports the exports. Exit code 1 where it does."""
    repo = workspace()
    done = [checked(repo, member, against) for member in _chosen(repo, names or ())]
    dists = {each.member.dist for each in done}
    contracts = contracts_of(repo)
    unfit = [line for line in misfits(contracts, where=HERE) if _is_about(line, dists)]
    alone = unheard(contracts, HERE)
    broken = bool(unfit) or any(each.breaks for each in done)
    if as_json or ctx.obj:
        verdicts = [_verdict(each) for each in done]
        print(json.dumps({"ok": not broken, "packages": verdicts, "misfits": unfit, "unheard": alone}))
        raise typer.Exit(int(broken))
    _tell(done, _console())
    for line in alone:
        _console().print(f"[yellow]![/] {line}", soft_wrap=True)
    if broken:
        raise _refusal(done, unfit)


def checked(repo: Workspace, member: Member, against: str | None) -> Checked:
    """Compare a package with what it was, by default at its last release."""
    ref = against or released.last_tag(repo, member)
    return Checked(member, ref, tuple(released.check(repo, member, ref)))


def _chosen(repo: Workspace, names: Sequence[str]) -> list[Member]:
    """The packages named, or all that have or may have had a contract."""
    if names:
        return [repo.member(name) for name in dict.fromkeys(names)]
    contracts = contracts_of(repo)
    return [member for member in repo.members if member.template or member.dist in contracts]


def _is_about(line: str, dists: set[str]) -> bool:
    return any(f"{dist} " in line for dist in dists)


def _tell(done: Sequence[Checked], console: Console) -> None:
    for each in done:
        dist = f"{each.member.dist:<18}"
        if each.against is None:
            console.print(f"{dist} no release yet: there is nothing that it could break")
        elif each.breaks:
            console.print(f"{dist} [red]breaks[/] what it was at {each.against}")
        else:
            console.print(f"{dist} keeps what it was at {each.against}")


def _refusal(done: Sequence[Checked], unfit: Sequence[str]) -> EcomError:
    """The breaks; where there are none, what does not fit as it is (with breaks, it follows from them)."""
    lines = [str(each) for checked in done for each in checked.breaks] or list(unfit)
    return EcomError("\n  ".join(["Somebody's contract is broken:", *lines]), released.WAY_OUT)


def _verdict(each: Checked) -> dict[str, Any]:
    return {
        "package": each.member.dist,
        "against": each.against,
        "breaks": [found.as_json() for found in each.breaks],
    }


def _readers(kind: Kind, contracts: Mapping[str, Contract]) -> list[tuple[str, list[str]]]:
    """Who reads a kind of fact, and which fields beside the envelope."""
    return [
        (dist, sorted(fields_of(contract.reads[kind].schema)))
        for dist, contract in contracts.items()
        if kind in contract.reads
    ]


def _kinds(contracts: Mapping[str, Contract]) -> list[Kind]:
    return sorted(
        {kind for contract in contracts.values() for kind in (*contract.publishes, *contract.reads)}
    )


def _publishers(kind: Kind, contracts: Mapping[str, Contract]) -> list[str]:
    return [dist for dist, contract in contracts.items() if kind in contract.publishes]


def _facts_table(contracts: Mapping[str, Contract]) -> Table:
    table = Table("fact", "version", "published by", "read by", "fields of data", box=None, pad_edge=False)
    for kind in _kinds(contracts):
        readers = _readers(kind, contracts)
        names = "\n".join(dist for dist, _ in readers) or "[dim]nobody here[/]"
        fields = "\n".join(
            ", ".join(field.removeprefix("/data/") for field in found if field.startswith("/data/"))
            for _, found in readers
        )
        publishers = "\n".join(_publishers(kind, contracts)) or "[yellow]nobody here[/]"
        table.add_row(kind.detail_type, f"v{kind.version}", publishers, names, fields)
    return table


def _exports_table(contracts: Mapping[str, Contract]) -> Table:
    table = Table("export", "of", "imported by", box=None, pad_edge=False)
    for name, exporters, importers in _exports(contracts):
        table.add_row(name, ", ".join(exporters) or "[yellow]nobody here[/]", ", ".join(importers))
    return table


def _exports(contracts: Mapping[str, Contract]) -> list[tuple[str, list[str], list[str]]]:
    names = sorted({name for c in contracts.values() for name in (*c.exports, *c.imports)})
    return [
        (
            name,
            [dist for dist, contract in contracts.items() if name in contract.exports],
            [dist for dist, contract in contracts.items() if name in contract.imports],
        )
        for name in names
    ]


def _as_json(contracts: Mapping[str, Contract]) -> dict[str, Any]:
    return {
        "facts": [
            {
                "source": kind.source,
                "detail_type": kind.detail_type,
                "version": kind.version,
                "published_by": _publishers(kind, contracts),
                "read_by": [
                    {
                        "package": dist,
                        "fields": fields,
                        "patterns": list(contracts[dist].reads[kind].patterns),
                    }
                    for dist, fields in _readers(kind, contracts)
                ],
            }
            for kind in _kinds(contracts)
        ],
        "exports": [
            {"name": name, "exported_by": exporters, "imported_by": importers}
            for name, exporters, importers in _exports(contracts)
        ],
        "misfits": misfits(contracts, where=HERE),
        "unheard": unheard(contracts, HERE),
    }


def _console() -> Console:
    console = Console(highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_FILES
    return console
