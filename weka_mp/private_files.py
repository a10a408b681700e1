"""Small files outside the store that only their owner may read: made and replaced whole and durably."""

from __future__ import annotations

import contextlib
import os
import stat
import tempfile

__all__ = ["Exposed", "create_private", "read_private", "remove_private", "replace_private"]

_FOR_OTHERS = 0o077


class Exposed(Exception):
    """The file can be read or written by others, or is somebody else's."""


def create_private(path: str, text: str) -> None:
    """Make the file and its directory when absent; complete before the name appears, mode 0600.

    Where another process was first its file stays. Raises OSError.
    """
    _make_directories(os.path.dirname(path))
    temporary = _staged(path, text)
    try:
        os.link(temporary, path)
    except FileExistsError:
        return
    finally:
        os.unlink(temporary)
    _sync_directory(path)


def replace_private(path: str, text: str) -> None:
    """Replace the file in one step, mode 0600. Raises OSError."""
    temporary = _staged(path, text)
    try:
        os.rename(temporary, path)
    except BaseException:
        os.unlink(temporary)
        raise
    _sync_directory(path)


def remove_private(path: str) -> None:
    """Remove the file, for good once this returns. Raises OSError."""
    os.unlink(path)
    _sync_directory(path)


def read_private(path: str) -> str:
    """All of it. Raises Exposed, OSError, UnicodeDecodeError."""
    with open(path, encoding="utf-8") as file:
        found = os.fstat(file.fileno())
        if stat.S_IMODE(found.st_mode) & _FOR_OTHERS or found.st_uid not in (0, os.geteuid()):
            raise Exposed(path)
        return file.read()


def _make_directories(path: str) -> None:
    """Those that are missing, all of them private: os.makedirs would make the upper ones with whatever the
    umask leaves, and who may write there could put another directory in the place of ours.
    """
    if not path or os.path.isdir(path):
        return
    _make_directories(os.path.dirname(path))
    with contextlib.suppress(FileExistsError):  # somebody was quicker, or it is no directory: told below
        os.mkdir(path, 0o700)


def _staged(path: str, text: str) -> str:
    fd, temporary = tempfile.mkstemp(prefix=f".{os.path.basename(path)}", dir=os.path.dirname(path))  # 0600
    try:
        with os.fdopen(fd, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
    except BaseException:
        os.unlink(temporary)
        raise
    return temporary


def _sync_directory(path: str) -> None:
    fd = os.open(os.path.dirname(path), os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(fd)
    finally:
        os.close(fd)
