"""S3 metadata as attributes, without a kernel: what is listed (docs/SEMANTICS.md, 12)."""

from __future__ import annotations

import pytest

from weka_mp.namespace.records.attribute import ContentHeaders, Record
from weka_mp.namespace.records.s3_attributes import listed, value_of


@pytest.mark.parametrize(("length", "shown"), [(242, True), (243, False)])
def test_a_name_over_255_bytes_is_read_by_s3_alone(length: int, shown: bool) -> None:
    """`user.s3.meta.` has 13 bytes, and the kernel passes on no name over 255 (XATTR_NAME_MAX)."""
    record = Record(headers=ContentHeaders(content_type="text/x"), user={"x" * length: "v", "b": "v"})
    names = [b"user.s3.content-type", b"user.s3.meta." + b"x" * length, b"user.s3.meta.b"]
    assert listed(record) == (names if shown else [names[0], names[2]])


def test_nothing_is_listed_that_was_not_stored() -> None:
    assert listed(Record()) == []
    assert value_of(Record(tags={"kind": "t"}), b"tag.kind") == b"t"
