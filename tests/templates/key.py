"""The house rule about the key: whom its policy names, for what, and under which condition."""

from __future__ import annotations

from collections.abc import Iterator, Set

from .house import Findings, rule, seals_customers
from .template import Json, Template, condition_values, refers_to, some, statements, sub

USE = {
    "kms:CreateGrant",
    "kms:Decrypt",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:GenerateDataKeyWithoutPlaintext",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
}
ADMINISTRATION = {
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:DisableKeyRotation",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
}
# What each service is documented to send to KMS. EventBridge on the way to queues sends no source.
KMS_CONDITIONS = {
    ("events.amazonaws.com", "kms:DescribeKey"): [{"aws:SourceAccount"}],
    ("events.amazonaws.com", "use"): [
        {"kms:EncryptionContext:aws:events:event-bus:arn"},
        {"kms:EncryptionContext:aws:sqs:arn"},
    ],
    ("cloudwatch.amazonaws.com", "use"): [{"aws:SourceAccount", "kms:EncryptionContext:aws:sns:topicArn"}],
    ("logs.${AWS::Region}.${AWS::URLSuffix}", "use"): [{"kms:EncryptionContext:aws:logs:arn"}],
}
THROUGH = {
    f"{name}.${{AWS::Region}}.${{AWS::URLSuffix}}" for name in ("dynamodb", "lambda", "s3", "sns", "sqs")
}
"""The services that keep something of this system."""
ACCOUNT = {"AWS": {"Fn::Sub": "arn:${AWS::Partition}:iam::${AWS::AccountId}:root"}}
UNTOUCHED = {"BypassPolicyLockoutSafetyCheck", "Enabled", "MultiRegion", "Origin", "RotationPeriodInDays"}


@rule
def key_policy_is_scoped(template: Template) -> Findings:
    """Administration apart from use; each AWS service bound to what it sends, context or source account."""
    for logical_id, key in template.of("KMS::Key").items():
        for message in [*_of_the_key(template, logical_id, key), *_of_its_policy(key)]:
            yield logical_id, message


def _of_the_key(template: Template, logical_id: str, key: dict[str, Json]) -> Iterator[str]:
    if key.get("EnableKeyRotation") is not True:
        yield "the key must rotate (EnableKeyRotation)"
    if key.get("PendingWindowInDays") != 30:
        yield "a deletion must wait for 30 days (PendingWindowInDays)"
    for name in sorted(UNTOUCHED & key.keys()):
        yield f"{name} must stay what it is without being said"
    if template.resources[logical_id].get("DeletionPolicy") != "Retain":
        yield "the key must outlive its stack (DeletionPolicy: Retain)"
    names = [
        sub(alias.get("AliasName"))
        for alias in template.of("KMS::Alias").values()
        if refers_to(alias.get("TargetKeyId")) == logical_id
    ]
    if names != ["alias/ecom-${Stage}"]:
        yield "the key must have one alias, alias/ecom-${Stage}"


def _of_its_policy(key: dict[str, Json]) -> Iterator[str]:
    served = set()
    for _, statement in statements(key["KeyPolicy"]):
        principal = statement.get("Principal", {})
        for message in _of_statement(statement, principal):
            yield f"statement {statement.get('Sid', '?')}: {message}"
        if isinstance(principal, dict) and "Service" in principal:
            served.add(sub(principal["Service"]))
    for service in sorted({name for name, _ in KMS_CONDITIONS} - served):
        yield f"the key policy has no statement for {service}"


def _of_statement(statement: dict[str, Json], principal: Json) -> Iterator[str]:
    actions = set(some(statement.get("Action")))
    keys = {name for comparison in statement.get("Condition", {}).values() for name in comparison}
    if any("*" in action for action in actions):
        yield "no wildcard actions, name them"
    elif unknown := sorted(actions - USE - ADMINISTRATION):
        yield f"{', '.join(unknown)} is neither use nor administration that this system needs"
    if statement.get("Effect") != "Allow":
        yield "a denial must stand where it can be taken back: not in the key's policy"
    elif isinstance(principal, dict) and set(principal) == {"Service"}:
        service = sub(principal["Service"])
        wanted = KMS_CONDITIONS.get((service, "use" if actions & USE else "kms:DescribeKey"), [])
        if keys not in wanted:
            yield f"the condition for {service or principal['Service']} must be one of {wanted}, not {keys}"
    elif principal != ACCOUNT:
        yield "a key is for this account's principals and named services"
    elif actions & USE:
        yield from _of_use(statement, actions, keys)


def _of_use(statement: dict[str, Json], actions: Set[str], keys: Set[str]) -> Iterator[str]:
    """Use by principals of the account, which IAM then allows or not."""
    through = keys - {"kms:GrantIsForAWSResource"} == {"kms:CallerAccount", "kms:ViaService"}
    here = condition_values(statement, "kms:CallerAccount") == [{"Ref": "AWS::AccountId"}]
    if not here or not (through or seals_customers(statement)):
        yield (
            "use must go through a service (kms:ViaService, kms:CallerAccount),"
            " or seal under the context of an order of this stage"
        )
    for service in sorted(set(map(sub, condition_values(statement, "kms:ViaService"))) - THROUGH):
        yield f"nothing of this system is kept by {service}"
    if "kms:CreateGrant" in actions and condition_values(statement, "kms:GrantIsForAWSResource") != [True]:
        yield "grants are for AWS resources only"
    if actions & (ADMINISTRATION - {"kms:DescribeKey"}):
        yield "who administers the key must not use it"
