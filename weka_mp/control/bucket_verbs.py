"""Buckets, their policies and quotas, as the administration API has them.

Each takes the desk, who asks, the body's fields and what the path named; each returns what JSON carries.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, Final

from weka_mp.control.capacities import parse_capacity
from weka_mp.control.desk import Changed, Desk
from weka_mp.control.fields import Fields
from weka_mp.control.roles import is_in_sight
from weka_mp.errors import (
    BucketExists,
    BucketMissing,
    BucketNotEmpty,
    BucketStateRefused,
    InvalidName,
    NamespaceError,
    NotSupported,
)
from weka_mp.gateway.bucket_grants import (
    Grants,
    PolicyBlocked,
    new_grants,
    remove_policy,
    replace_policy,
    stored_grants,
)
from weka_mp.identity import Caller, Role
from weka_mp.identity.errors import EntityExists, InUse, InvalidInput, NoSuchEntity, NotAllowed
from weka_mp.identity.naming import ROOT
from weka_mp.namespace import BucketInfo, BucketSettings, Changes
from weka_mp.policy.canned import BUCKET_POLICIES, NONE, bucket_policy_name, bucket_policy_text
from weka_mp.values import BucketName

__all__ = [
    "create_bucket", "destroy_bucket", "list_buckets", "mount_versions", "policy_name", "policy_text",
    "posix_permissions", "seen", "set_mount_versions", "set_policy", "set_policy_text",
    "set_posix_permissions", "set_quota", "unset_quota",
]  # fmt: skip

_NAMES: Final = (NONE, *BUCKET_POLICIES)
_WORDS: Final[Mapping[bool | None, str]] = {True: "on", False: "off", None: "default"}
_VERSIONING: Final[Mapping[str | None, str]] = {"Enabled": "on", "Suspended": "suspended", None: "off"}
_New = tuple[Grants, tuple[tuple[str, str], ...]]


def list_buckets(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Those of the accounts in sight. `hard`, `used`: bytes; None for a bucket without a quota, of which
    nobody keeps count.
    """
    return [
        _row(desk, bucket)
        for bucket in desk.namespace.list_buckets()
        if is_in_sight(caller, _owner(desk, bucket))
    ]


def _row(desk: Desk, bucket: BucketInfo) -> dict[str, object]:
    quota, versioning, locked = None, _VERSIONING[None], False
    with suppress(BucketMissing):  # removed meanwhile
        quota = desk.namespace.quotas.find(bucket.name)
        versioning = _VERSIONING[desk.namespace.versioning(bucket.name)]
        locked = desk.namespace.locking.of(bucket.name) is not None
    return {
        "name": bucket.name, "hard": quota and quota.limit, "used": None if quota is None else quota.used,
        "path": f"/{bucket.name}", "source": bucket.source, "versioning": versioning,
        "object-lock": "on" if locked else "off",
    }  # fmt: skip


