"""Pages of uploads and of parts: order, markers, prefixes, and what ends while they are read."""

from __future__ import annotations

import pytest

from tests.unit.namespace.kit import BUCKET, FixedClock, md5_of, memory_store
from weka_mp.errors import BucketMissing, UploadMissing
from weka_mp.namespace import (
    CommonPrefix,
    CompletionRequest,
    Namespace,
    NewUpload,
    UploadInfo,
    UploadsPage,
    UploadsQuery,
)
from weka_mp.store.faulty import FaultyStore, Interference
from weka_mp.values import BucketName


def begin(namespace: Namespace, *names: bytes) -> list[tuple[bytes, str]]:
    return [(name, namespace.create_upload(BUCKET, name, NewUpload())) for name in names]


def shown(page: UploadsPage) -> list[object]:
    return [
        item.prefix if isinstance(item, CommonPrefix) else (item.key, item.upload_id) for item in page.items
    ]


def walk(namespace: Namespace, limit: int, prefix: bytes = b"", delimiter: bytes = b"") -> list[object]:
    """All rows, a page at a time; every page but the last must be full."""
    rows: list[object] = []
    after: tuple[bytes, str] = (b"", "")
    while True:
        page = namespace.list_uploads(BUCKET, UploadsQuery(prefix, delimiter, after, limit))
        rows += shown(page)
        if page.next_after is None:
            return rows
        assert len(page.items) == limit
        after = page.next_after


@pytest.mark.parametrize("limit", [1, 2, 3, 1000])
def test_by_key_and_then_by_age(limit: int) -> None:
    clock = FixedClock()
    with Namespace.open(memory_store(clock), clock=clock) as namespace:
        namespace.create_bucket(BUCKET)
        begun = []
        for key in (b"b", b"a/2", b"b", b"\xc3\xa4", b"a", b"b", b"a/1"):
            begun += begin(namespace, key)
            clock.advance(1_000_000_000)
        in_order = [begun[at] for at in (4, 6, 1, 0, 2, 5, 3)]
        assert walk(namespace, limit) == in_order
        assert walk(namespace, limit, prefix=b"a/") == [begun[6], begun[1]]
        grouped = [begun[4], b"a/", begun[0], begun[2], begun[5], begun[3]]
        assert walk(namespace, limit, delimiter=b"/") == grouped
        info = namespace.list_uploads(BUCKET, UploadsQuery(b"b")).items[0]
        assert isinstance(info, UploadInfo)
        assert info.initiated_ns == FixedClock().now_ns()


@pytest.mark.parametrize("limit", [1, 3, 1000])
def test_prefixes_are_rows_like_others(namespace: Namespace, limit: int) -> None:
    begun = begin(namespace, b"x//1", b"x//2", b"x/a-b-c", b"x/a-d", b"x/z", b"x/", b"y")
    by_key = dict(begun)
    assert walk(namespace, limit, b"x/", b"/") == [
        (b"x/", by_key[b"x/"]), b"x//", (b"x/a-b-c", by_key[b"x/a-b-c"]), (b"x/a-d", by_key[b"x/a-d"]),
        (b"x/z", by_key[b"x/z"]),
    ]
    assert walk(namespace, limit, b"x/a", b"-") == [b"x/a-"]
    assert walk(namespace, limit, b"", b"/") == [b"x/", (b"y", by_key[b"y"])]
    assert walk(namespace, limit, b"none") == []


def test_markers(namespace: Namespace) -> None:
    first, second, third = begin(namespace, b"a", b"a", b"b")

    def after(key: bytes, upload_id: str = "", delimiter: bytes = b"") -> list[object]:
        query = UploadsQuery(delimiter=delimiter, after=(key, upload_id))
        return shown(namespace.list_uploads(BUCKET, query))

    earlier, later = sorted((first, second), key=lambda found: found[1])
    assert after(b"a") == [third]
    assert after(b"a", earlier[1]) == [later, third]
    assert after(b"a", later[1]) == [third]
    assert after(b"A", later[1]) == [earlier, later, third]
    begin(namespace, b"d/1", b"d/2")
    assert after(b"b", third[1], b"/") == [b"d/"]
    assert after(b"d/", "", b"/") == []
    assert after(b"d/1", "", b"/") == []
    assert [row[0] for row in after(b"d/1")] == [b"d/2"]  # type: ignore[index]


