"""Directories that S3 keys made: the mark that lets them vanish with their last child, and the record of `PUT
a/`.
"""

from __future__ import annotations

from weka_mp.errors import NoAttribute, NotSupported, PermissionRefused
from weka_mp.namespace.records import IMPLICIT_XATTR
from weka_mp.store.interface import Store
from weka_mp.values import Fd

__all__ = ["clear_implicit", "is_implicit", "set_implicit"]


def set_implicit(store: Store, directory: Fd) -> None:
    """Mark a directory that only exists because a key below it does."""
    store.set_xattr(directory, IMPLICIT_XATTR, b"1")


def is_implicit(store: Store, directory: Fd) -> bool:
    """Whether the directory goes when its last child goes."""
    return store.find_xattr(directory, IMPLICIT_XATTR) is not None


def clear_implicit(store: Store, directory: Fd) -> None:
    """A POSIX caller opened, made or changed the directory: it is theirs now and stays."""
    try:
        store.remove_xattr(directory, IMPLICIT_XATTR)
    except (NoAttribute, NotSupported, PermissionRefused):
        return
