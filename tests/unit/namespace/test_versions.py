"""Versions of objects: what an overwrite and a deletion keep, by their ids, in listings, and for good."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import suppress
from dataclasses import replace
from typing import Any

import pytest

from tests.unit.namespace.kit import BUCKET, FEWER, get, memory_store, put, tree
from weka_mp.errors import BucketMissing, BucketNotEmpty, DeleteMarkerMet, NotFound, VersionMissing
from weka_mp.namespace import Namespace, VersionRow
from weka_mp.namespace.context import Context
from weka_mp.namespace.effects import Effects
from weka_mp.namespace.objects import deleting, publishing
from weka_mp.namespace.versions.keeping import Place
from weka_mp.store.memory import MemoryStore
from weka_mp.values import Fd


@pytest.fixture(params=["all", "no-unnamed", "no-leases"])
def namespace(request: pytest.FixtureRequest) -> Iterator[Namespace]:
    store = memory_store(**FEWER[request.param])
    with Namespace.open(store) as opened:
        opened.create_bucket(BUCKET)
        set_versioning(opened, "Enabled")
        yield opened


def set_versioning(namespace: Namespace, state: str) -> None:
    namespace.change_bucket_settings(BUCKET, lambda before: replace(before, versioning=state))


def version_of(namespace: Namespace, key: bytes, data: bytes) -> str:
    return put(namespace, key, data).info.version or "null"


def rows(namespace: Namespace, **query: Any) -> list[tuple[bytes, str, str]]:
    """Key, version and what it is: C current, v other, d marker, D the latest marker."""
    found = []
    for row in namespace.list_versions(BUCKET, **query).items:
        if isinstance(row, VersionRow):
            kind = ("D" if row.latest else "d") if row.marker else "C" if row.latest else "v"
            found.append((row.summary.key, row.version, kind))
        else:
            found.append((row.prefix, "", "p"))
    return found


def read(namespace: Namespace, key: bytes, version: str) -> bytes:
    with namespace.open_object(BUCKET, key, version) as found:
        data: bytes = namespace.store.read(found.fd, found.size, 0) if found.size else b""
        return data


def test_an_overwrite_keeps_what_was_there(namespace: Namespace) -> None:
    ids = [version_of(namespace, b"a/k", data) for data in (b"one", b"two2", b"three")]
    assert len(set(ids)) == 3
    assert rows(namespace) == [(b"a/k", ids[2], "C"), (b"a/k", ids[1], "v"), (b"a/k", ids[0], "v")]
    assert [read(namespace, b"a/k", each) for each in ids] == [b"one", b"two2", b"three"]
    assert get(namespace, b"a/k") == b"three"


def test_a_deletion_hides_and_deleting_the_marker_brings_it_back(namespace: Namespace) -> None:
    one = version_of(namespace, b"k", b"one")
    done = namespace.delete_object(BUCKET, b"k")
    assert (done.existed, done.marker) == (True, True)
    assert rows(namespace) == [(b"k", done.version, "D"), (b"k", one, "v")]
    with pytest.raises(DeleteMarkerMet) as met:
        namespace.head_object(BUCKET, b"k")
    assert (met.value.version, met.value.named) == (done.version, False)
    with pytest.raises(DeleteMarkerMet) as met:
        namespace.head_object(BUCKET, b"k", done.version)
    assert met.value.named
    gone = namespace.delete_object(BUCKET, b"k", version=done.version)
    assert (gone.marker, gone.version) == (True, done.version)
    assert get(namespace, b"k") == b"one"
    assert rows(namespace) == [(b"k", one, "C")]


def test_deleting_the_current_version_brings_back_the_one_before(namespace: Namespace) -> None:
    one, two = version_of(namespace, b"d/k", b"one"), version_of(namespace, b"d/k", b"two")
    assert namespace.delete_object(BUCKET, b"d/k", version=two).version == two
    assert get(namespace, b"d/k") == b"one"
    namespace.delete_object(BUCKET, b"d/k", version=one)
    with pytest.raises(NotFound):
        namespace.head_object(BUCKET, b"d/k")
    assert rows(namespace) == []
    assert not [path for path in tree(namespace.store) if path.startswith((b".weka/versions/", b"bucket/"))
                and path not in (b".weka/versions/", b"bucket/")]


def test_what_stood_before_versioning_is_null(namespace: Namespace) -> None:
    with Namespace.open(memory_store()) as fresh:
        fresh.create_bucket(BUCKET)
        put(fresh, b"k", b"zero")
        set_versioning(fresh, "Enabled")
        one = version_of(fresh, b"k", b"one")
        assert rows(fresh) == [(b"k", one, "C"), (b"k", "null", "v")]
        assert read(fresh, b"k", "null") == b"zero"


def test_suspended_versioning_replaces_null_alone(namespace: Namespace) -> None:
    one = version_of(namespace, b"k", b"one")
    set_versioning(namespace, "Suspended")
    assert version_of(namespace, b"k", b"two") == "null"
    assert version_of(namespace, b"k", b"three") == "null"
    assert rows(namespace) == [(b"k", "null", "C"), (b"k", one, "v")]
    done = namespace.delete_object(BUCKET, b"k")
    assert (done.version, done.marker) == ("null", True)
    assert rows(namespace) == [(b"k", "null", "D"), (b"k", one, "v")]
    set_versioning(namespace, "Enabled")
    four = version_of(namespace, b"k", b"four")
    assert rows(namespace) == [(b"k", four, "C"), (b"k", "null", "d"), (b"k", one, "v")]


def test_deleting_what_is_not_there_makes_a_marker(namespace: Namespace) -> None:
    done = namespace.delete_object(BUCKET, b"no/such/key")
    assert (done.existed, done.marker) == (False, True)
    assert rows(namespace) == [(b"no/such/key", done.version, "D")]
    assert not namespace.delete_object(BUCKET, b"no/such/key", version="0" * 32).existed
    with pytest.raises(BucketNotEmpty):
        namespace.delete_bucket(BUCKET)
    namespace.delete_object(BUCKET, b"no/such/key", version=done.version)
    namespace.delete_bucket(BUCKET)


def test_directory_objects_have_versions(namespace: Namespace) -> None:
    ids = [version_of(namespace, b"d/", data) for data in (b"", b"body", b"")]
    below = version_of(namespace, b"d/k", b"below")
    assert rows(namespace) == [
        (b"d/", ids[2], "C"), (b"d/", ids[1], "v"), (b"d/", ids[0], "v"), (b"d/k", below, "C"),
    ]
    marker = namespace.delete_object(BUCKET, b"d/").version or ""
    assert read(namespace, b"d/", ids[1]) == b"body"
    namespace.delete_object(BUCKET, b"d/", version=marker)
    namespace.delete_object(BUCKET, b"d/", version=ids[2])
    assert get(namespace, b"d/") == b"body"


def test_pages_go_on_behind_versions_that_were_deleted(namespace: Namespace) -> None:
    ids = [version_of(namespace, key, data) for key in (b"a", b"b/c") for data in (b"1", b"2", b"3")]
    seen: list[str] = []
    after: tuple[bytes, str | None] | None = (b"", None)
    while after is not None:
        page = namespace.list_versions(BUCKET, after=after[0], after_version=after[1], limit=2)
        for row in page.items:
            assert isinstance(row, VersionRow)
            seen.append(row.version)
            namespace.delete_object(BUCKET, row.summary.key, version=row.version)
        after = page.next_after
    assert seen == [ids[2], ids[1], ids[0], ids[5], ids[4], ids[3]]
    assert rows(namespace) == []


def test_listings_group_by_delimiters(namespace: Namespace) -> None:
    for key in (b"a", b"a/b", b"a/c/d", b"a!", b"b"):
        if key != b"a":
            put(namespace, key, b"1")
            put(namespace, key, b"2")
    namespace.delete_object(BUCKET, b"a/c/d")
    assert [row[0] for row in rows(namespace, delimiter=b"/")] == [b"a!", b"a!", b"a/", b"b", b"b"]
    assert [row[0] for row in rows(namespace, prefix=b"a/", delimiter=b"/")] == [b"a/b", b"a/b", b"a/c/"]
    page = namespace.list_versions(BUCKET, delimiter=b"/", limit=3)
    assert page.next_after == (b"a/", None)
    behind = namespace.list_versions(BUCKET, delimiter=b"/", after=b"a/")
    assert [row.summary.key for row in behind.items if isinstance(row, VersionRow)] == [b"b", b"b"]


def test_a_version_that_was_never_there_is_missing(namespace: Namespace) -> None:
    version_of(namespace, b"k", b"one")
    for wrong in ("0" * 32, "null", "x"):
        with pytest.raises(VersionMissing):
            namespace.head_object(BUCKET, b"k", wrong)


def test_who_writes_into_what_is_replaced_does_not_write_into_the_version(namespace: Namespace) -> None:
    store = namespace.store
    assert isinstance(store, MemoryStore)
    one = version_of(namespace, b"k", b"one")
    at = store.open_dir(store.root(), BUCKET.encode())
    writer = store.open_file(at, b"k", 2)
    two = version_of(namespace, b"k", b"two")
    store.write(writer, b"ONE", 0)
    store.close(writer)
    assert read(namespace, b"k", one) == b"one"
    assert rows(namespace) == [(b"k", two, "C"), (b"k", one, "v")]


def test_a_further_name_of_what_is_replaced_does_not_lead_to_the_version(namespace: Namespace) -> None:
    store = namespace.store
    one = version_of(namespace, b"k", b"one")
    at = store.open_dir(store.root(), BUCKET.encode())
    fd = store.open_file(at, b"k", 2)
    store.link(fd, at, b"other")
    version_of(namespace, b"k", b"two")
    store.write(fd, b"ONE", 0)
    assert read(namespace, b"k", one) == b"one"
    assert get(namespace, b"other") == b"ONE"


def test_regression_a_name_that_is_given_meanwhile_does_not_lead_to_the_version(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    store = namespace.store
    one = version_of(namespace, b"k", b"one")
    at = store.open_dir(store.root(), BUCKET.encode())
    fd = store.open_file(at, b"k", 0)
    replace_entry = publishing.replace_entry

    def linked_before(*entry: Any) -> None:
        store.link(fd, at, b"other")
        replace_entry(*entry)

    monkeypatch.setattr(publishing, "replace_entry", linked_before)
    version_of(namespace, b"k", b"two")
    writer = store.open_file(at, b"other", 2)
    store.write(writer, b"ONE", 0)
    store.close(writer)
    assert (read(namespace, b"k", one), get(namespace, b"other")) == (b"one", b"ONE")


def test_regression_a_marker_of_a_key_without_directory_is_made_while_no_other_deletion_is_at_work(
    namespace: Namespace, monkeypatch: pytest.MonkeyPatch
) -> None:
    free = []
    make_marker = deleting.make_marker

    def looked(context: Context, place: Place, effects: Effects, owner: str | None) -> bytes:
        tree_of = context.store.attr(place.bucket).ino
        with context.locks.hold_trees([tree_of], wait=False) as held:
            free.append(held)
        return make_marker(context, place, effects, owner)

    monkeypatch.setattr(deleting, "make_marker", looked)
    assert namespace.delete_object(BUCKET, b"missing/k").marker
    assert free == [False]


def test_regression_a_bucket_is_not_deleted_while_an_object_comes_and_goes(namespace: Namespace) -> None:
    """Its version is all that is left of the object, and the directory is empty."""
    histories = namespace.context.histories
    empty, versions = histories.is_empty, []

    def meanwhile() -> None:
        with suppress(BucketMissing):
            versions.append(version_of(namespace, b"k", b"one"))
            namespace.delete_object(BUCKET, b"k")

    other = threading.Thread(target=meanwhile)

    def looked(bucket: Fd) -> bool:
        answer = empty(bucket)
        other.start()
        other.join(0.5)
        return answer

    histories.is_empty = looked  # type: ignore[method-assign]
    try:
        namespace.delete_bucket(BUCKET)
        other.join()
        assert not versions, "an acknowledged version went with its bucket"
    except BucketNotEmpty:
        other.join()
        histories.is_empty = empty  # type: ignore[method-assign]
        assert read(namespace, b"k", versions[0]) == b"one"
