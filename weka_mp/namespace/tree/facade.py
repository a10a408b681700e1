"""The namespace as a tree of nodes: POSIX-shaped operations for the mount. Knows neither FUSE nor errno.

Names: the control area and weka_mp's hidden names do not exist here and cannot be made (`keys`). Whatever
takes a name away or moves one holds the entry locks that S3's check-and-publish holds, so that each sees
the other whole. An operation that would have to wait, for an entry lock or a lease, raises WouldBlock
unless `wait` is set; it has changed nothing then, and is called again from a thread that may block.

Permissions are the kernel's (mount option default_permissions); creation runs under the caller's identity, so
that set-gid directories, default ACLs and quotas of the backing file system apply to it and not to us.
"""

from __future__ import annotations

import logging
import os
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from weka_mp.clock import Clock
from weka_mp.errors import (
    Exists,
    InvalidArgument,
    IsDirectory,
    NamespaceError,
    NotDirectory,
    NotEmpty,
    NotFound,
    ReservedName,
    Stale,
    WouldBlock,
)
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.names.keys import creatable, visible
from weka_mp.namespace.quotas.ledger import Ledger
from weka_mp.namespace.records.directories import take_over
from weka_mp.namespace.records.etags import retimed
from weka_mp.namespace.tree.file_rules import FileRules, OnDirty
from weka_mp.namespace.tree.former_versions import FORMER_NAME, FormerVersions
from weka_mp.namespace.tree.node_quotas import NodeQuotas
from weka_mp.namespace.tree.node_versions import NodeVersions
from weka_mp.namespace.tree.node_xattrs import NodeXattrs
from weka_mp.namespace.tree.nodes import Nodes
from weka_mp.namespace.tree.open_directories import OpenDirectories
from weka_mp.namespace.tree.open_files import OpenFile, OpenFiles
from weka_mp.namespace.tree.repeated_renames import RepeatedRenames
from weka_mp.namespace.tree.requests import AttrChange, Caller, Entry
from weka_mp.namespace.tree.still_buckets import End, still, still_for_link
from weka_mp.store.interface import StatVfs, Store
from weka_mp.values import Fd

__all__ = ["EXCHANGE", "NOREPLACE", "AttrChange", "Caller", "Entry", "Tree"]

NOREPLACE, EXCHANGE = 1, 2
"""Flags of renameat2(2)."""

_PERMISSIONS = 0o7777
_ORDINARY = FileRules()
_log = logging.getLogger(__name__)


