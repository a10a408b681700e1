"""Listings against a model: the sorted list of keys, cut by prefix, delimiter, marker and limit."""

from __future__ import annotations

import contextlib
import os
import resource

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from tests.unit.namespace.kit import BUCKET, get, keys, memory_store, posix_write, put
from weka_mp.errors import KeyConflict
from weka_mp.namespace import CommonPrefix, Durability, Namespace
from weka_mp.store.faulty import FaultyStore
from weka_mp.store.posix import PosixStore

LETTERS = st.sampled_from(list("a/.-"))
KEYS = st.text(LETTERS, min_size=1, max_size=5).map(str.encode)
AFFIXES = st.text(LETTERS, max_size=4).map(str.encode)
DELIMITERS = st.sampled_from([b"", b"/", b"-", b".", b"a", b"//", b"/a", b"a/", b"--", b"a-"])


def model(
    present: set[bytes], prefix: bytes, delimiter: bytes, after: bytes, limit: int
) -> tuple[list[bytes], bool]:
    """Rows and whether there are more. A common prefix that the marker lies below was told already."""
    rows: list[bytes] = []
    for key in sorted(present):
        if not key.startswith(prefix) or key <= after:
            continue
        at = key.find(delimiter, len(prefix)) if delimiter else -1
        row = key if at < 0 else key[: at + len(delimiter)]
        if (at >= 0 and after.startswith(row)) or (rows and rows[-1] == row):
            continue
        if len(rows) == limit:
            return rows, True
        rows.append(row)
    return rows, False


def filled(wanted: set[bytes]) -> tuple[Namespace, set[bytes]]:
    """A namespace with as many of the keys as can stand beside each other."""
    namespace = Namespace.open(memory_store())
    namespace.create_bucket(BUCKET)
    present = set()
    for key in sorted(wanted, key=lambda key: (len(key), key)):
        with contextlib.suppress(KeyConflict):
            put(namespace, key, b"x")
            present.add(key)
    return namespace, present


@settings(max_examples=150)
@given(st.sets(KEYS, max_size=14), AFFIXES, DELIMITERS, AFFIXES, st.integers(1, 5))
def test_every_page_is_the_models(
    wanted: set[bytes], prefix: bytes, delimiter: bytes, after: bytes, limit: int
) -> None:
    namespace, present = filled(wanted)
    for _ in range(40):
        page = namespace.list_objects(BUCKET, prefix=prefix, delimiter=delimiter, after=after, limit=limit)
        rows = [row.prefix if isinstance(row, CommonPrefix) else row.key for row in page.items]
        expected, more = model(present, prefix, delimiter, after, limit)
        assert rows == expected
        assert all(
            isinstance(row, CommonPrefix) == bool(delimiter and delimiter in name[len(prefix) :])
            for row, name in zip(page.items, rows, strict=True)
        )
        if page.next_after is None:
            assert not more
            break
        assert page.next_after == rows[-1]
        after = page.next_after
    namespace.close()


@settings(max_examples=40)
@given(st.sets(KEYS, min_size=2, max_size=10), st.sets(KEYS, max_size=6), st.sampled_from([b"", b"/", b"-"]))
def test_a_page_needs_nothing_but_its_marker(first: set[bytes], then: set[bytes], delimiter: bytes) -> None:
    """Keys that come between two pages and sort behind the marker are on the second one."""
    namespace, present = filled(first)
    page = namespace.list_objects(BUCKET, delimiter=delimiter, limit=1)
    assume(page.next_after is not None)
    for key in then:
        with contextlib.suppress(KeyConflict):
            put(namespace, key, b"y")
            present.add(key)
    after = page.next_after or b""
    assert keys(namespace, delimiter=delimiter, after=after) == model(present, b"", delimiter, after, 1000)[0]
    other = Namespace.open(namespace.store)
    assert keys(other, delimiter=delimiter, after=after) == keys(namespace, delimiter=delimiter, after=after)
    for key in present:
        namespace.delete_object(BUCKET, key)
    assert keys(namespace) == keys(other) == []
    namespace.delete_bucket(BUCKET)
    other.close()
    namespace.close()


def test_regression_a_marker_that_is_a_directory_does_not_widen_the_prefix(namespace: Namespace) -> None:
    put(namespace, b"/a")
    assert keys(namespace, prefix=b"a", after=b"/") == []


def test_the_order_is_that_of_whole_keys(namespace: Namespace) -> None:
    wanted = [b"a-", b"a.b", b"a/", b"a/b", b"a/b0", b"a0", "\u00e9".encode(), "\U00010000".encode()]
    for key in reversed(wanted):
        put(namespace, key)
    assert keys(namespace) == wanted
    assert keys(namespace, limit=0) == []
    assert keys(namespace, delimiter=b"/") == [b"a-", b"a.b", b"a/", b"a0", *wanted[-2:]]


