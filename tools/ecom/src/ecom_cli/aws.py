"""Where a command acts: a stage, in a region, on AWS or on an emulator."""

from __future__ import annotations

import os
import re
import threading
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from ecom_cli.errors import EcomError
from ecom_cli.localstate import EmulatorState, running_emulator
from ecom_cli.workspace import Member, workspace

LOCAL_STAGE = "local"
EMULATOR_REGION = "eu-central-1"
EMULATOR_KEY = "test"
STAGE_PATTERN = re.compile(r"(?!prod[^-])[a-z][a-z0-9-]{0,19}")  # the one of the templates

_lock = threading.RLock()  # boto3 sessions must not be used by two threads at once; clients may


@dataclass(frozen=True)
class Stage:
    """One deployment of the system: `ecom-<name>-…` in one region of one account.

    `endpoint_url` is None on AWS. `own_emulator` is true for the one that `ecom up` started.
    Clients and looked-up names are cached on the object: call `forget` after stacks changed.
    """

    name: str
    region: str
    endpoint_url: str | None = None
    own_emulator: bool = False
    _clients: dict[str, Any] = field(default_factory=dict, compare=False, repr=False)
    _known: dict[tuple[str, str], Any] = field(default_factory=dict, compare=False, repr=False)

    @property
    def is_emulator(self) -> bool:
        return self.endpoint_url is not None

    @property
    def is_production(self) -> bool:
        return self.name.partition("-")[0] == "prod"

    @property
    def where(self) -> str:
        """For people: `stage dev on AWS in eu-central-1`."""
        place = f"the emulator at {self.endpoint_url}" if self.is_emulator else f"AWS in {self.region}"
        return f"stage {self.name} on {place}"

    def client(self, service: str) -> Any:
        """A cached boto3 client: 5 s to connect, 60 s to answer, 5 attempts with standard retries."""
        with _lock:
            if service not in self._clients:
                from botocore.config import Config

                config = Config(
                    connect_timeout=5,
                    read_timeout=60,
                    retries={"mode": "standard", "total_max_attempts": 5},
                    max_pool_connections=50,
                    proxies={} if self.is_emulator else None,  # no proxy leads to this machine
                )
                self._clients[service] = _session().client(
                    service,
                    region_name=self.region,
                    endpoint_url=self.endpoint_url,
                    config=config,
                    **self.credentials(),
                )
            return self._clients[service]

    def credentials(self) -> dict[str, str]:
        """Explicit credentials on an emulator (never those of a profile), none on AWS: the usual chain."""
        if not self.is_emulator or (os.environ.get("AWS_ACCESS_KEY_ID") and not self.own_emulator):
            return {}
        return {"aws_access_key_id": EMULATOR_KEY, "aws_secret_access_key": EMULATOR_KEY}

    def stack_name(self, member: Member | str) -> str:
        return f"ecom-{self.name}-{member if isinstance(member, str) else member.dist}"

    def outputs(self, member: Member | str) -> dict[str, str]:
        """All outputs of the member's stack. Raises EcomError when there is no such stack."""
        stack = self.stack_name(member)
        if (stack, "outputs") not in self._known:
            found = self._of_stack(stack, "describe_stacks", StackName=stack)["Stacks"][0]
            self._known[stack, "outputs"] = {
                output["OutputKey"]: output["OutputValue"] for output in found.get("Outputs", ())
            }
        known: dict[str, str] = self._known[stack, "outputs"]
        return known

    def output(self, member: Member | str, key: str) -> str:
        """One output of the member's stack. Raises EcomError naming the outputs that exist."""
        outputs = self.outputs(member)
        if key not in outputs:
            raise EcomError(
                f"{self.stack_name(member)} has no output {key}.",
                f"It has: {', '.join(sorted(outputs)) or 'none'}. Deploy the present template first.",
            )
        return outputs[key]

    def physical_id(self, member: Member | str, logical_id: str) -> str:
        """The physical id of a resource of the member's stack (a queue's URL, a table's name, …)."""
        stack = self.stack_name(member)
        if (stack, logical_id) not in self._known:
            detail = self._of_stack(
                stack, "describe_stack_resource", StackName=stack, LogicalResourceId=logical_id
            )
            self._known[stack, logical_id] = detail["StackResourceDetail"]["PhysicalResourceId"]
        known: str = self._known[stack, logical_id]
        return known

    @property
    def api_url(self) -> str:
        """The URL that takes orders, without a slash at its end."""
        if self.is_emulator:
            api, step = self.output("order-service", "ApiId"), self.output("order-service", "ApiStageName")
            return f"{self.endpoint_url}/restapis/{api}/{step}/_user_request_/orders"
        return self.output("order-service", "ApiUrl").rstrip("/")

    def forget(self) -> None:
        """Look names up again from here on."""
        self._known.clear()

    def _of_stack(self, stack: str, call: str, **arguments: str) -> dict[str, Any]:
        from botocore.exceptions import ClientError

        try:
            answer: dict[str, Any] = getattr(self.client("cloudformation"), call)(**arguments)
        except ClientError as error:
            if error.response["Error"]["Code"] != "ValidationError":
                raise
            what = error.response["Error"]["Message"]
            start = "./ecom up" if self.own_emulator else "./ecom deploy"
            raise EcomError(
                f"{stack} could not be read ({self.where}): {what}", f"Is it deployed? `{start}` does that."
            ) from error
        return answer


