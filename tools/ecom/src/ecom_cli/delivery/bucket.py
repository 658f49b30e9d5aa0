"""A stage's artifact bucket: objects named by their content, and the releases that it keeps whole."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from ecom_cli.aws import Stage
from ecom_cli.errors import EcomError

BASE = "base-infra"
MANIFEST = "manifest.json"
_MISSING = ("404", "NoSuchKey", "NotFound")


@dataclass(frozen=True)
class Bucket:
    """The bucket of one stage. It has to be there: base-infra makes it."""

    stage: Stage

    @property
    def name(self) -> str:
        return self.stage.physical_id(BASE, "ArtifactBucket")

    def put(self, key: str, content: bytes) -> bool:
        """Put an object whose key follows from its content, unless it is there; true where it was not."""
        if self._has(key):
            return False
        self.stage.client("s3").put_object(Bucket=self.name, Key=key, Body=content)
        return True

    def get(self, key: str) -> bytes | None:
        """An object's content; None where there is none."""
        from botocore.exceptions import ClientError

        try:
            body = self.stage.client("s3").get_object(Bucket=self.name, Key=key)["Body"]
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return None
        content: bytes = body.read()
        return content

    def url(self, key: str) -> str:
        """Where CloudFormation finds an object."""
        host = self.stage.client("s3").meta.endpoint_url.rstrip("/")
        return f"{host}/{self.name}/{key}"

    def knows(self, name: str, version: str, manifest: bytes) -> bool:
        """Whether a release is kept here. Raises EcomError where another one is under this version."""
        known = self.release_file(name, version, MANIFEST)
        if known not in (None, manifest):
            raise EcomError(
                f"{self.stage.where} knows another {name} {version}: a release never changes.",
                f"Release what you have under a new version: `./ecom release {name}`.",
            )
        return known is not None

    def keep(self, name: str, version: str, files: Mapping[str, bytes]) -> bool:
        """Keep a release whole, so that it can be deployed again from anywhere; true where it was not there.

        The manifest goes last: a release without one is not there, and is put there again.
        Raises EcomError where the stage knows another release under this version.
        """
        if self.knows(name, version, files[MANIFEST]):
            return False
        folder = _folder(name, version)
        s3 = self.stage.client("s3")
        for file in sorted(files, key=lambda file: (file == MANIFEST, file)):
            s3.put_object(Bucket=self.name, Key=folder + file, Body=files[file])
        return True

    def fetch(self, name: str, version: str) -> dict[str, bytes] | None:
        """The files of a release that is kept here, as they lie there; None where it is not."""
        folder = _folder(name, version)
        if not self._has(f"{folder}{MANIFEST}"):
            return None
        contents = {key.removeprefix(folder): self.get(key) for key in self._keys(folder)}
        return {file: content for file, content in contents.items() if content is not None}

    def release_file(self, name: str, version: str | None, file: str) -> bytes | None:
        """One file of a release that is kept here, as it lies there; None where it is not."""
        return self.get(_folder(name, version or "") + file)

    def versions(self, name: str) -> list[str]:
        """The versions of the releases that are kept here, in no order."""
        prefix = f"releases/{name}/"
        manifests = (key for key in self._keys(prefix) if key.endswith(f"/{MANIFEST}"))
        return [key.removeprefix(prefix).partition("/")[0] for key in manifests]

    def _keys(self, prefix: str) -> list[str]:
        pages = self.stage.client("s3").get_paginator("list_objects_v2")
        found = pages.paginate(Bucket=self.name, Prefix=prefix)
        return [entry["Key"] for page in found for entry in page.get("Contents", ())]

    def _has(self, key: str) -> bool:
        from botocore.exceptions import ClientError

        try:
            self.stage.client("s3").head_object(Bucket=self.name, Key=key)
        except ClientError as error:
            if error.response["Error"]["Code"] not in _MISSING:
                raise
            return False
        return True


def contract_key(name: str, sha256: str) -> str:
    """Where the contract with this hash lies."""
    return f"{name}/contract-{sha256}.json"


def _folder(name: str, version: str) -> str:
    return f"releases/{name}/{version}/"
