"""Would AWS allow it? The evaluation of policies, as far as this system's policies go.

Rules: IAM user guide, "Policy evaluation logic"; KMS developer guide, "Key policies". There are no
permissions boundaries, no sessions' policies and no organization here: they could only deny more.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Any

from iam.conditions import Context, UnknownConditionError, fill, like, met, understood

Document = Mapping[str, Any]
"""A policy document, with every reference of its template resolved."""


class Kind(Enum):
    """How a resource's own policy and the caller's go together."""

    ORDINARY = "either is enough inside the account, both are needed from another"
    GUARDED = "keys and roles: nothing gets past their own policy; it may hand on to the caller's"


@dataclass(frozen=True)
class Caller:
    """Who asks.

    Attributes
    ----------
    name: an AWS service's name (events.amazonaws.com), or the ARN of a role
    account: the role's account; empty for a service
    policies: what is attached to the role; None for a stranger's, which allows everything
    """

    name: str
    account: str = ""
    policies: tuple[Document, ...] | None = ()

    @property
    def is_service(self) -> bool:
        return not self.account


@dataclass(frozen=True)
class Request:
    """One action on one resource. `context` holds the condition keys that come with it."""

    caller: Caller
    action: str
    resource: str
    context: Context = field(default_factory=dict)

    def over(self, **changes: Any) -> Request:
        return replace(self, context={**self.context, **changes})

    def __str__(self) -> str:
        said = ", ".join(f"{key}={value}" for key, value in self.context.items())
        return f"{self.caller.name}: {self.action} on {self.resource}" + (f" ({said})" if said else "")


@dataclass(frozen=True)
class Answer:
    """Whether it is allowed, and the statement or the lack of one that decided it."""

    allowed: bool
    why: str


def answer(request: Request, policy: Document | None, owner: str, kind: Kind = Kind.ORDINARY) -> Answer:
    """Evaluate a request against the caller's policies and the resource's, which is in account `owner`."""
    caller = request.caller
    own = list(_matching(caller.policies or (), request))
    resource = list(_matching([policy] if policy else [], request))
    for statement in [*own, *resource]:
        if statement["Effect"] == "Deny" and _speaks_of(statement, request, own):
            return Answer(False, f"denied by {statement.get('Sid', 'a statement without a name')}")
    allowed_here = caller.policies is None or any(s["Effect"] == "Allow" for s in own)
    names = [s for s in resource if s["Effect"] == "Allow" and _names(s, caller)]
    account = [s for s in resource if s["Effect"] == "Allow" and _names_account(s, caller)]
    if caller.is_service:
        return _found(names, "no policy of the resource names this service so")
    if names and caller.account == owner:
        return _found(names, "")
    if caller.account == owner and kind is Kind.ORDINARY:
        return Answer(allowed_here, "the caller's own policies")
    if not names and not account:
        return Answer(False, "the resource's policy names neither the caller nor its account for this")
    return Answer(allowed_here, "the caller's own policies, with the account named by the resource's")


def _found(statements: list[Mapping[str, Any]], otherwise: str) -> Answer:
    if not statements:
        return Answer(False, otherwise)
    return Answer(True, f"allowed by {statements[0].get('Sid', 'a statement without a name')}")


def unreadable(statement: Mapping[str, Any]) -> str:
    """Why a statement cannot be evaluated here; empty where it can."""
    negated = sorted({"NotAction", "NotResource", "NotPrincipal"} & statement.keys())
    if negated:
        return f"{negated[0]} is not evaluated here"
    try:
        understood(statement.get("Condition", {}))
    except UnknownConditionError as error:
        return str(error)
    return ""


def _matching(documents: Iterable[Document], request: Request) -> Iterator[Mapping[str, Any]]:
    for document in documents:
        for statement in some(document["Statement"]):
            if why := unreadable(statement):
                raise ValueError(f"{why}: {statement}")
            if (
                any(like(request.action.lower(), action.lower()) for action in some(statement["Action"]))
                and any(_covers(resource, request) for resource in some(statement.get("Resource", "*")))
                and met(statement.get("Condition", {}), request.context)
            ):
                yield statement


def _covers(resource: str, request: Request) -> bool:
    return like(request.resource, fill(resource, request.context))


def _speaks_of(statement: Mapping[str, Any], request: Request, own: list[Mapping[str, Any]]) -> bool:
    return (
        any(statement is each for each in own)
        or _names(statement, request.caller)
        or _names_account(statement, request.caller)
    )


def _names(statement: Mapping[str, Any], caller: Caller) -> bool:
    principal = statement["Principal"]
    if principal == "*":
        return True
    if caller.is_service:
        return caller.name in some(principal.get("Service", []))
    return "*" in some(principal.get("AWS", [])) or caller.name in some(principal.get("AWS", []))


def _names_account(statement: Mapping[str, Any], caller: Caller) -> bool:
    """The account's root as principal speaks of everybody whom IAM in that account allows it."""
    if statement["Principal"] == "*":
        return False
    named = some(statement["Principal"].get("AWS", []))
    return any(name == caller.account or name.endswith(f"::{caller.account}:root") for name in named)


def some(value: Any) -> list[Any]:
    """A policy's one-or-many as a list."""
    return value if isinstance(value, list) else [value]