def test_what_posix_made_is_listed_and_empty_directories_are_not(namespace: Namespace) -> None:
    store = namespace.store
    posix_write(store, b"d/e/f.txt", b"data")
    posix_write(store, b"top", b"")
    bucket = store.open_dir(store.root(), b"bucket")
    store.mkdir(bucket, b"empty", 0o755)
    store.symlink(b"top", bucket, b"link")
    store.symlink(b"nowhere", bucket, b"dangling")
    store.symlink(b"/etc/passwd", bucket, b"outside")
    store.symlink(b"d", bucket, b"dirlink")
    store.mknod(bucket, b"fifo", 0o010644, 0)
    store.close(bucket)
    assert keys(namespace) == [b"d/e/f.txt", b"link", b"top"]
    assert keys(namespace, delimiter=b"/") == [b"d/", b"link", b"top"]
    assert keys(namespace, prefix=b"d/e/") == [b"d/e/f.txt"]
    assert keys(namespace, prefix=b"d/x/") == keys(namespace, prefix=b"top/") == []
    assert get(namespace, b"link") == b""


def test_names_that_are_no_utf8_are_listed_as_what_get_takes(namespace: Namespace) -> None:
    posix_write(namespace.store, b"dir\xff/f\xfe", b"raw")
    (key,) = keys(namespace)
    assert key.decode() == ".weka%xdir%FF/.weka%xf%FE"
    assert get(namespace, key) == b"raw"


def test_regression_posix_paths_longer_than_a_key_are_no_objects(namespace: Namespace) -> None:
    """They cannot be asked for, so a listing (which raised InvalidName at a link) must not name them."""
    long = b"/".join([b"d" * 200] * 5)
    posix_write(namespace.store, long + b"/" + b"f" * 200, b"x")
    posix_write(namespace.store, long + b"/f", b"y")
    store = namespace.store
    directory = store.open_dir(store.root(), b"bucket/" + long)
    store.symlink(b"f", directory, b"l" * 200)
    store.close(directory)
    assert keys(namespace) == [long + b"/f"]
    assert [get(namespace, key) for key in keys(namespace)] == [b"y"]


@pytest.mark.parametrize("key", [b"/" * 1024, b"a/" * 512, b"./" * 511 + b"x", b"\0/" * 511 + b"x"])
def test_regression_keys_as_deep_as_keys_can_be(namespace: Namespace, key: bytes) -> None:
    """1,023 directories: neither recursion nor descriptors nor PATH_MAX may end it."""
    put(namespace, key, b"deep")
    assert keys(namespace) == [key]
    assert get(namespace, key) == b"deep"
    assert keys(namespace, prefix=key[:700], delimiter=b"") == [key]
    assert len(keys(namespace, delimiter=b"/")) == 1
    assert namespace.delete_object(BUCKET, key).existed
    assert keys(namespace) == []
    namespace.delete_bucket(BUCKET)
    namespace.create_bucket(BUCKET)


def test_regression_a_deep_key_takes_few_descriptors(posix: PosixStore) -> None:
    """One PUT of slashes must not keep a process with 1,024 descriptors from listing the bucket."""
    posix_namespace = Namespace.open(posix, durability=Durability.RELAXED)  # else a thousand syncs each
    posix_namespace.create_bucket(BUCKET)
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (len(os.listdir("/proc/self/fd")) + 120, hard))
    try:
        put(posix_namespace, b"/" * 1024)
        put(posix_namespace, b"/" * 40 + b"zz")
        assert keys(posix_namespace) == [b"/" * 1024, b"/" * 40 + b"zz"]
        assert keys(posix_namespace, delimiter=b"/") == [b"/"]
        posix_namespace.fill(BUCKET)
        posix_namespace.delete_object(BUCKET, b"/" * 40 + b"zz")
        posix_namespace.delete_object(BUCKET, b"/" * 1024)
        posix_namespace.delete_bucket(BUCKET)
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, hard))
        posix_namespace.close()


def test_the_second_page_of_a_directory_does_not_read_it_again(namespace: Namespace) -> None:
    for number in range(20):
        put(namespace, b"d/%02d" % number)
    store = FaultyStore(namespace.store)
    with Namespace.open(store) as watched:  # type: ignore[arg-type]
        first = watched.list_objects(BUCKET, limit=5)
        assert "entries" in {call.verb for call in store.calls}
        store.begin()
        second = watched.list_objects(BUCKET, limit=5, after=first.next_after or b"")
        assert [getattr(row, "key", None) for row in second.items] == [
            b"d/%02d" % number for number in range(5, 10)
        ]
        assert "entries" not in {call.verb for call in store.calls}
