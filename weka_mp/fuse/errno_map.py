"""Domain error → errno, in one exhaustive table. The mount's only place that knows errno."""

from __future__ import annotations

import errno
import logging

from weka_mp import errors

__all__ = ["TABLE", "errno_of"]

_log = logging.getLogger(__name__)

TABLE: dict[type[errors.NamespaceError], int] = {
    errors.AccessDenied: errno.EACCES,
    errors.AttributeTooLarge: errno.E2BIG,
    errors.BucketExists: errno.EEXIST,
    errors.BucketMissing: errno.ENOENT,
    errors.BucketNotEmpty: errno.ENOTEMPTY,
    errors.BucketStateRefused: errno.EINVAL,
    errors.Busy: errno.EBUSY,
    errors.Conflict: errno.EAGAIN,
    errors.CrossDevice: errno.EXDEV,
    errors.DeleteMarkerMet: errno.ENOENT,
    errors.Exists: errno.EEXIST,
    errors.FileTooLarge: errno.EFBIG,
    errors.Interrupted: errno.EINTR,
    errors.InvalidArgument: errno.EINVAL,
    errors.InvalidName: errno.EINVAL,
    errors.InvalidPart: errno.EINVAL,
    errors.InvalidPartOrder: errno.EINVAL,
    errors.IoFailure: errno.EIO,
    errors.IsDirectory: errno.EISDIR,
    errors.KeyConflict: errno.EEXIST,
    errors.Loop: errno.ELOOP,
    errors.NameTooLong: errno.ENAMETOOLONG,
    errors.NamespaceError: errno.EIO,
    errors.NoAttribute: errno.ENODATA,
    errors.NoSpace: errno.ENOSPC,
    errors.NotDirectory: errno.ENOTDIR,
    errors.NotEmpty: errno.ENOTEMPTY,
    errors.NotFound: errno.ENOENT,
    errors.NotSupported: errno.EOPNOTSUPP,  # never ENOSYS: the kernel would not ask again for any file
    errors.ObjectChanged: errno.EIO,
    errors.ObjectLockMissing: errno.EINVAL,
    errors.ObjectLocked: errno.EPERM,
    errors.OutOfResources: errno.ENFILE,
    errors.PartTooSmall: errno.EINVAL,
    errors.PermissionRefused: errno.EPERM,
    errors.PreconditionFailed: errno.EAGAIN,
    errors.QuotaExceeded: errno.EDQUOT,
    errors.ReadOnly: errno.EROFS,
    errors.ReservedName: errno.EPERM,
    errors.Stale: errno.ESTALE,
    errors.StoreUnusable: errno.EIO,
    errors.TokenReused: errno.EINVAL,
    errors.TooManyLinks: errno.EMLINK,
    errors.UploadMissing: errno.ENOENT,
    errors.VersionMissing: errno.ENOENT,
    errors.WouldBlock: errno.EAGAIN,
}

# One domain error stands for several errnos of the file system below; where the caller may care it gets that
# one.
_AS_BELOW = {
    errors.AttributeTooLarge: {errno.ERANGE, errno.E2BIG},
    errors.Busy: {errno.EBUSY, errno.ETXTBSY},
    errors.OutOfResources: {errno.ENOMEM, errno.ENFILE, errno.EMFILE},
}


def errno_of(error: Exception) -> int:
    """The errno a caller gets.

    What is neither a domain error nor an OSError is a bug: EIO, and a traceback in the log.
    """
    if isinstance(error, errors.NamespaceError):
        below = error.__cause__
        if isinstance(below, OSError) and below.errno and below.errno in _AS_BELOW.get(type(error), ()):
            return below.errno
        number = TABLE.get(type(error), errno.EIO)
        if number == errno.EIO:
            _log.error("the store failed: %s", error, exc_info=error)
        return number
    if isinstance(error, OSError) and error.errno and error.errno != errno.ENOSYS:
        return error.errno
    _log.error("unexpected failure of a mount operation", exc_info=error)
    return errno.EIO
