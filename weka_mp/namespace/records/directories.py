"""Directories that S3 keys made: the mark that lets them vanish with their last child, and the record of `PUT
a/`.
"""

from __future__ import annotations

import logging
from dataclasses import dataclass

from weka_mp.errors import NamespaceError, NoAttribute, NotSupported, PermissionRefused
from weka_mp.namespace.records.attribute import IMPLICIT_XATTR
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["Age", "age_of", "clear_implicit", "is_implicit", "is_young", "set_implicit", "take_over"]

_log = logging.getLogger(__name__)

_YOUNG_NS = 15_000_000_000
"""Longer than a request takes from making a directory to its answer: after that it is durable and known."""


def set_implicit(store: Store, directory: Fd, made_ns: int = 0) -> None:
    """Mark a directory that only exists because a key below it does, made at that time."""
    store.set_xattr(directory, IMPLICIT_XATTR, b"%d" % made_ns)


@dataclass(frozen=True, slots=True)
class Age:
    """Whether another request may have made a directory and not yet synced or announced it.

    Whoever relies on a young one syncs and announces it too. `birth` tells it from every other directory that
    had or will have its inode number; None where there is no mark (it may be about to get one).
    """

    young: bool
    birth: tuple[int, bytes] | None


def is_young(made_ns: int, now_ns: int) -> bool:
    """Whether who made or moved something then may not have told it yet."""
    return abs(now_ns - made_ns) < _YOUNG_NS


def age_of(store: Store, directory: Fd, attr: Attr, now_ns: int) -> Age:
    """By the time in the mark, else by the last change."""
    mark = store.find_xattr(directory, IMPLICIT_XATTR)
    marked = mark is not None and mark.isdigit()
    made_ns = int(mark or b"0") if marked else attr.ctime_ns
    return Age(is_young(made_ns, now_ns), (attr.ino, mark) if marked and mark is not None else None)


def is_implicit(store: Store, directory: Fd) -> bool:
    """Whether the directory goes when its last child goes."""
    return store.find_xattr(directory, IMPLICIT_XATTR) is not None


def clear_implicit(store: Store, directory: Fd) -> None:
    """A POSIX caller opened, made or changed the directory: it is theirs now and stays."""
    try:
        store.remove_xattr(directory, IMPLICIT_XATTR)
    except (NoAttribute, NotSupported, PermissionRefused):
        return


def take_over(store: Store, directory: Fd) -> None:
    """`clear_implicit` after a caller of the mount got what was asked for, which no failure takes back.

    Where the mark cannot be cleared the directory goes with its last key, as if only keys had made it.
    """
    try:
        clear_implicit(store, directory)
    except NamespaceError as error:
        _log.debug("a directory stays one that vanishes with its last key: %s", error)
