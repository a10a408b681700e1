"""What callers of the mount cannot do to locked versions; without a kernel."""

from __future__ import annotations

import os
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import replace

import pytest

from tests.unit.namespace.kit import BUCKET, get, put
from tests.unit.namespace.test_freezing import DAY_NS, Ground
from tests.unit.namespace.test_mount_versions import Mount
from weka_mp.errors import (
    Conflict,
    NamespaceError,
    NotEmpty,
    NotFound,
    ObjectLocked,
    PermissionRefused,
    StoreUnusable,
    WouldBlock,
)
from weka_mp.namespace import VersionRow
from weka_mp.namespace.concealment import RECORD_XATTR
from weka_mp.namespace.records.freezing import changeable
from weka_mp.namespace.tree import node_locks
from weka_mp.namespace.tree.facade import EXCHANGE, AttrChange
from weka_mp.namespace.walking import Met, walk

ROOT_USER = (0, 0, ())
PATH = "bucket/a/key"
KEY = b"a/key"

FLAGS: dict[str, dict[str, bool]] = {
    "frozen": {},
    "frozen softly": {"immutable_stops": False},
    "no flag": {"immutable": False, "immutable_stops": False},
    "nothing": {"immutable": False, "immutable_stops": False, "leases": False},
}


class Locked:
    """A mount over a bucket with one object, which has a retention of a day."""

    def __init__(self, makes: bool, flags: str = "frozen") -> None:
        self.ground = Ground(**FLAGS[flags])
        self.space = self.ground.namespace
        self.version = put(self.space, KEY, b"locked", retention=self.ground.until(1)).info.version or ""
        self.mount = Mount(self.space, makes=makes)
        self.tree = self.mount.tree

    def number(self, path: str = PATH) -> int:
        parent, name = self.mount.find(path)
        return self.tree.lookup(parent, name).number

    def assert_whole(self) -> None:
        assert self.ground.bytes_of(self.version) == b"locked"
        assert self.space.head_object(BUCKET, KEY, self.version).retention is not None


CHANGES: dict[str, Callable[[Locked], object]] = {
    "overwrite": lambda at: at.mount.overwrite(PATH, b"other"),
    "write in place": lambda at: at.mount.overwrite(PATH, b"other", 0),
    "open to write": lambda at: at.tree.files.open(at.number(), os.O_RDWR, 0, truncate=False, wait=True),
    "truncate": lambda at: at.tree.resize(at.number(), 1, None, _caller(), wait=True),
    "extend": lambda at: at.tree.resize(at.number(), 100, None, _caller(), wait=True),
    "create over": lambda at: at.tree.create(
        *at.mount.find(PATH), 0o644, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, _caller(), wait=True
    ),
    "chmod": lambda at: at.tree.change(at.number(), AttrChange(mode=0o600)),
    "chown": lambda at: at.tree.change(at.number(), AttrChange(uid=7)),
    "utimens": lambda at: at.tree.change(at.number(), AttrChange(mtime_ns=1)),
    "link": lambda at: at.tree.link(at.number(), *at.mount.find("bucket/second"), wait=True),
    "rename": lambda at: at.mount.rename(PATH, "bucket/other"),
    "rename its directory": lambda at: at.mount.rename("bucket/a", "bucket/b"),
    "rename its bucket": lambda at: at.mount.rename("bucket", "pail"),
    "exchange": lambda at: at.mount.rename("bucket/free", PATH, EXCHANGE),
    "set an attribute": lambda at: at.tree.xattrs.set(at.number(), b"user.a", b"1", ROOT_USER, wait=True),
    "set S3's tags": lambda at: at.tree.xattrs.set(
        at.number(), b"user.s3.tag.a", b"1", ROOT_USER, wait=True
    ),
    "remove S3's type": lambda at: at.tree.xattrs.remove(
        at.number(), b"user.s3.content-type", 0, wait=True
    ),
}


def _everything(at: Locked) -> object:
    """Names and attributes, which every change of a file or of its name moves."""
    return [(met.path, met.attr) for met in walk(at.ground.memory) if isinstance(met, Met)]


