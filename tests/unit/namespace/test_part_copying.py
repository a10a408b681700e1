"""UploadPartCopy below the gateway: ranges, digests, sources that change, what it refuses."""

from __future__ import annotations

import hashlib
import zlib
from collections.abc import Callable

import pytest

from tests.unit.namespace.kit import BUCKET, get, md5_of, posix_write, put
from weka_mp.errors import NotFound, ObjectChanged, UploadMissing
from weka_mp.namespace import (
    ChunkDigest,
    CompletedPart,
    CompletionRequest,
    Namespace,
    NewUpload,
    ObjectInfo,
    PartCopyRequest,
    StoredPart,
)
from weka_mp.namespace.uploads import multipart
from weka_mp.store.faulty import FaultyStore, Interference

SOURCE = bytes(range(256)) * 9000  # more than one step of the digests


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", 10)


class Crc:
    name = "CRC32"

    def __init__(self) -> None:
        self.value = 0

    def update(self, data: bytes) -> None:
        self.value = zlib.crc32(data, self.value)

    def shown(self) -> str:
        return f"{self.value:08x}"


def copy(
    namespace: Namespace,
    upload_id: str,
    number: int = 1,
    select: Callable[[ObjectInfo], tuple[int, int]] = lambda info: (0, info.size),
    digest: Callable[[], ChunkDigest] | None = None,
    begun: Callable[[], None] = lambda: None,
    source: bytes = b"source",
) -> StoredPart:
    return namespace.copy_part(
        PartCopyRequest(BUCKET, source, BUCKET, b"k", upload_id, number, select, digest, begun)
    )


def begin(namespace: Namespace) -> str:
    return namespace.create_upload(BUCKET, b"k", NewUpload())


def complete(namespace: Namespace, upload_id: str, *parts: StoredPart) -> None:
    named = [CompletedPart(part.number, part.etag) for part in parts]
    namespace.complete_upload(CompletionRequest(BUCKET, b"k", upload_id, named))


@pytest.mark.parametrize(
    ("offset", "size"), [(0, len(SOURCE)), (0, 1), (255, 1_100_000), (len(SOURCE) - 1, 1)]
)
def test_a_range_becomes_a_part(any_namespace: Namespace, offset: int, size: int) -> None:
    put(any_namespace, b"source", SOURCE)
    upload_id = begin(any_namespace)
    wanted = SOURCE[offset : offset + size]
    part = copy(any_namespace, upload_id, select=lambda info: (offset, size), digest=Crc)
    assert (part.size, part.etag) == (size, md5_of(wanted))
    assert part.checksums == {"CRC32": f"{zlib.crc32(wanted):08x}"}
    complete(any_namespace, upload_id, part)
    assert get(any_namespace, b"k") == wanted


def test_copies_in_any_order_and_beside_uploads(any_namespace: Namespace) -> None:
    put(any_namespace, b"source", SOURCE)
    upload_id = begin(any_namespace)
    last = copy(any_namespace, upload_id, 3, lambda info: (0, 30))
    first = copy(any_namespace, upload_id, 1, lambda info: (100, 30))
    with any_namespace.begin_part(BUCKET, b"k", upload_id, 2, 30) as session:
        session.write(b"x" * 30)
        second = session.commit(hashlib.md5(b"x" * 30).digest(), {})
    complete(any_namespace, upload_id, first, second, last)
    assert get(any_namespace, b"k") == SOURCE[100:130] + b"x" * 30 + SOURCE[:30]


def test_a_source_copied_whole_is_read_only_where_nobody_knows_its_digest(namespace: Namespace) -> None:
    put(namespace, b"source", SOURCE)
    posix_write(namespace.store, b"by-posix", SOURCE)
    upload_id = begin(namespace)
    store = FaultyStore(namespace.store)
    with Namespace.open(store) as watched:  # type: ignore[arg-type]
        store.begin()
        assert copy(watched, upload_id).etag == md5_of(SOURCE)
        assert max((call.arguments[1] for call in store.calls if call.verb == "read"), default=0) < 1 << 20
        assert copy(watched, upload_id, 2, source=b"by-posix").etag == md5_of(SOURCE)
        assert max(call.arguments[1] for call in store.calls if call.verb == "read") == 1 << 20


