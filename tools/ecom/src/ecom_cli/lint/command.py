"""`ecom lint` and its quick part, `ecom check`, as the terminal sees them."""

from __future__ import annotations

import json
from collections.abc import Sequence
from itertools import groupby
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table
from rich.text import Text

from ecom_cli.errors import EcomError
from ecom_cli.lint import gate
from ecom_cli.lint.findings import Finding, Waiver
from ecom_cli.lint.scope import Scope
from ecom_cli.lint.tool import Tool
from ecom_cli.lint.tools import TOOLS
from ecom_cli.uvtool import uv
from ecom_cli.workspace import workspace

WIDTH_IN_FILES = 160

_NAMES = "\n\n".join(f"[cyan]{t.name:<14}[/] {t.does}{' (in check, too)' if t.quick else ''}" for t in TOOLS)
EPILOG = f"""
[bold]What it runs[/]

{_NAMES}

[bold]Waivers[/]

Repair what is found. Where it is right as it is, say why beside it, in four words or more: the gate lists \
it. A waiver of something that is not found any more fails the gate.

In a template, in the resource's Metadata: \
[cyan]cfn-lint: {{config: {{ignore_checks: \\[ES6000]}}, reasons: {{ES6000: WHY}}}}[/] \
or [cyan]checkov: {{skip: \\[{{id: CKV_AWS_27, comment: WHY}}]}}[/]

In Python, behind the line: [cyan]# nosec B603  # WHY[/]. \
In any file: [cyan]# pragma: allowlist secret  # WHY[/]

In a workflow, behind the line: [cyan]# zizmor: ignore\\[RULE] WHY[/]

[bold]Examples[/]

Before a push:  [cyan]./ecom lint[/]

While you work, some seconds:  [cyan]./ecom check --fix[/]

One service:  [cyan]./ecom lint payment-service[/]

The templates only:  [cyan]./ecom lint --only cfn-lint --only checkov --only 'house rules'[/]
"""

FixOption = Annotated[bool, typer.Option("--fix", help="Repair style first.")]
LintJsonOption = Annotated[bool, typer.Option("--json", help="The verdicts as JSON; all else to stderr.")]

command = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@command.command(epilog=EPILOG)
def lint(
    members: Annotated[
        list[str] | None, typer.Argument(metavar="[MEMBER]...", help="Only these. Default: everything.")
    ] = None,
    only: Annotated[
        list[str] | None, typer.Option("--only", metavar="TOOL", help="Only this tool. Repeatable.")
    ] = None,
    fix: FixOption = False,
    as_json: LintJsonOption = False,
) -> None:
    """The whole gate: templates, code, secrets, versions. What waives a finding is listed with its reason.

    Exit code 1 if there is anything to repair. Needs the network the first time only.
    """
    scope = Scope.of(workspace(), members or ())
    _run(gate.chosen(only or (), scope), scope, fix=fix, as_json=as_json, list_waivers=True)


def check(*, fix: bool, as_json: bool) -> None:
    """The quick part of the gate."""
    scope = Scope.of(workspace(), ())
    _run([tool for tool in TOOLS if tool.quick], scope, fix=fix, as_json=as_json, list_waivers=False)


def _run(tools: Sequence[Tool], scope: Scope, *, fix: bool, as_json: bool, list_waivers: bool) -> None:
    console = Console(stderr=as_json, highlight=False)
    if not console.is_terminal:
        console.width = WIDTH_IN_FILES
    with console.status("[dim]the tools themselves[/]") as status:
        uv("sync", "--inexact", "--quiet", "--all-groups")  # the dev group, if anything of it is missing
        if fix:
            for repair in {tool.fix for tool in tools if tool.fix}:
                repair(scope)

        def tell(verdict: gate.Verdict, running: Sequence[str]) -> None:
            console.print(_line(verdict))
            status.update(f"[dim]{', '.join(running)}[/]")

        status.update(f"[dim]{', '.join(tool.name for tool in tools)}[/]")
        verdicts = gate.run(tools, scope, tell)
    for verdict in verdicts:
        for finding in verdict.findings:
            console.print(_told(finding))
        if verdict.broken:
            console.print(
                Text.assemble(
                    ("\n✗ ", "bold red"), f"{verdict.tool} could not do its work:\n", verdict.broken
                )
            )
    if list_waivers:
        _list_waivers([waiver for verdict in verdicts for waiver in verdict.waived], console)
    if len(tools) > 1:
        console.print()
        console.print(_table(verdicts))
    if as_json:
        print(json.dumps(_as_json(verdicts)))
    bad = [verdict.tool for verdict in verdicts if not verdict.good]
    if bad:
        raise EcomError(f"Not passed: {', '.join(bad)}.", "What to do stands above, beside each finding.")


def _line(verdict: gate.Verdict) -> Text:
    mark = ("✓ ", "green") if verdict.good else ("✗ ", "bold red")
    return Text.assemble(mark, f"{verdict.tool:<15}", (f"{verdict.seconds:>6.1f} s", "dim"))


def _told(finding: Finding) -> Text:
    return Text.assemble(
        ("\n✗ ", "bold red"),
        (f"{finding.resource} " if finding.resource else "", "bold"),
        (finding.rule, "red"),
        f"  {finding.message}\n",
        (f"  {finding.where}  {finding.tool}\n", "dim"),
        f"  {finding.advice}",
    )


def _list_waivers(waivers: Sequence[Waiver], console: Console) -> None:
    """One entry for each reason: the rule and where it is waived."""

    def same(waiver: Waiver) -> tuple[str, str, str]:
        return waiver.tool, waiver.rule, waiver.reason

    if waivers:
        console.print(Text(f"\nWaived, with the reason that stands beside each ({len(waivers)}):", "bold"))
    for (tool, rule, reason), group in groupby(sorted(waivers, key=same), same):
        places = ", ".join(_place(waiver) for waiver in group)
        console.print(
            Text.assemble((f"  {tool} {rule}".rstrip(), "cyan"), f"  {places}\n", (f"    {reason}", "dim"))
        )


def _place(waiver: Waiver) -> str:
    if not waiver.resource:
        return f"{waiver.path}:{waiver.line}"
    return f"{waiver.path.split('/')[1]}/{waiver.resource}"


def _table(verdicts: Sequence[gate.Verdict]) -> Table:
    table = Table("tool", "verdict", "findings", "waived", "seconds", box=None, pad_edge=False)
    for column in table.columns[2:]:
        column.justify = "right"
    for verdict in verdicts:
        word = (
            "[green]passed[/]"
            if verdict.good
            else "[bold red]broken[/]"
            if verdict.broken
            else "[bold red]failed[/]"
        )
        counts = (str(len(verdict.findings)), str(len(verdict.waived)))
        table.add_row(verdict.tool, word, *counts, f"{verdict.seconds:.1f}")
    return table


def _as_json(verdicts: Sequence[gate.Verdict]) -> dict[str, Any]:
    return {
        "passed": all(verdict.good for verdict in verdicts),
        "tools": [
            {
                "tool": verdict.tool,
                "passed": verdict.good,
                "seconds": round(verdict.seconds, 1),
                "broken": verdict.broken,
                "findings": [finding.as_json() for finding in verdict.findings],
                "waived": [waiver.as_json() for waiver in verdict.waived],
            }
            for verdict in verdicts
        ],
    }
