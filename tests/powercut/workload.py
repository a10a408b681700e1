"""Operations of both views, one after the other, each with what its answer promises."""

from __future__ import annotations

import contextlib
import hashlib
import os
from collections.abc import Iterator
from typing import Any, NamedTuple

from tests.powercut.history import ANYTHING, Fact, History
from tests.powercut.skipping import Died, MortalStore, SkippingStore
from weka_mp.clock import SystemClock
from weka_mp.errors import BucketMissing, NotFound, UploadMissing
from weka_mp.namespace import (
    CompletedPart,
    CompletionRequest,
    ContentHeaders,
    CopyRequest,
    Deletion,
    Namespace,
    NewMetadata,
    NewObject,
    NewUpload,
    RenameRequest,
)
from weka_mp.namespace.records.directories import is_implicit
from weka_mp.namespace.tree.facade import Caller, Tree
from weka_mp.namespace.tree.file_systems import RECORD_NAME, FileSystems, decode
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.namespace.uploads.part_copying import PartCopyRequest
from weka_mp.store.interface import Store
from weka_mp.values import BucketName

__all__ = ["ALPHA", "TOKEN", "Shown", "Workload", "md5_of", "observed", "run"]

ALPHA, BETA, GAMMA = (BucketName(name) for name in ("alpha", "beta", "gamma"))
OLD, NEW, LONGER = b"the old content " * 300, b"the new content " * 300, b"something longer " * 900
PART, LAST = b"part one " * 1000, b"the last part " * 10
SLOT = len(PART)
"""Bytes; whoever runs the workload lowers the minimum size of parts to it."""
TYPE = ContentHeaders(content_type="text/x-test")
TOKEN = "once"
"""Of the client that sends a rename again."""
ROOT_USER = Caller(0, 0)


class Shown(NamedTuple):
    """What S3 shows of an object."""

    data: bytes
    etag: str
    content_type: str | None
    user: tuple[tuple[str, str], ...]


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def shown(data: bytes, etag: str = "", **user: str) -> Shown:
    return Shown(data, etag or md5_of(data), TYPE.content_type, tuple(sorted(user.items())))


def thing(key: bytes, bucket: BucketName = ALPHA) -> Fact:
    return ("object", bucket, key)


def content(key: bytes) -> Fact:
    return ("content", ALPHA, key)


