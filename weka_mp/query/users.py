"""IAM: users and their access keys. A user made here has the role `s3` and no password."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weka_mp.control.roles import Verb, check_verb
from weka_mp.identity import Role
from weka_mp.identity.errors import NoSuchEntity
from weka_mp.identity.model import (
    MAX_ACCESS_KEYS,
    MAX_ATTACHED,
    MAX_GROUPS,
    MAX_GROUPS_OF_USER,
    MAX_POLICIES,
    MAX_USERS,
    AccessKey,
    Group,
    StoredPolicy,
    User,
)
from weka_mp.identity.naming import ROOT, unique_id
from weka_mp.query.call import Call
from weka_mp.query.errors import QueryError
from weka_mp.query.tags import shown_tags
from weka_mp.query.xml import Entries, Record, moment

__all__ = [
    "create_access_key", "create_user", "delete_access_key", "delete_login_profile", "delete_user",
    "get_account_summary", "get_login_profile", "get_user", "list_access_keys", "list_users",
    "shown_user", "update_access_key", "update_user",
]  # fmt: skip

_STATES: Final = {"Active": True, "Inactive": False}


def shown_user(call: Call, user: User, *, tags: bool = False) -> Record:
    """tags: not in lists."""
    return {
        "Path": user.path,
        "UserName": user.name,
        "UserId": unique_id("AIDA", user.generation),
        "Arn": call.arn(user),
        "CreateDate": moment(user.created_ns),
        "Tags": shown_tags(user.tags) if tags and user.tags else None,
    }


# ---- users
def create_user(call: Call) -> Record:
    """With role `s3`, of the caller's account."""
    user = call.desk.administration.add_user(
        call.parameters.text("UserName"), Role.S3, None, account=call.who.account,
        tags=call.parameters.pairs("Tags"), path=call.path(),
    )  # fmt: skip
    return {"User": shown_user(call, user, tags=True)}


def get_user(call: Call) -> Record:
    """Oneself without a name, which everybody may."""
    name = call.parameters.text_or_none("UserName")
    if name in (None, call.who.user):
        return {"User": _oneself(call)}
    if call.who.role is not Role.S3:  # whose policies were asked
        check_verb(call.caller, Verb.LIST_USERS)
    return {"User": shown_user(call, call.named_user(), tags=True)}


def _oneself(call: Call) -> Record:
    if call.who.user != ROOT:
        return shown_user(call, call.user(call.who.user), tags=True)
    return {
        "Path": "/", "UserName": ROOT, "UserId": call.who.user_id, "Arn": call.who.arn,
        "CreateDate": moment(call.registry.account(ROOT).created_ns),
    }  # fmt: skip


def list_users(call: Call) -> Record:
    """Those of the account, of every role; root is none of them."""
    users = [user for user in call.registry.users.values() if user.account == call.who.account]
    return call.page("Users", [
        (user.name, shown_user(call, user)) for user in users if call.is_below(user.path)
    ])  # fmt: skip


def update_user(call: Call) -> None:
    """Another name, path or both: see `IamChanges.rename_user` for what the former ends."""
    new, path = (call.parameters.text_or_none(name) for name in ("NewUserName", "NewPath"))
    call.desk.iam.rename_user(call.changeable_user().name, new, path)


def delete_user(call: Call) -> None:
    """One who has nothing any more."""
    call.desk.administration.remove_user(call.changeable_user().name, only_bare=True)


# ---- access keys
def create_access_key(call: Call) -> Record:
    """The secret is shown this once."""
    user = call.changeable_user()
    call.desk.identities.prepare_keys()
    issued = call.desk.administration.add_access_key(user.name)
    key = next(key for key in call.user(user.name).keys if key.key_id == issued.access_key)
    return {"AccessKey": {**_shown_key(user.name, key), "SecretAccessKey": issued.secret}}


def list_access_keys(call: Call) -> Record:
    """Without their secrets, which nobody is shown again."""
    name = call.parameters.text_or_none("UserName") or call.who.user
    if name == ROOT:
        raise QueryError("ValidationError", "Must specify userName when calling with non-User credentials")
    user = call.user(name)
    return call.page("AccessKeyMetadata", [(key.key_id, _shown_key(user.name, key)) for key in user.keys])


def update_access_key(call: Call) -> None:
    """`Inactive`: nobody's to S3, until it is `Active` again."""
    state = call.parameters.choice_or_none("Status", _STATES) or call.parameters.text("Status")
    user, key = call.changeable_user(), call.parameters.text("AccessKeyId")
    call.desk.administration.set_access_key_active(user.name, key, _STATES[state])


def delete_access_key(call: Call) -> None:
    """At once, everywhere."""
    key = call.parameters.text("AccessKeyId")
    call.desk.administration.remove_access_key(call.changeable_user().name, key)


def _shown_key(user: str, key: AccessKey) -> Record:
    return {
        "UserName": user,
        "AccessKeyId": key.key_id,
        "Status": "Active" if key.active else "Inactive",
        "CreateDate": moment(key.created_ns),
    }


# ---- the account
def get_account_summary(call: Call) -> Record:
    """How many there are in the account, and may be: quotas are of the whole store."""
    registry, account = call.registry, call.who.account

    def count(entities: Mapping[str, User] | Mapping[str, Group] | Mapping[str, StoredPolicy]) -> int:
        return sum(one.account == account for one in entities.values())

    return {"SummaryMap": Entries({
        "Users": count(registry.users), "UsersQuota": MAX_USERS,
        "Groups": count(registry.groups), "GroupsQuota": MAX_GROUPS,
        "Policies": count(registry.policies), "PoliciesQuota": MAX_POLICIES,
        "AccessKeysPerUserQuota": MAX_ACCESS_KEYS, "GroupsPerUserQuota": MAX_GROUPS_OF_USER,
        "AttachedPoliciesPerUserQuota": MAX_ATTACHED, "AttachedPoliciesPerGroupQuota": MAX_ATTACHED,
        "VersionsPerPolicyQuota": 1, "Roles": 0, "MFADevices": 0,
    })}  # fmt: skip


# ---- what nobody has here
def get_login_profile(call: Call) -> None:
    """There is no console to log in to."""
    raise NoSuchEntity(f"Login Profile for User {call.named_user().name} cannot be found.")


def delete_login_profile(call: Call) -> None:
    """As `get_login_profile`."""
    raise NoSuchEntity(f"Login Profile for User {call.changeable_user().name} cannot be found.")
