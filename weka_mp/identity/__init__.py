"""Who exists in a store, what they may prove themselves with, and what speaks for and against them.

`store` is where to begin. Decisions are made elsewhere: this room hands out principals with their policies.
"""

from __future__ import annotations

from weka_mp.identity.administration import Administration
from weka_mp.identity.issuing import CredentialIssuer, Issued, ServiceAccount
from weka_mp.identity.key_file import KeyFile
from weka_mp.identity.lock_out import LockOut
from weka_mp.identity.logins import AdminLogins, Caller, TokenPair
from weka_mp.identity.model import LockOutRule, PosixIdentity, Role
from weka_mp.identity.principal import (
    AttachedPolicy,
    CredentialKind,
    PolicyParser,
    PolicyUse,
    Principal,
    RootKeys,
    Secret,
)
from weka_mp.identity.rotation import KeyRotation
from weka_mp.identity.store import IdentityStore

__all__ = [
    "AdminLogins", "Administration", "AttachedPolicy", "Caller", "CredentialIssuer", "CredentialKind",
    "IdentityStore", "Issued", "KeyFile", "KeyRotation", "LockOut", "LockOutRule", "PolicyParser",
    "PolicyUse", "PosixIdentity", "Principal", "Role", "RootKeys", "Secret", "ServiceAccount", "TokenPair",
]  # fmt: skip
