"""Nodes: what the kernel calls the inodes of the store, and the way back from such a number to the inode.

A node's number is the inode number of the backing file system; the root is 1. Inodes of another device
below the root, and the few numbers that would clash, get one with the top bit set. A node is reached
again by its file handle (open_by_handle_at(2)), or, where there are none or they are not permitted, by
its parent and name. Descriptors are only a cache: a million nodes need no million descriptors. The
exceptions are orphans, inodes whose last name went away while the kernel still refers to them: they are
pinned by a descriptor until the kernel forgets them, which also keeps their numbers from being reused.

The generation told to the kernel comes from the file handle, so that a reused inode number is seen as
another inode.
"""

from __future__ import annotations

import hashlib
import os
import stat
import struct
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager

from weka_mp.errors import (
    AccessDenied,
    InvalidArgument,
    NamespaceError,
    NotFound,
    NotSupported,
    PermissionRefused,
    Stale,
)
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd, InodeNo

__all__ = ["ROOT", "Node", "Nodes"]

ROOT = 1
"""The number of the store's root, by definition of the FUSE protocol (FUSE_ROOT_ID)."""

_TABLE_BIT = 1 << 63
_PATH = os.O_PATH | os.O_NOFOLLOW
_REMEMBERED = 1 << 17  # ways back kept after FORGET: about 20 MiB; NFS handles outlive the kernel's interest
_INO32_GEN = (
    1  # FILEID_INO32_GEN (include/linux/exportfs.h): inode and generation; ext4 takes generation 0 as "any"
)
_DEEPEST = 4096  # components; PATH_MAX is below that
_NO_HANDLES = (NotSupported, PermissionRefused, AccessDenied, InvalidArgument)


class Node:
    """One inode that the kernel knows, or knew. `lookups` is the kernel's reference count."""

    __slots__ = (
        "dev",
        "generation",
        "handle",
        "ino",
        "lookups",
        "name",
        "number",
        "parent",
        "pin",
        "seen",
    )

    def __init__(self, number: int, attr: Attr, handle: bytes | None, parent: int, name: bytes) -> None:
        self.number = number
        self.ino = attr.ino
        self.dev = attr.dev
        self.handle = handle
        self.generation = _generation(handle)
        self.parent = parent
        self.name = name
        self.lookups = 0
        self.pin: _Descriptor | None = None
        self.seen: tuple[int, int] | None = None  # size and mtime_ns that the kernel's cached pages show


class _Descriptor:
    """A cached O_PATH descriptor; it is closed when it was given up and nobody uses it any more."""

    __slots__ = ("fd", "given_up", "users")

    def __init__(self, fd: Fd) -> None:
        self.fd = fd
        self.users = 0
        self.given_up = False


def _generation(handle: bytes | None) -> int:
    if handle is None:
        return 0
    return int.from_bytes(hashlib.blake2b(handle, digest_size=4).digest(), "big")


