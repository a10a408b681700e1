"""One statement of a policy, and whether a question is what it is about."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from weka_mp.policy.arns import ResourcePattern
from weka_mp.policy.operators import Condition
from weka_mp.policy.principals import Principal, PrincipalSet, Reach
from weka_mp.policy.variables import Context

__all__ = ["Effect", "Element", "Mismatch", "Question", "Statement"]


class Effect(Enum):
    """What a statement does where it applies."""

    ALLOW = "Allow"
    DENY = "Deny"


@dataclass(frozen=True, slots=True)
class Question:
    """May `principal` (None: anonymous) do `action` (``s3:GetObject``) to `resource` (its ARN)?

    `resource` of an action on the account is arns.ACCOUNT_RESOURCE. `context` has the request's condition
    keys, see variables.Context.
    """

    principal: Principal | None
    action: str
    resource: str
    context: Context


class Element(Enum):
    """The parts of a statement that a question can fail, in the order in which they are asked."""

    ACTION = "Action"
    PRINCIPAL = "Principal"
    RESOURCE = "Resource"
    CONDITION = "Condition"


@dataclass(frozen=True, slots=True)
class Mismatch:
    """Why a statement does not apply: the first part that does not fit, and which condition if it is one."""

    element: Element
    condition: Condition | None = None


@dataclass(frozen=True, slots=True)
class Statement:
    """A statement by its place in the document and its Sid (``""`` without one).

    Of each pair exactly one is given, of principals neither outside bucket policies. `actions` are those that
    Action means, or that NotAction leaves.
    """

    index: int
    sid: str
    effect: Effect
    actions: frozenset[str]
    principals: PrincipalSet | None
    not_principals: PrincipalSet | None
    resources: tuple[ResourcePattern, ...] | None
    not_resources: tuple[ResourcePattern, ...] | None
    conditions: tuple[Condition, ...]

    def reach(self, who: Principal | None) -> Reach:
        """How the statement names `who`; without a principal element it names whom its policy hangs on."""
        if self.principals is not None:
            return self.principals.reach(who)
        if self.not_principals is not None:
            return Reach.NOT if self.not_principals.spares(who) else Reach.DIRECT
        return Reach.DIRECT

    def covers(self, resource: str, context: Context) -> bool:
        """Whether Resource means `resource`, or NotResource leaves it."""
        for pattern in self.resources or self.not_resources or ():
            if pattern.matches(resource, context):
                return self.resources is not None
        return self.resources is None

    def applies(self, question: Question) -> Reach:
        """How the statement reaches who asks, if it is about the question; its action is not looked at."""
        reach = self.reach(question.principal)
        if reach is Reach.NOT or not self.covers(question.resource, question.context):
            return Reach.NOT
        for condition in self.conditions:
            if not condition.holds(question.context):
                return Reach.NOT
        return reach

    def mismatch(self, question: Question) -> Mismatch | None:
        """Why the statement is not about the question; None where it is."""
        if question.action not in self.actions:
            return Mismatch(Element.ACTION)
        if self.reach(question.principal) is Reach.NOT:
            return Mismatch(Element.PRINCIPAL)
        if not self.covers(question.resource, question.context):
            return Mismatch(Element.RESOURCE)
        failed = next((found for found in self.conditions if not found.holds(question.context)), None)
        return Mismatch(Element.CONDITION, failed) if failed else None
