"""If-Match and its relatives: pure decisions, no object is touched.

Rules: RFC 9110 sections 8.8.3.2 (comparison) and 13.2.2 (precedence); "Conditional requests" of the S3 user
guide for what differs: copy sources never answer 304, and writes know only ``If-None-Match: *`` and
``If-Match``.

An object's tags are a collection: a file whose derived tag was replaced by its MD5 answers to both.
"""

from __future__ import annotations

import re
from collections.abc import Collection
from enum import Enum
from typing import Final

from weka_mp.s3.errors import S3Error
from weka_mp.s3.operations import ReadConditions, WriteConditions

__all__ = [
    "ReadDecision", "check_read", "check_source", "etag_matches",
    "parse_etags", "require_usable_write_conditions",
]

_ETAG: Final = re.compile(r'(W/)?"([^"]*)"|([^\s,"]+)')
_ANY: Final = "*"


class ReadDecision(Enum):
    """What the conditions of a read lead to when they do not fail."""

    PROCEED = "proceed"
    NOT_MODIFIED = "not modified"


def parse_etags(header: str) -> list[tuple[str, bool]]:
    """The tags of a list as (tag without quotes, is weak). Tags without quotes are read too: clients send
    them."""
    return [
        (bare or quoted, bool(weak))
        for weak, quoted, bare in (found.groups(default="") for found in _ETAG.finditer(header))
    ]


def etag_matches(header: str, etags: Collection[str], *, weak: bool) -> bool:
    """Whether a list of tags, or ``*``, names an existing object that answers to `etags`.

    weak: compare weakly (If-None-Match), else a weak tag matches nothing (If-Match, If-Range).
    """
    if header.strip() == _ANY:
        return True
    return any(tag in etags and (weak or not is_weak) for tag, is_weak in parse_etags(header))


def _failed(condition: str) -> S3Error:
    return S3Error("PreconditionFailed", details={"Condition": condition})


def check_read(
    conditions: ReadConditions, etags: Collection[str], last_modified: int, now: int | None
) -> ReadDecision:
    """Decide a GET or HEAD of an existing object. Raises S3Error PreconditionFailed naming the condition.

    etags: unquoted tags the object answers to. last_modified, now: seconds since the epoch. A date later
    than now in If-Modified-Since is none, as S3 has it and RFC 2616 had (14.25); without `now` it is one.
    """
    if conditions.if_match is not None:
        if not etag_matches(conditions.if_match, etags, weak=False):
            raise _failed("If-Match")
    elif conditions.if_unmodified_since is not None and last_modified > conditions.if_unmodified_since:
        raise _failed("If-Unmodified-Since")
    if conditions.if_none_match is not None:
        if etag_matches(conditions.if_none_match, etags, weak=True):
            return ReadDecision.NOT_MODIFIED
    elif _unmodified(conditions.if_modified_since, last_modified, now):
        return ReadDecision.NOT_MODIFIED
    return ReadDecision.PROCEED


def _unmodified(since: int | None, last_modified: int, now: int | None) -> bool:
    return since is not None and last_modified <= since and (now is None or since <= now)


def check_source(
    conditions: ReadConditions, etags: Collection[str], last_modified: int, now: int | None, *,
    prefix: str = "x-amz-copy-source-",
) -> None:
    """The same for the source of a copy or a rename, where "not modified" is a failure too.

    prefix: what the headers' names begin with. Raises PreconditionFailed naming the header.
    """
    try:
        decision = check_read(conditions, etags, last_modified, now)
    except S3Error as error:
        raise _failed(prefix + error.details["Condition"]) from error
    if decision is ReadDecision.NOT_MODIFIED:
        name = "If-None-Match" if conditions.if_none_match is not None else "If-Modified-Since"
        raise _failed(prefix + name)


def require_usable_write_conditions(conditions: WriteConditions) -> None:
    """Refuse what S3 does not know for writes: a tag in If-None-Match, both headers. Raises
    NotImplemented."""
    if conditions.if_none_match is not None and conditions.if_none_match.strip() != _ANY:
        raise S3Error("NotImplemented", details={"Header": "If-None-Match"})
    if conditions.if_none_match is not None and conditions.if_match is not None:
        raise S3Error("NotImplemented", details={"Header": "If-Match,If-None-Match"})
