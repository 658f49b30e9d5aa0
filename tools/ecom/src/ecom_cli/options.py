"""Options that many commands share, so that they are spelt and explained alike."""

from __future__ import annotations

from typing import Annotated

import typer

StageOption = Annotated[
    str | None, typer.Option("--stage", "-s", help="Default: local on an emulator, else dev.")
]
RegionOption = Annotated[str | None, typer.Option("--region", help="AWS region. Default: your profile's.")]
JsonOption = Annotated[bool, typer.Option("--json", help="Print JSON, for programs.")]