def _caller() -> object:
    from weka_mp.namespace.tree.facade import Caller

    return Caller(0, 0)


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("makes", [True, False], ids=["versions", "no versions"])
def test_a_locked_version_is_not_changed_and_keeps_its_key(makes: bool, flags: str) -> None:
    at = Locked(makes, flags)
    put(at.space, b"free", b"free")
    for name, change in CHANGES.items():
        with pytest.raises((ObjectLocked, PermissionRefused)):
            change(at)
            pytest.fail(name)
        at.assert_whole()
    assert at.space.head_object(BUCKET, KEY).version == at.version


@pytest.mark.parametrize("flags", FLAGS)
def test_its_name_may_go_where_that_keeps_it(flags: str) -> None:
    at = Locked(True, flags)
    at.mount.unlink(PATH)
    at.assert_whole()
    put(at.space, b"free", b"free")
    at.space.locking.hold(BUCKET, b"free", None, True)
    held = at.space.head_object(BUCKET, b"free").version
    at.mount.create("bucket/new", b"new")
    at.mount.rename("bucket/new", "bucket/free")
    assert at.space.head_object(BUCKET, b"free").size == 3
    assert at.space.head_object(BUCKET, b"free", held).legal_hold
    at.assert_whole()
    if at.ground.memory.primitives.immutable:
        at.ground.assert_frozen(2)


@pytest.mark.parametrize("flags", FLAGS)
def test_its_name_stays_where_it_would_be_lost(flags: str) -> None:
    at = Locked(False, flags)
    at.mount.create("bucket/new", b"new")
    for change in (lambda: at.mount.unlink(PATH), lambda: at.mount.rename("bucket/new", PATH)):
        with pytest.raises(ObjectLocked):
            change()
    at.assert_whole()
    assert at.space.head_object(BUCKET, KEY).version == at.version
    put(at.space, b"d/", b"body", legal_hold=True)
    with pytest.raises(NamespaceError):
        at.tree.remove_directory(*at.mount.find("bucket/d"), wait=True)
    assert at.space.head_object(BUCKET, b"d/").legal_hold


@pytest.mark.parametrize("flags", FLAGS)
@pytest.mark.parametrize("makes", [True, False], ids=["versions", "no versions"])
def test_when_the_retention_is_over_the_file_is_one_like_others(makes: bool, flags: str) -> None:
    for name, change in CHANGES.items():
        if name in ("rename its bucket", "exchange", "remove S3's type"):
            continue
        at = Locked(makes, flags)
        at.ground.clock.advance(2 * DAY_NS)
        before = _everything(at)
        change(at)
        assert name == "open to write" or _everything(at) != before, name
    for last in (lambda at: at.mount.unlink(PATH), lambda at: at.mount.rename("bucket/new", PATH)):
        at = Locked(makes, flags)
        at.mount.create("bucket/new", b"new")
        at.ground.clock.advance(2 * DAY_NS)
        last(at)
        found = at.space.list_versions(BUCKET, prefix=KEY).items
        latest = next((row for row in found if isinstance(row, VersionRow) and row.latest), None)
        assert latest is None or latest.version != at.version


def test_who_wrote_before_the_lock_is_stopped_without_flags_and_leases_too() -> None:
    at = Locked(True, "nothing")
    at.mount.create("bucket/late", b"late")
    file, _ = at.tree.files.open(at.number("bucket/late"), os.O_RDWR, 0, truncate=False, wait=True)
    at.tree.files.write(file.handle, b"x", 0, wait=True)
    at.space.locking.hold(BUCKET, b"late", None, True)
    with pytest.raises(ObjectLocked):
        at.tree.files.write(file.handle, b"y", 0, wait=True)
    at.tree.files.release(file.handle)
    at.space.locking.hold(BUCKET, b"late", None, False)
    with at.space.open_object(BUCKET, b"late") as found:
        assert at.ground.memory.read(found.fd, 10, 0) == b"xate"


def test_regression_who_had_it_open_keeps_no_copy_of_a_locked_version_to_write_into_it() -> None:
    """The copy was the locked version then, and the file itself could be changed."""
    at = Locked(True)
    at.mount.create("bucket/late", b"late")
    file, _ = at.tree.files.open(at.number("bucket/late"), os.O_RDWR, 0, truncate=False, wait=True)
    at.space.locking.hold(BUCKET, b"late", None, True)
    with pytest.raises(ObjectLocked):
        at.tree.files.write(file.handle, b"y", 0, wait=True)
    with pytest.raises(ObjectLocked):
        at.tree.resize(at.number("bucket/late"), 0, file.handle, _caller(), wait=True)
    at.tree.files.release(file.handle)
    assert at.space.head_object(BUCKET, b"late").legal_hold


