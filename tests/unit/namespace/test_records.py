"""The object record byte by byte, as docs/STORAGE_FORMAT.md shows it."""

from __future__ import annotations

import hashlib
from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.unit.namespace.kit import memory_store
from weka_mp.acl import ALL_USERS, GROUPS, OWNER, RIGHTS, Acl, Grant
from weka_mp.errors import AttributeTooLarge, NoSpace
from weka_mp.namespace.records.attribute import (
    CHECKSUM_IDS,
    RECORD_XATTR,
    ContentHeaders,
    KeptAcl,
    PartSizes,
    Record,
    decode,
    derived_etag,
    encode,
    read_record,
    write_record,
)
from weka_mp.namespace.records.values import Overflow
from weka_mp.object_lock import LAST_NS, MODES, Retention
from weka_mp.store.faulty import Fault, FaultyStore
from weka_mp.values import Attr, InodeNo, Stamp, bounded_time

ATTR = Attr(1, InodeNo(2), 0o100644, 1, 0, 0, 0, 5, 8, 4096, 1, 2, 3)

HELLO = Record(
    stamp=Stamp(5, 1700000000123456789, InodeNo(42)),
    etag="5d41402abc4b2a76b9719d911017c592",
    checksums={"CRC32": "NhCmhg=="},
    checksum_type="FULL_OBJECT",
    headers=ContentHeaders(content_type="text/plain"),
    user={"colour": "blue"},
    owner="root",
)
GOLDEN = {
    "hello": (
        HELLO,
        "574b4f3189010502cf17979cfe3d85cd15032a04c4105d41402abc4b2a76b9719d911017c592068101a84e68436d68673d"
        "3d0701088101aa746578742f706c61696e0981a6636f6c6f7572a4626c75650ba4726f6f74",
    ),
    "salt": (Record(salt=bytes(range(8))), "574b4f318105c4080001020304050607"),
    "parts": (
        Record(
            stamp=Stamp(10485860, 1700000000000000001, InodeNo(7)),
            etag="c0349ff0f24664d4628a41ccb35757c9-3",
            parts=PartSizes(((2, 5242880), (1, 100))),
        ),
        "574b4f318501ce00a0006402cf17979cfe362a0001030704d92263303334396666306632343636346434363238613431"
        "636362333537353763392d330f929202ce00500000920164",
    ),
    "acl": (
        Record(acl=KeptAcl(9, 42, Acl("0" * 63 + "a", (
            Grant(OWNER, "FULL_CONTROL"), Grant(ALL_USERS, "READ"), Grant("f" * 64, "WRITE_ACP"),
        )))),
        "574b4f31811594092ac420000000000000000000000000000000000000000000000000000000000000000a9392000092"
        "010192c420ffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffff04",
    ),
    "lock": (
        Record(retention=Retention("GOVERNANCE", 1700000000123456789), legal_hold=True),
        "574b4f31820d9201cf17979cfe3d85cd150e01",
    ),
    "directory": (
        Record(stamp=Stamp(0, 1, InodeNo(2)), etag="d41d8cd98f00b204e9800998ecf8427e", directory=2),
        "574b4f318501000201030204c410d41d8cd98f00b204e9800998ecf8427e1002",
    ),
}
CANONICAL = st.binary(min_size=32, max_size=32).map(bytes.hex)
ACLS = st.builds(
    Acl,
    st.none() | CANONICAL,
    st.lists(
        st.builds(Grant, CANONICAL | st.sampled_from([OWNER, *GROUPS]), st.sampled_from(RIGHTS)), max_size=5
    ).map(tuple),
)
TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=8)
NAME = st.text(st.characters(min_codepoint=33, max_codepoint=126, exclude_characters=":"), max_size=8)
RECORDS = st.builds(
    Record,
    stamp=st.none()
    | st.builds(Stamp, st.integers(0, 1 << 50), st.integers(0, 1 << 62), st.integers(1, 1 << 60)),
    etag=st.none() | st.just("0" * 32) | st.just("a" * 32 + "-10000"),
    salt=st.binary(max_size=8),
    checksums=st.dictionaries(st.sampled_from(sorted(CHECKSUM_IDS)), TEXT),
    checksum_type=st.sampled_from([None, "FULL_OBJECT", "COMPOSITE"]),
    headers=st.builds(ContentHeaders, *[st.none() | TEXT] * 7),
    user=st.dictionaries(NAME, TEXT, max_size=3),
    tags=st.dictionaries(TEXT, TEXT, max_size=3),
    acl=st.none() | st.builds(KeptAcl, st.integers(0, (1 << 63) - 1), st.integers(0, (1 << 64) - 1), ACLS),
    owner=st.none() | TEXT.filter(bool),
    retention=st.none() | st.builds(Retention, st.sampled_from(MODES), st.integers(0, LAST_NS)),
    legal_hold=st.none() | st.booleans(),
    parts=st.none() | st.lists(st.integers(0, 1 << 40), min_size=1, max_size=4).map(PartSizes.of),
    directory=st.sampled_from([0, 1, 2]),
    overflow=st.builds(Overflow, *[st.just(b"") | st.binary(min_size=32, max_size=32)] * 2),
)


