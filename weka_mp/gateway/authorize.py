"""The one answer to "may they?", asked once a request, before a byte of its body is read. Default: no.

Today there is one account, root, and whoever is not root may do nothing. Users and
policies will be decided here too.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Address
from weka_mp.s3.routing import OperationName

__all__ = ["ANONYMOUS", "Principal", "authorize"]

_NOBODY: Final = 65534  # the kernel's overflow uid and gid


@dataclass(frozen=True, slots=True)
class Principal:
    """Who asks.

    account:  the canonical user id; None: nobody.
    uid, gid: who owns the files they make.
    owner:    how records name the account. Short, since an inode has little room for attributes.
    """

    account: str | None
    access_key: str | None
    is_root: bool
    uid: int = 0
    gid: int = 0
    owner: str | None = None


ANONYMOUS: Final = Principal(None, None, False, _NOBODY, _NOBODY)


def authorize(principal: Principal, operation: OperationName, address: Address) -> None:
    """Return when the principal may do the operation there. Raises S3Error AccessDenied otherwise."""
    del operation, address  # root may do all of them, everybody else none
    if principal.is_root and principal.account is not None:
        return
    raise S3Error("AccessDenied")
