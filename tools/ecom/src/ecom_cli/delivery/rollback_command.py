"""`ecom rollback`: its options, and what it says of itself."""

from __future__ import annotations

from typing import Annotated

import typer

from ecom_cli.delivery.deploy_command import (
    AllowReplaceOption,
    PlanOption,
    YesOption,
    account,
    asking,
    print_done,
    print_plan,
)
from ecom_cli.options import EndpointOption, JsonOption, RegionOption, StageOption

EXAMPLES = """
[bold]Examples[/]

What ran before:  [cyan]./ecom rollback payment-service --stage prod[/]

What that would change:  [cyan]./ecom rollback payment-service --stage prod --plan[/]

Further back:  [cyan]./ecom rollback payment-service --to 1.1.0 --stage prod[/]

What there is to go back to:  [cyan]./ecom releases --stage prod[/]
"""

command = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@command.command("rollback", epilog=EXAMPLES)
def _command(
    service: Annotated[str, typer.Argument(metavar="SERVICE", help="As in: payment-service")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Default: the release before this one.")
    ] = None,
    stage: StageOption = None,
    region: RegionOption = None,
    endpoint_url: EndpointOption = None,
    only_plan: PlanOption = False,
    yes: YesOption = False,
    allow_replace: AllowReplaceOption = False,
    as_json: JsonOption = False,
) -> None:
    """Go back to the release that ran before.

    The stage remembers its last five releases per service, with all their files: neither a checkout of that \
time nor dist/ is needed. Rows and messages stay; parameters that were set stay set. It is refused when \
another service needs what the newer release brought. Doing it twice goes back twice; a machine names the \
version with --to, so that repeating it changes nothing.
    """
    from ecom_cli.aws import resolve_stage
    from ecom_cli.delivery.rollback import plan, rollback
    from ecom_cli.progress import Reporter

    where = resolve_stage(stage, region, endpoint_url)
    report = Reporter()
    if only_plan:
        print_plan(where, plan(where, service, to, report), as_json=as_json)
        return
    report.say(f"Deploying to {where.where}{account(where)}")
    done = rollback(
        where,
        service,
        to,
        report,
        confirm=asking(where, yes=yes),
        allow_replace=allow_replace,
    )
    print_done(where, done, as_json=as_json)
