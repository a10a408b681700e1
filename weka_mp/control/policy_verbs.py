"""Policies, who has them, service accounts and temporary credentials, as the administration API has them.

Each takes the desk, who asks, the body's fields and what the path named; each returns what JSON carries.
"""

from __future__ import annotations

import json
from typing import Any, Final

from weka_mp.control.desk import Desk, Question
from weka_mp.control.fields import Fields
from weka_mp.control.roles import check_account, is_in_sight
from weka_mp.gateway.sts_denials import denies_sts
from weka_mp.identity import Caller, Role, ServiceAccount
from weka_mp.identity.errors import InvalidInput, NoSuchEntity, NotAllowed
from weka_mp.identity.issuing import HOUR_SECONDS
from weka_mp.identity.policies import names_of_user, within_user
from weka_mp.policy.canned import AWS_POLICIES

__all__ = [
    "add_policy", "add_service_account", "assume_role", "attach_policy", "detach_policy", "list_policies",
    "list_service_accounts", "list_user_policies", "remove_policy", "remove_service_account", "show_policy",
    "show_service_account",
]  # fmt: skip

_SECOND: Final = 1_000_000_000


# ---- policies
def list_policies(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The predefined ones first, then AWS's; those of the accounts in sight besides."""
    custom = sorted(desk.identities.registry.policies.values(), key=lambda policy: policy.name)
    mine = [policy for policy in custom if is_in_sight(caller, policy.account)]
    return [
        *(
            {"policy": name, "kind": "aws" if name in AWS_POLICIES else "predefined", "account": None}
            for name in desk.identities.predefined
        ),
        *({"policy": policy.name, "kind": "custom", "account": policy.account} for policy in mine),
    ]


def show_policy(desk: Desk, caller: Caller, fields: Fields, name: str) -> Any:
    """The document as it was written, and read."""
    text = desk.identities.predefined.get(name)
    if text is None:
        text = desk.identities.registry.policy(_own_policy(desk, caller, name)).document
    return {"policy_name": name, "policy_text": text, "policy_content": json.loads(text)}


def add_policy(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """A custom one of the caller's account."""
    name, document = fields.text("policy_name"), fields.document("policy_file_content")
    desk.administration.add_policy(name, document, account=caller.account)
    return {"policy_name": name}


def remove_policy(desk: Desk, caller: Caller, fields: Fields, name: str) -> Any:
    """One that nobody has."""
    if name not in desk.identities.predefined:
        _own_policy(desk, caller, name)
    desk.administration.remove_policy(name)
    return {"policy_name": name}


def list_user_policies(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Every S3 user with the policy that the command line attached, and all that count."""
    registry = desk.identities.registry
    return [
        {
            "user_name": user.name,
            "policy_name": user.cli_policy,
            "all_policies": [
                *names_of_user(registry, user), *(name for name, _ in within_user(registry, user)),
            ],
        }
        for user in sorted(registry.users.values(), key=lambda user: user.name)
        if user.role is Role.S3 and is_in_sight(caller, user.account)
    ]


def attach_policy(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Replaces the user's former one, which is told."""
    policy, user = fields.text("policy_name"), _s3_user(desk, caller, fields.text("user_name"))
    if policy not in desk.identities.predefined:
        _own_policy(desk, caller, policy)
    former = desk.administration.attach_by_cli(policy, user)
    return {"user_name": user, "policy_name": policy, "former_policy": former}


def detach_policy(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Whichever the user has, or this one only."""
    user = _s3_user(desk, caller, fields.text("user_name"))
    former = desk.administration.detach_by_cli(user, fields.text_or_none("policy_name"))
    return {"user_name": user, "policy_name": former}


def _own_policy(desk: Desk, caller: Caller, name: str) -> str:
    """Raises NoSuchEntity: another account's is as one that is not there."""
    policy = desk.identities.registry.policy(name)
    if not is_in_sight(caller, policy.account):
        raise NoSuchEntity(f"the account {caller.account} has no policy {name}")
    return name


def _s3_user(desk: Desk, caller: Caller, name: str) -> str:
    user = desk.identities.registry.user(name)
    check_account(caller, user.account)
    if user.role is not Role.S3:
        raise InvalidInput(f"{name} has the role {user.role.value}: policies are for users with the role s3")
    return name


# ---- service accounts: their user's alone
def list_service_accounts(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The caller's access keys."""
    return [{"access_key": key} for key in desk.issuer.service_accounts(caller.user)]


def add_service_account(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """The secret is shown this once."""
    issued = desk.issuer.add_service_account(caller.user, fields.document_or_none("policy_file_content"))
    return {"access_key": issued.access_key, "secret_key": issued.secret}


def show_service_account(desk: Desk, caller: Caller, fields: Fields, key: str) -> Any:
    """One of the caller's."""
    return _shown(desk.issuer.service_account(caller.user, key))


def remove_service_account(desk: Desk, caller: Caller, fields: Fields, key: str) -> Any:
    """One of the caller's."""
    desk.issuer.remove_service_account(caller.user, key)
    return {"access_key": key}


def _shown(account: ServiceAccount) -> Any:
    return {
        "access_key": account.access_key,
        "parent_user": account.parent,
        "implied_policy": account.implied_policy,
        "policy_content": None if account.policy is None else json.loads(account.policy),
    }


# ---- temporary credentials: the keys in the body are the proof, and count as a login
def assume_role(desk: Desk, question: Question, fields: Fields) -> Any:
    """duration: seconds, an hour when absent."""
    access_key, secret = fields.text("access_key"), fields.text("secret_key")
    seconds = fields.number_or_none("duration")
    policy = fields.document_or_none("policy_file_content")
    desk.logins.check_password(access_key, secret, question.source)
    _check_not_denied(desk, access_key, question.source)
    issued = desk.issuer.assume_role(access_key, HOUR_SECONDS if seconds is None else seconds, policy)
    return {
        "access_key": issued.access_key,
        "secret_key": issued.secret,
        "session_token": issued.token,
        "expiration": issued.expires_s,
    }


def _check_not_denied(desk: Desk, name: str, source: str) -> None:
    """As at the S3 endpoint: every user may, unless a policy denies it. Raises NotAllowed."""
    now = desk.namespace.clock.now_ns() / _SECOND
    if denies_sts(desk.identities, name, "AssumeRole", desk.serving.region, source, now):
        raise NotAllowed(f"a policy of {name} denies sts:AssumeRole")
