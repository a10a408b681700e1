"""Object records as bytes: the magic ``WKO1`` and a msgpack map with small integer keys
(docs/STORAGE_FORMAT.md). Pure.

Records come from disks, backups and other machines: whatever `decode` lets through is a record that every
view can show and that `encode` can write again. Fields of later versions are kept.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import fields
from types import MappingProxyType
from typing import Any

import msgpack

from weka_mp.acl import from_plain, to_plain
from weka_mp.namespace.records.values import (
    DIRECTORY_KEPT,
    DIRECTORY_MADE,
    NO_HEADERS,
    NO_OVERFLOW,
    ContentHeaders,
    KeptAcl,
    Overflow,
    PartChecksums,
    PartSizes,
    Record,
)
from weka_mp.object_lock import LAST_NS, MODES, Retention
from weka_mp.values import InodeNo, Stamp, bounded_time

__all__ = ["CHECKSUM_IDS", "decode", "encode"]

_MAGIC = b"WKO1"
_SIZE, _MTIME, _INO, _ETAG, _SALT, _CHECKSUMS, _CHECKSUM_TYPE = 1, 2, 3, 4, 5, 6, 7
_HEADERS, _USER, _TAGS, _OWNER, _VERSION, _PARTS, _DIRECTORY = 8, 9, 10, 11, 12, 15, 16
_RETENTION, _LEGAL_HOLD = 13, 14
_METADATA_FILE, _CONTENT_FILE, _MODIFIED, _PART_CHECKSUMS, _ACL = 17, 18, 19, 20, 21
_TYPES: dict[int, type] = {
    **dict.fromkeys((_SIZE, _MTIME, _INO, _CHECKSUM_TYPE, _DIRECTORY, _MODIFIED, _LEGAL_HOLD), int),
    **dict.fromkeys((_CHECKSUMS, _HEADERS, _USER, _TAGS), dict),
    **dict.fromkeys((_SALT, _VERSION, _METADATA_FILE, _CONTENT_FILE), bytes),
    _OWNER: str,
    _PARTS: list,
    _PART_CHECKSUMS: list,
    _ACL: list,
    _RETENTION: list,
}
_KNOWN = {*_TYPES, _ETAG}
_NUMBERED, _NAMED = (_CHECKSUMS, _HEADERS), (_USER, _TAGS)
_CHECKED_BY_TYPE = {_SALT, _CHECKSUM_TYPE, _OWNER, _SIZE, _MTIME, _INO, _ETAG}
"""Nothing is left to look at in a record that has only these, when type, stamp and ETag are right."""

CHECKSUM_IDS = {
    "CRC32": 1, "CRC32C": 2, "CRC64NVME": 3, "SHA1": 4, "SHA256": 5, "SHA512": 6, "MD5": 7, "XXHASH64": 8,
    "XXHASH3": 9, "XXHASH128": 10,
}  # fmt: skip
_CHECKSUM_NAMES = {number: name for name, number in CHECKSUM_IDS.items()}
_TYPE_IDS = {"FULL_OBJECT": 1, "COMPOSITE": 2}
_TYPE_NAMES = {number: name for name, number in _TYPE_IDS.items()}
_HOLD_IDS = {True: 1, False: 2}
_HOLDS = {number: held for held, number in _HOLD_IDS.items()}
_HEADER_NAMES = tuple(item.name for item in fields(ContentHeaders))
_NOTHING: Mapping[Any, Any] = MappingProxyType({})

_DASHED_ETAG = re.compile(r"[0-9a-f]{32}-[0-9]{1,5}\Z")
_HEADER_NAME = re.compile(r"[!-9;-~]*\Z")  # what can stand before the colon of a header, and more
_MAX_PARTS = 10_000  # AWS, "Amazon S3 multipart upload limits"
_DIGEST_BYTES = 32
_VERSION_BYTES = 16
_MAX_DEPTH = 16
_SIGNED = 1 << 63
_UNSIGNED = 1 << 64


def encode(record: Record) -> bytes:
    """The attribute's bytes; absent fields take no room."""
    fields_out: dict[int, Any] = dict(record.extra)
    if record.stamp is not None:
        fields_out |= {_SIZE: record.stamp.size, _MTIME: record.stamp.mtime_ns, _INO: record.stamp.ino}
    if record.etag is not None:
        fields_out[_ETAG] = bytes.fromhex(record.etag) if len(record.etag) == 32 else record.etag
    if record.checksums:
        fields_out[_CHECKSUMS] = {CHECKSUM_IDS[name]: value for name, value in record.checksums.items()}
    if record.checksum_type is not None:
        fields_out[_CHECKSUM_TYPE] = _TYPE_IDS[record.checksum_type]
    headers = {
        number: value
        for number, name in enumerate(_HEADER_NAMES, 1)
        if (value := getattr(record.headers, name)) is not None
    }
    optional = (
        (_SALT, record.salt),
        (_HEADERS, headers),
        (_USER, dict(record.user)),
        (_TAGS, dict(record.tags)),
        (_OWNER, record.owner),
        (_VERSION, record.version),
        (_PARTS, record.parts.runs if record.parts else None),
        (_DIRECTORY, record.directory),
        (_MODIFIED, record.modified_ns),
        (_PART_CHECKSUMS, _part_checksums_out(record.part_checksums)),
        (_ACL, _acl_out(record.acl)),
        (_RETENTION, _retention_out(record.retention)),
        (_LEGAL_HOLD, None if record.legal_hold is None else _HOLD_IDS[record.legal_hold]),
        (_METADATA_FILE, record.overflow.metadata),
        (_CONTENT_FILE, record.overflow.content),
    )
    fields_out |= {number: value for number, value in optional if value}
    return _MAGIC + bytes(msgpack.packb(dict(sorted(fields_out.items()))))


