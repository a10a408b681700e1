"""Which requests of administration are system events, and the one that shows them.

Names and words alone are told: what is in `_TOLD`, of the path, the body and the answer. Never a secret,
never a policy's text.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from weka_mp.control.desk import Desk, Question
from weka_mp.control.fields import Fields
from weka_mp.events import CATEGORIES, TYPES, By, Event, Severity, Wanted, event_named
from weka_mp.events.types import told
from weka_mp.identity import Caller, Role
from weka_mp.identity.errors import InvalidInput
from weka_mp.identity.naming import ROOT

__all__ = ["EVENTS", "LIST_FIELDS", "list_events", "list_types", "tell"]

EVENTS: Final[Mapping[tuple[str, str], str | None]] = {
    ("POST", "/login"): None,  # the log says which failed; events would drown in them
    ("POST", "/login/refresh"): None,
    ("PUT", "/login/password"): "UserPasswordChanged",
    ("DELETE", "/login/tokens"): "UserTokensRevoked",
    ("POST", "/login/tokens"): "UserTokenGenerated",
    ("POST", "/users"): "UserCreated",
    ("PUT", "/users/{name}"): "UserRoleChanged",
    ("DELETE", "/users/{name}"): "UserDeleted",
    ("PUT", "/users/{name}/password"): "UserPasswordChangedByAnotherUser",
    ("DELETE", "/users/{name}/tokens"): "UserTokensRevoked",
    ("PUT", "/lockoutConfig"): "LockoutConfigUpdated",
    ("DELETE", "/lockoutConfig"): "LockoutConfigUpdated",
    ("PUT", "/tls"): "TLSSet",
    ("DELETE", "/tls"): "TLSUnset",
    ("POST", "/s3/debug"): "S3ClusterUpdated",
    ("POST", "/s3/auditWebhook/enable"): "S3AuditWebhookEnabledEvent",
    ("POST", "/s3/auditWebhook/disable"): "S3AuditWebhookDisabledEvent",
    ("POST", "/s3/notificationTargets"): "S3NotificationTargetAddedEvent",
    ("PUT", "/s3/notificationTargets/{name}"): "S3NotificationTargetUpdatedEvent",
    ("DELETE", "/s3/notificationTargets/{name}"): "S3NotificationTargetRemovedEvent",
    ("PUT", "/s3/retentionClock"): "S3RetentionClockAcceptedEvent",
    ("POST", "/s3/policies"): "S3CreateIAMPolicyEvent",
    ("DELETE", "/s3/policies/{name}"): "S3RemoveIAMPolicyEvent",
    ("POST", "/s3/policies/attach"): "S3AttachIAMPolicyEvent",
    ("POST", "/s3/policies/detach"): "S3DetachIAMPolicyEvent",
    ("POST", "/s3/buckets"): "S3CreateBucketEvent",
    ("DELETE", "/s3/buckets/{bucket}"): "S3DestroyBucketEvent",
    ("PUT", "/s3/buckets/{bucket}/quota"): "S3SetBucketQuotaEvent",
    ("DELETE", "/s3/buckets/{bucket}/quota"): "S3SetBucketQuotaEvent",
    ("PUT", "/s3/buckets/{bucket}/policy"): "S3SetBucketPolicyEvent",
    ("PUT", "/s3/buckets/{bucket}/policyJson"): "S3SetBucketPolicyEvent",
    ("PUT", "/s3/buckets/{bucket}/mountVersions"): "S3SetBucketOptionEvent",
    ("PUT", "/s3/buckets/{bucket}/posixPermissions"): "S3SetBucketOptionEvent",
    ("POST", "/s3/explain"): None,  # changes nothing
    ("POST", "/s3/buckets/{bucket}/lifecycle/rules"): "S3AddBucketILMRuleEvent",
    ("DELETE", "/s3/buckets/{bucket}/lifecycle/rules"): "S3ResetBucketILMRuleEvent",
    ("DELETE", "/s3/buckets/{bucket}/lifecycle/rules/{rule}"): "S3RemoveBucketILMRuleEvent",
    ("POST", "/s3/serviceAccounts"): "S3CreateServiceAccountEvent",
    ("DELETE", "/s3/serviceAccounts/{key}"): "S3RemoveServiceAccountEvent",
    ("POST", "/s3/sts"): "S3AsssumeRoleEvent",
}
"""Every request but GET: what it is as an event, None where it is none. A test sees that none is missing."""

_TOLD: Final = frozenset({
    "access_key", "account", "bucket", "bucket_name", "bucket_policy", "days", "duration", "enabled",
    "existing_path", "expiry_days", "failed_attempts", "former_policy", "hard_quota", "key",
    "lockout_duration", "mount_versions", "name", "policy", "policy_name", "posix_gid", "posix_groups",
    "posix_permissions", "posix_uid", "prefix", "retention_time", "role", "rule", "target_name",
    "unlink", "user_name", "username",
})  # fmt: skip
_ALSO: Final = {"bucket_name": "bucket", "policy": "bucket_policy", "username": "name", "access_key": "key"}
"""What an answer says in another word than the request did."""

LIST_FIELDS: Final = (
    "num_results", "start_time", "end_time", "severity", "type_list", "exclude_type_list", "category_list",
    "sort_order",
)  # fmt: skip

_ADMINISTRATORS: Final = frozenset({Role.CLUSTER_ADMIN, Role.ORG_ADMIN})
_USUAL: Final = 50  # as `weka events` shows when nothing is said
_SECOND: Final = 1_000_000_000
_EPOCH: Final = datetime(1970, 1, 1, tzinfo=UTC)
_ORDERS: Final = {"asc": False, "dsc": True}


def tell(
    desk: Desk, question: Question, path: str, caller: Caller | None, named: Mapping[str, str], found: Any
) -> None:
    """Keep what was done. path: the route's; caller: None where the body was the proof of who asks; found:
    what is answered.
    """
    name = EVENTS.get((question.method, path))
    if name is None:
        return
    answered = {key: value for key, value in (found if isinstance(found, dict) else {}).items()
                if _ALSO.get(key) not in {**named, **question.body}}
    about = {**named, **question.body, **answered}
    caller = caller or _of_body(desk, question)
    if name == "UserPasswordChangedByAnotherUser" and named.get("name") == caller.user:
        name = "UserPasswordChanged"
    event = Event(
        desk.events.now_ns(), event_named(name), caller.user, caller.account, question.source, "admin",
        told({key: value for key, value in about.items() if key in _TOLD}),
    )  # fmt: skip
    desk.events.keep(event, By.ADMINISTRATOR if caller.role in _ADMINISTRATORS else By.OTHER)


def _of_body(desk: Desk, question: Question) -> Caller:
    """Whose keys were in a body that was found good."""
    name = str(question.body.get("access_key", ""))
    user = desk.identities.registry.users.get(name)
    return Caller(ROOT, ROOT, Role.CLUSTER_ADMIN, 0) if user is None else Caller(
        user.name, user.account, user.role, 0
    )


# ---- showing them
def list_events(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Those of the caller's account, of a cluster administrator all: the newest 50 when nothing is said."""
    most = fields.count("num_results", _USUAL)
    wanted = Wanted(
        _moment(fields, "start_time") or 0, _moment(fields, "end_time", 999), _severity(fields),
        _names(fields, "type_list", TYPES), _names(fields, "exclude_type_list", TYPES),
        _names(fields, "category_list", CATEGORIES),
        None if caller.role is Role.CLUSTER_ADMIN else caller.account,
    )  # fmt: skip
    order = fields.text_or_none("sort_order") or "asc"
    if order not in _ORDERS:
        raise InvalidInput(f"the field sort_order must be one of {', '.join(_ORDERS)}")
    found = [_shown(event) for event in desk.events.read(wanted, most)]
    return found[::-1] if _ORDERS[order] else found