def test_a_page_of_nothing_ends(namespace: Namespace) -> None:
    begin(namespace, b"a")
    assert namespace.list_uploads(BUCKET, UploadsQuery(limit=0)) == UploadsPage((), None)
    with pytest.raises(BucketMissing):
        namespace.list_uploads(BucketName("none"), UploadsQuery(limit=0))


def test_only_uploads_of_the_bucket_that_are_under_way(any_namespace: Namespace) -> None:
    other = BucketName("other")
    any_namespace.create_bucket(other)
    (aborted, done, kept) = begin(any_namespace, b"aborted", b"done", b"kept")
    any_namespace.create_upload(other, b"elsewhere", NewUpload())
    assert len(walk(any_namespace, 2)) == 3
    any_namespace.abort_upload(BUCKET, *aborted)
    with any_namespace.begin_part(BUCKET, *done, 1, 0) as part:
        tag = part.commit(bytes.fromhex(md5_of(b"")), {})
    any_namespace.complete_upload(CompletionRequest(BUCKET, *done, [tag]))  # type: ignore[list-item]
    assert walk(any_namespace, 2) == [kept]


def test_an_upload_that_ends_while_the_page_is_made_does_not_stop_the_walk(namespace: Namespace) -> None:
    first, second, third = begin(namespace, b"a", b"b", b"c")
    # The second look into the first upload's directory describes its row.
    store = FaultyStore(namespace.store)
    with Namespace.open(store) as watched:  # type: ignore[arg-type]
        walk(watched, 3)
        opens = sum(call.verb == "open_dir" for call in store.calls)
        store.begin(Interference("open_dir", 2, lambda: namespace.abort_upload(BUCKET, *first)))
        page = watched.list_uploads(BUCKET, UploadsQuery(limit=1))
        assert opens > 2
        assert (shown(page), page.next_after) == ([], first)
        rest = watched.list_uploads(BUCKET, UploadsQuery(after=first))
        assert shown(rest) == [second, third]


def test_identities_are_read_once_and_forgotten_when_there_is_no_room(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("weka_mp.namespace.uploads.area._MAX_REMEMBERED", 3)
    begun = begin(namespace, b"a", b"b", b"c", b"d", b"e")
    store = FaultyStore(namespace.store)
    with Namespace.open(store) as watched:  # type: ignore[arg-type]
        looks = []
        for _ in range(2):
            store.begin()
            assert len(walk(watched, 1000, prefix=b"e")) == 1
            looks.append(sum(call.verb == "open_dir" for call in store.calls))
        assert looks[0] - looks[1] == 3
        for key, upload_id in begun[:4]:
            namespace.abort_upload(BUCKET, key, upload_id)
        more = begin(namespace, b"f", b"g")
        assert walk(watched, 1000) == [begun[4], *more]
        assert set(watched._uploads._identities) <= {found[1].encode() for found in [begun[4], *more]}


def part(namespace: Namespace, upload: tuple[bytes, str], number: int, body: bytes) -> None:
    with namespace.begin_part(BUCKET, *upload, number, len(body)) as session:
        session.write(body)
        session.commit(bytes.fromhex(md5_of(body)), {"CRC32": f"x{number}"})


def test_parts_by_number(any_namespace: Namespace) -> None:
    (upload,) = begin(any_namespace, b"k")
    for number in (10, 9, 1, 10_000, 9):
        part(any_namespace, upload, number, b"%d" % number)
    page = any_namespace.list_parts(BUCKET, *upload)
    assert [(row.number, row.size, row.etag, row.checksums) for row in page.parts] == [
        (number, len(str(number)), md5_of(b"%d" % number), {"CRC32": f"x{number}"})
        for number in (1, 9, 10, 10_000)
    ]
    assert (page.next_after, page.upload.key) == (None, b"k")
    first = any_namespace.list_parts(BUCKET, *upload, limit=3)
    assert ([row.number for row in first.parts], first.next_after) == ([1, 9, 10], 10)
    rest = any_namespace.list_parts(BUCKET, *upload, after=10, limit=3)
    assert ([row.number for row in rest.parts], rest.next_after) == ([10_000], None)
    none = any_namespace.list_parts(BUCKET, *upload, limit=0)
    assert (none.parts, none.next_after) == ((), None)
    any_namespace.abort_upload(BUCKET, *upload)
    with pytest.raises(UploadMissing):
        any_namespace.list_parts(BUCKET, *upload)
