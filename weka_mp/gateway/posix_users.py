"""As whom the kernel judges the users of S3 where modes and ACLs bind them.

Root is the service. Everybody else is bound: 0 is no uid and no gid of a user, it says that none was given.
Who has no uid, and who signed nothing, is the stranger; who has no gid has the stranger's.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Final

from weka_mp.gateway.principals import Principal
from weka_mp.store.interface import FsIdentity

if TYPE_CHECKING:
    from weka_mp.namespace import Namespace

__all__ = ["NOBODY", "PosixUsers", "identity_of"]

NOBODY: Final = (65534, 65534)
"""The kernel's overflow uid and gid."""

_KEPT: Final = 1024  # as many as there may be users


def identity_of(principal: Principal, stranger: tuple[int, int] = NOBODY) -> FsIdentity | None:
    """None: root, whom nothing binds."""
    if principal.is_root and principal.account is not None:
        return None
    if principal.account is None or principal.uid == 0:
        return FsIdentity(*stranger)
    return FsIdentity(principal.uid, principal.gid or stranger[1], principal.groups)


class PosixUsers:
    """The namespace as each user sees it. Used by threads at once, which make the same of one user.

    by_default: whether modes bind users in buckets of which nothing else was set.
    """

    def __init__(
        self, namespace: Namespace, *, by_default: bool = False, stranger: tuple[int, int] = NOBODY
    ) -> None:
        self._namespace = namespace
        self._by_default = by_default
        self._stranger = stranger if 0 not in stranger else NOBODY
        self._seen: dict[FsIdentity, Namespace] = {}

    def namespace_of(self, principal: Principal) -> Namespace:
        """For one request: what is set of buckets is looked at again for the next. Raises NotSupported,
        NamespaceError.
        """
        namespace = self._namespace
        if principal.is_root and principal.account is not None:
            return namespace
        if not self._by_default and not namespace.judges_somewhere():
            return namespace
        who = identity_of(principal, self._stranger)
        assert who is not None
        found = self._seen.get(who)
        if found is None:
            if len(self._seen) >= _KEPT:
                self._seen.clear()
            found = self._seen[who] = namespace.judged_as(who, by_default=self._by_default)
        return found