@lru_cache(maxsize=1)
def _session() -> Any:
    """One for the process: it keeps the service models that it has read."""
    import boto3

    return boto3.session.Session()


def resolve_stage(
    stage: str | None = None,
    region: str | None = None,
    endpoint_url: str | None = None,
    *,
    state_folder: Path | None = None,
) -> Stage:
    """The stage that a command acts on.

    Endpoint: the option, else AWS_ENDPOINT_URL, else the profile's endpoint_url, else the emulator that
    `ecom up` left running (unless another stage than `local` is asked for by name: that is on AWS).
    Stage: the option, else `local` on an emulator, else `dev`.
    Raises EcomError for a stage name that is not allowed, for `local` on AWS, and where no region is set.
    """
    own = running_emulator(state_folder or workspace().state)
    endpoint = (endpoint_url or os.environ.get("AWS_ENDPOINT_URL") or _profile("endpoint_url") or "").rstrip(
        "/"
    )
    if own and not endpoint and stage in (None, LOCAL_STAGE):
        endpoint = own.endpoint_url
    if own and own.endpoint_url != endpoint:
        own = None
    emulator = endpoint if endpoint and not _is_amazon(endpoint) else None

    # an empty one is a script's variable that nobody set: no reason to take another stage than it meant
    name = stage if stage is not None else LOCAL_STAGE if emulator else "dev"
    if not STAGE_PATTERN.fullmatch(name):
        raise EcomError(
            f"{name!r} is not a stage name.",
            "Use at most 20 small letters, digits and hyphens, beginning with a letter; "
            "a production stage is prod or prod-….",
        )
    if name == LOCAL_STAGE and not emulator:
        raise EcomError(
            "Stage local has an API that is open to all, so it exists on an emulator only. None is running.",
            "Start one with `./ecom up`, or name another stage: `--stage dev`.",
        )
    return Stage(name, _region(region, emulator, own), emulator, own_emulator=own is not None)


def _region(option: str | None, emulator: str | None, own: EmulatorState | None) -> str:
    found = option or (own.region if own else None)
    found = found or os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
    found = found or (EMULATOR_REGION if emulator else _profile("region"))
    if not found:
        raise EcomError(
            "No AWS region is set.",
            "Give --region, set AWS_REGION or configure one for your profile; "
            "or run it on this machine with `./ecom up`.",
        )
    return found


def _profile(key: str) -> str | None:
    """A setting of the current profile in the AWS config file."""
    path = Path(os.environ.get("AWS_CONFIG_FILE") or "~/.aws/config").expanduser()
    if not path.is_file():
        return None  # spares the import of botocore on machines that have no AWS configuration
    from botocore.exceptions import ProfileNotFound
    from botocore.session import Session

    try:
        value = Session().get_scoped_config().get(key)
    except ProfileNotFound as error:
        raise EcomError(str(error), "Correct AWS_PROFILE.") from error
    return str(value) if value else None


def _is_amazon(url: str) -> bool:
    host = urlsplit(url).hostname
    if not host:
        raise EcomError(f"{url!r} is not a URL.", "An endpoint looks like http://127.0.0.1:4566.")
    return host.endswith((".amazonaws.com", ".amazonaws.com.cn", ".api.aws"))
