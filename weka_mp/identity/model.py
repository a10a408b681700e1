"""Accounts, users, their keys, groups, policies: frozen values, each legal or not made at all.

`generation` and `serial` are random numbers that tell one bearer of a name from a later one.
`session` changes when a user's tokens and temporary credentials are revoked.
"""

from __future__ import annotations

import enum
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from weka_mp.identity import naming
from weka_mp.identity.errors import InvalidInput

__all__ = [
    "MAX_ACCESS_KEYS",
    "MAX_ACCOUNTS",
    "MAX_ATTACHED",
    "MAX_DOCUMENT_BYTES",
    "MAX_GROUPS",
    "MAX_GROUPS_OF_USER",
    "MAX_INLINE",
    "MAX_POLICIES",
    "MAX_S3_USERS",
    "MAX_TAGS",
    "MAX_USERS",
    "AccessKey",
    "Account",
    "Group",
    "LockOutRule",
    "PosixIdentity",
    "Role",
    "StoredPolicy",
    "User",
    "check_document",
]

MAX_ACCOUNTS: Final = 1_024
MAX_USERS: Final = 1_152
MAX_S3_USERS: Final = 1_024
MAX_POLICIES: Final = 1_024
MAX_DOCUMENT_BYTES: Final = 20 * 1_024
"""As it is kept. How many characters a policy may have its parser says, who does not count white space."""

MAX_GROUPS: Final = 300  # these four: AWS's quotas of IAM
MAX_GROUPS_OF_USER: Final = 10
MAX_ATTACHED: Final = 10
MAX_ACCESS_KEYS: Final = 2
MAX_TAGS: Final = 50  # of a user or a policy: AWS's as well
MAX_INLINE: Final = 10
"""Policies in a user or a group; all their documents together have MAX_DOCUMENT_BYTES at most."""

_MAX_ID: Final = 2**32 - 2  # -1 means "none" to the kernel
_MAX_SUPPLEMENTARY: Final = 256
_MAX_SERIAL: Final = 2**63 - 1
_MAX_TEXT: Final = 255
_MAX_DESCRIPTION: Final = 1_000
_TAG_KEY: Final = re.compile(r"[\w .:/=+@-]{1,128}")  # IAM: letters, digits, white space and these
_TAG_VALUE: Final = re.compile(r"[\w .:/=+@-]{0,256}")
_EMAIL: Final = re.compile(r"[^\s@\x00-\x1f\x7f]+@[^\s@\x00-\x1f\x7f]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029]")


class Role(enum.Enum):
    """What a user is for: `S3` uses the data, the others administrate."""

    S3 = "s3"
    CLUSTER_ADMIN = "clusteradmin"
    ORG_ADMIN = "orgadmin"
    REGULAR = "regular"
    READ_ONLY = "readonly"


@dataclass(frozen=True, slots=True)
class PosixIdentity:
    """Who owns what an S3 user makes, and the supplementary groups by which modes and ACLs judge it."""

    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        for number in (self.uid, self.gid, *self.groups):
            if not 0 <= number <= _MAX_ID:
                raise InvalidInput(f"{number} is not a uid or gid: 0 to {_MAX_ID}")
        if len(self.groups) > _MAX_SUPPLEMENTARY:
            raise InvalidInput(f"more than {_MAX_SUPPLEMENTARY} supplementary groups")


@dataclass(frozen=True, slots=True)
class Account:
    """Whom buckets belong to. `email`: by which ACLs may name it."""

    name: str
    display_name: str
    email: str | None
    created_ns: int

    def __post_init__(self) -> None:
        naming.check_account_name(self.name)
        if not 1 <= len(self.display_name) <= _MAX_TEXT or _CONTROL.search(self.display_name):
            raise InvalidInput(f"a display name has 1 to {_MAX_TEXT} characters, none of them a control one")
        if self.email is not None and (len(self.email) > _MAX_TEXT or not _EMAIL.fullmatch(self.email)):
            raise InvalidInput(f"{self.email!r} is not an e-mail address")


@dataclass(frozen=True, slots=True)
class AccessKey:
    """A further pair of keys of a user. `sealed`: its secret (sealing.py)."""

    key_id: str
    sealed: str = field(repr=False)
    active: bool
    created_ns: int

    def __post_init__(self) -> None:
        if naming.generated_kind(self.key_id) != naming.SERVICE_PREFIX:
            raise InvalidInput(f"{self.key_id!r} is not an access key")


