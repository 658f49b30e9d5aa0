"""The `ecom` command. Whatever a command needs is imported when it runs, so that help comes at once."""

from __future__ import annotations

import importlib
import json
import sys
from typing import Annotated, Any

import typer

from ecom_cli.errors import EcomError, explained
from ecom_cli.options import (
    AffectedOption,
    EndpointOption,
    JsonOption,
    RegionOption,
    SinceOption,
    StageOption,
)

app = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    rich_markup_mode="rich",
    pretty_exceptions_enable=False,
    help="Run, deploy and operate the order system. New here? [cyan]./ecom demo[/]",
)

# everything after the command's name goes on as it stands, --help too
_ALL_ARGUMENTS = {"allow_extra_args": True, "ignore_unknown_options": True}

Services = Annotated[list[str] | None, typer.Argument(metavar="[SERVICE]...", help="Default: all of them.")]


def _hand_on(ctx: typer.Context, module: str, attribute: str) -> None:
    """Run a command that lives in a module of its own, imported only now, with its own options and help."""
    found = getattr(importlib.import_module(module), attribute)
    if not isinstance(found, typer.Typer):
        single = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)
        single.command()(found)
        found = single
    found(ctx.args, prog_name=ctx.command_path)


@app.command()
def up(region: RegionOption = None, as_json: JsonOption = False) -> None:
    """Start the whole system on this machine: emulator, all stacks, sample catalogue."""
    from ecom_cli import local
    from ecom_cli.progress import Reporter

    stage, done = local.up(Reporter(), region)
    if as_json:
        _print_json(
            {**_place(stage), "api_url": stage.api_url, "stacks": [stack.as_json() for stack in done]}
        )
        return
    typer.echo(f"\nOrders go to    {stage.api_url}")
    typer.echo("Place one       ./ecom order place ITEM_ID-02 ITEM_ID-15 --wait")
    typer.echo("Stop it         ./ecom down")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def demo(ctx: typer.Context) -> None:
    """Place orders, watch them on their way, and check that every promise was kept."""
    _hand_on(ctx, "ecom_cli.demo.command", "command")


@app.command()
def status(
    stage: StageOption = None,
    region: RegionOption = None,
    endpoint_url: EndpointOption = None,
    as_json: JsonOption = False,
) -> None:
    """Where the API is, which stacks there are, how many messages wait in each queue.

    Exit code 1 when nothing runs.
    """
    from ecom_cli import local
    from ecom_cli.aws import resolve_stage

    if local.local_is_down(stage, endpoint_url) and (stage or not _aws_is_configured(region)):
        found = local.Status("local", None, running=False)
    else:
        found = local.status(resolve_stage(stage, region, endpoint_url))
    if as_json:
        _print_json(found.as_json())
    else:
        _show_status(found)
    if not found.running:
        raise typer.Exit(1)


@app.command()
def down() -> None:
    """Stop the local emulator. Everything in it is gone."""
    from ecom_cli import emulator

    typer.echo("The emulator is stopped." if emulator.down() else "No emulator was running.")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def order(ctx: typer.Context) -> None:
    """Place orders, follow them, cancel them, erase whom they are for."""
    _hand_on(ctx, "ecom_cli.shop.orders", "app")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def stock(ctx: typer.Context) -> None:
    """Look at the stock, add items, book deliveries and corrections."""
    _hand_on(ctx, "ecom_cli.shop.stock", "app")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def deploy(ctx: typer.Context) -> None:
    """Show what would change, then deploy: the working tree, or releases to the byte."""
    _hand_on(ctx, "ecom_cli.delivery.deploy_command", "command")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def rollback(ctx: typer.Context) -> None:
    """Go back to the release that ran before; rows and messages stay."""
    _hand_on(ctx, "ecom_cli.delivery.rollback_command", "command")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def releases(ctx: typer.Context) -> None:
    """What runs on each stage, since when, how far behind, what was changed by hand."""
    _hand_on(ctx, "ecom_cli.delivery.releases_command", "command")