@pytest.mark.parametrize("name", sorted(GOLDEN))
def test_golden_bytes(name: str) -> None:
    record, golden = GOLDEN[name]
    assert encode(record).hex() == golden
    assert decode(bytes.fromhex(golden)) == record


@given(RECORDS)
def test_a_record_comes_back(record: Record) -> None:
    found = decode(encode(record))
    assert found == record and found.overflow == record.overflow


@pytest.mark.parametrize("time_ns", [-(10**30), -1, 1 << 63, 10**30])
def test_regression_every_time_and_inode_number_of_a_file_can_be_recorded(time_ns: int) -> None:
    record = Record(stamp=Stamp(5, bounded_time(time_ns), InodeNo((1 << 64) - 1)), user={"k": "v"})
    assert decode(encode(record)) == record


def test_fields_of_later_versions_are_kept() -> None:
    data = b"WKO1" + msgpack.packb({11: "me", 98: "until", 99: [1, {"a": b"b"}]})
    record = decode(data)
    assert record.extra == {98: "until", 99: [1, {"a": b"b"}]}
    assert encode(replace(record, owner="you")) == b"WKO1" + msgpack.packb(
        {11: "you", 98: "until", 99: [1, {"a": b"b"}]}
    )


@given(st.binary(max_size=40) | st.binary(max_size=40).map(lambda data: b"WKO1" + data))
def test_any_bytes_are_a_record_or_damaged(data: bytes) -> None:
    try:
        record = decode(data)
    except ValueError:
        return
    assert decode(encode(record)) == record


SCALARS = (
    st.none()
    | st.booleans()
    | st.integers(-(1 << 63), (1 << 64) - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=40)
    | st.builds(msgpack.ExtType, st.integers(0, 127), st.binary(max_size=8))
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: (
        st.lists(inner, max_size=4)
        | st.dictionaries(st.integers(-5, 20) | st.text(max_size=4), inner, max_size=4)
    ),
    max_leaves=12,
)


def check_usable(data: bytes) -> None:
    """Whatever is let through can be shown, changed and written again."""
    try:
        record = decode(data)
    except ValueError:
        return
    assert decode(encode(record)) == record
    assert decode(encode(replace(record, owner="me"))).owner == "me"
    assert decode(encode(record.voided(b"12345678"))).etag is None
    record.describes(ATTR)
    if record.stamp is not None:
        assert derived_etag(record.stamp, record.salt).endswith("-0")
    texts = (*record.user.items(), *record.tags.items(), *record.checksums.items())
    assert all(type(text) is str for pair in texts for text in pair)
    for name in record.user:
        assert name.isascii() and name.isprintable() and not set(name) & set(" :")
    if record.parts is not None:
        assert 0 <= record.parts.count <= 10_000
        record.parts.locate(record.parts.count)
    assert type(record.directory) is int


@given(st.dictionaries(st.integers(0, 20) | SCALARS, VALUES, max_size=6))
def test_any_map_is_a_usable_record_or_damaged(fields: dict[object, object]) -> None:
    check_usable(b"WKO1" + msgpack.packb(fields))


def test_regression_an_empty_list_of_parts_is_none() -> None:
    check_usable(b"WKO1" + msgpack.packb({15: []}))


@given(RECORDS, st.data())
def test_any_damage_to_a_record_is_noticed_or_harmless(record: Record, data: st.DataObject) -> None:
    whole = bytearray(encode(record))
    for _ in range(data.draw(st.integers(1, 3))):
        whole[data.draw(st.integers(4, max(4, len(whole) - 1))) % len(whole)] = data.draw(st.integers(0, 255))
    check_usable(bytes(whole))
    check_usable(bytes(whole[: data.draw(st.integers(0, len(whole)))]))


LENGTHS = [bytes([kind]) + b"\xff" * size for kind, size in (
    (0xC4, 1), (0xC5, 2), (0xC6, 4), (0xC9, 5), (0xD9, 1), (0xDB, 4), (0xDD, 4), (0xDF, 4),
)]  # fmt: skip


