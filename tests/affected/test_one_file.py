"""Who is touched by a change of one file, in a repository with this one's packages, templates and schemas."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest
from typer.testing import CliRunner

from ecom_cli.affected import Affected, Work, affected, command
from ecom_cli.errors import EcomError
from ecom_cli.git import Git
from ecom_cli.workspace import Workspace, load, workspace

REAL = workspace().root
SERVICES = {"inventory-service", "order-service", "payment-service", "shipping-service"}
ALL_SUITES = SERVICES | {"ecom-common", "ecom-testkit", "ecom-cli", "tests", "e2e"}
STACKS = SERVICES | {"base-infra", "stage-dashboard"}
COPIED = (
    "pyproject.toml", "uv.lock",
    "packages/*/pyproject.toml", "libs/*/pyproject.toml", "tools/*/pyproject.toml",
    "packages/*/*.yaml", "packages/*/events/*.json", "packages/*/reads/*.json", "packages/*/requirements.txt",
    "packages/*/src/*/__init__.py", "libs/*/src/*/__init__.py", "tools/*/src/*/__init__.py",
    "packages/*/README.md", "tools/ecom/src/ecom_cli/build.py",
)  # fmt: skip


@pytest.fixture(scope="session")
def original(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The repository's shape, with one commit on main, tagged `start`."""
    root = tmp_path_factory.mktemp("affected") / "repo"
    for pattern in COPIED:
        for path in REAL.glob(pattern):
            target = root / path.relative_to(REAL)
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(path, target)
    for dist in [*(f"packages/{name}" for name in SERVICES), "libs/common", "libs/testkit", "tools/ecom"]:
        write(root, f"{dist}/tests/test_it.py")
    for path in ("tests/test_it.py", "tests/e2e/test_it.py", "docs/protocol.md", "README.md", "ecom"):
        write(root, path)
    write(root, ".gitignore", "/uv.lock\n")
    git = Git(root)
    git.run("init", "-q", "-b", "main")
    git.run("config", "user.name", "Team")
    git.run("config", "user.email", "team@example.com")
    commit(git)
    git.run("tag", "start")
    git.run("gc", "-q")  # one file instead of hundreds: each test copies it
    return root


@pytest.fixture
def repo(original: Path, tmp_path: Path) -> Workspace:
    return load(shutil.copytree(original, tmp_path / "repo"))


def write(root: Path, path: str, text: str = "") -> None:
    (root / path).parent.mkdir(parents=True, exist_ok=True)
    with (root / path).open("a", encoding="utf-8") as file:
        file.write(text)


def commit(git: Git, message: str = "a change") -> str:
    git.run("add", "--all")
    git.run("commit", "-q", "--allow-empty", "-m", message)
    return git.commit_of("HEAD")


def changed(repo: Workspace, path: str, text: str = "\n") -> Affected:
    """What a change of this one file touches."""
    write(repo.root, path, text)
    return affected(repo, "start")


def works(found: Affected) -> tuple[set[str], set[str], set[str]]:
    return set(found.to(Work.TEST)), set(found.to(Work.BUILD)), set(found.to(Work.DEPLOY))


SPANNING, BOTH = {"tests"}, {"tests", "e2e"}
PAYMENT, INVENTORY = {"payment-service"}, {"inventory-service"}
TOOL = {"ecom-cli"}  # its tests read what packages say of themselves


