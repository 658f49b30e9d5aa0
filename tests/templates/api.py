"""The name that the API's deployment has to have."""

from __future__ import annotations

import hashlib
import json

from .template import Template

# What a deployment takes a snapshot of. A stage is not in it, nor is what may call the function.
SNAPSHOT = (
    "Authorizer", "GatewayResponse", "Method", "Model", "RequestValidator", "Resource", "RestApi",
)  # fmt: skip


def deployment_name(template: Template) -> str:
    """`OrderApiDeployment` and ten hex digits that change with everything in the deployment's snapshot."""
    parts = {
        logical_id: resource
        for logical_id, resource in template.resources.items()
        if template.type_of(logical_id) in {f"ApiGateway::{kind}" for kind in SNAPSHOT}
    }
    canonical = json.dumps(parts, sort_keys=True, separators=(",", ":"))
    return f"OrderApiDeployment{hashlib.sha256(canonical.encode()).hexdigest()[:10]}"
