"""Nodes: what the kernel calls the inodes of the store, and the way back from such a number to the inode.

A node has a number (`node_numbers`) and is reached again by its file handle (open_by_handle_at(2)), or, where
there are none or they are not permitted, by its parent and name. Descriptors are only a cache: a million
nodes need no million descriptors. The exceptions are orphans, inodes whose last name went away while the
kernel still refers to them: they are pinned by a descriptor until the kernel forgets them.

The file handle also is what tells an inode from another that had its number before. It makes the generation
told to the kernel, and a node keeps its number from others for as long as the kernel refers to it.
"""

from __future__ import annotations

import hashlib
import logging
import os
import stat
import threading
from collections import OrderedDict
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager, suppress

from weka_mp.errors import NamespaceError, NotFound, ReadOnly, Stale
from weka_mp.namespace.concealment import is_concealed
from weka_mp.namespace.tree.descriptors import Descriptor, Descriptors
from weka_mp.namespace.tree.file_systems import FileSystems
from weka_mp.namespace.tree.node_numbers import ROOT, NodeNumbers, is_virtual
from weka_mp.namespace.tree.ways_back import NO_HANDLES, WaysBack
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd, InodeNo

__all__ = ["ROOT", "Node", "Nodes"]

_log = logging.getLogger(__name__)
_PATH = os.O_PATH | os.O_NOFOLLOW
_REMEMBERED = 1 << 17  # ways back kept after FORGET: about 40 MiB; NFS handles outlive the kernel's interest
_DEEPEST = 4096  # components; PATH_MAX is below that


class Node:
    """One inode that the kernel knows, or knew. `lookups` is the kernel's reference count."""

    __slots__ = (
        "dev",
        "identity",
        "ino",
        "lookups",
        "name",
        "number",
        "parent",
        "pin",
        "seen",
    )

    def __init__(self, number: int, attr: Attr, identity: bytes, parent: int, name: bytes) -> None:
        self.number = number
        self.ino = attr.ino
        self.dev = attr.dev
        self.identity = identity  # its file handle, or the little that there is instead
        self.parent = parent
        self.name = name
        self.lookups = 0
        self.pin: Descriptor | None = None
        self.seen: tuple[int, int] | None = None  # size and mtime_ns that the kernel's cached pages show

    @property
    def generation(self) -> int:
        """What FUSE tells with the number: 32 bits that differ from a former inode's with that number."""
        return int.from_bytes(hashlib.blake2b(self.identity, digest_size=4).digest(), "big")


