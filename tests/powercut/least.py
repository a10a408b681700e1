"""The least that a disk may keep: what was synced by its own name, and of the rest whatever it likes.

Real file systems keep more (a journal commits everything that came before), so a sync that is missing may
never show on them. This store in memory promises what POSIX does: a file's bytes and attributes are on the
disk after fsync of that file, a name is there (or gone) after fsync of its directory. Of what was not synced
each change survives or not on its own, with two exceptions that every file system we support makes: a file is
never longer than the bytes of it that were written, and a rename leaves the inode one of its names. Nor does
it keep more than they do: what is cut off a file is cleared up to the end of its block before the file is
shorter.

The idea of exploring what an abstract file system may leave is that of ALICE (Pillai et al., OSDI 2014).
"""

from __future__ import annotations

import random
import sys
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

from weka_mp.store.memory import MemoryStore
from weka_mp.store.memory_inodes import ALL_PRIMITIVES, Inode
from weka_mp.values import Fd

__all__ = ["LeastDisk", "caller_of_sync"]

_BLOCK = 4096  # bytes
_INNER = {"effects", "least", "skipping", "posix"}
"""Modules between a sync and whoever decided on it."""


def caller_of_sync() -> str:
    """``module.function`` of whoever asked for the sync that is under way."""
    frame = sys._getframe(1)
    while Path(frame.f_code.co_filename).stem in _INNER and frame.f_back is not None:
        frame = frame.f_back
    return f"{Path(frame.f_code.co_filename).stem}.{frame.f_code.co_name}"


@dataclass(frozen=True, slots=True)
class _Attributes:
    mode: int
    uid: int
    gid: int
    atime_ns: int
    mtime_ns: int
    ctime_ns: int
    xattrs: tuple[tuple[str, bytes], ...]

    @classmethod
    def of(cls, inode: Inode) -> _Attributes:
        return cls(
            inode.mode,
            inode.uid,
            inode.gid,
            inode.atime_ns,
            inode.mtime_ns,
            inode.ctime_ns,
            tuple(inode.xattrs.items()),
        )

    def give(self, inode: Inode) -> None:
        inode.mode, inode.uid, inode.gid = self.mode, self.uid, self.gid
        inode.atime_ns, inode.mtime_ns, inode.ctime_ns = self.atime_ns, self.mtime_ns, self.ctime_ns
        inode.xattrs = dict(self.xattrs)


@dataclass(frozen=True, slots=True)
class _Kept:
    """What the disk has of one inode."""

    attributes: _Attributes
    data: bytes
    children: dict[bytes, Inode]


class LeastDisk(MemoryStore):
    """See the module. `skip` is asked with number (from 0) and caller of each sync whether to leave it out;
    `before_sync` is called before.
    """

    def __init__(self, *, leases: bool = True) -> None:
        super().__init__(replace(ALL_PRIMITIVES, xattr_bytes=3500, leases=leases))
        self._cleared: dict[Inode, int] = {}  # where a file was cut off since it was last synced
        self._kept: dict[Inode, _Kept] = {}
        self.syncs: list[str] = []
        self.skip: Callable[[int, str], bool] = lambda nth, caller: False
        self.before_sync: Callable[[], None] = lambda: None

    def sync_file(self, fd: Fd) -> None:
        self._sync(fd, with_attributes=True)

    def _sync(self, fd: Fd, *, with_attributes: bool) -> None:
        self.before_sync()
        caller = caller_of_sync()
        self.syncs.append(caller)
        with self._changed:
            inode = self._inode(fd)
            if not self.skip(len(self.syncs) - 1, caller):
                kept = self._kept.get(inode)
                new = with_attributes or kept is None
                attributes = _Attributes.of(inode) if new or kept is None else kept.attributes
                self._kept[inode] = _Kept(attributes, bytes(inode.data), dict(inode.children))
                self._cleared.pop(inode, None)

    def sync_data(self, fd: Fd) -> None:
        """fdatasync(2): the bytes and the length, no attributes."""
        self._sync(fd, with_attributes=False)

    def sync_dir(self, fd: Fd) -> None:
        self.sync_file(fd)

    def sync_all(self, fd: Fd) -> None:
        raise AssertionError("nothing calls syncfs(2); it would have to be taught here")

    def truncate(self, fd: Fd, size: int) -> None:
        """The rest of the last block is cleared in place, and may be so within the length on the disk."""
        inode = self._inode(fd)
        super().truncate(fd, size)
        self._cleared[inode] = min(size, self._cleared.get(inode, size))

    # ---- the power goes
    def cut(self, rng: random.Random | None) -> MemoryStore:
        """What is there when the power is back: of what was not synced nothing, or by chance."""
        after = MemoryStore(self.primitives)
        top = after._inode(after.root())
        with self._changed:
            revival = _Revival(self._kept, self._cleared, after, rng)
            revival.directory(self._inode(self.root()), top)
            revival.renamed()
        return after