@pytest.mark.parametrize(
    ("path", "tested", "built", "deployed"),
    [
        pytest.param(
            "packages/payment-service/src/payment_service/model.py",
            PAYMENT | BOTH, PAYMENT, PAYMENT, id="a service",
        ),
        pytest.param(
            "packages/payment-service/payment-stack.yaml",
            SERVICES | BOTH, set(), PAYMENT, id="its template, and who reads its facts",
        ),
        pytest.param(
            "packages/inventory-service/events/StockConfirmation.v1.json",
            INVENTORY | PAYMENT | {"order-service"} | SPANNING, set(), INVENTORY, id="its event schema",
        ),
        pytest.param(
            "packages/order-service/events/OrderPlaced.v2.json",
            {"order-service"} | INVENTORY | SPANNING, set(), {"order-service"}, id="a schema's version 2",
        ),
        pytest.param(
            "packages/payment-service/reads/StockConfirmation.v1.json",
            PAYMENT | SPANNING, set(), PAYMENT, id="what it reads",
        ),
        pytest.param(
            "libs/common/src/ecom_common/worker.py",
            SERVICES | {"ecom-common", "ecom-testkit"} | BOTH, SERVICES, SERVICES, id="the library of all",
        ),
        pytest.param(
            "libs/common/pyproject.toml",
            SERVICES | {"ecom-common", "ecom-testkit"} | TOOL | BOTH, set(), set(), id="its dependencies",
        ),
        pytest.param(
            "libs/testkit/src/ecom_testkit/cloud.py",
            SERVICES | {"ecom-common", "ecom-testkit"} | BOTH, set(), set(), id="the library of their tests",
        ),
        pytest.param(
            "packages/base-infra/base-infra.yaml",
            SERVICES | BOTH, set(), {"base-infra"}, id="what all stacks build upon",
        ),
        pytest.param(
            "packages/stage-dashboard/dashboard.yaml", BOTH, set(), {"stage-dashboard"}, id="the dashboard"
        ),
        pytest.param("docs/protocol.md", SPANNING, set(), set(), id="docs"),
        pytest.param("README.md", SPANNING, set(), set(), id="the README"),
        pytest.param("packages/payment-service/README.md", SPANNING, set(), set(), id="a package's README"),
        pytest.param("packages/payment-service/CHANGELOG.md", SPANNING, set(), set(), id="a changelog"),
        pytest.param(
            "packages/payment-service/tests/test_it.py", PAYMENT | SPANNING, set(), set(), id="its tests"
        ),
        pytest.param(
            "packages/payment-service/requirements.txt",
            PAYMENT | TOOL | BOTH, PAYMENT, PAYMENT, id="its zip's pins",
        ),
        pytest.param(
            "packages/payment-service/pyproject.toml",
            PAYMENT | TOOL | BOTH, PAYMENT, PAYMENT, id="its project",
        ),
        pytest.param(
            "packages/payment-service/a b/new\n.txt", PAYMENT | BOTH, PAYMENT, PAYMENT, id="what else it has"
        ),
        pytest.param(
            "packages/inventory-service/catalogue.json", INVENTORY | TOOL | BOTH, set(), set(), id="samples"
        ),
        pytest.param(
            "packages/order-service/openapi.yaml", {"order-service"} | BOTH, set(), set(), id="its API"
        ),
        pytest.param("tools/ecom/src/ecom_cli/shop/stock.py", {"ecom-cli"} | BOTH, set(), set(), id="tool"),
        pytest.param(
            "tools/ecom/src/ecom_cli/build.py", {"ecom-cli"} | BOTH, SERVICES, SERVICES, id="building"
        ),
        pytest.param("tests/templates/test_it.py", SPANNING, set(), set(), id="a test that spans packages"),
        pytest.param("tests/iam/calls.py", BOTH, set(), set(), id="what such tests share"),
        pytest.param("tests/e2e/test_it.py", BOTH, set(), set(), id="an end-to-end test"),
        pytest.param(".ci/run", {"ecom-cli"} | SPANNING, set(), set(), id="automation"),
        pytest.param("ecom", ALL_SUITES, set(), set(), id="the entry point"),
        pytest.param("conftest.py", ALL_SUITES, set(), set(), id="what watches all tests"),
        pytest.param("attic/notes.txt", ALL_SUITES, SERVICES, STACKS, id="nobody's"),
        pytest.param("packages/gone/src/gone/a.py", ALL_SUITES, SERVICES, STACKS, id="of no package"),
    ],
)  # fmt: skip
def test_one_file_touches(
    repo: Workspace, path: str, tested: set[str], built: set[str], deployed: set[str]
) -> None:
    found = changed(repo, path)

    assert works(found) == (tested, built, deployed)
    assert found.changed == (path,)


