"""IAM: policies with a name. Of each the newest document alone is kept, whose version counts on."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final, TypeVar
from urllib.parse import quote

from weka_mp.identity.errors import InUse, NoSuchEntity, Unmodifiable
from weka_mp.identity.model import Group, StoredPolicy, User
from weka_mp.identity.naming import unique_id
from weka_mp.query.call import Call
from weka_mp.query.errors import QueryError
from weka_mp.query.tags import shown_tags
from weka_mp.query.xml import Content, Record, moment

__all__ = [
    "create_policy", "create_policy_version", "delete_policy", "delete_policy_version", "encoded",
    "get_policy", "get_policy_version", "list_entities_for_policy", "list_policies", "list_policy_versions",
    "set_default_policy_version",
]  # fmt: skip

Entity = TypeVar("Entity", User, Group)

_SCOPES: Final = ("All", "AWS", "Local")
_USAGES: Final = ("PermissionsPolicy", "PermissionsBoundary")
_ENTITIES: Final = ("User", "Role", "Group", "LocalManagedPolicy", "AWSManagedPolicy")


def encoded(document: str) -> str:
    """As IAM gives documents back (RFC 3986)."""
    return quote(document, safe="-._~")


def create_policy(call: Call) -> Record:
    """Of the caller's account."""
    parameters = call.parameters
    policy = call.desk.administration.add_policy(
        parameters.text("PolicyName"), parameters.text("PolicyDocument"), account=call.who.account,
        description=parameters.text_or_none("Description") or "", tags=parameters.pairs("Tags"),
        path=call.path(),
    )  # fmt: skip
    return {"Policy": _shown(call, policy, whole=True)}


def get_policy(call: Call) -> Record:
    return {"Policy": _shown(call, call.policy(), whole=True)}


def list_policies(call: Call) -> Record:
    """The predefined ones are AWS's as far as Scope goes."""
    parameters = call.parameters
    scope = parameters.choice_or_none("Scope", _SCOPES) or "All"
    attached_only = parameters.flag("OnlyAttached")
    usage = parameters.choice_or_none("PolicyUsageFilter", _USAGES)
    found: list[StoredPolicy | str] = []
    if scope != "Local":
        found += call.desk.identities.predefined
    if scope != "AWS":
        found += [one for one in call.registry.policies.values() if one.account == call.who.account]
    if usage == "PermissionsBoundary":
        found = []
    rows = [(_name(policy), policy) for policy in found]
    return call.page("Policies", [
        (name, _shown(call, policy)) for name, policy in rows
        if call.is_below(call.policy_path(name)) and (not attached_only or any(_attached(call, name)))
    ])  # fmt: skip


def delete_policy(call: Call) -> None:
    """One that nobody has."""
    call.desk.administration.remove_policy(_name(call.policy()))


# ---- versions
def get_policy_version(call: Call) -> Record:
    """The newest one, or NoSuchEntity."""
    return {"PolicyVersion": _shown_version(call, _version(call), whole=True)}


def list_policy_versions(call: Call) -> Record:
    policy = call.policy()
    return call.page("Versions", [(_version_id(policy), _shown_version(call, policy))])


def create_policy_version(call: Call) -> Record:
    """It replaces the one before, so it must be the default."""
    policy = _custom(call)
    if not call.parameters.flag("SetAsDefault"):
        raise QueryError("NotImplemented", "One version of a policy is kept: SetAsDefault must be true.")
    changed = call.desk.administration.replace_policy(policy.name, call.parameters.text("PolicyDocument"))
    return {"PolicyVersion": _shown_version(call, changed)}


def delete_policy_version(call: Call) -> None:
    """The one there is, is the default version, which IAM does not delete either."""
    _custom(call)
    _version(call)
    raise InUse("Cannot delete the default version of a policy.")


def set_default_policy_version(call: Call) -> None:
    """The one there is, is it already."""
    _custom(call)
    _version(call)


