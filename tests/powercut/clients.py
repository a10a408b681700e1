"""What clients do with a whole service, over HTTP and on its mount, each answer with what it promises."""

from __future__ import annotations

import ctypes
import mmap
import os
import random
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from botocore.exceptions import ClientError

from tests.powercut.history import ANYTHING, Fact, History
from tests.powercut.workload import TYPE, Shown, md5_of, shown
from tests.system.service import Service
from weka_mp.values import BucketName

__all__ = ["Clients", "observed_by_clients", "run_lanes", "run_once"]

ALPHA, BETA = BucketName("alpha"), BucketName("beta")
OLD, NEW = b"the old content " * 300, b"the new content " * 300
LARGE = b"more than goes through without a thread " * 30_000
PART, LAST = b"12345678" * (5 << 17), b"the last part"
_WRITE_AND_WAIT = 7  # sync_file_range(2): wait for pages under way, write the dirty ones, wait for those


class Clients:
    """Those of one service. Steps of one key come one after the other, those of several keys at once."""

    def __init__(self, service: Service, history: History) -> None:
        self.service = service
        self.s3 = service.s3
        self.history = history

    # ---- over HTTP
    def create_bucket(self, name: BucketName) -> None:
        with self.history.step(f"create bucket {name}", {("bucket", name): "s3"}, torn=True):
            self.s3.create_bucket(Bucket=name)

    def delete_bucket(self, name: BucketName) -> None:
        with self.history.step(f"delete bucket {name}", {("bucket", name): None}):
            self.s3.delete_bucket(Bucket=name)

    def put(self, key: str, data: bytes, **user: str) -> None:
        """An object that S3 alone changes: with its metadata."""
        with self.history.step(f"PUT {key[:20]}", {thing(key): shown(data, **user)}):
            self._put(key, data, user)

    def put_content(self, key: str, data: bytes) -> None:
        """One that both doors change: its bytes count."""
        with self.history.step(f"PUT {key}", {content(key): data}):
            self._put(key, data, {})

    def _put(self, key: str, data: bytes, user: dict[str, str]) -> None:
        self.s3.put_object(
            Bucket=ALPHA, Key=key, Body=data, ContentType=TYPE.content_type or "", Metadata=user
        )

    def delete(self, key: str, fact: Callable[[str], Fact] | None = None) -> None:
        with self.history.step(f"DELETE {key}", {(fact or thing)(key): None}):
            self.s3.delete_object(Bucket=ALPHA, Key=key)

    def delete_many(self, *keys: str) -> None:
        with self.history.step(f"DELETE {keys}", {thing(key): None for key in keys}):
            answer = self.s3.delete_objects(
                Bucket=ALPHA, Delete={"Objects": [{"Key": key} for key in keys], "Quiet": True}
            )
            assert "Errors" not in answer

    def copy(self, source: str, key: str, after: dict[Fact, Any], **options: Any) -> None:
        with self.history.step(f"copy {source} to {key}", after):
            self.s3.copy_object(
                Bucket=ALPHA, Key=key, CopySource={"Bucket": ALPHA, "Key": source}, **options
            )

    def rename(self, source: str, key: str, after: dict[Fact, Any]) -> None:
        with self.history.step(f"RenameObject {source} to {key}", after):
            self.s3.rename_object(Bucket=ALPHA, Key=key, RenameSource=source)

    def upload(self, key: str, *bodies: bytes) -> tuple[Fact, str]:
        """CreateMultipartUpload and UploadPart; the upload's fact and id."""
        with self.history.step(f"create upload {key}", {}) as after:
            answer = self.s3.create_multipart_upload(
                Bucket=ALPHA, Key=key, ContentType=TYPE.content_type or ""
            )
            fact: Fact = ("upload", ALPHA, key.encode(), answer["UploadId"])
            after[fact] = frozenset[Any]()
        there: dict[int, str] = {}
        for number, body in enumerate(bodies, 1):
            there[number] = md5_of(body)
            with self.history.step(f"upload part {number} of {key}", {fact: frozenset(there.items())}):
                self.s3.upload_part(
                    Bucket=ALPHA, Key=key, UploadId=answer["UploadId"], PartNumber=number, Body=body
                )
        return fact, answer["UploadId"]

    def complete(self, key: str, *bodies: bytes) -> None:
        fact, upload_id = self.upload(key, *bodies)
        digests = b"".join(bytes.fromhex(md5_of(body)) for body in bodies)
        value = shown(b"".join(bodies), f"{md5_of(digests)}-{len(bodies)}")
        parts = [{"PartNumber": number, "ETag": md5_of(body)} for number, body in enumerate(bodies, 1)]
        with self.history.step(f"complete {key}", {thing(key): value, fact: None}):
            self.s3.complete_multipart_upload(
                Bucket=ALPHA, Key=key, UploadId=upload_id, MultipartUpload={"Parts": parts}
            )

    def abort(self, key: str, *bodies: bytes) -> None:
        fact, upload_id = self.upload(key, *bodies)
        with self.history.step(f"abort {key}", {fact: None}):
            self.s3.abort_multipart_upload(Bucket=ALPHA, Key=key, UploadId=upload_id)

    # ---- on the mount
    def path(self, key: str) -> Path:
        assert self.service.mount is not None
        return self.service.mount / ALPHA / key

    def create(self, key: str, data: bytes) -> None:
        """A new file, then fsync(2) of it and of its directory."""
        with self.history.step(f"create {key}", {content(key): data}, torn=True):
            self._write(key, data, os.O_CREAT | os.O_EXCL, os.fsync)
            self._sync_directory(key)

    def overwrite(self, key: str, data: bytes) -> None:
        """In place, as long as what was there, then fdatasync(2)."""
        with self.history.step(f"overwrite {key}", {content(key): data}, torn=True):
            self._write(key, data, 0, os.fdatasync)

    def overwrite_by_flag(self, key: str, data: bytes, flag: int) -> None:
        """What O_SYNC and O_DSYNC promise: on the disk when write(2) returns."""
        with self.history.step(f"overwrite {key} by flag", {content(key): data}, torn=True):
            self._write(key, data, flag, lambda fd: None)

    def overwrite_mapped(self, key: str, data: bytes) -> None:
        """By a shared mapping and msync(2)."""
        with (
            self.history.step(f"map {key}", {content(key): data}, torn=True),
            self.path(key).open("r+b") as file,
            mmap.mmap(file.fileno(), len(data)) as mapped,
        ):
            mapped[:] = data
            mapped.flush()

    def append(self, key: str, before: bytes, data: bytes) -> None:
        with self.history.step(f"append to {key}", {content(key): before + data}, torn=True):
            self._write(key, data, os.O_APPEND, os.fsync)

    def replace(self, key: str, data: bytes) -> None:
        """What an editor does: another file, whole and synced, is renamed over it."""
        other = key + ".new"
        with self.history.step(f"write {other}", {content(other): ANYTHING}, promised=False):
            self._write(other, data, os.O_CREAT | os.O_EXCL, os.fsync)
        with self.history.step(f"replace {key}", {content(other): None, content(key): data}):
            self.path(other).rename(self.path(key))
            self._sync_directory(key)

    def unlink(self, key: str) -> None:
        with self.history.step(f"unlink {key}", {content(key): None}):
            self.path(key).unlink()
            self._sync_directory(key)

    def move(self, key: str, new: str, data: bytes) -> None:
        with self.history.step(f"mv {key} {new}", {content(key): None, content(new): data}):
            self.path(key).rename(self.path(new))
            self._sync_directory(new)
            self._sync_directory(key)

    def write_unsynced(self, key: str, data: bytes, *, force: bool = False) -> None:
        """No promise but a true ETag. `force`: the bytes go to the disk at once, and nothing else does."""
        with self.history.step(f"write {key}", {content(key): ANYTHING}, promised=False):
            self._write(key, data, os.O_CREAT, lambda fd: None)
            if force:
                self._send_pages(key)

    def shorten_and_overwrite(self, key: str, data: bytes) -> None:
        """Cut a byte off, then write all bytes in place, which go to the disk before anything else does."""
        with (
            self.history.step(f"shorten {key}", {content(key): ANYTHING}, promised=False),
            self.path(key).open("r+b", buffering=0) as file,
        ):
            file.truncate(len(data) - 1)
            file.write(data)
            self._send_pages(key)

    def _write(self, key: str, data: bytes, flags: int, sync: Callable[[int], None]) -> None:
        fd = os.open(self.path(key), os.O_WRONLY | flags, 0o644)
        try:
            assert os.write(fd, data) == len(data)
            sync(fd)
        finally:
            os.close(fd)

    def _sync_directory(self, key: str) -> None:
        fd = os.open(self.path(key).parent, os.O_RDONLY | os.O_DIRECTORY)
        try:
            os.fsync(fd)
        finally:
            os.close(fd)

    def _send_pages(self, key: str) -> None:
        """As the kernel does when it runs out of memory: the file's pages without its inode or a journal."""
        fd = os.open(self.service.store / ALPHA / key, os.O_RDONLY)
        try:
            libc = ctypes.CDLL(None, use_errno=True)
            if libc.sync_file_range(fd, ctypes.c_int64(0), ctypes.c_int64(0), _WRITE_AND_WAIT) != 0:
                raise OSError(ctypes.get_errno(), "sync_file_range")
        finally:
            os.close(fd)


