"""Each call of the store fails once under each operation of the mount.

The caller is told what the store said, or got what was asked for; nothing is held, the same again succeeds.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import dataclass, replace

import pytest

from tests.unit.namespace.kit import BUCKET, put
from weka_mp.clock import SystemClock
from weka_mp.errors import (
    Interrupted,
    IoFailure,
    NamespaceError,
    NoSpace,
    NotFound,
    OutOfResources,
    QuotaExceeded,
    ReadOnly,
)
from weka_mp.fuse.errno_map import errno_of
from weka_mp.namespace import Namespace
from weka_mp.namespace.tree.facade import AttrChange, Caller, Tree
from weka_mp.namespace.tree.nodes import ROOT
from weka_mp.store.faulty import Fault, FaultyStore
from weka_mp.store.memory import MemoryStore
from weka_mp.store.memory_inodes import ALL_PRIMITIVES

ERRORS = (NoSpace, QuotaExceeded, ReadOnly, IoFailure, Interrupted, OutOfResources)
ME = Caller(0, 0)
OLD = b"the old content"
METADATA = {"large": "x" * 900}
ACL = b"system.posix_acl_access"
DONE_BEFORE = {"NotFound", "Exists", "NotEmpty", "NoAttribute"}
SURE = {"close"}  # of a descriptor that is open, which no disk is asked about


@dataclass
class Mounted:
    """A tree over a store with a directory ``d`` that keys made, an object ``d/k`` in it and a file ``f``."""

    memory: MemoryStore
    store: FaultyStore
    namespace: Namespace
    tree: Tree
    bucket: int
    directory: int
    file: int


def mounted() -> Mounted:
    memory = MemoryStore(replace(ALL_PRIMITIVES, xattr_bytes=3500))  # as on ext4
    store = FaultyStore(memory)
    namespace = Namespace.open(store)
    namespace.create_bucket(BUCKET)
    put(namespace, b"d/k", OLD)
    put(namespace, b"f", OLD, user=METADATA)
    fd = memory.open_file(memory.root(), b"bucket/f", os.O_RDWR)
    memory.set_xattr(fd, "user.own", b"mine")
    memory.close(fd)
    tree = Tree(store, namespace.locks, SystemClock())
    bucket = tree.lookup(ROOT, b"bucket").number
    directory, file = tree.lookup(bucket, b"d").number, tree.lookup(bucket, b"f").number
    tree.nodes._descriptors.drop(file)  # as when many are in use: it is found again
    return Mounted(memory, store, namespace, tree, bucket, directory, file)


def _open_write(at: Mounted) -> None:
    opened, _ = at.tree.files.open(at.file, os.O_RDWR, 0, truncate=False, wait=True)
    try:
        at.tree.files.write(opened.handle, b"the new", 0, wait=True)
        at.tree.files.flush(opened.handle)
    finally:
        at.tree.files.release(opened.handle)


def _create(at: Mounted) -> None:
    opened, _ = at.tree.create(at.directory, b"new", 0o644, os.O_RDWR, ME, wait=True)
    try:
        at.tree.files.write(opened.handle, b"bytes", 0, wait=True)
    finally:
        at.tree.files.release(opened.handle)


def _read(at: Mounted) -> None:
    opened, _ = at.tree.files.open(at.file, os.O_RDONLY, 0, truncate=False, wait=True)
    try:
        at.tree.files.read(opened.handle, 100, 0)
        at.tree.sync(opened.handle, data_only=False)()
    finally:
        at.tree.files.release(opened.handle)


def _list(at: Mounted) -> None:
    handle = at.tree.directories.open(at.directory)
    try:
        at.tree.directories.sync(handle)
    finally:
        at.tree.directories.release(handle)


def _exchange(at: Mounted) -> None:
    for directory, name in ((at.bucket, b"f"), (at.directory, b"k")):
        at.tree.lookup(directory, name)  # as the kernel does
    at.tree.rename(at.bucket, b"f", at.directory, b"k", 2, wait=True)


def _set_large(at: Mounted) -> None:
    """What leaves no room, unless the record moves its metadata to a file of its own."""
    at.tree.xattrs.set(at.file, b"user.large", b"v" * 100, (0, 0, ()), wait=True)
    assert at.tree.xattrs.get(at.file, b"user.large", 0) == b"v" * 100


def _set_s3(at: Mounted) -> None:
    at.tree.xattrs.set(at.file, b"user.s3.meta.x", b"y", (0, 0, ()), wait=True)
    assert at.namespace.head_object(BUCKET, b"f").user == METADATA | {"x": "y"}


def _list_xattrs(at: Mounted) -> None:
    assert at.tree.xattrs.list(at.file, 0) == [b"user.own", b"user.s3.meta.large"]


OPERATIONS: dict[str, Callable[[Mounted], object]] = {
    "lookup": lambda at: at.tree.lookup(at.directory, b"k"),
    "getattr": lambda at: at.tree.attributes(at.file),
    "create": _create,
    "write": _open_write,
    "read": _read,
    "readdir": _list,
    "truncate": lambda at: at.tree.resize(at.file, 3, None, ME, wait=True),
    "chmod": lambda at: at.tree.change(at.file, AttrChange(mode=0o600)),
    "utimens": lambda at: at.tree.change(at.file, AttrChange(mtime_ns=5)),
    "mkdir": lambda at: at.tree.make_directory(at.directory, b"sub", 0o755, ME),
    "mknod": lambda at: at.tree.make_node(at.directory, b"node", 0o100644, 0, ME),
    "symlink": lambda at: at.tree.make_symlink(at.directory, b"way", b"k", ME),
    "link": lambda at: at.tree.link(at.file, at.directory, b"second"),
    "unlink": lambda at: at.tree.unlink(at.directory, b"k", wait=True),
    "rmdir": lambda at: at.tree.remove_directory(at.bucket, b"d", wait=True),
    "rename": lambda at: at.tree.rename(at.bucket, b"f", at.directory, b"moved", 0, wait=True),
    "rename-over": lambda at: at.tree.rename(at.bucket, b"f", at.directory, b"k", 0, wait=True),
    "rename-exchange": _exchange,
    "getxattr": lambda at: at.tree.xattrs.get(at.file, b"user.own", 0),
    "getxattr-etag": lambda at: at.tree.xattrs.get(at.file, b"user.s3.etag", 0, wait=True),
    "getxattr-metadata": lambda at: at.tree.xattrs.get(at.file, b"user.s3.meta.large", 0),
    "setxattr": _set_large,
    "setxattr-directory": lambda at: at.tree.xattrs.set(at.directory, b"user.x", b"y", (0, 0, ())),
    "setxattr-acl": lambda at: at.tree.xattrs.set(at.file, ACL, b"\2\0\0\0", (7, 7, (7,)), wait=True),
    "setxattr-metadata": _set_s3,
    "removexattr": lambda at: at.tree.xattrs.remove(at.file, b"user.own", 0, wait=True),
    "removexattr-metadata": lambda at: at.tree.xattrs.remove(at.file, b"user.s3.meta.large", 0, wait=True),
    "listxattr": _list_xattrs,
    "statfs": lambda at: at.tree.totals(),
}


def count_of(name: str) -> list[str]:
    at = mounted()
    at.store.begin()
    _attempt(name, at)
    return [call.verb for call in at.store.calls]


def _attempt(name: str, at: Mounted) -> NamespaceError | None:
    try:
        OPERATIONS[name](at)
    except NamespaceError as error:
        return error
    return None


def _faults(name: str, every: bool) -> list[Fault]:
    faults = []
    for nth, verb in enumerate(count_of(name), 1):
        if verb not in SURE | {"acting_as"}:
            errors = ERRORS if every else (ERRORS[(nth + len(name)) % len(ERRORS)],)
            faults += [Fault(error, nth) for error in errors]
    return faults


def _one(name: str, fault: Fault) -> None:
    at, clean = mounted(), mounted()
    # What the operation leaves open when nothing fails, and when it is done again.
    spare, twice = ((_attempt(name, clean), clean.memory.open_descriptors())[1] for _ in range(2))
    before = at.memory.open_descriptors()
    at.store.begin(fault)
    error = _attempt(name, at)
    verb = at.store.calls[fault.nth - 1].verb
    where = f"{name}: {fault} at {verb}: {error!r}"
    at.store.begin()
    assert (at.memory.held_locks(), len(at.namespace.locks._held)) == (0, 0), where
    assert at.tree.files.figures() == {"open_files": 0, "open_inodes": 0}, where
    assert at.tree.directories.figures() == {"open_directories": 0}, where
    assert min(before, spare) <= at.memory.open_descriptors() <= max(before, spare), where
    if error is not None and not isinstance(error, NotFound):
        assert isinstance(error, fault.error) or name == "rmdir", where
        assert errno_of(error) > 0
    again = _attempt(name, at)
    assert again is None or type(again).__name__ in DONE_BEFORE, (where, repr(again))
    assert at.memory.open_descriptors() <= max(before, spare, twice), where


@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_one_failing_call(name: str) -> None:
    """The errors take turns by the place of the call."""
    for fault in _faults(name, every=False):
        _one(name, fault)


@pytest.mark.soak
@pytest.mark.parametrize("name", sorted(OPERATIONS))
def test_one_failing_call_with_every_error(name: str) -> None:
    for fault in _faults(name, every=True):
        _one(name, fault)
