"""Range and If-Range."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.errors import S3Error
from weka_mp.s3.ranges import ByteRange, if_range_holds, resolve


@pytest.mark.parametrize(("header", "expected"), [
    (None, None),
    ("bytes=0-0", ByteRange(0, 0)),
    ("bytes=0-", ByteRange(0, 9)),
    ("bytes=3-5", ByteRange(3, 5)),
    ("bytes=3-99999999999999999999999", ByteRange(3, 9)),
    ("bytes=-1", ByteRange(9, 9)),
    ("bytes=-99", ByteRange(0, 9)),
    ("bytes=5-3", None),
    ("bytes=-", None),
    ("bytes=", None),
    ("bytes=a-b", None),
    ("bytes=0-1,3-4", None),
    ("items=0-1", None),
    ("bytes= -1", None), ("bytes=0 -1", None), ("bytes =0-1", None),
    ("bytes=٣-٤", None),
    ("bytes=" + "9" * 200 + "-", None),
])
def test_what_a_header_selects_of_ten_bytes(header: str | None, expected: ByteRange | None) -> None:
    assert resolve(header, 10) == expected


def test_the_last_bytes_of_an_empty_object_are_all_of_it() -> None:
    assert resolve("bytes=-5", 0) is None


@pytest.mark.parametrize(("header", "size"), [
    ("bytes=10-", 10), ("bytes=10-12", 10), ("bytes=-0", 10),
    ("bytes=0-", 0), ("bytes=0-0", 0), ("bytes=-0", 0),
])
def test_what_selects_nothing_is_not_satisfiable(header: str, size: int) -> None:
    with pytest.raises(S3Error) as caught:
        resolve(header, size)
    assert (caught.value.code, caught.value.status) == ("InvalidRange", 416)
    assert caught.value.details == {"RangeRequested": header, "ActualObjectSize": str(size)}
    assert caught.value.headers == {"Content-Range": f"bytes */{size}"}


def test_length_and_content_range() -> None:
    assert ByteRange(3, 5).length == 3
    assert ByteRange(3, 5).content_range(10) == "bytes 3-5/10"


@given(st.text(alphabet="bytes=-0123456789, ", max_size=20), st.integers(min_value=0, max_value=200))
def test_a_range_always_lies_within_the_object(header: str, size: int) -> None:
    try:
        found = resolve(header, size)
    except S3Error as error:
        assert error.code == "InvalidRange"
    else:
        assert found is None or 0 <= found.start <= found.end < size


@pytest.mark.parametrize(("header", "expected"), [
    (None, True), ('"a"', True), ('"b"', True), ('W/"a"', False), ('"c"', False), ("*", False),
    ("Mon, 12 Oct 2009 17:50:30 GMT", True), ("Mon, 12 Oct 2009 17:50:31 GMT", False),
])
def test_if_range(header: str | None, expected: bool) -> None:
    assert if_range_holds(header, {"a", "b"}, 1_255_369_830) is expected
