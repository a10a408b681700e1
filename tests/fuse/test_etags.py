"""ETags of what was written over the mount are true, and final when close(2) has returned
(docs/SEMANTICS.md, 2 and 3).
"""

from __future__ import annotations

import hashlib
import mmap
import os
import subprocess
from contextlib import ExitStack
from pathlib import Path

import pytest

from tests.fuse.conftest import Mount
from weka_mp.namespace import NewObject
from weka_mp.namespace.values import ObjectInfo
from weka_mp.values import BucketName

pytestmark = pytest.mark.mount

_BUCKET = BucketName("bucket")


@pytest.fixture
def bucket(mount: Mount) -> Path:
    """The bucket on the mount."""
    folder = mount.path / "bucket"
    folder.mkdir(exist_ok=True)
    return folder


def _head(mount: Mount, key: str) -> ObjectInfo:
    return mount.namespace.head_object(_BUCKET, key.encode())


def _md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def test_a_file_written_in_order_has_its_md5_when_it_is_closed(mount: Mount, bucket: Path) -> None:
    data = os.urandom(3_000_000)
    (bucket / "a").write_bytes(data)
    assert _head(mount, "a").etag == _md5(data)


def test_an_empty_file_has_the_md5_of_nothing(mount: Mount, bucket: Path) -> None:
    (bucket / "empty").touch()
    assert _head(mount, "empty").etag == _md5(b"")


def test_a_shells_redirection_is_settled_when_its_commands_are_done(mount: Mount, bucket: Path) -> None:
    subprocess.run(["sh", "-c", "{ echo one; echo two; sh -c 'echo three'; } > log"], cwd=bucket, check=True)
    assert _head(mount, "log").etag == _md5(b"one\ntwo\nthree\n")


def test_truncation_starts_the_hash_again(mount: Mount, bucket: Path) -> None:
    (bucket / "t").write_bytes(b"something long")
    with open(bucket / "t", "wb") as file:
        file.write(b"first")
        file.flush()
        file.truncate(0)
        file.seek(0)
        file.write(b"second")
    assert _head(mount, "t").etag == _md5(b"second")


def test_setting_the_time_of_a_file_just_written_keeps_its_hash(mount: Mount, bucket: Path) -> None:
    with open(bucket / "p", "wb") as file:
        file.write(b"kept")
        file.flush()
        os.utime(file.fileno(), ns=(1, 1_000_000_000))
    assert _head(mount, "p").etag == _md5(b"kept")
    assert _head(mount, "p").mtime_ns == 1_000_000_000


@pytest.mark.parametrize("how", ["append", "overwrite", "backwards"])
def test_other_writes_void_the_etag(mount: Mount, bucket: Path, how: str) -> None:
    path = bucket / f"v-{how}"
    path.write_bytes(b"0123456789")
    before = _head(mount, path.name).etag
    with open(path, "r+b" if how != "append" else "ab") as file:
        if how == "backwards":
            os.pwrite(file.fileno(), b"bb", 2)
            os.pwrite(file.fileno(), b"aa", 0)
        else:
            file.write(b"XY")
    after = _head(mount, path.name).etag
    assert after != before
    assert "-" in after


def test_writing_and_restoring_the_time_does_not_bring_the_etag_back(mount: Mount, bucket: Path) -> None:
    path = bucket / "restored"
    path.write_bytes(b"before")
    before, times = _head(mount, "restored"), path.stat()
    with open(path, "r+b") as file:
        file.write(b"AFTER!")
    os.utime(path, ns=(times.st_atime_ns, times.st_mtime_ns))
    after = _head(mount, "restored")
    assert after.mtime_ns == before.mtime_ns
    assert after.size == before.size
    assert after.etag not in before.accepted_etags
    assert not after.accepted_etags & before.accepted_etags


def test_an_open_writer_makes_the_etag_unmatchable(mount: Mount, bucket: Path) -> None:
    with mount.namespace.begin_put(_BUCKET, b"w", size_hint=3) as session:
        session.write(b"abc")
        mount.invalidate(session.publish(NewObject(md5=hashlib.md5(b"abc").digest())).changes)
    assert _head(mount, "w").etag == _md5(b"abc")
    with open(bucket / "w", "r+b", buffering=0) as file:
        assert _head(mount, "w").etag == _md5(b"abc")  # nothing was written yet
        file.write(b"abc")
        assert not _head(mount, "w").accepted_etags


def test_a_mapping_that_writes_after_close_voids_the_etag(mount: Mount, bucket: Path) -> None:
    script = (
        "import mmap, os; fd = os.open('m', os.O_RDWR | os.O_CREAT); os.write(fd, b'a' * 4096); "
        "m = mmap.mmap(fd, 4096); "
        "os.close(fd); m[0:1] = b'b'; m.flush(); m[1:2] = b'b'; m.flush(); m.close()"
    )
    subprocess.run(["python3", "-c", script], cwd=bucket, check=True)
    assert (mount.store / "bucket/m").read_bytes() == b"bb" + b"a" * 4094
    assert _head(mount, "m").etag != _md5(b"a" * 4096)