class Workload:
    """What is open on one store: the namespace, another that dies before it answers, and a mount's tree."""

    def __init__(self, store: Store, history: History) -> None:
        self.store = store
        self.history = history
        with history.step("open the store", {}) as after:
            self.namespace = Namespace.open(store)
            after[("store",)] = self.namespace.store_id
        # What it does is what a process did that died before it synced the directories.
        dying = SkippingStore(store, lambda verb, caller: verb == "sync_dir")
        self.dying = Namespace.open(dying)  # type: ignore[arg-type]
        self.tree = Tree(store, self.namespace.locks, SystemClock())

    def close(self) -> None:
        self.tree.close()
        self.dying.close()
        self.namespace.close()

    # ---- S3's operations
    def create_bucket(self, name: BucketName) -> None:
        after = {("bucket", name): "s3", ("owner", name): (1000, 1000)}
        with self.history.step(f"create bucket {name}", after, torn=True):
            self.namespace.create_bucket(name, uid=1000, gid=1000)

    def put(
        self, key: bytes, data: bytes, *, promised: bool = True, as_content: bool = False, **user: str
    ) -> None:
        """`as_content`: callers of the mount will change it, so only its bytes are looked at."""
        namespace = self.namespace if promised else self.dying
        after: dict[Fact, Any] = {content(key): data} if as_content else {thing(key): shown(data, **user)}
        with (
            self.history.step(f"put {key[:20]!r}", after, promised=promised),
            namespace.begin_put(ALPHA, key) as session,
        ):
            session.write(data)
            session.publish(NewObject(md5=bytes.fromhex(md5_of(data)), headers=TYPE, user=user))

    def delete(self, *keys: bytes, promised: bool = True) -> None:
        namespace = self.namespace if promised else self.dying
        with self.history.step(f"delete {keys!r}", {thing(key): None for key in keys}, promised=promised):
            namespace.delete_objects(ALPHA, [Deletion(key) for key in keys])

    def copy(self, source: bytes, target: bytes, value: Shown, replace: NewMetadata | None = None) -> None:
        with self.history.step(f"copy {source!r} to {target!r}", {thing(target): value}):
            self.namespace.copy_object(CopyRequest(ALPHA, source, ALPHA, target, replace=replace))

    def upload(self, key: bytes, *bodies: tuple[int, bytes]) -> str:
        """CreateMultipartUpload and UploadPart; the upload's id."""
        with self.history.step(f"create upload {key!r}", {}) as after:
            upload_id = self.namespace.create_upload(ALPHA, key, NewUpload(headers=TYPE))
            fact = ("upload", ALPHA, key, upload_id)
            after[fact] = frozenset[Any]()
        there: dict[int, str] = {}
        for number, body in bodies:
            there[number] = md5_of(body)
            with (
                self.history.step(f"upload part {number} of {key!r}", {fact: frozenset(there.items())}),
                self.namespace.begin_part(ALPHA, key, upload_id, number, len(body)) as part,
            ):
                part.write(body)
                part.commit(bytes.fromhex(md5_of(body)), {})
        return upload_id

    def copied_upload(self, key: bytes, source: bytes, body: bytes) -> str:
        """CreateMultipartUpload and UploadPartCopy of all of `source`, whose content is `body`."""
        upload_id = self.upload(key)
        after = {("upload", ALPHA, key, upload_id): frozenset({(1, md5_of(body))})}
        with self.history.step(f"copy a part of {key!r}", after):
            self.namespace.copy_part(
                PartCopyRequest(
                    *(ALPHA, source, ALPHA, key, upload_id, 1),
                    select=lambda info: (0, info.size),
                    digest=None,
                    begun=lambda: None,
                )
            )
        return upload_id

    def rename(self, source: bytes, target: bytes, value: Shown) -> None:
        with self.history.step(
            f"rename {source!r} to {target!r}", {thing(source): None, thing(target): value}
        ):
            self.namespace.rename_object(RenameRequest(ALPHA, source, target))

    def rename_prefix(self, source: bytes, target: bytes, name: bytes, value: Shown) -> None:
        """One key moves along; the directory that is replaced was made by a caller, and stays one."""
        after: dict[Fact, Any] = {thing(source + name): None, thing(target + name): value}
        after[("claimed", ALPHA, target.rstrip(b"/"))] = True
        with self.history.step(f"rename {source!r} to {target!r}", after):
            self.namespace.rename_object(RenameRequest(ALPHA, source, target))

    def rename_twice(self, source: bytes, target: bytes, value: Shown) -> None:
        """Its process dies before the answer; it is sent again under the same token."""
        after: dict[Fact, Any] = {thing(source): None, thing(target): value}
        after[("again", ALPHA, source, target)] = True
        with (
            self.history.step(f"rename {source!r}, and die", after, promised=False),
            self.dying_at("sync_dir", "renaming.rename_object") as namespace,
        ):
            namespace.rename_object(RenameRequest(ALPHA, source, target, token=TOKEN))
        with self.history.step(f"rename {source!r} again", after):
            self.namespace.rename_object(RenameRequest(ALPHA, source, target, token=TOKEN))

    @contextlib.contextmanager
    def dying_at(self, verb: str, caller: str) -> Iterator[Namespace]:
        """The namespace of a process that dies at this sync, to which the block must come."""
        namespace = Namespace.open(MortalStore(self.store, (verb, caller)))  # type: ignore[arg-type]
        try:
            yield namespace
        except Died:
            return
        finally:
            namespace.close()
        raise AssertionError(f"{caller} did not come to {verb}")

    def complete(
        self, key: bytes, upload_id: str, *bodies: tuple[int, bytes], dies_first: bool = False
    ) -> None:
        digests = b"".join(hashlib.md5(body, usedforsecurity=False).digest() for _, body in bodies)
        value = shown(b"".join(body for _, body in bodies), f"{md5_of(digests)}-{len(bodies)}")
        after: dict[Fact, Any] = {thing(key): value, ("upload", ALPHA, key, upload_id): None}
        parts = [CompletedPart(number, md5_of(body)) for number, body in bodies]
        if dies_first:
            with (
                self.history.step(f"complete {key!r}, and die", after, promised=False),
                self.dying_at("sync_dir", "publishing.publish_file") as namespace,
            ):
                namespace.complete_upload(CompletionRequest(ALPHA, key, upload_id, parts))
        with self.history.step(f"complete {key!r}", after):
            self.namespace.complete_upload(CompletionRequest(ALPHA, key, upload_id, parts))

    def abort(self, key: bytes, upload_id: str) -> None:
        with self.history.step(f"abort {key!r}", {("upload", ALPHA, key, upload_id): None}):
            self.namespace.abort_upload(ALPHA, key, upload_id)

    # ---- a mount caller's
    def bucket(self) -> int:
        return self.tree.lookup(ROOT, ALPHA.encode()).number

    def write_file(self, name: bytes, data: bytes, flags: int, *, sync: bool) -> None:
        file, _ = self.tree.create(self.bucket(), name, 0o644, flags | os.O_WRONLY, ROOT_USER, wait=True)
        self.tree.files.write(file.handle, data, 0, wait=True)
        if sync:
            self.tree.sync(file.handle, data_only=False)()
        self.tree.files.flush(file.handle)
        self.tree.files.release(file.handle)

    def sync_directory(self) -> None:
        handle = self.tree.directories.open(self.bucket())
        self.tree.directories.sync(handle)
        self.tree.directories.release(handle)

    def mount_create(self, name: bytes, data: bytes) -> None:
        with self.history.step(f"create and fsync {name!r}", {content(name): data}, torn=True):
            self.write_file(name, data, os.O_CREAT | os.O_EXCL, sync=True)
            self.sync_directory()

    def mount_rename_over(self, name: bytes, data: bytes) -> None:
        """What an editor does."""
        with self.history.step("write tmp", {content(b"tmp"): ANYTHING}, promised=False):
            self.write_file(b"tmp", data, os.O_CREAT | os.O_EXCL, sync=True)
        with self.history.step(f"rename over {name!r}", {content(name): data, content(b"tmp"): None}):
            at = self.bucket()
            self.tree.lookup(at, b"tmp")  # as the kernel does before every rename
            self.tree.rename(at, b"tmp", at, name, 0, wait=True)
            self.sync_directory()

    def mount_overwrite(self, name: bytes, data: bytes) -> None:
        """In place, and synced."""
        with self.history.step(f"overwrite and fsync {name!r}", {content(name): data}, torn=True):
            self.write_file(name, data, 0, sync=True)

    def mount_shorten_and_overwrite(self, name: bytes, data: bytes) -> None:
        """Cut a byte off, then write all bytes in place."""
        with self.history.step(f"shorten and overwrite {name!r}", {thing(name): ANYTHING}, promised=False):
            file, _ = self.tree.create(self.bucket(), name, 0o644, os.O_WRONLY, ROOT_USER, wait=True)
            self.tree.files.truncate(file.number, file.handle, len(data) - 1, 0, wait=True)
            self.tree.files.write(file.handle, data, 0, wait=True)
            self.tree.files.release(file.handle)

    def mount_make_directory(self, name: bytes) -> None:
        with self.history.step(f"mkdir and fsync {name!r}", {("claimed", ALPHA, name): True}):
            self.tree.make_directory(self.bucket(), name, 0o755, ROOT_USER)
            self.sync_directory()

    def meet_file_system(self, path: bytes) -> None:
        """Something else seems to be mounted there: its nodes get numbers of their own, for ever."""
        root = self.store.root()
        own = self.store.attr(root).dev
        systems = FileSystems(self.store, own)
        fd = self.store.open_dir(root, path)
        with self.history.step(f"meet {path!r}", {}) as after:
            systems.meet(fd, own + 1, path)
            after[("ordinal", path)] = systems.ordinal(own + 1)
        self.store.close(fd)

    def mount_describe(self, name: bytes, value: Shown, suffix: bytes, text: bytes) -> None:
        """setxattr(2) of ``user.s3.*``, and fsync(2)."""
        with self.history.step(f"describe and fsync {name!r}", {thing(name): value}):
            number = self.tree.lookup(self.bucket(), name).number
            self.tree.xattrs.set(number, b"user.s3." + suffix, text, (0, 0, ()), wait=True)
            file, _ = self.tree.create(self.bucket(), name, 0o644, os.O_RDONLY, ROOT_USER, wait=True)
            self.tree.sync(file.handle, data_only=False)()
            self.tree.files.flush(file.handle)
            self.tree.files.release(file.handle)

    def mount_write_unsynced(self, name: bytes, data: bytes) -> None:
        """In place, as long as what was there; then the filler looks at it. Nobody asked for a sync."""
        with self.history.step(f"write {name!r} in place", {thing(name): ANYTHING}, promised=False):
            self.write_file(name, data, 0, sync=False)
        with self.history.step(f"fill {name!r}", {thing(name): ANYTHING}, promised=False):
            report = self.namespace.fill(ALPHA)
            assert report.filled or not self.store.primitives.leases, report


