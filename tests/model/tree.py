"""The in-memory truth: one tree of files, directories, links and fifos that both views must show."""

from __future__ import annotations

import errno
import hashlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, field

from tests.model.alphabet import BUCKETS, RESERVED, component_of, entry_of

__all__ = ["Content", "Directory", "Fifo", "File", "Link", "Node", "Place", "Truth", "md5_of", "refuse"]

MAX_KEY = 1024
MAX_LINKS = 40  # path_resolution(7)


def md5_of(data: bytes) -> str:
    return hashlib.md5(data, usedforsecurity=False).hexdigest()


def refuse(number: int) -> OSError:
    """The error of a system call."""
    return OSError(number, os.strerror(number))


@dataclass(eq=False)
class Content:
    """Bytes with S3 metadata. `tag`: the ETag it must have; None: its MD5, or a dashed one, never stale."""

    data: bytes = b""
    tag: str | None = None
    type: str | None = None  # Content-Type as a client gave it
    user: dict[str, str] = field(default_factory=dict)
    from_s3: bool = False
    renewed: bool = False  # Last-Modified is that of new metadata, not of the bytes


@dataclass(eq=False)
class File(Content):
    mode: int = 0o644
    nlink: int = 1
    mtime_ns: int | None = None  # where a caller has set it
    xattrs: dict[str, bytes] = field(default_factory=dict)

    def changed(self, data: bytes) -> None:
        """A POSIX writer changed the content: its ETag is not known any more, its metadata stays."""
        self.data, self.tag, self.mtime_ns = data, None, None


@dataclass(eq=False)
class Link:
    target: bytes
    nlink: int = 1


@dataclass(eq=False)
class Fifo:
    mode: int = 0o644
    nlink: int = 1


@dataclass(eq=False)
class Directory:
    """`implicit`: goes with its last child. `object`: the object `a/`; `made`: its PUT made the directory."""

    implicit: bool = False
    entries: dict[bytes, Node] = field(default_factory=dict)
    object: Content | None = None
    made: bool = False
    mode: int = 0o755
    xattrs: dict[str, bytes] = field(default_factory=dict)

    def claim(self) -> None:
        self.implicit = False


Node = File | Link | Fifo | Directory


@dataclass(frozen=True)
class Place:
    """Where a path leads: the directories on the way from the root, and the last name ('' at the root)."""

    stack: tuple[Directory, ...]
    name: bytes

    @property
    def parent(self) -> Directory:
        return self.stack[-1]

    @property
    def node(self) -> Node | None:
        return self.parent.entries.get(self.name) if self.name else self.parent


class Truth:
    """The store's root with its buckets, and how names are found in it."""

    def __init__(self) -> None:
        self.root = Directory(entries={name.encode(): Directory() for name in BUCKETS})

    def bucket(self, name: str) -> Directory:
        found = self.root.entries[name.encode()]
        assert isinstance(found, Directory)
        return found

    # ---- POSIX
    def locate(self, path: tuple[bytes, ...], *, follow: bool) -> Place:
        """path_resolution(7) from the mount's root; the last name may be missing. Raises OSError."""
        return self._walk((self.root,), list(path), follow, 0, 0)

    def _walk(
        self, stack: tuple[Directory, ...], names: list[bytes], follow: bool, floor: int, links: int
    ) -> Place:
        while names:
            name = names.pop(0)
            last = not names
            if name in (b"", b"."):
                continue
            if name == b"..":
                if len(stack) <= 1 + floor:
                    raise refuse(errno.ENOENT if not floor else errno.EXDEV)
                stack = stack[:-1]
                continue
            node = stack[-1].entries.get(name)
            if isinstance(node, Link) and (not last or follow):
                if links >= MAX_LINKS:
                    raise refuse(errno.ELOOP)
                return self._walk(stack, [*node.target.split(b"/"), *names], follow, floor, links + 1)
            if last:
                return Place(stack, name)
            if node is None:
                raise refuse(errno.ENOENT)
            if not isinstance(node, Directory):
                raise refuse(errno.ENOTDIR)
            stack = (*stack, node)
        return Place(stack, b"")

    def find(self, path: tuple[bytes, ...], *, follow: bool = False) -> Node:
        """What stands at a path. Raises OSError."""
        node = self.locate(path, follow=follow).node
        if node is None:
            raise refuse(errno.ENOENT)
        return node

    # ---- S3
    def holder(self, bucket: str, parents: tuple[bytes, ...]) -> Directory | None:
        """The directory of a key; None when it is missing or something else. Links are not followed."""
        here = self.bucket(bucket)
        for name in parents:
            found = here.entries.get(name)
            if not isinstance(found, Directory):
                return None
            here = found
        return here

    def object(self, bucket: str, key: bytes) -> Content | None:
        """What GET answers with."""
        names, is_directory = entry_of(key)
        holder = self.holder(bucket, names[:-1])
        node = holder.entries.get(names[-1]) if holder else None
        if is_directory:
            return node.object if isinstance(node, Directory) else None
        if isinstance(node, Link):
            node = self._led_to(bucket, names)
        return node if isinstance(node, File) else None

    def _led_to(self, bucket: str, names: tuple[bytes, ...]) -> Node | None:
        """A link is followed as long as it stays beneath the bucket."""
        try:
            return self._walk((self.root, self.bucket(bucket)), list(names), True, 1, 0).node
        except OSError:
            return None

    def objects(self, bucket: str) -> list[tuple[bytes, Content]]:
        """Every object of the bucket in the order of its key's bytes."""
        return sorted(self._below(bucket, self.bucket(bucket), b""), key=lambda found: found[0])

    def _below(self, bucket: str, here: Directory, base: bytes) -> Iterator[tuple[bytes, Content]]:
        for name, node in here.entries.items():
            component = component_of(name)
            if component is None:
                continue
            if isinstance(node, Directory):
                key = base + component + b"/"
                if node.object is not None and len(key) <= MAX_KEY:
                    yield key, node.object
                yield from self._below(bucket, node, key)
                continue
            key = base + component
            found = self.object(bucket, key) if component and len(key) <= MAX_KEY else None
            if found is not None:
                yield key, found

    # ---- both
    def paths(self) -> Iterator[tuple[tuple[bytes, ...], Node]]:
        """Every name below the buckets with what it stands for."""
        pending: list[tuple[tuple[bytes, ...], Directory]] = [((), self.root)]
        while pending:
            path, here = pending.pop()
            for name, node in here.entries.items():
                yield (*path, name), node
                if isinstance(node, Directory):
                    pending.append(((*path, name), node))


def is_reserved(name: bytes) -> bool:
    """Whether no POSIX caller can make this name."""
    return name in RESERVED
