"""Values of the namespace → structures of pyfuse3."""

from __future__ import annotations

import pyfuse3

from weka_mp.namespace.tree.facade import AttrChange
from weka_mp.store.interface import StatVfs
from weka_mp.values import Attr

__all__ = ["attr_change", "entry_attributes", "no_entry", "statvfs_data"]


def entry_attributes(number: int, generation: int, attr: Attr, timeout: float) -> pyfuse3.EntryAttributes:
    """What the kernel may cache of a node for `timeout` seconds."""
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = pyfuse3.InodeT(number)
    entry.generation = generation
    entry.entry_timeout = entry.attr_timeout = timeout
    entry.st_mode = pyfuse3.ModeT(attr.mode)
    entry.st_nlink = attr.nlink
    entry.st_uid = attr.uid
    entry.st_gid = attr.gid
    entry.st_rdev = attr.rdev
    entry.st_size = attr.size
    entry.st_blksize = attr.blksize
    entry.st_blocks = attr.blocks
    entry.st_atime_ns = attr.atime_ns
    entry.st_mtime_ns = attr.mtime_ns
    entry.st_ctime_ns = attr.ctime_ns
    return entry


def no_entry(timeout: float) -> pyfuse3.EntryAttributes:
    """That a name is not there, which the kernel may cache for `timeout` seconds (fuse_entry_param, inode
    0).
    """
    entry = pyfuse3.EntryAttributes()
    entry.st_ino = pyfuse3.InodeT(0)
    entry.entry_timeout = entry.attr_timeout = timeout
    return entry


def attr_change(attr: pyfuse3.EntryAttributes, fields: pyfuse3.SetattrFields) -> AttrChange:
    """SETATTR's values but for the size.

    libfuse has put the present time where UTIME_NOW was asked for, and left UTIME_OMIT out.
    """
    return AttrChange(
        mode=attr.st_mode if fields.update_mode else None,
        uid=attr.st_uid if fields.update_uid else None,
        gid=attr.st_gid if fields.update_gid else None,
        atime_ns=attr.st_atime_ns if fields.update_atime else None,
        mtime_ns=attr.st_mtime_ns if fields.update_mtime else None,
    )


def statvfs_data(totals: StatVfs) -> pyfuse3.StatvfsData:
    """STATFS's answer."""
    data = pyfuse3.StatvfsData()
    data.f_bsize = totals.bsize
    data.f_frsize = totals.frsize
    data.f_blocks = totals.blocks
    data.f_bfree = totals.bfree
    data.f_bavail = totals.bavail
    data.f_files = totals.files
    data.f_ffree = totals.ffree
    data.f_favail = totals.favail
    data.f_namemax = totals.namemax
    return data
