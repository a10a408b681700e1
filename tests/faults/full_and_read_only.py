"""A service whose store fills up, runs out of inodes and becomes read-only.

``unshare -m python -m tests.faults.full_and_read_only FOLDER`` mounts a small ext4 in FOLDER, in a mount
namespace of its own, does its checks, and says ``ok``.
"""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.system.service import Bucket, Service, running

MIB = 1 << 20
OLD, NEW = b"old" * 300_000, b"new" * 500_000
METADATA = {"kept": "yes"}
FULL, READ_ONLY = (507, "StorageFull"), (403, "AccessDenied")
INODES = 400  # of the whole file system


def run(*command: str | Path) -> None:
    subprocess.run([*map(str, command)], check=True, capture_output=True)


def md5(data: bytes) -> str:
    return hashlib.md5(data).hexdigest()


def refusal(act: Callable[[], Any]) -> tuple[int, str] | None:
    """Status and code of what an S3 client was refused with, None when it was not."""
    try:
        act()
    except ClientError as error:
        return error.response["ResponseMetadata"]["HTTPStatusCode"], error.response["Error"]["Code"]
    return None


def errno_of(act: Callable[[], Any]) -> int:
    try:
        act()
    except OSError as error:
        return error.errno or -1
    return 0


class Ballast:
    """Takes all of a file system's room, beside both doors, and gives it back."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.folder.mkdir()

    def _take(self, size: int) -> None:
        while True:
            path = self.folder / f"{len(os.listdir(self.folder))}"
            try:
                with path.open("wb") as file:
                    os.posix_fallocate(file.fileno(), 0, size)
            except OSError as error:
                assert error.errno == errno.ENOSPC, error
                with suppress(FileNotFoundError):
                    path.unlink()
                return

    def take_blocks(self) -> None:
        for size in (4 * MIB, 256 << 10, 16 << 10, 4 << 10, 1 << 10):
            self._take(size)

    def take_inodes(self) -> None:
        with suppress(OSError):
            for number in range(INODES):
                (self.folder / f"inode-{number}").touch()
        assert os.statvfs(self.folder).f_ffree == 0

    def give_back(self) -> None:
        for entry in os.scandir(self.folder):
            os.unlink(entry.path)
        os.sync()


class Ground:
    """The file system, the service over it, and what must stay as it is whatever happens."""

    def __init__(self, folder: Path) -> None:
        self.folder, self.mounted = folder, folder / "fs"
        self.mounted.mkdir()
        with (folder / "image").open("wb") as file:
            file.truncate(48 * MIB)
        run("mkfs.ext4", "-q", "-F", "-m", "0", "-N", str(INODES), "-O", "^resize_inode", folder / "image")
        run("mount", "-o", "loop,errors=remount-ro", folder / "image", self.mounted)
        self.store = self.mounted / "store"
        self.store.mkdir()
        self.ballast = Ballast(self.mounted / "ballast")
        self.admin = 0

    @contextmanager
    def serving(self) -> Iterator[tuple[Service, Bucket]]:
        with socket.create_server(("127.0.0.1", 0)) as listener:
            self.admin = listener.getsockname()[1]
        with running(
            self.folder, "--workers", "1", store=self.store, admin=f"127.0.0.1:{self.admin}", quiet=False
        ) as service:
            yield service, Bucket(service, "bucket")

    def health(self) -> tuple[int, str]:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.admin}/health/ready") as answer:
                return answer.status, answer.read().decode()
        except urllib.error.HTTPError as error:
            return error.code, error.read().decode()

    def unmount(self) -> None:
        run("umount", self.mounted)


def check_reads(bucket: Bucket) -> None:
    """Both views show what was there, byte for byte, with its metadata and a true tag."""
    answer = bucket.s3.get_object(Bucket=bucket.name, Key="dir/kept")
    assert (answer["Body"].read(), answer["Metadata"]) == (OLD, METADATA)
    assert bucket.etag("dir/kept") == md5(OLD)
    assert bucket.get("posix") == b"posix" and (bucket.path / "posix").read_bytes() == b"posix"
    assert (bucket.path / "dir/kept").read_bytes() == OLD
    assert {"dir/kept", "posix", "dir/gone"} <= set(bucket.keys())
    assert {"posix", "dir"} <= set(os.listdir(bucket.path)) and "kept" in os.listdir(bucket.path / "dir")
    assert bucket.name in [found["Name"] for found in bucket.s3.list_buckets()["Buckets"]]
    assert bucket.s3.list_multipart_uploads(Bucket=bucket.name)["ResponseMetadata"]["HTTPStatusCode"] == 200


def s3_writes(bucket: Bucket, upload: str) -> dict[str, Callable[[], Any]]:
    """Every S3 operation that needs room."""
    return {
        "put": lambda: bucket.put("fresh", NEW),
        "put over": lambda: bucket.put("dir/kept", NEW),
        "put if match": lambda: bucket.put("dir/kept", NEW, IfMatch=bucket.etag("dir/kept")),
        "copy": lambda: bucket.copy("dir/kept", "copied"),
        "part": lambda: bucket.s3.upload_part(
            Bucket=bucket.name, Key="parts", UploadId=upload, PartNumber=2, Body=NEW
        ),
        "part copy": lambda: bucket.s3.upload_part_copy(
            Bucket=bucket.name, Key="parts", UploadId=upload, PartNumber=3,
            CopySource={"Bucket": bucket.name, "Key": "dir/kept"},
        ),
    }


def write_file(path: Path, data: bytes) -> None:
    with path.open("wb", buffering=0) as file:
        done = 0
        while done < len(data):
            done += file.write(data[done:])
        os.fsync(file.fileno())


def begin_upload(bucket: Bucket) -> str:
    upload: str = bucket.s3.create_multipart_upload(Bucket=bucket.name, Key="parts")["UploadId"]
    bucket.s3.upload_part(Bucket=bucket.name, Key="parts", UploadId=upload, PartNumber=1, Body=b"1" * 5 * MIB)
    return upload


def check_everything_works(bucket: Bucket, upload: str) -> None:
    """As if nothing had been: what was refused is done now, and nothing of it had been half done."""
    assert not {"fresh", "copied", "parts"} & set(bucket.keys())
    for name, act in s3_writes(bucket, upload).items():
        assert refusal(act) is None, name
    parts = bucket.s3.list_parts(Bucket=bucket.name, Key="parts", UploadId=upload)["Parts"]
    bucket.s3.complete_multipart_upload(
        Bucket=bucket.name, Key="parts", UploadId=upload,
        MultipartUpload={"Parts": [{"PartNumber": p["PartNumber"], "ETag": p["ETag"]} for p in parts[:2]]},
    )
    assert bucket.get("parts") == b"1" * 5 * MIB + NEW and bucket.get("fresh") == NEW
    assert bucket.etag("fresh") == md5(NEW) and bucket.etag("dir/kept") == md5(NEW)
    write_file(bucket.path / "written", NEW)
    assert bucket.get("written") == NEW and bucket.etag("written") == md5(NEW)
    os.rename(bucket.path / "written", bucket.path / "moved")
    bucket.put("dir/kept", OLD, Metadata=METADATA)
    for key in ("fresh", "copied", "parts", "moved"):
        bucket.delete(key)


def check_nothing_is_left(ground: Ground) -> None:
    """No staged file anywhere, no upload but those under way, no probe's scratch directory."""
    found = [str(path) for path in ground.store.rglob(".weka~*")]
    found += [str(path) for path in ground.store.rglob(".new-*")]
    assert found + os.listdir(ground.store / ".weka/spool") == []


