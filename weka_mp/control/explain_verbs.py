"""Why a user may, or may not, do something, as the administration API has it."""

from __future__ import annotations

import ipaddress
from dataclasses import asdict
from typing import Any, Final
from urllib.parse import unquote_to_bytes

from weka_mp.bucket_names import is_bucket_name
from weka_mp.control.desk import Desk
from weka_mp.control.fields import Fields
from weka_mp.control.roles import is_in_sight
from weka_mp.errors import BucketMissing, InvalidName
from weka_mp.gateway.context import Site
from weka_mp.gateway.explaining import Asked, actions_named, explain, find_principal
from weka_mp.gateway.posix_users import PosixUsers
from weka_mp.gateway.principals import Principal
from weka_mp.gateway.requirements import SOURCE_ACTIONS
from weka_mp.identity import Caller
from weka_mp.identity.errors import InvalidInput, NoSuchEntity
from weka_mp.identity.naming import ROOT, canonical_id
from weka_mp.policy import condition_keys
from weka_mp.policy.actions import ACTIONS, Level
from weka_mp.values import BucketName, ObjectKey

__all__ = ["EXPLAIN_FIELDS", "explain_request"]

EXPLAIN_FIELDS: Final = (
    "user", "action", "resource", "encoded", "source_ip", "secure", "conditions", "source",
)
_NEED_NO_BUCKET: Final = frozenset({"s3:CreateBucket"})
_SECOND: Final = 1_000_000_000


def explain_request(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Every step of the decision, the last one the answer."""
    principal = _principal(desk, caller, fields.text("user"))
    operation, actions = _actions(fields.text("action"))
    bucket, key = _place(fields, "resource")
    if bucket is not None:
        _check_bucket(desk, caller, bucket, actions)
    elif any(ACTIONS[action] is not Level.ACCOUNT for action in actions):
        raise InvalidInput(f"{actions[0]} is asked of a bucket: give BUCKET or BUCKET/KEY")
    asked = Asked(
        operation, actions, bucket, key, _address(fields), fields.flag("secure"), _conditions(fields),
        _source(desk, caller, fields, operation),
    )
    try:
        steps = explain(_site(desk), principal, asked, desk.namespace.clock.now_ns() / _SECOND)
    except InvalidName as error:
        raise InvalidInput(f"no object can have this key: {error}") from error
    return [asdict(step) for step in steps]


def _site(desk: Desk) -> Site:
    namespace, account = desk.namespace, canonical_id(desk.identities.store_id, ROOT)
    users = PosixUsers(namespace, by_default=desk.serving.posix_permissions)
    return Site(namespace, desk.serving.region, account, desk.identities, users)


def _principal(desk: Desk, caller: Caller, name: str) -> Principal:
    """By a user's name or any access key. Another account's is as one that is not there."""
    if name == ROOT and desk.identities.root is None:
        raise InvalidInput("the keys of root are not known here: ask a service that serves S3")
    found = find_principal(desk.identities, name)
    if found is None or not (found.account is None or is_in_sight(caller, found.owner or ROOT)):
        raise NoSuchEntity(f"there is no user or access key {name!r}")
    return found


def _actions(word: str) -> tuple[str, tuple[str, ...]]:
    try:
        return actions_named(word)
    except ValueError as error:
        raise InvalidInput(str(error)) from error


def _source(
    desk: Desk, caller: Caller, fields: Fields, operation: str
) -> tuple[BucketName, ObjectKey] | None:
    bucket, key = _place(fields, "source")
    if bucket is None:
        return None
    if key is None or operation not in SOURCE_ACTIONS:
        raise InvalidInput(f"a source is BUCKET/KEY, of one of {', '.join(sorted(SOURCE_ACTIONS))}")
    _check_bucket(desk, caller, bucket, SOURCE_ACTIONS[operation])
    return bucket, key


def _place(fields: Fields, name: str) -> tuple[BucketName | None, ObjectKey | None]:
    text = fields.text_or_none(name)
    if not text:
        return None, None
    bucket, slash, rest = text.removeprefix("arn:aws:s3:::").partition("/")
    if not is_bucket_name(bucket):
        raise InvalidInput(f"no bucket can be called {bucket!r}")
    key = unquote_to_bytes(rest) if fields.flag("encoded") else rest.encode("utf-8", "surrogateescape")
    return BucketName(bucket), ObjectKey(key) if slash and key else None


def _check_bucket(desk: Desk, caller: Caller, bucket: BucketName, actions: tuple[str, ...]) -> None:
    """Another account's bucket is as one that is not there."""
    if _NEED_NO_BUCKET.issuperset(actions):
        return
    try:
        owner = desk.namespace.head_bucket(bucket).owner or ROOT
    except BucketMissing as error:
        raise NoSuchEntity(f"no bucket {bucket!r}") from error
    if not is_in_sight(caller, owner if owner in desk.identities.registry.accounts else ROOT):
        raise NoSuchEntity(f"no bucket {bucket!r}")


def _address(fields: Fields) -> str:
    text = fields.text_or_none("source_ip") or "127.0.0.1"
    try:
        return str(ipaddress.ip_address(text))
    except ValueError as error:
        raise InvalidInput("source_ip is an address") from error


def _conditions(fields: Fields) -> dict[str, tuple[str, ...]]:
    """``KEY=VALUE`` each; a key that is given again has several values."""
    found: dict[str, tuple[str, ...]] = {}
    for text in fields.texts("conditions"):
        name, equals, value = text.partition("=")
        key = condition_keys.find(name)
        if not equals or key is None:
            raise InvalidInput(f"a condition is KEY=VALUE, with a key that policies know: not {text!r}")
        found[key.lookup] = (*found.get(key.lookup, ()), value)
    return found
