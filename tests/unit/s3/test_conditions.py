"""Decisions of If-* headers, as tables."""

from __future__ import annotations

import pytest

from weka_mp.s3.conditions import (
    ReadDecision,
    check_read,
    check_source,
    parse_etags,
    require_usable_write_conditions,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.operations import ReadConditions, WriteConditions

ETAGS = frozenset({"d-1", "0cc175b9c0f1b6a831c399e269772661"})
CHANGED, NOW = 1000, 1500


def outcome(call: object, *args: object) -> str:
    """The decision, or the error's code and condition."""
    try:
        result = call(*args)  # type: ignore[operator]
    except S3Error as error:
        return f"{error.code} {error.details.get('Condition', '')}".strip()
    return result.name if isinstance(result, ReadDecision) else "PROCEED"


@pytest.mark.parametrize(("conditions", "expected", "of_a_source"), [
    (ReadConditions(), "PROCEED", "PROCEED"),
    (ReadConditions(if_match='"d-1"'), "PROCEED", "PROCEED"),
    (ReadConditions(if_match='"x", "0cc175b9c0f1b6a831c399e269772661"'), "PROCEED", "PROCEED"),
    (ReadConditions(if_match="d-1"), "PROCEED", "PROCEED"),
    (ReadConditions(if_match="*"), "PROCEED", "PROCEED"),
    (ReadConditions(if_match='W/"d-1"'), "PreconditionFailed If-Match",
     "PreconditionFailed x-amz-copy-source-If-Match"),
    (ReadConditions(if_match='"x"'), "PreconditionFailed If-Match",
     "PreconditionFailed x-amz-copy-source-If-Match"),
    (ReadConditions(if_match='"d-1"', if_unmodified_since=1), "PROCEED", "PROCEED"),
    (ReadConditions(if_unmodified_since=999), "PreconditionFailed If-Unmodified-Since",
     "PreconditionFailed x-amz-copy-source-If-Unmodified-Since"),
    (ReadConditions(if_unmodified_since=1000), "PROCEED", "PROCEED"),
    (ReadConditions(if_none_match='"x"'), "PROCEED", "PROCEED"),
    (ReadConditions(if_none_match='W/"d-1"'), "NOT_MODIFIED",
     "PreconditionFailed x-amz-copy-source-If-None-Match"),
    (ReadConditions(if_none_match="*"), "NOT_MODIFIED",
     "PreconditionFailed x-amz-copy-source-If-None-Match"),
    (ReadConditions(if_none_match='"x"', if_modified_since=2000), "PROCEED", "PROCEED"),
    (ReadConditions(if_modified_since=1000), "NOT_MODIFIED",
     "PreconditionFailed x-amz-copy-source-If-Modified-Since"),
    (ReadConditions(if_modified_since=999), "PROCEED", "PROCEED"),
    (ReadConditions(if_modified_since=1500), "NOT_MODIFIED",
     "PreconditionFailed x-amz-copy-source-If-Modified-Since"),
    (ReadConditions(if_modified_since=1501), "PROCEED", "PROCEED"),
    (ReadConditions(if_match='"x"', if_none_match='"d-1"'), "PreconditionFailed If-Match",
     "PreconditionFailed x-amz-copy-source-If-Match"),
])
def test_reads(conditions: ReadConditions, expected: str, of_a_source: str) -> None:
    assert outcome(check_read, conditions, ETAGS, CHANGED, NOW) == expected
    assert outcome(check_source, conditions, ETAGS, CHANGED, NOW) == of_a_source


def test_no_tag_matches_an_object_that_is_being_written() -> None:
    pinned = ReadConditions(if_match='"d-1"')
    assert outcome(check_read, pinned, frozenset(), CHANGED, NOW) == "PreconditionFailed If-Match"
    assert outcome(check_read, ReadConditions(if_none_match='"d-1"'), frozenset(), CHANGED, NOW) == "PROCEED"


@pytest.mark.parametrize(("conditions", "expected"), [
    (WriteConditions(if_none_match="*"), "PROCEED"),
    (WriteConditions(if_match='"a"'), "PROCEED"),
    (WriteConditions(if_none_match='"a"'), "NotImplemented"),
    (WriteConditions(if_match='"a"', if_none_match="*"), "NotImplemented"),
])
def test_what_s3_does_not_know_for_writes(conditions: WriteConditions, expected: str) -> None:
    assert outcome(require_usable_write_conditions, conditions) == expected


def test_lists_of_tags() -> None:
    assert parse_etags('"a", W/"b,c" , d,,"') == [("a", False), ("b,c", True), ("d", False)]
    assert parse_etags("") == []
