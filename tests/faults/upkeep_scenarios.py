"""Reading, listing and housekeeping that fail at every call of the store: what they say is true, or an
error.
"""

from __future__ import annotations

import os
from typing import Any

from tests.faults.scenarios import NEW, OLD, OTHER, PART, Ground, Scenario, begin_upload, upload_part
from tests.unit.namespace.kit import BUCKET, get, md5_of, posix_write, put
from weka_mp.namespace import NewUpload, UploadsQuery
from weka_mp.namespace.records import overflow
from weka_mp.namespace.records.attribute import RECORD_XATTR, WRITER_XATTR, make_room
from weka_mp.namespace.upkeep.checking import Repairs
from weka_mp.values import Fd

LARGE = {"large": "x" * 900}
FAR_FUTURE = 1 << 62
WRONG = {"CRC32": "AAAAAA=="}
KEYS: dict[bytes, bytes | None] = {b"a/b/k": OLD, b"a/l": NEW, b"dir/": b"", b"k": OLD, b"posix": NEW}


def opened(ground: Ground, path: bytes) -> Fd:
    store = ground.namespace.store
    return store.open_file(store.root(), path, os.O_RDWR | os.O_CREAT, 0o600)


# ---- reading and listing
def several(ground: Ground) -> None:
    for key in (b"a/b/k", b"a/l", b"dir/", b"k"):
        put(ground.namespace, key, KEYS[key] or b"")
    posix_write(ground.namespace.store, b"posix", NEW)


def list_all(ground: Ground) -> None:
    found, after = [], b""
    while True:
        page = ground.namespace.list_objects(BUCKET, after=after, limit=3)
        found += page.items
        if page.next_after is None:
            break
        after = page.next_after
    assert [getattr(row, "key", None) for row in found] == sorted(KEYS)
    assert [row.size for row in found] == [len(KEYS[key] or b"") for key in sorted(KEYS)]  # type: ignore[union-attr]


def list_prefixes(ground: Ground) -> None:
    rows = ground.namespace.list_objects(BUCKET, delimiter=b"/").items
    found = [getattr(row, "key", None) or row.prefix for row in rows]  # type: ignore[union-attr]
    assert found == [b"a/", b"dir/", b"k", b"posix"]


def read(ground: Ground) -> None:
    assert get(ground.namespace, b"a/b/k") == OLD
    assert ground.namespace.head_object(BUCKET, b"dir/").size == 0


def list_buckets(ground: Ground) -> None:
    assert [info.name for info in ground.namespace.list_buckets()] == [BUCKET, OTHER]


def two_buckets(ground: Ground) -> None:
    """One was made by POSIX, and is registered with the first look."""
    ground.namespace.store.mkdir(ground.namespace.store.root(), OTHER.encode(), 0o755)


# ---- uploads
def two_uploads(ground: Ground) -> None:
    ground.namespace.create_upload(BUCKET, b"up/a", NewUpload())
    begin_upload(ground, PART, NEW)


def list_uploads(ground: Ground) -> None:
    page = ground.namespace.list_uploads(BUCKET, UploadsQuery())
    assert [getattr(row, "key", None) for row in page.items] == [b"up/a", b"up/k"]


def list_parts(ground: Ground) -> None:
    page = ground.namespace.list_parts(BUCKET, b"up/k", ground.upload_id)
    assert [(part.number, part.size) for part in page.parts] == [(1, len(PART)), (2, len(NEW))]


def an_uploads_bucket(ground: Ground) -> None:
    ground.namespace.create_bucket(OTHER)
    ground.namespace.create_upload(OTHER, b"up/k", NewUpload())


def no_uploads(ground: Ground) -> None:
    assert ground.namespace.list_uploads(BUCKET, UploadsQuery()).items == ()


# ---- ETags
def written_by_posix(ground: Ground) -> None:
    """One that never was an object, and one whose mark a mount left that died."""
    put(ground.namespace, b"a/l", NEW)
    marked = opened(ground, b"bucket/a/l")
    ground.namespace.store.set_xattr(marked, WRITER_XATTR, b"2")
    ground.namespace.store.close(marked)
    posix_write(ground.namespace.store, b"posix", OLD)


def all_true(ground: Ground) -> None:
    for key, data in ((b"a/l", NEW), (b"posix", OLD)):
        info = ground.namespace.head_object(BUCKET, key)
        assert (info.etag, info.etag_is_true) == (md5_of(data), True)


# ---- leftovers
def leftovers(ground: Ground) -> None:
    store = ground.namespace.store
    for path in (b".weka/spool/left", b".weka/buckets/.new-1", b".weka/overflow/.new-2", b".weka/.new-3"):
        store.close(opened(ground, path))
    store.mkdir(store.root(), b".weka~probe-1-left", 0o700)
    store.close(opened(ground, b".weka~probe-1-left/a"))
    begin_upload(ground, PART, NEW)


def sweep(ground: Ground) -> None:
    ground.namespace.sweep(FAR_FUTURE)
    ground.namespace.expire_uploads(FAR_FUTURE)


