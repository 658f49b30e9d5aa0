"""`ecom demo`: bring the system up, order, watch, report."""

from __future__ import annotations

import json
import os
import random
from typing import Annotated

import typer
from rich.console import Console

from ecom_cli.aws import Stage, resolve_stage

MOST_ORDERS = 20_000

EXAMPLES = """
[bold]Examples[/]

See it work:  [cyan]./ecom demo[/]

The same fifty orders again:  [cyan]./ecom demo --orders 50 --seed 7[/]

For a program:  [cyan]./ecom demo --orders 50 --json | tail -1[/]
"""


command = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@command.command(epilog=EXAMPLES)
def demo(
    orders: Annotated[
        int, typer.Option("--orders", "-n", min=1, max=MOST_ORDERS, help="How many to place.")
    ] = 20,
    clients: Annotated[
        int, typer.Option("--clients", "-c", min=1, max=64, help="Customers who order at the same time.")
    ] = 4,
    seed: Annotated[
        int | None, typer.Option("--seed", min=0, help="Same seed, same orders. Default: a new one.")
    ] = None,
    timeout: Annotated[
        float, typer.Option("--timeout", min=1, help="Seconds without a move until an order is stuck.")
    ] = 240,
    stage: Annotated[
        str | None,
        typer.Option(
            "--stage", "-s", help="Taken as it stands. Default: the local one, brought up from here."
        ),
    ] = None,
    region: Annotated[
        str | None, typer.Option("--region", help="AWS region. Default: your profile's.")
    ] = None,
    as_json: Annotated[
        bool, typer.Option("--json", help="The report as one line of JSON; progress goes to stderr.")
    ] = False,
) -> None:
    """Place orders through the API and watch each find its way; then check that nothing was lost.

    The mix is drawn from a seed: orders of one to four lines, some with a wrong amount, some for more \
than there is, some cancelled, some sent twice, some whose payment or carrier fails. Stock is topped up \
first, and the report says by how much.

    Exit code 1 if a promise is broken, an order is stuck, or the API did not take one.
    """
    from ecom_cli.demo.picture import LiveView, PlainView, View
    from ecom_cli.demo.report import page
    from ecom_cli.demo.run import Settings, run

    console = Console(stderr=as_json)
    where = _up(stage, region)
    drawn = random.SystemRandom().randrange(10_000) if seed is None else seed
    title = f" ecom demo   {orders} orders, {clients} clients, seed {drawn}, stage {where.name} "
    live = console.is_terminal and not as_json
    view: View = LiveView(console, title) if live else PlainView(console)
    report = run(where, Settings(orders, clients, drawn, timeout), view)
    if as_json:
        print(json.dumps(report.as_json()))
    else:
        console.print(page(report, console.width))
    if not report.is_good:
        raise typer.Exit(1)


def _up(stage: str | None, region: str | None) -> Stage:
    """The stage to order from, as it stands where it was named; without a name the local one is brought up.

    Bringing it up deploys the working tree: over releases, too, which somebody who names the stage may be
    trying out there.
    """
    from ecom_cli import local

    unnamed = stage is None and not os.environ.get("AWS_ENDPOINT_URL")
    if unnamed or local.local_is_down(stage, None):
        from ecom_cli.progress import Reporter

        return local.up(Reporter(), region)[0]
    return resolve_stage(stage, region)
