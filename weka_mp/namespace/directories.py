"""Directories that S3 keys made: the mark that lets them vanish with their last child, and the record of `PUT
a/`.
"""

from __future__ import annotations

from weka_mp.errors import NoAttribute, NotSupported, PermissionRefused
from weka_mp.namespace.records import IMPLICIT_XATTR
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["clear_implicit", "is_implicit", "is_young", "set_implicit"]

_YOUNG_NS = 15_000_000_000
"""Longer than a request takes from making a directory to its answer: after that it is durable and known."""


def set_implicit(store: Store, directory: Fd, made_ns: int = 0) -> None:
    """Mark a directory that only exists because a key below it does, made at that time."""
    store.set_xattr(directory, IMPLICIT_XATTR, b"%d" % made_ns)


def is_young(store: Store, directory: Fd, now_ns: int) -> bool:
    """Whether another request may have made the directory and not yet synced or announced it.

    Whoever relies on such a directory syncs and announces it too. One without a mark may be about to get it.
    """
    mark = store.find_xattr(directory, IMPLICIT_XATTR)
    made_ns = int(mark) if mark is not None and mark.isdigit() else store.attr(directory).ctime_ns
    return abs(now_ns - made_ns) < _YOUNG_NS


def is_implicit(store: Store, directory: Fd) -> bool:
    """Whether the directory goes when its last child goes."""
    return store.find_xattr(directory, IMPLICIT_XATTR) is not None


def clear_implicit(store: Store, directory: Fd) -> None:
    """A POSIX caller opened, made or changed the directory: it is theirs now and stays."""
    try:
        store.remove_xattr(directory, IMPLICIT_XATTR)
    except (NoAttribute, NotSupported, PermissionRefused):
        return
