"""The object record: what S3 knows of a file beyond its bytes, in one extended attribute
(docs/STORAGE_FORMAT.md).

``user.weka.object`` = the magic ``WKO1`` and a msgpack map with small integer keys. A record that cannot be
read counts as absent (the object then has derived metadata) and is reported once in the log; fields of later
versions are kept.
"""

from __future__ import annotations

import hashlib
import logging
from collections.abc import Mapping
from dataclasses import dataclass, field, fields, replace
from types import MappingProxyType
from typing import Any

import msgpack

from weka_mp.errors import AttributeTooLarge, NoSpace
from weka_mp.store.interface import Store
from weka_mp.values import Attr, ETag, Fd, InodeNo, Stamp

__all__ = [
    "CHECKSUM_IDS",
    "DIRECTORY_KEPT",
    "DIRECTORY_MADE",
    "IMPLICIT_XATTR",
    "NO_HEADERS",
    "RECORD_XATTR",
    "WRITER_XATTR",
    "ContentHeaders",
    "PartSizes",
    "Record",
    "decode",
    "derived_etag",
    "encode",
    "read_record",
    "write_record",
]

RECORD_XATTR = "user.weka.object"
WRITER_XATTR = "user.weka.writer"
IMPLICIT_XATTR = "user.weka.implicit"

_log = logging.getLogger(__name__)
_MAGIC = b"WKO1"
_SIZE, _MTIME, _INO, _ETAG, _SALT, _CHECKSUMS, _CHECKSUM_TYPE = 1, 2, 3, 4, 5, 6, 7
_HEADERS, _USER, _TAGS, _OWNER, _PARTS, _DIRECTORY = 8, 9, 10, 11, 15, 16
_KNOWN = {
    _SIZE,
    _MTIME,
    _INO,
    _ETAG,
    _SALT,
    _CHECKSUMS,
    _CHECKSUM_TYPE,
    _HEADERS,
    _USER,
    _TAGS,
    _OWNER,
    _PARTS,
    _DIRECTORY,
}
_TYPES: dict[int, type] = {
    **dict.fromkeys((_SIZE, _MTIME, _INO, _CHECKSUM_TYPE, _DIRECTORY), int),
    **dict.fromkeys((_CHECKSUMS, _HEADERS, _USER, _TAGS), dict),
    _SALT: bytes,
    _OWNER: str,
    _PARTS: list,
}
_TEXTS = {_CHECKSUMS, _HEADERS, _USER, _TAGS}

CHECKSUM_IDS = {"CRC32": 1, "CRC32C": 2, "CRC64NVME": 3, "SHA1": 4, "SHA256": 5}
_CHECKSUM_NAMES = {number: name for name, number in CHECKSUM_IDS.items()}
DIRECTORY_KEPT, DIRECTORY_MADE = 1, 2
_TYPE_IDS = {"FULL_OBJECT": 1, "COMPOSITE": 2}
_TYPE_NAMES = {number: name for name, number in _TYPE_IDS.items()}


@dataclass(frozen=True, slots=True)
class ContentHeaders:
    """The headers that S3 stores with an object and sends back as they were; None: never given."""

    content_type: str | None = None
    cache_control: str | None = None
    content_disposition: str | None = None
    content_encoding: str | None = None
    content_language: str | None = None
    expires: str | None = None
    website_redirect: str | None = None


NO_HEADERS = ContentHeaders()
_NOTHING: Mapping[Any, Any] = MappingProxyType({})
_HEADER_NAMES = tuple(item.name for item in fields(ContentHeaders))


@dataclass(frozen=True, slots=True)
class PartSizes:
    """Sizes in bytes of a multipart object's parts in order, as runs (count, size)."""

    runs: tuple[tuple[int, int], ...]

    @classmethod
    def of(cls, sizes: list[int]) -> PartSizes:
        """Run-length coded: 9,999 equal parts and a shorter last one take two runs."""
        runs: list[tuple[int, int]] = []
        for size in sizes:
            if runs and runs[-1][1] == size:
                runs[-1] = (runs[-1][0] + 1, size)
            else:
                runs.append((1, size))
        return cls(tuple(runs))

    @property
    def count(self) -> int:
        return sum(count for count, _ in self.runs)

    def locate(self, number: int) -> tuple[int, int] | None:
        """(offset, size) in bytes of part `number` (from 1); None when there is no such part."""
        offset, seen = 0, 0
        for count, size in self.runs:
            if number <= seen + count:
                return (offset + (number - seen - 1) * size, size) if number > seen else None
            offset, seen = offset + count * size, seen + count
        return None