class Nodes:
    """The table of nodes. Thread-safe; no lock is held during a system call that could wait."""

    def __init__(
        self, store: Store, *, descriptors: int = 1024, announce: Callable[[int], bool] = lambda ino: False
    ) -> None:
        """`announce` is told each inode number before the kernel is; True: what was read of it may be old."""
        self._store = store
        self._announce = announce
        self._lock = threading.Lock()
        root = store.attr(store.root())
        self._root_dev, self._root_ino = root.dev, root.ino
        announce(root.ino)
        self._root = Node(ROOT, root, b"", ROOT, b"")
        self._nodes: dict[int, Node] = {ROOT: self._root}
        self._entries: dict[tuple[int, bytes], int] = {}  # of directories: (parent, name) → number
        self._systems = FileSystems(store, root.dev)
        self._numbers = NodeNumbers(root, self._systems.ordinal, self._systems.ordinals)
        self._descriptors = Descriptors(store, descriptors)
        self._remembered: OrderedDict[int, tuple[int, bytes, int, bytes]] = OrderedDict()
        self._ways = WaysBack(store, root.dev, self._systems)

    # ---- identity
    def number_of(self, attr: Attr) -> int:
        """The number of the inode with these attributes, whether it is known or not."""
        return self._numbers.of(attr.dev, attr.ino)

    def number_behind(self, fd: Fd) -> int:
        """The number of the inode behind a descriptor, whether it is known or not."""
        attr = self._store.attr(fd)
        return self._numbers.of(attr.dev, attr.ino, self._identity(fd, attr))

    def ino_of(self, number: int) -> InodeNo:
        """The backing inode number. Raises Stale."""
        return self.get(number).ino

    def known(self, ino: int) -> list[int]:
        """Numbers of the nodes with this backing inode number that the kernel refers to.

        Usually none or one.
        """
        if ino == self._root_ino:
            return [ROOT]
        return [
            number
            for number in self._numbers.with_ino(ino)
            if (node := self._nodes.get(number)) is not None and node.lookups > 0 and node.ino == ino
        ]

    def look(self, fd: Fd) -> Attr:
        """Attributes to tell the kernel, read after the inode was announced."""
        attr = self._store.attr(fd)
        return self._store.attr(fd) if self._announce(attr.ino) else attr

    def find(self, directory: Fd, parent: int, name: bytes) -> tuple[Node, Attr]:
        """The node of what `name` is in the directory behind `directory`, whose number is `parent`."""
        fd = self._store.open_path(directory, name)
        try:
            attr = self.look(fd)
            if is_concealed(self._store, fd, attr):
                raise NotFound(subject=name)
            node = self.learn(fd, attr, parent, name)
        except BaseException:
            self._store.close(fd)
            raise
        self.keep_open(node.number, fd)
        return node, attr

    def learn(self, fd: Fd, attr: Attr, parent: int, name: bytes) -> Node:
        """The node of the inode behind `fd`, found in directory `parent` under `name`.

        `fd` stays the caller's.
        """
        if attr.dev != self._root_dev:
            self._meet_system(fd, attr, parent, name)
        if self._numbers.first(attr.dev, attr.ino) == ROOT:
            return self._root
        identity = self._identity(fd, attr)
        with self._lock:
            number = self._numbers.of(attr.dev, attr.ino, identity)
            node = self._nodes.get(number)
            fresh = node is None or node.identity != identity
            if node is None or fresh:
                if node is not None and node.lookups > 0:
                    number = self._numbers.add_later(attr.dev, attr.ino, identity)
                elif node is not None:
                    self._give_up(node)
                node = self._nodes[number] = Node(number, attr, identity, parent, name)
            self._name(node, parent, name, is_directory=stat.S_ISDIR(attr.mode))
            self._remembered.pop(number, None)
        if fresh:
            self._ways.record(node.number, node.dev, node.ino, node.identity)
        return node

    def _name(self, node: Node, parent: int, name: bytes, *, is_directory: bool) -> None:
        """The kernel knows the node by this name from now on."""
        self._unname(node)
        node.parent, node.name = parent, name
        if is_directory:
            self._entries[parent, name] = node.number

    def _unname(self, node: Node) -> bool:
        """False: the kernel was not told of it as of a directory, or was told since that there is none."""
        entry = node.parent, node.name
        known = self._entries.get(entry) == node.number
        if known:
            del self._entries[entry]
        return known

    def missed(self, parent: int, name: bytes) -> None:
        """The kernel is told that there is no such name: it keeps that instead of an entry it had."""
        with self._lock:
            self._entries.pop((parent, name), None)

    def _meet_system(self, fd: Fd, attr: Attr, parent: int, name: bytes) -> None:
        """Have the other file system that the inode behind `fd` lies on known, when this is its root."""
        above = self._nodes.get(parent)
        if not name or (above is not None and above.dev == attr.dev):
            return
        try:
            path = name if parent == ROOT else self.path_of(parent) + b"/" + name
        except Stale:
            path = b""
        self._systems.meet(fd, attr.dev, path)

    def _identity(self, fd: Fd, attr: Attr) -> bytes:
        """A file handle; where there are none the type, since a kernel breaks an inode whose type changes."""
        try:
            return self._store.handle_of(fd)
        except NO_HANDLES:
            return b"%o" % stat.S_IFMT(attr.mode)

    def stands(self, parent: int, name: bytes) -> bool:
        """Whether the directory that has this name now is the one that the kernel was told of under it, and
        the kernel was not told since that there is none.
        """
        try:
            with self.borrow(parent) as at:
                fd = self._store.open_path(at, name)
        except NamespaceError:
            return False
        try:
            told = self._entries.get((parent, name))
            return told is not None and told == self.number_behind(fd) and self.told_as(fd, parent, name)
        finally:
            self._store.close(fd)

    def told_as(self, fd: Fd, parent: int, name: bytes) -> bool:
        """Whether this name is the last under which the kernel was told of the inode behind `fd`."""
        attr = self._store.attr(fd)
        identity = self._identity(fd, attr)
        node = self._nodes.get(self._numbers.of(attr.dev, attr.ino, identity))
        return (
            node is not None
            and node.lookups > 0
            and (node.parent, node.name) == (parent, name)
            and (node.dev, node.ino, node.identity) == (attr.dev, attr.ino, identity)
        )

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
        self._give_up(node)
        del self._nodes[node.number]
        if orphan:
            self._numbers.forget_later(node.number)
            return
        if self._ways.is_short(node.number, node.dev, node.ino):
            return
        self._remembered[node.number] = (node.dev, node.identity, node.parent, node.name)
        while len(self._remembered) > _REMEMBERED:
            number, _ = self._remembered.popitem(last=False)
            self._numbers.forget_later(number)

    def get(self, number: int) -> Node:
        """The node, found again if it was forgotten. Raises Stale; ReadOnly for one without an inode."""
        node = self._nodes.get(number)
        return node if node is not None else self._find_again(number)

    def _find_again(self, number: int) -> Node:
        if is_virtual(number):
            raise ReadOnly("former versions are here to be read")
        remembered = self._remembered.get(number)
        dev, identity, parent, name = remembered or (*self._ways.find(number), ROOT, b"")
        try:
            fd = self._open_by(dev, identity, parent, name)
        except NamespaceError as error:
            raise Stale("this inode is gone") from error
        try:
            attr = self._store.attr(fd)
            found = self._identity(fd, attr)
            changed = self._numbers.of(attr.dev, attr.ino, found) != number
            if changed or (remembered and found != identity) or is_concealed(self._store, fd, attr):
                raise Stale("this inode is gone")
            return self.learn(fd, attr, parent, name)
        finally:
            self._store.close(fd)

    def parent_of(self, number: int) -> int:
        """The number of a directory's parent. Raises Stale, NotDirectory."""
        if number == ROOT:
            return ROOT
        if is_virtual(number):
            raise Stale("seen among former versions, below no bucket")
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
            self._descriptors.put(held)

    def _take(self, number: int) -> Descriptor:
        node = self.get(number)
        with self._lock:
            if node.pin is not None:
                return self._descriptors.use(node.pin)
        return self._descriptors.take(number) or self._descriptors.add(number, self._reopen(node))

    def _reopen(self, node: Node) -> Fd:
        try:
            fd = self._open_by(node.dev, node.identity, node.parent, node.name)
        except NotFound as error:
            raise Stale("this inode is gone") from error
        try:
            attr = self._store.attr(fd)
            if (attr.dev, attr.ino, self._identity(fd, attr)) != (node.dev, node.ino, node.identity):
                raise Stale("another inode has this name now")
        except BaseException:
            self._store.close(fd)
            raise
        return fd

    def _open_by(self, dev: int, identity: bytes, parent: int, name: bytes) -> Fd:
        with suppress(*NO_HANDLES):  # there the name has to do
            return self._ways.open(dev, identity)
        if not name:
            raise Stale("no way back to this inode")
        with self.borrow(parent) as directory:
            return self._store.open_path(directory, name)

    def keep_open(self, number: int, fd: Fd) -> None:
        """Hand over an O_PATH descriptor of that node: the next use will want it.

        While it is kept, the inode that the kernel was told of is there, removed or not, as it is for a
        caller between lookup and open on any local file system.
        """
        with self._lock:
            node = self._nodes.get(number)
            if number == ROOT or node is None or node.pin is not None:
                self._store.close(fd)
            else:
                self._descriptors.offer(number, fd)

    def _give_up(self, node: Node) -> None:
        self._unname(node)
        self._descriptors.drop(node.number)
        if node.pin is not None:
            self._descriptors.retire(node.pin)
            node.pin = None

    def hold_removed(self, number: int) -> None:
        """Someone else took away a name of this inode. If it was the last, pin it until the kernel forgets.

        A caller between lookup and open then finds the inode that it looked up. The kernel forgets soon,
        since it is told that the name is gone.
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
                if node is None or node.lookups == 0 or node.pin is not None:
                    self._descriptors.drop(number)
                elif self._descriptors.detach(number, held):
                    node.pin = held
        finally:
            self._descriptors.put(held)

    def release_unlinked(self) -> None:
        """Give up descriptors of inodes that were removed beside the mount: they would keep their space."""
        for number in self._descriptors.numbers():
            held = self._descriptors.take(number)
            if held is None:
                continue
            try:
                if self._store.attr(held.fd).nlink == 0:
                    self._descriptors.drop(number)
            finally:
                self._descriptors.put(held)

    # ---- names
    def orphaned(self, fd: Fd) -> bool:
        """The inode behind `fd` lost its last name.

        True: the kernel still refers to it and `fd` is ours now.
        """
        number = self.number_behind(fd)
        with self._lock:
            node = self._nodes.get(number)
            if node is None or node.lookups == 0 or node.pin is not None:
                return False
            self._descriptors.drop(number)
            node.pin = Descriptor(fd)
            return True

    def moved(self, fd: Fd, parent: int, name: bytes) -> None:
        """A rename gave the inode behind `fd` this name."""
        number = self.number_behind(fd)
        with self._lock:
            node = self._nodes.get(number)
            if node is not None and number != ROOT:
                self._name(node, parent, name, is_directory=self._unname(node))

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
                "descriptors": len(self._descriptors),
                "orphans": pins,
                "remembered": len(self._remembered),
            }

    def close(self) -> None:
        """Close every descriptor."""
        with self._lock:
            for node in self._nodes.values():
                self._give_up(node)
        self._ways.close()
