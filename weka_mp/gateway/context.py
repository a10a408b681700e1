"""What every gateway function needs besides its operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Final

from weka_mp.acl import ENFORCED
from weka_mp.gateway.access import Access
from weka_mp.gateway.posix_users import PosixUsers
from weka_mp.gateway.principals import Principal
from weka_mp.lifecycle import DAY_NS
from weka_mp.s3.xml_write import Owner
from weka_mp.values import BucketName

if TYPE_CHECKING:
    from weka_mp.identity import IdentityStore
    from weka_mp.namespace import Namespace
    from weka_mp.policy.documents import Policy

__all__ = ["Context", "Site", "own_account", "owner"]

_SECOND: Final = 1_000_000_000


@dataclass(frozen=True, slots=True)
class Site:
    """What holds for the whole endpoint. account: the canonical user id of the account `root`.

    identities: who exists besides root; None: nobody. users: whom modes bind; None: nobody.
    day_ns: what stands for a day in lifecycle rules. has_websites: whether there is a website endpoint.
    ownership: of the objects of new buckets whose makers say nothing of it.
    """

    namespace: Namespace
    region: str
    account: str
    identities: IdentityStore[Policy] | None = None
    users: PosixUsers | None = None
    day_ns: int = DAY_NS
    has_websites: bool = False
    ownership: str = ENFORCED

    def namespace_of(self, principal: Principal) -> Namespace:
        """The store as the principal sees it. Raises NamespaceError."""
        return self.namespace if self.users is None else self.users.namespace_of(principal)


@dataclass(frozen=True, slots=True)
class Context:
    """One request's surroundings: the site and who asks.

    begun: called, from any thread, when only long work remains of an operation of `dispatch.PATIENT`.
    asked: what the request may do; where there is none, the principal is judged without conditions.
    namespace: the store as the principal sees it, throughout the request.
    """

    site: Site
    principal: Principal
    begun: Callable[[], None] = lambda: None
    asked: Access | None = None
    namespace: Namespace = field(init=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "namespace", self.site.namespace_of(self.principal))

    @property
    def access(self) -> Access:
        return self.asked or Access(self.site, self.principal, "", None)

    @property
    def now(self) -> int:
        """Whole seconds since the epoch."""
        return self.namespace.clock.now_ns() // _SECOND


def owner(context: Context, bucket: BucketName) -> Owner:
    """Who owns a bucket and all objects in it, as documents show it."""
    return context.access.owner_of(bucket)


def own_account(context: Context) -> Owner:
    """The account of who asks, the same."""
    return context.access.owner_of(None)
