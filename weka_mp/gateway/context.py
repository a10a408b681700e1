"""What every gateway function needs besides its operation."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Final

from weka_mp.gateway.authorize import Principal
from weka_mp.s3.xml_write import Owner

if TYPE_CHECKING:
    from weka_mp.namespace import Namespace

__all__ = ["Context", "Site", "owner"]

_SECOND: Final = 1_000_000_000
_OWNER_NAME: Final = "root"  # of the one account there is


@dataclass(frozen=True, slots=True)
class Site:
    """What holds for the whole endpoint. account: the canonical user id that owns every bucket."""

    namespace: Namespace
    region: str
    account: str


@dataclass(frozen=True, slots=True)
class Context:
    """One request's surroundings: the site and who asks.

    begun: called, from any thread, when only long work remains of an operation of `dispatch.PATIENT`.
    """

    site: Site
    principal: Principal
    begun: Callable[[], None] = lambda: None

    @property
    def namespace(self) -> Namespace:
        return self.site.namespace

    @property
    def now(self) -> int:
        """Whole seconds since the epoch."""
        return self.namespace.clock.now_ns() // _SECOND


def owner(context: Context) -> Owner:
    """Who owns every bucket and object, as documents show it."""
    return Owner(context.site.account, _OWNER_NAME)
