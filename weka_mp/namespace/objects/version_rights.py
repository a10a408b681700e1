"""Versions lie in the control area, where no directory of users guards them: so the directories of their keys
are asked, as for an object that stands there. Where such a one is gone, the nearest one above it.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager

from weka_mp.errors import AccessDenied, NotFound, PermissionRefused
from weka_mp.namespace.context import Context, Parent
from weka_mp.namespace.names.keys import EntryPath
from weka_mp.values import Attr, Fd

__all__ = ["is_listed", "require_removal", "require_search"]

_CHANGE = os.W_OK | os.X_OK
_LIST = os.R_OK | os.X_OK


def require_search(context: Context, bucket: Fd, path: EntryPath) -> None:
    """Raises AccessDenied where modes keep who asks from the way to the key."""
    if context.judged is not None:
        with _nearest(context, bucket, path) as holder:
            context.store.check_access(holder.fd, os.X_OK)


def is_listed(context: Context, bucket: Fd, path: EntryPath) -> bool:
    """Whether who asks could see the key's name in a listing."""
    if context.judged is None:
        return True
    try:
        for depth in range(len(path.parents) + 1):
            holder = context.find_parent(bucket, path._replace(parents=path.parents[:depth]))
            if holder is None:
                return True
            try:
                context.store.check_access(holder.fd, _LIST)
            finally:
                context.store.close(holder.fd)
    except AccessDenied:
        return False
    return True


def require_removal(context: Context, bucket: Fd, path: EntryPath, version: Attr) -> None:
    """Raises AccessDenied, PermissionRefused where modes would keep who asks from removing the key's name, if
    that version had it.
    """
    if context.judged is None:
        return
    with _nearest(context, bucket, path) as holder:
        context.store.check_access(holder.fd, _CHANGE)
        if context.is_kept_from(context.store.attr(holder.fd), version):
            raise PermissionRefused("the sticky bit lets owners alone remove it")


@contextmanager
def _nearest(context: Context, bucket: Fd, path: EntryPath) -> Iterator[Parent]:
    """The directory of the key's entry, or the nearest one above that is there. Raises AccessDenied."""
    for depth in range(len(path.parents), -1, -1):
        holder = context.find_parent(bucket, path._replace(parents=path.parents[:depth]))
        if holder is not None:
            try:
                yield holder
            finally:
                context.store.close(holder.fd)
            return
    raise NotFound("the bucket's directory is gone")