def decode(data: bytes) -> Record:
    """Raises ValueError for anything that `encode` of this or a later version cannot have written."""
    if data[:4] != _MAGIC:
        raise ValueError("no object record")
    try:
        found = msgpack.unpackb(data[4:], strict_map_key=False)
        if type(found) is not dict:
            raise TypeError("not a map")
        _check(found)
        return _from_fields(found)
    except (KeyError, TypeError, AttributeError, OverflowError, msgpack.UnpackException) as error:
        raise ValueError(f"a damaged object record: {error!r}") from error


def _check(found: dict[int, Any]) -> None:
    """Types and ranges as written: a wrong one must be damage here and not an error wherever it is used."""
    for number, value in found.items():
        wanted = _TYPES.get(number)
        if wanted is not None:
            if type(value) is not wanted:
                raise TypeError(f"field {number} is no {wanted.__name__}")
        elif type(number) is not int:
            raise TypeError("a key is no integer")
    etag = found.get(_ETAG)
    if type(etag) is str:
        if not _DASHED_ETAG.match(etag):
            raise TypeError("the ETag's text is none")
    elif etag is not None and (type(etag) is not bytes or len(etag) != 16):
        raise TypeError("the ETag is neither 16 bytes nor text")
    if _SIZE in found:
        size, mtime_ns, ino = found[_SIZE], found[_MTIME], found[_INO]
        if not (0 <= size < _SIGNED and mtime_ns == bounded_time(mtime_ns) and 0 <= ino < _UNSIGNED):
            raise TypeError("the stamp is no size, time and inode")
    if not _CHECKED_BY_TYPE.issuperset(found):
        _check_ranges(found)
        _check_texts(found)
        _check_parts(found.get(_PARTS, ()), found.get(_PART_CHECKSUMS))
        _acl_from(found.get(_ACL))
        _retention_from(found.get(_RETENTION))
        _hold_from(found.get(_LEGAL_HOLD))


def _check_ranges(found: dict[int, Any]) -> None:
    if found.get(_DIRECTORY, DIRECTORY_KEPT) not in (DIRECTORY_KEPT, DIRECTORY_MADE):
        raise TypeError("no such kind of directory object")
    for number in (_METADATA_FILE, _CONTENT_FILE):
        if number in found and len(found[number]) != _DIGEST_BYTES:
            raise TypeError(f"field {number} is no SHA-256")
    if len(found.get(_VERSION, b"")) not in (0, _VERSION_BYTES):
        raise TypeError("the version's id is none")
    if not 0 <= found.get(_MODIFIED, 0) < _SIGNED:
        raise TypeError("a time before the epoch")


def _check_texts(found: dict[int, Any]) -> None:
    for kind, numbers in ((int, _NUMBERED), (str, _NAMED)):
        for number in numbers:
            for key, value in found.get(number, _NOTHING).items():
                if type(key) is not kind or type(value) is not str:
                    raise TypeError(f"field {number} holds something else than text")
    if _USER in found and not all(_HEADER_NAME.match(name) for name in found[_USER]):
        raise TypeError("a name of user metadata cannot be one")


