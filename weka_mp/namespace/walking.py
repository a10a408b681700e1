"""Every file and directory of a store, whichever door made it and whether a view shows it or not."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from dataclasses import dataclass

from weka_mp.errors import IsDirectory, Loop, NamespaceError, NotDirectory, NotFound
from weka_mp.namespace.names.keys import CONTROL_NAME
from weka_mp.store.interface import DirEntry, Store
from weka_mp.values import Attr, Fd

__all__ = ["Met", "Unreachable", "kind_of", "walk"]

_VANISHED = (NotFound, NotDirectory, IsDirectory, Loop)


@dataclass(frozen=True, slots=True)
class Met:
    """A regular file or directory: its path below the store's root, a read-only descriptor (closed when the
    walk goes on) and its attributes.
    """

    path: bytes
    fd: Fd
    attr: Attr


@dataclass(frozen=True, slots=True)
class Unreachable:
    """What could not be looked at, and why."""

    path: bytes
    error: NamespaceError


def walk(store: Store, top: bytes = b"") -> Iterator[Met | Unreachable]:
    """Everything at and below the directory `top` but the control area; a directory comes before its entries.

    What goes away meanwhile is left out, what is renamed meanwhile may be. On a stack of paths: the tree can
    be deeper than there are descriptors, or frames to recurse in.
    """
    todo = [top]
    while todo:
        path = todo.pop()
        try:
            directory = store.open_dir(store.root(), path)
        except _VANISHED:
            continue
        except NamespaceError as error:
            yield Unreachable(path, error)
            continue
        try:
            yield Met(path, directory, store.attr(directory))
            for entry in store.entries(directory):
                if not path and entry.name == CONTROL_NAME:
                    continue
                below = path + b"/" + entry.name if path else entry.name
                kind = kind_of(store, directory, entry)
                if kind == stat.S_IFDIR:
                    todo.append(below)
                elif kind == stat.S_IFREG:
                    yield from _file(store, directory, entry.name, below)
        except NamespaceError as error:
            yield Unreachable(path, error)
        finally:
            store.close(directory)


def kind_of(store: Store, directory: Fd, entry: DirEntry) -> int:
    """The type as stat(2) says it (S_IFMT), asked for where the listing did not; 0: gone meanwhile."""
    if entry.type:
        return entry.type
    try:
        return stat.S_IFMT(store.attr_at(directory, entry.name).mode)
    except NotFound:
        return 0


def _file(store: Store, directory: Fd, name: bytes, path: bytes) -> Iterator[Met | Unreachable]:
    try:
        fd = store.open_file(directory, name, os.O_RDONLY)
    except _VANISHED:
        return
    except NamespaceError as error:
        yield Unreachable(path, error)
        return
    try:
        attr = store.attr(fd)
        if stat.S_ISREG(attr.mode):
            yield Met(path, fd, attr)
    finally:
        store.close(fd)
