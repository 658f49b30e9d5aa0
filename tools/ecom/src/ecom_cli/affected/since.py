"""From git's word on what has changed to whom that touches."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from ecom_cli.affected.effects import Before, Touch, touches
from ecom_cli.affected.graph import Graph
from ecom_cli.affected.result import Affected, Reason, Work
from ecom_cli.affected.rules import Kind, file
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.suites import END_TO_END, SPANNING
from ecom_cli.workspace import Workspace

MAIN = ("origin/main", "main")
SUITES_OF_ALL = (SPANNING, END_TO_END)

Touches = dict[Touch, list[str]]
"""Each touch with the changed files that it comes from."""


def affected(repo: Workspace, since: str | None = None) -> Affected:
    """What the changes since a commit touch, those of the working tree included.

    `since` is a branch, tag or commit; what counts is the last commit that it and HEAD have in common. None:
    where this branch left main; on main itself, what is new since each package's own last release.
    """
    git = Git(repo.root)
    if not git.is_repository():
        raise EcomError(
            "This is not a git repository, so what has changed is not known.", "Do without --affected."
        )
    ref = since or _main(git)
    graph = Graph(repo)
    if ref is None:
        return _since_releases(graph, git)
    base = git.merge_base(ref)
    changed = git.changed(base)
    return _result(graph, f"{ref} ({base[:7]})", base, changed, _touches(graph, git, base, changed))


def of_paths(graph: Graph, changed: Iterable[str], before: Before) -> Affected:
    """What changes of these files touch, wherever they are said to come from."""
    paths = sorted(set(changed))
    return _result(graph, "", None, paths, _all_touches(graph, paths, before))


def _main(git: Git) -> str | None:
    """The branch that this one left; None where this is main itself."""
    for name in MAIN:
        try:
            tip = git.commit_of(name)
        except EcomError:
            continue
        on_a_branch = git.run("branch", "--show-current").strip() not in ("", "main")
        return name if on_a_branch or git.merge_base(tip) != git.commit_of("HEAD") else None
    return None


def _since_releases(graph: Graph, git: Git) -> Affected:
    """Each package by what has changed since its last release; what spans them, since any of those."""
    last = {member.dist: _last_release(git, member.dist) for member in graph.repo.members}
    found: Touches = {}
    every: set[str] = set()
    for base in sorted({base for base in last.values() if base}):
        changed = git.changed(base)
        every.update(changed)
        concerned = {dist for dist, other in last.items() if other == base} | set(SUITES_OF_ALL)
        for touch, paths in _touches(graph, git, base, changed).items():
            if touch.name in concerned:
                found.setdefault(touch, []).extend(paths)
    if new := [dist for dist, base in last.items() if base is None]:
        found |= {Touch(dist, "it was never released", frozenset(Work)): [] for dist in new}
        found |= {Touch(suite, f"never released: {', '.join(new)}"): [] for suite in SUITES_OF_ALL}
    return _result(graph, "the last release of each package", None, sorted(every), found)


def _last_release(git: Git, dist: str) -> str | None:
    tags = git.tags(f"{dist}/v*")
    return git.merge_base(tags[0]) if tags else None


def _touches(graph: Graph, git: Git, base: str, changed: Sequence[str]) -> Touches:
    return _all_touches(graph, changed, lambda path: git.file(base, path))


def _all_touches(graph: Graph, changed: Sequence[str], before: Before) -> Touches:
    found: Touches = {}
    for path in changed:
        for touch in touches(file(graph.repo, path), graph, before):
            found.setdefault(touch, []).append(path)
    return found


def _result(graph: Graph, since: str, base: str | None, changed: Sequence[str], found: Touches) -> Affected:
    works: dict[str, dict[Work, tuple[Reason, ...]]] = {}
    for name, possible in graph.works.items():
        mine = {
            work: tuple(
                Reason(touch.reason, tuple(sorted(set(paths))))
                for touch, paths in sorted(
                    found.items(), key=lambda item: (-len(item[0].works), item[0].reason)
                )
                if touch.name == name and work in touch.works
            )
            for work in possible
        }
        mine = {work: reasons for work, reasons in mine.items() if reasons}
        if mine:
            works[name] = mine
    nobodys = tuple(path for path in changed if file(graph.repo, path).kind is Kind.NOBODYS)
    return Affected(since, base, tuple(changed), works, nobodys)
