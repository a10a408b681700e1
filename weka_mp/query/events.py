"""Which operations of STS and IAM change something, and the system events that they leave."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from weka_mp.events import By, Event, event_named
from weka_mp.events.types import told
from weka_mp.identity import Role
from weka_mp.query.call import Call
from weka_mp.query.xml import Record

__all__ = ["EVENTS", "tell"]

EVENTS: Final[Mapping[str, str | None]] = {
    "AssumeRole": "S3AsssumeRoleEvent",
    "GetSessionToken": "S3AsssumeRoleEvent",
    "CreateUser": "UserCreated",
    "UpdateUser": "UserUpdated",
    "DeleteUser": "UserDeleted",
    "TagUser": "UserUpdated",
    "UntagUser": "UserUpdated",
    "CreateAccessKey": "UserAccessKeyCreated",
    "UpdateAccessKey": "UserAccessKeyUpdated",
    "DeleteAccessKey": "UserAccessKeyDeleted",
    "DeleteLoginProfile": None,  # there never is one
    "CreatePolicy": "S3CreateIAMPolicyEvent",
    "DeletePolicy": "S3RemoveIAMPolicyEvent",
    "CreatePolicyVersion": "S3UpdateIAMPolicyEvent",
    "DeletePolicyVersion": None,  # the one version there is cannot be deleted
    "SetDefaultPolicyVersion": None,  # it is that already
    "TagPolicy": "S3UpdateIAMPolicyEvent",
    "UntagPolicy": "S3UpdateIAMPolicyEvent",
    "AttachUserPolicy": "S3AttachIAMPolicyEvent",
    "DetachUserPolicy": "S3DetachIAMPolicyEvent",
    "PutUserPolicy": "S3AttachIAMPolicyEvent",
    "DeleteUserPolicy": "S3DetachIAMPolicyEvent",
    "AttachGroupPolicy": "S3AttachIAMPolicyToGroupEvent",
    "DetachGroupPolicy": "S3DetachIAMPolicyFromGroupEvent",
    "PutGroupPolicy": "S3AttachIAMPolicyToGroupEvent",
    "DeleteGroupPolicy": "S3DetachIAMPolicyFromGroupEvent",
    "CreateGroup": "S3CreateGroupEvent",
    "UpdateGroup": "S3UpdateGroupEvent",
    "DeleteGroup": "S3RemoveGroupEvent",
    "AddUserToGroup": "S3AddUserToGroupEvent",
    "RemoveUserFromGroup": "S3RemoveUserFromGroupEvent",
}
"""Every operation that does not only read, and what it is as an event; a test sees that none is missing."""

_TOLD: Final = (
    "UserName", "NewUserName", "GroupName", "NewGroupName", "PolicyName", "PolicyArn", "AccessKeyId",
    "Status", "Path", "NewPath", "DurationSeconds", "RoleSessionName",
)  # fmt: skip
_ADMINISTRATORS: Final = frozenset({Role.CLUSTER_ADMIN, Role.ORG_ADMIN})


def tell(call: Call, api: str, found: Record | None, source: str) -> None:
    """Keep what was done. api: `sts` or `iam`; found: what is answered; source: the client's address."""
    action = call.parameters.action
    name = EVENTS.get(action)
    if name is None:
        return
    about: dict[str, object] = {"operation": action}
    about |= {key: call.parameters.text_or_none(key) for key in _TOLD}
    about["AccessKeyId"] = about["AccessKeyId"] or _made_key(found)
    who, log = call.who, call.desk.events
    event = Event(log.now_ns(), event_named(name), who.user, who.account, source, api, told(about))
    log.keep(event, _by(who.role, api))


def _by(role: Role, api: str) -> By:
    """STS is for everybody; what IAM changes, a policy let somebody change."""
    if role in _ADMINISTRATORS:
        return By.ADMINISTRATOR
    return By.DELEGATE if api == "iam" else By.OTHER


def _made_key(found: Record | None) -> object:
    for part in ("AccessKey", "Credentials"):
        made = (found or {}).get(part)
        if isinstance(made, Mapping):
            return made.get("AccessKeyId")
    return None