def check_full(ground: Ground, bucket: Bucket) -> None:
    upload = begin_upload(bucket)
    ground.ballast.take_blocks()
    for name, act in s3_writes(bucket, upload).items():
        assert refusal(act) == FULL, name
        check_reads(bucket)
    assert errno_of(lambda: write_file(bucket.path / "half", NEW)) == errno.ENOSPC
    half = (bucket.path / "half").read_bytes()
    assert NEW.startswith(half) and bucket.get("half") == half  # what write(2) took, to both views
    (bucket.path / "half").unlink()
    ground.ballast.take_blocks()
    status, parts = ground.health()
    assert status == 503 and "No space left on device" in parts, parts
    check_reads(bucket)
    bucket.delete("dir/gone")  # deletion is how a full store gets room
    ground.ballast.give_back()
    bucket.put("dir/gone", b"gone")
    assert ground.health()[0] == 200
    check_everything_works(bucket, upload)
    check_nothing_is_left(ground)


def check_no_inodes(ground: Ground, bucket: Bucket) -> None:
    upload = begin_upload(bucket)
    ground.ballast.take_inodes()
    for name, act in s3_writes(bucket, upload).items():
        if not name.startswith("part"):  # a part finds its file made by now
            assert refusal(act) == FULL, name
    assert refusal(lambda: bucket.s3.create_bucket(Bucket="another")) == FULL
    assert errno_of(lambda: (bucket.path / "none").touch()) == errno.ENOSPC
    assert errno_of((bucket.path / "none").mkdir) == errno.ENOSPC
    check_reads(bucket)
    with (bucket.path / "posix").open("r+b") as file:
        file.write(b"posix")  # a file that is there can be written
    check_reads(bucket)
    ground.ballast.give_back()
    check_everything_works(bucket, upload)


