"""Whether what is about to run on a stage fits what runs there already."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from ecom_cli.aws import Stage
from ecom_cli.contracts import Contract, misfits
from ecom_cli.delivery.bucket import Bucket, contract_key
from ecom_cli.delivery.tags import running
from ecom_cli.errors import EcomError


class MisfitError(EcomError):
    """What is about to run does not fit what runs already."""


def check(stage: Stage, coming: Iterable[Contract], stacks: Mapping[str, Mapping[str, Any]]) -> list[str]:
    """Refuse a combination that does not fit; return the services that could not be asked.

    `coming` take the place of what runs. `stacks` are the stage's stacks by dist name, as DescribeStacks has
    them. One without a contract (deployed by an older deployer) is known by its exports only.
    Raises MisfitError saying who needs what.
    """
    contracts = {contract.dist: contract for contract in coming}
    others = [stack for dist, stack in stacks.items() if dist not in contracts]
    exports: set[str] = set()
    unknown = []
    with ThreadPoolExecutor(max_workers=max(len(others), 1)) as pool:
        found = list(pool.map(lambda stack: contract_of_stack(stage, stack), others))
    for stack, contract in zip(others, found, strict=True):
        if contract:
            contracts[contract.dist] = contract
        else:
            exports |= set(_exports(stage, stack))
            unknown.append(_dist(stage, stack))
    if problems := misfits(contracts, exports):
        lines = [f"This does not fit what runs on {stage.where}:", *(f"  {line}" for line in problems)]
        raise MisfitError(
            "\n".join(lines),
            "Nothing was changed. Deploy the others first, or together with it in one call.",
        )
    return sorted(unknown)


def contract_of_stack(stage: Stage, stack: Mapping[str, Any]) -> Contract | None:
    """The contract of what a stack runs; None where it left none. Raises EcomError for a changed one."""
    if (sha256 := running(stack).contract) is None:
        return None
    key = contract_key(_dist(stage, stack), sha256)
    if (content := Bucket(stage).get(key)) is None:
        return None
    contract = Contract.from_json(content.decode())
    if contract.sha256 != sha256:
        raise EcomError(
            f"{key} in the artifact bucket is not the contract that was deployed.",
            "Delete it there, and deploy what runs once more.",
        )
    return contract


def _dist(stage: Stage, stack: Mapping[str, Any]) -> str:
    return str(stack["StackName"]).removeprefix(stage.stack_name(""))


def _exports(stage: Stage, stack: Mapping[str, Any]) -> Iterable[str]:
    for output in stack.get("Outputs", ()):
        if name := output.get("ExportName"):
            yield name.removeprefix(stage.stack_name(""))