@pytest.mark.parametrize("length", LENGTHS, ids=bytes.hex)
def test_lengths_beyond_the_end_are_damage(length: bytes) -> None:
    for data in (length, b"\x81\x09" + length, b"\x81\x63" + length):
        with pytest.raises(ValueError):
            decode(b"WKO1" + data)


@pytest.mark.parametrize("depth", [1, 14, 15, 16, 17, 500, 1020, 1030, 100_000])
@pytest.mark.parametrize("opening", [b"\x91", b"\x81\x01"])
def test_regression_nesting_that_cannot_be_written_again_is_damage(opening: bytes, depth: int) -> None:
    """msgpack reads deeper than it writes: the next one to change the record failed."""
    check_usable(b"WKO1\x81\x63" + opening * depth + b"\x01")


DAMAGE = [
    *(
        {number: value}
        for number in (1, 4, 5, 6, 7, 8, 9, 10, 11, 15, 16, 17, 18)
        for value in ("x", -1, [7], {0: 0}, {"a": 1}, {1: "x"}, True)
    ),
    {1: 1 << 63, 2: 2, 3: 3},
    {9: {0: "x"}},
    {9: {"a\r\nb": "x"}},
    {9: {"a: b": "x"}},
    {4: "no etag"},
    {4: "0" * 32 + '-1"\r\n'},
    {15: [[-1, 5]]},
    {15: [[1, -5]]},
    {15: [[1 << 60, 1]]},
    {16: 3},
    {1: 1, 2: 2, 3: 3, "a": 1},
    {1: 1},
    {1: 1, 2: 2},
    {8: {-10: "x"}},
    {8: {0: "x"}},
    {6: {9: "x"}},
    {9: {"a": 1}},
    {15: [[1]]},
    {4: b"short"},
]


@pytest.mark.parametrize("fields", DAMAGE, ids=repr)
def test_regression_wrong_types_are_damage_and_not_an_error_later(fields: dict[int, object]) -> None:
    check_usable(b"WKO1" + msgpack.packb(fields))


def test_a_damaged_record_is_taken_as_absent() -> None:
    store = memory_store()
    fd = store.open_file(store.root(), b"f", 0o102, 0o644)
    for data in (b"", b"WKO2\x80", b"WKO1", b"WKO1\xc1", b"WKO1\x80\x80", b"WKO1" + msgpack.packb([1])):
        store.set_xattr(fd, RECORD_XATTR, data)
        assert read_record(store, fd) is None
    write_record(store, fd, HELLO)
    assert read_record(store, fd) == HELLO
    store.close(fd)


def test_a_record_that_does_not_fit_says_so() -> None:
    """ext4 answers ENOSPC when an inode's attributes overflow; what is small has no file of its own."""
    for error in (NoSpace, AttributeTooLarge):
        store = FaultyStore(memory_store(), Fault(error, 2, "set_xattr"))
        fd = store.open_file(store.root(), b"f", 0o102, 0o644)
        write_record(store, fd, HELLO)  # type: ignore[arg-type]
        with pytest.raises(NoSpace):
            write_record(store, fd, replace(HELLO, user={"a": "b"}))  # type: ignore[arg-type]
        assert read_record(store, fd) == HELLO  # type: ignore[arg-type]
        store.close(fd)


@given(st.lists(st.integers(1, 3), min_size=1, max_size=8))
def test_parts_are_found_by_number(sizes: list[int]) -> None:
    parts = PartSizes.of(sizes)
    assert parts.count == len(sizes)
    assert [parts.locate(number) for number in range(1, len(sizes) + 1)] == [
        (sum(sizes[:at]), size) for at, size in enumerate(sizes)
    ]
    assert parts.locate(0) is None
    assert parts.locate(len(sizes) + 1) is None


def test_derived_tags_differ_by_every_part_of_the_stamp_and_the_salt() -> None:
    stamps = [
        Stamp(1, 2, InodeNo(3)),
        Stamp(2, 2, InodeNo(3)),
        Stamp(1, 3, InodeNo(3)),
        Stamp(1, 2, InodeNo(4)),
    ]
    tags = {derived_etag(stamp, salt) for stamp in stamps for salt in (b"", b"a")}
    assert len(tags) == 8
    assert all(len(tag) == 34 and tag.endswith("-0") for tag in tags)
    assert derived_etag(stamps[0], b"") == hashlib.md5(b"3,1,2,").hexdigest() + "-0"
