"""Which bytes answer a GET, and what is said about them."""

from dataclasses import fields, replace

import pytest

from weka_mp.errors import NotFound
from weka_mp.gateway.objects_get import get_object, head_object
from weka_mp.namespace import ContentHeaders, PartSizes
from weka_mp.namespace.records.attribute import PartChecksums
from weka_mp.s3 import operations as op
from weka_mp.s3.errors import S3Error

PLAIN = op.GetObject("bucket", b"k", None, None, op.NO_READ_CONDITIONS, None, False, ())


def head_of(operation: op.GetObject) -> op.HeadObject:
    return op.HeadObject(*(getattr(operation, field.name) for field in fields(op.HeadObject)))


def ask(context, operation):
    """(status, fields, start, length); HEAD must say the same."""
    reply = get_object(context, operation)
    said = dict(reply.fields)
    if reply.status == 304:
        assert head_object(context, head_of(operation)) == reply
        return 304, said, 0, 0
    reply.opened.close()
    assert head_object(context, head_of(operation)).fields == reply.fields
    return reply.status, said, reply.start, reply.length


def test_the_whole_object(context, put):
    put(b"k", b"0123456789", checksums={"CRC32": "AAAAAA=="}, checksum_type="FULL_OBJECT")
    status, fields, start, length = ask(context, PLAIN)
    assert (status, start, length) == (200, 0, 10)
    assert "x-amz-checksum-crc32" not in fields
    _, fields, _, _ = ask(context, replace(PLAIN, checksum_mode=True))
    assert fields["x-amz-checksum-crc32"] == "AAAAAA=="
    assert fields["x-amz-checksum-type"] == "FULL_OBJECT"


def test_a_range_carries_no_checksum_of_the_whole(context, put):
    put(b"k", b"0123456789", checksums={"CRC32": "AAAAAA=="}, checksum_type="FULL_OBJECT")
    status, fields, start, length = ask(context, replace(PLAIN, range="bytes=2-3", checksum_mode=True))
    assert (status, start, length, fields["Content-Range"]) == (206, 2, 2, "bytes 2-3/10")
    assert "x-amz-checksum-crc32" not in fields


def test_if_range_that_does_not_hold_means_everything(context, put):
    put(b"k", b"0123456789")
    _, fields, _, _ = ask(context, PLAIN)
    held = replace(PLAIN, range="bytes=2-3", if_range=fields["ETag"])
    assert ask(context, held)[0] == 206
    assert ask(context, replace(held, if_range='"other"'))[0] == 200


def test_not_modified_says_only_what_validates(context, put):
    put(b"k", b"x")
    _, fields, _, _ = ask(context, PLAIN)
    unchanged = replace(PLAIN, conditions=op.ReadConditions(if_none_match=fields["ETag"]))
    status, said, _, _ = ask(context, unchanged)
    assert status == 304
    assert said == {name: fields[name] for name in ("ETag", "Last-Modified")}


@pytest.mark.parametrize(("number", "expected"), [(1, (206, 0, 4)), (2, (206, 4, 4)), (3, (206, 8, 2))])
def test_parts(context, put, number, expected):
    put(b"k", b"0123456789", part_sizes=PartSizes.of([4, 4, 2]))
    status, fields, start, length = ask(context, replace(PLAIN, part_number=number))
    assert (status, start, length) == expected
    assert fields["x-amz-mp-parts-count"] == "3"


def test_parts_that_are_not_there(context, put):
    put(b"k", b"0123456789", part_sizes=PartSizes.of([4, 4, 2]))
    put(b"whole", b"0123456789")
    whole = replace(PLAIN, key=b"whole", part_number=1)
    assert ask(context, whole)[::2] == (206, 0)
    for operation in (replace(PLAIN, part_number=4), replace(whole, part_number=2)):
        with pytest.raises(S3Error) as caught:
            get_object(context, operation)
        assert (caught.value.code, caught.value.status) == ("InvalidPartNumber", 416)


