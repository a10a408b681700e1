"""Whether a bucket policy is public, as GetBucketPolicyStatus tells and the public access block asks.

Source: S3 user guide, «The meaning of "public"»: a policy is public unless all that it allows goes to fixed
principals, or is bound by a condition to fixed values of who or where the caller is.
"""

from __future__ import annotations

from typing import Final

from weka_mp.policy import operands
from weka_mp.policy.documents import Policy
from weka_mp.policy.operators import Condition, SetOperator
from weka_mp.policy.statements import Effect, Statement

__all__ = ["is_public"]

_SOURCE_ADDRESS: Final = "aws:sourceip"
_FIXING: Final = frozenset(
    {
        "aws:principalaccount",
        "aws:principalarn",
        "aws:userid",
        "s3:x-amz-server-side-encryption-aws-kms-key-id",
    }
)
"""Keys whose fixed values name somebody; an address range does as well."""

_BROADEST: Final = {4: 8, 6: 32}
"""IP version → how many leading bits a range must fix to name somebody."""

_ADDRESS_BITS: Final = {4: 32, 6: 128}
_UNFIXED: Final = ("*", "?", "${")


def is_public(policy: Policy) -> bool:
    """Whether a bucket policy allows anything to everybody."""
    return any(_is_public(statement) for statement in policy.statements)


def _is_public(statement: Statement) -> bool:
    if statement.effect is not Effect.ALLOW or statement.principals is None:
        return False
    return statement.principals.everyone and not any(_names_somebody(c) for c in statement.conditions)


def _names_somebody(condition: Condition) -> bool:
    """Whether only certain callers meet the condition; one that an absent key meets binds nobody."""
    if condition.negated or condition.asks_absence or condition.over is SetOperator.ALL:
        return False
    if condition.if_exists and condition.over is SetOperator.NONE:
        return False
    if condition.key.lookup == _SOURCE_ADDRESS:
        return all(_is_narrow(value) for value in condition.values)
    fixed = not any(mark in value for value in condition.values for mark in _UNFIXED)
    return condition.key.lookup in _FIXING and fixed


def _is_narrow(text: str) -> bool:
    found = operands.network(text)
    return found is not None and _ADDRESS_BITS[found.version] - found.shift >= _BROADEST[found.version]