def list_types(desk: Desk, caller: Caller, fields: Fields) -> Any:
    """Every type of event there is."""
    return [
        {"type": kind.name, "category": kind.category, "severity": kind.severity.name,
         "description": kind.description}
        for kind in sorted(TYPES.values(), key=lambda kind: (kind.category, kind.name))
    ]  # fmt: skip


def _shown(event: Event) -> dict[str, Any]:
    return {
        "timestamp": _iso(event.time_ns), "category": event.type.category,
        "severity": event.type.severity.name, "type": event.type.name, "user": event.user,
        "account": event.account, "source": event.source, "via": event.via,
        "parameters": dict(event.parameters), "description": event.type.description,
    }  # fmt: skip


def _moment(fields: Fields, name: str, spare_ns: int = 0) -> int | None:
    """Nanoseconds since the epoch, of ISO 8601; without an offset it is UTC. spare_ns: are added."""
    text = fields.text_or_none(name)
    if text is None:
        return None
    try:
        found = datetime.fromisoformat(text)
        since = (found if found.tzinfo else found.replace(tzinfo=UTC)) - _EPOCH
        return since // timedelta(microseconds=1) * 1000 + spare_ns
    except (ValueError, OverflowError):
        raise InvalidInput(f"the field {name} must be a time such as 2026-12-31T10:00:00Z") from None


def _severity(fields: Fields) -> Severity:
    text = fields.text_or_none("severity")
    try:
        return Severity.INFO if text is None else Severity[text.upper()]
    except KeyError:
        names = ", ".join(one.name.lower() for one in Severity)
        raise InvalidInput(f"the field severity must be one of {names}") from None


def _names(fields: Fields, name: str, known: Collection[str]) -> frozenset[str]:
    """Of a text with commas, in any case."""
    spelt = {one.lower(): one for one in known}
    words = [word.strip().lower() for word in (fields.text_or_none(name) or "").split(",") if word.strip()]
    unknown = [word for word in words if word not in spelt]
    if unknown:
        raise InvalidInput(f"the field {name}: there is no {unknown[0][:64]!r}")
    return frozenset(spelt[word] for word in words)


def _iso(time_ns: int) -> str:
    whole = datetime.fromtimestamp(time_ns // _SECOND, UTC)
    return f"{whole:%Y-%m-%dT%H:%M:%S}.{time_ns % _SECOND // 1000:06d}Z"
