"""A small repository with a history, for the tests of releases."""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import pytest

from ecom_cli.git import Git
from ecom_cli.release.making import Tested, release
from ecom_cli.release.plan import Plan, plan
from ecom_cli.release.store import Release
from ecom_cli.release.versions import Bump
from ecom_cli.workspace import Member, Workspace, load

BASE, SERVICE, LIBRARY = "base-infra", "toy-service", "toy-common"

EXPORTS = """
Resources:
  Topic: {Type: AWS::SNS::Topic}
Outputs:
  TopicArn:
    Value: !Ref Topic
    Export: {Name: !Sub 'ecom-${Stage}-TopicArn'}
"""
IMPORTS = """
Parameters:
  CodeKey: {Type: String}
Resources:
  Queue:
    Type: AWS::SQS::Queue
    Properties:
      QueueName:
        Fn::ImportValue: !Sub 'ecom-${Stage}-TopicArn'
"""
BACKEND = '[build-system]\nrequires = ["uv_build>=0.9,<0.14"]\nbuild-backend = "uv_build"\n'


def nobodys_git(monkeypatch: pytest.MonkeyPatch) -> None:
    """An author, and none of the developer's settings."""
    for name in ("AUTHOR", "COMMITTER"):
        monkeypatch.setenv(f"GIT_{name}_NAME", "Team")
        monkeypatch.setenv(f"GIT_{name}_EMAIL", "team@example.com")
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", os.devnull)


def green(repo: Workspace, member: Member) -> str:
    return "0 passed"


@dataclass(frozen=True)
class Toy:
    """The repository in `root`: a stack without code, a service with a template, a library it carries."""

    root: Path

    @property
    def git(self) -> Git:
        return Git(self.root)

    @property
    def repo(self) -> Workspace:
        return load(self.root)

    @property
    def head(self) -> str:
        return self.git.commit_of("HEAD")

    def commit(self, message: str, **files: str) -> str:
        """Write files, by their paths below the root, and commit them."""
        for name, text in files.items():
            path = self.root / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
        self.git.run("add", "--all")
        self.git.run("commit", "--quiet", "--allow-empty", "--message", message)
        return self.head

    def touch(self, dist: str, message: str) -> str:
        """A commit that changes a file of this member."""
        member = self.repo.member(dist)
        path = member.source / "notes.py" if member.package else member.folder / "notes.txt"
        before = path.read_text(encoding="utf-8") if path.is_file() else ""
        return self.commit(message, **{path.relative_to(self.root).as_posix(): f"{before}#\n"})

    def planned(self, dist: str = BASE, bump: Bump | None = None) -> Plan:
        return plan(self.repo, self.repo.member(dist), bump)

    def release(self, dist: str = BASE, bump: Bump | None = None, tested: Tested = green) -> Release:
        return release(self.repo, self.planned(dist, bump), lambda text: None, tested)


def toy(root: Path) -> Toy:
    def project(name: str, more: str = "", dependencies: str = "[]") -> str:
        head = f'[project]\nname = "{name}"\nversion = "0.1.0"\nrequires-python = ">=3.11"\n'
        return f"{head}dependencies = {dependencies}\n{more}"

    made = Toy(root)
    root.mkdir(parents=True)
    made.git.run("init", "--quiet", "--initial-branch", "main")
    sources = f"[tool.uv.sources]\n{LIBRARY} = {{ workspace = true }}\n"
    base = '[tool.uv]\npackage = false\n[tool.ecom]\ntemplate = "base.yaml"\n'
    service = f'[tool.ecom]\ntemplate = "toy.yaml"\ndepends-on = ["base-infra"]\n{sources}{BACKEND}'
    files = {
        ".gitignore": "/.ecom/\n/dist/\nuv.lock\n",
        "pyproject.toml": '[tool.uv.workspace]\nmembers = ["packages/*", "libs/*"]\n',
        "packages/base-infra/pyproject.toml": project(BASE, base),
        "packages/base-infra/CHANGELOG.md": "# Changelog of base-infra\n\n## 0.1.0\n\nFirst version.\n",
        "packages/base-infra/base.yaml": EXPORTS,
        "packages/toy-service/pyproject.toml": project(SERVICE, service, f'["{LIBRARY}"]'),
        "packages/toy-service/toy.yaml": IMPORTS,
        "packages/toy-service/src/toy_service/__init__.py": "",
        "libs/toy-common/pyproject.toml": project(LIBRARY, BACKEND),
        "libs/toy-common/src/toy_common/__init__.py": "",
    }
    made.commit("feat: first", **files)
    return made
