from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from ecom_cli.errors import EcomError
from ecom_cli.release import assembly, checks, making
from ecom_cli.release.checkout import checkout
from ecom_cli.release.store import Release, read
from ecom_cli.workspace import Member, Workspace

from .release_repo import BASE, EXPORTS, SERVICE, Toy, nobodys_git, toy


@pytest.fixture
def repo(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Toy:
    nobodys_git(monkeypatch)
    return toy(tmp_path / "repo")


@pytest.fixture
def changed(repo: Toy) -> Toy:
    """0.1.0 of base-infra is out, and a fix waits."""
    repo.release(BASE)
    repo.touch(BASE, "fix: one")
    return repo


def untouched(repo: Toy) -> tuple[object, ...]:
    """Everything that a failed release must leave as it was."""
    git = repo.git
    return (
        git.run("for-each-ref"),
        git.run("status", "--porcelain", "--untracked-files=all"),
        git.run("worktree", "list"),
        checks.branch(git),
        sorted(path.relative_to(repo.root) for path in (repo.root / "dist").rglob("*")),
    )


def test_a_release_is_a_commit_a_tag_and_artifacts(changed: Toy) -> None:
    before = changed.head
    made = changed.release(BASE)
    git = changed.git
    assert git.run("log", "-1", "--format=%s %P").split() == [
        *("chore(base-infra):", "release", "0.1.1"), before,
    ]  # fmt: skip
    assert git.changed(before, "HEAD") == [
        "packages/base-infra/CHANGELOG.md",
        "packages/base-infra/pyproject.toml",
    ]
    assert git.uncommitted() == []
    assert checks.branch(git) == "main"
    assert (made.tag, made.commit) == ("base-infra/v0.1.1", changed.head)
    assert git.commit_of("base-infra/v0.1.1") == changed.head
    assert git.run("cat-file", "-t", "base-infra/v0.1.1").strip() == "tag"  # annotated
    assert "### Fixed\n\n- one (" in git.run("tag", "-l", "--format=%(contents)", "base-infra/v0.1.1")
    assert made.folder == changed.root / "dist/base-infra/0.1.1"
    assert read(made.folder) == made


def test_the_first_release_needs_no_commit(repo: Toy) -> None:
    before = repo.head
    made = repo.release(BASE)
    assert (repo.head, made.commit, made.version) == (before, before, "0.1.0")


def test_the_artifacts_of_a_stack_without_code(changed: Toy) -> None:
    made = changed.release(BASE)
    assert sorted(path.name for path in made.folder.iterdir()) == [
        "base.yaml", "contract.json", "manifest.json", "sbom.cdx.json",
    ]  # fmt: skip
    assert (made.zip, made.code_key, made.python, made.platform) == (None, None, None, None)
    assert made.template_path
    assert made.template_path.read_text() == EXPORTS
    assert made.contract_path
    assert json.loads(made.contract_path.read_text())["exports"] == ["TopicArn"]


def test_other_packages_are_left_alone(changed: Toy) -> None:
    before = changed.git.run("ls-tree", "-r", "HEAD", "packages/toy-service", "libs")
    changed.release(BASE)
    assert changed.git.run("ls-tree", "-r", "HEAD", "packages/toy-service", "libs") == before
    assert changed.git.tags("toy-service/*") == []


def test_the_tests_see_the_commit_to_be_and_nothing_else(changed: Toy) -> None:
    (changed.root / "dist/left-over").write_text("")

    def tested(at: Workspace, member: Member) -> str:
        assert member.version == "0.1.1"
        assert at.root != changed.root
        assert not (at.root / "dist").exists()
        return ""

    changed.release(BASE, tested=tested)


def fails_in_its_tests(changed: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def tested(at: Workspace, member: Member) -> str:
        raise EcomError("red")

    changed.release(BASE, tested=tested)


def fails_in_its_artifacts(changed: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def sbom(*args: object) -> bytes:
        raise EcomError("no bill")

    monkeypatch.setattr(assembly, "sbom", sbom)
    changed.release(BASE)


def fails_at_the_tag(changed: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    changed.git.run("config", "tag.gpgSign", "true")
    changed.git.run("config", "gpg.program", str(changed.root / ".git/no-such-program"))
    changed.release(BASE)


def is_interrupted(changed: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    def tested(at: Workspace, member: Member) -> str:
        raise KeyboardInterrupt

    changed.release(BASE, tested=tested)


@pytest.mark.parametrize(
    "failure", [fails_in_its_tests, fails_in_its_artifacts, fails_at_the_tag, is_interrupted]
)
def test_a_release_that_fails_leaves_nothing_behind(
    changed: Toy, monkeypatch: pytest.MonkeyPatch, failure: object
) -> None:
    before = untouched(changed)
    with monkeypatch.context() as patched, pytest.raises((EcomError, KeyboardInterrupt)):
        failure(changed, patched)  # type: ignore[operator]
    assert untouched(changed) == before
    changed.git.run("config", "tag.gpgSign", "false")
    assert changed.release(BASE).version == "0.1.1"  # and can be tried again


def test_a_run_killed_before_its_tag_is_finished_by_the_next(
    changed: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    publish = making._publish

    def killed(*args: object) -> None:
        with monkeypatch.context() as patched:
            patched.setattr(changed.git.__class__, "run", dies_at_the_tag(changed))
            publish(*args)  # type: ignore[arg-type]

    with monkeypatch.context() as patched:
        patched.setattr(making, "_publish", killed)
        with pytest.raises(SystemExit):
            changed.release(BASE)
    committed = changed.head
    assert changed.git.tags("base-infra/v0.1.1") == []
    found = changed.planned(BASE)
    assert (str(found.version), found.why, found.files) == ("0.1.1", "a release that was interrupted", {})
    assert changed.release(BASE).commit == committed == changed.head


def test_what_killed_runs_left_is_cleared_away_and_what_runs_is_left_alone(
    changed: Toy, tmp_path: Path
) -> None:
    gone = subprocess.Popen([sys.executable, "-c", ""])
    gone.wait()
    left, others = (tmp_path / f"ecom-release-{process}-x" / "repo" for process in (gone.pid, os.getpid()))
    for folder in (left, others):
        changed.git.run("worktree", "add", "--quiet", "--detach", str(folder))
    with checkout(changed.git, changed.head):
        assert not left.parent.exists()
        assert (others / "pyproject.toml").is_file()
    assert str(left) not in changed.git.run("worktree", "list")


def dies_at_the_tag(changed: Toy) -> object:
    """Git, of a process that is gone once the branch has moved on: it undoes nothing either."""
    run = type(changed.git).run

    def dying(self: object, *arguments: str, **more: object) -> str:
        if arguments[0] in ("tag", "reset"):
            raise SystemExit
        return run(self, *arguments, **more)  # type: ignore[arg-type]

    return dying


def test_a_branch_that_moved_on_meanwhile_is_left_alone(changed: Toy) -> None:
    def tested(at: Workspace, member: Member) -> str:
        changed.touch(SERVICE, "feat: meanwhile")
        return ""

    with pytest.raises(EcomError, match="has moved on meanwhile"):
        changed.release(BASE, tested=tested)
    assert changed.git.tags("base-infra/v0.1.1") == []
    assert changed.git.run("log", "-1", "--format=%s").strip() == "feat: meanwhile"


def test_an_edit_made_meanwhile_is_kept(changed: Toy) -> None:
    other, own = (
        changed.root / "packages/toy-service/toy.yaml",
        changed.root / "packages/base-infra/CHANGELOG.md",
    )

    def tested(at: Workspace, member: Member) -> str:
        edited.write_text("mine")
        return ""

    edited = own
    with pytest.raises(EcomError, match="cannot take the release's commit"):
        changed.release(BASE, tested=tested)
    assert own.read_text() == "mine"
    changed.git.run("checkout", "--", str(own))
    edited = other
    assert changed.release(BASE).version == "0.1.1"


def test_hooks_of_the_clone_have_no_say(changed: Toy) -> None:
    for hook in ("pre-commit", "post-checkout", "commit-msg"):
        path = changed.root / ".git/hooks" / hook
        path.parent.mkdir(exist_ok=True)
        path.write_text("#!/bin/sh\nexit 1\n")
        path.chmod(0o755)
    assert changed.release(BASE).version == "0.1.1"


# ===== dist =====


def dist(repo: Toy, text: str) -> Release:
    return making.dist(repo.repo, making.wanted(repo.repo, text), repo.root / "dist")


def test_artifacts_are_made_again_from_the_tag(changed: Toy) -> None:
    first = read(changed.root / "dist/base-infra/0.1.0")
    made = changed.release(BASE)
    changed.touch(BASE, "feat: not released")
    (changed.root / "packages/base-infra/base.yaml").write_text("not committed")
    for release in (first, made):
        before = {path.name: path.read_bytes() for path in release.folder.iterdir()}
        (release.folder / "base.yaml").write_text("tampered with")
        (release.folder / "stray").write_text("")
        again = dist(changed, f"base-infra@{release.version}")
        assert {path.name: path.read_bytes() for path in again.folder.iterdir()} == before
        assert again == release
    assert sorted(path.name for path in (changed.root / "dist/base-infra").iterdir()) == ["0.1.0", "0.1.1"]


def test_without_a_version_it_is_the_one_of_the_package(changed: Toy) -> None:
    assert making.wanted(changed.repo, "base-infra").tag == "base-infra/v0.1.0"
    assert making.wanted(changed.repo, "base-infra@v0.1.0").tag == "base-infra/v0.1.0"
    assert making.wanted(changed.repo, "base-infra/v0.1.0").tag == "base-infra/v0.1.0"


@pytest.mark.parametrize("text", ["base-infra@9.9.9", "toy-service"])
def test_what_was_not_released_has_no_artifacts(changed: Toy, text: str) -> None:
    with pytest.raises(EcomError, match="has not been released"):
        making.wanted(changed.repo, text)


def test_a_branch_called_like_the_tag_is_not_taken_for_it(changed: Toy) -> None:
    released = changed.git.commit_of("base-infra/v0.1.0")
    changed.git.run("branch", "base-infra/v0.1.0")
    assert making.wanted(changed.repo, "base-infra@0.1.0").commit == released != changed.head


def test_another_tool_than_the_tags_leaves_it_to_that_one(
    changed: Toy, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The tag's own `./ecom` is started; here it is one that says so."""
    entry = '#!/bin/sh\necho "the tool of the tag: $*" >&2\nexit 3\n'
    changed.commit("build: an entry", ecom=entry)
    (changed.root / "ecom").chmod(0o755)
    changed.commit("build: to be run")
    changed.touch(BASE, "fix: two")
    made = changed.release(BASE)
    changed.commit("fix: another tool", **{"tools/ecom/src/ecom_cli/build.py": "# other\n"})
    monkeypatch.setenv("UV", os.environ.get("UV", "/usr/bin/uv"))
    with pytest.raises(EcomError, match=f"the tool of the tag: dist base-infra@{made.version} --into"):
        dist(changed, f"base-infra@{made.version}")
    assert read(made.folder) == made  # what was there is still there


# ===== checks =====


def problems(repo: Toy, dist: str = BASE) -> dict[str, str]:
    return {
        check.name: check.problem for check in checks.checks(repo.repo, repo.planned(dist)) if not check.ok
    }


def test_all_is_well(changed: Toy) -> None:
    assert problems(changed) == {}


def test_what_is_not_committed_is_named(changed: Toy) -> None:
    (changed.root / "packages/toy-service/new.txt").write_text("")
    (changed.root / "packages/base-infra/base.yaml").write_text("")
    assert problems(changed)["nothing uncommitted"] == (
        "Not committed: packages/base-infra/base.yaml, packages/toy-service/new.txt."
    )


def test_a_commit_without_a_branch_would_be_lost(changed: Toy) -> None:
    changed.git.run("switch", "--quiet", "--detach", "HEAD")
    assert "No branch" in problems(changed)["on a branch"]


def test_a_tag_elsewhere_takes_the_version(changed: Toy) -> None:
    changed.git.run("switch", "--quiet", "--create", "other")
    changed.touch(SERVICE, "feat: elsewhere")
    changed.release(BASE)
    changed.git.run("switch", "--quiet", "main")
    assert "base-infra/v0.1.1 exists already" in problems(changed)["a new version"]


def test_a_shallow_clone_cannot_tell_what_has_changed(changed: Toy, tmp_path: Path) -> None:
    changed.git.run("clone", "--quiet", "--depth", "1", f"file://{changed.root}", str(tmp_path / "shallow"))
    assert "lacks earlier commits" in problems(Toy(tmp_path / "shallow"), SERVICE)["the whole history"]


def test_a_branch_behind_its_upstream_could_not_be_pushed(changed: Toy, tmp_path: Path) -> None:
    changed.git.run("clone", "--quiet", str(changed.root), str(tmp_path / "clone"))
    clone = Toy(tmp_path / "clone")
    assert problems(clone) == {}
    changed.touch(SERVICE, "feat: later")
    clone.git.run("fetch", "--quiet")
    assert problems(clone) == {"not behind its upstream": "main lacks 1 commits of origin/main."}


def test_a_broken_contract_is_said_with_who_needs_it(changed: Toy) -> None:
    changed.commit(
        "fix!: other names", **{"packages/base-infra/base.yaml": EXPORTS.replace("-TopicArn", "-Topic")}
    )
    said = problems(changed)["nobody's reading broken"]
    assert "TopicArn" in said
    assert SERVICE in said


def test_red_tests_are_shown(changed: Toy, monkeypatch: pytest.MonkeyPatch) -> None:
    from ecom_cli.suites import Suite
    from ecom_cli.testing import Result

    red = Result(Suite(SERVICE, Path()), 3, 1, 0, 0.1, "E  assert 1 == 2")
    monkeypatch.setattr(checks, "run_suite", lambda suite, repo, extra: red)
    with pytest.raises(EcomError, match=r"(?s)not green: 1 failed.*assert 1 == 2"):
        checks.test(changed.repo, changed.repo.member(SERVICE))


def test_a_stack_without_code_is_judged_by_the_tests_of_the_templates(changed: Toy) -> None:
    suites = {dist: list(checks._suites(changed.repo, changed.repo.member(dist))) for dist in (BASE, SERVICE)}
    assert [suite.name for suite in suites[SERVICE]] == [SERVICE]
    assert suites[BASE] == []
    changed.commit("test: rules", **{"tests/templates/test_house.py": ""})
    found = list(checks._suites(changed.repo, changed.repo.member(BASE)))
    assert [suite.folder for suite in found] == [changed.root / "tests/templates"]


def test_a_package_without_any_tests_is_said_to_have_none(changed: Toy) -> None:
    assert checks.test(changed.repo, changed.repo.member(BASE)) == "0 passed"
