"""What the file system below the store can do, found by trying it on the store itself and never by its name.

The scratch files live in a directory of their own under the store's root, made and removed here.
"""

from __future__ import annotations

import contextlib
import errno
import fcntl
import mmap
import os
import struct
from collections.abc import Callable, Iterator

from weka_mp.errors import StoreUnusable
from weka_mp.store import syscalls
from weka_mp.store.interface import Primitives
from weka_mp.store.interruptions import close_once, uninterrupted

__all__ = ["probe"]

_FICLONE = 0x40049409  # ioctl_ficlone(2)
_GRAIN_NS = (
    10_000_000  # the longest tick of a kernel (CONFIG_HZ=100): coarse stamps never stand still for longer
)
_XATTR_STEPS = (256, 900, 3500, 16_000, 60_000)  # ext4 holds a little less than a block, of 1 or 4 KiB
_XATTR = "user.weka.probe"
_FORMAT_PATH = b".weka/format"  # a file that every store has, and nobody writes to
_NOT_NOW = {errno.ENOSPC, errno.EDQUOT, errno.EROFS}
"""Errors of a file system that is full or read-only: they say nothing of what it can do."""
_SAYS_NOTHING = _NOT_NOW | {errno.EMFILE, errno.ENFILE, errno.ENOMEM}
_PROBE_NAME = b".weka~probe-%d-%s"
_SCRATCH = (b"a", b"b", b"l", b"t", b"n", b"m", b"leased", b"i")  # whatever is made within: see below


def _works(trial: Callable[[], object]) -> bool:
    try:
        uninterrupted(trial)()
    except OSError as error:
        if error.errno in _SAYS_NOTHING:
            raise
        return False
    return True


def probe(root: int) -> Primitives | None:
    """Try every primitive below the directory `root`; None while nothing can be written there because the
    file system is full or read-only (`assumed` goes on then). Raises StoreUnusable for any other reason.
    """
    name = _PROBE_NAME % (os.getpid(), os.urandom(4).hex().encode())
    try:
        uninterrupted(os.mkdir)(name, 0o700, dir_fd=root)
        try:
            return _probe_below(root, name)
        finally:
            with contextlib.suppress(OSError):
                uninterrupted(os.rmdir)(name, dir_fd=root)  # what stays is swept (`namespace.sweeping`)
    except OSError as error:  # full, or failing: what the file system can do cannot be told
        _untold(error)
        return None


def _untold(error: OSError) -> None:
    """Raises StoreUnusable unless the file system may be written another time."""
    if error.errno not in _NOT_NOW:
        raise StoreUnusable(f"the store cannot be written: {error.strerror}") from error


def assumed(root: int) -> Primitives:
    """What reading needs to know, found without writing; of the rest nothing that the store's verbs could not
    take back: without unnamed files they say NotSupported. Raises OSError when descriptors or memory ran out.
    """
    return Primitives(
        xattrs=_answers_xattrs(root),
        xattr_bytes=_XATTR_STEPS[0],
        unnamed_files=True,
        rename_noreplace=False,
        hard_links=False,
        reflink=False,
        copy_range=False,
        leases=_works(lambda: _lease(root, os.O_RDONLY, _FORMAT_PATH)),
        ofd_locks=True,
        fine_times=False,
        change_grain_ns=_GRAIN_NS,
        file_handles=_works(lambda: _handles(root, root)),
        seek_hole=False,
        fallocate=False,
        immutable=False,
        immutable_stops=False,
    )


def _answers_xattrs(root: int) -> bool:
    try:
        uninterrupted(os.getxattr)(root, _XATTR)
    except OSError as error:
        return error.errno == errno.ENODATA
    return True


def _probe_below(root: int, name: bytes) -> Primitives:
    with _opened(name, os.O_RDONLY | os.O_DIRECTORY, root) as directory:
        try:
            return _probe_in(directory)
        finally:
            for scratch in _SCRATCH:
                with contextlib.suppress(OSError):
                    uninterrupted(os.unlink)(scratch, dir_fd=directory)


@contextlib.contextmanager
def _opened(name: bytes, flags: int, directory: int) -> Iterator[int]:
    fd = os.open(name, flags | os.O_CLOEXEC, 0o600, dir_fd=directory)
    try:
        yield fd
    finally:
        close_once(fd)


