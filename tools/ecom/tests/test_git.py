from __future__ import annotations

from pathlib import Path

import pytest

from ecom_cli.errors import EcomError
from ecom_cli.git import Git


@pytest.fixture
def git(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Git:
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Team")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "team@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", "/dev/null")
    git = Git(tmp_path)
    git.run("init", "-q", "-b", "main")
    commit(git, "feat: first\n\nBody of it.", a="1", b="1")
    return git


def commit(git: Git, message: str, **files: str) -> str:
    for name, text in files.items():
        (git.root / name).write_text(text)
    git.run("add", "--all")
    git.run("commit", "-q", "-m", message)
    return git.commit_of("HEAD")


def test_changed_since_a_commit_counts_what_is_not_committed_and_what_is_new(git: Git) -> None:
    commit(git, "second", b="2")
    (git.root / "a").write_text("2")
    (git.root / "new file").write_text("")

    assert git.changed("HEAD~1") == ["a", "b", "new file"]
    assert git.changed("HEAD~1", "HEAD") == ["b"]
    assert git.uncommitted() == ["a", "new file"]


def test_a_rename_counts_under_both_names(git: Git) -> None:
    git.run("mv", "a", "c")

    assert git.changed("HEAD") == ["a", "c"]
    assert git.uncommitted() == ["a", "c"]


def test_ignored_files_do_not_count(git: Git) -> None:
    commit(git, "ignore", **{".gitignore": "junk\n"})
    (git.root / "junk").write_text("x")

    assert git.changed("HEAD") == git.uncommitted() == []


def test_commits_are_those_that_touch_the_paths_newest_first(git: Git) -> None:
    first = git.commit_of("HEAD")
    second = commit(git, "fix: b", b="2")
    third = commit(git, "fix: a", a="2")

    assert [each.sha for each in git.commits(None, "a")] == [third, first]
    assert [each.sha for each in git.commits(first)] == [third, second]
    oldest = git.commits(None)[-1]
    assert (oldest.subject, oldest.body) == ("feat: first", "Body of it.")
    assert git.commits("HEAD") == []


@pytest.mark.parametrize(
    ("message", "subject", "body"),
    [
        (b"fix: a\x1fb\x1e c\td", "fix: a b  c d", ""),
        (b"fix: caf\xe9 \xff", "fix: caf\ufffd \ufffd", ""),
        (b"fix: \xe2\x80\xa8line\x1b[31m", "fix:  line [31m", ""),
        (b"fix: two\nlines\n\nBody\n\nof it.\n", "fix: two lines", "Body\n\nof it."),
        (b"fix: a\rb", "fix: a", "b"),
    ],
)
def test_messages_of_any_bytes_can_be_read_and_written(
    git: Git, message: bytes, subject: str, body: str
) -> None:
    (git.root / "message").write_bytes(message)
    # an encoding that nobody knows: git takes the bytes as they are
    git.run("-c", "i18n.commitEncoding=odd", "commit", "-q", "--allow-empty", "--file", "message")
    git.run("commit", "-q", "--allow-empty", "--message", "last")

    last, odd, first = git.commits(None)
    assert (odd.subject, odd.body) == (subject, body)
    assert (last.subject, first.subject) == ("last", "feat: first")
    odd.subject.encode()


def test_tags_come_highest_version_first(git: Git) -> None:
    for version in ("0.9.0", "0.10.0", "0.2.0"):
        git.run("tag", f"payment/v{version}")
    git.run("tag", "other/v9.0.0")

    assert git.tags("payment/v*") == ["payment/v0.10.0", "payment/v0.9.0", "payment/v0.2.0"]


def test_files_as_they_were(git: Git) -> None:
    commit(git, "second", a="2")

    assert git.file("HEAD~1", "a") == "1"
    assert git.file("HEAD", "missing") is None
    assert git.files("HEAD") == ["a", "b"]


def test_what_git_refuses_is_told_with_its_command(git: Git) -> None:
    with pytest.raises(EcomError, match=r"^git log: fatal"):
        git.run("-c", "a.b=c", "-c", "d.e=f", "log", "nothing")


def test_an_unknown_ref_is_named(git: Git) -> None:
    with pytest.raises(EcomError, match="git knows no commit 'nowhere'"):
        git.changed("nowhere")
    with pytest.raises(EcomError, match="git knows no commit '--all'"):
        git.commit_of("--all")


def test_gits_own_words_are_passed_on(git: Git) -> None:
    with pytest.raises(EcomError, match=r"git checkout: .*nowhere"):
        git.run("checkout", "nowhere")


def test_a_folder_inside_another_repository_is_none_of_its_own(git: Git) -> None:
    inner = git.root / "inner"
    inner.mkdir()

    assert git.is_repository()
    assert not Git(inner).is_repository()
