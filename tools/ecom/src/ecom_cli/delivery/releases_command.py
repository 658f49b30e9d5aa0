"""`ecom releases`: what runs where, as a table or JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Annotated, Any

import typer

from ecom_cli.aws import resolve_stage
from ecom_cli.options import EndpointOption, JsonOption, RegionOption

EXAMPLES = """
[bold]Examples[/]

Every stage of this account and region:  [cyan]./ecom releases[/]

One of them, and whether anything was changed by hand:  [cyan]./ecom releases --stage prod --drift[/]
"""

command = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@command.command("releases", epilog=EXAMPLES)
def _command(
    stage: Annotated[
        str | None, typer.Option("--stage", "-s", help="Default: all that are in this account and region.")
    ] = None,
    region: RegionOption = None,
    endpoint_url: EndpointOption = None,
    drift: Annotated[
        bool, typer.Option("--drift", help="Let CloudFormation compare each stack with what is there.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """What runs on each stage: which release or which commit, since when, how far behind the newest.

    It is read from the tags of the stacks. A function whose code is not the zip that was deployed is named.
    """
    from ecom_cli.delivery import releases
    from ecom_cli.workspace import workspace

    place = resolve_stage(stage, region, endpoint_url)
    names = [place.name] if stage else releases.stages(place)
    repo = workspace()
    found = {name: releases.on_stage(replace(place, name=name), repo, drift=drift) for name in names}
    if as_json:
        stages = [
            {"stage": name, "services": [service.as_json() for service in services]}
            for name, services in found.items()
        ]
        typer.echo(json.dumps({"region": place.region, "endpoint_url": place.endpoint_url, "stages": stages}))
        return
    if not names:
        where = f"at {place.endpoint_url}" if place.endpoint_url else f"in {place.region}"
        typer.echo(f"There is no stage {where}.")
    for name, services in found.items():
        _show(name, services)


def _show(stage: str, services: list[Any]) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    table = Table(box=None, pad_edge=False, title=f"stage {stage}", title_justify="left")
    for column in ("service", "runs", "since (UTC)", "newest", "behind", "before"):
        table.add_column(column, no_wrap=True)
    for each in services:
        if each.status is None:
            table.add_row(each.service, "[yellow]not there[/]", "", each.newest or "", "", "")
            continue
        runs = each.version if each.release else each.words.removeprefix("working ").replace(" at ", " ")
        since = (each.since or "")[:16].replace("T", " ")
        before = " ".join(tag.rpartition("/v")[2] for tag in each.previous)
        table.add_row(each.service, runs, since, each.newest or "", _behind(each), before)
    console.print(table)
    for each in services:
        for line in _remarks(each):
            console.print(f"[red]![/] {each.service}: ", end="")
            console.print(line, markup=False, soft_wrap=True)
    console.print()


def _behind(service: Any) -> str:
    """`2 releases`, or `1 commit` for a working tree; empty where nothing is newer, or nobody knows."""
    count, what = service.behind, "release"
    if count is None:
        count, what = service.commits_behind, "commit"
    return f"{count} {what}{'' if count == 1 else 's'}" if count else ""


def _remarks(service: Any) -> list[str]:
    found = [f"{name} runs other code than was deployed" for name in service.other_code]
    if service.status and not service.status.endswith(("CREATE_COMPLETE", "UPDATE_COMPLETE")):
        found.append(f"its stack is {service.status}")
    if service.drift and service.drift.status != "IN_SYNC":
        found += [*service.drift.resources] or [f"drift: {service.drift.status}"]
    return found
