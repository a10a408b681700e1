"""Clients of both doors that work on the same two keys and record what they were answered."""

from __future__ import annotations

import errno
import http.client
import os
import random
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Protocol

from tests.histories.bodies import Bodies
from tests.histories.recorder import Call, Recorder
from tests.model.doors import Answer, S3Door

__all__ = ["Group", "MountClient", "S3Client", "Unanswered"]

SIZES = (40, 40, 40, 5_000, 70_000, 300_000)
LARGE = 3 * 2**20
GONE = {errno.ENOTCONN, errno.ECONNABORTED, errno.EIO}
"""What calls on a mount end with whose process died."""


class Unanswered(Exception):
    """No answer, or one that says nothing of what happened."""


@dataclass
class Group:
    """Two keys that are worked on together, and all that is known of them."""

    bucket: str
    keys: tuple[bytes, bytes]
    folder: bytes
    bodies: Bodies
    recorder: Recorder

    def new_body(self, draw: random.Random, client: str) -> tuple[str, bytes]:
        size = LARGE if draw.random() < 0.03 else draw.choice(SIZES)
        name = f"{self.keys[0].decode()} {client} {draw.getrandbits(48):012x}"
        return name, self.bodies.make(name, size)


class Client(Protocol):
    """One thread's client; `act` does one thing of its choice."""

    name: str

    def act(self, group: Group) -> None: ...


@contextmanager
def _unsent(call: Call) -> Iterator[None]:
    """A mount whose process is gone says ENOTCONN before it asks for anything: nothing was changed."""
    try:
        yield
    except OSError as error:
        if error.errno == errno.ENOTCONN:
            call.intended.clear()
        raise


class S3Client:
    """GET, HEAD, PUT, conditional PUTs, DELETE, COPY."""

    def __init__(self, number: int, port: int, seed: int, *, copies: bool) -> None:
        self.name = f"s3-{number}"
        self._draw = random.Random(seed)
        self._door = S3Door(port, timeout=20, connections=2)
        self._last: dict[tuple[bytes, int], str] = {}
        self._deeds: list[Callable[[Group, int, Call], None]] = [
            self._get,
            self._get,
            self._get,
            self._head,
            self._put,
            self._put,
            self._create,
            self._swap,
            self._swap,
            self._delete,
        ]
        if copies:  # of a copy that nobody answered it is not known what it may have written
            self._deeds.append(self._copy)

    def close(self) -> None:
        self._door.close()

    def act(self, group: Group) -> None:
        key = self._draw.randrange(2)
        deed = self._draw.choice(self._deeds)
        with group.recorder.call(self.name) as call:
            deed(group, key, call)

    def look(self, group: Group, key: int) -> None:
        """A GET whatever the dice say: how a key ends."""
        with group.recorder.call(self.name) as call:
            self._get(group, key, call)

    def _ask(self, method: str, group: Group, key: int, **keywords: object) -> Answer:
        try:
            answer = self._door.ask(method, group.bucket, group.keys[key], **keywords)  # type: ignore[arg-type]
        except (OSError, http.client.HTTPException) as error:
            raise Unanswered(repr(error)) from error
        if answer.status >= 500:
            raise Unanswered(f"{answer.status} {answer.code}")
        return answer

    def _get(self, group: Group, key: int, call: Call) -> None:
        answer = self._ask("GET", group, key)
        if answer.status == 404:
            call.add("read", key)
            return
        assert answer.status == 200, answer
        name = group.bodies.name_of(answer.body)
        group.bodies.seen(answer.etag, answer.body, name)
        self._last[group.keys[0], key] = answer.etag
        call.add("read", key, name)

    def _head(self, group: Group, key: int, call: Call) -> None:
        answer = self._ask("HEAD", group, key)
        if answer.status == 404:
            call.add("read", key)
        elif (name := group.bodies.of_etag(answer.etag)) is not None:
            call.add("read", key, name)
        else:
            call.add("present", key)

    def _put(self, group: Group, key: int, call: Call) -> None:
        name, body = group.new_body(self._draw, self.name)
        call.may("write", key, name)
        answer = self._ask("PUT", group, key, body=body)
        assert answer.status == 200, answer
        group.bodies.seen(answer.etag, body, name)
        call.add("write", key, name)

    def _create(self, group: Group, key: int, call: Call) -> None:
        name, body = group.new_body(self._draw, self.name)
        call.may("create", key, name)
        answer = self._ask("PUT", group, key, body=body, headers={"If-None-Match": "*"})
        if answer.status == 200:
            call.add("create", key, name)
        elif answer.status == 412:
            call.add("present", key)
        else:
            assert answer.status == 409, answer

    def _swap(self, group: Group, key: int, call: Call) -> None:
        tag = self._last.get((group.keys[0], key))
        old = group.bodies.of_etag(tag) if tag else None
        if tag is None or old is None:
            return
        name, body = group.new_body(self._draw, self.name)
        call.may("swap", key, name, old=old)
        answer = self._ask("PUT", group, key, body=body, headers={"If-Match": f'"{tag}"'})
        if answer.status == 200:
            call.add("swap", key, name, old=old)
        elif answer.status == 404:
            call.add("read", key)
        elif answer.status == 412:
            # A dashed tag is void once the true one is known of an unchanged file that was written again.
            call.add("present" if "-" in tag else "differs", key, None if "-" in tag else old)
        else:
            assert answer.status == 409, answer

    def _delete(self, group: Group, key: int, call: Call) -> None:
        call.may("delete", key)
        answer = self._ask("DELETE", group, key)
        assert answer.status == 204, answer
        call.add("delete", key)

    def _copy(self, group: Group, key: int, call: Call) -> None:
        """The source is read at one time and the target written at another, both before the answer."""
        headers = {"x-amz-copy-source": f"/{group.bucket}/{group.keys[1 - key].decode()}"}
        answer = self._ask("PUT", group, key, headers=headers)
        if answer.status == 404:
            call.add("read", 1 - key)
            return
        assert answer.status == 200, answer
        tag = (
            answer.body.partition(b"<ETag>")[2]
            .partition(b"<")[0]
            .replace(b"&quot;", b"")
            .strip(b'"')
            .decode()
        )
        name = group.bodies.of_etag(tag)
        assert name is not None, f"a copy with an ETag of nobody: {tag}"
        call.add("read", 1 - key, name)
        call.add("write", key, name)


