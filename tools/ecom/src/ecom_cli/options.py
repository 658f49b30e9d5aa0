"""Options that many commands share, so that they are spelt and explained alike."""

from __future__ import annotations

from typing import Annotated

import typer

StageOption = Annotated[
    str | None, typer.Option("--stage", "-s", help="Default: local on an emulator, else dev.")
]
RegionOption = Annotated[str | None, typer.Option("--region", help="AWS region. Default: your profile's.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
EndpointOption = Annotated[
    str | None,
    typer.Option("--endpoint-url", help="An emulator's URL. Default: AWS_ENDPOINT_URL, else the local one."),
]
AffectedOption = Annotated[
    bool, typer.Option("--affected", help="Only what a change touches: `./ecom affected` says what, and why.")
]
SinceOption = Annotated[
    str | None,
    typer.Option(
        "--since",
        metavar="REF",
        help="Changes since this branch, tag or commit; implies --affected. "
        "Default: since this branch left main; on main, since each package's last release.",
    ),
]
