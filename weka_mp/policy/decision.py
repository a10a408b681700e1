"""The decision: which policies speak about a question, and what follows from all of them.

Source: IAM user guide, «Policy evaluation logic» and «Cross-account policy evaluation logic».

1. A Deny that applies, in any policy, ends it. The root of the bucket's account can still read, replace and
   delete the bucket's policy, whatever that says: nobody locks himself out for good.
2. Within the account that owns the bucket one Allow is enough, of the user's policies or of the bucket's. An
   Allow that names the whole account is no grant to its users: the account hands it on by its own policies.
3. Across accounts both must allow.
4. An anonymous request has the bucket's policy alone.
5. Every policy of a service account or of temporary credentials must allow as well.
6. Where a bucket has ACLs, a grant of one is as good as an Allow of the bucket's policy. An object that
   another account owns than the bucket is that account's to give: there the bucket's policy can only deny.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from enum import Enum
from functools import partial
from typing import Final, NamedTuple

from weka_mp.policy.actions import ACTIONS
from weka_mp.policy.documents import Policy
from weka_mp.policy.principals import Reach
from weka_mp.policy.statements import Question, Statement

__all__ = [
    "Decision", "Granted", "Question", "Reference", "Source", "Why", "allows_service", "decide",
    "denies_service",
]

NEVER_LOCKED_OUT: Final = frozenset({"s3:DeleteBucketPolicy", "s3:GetBucketPolicy", "s3:PutBucketPolicy"})
"""What a bucket policy cannot take from the root of its account (S3 user guide, «Bucket policies»)."""


class Source(Enum):
    """Where a policy comes from."""

    IDENTITY = "identity"
    RESOURCE = "resource"
    BOUND = "bound"
    ACL = "acl"


class Why(Enum):
    """What decided."""

    EXPLICIT_DENY = "a statement denies it"
    IDENTITY_ALLOWS = "a policy of the user allows it"
    RESOURCE_ALLOWS = "the bucket's policy allows it"
    ACL_ALLOWS = "a grant of the ACL allows it"
    BOTH_ALLOW = "a policy of the user, and the bucket's policy or a grant of the ACL, allow it"
    ROOT = "the root of an account may do everything with what the account owns"
    NOTHING_ALLOWS = "no policy allows it"
    IDENTITY_SILENT = "the bucket belongs to another account, and no policy of the user allows it"
    RESOURCE_SILENT = "the bucket belongs to another account, and its policy does not allow it"
    BOUND_SILENT = "the policy of the service account or of the credentials does not allow it"


class Reference(NamedTuple):
    """A statement, by its policy's source and name, and its own place and Sid (``""`` without one).

    A tuple, as Decision is: one is made for every request, and a frozen dataclass costs three times as much.
    """

    source: Source
    policy: str
    position: int
    sid: str


class Granted(NamedTuple):
    """A grant of an ACL that reaches who asks, for what is asked. name: as people are told of it."""

    reach: Reach
    name: str


class Decision(NamedTuple):
    """The answer, and what an explanation needs.

    `statement` is the one that decided: the Deny, or the first Allow. `others` are the further Allows that
    were needed. `silent` is the name of the bound that allowed nothing. Why a statement did not apply is
    told by Statement.mismatch.
    """

    allowed: bool
    why: Why
    statement: Reference | None = None
    others: tuple[Reference, ...] = ()
    silent: str | None = None


_Allowed = tuple[Reference | None, Reach]


def decide(
    question: Question,
    *,
    identity: Sequence[Policy],
    resource: Policy | None,
    bounds: Sequence[Policy],
    owner_account: str,
    granted: Granted | None = None,
    allowing: bool = True,
) -> Decision:
    """May the question's principal do what it asks?

    `identity`: the policies of the user and its groups. `resource`: the bucket's. `bounds`: those of the
    service account and of the session behind the request. `owner_account`: who owns what is asked about, by
    one of the account's ids; of an action on the account the principal's own. `granted`: by an
    ACL. `allowing`: whether the bucket's policy may allow anything. Raises ValueError: an action that does
    not exist.
    """
    if question.action not in ACTIONS:
        raise ValueError(f"no action of S3: {question.action!r}")
    who = question.principal
    at_home = who is not None and who.belongs_to(owner_account)
    is_owner = at_home and who is not None and who.is_root
    unmoved = is_owner and question.action in NEVER_LOCKED_OUT
    denied = _first_deny(question, identity, None if unmoved else resource, bounds)
    if denied is not None:
        return Decision(False, Why.EXPLICIT_DENY, denied)
    beside = partial(_beside, question, resource if allowing else None, granted)
    answer = _granted(question, identity, beside, at_home)
    if not answer.allowed:
        return answer
    return _bounded(question, answer, bounds)


def allows_service(question: Question, resource: Policy | None) -> bool:
    """May a part of the service itself (`Principal.service`), which has no policies of its own? Only where
    the bucket's policy names it, and denies it nothing.
    """
    if resource is None or denies_service(question, resource):
        return False
    allows = resource.about(question.action).allows
    return any(statement.applies(question) is Reach.DIRECT for statement in allows)


def denies_service(question: Question, resource: Policy | None) -> bool:
    """Does the bucket's policy deny it that, whoever else lets it?"""
    return _first_deny(question, (), resource, ()) is not None


