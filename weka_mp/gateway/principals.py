"""Who asks, as the endpoint needs it: worked out once for each state of the identities."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from weka_mp.policy import principals as language
from weka_mp.policy.coverage import always_allows
from weka_mp.policy.documents import Policy
from weka_mp.s3.xml_write import Owner

__all__ = ["ANONYMOUS", "Principal"]



@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    account:  the canonical user id; None: nobody.
    is_root:  the root user of its account, maybe with temporary credentials, which `bounds` narrow.
    uid, gid: who owns the files they make; groups: further ones by which modes judge them.
    owner:    how records name the account. Short, since an inode has little room for attributes.
    asks:     the same for the policy language; None: nobody.
    user:     its name; user_id, arn: what policies call it (aws:userid, aws:PrincipalArn).
    policies: those that may allow; bounds: each of these must allow too.
    issued_s: when temporary credentials were made, in seconds since the epoch; None: it has others.
    accounts: every account of the store by name.
    """

    account: str | None
    access_key: str | None
    is_root: bool
    uid: int = 0
    gid: int = 0
    groups: tuple[int, ...] = ()
    owner: str | None = None
    asks: language.Principal | None = None
    user: str = ""
    user_id: str = ""
    arn: str = ""
    policies: tuple[Policy, ...] = ()
    bounds: tuple[Policy, ...] = ()
    issued_s: int | None = None
    accounts: Mapping[str, Owner] = field(default_factory=dict, repr=False)
    _always: dict[str, bool] = field(default_factory=dict, repr=False, compare=False)

    def always_may(self, action: str) -> bool:
        """Whether its policies allow the action on all that its account owns; worked out once. A
        bucket's own policy may still deny it.
        """
        found = self._always.get(action)
        if found is None:
            limited = self.asks is None or self.is_root
            found = not limited and always_allows(action, identity=self.policies, bounds=self.bounds)
            self._always[action] = found
        return found

    @property
    def shown(self) -> str:
        """How logs name it."""
        return self.arn or self.access_key or "anonymous"


ANONYMOUS: Final = Principal(None, None, False)
"""Nobody."""