def test_it_says_why(repo: Workspace) -> None:
    found = changed(repo, "packages/inventory-service/events/StockConfirmation.v1.json")

    [of_payment] = found.reasons("payment-service")
    assert of_payment.text == "it reads StockConfirmation of inventory-service, whose schema changed"
    assert of_payment.files == ("packages/inventory-service/events/StockConfirmation.v1.json",)
    assert [reason.text for reason in found.reasons("inventory-service")] == [
        "its schema StockConfirmation changed"
    ]


def test_who_reads_a_fact_is_known_by_what_it_declares_to_read_too(repo: Workspace) -> None:
    write(repo.root, "packages/shipping-service/reads/StockReleased.v1.json", "{}")
    commit(Git(repo.root))
    Git(repo.root).run("tag", "--force", "start")

    found = changed(repo, "packages/inventory-service/events/StockReleased.v1.json")

    assert "shipping-service" in found.to(Work.TEST)


@pytest.mark.parametrize("pattern", ["{source: [inventory.service]}", "{detail-type: [{prefix: Stock}]}"])
def test_a_rule_that_may_let_anything_through_reads_everything(repo: Workspace, pattern: str) -> None:
    template = repo.root / "packages/shipping-service/shipping-stack.yaml"
    rule = f"Resources:\n  All:\n    Type: AWS::Events::Rule\n    Properties: {{EventPattern: {pattern}}}\n"
    template.write_text(template.read_text().replace("Resources:\n", rule, 1))
    commit(Git(repo.root))
    Git(repo.root).run("tag", "--force", "start")

    found = changed(repo, "packages/inventory-service/events/StockReleased.v1.json")

    assert "shipping-service" in found.to(Work.TEST)


def test_a_service_that_is_imported_touches_its_importer(repo: Workspace) -> None:
    """No service imports another here; a library that imports a library passes on what changes in that."""
    project = repo.root / "libs/common/pyproject.toml"
    project.write_text(project.read_text().replace('"boto3",', '"boto3", "ecom-deep",'))
    write(repo.root, "libs/deep/pyproject.toml", '[project]\nname = "ecom-deep"\nversion = "0.1.0"\n')
    write(repo.root, "libs/deep/src/ecom_deep/__init__.py")
    commit(Git(repo.root))
    Git(repo.root).run("tag", "--force", "start")

    found = changed(load(repo.root), "libs/deep/src/ecom_deep/a.py")

    assert set(found.to(Work.DEPLOY)) == SERVICES
    assert {"ecom-common", "ecom-testkit"} < set(found.to(Work.TEST))


def test_a_library_of_a_library_of_tests_touches_the_tests(repo: Workspace) -> None:
    project = repo.root / "libs/testkit/pyproject.toml"
    project.write_text(project.read_text().replace('"boto3",', '"boto3", "ecom-deep",'))
    write(repo.root, "libs/deep/pyproject.toml", '[project]\nname = "ecom-deep"\nversion = "0.1.0"\n')
    write(repo.root, "libs/deep/src/ecom_deep/__init__.py")
    commit(Git(repo.root))
    Git(repo.root).run("tag", "--force", "start")

    found = changed(load(repo.root), "libs/deep/src/ecom_deep/a.py")

    assert SERVICES | {"ecom-common", "ecom-testkit"} < set(found.to(Work.TEST))
    assert not found.to(Work.DEPLOY)


def test_what_its_tests_read_of_others_is_declared(repo: Workspace) -> None:
    project = repo.root / "libs/common/pyproject.toml"
    project.write_text(project.read_text() + '\n[tool.ecom]\ntests-read = ["packages/*/*.yaml"]\n')
    commit(Git(repo.root))
    Git(repo.root).run("tag", "--force", "start")

    found = changed(repo, "packages/stage-dashboard/dashboard.yaml")

    assert "ecom-common" in found.to(Work.TEST)
    [reason] = found.reasons("ecom-common")
    assert reason.text == "its tests read files of stage-dashboard that changed"


def test_what_its_tests_read_of_nobodys_package_is_declared(repo: Workspace) -> None:
    project = repo.root / "libs/common/pyproject.toml"
    project.write_text(project.read_text() + '\n[tool.ecom]\ntests-read = ["docs/*"]\n')
    commit(Git(repo.root))
    Git(repo.root).run("tag", "--force", "start")

    assert "ecom-common" in changed(repo, "docs/protocol.md").to(Work.TEST)


