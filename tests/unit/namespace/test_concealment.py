"""Files of the control area that somebody gave another name: no view shows them, whatever becomes of them."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.unit.namespace.kit import (
    BUCKET,
    get,
    keys,
    md5_of,
    memory_store,
    posix_write,
    put,
)
from tests.unit.namespace.test_multipart import Upload
from weka_mp.clock import SystemClock
from weka_mp.errors import KeyConflict, NotFound, ReservedName, Stale
from weka_mp.namespace import (
    CompletedPart,
    CompletionRequest,
    Namespace,
    RenameRequest,
    WriteConditions,
)
from weka_mp.namespace.concealment import RECORD_XATTR
from weka_mp.namespace.records import overflow
from weka_mp.namespace.tree.facade import Caller, Tree
from weka_mp.namespace.tree.handle_index import HandleIndex
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.namespace.upkeep.checking import Repairs
from weka_mp.namespace.uploads import multipart
from weka_mp.store.faulty import FaultyStore
from weka_mp.store.memory import MemoryStore
from weka_mp.store.posix import PosixStore

MARK = b"WKC1"
MODE = 0o1600
SECRET = b"what only the control area knows"


@pytest.fixture(autouse=True)
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(multipart, "MIN_PART_BYTES", 1)


@pytest.fixture
def folder(tmp_path: Path, posix_namespace: Namespace) -> Path:
    """A store that has one of every file of the control area."""
    put(posix_namespace, b"x" * 300, b"a long name")
    put(posix_namespace, b"big", b"")
    overflow.keep(posix_namespace.store, b"what finds no room in an inode")
    put(posix_namespace, b"from", b"")
    posix_namespace.rename_object(RenameRequest(BUCKET, b"from", b"to", token="t", parameters=b"p"))
    for key in (b"done", b"ahead"):
        upload = Upload(posix_namespace, key)
        parts = [upload.part(number, b"part") for number in (1, 2, 1)]
        if key == b"done":
            upload.complete(parts[2], parts[1])
    posix_namespace.write_setting(b"reexports", b"{}")
    broken = tmp_path / "bucket/big"
    os.setxattr(broken, RECORD_XATTR, b"broken")
    for _ in posix_namespace.check(Repairs(repair=True)).run():
        pass
    index = HandleIndex.open(posix_namespace.store)
    assert index is not None
    index.close()
    return tmp_path


def control_files(folder: Path) -> list[Path]:
    return sorted(path for path in (folder / ".weka").rglob("*") if path.is_file() and not path.is_symlink())


def test_every_file_of_the_control_area_has_the_mark(folder: Path) -> None:
    found = control_files(folder)
    kinds = {path.relative_to(folder / ".weka").parts[0] for path in found}
    assert kinds == {
        "format", "locks", "buckets", "longnames", "renames", "overflow", "broken", "uploads", "completed",
        "handles", "quotas", "reexports",
    }
    names = {path.name.partition("-")[0] for path in found if "uploads" in path.parts}
    assert names >= {"info", "slot", "data", "claim", "body", "part"}
    for path in found:
        assert os.getxattr(path, RECORD_XATTR) == MARK, path
        assert stat.S_IMODE(path.stat().st_mode) in (MODE, 0o1644), path


def test_golden_mark(posix_namespace: Namespace, tmp_path: Path) -> None:
    assert os.getxattr(tmp_path / ".weka/format", "user.weka.object") == b"WKC1"
    assert (tmp_path / ".weka/format").stat().st_mode == stat.S_IFREG | 0o1600


def test_s3_shows_no_other_name_of_it(folder: Path, posix_namespace: Namespace) -> None:
    before = keys(posix_namespace)
    files = control_files(folder)
    (folder / "bucket/links").mkdir()
    for number, path in enumerate(files):
        os.link(path, folder / f"bucket/links/{number}")
    assert keys(posix_namespace) == before
    assert keys(posix_namespace, delimiter=b"/") == before  # not as a common prefix either
    for number in range(len(files)):
        with pytest.raises(NotFound):
            posix_namespace.open_object(BUCKET, b"links/%d" % number)
        with pytest.raises(NotFound):
            posix_namespace.rename_object(RenameRequest(BUCKET, b"links/%d" % number, b"links/moved"))
    posix_namespace.fill(BUCKET)
    assert all(os.getxattr(path, RECORD_XATTR) == MARK for path in files)


def test_what_takes_its_place_is_an_object_like_others(folder: Path, posix_namespace: Namespace) -> None:
    content = {path: path.read_bytes() for path in control_files(folder)}
    names = [b"link%d" % number for number in range(len(content))]
    for name, path in zip(names, content, strict=True):
        os.link(path, os.fsencode(folder / "bucket") + b"/" + name)
    for name in names:
        put(posix_namespace, name, b"new", WriteConditions(if_none_match=True))
        assert stat.S_IMODE(os.stat(os.fsencode(folder / "bucket") + b"/" + name).st_mode) == 0o644
        assert get(posix_namespace, name) == b"new"
    assert {path: path.read_bytes() for path in content} == content


def test_a_name_that_outlives_the_file_shows_nothing(folder: Path, posix_namespace: Namespace) -> None:
    """A record is replaced whole: the former one, with what it says, has the other name alone then."""
    registry = next((folder / ".weka/buckets").iterdir())
    os.link(registry, folder / "bucket/link")
    registry.unlink()
    assert (folder / "bucket/link").stat().st_nlink == 1
    assert b"link" not in keys(posix_namespace)
    with pytest.raises(NotFound):
        posix_namespace.head_object(BUCKET, b"link")


def test_a_check_names_it_and_leaves_the_mark(folder: Path, posix_namespace: Namespace) -> None:
    os.link(folder / ".weka/format", folder / "bucket/link")
    findings = list(posix_namespace.check(Repairs(restamp=True, verify=True, repair=True)).run())
    assert {(finding.kind.value, finding.path) for finding in findings} == {
        ("linked", b"bucket/link"), ("linked", b".weka/format"),
    }
    assert os.getxattr(folder / "bucket/link", RECORD_XATTR) == MARK


# ---- what is uploaded there becomes an object
def published(namespace: Namespace, key: bytes) -> tuple[bytes, int]:
    bucket = namespace.store.open_dir(namespace.store.root(), b"bucket")
    try:
        return get(namespace, key), stat.S_IMODE(namespace.store.attr_at(bucket, key).mode)
    finally:
        namespace.store.close(bucket)


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1), (1, 1, 2)])
@pytest.mark.parametrize("present", [False, True])
def test_an_upload_is_an_object_when_it_is_complete(
    any_namespace: Namespace, numbers: tuple[int, ...], present: bool
) -> None:
    if present:
        put(any_namespace, b"k", b"before")
    upload = Upload(any_namespace, b"k")
    parts = {number: upload.part(number, b"part%d" % number) for number in numbers}
    upload.complete(parts[1], parts[2])
    assert published(any_namespace, b"k") == (b"part1part2", 0o644)


def test_a_put_is_an_object(any_namespace: Namespace) -> None:
    for data in (b"first", b"second"):
        put(any_namespace, b"k", data)
        assert published(any_namespace, b"k") == (data, 0o644)


@pytest.mark.parametrize("numbers", [(1, 2), (2, 1)])
def test_an_upload_whose_completion_failed_shows_nothing(
    posix_namespace: Namespace, tmp_path: Path, numbers: tuple[int, ...]
) -> None:
    """Its file had the record of the object by then; and two names, by which it was taken for published."""
    upload = Upload(posix_namespace, b"k")
    parts = {number: upload.part(number, SECRET) for number in numbers}
    for path in (tmp_path / ".weka/uploads").rglob("*"):
        if path.is_file():
            os.link(path, tmp_path / "bucket" / path.name)
    (tmp_path / "bucket/k").mkdir()
    with pytest.raises(KeyConflict):
        upload.complete(parts[1], parts[2])
    assert keys(posix_namespace) == []
    (tmp_path / "bucket/k").rmdir()
    upload.complete(parts[1], parts[2])
    assert published(posix_namespace, b"k") == (2 * SECRET, 0o644)


# ---- older stores
def test_a_store_without_marks_gets_them(folder: Path) -> None:
    before = control_files(folder)
    (folder / ".weka/spool/put-0").write_bytes(b"")
    for path in before:
        os.removexattr(path, RECORD_XATTR)
        path.chmod(0o600)
    os.link(folder / ".weka/format", folder / "bucket/link")
    store = PosixStore(str(folder))
    with Namespace.open(store) as namespace:
        unmarked = {path.name for path in control_files(folder) if RECORD_XATTR not in os.listxattr(path)}
        # What another process may be about to publish; the next part marks the file of an upload.
        assert unmarked == {"data", "put-0"}
        assert b"link" not in keys(namespace)
        upload = next((folder / ".weka/uploads").iterdir()).name
        with namespace.begin_part(BUCKET, b"ahead", upload, 3, 4) as part:
            part.write(b"part")
            third = part.commit(bytes.fromhex(md5_of(b"part")), {})
        unmarked = {path.name for path in control_files(folder) if RECORD_XATTR not in os.listxattr(path)}
        assert unmarked == {"put-0"}
        parts = [CompletedPart(1, md5_of(b"part")), CompletedPart(3, third.etag)]
        namespace.complete_upload(CompletionRequest(BUCKET, b"ahead", upload, parts))
        assert get(namespace, b"ahead") == b"partpart"
    store.shutdown()


# ---- the mount
@pytest.fixture
def mounted(folder: Path, posix_namespace: Namespace) -> Iterator[Tree]:
    made = Tree(posix_namespace.store, posix_namespace.locks, SystemClock())
    yield made
    made.close()


def test_the_mount_shows_no_other_name_of_it(folder: Path, mounted: Tree) -> None:
    files = control_files(folder)
    content = {path: path.read_bytes() for path in files}
    bucket = mounted.lookup(ROOT, b"bucket").number
    before = names(mounted, bucket)
    for number, path in enumerate(files):
        name = b"link%d" % number
        os.link(path, os.fsencode(folder / "bucket") + b"/" + name)
        with pytest.raises(NotFound):
            mounted.lookup(bucket, name)
        with pytest.raises(ReservedName):
            mounted.create(bucket, name, 0o644, os.O_RDWR | os.O_TRUNC, Caller(0, 0))
    assert names(mounted, bucket) == before
    ordinary = mounted.make_node(bucket, b"ordinary", stat.S_IFREG | 0o644, 0, Caller(0, 0))
    assert ordinary.attr.nlink == 1
    mounted.rename(bucket, b"ordinary", bucket, b"link0", 0)  # as `mv`, for which the name is free
    assert b"link0" in names(mounted, bucket)
    assert {path: path.read_bytes() for path in files} == content


def names(mounted: Tree, number: int) -> list[bytes]:
    handle = mounted.directories.open(number)
    try:
        return sorted(listed.name for listed in mounted.directories.read(handle, 0))
    finally:
        mounted.directories.release(handle)


def test_a_file_handle_leads_to_none(folder: Path, mounted: Tree) -> None:
    """An NFS client makes handles of numbers."""
    with pytest.raises(Stale):
        mounted.attributes((folder / ".weka/format").stat().st_ino)


# ---- the price
def test_ordinary_files_are_asked_nothing_more() -> None:
    memory: MemoryStore = memory_store()
    store = FaultyStore(memory)
    with Namespace.open(store) as namespace:  # type: ignore[arg-type]
        namespace.create_bucket(BUCKET)
        put(namespace, b"s3", b"x", WriteConditions())
        posix_write(memory, b"posix", b"x")
        for key in (b"s3", b"posix"):
            store.begin()
            namespace.head_object(BUCKET, key)
            asked = [call.arguments[1] for call in store.calls if call.verb == "find_xattr"]
            assert asked == ["user.weka.writer", "user.weka.object"]


def test_who_sets_the_sticky_bit_hides_nothing(any_namespace: Namespace) -> None:
    """It only has us look for the mark."""
    store = any_namespace.store
    put(any_namespace, b"d/k", b"x")
    directory = store.open_dir(store.root(), b"bucket/d")
    fd = store.open_path(directory, b"k")
    store.chmod(fd, 0o1777)
    store.close(fd)
    store.close(directory)
    assert (get(any_namespace, b"d/k"), keys(any_namespace)) == (b"x", [b"d/k"])
    assert keys(any_namespace, delimiter=b"/") == [b"d/"]