class MountClient:
    """Reads, replacement by rename, exclusive creation, unlink, rename from key to key; each is one step."""

    def __init__(self, number: int, mount: bytes, seed: int) -> None:
        self.name = f"mount-{number}"
        self._draw = random.Random(seed)
        self._mount = mount
        self._deeds: list[Callable[[Group, int, Call], None]] = [
            self._read,
            self._read,
            self._read,
            self._stat,
            self._replace,
            self._replace,
            self._link,
            self._exclusive,
            self._unlink,
            self._rename,
        ]

    def act(self, group: Group) -> None:
        self._do(group, self._draw.randrange(2), self._draw.choice(self._deeds))

    def look(self, group: Group, key: int) -> None:
        self._do(group, key, self._read)

    def _do(self, group: Group, key: int, deed: Callable[[Group, int, Call], None]) -> None:
        try:
            with group.recorder.call(self.name) as call, _unsent(call):
                deed(group, key, call)
        except OSError as error:
            if error.errno not in GONE:
                raise
            raise Unanswered(repr(error)) from error

    def _path(self, group: Group, key: int) -> bytes:
        return b"/".join((self._mount, group.bucket.encode(), group.keys[key]))

    def _staged(self, group: Group) -> tuple[str, bytes]:
        name, body = group.new_body(self._draw, self.name)
        # A name of its own: a former one may be the second name of an object.
        staged = f"{self.name}-{self._draw.getrandbits(48):012x}".encode()
        path = b"/".join((self._mount, group.bucket.encode(), group.folder, staged))
        with open(path, "wb") as file:
            file.write(body)
        return name, path

    def _read(self, group: Group, key: int, call: Call) -> None:
        try:
            with open(self._path(group, key), "rb") as file:
                body = file.read()
        except FileNotFoundError:
            call.add("read", key)
            return
        call.add("read", key, group.bodies.name_of(body))

    def _stat(self, group: Group, key: int, call: Call) -> None:
        try:
            os.stat(self._path(group, key))
        except FileNotFoundError:
            call.add("read", key)
            return
        call.add("present", key)

    def _replace(self, group: Group, key: int, call: Call) -> None:
        name, path = self._staged(group)
        call.may("write", key, name)
        os.rename(path, self._path(group, key))
        call.add("write", key, name)

    def _link(self, group: Group, key: int, call: Call) -> None:
        """link(2) gives a whole file a name that nobody has."""
        name, path = self._staged(group)
        call.may("create", key, name)
        try:
            os.link(path, self._path(group, key))
        except FileExistsError:
            call.add("present", key)
        else:
            call.add("create", key, name)
        with suppress(OSError):  # the link was made or not, whatever becomes of its first name
            os.unlink(path)

    def _exclusive(self, group: Group, key: int, call: Call) -> None:
        call.may("create", key, "empty")
        try:
            fd = os.open(self._path(group, key), os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o644)
        except FileExistsError:
            call.add("present", key)
            return
        call.add("create", key, "empty")
        with suppress(OSError):  # whatever becomes of it, it was created
            os.close(fd)

    def _unlink(self, group: Group, key: int, call: Call) -> None:
        call.may("unlink", key)
        try:
            os.unlink(self._path(group, key))
        except FileNotFoundError:
            call.add("read", key)
        else:
            call.add("unlink", key)

    def _rename(self, group: Group, key: int, call: Call) -> None:
        call.may("rename", key, other=1 - key)
        try:
            os.rename(self._path(group, key), self._path(group, 1 - key))
        except FileNotFoundError:
            call.add("read", key)
        else:
            call.add("rename", key, other=1 - key)
