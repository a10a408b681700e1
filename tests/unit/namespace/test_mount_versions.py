"""What callers of the mount replace, remove or write into, in buckets with versions; without a kernel."""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from tests.unit.namespace.kit import BUCKET, get, put
from tests.unit.namespace.test_versions import read, rows, set_versioning, version_of
from weka_mp.clock import SystemClock
from weka_mp.errors import InvalidArgument, NotEmpty, NotFound, PreconditionFailed, Stale, WouldBlock
from weka_mp.namespace import Namespace, RenameRequest, VersionRow, WriteConditions
from weka_mp.namespace.tree.facade import EXCHANGE, AttrChange, Caller, Tree
from weka_mp.namespace.tree.file_rules import FileRules
from weka_mp.namespace.tree.node_versions import NodeVersions
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.namespace.versions.identifiers import Kept
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


def test_regression_what_a_refused_deletion_left_can_be_written_on_the_mount(
    namespace: Namespace, mount: Mount
) -> None:
    version_of(namespace, b"k", b"one")
    with pytest.raises(PreconditionFailed):
        namespace.delete_object(BUCKET, b"k", WriteConditions(if_match=("0" * 32,)))
    mount.overwrite("bucket/k", b"two")
    assert (get(namespace, b"k"), kinds(namespace, b"k")) == (b"two", "Cv")


def test_regression_a_symbolic_link_that_is_renamed_over_a_file_keeps_it(
    namespace: Namespace, mount: Mount
) -> None:
    one = version_of(namespace, b"k", b"one")
    mount.tree.make_symlink(*mount.find("bucket/l"), b"nowhere", ROOT_USER)
    mount.rename("bucket/l", "bucket/k")
    assert read(namespace, b"k", one) == b"one"


def test_regression_a_version_gets_no_further_name_by_its_number(namespace: Namespace, mount: Mount) -> None:
    version_of(namespace, b"k", b"one")
    parent, name = mount.find("bucket/k")
    number = mount.tree.lookup(parent, name).number
    version_of(namespace, b"k", b"two")
    with pytest.raises(Stale):
        mount.tree.link(number, parent, b"other", wait=True)


def test_regression_what_mknod_makes_hides_no_version_null(namespace: Namespace, mount: Mount) -> None:
    set_versioning(namespace, "Suspended")
    version_of(namespace, b"k", b"zero")
    set_versioning(namespace, "Enabled")
    mount.unlink("bucket/k")
    mount.tree.make_node(*mount.find("bucket/k"), 0o644, 0, ROOT_USER)
    assert (read(namespace, b"k", "null"), kinds(namespace, b"k")) == (b"zero", "Cdv")


def test_regression_a_rename_between_two_names_of_one_file_removes_none(
    namespace: Namespace, mount: Mount
) -> None:
    version_of(namespace, b"k", b"one")
    version_of(namespace, b"k", b"two")
    parent, name = mount.find("bucket/k")
    mount.tree.link(mount.tree.lookup(parent, name).number, parent, b"other", wait=True)
    mount.rename("bucket/k", "bucket/other")
    assert (kinds(namespace, b"k"), kinds(namespace, b"other")) == ("Cv", "C")


def test_regression_a_directory_object_that_is_removed_or_replaced_is_kept(
    namespace: Namespace, mount: Mount
) -> None:
    one, two = version_of(namespace, b"d/", b"body"), version_of(namespace, b"e/", b"BODY")
    mount.tree.remove_directory(*mount.find("bucket/d"), wait=True)
    assert (kinds(namespace, b"d/"), read(namespace, b"d/", one)) == ("Dv", b"body")
    mount.tree.make_directory(*mount.find("bucket/n"), 0o755, ROOT_USER)
    mount.rename("bucket/n", "bucket/e")
    assert read(namespace, b"e/", two) == b"BODY"
    mount.tree.remove_directory(*mount.find("bucket/e"), wait=True)
    assert kinds(namespace, b"e/") == "v", "a plain directory was no object"