def _custom(call: Call) -> StoredPolicy:
    policy = call.policy()
    if isinstance(policy, str):
        raise Unmodifiable(f"the policy {policy} is predefined")
    return policy


def _version(call: Call) -> StoredPolicy | str:
    policy, version = call.policy(), call.parameters.text("VersionId")
    if version != _version_id(policy):
        raise NoSuchEntity(f"Policy {call.policy_arn(_name(policy))} version {version} does not exist.")
    return policy


def _version_id(policy: StoredPolicy | str) -> str:
    return "v1" if isinstance(policy, str) else f"v{policy.version}"


def _shown_version(call: Call, policy: StoredPolicy | str, *, whole: bool = False) -> Record:
    if isinstance(policy, str):
        document, changed_ns = call.desk.identities.predefined[policy], 0
    else:
        document, changed_ns = policy.document, policy.changed_ns
    return {
        "Document": encoded(document) if whole else None,
        "VersionId": _version_id(policy),
        "IsDefaultVersion": True,
        "CreateDate": moment(changed_ns),
    }


# ---- who has it
def list_entities_for_policy(call: Call) -> Record:
    """To whom the IAM API attached it."""
    name = _name(call.policy())
    wanted = call.parameters.choice_or_none("EntityFilter", _ENTITIES)
    usage = call.parameters.choice_or_none("PolicyUsageFilter", _USAGES)
    users, groups = _attached(call, name)
    if usage == "PermissionsBoundary":
        users, groups = [], []
    rows: list[tuple[str, Content]] = []
    if wanted in (None, "User"):
        below = [one for one in users if call.is_below(one.path)]
        rows += [(f"u{one.name}", _entity("User", one.name, "AIDA", one.generation)) for one in below]
    if wanted in (None, "Group"):
        within = [one for one in groups if call.is_below(one.path)]
        rows += [(f"g{one.name}", _entity("Group", one.name, "AGPA", one.serial)) for one in within]
    page = call.page("Rows", rows)
    return {
        "PolicyGroups": _of_kind(page, "GroupName"),
        "PolicyUsers": _of_kind(page, "UserName"),
        "PolicyRoles": [],
        "IsTruncated": page["IsTruncated"],
        "Marker": page["Marker"],
    }


def _entity(kind: str, name: str, prefix: str, serial: int) -> Record:
    return {f"{kind}Name": name, f"{kind}Id": unique_id(prefix, serial)}


def _of_kind(page: Record, field: str) -> Content:
    rows = page["Rows"]
    assert isinstance(rows, list)
    return [row for row in rows if field in row]


def _attached(call: Call, name: str) -> tuple[list[User], list[Group]]:
    """Users and groups of the account to which the IAM API attached it."""
    registry = call.registry
    return _having(call, registry.users.values(), name), _having(call, registry.groups.values(), name)


def _having(call: Call, entities: Iterable[Entity], name: str) -> list[Entity]:
    return [one for one in entities if one.account == call.who.account and name in one.policies]


# ---- one
def _name(policy: StoredPolicy | str) -> str:
    return policy if isinstance(policy, str) else policy.name


def _shown(call: Call, policy: StoredPolicy | str, *, whole: bool = False) -> Record:
    name = _name(policy)
    custom = policy if isinstance(policy, StoredPolicy) else None
    serial = int.from_bytes(name.encode(), "big") if custom is None else custom.serial
    return {
        "PolicyName": name,
        "PolicyId": unique_id("ANPA", serial),
        "Arn": call.policy_arn(name),
        "Path": "/" if custom is None else custom.path,
        "DefaultVersionId": _version_id(policy),
        "AttachmentCount": sum(len(entities) for entities in _attached(call, name)),
        "PermissionsBoundaryUsageCount": 0,
        "IsAttachable": True,
        "Description": (custom.description or None) if whole and custom else None,
        "CreateDate": moment(0 if custom is None else custom.created_ns),
        "UpdateDate": moment(0 if custom is None else custom.changed_ns),
        "Tags": shown_tags(custom.tags) if whole and custom and custom.tags else None,
    }