def _first_deny(
    question: Question, identity: Sequence[Policy], resource: Policy | None, bounds: Sequence[Policy]
) -> Reference | None:
    for source, policies in (
        (Source.IDENTITY, identity),
        (Source.RESOURCE, () if resource is None else (resource,)),
        (Source.BOUND, bounds),
    ):
        for policy in policies:
            for statement in policy.about(question.action).denies:
                if statement.applies(question) is not Reach.NOT:
                    return _reference(source, policy, statement)
    return None


def _first_allow(question: Question, source: Source, policy: Policy) -> Reference | None:
    for statement in policy.about(question.action).allows:
        if statement.applies(question) is not Reach.NOT:
            return _reference(source, policy, statement)
    return None


def _granted(
    question: Question, identity: Sequence[Policy], beside: Callable[[], _Allowed], at_home: bool
) -> Decision:
    """The answer before the bounds, where nothing denies. beside: what the bucket or an ACL allows."""
    who = question.principal
    if at_home and who is not None:
        if who.is_root:
            return Decision(True, Why.ROOT)
        by_identity = _identity_allow(question, identity)
        if by_identity is not None:
            return Decision(True, Why.IDENTITY_ALLOWS, by_identity)
        by_resource, reach = beside()
        if reach is Reach.DIRECT:
            return Decision(True, _by(by_resource), by_resource)
        return Decision(False, Why.NOTHING_ALLOWS)
    by_resource, _ = beside()
    if who is None or who.is_root:
        if by_resource is not None:
            return Decision(True, _by(by_resource), by_resource)
        return Decision(False, Why.NOTHING_ALLOWS if who is None else Why.RESOURCE_SILENT)
    return _across(_identity_allow(question, identity), by_resource)


def _beside(question: Question, resource: Policy | None, granted: Granted | None) -> _Allowed:
    """What the bucket's policy allows, or a grant, whichever names who asks more directly."""
    found = _resource_allow(question, resource)
    if granted is not None and granted.reach > found[1]:
        return Reference(Source.ACL, granted.name, 0, ""), granted.reach
    return found


def _by(allowed: Reference | None) -> Why:
    by_acl = allowed is not None and allowed.source is Source.ACL
    return Why.ACL_ALLOWS if by_acl else Why.RESOURCE_ALLOWS


def _across(by_identity: Reference | None, by_resource: Reference | None) -> Decision:
    """The answer to a user of another account than the bucket's."""
    if by_identity is not None and by_resource is not None:
        return Decision(True, Why.BOTH_ALLOW, by_identity, (by_resource,))
    if by_identity is not None:
        return Decision(False, Why.RESOURCE_SILENT)
    return Decision(False, Why.NOTHING_ALLOWS if by_resource is None else Why.IDENTITY_SILENT)


def _identity_allow(question: Question, identity: Sequence[Policy]) -> Reference | None:
    for policy in identity:
        found = _first_allow(question, Source.IDENTITY, policy)
        if found is not None:
            return found
    return None


def _resource_allow(question: Question, resource: Policy | None) -> _Allowed:
    """The Allow of the bucket's policy that names who asks most directly."""
    best: _Allowed = (None, Reach.NOT)
    if resource is None:
        return best
    for statement in resource.about(question.action).allows:
        reach = statement.applies(question)
        if reach > best[1]:
            best = _reference(Source.RESOURCE, resource, statement), reach
        if reach is Reach.DIRECT:
            break
    return best


def _bounded(question: Question, granted: Decision, bounds: Sequence[Policy]) -> Decision:
    """`granted`, if every bound allows it too."""
    if not bounds:
        return granted
    needed = list(granted.others)
    for policy in bounds:
        found = _first_allow(question, Source.BOUND, policy)
        if found is None:
            return Decision(False, Why.BOUND_SILENT, silent=policy.name)
        needed.append(found)
    return Decision(True, granted.why, granted.statement, tuple(needed))


def _reference(source: Source, policy: Policy, statement: Statement) -> Reference:
    return Reference(source, policy.name, statement.index, statement.sid)