def check_start_when_full(ground: Ground) -> None:
    ground.ballast.take_inodes()
    ground.ballast.take_blocks()
    with ground.serving() as (service, bucket):
        assert "reads are served" in service.log.read_text()
        check_reads(bucket)
        assert refusal(lambda: bucket.put("fresh", NEW)) == FULL
        assert errno_of(lambda: write_file(bucket.path / "fresh", NEW)) == errno.ENOSPC
        ground.ballast.give_back()
        check_everything_works(bucket, begin_upload(bucket))
        check_nothing_is_left(ground)


def check_refuses_changes(ground: Ground, bucket: Bucket, upload: str) -> None:
    for name, act in s3_writes(bucket, upload).items():
        assert refusal(act) == READ_ONLY, name
    for name, act in {
        "delete": lambda: bucket.delete("dir/kept"),
        "bucket": lambda: bucket.s3.create_bucket(Bucket="another"),
        "upload": lambda: bucket.s3.create_multipart_upload(Bucket=bucket.name, Key="k"),
        "abort": lambda: bucket.s3.abort_multipart_upload(Bucket=bucket.name, Key="parts", UploadId=upload),
    }.items():
        assert refusal(act) == READ_ONLY, name
    path = bucket.path
    for name, change in {
        "create": lambda: (path / "x").touch(), "write": lambda: write_file(path / "posix", b"x"),
        "append": lambda: (path / "posix").open("ab"), "unlink": (path / "posix").unlink,
        "rename": lambda: os.rename(path / "posix", path / "x"), "mkdir": (path / "x").mkdir,
        "rmdir": (path / "dir").rmdir, "link": lambda: os.link(path / "posix", path / "x"),
        "symlink": lambda: os.symlink("posix", path / "x"), "chmod": lambda: os.chmod(path / "posix", 0o600),
        "utimens": lambda: os.utime(path / "posix"), "truncate": lambda: os.truncate(path / "posix", 0),
        "xattr": lambda: os.setxattr(path / "posix", "user.x", b"x"),
        "metadata": lambda: os.setxattr(path / "dir/kept", "user.s3.meta.a", b"x"),
        "mknod": lambda: os.mkfifo(path / "x"),
    }.items():
        assert errno_of(change) == errno.EROFS, name
    status, parts = ground.health()
    assert status == 503 and "Read-only file system" in parts, parts


def check_start_when_read_only(ground: Ground, upload: str) -> None:
    run("mount", "-o", "remount,ro", ground.mounted)
    with ground.serving() as (service, bucket):
        assert "cannot be written now (Read-only file system): reads are served" in service.log.read_text()
        check_reads(bucket)
        check_refuses_changes(ground, bucket, upload)
        check_reads(bucket)
        run("mount", "-o", "remount,rw", ground.mounted)
        check_everything_works(bucket, upload)
        check_nothing_is_left(ground)
        assert ground.health()[0] == 200


def check_becomes_read_only(ground: Ground) -> None:
    """As a kernel does that met an error: writers have files open, nobody is asked."""
    device = os.stat(ground.mounted).st_dev
    name = Path(f"/sys/dev/block/{os.major(device)}:{os.minor(device)}").resolve().name
    with ground.serving() as (_, bucket):
        upload = begin_upload(bucket)
        os.sync()
        Path(f"/sys/fs/ext4/{name}/trigger_fs_error").write_text("tests of a store that fails")
        check_reads(bucket)
        check_refuses_changes(ground, bucket, upload)
        check_reads(bucket)


def main(folder: Path) -> None:
    ground = Ground(folder)
    try:
        with ground.serving() as (service, bucket):
            service.s3.create_bucket(Bucket=bucket.name)
            bucket.put("dir/kept", OLD, Metadata=METADATA)
            bucket.put("dir/gone", b"gone")
            (bucket.path / "posix").write_bytes(b"posix")
            check_full(ground, bucket)
            check_no_inodes(ground, bucket)
            upload = begin_upload(bucket)
        check_start_when_full(ground)
        check_start_when_read_only(ground, upload)
        check_becomes_read_only(ground)
    finally:
        ground.unmount()
    sys.stdout.write("ok\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
