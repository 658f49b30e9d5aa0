"""The names that the API's deployments have to have."""

from __future__ import annotations

import hashlib
import json

from .template import Template

# What a deployment takes a snapshot of. A stage is not in it, nor is what may call the function.
SNAPSHOT = (
    "Authorizer", "GatewayResponse", "Method", "Model", "RequestValidator", "Resource", "RestApi",
)  # fmt: skip


# Who may call is a parameter, and in the snapshot: one deployment for each, under this condition.
KINDS = {"AsksIam": "Signed", "AsksUserPool": "UserPool", "AsksNobody": "Open"}


def deployment_names(template: Template) -> dict[str, str]:
    """By condition, a name and ten hex digits that change with everything in the deployments' snapshot."""
    parts = {
        logical_id: resource
        for logical_id, resource in template.resources.items()
        if template.type_of(logical_id) in {f"ApiGateway::{kind}" for kind in SNAPSHOT}
    }
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    digits = hashlib.sha256(canonical.encode()).hexdigest()[:10]
    return {condition: f"{kind}Deployment{digits}" for condition, kind in KINDS.items()}
