"""`ecom rollback`: back to the release that ran before, from what the stage itself remembers."""

from __future__ import annotations

from typing import Annotated

import typer

from ecom_cli.aws import Stage, resolve_stage
from ecom_cli.deploy import Confirm, Deployed, deploy
from ecom_cli.deploy_command import AllowReplaceOption, YesOption, account, asking, print_done
from ecom_cli.errors import EcomError
from ecom_cli.fit import MisfitError
from ecom_cli.options import EndpointOption, JsonOption, RegionOption, StageOption
from ecom_cli.progress import Reporter
from ecom_cli.stacks import Stack
from ecom_cli.tags import Running, running
from ecom_cli.workspace import Workspace, workspace

EXAMPLES = """
[bold]Examples[/]

What ran before:  [cyan]./ecom rollback payment-service --stage prod[/]

Further back:  [cyan]./ecom rollback payment-service --to 1.1.0 --stage prod[/]

What there is to go back to:  [cyan]./ecom releases --stage prod[/]
"""


def rollback(
    stage: Stage,
    service: str,
    to: str | None = None,
    report: Reporter | None = None,
    repo: Workspace | None = None,
    *,
    confirm: Confirm | None = None,
    allow_replace: bool = False,
) -> list[Deployed]:
    """Deploy the release that ran before (or the earlier one with version `to`) in place of what runs.

    The code, the template and with it the defaults of parameters go back; rows and messages stay as they are,
    and parameters that were set stay set. Raises EcomError where there is nothing to go back to, where others
    need the newer one, and as `deploy` does.
    """
    repo, report = repo or workspace(), report or Reporter()
    stack = Stack(stage, stage.stack_name(repo.member(service)))
    found = stack.describe()
    if found is None:
        raise EcomError(f"{service} is not deployed ({stage.where}).", "`./ecom releases` shows what is.")
    runs = running(found)
    target = _target(service, runs, to)
    name, _, version = target.partition("/v")
    earlier = runs.previous if target == runs.release else runs.previous[runs.previous.index(target) + 1 :]
    report.say(f"Rolling back on {stage.where}{account(stage)}: {runs.words} → {target}")
    try:
        return deploy(
            stage,
            [f"{name}@{version}"],
            None,
            report,
            repo,
            confirm=confirm,
            allow_replace=allow_replace,
            previous={service: earlier},
        )
    except MisfitError as error:
        hint = f"Others need what {runs.words} brought: roll those back first, or go on to a newer release."
        raise EcomError(error.message, hint) from error


def _target(service: str, runs: Running, to: str | None) -> str:
    """The git tag of the release to go back to. The same one again for `to` what runs: a repeated call."""
    tag = f"{service}/v{to.removeprefix('v')}" if to else next(iter(runs.previous), None)
    if tag is None:
        raise EcomError(
            f"No release of {service} ran before {runs.words}: there is nothing to go back to.",
            f"Any release can be deployed by name: `./ecom deploy {service}@VERSION`.",
        )
    if tag != runs.release and tag not in runs.previous:
        known = ", ".join(runs.previous) or "none"
        raise EcomError(
            f"{tag} is none of the last releases before {runs.words}; those are: {known}.",
            f"To deploy it all the same: `./ecom deploy {service}@{to}`.",
        )
    return tag


command = typer.Typer(add_completion=False, rich_markup_mode="rich", pretty_exceptions_enable=False)


@command.command("rollback", epilog=EXAMPLES)
def _command(
    service: Annotated[str, typer.Argument(help="As in: payment-service")],
    to: Annotated[
        str | None, typer.Option("--to", metavar="VERSION", help="Default: the release before this one.")
    ] = None,
    stage: StageOption = None,
    region: RegionOption = None,
    endpoint_url: EndpointOption = None,
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
    where = resolve_stage(stage, region, endpoint_url)
    done = rollback(
        where,
        service,
        to,
        confirm=asking(where, yes=yes),
        allow_replace=allow_replace,
    )
    print_done(where, done, as_json=as_json)
