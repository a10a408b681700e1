"""What can be said of a policy without a whole question: is there any object at all that it may allow, and
does it allow everything below a prefix?

Both err on the safe side: `may_allow` rather says yes, since each object is asked for afterwards;
`allows_below` rather says no, since nothing is.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from weka_mp.policy.arns import ACCOUNT_RESOURCE
from weka_mp.policy.documents import Policy
from weka_mp.policy.principals import Reach
from weka_mp.policy.statements import Question, Statement

__all__ = ["allows_below", "always_allows", "denies_below", "may_allow"]

_EVERYTHING: Final = frozenset({"*", ACCOUNT_RESOURCE})

_OF_ONE_OBJECT: Final = "s3:existingobjecttag/"
"""Begins condition keys whose value is another one for each object."""


def may_allow(policies: Sequence[Policy], action: str, resource: str, *, below: bool) -> bool:
    """Whether some request for `action` could be allowed: on `resource`, or on something that begins with it
    if `below`. Denials and conditions are not looked at.
    """
    return any(
        statement.resources is None
        or any(
            pattern.may_name_below(resource) if below else pattern.may_name(resource)
            for pattern in statement.resources
        )
        for policy in policies
        for statement in policy.about(action).allows
    )


def always_allows(action: str, *, identity: Sequence[Policy], bounds: Sequence[Policy]) -> bool:
    """Whether policies alone, by statements without conditions on everything there is, allow an action
    whatever it is asked for: then a request need not be looked at. Of a user within its account.
    """
    if any(policy.about(action).denies for policy in (*identity, *bounds)):
        return False
    return _free(identity, action) and all(_free((bound,), action) for bound in bounds)


def _free(policies: Sequence[Policy], action: str) -> bool:
    return any(
        not statement.conditions and any(pattern.text in _EVERYTHING for pattern in statement.resources or ())
        for policy in policies
        for statement in policy.about(action).allows
    )


def allows_below(
    question: Question, *, identity: Sequence[Policy], resource: Policy | None, bounds: Sequence[Policy]
) -> bool:
    """Whether everything whose ARN begins with the question's resource is allowed, and nothing of it denied,
    whatever conditions the denial has. Of a user within its account; `resource`: the bucket's policy.
    """
    granting = identity if resource is None else (*identity, resource)
    if any(
        _touches(statement, question)
        for policy in (*granting, *bounds)
        for statement in policy.about(question.action).denies
    ):
        return False
    return _covered(granting, question) and all(_covered((bound,), question) for bound in bounds)


def denies_below(question: Question, resource: Policy | None) -> bool:
    """Whether the bucket's policy may deny the asker anything whose ARN begins with the question's."""
    denials = () if resource is None else resource.about(question.action).denies
    return any(_touches(statement, question) for statement in denials)


def _covered(policies: Sequence[Policy], question: Question) -> bool:
    return any(
        _covers(statement, question)
        for policy in policies
        for statement in policy.about(question.action).allows
    )


def _touches(statement: Statement, question: Question) -> bool:
    """Whether the statement may be about the asker and something that begins with the question's resource."""
    if statement.reach(question.principal) is Reach.NOT:
        return False
    if statement.resources is None:
        return True
    prefix = question.resource
    return any(pattern.may_name(prefix) or pattern.may_name_below(prefix) for pattern in statement.resources)


def _covers(statement: Statement, question: Question) -> bool:
    """Whether an Allow holds for all that begins with the question's resource."""
    if any(condition.key.lookup.startswith(_OF_ONE_OBJECT) for condition in statement.conditions):
        return False
    if statement.applies(question) is not Reach.DIRECT:
        return False
    prefix = question.resource
    if statement.resources is None:
        spared = statement.not_resources or ()
        return not any(pattern.may_name_below(prefix) for pattern in spared)
    # What ends with a * and matches the prefix matches it with anything behind it.
    return any(
        pattern.text.endswith("*") and pattern.matches(prefix, question.context)
        for pattern in statement.resources
    )