def observed(namespace: Namespace, fact: Fact) -> Any:
    """What a fact is now. Whatever shows a true ETag over other bytes fails here."""
    kind, *what = fact
    if kind == "store":
        return namespace.store_id
    try:
        if kind == "bucket":
            return namespace.head_bucket(what[0]).source
        if kind == "owner":
            with namespace.context.bucket(what[0]) as fd:
                attr = namespace.store.attr(fd)
            return (attr.uid, attr.gid)
        if kind == "registered":
            return namespace._buckets._registry.read(what[0])
        if kind == "again":
            return True  # that is tried when all has been looked at
        if kind == "claimed":
            return _is_claimed(namespace, *what)
        if kind == "ordinal":
            return _ordinal(namespace, *what)
        if kind == "upload":
            return _parts(namespace, *what)
        return _object(namespace, *what) if kind == "object" else _content(namespace, *what)
    except (NotFound, BucketMissing, UploadMissing):
        return None


def _is_claimed(namespace: Namespace, bucket: BucketName, name: bytes) -> bool:
    """Whether a directory stays when its last key goes."""
    store = namespace.store
    with namespace.context.bucket(bucket) as above, contextlib.ExitStack() as stack:
        fd = store.open_dir(above, name)
        stack.callback(store.close, fd)
        return not is_implicit(store, fd)


