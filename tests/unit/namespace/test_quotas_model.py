"""Random operations of both doors on a bucket with a quota, beside a plain count of what is there."""

from __future__ import annotations

import os
import random
import stat
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

import pytest

from tests.unit.namespace.kit import BUCKET, memory_store
from tests.unit.namespace.quota_truth import ME, Doors
from weka_mp.errors import NamespaceError, QuotaExceeded, UploadMissing
from weka_mp.namespace import CopyRequest, Namespace, NewObject, RenameRequest
from weka_mp.namespace.names.keys import BODY_NAME
from weka_mp.namespace.objects.publishing import PutSession
from weka_mp.namespace.tree.facade import EXCHANGE

LIMIT = 100
NAMES = ("a", "b", "d/a", "d/b", "e/", "d/")
PROGRAMS = int(os.environ.get("WEKA_MP_QUOTA_PROGRAMS", "40"))
GROWING = {0, 1, 3, 5, 7, 8, 14, 16, 20}
COPY = 14
Step = tuple[int, str, str, int, int]


@dataclass(frozen=True)
class Body:
    """One on its way in: what it holds of the quota, and what needs no room since it replaces something."""

    session: PutSession
    held: int
    credited: int


class Play:
    """One store, its doors, files that are open and uploads that are under way."""

    def __init__(self, namespace: Namespace) -> None:
        self.namespace = namespace
        self.doors = Doors(namespace)
        self.handles: list[int] = []
        self.uploads: list[tuple[str, str]] = []
        self.parts: dict[str, dict[int, int]] = {}
        self.bodies: list[Body] = []
        self.doors.mkdir("bucket/d")

    def calls(self, name: str, new: str, size: int, number: int) -> list[Callable[[], object]]:
        doors, path, other = self.doors, f"bucket/{name}".rstrip("/"), f"bucket/{new}".rstrip("/")
        return [
            lambda: doors.put(name, size),
            lambda: doors.put(name, size),
            lambda: doors.delete(name),
            lambda: doors.write(path, size),
            lambda: self.handles.append(doors.open(path)),
            lambda: doors.write_at(self._handle(number), size, 20),
            lambda: doors.close_file(self.handles.pop(number % len(self.handles))),
            lambda: doors.truncate(path, size),
            lambda: self._resize_open(number, size),
            lambda: doors.unlink(path),
            lambda: doors.rename(path, other),
            lambda: doors.rename(path, other, EXCHANGE),
            lambda: doors.link(path, other),
            lambda: self._told_rename(name, new),
            lambda: self._copy(name, new),
            lambda: self._begin(name),
            lambda: self._part(number, size),
            lambda: self._end(number, complete=True),
            lambda: self._end(number, complete=False),
            lambda: self.namespace.quotas.maintain(),
            lambda: self._begin_body(name, size),
            lambda: self._end_body(number, publish=True),
            lambda: self._end_body(number, publish=False),
        ]

    def _begin_body(self, name: str, size: int) -> None:
        used = self.truth() - self.doors.without_name() - sum(body.held for body in self.bodies)
        granted = max(0, min(size, self._replaced(name), used - self.credited()))
        session = self.namespace.begin_put(BUCKET, name.encode(), size=size)
        self.bodies.append(Body(session, size - granted, granted))
        session.write(b"s" * size)

    def _replaced(self, name: str) -> int:
        """What would not be used any more if something had this name instead."""
        path = b"bucket/" + name.encode() + (BODY_NAME if name.endswith("/") else b"")
        try:
            fd = self.doors.store.open_path(self.doors.store.root(), path)
        except NamespaceError:
            return 0
        attr = self.doors.store.attr(fd)
        self.doors.store.close(fd)
        return attr.size if stat.S_ISREG(attr.mode) and attr.nlink == 1 else 0

    def _end_body(self, number: int, *, publish: bool) -> None:
        body = self.bodies.pop(number % len(self.bodies))
        with body.session as session:
            try:
                if publish:
                    self.doors.told(session.publish(NewObject()).changes)
            except QuotaExceeded:
                assert body.credited > 0  # what it was to replace has gone meanwhile

    def credited(self) -> int:
        return sum(body.credited for body in self.bodies)

    def _handle(self, number: int) -> int:
        return self.handles[number % len(self.handles)]

    def _resize_open(self, number: int, size: int) -> None:
        file = self.doors.tree.files.get(self._handle(number))
        self.doors.tree.resize(file.number, size, file.handle, ME, wait=True)

    def _told_rename(self, name: str, new: str) -> None:
        request = RenameRequest(BUCKET, name.encode(), new.encode())
        self.doors.told(self.namespace.rename_object(request).changes)

    def _copy(self, name: str, new: str) -> None:
        request = CopyRequest(BUCKET, name.encode(), BUCKET, new.encode())
        self.doors.told(self.namespace.copy_object(request).changes)

    def _begin(self, name: str) -> None:
        upload_id, _ = self.doors.upload(name, [])
        self.uploads.append((name, upload_id))
        self.parts[upload_id] = {}

    def _part(self, number: int, size: int) -> None:
        name, upload_id = self.uploads[number % len(self.uploads)]
        self.doors.part(name, upload_id, 1 + number % 3, size)
        self.parts[upload_id][1 + number % 3] = size

    def _end(self, number: int, *, complete: bool) -> None:
        name, upload_id = self.uploads[number % len(self.uploads)]
        if complete:
            self.doors.complete(name, (upload_id, [(1).to_bytes(16, "big").hex()]))
        else:
            self.namespace.abort_upload(BUCKET, name.encode(), upload_id)
        self.uploads.remove((name, upload_id))
        del self.parts[upload_id]

    def truth(self) -> int:
        parts = sum(sum(parts.values()) for parts in self.parts.values())
        return self.doors.truth(parts=parts) + sum(body.held for body in self.bodies)

    def step(self, kind: int, name: str, new: str, size: int, number: int) -> None:
        before = self.truth()
        try:
            self.calls(name, new, size, number)[kind]()
        except QuotaExceeded:
            # Refused, and nothing became of it (but for the truncation that came before a write).
            assert self.truth() == before or (kind == 3 and self.truth() < before)
            assert kind in GROWING
            assert kind == COPY or before + max(size, 20) + size > LIMIT  # and it did not fit
        except (NamespaceError, ZeroDivisionError):  # what it was about is not there
            pass
        assert self.doors.used() == self.truth()
        (ledger,) = self.namespace.context.quotas.ledgers().values()
        assert ledger.look().credited == self.credited()
        # S3 does not know that what it replaces is open on a mount, which then says so.
        assert self.truth() - self.doors.without_name() <= LIMIT

    def end(self) -> None:
        while self.handles:
            self.doors.close_file(self.handles.pop())
        while self.bodies:
            self.bodies.pop().session.abort()
        assert self.doors.used() == self.truth()
        for name, upload_id in self.uploads:
            with suppress(UploadMissing):
                self.namespace.abort_upload(BUCKET, name.encode(), upload_id)
        self.parts.clear()
        booked = self.doors.used()
        self.namespace.quotas.maintain()
        assert booked == self.doors.used() == self.truth()
        self.doors.close()


def play(steps: list[Step]) -> None:
    store = memory_store()
    with Namespace.open(store) as namespace:
        namespace.create_bucket(BUCKET)
        namespace.quotas.set(BUCKET, LIMIT)
        playing = Play(namespace)
        for step in steps:
            playing.step(*step)
        playing.end()
    assert (store.open_descriptors(), store.held_locks()) == (0, 0)


def program(seed: int) -> list[Step]:
    draw = random.Random(seed)
    return [
        (draw.randrange(23), draw.choice(NAMES), draw.choice(NAMES), draw.randrange(61), draw.randrange(10))
        for _ in range(draw.randrange(5, 50))
    ]


@pytest.mark.parametrize("first", range(0, PROGRAMS, PROGRAMS // 4))
def test_what_is_booked_is_what_is_there(first: int) -> None:
    for seed in range(first, first + PROGRAMS // 4):
        play(program(seed))
