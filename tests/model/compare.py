"""What service and truth show, compared: names, attributes, bytes, metadata and ETags."""

from __future__ import annotations

import errno
import os
import stat
import time
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any

from tests.model.alphabet import BUCKETS, LONG_COMPONENTS, PATHS, entry_of
from tests.model.doors import Answer, Listed, S3Door, remove_tree, rows_of
from tests.model.posix_truth import PosixTruth
from tests.model.s3_truth import NO_KEY, Refused, S3Truth, shown_type
from tests.model.tree import Content, Fifo, File, Link, Truth, md5_of
from tests.system.service import Service

__all__ = ["ONE", "TWO", "Comparison", "Disagreement", "Path"]

ONE, TWO = BUCKETS
Path = tuple[bytes, ...]


class Disagreement(AssertionError):
    """The service and the truth differ."""


class Comparison:
    """One service with two buckets that are emptied first. Close it."""

    def __init__(self, service: Service) -> None:
        assert service.mount is not None
        self.truth = Truth()
        self.s3, self.posix = S3Truth(self.truth), PosixTruth(self.truth)
        self._mount = os.fsencode(service.mount)
        self._door = S3Door(service.port)
        self._fds: list[int] = []
        self._upload_ids: list[str] = []
        self._upload_tags: list[dict[int, str]] = []
        self.tags: list[tuple[str, bytes]] = []  # every ETag that was shown, and for which content
        self._content_of: dict[str, bytes] = {}
        self._touched: list[tuple[str, bytes]] = []
        self._turn = 0
        # A link can lead out of its bucket: what was made by way of it lies beside the buckets.
        remove_tree(self._mount, keep=[bucket.encode() for bucket in BUCKETS])
        for bucket in BUCKETS:
            self._door.ask("PUT", bucket)
            remove_tree(self._path((bucket.encode(),)))
        # A long component is known by its hash from the first time that a key had it.
        for long in LONG_COMPONENTS:
            self._door.ask("PUT", ONE, long)
            self._door.ask("DELETE", ONE, long)

    def close(self) -> None:
        """Leave nothing open; the buckets stay as they are."""
        for fd in self._fds:
            os.close(fd)
        for upload, upload_id in zip(self.s3.uploads, self._upload_ids, strict=True):
            self._door.ask("DELETE", upload.bucket, upload.key, query={"uploadId": upload_id})
        self._door.close()

    # ---- comparing
    def _path(self, path: Iterable[bytes]) -> bytes:
        return b"/".join((self._mount, *path))

    def _same(self, what: str, found: object, expected: object) -> None:
        if found != expected:
            raise Disagreement(f"{what}: the service says {found!r}, the truth {expected!r}")

    def _posix(self, truth: Callable[[], object], door: Callable[[], object]) -> object:
        """Both do it; the same value or the same errno."""

        def outcome(call: Callable[[], object]) -> object:
            try:
                return call()
            except OSError as error:
                return errno.errorcode[error.errno or 0]

        expected = outcome(truth)
        found = outcome(door)
        self._same("the system call", found, expected)
        return found

    def _request(self, truth: Callable[[], Any], answer: Answer, success: int = 200) -> Any:
        """What the truth answers, once the service answered the same; None for an error."""
        try:
            expected = truth()
        except Refused as refused:
            self._same("the request", (answer.status, answer.code), (refused.status, refused.code))
            return None
        self._same("the request", (answer.status, answer.code), (success, ""))
        return expected

    def _check_tag(self, tag: str, content: Content, what: str) -> None:
        """An ETag is true or dashed, and never one that was shown for other bytes."""
        if content.tag is not None:
            self._same(f"the ETag of {what}", tag, content.tag)
        elif tag != md5_of(content.data):
            head, dash, count = tag.partition("-")
            if not (dash and count.isdigit() and len(head) == 32):
                raise Disagreement(f"the ETag of {what} is {tag}: neither its MD5 nor a dashed one")
        known = self._content_of.setdefault(tag, content.data)
        if known != content.data:
            raise Disagreement(f"the ETag of {what}, {tag}, was shown for other bytes")
        if (tag, content.data) not in self.tags[-8:]:
            self.tags.append((tag, content.data))

    def _check_head(self, answer: Answer, content: Content, key: bytes) -> None:
        what = repr(key)
        self._check_tag(answer.etag, content, what)
        self._same(f"the metadata of {what}", answer.user, content.user)
        self._same(f"the type of {what}", answer.headers.get("content-type"), shown_type(key, content))

    def check(self) -> None:
        """Everything at once: every key's bytes, every path."""
        for bucket in BUCKETS:
            self._check_bucket(bucket)
            for key, _ in self.truth.objects(bucket):
                self._check_key(bucket, key)
        for path, node in list(self.truth.paths()):
            if isinstance(node, File):
                self._same(f"bytes at {path}", _slurp(self._path(path)), node.data)

    def after(self) -> None:
        """What is looked at after each operation: all names and attributes, the bytes of what it touched."""
        self._turn += 1
        buckets = {bucket for bucket, _ in self._touched} or {ONE}
        for bucket in sorted(buckets):
            self._check_bucket(bucket)
        objects = [(bucket, key) for bucket in buckets for key, _ in self.truth.objects(bucket)]
        others = objects[self._turn % len(objects) :][:1] if objects else []
        for bucket, key in {*self._touched, *others}:
            self._check_key(bucket, key)
        self._touched.clear()

    def _check_bucket(self, bucket: str) -> None:
        listed = self._list_all(bucket, {"list-type": 2})
        objects = self.truth.objects(bucket)
        self._same(f"the keys of {bucket}", [row.key for row in listed], [key for key, _ in objects])
        times = self._check_paths(bucket)
        for row, (key, content) in zip(listed, objects, strict=True):
            self._same(f"the size of {key!r}", row.size, len(content.data))
            self._check_tag(row.etag, content, f"{key!r} in the listing")
            shown = times.get(id(content))
            modified = int(datetime.fromisoformat(row.modified).timestamp())
            if shown is not None and content.renewed:
                # Of new metadata, unless the bytes are younger.
                self._same(f"the time of {key!r}", shown <= modified <= max(shown, time.time()), True)
            elif shown is not None:
                self._same(f"the time of {key!r}", modified, shown)

    def _check_paths(self, bucket: str) -> dict[int, int]:
        """lstat of every path that is there and of those that are not; the mtime in s of each file."""
        top = bucket.encode()
        there = {path for path, _ in self.truth.paths() if path[0] == top}
        times: dict[int, int] = {}
        for path in sorted(there | {(top, *path) for path in PATHS}):
            found = self._posix(
                lambda path=path: self._expected_stat(path), lambda path=path: self._stat(path)
            )
            if isinstance(found, tuple) and found[0] == "file":
                node = self.truth.find(path)
                mtime = os.lstat(self._path(path)).st_mtime_ns
                if isinstance(node, File) and node.mtime_ns is not None:
                    self._same(f"the mtime at {path}", mtime, node.mtime_ns)
                times[id(node)] = mtime // 10**9
        return times

    def _expected_stat(self, path: tuple[bytes, ...]) -> tuple[object, ...]:
        node = self.truth.find(path)
        if isinstance(node, File):
            return "file", node.mode, node.nlink, len(node.data)
        if isinstance(node, Fifo):
            return "fifo", node.mode, node.nlink
        if isinstance(node, Link):
            return "link", node.target, node.nlink
        return "directory", node.mode

    def _stat(self, path: tuple[bytes, ...]) -> tuple[object, ...]:
        found = os.lstat(self._path(path))
        mode = stat.S_IMODE(found.st_mode)
        if stat.S_ISREG(found.st_mode):
            return "file", mode, found.st_nlink, found.st_size
        if stat.S_ISFIFO(found.st_mode):
            return "fifo", mode, found.st_nlink
        if stat.S_ISLNK(found.st_mode):
            return "link", os.readlink(self._path(path)), found.st_nlink
        return "directory", mode

    def _check_key(self, bucket: str, key: bytes) -> None:
        content = self.truth.object(bucket, key)
        answer = self._door.ask("GET", bucket, key)
        if content is None:
            self._same(f"GET of {key!r}", (answer.status, answer.code), NO_KEY)
            return
        self._same(f"GET of {key!r}", (answer.status, answer.body), (200, content.data))
        self._check_head(answer, content, key)
        names, is_directory = entry_of(key)
        if not is_directory and len(answer.body) < 10_000:
            self._same(
                f"bytes of {key!r} on the mount", _slurp(self._path((bucket.encode(), *names))), content.data
            )

    def _list_all(self, bucket: str, query: dict[str, str | int | bytes]) -> list[Listed]:
        version, rows = 2 if "list-type" in query else 1, []
        asked = {"encoding-type": "url", **query}
        while True:
            answer = self._door.ask("GET", bucket, query=asked)
            self._same("a page", answer.status, 200)
            page, following = rows_of(answer, version=version)
            rows += page
            if following is None:
                return rows
            if not page:
                raise Disagreement("an empty page that is not the last")
            asked = {**asked, "continuation-token" if version == 2 else "marker": following}


def _slurp(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()
