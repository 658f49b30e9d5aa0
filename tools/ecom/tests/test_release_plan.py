from __future__ import annotations

import re
import tomllib
from pathlib import Path

import pytest

from ecom_cli.errors import EcomError
from ecom_cli.release.versions import Bump

from .release_repo import BASE, LIBRARY, SERVICE, Toy, nobodys_git, toy


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    nobodys_git(monkeypatch)
    return toy(tmp_path / "repo")


def released(repo: Toy, dist: str, version: str) -> None:
    """Tag the present commit as the release that the member's version names."""
    repo.git.run("tag", f"{dist}/v{version}")


def test_the_first_release_is_the_version_that_the_package_has(repo: Toy) -> None:
    found = repo.planned(BASE)
    assert (str(found.version), found.tag, found.last) == ("0.1.0", "base-infra/v0.1.0", None)
    assert found.section == "## 0.1.0\n\nFirst version.\n"
    assert found.files == {}


def test_a_first_release_without_a_changelog_gets_one(repo: Toy) -> None:
    found = repo.planned(SERVICE)
    log = found.files.pop("packages/toy-service/CHANGELOG.md")
    assert log.startswith("# Changelog of toy-service\n\n## 0.1.0 (")
    assert "- first (" in log
    assert found.files == {}


def test_a_changelog_that_is_no_text_is_named(repo: Toy) -> None:
    (repo.repo.member(BASE).folder / "CHANGELOG.md").write_bytes(b"\xff")
    with pytest.raises(EcomError, match=r"CHANGELOG\.md cannot be read"):
        repo.planned(BASE)


def test_the_commits_since_the_last_release_decide(repo: Toy) -> None:
    released(repo, BASE, "0.1.0")
    repo.touch(BASE, "fix: one")
    assert str(repo.planned(BASE).version) == "0.1.1"
    repo.touch(BASE, "feat: two")
    found = repo.planned(BASE)
    assert (str(found.version), found.last) == ("0.2.0", "base-infra/v0.1.0")
    assert "### Added\n\n- two (" in found.section
    assert str(repo.planned(BASE, Bump.MAJOR).version) == "1.0.0"


def test_only_version_and_changelog_are_changed(repo: Toy) -> None:
    released(repo, BASE, "0.1.0")
    repo.touch(BASE, "fix: one")
    project, log = "packages/base-infra/pyproject.toml", "packages/base-infra/CHANGELOG.md"
    found = repo.planned(BASE)
    assert set(found.files) == {project, log}
    before = (repo.root / project).read_text()
    assert found.files[project] == before.replace('"0.1.0"', '"0.1.1"')
    assert found.files[log].endswith("## 0.1.0\n\nFirst version.\n")


def test_the_version_of_a_tool_in_the_same_file_stays(repo: Toy) -> None:
    released(repo, BASE, "0.1.0")
    project = "packages/base-infra/pyproject.toml"
    text = '[tool.x]\nversion = "0.1.0"\n\n' + (repo.root / project).read_text()
    repo.commit("fix: one", **{project: text.replace("dependencies", 'keywords = ["a"]\ndependencies')})
    edited = tomllib.loads(repo.planned(BASE).files[project])
    assert (edited["tool"]["x"]["version"], edited["project"]["version"]) == ("0.1.0", "0.1.1")


def test_a_version_that_cannot_be_edited_safely_is_refused(repo: Toy) -> None:
    released(repo, BASE, "0.1.0")
    project = "packages/base-infra/pyproject.toml"
    text = (repo.root / project).read_text()
    repo.commit("fix: quotes", **{project: text.replace('"0.1.0"', "'0.1.0'  # \"0.1.0\"")})
    with pytest.raises(EcomError, match="no plain line version"):
        repo.planned(BASE)


def test_nothing_changed_is_nothing_to_release(repo: Toy) -> None:
    released(repo, BASE, "0.1.0")
    repo.touch(SERVICE, "feat: elsewhere")
    for bump in (None, Bump.PATCH):
        with pytest.raises(EcomError, match=r"Nothing of base-infra has changed since base-infra/v0\.1\.0"):
            repo.planned(BASE, bump)