# ------------------------------------------------------------------------------- the root pyproject.toml


def settings(repo: Workspace, old: str, new: str) -> Affected:
    path = repo.root / "pyproject.toml"
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new, 1), encoding="utf-8")
    return affected(repo, "start")


def pin_of(repo: Workspace, name: str) -> str:
    text = (repo.root / "pyproject.toml").read_text(encoding="utf-8")
    return next(line for line in text.splitlines() if line.strip().startswith(f'"{name}=='))


@pytest.mark.parametrize(
    ("package", "users"),
    [
        ("boto3", ALL_SUITES),
        ("jmespath", ALL_SUITES),  # by way of boto3
        ("typer", {"ecom-cli"} | BOTH),
        ("py-partiql-parser", ALL_SUITES),  # only by way of an extra of moto
        (
            "cryptography",
            SERVICES | {"ecom-common", "ecom-testkit", "ecom-cli"} | BOTH,
        ),  # by an extra of moto
        ("hypothesis", SERVICES | {"ecom-common", "ecom-testkit"} | BOTH),
        ("mypy", BOTH),
    ],
)
def test_a_pin_touches_the_tests_of_those_who_use_it(repo: Workspace, package: str, users: set[str]) -> None:
    found = settings(repo, pin_of(repo, package), f'    "{package}==99",')

    assert set(found.to(Work.TEST)) == users
    assert not found.to(Work.BUILD)
    assert not found.to(Work.DEPLOY)


def test_a_pin_touches_everyones_tests_where_nobody_knows_who_uses_it(repo: Workspace) -> None:
    (repo.root / "uv.lock").unlink()

    found = settings(repo, pin_of(repo, "typer"), '    "typer==99",')

    assert set(found.to(Work.TEST)) == ALL_SUITES


@pytest.mark.parametrize(
    ("old", "new", "tested"),
    [
        ("line-length = 110", "line-length = 100", SPANNING),
        ('    "cfn-lint",\n', "", BOTH),
        ('addopts = ["', 'addopts = ["-x", "', ALL_SUITES),
        ('required-version = ">=0.9.0"', 'required-version = ">=0.9.1"', ALL_SUITES),
        ("[tool.ruff]", "# a comment\n[tool.ruff]", SPANNING),
    ],
    ids=["style", "the workspace's own tools", "pytest", "uv", "a comment"],
)
def test_another_setting_touches(repo: Workspace, old: str, new: str, tested: set[str]) -> None:
    found = settings(repo, old, new)

    assert set(found.to(Work.TEST)) == tested
    assert not found.to(Work.DEPLOY)


# ------------------------------------------------------------------------------------------- since when


def test_new_files_and_what_is_not_committed_count(repo: Workspace) -> None:
    write(repo.root, "packages/payment-service/src/payment_service/__init__.py", "\n")
    write(repo.root, "packages/order-service/src/order_service/new.py")

    found = affected(repo, "HEAD")

    assert set(found.to(Work.DEPLOY)) == {"payment-service", "order-service"}


def test_a_file_that_moved_touches_whom_it_left_too(repo: Workspace) -> None:
    git = Git(repo.root)
    git.run("mv", "packages/payment-service/tests/test_it.py", "packages/order-service/tests/test_moved.py")
    commit(git)

    assert {"payment-service", "order-service"} < set(affected(repo, "start").to(Work.TEST))


def test_a_branch_is_compared_with_where_it_left_main(repo: Workspace) -> None:
    git = Git(repo.root)
    git.run("switch", "-q", "-c", "feature")
    write(repo.root, "packages/payment-service/src/payment_service/a.py")
    commit(git)
    git.run("switch", "-q", "main")
    write(repo.root, "packages/order-service/src/order_service/a.py")
    commit(git)
    git.run("switch", "-q", "feature")

    for since in (None, "main"):
        assert affected(repo, since).to(Work.DEPLOY) == ("payment-service",)


def test_a_new_branch_without_a_commit_is_compared_with_main_as_well(repo: Workspace) -> None:
    Git(repo.root).run("switch", "-q", "-c", "feature")
    write(repo.root, "packages/payment-service/src/payment_service/a.py")

    assert affected(repo).to(Work.DEPLOY) == ("payment-service",)