def test_an_empty_source_is_an_empty_part(any_namespace: Namespace) -> None:
    put(any_namespace, b"source", b"")
    put(any_namespace, b"dir/", b"")
    upload_id = begin(any_namespace)
    assert copy(any_namespace, upload_id).size == 0
    assert copy(any_namespace, upload_id, 2, source=b"dir/").etag == md5_of(b"")


def test_a_source_replaced_meanwhile_is_copied_as_it_was(namespace: Namespace) -> None:
    put(namespace, b"source", SOURCE)
    upload_id = begin(namespace)
    store = FaultyStore(namespace.store, Interference("copy", 1, lambda: put(namespace, b"source", b"other")))
    with Namespace.open(store) as watched:  # type: ignore[arg-type]
        part = copy(watched, upload_id)
    assert part.etag == md5_of(SOURCE)


def test_a_source_written_meanwhile_is_copied_again(namespace: Namespace) -> None:
    put(namespace, b"source", SOURCE)
    upload_id = begin(namespace)
    other = SOURCE[::-1]
    store = FaultyStore(
        namespace.store, Interference("copy", 1, lambda: posix_write(namespace.store, b"source", other))
    )
    looked = []
    with Namespace.open(store) as watched:  # type: ignore[arg-type]
        part = copy(watched, upload_id, select=lambda info: (looked.append(info.etag) or 0, info.size))
    assert part.etag == md5_of(other)
    assert len(set(looked)) == 2, "conditions are asked of what is copied"
    complete(namespace, upload_id, part)
    assert get(namespace, b"k") == other


def test_a_source_that_keeps_changing_is_given_up(namespace: Namespace) -> None:
    put(namespace, b"source", SOURCE)
    upload_id = begin(namespace)
    bodies = [bytes([number]) * 5000 for number in range(1, 4)]
    script = [
        Interference("copy", nth, lambda body=body: posix_write(namespace.store, b"source", body))  # type: ignore[misc]
        for nth, body in enumerate(bodies, 1)
    ]
    store = FaultyStore(namespace.store, *script)
    with Namespace.open(store) as watched, pytest.raises(ObjectChanged):  # type: ignore[arg-type]
        copy(watched, upload_id)
    assert namespace.list_parts(BUCKET, b"k", upload_id).parts == ()


def test_what_it_refuses(any_namespace: Namespace) -> None:
    upload_id = begin(any_namespace)
    begun: list[int] = []
    with pytest.raises(NotFound):
        copy(any_namespace, upload_id, begun=lambda: begun.append(1))
    put(any_namespace, b"source", SOURCE)

    def refuse(info: ObjectInfo) -> tuple[int, int]:
        raise KeyError(info.etag)

    with pytest.raises(KeyError):
        copy(any_namespace, upload_id, select=refuse, begun=lambda: begun.append(1))
    with pytest.raises(UploadMissing):
        copy(any_namespace, "0" * 48, begun=lambda: begun.append(1))
    assert begun == [], "what is known beforehand comes before the long work"
    copy(any_namespace, upload_id, begun=lambda: begun.append(1))
    assert begun == [1]


def test_a_copy_over_a_part_replaces_it_when_it_is_whole(any_namespace: Namespace) -> None:
    put(any_namespace, b"source", SOURCE)
    upload_id = begin(any_namespace)
    copy(any_namespace, upload_id, select=lambda info: (0, 100))
    part = copy(any_namespace, upload_id, select=lambda info: (7, 100))
    complete(any_namespace, upload_id, part)
    assert get(any_namespace, b"k") == SOURCE[7:107]
