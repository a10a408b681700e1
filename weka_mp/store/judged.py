"""A store that is asked as one user, whom the modes and ACLs of files and directories bind.

Each verb that goes by a name, or looks at what a directory holds, runs under the user's identity: the kernel
decides, in the very call that acts. Nothing that was opened is asked about again: a descriptor says that who
holds it was let in, so what is kept beside the bytes, times, locks, leases and syncs are the service's. A
directory is opened by searching alone (O_PATH), as the kernel resolves a path; the service makes it usable.

A thread has the identity for the length of one verb, never over a wait. The control area is the service's: it
is told by the descriptors `own`, by paths that begin with its name, and by what was opened through those.
Whatever is not known to be the service's is judged.
"""

from __future__ import annotations

import os
import stat
from contextlib import AbstractContextManager, nullcontext

from weka_mp.errors import AccessDenied, NotSupported
from weka_mp.store import syscalls
from weka_mp.store.interface import DirEntry, FsIdentity, Store
from weka_mp.store.interruptions import close_once
from weka_mp.store.posix import PosixStore
from weka_mp.store.resolving import STRICT
from weka_mp.store.thread_identity import refusal, somebody_else
from weka_mp.store.translate import fail
from weka_mp.values import Attr, Fd

__all__ = ["JudgedStore", "judged", "judging_refusal"]

_SEARCH = os.O_PATH | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
_USABLE = os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC
_ENTER = os.W_OK | os.X_OK
_OPEN_TO_ALL = 0o777
_CONTROL = b".weka"
_SERVICE: AbstractContextManager[None] = nullcontext()


def judged(store: Store, who: FsIdentity, own: frozenset[Fd]) -> Store:
    """`store`, asked as `who`. `own`: directories of the control area. Raises NotSupported: no such store."""
    if isinstance(store, JudgedStore):
        store = store.service
    if not isinstance(store, PosixStore):
        raise NotSupported("modes bind nobody in this store")
    return JudgedStore(store, who, own)


def judging_refusal(store: Store, private: Fd) -> str | None:
    """Why `judged` cannot be relied upon here, for people; None: it can. `private`: see thread_identity."""
    if not isinstance(store, PosixStore):
        return "modes bind nobody in this store"
    if not store.has_openat2:
        return "the kernel has no openat2(2), by which a path is searched as its user"
    return refusal(private)


class JudgedStore(PosixStore):
    """See the module. Shares everything with the store that it was made of, and lives no longer."""

    def __init__(self, store: PosixStore, who: FsIdentity, own: frozenset[Fd]) -> None:
        vars(self).update(vars(store))
        self.service = store
        self.who = who
        self._own = own
        self._opened_own: set[int] = set()
        self._assumes = False  # who may not write does not try what the store can do

    def _as_user(self) -> AbstractContextManager[None]:
        if not self._privileged:
            raise AccessDenied("the service cannot act as its users")
        who = self.who
        return somebody_else(who.uid, who.gid, who.groups, self._own_groups)

    def _is_own(self, at: Fd, path: bytes = b"") -> bool:
        if at == self._root:
            return path == _CONTROL or path.startswith(_CONTROL + b"/")
        return at in self._own or at in self._opened_own

    def _whoever(self, at: Fd) -> AbstractContextManager[None]:
        return _SERVICE if self._is_own(at) else self._as_user()

    # ---- descriptors
    def open_dir(self, at: Fd, path: bytes) -> Fd:
        if self._is_own(at, path):
            fd = super().open_dir(at, path)
            self._opened_own.add(fd)
            return fd
        with self._as_user():
            found = self._open(at, path or b".", _SEARCH, 0, STRICT)
        try:
            return Fd(os.open(f"/proc/self/fd/{found}", _USABLE))
        except OSError as error:
            fail(error, path)
        finally:
            close_once(found)

    def open_file(self, at: Fd, path: bytes, flags: int, mode: int = 0o666) -> Fd:
        if self._is_own(at, path):
            return super().open_file(at, path, flags, mode)
        with self._as_user():
            return super().open_file(at, path, flags, mode)

    def open_path(self, at: Fd, name: bytes) -> Fd:
        with self._whoever(at):
            return super().open_path(at, name)

    def reopen(self, fd: Fd, flags: int) -> Fd:
        with self._whoever(fd):
            return super().reopen(fd, flags)

    def open_handle(self, handle: bytes, flags: int, mount: Fd | None = None) -> Fd:
        with self._as_user():
            return super().open_handle(handle, flags, mount)

    def close(self, fd: Fd) -> None:
        self._opened_own.discard(fd)  # before another thread is given its number
        super().close(fd)

    # ---- names
    def attr_at(self, at: Fd, name: bytes) -> Attr:
        with self._whoever(at):
            return super().attr_at(at, name)

    def entries(self, directory: Fd) -> list[DirEntry]:
        with self._whoever(directory):
            return super().entries(directory)

    def mkdir(self, at: Fd, name: bytes, mode: int) -> None:
        with self._whoever(at):
            super().mkdir(at, name, mode)

    def mknod(self, at: Fd, name: bytes, mode: int, rdev: int) -> None:
        with self._whoever(at):
            super().mknod(at, name, mode, rdev)

    def symlink(self, target: bytes, at: Fd, name: bytes) -> None:
        with self._whoever(at):
            super().symlink(target, at, name)

    def readlink(self, at: Fd, name: bytes) -> bytes:
        with self._whoever(at):
            return super().readlink(at, name)

    def link(self, fd: Fd, at: Fd, name: bytes) -> None:
        """The file is ours and may be somebody else's already, whose links others may not make (proc(5),
        protected_hardlinks): the user must be able to make the name, the service makes the link.
        """
        if not self._is_own(at):
            self.check_access(at, _ENTER)
        super().link(fd, at, name)

    def rename(self, from_dir: Fd, from_name: bytes, to_dir: Fd, to_name: bytes, flags: int = 0) -> None:
        if not self._is_own(to_dir):
            if self._is_own(from_dir):
                self._let_in(from_dir)
            with self._as_user():
                super().rename(from_dir, from_name, to_dir, to_name, flags)
            return
        if not self._is_own(from_dir):
            self.check_access(from_dir, _ENTER)
        super().rename(from_dir, from_name, to_dir, to_name, flags)

    def _let_in(self, own: Fd) -> None:
        """What is staged in the control area, which nobody else enters, is renamed by its user: so the kernel
        itself decides over the name that it gets, and over the one that it replaces.
        """
        try:
            if stat.S_IMODE(os.fstat(own).st_mode) != _OPEN_TO_ALL:
                os.fchmod(own, _OPEN_TO_ALL)
        except OSError as error:
            fail(error)

    def unlink(self, at: Fd, name: bytes) -> None:
        with self._whoever(at):
            super().unlink(at, name)

    def rmdir(self, at: Fd, name: bytes) -> None:
        with self._whoever(at):
            super().rmdir(at, name)

    # ---- data
    def create_unnamed(self, directory: Fd, mode: int) -> Fd:
        with self._whoever(directory):
            return super().create_unnamed(directory, mode)

    # ---- who asks
    def check_access(self, fd: Fd, access: int) -> None:
        try:
            with self._whoever(fd):
                syscalls.check_access(fd, access)
        except OSError as error:
            fail(error)
