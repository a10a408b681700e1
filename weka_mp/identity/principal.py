"""Who a key belongs to, and what speaks for and against them: what a request is judged by."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Generic, Protocol, TypeVar

from weka_mp.identity.model import PosixIdentity, Role
from weka_mp.identity.naming import ROOT, account_number

__all__ = ["AttachedPolicy", "CredentialKind", "PolicyParser", "PolicyUse", "Principal", "RootKeys", "Secret"]

P = TypeVar("P")
P_co = TypeVar("P_co", covariant=True)


class PolicyUse(enum.Enum):
    """What a policy's document is parsed as."""

    IDENTITY = "identity"
    SESSION = "session"  # narrows a service account or temporary credentials


class PolicyParser(Protocol[P_co]):
    """Parses a document; raises what its maker wants raised when it is malformed. `name` is for messages."""

    def __call__(self, document: str, use: PolicyUse, name: str, /) -> P_co: ...


class CredentialKind(enum.Enum):
    """What a key is."""

    ROOT = "root"
    USER = "user"  # name and password
    ACCESS_KEY = "access key"
    SERVICE_ACCOUNT = "service account"
    TEMPORARY = "temporary"


@dataclass(frozen=True, slots=True)
class RootKeys:
    """The root user's, which are kept outside the store."""

    access_key: str
    secret: str = field(repr=False)


@dataclass(frozen=True, slots=True)
class Secret:
    """What proves a request to be of an access key: the fields of `s3.credentials.SecretKey`, and its end.

    expires_s: seconds since the epoch; None: never. An expired one is still given, so that a request is told
    that it expired after its signature was found good; `IdentityStore.principal` refuses it.
    """

    secret_id: str
    secret: str = field(repr=False)
    session_token: str | None = field(default=None, repr=False)
    expires_s: int | None = None


@dataclass(frozen=True, slots=True)
class AttachedPolicy(Generic[P]):
    """A policy that counts; `name` is empty for one that narrows a service account or a session."""

    name: str
    document: str
    parsed: P


@dataclass(frozen=True, slots=True)
class Principal(Generic[P]):
    """Who asks.

    account:    its name; canonical_id is what S3 shows, the last 12 digits are in ARNs.
    user, arn, user_id: of the user, also where a key that it gave out is used; user_id as aws:userid.
    policies:   those that may allow, each name once; none unless the role is S3.
    bounds:     each of these must allow, too.
    expires_s:  seconds since the epoch; None: never.
    issued_s:   when temporary credentials were given out, the same; None: they are no temporary ones.
    """

    access_key: str
    kind: CredentialKind
    account: str
    canonical_id: str
    display_name: str
    user: str
    arn: str
    user_id: str
    role: Role
    posix: PosixIdentity
    policies: tuple[AttachedPolicy[P], ...]
    bounds: tuple[AttachedPolicy[P], ...]
    expires_s: int | None = None
    issued_s: int | None = None

    @property
    def is_root(self) -> bool:
        """Whether it is the root user, maybe with temporary credentials, which `bounds` narrow as others'."""
        return self.user == ROOT

    @property
    def account_number(self) -> str:
        """The account in ARNs, 12 digits."""
        return account_number(self.canonical_id)
