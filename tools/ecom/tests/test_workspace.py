from __future__ import annotations

from pathlib import Path

import pytest

from ecom_cli.errors import EcomError
from ecom_cli.workspace import Member, Workspace, find_root, load, read_member, workspace


def stack(dist: str, *depends_on: str) -> Member:
    return Member(dist, Path(dist), "0.1.0", template=Path("t.yaml"), depends_on=depends_on)


def test_the_root_is_found_from_any_folder_below():
    here = Path(__file__).resolve()
    assert find_root(here.parent) == workspace().root
    assert (workspace().root / "ecom").is_file()


def test_outside_of_a_workspace_there_is_no_root(tmp_path: Path):
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'other'\n")
    assert find_root(tmp_path) is None


def test_the_stacks_of_this_repository_begin_with_base_infra():
    names = [member.dist for member in workspace().stacks]
    assert names[0] == "base-infra"
    services = {"inventory-service", "order-service", "payment-service", "shipping-service"}
    assert set(names[1:]) == services | {"stage-dashboard"}
    assert {m.dist for m in workspace().members if m.has_zip} == services


def test_a_stack_comes_after_those_it_depends_on():
    repo = Workspace(Path(), (stack("a", "b"), stack("b", "c"), stack("c")))
    assert [member.dist for member in repo.stacks] == ["c", "b", "a"]


@pytest.mark.parametrize(
    ("members", "message"),
    [
        ((stack("a", "b"), stack("b", "a")), "in a circle: a, b"),
        ((stack("a", "missing"),), "a depends on missing, which is not a stack"),
    ],
)
def test_impossible_dependencies_are_named(members: tuple[Member, ...], message: str):
    with pytest.raises(EcomError, match=message):
        _ = Workspace(Path(), members).stacks


def test_libraries_are_followed_through_the_members_that_import_them():
    repo = Workspace(
        Path(),
        (
            Member("service", Path(), "1", requires=("boto3", "common")),
            Member("common", Path(), "1", requires=("lowest", "boto3")),
            Member("lowest", Path(), "1"),
            Member("unrelated", Path(), "1"),
        ),
    )
    assert [m.dist for m in repo.libraries(repo.member("service"))] == ["common", "lowest"]


def test_an_unknown_package_is_answered_with_those_that_exist():
    with pytest.raises(EcomError) as caught:
        workspace().member("payments")
    assert "payment-service" in caught.value.hint


NAMED = "[project]\nname = 'x'\nversion = '1.0.0'\n"


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[project]\nname = 'x'\n", "has no project.version"),
        ("[project\n", "is not valid TOML"),
        (f"{NAMED}#\xff", "cannot be read: 'utf-8' codec"),
        ("project = 1", "project is not one table"),
        (f"{NAMED}[[tool.ecom]]", r"tool\.ecom is not one table"),
        ("[project]\nname = 'x'\nversion = 12", "version is not a text: 12"),
        (f"{NAMED}dependencies = 'boto3'", "dependencies is not a list of texts: 'boto3'"),
        (f"{NAMED}[tool.ecom]\ndepends-on = 'base-infra'", "depends-on is not a list of texts"),
        (f"{NAMED}[tool.ecom]\naws-services = [1]", "aws-services is not a list of texts"),
        (f"{NAMED}[tool.ecom]\ntemplate = ['x.yaml']", "template is not a text"),
    ],
)
def test_a_broken_pyproject_is_named(tmp_path: Path, text: str, message: str):
    (tmp_path / "pyproject.toml").write_text(text, encoding="latin-1")
    with pytest.raises(EcomError, match=message) as caught:
        read_member(tmp_path)
    assert str(tmp_path) in caught.value.message


def test_requirements_are_read_without_versions_extras_and_markers(tmp_path: Path):
    folder = tmp_path / "libs" / "x"
    folder.mkdir(parents=True)
    dependencies = '["plain", "ver>=1.2", "ext[a,b]", "mark ; python_version > \'3\'"]'
    text = f'[project]\nname = "x"\nversion = "1"\ndependencies = {dependencies}'
    (folder / "pyproject.toml").write_text(text)
    assert load(tmp_path).member("x").requires == ("plain", "ver", "ext", "mark")
