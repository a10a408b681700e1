"""Files that mount callers have open: writer marks, hashing while written, and writers that end when they
are closed.

close(2) waits for FLUSH but not for RELEASE, and a process that closed a file must find its ETag final
(docs/SEMANTICS.md, 2 and 3). So at FLUSH the last writer of an inode is *rested*: its writable descriptor
is exchanged for a read-only one, which lets read leases be granted, and the MD5 is recorded. A write that
still comes (a duplicate of the descriptor, a mapping) opens the inode for writing again. Whatever would
have to wait (for a lease to be given back) raises WouldBlock unless `wait` is set; the caller then calls
again from a thread that may block.

The writer mark is set before the first write or truncation by an open file, and once more before the first
that changes or cuts off bytes which are there. Before bytes that are there change, the mark is on the disk:
they may get there long before their new time does, and a power cut would leave them under the old ETag.
(Cutting off all of them needs no sync: they are freed in the step that brings the mark to the disk, or
later.) The open itself sets none: every write passes through here, no lease can be granted (so no mark be
lifted) while the descriptor is open, and an open that writes nothing (touch, an editor that only looks)
leaves the ETag as it was. Where there are no leases a mark may be lifted at any time, so it is set before
every write.
"""

from __future__ import annotations

import itertools
import logging
import os
import stat
import threading
from collections.abc import Iterator
from contextlib import contextmanager

from weka_mp.clock import Clock
from weka_mp.errors import IsDirectory, NamespaceError, OutOfResources, Stale, WouldBlock
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.quotas.ledger import Ledger
from weka_mp.namespace.records.etags import (
    adopt_hash,
    has_durable_overwriter,
    mark_overwriter,
    mark_writer,
    sync_overwriter,
)
from weka_mp.namespace.tree.file_rules import FileRules, OnDirty, privileges_kept
from weka_mp.namespace.tree.node_quotas import Holding, Known, NodeQuotas
from weka_mp.namespace.tree.node_versions import NodeVersions
from weka_mp.namespace.tree.nodes import Nodes
from weka_mp.namespace.tree.watching import Watching
from weka_mp.namespace.tree.write_hash import WriteHash
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["OpenFile", "OpenFiles"]

_log = logging.getLogger(__name__)


class OpenFile:
    """One open(2) through the mount. `fd` changes when a writer is rested or roused.

    Descriptors are closed by FLUSH and RELEASE only, which run on one thread. Another thread that uses `fd`
    holds `lock`, which FLUSH respects, and is done before RELEASE comes.
    """

    __slots__ = (
        *("access", "fd", "handle", "lock", "marked", "number"),
        *("kept", "overwrites", "rested", "spare", "uid", "unseen"),
    )

    def __init__(self, handle: int, number: int, fd: Fd, access: int, uid: int) -> None:
        self.handle = handle
        self.number = number
        self.fd = fd
        self.access = access  # O_RDONLY, O_WRONLY or O_RDWR
        self.uid = uid
        self.rested = False
        self.marked = False  # the writer mark was set since this file could last be written by
        self.overwrites = False  # and says that bytes which were there changed
        self.unseen = False  # made by this open, and never without a writer: no ETag of it was ever told
        self.kept = False  # what was there before it changed anything is a version, where they are kept
        self.spare: Fd | None = None  # the read-only descriptor of a writer that was roused
        self.lock = threading.Lock()

    @property
    def writable(self) -> bool:
        return self.access != os.O_RDONLY


class _Inode:
    """What is open of one inode.

    `dirty`: written since its ETag was last recorded or handed to the filler. `quota`: whose it counts for.
    """

    __slots__ = ("dirty", "files", "hash", "holding", "quota")

    def __init__(self) -> None:
        self.quota: Known | None = None
        self.holding = Holding()
        self.files: list[OpenFile] = []
        self.hash: WriteHash | None = None
        self.dirty = False

    def writers(self) -> int:
        return sum(1 for file in self.files if file.writable and not file.rested)


