"""What a rename on the mount must hold still: buckets in which a directory moves.

A publication over S3 finds the parent directory of its key and gives the name below it; were that directory
moved in between, the object would appear below another prefix than the one that was answered.
"""

from __future__ import annotations

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from typing import NamedTuple

from weka_mp.errors import NotFound, WouldBlock
from weka_mp.namespace.locks import EntryLocks
from weka_mp.namespace.tree.nodes import ROOT, Nodes
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["End", "still"]


class End(NamedTuple):
    """One name of a rename: the number of its directory, a descriptor of that, the name."""

    parent: int
    directory: Fd
    name: bytes


@contextmanager
def still(store: Store, nodes: Nodes, locks: EntryLocks, ends: tuple[End, End], wait: bool) -> Iterator[None]:
    """For the length of the block no S3 request is on its way through a directory that moves.

    Raises WouldBlock, unless `wait` is set, when one is.
    """
    if not any(_is_directory(store, end) for end in ends):
        yield
        return
    with locks.hold_trees({_bucket_of(store, nodes, end) for end in ends}, wait=wait) as held:
        if not held:
            raise WouldBlock("somebody is changing a name below a directory that moves")
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
    number = end.parent
    while (above := nodes.parent_of(number)) != ROOT:
        number = above
    return nodes.ino_of(number)