def test_two_writers_at_once_are_not_hashed(mount: Mount, bucket: Path) -> None:
    with open(bucket / "two", "wb") as one, open(bucket / "two", "r+b") as other:
        one.write(b"abc")
        one.flush()
        other.write(b"X")
    assert "-" in _head(mount, "two").etag
    assert (bucket / "two").read_bytes() == b"Xbc"


def test_chmod_rename_and_link_keep_the_etag(mount: Mount, bucket: Path) -> None:
    (bucket / "k").write_bytes(b"kept")
    (bucket / "k").chmod(0o600)
    os.chown(bucket / "k", 1, 1)
    os.link(bucket / "k", bucket / "k2")
    (bucket / "k").rename(bucket / "k3")
    assert _head(mount, "k2").etag == _head(mount, "k3").etag == _md5(b"kept")


def test_files_that_need_hashing_are_reported(mount: Mount, bucket: Path) -> None:
    (bucket / "sub").mkdir(exist_ok=True)
    (bucket / "sub/dirty").write_bytes(b"0123456789")
    with open(bucket / "sub/dirty", "r+b") as file:
        file.write(b"XY")
    assert mount.process.stdout is not None
    for line in mount.process.stdout:
        if line == "dirty b'bucket/sub/dirty'\n":
            break
    report = mount.namespace.fill_paths([b"bucket/sub/dirty"])
    assert _head(mount, "sub/dirty").etag == _md5(b"XY23456789"), report


def test_a_directory_objects_body_is_invisible_and_goes_with_its_directory(
    mount: Mount, bucket: Path
) -> None:
    with mount.namespace.begin_put(_BUCKET, b"d/", size_hint=4) as session:
        session.write(b"body")
        mount.invalidate(session.publish(NewObject(md5=hashlib.md5(b"body").digest())).changes)
    assert os.listdir(bucket / "d") == []
    (bucket / "e").mkdir()
    (bucket / "e").rename(bucket / "d")  # over a directory that looks empty
    with mount.namespace.begin_put(_BUCKET, b"d/", size_hint=4) as session:
        session.write(b"body")
        mount.invalidate(session.publish(NewObject(md5=hashlib.md5(b"body").digest())).changes)
    (bucket / "d").rmdir()
    assert not (bucket / "d").exists()


def test_what_a_stranger_writes_is_hashed_too(mount: Mount, bucket: Path) -> None:
    bucket.chmod(0o777)
    (bucket / "s").write_bytes(b"0123456789")
    (bucket / "s").chmod(0o6777)
    stranger = ["setpriv", "--reuid", "65534", "--clear-groups", "sh", "-c"]
    subprocess.run([*stranger, ": > s"], cwd=bucket, check=True)
    assert _head(mount, "s").etag == _md5(b"")
    subprocess.run([*stranger, "echo x > s"], cwd=bucket, check=True)
    assert _head(mount, "s").etag == _md5(b"x\n")


@pytest.mark.parametrize(
    "command", ["touch u", "touch -d @12345 u", ": >> u", "dd of=u if=/dev/null conv=notrunc"]
)
def test_opening_for_writing_without_writing_keeps_the_etag(mount: Mount, bucket: Path, command: str) -> None:
    (bucket / "u").write_bytes(b"untouched")
    subprocess.run(["sh", "-c", command], cwd=bucket, check=True, stderr=subprocess.DEVNULL)
    assert _head(mount, "u").etag == _md5(b"untouched")


@pytest.mark.parametrize("true", [True, False])
@pytest.mark.parametrize("opened_before", [True, False])
@pytest.mark.parametrize("how", ["over", "truncate", "mmap"])
def test_regression_what_is_overwritten_and_grows_is_no_growth(
    mount: Mount, bucket: Path, how: str, opened_before: bool, true: bool
) -> None:
    """A GET took bytes of two contents for one, if the file was longer in the end."""
    size = 3 * mmap.PAGESIZE
    path = bucket / "o"
    if true:
        path.write_bytes(b"a" * size)
    else:
        with path.open("wb", buffering=0) as file:
            os.pwrite(file.fileno(), b"aaaa", 1)  # out of order: no MD5
            os.pwrite(file.fileno(), b"a" * size, 0)
    with ExitStack() as stack:
        writer = stack.enter_context(path.open("r+b", buffering=0)) if opened_before else None
        if writer:
            writer.write(b"a")
        reader = stack.enter_context(mount.namespace.open_object(_BUCKET, b"o"))
        assert reader.still_same()
        writer = writer or stack.enter_context(path.open("r+b", buffering=0))
        if how == "mmap":
            with mmap.mmap(writer.fileno(), size) as area:
                area[:] = b"b" * size
                area.flush()
        else:
            os.ftruncate(writer.fileno(), 5 if how == "truncate" else size)
            os.pwrite(writer.fileno(), b"b" * size, 0)
        os.pwrite(writer.fileno(), b"c", size)
        assert not reader.still_same()


def test_what_only_grows_is_no_change(mount: Mount, bucket: Path) -> None:
    for true in (True, False):
        path = bucket / f"g-{true}"
        path.write_bytes(b"abc")
        with path.open("ab", buffering=0) as writer:
            if not true:
                writer.write(b"def")
            with mount.namespace.open_object(_BUCKET, path.name.encode()) as reader:
                writer.write(b"ghi")
                assert reader.still_same()
                assert reader.info.etag_is_true is true
