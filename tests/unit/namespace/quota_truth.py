"""What a bucket uses, counted without its account; and both doors to a store in memory."""

from __future__ import annotations

import os
import stat

from tests.unit.namespace.kit import BUCKET, put
from weka_mp.clock import SystemClock
from weka_mp.errors import NamespaceError
from weka_mp.namespace import CompletedPart, CompletionRequest, Namespace, NewUpload
from weka_mp.namespace.tree.facade import Tree
from weka_mp.namespace.tree.file_rules import FileRules
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.namespace.tree.requests import Caller
from weka_mp.values import Attr, BucketName, Fd

ME = Caller(0, 0)


class Doors:
    """S3's verbs and the mount's, by names: each raises what the namespace raises."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.store = namespace.store
        self.tree = Tree(
            namespace.store, namespace.locks, SystemClock(), rules=FileRules(quotas=namespace.context.quotas)
        )

    def close(self) -> None:
        self.tree.close()

    # ---- the mount
    def number(self, path: str) -> int:
        number = ROOT
        for name in path.split("/"):
            number = self.tree.lookup(number, name.encode()).number
        return number

    def place(self, path: str) -> tuple[int, bytes]:
        above, _, name = path.rpartition("/")
        return (self.number(above) if above else ROOT), name.encode()

    def open(self, path: str, flags: int = 0) -> int:
        file, number = self.tree.create(*self.place(path), 0o644, os.O_RDWR | flags, ME, wait=True)
        self.tree.referred(number)
        return file.handle

    def write_at(self, handle: int, offset: int, size: int) -> None:
        self.tree.files.write(handle, b"w" * size, offset, wait=True)

    def close_file(self, handle: int) -> None:
        self.tree.files.flush(handle)
        self.tree.files.release(handle)

    def write(self, path: str, size: int) -> None:
        handle = self.open(path, os.O_TRUNC)
        try:
            self.write_at(handle, 0, size)
        finally:
            self.close_file(handle)

    def truncate(self, path: str, size: int) -> None:
        self.tree.resize(self.number(path), size, None, ME, wait=True)

    def unlink(self, path: str) -> None:
        self.tree.unlink(*self.place(path), wait=True)

    def rename(self, path: str, new: str, flags: int = 0) -> None:
        self.number(path)  # as the kernel looks it up before
        if flags:
            self.number(new)
        self.tree.rename(*self.place(path), *self.place(new), flags, wait=True)

    def link(self, path: str, new: str) -> None:
        self.tree.link(self.number(path), *self.place(new), wait=True)

    def mkdir(self, path: str) -> None:
        self.tree.make_directory(*self.place(path), 0o755, ME)

    # ---- S3
    def put(self, key: str, size: int, bucket: BucketName = BUCKET) -> None:
        self.told(put(self.namespace, key.encode(), b"p" * size, bucket=bucket).changes)

    def delete(self, key: str, bucket: BucketName = BUCKET) -> None:
        self.told(self.namespace.delete_object(bucket, key.encode()).changes)

    def upload(self, key: str, sizes: list[int], bucket: BucketName = BUCKET) -> tuple[str, list[str]]:
        upload_id = self.namespace.create_upload(bucket, key.encode(), NewUpload())
        return upload_id, [self.part(key, upload_id, n, size, bucket) for n, size in enumerate(sizes, 1)]

    def part(self, key: str, upload_id: str, number: int, size: int, bucket: BucketName = BUCKET) -> str:
        with self.namespace.begin_part(bucket, key.encode(), upload_id, number, size) as session:
            session.write(b"u" * size)
            return session.commit(number.to_bytes(16, "big"), {}).etag

    def complete(self, key: str, upload: tuple[str, list[str]], bucket: BucketName = BUCKET) -> None:
        parts = [CompletedPart(number, etag, {}) for number, etag in enumerate(upload[1], 1)]
        request = CompletionRequest(bucket, key.encode(), upload[0], parts)
        self.told(self.namespace.complete_upload(request).changes)

    def told(self, changes: tuple[object, ...]) -> None:
        """What a worker tells a mount before it answers."""
        for change in changes:
            old = getattr(change, "old", None)
            for number in self.tree.nodes.known(old) if old is not None else ():
                self.tree.removed_elsewhere(number)

    # ---- what is true
    def used(self, bucket: BucketName = BUCKET) -> int:
        state = self.namespace.quotas.find(bucket)
        assert state is not None
        return state.used

    def truth(self, bucket: BucketName = BUCKET, parts: int = 0) -> int:
        """Every file of the bucket once, those without a name that the mount has open, and `parts` bytes."""
        found: dict[int, int] = {}
        self._count(self.store.root(), bucket.encode(), found)
        for attr in self._open_without_name():
            found[attr.ino] = attr.size
        return sum(found.values()) + parts

    def without_name(self) -> int:
        """Of that, bytes of open files without a name."""
        return sum({attr.ino: attr.size for attr in self._open_without_name()}.values())

    def _open_without_name(self) -> list[Attr]:
        attrs = [self.store.attr(file.fd) for file in self.tree.files._files.values()]
        return [attr for attr in attrs if attr.nlink == 0]

    def _count(self, at: Fd, name: bytes, found: dict[int, int]) -> None:
        try:
            directory = self.store.open_dir(at, name)
        except NamespaceError:
            attr = self.store.attr_at(at, name)
            if stat.S_ISREG(attr.mode):
                found[attr.ino] = attr.size
            return
        for entry in self.store.entries(directory):
            self._count(directory, entry.name, found)
        self.store.close(directory)
