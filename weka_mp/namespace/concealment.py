"""The mark on files of the control area: both views know them by it, whatever other name somebody gave them.

No door makes a hard link to such a file, but whoever reaches the store's directory can. The mark stands in
place of an object record (docs/STORAGE_FORMAT.md), so the record that makes an object of an uploaded file
takes it away. The sticky bit, which means nothing on a file, goes with it: who meets a file without it, as
nearly all are, has asked enough.
"""

from __future__ import annotations

import os
import stat
from contextlib import suppress

from weka_mp.errors import NotFound
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["RECORD_XATTR", "conceal", "conceal_below", "create_concealed", "is_concealed", "reveal"]

RECORD_XATTR = "user.weka.object"
"""What a file is: an object's record, or that it is none."""

_MARK = b"WKC1"
_PRIVATE = 0o600


def create_concealed(store: Store, at: Fd, name: bytes, flags: int, mode: int = _PRIVATE) -> Fd:
    """Open a file of the control area, made when it is not there; `mode` is what it has as an object."""
    fd = store.open_file(at, name, flags | os.O_CREAT, mode | stat.S_ISVTX)
    try:
        if flags & os.O_EXCL:
            store.set_xattr(fd, RECORD_XATTR, _MARK)
        elif store.find_xattr(fd, RECORD_XATTR) is None:  # just made, or by an older version
            conceal(store, fd)
    except BaseException:
        store.close(fd)
        if flags & os.O_EXCL:
            with suppress(NotFound):
                store.unlink(at, name)
        raise
    return fd


def conceal(store: Store, fd: Fd) -> None:
    """Have no view show the file."""
    store.set_xattr(fd, RECORD_XATTR, _MARK)
    store.chmod(fd, stat.S_IMODE(store.attr(fd).mode) | stat.S_ISVTX)


def is_concealed(store: Store, fd: Fd, attr: Attr) -> bool:
    """Whether no view may show the inode behind `fd` (O_PATH ones, too), whose attributes are these."""
    return bool(
        attr.mode & stat.S_ISVTX
        and stat.S_ISREG(attr.mode)
        and store.find_xattr(fd, RECORD_XATTR) == _MARK
    )


def reveal(store: Store, fd: Fd, attr: Attr) -> Attr:
    """A file that got its object record becomes visible: its attributes from now on."""
    if not attr.mode & stat.S_ISVTX:
        return attr
    shown = attr._replace(mode=attr.mode & ~stat.S_ISVTX)
    store.chmod(fd, stat.S_IMODE(shown.mode))
    return shown


def conceal_below(store: Store, directory: Fd, may_be_published: frozenset[bytes]) -> None:
    """Files that an older version made in the control area. Those of these names may be about to become
    objects and are left alone, as are directories of these names.
    """
    for entry in store.entries(directory):
        if entry.name not in may_be_published:
            with suppress(NotFound):  # done with meanwhile
                _conceal_entry(store, directory, entry.name, may_be_published)


def _conceal_entry(store: Store, directory: Fd, name: bytes, may_be_published: frozenset[bytes]) -> None:
    kind = stat.S_IFMT(store.attr_at(directory, name).mode)
    if kind == stat.S_IFDIR:
        below = store.open_dir(directory, name)
        try:
            conceal_below(store, below, may_be_published)
        finally:
            store.close(below)
    elif kind == stat.S_IFREG:
        fd = store.open_file(directory, name, os.O_RDONLY)
        try:
            if not is_concealed(store, fd, store.attr(fd)):
                conceal(store, fd)
        finally:
            store.close(fd)