def test_buckets_without_object_lock_have_nothing_to_do_with_it() -> None:
    """Also where a record came along with a copy that says of a retention."""
    at = Locked(True)
    at.space.create_bucket(type(BUCKET)("plain"))
    put(at.space, b"d/f", b"x", bucket=type(BUCKET)("plain"))
    at.number("plain/d/f")
    at.mount.rename("plain/d", "plain/e")
    at.mount.rename("plain", "pure")
    at.mount.overwrite("pure/e/f", b"y")
    assert get(at.space, b"e/f", bucket=type(BUCKET)("pure")) == b"y"


def test_a_directory_is_looked_through_in_a_thread_and_up_to_a_bound(monkeypatch: pytest.MonkeyPatch) -> None:
    at = Locked(True)
    for number in range(5):
        put(at.space, b"free/%d" % number, b"")
    parent, name = at.mount.find("bucket/free")
    at.tree.lookup(parent, name)
    with pytest.raises(WouldBlock):
        at.tree.rename(parent, name, parent, b"moved", 0, wait=False)
    monkeypatch.setattr(node_locks, "MOST_LOOKED_AT", 5)
    with pytest.raises(PermissionRefused):
        at.mount.rename("bucket/free", "bucket/moved")
    monkeypatch.setattr(node_locks, "MOST_LOOKED_AT", 6)
    at.mount.rename("bucket/free", "bucket/moved")
    with pytest.raises(NotFound):
        at.number("bucket/free")


@pytest.mark.parametrize("mounts", [True, False])
def test_where_a_bucket_says_that_mounts_make_no_versions_a_locked_one_keeps_its_name(mounts: bool) -> None:
    at = Locked(mounts)
    at.space.change_bucket_settings(BUCKET, lambda old: replace(old, mount_versions=not mounts))
    if mounts:
        with pytest.raises(ObjectLocked):
            at.mount.unlink(PATH)
    else:
        at.mount.unlink(PATH)  # it is noncurrent now
    at.assert_whole()


def test_regression_a_hard_link_in_a_bucket_without_object_lock_unlocks_nothing() -> None:
    """The file was thawed by whoever came by that name, and could be changed."""
    at = Locked(True)
    at.space.create_bucket(type(BUCKET)("plain"))
    at.mount.create("bucket/late", b"late")
    at.tree.link(at.number("bucket/late"), *at.mount.find("plain/link"), wait=True)
    at.space.locking.hold(BUCKET, b"late", None, True)
    at.ground.assert_frozen(3)
    for change in (
        lambda: at.mount.overwrite("plain/link", b"x", 0),
        lambda: at.tree.change(at.number("plain/link"), AttrChange(mode=0o600)),
    ):
        with pytest.raises(ObjectLocked):
            change()
    at.ground.assert_frozen(3)


def test_regression_a_name_it_has_no_longer_does_not_tell_the_bucket_of_a_locked_file() -> None:
    """By its number, as a server of NFS comes, after the name went that the mount saw last."""
    at = Locked(True, "nothing")
    plain = type(BUCKET)("plain")
    at.space.create_bucket(plain)
    at.mount.create("bucket/late", b"late")
    number = at.number("bucket/late")
    at.tree.link(number, *at.mount.find("plain/link"), wait=True)
    assert at.number("plain/link") == number
    at.space.locking.hold(BUCKET, b"late", None, True)
    at.space.delete_object(plain, b"link")
    with pytest.raises(ObjectLocked):
        at.tree.files.open(number, os.O_RDWR, 0, truncate=False, wait=True)
    assert at.space.head_object(BUCKET, b"late").legal_hold


@pytest.mark.parametrize("makes", [True, False], ids=["versions", "no versions"])
def test_regression_no_directory_takes_the_place_of_a_bucket_whose_objects_have_versions(makes: bool) -> None:
    """The empty directory of a bucket with noncurrent versions alone was replaced, and they with it."""
    at = Locked(makes)
    at.space.delete_object(BUCKET, KEY)
    at.tree.make_directory(*at.mount.find("fresh"), 0o755, _caller())
    for name in ("fresh", "nothing"):
        with pytest.raises((NotEmpty, NotFound)):
            at.mount.rename(name, "bucket")
    at.assert_whole()


