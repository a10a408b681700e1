"""What kinds of system events there are, and what one of them says.

The types of WEKA's "List of events" keep its names, categories and severities (`S3AsssumeRoleEvent` is spelt
so there); what it has no name for has one of the same make here.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Final

__all__ = ["CATEGORIES", "TYPES", "By", "Event", "EventType", "Severity", "event_named", "told"]

_MAX_VALUE: Final = 256  # characters of a parameter, before what is no printable one is spelt out
_MAX_PARAMETERS: Final = 16


class Severity(enum.IntEnum):
    """In rising order."""

    DEBUG = 0
    INFO = 1
    WARNING = 2
    MINOR = 3
    MAJOR = 4
    CRITICAL = 5


class By(enum.Enum):
    """Whose deed an event is: of which row of files, each with a bound of its own."""

    ADMINISTRATOR = b"admin-"
    DELEGATE = b"rights-"  # a user whose policies let it administrate
    OTHER = b"other-"


@dataclass(frozen=True, slots=True)
class EventType:
    """One kind of event, as documents list it."""

    name: str
    category: str
    description: str
    severity: Severity = Severity.INFO


_ALL: Final = (
    # documented by WEKA
    EventType("S3CreateBucketEvent", "S3", "A bucket was made."),
    EventType("S3DestroyBucketEvent", "S3", "A bucket was removed."),
    EventType("S3SetBucketPolicyEvent", "S3", "The policy of a bucket was set or removed."),
    EventType("S3CreateIAMPolicyEvent", "S3", "An IAM policy was made."),
    EventType("S3RemoveIAMPolicyEvent", "S3", "An IAM policy was removed."),
    EventType("S3AttachIAMPolicyEvent", "S3", "An IAM policy was given to a user."),
    EventType("S3DetachIAMPolicyEvent", "S3", "An IAM policy was taken from a user."),
    EventType("S3AttachIAMPolicyToGroupEvent", "S3", "An IAM policy was given to a group."),
    EventType("S3DetachIAMPolicyFromGroupEvent", "S3", "An IAM policy was taken from a group."),
    EventType("S3CreateGroupEvent", "S3", "A group was made."),
    EventType("S3RemoveGroupEvent", "S3", "A group was removed."),
    EventType("S3CreateServiceAccountEvent", "S3", "A service account was made."),
    EventType("S3RemoveServiceAccountEvent", "S3", "A service account was removed."),
    EventType("S3AsssumeRoleEvent", "S3", "Temporary credentials were given out."),
    EventType("S3AddBucketILMRuleEvent", "S3", "A lifecycle rule was added to a bucket."),
    EventType("S3RemoveBucketILMRuleEvent", "S3", "A lifecycle rule was removed from a bucket."),
    EventType("S3ResetBucketILMRuleEvent", "S3", "All lifecycle rules of a bucket were removed."),
    EventType("S3AuditWebhookEnabledEvent", "S3", "The audit of S3 calls was switched on, or changed."),
    EventType("S3AuditWebhookDisabledEvent", "S3", "The audit of S3 calls was switched off."),
    EventType("S3ClusterUpdated", "S3", "What holds for all of S3 was changed."),
    EventType("DirectoryQuotaSet", "Filesystem", "A quota was set."),
    EventType("DirectoryQuotaUnset", "Filesystem", "A quota was removed."),
    EventType("UserCreated", "User", "A user was made."),
    EventType("UserDeleted", "User", "A user was removed."),
    EventType("UserRoleChanged", "User", "A user got another role, uid or gid."),
    EventType("UserPasswordChanged", "User", "A user changed its password."),
    EventType("UserPasswordChangedByAnotherUser", "User", "An administrator changed a user's password."),
    EventType("TLSSet", "Security", "A certificate of TLS was set."),
    EventType("TLSUnset", "Security", "The certificate of TLS was removed."),
    EventType("NfsExportsPermissionsAdded", "NFS", "A directory was exported over NFS."),
    EventType("NfsExportsPermissionsDeleted", "NFS", "An NFS export was removed."),
    EventType("SmbShareAdded", "Smb", "A directory was shared over SMB."),
    EventType("SmbShareRemoved", "Smb", "An SMB share was removed."),
    # ours
    EventType("S3UpdateIAMPolicyEvent", "S3", "An IAM policy got another document, or other tags."),
    EventType("S3UpdateGroupEvent", "S3", "A group got another name or path."),
    EventType("S3AddUserToGroupEvent", "S3", "A user joined a group."),
    EventType("S3RemoveUserFromGroupEvent", "S3", "A user left a group."),
    EventType("S3SetBucketPublicAccessBlockEvent", "S3", "The public access block of a bucket was changed."),
    EventType("S3SetBucketQuotaEvent", "S3", "The quota of a bucket was set or removed."),
    EventType("S3SetBucketTagsEvent", "S3", "The tags of a bucket were changed."),
    EventType("S3SetBucketOptionEvent", "S3", "An option of a bucket was changed."),
    EventType(
        "S3RetentionClockAcceptedEvent", "S3", "Retentions go by the machine's clock again.", Severity.MAJOR
    ),
    EventType("S3NotificationTargetAddedEvent", "S3", "A target of notifications was defined."),
    EventType("S3NotificationTargetUpdatedEvent", "S3", "A target of notifications was changed."),
    EventType("S3NotificationTargetRemovedEvent", "S3", "A target of notifications was removed."),
    EventType("UserUpdated", "User", "A user got another name, path or tags."),
    EventType("UserAccessKeyCreated", "User", "A user got an access key."),
    EventType("UserAccessKeyUpdated", "User", "An access key was made active or inactive."),
    EventType("UserAccessKeyDeleted", "User", "An access key was removed."),
    EventType("UserTokenGenerated", "User", "A lasting token of administration was given out."),
    EventType("UserTokensRevoked", "User", "A user's tokens and temporary credentials were ended."),
    EventType("LockoutConfigUpdated", "Security", "The rule of lock-outs was changed."),
)

TYPES: Final[Mapping[str, EventType]] = {one.name: one for one in _ALL}
CATEGORIES: Final = tuple(sorted({one.category for one in _ALL}))


def event_named(name: str) -> EventType:
    """Raises KeyError: there is none."""
    return TYPES[name]


@dataclass(frozen=True, slots=True)
class Event:
    """One that was kept, or is to be.

    time_ns: when; user, account: who, empty: nobody who signed in; source: the client's address, or
    ``local``; via: the door (``admin``, ``s3``, ``iam``, ``sts``). parameters: names and words, no secrets;
    what `told` made of them. owner: the account that it was about, where that is another than `account`.
    """

    time_ns: int
    type: EventType
    user: str
    account: str
    source: str
    via: str
    parameters: tuple[tuple[str, str], ...] = ()
    owner: str = ""


def told(parameters: Mapping[str, object]) -> tuple[tuple[str, str], ...]:
    """What was given, as texts of one printable line each, cut at 256 characters; without what is absent."""
    found = [(name, _line(value)) for name, value in parameters.items() if value is not None]
    return tuple(found[:_MAX_PARAMETERS])


def _line(value: object) -> str:
    if isinstance(value, (list, tuple)):
        value = ",".join(str(item) for item in value)
    text = ("yes" if value else "no") if isinstance(value, bool) else str(value)
    cut = text if len(text) <= _MAX_VALUE else text[: _MAX_VALUE - 1] + "…"
    return "".join(one if one.isprintable() else one.encode("unicode_escape").decode() for one in cut)