def thing(key: str) -> Fact:
    return ("object", ALPHA, key.encode())


def content(key: str) -> Fact:
    return ("content", ALPHA, key.encode())


def run_once(c: Clients) -> None:
    """One of each, one after the other."""
    c.create_bucket(ALPHA)
    c.create_bucket(BETA)
    c.put("k", OLD, colour="blue")
    c.put("x/y/k", NEW)
    c.put("k", LARGE, colour="red")
    c.put("dir/", b"", shape="round")
    c.put("n" * 300, NEW)
    c.copy("k", "copied/k", {thing("copied/k"): shown(LARGE, colour="red")})
    value = shown(LARGE, shape="square")
    c.copy(
        "k", "k", {thing("k"): value}, MetadataDirective="REPLACE", Metadata={"shape": "square"},
        ContentType=TYPE.content_type,
    )  # fmt: skip
    c.rename("x/y/k", "to/k", {thing("x/y/k"): None, thing("to/k"): shown(NEW)})
    c.complete("up/a", PART, LAST)
    c.upload("up/b", LAST)
    c.abort("up/c", LAST)
    _files(c)
    _both(c)
    c.delete("k")
    c.delete_many("to/k", "dir/", "missing")
    c.delete_bucket(BETA)


def _files(c: Clients) -> None:
    c.create("file", OLD)
    c.overwrite("file", NEW)
    c.overwrite_by_flag("file", OLD, os.O_SYNC)
    c.overwrite_by_flag("file", NEW, os.O_DSYNC)
    c.overwrite_mapped("file", OLD)
    c.append("file", OLD, NEW)
    c.replace("file", LARGE)
    c.create("moved", OLD)
    c.path("folder").mkdir()
    c.move("moved", "folder/moved", OLD)
    c.unlink("file")


