"""pyfuse3's handlers: they translate and never decide; what an operation means is in
`weka_mp.namespace.tree.facade`.

Concurrency. All handlers run on the trio thread. Attributes and entries are read after a handler's last
await, and pyfuse3 writes the reply before it yields: to the invalidation server, which runs on the same
thread, every reply has either been written or will be made from what the store holds then. So a reply
cannot bring back what was invalidated. An operation that would have to wait is tried inline first and
then runs in a thread (`_patiently`).
"""

from __future__ import annotations

import functools
import logging
import os
from collections.abc import Awaitable, Callable, Sequence
from typing import Any, TypeVar

import pyfuse3
from pyfuse3 import (
    EntryAttributes,
    FileHandleT,
    FileInfo,
    FileNameT,
    FlagT,
    FUSEError,
    InodeT,
    ModeT,
    RequestContext,
)

from weka_mp.errors import NotFound, WouldBlock
from weka_mp.fuse.attributes import attr_change, entry_attributes, no_entry, statvfs_data
from weka_mp.fuse.errno_map import errno_of
from weka_mp.namespace.tree.facade import Caller, Entry, Tree
from weka_mp.namespace.tree.former_versions import is_announced
from weka_mp.offload import run_blocking

__all__ = ["Operations"]

_log = logging.getLogger(__name__)
_Result = TypeVar("_Result")
_Handler = Callable[..., Awaitable[Any]]


def _guarded(handler: _Handler) -> _Handler:
    """A handler that raises FUSEError and nothing else: any other exception would end pyfuse3's main loop."""

    @functools.wraps(handler)
    async def guarded(*args: Any) -> Any:
        try:
            return await handler(*args)
        except FUSEError:
            raise
        except Exception as error:  # noqa: BLE001 - the one place where whatever went wrong becomes an errno
            raise FUSEError(errno_of(error)) from None

    return guarded


def _guard_handlers(cls: type[Operations]) -> type[Operations]:
    for name, member in list(vars(cls).items()):
        if not name.startswith("_") and name != "init" and callable(member):
            setattr(cls, name, _guarded(member))
    return cls


def _caller(ctx: RequestContext) -> Caller:
    return Caller(ctx.uid, ctx.gid)


def _creator(ctx: RequestContext) -> Caller:
    """With supplementary groups, which only /proc tells; root needs none to be allowed anything."""
    if ctx.uid == 0:
        return Caller(0, ctx.gid)
    try:
        groups = tuple(pyfuse3.get_sup_groups(ctx.pid))
    except (OSError, RuntimeError):  # the caller has died, or lives in a pid namespace we do not see
        groups = ()
    return Caller(ctx.uid, ctx.gid, groups)


async def _patiently(call: Callable[..., _Result]) -> _Result:
    """`call(wait=False)`, and if it would have to wait, `call(wait=True)` in a thread."""
    try:
        return call(wait=False)
    except WouldBlock:
        return await run_blocking(functools.partial(call, wait=True))


