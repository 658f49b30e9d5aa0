"""A member's wheel, built by one exact version of its build backend."""

from __future__ import annotations

import tempfile
from pathlib import Path

from ecom_cli.errors import EcomError
from ecom_cli.uvtool import uv
from ecom_cli.workspace import Member, Workspace

# The exact backend, with the hashes of its wheels for every platform: a pyproject.toml allows a range.
BACKEND = Path(__file__).parent / "build-requirements.txt"


def build_wheel(repo: Workspace, member: Member) -> tuple[str, bytes]:
    """The wheel's file name and content: the same for the same files, wherever and whenever it is built.

    Without --force-pep517, an older uv (0.9.0) builds with the backend that it holds itself, pins or no pins.
    """
    with tempfile.TemporaryDirectory(prefix="ecom-wheel-") as folder:
        uv(
            "build", "--quiet", "--wheel", "--package", member.dist, "--out-dir", folder,
            "--force-pep517", "--build-constraints", str(BACKEND), "--require-hashes",
            cwd=repo.root,
        )  # fmt: skip
        built = sorted(Path(folder).glob("*.whl"))
        if len(built) != 1 or not built[0].name.endswith("-py3-none-any.whl"):
            raise EcomError(
                f"{member.dist} was built into {', '.join(path.name for path in built) or 'nothing'}.",
                "One wheel in pure Python was expected.",
            )
        return built[0].name, built[0].read_bytes()