class _Revival:
    def __init__(
        self,
        kept: dict[Inode, _Kept],
        cleared: dict[Inode, int],
        after: MemoryStore,
        rng: random.Random | None,
    ) -> None:
        self._kept = kept
        self._cleared = cleared
        self._after = after
        self._rng = rng
        self._made: dict[Inode, Inode] = {}
        self._taken: list[tuple[Inode, bytes, Inode]] = []  # names that survived no more, but their inode may

    def _lucky(self) -> bool:
        return self._rng is not None and self._rng.random() < 0.5

    def directory(self, was: Inode, now: Inode) -> None:
        self._made[was] = now
        kept = self._kept.get(was)
        children = dict(kept.children) if kept else {}
        for name in sorted({*children, *was.children}):
            if children.get(name) is not was.children.get(name) and self._lucky():
                if name in children:
                    self._taken.append((now, name, children.pop(name)))
                if name in was.children:
                    children[name] = was.children[name]
        for name, child in children.items():
            if child.is_directory and child in self._made:
                # Renamed, and it has its other name: then what it took the place of stands there, too.
                replaced = kept.children.get(name) if kept else None
                if replaced is not None and replaced not in self._made:
                    self._after._inodes.attach(now, name, self._inode(replaced))
                continue
            self._after._inodes.attach(now, name, self._inode(child))
        self._attributes(was, now)

    def renamed(self) -> None:
        """What has a name now and had one on the disk keeps one of them."""
        while self._taken:
            directory, name, child = self._taken.pop()
            if child.nlink > 0 and child not in self._made and name not in directory.children:
                self._after._inodes.attach(directory, name, self._inode(child))

    def _inode(self, was: Inode) -> Inode:
        if was in self._made:
            return self._made[was]
        inodes = self._after._inodes
        now = inodes.make(was.mode, 0, 0)
        del inodes.live[now.ino]
        now.ino, now.generation, now.target, now.rdev = was.ino, was.generation, was.target, was.rdev
        inodes.live[now.ino] = now
        inodes._next = max(inodes._next, now.ino + 1)
        inodes._generation = max(inodes._generation, now.generation + 1)
        if was.is_directory:
            self.directory(was, now)
            return now
        self._made[was] = now
        kept = self._kept.get(was)
        now.data = bytearray(was.data if self._lucky() else kept.data if kept else b"")
        if was in self._cleared and self._lucky():
            cut = self._cleared[was]
            rest = min(len(now.data), -(-cut // _BLOCK) * _BLOCK) - cut
            now.data[cut : cut + max(rest, 0)] = bytes(max(rest, 0))
        if kept is None and self._rng is not None and self._lucky():
            del now.data[self._rng.randrange(len(was.data) + 1) :]
        self._attributes(was, now)
        return now

    def _attributes(self, was: Inode, now: Inode) -> None:
        kept = self._kept.get(was)
        if self._lucky():
            _Attributes.of(was).give(now)
        elif kept is not None:
            kept.attributes.give(now)
