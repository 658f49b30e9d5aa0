"""What holds for any set of changed files, real or invented."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from ecom_cli.affected.graph import Graph
from ecom_cli.affected.result import Affected, Work
from ecom_cli.affected.rules import Kind, file
from ecom_cli.affected.since import of_paths
from ecom_cli.workspace import workspace

REPO = workspace()
GRAPH = Graph(REPO)
FOLDERS = [member.folder.relative_to(REPO.root).as_posix() for member in REPO.members]
NAMES = st.from_regex(r"[A-Za-z0-9_. -]{1,12}", fullmatch=True).filter(lambda name: name.strip(". "))
INSIDE = st.one_of(
    st.builds("src/{}/{}.py".format, NAMES, NAMES),
    st.builds("tests/{}".format, NAMES),
    st.builds("{}/{}.v{}.json".format, st.sampled_from(["events", "reads"]), NAMES, st.integers(1, 9)),
    st.sampled_from(["pyproject.toml", "requirements.txt", "catalogue.json", "README.md", "CHANGELOG.md"]),
    st.sampled_from(sorted(member.template.name for member in REPO.stacks if member.template)),
    NAMES,
)
OF_A_PACKAGE = st.builds("{}/{}".format, st.sampled_from(FOLDERS), INSIDE)
ANYWHERE = st.builds("/".join, st.lists(NAMES, min_size=1, max_size=4))
OF_ALL = st.sampled_from(
    ["docs/a.md", "README.md", "tests/iam/a.py", "tests/e2e/a.py", "tests/test_a.py", "ecom", ".ci/run"]
)
PATHS = st.lists(st.one_of(OF_A_PACKAGE, OF_ALL, ANYWHERE), max_size=4)


def touched(*paths: str) -> Affected:
    return of_paths(GRAPH, paths, lambda _: None)


@settings(max_examples=60, deadline=None)
@given(PATHS, PATHS)
def test_more_changes_touch_more_and_nothing_that_neither_touches(some: list[str], others: list[str]) -> None:
    apart, together = (touched(*some), touched(*others)), touched(*some, *others)
    for work in Work:
        assert set(together.to(work)) == set(apart[0].to(work)) | set(apart[1].to(work))
    assert set(together.nobodys) == set(apart[0].nobodys) | set(apart[1].nobodys)


@settings(max_examples=100, deadline=None)
@given(OF_A_PACKAGE)
def test_no_packages_own_change_is_missed(path: str) -> None:
    """Words apart, a change of a package's file is tested by the package's tests, where it has any."""
    found, where = touched(path), file(REPO, path)
    assert where.member is not None
    assert "tests" in found.to(Work.TEST)
    if where.kind is not Kind.WORDS:
        works = found.works.get(where.member.dist, {})
        assert (Work.TEST in works) == (where.member.package is not None)


@settings(max_examples=100, deadline=None)
@given(OF_A_PACKAGE)
def test_what_is_in_a_zip_is_built_and_deployed(path: str) -> None:
    """A zip holds the code of a service and of what that imports: see `ecom_cli.build`."""
    where, found = file(REPO, path), touched(path)
    for service in (member for member in REPO.members if member.has_zip):
        sources = (service, *REPO.libraries(service))
        if where.member in sources and where.kind is Kind.CODE:
            assert {Work.BUILD, Work.DEPLOY} <= set(found.works[service.dist])


@settings(max_examples=100, deadline=None)
@given(st.one_of(OF_A_PACKAGE, OF_ALL, ANYWHERE))
def test_a_file_is_of_one_kind(path: str) -> None:
    where = file(REPO, path)
    assert len(where.kinds) <= 1, where.kinds
    assert where.kinds in ([], [where.kind])


@settings(max_examples=60, deadline=None)
@given(ANYWHERE)
def test_nobodys_files_touch_everything_and_are_named(path: str) -> None:
    if file(REPO, path).kind is Kind.NOBODYS:
        found = touched(path)
        assert found.nobodys == (path,)
        assert set(found.to(Work.DEPLOY)) == {member.dist for member in REPO.stacks}
        assert set(found.to(Work.BUILD)) == {member.dist for member in REPO.members if member.has_zip}
        assert {"tests", "e2e"} < set(found.to(Work.TEST))


def test_no_change_touches_nobody() -> None:
    assert touched().works == {}