def nothing_staged(ground: Ground) -> None:
    store = ground.namespace.store
    found: set[bytes] = set()
    for path in (b".", b".weka", b".weka/spool", b".weka/buckets", b".weka/overflow", b".weka/uploads"):
        directory = store.open_dir(store.root(), path)
        found |= {entry.name for entry in store.entries(directory)}
        store.close(directory)
    assert not [name for name in found if name.startswith((b".new-", b".weka~probe"))]
    assert b"left" not in found


def overflow_files(ground: Ground) -> None:
    """One that a record names, and one that none does: both old, both once found without a reference."""
    store = ground.namespace.store
    put(ground.namespace, b"k", OLD, user=LARGE)
    fd = opened(ground, b"bucket/k")
    assert make_room(store, fd)
    store.close(fd)
    overflow.keep(store, b"nobody's")
    for digest in overflow.names(store):
        fd = opened(ground, b".weka/overflow/" + digest.hex().encode())
        store.set_xattr(fd, overflow._UNREFERENCED, b"1")
        store.utimens(fd, 1, 1)
        store.close(fd)


def only_what_is_named(ground: Ground) -> None:
    assert ground.namespace.head_object(BUCKET, b"k").user == LARGE
    assert len(overflow.names(ground.namespace.store)) == 1


# ---- check
def wanting_repair(ground: Ground) -> None:
    """A broken record, one copied here, one with a checksum of other bytes, and something staged long ago."""
    store = ground.namespace.store
    put(ground.namespace, b"a/broken", OLD)
    put(ground.namespace, b"a/source", OLD)
    put(ground.namespace, b"a/wrong", OLD, checksums=WRONG, checksum_type="FULL_OBJECT")
    posix_write(store, b"a/copied", OLD)
    source, copied = opened(ground, b"bucket/a/source"), opened(ground, b"bucket/a/copied")
    store.set_xattr(copied, RECORD_XATTR, store.get_xattr(source, RECORD_XATTR))
    broken, staged = opened(ground, b"bucket/a/broken"), opened(ground, b".weka/spool/left")
    store.set_xattr(broken, RECORD_XATTR, b"garbage")
    store.utimens(staged, 1, 1)
    for fd in (source, copied, broken, staged):
        store.close(fd)


def check(repairs: Repairs) -> Any:
    return lambda ground: list(ground.namespace.check(repairs).run())


def nothing_found(ground: Ground) -> None:
    assert check(Repairs(verify=True))(ground) == []
    assert ground.namespace.head_object(BUCKET, b"a/copied").etag == md5_of(OLD)
    assert ground.namespace.head_object(BUCKET, b"a/wrong").checksums == {}


REPAIRED: dict[bytes, bytes | None] = dict.fromkeys((b"a/broken", b"a/copied", b"a/source", b"a/wrong"), OLD)
GONE: dict[bytes, bytes | None] = {b"up/k": None}
FILLED: dict[bytes, bytes | None] = {b"a/l": NEW, b"posix": OLD}

UPKEEP: dict[str, Scenario] = {
    "read": Scenario(several, read, KEYS, KEYS),
    "list": Scenario(several, list_all, KEYS, KEYS),
    "list-prefixes": Scenario(several, list_prefixes, KEYS, KEYS),
    "list-buckets": Scenario(two_buckets, list_buckets, {}, {}),
    "list-uploads": Scenario(two_uploads, list_uploads, GONE, GONE),
    "list-parts": Scenario(two_uploads, list_parts, GONE, GONE),
    "upload-begin": Scenario(
        lambda g: None, lambda g: g.namespace.create_upload(BUCKET, b"up/k", NewUpload()), GONE, GONE
    ),
    "upload-abort": Scenario(
        lambda g: begin_upload(g, PART, NEW),
        lambda g: g.namespace.abort_upload(BUCKET, b"up/k", g.upload_id),
        GONE, GONE, settled=no_uploads,
    ),
    "upload-part-over": Scenario(
        lambda g: begin_upload(g, PART, NEW),
        lambda g: upload_part(g, 1, PART),
        GONE, GONE, settled=list_parts,
    ),
    "delete-bucket": Scenario(
        an_uploads_bucket, lambda g: g.namespace.delete_bucket(OTHER), {}, {}
    ),
    "fill": Scenario(
        written_by_posix, lambda g: g.namespace.fill(BUCKET), FILLED, FILLED, settled=all_true
    ),
    "fill-paths": Scenario(
        written_by_posix, lambda g: g.namespace.fill_paths([b"bucket/a/l", b"bucket/posix"]),
        FILLED, FILLED, settled=all_true,
    ),
    "sweep": Scenario(leftovers, sweep, GONE, GONE, settled=nothing_staged),
    "sweep-overflow": Scenario(
        overflow_files, lambda g: g.namespace.sweep_overflow(), {b"k": OLD}, {b"k": OLD},
        settled=only_what_is_named, leaves=(b".weka/overflow/",),
    ),
    "check": Scenario(several, check(Repairs(verify=True)), KEYS, KEYS),
    "check-repair": Scenario(
        wanting_repair, check(Repairs(restamp=True, verify=True, repair=True)), REPAIRED, REPAIRED,
        settled=nothing_found, leaves=(b".weka/broken/",),
    ),
}