def test_a_library_in_the_zip_is_a_patch_under_its_own_heading(repo: Toy) -> None:
    released(repo, SERVICE, "0.1.0")
    repo.touch(LIBRARY, "feat!: sealing")
    found = repo.planned(SERVICE)
    assert str(found.version) == "0.1.1"
    assert "### From toy-common\n\n- sealing (" in found.section
    released(repo, BASE, "0.1.0")
    repo.touch(LIBRARY, "feat!: more")
    with pytest.raises(EcomError, match="Nothing of base-infra"):
        repo.planned(BASE)


def test_what_the_changelog_leaves_out_is_listed_by_the_command_that_it_names(repo: Toy) -> None:
    released(repo, SERVICE, "0.1.0")
    for number in range(14):
        repo.touch(LIBRARY, f"fix: bug {number}")
    found = repo.planned(SERVICE)
    (command,) = re.findall(r"- and 2 more: `git (log .+)`", found.section)
    released(repo, SERVICE, str(found.version))
    assert len(repo.git.run(*command.split()).splitlines()) == 14


def test_a_librarys_tests_are_in_no_zip(repo: Toy) -> None:
    released(repo, SERVICE, "0.1.0")
    repo.commit("test: more", **{"libs/toy-common/tests/test_x.py": ""})
    with pytest.raises(EcomError, match="Nothing of toy-service has changed"):
        repo.planned(SERVICE)


def test_a_commit_that_touches_both_is_told_once(repo: Toy) -> None:
    released(repo, SERVICE, "0.1.0")
    repo.commit(
        "fix: both",
        **{"libs/toy-common/src/toy_common/a.py": "", "packages/toy-service/src/toy_service/a.py": ""},
    )
    section = repo.planned(SERVICE).section
    assert section.count("both (") == 1
    assert "From" not in section


def test_a_version_written_by_hand_is_released_as_it_stands(repo: Toy) -> None:
    released(repo, BASE, "0.1.0")
    project = "packages/base-infra/pyproject.toml"
    by_hand = (repo.root / project).read_text().replace("0.1.0", "1.0.0")
    repo.commit("fix: what is promised", **{project: by_hand})
    found = repo.planned(BASE)
    assert (str(found.version), found.why) == ("1.0.0", "as pyproject.toml says")
    assert set(found.files) == {"packages/base-infra/CHANGELOG.md"}
    with pytest.raises(EcomError, match="written by hand"):
        repo.planned(BASE, Bump.MINOR)


def test_a_version_below_the_released_one_is_refused(repo: Toy) -> None:
    released(repo, BASE, "0.3.0")
    with pytest.raises(EcomError, match=r"says 0\.1\.0, but 0\.3\.0 has been released"):
        repo.planned(BASE)


def test_a_fix_on_an_older_branch_follows_what_that_branch_has(repo: Toy) -> None:
    released(repo, BASE, "0.1.0")
    repo.git.run("branch", "old")
    repo.commit("later")
    released(repo, BASE, "0.2.0")
    repo.git.run("switch", "--quiet", "old")
    repo.touch(BASE, "fix: one")
    found = repo.planned(BASE)
    assert (str(found.version), found.last) == ("0.1.1", "base-infra/v0.1.0")


def test_versions_are_compared_as_numbers_and_odd_tags_are_nobodys(repo: Toy) -> None:
    project = "packages/base-infra/pyproject.toml"
    repo.commit("fix: ten", **{project: (repo.root / project).read_text().replace("0.1.0", "0.10.0")})
    for tag in ("v0.9.0", "v0.10.0", "v2-idea"):
        repo.git.run("tag", f"base-infra/{tag}")
    repo.touch(BASE, "fix: one")
    assert str(repo.planned(BASE).version) == "0.10.1"


def test_the_commit_of_a_release_is_no_change(repo: Toy) -> None:
    """One comes in by a merge: of 0.0.9, say, made on a branch of its own."""
    released(repo, BASE, "0.1.0")
    repo.touch(BASE, "chore(base-infra): release 0.0.9")
    with pytest.raises(EcomError, match="Nothing of base-infra has changed"):
        repo.planned(BASE)
