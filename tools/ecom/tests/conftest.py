"""A small workspace of its own per test, and one private emulator for all tests that deploy."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from ecom_cli.emulator import private_emulator
from ecom_cli.workspace import Workspace, load, workspace

AWS_VARIABLES = (
    "AWS_ENDPOINT_URL", "AWS_REGION", "AWS_DEFAULT_REGION", "AWS_PROFILE", "AWS_ACCESS_KEY_ID",
    "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN",
)  # fmt: skip


@pytest.fixture(autouse=True)
def nobodys_aws(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    """No test sees the developer's AWS settings."""
    for name in AWS_VARIABLES:
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", str(tmp_path / "no-aws-config"))
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", str(tmp_path / "no-aws-credentials"))
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")


@pytest.fixture(scope="session")
def emulator() -> Iterator[str]:
    with private_emulator() as endpoint_url:
        yield endpoint_url


MakeRepo = Callable[..., Workspace]


@pytest.fixture
def make_repo(tmp_path: Path) -> MakeRepo:
    """Write a workspace: `base-infra` with a bucket, and the members given as {dist: template}."""

    def make(name: str = "repo", *, base: str = BASE, **templates: str) -> Workspace:
        root = tmp_path / name
        write(root / "pyproject.toml", "[tool.uv.workspace]\n")
        member(root, "base-infra", base, "depends-on = []")
        for dist, template in templates.items():
            member(root, dist.replace("_", "-"), template, 'depends-on = ["base-infra"]')
        return load(root)

    return make


@pytest.fixture(scope="session")
def vendor(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where the packages of all the tests' zips are installed: once, not for each test."""
    return tmp_path_factory.mktemp("vendor")


@pytest.fixture
def zip_repo(tmp_path: Path, vendor: Path) -> MakeRepo:
    """Write a workspace with `toy-service`, whose zip needs a library of the workspace and real packages."""
    return lambda name="repo": write_zip_repo(tmp_path / name, vendor)


def write_zip_repo(root: Path, vendor: Path) -> Workspace:
    write(root / "pyproject.toml", "[tool.uv.workspace]\n")
    member(root, "base-infra", BASE, "depends-on = []")
    toy = 'depends-on = ["base-infra"]\naws-services = ["dynamodb", "sqs"]'
    member(root, "toy-service", TOY, toy, dependencies='["boto3>=1", "toy-common"]')
    write(root / "packages/toy-service/src/toy_service/__init__.py", "")
    handler = "from toy_common import GREETING\n\ndef handler(event, context):\n    return GREETING\n"
    write(root / "packages/toy-service/src/toy_service/app.py", handler)
    write(root / "libs/toy-common/pyproject.toml", '[project]\nname = "toy-common"\nversion = "0.1.0"\n')
    write(root / "libs/toy-common/src/toy_common/__init__.py", 'GREETING = "hello"\n')
    pins = workspace().member("order-service").requirements
    shutil.copyfile(pins, root / "packages/toy-service/requirements.txt")
    (root / ".ecom/build").mkdir(parents=True)
    (root / ".ecom/build/vendor").symlink_to(vendor)
    return load(root)


@pytest.fixture(scope="session")
def master(tmp_path_factory: pytest.TempPathFactory, vendor: Path) -> Path:
    """A workspace with releases, made once: see `released_repo`."""
    repo = cut_release(
        write_zip_repo(tmp_path_factory.mktemp("master") / "repo", vendor), "base-infra", "1.0.0"
    )
    greeting = repo.root / "libs/toy-common/src/toy_common/__init__.py"
    for version in ("1.1.0", "1.2.0"):
        write(greeting, f"GREETING = {version!r}\n")
        repo = cut_release(repo, "toy-service", version)
    write(greeting, "GREETING = 'the tree'\n")
    return repo.root


@pytest.fixture
def released_repo(tmp_path: Path, master: Path) -> Workspace:
    """base-infra 1.0.0, toy-service 1.1.0 and 1.2.0 in dist/; its function says which one it is."""
    return load(shutil.copytree(master, tmp_path / "released", symlinks=True))


Cut = Callable[[Workspace, str, str], Workspace]


@pytest.fixture
def cut() -> Cut:
    return cut_release


def cut_release(repo: Workspace, dist: str, version: str) -> Workspace:
    """Make a member's release in dist/, as the tree is now; the workspace with that version in it."""
    from ecom_cli.build import LAMBDA_PLATFORM, LAMBDA_PYTHON, build
    from ecom_cli.contracts import contract_of
    from ecom_cli.release.store import CONTRACT, MANIFEST, Artifact, Release

    project = repo.member(dist).folder / "pyproject.toml"
    text = project.read_text(encoding="utf-8")
    project.write_text(
        text.replace(f'version = "{repo.member(dist).version}"', f'version = "{version}"'), "utf-8"
    )
    repo = load(repo.root)
    member = repo.member(dist)
    assert member.template
    zipped = build(member, repo) if member.has_zip else None
    files = {
        member.template.name: member.template.read_bytes(),
        CONTRACT: contract_of(member).as_json().encode(),
        **({f"{dist}-{version}.zip": zipped.path.read_bytes()} if zipped else {}),
    }
    folder = repo.root / "dist" / dist / version
    release = Release(
        name=dist,
        version=version,
        tag=f"{dist}/v{version}",
        commit="c" * 40,
        committed_at="2026-01-01T00:00:00Z",
        python=LAMBDA_PYTHON if zipped else None,
        platform=LAMBDA_PLATFORM if zipped else None,
        depends_on=member.depends_on,
        code_key=zipped.key if zipped else None,
        template=member.template.name,
        contract=contract_of(member).sha256,
        files={name: Artifact.of(content) for name, content in files.items()},
        folder=folder,
    )
    folder.mkdir(parents=True)
    for name, content in {**files, MANIFEST: release.manifest}.items():
        (folder / name).write_bytes(content)
    return repo


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


def member(root: Path, dist: str, template: str, deploy: str, *, dependencies: str = "[]") -> None:
    folder = root / "packages" / dist
    write(folder / "stack.yaml", template)
    write(
        folder / "pyproject.toml",
        f'[project]\nname = "{dist}"\nversion = "0.1.0"\ndependencies = {dependencies}\n'
        f'[tool.ecom]\ntemplate = "stack.yaml"\n{deploy}\n',
    )


BASE = """
Parameters:
  Stage: {Type: String}
Resources:
  ArtifactBucket:
    Type: AWS::S3::Bucket
    Properties: {BucketName: !Sub 'ecom-${Stage}-artifacts'}
  Key:
    Type: AWS::KMS::Key
    DeletionPolicy: Retain
    Properties: {KeyPolicy: {Version: '2012-10-17', Statement: []}}
Outputs:
  ArtifactBucketName:
    Value: !Ref ArtifactBucket
    Export: {Name: !Sub 'ecom-${Stage}-ArtifactBucketName'}
"""

TOY = """
Parameters:
  Stage: {Type: String}
  CodeKey: {Type: String}
Resources:
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - {Effect: Allow, Principal: {Service: lambda.amazonaws.com}, Action: 'sts:AssumeRole'}
  ToyLambda:
    Type: AWS::Lambda::Function
    Properties:
      FunctionName: !Sub 'ecom-${Stage}-toy'
      Handler: toy_service.app.handler
      Runtime: python3.13
      Role: !GetAtt Role.Arn
      Code:
        S3Bucket:
          Fn::ImportValue: !Sub 'ecom-${Stage}-ArtifactBucketName'
        S3Key: !Ref CodeKey
Outputs:
  FunctionName: {Value: !Ref ToyLambda}
"""