@app.command()
def destroy(
    services: Services = None,
    stage: StageOption = None,
    region: RegionOption = None,
    endpoint_url: EndpointOption = None,
    yes: Annotated[bool, typer.Option("--yes", help="Needed on a production stage.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Delete the stacks: the services side by side, then base-infra. Says what stays by policy.

    On a production stage tables stay; elsewhere they are deleted with their stacks.
    """
    from ecom_cli.aws import resolve_stage
    from ecom_cli.delivery import destroy as destroyer
    from ecom_cli.progress import Reporter

    where = resolve_stage(stage, region, endpoint_url)
    report = Reporter()
    report.say(f"Destroying {where.where}{_account(where)}")
    done = destroyer.destroy(where, services or (), yes=yes, report=report)
    if as_json:
        _print_json({**_place(where), "stacks": [stack.as_json() for stack in done]})
        return
    gone = sum(stack.status == "deleted" for stack in done)
    kept = sum(len(stack.retained) for stack in done)
    typer.echo(f"Stacks deleted: {gone}." + (f" Kept by policy: {kept}, named above." if kept else ""))


@app.command()
def build(
    services: Services = None,
    affected: AffectedOption = False,
    since: SinceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Build the functions' zips. The same sources and pins give the same bytes."""
    from ecom_cli import build as builder
    from ecom_cli.delivery.artifacts import selected
    from ecom_cli.workspace import workspace

    repo = workspace()
    members = selected(repo, services or ())
    if affected or since:
        from ecom_cli.affected import Work
        from ecom_cli.affected.command import packages

        touched = packages(repo, services or (), Work.BUILD, since)
        members = [member for member in members if member.dist in touched]
    built = builder.build_all(members, repo)
    if as_json:
        _print_json([zip_.as_json() for zip_ in built])
        return
    for zip_ in built:
        made = "built" if zip_.fresh else "as before"
        sizes = f"{zip_.size / 1e6:5.2f} MB, {zip_.unzipped / 1e6:5.2f} MB unzipped, {zip_.files} files"
        typer.echo(f"{zip_.dist:18} {sizes}  {made:9}  {zip_.path.relative_to(repo.root)}")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def affected(ctx: typer.Context) -> None:
    """What a change touches: which packages to test, build and deploy, and why."""
    _hand_on(ctx, "ecom_cli.affected.command", "command")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def contracts(ctx: typer.Context) -> None:
    """Who publishes and reads which fact; `contracts check`: would a change break somebody?"""
    _hand_on(ctx, "ecom_cli.contracts.command", "app")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def release(ctx: typer.Context) -> None:
    """Release one package: version, changelog, commit, tag, artifacts."""
    _hand_on(ctx, "ecom_cli.release.command", "release")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def dist(ctx: typer.Context) -> None:
    """Make the artifacts of a release from its tag: the same bytes each time."""
    _hand_on(ctx, "ecom_cli.release.command", "dist")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def test(ctx: typer.Context) -> None:
    """Run the tests: all of them, or those of one package on its own."""
    _hand_on(ctx, "ecom_cli.testing", "command")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def simulate(ctx: typer.Context) -> None:
    """Run the real handlers in worlds where anything may go wrong, and check every promise."""
    _hand_on(ctx, "ecom_cli.simulate", "command")


@app.command(add_help_option=False, context_settings=_ALL_ARGUMENTS)
def lint(ctx: typer.Context) -> None:
    """The whole gate: templates, code, secrets, versions; lists what is waived and why."""
    _hand_on(ctx, "ecom_cli.lint.command", "command")


@app.command()
def check(
    fix: Annotated[bool, typer.Option("--fix", help="Repair style first.")] = False,
    as_json: JsonOption = False,
) -> None:
    """The quick part of [cyan]./ecom lint[/], for while you work: style, types, house rules, pins."""
    from ecom_cli.lint import command

    command.check(fix=fix, as_json=as_json)


@app.command()
def dashboard(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 if it is out of step.")
    ] = False,
) -> None:
    """Write the template of the stage's dashboard, after resources in the other templates have changed."""
    from ecom_cli import dashboard as drawing
    from ecom_cli.workspace import workspace

    repo = workspace()
    file = drawing.path(repo)
    if check:
        if file.read_text(encoding="utf-8") != drawing.template(repo):
            raise EcomError(f"{file.relative_to(repo.root)} is out of step.", "`./ecom dashboard` writes it.")
        typer.echo("The dashboard shows what the templates have.")
        return
    written = drawing.update(repo)
    typer.echo(f"wrote {file.relative_to(repo.root)}" if written else "The dashboard was up to date.")


@app.command()
def pins(
    check: Annotated[
        bool, typer.Option("--check", help="Change nothing; exit code 1 if they are out of step.")
    ] = False,
    upgrade: Annotated[bool, typer.Option("--upgrade", help="To the newest versions.")] = False,
) -> None:
    """Write the exact versions that everything is built and tested with, after dependencies changed."""
    from ecom_cli import pins as pinning
    from ecom_cli.workspace import workspace

    if check:
        if problems := pinning.check():
            raise EcomError("\n".join(problems))
        typer.echo("The pins are in step with the dependencies.")
        return
    changed = pinning.update(upgrade=upgrade)
    for path in changed:
        typer.echo(f"wrote {path.relative_to(workspace().root)}")
    if not changed:
        typer.echo("The pins were up to date.")


def main() -> None:
    """Entry point: one way to print errors, for all commands."""
    try:
        with explained():
            app()
    except EcomError as error:
        from rich.console import Console

        console = Console(stderr=True, highlight=False)
        console.print("[bold red]✗[/] ", end="")
        console.print(error.message, markup=False, soft_wrap=True)
        if error.hint:
            console.print(f"  {error.hint}", markup=False, soft_wrap=True)
        sys.exit(1)


def _account(stage: Any) -> str:
    """The AWS account, which also shows early whether the credentials are good."""
    return "" if stage.is_emulator else f", account {stage.client('sts').get_caller_identity()['Account']}"


def _aws_is_configured(region: str | None) -> bool:
    import os

    return bool(region or {"AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE"} & set(os.environ))


def _place(stage: Any) -> dict[str, Any]:
    return {"stage": stage.name, "region": stage.region, "endpoint_url": stage.endpoint_url}


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, default=str))


