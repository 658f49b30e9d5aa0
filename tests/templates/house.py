"""The house rules: what the emulator does not check and cfn-lint does not know, with messages that help.

A rule is a generator over one template that yields what is wrong as (resource, message). Why the house wants
it stands in its docstring. `check` runs them all.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from .template import (
    Json,
    Template,
    condition_values,
    imports,
    refers_to,
    some,
    statements,
    sub,
    walk,
)

Findings = Iterator[tuple[str, str]]


@dataclass(frozen=True)
class Finding:
    template: str
    rule: str
    resource: str
    message: str

    def __str__(self) -> str:
        return f"{self.template}: {self.resource}: {self.message} [{self.rule}]"


RULES: dict[str, Callable[[Template], Findings]] = {}

SECTIONS = [
    "Parameters", "Rules and conditions", "Data", "Messaging", "Compute", "API", "Alarms", "Outputs",
]  # fmt: skip
FOURTEEN_DAYS = 14 * 24 * 3600
MAX_BODY = 51_200
"""Bytes that CloudFormation takes as TemplateBody, without a bucket."""

LONG = {"order-service": 65_536}
"""Templates that may be longer, and how long. They go by the bucket that their zip lies in anyway. This one
says thirteen times what API Gateway answers: CloudFormation has no way to say the same once."""


def rule(function: Callable[[Template], Findings]) -> Callable[[Template], Findings]:
    RULES[function.__name__] = function
    return function


def check(template: Template, *names: str) -> list[Finding]:
    """What is wrong with a template, by all rules or by those named."""
    return [
        Finding(template.name, name, resource, message)
        for name, function in RULES.items()
        if not names or name in names
        for resource, message in function(template)
    ]


# ------------------------------------------------------------------------------------------ the file


@rule
def sections_in_order(template: Template) -> Findings:
    """Who knows one template knows all: the same sections everywhere, also where one is empty."""
    found = [name for _, name in template.banners()]
    if found != SECTIONS:
        yield "sections", f"the banners are {found}, they should be {SECTIONS}"


@rule
def resources_in_their_section(template: Template) -> Findings:
    """A section is no use if things stand elsewhere."""
    starts = template.banners()
    for logical_id, line in template.lines.items():
        section = next((name for start, name in reversed(starts) if start < line), "")
        wanted = _section_of(template, logical_id)
        if section != wanted:
            yield logical_id, f"stands under {section!r}, it belongs under {wanted!r}"


def _section_of(template: Template, logical_id: str) -> str:
    kind = template.type_of(logical_id)
    properties = template.resources[logical_id].get("Properties", {})
    if kind == "Logs::LogGroup" and sub(properties.get("LogGroupName")).startswith("/aws/apigateway/"):
        return "API"
    if kind == "IAM::Role" and "events.amazonaws.com" in _trusted(properties):
        return "Messaging"
    service = kind.split("::")[0]
    return {
        "KMS": "Data", "S3": "Data", "DynamoDB": "Data",
        "Events": "Messaging", "SQS": "Messaging", "SNS": "Messaging",
        "IAM": "Compute", "Lambda": "API" if kind == "Lambda::Permission" else "Compute",
        "Logs": "Compute", "Scheduler": "Compute", "ApiGateway": "API", "CloudWatch": "Alarms",
    }.get(service, "a section that the rule does not know yet")  # fmt: skip


@rule
def raw_and_small(template: Template) -> Findings:
    """Raw YAML that any client deploys: no transform (a macro runs somebody's code), no bucket for itself."""
    size, most = len(template.text.encode()), LONG.get(template.name, MAX_BODY)
    if size > most:
        yield "template", f"is {size} bytes long, more than {most}; CloudFormation takes {MAX_BODY} as a body"
    elif template.name in LONG and size <= MAX_BODY:
        yield "template", f"is short enough for a body: take it out of LONG ({size} of {MAX_BODY} bytes)"
    if "Transform" in template.body or any(
        isinstance(n, dict) and "Fn::Transform" in n for n in walk(template.body)
    ):
        yield "Transform", "no transforms and no macros: the file is what is deployed"


@rule
def no_places_in_the_template(template: Template) -> Findings:
    """A template serves every account, region and partition, and holds no personal data."""
    for pattern, what in (
        (r"\b\d{12}\b", "an account id"),
        (r"arn:aws[\w-]*:", "an ARN with a fixed partition"),
        (r"\b(?:us|eu|ap|sa|ca|me|af|il|cn)-(?:gov-)?[a-z]+-\d\b", "a region"),
        (r"[\w.]+@[\w]+\.[a-z]{2,}", "an e-mail address"),
    ):
        for match in re.finditer(pattern, template.text):
            yield f"line {template.text[: match.start()].count(chr(10)) + 1}", f"{what}: {match[0]!r}"


@rule
def parameters_explain_themselves(template: Template) -> Findings:
    """Whoever deploys reads the console or an error message, not the file."""
    interface = template.body.get("Metadata", {}).get("AWS::CloudFormation::Interface", {})
    grouped = [name for group in interface.get("ParameterGroups", []) for name in group["Parameters"]]
    labels = interface.get("ParameterLabels", {})
    for name, parameter in template.body["Parameters"].items():
        if not parameter.get("Description"):
            yield name, "a parameter needs a description"
        if grouped.count(name) != 1:
            yield name, f"a parameter must stand in one group of the interface, not in {grouped.count(name)}"
        if name not in labels:
            yield name, "a parameter needs a label"
        limits = {"AllowedPattern", "MinValue", "MaxValue", "MinLength", "MaxLength"} & parameter.keys()
        if limits and not parameter.get("ConstraintDescription"):
            yield name, f"with {sorted(limits)} it must say in a ConstraintDescription what is allowed"
        if not limits and "AllowedValues" not in parameter:
            yield name, "a parameter must have a pattern, limits or a list of values"
    for name in sorted({*grouped, *labels} - template.body["Parameters"].keys()):
        yield name, "the interface names a parameter that does not exist"


@rule
def parameters_are_validated(template: Template) -> Findings:
    """A wrong value is refused when it is given, not by some resource an hour later, or never."""
    for name, parameter in template.body["Parameters"].items():
        kind, choice = parameter.get("Type"), parameter.get("AllowedValues")
        pattern, default = parameter.get("AllowedPattern", ""), parameter.get("Default")
        if kind not in ("String", "Number"):
            yield name, "a parameter must be a String or a Number: other types look things up in an account"
        if choice is None and kind == "String" and not re.fullmatch(r"\^.+\$", pattern):
            yield name, "a text must have a list of values, or a pattern from ^ to $"
        if choice is None and kind == "Number" and not {"MinValue", "MaxValue"} <= parameter.keys():
            yield name, "a number must have a list of values, or a least and a greatest"
        if "AllowedPattern" in parameter and not _says_more(parameter, pattern):
            yield name, "its ConstraintDescription must say in words what the pattern says in signs"
        if default is None:
            continue
        if choice is not None and default not in choice:
            yield name, f"the default {default!r} is not one of its values"
        elif choice is None and kind == "String" and not re.search(pattern, str(default)):
            yield name, f"the default {default!r} does not match its pattern"
        elif (
            choice is None
            and kind == "Number"
            and not (parameter.get("MinValue", default) <= default <= parameter.get("MaxValue", default))
        ):
            yield name, f"the default {default} is out of its limits"


def _says_more(parameter: dict[str, Json], pattern: str) -> bool:
    text = parameter.get("ConstraintDescription", "")
    return len(text) >= 20 and pattern not in text and text != parameter.get("Description")


@rule
def outputs_explain_themselves(template: Template) -> Findings:
    for name, output in template.body["Outputs"].items():
        if not output.get("Description"):
            yield name, "an output needs a description"


NAMED_IN_THEIR_API = {f"ApiGateway::{kind}" for kind in ("Authorizer", "Model", "RequestValidator")}


@rule
def names_carry_the_stage(template: Template) -> Findings:
    """Two stages live in one account; the key policy and the topic policy go by the names."""
    for logical_id in template.resources:
        name = template.physical_name(logical_id)
        if template.type_of(logical_id) in NAMED_IN_THEIR_API:
            continue
        if name and not name.startswith("ecom-${Stage}-"):
            yield logical_id, f"the name {name!r} does not begin with 'ecom-${{Stage}}-'"
    for logical_id, group in template.of("Logs::LogGroup").items():
        if not re.match(r"/aws/(lambda|apigateway)/ecom-\$\{Stage\}-", sub(group.get("LogGroupName"))):
            yield (
                logical_id,
                "its name must begin with /aws/lambda/ecom-${Stage}- or /aws/apigateway/ecom-${Stage}-",
            )


# ------------------------------------------------------------------------------------------ what is kept


def _is_the_key(template: Template, value: Json) -> bool:
    return imports(value) == "ecom-${Stage}-KmsKeyArn" or template.type_of(refers_to(value)) == "KMS::Key"


@rule
def data_says_what_happens_on_delete(template: Template) -> Findings:
    """The default for both is Delete, and nobody reads defaults. A replacement never takes data along."""
    for logical_id, resource in template.resources.items():
        kind = template.type_of(logical_id)
        if kind in {
            "DynamoDB::Table",
            "KMS::Key",
            "S3::Bucket",
            "SQS::Queue",
            "Logs::LogGroup",
            "Events::Archive",
        }:
            if "DeletionPolicy" not in resource:
                yield logical_id, "needs a DeletionPolicy"
            if resource.get("UpdateReplacePolicy") != "Retain":
                yield logical_id, "needs UpdateReplacePolicy: Retain"
            if kind == "DynamoDB::Table" and resource.get("DeletionPolicy") != "Retain":
                yield logical_id, "rows must outlive their stack (DeletionPolicy: Retain)"


@rule
def tables_are_safe(template: Template) -> Findings:
    for logical_id, table in template.of("DynamoDB::Table").items():
        sse = table.get("SSESpecification", {})
        if not (sse.get("SSEEnabled") is True and _is_the_key(template, sse.get("KMSMasterKeyId"))):
            yield logical_id, "a table must be encrypted with the key (SSESpecification)"
        if table.get("PointInTimeRecoverySpecification", {}).get("PointInTimeRecoveryEnabled") is not True:
            yield logical_id, "a table must have point-in-time recovery"
        if "RecoveryPeriodInDays" in table.get("PointInTimeRecoverySpecification", {}):
            yield logical_id, "must be recoverable for 35 days: leave RecoveryPeriodInDays out"
        if table.get("DeletionProtectionEnabled") != {"Fn::If": ["IsProd", True, False]}:
            yield logical_id, "a table must have deletion protection on production: !If [IsProd, true, false]"
        if table.get("TimeToLiveSpecification") != {"AttributeName": "expiresAt", "Enabled": True}:
            yield logical_id, "rows must leave by the attribute expiresAt (TimeToLiveSpecification)"
        if table.get("BillingMode") != "PAY_PER_REQUEST":
            yield logical_id, "a table must be paid by request (BillingMode)"


@rule
def production_is_recognised(template: Template) -> Findings:
    """`prod` and `prod-...` are production, to people and to conditions; no other name begins with prod."""
    pattern = template.body["Parameters"]["Stage"].get("AllowedPattern", "")
    for stage in ("local", "dev", "prod", "prod-eu", "a" * 20, "p", "pro", "staging-2"):
        if not re.fullmatch(pattern, stage):
            yield "Stage", f"the pattern refuses {stage!r}"
    for stage in ("production", "prod2", "prods-1", "Dev", "1st", "", "a" * 21, "a_b", "-a"):
        if re.fullmatch(pattern, stage):
            yield "Stage", f"the pattern lets {stage!r} pass"
    conditions = template.body.get("Conditions", {})
    first = {"Fn::Select": [0, {"Fn::Split": ["-", {"Ref": "Stage"}]}]}
    if template.of("DynamoDB::Table") and conditions.get("IsProd") != {
        "Fn::Equals": [{"Fn::Join": ["", [first]]}, "prod"]
    }:
        yield "IsProd", "compares the part of the stage before the first dash with 'prod'"


@rule
def everything_is_encrypted(template: Template) -> Findings:
    """With the key, except where a failure is kept: a disabled key must not lose that as well."""
    for kind, setting in {
        "SNS::Topic": "KmsMasterKeyId",
        "Logs::LogGroup": "KmsKeyId",
        "Lambda::Function": "KmsKeyArn",
        "Events::EventBus": "KmsKeyIdentifier",
        "Events::Archive": "KmsKeyIdentifier",
    }.items():
        for logical_id, properties in template.of(kind).items():
            if not _is_the_key(template, properties.get(setting)):
                yield logical_id, f"must be encrypted with the key ({setting})"
    rests = undelivered_queues(template)
    for logical_id, queue in template.of("SQS::Queue").items():
        if logical_id in rests:
            if queue.get("SqsManagedSseEnabled") is not True or "KmsMasterKeyId" in queue:
                yield logical_id, "a dead-letter queue of rules must be encrypted by SQS, not with the key"
        elif not _is_the_key(template, queue.get("KmsMasterKeyId")):
            yield logical_id, "must be encrypted with the key (KmsMasterKeyId)"
    for logical_id, bucket in template.of("S3::Bucket").items():
        rules = bucket.get("BucketEncryption", {}).get("ServerSideEncryptionConfiguration", [{}])
        if not _is_the_key(template, rules[0].get("ServerSideEncryptionByDefault", {}).get("KMSMasterKeyID")):
            yield logical_id, "must be encrypted with the key (BucketEncryption)"


@rule
def buckets_are_private(template: Template) -> Findings:
    for logical_id, bucket in template.of("S3::Bucket").items():
        block = bucket.get("PublicAccessBlockConfiguration", {})
        if not (len(block) == 4 and all(value is True for value in block.values())):
            yield logical_id, "a bucket must block public access in all four ways"
        if bucket.get("VersioningConfiguration", {}).get("Status") != "Enabled":
            yield logical_id, "a bucket must be versioned"
        if bucket.get("OwnershipControls", {}).get("Rules") != [{"ObjectOwnership": "BucketOwnerEnforced"}]:
            yield logical_id, "a bucket must know no ACLs (BucketOwnerEnforced)"
        for lifecycle in bucket.get("LifecycleConfiguration", {}).get("Rules", []):
            if {"ExpirationDate", "ExpirationInDays"} & lifecycle.keys():
                yield (
                    logical_id,
                    f"what is current must stay, a rollback deploys it (rule {lifecycle.get('Id')})",
                )


def seals_customers(statement: dict[str, Json]) -> bool:
    """Encrypt and Decrypt without a service between, under the context of an order of this stage alone."""
    return (
        sorted(some(statement.get("Action"))) == ["kms:Decrypt", "kms:Encrypt"]
        and condition_values(statement, "kms:EncryptionContext:stage") == [{"Ref": "Stage"}]
        and condition_values(statement, "kms:EncryptionContext:orderId")
        == ["????????-????-????-????-????????????"]
        and statement["Condition"].get("ForAllValues:StringEquals")
        == {"kms:EncryptionContextKeys": ["orderId", "stage"]}
        # The emulator lacks these keys, so all else is "if exists"; on AWS they have to be there.
        and statement["Condition"].get("Null")
        == {
            "Fn::If": [
                "DeniesPlainHttp",
                {"kms:EncryptionContext:orderId": False, "kms:EncryptionContext:stage": False},
                {"Ref": "AWS::NoValue"},
            ]
        }
    )


# ------------------------------------------------------------------------------------------ queues and topics


def undelivered_queues(template: Template) -> set[str]:
    """Where rules, schedules and the bus put what they cannot deliver."""
    return {
        queue
        for node in walk(template.body["Resources"])
        if isinstance(node, dict) and "DeadLetterConfig" in node
        if (queue := refers_to(node["DeadLetterConfig"].get("Arn")))
    }


def dead_letter_queues(template: Template) -> dict[str, list[str]]:
    """Queues that other queues redrive to, with the queues that do."""
    found: dict[str, list[str]] = {}
    for logical_id, queue in template.of("SQS::Queue").items():
        target = refers_to(queue.get("RedrivePolicy", {}).get("deadLetterTargetArn"))
        if target:
            found.setdefault(target, []).append(logical_id)
    return found


def consumed_queues(template: Template) -> dict[str, list[tuple[str, str]]]:
    """Queues that a function works on, with mapping and function."""
    found: dict[str, list[tuple[str, str]]] = {}
    for logical_id, mapping in template.of("Lambda::EventSourceMapping").items():
        queue, function = refers_to(mapping.get("EventSourceArn")), refers_to(mapping.get("FunctionName"))
        found.setdefault(queue or "?", []).append((logical_id, function or "?"))
    return found


@rule
def queues_have_dead_letter_queues(template: Template) -> Findings:
    """What fails on every try must be kept and must hold nobody up."""
    finals = (
        undelivered_queues(template) | dead_letter_queues(template).keys() - consumed_queues(template).keys()
    )
    queues = template.of("SQS::Queue")
    for logical_id, queue in queues.items():
        redrive = queue.get("RedrivePolicy", {})
        target = refers_to(redrive.get("deadLetterTargetArn"))
        if logical_id in finals:
            if queue.get("MessageRetentionPeriod") != FOURTEEN_DAYS:
                yield logical_id, "a last queue must keep its messages for 14 days"
        elif target not in queues or target == logical_id:
            yield logical_id, "a queue must have a dead-letter queue in its stack (RedrivePolicy)"
        elif not 3 <= redrive.get("maxReceiveCount", 0) <= 10:
            yield logical_id, "a queue must try 3 to 10 times (maxReceiveCount)"
        elif queue.get("MessageRetentionPeriod", 0) > queues[target].get("MessageRetentionPeriod", 0):
            yield (
                logical_id,
                f"{target} must keep its messages for at least as long: their age goes with them",
            )


@rule
def dead_letter_queues_take_only_their_own(template: Template) -> Findings:
    """By name: source and target refer to each other, so one of them cannot use the other's ARN."""
    queues = template.of("SQS::Queue")
    for logical_id, sources in dead_letter_queues(template).items():
        allow = queues.get(logical_id, {}).get("RedriveAllowPolicy", {})
        wanted = sorted(_sqs_arn(template.physical_name(source)) for source in sources)
        if (
            allow.get("redrivePermission") != "byQueue"
            or sorted(map(sub, allow.get("sourceQueueArns", []))) != wanted
        ):
            yield logical_id, f"RedriveAllowPolicy must be byQueue for {sources}"


def _sqs_arn(name: str) -> str:
    return f"arn:${{AWS::Partition}}:sqs:${{AWS::Region}}:${{AWS::AccountId}}:{name}"


@rule
def visibility_covers_the_retries(template: Template) -> Findings:
    """Six time-outs and the batching window, as the Lambda guide has it, or messages are done twice."""
    functions = template.of("Lambda::Function")
    for queue, users in consumed_queues(template).items():
        for mapping, function in users:
            timeout = functions.get(function, {}).get("Timeout", 3)
            window = template.resources[mapping]["Properties"].get("MaximumBatchingWindowInSeconds", 0)
            seconds = template.of("SQS::Queue").get(queue, {}).get("VisibilityTimeout", 30)
            if seconds < 6 * timeout + window:
                yield queue, f"visibility of {seconds} s; {function} needs 6 x {timeout} s + {window} s"


@rule
def mappings_are_capped(template: Template) -> Findings:
    """Partial answers, or one bad record repeats the batch. A cap, or one queue takes all concurrency."""
    for logical_id, mapping in template.of("Lambda::EventSourceMapping").items():
        if mapping.get("FunctionResponseTypes") != ["ReportBatchItemFailures"]:
            yield logical_id, "a mapping must have FunctionResponseTypes: [ReportBatchItemFailures]"
        if mapping.get("Enabled", True) is not True:
            yield logical_id, "a mapping must be on (Enabled)"
        cap = {"Fn::FindInMap": ["Concurrency", {"Ref": "MaxConcurrency"}, "Invocations"]}
        if mapping.get("ScalingConfig") != {"MaximumConcurrency": cap}:
            yield logical_id, "a mapping must be capped by the parameter MaxConcurrency (ScalingConfig)"
        if mapping.get("BatchSize", 10) > 10 and mapping.get("MaximumBatchingWindowInSeconds", 0) < 1:
            yield logical_id, "batches of more than 10 need a window of at least 1 s"


@rule
def plain_http_is_denied(template: Template) -> Findings:
    """On every queue, topic and bucket, for everybody, on every stage that is on AWS."""
    if not template.of("SQS::Queue", "SNS::Topic", "S3::Bucket"):
        return
    conditions = template.body.get("Conditions", {})
    if conditions.get("DeniesPlainHttp") != {"Fn::Equals": [{"Ref": "PlainHttp"}, "denied"]}:
        yield "DeniesPlainHttp", "plain HTTP is denied unless the parameter PlainHttp says otherwise"
    if template.body["Parameters"].get("PlainHttp", {}).get("Default") != "denied":
        yield "PlainHttp", "plain HTTP is denied by default"
    for kind, policy_kind, field in (
        ("SQS::Queue", "SQS::QueuePolicy", "Queues"),
        ("SNS::Topic", "SNS::TopicPolicy", "Topics"),
        ("S3::Bucket", "S3::BucketPolicy", "Bucket"),
    ):
        for logical_id in template.of(kind):
            if not any(
                _denies_plain_http(
                    statement, condition or template.resources[policy_id].get("Condition"), logical_id
                )
                for policy_id, policy in template.of(policy_kind).items()
                if logical_id in map(refers_to, some(policy.get(field)))
                for condition, statement in statements(policy["PolicyDocument"])
            ):
                yield logical_id, f"its {policy_kind.split('::')[1]} must deny everybody plain HTTP"


def _denies_plain_http(statement: dict[str, Json], condition: str | None, logical_id: str) -> bool:
    return (
        statement.get("Effect") == "Deny"
        and statement.get("Principal") == "*"
        and condition in (None, "DeniesPlainHttp")
        and statement.get("Condition") == {"Bool": {"aws:SecureTransport": False}}
        and logical_id in map(refers_to, some(statement.get("Resource")))
    )


# ------------------------------------------------------------------------------------------ rules of the bus


@rule
def rule_targets_are_buffered(template: Template) -> Findings:
    """A queue buffers, batches, retries and keeps what failed; a function behind a rule does none of that."""
    for logical_id, properties in template.of("Events::Rule").items():
        if imports(properties.get("EventBusName")) != "ecom-${Stage}-EventBusName":
            yield logical_id, "a rule must listen on the imported bus"
        for target in properties.get("Targets", []):
            kind = template.type_of(refers_to(target.get("Arn")))
            if kind not in {"SQS::Queue", "SNS::Topic"}:
                yield (
                    logical_id,
                    f"target {target['Id']} is a {kind or 'stranger'}; rules target queues and topics",
                )
            if kind == "SNS::Topic" and "InputTransformer" not in target:
                yield (
                    logical_id,
                    f"target {target['Id']}: a customer must get a sentence, no event (InputTransformer)",
                )
            dead = refers_to(target.get("DeadLetterConfig", {}).get("Arn"))
            if template.type_of(dead) != "SQS::Queue":
                yield logical_id, f"target {target['Id']} has no dead-letter queue (DeadLetterConfig)"
        if properties.get("State", "ENABLED") != "ENABLED":
            yield logical_id, "a rule that is switched off loses what it does not match (State)"


@rule
def rules_may_deliver(template: Template) -> Findings:
    """A rule without the right fails silently. Queues name the rule, topics are reached with a role."""
    for logical_id, properties in template.of("Events::Rule").items():
        for target in properties.get("Targets", []):
            resource = refers_to(target.get("Arn"))
            queues = [refers_to(target.get("DeadLetterConfig", {}).get("Arn"))]
            if template.type_of(resource) == "SNS::Topic":
                if not _role_publishes(template, refers_to(target.get("RoleArn")), resource, logical_id):
                    yield logical_id, f"has no role that lets it publish to {resource}"
            else:
                queues.append(resource)
            for queue in filter(None, queues):
                if not _queue_takes_from(template, queue, logical_id):
                    yield logical_id, f"the policy of {queue} does not let this rule send"


def _queue_takes_from(template: Template, queue: str | None, rule_id: str) -> bool:
    return any(
        statement.get("Effect") == "Allow"
        and statement.get("Principal") == {"Service": "events.amazonaws.com"}
        and "sqs:SendMessage" in some(statement.get("Action"))
        and queue in map(refers_to, some(statement.get("Resource")))
        and rule_id in map(refers_to, condition_values(statement, "aws:SourceArn"))
        for policy in template.of("SQS::QueuePolicy").values()
        if queue in map(refers_to, policy.get("Queues", []))
        for _, statement in statements(policy["PolicyDocument"])
    )


def _role_publishes(template: Template, role: str | None, topic: str | None, rule_id: str) -> bool:
    properties = template.of("IAM::Role").get(role or "", {})
    arn = "arn:${AWS::Partition}:events:${AWS::Region}:${AWS::AccountId}:rule/ecom-${Stage}-bus/"
    trusted = any(
        statement.get("Principal") == {"Service": "events.amazonaws.com"}
        and arn + template.physical_name(rule_id) in map(sub, condition_values(statement, "aws:SourceArn"))
        for _, statement in statements(properties.get("AssumeRolePolicyDocument", {}))
    )
    allowed = {
        action
        for _, statement in _role_statements(properties)
        if refers_to(statement.get("Resource")) == topic or _is_the_key(template, statement.get("Resource"))
        for action in some(statement.get("Action"))
    }
    return trusted and {"sns:Publish", "kms:Decrypt", "kms:GenerateDataKey"} <= allowed


# ------------------------------------------------------------------------------------------ who may do what


def _role_statements(role: dict[str, Json]) -> Iterator[tuple[str | None, dict[str, Json]]]:
    for policy in role.get("Policies", []):
        yield from statements(policy["PolicyDocument"])


def _trusted(role: dict[str, Json]) -> list[str]:
    return [
        sub(service)
        for _, statement in statements(role.get("AssumeRolePolicyDocument", {}))
        if isinstance(principal := statement.get("Principal"), dict)
        for service in some(principal.get("Service"))
    ]


@rule
def callers_are_named(template: Template) -> Findings:
    """A service acts for many customers: its principal alone lets strangers in (confused deputy)."""
    documents = [
        (logical_id, policy["PolicyDocument"])
        for logical_id, policy in template.of(
            "SQS::QueuePolicy", "SNS::TopicPolicy", "S3::BucketPolicy"
        ).items()
    ] + [
        (logical_id, role["AssumeRolePolicyDocument"])
        for logical_id, role in template.of("IAM::Role").items()
    ]
    for logical_id, document in documents:
        for _, statement in statements(document):
            if statement.get("Effect") == "Allow":
                yield from ((logical_id, message) for message in _unnamed(statement))
    for logical_id, permission in template.of("Lambda::Permission").items():
        if not sub(permission.get("Principal")).endswith(".amazonaws.com"):
            yield logical_id, "a permission must be for one AWS service (Principal)"
        if "SourceArn" not in permission:
            yield logical_id, "a permission must name its source (SourceArn)"
        if permission.get("SourceAccount") != {"Ref": "AWS::AccountId"}:
            yield logical_id, "a permission must name its account (SourceAccount)"


def _unnamed(statement: dict[str, Json]) -> Iterator[str]:
    """What a statement that lets somebody in leaves open about them."""
    principal = statement.get("Principal")
    if not (isinstance(principal, dict) and set(principal) == {"Service"} and sub(principal["Service"])):
        yield "an allowing statement must be for one AWS service (Principal)"
    # Lambda sends no source when it takes on a function's role; passing a role is what guards that.
    if statement.get("Action") == "sts:AssumeRole" and principal == {"Service": "lambda.amazonaws.com"}:
        return
    if not condition_values(statement, "aws:SourceArn"):
        yield "an allowing statement must name its source (aws:SourceArn)"
    if condition_values(statement, "aws:SourceAccount") != [{"Ref": "AWS::AccountId"}]:
        yield "an allowing statement must name its account (aws:SourceAccount)"


# X-Ray has no resources to name: https://docs.aws.amazon.com/service-authorization, AWS X-Ray.
WITHOUT_RESOURCE = {"xray:PutTelemetryRecords", "xray:PutTraceSegments"}


@rule
def roles_are_exact(template: Template) -> Findings:
    """One role per function, inline, by action and resource: what is not listed cannot be done."""
    users = [refers_to(function.get("Role")) for function in template.of("Lambda::Function").values()]
    for logical_id, role in template.of("IAM::Role").items():
        if role.get("ManagedPolicyArns"):
            yield logical_id, "no managed policies: they grow without us"
        if users.count(logical_id) > 1:
            yield logical_id, "one role per function"
        for _, statement in _role_statements(role):
            actions, resources = some(statement.get("Action")), some(statement.get("Resource"))
            if (
                not actions
                or not resources
                or {"NotAction", "NotResource", "NotPrincipal"} & statement.keys()
            ):
                yield logical_id, "a statement must say what it allows, on what"
            for action in actions:
                if "*" in action:
                    yield logical_id, f"wildcard action {action}"
            for resource in resources:
                if "*" in sub(resource) and not set(actions) <= WITHOUT_RESOURCE:
                    yield logical_id, f"wildcard resource {sub(resource)} for {actions}"
            if any(action.startswith("kms:") for action in actions) and not (
                condition_values(statement, "kms:ViaService") or seals_customers(statement)
            ):
                yield (
                    logical_id,
                    "the key must be used through a service (kms:ViaService) or under an order's context",
                )
    for logical_id, permission in template.of("Lambda::Permission").items():
        if permission.get("Action") != "lambda:InvokeFunction":
            yield logical_id, "a permission must be for lambda:InvokeFunction"


@rule
def functions_publish_as_themselves(template: Template) -> Findings:
    """Whoever consumes a fact trusts its source."""
    roles = template.of("IAM::Role")
    for logical_id, function in template.of("Lambda::Function").items():
        role_id = refers_to(function.get("Role")) or "?"
        service = function.get("Environment", {}).get("Variables", {}).get("POWERTOOLS_SERVICE_NAME")
        puts = [
            s
            for _, s in _role_statements(roles.get(role_id, {}))
            if "events:PutEvents" in some(s.get("Action"))
        ]
        if not puts:
            yield role_id, f"{logical_id} cannot publish"
        for statement in puts:
            if condition_values(statement, "events:source") != [service]:
                yield role_id, f"{logical_id} must publish as {service} only (events:source)"


@rule
def functions_may_work(template: Template) -> Findings:
    """What mapping and worker need of the queues, for exactly the queues that the function works on."""
    needs = {
        "sqs:ReceiveMessage",
        "sqs:DeleteMessage",
        "sqs:GetQueueAttributes",
        "sqs:ChangeMessageVisibility",
    }
    roles = template.of("IAM::Role")
    for logical_id, function in template.of("Lambda::Function").items():
        role_id = refers_to(function.get("Role")) or "?"
        granted: dict[str, set[str]] = {}
        for _, statement in _role_statements(roles.get(role_id, {})):
            for resource in map(refers_to, some(statement.get("Resource"))):
                granted.setdefault(resource or "?", set()).update(some(statement.get("Action")))
        own = {
            queue
            for queue, users in consumed_queues(template).items()
            if (logical_id in {f for _, f in users})
        }
        parking = refers_to(function.get("Environment", {}).get("Variables", {}).get("PARKING_QUEUE_URL"))
        for queue in sorted(own):
            if needs - granted.get(queue, set()):
                yield role_id, f"{logical_id} lacks {sorted(needs - granted.get(queue, set()))} on {queue}"
        for queue in template.of("SQS::Queue"):
            if queue not in own and needs & granted.get(queue, set()):
                yield role_id, f"{logical_id} does not work on {queue} and may receive from it"
            if (queue == parking) != ("sqs:SendMessage" in granted.get(queue, set())):
                yield (
                    role_id,
                    f"{logical_id} must send to its parking queue {parking} and to no other ({queue})",
                )


# ------------------------------------------------------------------------------------------ functions


@rule
def functions_are_set_up(template: Template) -> Findings:
    for logical_id, function in template.of("Lambda::Function").items():
        groups = [
            group_id
            for group_id, group in template.of("Logs::LogGroup").items()
            if sub(group.get("LogGroupName")) == f"/aws/lambda/{template.physical_name(logical_id)}"
        ]
        if not groups:
            yield logical_id, "a function must have a log group in its stack"
        elif template.resources[logical_id].get("DependsOn") != groups[0]:
            yield logical_id, f"a function must be made after its log group (DependsOn: {groups[0]})"
        if function.get("TracingConfig") != {"Mode": "Active"}:
            yield logical_id, "tracing must be on (TracingConfig)"
        if function.get("Architectures") != ["arm64"] or function.get("Runtime") != "python3.13":
            yield logical_id, "must run on python3.13 and arm64"
        if not 1 <= function.get("Timeout", 3) <= 30:
            yield logical_id, "must have a time-out of at most 30 s: the API waits no longer"
    for logical_id, group in template.of("Logs::LogGroup").items():
        if group.get("RetentionInDays") != {"Ref": "LogRetentionDays"}:
            yield logical_id, "logs must leave after LogRetentionDays"


def _listed(uses: Iterable[tuple[str, str | None]]) -> str:
    return ", ".join(
        sorted(f"{action} on {resource or 'nothing of this stack'}" for action, resource in uses)
    )


@rule
def schedules_keep_what_fails(template: Template) -> Findings:
    for logical_id, schedule in template.of("Scheduler::Schedule").items():
        target = schedule.get("Target", {})
        if template.type_of(refers_to(target.get("DeadLetterConfig", {}).get("Arn"))) != "SQS::Queue":
            yield logical_id, "a schedule must have a dead-letter queue (DeadLetterConfig)"
        if "RetryPolicy" not in target:
            yield logical_id, "a schedule must say how often it tries (RetryPolicy)"
        granted = {
            (action, refers_to(statement.get("Resource")))
            for _, statement in _role_statements(
                template.of("IAM::Role").get(refers_to(target.get("RoleArn")) or "", {})
            )
            for action in some(statement.get("Action"))
        }
        wanted = {
            ("lambda:InvokeFunction", refers_to(target.get("Arn"))),
            ("sqs:SendMessage", refers_to(target.get("DeadLetterConfig", {}).get("Arn"))),
        }
        if granted != wanted:
            yield logical_id, f"the schedule's role must allow {_listed(wanted)} and nothing else"


# More rules stand in files of their own, which need what is above.
from . import alarm_shapes as alarm_shapes  # noqa: E402, PLC0414
from . import alarms as alarms  # noqa: E402, PLC0414
from . import api_rules as api_rules  # noqa: E402, PLC0414
from . import key as key  # noqa: E402, PLC0414
from . import policies as policies  # noqa: E402, PLC0414
