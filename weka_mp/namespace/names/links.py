"""Where a symbolic link in a bucket leads, as S3 follows it: beneath the bucket, through visible names alone.

The kernel could follow links beneath a directory too, but not say by which names it went: a link to the body
of a directory object, or to something that is being published, must lead nowhere. What is found is opened by
a path without any link in it, so a link that is exchanged meanwhile leads nowhere either.
"""

from __future__ import annotations

import stat

from weka_mp.errors import Loop, NameTooLong, NotDirectory, NotFound
from weka_mp.namespace.names.keys import visible
from weka_mp.store.interface import Store
from weka_mp.values import Attr, Fd

__all__ = ["resolve"]

_NOWHERE = (NotFound, NotDirectory, Loop, NameTooLong)
_MOST_LINKS = 40  # as Linux, path_resolution(7)


def resolve(store: Store, bucket: Fd, path: bytes) -> bytes | None:
    """The path below the bucket, without links, that the link at `path` leads to.

    None where nothing is there, a link leads out of the bucket (an absolute one always) or round in a circle,
    or a hidden name is on the way. Only the last component of `path` itself may be a link.
    """
    *found, last = path.split(b"/")
    ahead, links = [last], 0
    while ahead:
        name = ahead.pop(0)
        if name in (b"", b".", b".."):
            if (name == b".." and not found) or not _is_directory(store, bucket, found):
                return None
            del found[len(found) - (name == b"..") :]
            continue
        if not visible(name):
            return None
        target = _link_target(store, bucket, found, name)
        if target is None:
            found.append(name)
            continue
        links += 1
        if links > _MOST_LINKS or target.startswith(b"/"):
            return None
        ahead = target.split(b"/") + ahead
    return b"/".join(found) if links else None


def _is_directory(store: Store, bucket: Fd, path: list[bytes]) -> bool:
    try:
        store.close(store.open_dir(bucket, b"/".join(path)))
    except _NOWHERE:
        return False
    return True


def _link_target(store: Store, bucket: Fd, parents: list[bytes], name: bytes) -> bytes | None:
    """What the link `name` holds; None when it is no link, or nothing."""
    try:
        directory = store.open_dir(bucket, b"/".join(parents))
    except _NOWHERE:
        return None  # then the path as a whole leads nowhere
    try:
        attr: Attr = store.attr_at(directory, name)
        return store.readlink(directory, name) if stat.S_ISLNK(attr.mode) else None
    except (NotFound, NameTooLong):
        return None
    finally:
        store.close(directory)
