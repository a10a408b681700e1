"""Whether a file's bytes are those that its record speaks of."""

from __future__ import annotations

import base64
import enum
import hashlib
from collections.abc import Iterator

from weka_mp.digests import Hasher, new_hasher
from weka_mp.namespace.records.values import PartSizes, Record
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["Verdict", "compare"]

_STEP = 1 << 20


class Verdict(enum.Enum):
    """What a comparison found."""

    SAME = "the content is the one that the record speaks of"
    DIFFERENT = "the content is another one"
    UNKNOWN = "the ETag is one that cannot be computed again"
    CHANGED = "a writer has it, or it changed just now"


def compare(store: Store, fd: Fd, record: Record) -> Verdict:
    """Read it all, and compute the ETag and every checksum of the whole object again."""
    parts = record.parts
    if record.etag is None or (("-" in record.etag) != (parts is not None)):
        return Verdict.UNKNOWN
    size = store.attr(fd).size
    if record.stamp is None or record.stamp.size != size:
        return Verdict.DIFFERENT
    whole = record.checksums if record.checksum_type == "FULL_OBJECT" else {}
    digests = {name: new_hasher(name) for name in whole}
    etag = _read(store, fd, size, parts or PartSizes(((1, size),)), digests)
    if parts is None:
        same = etag == [record.etag]
    else:
        joined = hashlib.md5(b"".join(map(bytes.fromhex, etag)), usedforsecurity=False).hexdigest()
        same = f"{joined}-{parts.count}" == record.etag
    same = same and all(
        base64.b64encode(digest.digest()).decode() == whole[name] for name, digest in digests.items()
    )
    return Verdict.SAME if same else Verdict.DIFFERENT


def _read(store: Store, fd: Fd, size: int, parts: PartSizes, digests: dict[str, Hasher]) -> list[str]:
    """The MD5 of each part; empty when the parts are not the whole."""
    found, offset = [], 0
    for length in _lengths(parts):
        md5, end = hashlib.md5(usedforsecurity=False), offset + length
        while offset < end:
            data = store.read(fd, min(_STEP, end - offset), offset)
            if not data:
                return []
            md5.update(data)
            for digest in digests.values():
                digest.update(data)
            offset += len(data)
        found.append(md5.hexdigest())
    return found if offset == size else []


def _lengths(parts: PartSizes) -> Iterator[int]:
    for count, size in parts.runs:
        for _ in range(count):
            yield size