def test_an_empty_object_has_no_range(context, put):
    put(b"k", b"")
    assert ask(context, replace(PLAIN, part_number=1))[::3] == (200, 0)
    with pytest.raises(S3Error) as caught:
        get_object(context, replace(PLAIN, range="bytes=0-"))
    assert caught.value.headers["Content-Range"] == "bytes */0"


def test_names_that_no_header_can_carry_are_counted(context, put):
    put(b"k", b"x", user={"good": "1", "bad/name": "2", "bad(one": "3"})
    _, fields, _, _ = ask(context, PLAIN)
    assert fields["x-amz-meta-good"] == "1"
    assert fields["x-amz-missing-meta"] == "2"
    assert not any("bad" in name for name in fields)


def test_values_that_no_header_can_carry_are_encoded(context, put):
    put(b"k", b"x", user={"a": "line\r\nSet-Cookie: x"}, headers=ContentHeaders(content_type="text/ä"))
    _, fields, _, _ = ask(context, PLAIN)
    assert fields["x-amz-meta-a"].startswith("=?UTF-8?B?")
    assert fields["Content-Type"].startswith("=?UTF-8?B?")


def test_overrides_take_the_place_of_the_objects_own(context, put):
    put(b"k", b"x")
    wanted = replace(PLAIN, response_overrides=(("Content-Type", "text/odd"),))
    assert ask(context, wanted)[1]["Content-Type"] == "text/odd"


def test_a_refusal_leaves_nothing_open(context, put):
    put(b"k", b"x")
    closed = []
    store = context.namespace.store
    real = store.close
    store.close = lambda fd: (closed.append(fd), real(fd))
    try:
        with pytest.raises(S3Error):
            get_object(context, replace(PLAIN, conditions=op.ReadConditions(if_match='"no"')))
        with pytest.raises(NotFound):
            get_object(context, replace(PLAIN, key=b"none"))
    finally:
        store.close = real
    assert closed


def test_regression_a_range_that_is_everything_carries_the_checksum(context, put):
    """As S3 answers: that of the whole object with any range, or part, that is the whole object."""
    put(b"k", b"0123456789", checksums={"CRC32": "AAAAAA=="}, checksum_type="FULL_OBJECT")
    for asked in ({"range": "bytes=0-100"}, {"range": "bytes=-15"}, {"part_number": 1}):
        status, fields, _, length = ask(context, replace(PLAIN, checksum_mode=True, **asked))
        assert (status, length, fields["x-amz-checksum-crc32"]) == (206, 10, "AAAAAA==")
        assert fields["x-amz-checksum-type"] == "FULL_OBJECT"
    assert "x-amz-checksum-crc32" not in ask(context, replace(PLAIN, part_number=1))[1]


@pytest.mark.parametrize("kind", ["COMPOSITE", "FULL_OBJECT"])
def test_regression_a_part_carries_the_checksum_that_it_was_stored_with(context, put, kind):
    put(
        b"k", b"0123456789", checksums={"CRC32": "AAAAAA=="}, checksum_type=kind,
        part_sizes=PartSizes.of([6, 4]), part_checksums=PartChecksums("CRC32", bytes(range(8))),
    )
    _, fields, start, length = ask(context, replace(PLAIN, part_number=2, checksum_mode=True))
    assert (start, length) == (6, 4)
    # Of a checksum of the whole object its parts' are no part, and S3 tells them no more.
    shown = {"x-amz-checksum-crc32": "BAUGBw==", "x-amz-checksum-type": kind} if kind == "COMPOSITE" else {}
    assert {name: value for name, value in fields.items() if "checksum" in name} == shown
    everything = ask(context, replace(PLAIN, range="bytes=0-", checksum_mode=True))[1]
    assert ("x-amz-checksum-crc32" in everything) == (kind == "FULL_OBJECT")


def test_regression_a_date_to_come_in_if_modified_since_is_none(context, put):
    put(b"k", b"x")
    for seconds, status in ((0, 304), (3600, 200)):
        since = op.ReadConditions(if_modified_since=context.now + seconds)
        assert ask(context, replace(PLAIN, conditions=since))[0] == status
