from __future__ import annotations

import pytest

from ecom_cli.errors import EcomError
from ecom_cli.git import Commit
from ecom_cli.release.changes import Change, Changes
from ecom_cli.release.versions import Bump, Version, named, tag_of

SHA = "0123456789" * 4


def change(subject: str, body: str = "") -> Change:
    return Change.of(Commit(SHA, 0, subject, body), "toy-service")


def bump(*subjects: str, current: str = "1.2.3", body: str = "") -> Bump:
    own = tuple(change(subject, body) for subject in subjects)
    return Changes(own).bump(Version.parse(current))


def test_versions_are_ordered_as_numbers() -> None:
    assert Version.parse("1.10.0") > Version.parse("1.9.9")
    assert str(Version.parse("1.10.0")) == "1.10.0"
    assert tag_of("toy-service", Version(1, 10, 0)) == "toy-service/v1.10.0"


@pytest.mark.parametrize("text", ["1.2", "1.2.3rc1", "01.2.3", "v1.2.3", "1.2.3.4", ""])
def test_only_plain_versions_are_taken(text: str) -> None:
    with pytest.raises(EcomError, match=r"MAJOR\.MINOR\.PATCH"):
        Version.parse(text)


@pytest.mark.parametrize("version", ["@1.2.3", "@v1.2.3", "/v1.2.3"])
def test_a_release_is_named_as_people_and_git_do(version: str) -> None:
    assert named(f"toy-service{version}") == ("toy-service", "1.2.3")


def test_a_bump_sets_what_is_below_it_to_nought() -> None:
    version = Version(1, 2, 3)
    assert [str(version.bumped(bump)) for bump in Bump] == ["1.2.4", "1.3.0", "2.0.0"]


@pytest.mark.parametrize(
    ("subject", "expected"),
    [
        ("feat: a gateway", Bump.MINOR),
        ("feat(toy-service): a gateway", Bump.MINOR),
        ("Feat: a gateway", Bump.MINOR),
        ("fix: one charge", Bump.PATCH),
        ("perf: fewer calls", Bump.PATCH),
        ("docs: a page", Bump.PATCH),
        ("Tests: no convention is followed here", Bump.PATCH),
        ("a sentence: with a colon", Bump.PATCH),
        ("feature: no known type", Bump.PATCH),
        ("feat!: another API", Bump.MAJOR),
        ("refactor(toy-service)!: another API", Bump.MAJOR),
    ],
)
def test_the_subject_decides_the_bump(subject: str, expected: Bump) -> None:
    assert bump(subject) is expected


def test_the_greatest_bump_of_all_wins() -> None:
    assert bump("fix: a", "feat: b", "docs: c") is Bump.MINOR
    assert bump("fix: a", "fix!: b", "feat: c") is Bump.MAJOR


@pytest.mark.parametrize("footer", ["BREAKING CHANGE: no v1", "BREAKING-CHANGE: no v1"])
def test_a_footer_breaks_too(footer: str) -> None:
    assert bump("fix: a", body=f"Because.\n\n{footer}") is Bump.MAJOR
    assert change("fix: a", footer).text == "a: no v1"
    assert bump("fix: a", body="no BREAKING CHANGE: here") is Bump.PATCH


def test_before_one_a_break_asks_for_a_minor_version() -> None:
    assert bump("feat!: another API", current="0.4.1") is Bump.MINOR
    assert bump("feat: more", current="0.4.1") is Bump.MINOR
    assert bump("fix: less", current="0.4.1") is Bump.PATCH


def test_a_library_that_changes_is_a_patch_of_who_carries_it() -> None:
    carried = (("toy-common", (change("feat!: another way"),)),)
    assert Changes((), carried).bump(Version(1, 0, 0)) is Bump.PATCH


def test_what_users_cannot_notice_has_no_heading() -> None:
    assert {change(f"{kind}: x").heading for kind in ("docs", "test", "chore", "ci", "refactor")} == {None}
    assert change("Tests: x").heading == "Changed"


def test_another_scope_than_the_packages_is_said() -> None:
    assert change("fix(toy-service): a").text == "a"
    assert change("fix(toy-common): a").text == "toy-common: a"