def _check_parts(runs: Any, checksums: list[Any] | None) -> None:
    total = 0
    for count, size in runs:
        if type(count) is not int or type(size) is not int or count < 1 or not 0 <= size < _SIGNED:
            raise TypeError("a run of parts is none")
        total += count
    if total > _MAX_PARTS:
        raise TypeError("more parts than an object can have")
    if checksums is not None:
        algorithm, digests = checksums
        if type(digests) is not bytes or algorithm not in _CHECKSUM_NAMES or len(digests) % max(total, 1):
            raise TypeError("the checksums of the parts are none")


def _part_checksums_out(checksums: PartChecksums | None) -> list[Any] | None:
    return [CHECKSUM_IDS[checksums.algorithm], checksums.digests] if checksums else None


def _part_checksums_from(found: list[Any] | None) -> PartChecksums | None:
    return PartChecksums(_CHECKSUM_NAMES[found[0]], found[1]) if found else None


def _acl_out(kept: KeptAcl | None) -> list[Any] | None:
    return None if kept is None else [kept.bucket, kept.ino, *to_plain(kept.acl)]


def _acl_from(found: list[Any] | None) -> KeptAcl | None:
    if found is None:
        return None
    bucket, ino, *acl = found
    numbers = type(bucket) is int and type(ino) is int
    if not (numbers and 0 <= bucket < _SIGNED and 0 <= ino < _UNSIGNED):
        raise TypeError("an ACL of no file")
    return KeptAcl(bucket, ino, from_plain(acl))


def _retention_out(retention: Retention | None) -> list[Any] | None:
    return None if retention is None else [1 + MODES.index(retention.mode), retention.until_ns]


def _retention_from(found: list[Any] | None) -> Retention | None:
    if found is None:
        return None
    mode, until_ns = found
    numbers = type(mode) is int and type(until_ns) is int
    if not (numbers and 1 <= mode <= len(MODES) and 0 <= until_ns <= LAST_NS):
        raise TypeError("the retention is none")
    return Retention(MODES[mode - 1], until_ns)


def _hold_from(found: int | None) -> bool | None:
    return None if found is None else _HOLDS[found]


def _extra(found: dict[int, Any]) -> Mapping[int, Any]:
    """Fields that are not ours."""
    if _KNOWN.issuperset(found):
        return _NOTHING
    extra = {number: found[number] for number in found.keys() - _KNOWN}
    _check_depth(extra, _MAX_DEPTH)
    return extra


def _check_depth(value: Any, left: int) -> None:
    """msgpack reads deeper than Python compares and writes."""
    if isinstance(value, dict | list):
        if not left:
            raise TypeError("nested too deep")
        for inner in [*value.keys(), *value.values()] if isinstance(value, dict) else value:
            _check_depth(inner, left - 1)


def _from_fields(found: dict[int, Any]) -> Record:
    etag = found.get(_ETAG)
    kind = found.get(_CHECKSUM_TYPE)
    headers = found.get(_HEADERS)
    return Record(
        stamp=Stamp(found[_SIZE], found[_MTIME], InodeNo(found[_INO])) if _SIZE in found else None,
        etag=etag.hex() if isinstance(etag, bytes) else etag,
        salt=found.get(_SALT, b""),
        checksums={_CHECKSUM_NAMES[number]: value for number, value in found[_CHECKSUMS].items()}
        if _CHECKSUMS in found
        else _NOTHING,
        checksum_type=_TYPE_NAMES[kind] if kind is not None else None,
        headers=_headers_from(headers) if headers else NO_HEADERS,
        user=found.get(_USER, _NOTHING),
        tags=found.get(_TAGS, _NOTHING),
        owner=found.get(_OWNER),
        parts=PartSizes(tuple((count, size) for count, size in found[_PARTS])) if found.get(_PARTS) else None,
        directory=found.get(_DIRECTORY, 0),
        modified_ns=found.get(_MODIFIED, 0),
        part_checksums=_part_checksums_from(found.get(_PART_CHECKSUMS)),
        version=found.get(_VERSION, b""),
        acl=_acl_from(found.get(_ACL)),
        retention=_retention_from(found.get(_RETENTION)),
        legal_hold=_hold_from(found.get(_LEGAL_HOLD)),
        extra=_extra(found),
        overflow=_overflow_from(found) if _METADATA_FILE in found or _CONTENT_FILE in found else NO_OVERFLOW,
    )


def _overflow_from(found: dict[int, Any]) -> Overflow:
    return Overflow(found.get(_METADATA_FILE, b""), found.get(_CONTENT_FILE, b""))


def _headers_from(found: dict[int, str]) -> ContentHeaders:
    return ContentHeaders(
        **{
            _HEADER_NAMES[number - 1]: value
            for number, value in found.items()
            if 0 < number <= len(_HEADER_NAMES)
        }
    )
