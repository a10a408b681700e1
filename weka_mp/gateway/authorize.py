"""The one answer to "may they?", asked once a request, before a byte of its body is read. Default: no.

Today there is one account, root, and whoever is not root may do nothing. Users and
policies will be decided here too.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Address, Headers
from weka_mp.s3.routing import OperationName

__all__ = ["ANONYMOUS", "Principal", "authorize", "check_expected_owners"]

_ACCOUNT_ID: Final = re.compile(r"[0-9]{12}|[0-9a-f]{64}", re.ASCII)
_OWNER_HEADERS: Final = ("x-amz-expected-bucket-owner", "x-amz-source-expected-bucket-owner")
_ACCOUNT_DIGITS: Final = 12  # of the short form of an account's id
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


def check_expected_owners(headers: Headers, account: str) -> None:
    """Refuse a request whose client expects the bucket, or the source's bucket, to be somebody else's.

    account: the canonical user id of the one who owns every bucket; clients name it as ListBuckets shows it,
    or by its last 12 digits, the form of AWS's account ids. Raises S3Error InvalidBucketOwnerAWSAccountID for
    what is neither, AccessDenied for another's (S3 user guide, "Verifying bucket ownership").
    """
    for header in _OWNER_HEADERS:
        for expected in headers.get_all(header):
            if _ACCOUNT_ID.fullmatch(expected) is None:
                raise S3Error("InvalidBucketOwnerAWSAccountID", details={"ExpectedBucketOwner": expected})
            if expected not in (account, account[-_ACCOUNT_DIGITS:]):
                raise S3Error("AccessDenied")
