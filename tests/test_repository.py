"""What holds for every file in git, whatever it is."""

from __future__ import annotations

import re
import subprocess

import pytest

from ecom_cli.affected.rules import Kind, file
from ecom_cli.workspace import workspace

REPO = workspace()
REGISTRY_HOSTS = re.compile(
    r"pypi\." r"org|pythonhosted\." r"org|test\.pypi|npmjs\." r"(?:org|com)|deb\.debian\." r"org|"
    r"crates\." r"io|rubygems\." r"org|conda\.anaconda\." r"org|yarnpkg\." r"com"
)  # fmt: skip


@pytest.fixture(scope="module")
def paths() -> list[str]:
    """The path of every file in git that is still there."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=REPO.root, capture_output=True, check=False)
    if listed.returncode:
        pytest.skip("not a git checkout")
    found = [path for path in listed.stdout.decode().split("\0") if path and (REPO.root / path).is_file()]
    assert len(found) > 100
    return found


def test_every_file_is_somebodys(paths: list[str]) -> None:
    """A new folder needs a rule in ecom_cli/affected/rules.py: until then, its changes touch everything."""
    assert [path for path in paths if file(REPO, path).kind is Kind.NOBODYS] == []


def test_no_file_is_claimed_by_two_rules(paths: list[str]) -> None:
    assert [path for path in paths if len(file(REPO, path).kinds) > 1] == []


def test_no_file_names_a_registrys_host(paths: list[str]) -> None:
    assert REGISTRY_HOSTS.search("https://pypi" + ".org/simple")
    texts = {path: (REPO.root / path).read_text(encoding="utf-8", errors="ignore") for path in paths}
    assert [path for path, text in texts.items() if REGISTRY_HOSTS.search(text)] == []