def _ordinal(namespace: Namespace, path: bytes) -> int | None:
    found = namespace.context.store.open_file(namespace.context.control, RECORD_NAME, os.O_RDONLY)
    try:
        systems = decode(namespace.store.read(found, 1 << 16, 0))
    finally:
        namespace.store.close(found)
    return next((system.ordinal for system in systems.values() if system.path == path), None)


def _object(namespace: Namespace, bucket: BucketName, key: bytes) -> Shown:
    with namespace.open_object(bucket, key) as found:
        info = found.info
        data = namespace.store.read(found.fd, found.size, 0) if found.size else b""
    assert len(data) == info.size
    assert "-" in info.etag or info.etag == md5_of(data), f"{key!r} shows the ETag of other bytes"
    return Shown(data, info.etag, info.headers.content_type, tuple(sorted(info.user.items())))


def _content(namespace: Namespace, bucket: BucketName, key: bytes) -> bytes:
    return _object(namespace, bucket, key).data


def _parts(namespace: Namespace, bucket: BucketName, key: bytes, upload_id: str) -> frozenset[Any]:
    upload, _ = namespace._uploads.open(bucket, key, upload_id)
    with contextlib.closing(upload):
        found = [upload.part(number) for number in range(1, 4)]
    return frozenset((part.number, part.etag) for part in found if part is not None)


def run(workload: Workload) -> None:
    """All of it."""
    for chapter in (
        *(_buckets_and_puts, _directories, _copies, _renames),
        *(_uploads, _mount, _deletions, _unanswered),
    ):
        chapter(workload)


def _buckets_and_puts(w: Workload) -> None:
    w.create_bucket(ALPHA)
    w.create_bucket(BETA)
    w.put(b"k", OLD, colour="blue")
    w.put(b"x/y/z/k", NEW)
    w.put(b"x/y/z/l", b"")
    w.put(b"x/m", NEW)
    w.put(b"k", LONGER, colour="red")
    w.put(b"..//" + b"n" * 300, NEW)
    w.put(b"described", NEW, text="more than an inode has room for " * 200)


def _directories(w: Workload) -> None:
    w.put(b"dir/", OLD)
    w.put(b"dir/", LONGER, shape="round")
    w.put(b"empty/", b"")
    w.put(b"empty/", b"", shape="flat")
    w.put(b"gone/", NEW)
    w.delete(b"gone/")


def _copies(w: Workload) -> None:
    w.copy(b"k", b"copied/k", shown(LONGER, colour="red"))
    w.copy(b"k", b"k", shown(LONGER, shape="square"), NewMetadata(TYPE, {"shape": "square"}))


