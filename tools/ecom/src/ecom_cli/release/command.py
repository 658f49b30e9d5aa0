"""`ecom release` and `ecom dist`."""

from __future__ import annotations

import json
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from ecom_cli.errors import EcomError
from ecom_cli.options import JsonOption
from ecom_cli.release.versions import Bump
from ecom_cli.workspace import load, workspace

if TYPE_CHECKING:
    from ecom_cli.release.checks import Check
    from ecom_cli.release.plan import Plan

BUMPS = {"auto": None, **{bump.name.lower(): bump for bump in Bump}}

Name = Annotated[str, typer.Argument(metavar="NAME", help="A package, such as payment-service.")]


def release(
    name: Name,
    bump: Annotated[
        str,
        typer.Option("--bump", metavar="|".join(BUMPS), help="auto: by the commits since its last release."),
    ] = "auto",
    dry_run: Annotated[
        bool,
        typer.Option("--dry-run", help="Show version, changelog and checks; change nothing, run no test."),
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """Release one package: version, changelog, commit, tag, artifacts in dist/NAME/VERSION/.

    The version follows from the commits since the last release that touch the package (Conventional
    Commits): `feat` asks for a minor one, `!` or `BREAKING CHANGE:` for a major one (before 1.0.0 for a minor
    one), anything else for a patch. A version that was written into pyproject.toml by hand is released as it
    stands. What stands in CHANGELOG.md below `## Unreleased` opens the new section.

    Nothing is changed unless the tree is clean, the contract broken for nobody and the package's tests green.
    Other packages are left alone. Nothing is pushed: the command for that is the last line.
    """
    from ecom_cli.git import Git
    from ecom_cli.release import checks, making
    from ecom_cli.release.plan import plan

    if bump not in BUMPS:
        raise EcomError(f"--bump {bump!r} is none of {', '.join(BUMPS)}.")
    repo = workspace()
    if not Git(repo.root).is_repository():
        raise EcomError("This is not a git repository.", "A release is a commit with a tag.")
    say = partial(typer.echo, err=as_json or not dry_run)  # of a dry run it is the result
    with making.one_at_a_time(repo, _say_that_it_waits):
        repo = load(repo.root)  # the one that was waited for may have been this package's
        planned = plan(repo, repo.member(name), BUMPS[bump])
        say(f"{name} {planned.version} ({planned.why}; before: {planned.last or 'no release'})")
        found = checks.checks(repo, planned)
        for check in found:
            say(f"  {'✓' if check.ok else '✗'} {check.name}")
        if dry_run:
            typer.echo(json.dumps(_summary(planned, found)) if as_json else f"\n{planned.section}")
        if failed := [check for check in found if not check.ok]:
            raise EcomError("\n".join(c.problem for c in failed), "\n  ".join(c.hint for c in failed))
        if dry_run:
            return
        made = making.release(repo, planned, lambda text: say(f"  ✓ {text}"))
    place = made.folder.relative_to(repo.root).as_posix()
    if as_json:
        released = {"released": True, "commit": made.commit, "folder": place}
        typer.echo(json.dumps(_summary(planned, found) | released))
        return
    typer.echo(f"Released as {made.tag}, in {place}/")
    typer.echo(f"Publish it: git push --atomic origin {checks.branch(Git(repo.root))} {made.tag}")


def _say_that_it_waits() -> None:
    typer.echo("Waits for another release that is being made in this clone …", err=True)


def _summary(planned: Plan, found: list[Check]) -> dict[str, Any]:
    return {
        "name": planned.member.dist,
        "version": str(planned.version),
        "tag": planned.tag,
        "why": planned.why,
        "last": planned.last,
        "changelog": planned.section,
        "checks": [{"name": c.name, "ok": c.ok, "problem": c.problem} for c in found],
        "released": False,
    }


def dist(
    release: Annotated[
        str, typer.Argument(metavar="NAME[@VERSION]", help="Default: the version in its pyproject.toml.")
    ],
    into: Annotated[Path | None, typer.Option("--into", metavar="FOLDER", help="Instead of dist/.")] = None,
    as_json: JsonOption = False,
) -> None:
    """Make the artifacts of a release from its tag, in dist/NAME/VERSION/.

    Zip, wheel, template, contract, bill of materials (CycloneDX), and the manifest with the hash of each.
    They are made from a fresh checkout of the tag, by the tool of that commit: the same bytes each time.
    """
    from ecom_cli.release import making
    from ecom_cli.release.assembly import FOLDER

    repo = workspace()
    with making.one_at_a_time(repo, _say_that_it_waits):
        repo = load(repo.root)
        made = making.dist(repo, making.wanted(repo, release), (into or repo.root / FOLDER).resolve())
    if as_json:
        typer.echo(json.dumps({**json.loads(made.manifest), "folder": str(made.folder)}))
        return
    for name, artifact in made.files.items():
        typer.echo(f"{artifact.sha256[:16]}  {artifact.size / 1e3:9.1f} kB  {name}")
    typer.echo(f"{made.tag} is in {made.folder}/")