def _show_status(found: Any) -> None:
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False)
    if not found.running:
        where = f" at {found.endpoint_url}" if found.endpoint_url else ""
        console.print(
            f"Stage {found.stage}{where}: nothing runs. [cyan]./ecom up[/] starts it on this machine."
        )
        return
    console.print(
        f"Stage [bold]{found.stage}[/] in {found.region}"
        + (f" at {found.endpoint_url}" if found.endpoint_url else "")
    )
    if found.api_url:
        console.print(f"Orders go to {found.api_url}", soft_wrap=True)
    if found.log:
        console.print(f"Log: {found.log}", soft_wrap=True)
    stacks = Table("stack", "version", "status", box=None, pad_edge=False)
    for stack in found.stacks:
        stacks.add_row(stack.stack, stack.version or "", stack.status or "[yellow]not there[/]")
    queues = Table("queue", "visible", "in flight", "delayed", box=None, pad_edge=False)
    for queue in sorted(found.queues, key=lambda queue: queue.name):
        style = "red" if queue.visible and ("dlq" in queue.name or "parking" in queue.name) else None
        queues.add_row(queue.name, str(queue.visible), str(queue.in_flight), str(queue.delayed), style=style)
    console.print()
    console.print(stacks)
    console.print()
    console.print(queues)
