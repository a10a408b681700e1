"""What holds for all open files of a mount."""

from __future__ import annotations

import stat
from collections.abc import Callable
from dataclasses import dataclass

from weka_mp.namespace.context import Context
from weka_mp.namespace.happenings import Watcher
from weka_mp.namespace.quotas.book import Quotas

__all__ = ["FileRules", "OnDirty", "privileges_kept"]

OnDirty = Callable[[bytes], None]
"""Takes the path below the store's root of a file whose last writer closed and whose ETag is not known.

For the background filler.
"""


def privileges_kept(mode: int) -> int:
    """`mode` after a write by somebody without CAP_FSETID: no set-uid, and no set-gid on group executables.

    The kernel's rule for local file systems (setattr_should_drop_suidgid); through FUSE it is ours to keep.
    """
    kept = mode & ~stat.S_ISUID
    return kept & ~stat.S_ISGID if mode & stat.S_IXGRP else kept


@dataclass(frozen=True, slots=True)
class FileRules:
    """What holds for every open file of a mount. `overrides`: the process may open files whatever their mode
    says. `limit`: how many may be open at once, so that descriptors are left for everything else.

    `shared`: other mounts of the store write, too. One of their writes may fall between our own write and the
    looks at size and mtime around it, and one of their callers may set an mtime back: so nothing is hashed on
    the way (the filler reads the file instead), and no page that the kernel cached is taken for true at the
    next open. `durable`: what is shown has to be true after a power cut, too. `quotas`: of buckets.
    `versions`: where those of buckets are, None: nowhere; `makes_versions`: what callers replace becomes one.
    `watcher`: is told of what callers do to files.
    """

    overrides: bool = True
    limit: int | None = None
    shared: bool = False
    durable: bool = True
    quotas: Quotas | None = None
    versions: Context | None = None
    makes_versions: bool = True
    watcher: Watcher | None = None
