from __future__ import annotations

from ecom_cli.release import changelog
from ecom_cli.release.changes import Change, Changes
from ecom_cli.release.versions import Version

SHA = "0123456789" * 4
BEFORE = "# Changelog of toy\n\n## 0.1.0\n\nFirst version.\n"
VERSION = Version(0, 2, 0)


def listing(library: str | None) -> str:
    return f"git log a..b -- {library or 'toy'}"


def section(*own: Change, libraries: tuple[tuple[str, tuple[Change, ...]], ...] = (), notes: str = "") -> str:
    return changelog.section(VERSION, "2026-01-02", Changes(own, libraries), notes, listing)


def test_changes_are_grouped_and_name_their_commit() -> None:
    text = section(
        Change("Fixed", "one charge", SHA),
        Change("Breaking", "another API", SHA),
        Change(None, "a page", SHA),
        libraries=(("toy-common", (Change("Added", "sealing", SHA), Change(None, "tests", SHA))),),
    )
    assert text == (
        "## 0.2.0 (2026-01-02)\n\n"
        "### Breaking\n\n- another API (01234567)\n\n"
        "### Fixed\n\n- one charge (01234567)\n\n"
        "### From toy-common\n\n- sealing (01234567)\n"
    )


def test_what_nobody_notices_is_said_so() -> None:
    assert (
        section(Change(None, "a page", SHA))
        == "## 0.2.0 (2026-01-02)\n\nNothing that its users could notice.\n"
    )


def test_a_long_history_stays_readable() -> None:
    text = section(*(Change("Fixed", f"bug {n}", SHA) for n in range(40)))
    assert text.count("\n- ") == changelog.MOST_LINES + 1
    assert text.endswith("- and 28 more: `git log a..b -- toy`\n")


def test_what_is_left_out_of_a_library_is_listed_for_the_library() -> None:
    many = tuple(Change("Fixed", f"bug {n}", SHA) for n in range(40))
    text = section(libraries=(("toy-common", many),))
    assert text.endswith("- and 28 more: `git log a..b -- toy-common`\n")


def test_the_new_section_is_above_the_others() -> None:
    after = changelog.with_section(BEFORE, section(Change("Fixed", "x", SHA)))
    assert after == (
        "# Changelog of toy\n\n## 0.2.0 (2026-01-02)\n\n### Fixed\n\n- x (01234567)\n\n"
        "## 0.1.0\n\nFirst version.\n"
    )
    assert changelog.find(after, Version(0, 1, 0)) == "## 0.1.0\n\nFirst version.\n"


def test_what_was_written_by_hand_opens_the_section_and_is_said_once() -> None:
    before = BEFORE.replace("## 0.1.0", "## [Unreleased]\n\nMigrate first.\n\n## 0.1.0")
    assert changelog.unreleased(before) == "Migrate first."
    after = changelog.with_section(before, section(Change("Fixed", "x", SHA), notes="Migrate first."))
    assert after.count("Migrate first.") == 1
    assert "nreleased" not in after
    assert after.index("## 0.2.0") < after.index("Migrate first.") < after.index("### Fixed")


def test_a_version_is_found_by_its_whole_number() -> None:
    text = "# C\n\n## [0.2.0] - 2026-01-02\n\ntwo\n\n## 0.2.01\n\nodd\n\n## v0.1.0\n\none\n"
    assert changelog.find(text, VERSION) == "## [0.2.0] - 2026-01-02\n\ntwo\n"
    assert changelog.find(text, Version(0, 1, 0)) == "## v0.1.0\n\none\n"
    assert changelog.find(text, Version(0, 2, 1)) is None
    assert changelog.find("## 10.2.0\n", VERSION) is None