class OpenFiles:
    """All open files of a mount."""

    def __init__(
        self, store: Store, locks: EntryLocks, nodes: Nodes, clock: Clock, rules: FileRules,
        on_dirty: OnDirty | None, accounts: tuple[NodeQuotas, NodeVersions],
    ) -> None:
        self._quotas, self._versions = accounts
        self.watching = Watching(store, nodes, clock, rules.watcher)
        self._rules = rules
        self._store = store
        self._locks = locks
        self._nodes = nodes
        self._clock = clock
        self._on_dirty = on_dirty
        self._handles = itertools.count(1)
        self._files: dict[int, OpenFile] = {}
        self._inodes: dict[int, _Inode] = {}
        self._lock = threading.Lock()

    # ---- opening
    def open(self, number: int, flags: int, uid: int, *, truncate: bool, wait: bool) -> tuple[OpenFile, bool]:
        """Open the inode with this access mode; also whether pages the kernel cached of it still hold.

        Raises WouldBlock when somebody holds a lease and `wait` is not set.
        """
        self.check_room()
        access = flags & os.O_ACCMODE
        fd = self._open_inode(number, access, wait)
        try:
            if truncate and access != os.O_RDONLY:
                self._versions.before_change(number, fd, wait=wait)
                self._cut(number, fd, 0, uid, wait=wait)
            attr = self._store.attr(fd)
            if not stat.S_ISREG(attr.mode):
                raise IsDirectory("not a regular file")
        except BaseException:
            self._store.close(fd)
            raise
        file = self.register(number, fd, access, uid, attr)
        file.kept = truncate
        if attr.nlink == 0:
            self.lost_a_name(number)
        if truncate:
            self._truncated(number, attr, uid)
        node = self._nodes.get(number)
        stamp = (attr.size, attr.mtime_ns)
        fresh, node.seen = node.seen == stamp, stamp
        return file, fresh and not self._rules.shared

    def check_room(self) -> None:
        """Raises OutOfResources when callers have as many files open as they may."""
        if self._rules.limit is not None and len(self._files) >= self._rules.limit:
            raise OutOfResources("too many open files on this mount")

    def register(
        self, number: int, fd: Fd, access: int, uid: int, attr: Attr, *, created: bool = False
    ) -> OpenFile:
        """Take `fd` over as one more open file of the inode, whose attributes were read after the open."""
        file = OpenFile(next(self._handles), number, fd, access, uid)
        # A new file has no record that a write could make untrue; without leases it may get one meanwhile.
        file.marked = file.unseen = created and self._store.primitives.leases
        file.kept = created
        with self._lock:
            inode = self._inodes.setdefault(number, _Inode())
            if file.writable:
                alone = not any(other.writable for other in inode.files)
                inode.hash = self._hash_from(attr) if alone else None
                if created:
                    self._soil(number, inode, uid)
            inode.files.append(file)
            self._files[file.handle] = file
        return file

    def _hash_from(self, attr: Attr) -> WriteHash | None:
        """The hash of what will be written into an empty file by the only one who can write."""
        return WriteHash(attr.mtime_ns) if attr.size == 0 and not self._rules.shared else None

    def _open_inode(self, number: int, access: int, wait: bool) -> Fd:
        """O_NONBLOCK makes an open that a lease stands against fail at once (open(2)); else it waits."""
        flags = access if wait else access | os.O_NONBLOCK
        with self.descriptor(number) as fd:
            if access != os.O_RDONLY:
                self._versions.refuse_kept(fd)
            return self._store.reopen(fd, flags)

    @contextmanager
    def descriptor(self, number: int) -> Iterator[Fd]:
        """One that may be O_PATH and that no FLUSH or RELEASE takes away, as long as the inode has a name."""
        try:
            with self._nodes.borrow(number) as fd:
                yield fd
        except Stale:
            file = self.any_open(number)
            if file is None:
                raise
            yield file.fd

    def get(self, handle: int) -> OpenFile:
        """Raises Stale for a handle that was never given out or is released."""
        try:
            return self._files[handle]
        except KeyError:
            raise Stale("no such open file") from None

    def any_open(self, number: int, *, writable: bool = False) -> OpenFile | None:
        """Some open file of the inode: its descriptor reaches it even when no name does."""
        inode = self._inodes.get(number)
        files = tuple(inode.files) if inode else ()
        return next((file for file in files if file.writable or not writable), None)

    # ---- data
    def read(self, handle: int, size: int, offset: int) -> bytes:
        """Up to `size` bytes; fewer at the end of the file only."""
        return self._store.read(self.get(handle).fd, size, offset)

    def write(self, handle: int, data: bytes, offset: int, *, wait: bool) -> int:
        """Write all of it; the number of bytes. Raises WouldBlock when a lease stands against it,
        QuotaExceeded.
        """
        file = self.get(handle)
        with self._awake(file, wait):
            self._keep_before(file, wait)
            ledger, holding = self._quota(file.number, self._inodes[file.number], wait=wait)
            if ledger is None:
                return self._write(file, data, offset, wait)
            end = offset + len(data)
            with self._quotas.resizing(
                ledger, file.fd, lambda attr: max(attr.size, end), holding, wait=wait
            ):
                return self._write(file, data, offset, wait)

    def _keep_before(self, file: OpenFile, wait: bool) -> None:
        """Before the first change by an open file: what it made itself is no version."""
        self._versions.locks.require_changeable(file.fd)
        if not file.kept:
            self._versions.before_change(file.number, file.fd, wait=wait)
            file.kept = True

    def _quota(self, number: int, inode: _Inode, *, wait: bool) -> tuple[Ledger | None, Holding]:
        """The account that its bytes are counted in."""
        inode.quota = known = self._quotas.of_open_file(number, inode.quota, wait=wait)
        return None if known is None else known.ledger, inode.holding

    def lost_a_name(self, number: int) -> None:
        """If that was the last one, what is open of it goes on using its bucket's quota."""
        inode = self._inodes.get(number)
        if inode is None or not self._quotas.any():
            return
        ledger, holding = self._quota(number, inode, wait=True)
        file = self.any_open(number)
        if ledger is not None and file is not None:
            attr = self._store.attr(file.fd)
            if attr.nlink == 0:
                holding.lost_its_name(ledger, attr)

    def _write(self, file: OpenFile, data: bytes, offset: int, wait: bool) -> int:
        inode = self._inodes[file.number]
        self._soil(file.number, inode, file.uid)
        hashing = inode.hash
        if hashing is None and file.uid == 0 and file.overwrites:
            self._store.write(file.fd, data, offset)
            return len(data)
        before = self._store.attr(file.fd)
        self._mark(file, overwrites=offset < before.size, wait=wait)
        if hashing is not None and (
            inode.writers() != 1 or not hashing.fits(offset, before.size, before.mtime_ns)
        ):
            hashing = inode.hash = None
        self._store.write(file.fd, data, offset)
        if hashing is not None:
            hashing.wrote(data, self._store.attr(file.fd).mtime_ns)
        self._drop_privileges(file.fd, before.mode, file.uid)
        return len(data)

    def _soil(self, number: int, inode: _Inode, uid: int) -> None:
        """It is about to change: whoever settles it has something to do."""
        if not inode.dirty:
            inode.dirty = True
            self.watching.changing(number, uid)

    def _mark(self, file: OpenFile, *, overwrites: bool, wait: bool) -> None:
        """Once each while the descriptor stays open: no lease, and so nobody who lifts marks, survives it."""
        kept = self._store.primitives.leases
        if overwrites and not file.overwrites:
            self._mark_overwriter(file.fd, told=not file.unseen, wait=wait)
            file.marked = file.overwrites = kept
        elif not file.marked:
            mark_writer(self._store, self._locks, file.fd)
            file.marked = kept

    def _mark_overwriter(self, fd: Fd, *, told: bool, wait: bool) -> None:
        """`told`: the bytes that are about to change may be what a true ETag on the disk says."""
        news = told and self._rules.durable and not has_durable_overwriter(self._store, fd)
        if news and not wait:
            raise WouldBlock("the mark has to be on the disk before the first of these bytes can be")
        mark_overwriter(self._store, self._locks, fd)
        if news:
            sync_overwriter(self._store, fd)

    def _drop_privileges(self, fd: Fd, mode: int, uid: int) -> None:
        kept = privileges_kept(mode)
        if uid != 0 and kept != mode:
            self._store.chmod(fd, stat.S_IMODE(kept))

    def truncate(self, number: int, handle: int | None, size: int, uid: int, *, wait: bool) -> None:
        """ftruncate(2) by an open file, or truncate(2) of the inode."""
        file = self._files.get(handle) if handle is not None else None
        if file is not None and file.writable:
            with self._awake(file, wait):
                self._keep_before(file, wait)
                self._cut(number, file.fd, size, uid, told=not file.unseen, wait=wait)
                self._truncated(number, self._store.attr(file.fd), uid)
            return
        fd, at_ns = self._open_inode(number, os.O_WRONLY, wait), self.watching.now_ns()
        try:
            self._versions.before_change(number, fd, wait=wait)
            self._cut(number, fd, size, uid, wait=wait)
            attr = self._store.attr(fd)
        finally:
            self._store.close(fd)
        self._truncated(number, attr, uid)
        inode = self._inodes.get(number)
        if inode is None or inode.writers() == 0:  # no close will come that settles it
            self._report_dirty(number)
            self.watching.settled(number, at_ns, attr, None, uid)

    def _cut(
        self, number: int, fd: Fd, size: int, uid: int, *, told: bool = True, wait: bool
    ) -> None:
        inode = self._inodes.get(number) or _Inode()
        ledger, holding = self._quota(number, inode, wait=wait)
        try:
            with self._quotas.resizing(ledger, fd, lambda attr: size, holding, wait=wait):
                self._cut_it(fd, size, uid, told=told, wait=wait)
        finally:
            self._let_go(inode)  # reached without an open file: nobody would give back what it holds

    def _cut_it(self, fd: Fd, size: int, uid: int, *, told: bool, wait: bool) -> None:
        before = self._store.attr(fd)
        if size < before.size:
            # A file system clears what is left of the last block, in place, before it shortens the file: the
            # zeros may be on the disk within the old length. Where nothing is left there is no such block.
            self._mark_overwriter(fd, told=told and size > 0, wait=wait)
        else:
            mark_writer(self._store, self._locks, fd)
        self._store.truncate(fd, size)
        self._drop_privileges(fd, before.mode, uid)

    def _truncated(self, number: int, attr: Attr, uid: int) -> None:
        inode = self._inodes.get(number)
        if inode is None:
            return
        self._soil(number, inode, uid)
        if attr.size == 0 and inode.writers() == 1:
            inode.hash = self._hash_from(attr)
        elif inode.hash is not None and inode.hash.size == attr.size:
            inode.hash.retimed(attr.mtime_ns)
        else:
            inode.hash = None

    def retimed(self, number: int, before: Attr, after: Attr) -> None:
        """utimens through the mount: the content is as it was, if nobody changed it before."""
        inode = self._inodes.get(number)
        if inode is None or inode.hash is None:
            return
        if inode.hash.mtime_ns == before.mtime_ns:
            inode.hash.retimed(after.mtime_ns)
        else:
            inode.hash = None

    # ---- closing
    def flush(self, handle: int) -> None:
        """close(2) of some descriptor: when no writer is awake any more, the content is final."""
        file = self.get(handle)
        if not file.writable or file.rested or not file.lock.acquire(blocking=False):
            return  # a thread is writing by this file: a later FLUSH or RELEASE settles it
        try:
            if not self._rest(file):
                return
        finally:
            file.lock.release()
        inode = self._inodes[file.number]
        if inode.writers() == 0:
            self._settle(file.number, inode, file.fd)

    def _rest(self, file: OpenFile) -> bool:
        """Exchange the writable descriptor for a read-only one; False when it could not be had back."""
        if not self._rules.overrides and not self._store.attr(file.fd).mode & stat.S_IWUSR:
            return False
        reading = file.spare
        if reading is None:
            try:
                reading = self._store.reopen(file.fd, os.O_RDONLY | os.O_NONBLOCK)
            except NamespaceError as error:
                _log.debug("a writer stays awake until it is released: %s", error)
                return False
        writing, file.fd, file.spare = file.fd, reading, None
        file.rested, file.marked, file.overwrites, file.unseen = True, False, False, False
        self._store.close(writing)
        return True

    @contextmanager
    def _awake(self, file: OpenFile, wait: bool) -> Iterator[None]:
        """The file's descriptor can write, and stays, for the length of the block."""
        if not file.lock.acquire(blocking=wait):
            raise WouldBlock("another thread is writing by this file")
        try:
            if file.rested:
                self._rouse(file, wait)
            yield
        finally:
            file.lock.release()

    def _rouse(self, file: OpenFile, wait: bool) -> None:
        """Open the inode of a rested writer for writing again."""
        self._versions.refuse_kept(file.fd)
        writing = self._store.reopen(file.fd, file.access if wait else file.access | os.O_NONBLOCK)
        file.fd, file.spare, file.rested = writing, file.fd, False

    def release(self, handle: int) -> None:
        """The last reference to the open file is gone."""
        with self._lock:
            file = self._files.pop(handle, None)
            if file is None:
                return
            inode = self._inodes[file.number]
            inode.files.remove(file)
            if not inode.files:
                del self._inodes[file.number]
        reading = file.spare
        if file.writable and inode.dirty and inode.writers() == 0 and reading is None:
            try:
                reading = self._store.reopen(file.fd, os.O_RDONLY | os.O_NONBLOCK)
            except NamespaceError as error:
                _log.debug("a closed file cannot be read: %s", error)
        self._store.close(file.fd)
        self._let_go(inode)
        if reading is not None:
            try:
                if inode.writers() == 0:
                    self._settle(file.number, inode, reading)
            finally:
                self._store.close(reading)

    def _let_go(self, inode: _Inode) -> None:
        """What the inode still used without a name, if nobody has it open any more."""
        if not inode.files:
            try:
                inode.holding.release()
            except NamespaceError as error:
                _log.warning("what a removed file used is counted until this process ends: %s", error)

    def _settle(self, number: int, inode: _Inode, reading: Fd) -> None:
        """Nobody of ours can write now: record the hash, or tell the filler that there is work."""
        if not inode.dirty:
            return
        inode.dirty = False
        at_ns, attr, adopted = self.watching.now_ns(), None, False
        try:
            attr = self._store.attr(reading)
            self._nodes.get(number).seen = (attr.size, attr.mtime_ns)
            adopted = attr.nlink > 0 and self._adopted(inode, reading, attr)
        except NamespaceError as error:
            _log.debug("the hash of a closed file was not recorded: %s", error)
        if attr is None or (attr.nlink > 0 and not adopted):
            self._report_dirty(number)
        md5 = inode.hash.digests().md5 if adopted and inode.hash is not None else None
        self.watching.settled(number, at_ns, attr, md5)

    def _adopted(self, inode: _Inode, reading: Fd, attr: Attr) -> bool:
        if inode.hash is None or not self._store.primitives.leases or inode.hash.size != attr.size:
            return False
        hashed = inode.hash
        return adopt_hash(
            self._store, self._locks, reading, hashed.digests(), attr.size, hashed.mtime_ns, self._clock
        )

    def _report_dirty(self, number: int) -> None:
        if self._on_dirty is None:
            return
        try:
            self._on_dirty(self._nodes.path_of(number))
        except NamespaceError as error:
            _log.debug("a written file cannot be named any more: %s", error)

    def figures(self) -> dict[str, int]:
        """Counts for statistics."""
        with self._lock:
            return {"open_files": len(self._files), "open_inodes": len(self._inodes)}

    def close(self) -> None:
        """Release every file."""
        for handle in list(self._files):
            self.release(handle)