@pytest.mark.parametrize("door", ["mount", "s3"])
def test_regression_a_second_name_that_a_death_left_does_not_stay_behind_a_rename(
    namespace: Namespace, mount: Mount, tmp_path: Path, door: str
) -> None:
    one = version_of(namespace, b"k", b"one")
    version_of(namespace, b"k", b"two")
    (history,) = tmp_path.glob(".weka/versions/*/k")
    version = bytes.fromhex(namespace.head_object(BUCKET, b"k").version or "")
    os.link(tmp_path / "bucket/k", history / Kept(1 << 62, version, False).name.decode())
    if door == "mount":
        mount.rename("bucket/k", "bucket/l")
    else:
        namespace.rename_object(RenameRequest(BUCKET, b"k", b"l"))
    assert [row[1] for row in rows(namespace, prefix=b"k")][1:] == [one]
    assert (tmp_path / "bucket/l").stat().st_nlink == 1


def test_regression_what_is_written_while_its_file_is_renamed_is_kept(
    namespace: Namespace, mount: Mount, monkeypatch: pytest.MonkeyPatch
) -> None:
    one = version_of(namespace, b"k", b"one")
    parent, name = mount.find("bucket/k")
    number = mount.tree.lookup(parent, name).number
    versions, renames = mount.tree.versions, iter(["bucket/l"])
    way_to_file = versions._way_to_file

    def renamed_after(*file: Any, **wait: Any) -> Any:
        way = way_to_file(*file, **wait)
        for to in renames:
            mount.rename("bucket/k", to)
        return way

    monkeypatch.setattr(NodeVersions, "_way_to_file", lambda _, *file, **wait: renamed_after(*file, **wait))
    mount.tree.resize(number, 0, None, ROOT_USER, wait=True)
    assert (get(namespace, b"l"), read(namespace, b"l", one)) == (b"", b"one")


def test_regression_who_unlinked_a_file_goes_on_writing_into_it(namespace: Namespace, mount: Mount) -> None:
    """A shell does (exec 3>file; rm file; echo >&3), after it closed a duplicate of the descriptor."""
    one = version_of(namespace, b"k", b"one")
    number = mount.tree.lookup(*mount.find("bucket/k")).number
    file, _ = mount.tree.files.open(number, os.O_RDWR, 0, truncate=False, wait=True)
    mount.tree.files.flush(file.handle)
    mount.unlink("bucket/k")
    mount.tree.files.write(file.handle, b"ONE", 0, wait=True)
    assert mount.tree.files.read(file.handle, 3, 0) == b"ONE"
    assert read(namespace, b"k", one) == b"one"
    mount.tree.files.release(file.handle)


def test_regression_a_version_keeps_its_attributes(namespace: Namespace, mount: Mount) -> None:
    one = version_of(namespace, b"k", b"one")
    number = mount.tree.lookup(*mount.find("bucket/k")).number
    before = namespace.head_object(BUCKET, b"k").mtime_ns
    version_of(namespace, b"k", b"two")
    with pytest.raises(Stale):
        mount.tree.change(number, AttrChange(mtime_ns=5, mode=0o600))
    with pytest.raises(Stale):
        mount.tree.xattrs.set(number, b"user.s3.meta.a", b"b", (0, 0, ()), wait=True)
    with pytest.raises(Stale):
        mount.tree.xattrs.remove(number, b"user.s3.content-type", 0, wait=True)
    found = namespace.head_object(BUCKET, b"k", one)
    assert (found.mtime_ns, dict(found.user)) == (before, {})


@pytest.mark.parametrize(("mounts", "bucket", "kept"), [
    (True, None, True), (True, False, False), (False, None, False), (False, True, True),
])
def test_a_bucket_says_whether_mounts_make_versions(
    namespace: Namespace, mounts: bool, bucket: bool | None, kept: bool
) -> None:
    namespace.change_bucket_settings(BUCKET, lambda old: replace(old, mount_versions=bucket))
    mount = Mount(namespace, makes=mounts)
    try:
        for key in ("removed", "written", "replaced"):
            version_of(namespace, key.encode(), b"one")
        mount.unlink("bucket/removed")
        mount.overwrite("bucket/written", b"two", 0)
        mount.create("bucket/new", b"two")
        mount.rename("bucket/new", "bucket/replaced")
    finally:
        mount.tree.close()
    found = [kinds(namespace, key) for key in (b"removed", b"written", b"replaced")]
    assert found == (["Dv", "Cv", "Cv"] if kept else ["", "C", "C"])