def test_main_is_compared_with_the_main_that_others_have(repo: Workspace) -> None:
    git = Git(repo.root)
    git.run("update-ref", "refs/remotes/origin/main", "HEAD")
    write(repo.root, "packages/payment-service/src/payment_service/a.py")
    commit(git)

    found = affected(repo)

    assert found.to(Work.DEPLOY) == ("payment-service",)
    assert found.since.startswith("origin/main (")


def test_on_main_each_package_is_compared_with_its_own_last_release(repo: Workspace) -> None:
    git = Git(repo.root)
    for dist in [member.dist for member in repo.members]:
        git.run("tag", f"{dist}/v1.9.0")
    write(repo.root, "packages/payment-service/src/payment_service/a.py")
    write(repo.root, "packages/order-service/src/order_service/a.py")
    commit(git)
    git.run("tag", "payment-service/v1.10.0")

    found = affected(repo)

    assert found.to(Work.DEPLOY) == ("order-service",)
    assert "payment-service" not in found.to(Work.TEST)
    assert {"tests", "e2e"} < set(found.to(Work.TEST))
    assert found.since == "the last release of each package"
    assert found.base is None


def test_a_library_that_changed_after_a_release_touches_whom_was_released_before(repo: Workspace) -> None:
    git = Git(repo.root)
    for dist in [member.dist for member in repo.members]:
        git.run("tag", f"{dist}/v1.0.0")
    write(repo.root, "libs/common/src/ecom_common/a.py")
    commit(git)
    git.run("tag", "payment-service/v1.1.0")

    assert set(affected(repo).to(Work.BUILD)) == SERVICES - {"payment-service"}


def test_what_was_never_released_is_touched_by_everything(repo: Workspace) -> None:
    Git(repo.root).run("tag", "payment-service/v1.0.0")

    found = affected(repo)

    assert set(found.to(Work.DEPLOY)) == STACKS - {"payment-service"}
    assert [reason.text for reason in found.reasons("order-service")] == ["it was never released"]
    assert "payment-service" not in found.works


def test_an_unknown_commit_is_named(repo: Workspace) -> None:
    with pytest.raises(EcomError, match="git knows no commit 'nowhere'"):
        affected(repo, "nowhere")


# ------------------------------------------------------------------------------------------- the command


@pytest.fixture
def here(repo: Workspace, monkeypatch: pytest.MonkeyPatch) -> Workspace:
    monkeypatch.setattr(command, "workspace", lambda: repo)
    return repo


def ecom_affected(*arguments: str) -> str:
    done = CliRunner().invoke(command.command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.stdout


def test_json_has_a_list_for_each_kind_of_work(here: Workspace) -> None:
    changed(here, "packages/payment-service/tests/test_it.py")

    found = json.loads(ecom_affected("--since", "start", "--json"))

    assert {"payment-service", "tests"} <= set(found["test"])
    assert found["build"] == found["deploy"] == found["nobodys"] == []
    assert found["changed"] == ["packages/payment-service/tests/test_it.py"]
    assert found["why"]["payment-service"] == {
        "test": [{"reason": "its tests changed", "files": ["packages/payment-service/tests/test_it.py"]}]
    }


def test_people_see_a_table_with_reasons(here: Workspace) -> None:
    changed(here, "docs/protocol.md")

    said = ecom_affected("--since", "start")

    assert "1 file changed since start" in said
    assert "the tests that span packages look at every file: docs/protocol.md" in said
    assert "Nobody's" not in said


def test_a_file_that_no_rule_knows_is_called_nobodys(here: Workspace) -> None:
    changed(here, "attic/notes.txt")

    said = ecom_affected("--since", "start")

    assert "Nobody's: attic/notes.txt. So everything counts as touched." in said


def test_no_change_touches_nobody(here: Workspace) -> None:
    assert "Nothing is touched by that." in ecom_affected("--since", "HEAD")


def test_a_copy_without_git_says_so(repo: Workspace) -> None:
    shutil.rmtree(repo.root / ".git")
    with pytest.raises(EcomError, match="so what has changed is not known"):
        affected(repo)
