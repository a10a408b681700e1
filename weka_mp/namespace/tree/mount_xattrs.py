"""Which extended attributes a mount caller may see and set. Pure rules; docs/SEMANTICS.md, 11.

- ``user.weka.*``: weka_mp's own: never listed, reading finds nothing, setting is refused.
- ``user.s3.*``: S3 metadata, which has rules of its own (`weka_mp.namespace.records.s3_attributes`).
- ``user.*``: passed through.
- ``trusted.*``: for uid 0.
- ``security.*``: for uid 0, but ``security.capability`` for everybody: the kernel reads and removes it in
  the name of whoever writes, and checks the callers of setxattr(2) itself (capabilities(7)).
- ``system.posix_acl_access``, ``system.posix_acl_default``: passed through.
- Everything else: not supported.
"""

from __future__ import annotations

from weka_mp.errors import NoAttribute, NotSupported, PermissionRefused

__all__ = ["check_get", "check_remove", "check_set", "is_acl", "listed", "s3_suffix"]

_OWN = b"user.weka."
_S3 = b"user.s3."
_CAPABILITY = b"security.capability"
_ACLS = (b"system.posix_acl_access", b"system.posix_acl_default")


def s3_suffix(name: bytes) -> bytes | None:
    """What follows ``user.s3.``; None for all other names."""
    return name[len(_S3) :] if name.startswith(_S3) else None


def is_acl(name: bytes) -> bool:
    """Whether it is one of the two POSIX ACLs of an inode (acl(5))."""
    return name in _ACLS


def _passes(name: bytes, uid: int) -> bool:
    if name.startswith(b"user."):
        return not name.startswith((_OWN, _S3))  # what is stored under the latter is not what it says
    if name.startswith((b"security.", b"trusted.")):
        return uid == 0 or name == _CAPABILITY
    return is_acl(name)


def _known(name: bytes) -> bool:
    return name.startswith((b"user.", b"security.", b"trusted.")) or is_acl(name)


def check_get(name: bytes, uid: int) -> None:
    """Raises NoAttribute or NotSupported when this caller must not see it."""
    if not _known(name):
        raise NotSupported("no such attribute namespace here", subject=name)
    if not _passes(name, uid):
        raise NoAttribute(subject=name)


def check_set(name: bytes, uid: int) -> None:
    """Raises PermissionRefused or NotSupported when this caller must not set it."""
    if not _known(name):
        raise NotSupported("this attribute cannot be set here", subject=name)
    if not _passes(name, uid):
        raise PermissionRefused("this attribute is not the caller's", subject=name)


def check_remove(name: bytes, uid: int) -> None:
    """Raises what `check_get` raises, and PermissionRefused for attributes of the superuser."""
    if name.startswith(b"trusted.") and uid != 0:
        raise PermissionRefused("this attribute is not the caller's", subject=name)
    check_get(name, uid)


def listed(names: list[bytes], uid: int) -> list[bytes]:
    """Those of an inode's own that this caller may see."""
    return [name for name in names if _passes(name, uid)]
