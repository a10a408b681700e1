"""Who may make a call: administrators by their role, S3 users by what their policies say of `iam:` actions.

A policy can never give more than is within its user's account, and nothing over administrators: whoever may
change an administrator's keys would be one. STS is for every lasting key, unless a policy denies it.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import suppress
from itertools import chain
from typing import Final

from weka_mp.control.roles import Verb, check_verb
from weka_mp.identity import Role
from weka_mp.identity.errors import NoSuchEntity
from weka_mp.identity.naming import entity_arn
from weka_mp.policy.decision import Decision, Question, Why, decide
from weka_mp.policy.iam_actions import IAM_ACTIONS, STS_ACTIONS
from weka_mp.policy.principals import Principal
from weka_mp.policy.variables import Context
from weka_mp.query.call import Call
from weka_mp.query.errors import QueryError

__all__ = ["check_rights"]

_OWN: Final = frozenset({"iam:GetUser"})
"""What everybody may ask of oneself."""

_LISTED: Final = {"ListUsers": "user/", "ListGroups": "group/", "ListPolicies": "policy/"}


def check_rights(call: Call, api: str, verb: Verb | None, known: Collection[str], context: Context) -> None:
    """known: the operation's parameters; context: the request's condition keys. Raises QueryError
    AccessDenied, NotAllowed.
    """
    action = f"{api}:{call.parameters.action}"
    if call.who.role is not Role.S3:
        if verb is not None:
            check_verb(call.caller, verb)
        return
    if action in STS_ACTIONS:
        decision = _decided(call, action, call.who.arn, context)
        if decision.why is Why.EXPLICIT_DENY:
            raise _refused(call, action, call.who.arn)
    elif action in IAM_ACTIONS:
        for resource in chain((_resource(call, known),), _becomes(call, known)):
            decision = _decided(call, action, resource, context)
            own = action in _OWN and resource == call.who.arn and decision.why is not Why.EXPLICIT_DENY
            if not decision.allowed and not own:
                raise _refused(call, action, resource)


def _decided(call: Call, action: str, resource: str, context: Context) -> Decision:
    who = call.who
    number = who.account_number
    asks = Principal(number, who.canonical_id, who.arn.partition(":user/")[2], who.is_root)
    policy = call.parameters.text_or_none("PolicyArn")
    keys = dict(context) if policy is None else {**context, "iam:policyarn": (policy,)}
    return decide(
        Question(asks, action, resource, keys),
        identity=[attached.parsed for attached in who.policies], resource=None,
        bounds=[attached.parsed for attached in who.bounds], owner_account=number,
    )  # fmt: skip


def _resource(call: Call, known: Collection[str]) -> str:
    """What the call is about, as «Actions defined by IAM» says: group before user before policy. A name that
    is missing is none: the operation itself asks for it, of whoever may.
    """
    number, parameters = call.who.account_number, call.parameters
    if "GroupName" in known:
        name = parameters.text_or_none("GroupName") or ""
        try:
            return call.arn(call.group()) if name else entity_arn(number, "group", "")
        except NoSuchEntity:
            return entity_arn(number, "group", _qualified(call, name))
    if "UserName" in known:
        name = parameters.text_or_none("UserName") or call.who.user
        try:
            return call.arn(call.user(name))  # as it is spelt: names are found in any case
        except NoSuchEntity:
            return entity_arn(number, "user", _qualified(call, name))
    if "PolicyArn" in known:
        return parameters.text_or_none("PolicyArn") or entity_arn(number, "policy", "")
    if "PolicyName" in known:
        name = parameters.text_or_none("PolicyName") or ""
        return entity_arn(number, "policy", _qualified(call, name))
    return f"arn:aws:iam::{number}:{_LISTED.get(parameters.action, '*')}"


def _becomes(call: Call, known: Collection[str]) -> Iterator[str]:
    """What a user or group that is to be renamed or moved will be: that must be granted, too (IAM API,
    UpdateUser, UpdateGroup: "appropriate permissions on both the source object and the target object").
    """
    parameters = call.parameters
    for kind, find in (("User", call.user), ("Group", lambda _: call.group())):
        if f"New{kind}Name" not in known:
            continue
        name, path = parameters.text_or_none(f"New{kind}Name"), parameters.text_or_none("NewPath")
        with suppress(NoSuchEntity):  # the operation says so
            old = find(parameters.text_or_none(f"{kind}Name") or "")
            path = old.path if path is None else path
            yield entity_arn(call.who.account_number, kind.lower(), f"{path[1:]}{name or old.name}")


def _qualified(call: Call, name: str) -> str:
    return f"{call.path()[1:]}{name}"


def _refused(call: Call, action: str, resource: str) -> QueryError:
    """In AWS's words, which say nothing that the caller does not know."""
    return QueryError(
        "AccessDenied",
        f"User: {call.who.arn} is not authorized to perform: {action} on resource: {resource}",
    )
