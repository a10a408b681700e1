"""Who asks the tree, what for, and what it answers."""

from __future__ import annotations

from dataclasses import dataclass

from weka_mp.values import Attr

__all__ = ["AttrChange", "Caller", "Entry"]


@dataclass(frozen=True, slots=True)
class Caller:
    """Who asks: file-system uid and gid and supplementary groups."""

    uid: int
    gid: int
    groups: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class Entry:
    """A node with its attributes as they are now. lasting: whether the kernel is told when it changes."""

    number: int
    generation: int
    attr: Attr
    lasting: bool = True


@dataclass(frozen=True, slots=True)
class AttrChange:
    """What is to change of an inode's attributes; None leaves it. Times in nanoseconds."""

    mode: int | None = None
    uid: int | None = None
    gid: int | None = None
    atime_ns: int | None = None
    mtime_ns: int | None = None
