"""Why modes or ACLs keep a user from a key: the first thing on the way that does not let it through.

For explanations. Requests are decided by the kernel in the calls that act; the same kernel is asked here
(faccessat2(2)), step by step, on each directory and file. Only sticky directories are worked out from owners.
"""

from __future__ import annotations

import enum
import os
import stat
from contextlib import ExitStack
from dataclasses import dataclass

from weka_mp.errors import AccessDenied, Loop, NameTooLong, NoAttribute, NotDirectory, NotFound, NotSupported
from weka_mp.namespace.context import Context
from weka_mp.namespace.names.keys import directory_of, entry_path
from weka_mp.namespace.names.links import resolve
from weka_mp.values import Attr, BucketName, Fd

__all__ = ["Need", "Obstacle", "find_obstacle"]

_MISSING = (NotFound, NotDirectory, Loop, NameTooLong)
_ACLS = ("system.posix_acl_access",)
_WORDS = {os.X_OK: "search (x)", os.R_OK: "read (r)", os.W_OK: "write (w)"}


class Need(enum.Enum):
    """What an operation does to its key (docs/SEMANTICS.md, 15)."""

    READ = "read"
    LIST = "list"
    PUT = "put"
    REMOVE = "remove"
    AMEND = "amend"


@dataclass(frozen=True, slots=True)
class Obstacle:
    """path: below the store's root. lacks: what is not allowed. attr: of what does not allow it; acl: whether
    an ACL has a say in it.
    """

    path: bytes
    lacks: str
    attr: Attr
    acl: bool

    def __str__(self) -> str:
        shown = self.path.decode("utf-8", "backslashreplace")
        mode = stat.filemode(self.attr.mode) + ("+" if self.acl else "")
        return f"{self.lacks} on /{shown}: {mode} {self.attr.uid}:{self.attr.gid}"


class _Way:
    """Looks at directories and files as the service, and asks of each whether the user may."""

    def __init__(self, service: Context, user: Context, stack: ExitStack) -> None:
        self._store = service.store
        self._judge = user.store
        self._stack = stack

    def lacks(self, fd: Fd, path: bytes, *wanted: int) -> Obstacle | None:
        for access in wanted:
            try:
                self._judge.check_access(fd, access)
            except AccessDenied:
                return self.obstacle(fd, path, _WORDS[access])
        return None

    def obstacle(self, fd: Fd, path: bytes, lacks: str) -> Obstacle:
        return Obstacle(path, lacks, self._store.attr(fd), any(self._has(fd, name) for name in _ACLS))

    def _has(self, fd: Fd, name: str) -> bool:
        try:
            self._store.get_xattr(fd, name)
        except (NoAttribute, NotSupported):
            return False
        return True

    def directory(self, at: Fd, name: bytes) -> Fd | None:
        try:
            fd = self._store.open_dir(at, name)
        except _MISSING:
            return None
        self._stack.callback(self._store.close, fd)
        return fd

    def link(self, at: Fd, name: bytes) -> Fd | None:
        """The symbolic link of this name; None: it is none."""
        fd = self.entry(at, name)
        return fd if fd is not None and stat.S_ISLNK(self._store.attr(fd).mode) else None

    def entry(self, at: Fd, name: bytes) -> Fd | None:
        try:
            fd = self._store.open_path(at, name)
        except _MISSING:
            return None
        self._stack.callback(self._store.close, fd)
        return fd


def find_obstacle(
    service: Context, user: Context, bucket: BucketName, key: bytes, need: Need
) -> Obstacle | None:
    """None: nothing, as far as the way can be followed. `key`: of a listing its prefix. `user`: a context in
    which modes bind who asks. Raises InvalidName, NamespaceError.
    """
    if need is Need.LIST:
        parents, name = tuple(part for part in directory_of(key)[1].split(b"/") if part), b""
        own = False
    else:
        path = entry_path(key)
        parents, name, own = path.parents, path.name, path.is_directory
    with ExitStack() as stack:
        way = _Way(service, user, stack)
        here, walked = service.store.root(), b""
        if (found := way.lacks(here, walked, os.X_OK)) is not None:
            return found
        top = way.directory(here, bucket.encode())
        if top is None:
            return None
        return _below(way, user, _End(top, bucket.encode()), parents, name, need, own)


@dataclass(frozen=True, slots=True)
class _End:
    """How far the way was followed. top: the bucket's directory; path: below the store's root."""

    top: Fd
    path: bytes


def _below(
    way: _Way, user: Context, end: _End, parents: tuple[bytes, ...], name: bytes, need: Need, own: bool
) -> Obstacle | None:
    """From the bucket's directory on. Where the last is a symbolic link, the way that it leads counts."""
    here, walked, missing = end.top, end.path, False
    if (found := way.lacks(here, walked, os.X_OK)) is not None:
        return found
    for part in parents:
        below = way.directory(here, part)
        if below is None:
            missing = True
            break
        here, walked = below, walked + b"/" + part
        if (found := way.lacks(here, walked, os.X_OK)) is not None:
            return found
    if need is Need.LIST and missing:
        return None
    if name and not missing and need is not Need.PUT:
        link = way.link(here, name)
        if link is not None:
            found = _through(way, user, end, b"/".join((*parents, name)), link, need)
            if found is not None or need is not Need.REMOVE:
                return found
    return _at_the_end(way, user, here, walked, b"" if missing else name, need, own)


def _through(way: _Way, user: Context, end: _End, path: bytes, link: Fd, need: Need) -> Obstacle | None:
    """What keeps the user from where the link at `path` leads: what S3 sees there is the object."""
    try:
        target = resolve(user.store, end.top, path)
    except AccessDenied:
        lacks = "search (x) of a directory that the link leads through, starting"
        return way.obstacle(link, end.path + b"/" + path, lacks)
    if target is None:
        return None
    *parents, name = target.split(b"/")
    wanted = Need.READ if need is Need.REMOVE else need
    return _below(way, user, end, tuple(parents), name, wanted, own=False)


def _at_the_end(
    way: _Way, user: Context, holder: Fd, walked: bytes, name: bytes, need: Need, own: bool
) -> Obstacle | None:
    """own: the key is that of a directory, in which its record and its body change."""
    if need is Need.LIST:
        return way.lacks(holder, walked, os.R_OK)
    entry = way.entry(holder, name) if name else None
    path = walked + b"/" + name
    if need is Need.READ:
        return None if entry is None else way.lacks(entry, path, os.R_OK)
    if need is Need.AMEND:
        return None if entry is None else way.lacks(entry, path, os.W_OK)
    if need is Need.REMOVE and entry is None:
        return None
    found = way.lacks(holder, walked, os.W_OK)
    if found is None and entry is not None and (own or need is Need.PUT):
        found = way.lacks(entry, path, os.W_OK, *([os.X_OK] if own else []))
    stays = own and need is Need.PUT  # a directory is not replaced
    if found is None and entry is not None and not stays:
        holds, held = user.store.attr(holder), user.store.attr(entry)
        if user.is_kept_from(holds, held):
            found = way.obstacle(holder, walked, "the sticky bit lets owners alone replace or remove")
    return found