@pytest.mark.parametrize("flags", FLAGS)
def test_regression_a_record_that_cannot_be_read_locks_on_the_mount_too(flags: str) -> None:
    """The file was one like others there, and the hourly sweep took its flag away."""
    at = Locked(False, flags)
    memory = at.ground.memory
    fd = memory.open_path(memory.root(), PATH.encode())
    frozen = memory.primitives.immutable
    if frozen:
        memory.set_immutable(fd, False)
    memory.set_xattr(fd, RECORD_XATTR, b"\xff damaged")
    if frozen:
        memory.set_immutable(fd, True)
    for change in (
        lambda: at.mount.unlink(PATH),
        lambda: at.tree.files.open(at.number(), os.O_WRONLY, 0, truncate=False, wait=True),
        lambda: at.tree.change(at.number(), AttrChange(mode=0o600)),
    ):
        with pytest.raises(StoreUnusable):
            change()
    assert at.space.freeze_thawed() == 0
    assert memory.is_immutable(fd) == frozen
    memory.close(fd)


def test_regression_who_writes_is_stopped_while_a_locked_version_is_thawed() -> None:
    """After the first write of an open file the flag alone stopped it, which is off while tags change."""
    at = Locked(False)
    at.mount.create("bucket/late", b"late")
    file, _ = at.tree.files.open(at.number("bucket/late"), os.O_RDWR, 0, truncate=False, wait=True)
    at.tree.files.write(file.handle, b"x", 0, wait=True)
    at.space.locking.hold(BUCKET, b"late", None, True)
    with changeable(at.ground.memory, at.space.locks, file.fd):
        assert not at.ground.memory.is_immutable(file.fd)
        with pytest.raises(ObjectLocked):
            at.tree.files.write(file.handle, b"y", 0, wait=True)
    at.tree.files.release(file.handle)
    at.ground.assert_frozen(2)


@pytest.mark.parametrize("flags", FLAGS)
def test_regression_a_second_lock_freezes_what_was_thawed_after_the_first(flags: str) -> None:
    """Whoever opened the file in between went on writing."""
    at = Locked(False, flags)
    at.ground.clock.advance(2 * DAY_NS)
    file, _ = at.tree.files.open(at.number(), os.O_RDWR, 0, truncate=False, wait=True)
    at.tree.files.write(file.handle, b"x", 0, wait=True)
    stopped = flags in ("frozen", "nothing")
    with nullcontext() if stopped else pytest.raises(Conflict):
        at.space.locking.retain(BUCKET, KEY, None, at.ground.until(1), bypass=False)
    with pytest.raises(ObjectLocked) if stopped else nullcontext():
        at.tree.files.write(file.handle, b"y", 0, wait=True)
    at.tree.files.release(file.handle)
    at.space.locking.retain(BUCKET, KEY, None, at.ground.until(2), bypass=False)
    if at.ground.memory.primitives.immutable:
        at.ground.assert_frozen(1)
    assert at.ground.bytes_of(at.version) == (b"xocked" if stopped else b"yocked")


def test_regression_what_is_put_and_deleted_while_a_bucket_is_removed_keeps_its_directory() -> None:
    """Between the look at its versions and rmdir(2): the locked version was lost with the bucket."""
    at = Locked(True)
    at.space.create_bucket(type(BUCKET)("fresh"))
    tree, held = at.tree, []
    with at.space.locks.share_tree(at.number("fresh"), b"key"), pytest.raises(WouldBlock):
        tree.remove_directory(*at.mount.find("fresh"), wait=False)
    look = tree.versions.refuse_buckets_with_versions

    def looked(parent: int, name: bytes) -> None:
        look(parent, name)
        with at.space.locks.hold_trees([at.number("fresh")], wait=False) as free:
            held.append(not free)

    tree.versions.refuse_buckets_with_versions = looked  # type: ignore[method-assign]
    tree.remove_directory(*at.mount.find("fresh"), wait=True)
    assert held == [True]
