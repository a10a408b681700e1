"""A client of the mount: system calls and what their results say of the keys."""

from __future__ import annotations

import errno
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

from tests.histories.bodies import offset_of, patch_line
from tests.histories.contents import HEAD, TAIL, Content
from tests.histories.groups import GONE, Group, Unanswered
from tests.histories.recorder import Call
from tests.histories.register import FOLDER

__all__ = ["MountClient"]

PATCHES = 5
"""How often files are written in place, beside the deeds."""


@contextmanager
def _unsent(call: Call) -> Iterator[None]:
    """A mount whose process is gone says ENOTCONN before it asks for anything: nothing was changed."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            call.intended.clear()
        raise


class MountClient:
    """Reads, replacement by rename, exclusive creation, link, unlink, rename of files and of folders, each
    one step; and writing into files that are there.
    """

    def __init__(self, number: int, mount: bytes, seed: int) -> None:
        self.name = f"mount-{number}"
        self._draw = random.Random(seed)
        self._mount = mount
        deeds: list[tuple[int, Callable[[Group, Call], None]]] = [
            (6, lambda group, call: self._read(group, group.key(self._draw), call)),
            (2, self._stat),
            (4, self._replace),
            (2, self._link),
            (2, self._exclusive),
            (2, self._unlink),
            (3, self._rename),
            (2, self._move),
        ]
        self._deeds = [deed for times, deed in deeds for _ in range(times)]

    def close(self) -> None:
        """Nothing is held open."""

    def act(self, group: Group) -> None:
        if self._draw.randrange(len(self._deeds) + PATCHES) < PATCHES:
            with _mapped():
                self._patch(group)
        else:
            self._do(group, self._draw.choice(self._deeds))

    def look(self, group: Group, key: int) -> None:
        self._do(group, lambda group, call: self._read(group, key, call))

    def _do(self, group: Group, deed: Callable[[Group, Call], None]) -> None:
        with self._call(group) as call:
            deed(group, call)

    @contextmanager
    def _call(self, group: Group) -> Iterator[Call]:
        with group.recorder.call(self.name) as call, _mapped(), _unsent(call):
            yield call

    def _below(self, group: Group, name: bytes) -> bytes:
        return b"/".join((self._mount, group.bucket.encode(), name))

    def _path(self, group: Group, key: int) -> bytes:
        return self._below(group, group.keys[key])

    def _staged(self, group: Group) -> tuple[str, bytes]:
        name, body = group.new_body(self._draw, self.name)
        # A name of its own: a former one may be the second name of an object.
        staged = group.new_name(self._draw, self.name).encode()
        path = self._below(group, group.staging + staged)
        with open(path, "wb") as file:
            file.write(body)
        return name, path

    # ---- looking
    def _read(self, group: Group, key: int, call: Call) -> None:
        try:
            with open(self._path(group, key), "rb") as file:
                body = file.read()
        except FileNotFoundError:
            call.add("read", key)
            return
        call.add("read", key, group.bodies.name_of(body))

    def _stat(self, group: Group, call: Call) -> None:
        key = group.key(self._draw)
        try:
            os.stat(self._path(group, key))
        except FileNotFoundError:
            call.add("read", key)
            return
        call.add("present", key)

    # ---- names
    def _replace(self, group: Group, call: Call) -> None:
        key, (name, path) = group.key(self._draw), self._staged(group)
        call.may("write", key, name)
        try:
            os.rename(path, self._path(group, key))
        except FileNotFoundError:
            call.add("vacant", key)
            with suppress(OSError):
                os.unlink(path)
        else:
            call.add("write", key, name)

    def _link(self, group: Group, call: Call) -> None:
        """link(2) gives a whole file a name that nobody has."""
        key, (name, path) = group.key(self._draw), self._staged(group)
        call.may("create", key, name)
        try:
            os.link(path, self._path(group, key))
        except FileExistsError:
            call.add("present", key)
        except FileNotFoundError:
            call.add("vacant", key)
        else:
            call.add("create", key, name)
        with suppress(OSError):  # the link was made or not, whatever becomes of its first name
            os.unlink(path)

    def _exclusive(self, group: Group, call: Call) -> None:
        key = group.key(self._draw)
        call.may("create", key, "empty")
        try:
            fd = os.open(self._path(group, key), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            call.add("present", key)
            return
        except FileNotFoundError:
            call.add("vacant", key)
            return
        call.add("create", key, "empty")
        with suppress(OSError):  # whatever becomes of it, it was created
            os.close(fd)

    def _unlink(self, group: Group, call: Call) -> None:
        key = group.key(self._draw)
        call.may("unlink", key)
        try:
            os.unlink(self._path(group, key))
        except FileNotFoundError:
            call.add("read", key)
        else:
            call.add("unlink", key)

    def _rename(self, group: Group, call: Call) -> None:
        key, other = group.two_keys(self._draw)
        call.may("rename", key, other=other)
        try:
            os.rename(self._path(group, key), self._path(group, other))
        except FileNotFoundError:
            call.add("unmovable", key, other=other)
        else:
            call.add("rename", key, other=other)

    def _move(self, group: Group, call: Call) -> None:
        """rename(2) of a folder; where there is one only, another look."""
        if len(group.folders) < 2:
            self._read(group, group.key(self._draw), call)
            return
        number = self._draw.randrange(2)
        source, target = group.folders[number], group.folders[1 - number]
        call.may("move", number * FOLDER, other=(1 - number) * FOLDER)
        try:
            os.rename(self._below(group, source), self._below(group, target))
        except FileNotFoundError:
            call.add("vacant", number * FOLDER)
        except OSError as error:
            if error.errno not in (errno.ENOTEMPTY, errno.EEXIST):
                raise
            call.add("occupied", (1 - number) * FOLDER)
        else:
            call.add("move", number * FOLDER, other=(1 - number) * FOLDER)

    # ---- bytes of files that are there
    def _patch(self, group: Group) -> None:
        """Open what a key holds and write over its head, its tail, or one after the other."""
        slot = group.new_name(self._draw, self.name)
        key = group.key(self._draw)
        with group.recorder.open_for_writing():
            with self._call(group) as call:
                try:
                    fd = os.open(self._path(group, key), os.O_RDWR)
                except FileNotFoundError:
                    call.add("read", key)
                    return
                try:
                    size = os.fstat(fd).st_size
                    found = Content.read(group.bodies.name_of(os.pread(fd, size + 1, 0)))
                except BaseException:
                    os.close(fd)
                    raise
                call.add("hold", key, slot, old=found.body)
            try:
                if size > 0:
                    self._write_over(group, fd, slot, size, found)
            finally:
                os.close(fd)

    def _write_over(self, group: Group, fd: int, slot: str, size: int, found: Content) -> None:
        for place in self._draw.choice(((HEAD,), (TAIL,), (HEAD, TAIL), (TAIL, HEAD))):
            patch = group.new_name(self._draw, self.name)
            found = found.patched(place, patch)
            group.bodies.expect(found)
            with self._call(group) as call:
                call.may("patch", 0, patch, old=slot, other=place)
                os.pwrite(fd, patch_line(patch), offset_of(place, size))
                call.add("patch", 0, patch, old=slot, other=place)


@contextmanager
def _mapped() -> Iterator[None]:
    """Errors of a mount whose process is gone as `Unanswered`."""
    try:
        yield
    except OSError as error:
        if error.errno not in GONE:
            raise
        raise Unanswered(repr(error), over=True) from error