def _renames(w: Workload) -> None:
    w.put(b"from/here", OLD, shape="long")
    w.rename(b"from/here", b"to/there", shown(OLD, shape="long"))
    w.put(b"from/there", NEW)
    w.rename(b"from/there", b"to/there", shown(NEW))
    w.put(b"keeps/other", OLD)
    w.put(b"keeps/here", OLD)
    w.rename(b"keeps/here", b"to/kept", shown(OLD))
    # What a POSIX writer never synced is renamed over what was acknowledged.
    w.mount_create(b"kept", OLD)
    with w.history.step("write loose", {content(b"loose"): ANYTHING}, promised=False):
        w.write_file(b"loose", NEW, os.O_CREAT | os.O_EXCL, sync=False)
    with w.history.step("rename over kept", {content(b"loose"): None, content(b"kept"): NEW}):
        w.namespace.rename_object(RenameRequest(ALPHA, b"loose", b"kept"))
    w.put(b"prefix/k", OLD)
    w.mount_make_directory(b"made")
    w.rename_prefix(b"prefix/", b"made/", b"k", shown(OLD))
    w.put(b"once", OLD)
    w.rename_twice(b"once", b"twice", shown(OLD))


def _uploads(w: Workload) -> None:
    in_order = (1, PART), (2, LAST)
    w.complete(b"up/a", w.upload(b"up/a", *in_order), *in_order)
    w.complete(b"up/b", w.upload(b"up/b", *reversed(in_order)), *in_order)
    w.upload(b"up/c", (1, PART), (2, LAST), (2, LAST[1:]))
    w.abort(b"up/d", w.upload(b"up/d", (1, PART)))
    w.complete(b"up/e", w.copied_upload(b"up/e", b"k", LONGER), (1, LONGER))
    w.complete(b"up/f", w.upload(b"up/f", (1, PART)), (1, PART), dies_first=True)


def _mount(w: Workload) -> None:
    w.mount_create(b"file", OLD)
    w.mount_rename_over(b"file", LONGER)
    w.put(b"edited", OLD, as_content=True)
    w.mount_overwrite(b"edited", NEW)
    w.put(b"described by a file", OLD)
    w.mount_describe(b"described by a file", shown(OLD, shape="round"), b"meta.shape", b"round")
    w.put(b"inplace", OLD)
    w.mount_write_unsynced(b"inplace", NEW)
    w.put(b"shortened", OLD)
    w.mount_shorten_and_overwrite(b"shortened", NEW)
    w.meet_file_system(ALPHA.encode())


def _deletions(w: Workload) -> None:
    w.delete(b"x/y/z/k")
    w.delete(b"x/y/z/l", b"x/m")
    w.delete(b"empty/")
    registered = ("registered", b"%d" % w.namespace.head_bucket(BETA).ino)
    with w.history.step("look at bucket beta", {}) as after:
        after[registered] = observed(w.namespace, registered)
    with w.history.step(
        "delete bucket beta", {("bucket", BETA): None, ("owner", BETA): None, registered: None}
    ):
        w.namespace.delete_bucket(BETA)


def _unanswered(w: Workload) -> None:
    """What is answered here relies on what requests did that were not."""
    w.put(b"late/1/a", OLD, promised=False)
    w.put(b"late/1/b", NEW)
    w.put(b"k", OLD, promised=False)
    w.delete(b"k", promised=False)
    w.delete(b"k")
    w.put(b"copied/deep/er", OLD)
    w.delete(b"copied/deep/er", promised=False)
    w.delete(b"copied/deep/er")
    owner = ("owner", GAMMA)
    with w.history.step("make bucket gamma", {("bucket", GAMMA): ANYTHING, owner: ANYTHING}, promised=False):
        w.dying.create_bucket(GAMMA, uid=1000, gid=1000)
    with w.history.step("settle bucket gamma", {("bucket", GAMMA): "s3", owner: (1000, 1000)}):
        w.namespace.settle_bucket(GAMMA)


def run_on_journal(w: Workload) -> None:
    """What only a file system gives that commits changes of attributes and lengths in their order."""
    w.mount_create(b"rewritten", OLD)
    with w.history.step("rewrite", {content(b"rewritten"): ANYTHING}, promised=False):
        w.write_file(b"rewritten", NEW, os.O_TRUNC, sync=False)
    w.put(b"after/it", OLD)
