"""OSError → domain error, in one table. The original error stays chained as the cause."""

from __future__ import annotations

import errno
from typing import NoReturn

from weka_mp import errors

__all__ = ["TABLE", "fail"]

TABLE: dict[int, type[errors.NamespaceError]] = {
    errno.ENOENT: errors.NotFound,
    errno.EEXIST: errors.Exists,
    errno.ENOTDIR: errors.NotDirectory,
    errno.EISDIR: errors.IsDirectory,
    errno.ENOTEMPTY: errors.NotEmpty,
    errno.ENAMETOOLONG: errors.NameTooLong,
    errno.EINVAL: errors.InvalidArgument,
    errno.ELOOP: errors.Loop,
    errno.EPERM: errors.PermissionRefused,
    errno.EACCES: errors.AccessDenied,
    errno.EROFS: errors.ReadOnly,
    errno.ENOSPC: errors.NoSpace,
    errno.EDQUOT: errors.QuotaExceeded,
    errno.EFBIG: errors.FileTooLarge,
    errno.EBUSY: errors.Busy,
    errno.ETXTBSY: errors.Busy,
    errno.EAGAIN: errors.WouldBlock,
    errno.EXDEV: errors.CrossDevice,
    errno.EMLINK: errors.TooManyLinks,
    errno.ENODATA: errors.NoAttribute,
    errno.E2BIG: errors.AttributeTooLarge,
    errno.ERANGE: errors.AttributeTooLarge,
    errno.EOPNOTSUPP: errors.NotSupported,
    errno.ENOSYS: errors.NotSupported,
    errno.EMFILE: errors.OutOfResources,
    errno.ENFILE: errors.OutOfResources,
    errno.ENOMEM: errors.OutOfResources,
    errno.EINTR: errors.Interrupted,
    errno.ESTALE: errors.Stale,
    errno.ENXIO: errors.NotFound,  # opening a socket, or a fifo for writing: nothing there that holds bytes
}


def fail(error: OSError, subject: bytes = b"") -> NoReturn:
    """Raise the domain error that `error` means; what the table lacks is an IoFailure."""
    kind = TABLE.get(error.errno or 0, errors.IoFailure)
    raise kind(f"{error.strerror}", subject=subject) from error