def _both(c: Clients) -> None:
    c.put_content("shared", OLD)
    c.overwrite("shared", NEW)
    c.put_content("shared", OLD)
    c.write_unsynced("shared", NEW, force=True)
    c.put_content("shortened", OLD)
    c.shorten_and_overwrite("shortened", NEW)
    # What no POSIX caller ever synced becomes the answer of S3.
    c.write_unsynced("loose", NEW)
    c.copy("loose", "loose-copy", {content("loose-copy"): NEW})
    c.rename("loose", "renamed", {content("loose"): None, content("renamed"): NEW})
    c.path("made").mkdir()
    c.put_content("made/below", NEW)


class _Lane:
    """Random operations on keys of its own."""

    KEYS = ("a", "b", "d/a", "d/e/a")

    def __init__(self, clients: Clients, number: int, seed: int) -> None:
        self._clients = clients
        self._rng = random.Random(f"{seed}/{number}")
        self._there: dict[str, bytes | None] = {f"lane-{number}/{key}": None for key in self.KEYS}
        self._count = 0

    def run(self, operations: int) -> None:
        for _ in range(operations):
            self._count += 1
            key = self._rng.choice(list(self._there))
            data = b"%d of %s;" % (self._count, key.encode()) * self._rng.choice((1, 500, 20_000))
            self._one(key, self._there[key], data)

    def _one(self, key: str, old: bytes | None, data: bytes) -> None:
        c = self._clients
        choices: list[Callable[[], bytes | None]] = [lambda: c.put_content(key, data) or data]
        if old is not None:
            same = data[: len(old)].ljust(len(old), b".")
            choices += [
                lambda: c.delete(key, content),
                lambda: c.overwrite(key, same) or same,
                lambda: c.overwrite_by_flag(key, same, os.O_DSYNC) or same,
                lambda: c.append(key, old, data) or old + data,
                lambda: c.replace(key, data) or data,
                lambda: c.unlink(key),
                lambda: self._move(key, old),
                lambda: self._copy(key, old),
                lambda: c.write_unsynced(key, same, force=True) or self._settled(key),
                lambda: c.shorten_and_overwrite(key, same) or self._settled(key),
            ]
        self._there[key] = self._rng.choice(choices)()

    def _settled(self, key: str) -> bytes:
        """What was never synced becomes known again by an answer."""
        data = b"after %d" % self._count
        self._clients.put_content(key, data)
        return data

    def _other(self, key: str) -> str:
        return self._rng.choice([other for other in self._there if other != key])

    def _move(self, key: str, old: bytes) -> None:
        other = self._other(key)
        self._there[other] = old
        self._clients.rename(key, other, {content(key): None, content(other): old})

    def _copy(self, key: str, old: bytes) -> bytes:
        other = self._other(key)
        self._there[other] = old
        self._clients.copy(key, other, {content(other): old})
        return old


