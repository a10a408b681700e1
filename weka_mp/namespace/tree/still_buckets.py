"""What a rename or a link on the mount must hold still.

Buckets in which a directory moves: a publication over S3 finds the parent directory of its key and gives the
name below it; were that directory moved in between, the object would appear below another prefix than the one
that was answered. And buckets between which a file moves, or gets one more name: a bucket gets its first
quota when nobody who knew of none is still on the way into it.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import NamedTuple

from weka_mp.errors import NotFound, Stale, WouldBlock
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.tree.nodes import ROOT, Nodes
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["End", "still", "still_for_link"]


class End(NamedTuple):
    """One name of a rename: the number of its directory, a descriptor of that, the name."""

    parent: int
    directory: Fd
    name: bytes


def still(
    store: Store, nodes: Nodes, locks: EntryLocks, ends: tuple[End, End], wait: bool
) -> AbstractContextManager[None]:
    """For the length of the block no S3 request is on its way through a directory that moves, and no bucket
    gets its first quota while something moves into it.

    Raises WouldBlock, unless `wait` is set, when that has to be waited for.
    """
    if any(_is_directory(store, end) for end in ends):
        return _held(locks, {_bucket_of(store, nodes, end) for end in ends}, wait)
    if ends[0].parent == ends[1].parent:
        return nullcontext()
    buckets = {_bucket_of(store, nodes, end) for end in ends}
    return nullcontext() if len(buckets) == 1 else _held(locks, buckets, wait)


def still_for_link(
    nodes: Nodes, locks: EntryLocks, number: int, parent: int, wait: bool
) -> AbstractContextManager[None]:
    """The same where a file gets one more name in the directory `parent`."""
    home = nodes.get(number).parent
    if parent in (home, ROOT):
        return nullcontext()
    bucket = _top(nodes, parent)
    try:
        if home != ROOT and _top(nodes, home) == bucket:
            return nullcontext()
    except Stale:  # that name of it is gone, and its directory
        pass
    return _held(locks, {nodes.ino_of(bucket)}, wait)


@contextmanager
def _held(locks: EntryLocks, buckets: set[int], wait: bool) -> Iterator[None]:
    with locks.hold_trees(buckets, wait=wait) as held:
        if not held:
            raise WouldBlock("somebody is changing a name in a bucket that has to be still")
        yield


def _is_directory(store: Store, end: End) -> bool:
    try:
        return stat.S_ISDIR(store.attr_at(end.directory, end.name).mode)
    except NotFound:
        return False


def _bucket_of(store: Store, nodes: Nodes, end: End) -> int:
    """The inode number of the bucket in which the name stands, or which it is; 0: one that is not there."""
    if end.parent == ROOT:
        try:
            return store.attr_at(end.directory, end.name).ino
        except NotFound:
            return 0
    return nodes.ino_of(_top(nodes, end.parent))


def _top(nodes: Nodes, number: int) -> int:
    """The number of the bucket in which this directory lies, or which it is. Raises Stale."""
    while (above := nodes.parent_of(number)) != ROOT:
        number = above
    return number