class Nodes:
    """The table of nodes. Thread-safe; no lock is held during a system call that could wait."""

    def __init__(
        self, store: Store, *, descriptors: int = 1024, announce: Callable[[int], bool] = lambda ino: False
    ) -> None:
        """`announce` is told each inode number before the kernel is; True: what was read of it may be old."""
        self._store = store
        self._announce = announce
        self._limit = descriptors
        self._lock = threading.Lock()
        root = store.attr(store.root())
        self._root_dev, self._root_ino = root.dev, root.ino
        announce(root.ino)
        self._root = Node(ROOT, root, None, ROOT, b"")
        self._nodes: dict[int, Node] = {ROOT: self._root}
        self._cache: OrderedDict[int, _Descriptor] = OrderedDict()
        self._remembered: OrderedDict[int, tuple[bytes | None, int, bytes]] = OrderedDict()
        self._table: dict[tuple[int, int], int] = {}
        self._handles = self._handles_work()

    def _handles_work(self) -> bool:
        try:
            handle = self._store.handle_of(self._store.root())
            self._store.close(self._store.open_handle(handle, _PATH))
        except (*_NO_HANDLES, Stale):
            return False
        return True

    # ---- identity
    def number_of(self, attr: Attr) -> int:
        """The number of the inode with these attributes, whether it is known or not."""
        if attr.dev == self._root_dev:
            if attr.ino == self._root_ino:
                return ROOT
            if ROOT < attr.ino < _TABLE_BIT:
                return attr.ino
        with self._lock:
            return self._table.setdefault((attr.dev, attr.ino), _TABLE_BIT | (len(self._table) + 1))

    def ino_of(self, number: int) -> InodeNo:
        """The backing inode number. Raises Stale."""
        return self.get(number).ino

    def known(self, ino: int) -> list[int]:
        """Numbers of the nodes with this backing inode number that the kernel refers to.

        Usually none or one.
        """
        if ino == self._root_ino:
            return [ROOT]
        node = self._nodes.get(ino)
        found = (
            [ino]
            if node is not None and node.lookups > 0 and node.dev == self._root_dev and ino != ROOT
            else []
        )
        if self._table:
            with self._lock:
                numbers = [number for (_, other), number in self._table.items() if other == ino]
            found += [number for number in numbers if (node := self._nodes.get(number)) and node.lookups > 0]
        return found

    def look(self, fd: Fd) -> Attr:
        """Attributes to tell the kernel, read after the inode was announced."""
        attr = self._store.attr(fd)
        return self._store.attr(fd) if self._announce(attr.ino) else attr

    def learn(self, fd: Fd, attr: Attr, parent: int, name: bytes) -> Node:
        """The node of the inode behind `fd`, found in directory `parent` under `name`.

        `fd` stays the caller's.
        """
        number = self.number_of(attr)
        if number == ROOT:
            return self._root
        handle = self._handle(fd, attr)
        with self._lock:
            node = self._nodes.get(number)
            if node is None or node.handle != handle or node.dev != attr.dev:
                fresh = Node(number, attr, handle, parent, name)
                if (
                    node is not None
                ):  # a reused number: the kernel will still forget what it held of the old inode
                    fresh.lookups = node.lookups
                    self._give_up(number, node)
                self._nodes[number] = node = fresh
            else:
                node.parent, node.name = parent, name
            self._remembered.pop(number, None)
            return node

    def _handle(self, fd: Fd, attr: Attr) -> bytes | None:
        if not self._handles or attr.dev != self._root_dev:
            return None
        try:
            return self._store.handle_of(fd)
        except _NO_HANDLES:
            return None

    def stands(self, parent: int, name: bytes) -> bool:
        """Whether the directory that has this name now is the one that the kernel was told of under it."""
        try:
            with self.borrow(parent) as at:
                fd = self._store.open_path(at, name)
        except NamespaceError:
            return False
        try:
            attr = self._store.attr(fd)
            node = self._nodes.get(self.number_of(attr))
            return (
                stat.S_ISDIR(attr.mode)
                and node is not None
                and node.lookups > 0
                and (node.parent, node.name) == (parent, name)
                and (node.dev, node.ino, node.handle) == (attr.dev, attr.ino, self._handle(fd, attr))
            )
        finally:
            self._store.close(fd)

    # ---- the kernel's references
    def count(self, number: int) -> None:
        """One more entry with this number was told to the kernel."""
        with self._lock:
            node = self._nodes.get(number)
            if node is not None:
                self._announce(node.ino)
                node.lookups += 1

    def forget(self, forgotten: Iterable[tuple[int, int]]) -> None:
        """FORGET: the kernel dropped that many references. Unknown numbers are ignored."""
        with self._lock:
            for number, times in forgotten:
                node = self._nodes.get(number)
                if node is None:
                    continue
                node.lookups = max(node.lookups - times, 0)
                if node.lookups == 0 and number != ROOT:
                    self._drop(node)

    def _drop(self, node: Node) -> None:
        orphan = node.pin is not None
        self._give_up(node.number, node)
        del self._nodes[node.number]
        if not orphan:
            self._remembered[node.number] = (node.handle, node.parent, node.name)
            while len(self._remembered) > _REMEMBERED:
                self._remembered.popitem(last=False)

    def get(self, number: int) -> Node:
        """The node, found again if it was forgotten. Raises Stale."""
        node = self._nodes.get(number)
        return node if node is not None else self._find_again(number)

    def _find_again(self, number: int) -> Node:
        handle, parent, name = self._remembered.get(number, (None, ROOT, b""))
        if handle is None and not name:
            handle = self._guess(number)
        try:
            fd = self._open_by(handle, parent, name)
        except NamespaceError as error:
            raise Stale("this inode is gone") from error
        try:
            attr = self._store.attr(fd)
            if self.number_of(attr) != number:
                raise Stale("this inode is gone")
            return self.learn(fd, attr, parent, name)
        finally:
            self._store.close(fd)

    def _guess(self, number: int) -> bytes:
        """A handle for a number that was given out by an earlier process, where the file system's form
        allows that.
        """
        if not self._handles or not ROOT < number < 1 << 32:
            raise Stale("this inode is gone")
        root = self._store.handle_of(self._store.root())
        form = struct.Struct("iII")
        if len(root) != form.size or form.unpack(root)[0] != _INO32_GEN:
            raise Stale("this inode is gone")
        return form.pack(_INO32_GEN, number, 0)

    def parent_of(self, number: int) -> int:
        """The number of a directory's parent. Raises Stale, NotDirectory."""
        if number == ROOT:
            return ROOT
        with self.borrow(number) as fd:
            return self.number_of(self._store.attr_at(fd, b".."))

    # ---- descriptors
    @contextmanager
    def borrow(self, number: int) -> Iterator[Fd]:
        """An O_PATH descriptor of the inode for the length of the block.

        Raises Stale when the inode is gone.
        """
        if number == ROOT:
            yield self._store.root()
            return
        held = self._take(number)
        try:
            yield held.fd
        finally:
            self._put(held)

    def _take(self, number: int) -> _Descriptor:
        node = self.get(number)
        with self._lock:
            held = node.pin or self._cache.get(number)
            if held is not None:
                held.users += 1
                if held is not node.pin:
                    self._cache.move_to_end(number)
                return held
        held = _Descriptor(self._reopen(node))
        held.users = 1
        with self._lock:
            self._keep(number, held)
        return held

    def _reopen(self, node: Node) -> Fd:
        try:
            fd = self._open_by(node.handle, node.parent, node.name)
        except NotFound as error:
            raise Stale("this inode is gone") from error
        if node.handle is None:
            attr = self._store.attr(fd)
            if (attr.dev, attr.ino) != (node.dev, node.ino):
                self._store.close(fd)
                raise Stale("another inode has this name now")
        return fd

    def _open_by(self, handle: bytes | None, parent: int, name: bytes) -> Fd:
        if handle is not None:
            return self._store.open_handle(handle, _PATH)
        if not name:
            raise Stale("no way back to this inode")
        with self.borrow(parent) as directory:
            return self._store.open_path(directory, name)

    def keep_open(self, number: int, fd: Fd) -> None:
        """Hand over an O_PATH descriptor of that node: the next use will want it."""
        with self._lock:
            held = _Descriptor(fd)
            if number == ROOT or number not in self._nodes or number in self._cache:
                self._store.close(fd)
            else:
                self._keep(number, held)

    def _keep(self, number: int, held: _Descriptor) -> None:
        former = self._cache.pop(number, None)
        if former is not None:
            self._retire(former)
        self._cache[number] = held
        while len(self._cache) > self._limit:
            self._retire(self._cache.popitem(last=False)[1])

    def _put(self, held: _Descriptor) -> None:
        with self._lock:
            held.users -= 1
            if held.given_up and held.users == 0:
                self._store.close(held.fd)

    def _retire(self, held: _Descriptor) -> None:
        held.given_up = True
        if held.users == 0:
            self._store.close(held.fd)

    def _give_up(self, number: int, node: Node) -> None:
        cached = self._cache.pop(number, None)
        if cached is not None:
            self._retire(cached)
        if node.pin is not None:
            self._retire(node.pin)
            node.pin = None

    def release_descriptor(self, number: int) -> None:
        """Do not keep the inode's space because of our cache: its name was taken away by another process."""
        with self._lock:
            cached = self._cache.pop(number, None)
            if cached is not None:
                self._retire(cached)

    def hold_removed(self, number: int) -> None:
        """Someone else took away a name of this inode. If it was the last, pin it until the kernel forgets.

        Otherwise its number could be reused while the kernel still refers to it. The kernel would then break
        its old inode, and a caller between lookup and open would get EIO. The kernel forgets soon, since it
        is told that the name is gone.
        """
        try:
            held = self._take(number)
        except Stale:
            return  # the inode is gone already
        try:
            if self._store.attr(held.fd).nlink > 0:
                return
            with self._lock:
                node = self._nodes.get(number)
                if self._cache.get(number) is not held:
                    return
                del self._cache[number]
                if node is not None and node.lookups > 0 and node.pin is None:
                    node.pin = held
                else:
                    self._retire(held)
        finally:
            self._put(held)

    def release_unlinked(self) -> None:
        """Give up descriptors of inodes that were removed beside the mount: they would keep their space."""
        with self._lock:
            numbers = list(self._cache)
        for number in numbers:
            with self._lock:
                held = self._cache.get(number)
                if held is None:
                    continue
                held.users += 1
            try:
                if self._store.attr(held.fd).nlink == 0:
                    self.release_descriptor(number)
            finally:
                self._put(held)

    # ---- names
    def orphaned(self, number: int, fd: Fd) -> bool:
        """The inode behind `fd` lost its last name.

        True: the kernel still refers to it and `fd` is ours now.
        """
        with self._lock:
            node = self._nodes.get(number)
            if node is None or node.lookups == 0 or node.pin is not None:
                return False
            cached = self._cache.pop(number, None)
            if cached is not None:
                self._retire(cached)
            node.pin = _Descriptor(fd)
            return True

    def moved(self, number: int, parent: int, name: bytes) -> None:
        """A rename gave the inode this name."""
        with self._lock:
            node = self._nodes.get(number)
            if node is not None and number != ROOT:
                node.parent, node.name = parent, name

    def path_of(self, number: int) -> bytes:
        """A path below the root by which the inode was last seen.

        Raises Stale when a directory on it is not known.
        """
        names: list[bytes] = []
        while number != ROOT:
            node = self._nodes.get(number)
            if node is None or not node.name or len(names) > _DEEPEST:
                raise Stale("no path leads to this inode any more")
            names.append(node.name)
            number = node.parent
        return b"/".join(reversed(names))

    # ---- the whole
    def figures(self) -> dict[str, int]:
        """Counts for statistics."""
        with self._lock:
            pins = sum(1 for node in self._nodes.values() if node.pin is not None)
            return {
                "nodes": len(self._nodes),
                "descriptors": len(self._cache),
                "orphans": pins,
                "remembered": len(self._remembered),
            }

    def close(self) -> None:
        """Close every descriptor."""
        with self._lock:
            for node in self._nodes.values():
                self._give_up(node.number, node)