def run_lanes(clients: Clients, lanes: int, operations: int, seed: int) -> None:
    """Several clients at once, so that one's sync comes in the middle of another's request."""
    made = [_Lane(clients, number, seed) for number in range(lanes)]
    with ThreadPoolExecutor(lanes) as pool:
        for done in [pool.submit(lane.run, operations) for lane in made]:
            done.result()


# ---- afterwards
def observed_by_clients(service: Service, fact: Fact) -> Any:
    """What a fact is now, over HTTP; for content both doors must say the same."""
    kind, bucket, *what = fact
    with _absent_as_none() as missing:
        if kind == "bucket":
            service.s3.head_bucket(Bucket=bucket)
            return "s3"
        if kind == "upload":
            answer = service.s3.list_parts(Bucket=bucket, Key=what[0].decode(), UploadId=what[1])
            parts = answer.get("Parts", ())
            return frozenset((part["PartNumber"], part["ETag"].strip('"')) for part in parts)
        return _object(service, kind, bucket, what[0].decode())
    assert missing
    return None


def _object(service: Service, kind: str, bucket: str, key: str) -> Shown | bytes:
    answer = service.s3.get_object(Bucket=bucket, Key=key)
    data: bytes = answer["Body"].read()
    etag = answer["ETag"].strip('"')
    assert "-" in etag or etag == md5_of(data), f"{key!r} shows the ETag of other bytes"
    if service.mount is not None and not key.endswith("/") and len(key) < 256:
        assert (service.mount / bucket / key).read_bytes() == data, f"the two doors differ on {key!r}"
    if kind == "content":
        return data
    return Shown(data, etag, answer["ContentType"], tuple(sorted(answer["Metadata"].items())))


@contextmanager
def _absent_as_none() -> Iterator[Sequence[str]]:
    found: list[str] = []
    try:
        yield found
    except ClientError as error:
        if error.response["ResponseMetadata"]["HTTPStatusCode"] != 404:
            raise
        found.append(error.response["Error"]["Code"])
