"""What tests of the namespace share: stores with fewer primitives, a clock that tests decide, short verbs."""

from __future__ import annotations

import contextlib
import hashlib
import threading
from collections.abc import Callable
from dataclasses import replace
from typing import Any

from weka_mp.clock import Clock
from weka_mp.errors import Exists, NamespaceError
from weka_mp.namespace import Namespace, NewObject, Published, WriteConditions
from weka_mp.store.memory import MemoryStore
from weka_mp.store.memory_inodes import ALL_PRIMITIVES
from weka_mp.values import BucketName, Fd

BUCKET = BucketName("bucket")

FEWER: dict[str, dict[str, Any]] = {
    "all": {},
    "no-unnamed": {"unnamed_files": False},
    "no-noreplace": {"unnamed_files": False, "rename_noreplace": False},
    "no-leases": {"leases": False},
    "coarse": {"change_grain_ns": 10_000_000},
    "no-handles": {"file_handles": False},
}


class FixedClock:
    """Stands still until told; the coarse time is cut to 4 ms. `boots`: how often the machine was started."""

    def __init__(self, now_ns: int = 1_700_000_000_123_456_789) -> None:
        self.at_ns = now_ns
        self.since_boot_ns = 10**12
        self.boots = 1

    def now_ns(self) -> int:
        return self.at_ns

    def coarse_ns(self) -> int:
        return self.at_ns - self.at_ns % 4_000_000

    def passed_ns(self) -> int:
        return self.since_boot_ns

    def boot(self) -> str:
        return f"boot {self.boots}"

    def advance(self, ns: int) -> None:
        """Time passes."""
        self.at_ns += ns
        self.since_boot_ns += ns

    def set_ahead(self, ns: int) -> None:
        """Somebody sets the clock; negative: back."""
        self.at_ns += ns

    def reboot(self, off_ns: int) -> None:
        """The machine is off for this long."""
        self.at_ns += off_ns
        self.since_boot_ns = 10**9
        self.boots += 1


def memory_store(clock: Clock | None = None, **fewer: Any) -> MemoryStore:
    return MemoryStore(replace(ALL_PRIMITIVES, **fewer), clock=clock)


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def put(
    namespace: Namespace,
    key: bytes,
    data: bytes = b"",
    conditions: WriteConditions | None = None,
    *,
    bucket: BucketName = BUCKET,
    **record: Any,
) -> Published:
    with namespace.begin_put(bucket, key, size_hint=len(data)) as session:
        session.write(data)
        new = NewObject(md5=bytes.fromhex(md5_of(data)), **record)
        return session.publish(new, conditions or WriteConditions())


def get(namespace: Namespace, key: bytes, bucket: BucketName = BUCKET) -> bytes:
    with namespace.open_object(bucket, key) as found:
        data = namespace.store.read(found.fd, found.size, 0) if found.size else b""
        assert found.still_same()
        assert len(data) == found.size
        return data


def keys(namespace: Namespace, bucket: BucketName = BUCKET, **query: Any) -> list[bytes]:
    return [getattr(row, "key", None) or row.prefix for row in namespace.list_objects(bucket, **query).items]


def tree(store: Any, at: Fd | None = None, path: bytes = b"") -> dict[bytes, bytes | None]:
    """Every path below the root: bytes of a file, None of anything else."""
    found: dict[bytes, bytes | None] = {}
    directory = store.root() if at is None else at
    for entry in store.entries(directory):
        here = path + entry.name
        try:
            inner = store.open_dir(directory, entry.name)
        except NamespaceError:
            found[here] = contents(store, directory, entry.name)
            continue
        found[here + b"/"] = None
        found |= tree(store, inner, here + b"/")
        store.close(inner)
    return found


def contents(store: Any, directory: Fd, name: bytes) -> bytes | None:
    try:
        fd = store.open_file(directory, name, 0)
    except NamespaceError:
        return None
    try:
        return bytes(store.read(fd, 1 << 30, 0))
    except NamespaceError:
        return None  # a fifo
    finally:
        store.close(fd)


def posix_write(store: Any, path: bytes, data: bytes, bucket: BucketName = BUCKET) -> None:
    """What a program beside S3 does: make the directories, write the file."""
    at = store.open_dir(store.root(), bucket.encode())
    *parents, name = path.split(b"/")
    for parent in parents:
        with contextlib.suppress(Exists):  # made for an earlier file
            store.mkdir(at, parent, 0o755)
        inner = store.open_dir(at, parent)
        store.close(at)
        at = inner
    fd = store.open_file(at, name, 0o1101, 0o644)  # O_WRONLY | O_CREAT | O_TRUNC
    store.write(fd, data, 0)
    store.close(fd)
    store.close(at)


def in_threads(*works: Callable[[], Any]) -> list[Any]:
    """Run all at once from a common start; results or exceptions, in order."""
    results: list[Any] = [None] * len(works)
    start = threading.Barrier(len(works))

    def run(number: int) -> None:
        start.wait()
        try:
            results[number] = works[number]()
        except NamespaceError as error:
            results[number] = error

    threads = [threading.Thread(target=run, args=(number,)) for number in range(len(works))]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return results
