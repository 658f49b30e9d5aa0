"""`ecom deploy`: options, the question before anything changes, and what is printed."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Annotated, Any

import typer

from ecom_cli.aws import Stage, resolve_stage
from ecom_cli.errors import EcomError
from ecom_cli.options import (
    AffectedOption,
    EndpointOption,
    JsonOption,
    RegionOption,
    SinceOption,
    StageOption,
)

EXAMPLES = """
[bold]Examples[/]

The working tree, all of it:  [cyan]./ecom deploy --stage dev[/]

One service of the tree, to look at first:  [cyan]./ecom deploy payment-service --stage dev --plan[/]

What my branch touches, and no more:  [cyan]./ecom deploy --affected --stage alice[/]

Releases, to the byte:  [cyan]./ecom deploy payment-service@1.3.0 order-service@2.0.1 --stage prod[/]

For a machine:  [cyan]./ecom deploy payment-service@1.3.0 --stage prod --yes --json[/]
"""

PlanOption = Annotated[bool, typer.Option("--plan", help="Show what would change, and change nothing.")]
YesOption = Annotated[bool, typer.Option("--yes", "-y", help="Do not ask. For machines.")]
AllowReplaceOption = Annotated[
    bool,
    typer.Option("--allow-replace", help="Even if tables, queues with messages, the key … are lost by it."),
]

command = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@command.command(epilog=EXAMPLES)
def deploy(
    services: Annotated[
        list[str] | None,
        typer.Argument(metavar="[SERVICE[@VERSION]]...", help="Default: all of them, from the working tree."),
    ] = None,
    stage: StageOption = None,
    region: RegionOption = None,
    endpoint_url: EndpointOption = None,
    param: Annotated[
        list[str] | None,
        typer.Option("--param", "-p", metavar="NAME=VALUE", help="A stack parameter. Repeatable."),
    ] = None,
    only_plan: PlanOption = False,
    yes: YesOption = False,
    allow_replace: AllowReplaceOption = False,
    affected: AffectedOption = False,
    since: SinceOption = None,
    as_json: JsonOption = False,
) -> None:
    """Deploy stacks: base-infra first, then the services side by side.

    A service is built from the working tree; with @VERSION its release is deployed, to the byte, from dist/ \
or from what the stage keeps. First the changes of all stacks are shown in plain words; on AWS you are asked \
then. Parameters that were set before are kept. A stack that is up to date is left alone.
    """
    from ecom_cli.delivery import deploy as deployer
    from ecom_cli.progress import Reporter

    given = dict(_parameter(text) for text in param or ())
    where = resolve_stage(stage, region, endpoint_url)
    report = Reporter()
    if affected or since:
        services = _touched(services or (), since)
        if not services:
            print_done(where, [], as_json=as_json)
            return
    if only_plan:
        print_plan(where, deployer.plan(where, services or (), given, report), as_json=as_json)
        return
    report.say(f"Deploying to {where.where}{account(where)}")
    done = deployer.deploy(
        where,
        services or (),
        given,
        report,
        confirm=asking(where, yes=yes),
        allow_replace=allow_replace,
    )
    print_done(where, done, as_json=as_json)


def _touched(services: Sequence[str], since: str | None) -> list[str]:
    from ecom_cli.affected import Work
    from ecom_cli.affected.command import packages
    from ecom_cli.workspace import workspace

    return list(packages(workspace(), services, Work.DEPLOY, since))


def asking(stage: Stage, *, yes: bool) -> Any:
    """Who is asked before anything changes: nobody with `--yes` or on an emulator, else who sits there."""
    return None if yes or stage.is_emulator else ask


def ask(plan: Any) -> bool:
    """Ask on the terminal. Raises EcomError where there is none: a machine has to say so beforehand."""
    if not sys.stdin.isatty():
        raise EcomError(
            f"Nobody is here to say yes, so nothing was changed on {plan.stage.where}.",
            "Read the plan above, and repeat it with --yes.",
        )
    return typer.confirm(f"Deploy this to {plan.stage.where}?", default=False, err=True)


def print_plan(where: Stage, plan: Any, *, as_json: bool) -> None:
    """What would change, for people or programs."""
    if as_json:
        _print_json({**_place(where), "stacks": plan.as_json()})
        return
    for step in plan.steps:
        for line in step.lines():
            typer.echo(f"{step.service:>18}  {line}")


def print_done(where: Stage, done: Any, *, as_json: bool) -> None:
    """What became of the stacks, for people or programs."""
    if as_json:
        _print_json({**_place(where), "stacks": [stack.as_json() for stack in done]})
        return
    changed = [stack for stack in done if stack.status != "unchanged"]
    count = f"Stacks changed: {len(changed)} of {len(done)}."
    typer.echo(count if changed else "Nothing has changed: all is up to date.")
    if any(stack.service == "order-service" for stack in done):
        typer.echo(f"Orders go to {where.api_url}")


def account(stage: Stage) -> str:
    """The AWS account, which also shows early whether the credentials are good."""
    return "" if stage.is_emulator else f", account {stage.client('sts').get_caller_identity()['Account']}"


def _parameter(text: str) -> tuple[str, str]:
    name, equals, value = text.partition("=")
    if not (name and equals):
        raise EcomError(f"--param {text!r} is not NAME=VALUE.", "As in: --param DeclineRatePercent=0")
    return name, value


def _place(stage: Stage) -> dict[str, Any]:
    return {"stage": stage.name, "region": stage.region, "endpoint_url": stage.endpoint_url}


def _print_json(value: Any) -> None:
    typer.echo(json.dumps(value, default=str))