def _probe_in(directory: int) -> Primitives:
    scratch = os.O_RDWR | os.O_CREAT | os.O_EXCL
    with _opened(b"a", scratch, directory) as fd, _opened(b"b", scratch, directory) as other:
        os.write(fd, b"x" * 4096)
        fitting = _fitting(fd)
        return Primitives(
            xattrs=bool(fitting),
            xattr_bytes=max(fitting, default=0),
            unnamed_files=_works(lambda: _unnamed(directory)),
            rename_noreplace=_works(lambda: _noreplace(directory)),
            hard_links=_works(lambda: os.link(b"a", b"l", src_dir_fd=directory, dst_dir_fd=directory)),
            reflink=_works(lambda: fcntl.ioctl(other, _FICLONE, fd)),
            copy_range=_works(lambda: os.copy_file_range(fd, other, 4096, 0, 0)),
            leases=_works(lambda: _lease(directory)),
            ofd_locks=_works(lambda: fcntl.fcntl(fd, 37, struct.pack("hhqqi4x", fcntl.F_WRLCK, 0, 0, 1, 0))),
            fine_times=_fine_times(fd),
            change_grain_ns=0 if _multigrain(fd) else _GRAIN_NS,
            file_handles=_works(lambda: _handles(directory, fd)),
            seek_hole=_works(lambda: os.lseek(fd, 0, os.SEEK_HOLE)),
            fallocate=_works(lambda: _fallocate(other)),
            immutable=_works(lambda: _immutable(directory)),
            immutable_stops=_works(lambda: _immutable(directory, stops=True)),
        )


def _fitting(fd: int) -> list[int]:
    """The sizes of attributes that fit. ENOSPC is how ext4 says that one is too large, too (`_works` would
    raise it): only when not even the smallest fits, the file system is full.
    """
    sizes: list[int] = []
    for size in _XATTR_STEPS:
        try:
            uninterrupted(os.setxattr)(fd, _XATTR, b"x" * size)
        except OSError as error:
            if not sizes and error.errno in _NOT_NOW:
                raise
        else:
            sizes.append(size)
    return sizes


def _unnamed(directory: int) -> None:
    with _opened(b".", os.O_TMPFILE | os.O_RDWR, directory) as fd:
        os.link(f"/proc/self/fd/{fd}", b"t", dst_dir_fd=directory, follow_symlinks=True)


def _noreplace(directory: int) -> None:
    with _opened(b"n", os.O_WRONLY | os.O_CREAT, directory):
        pass
    syscalls.renameat2(directory, b"n", directory, b"m", 1)


def _lease(directory: int, flags: int = os.O_RDONLY | os.O_CREAT, name: bytes = b"leased") -> None:
    with _opened(name, flags, directory) as fd:
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_RDLCK)
        fcntl.fcntl(fd, fcntl.F_SETLEASE, fcntl.F_UNLCK)


def _handles(directory: int, fd: int) -> None:
    close_once(syscalls.open_by_handle(directory, syscalls.file_handle(fd), os.O_RDONLY))


def _fallocate(fd: int) -> None:
    try:
        os.posix_fallocate(fd, 0, 8192)
    except OSError as error:
        if error.errno == errno.ENOSPC:
            return
        raise


def _immutable(directory: int, *, stops: bool = False) -> None:
    """Raises OSError unless the flag is to be had, and (`stops`) reaches who could write before."""
    with _opened(b"i", os.O_RDWR | os.O_CREAT | os.O_EXCL, directory) as fd:
        uninterrupted(os.unlink)(b"i", dir_fd=directory)  # nothing that cannot be removed stays when we die
        os.write(fd, b"x" * mmap.PAGESIZE)
        with mmap.mmap(fd, mmap.PAGESIZE) as mapped:
            mapped[0] = 0
            syscalls.set_immutable(fd, True)
            try:
                _refused(errno.EPERM, lambda: close_once(os.open(f"/proc/self/fd/{fd}", os.O_WRONLY)))
                if stops:
                    _refused(errno.EPERM, lambda: os.pwrite(fd, b"y", 0))
                    _refused(errno.EPERM, lambda: os.ftruncate(fd, 0))
                    # The kernel writes into the mapping: it says EFAULT where we would die of SIGBUS.
                    with memoryview(mapped) as view, open("/dev/zero", "rb", buffering=0) as zeros:
                        _refused(errno.EFAULT, lambda: os.readv(zeros.fileno(), [view]))
            finally:
                syscalls.set_immutable(fd, False)


def _refused(number: int, trial: Callable[[], object]) -> None:
    """Raises OSError (ENOTSUP) unless it fails with this error."""
    try:
        trial()
    except OSError as error:
        if error.errno == number:
            return
        raise
    raise OSError(errno.ENOTSUP, "nobody was stopped")


def _fine_times(fd: int) -> bool:
    uninterrupted(os.utime)(fd, ns=(1_000_000_007, 1_000_000_007))
    return os.fstat(fd).st_mtime_ns == 1_000_000_007


def _multigrain(fd: int) -> bool:
    """Since Linux 6.13 a stamp that was looked at is never given again; before, two writes in a tick share
    one.
    """
    seen = set()
    for count in range(8):
        os.pwrite(fd, b"y", count)
        seen.add(os.fstat(fd).st_mtime_ns)
    return len(seen) == 8