@_guard_handlers
class Operations(pyfuse3.Operations):
    """One mount.

    `timeout`: seconds that the kernel may cache what it is told. `on_init` is called when it has connected.
    `is_behind` says that invalidations are overdue: nothing new may be cached then. `distrust` is told a
    directory's number and a name that the kernel is to forget once this request is answered.
    """

    supports_dot_lookup = True
    enable_writeback_cache = False
    enable_acl = True

    def __init__(
        self,
        tree: Tree,
        timeout: float,
        *,
        on_init: Callable[[], None],
        is_behind: Callable[[], bool],
        distrust: Callable[[int, bytes], None],
    ) -> None:
        super().__init__()
        self._tree = tree
        self._files = tree.files
        self._timeout = timeout
        self._on_init = on_init
        self._is_behind = is_behind
        self._distrust = distrust

    def init(self) -> None:
        self._on_init()

    def _cache_seconds(self, lasting: bool = True) -> float:
        return self._timeout if lasting and not self._is_behind() else 0.0

    def _reply(self, entry: Entry) -> EntryAttributes:
        seconds = self._cache_seconds(entry.lasting)
        return entry_attributes(entry.number, entry.generation, entry.attr, seconds)

    # ---- looking
    async def lookup(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> EntryAttributes:
        try:
            entry = self._tree.lookup(parent_inode, name)
        except NotFound:
            return no_entry(self._cache_seconds(is_announced(parent_inode, name)))
        return self._reply(entry)

    async def forget(self, inode_list: Sequence[tuple[InodeT, int]]) -> None:
        self._tree.nodes.forget(inode_list)

    async def getattr(self, inode: InodeT, ctx: RequestContext) -> EntryAttributes:
        return self._reply(self._tree.attributes(inode))

    async def readlink(self, inode: InodeT, ctx: RequestContext) -> FileNameT:
        return FileNameT(self._tree.readlink(inode))

    async def statfs(self, ctx: RequestContext) -> pyfuse3.StatvfsData:
        return statvfs_data(self._tree.totals())

    # ---- attributes
    async def setattr(
        self,
        inode: InodeT,
        attr: EntryAttributes,
        fields: pyfuse3.SetattrFields,
        fh: FileHandleT | None,
        ctx: RequestContext,
    ) -> EntryAttributes:
        if fields.update_size:
            await _patiently(functools.partial(self._tree.resize, inode, attr.st_size, fh, _caller(ctx)))
        self._tree.change(inode, attr_change(attr, fields))
        return self._reply(self._tree.attributes(inode))

    async def getxattr(self, inode: InodeT, name: pyfuse3.XAttrNameT, ctx: RequestContext) -> bytes:
        return await _patiently(functools.partial(self._tree.xattrs.get, inode, name, ctx.uid))

    async def setxattr(
        self, inode: InodeT, name: pyfuse3.XAttrNameT, value: bytes, ctx: RequestContext
    ) -> None:
        caller = _creator(ctx)
        identity = (caller.uid, caller.gid, caller.groups)
        await _patiently(functools.partial(self._tree.xattrs.set, inode, name, value, identity))

    async def removexattr(self, inode: InodeT, name: pyfuse3.XAttrNameT, ctx: RequestContext) -> None:
        await _patiently(functools.partial(self._tree.xattrs.remove, inode, name, ctx.uid))

    async def listxattr(self, inode: InodeT, ctx: RequestContext) -> Sequence[pyfuse3.XAttrNameT]:
        return [pyfuse3.XAttrNameT(name) for name in self._tree.xattrs.list(inode, ctx.uid)]

    # ---- making
    async def create(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, flags: FlagT, ctx: RequestContext
    ) -> tuple[FileInfo, EntryAttributes]:
        call = functools.partial(self._tree.create, parent_inode, name, mode, flags, _creator(ctx))
        file, number = await _patiently(call)
        return FileInfo(fh=FileHandleT(file.handle)), self._reply(self._tree.referred(number))

    async def mkdir(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, ctx: RequestContext
    ) -> EntryAttributes:
        return self._reply(self._tree.make_directory(parent_inode, name, mode, _creator(ctx)))

    async def mknod(
        self, parent_inode: InodeT, name: FileNameT, mode: ModeT, rdev: int, ctx: RequestContext
    ) -> EntryAttributes:
        return self._reply(self._tree.make_node(parent_inode, name, mode, rdev, _creator(ctx)))

    async def symlink(
        self, parent_inode: InodeT, name: FileNameT, target: FileNameT, ctx: RequestContext
    ) -> EntryAttributes:
        return self._reply(self._tree.make_symlink(parent_inode, name, target, _creator(ctx)))

    async def link(
        self, inode: InodeT, new_parent_inode: InodeT, new_name: FileNameT, ctx: RequestContext
    ) -> EntryAttributes:
        call = functools.partial(self._tree.link, inode, new_parent_inode, new_name)
        await _patiently(call)
        return self._reply(self._tree.referred(inode))

    # ---- taking away and moving
    async def unlink(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        await _patiently(functools.partial(self._tree.unlink, parent_inode, name))

    async def rmdir(self, parent_inode: InodeT, name: FileNameT, ctx: RequestContext) -> None:
        await _patiently(functools.partial(self._tree.remove_directory, parent_inode, name))

    async def rename(
        self,
        parent_inode_old: InodeT,
        name_old: FileNameT,
        parent_inode_new: InodeT,
        name_new: FileNameT,
        flags: FlagT,
        ctx: RequestContext,
    ) -> None:
        call = functools.partial(
            self._tree.rename, parent_inode_old, name_old, parent_inode_new, name_new, flags
        )
        if not await _patiently(call):
            self._distrust(parent_inode_new, name_new)
            self._distrust(parent_inode_old, name_old)

    # ---- files
    async def open(self, inode: InodeT, flags: FlagT, ctx: RequestContext) -> FileInfo:
        call = functools.partial(self._files.open, inode, flags, ctx.uid, truncate=bool(flags & os.O_TRUNC))
        file, fresh = await _patiently(call)
        return FileInfo(fh=FileHandleT(file.handle), keep_cache=fresh)

    async def read(self, fh: FileHandleT, off: int, size: int) -> bytes:
        return self._files.read(fh, size, off)

    async def write(self, fh: FileHandleT, off: int, buf: bytes) -> int:
        try:
            return await _patiently(functools.partial(self._files.write, fh, buf, off))
        except BaseException:
            # A page that a mapping changed stays in the kernel's cache as if it were what the file holds.
            self._distrust(self._files.get(fh).number, b"")
            raise

    async def flush(self, fh: FileHandleT) -> None:
        self._files.flush(fh)

    async def release(self, fh: FileHandleT) -> None:
        self._files.release(fh)

    async def fsync(self, fh: FileHandleT, datasync: bool) -> None:
        await run_blocking(self._tree.sync(fh, data_only=datasync))

    # ---- directories
    async def opendir(self, inode: InodeT, ctx: RequestContext) -> FileHandleT:
        return FileHandleT(self._tree.directories.open(inode))

    async def readdir(self, fh: FileHandleT, start_id: int, token: pyfuse3.ReaddirToken) -> None:
        for listed in self._tree.directories.read(fh, start_id):
            seconds = self._cache_seconds(listed.lasting)
            attributes = entry_attributes(listed.number, listed.generation, listed.attr, seconds)
            if not pyfuse3.readdir_reply(token, FileNameT(listed.name), attributes, listed.position):
                break
            if listed.name not in (b".", b".."):  # READDIRPLUS counts a reference for all others
                self._tree.nodes.count(listed.number)

    async def releasedir(self, fh: FileHandleT) -> None:
        self._tree.directories.release(fh)

    async def fsyncdir(self, fh: FileHandleT, datasync: bool) -> None:
        await run_blocking(self._tree.directories.sync, fh)