@dataclass(frozen=True, slots=True)
class Record:
    """One object's record. `etag` and `checksums` describe the content that `stamp` names and are void
    otherwise.

    `salt` makes derived ETags of different contents differ although size, time and inode may be set to be
    alike. `checksums`: algorithm name → the value S3 shows (base64, ``-N`` behind a composite one).
    `directory`: 0 for a file, DIRECTORY_KEPT or DIRECTORY_MADE for the object `a/` (whether the directory was
    there before the key was put).
    """

    stamp: Stamp | None = None
    etag: str | None = None
    salt: bytes = b""
    checksums: Mapping[str, str] = field(default_factory=dict)
    checksum_type: str | None = None
    headers: ContentHeaders = NO_HEADERS
    user: Mapping[str, str] = field(default_factory=dict)
    tags: Mapping[str, str] = field(default_factory=dict)
    owner: str | None = None
    parts: PartSizes | None = None
    directory: int = 0
    extra: Mapping[int, Any] = field(default_factory=dict)

    def describes(self, attr: Attr) -> bool:
        """Whether the ETag is that of content with these attributes (marks of writers are another
        question).
        """
        stamp = self.stamp
        return (
            self.etag is not None
            and stamp is not None
            and stamp.size == attr.size
            and stamp.mtime_ns == attr.mtime_ns
            and stamp.ino == attr.ino
        )

    def voided(self, salt: bytes) -> Record:
        """The same metadata with nothing said of the content."""
        return replace(self, stamp=None, etag=None, checksums={}, checksum_type=None, parts=None, salt=salt)


def derived_etag(stamp: Stamp, salt: bytes) -> ETag:
    """The dashed tag of content known only by its stamp. ``-0`` is no part count S3 could give."""
    text = b"%d,%d,%d," % (stamp.ino, stamp.size, stamp.mtime_ns)
    return ETag(hashlib.md5(text + salt, usedforsecurity=False).hexdigest() + "-0")


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
        (_PARTS, record.parts.runs if record.parts else None),
        (_DIRECTORY, record.directory),
    )
    fields_out |= {number: value for number, value in optional if value}
    return _MAGIC + bytes(msgpack.packb(dict(sorted(fields_out.items()))))


def decode(data: bytes) -> Record:
    """Raises ValueError for anything that `encode` of this or a later version cannot have written."""
    if data[:4] != _MAGIC:
        raise ValueError("no object record")
    try:
        found = msgpack.unpackb(data[4:], strict_map_key=False)
        return _from_fields(found)
    except (KeyError, TypeError, AttributeError, msgpack.UnpackException, msgpack.ExtraData) as error:
        raise ValueError(f"a damaged object record: {error!r}") from error


def _check(found: dict[int, Any]) -> None:
    """Types as written: a wrong one must be damage here and not an error wherever it is used."""
    for number, value in found.items():
        if type(number) is not int:
            raise TypeError("a field without a number")
        wanted = _TYPES.get(number)
        if wanted is not None and type(value) is not wanted:
            raise TypeError(f"field {number} is no {wanted.__name__}")
    etag = found.get(_ETAG)
    if etag is not None and type(etag) is not str and (type(etag) is not bytes or len(etag) != 16):
        raise TypeError("the ETag is neither 16 bytes nor text")
    for number in _TEXTS & found.keys():
        if not all(type(value) is str for value in found[number].values()):
            raise TypeError(f"field {number} holds something else than text")


def _from_fields(found: dict[int, Any]) -> Record:
    _check(found)
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
        headers=_headers_from(headers) if headers else ContentHeaders(),
        user=found.get(_USER, _NOTHING),
        tags=found.get(_TAGS, _NOTHING),
        owner=found.get(_OWNER),
        parts=PartSizes(tuple((int(count), int(size)) for count, size in found[_PARTS]))
        if _PARTS in found
        else None,
        directory=found.get(_DIRECTORY, 0),
        extra={number: found[number] for number in unknown}
        if (unknown := found.keys() - _KNOWN)
        else _NOTHING,
    )


def _headers_from(found: dict[int, str]) -> ContentHeaders:
    return ContentHeaders(
        **{
            _HEADER_NAMES[number - 1]: value
            for number, value in found.items()
            if 0 < number <= len(_HEADER_NAMES)
        }
    )


def read_record(store: Store, fd: Fd) -> Record | None:
    """The record of the file or directory behind `fd`; None when there is none or it is damaged."""
    data = store.find_xattr(fd, RECORD_XATTR)
    if data is None:
        return None
    try:
        return decode(data)
    except ValueError as error:
        _log.warning("inode %d: %s; taken as absent", store.attr(fd).ino, error)
        return None


def write_record(store: Store, fd: Fd, record: Record) -> None:
    """Raises AttributeTooLarge when the record does not fit on this file system."""
    data = encode(record)
    try:
        store.set_xattr(fd, RECORD_XATTR, data)
    except (NoSpace, AttributeTooLarge) as error:
        # ext4 says ENOSPC when the attributes of an inode overflow their block: the disk need not be full.
        if len(data) > 1024:
            raise AttributeTooLarge(
                f"a record of {len(data)} bytes does not fit into this file system's attributes"
            ) from error
        raise