class Tree:
    """See the module. Thread-safe. Every method raises `weka_mp.errors.NamespaceError` and nothing else."""

    def __init__(
        self, store: Store, locks: EntryLocks, clock: Clock, *, rules: FileRules = _ORDINARY,
        on_dirty: OnDirty | None = None, descriptors: int = 1024,
        announce: Callable[[int], bool] = lambda ino: False,
    ) -> None:
        """`descriptors` are kept to reach inodes by; `announce`: see `weka_mp.namespace.tree.nodes.Nodes`."""
        self._store = store
        self._locks = locks
        self._repeated = RepeatedRenames()
        self.nodes = Nodes(store, descriptors=descriptors, announce=announce)
        self.quotas = NodeQuotas(store, self.nodes, rules.quotas)
        self.versions = NodeVersions(store, self.nodes, rules.versions, makes=rules.makes_versions)
        self.files = OpenFiles(store, locks, self.nodes, clock, rules, on_dirty, (self.quotas, self.versions))
        self.versions.writer = lambda number: self.files.any_open(number, writable=True)
        self._watching = self.files.watching
        self._former = FormerVersions(store, self.nodes, rules.versions, self.versions.way)
        self.directories = OpenDirectories(store, self.nodes, self._former)
        self.xattrs = NodeXattrs(store, locks, clock, self._reached, self.files.descriptor, self.versions)

    def close(self) -> None:
        """Give back every descriptor."""
        self.files.close()
        self.directories.close()
        self.nodes.close()

    # ---- looking
    def lookup(self, parent: int, name: bytes) -> Entry:
        """The inode that `name` leads to; counts one reference of the kernel. Raises NotFound, which the
        kernel may be told and keep.
        """
        if self._former.owns(parent):
            return self._counted(self._former.lookup(parent, name))
        if name == FORMER_NAME:
            return self._former.enter(parent)
        if name in (b".", b".."):
            return self._counted(self.attributes(parent if name == b"." else self.nodes.parent_of(parent)))
        if not visible(name):
            raise NotFound(subject=name)
        with self.nodes.borrow(parent) as directory:
            try:
                return self._found(directory, parent, name)
            except NotFound:
                self.nodes.missed(parent, name)
                raise

    def _found(self, directory: Fd, parent: int, name: bytes) -> Entry:
        node, attr = self.nodes.find(directory, parent, name)
        return self._counted(Entry(node.number, node.generation, attr))

    def _counted(self, entry: Entry) -> Entry:
        self.nodes.count(entry.number)
        return entry

    def attributes(self, number: int) -> Entry:
        """What stat(2) shows of a node, whether it still has a name or not."""
        if self._former.owns(number):
            return self._former.attributes(number)
        file = self.files.any_open(number)
        if file is not None:
            attr = self._store.attr(file.fd)
        else:
            with self.nodes.borrow(number) as fd:
                attr = self._store.attr(fd)
        return Entry(number, self.nodes.get(number).generation, attr)

    def readlink(self, number: int) -> bytes:
        """The target of a symbolic link."""
        with self.nodes.borrow(number) as fd:
            return self._store.readlink(fd, b"")

    def totals(self) -> StatVfs:
        """statvfs(2) of the store."""
        return self._store.statvfs(self._store.root())

    # ---- attributes
    def resize(
        self, number: int, size: int, handle: int | None, caller: Caller, *, wait: bool = False
    ) -> None:
        """truncate(2); ftruncate(2) by the open file `handle`."""
        self.files.truncate(number, handle, size, caller.uid, wait=wait)

    def change(self, number: int, change: AttrChange) -> None:
        """What chmod, chown and utimens ask for."""
        with self._reached(number) as fd:
            self.versions.refuse_kept(fd)
            if change.uid is not None or change.gid is not None:
                uid, gid = (-1 if new is None else new for new in (change.uid, change.gid))
                self._store.chown(fd, uid, gid)
            if change.mode is not None:
                self._store.chmod(fd, change.mode & _PERMISSIONS)
            if change.atime_ns is not None or change.mtime_ns is not None:
                self._set_times(number, fd, change)
            take_over(self._store, fd)

    @contextmanager
    def _reached(self, number: int) -> Iterator[Fd]:
        file = self.files.any_open(number)
        if file is not None:
            yield file.fd
            return
        with self.nodes.borrow(number) as fd:
            yield fd

    def _set_times(self, number: int, fd: Fd, change: AttrChange) -> None:
        before = self._store.attr(fd)
        atime = before.atime_ns if change.atime_ns is None else change.atime_ns
        mtime = before.mtime_ns if change.mtime_ns is None else change.mtime_ns
        if change.mtime_ns is None or not stat.S_ISREG(before.mode):
            self._store.utimens(fd, atime, mtime)
            return
        with retimed(self._store, self._locks, fd):
            self._store.utimens(fd, atime, mtime)
        self.files.retimed(number, before, self._store.attr(fd))

    # ---- making
    def create(
        self, parent: int, name: bytes, mode: int, flags: int, caller: Caller, *, wait: bool = False
    ) -> tuple[OpenFile, int]:
        """open(2) with O_CREAT: the open file and its node, whose reference `referred` counts.

        The name may exist by now: then it is opened with the caller's permissions.
        """
        self._check_creatable(name)
        self.files.check_room()
        access = flags & os.O_ACCMODE
        with self.nodes.borrow(parent) as directory:
            try:
                with self._store.acting_as(caller.uid, caller.gid, caller.groups):
                    exclusive = access | os.O_CREAT | os.O_EXCL
                    fd = self._store.open_file(directory, name, exclusive, mode & _PERMISSIONS)
            except Exists:
                if flags & os.O_EXCL:
                    raise
                return self._open_existing(directory, parent, name, flags, caller, wait)
            try:
                self.versions.name_new(parent, fd)
                attr = self.nodes.look(fd)
                node = self.nodes.learn(fd, attr, parent, name)
                file = self.files.register(node.number, fd, access, caller.uid, attr, created=True)
            except BaseException:
                self._store.close(fd)
                raise
            self._keep_created(node.number, fd)
            take_over(self._store, directory)
        node.seen = (attr.size, attr.mtime_ns)
        return file, node.number

    def _keep_created(self, number: int, fd: Fd) -> None:
        """Pinned like every inode that was looked up, if it can be: the file is made and open by now."""
        try:
            self.nodes.keep_open(number, self._store.reopen(fd, os.O_PATH))
        except NamespaceError as error:
            _log.debug("a created file is not pinned: %s", error)

    def referred(self, number: int) -> Entry:
        """The node as it is now, with one more reference of the kernel."""
        return self._counted(self.attributes(number))

    def _open_existing(
        self, directory: Fd, parent: int, name: bytes, flags: int, caller: Caller, wait: bool
    ) -> tuple[OpenFile, int]:
        access = flags & os.O_ACCMODE
        try:
            number = self.nodes.find(directory, parent, name)[0].number
        except NotFound:
            self._store.attr_at(directory, name)
            raise ReservedName("a file of the control area has this name") from None
        if access != os.O_RDONLY:
            self.versions.refuse_former(number)
        with self._store.acting_as(caller.uid, caller.gid, caller.groups):
            self._check_allowed(directory, name, access)
        file, _ = self.files.open(number, flags, caller.uid, truncate=bool(flags & os.O_TRUNC), wait=wait)
        return file, number

    def _check_allowed(self, directory: Fd, name: bytes, access: int) -> None:
        """Whether whom this thread acts as may open it; a lease is asked about only after the permissions."""
        try:
            self._store.close(self._store.open_file(directory, name, access))
        except WouldBlock:
            return

    @staticmethod
    def _check_creatable(name: bytes) -> None:
        if not creatable(name):
            raise ReservedName(subject=name)

    def _made(self, parent: int, name: bytes, kind: int, caller: Caller, make: Callable[[Fd], None]) -> Entry:
        self._check_creatable(name)
        with self.nodes.borrow(parent) as directory:
            with self._store.acting_as(caller.uid, caller.gid, caller.groups):
                make(directory)
            take_over(self._store, directory)
            return self._found_as(directory, parent, name, kind)

    def _found_as(self, directory: Fd, parent: int, name: bytes, kind: int) -> Entry:
        """Raises Stale, whereupon the kernel asks once more, when somebody replaced what was just made.

        A reply with another type would be EIO for the caller.
        """
        try:
            node, attr = self.nodes.find(directory, parent, name)
        except NotFound as error:
            raise Stale("it was taken away again") from error
        if stat.S_IFMT(attr.mode) != kind:
            raise Stale("something else has the name by now")
        return self._counted(Entry(node.number, node.generation, attr))

    def make_directory(self, parent: int, name: bytes, mode: int, caller: Caller) -> Entry:
        """mkdir(2)."""
        try:
            own = mode & _PERMISSIONS
            return self._made(parent, name, stat.S_IFDIR, caller, lambda at: self._store.mkdir(at, name, own))
        except Exists:
            self._claim(parent, name)
            raise

    def _claim(self, parent: int, name: bytes) -> None:
        """A caller wants this directory to be there: it no longer vanishes with its last object."""
        with suppress(NotDirectory, NotFound):  # it is a file, or it went away again: nothing to claim
            with self.nodes.borrow(parent) as directory:
                fd = self._store.open_dir(directory, name)
            try:
                take_over(self._store, fd)
            finally:
                self._store.close(fd)

    def make_node(self, parent: int, name: bytes, mode: int, rdev: int, caller: Caller) -> Entry:
        """mknod(2): a file, fifo, socket or device."""
        kind = stat.S_IFMT(mode) or stat.S_IFREG
        kept = kind | mode & _PERMISSIONS
        entry = self._made(parent, name, kind, caller, lambda at: self._store.mknod(at, name, kept, rdev))
        self.versions.name_made(parent, entry)
        self._watching.named(parent, name, entry.attr, caller.uid)
        return entry

    def make_symlink(self, parent: int, name: bytes, target: bytes, caller: Caller) -> Entry:
        """symlink(2)."""
        return self._made(
            parent, name, stat.S_IFLNK, caller, lambda at: self._store.symlink(target, at, name)
        )

    def link(self, number: int, parent: int, name: bytes, *, wait: bool = False) -> None:
        """link(2): one more name for an inode, which `referred` counts. CrossDevice: a bucket has a quota."""
        self._check_creatable(name)
        with self.files.descriptor(number) as fd, self.nodes.borrow(parent) as directory:
            with still_for_link(self.nodes, self._locks, number, parent, wait):
                self.versions.refuse_kept(fd)
                ledger = self.quotas.of_link(number, parent, wait=wait)
                with self.quotas.linking(ledger, fd, wait=wait):
                    self._store.link(fd, directory, name)
            self._watching.named(parent, name, self._store.attr(fd))
            take_over(self._store, directory)

    # ---- taking away and moving
    @contextmanager
    def _locked(self, entries: Iterable[tuple[int, bytes]], wait: bool) -> Iterator[None]:
        where = [(self.nodes.ino_of(parent), name) for parent, name in entries]
        if wait:
            with self._locks.hold(where):
                yield
            return
        with self._locks.try_hold(where) as held:
            if not held:
                raise WouldBlock("somebody else is changing this name")
            yield

    def unlink(self, parent: int, name: bytes, *, wait: bool = False) -> None:
        """unlink(2). The inode stays reachable while it is open or known to the kernel."""
        with (
            self._taken(parent, name, wait) as directory,
            self.versions.removing(parent, directory, name, wait=wait),
            self.quotas.removing(self.quotas.of_directory(parent), directory, name, wait=wait),
        ):
            self._store.unlink(directory, name)

    def removed_elsewhere(self, number: int) -> None:
        """Another door took away a name of this inode."""
        self.nodes.hold_removed(number)
        self.files.lost_a_name(number)

    def remove_directory(self, parent: int, name: bytes, *, wait: bool = False) -> None:
        """rmdir(2). Hidden names (a directory object's body) do not keep a directory."""
        with (
            self.versions.removing_bucket(parent, name, wait),
            self._taken(parent, name, wait) as at,
            self.versions.removing_directory(parent, at, name, wait),
        ):
            try:
                self._store.rmdir(at, name)
            except NotEmpty:
                self._remove_hidden(at, name, self.quotas.of_entry(parent, name), wait)
                self._store.rmdir(at, name)

    @contextmanager
    def _taken(self, parent: int, name: bytes, wait: bool) -> Iterator[Fd]:
        if not visible(name):
            raise NotFound(subject=name)
        with self.nodes.borrow(parent) as directory, self._locked([(parent, name)], wait):
            going = self._store.open_path(directory, name)
            try:
                yield directory
            except BaseException:
                self._store.close(going)
                raise
            self._watching.gone(parent, name, going)
            self._let_go(going)
            take_over(self._store, directory)

    def _let_go(self, fd: Fd) -> None:
        """A name of the inode behind the O_PATH `fd`, which is ours, was taken away."""
        kept = False
        try:
            attr = self._store.attr(fd)
            if attr.nlink == 0 and self.quotas.any():
                self.files.lost_a_name(self.nodes.number_behind(fd))
            kept = (attr.nlink == 0 or stat.S_ISDIR(attr.mode)) and self.nodes.orphaned(fd)
        finally:
            if not kept:
                self._store.close(fd)

    def _remove_hidden(self, parent: Fd, name: bytes, ledger: Ledger | None, wait: bool) -> None:
        directory = self._store.open_dir(parent, name)
        try:
            names = [entry.name for entry in self._store.entries(directory)]
            if any(visible(inner) for inner in names):
                raise NotEmpty(subject=name)
            for inner in names:
                try:
                    with self.quotas.removing(ledger, directory, inner, wait=wait):
                        self._store.unlink(directory, inner)
                except IsDirectory:
                    raise NotEmpty(subject=name) from None
        finally:
            self._store.close(directory)

    def rename(
        self, parent: int, name: bytes, to_parent: int, to_name: bytes, flags: int, *, wait: bool = False
    ) -> bool:
        """renameat2(2) with flags 0, NOREPLACE or EXCHANGE.

        The kernel renames the entry that it has cached. Where another door has changed it meanwhile, Stale
        makes the kernel look again and repeat the call. If that happened twice the answer is False: what the
        kernel shows under the new names is not what is there.
        """
        if flags not in (0, NOREPLACE, EXCHANGE):
            raise InvalidArgument("no such flag of rename")
        if not visible(name):
            raise NotFound(subject=name)
        self._check_creatable(to_name)
        if flags == EXCHANGE:
            self._check_creatable(name)
        with (
            self.nodes.borrow(parent) as source,
            self.nodes.borrow(to_parent) as target,
            still(
                self._store, self.nodes, self._locks,
                (End(parent, source, name), End(to_parent, target, to_name)), wait,
            ),
            self._locked([(parent, name), (to_parent, to_name)], wait),
        ):
            ledger = self.quotas.of_rename((parent, name), (to_parent, to_name), exchange=flags == EXCHANGE)
            moving = self._store.open_path(source, name)
            try:
                replaced = self._present(target, to_name)
                try:
                    told = self.nodes.told_as(moving, parent, name)
                    if replaced is not None and flags == EXCHANGE:
                        told = told and self.nodes.told_as(replaced, to_parent, to_name)
                    self._repeated.check((parent, name, to_parent, to_name), told)
                    with self.versions.moving(
                        (parent, source, name), (to_parent, target, to_name), flags == EXCHANGE, wait
                    ):
                        self._rename((source, name), (target, to_name), flags, ledger, wait)
                    self._renamed(moving, to_parent, to_name)
                    if replaced is not None and flags == EXCHANGE:
                        self._renamed(replaced, parent, name)
                    other = replaced if flags == EXCHANGE else None
                    self._watching.moved((parent, name), (to_parent, to_name), moving, other)
                except BaseException:
                    if replaced is not None:
                        self._store.close(replaced)
                    raise
                if replaced is not None:
                    (self._store.close if flags == EXCHANGE else self._let_go)(replaced)
            finally:
                self._store.close(moving)
            take_over(self._store, source)
            if to_parent != parent:
                take_over(self._store, target)
            return told

    def _renamed(self, fd: Fd, parent: int, name: bytes) -> None:
        if stat.S_ISDIR(self._store.attr(fd).mode):
            take_over(self._store, fd)
        self.nodes.moved(fd, parent, name)

    def _present(self, directory: Fd, name: bytes) -> Fd | None:
        with suppress(NotFound):
            return self._store.open_path(directory, name)
        return None

    def _rename(
        self, source: tuple[Fd, bytes], target: tuple[Fd, bytes], flags: int, ledger: Ledger | None,
        wait: bool,
    ) -> None:
        try:
            with self.quotas.moving(ledger, source, target, wait=wait):
                self._store.rename(*source, *target, flags)
        except NotEmpty:
            if flags:
                raise
            self._remove_hidden(*target, ledger, wait)
            with self.quotas.moving(ledger, source, target, wait=wait):
                self._store.rename(*source, *target, flags)

    # ---- durability
    def sync(self, handle: int, *, data_only: bool) -> Callable[[], None]:
        """What does fsync(2) or fdatasync(2) of an open file; call it once, in any thread."""
        fd = self._store.dup(self.files.get(handle).fd)  # the file's own may be exchanged meanwhile

        def sync() -> None:
            try:
                if data_only:
                    self._store.sync_data(fd)
                else:
                    self._store.sync_file(fd)
            finally:
                self._store.close(fd)

        return sync

    # ---- the whole
    def figures(self) -> dict[str, int]:
        """Counts for statistics."""
        return {**self.nodes.figures(), **self.files.figures(), **self.directories.figures()}
