"""Which role may do what over the administration: the one table, asked before every verb.

Whoever is no cluster administrator sees and changes its own account only: where a verb is about a user, an
account or a policy, the handler asks `is_in_sight` or `check_account`, too. Callers that the admin socket
vouches for are cluster administrators.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Final

from weka_mp.identity import Caller, Role
from weka_mp.identity.errors import NotAllowed

__all__ = ["MAY", "Verb", "check_account", "check_role", "check_verb", "is_in_sight"]


class Verb(enum.Enum):
    """What can be asked; the value is what a refusal calls it."""

    WHOAMI = "ask who it is"
    CHANGE_OWN_PASSWORD = "change its own password"
    REVOKE_OWN_TOKENS = "revoke its own tokens"
    GENERATE_TOKEN = "generate a token"
    LIST_USERS = "list users"
    CHANGE_USERS = "add, change or delete users"
    LIST_POLICIES = "see policies"
    CHANGE_POLICIES = "add, remove, attach or detach policies"
    LIST_BUCKETS = "list buckets and see their policies"
    CHANGE_BUCKETS = "make or remove buckets, or set their policies and quotas"
    LIST_OBJECTS = "list what is in buckets"
    EXPLAIN = "ask why somebody may do something"
    LIST_LIFECYCLE = "see the lifecycle rules of buckets"
    CHANGE_LIFECYCLE = "change the lifecycle rules of buckets"
    USE_SERVICE_ACCOUNTS = "have service accounts"
    SHOW_LOCKOUT = "see the rule of lock-outs"
    CHANGE_LOCKOUT = "change the rule of lock-outs"
    SHOW_TLS = "see the certificate of TLS"
    CHANGE_TLS = "change the certificate of TLS"
    LIST_EVENTS = "list events"
    SHOW_CLUSTER = "see how S3 is served"
    CHANGE_LOG = "change how much is logged"
    SHOW_AUDIT = "see the audit webhook"
    CHANGE_AUDIT = "change the audit webhook"
    SHOW_NOTIFICATION_TARGETS = "see the targets of notifications"
    CHANGE_NOTIFICATION_TARGETS = "change the targets of notifications"
    SHOW_RETENTION_CLOCK = "see the clock that retentions go by"
    CHANGE_RETENTION_CLOCK = "accept the machine's clock for retentions"


_CLUSTER: Final = frozenset({Role.CLUSTER_ADMIN})
_ADMINS: Final = _CLUSTER | {Role.ORG_ADMIN}
_LOOKERS: Final = _ADMINS | {Role.REGULAR, Role.READ_ONLY}
_ALL: Final = frozenset(Role)

MAY: Final[Mapping[Verb, frozenset[Role]]] = {
    Verb.WHOAMI: _ALL,
    Verb.CHANGE_OWN_PASSWORD: _ALL,
    Verb.REVOKE_OWN_TOKENS: _ALL,
    Verb.GENERATE_TOKEN: _LOOKERS,
    Verb.LIST_USERS: _LOOKERS,
    Verb.CHANGE_USERS: _ADMINS,
    Verb.LIST_POLICIES: _LOOKERS,
    Verb.CHANGE_POLICIES: _ADMINS,
    Verb.LIST_BUCKETS: _LOOKERS,
    Verb.CHANGE_BUCKETS: _ADMINS,
    Verb.LIST_OBJECTS: _ADMINS,
    Verb.EXPLAIN: _ADMINS,
    Verb.LIST_LIFECYCLE: _LOOKERS,
    Verb.CHANGE_LIFECYCLE: _ADMINS,
    Verb.USE_SERVICE_ACCOUNTS: frozenset({Role.S3}),
    Verb.SHOW_LOCKOUT: _LOOKERS,
    Verb.CHANGE_LOCKOUT: _CLUSTER,
    Verb.SHOW_TLS: _LOOKERS,
    Verb.CHANGE_TLS: _CLUSTER,
    Verb.LIST_EVENTS: _LOOKERS,
    Verb.SHOW_CLUSTER: _LOOKERS,
    Verb.CHANGE_LOG: _CLUSTER,
    Verb.SHOW_AUDIT: _LOOKERS,
    Verb.CHANGE_AUDIT: _CLUSTER,
    Verb.SHOW_NOTIFICATION_TARGETS: _LOOKERS,
    Verb.CHANGE_NOTIFICATION_TARGETS: _CLUSTER,
    Verb.SHOW_RETENTION_CLOCK: _LOOKERS,
    Verb.CHANGE_RETENTION_CLOCK: _CLUSTER,
}
"""verb → the roles that have it. docs/ADMINISTRATION.md has the same table, which a test compares."""


def check_verb(caller: Caller, verb: Verb) -> None:
    """Raises NotAllowed."""
    if caller.role not in MAY[verb]:
        able = ", ".join(role.value for role in Role if role in MAY[verb])
        raise NotAllowed(
            f"{caller.user} has the role {caller.role.value}, which may not {verb.value}: log in as {able}"
        )


def is_in_sight(caller: Caller, account: str) -> bool:
    """Whether the caller is shown what is this account's."""
    return caller.role is Role.CLUSTER_ADMIN or account == caller.account


def check_account(caller: Caller, account: str) -> None:
    """Who is no cluster administrator changes what is its own account's. Raises NotAllowed."""
    if not is_in_sight(caller, account):
        raise NotAllowed(f"{caller.user} administrates the account {caller.account} only, not {account}")


def check_role(caller: Caller, role: Role) -> None:
    """Nobody makes, or lays hands on, somebody mightier. Raises NotAllowed."""
    if role is Role.CLUSTER_ADMIN and caller.role is not Role.CLUSTER_ADMIN:
        raise NotAllowed(f"only a {Role.CLUSTER_ADMIN.value} can do this to a {Role.CLUSTER_ADMIN.value}")