def create_bucket(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """An empty one, or of the directory that is there, in the caller's account."""
    name = BucketName(fields.text("bucket_name"))
    policy = _asked_policy(desk, name, fields)
    existing = fields.text_or_none("existing_path")
    quota = _capacity(fields) if fields.given("hard_quota") else None
    if quota is not None and existing is not None:
        _require_empty(desk, name)
    try:
        changes = _make(desk, caller, name, existing)
    except InvalidName as error:
        raise InvalidInput(f"{name!r}: {error}") from error
    if policy is not None or quota is not None:
        try:
            if quota is not None:
                _limit(desk, name, quota)
            if policy is not None:
                _put(desk, name, policy)
        except BaseException:
            with suppress(NamespaceError):
                if existing is None:
                    desk.namespace.delete_bucket(name)
            raise
    return Changed({"bucket_name": name}, changes)


def _require_empty(desk: Desk, name: BucketName) -> None:
    """What is there is not counted: an existing path that holds something gets no quota. Raises InUse."""
    try:
        found = desk.namespace.list_objects(name, limit=1).items
    except BucketMissing:
        return  # what is wrong with it is said by who makes a bucket of it
    if found:
        raise _in_use(name)


def _asked_policy(desk: Desk, name: BucketName, fields: Fields) -> _New | None:
    canned, text = fields.text_or_none("policy"), fields.document_or_none("policy_file_content")
    if canned is not None and text is not None:
        raise InvalidInput("give policy or policy_file_content, not both")
    return _new(desk, name, _canned(canned or NONE, name) if text is None else text)


def _make(desk: Desk, caller: Caller, name: BucketName, existing: str | None) -> Changes:
    if existing is None:
        try:
            return desk.namespace.create_bucket(name, owner=caller.account)[1]
        except BucketExists as error:
            raise EntityExists(
                f"{name} is there already (a directory that is there is made a bucket by its existing path)"
            ) from error
    # Nothing is looked up by this path: it is the one place where the bucket can be, or it is refused.
    if existing.removeprefix("/").removesuffix("/") != name:
        raise InvalidInput(
            f"the existing path of the bucket {name} can only be {name}, at the root of the store: move the "
            "directory there"
        )
    try:
        desk.namespace.adopt_bucket(
            name, caller.account, lambda owner: is_in_sight(caller, _standing(desk, owner))
        )
    except BucketMissing as error:
        whose = "" if caller.role is Role.CLUSTER_ADMIN else f" that the account {caller.account} had"
        raise NoSuchEntity(f"there is no directory {name} at the root of the store{whose}") from error
    except BucketExists as error:
        raise EntityExists(f"{name} is a bucket already") from error
    return ()


def destroy_bucket(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """One without objects; unlink: what is in it stays, as a directory that is no bucket."""
    name = seen(desk, caller, bucket)
    changes: Changes = ()
    try:
        if fields.flag("unlink"):
            desk.namespace.unlink_bucket(name)
        else:
            changes = desk.namespace.delete_bucket(name)
    except BucketNotEmpty as error:
        raise InUse(f"the bucket {name} is not empty (unlink it to keep what is in it)") from error
    except (NotSupported, BucketStateRefused) as error:
        raise InvalidInput(f"the bucket {name} cannot be unlinked. {error}") from error
    except BucketMissing as error:
        raise _missing(bucket) from error
    return Changed({"bucket_name": name}, changes)


# ---- quotas
def set_quota(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """The first of an empty bucket; any of one that has one."""
    name = seen(desk, caller, bucket)
    limit = _capacity(fields)
    _limit(desk, name, limit)
    return {"bucket_name": name, "hard_quota": limit}


def unset_quota(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """A bucket without one is no error."""
    name = seen(desk, caller, bucket)
    try:
        desk.namespace.quotas.unset(name)
    except NotSupported:
        return {"bucket_name": name}  # where there can be none there is none
    except BucketMissing as error:
        raise _missing(bucket) from error
    return {"bucket_name": name}


def _capacity(fields: Fields) -> int:
    return parse_capacity(fields.text("hard_quota"))


def _limit(desk: Desk, name: BucketName, limit: int) -> None:
    try:
        desk.namespace.quotas.set(name, limit)
    except BucketNotEmpty as error:
        raise _in_use(name) from error
    except NotSupported as error:
        raise InvalidInput(f"the bucket {name} can have no quota. {error}") from error
    except BucketMissing as error:
        raise _missing(name) from error


def _in_use(name: BucketName) -> InUse:
    return InUse(f"the bucket {name} holds objects: a first quota can only be set on an empty one")


# ---- policies
def policy_name(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """``none``, ``download``, ``upload``, ``public``, or ``custom``."""
    name = seen(desk, caller, bucket)
    policy = stored_grants(desk.namespace, name).policy
    return {"bucket_name": name, "policy": bucket_policy_name(policy, name)}


def policy_text(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """The document as it was put, and read."""
    name = seen(desk, caller, bucket)
    policy = stored_grants(desk.namespace, name).policy
    if policy is None:
        raise NoSuchEntity(f"the bucket {name} has no policy")
    return {"bucket_name": name, "policy": policy.text, "policy_content": json.loads(policy.text)}


def set_policy(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """A named one, in any case; ``none`` removes what is there."""
    name = seen(desk, caller, bucket)
    canned = fields.text("bucket_policy")
    _put(desk, name, _new(desk, name, _canned(canned, name)))
    return {"bucket_name": name, "policy": canned.lower()}


def set_policy_text(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """A custom one."""
    name = seen(desk, caller, bucket)
    _put(desk, name, _new(desk, name, fields.document("policy_file_content")))
    return {"bucket_name": name}


def _canned(policy: str, name: BucketName) -> str | None:
    """The document of a named policy; None: of ``none``. Raises InvalidInput."""
    if policy.lower() not in _NAMES:
        raise InvalidInput(f"no such policy; there are {', '.join(_NAMES)}, and custom ones from a file")
    return None if policy.lower() == NONE else bucket_policy_text(policy.lower(), name)


def _new(desk: Desk, name: BucketName, text: str | None) -> _New | None:
    """Raises MalformedPolicy."""
    return None if text is None else new_grants(text, name, desk.identities, "")


def _put(desk: Desk, name: BucketName, policy: _New | None) -> None:
    try:
        if policy is None:
            remove_policy(desk.namespace, name)
        else:
            replace_policy(desk.namespace, name, *policy)
    except PolicyBlocked as error:
        raise NotAllowed(f"{error} (PutPublicAccessBlock of S3 changes that)") from error
    except NotSupported as error:
        raise InvalidInput(f"the bucket {name} can have no policy. {error}") from error
    except BucketMissing as error:
        raise _missing(name) from error


# ---- switches
def posix_permissions(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """``on``, ``off``, or ``default``: as the service's --posix-permissions says."""
    name = seen(desk, caller, bucket)
    return {"bucket_name": name, "posix_permissions": _WORDS[desk.namespace.bucket_settings(name).posix]}


def set_posix_permissions(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """Whether modes and ACLs bind the S3 users in this bucket."""
    name = seen(desk, caller, bucket)
    wanted = _switch(fields, "posix_permissions")
    reason = desk.namespace.judging_refusal() if wanted else None
    if reason is not None:
        raise InvalidInput(f"modes cannot bind S3 users: {reason}")
    _set(desk, name, lambda before: replace(before, posix=wanted))
    return {"bucket_name": name, "posix_permissions": _WORDS[wanted]}


def mount_versions(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """``on``, ``off``, or ``default``: as the service's --mount-versions says."""
    name = seen(desk, caller, bucket)
    settings = desk.namespace.bucket_settings(name)
    return {"bucket_name": name, "mount_versions": _WORDS[settings.mount_versions]}


def set_mount_versions(desk: Desk, caller: Caller, fields: Fields, bucket: str) -> Any:
    """Whether what mounts replace or remove in this bucket becomes a version, once it has versions."""
    name = seen(desk, caller, bucket)
    wanted = _switch(fields, "mount_versions")
    _set(desk, name, lambda before: replace(before, mount_versions=wanted))
    return {"bucket_name": name, "mount_versions": _WORDS[wanted]}


def _switch(fields: Fields, field: str) -> bool | None:
    word = fields.text(field)
    if word not in _WORDS.values():
        raise InvalidInput(f"{field} is one of {', '.join(_WORDS.values())}")
    return next(value for value, spelt in _WORDS.items() if spelt == word)


def _set(desk: Desk, name: BucketName, step: Callable[[BucketSettings], BucketSettings]) -> None:
    try:
        desk.namespace.change_bucket_settings(name, step)
    except NotSupported as error:
        raise InvalidInput(f"nothing can be set of the bucket {name}. {error}") from error
    except BucketMissing as error:
        raise _missing(name) from error


# ---- whose they are
def _owner(desk: Desk, bucket: BucketInfo) -> str:
    return _standing(desk, bucket.owner)


def _standing(desk: Desk, owner: str | None) -> str:
    """The account: an account that is gone left its buckets to root, whose those are that POSIX made."""
    owner = owner or ROOT
    return owner if owner in desk.identities.registry.accounts else ROOT


def seen(desk: Desk, caller: Caller, bucket: str) -> BucketName:
    """Another account's bucket is as one that is not there. Raises NoSuchEntity."""
    name = BucketName(bucket)
    try:
        owner = _owner(desk, desk.namespace.head_bucket(name))
    except BucketMissing as error:
        raise _missing(bucket) from error
    if not is_in_sight(caller, owner):
        raise _missing(bucket)
    return name


def _missing(bucket: str) -> NoSuchEntity:
    return NoSuchEntity(f"no bucket {bucket!r}")
