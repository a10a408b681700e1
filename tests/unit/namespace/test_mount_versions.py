"""What callers of the mount replace, remove or write into, in buckets with versions; without a kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from tests.unit.namespace.kit import BUCKET, get, put
from tests.unit.namespace.test_versions import read, rows, set_versioning, version_of
from weka_mp.clock import SystemClock
from weka_mp.errors import InvalidArgument, NotEmpty, NotFound, Stale, WouldBlock
from weka_mp.namespace import Namespace, VersionRow
from weka_mp.namespace.tree.facade import EXCHANGE, Caller, Tree
from weka_mp.namespace.tree.file_rules import FileRules
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.store.posix import PosixStore
from weka_mp.values import BucketName

ROOT_USER = Caller(0, 0)


class Mount:
    """The tree of one mount, by paths."""

    def __init__(self, namespace: Namespace, *, makes: bool = True) -> None:
        rules = FileRules(
            quotas=namespace.context.quotas, versions=namespace.context, makes_versions=makes
        )
        self.tree = Tree(namespace.store, namespace.locks, SystemClock(), rules=rules)

    def find(self, path: str) -> tuple[int, bytes]:
        *above, name = path.encode().split(b"/")
        number = ROOT
        for each in above:
            number = self.tree.lookup(number, each).number
        return number, name

    def create(self, path: str, data: bytes) -> None:
        file, _ = self.tree.create(*self.find(path), 0o644, os.O_WRONLY | os.O_CREAT, ROOT_USER, wait=True)
        self._write(file.handle, data)

    def overwrite(self, path: str, data: bytes, flags: int = os.O_TRUNC) -> None:
        parent, name = self.find(path)
        number = self.tree.lookup(parent, name).number
        file, _ = self.tree.files.open(
            number, os.O_WRONLY, 0, truncate=bool(flags & os.O_TRUNC), wait=True
        )
        self._write(file.handle, data)

    def _write(self, handle: int, data: bytes) -> None:
        for at in range(len(data)):
            self.tree.files.write(handle, data[at : at + 1], at, wait=True)
        self.tree.files.flush(handle)
        self.tree.files.release(handle)

    def unlink(self, path: str, *, wait: bool = True) -> None:
        self.tree.unlink(*self.find(path), wait=wait)

    def rename(self, path: str, to: str, flags: int = 0) -> None:
        parent, name = self.find(path)
        self.tree.lookup(parent, name)
        to_parent, to_name = self.find(to)
        if flags == EXCHANGE:
            self.tree.lookup(to_parent, to_name)
        self.tree.rename(parent, name, to_parent, to_name, flags, wait=True)


@pytest.fixture
def namespace(tmp_path: Path) -> Iterator[Namespace]:
    store = PosixStore(str(tmp_path))
    with Namespace.open(store) as opened:
        opened.create_bucket(BUCKET)
        set_versioning(opened, "Enabled")
        yield opened
    store.shutdown()


@pytest.fixture
def mount(namespace: Namespace) -> Iterator[Mount]:
    made = Mount(namespace)
    yield made
    made.tree.close()


def kinds(namespace: Namespace, key: bytes) -> str:
    return "".join(kind for _, _, kind in rows(namespace, prefix=key))


def test_a_removal_keeps_the_file_behind_a_delete_marker(namespace: Namespace, mount: Mount) -> None:
    one = version_of(namespace, b"k", b"one")
    with pytest.raises(WouldBlock):
        mount.unlink("bucket/k", wait=False)
    assert get(namespace, b"k") == b"one"
    mount.unlink("bucket/k")
    ((_, marker, _), (_, kept, _)) = rows(namespace)
    assert (kinds(namespace, b"k"), kept) == ("Dv", one)
    assert read(namespace, b"k", one) == b"one"
    namespace.delete_object(BUCKET, b"k", version=marker)
    assert get(namespace, b"k") == b"one"


def test_a_rename_over_a_file_keeps_it(namespace: Namespace, mount: Mount) -> None:
    one = version_of(namespace, b"k", b"one")
    mount.create("bucket/.k.new", b"two")
    mount.rename("bucket/.k.new", "bucket/k")
    assert get(namespace, b"k") == b"two"
    assert [kind for _, _, kind in rows(namespace)] == ["C", "v"], "a file that only moved leaves no marker"
    assert read(namespace, b"k", one) == b"one"
    mount.rename("bucket/k", "bucket/l")
    assert (kinds(namespace, b"k"), kinds(namespace, b"l")) == ("Dv", "C")


def test_each_session_of_writing_makes_one_version(namespace: Namespace, mount: Mount) -> None:
    one = version_of(namespace, b"k", b"one")
    mount.overwrite("bucket/k", b"TWO", flags=0)
    two = rows(namespace)[0][1]
    mount.overwrite("bucket/k", b"three")
    assert kinds(namespace, b"k") == "Cvv"
    assert [read(namespace, b"k", each) for each in (one, two)] == [b"one", b"TWO"]
    assert get(namespace, b"k") == b"three"
    parent, name = mount.find("bucket/k")
    mount.tree.resize(mount.tree.lookup(parent, name).number, 2, None, ROOT_USER, wait=True)
    assert (kinds(namespace, b"k"), get(namespace, b"k")) == ("Cvvv", b"th")


def test_a_new_file_is_one_version_and_its_key_loses_none(namespace: Namespace, mount: Mount) -> None:
    mount.create("bucket/f", b"1")
    mount.overwrite("bucket/f", b"2")
    mount.unlink("bucket/f")
    mount.create("bucket/f", b"3")
    assert kinds(namespace, b"f") == "Cdvv"
    assert [read(namespace, b"f", row[1]) for row in rows(namespace)[2:]] == [b"2", b"1"]


def test_what_was_there_before_versioning_stays_null(namespace: Namespace, mount: Mount) -> None:
    later = BucketName("later")
    namespace.create_bucket(later)
    put(namespace, b"k", b"zero", bucket=later)
    namespace.change_bucket_settings(later, lambda old: replace(old, versioning="Enabled"))
    mount.overwrite("later/k", b"one")
    found = [row for row in namespace.list_versions(later).items if isinstance(row, VersionRow)]
    assert [(row.version == "null", row.latest) for row in found] == [(False, True), (True, False)]


def test_without_mount_versions_what_is_removed_is_gone_and_versions_stay(namespace: Namespace) -> None:
    mount = Mount(namespace, makes=False)
    version_of(namespace, b"k", b"one")
    version_of(namespace, b"k", b"two")
    mount.unlink("bucket/k")
    assert kinds(namespace, b"k") == "v"
    with pytest.raises(NotFound):
        namespace.head_object(BUCKET, b"k")
    with pytest.raises(NotEmpty):
        mount.tree.remove_directory(ROOT, b"bucket", wait=True)
    mount.tree.close()


def test_files_with_versions_are_not_exchanged(namespace: Namespace, mount: Mount) -> None:
    version_of(namespace, b"a", b"1")
    version_of(namespace, b"b", b"2")
    with pytest.raises(InvalidArgument):
        mount.rename("bucket/a", "bucket/b", EXCHANGE)
    assert (get(namespace, b"a"), get(namespace, b"b")) == (b"1", b"2")


def test_nobody_writes_into_a_version_by_its_number(namespace: Namespace, mount: Mount) -> None:
    one = version_of(namespace, b"k", b"one")
    number = mount.tree.lookup(*mount.find("bucket/k")).number
    version_of(namespace, b"k", b"two")
    with pytest.raises(Stale):
        mount.tree.files.open(number, os.O_WRONLY, 0, truncate=False, wait=True)
    with pytest.raises(Stale):
        mount.tree.resize(number, 0, None, ROOT_USER, wait=True)
    assert read(namespace, b"k", one) == b"one"


def test_a_version_that_came_back_can_be_written(namespace: Namespace, mount: Mount) -> None:
    version_of(namespace, b"k", b"one")
    two = version_of(namespace, b"k", b"two")
    namespace.delete_object(BUCKET, b"k", version=two)
    mount.overwrite("bucket/k", b"ONE")
    assert (get(namespace, b"k"), kinds(namespace, b"k")) == (b"ONE", "Cv")


def test_regression_a_shell_that_closes_a_duplicate_first_makes_no_empty_version(
    namespace: Namespace, mount: Mount
) -> None:
    tree = mount.tree
    version_of(namespace, b"k", b"one")
    number = tree.lookup(*mount.find("bucket/k")).number
    again, _ = tree.files.open(number, os.O_WRONLY, 0, truncate=True, wait=True)
    new, _ = tree.create(*mount.find("bucket/n"), 0o644, os.O_WRONLY | os.O_CREAT, ROOT_USER, wait=True)
    for file in (again, new):
        tree.files.flush(file.handle)
        tree.files.write(file.handle, b"two", 0, wait=True)
        tree.files.flush(file.handle)
        tree.files.release(file.handle)
    assert (kinds(namespace, b"k"), kinds(namespace, b"n")) == ("Cv", "C")
