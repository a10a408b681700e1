"""The mount in the kernel: options, mounting, unmounting, and the remains of a mount process that died."""

from __future__ import annotations

import contextlib
import logging
import os
import stat

import pyfuse3

from weka_mp.fuse.succession import take_place
from weka_mp.mount_table import entry_at, server_is_gone, unmount

__all__ = ["MountFailed", "Session", "mount_options"]

_log = logging.getLogger(__name__)
_FSTYPE = "fuse.weka_mp"


class MountFailed(Exception):
    """The mount cannot start; the message is one line for the user."""


def mount_options() -> set[str]:
    """Options that make the kernel check permissions and that protect this machine.

    A store's set-uid bits and device nodes mean nothing on this machine.
    """
    options = {"default_permissions", "nosuid", "nodev", "fsname=weka_mp", "subtype=weka_mp"}
    if os.geteuid() != 0 and not _user_allow_other():
        _log.warning("other users cannot use the mount: /etc/fuse.conf has no user_allow_other")
        return options
    return options | {"allow_other"}


def _user_allow_other() -> bool:
    try:
        with open("/etc/fuse.conf", encoding="utf-8", errors="replace") as lines:
            return any(line.strip() == "user_allow_other" for line in lines)
    except OSError:
        return False


def _is_ours(path: str) -> bool:
    """Whether the topmost mount at `path` is one of weka_mp."""
    entry = entry_at(path)
    return entry is not None and entry.type == _FSTYPE


def _sweep(path: str) -> None:
    """Take away what a mount process that died left at `path`."""
    for _ in range(8):  # each crash may have left one on top of the other
        if not server_is_gone(path):
            return
        reason = unmount(path, lazily=True)
        if reason is not None:
            raise MountFailed(f"{path}: a dead mount lies here and cannot be unmounted: {reason}")
        _log.info("unmounted what an earlier mount process left at %s", path)


def _same_tree(mountpoint: str, store_path: str) -> bool:
    """Whether one of the two directories is or contains the other.

    Our own requests would wait for ourselves.
    """
    pair = (os.path.realpath(mountpoint), os.path.realpath(store_path))
    return os.path.commonpath(pair) in pair


def _unresolved(mountpoint: str) -> str:
    """The real path of the mount point's place: a dead mount cannot be resolved itself."""
    parent, name = os.path.split(os.path.abspath(mountpoint))
    return os.path.join(os.path.realpath(parent), name)


def check_mountpoint(mountpoint: str, store_path: str) -> str:
    """The mount point's real path, free to be mounted on. Raises MountFailed with a one-line reason."""
    path = _unresolved(mountpoint)
    _sweep(path)
    path = os.path.realpath(path)
    try:
        mode = os.stat(path).st_mode
    except OSError as error:
        raise MountFailed(f"{mountpoint}: {error.strerror}") from error
    if not stat.S_ISDIR(mode):
        raise MountFailed(f"{mountpoint}: not a directory")
    if _is_ours(path):
        raise MountFailed(f"{mountpoint}: busy, another weka_mp is mounted there")
    if _same_tree(path, store_path):
        raise MountFailed(f"{mountpoint}: the mount point and the store must not contain each other")
    return path


def _succeed(operations: pyfuse3.Operations, path: str, staging: str, options: set[str]) -> None:
    _sweep(staging)  # of a process that was killed just there
    os.makedirs(staging, 0o700, exist_ok=True)
    try:
        pyfuse3.init(operations, staging, options)
        take_place(staging, path)
    finally:
        os.rmdir(staging)
    _log.info("took the place of what an earlier mount process left at %s", path)


class Session:
    """pyfuse3's one session of this process. The kernel's notifications go through here too."""

    def __init__(self, path: str) -> None:
        self.path = path
        self._ended = False

    @classmethod
    def mount(
        cls,
        operations: pyfuse3.Operations,
        mountpoint: str,
        store_path: str,
        *,
        staging: str,
    ) -> Session:
        """Mount, so that requests wait in the kernel until `run`. Raises MountFailed.

        `staging`: the path of a directory of ours, made where it is needed and removed again. The successor
        of a mount whose process died is mounted there first.
        """
        options = mount_options()
        path = _unresolved(mountpoint)
        succeeds = os.geteuid() == 0 and server_is_gone(path)
        if not succeeds:
            path = check_mountpoint(mountpoint, store_path)
        try:
            if succeeds:
                _succeed(operations, path, staging, options)
            else:
                pyfuse3.init(operations, path, options)
        except (RuntimeError, OSError) as error:
            raise MountFailed(f"{mountpoint}: {_why_not() or error}") from error
        return cls(path)

    async def run(self) -> None:
        """Answer requests until the file system is unmounted or `terminate` is called."""
        await pyfuse3.main(min_tasks=2, max_tasks=64)
        self._ended = True

    def unmount(self) -> None:
        """Unmount while requests are still answered: at once if nobody uses it, else detached.

        Blocks: call it in a thread.
        """
        if unmount(self.path, lazily=False) is not None and _is_ours(self.path):
            _log.warning(
                "%s is in use; it is detached and ends with its last user or this process", self.path
            )
            unmount(self.path, lazily=True)

    def terminate(self) -> None:
        """End `run`."""
        if not self._ended:
            pyfuse3.terminate()

    def close(self) -> None:
        """Give everything back; what is still mounted (an aborted connection) is detached."""
        pyfuse3.close(unmount=True)
        # nothing is left to save: the mount is dead either way
        with contextlib.suppress(OSError, MountFailed):
            _sweep(self.path)

    # ---- notifications: both release the interpreter while they wait in the kernel
    def invalidate_entry(self, parent: int, name: bytes) -> None:
        """See `weka_mp.fuse.invalidation.Kernel`."""
        pyfuse3.invalidate_entry(pyfuse3.InodeT(parent), pyfuse3.FileNameT(name))

    def invalidate_inode(self, number: int) -> None:
        """Attributes and pages. See `weka_mp.fuse.invalidation.Kernel`."""
        pyfuse3.invalidate_inode(pyfuse3.InodeT(number), attr_only=False)


def _why_not() -> str:
    """What usually is the matter when libfuse only says that it failed."""
    try:
        os.close(os.open("/dev/fuse", os.O_RDWR | os.O_CLOEXEC))
    except FileNotFoundError:
        return "there is no /dev/fuse (the kernel's fuse module)"
    except OSError as error:
        return f"/dev/fuse: {error.strerror}"
    return "" if os.geteuid() == 0 else "fusermount3 refused (is fuse3 installed?)"