@dataclass(frozen=True, slots=True)
class User:
    """A local user: the name is the access key, the password the secret key.

    sealed:      the password (sealing.py); None: the user has none and cannot log in.
    cli_policy:  the one that the command line attached; `policies`: those that the IAM API did. Both count.
    inline:      name → document of policies that are this user's alone. They count, too.
    posix:       other than 0:0 with role `S3` only.
    """

    name: str
    role: Role
    account: str
    generation: int
    session: int
    created_ns: int
    sealed: str | None = field(default=None, repr=False)
    posix: PosixIdentity = PosixIdentity()
    cli_policy: str | None = None
    policies: tuple[str, ...] = ()
    groups: tuple[str, ...] = ()
    keys: tuple[AccessKey, ...] = ()
    inline: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"

    @property
    def qualified(self) -> str:
        """Path and name as in its ARN."""
        return f"{self.path[1:]}{self.name}"

    def __post_init__(self) -> None:
        naming.check_user_name(self.name)
        naming.check_path(self.path)
        _check_serials(self.generation, self.session)
        if self.name.lower() == naming.ROOT:
            raise InvalidInput(f"the user {naming.ROOT} is built in")
        if self.role is not Role.S3 and self.posix != PosixIdentity():
            raise InvalidInput(f"uid and gid belong to users with role {Role.S3.value}")
        _check_attached(self.policies)
        if len(set(self.groups)) != len(self.groups) or len(self.groups) > MAX_GROUPS_OF_USER:
            raise InvalidInput(f"a user is in {MAX_GROUPS_OF_USER} groups at most, once in each")
        if len(self.keys) > MAX_ACCESS_KEYS:
            raise InvalidInput(f"a user has {MAX_ACCESS_KEYS} access keys at most")
        _check_inline(self.inline)
        _check_tags(self.tags)


@dataclass(frozen=True, slots=True)
class Group:
    """Users of one account with policies in common; `inline` as a user's."""

    name: str
    account: str
    serial: int
    created_ns: int
    policies: tuple[str, ...] = ()
    inline: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"

    @property
    def qualified(self) -> str:
        """Path and name as in its ARN."""
        return f"{self.path[1:]}{self.name}"

    def __post_init__(self) -> None:
        naming.check_group_name(self.name)
        naming.check_path(self.path)
        _check_serials(self.serial)
        _check_attached(self.policies)
        _check_inline(self.inline)


@dataclass(frozen=True, slots=True)
class StoredPolicy:
    """A custom policy. `account`: whose IAM API shows it; `version` counts its documents from 1."""

    name: str
    account: str
    document: str
    serial: int
    version: int
    created_ns: int
    changed_ns: int
    description: str = ""
    tags: Mapping[str, str] = field(default_factory=dict)
    path: str = "/"

    @property
    def qualified(self) -> str:
        """Path and name as in its ARN."""
        return f"{self.path[1:]}{self.name}"

    def __post_init__(self) -> None:
        naming.check_policy_name(self.name)
        naming.check_path(self.path)
        _check_serials(self.serial, self.version)
        check_document(self.document)
        if len(self.description) > _MAX_DESCRIPTION or not self.description.isprintable():
            raise InvalidInput(f"a description has at most {_MAX_DESCRIPTION} printable characters")
        _check_tags(self.tags)


@dataclass(frozen=True, slots=True)
class LockOutRule:
    """So many failed logins lock a user out for so long."""

    attempts: int = 5
    seconds: int = 120

    def __post_init__(self) -> None:
        if not 1 <= self.attempts <= 1_000:
            raise InvalidInput("from 1 to 1000 failed logins lock a user out")
        if not 1 <= self.seconds <= 86_400:
            raise InvalidInput("a lock-out lasts from 1 second to a day")


def check_document(document: str) -> None:
    """Raises InvalidInput when it is too long to keep, or no text; what it says is judged elsewhere."""
    try:
        size = len(document.encode())
    except UnicodeEncodeError:
        raise InvalidInput("a policy is text") from None
    if size > MAX_DOCUMENT_BYTES:
        raise InvalidInput(f"a policy has at most {MAX_DOCUMENT_BYTES} bytes, this has {size}")


def _check_attached(names: tuple[str, ...]) -> None:
    if len(set(names)) != len(names) or len(names) > MAX_ATTACHED:
        raise InvalidInput(f"at most {MAX_ATTACHED} policies are attached over the IAM API, each once")


def _check_inline(documents: Mapping[str, str]) -> None:
    if len(documents) > MAX_INLINE:
        raise InvalidInput(f"at most {MAX_INLINE} policies are kept in a user or a group")
    for name in documents:
        naming.check_policy_name(name)
    check_document("".join(documents.values()))


def _check_tags(tags: Mapping[str, str]) -> None:
    if len(tags) > MAX_TAGS:
        raise InvalidInput(f"there are {MAX_TAGS} tags at most")
    if len({key.lower() for key in tags}) != len(tags):
        raise InvalidInput("keys of tags differ in more than case")
    for key, value in tags.items():
        if _TAG_KEY.fullmatch(key) is None or key.lower().startswith("aws:"):
            raise InvalidInput("the key of a tag has 1 to 128 letters, digits, spaces or . : / = + @ _ -")
        if _TAG_VALUE.fullmatch(value) is None:
            raise InvalidInput("the value of a tag has up to 256 such characters")


def _check_serials(*numbers: int) -> None:
    if not all(1 <= number <= _MAX_SERIAL for number in numbers):
        raise InvalidInput("a serial number is out of range")
