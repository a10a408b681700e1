"""Operations on the running service and on the truth at once: each compares what both answer.

A program is a sequence of calls of these methods, so a failing one is printed, and kept, as such.
"""

from __future__ import annotations

import base64
import errno
import mmap
import os
import stat
from collections.abc import Callable, Iterable
from datetime import datetime
from typing import Any
from urllib.parse import quote

from tests.model.alphabet import BUCKETS, LONG_KEY, METADATA, PATHS, entry_of
from tests.model.doors import (
    Answer,
    Listed,
    S3Door,
    delete_document,
    parts_document,
    remove_tree,
    rows_of,
)
from tests.model.posix_truth import PosixTruth
from tests.model.s3_truth import NO_KEY, Refused, S3Truth, shown_type
from tests.model.tree import Content, Directory, Fifo, File, Link, Truth, md5_of
from tests.system.service import Service

__all__ = ["Both", "Disagreement"]

ONE, TWO = BUCKETS
_FALSE_MD5 = base64.b64encode(b"0" * 16).decode()


class Disagreement(AssertionError):
    """The service and the truth differ."""


class Both:
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
        self._door.ask("PUT", ONE, LONG_KEY)
        self._door.ask("DELETE", ONE, LONG_KEY)

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
            if shown is not None and not content.renewed:
                self._same(
                    f"the time of {key!r}", int(datetime.fromisoformat(row.modified).timestamp()), shown
                )

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

    # ---- S3
    def put(
        self,
        key: bytes,
        body: bytes,
        metadata: int = 0,
        *,
        absent: bool = False,
        bad_digest: bool = False,
        bucket: str = ONE,
    ) -> None:
        """PutObject, with If-None-Match: * or a Content-MD5 that is not its own."""
        content_type, user = METADATA[metadata]
        headers = {f"x-amz-meta-{name}": value for name, value in user.items()}
        headers |= {"Content-Type": content_type} if content_type else {}
        headers |= {"If-None-Match": "*"} if absent else {}
        headers |= {"Content-MD5": _FALSE_MD5} if bad_digest else {}
        answer = self._door.ask("PUT", bucket, key, body=body, headers=headers)
        content = Content(body, md5_of(body), content_type, user, True)

        def truth() -> Content:
            if bad_digest:
                raise Refused(400, "BadDigest")
            self.s3.put(bucket, key, content, absent=absent)
            return content

        if self._request(truth, answer):
            self._check_tag(answer.etag, content, repr(key))
        self._touched.append((bucket, key))

    def _condition(self, bucket: str, key: bytes, tag: int | None) -> tuple[str, bool | None]:
        """The tag that a condition names (None: the present one), and whether it holds (None: who knows)."""
        content = self.truth.object(bucket, key)
        if tag is None:
            shown = self._door.ask("HEAD", bucket, key).etag or md5_of(b"nothing")
        else:
            shown = self.tags[tag % len(self.tags)][0] if self.tags else md5_of(b"nothing")
        if content is None or self._content_of.get(shown) != content.data:
            return shown, False
        if content.tag == shown and not self._has_writers(content):
            return shown, True
        return shown, None

    def _has_writers(self, content: Content) -> bool:
        return any(handle.file is content and handle.writable for handle in self.posix.handles)

    def put_if_match(self, key: bytes, body: bytes, tag: int | None = None, *, bucket: str = ONE) -> None:
        """PutObject with If-Match: the present tag, or one that was shown some time."""
        shown, holds = self._condition(bucket, key, tag)
        answer = self._door.ask("PUT", bucket, key, body=body, headers={"If-Match": f'"{shown}"'})
        content = Content(body, md5_of(body), None, {}, True)
        if holds is None:
            if answer.status in (409, 412):
                return
            holds = True
        self._request(lambda: self.s3.put(bucket, key, content, if_match=holds), answer)
        self._touched.append((bucket, key))

    def get(
        self,
        key: bytes,
        *,
        match: int | None = None,
        none_match: int | None = None,
        span: tuple[int, int] | None = None,
        bucket: str = ONE,
    ) -> None:
        """GetObject with conditions on tags that were shown some time, or a range of bytes."""
        headers, holds = {}, []
        for name, tag in (("If-Match", match), ("If-None-Match", none_match)):
            if tag is not None:
                shown, matches = self._condition(bucket, key, tag)
                headers[name] = f'"{shown}"'
                holds.append((name, matches))
        if span is not None:
            headers["Range"] = f"bytes={span[0]}-{span[1]}"
        answer = self._door.ask("GET", bucket, key, headers=headers)
        allowed = {"If-Match": (412,), "If-None-Match": (304,)}
        for name, matches in holds:
            if matches is None and answer.status in allowed[name]:
                return None
            if self.truth.object(bucket, key) is None or matches is None:
                continue
            if name == "If-Match" and not matches:
                return self._same("If-Match", (answer.status, answer.code), (412, "PreconditionFailed"))
            if name == "If-None-Match" and matches:
                return self._same("If-None-Match", answer.status, 304)
        content = self.truth.object(bucket, key)
        if span is None or content is None:
            content = self._request(lambda: self.s3.get(bucket, key), answer)
            if content is not None:
                self._same(f"bytes of {key!r}", answer.body, content.data)
                self._check_head(answer, content, key)
            return None
        if span[0] >= len(content.data):
            return self._same("the range", (answer.status, answer.code), (416, "InvalidRange"))
        self._same("the range", (answer.status, answer.body), (206, content.data[span[0] : span[1] + 1]))
        self._check_head(answer, content, key)
        return None

    def head(self, key: bytes, *, bucket: str = ONE) -> None:
        answer = self._door.ask("HEAD", bucket, key)
        content = self.truth.object(bucket, key)
        self._same("HEAD", answer.status, 404 if content is None else 200)
        if content is not None:
            self._same("the length", int(answer.headers["content-length"]), len(content.data))
            self._check_head(answer, content, key)

    def delete(self, key: bytes, *, bucket: str = ONE) -> None:
        answer = self._door.ask("DELETE", bucket, key)
        self._request(lambda: self.s3.delete(bucket, key), answer, 204)
        self._touched.append((bucket, key))

    def delete_if_match(self, key: bytes, tag: int | None = None, *, bucket: str = ONE) -> None:
        shown, holds = self._condition(bucket, key, tag)
        answer = self._door.ask("DELETE", bucket, key, headers={"If-Match": f'"{shown}"'})
        if holds is None:
            if answer.status in (409, 412):
                return
            holds = True
        self._request(lambda: self.s3.delete(bucket, key, if_match=holds), answer, 204)
        self._touched.append((bucket, key))

    def delete_many(self, *keys: bytes, bucket: str = ONE) -> None:
        """DeleteObjects: one after the other."""
        named = [key for key in keys if b"\0" not in key]  # XML cannot say it
        body, headers = delete_document(named)
        answer = self._door.ask("POST", bucket, query={"delete": ""}, body=body, headers=headers)
        self._same("DeleteObjects", (answer.status, b"<Error>" in answer.body), (200, False))
        for key in named:
            self.s3.delete(bucket, key)
            self._touched.append((bucket, key))

    def copy(
        self,
        source: bytes,
        key: bytes,
        metadata: int | None = None,
        *,
        bucket: str = ONE,
        source_bucket: str = ONE,
    ) -> None:
        """CopyObject; `metadata` replaces the source's."""
        headers = {"x-amz-copy-source": f"/{source_bucket}/{quote(source, safe='/~')}"}
        new = None
        if metadata is not None:
            new = METADATA[metadata]
            headers["x-amz-metadata-directive"] = "REPLACE"
            headers |= {f"x-amz-meta-{name}": value for name, value in new[1].items()}
            headers |= {"Content-Type": new[0]} if new[0] else {}
        answer = self._door.ask("PUT", bucket, key, headers=headers)
        self._request(lambda: self.s3.copy((source_bucket, source), (bucket, key), new), answer)
        self._touched += [(bucket, key), (source_bucket, source)]

    def list(
        self,
        prefix: bytes = b"",
        delimiter: bytes = b"",
        after: bytes = b"",
        page: int = 1000,
        version: int = 2,
        *,
        bucket: str = ONE,
    ) -> None:
        """All pages of ListObjects or ListObjectsV2."""
        query: dict[str, str | int | bytes] = {"prefix": prefix, "delimiter": delimiter, "max-keys": page}
        query |= {"list-type": 2} if version == 2 else {}
        query |= {"start-after" if version == 2 else "marker": after} if after else {}
        found = [(row.key, not row.etag) for row in self._list_all(bucket, query)]
        expected = [(key, content is None) for key, content in self.s3.rows(bucket, prefix, delimiter, after)]
        self._same("the listing", found, expected)

    def begin(self, key: bytes, metadata: int = 0, *, bucket: str = ONE) -> None:
        """CreateMultipartUpload."""
        content_type, user = METADATA[metadata]
        headers = {f"x-amz-meta-{name}": value for name, value in user.items()}
        headers |= {"Content-Type": content_type} if content_type else {}
        answer = self._door.ask("POST", bucket, key, query={"uploads": ""}, headers=headers)
        self._same("CreateMultipartUpload", answer.status, 200)
        self.s3.begin(bucket, key, Content(type=content_type, user=user))
        self._upload_ids.append(answer.body.partition(b"<UploadId>")[2].partition(b"<")[0].decode())
        self._upload_tags.append({})

    def part(self, upload: int, number: int, body: bytes) -> None:
        """UploadPart, in any order and again."""
        into = self.s3.uploads[upload]
        query = {"uploadId": self._upload_ids[upload], "partNumber": number}
        answer = self._door.ask("PUT", into.bucket, into.key, query=query, body=body)
        self._request(lambda: self.s3.part(into, number, body), answer)
        if answer.status == 200:
            self._same("the part's ETag", answer.etag, md5_of(body))
            self._upload_tags[upload][number] = answer.etag

    def complete(self, upload: int, *numbers: int, absent: bool = False) -> None:
        """CompleteMultipartUpload with these parts."""
        into, tags = self.s3.uploads[upload], self._upload_tags[upload]
        body = parts_document([(number, tags.get(number, md5_of(b"never"))) for number in numbers])
        headers = {"If-None-Match": "*"} if absent else {}
        query = {"uploadId": self._upload_ids[upload]}
        answer = self._door.ask("POST", into.bucket, into.key, query=query, body=body, headers=headers)
        content = self._request(lambda: self.s3.complete(into, numbers, absent=absent), answer)
        if content is not None:
            tag = answer.body.partition(b"<ETag>")[2].partition(b"<")[0].replace(b"&quot;", b"").strip(b'"')
            self._same("the ETag of the whole", tag.decode(), content.tag)
        self._touched.append((into.bucket, into.key))

    def abort(self, upload: int) -> None:
        into = self.s3.uploads[upload]
        query = {"uploadId": self._upload_ids[upload]}
        answer = self._door.ask("DELETE", into.bucket, into.key, query=query)
        self._request(lambda: self.s3.abort(into), answer, 204)

    def delete_bucket(self, *, bucket: str = TWO) -> None:
        """DeleteBucket; when it went, it is made again."""
        answer = self._door.ask("DELETE", bucket)
        self._request(lambda: self.s3.delete_bucket(bucket), answer, 204)
        if answer.status == 204:
            self._posix(lambda: "ENOENT", lambda: os.lstat(self._path((bucket.encode(),))).st_size)
            self._same("CreateBucket", self._door.ask("PUT", bucket).status, 200)
        self._touched.append((bucket, b"a"))

    # ---- POSIX
    def _keys_at(self, *paths: tuple[bytes, ...]) -> None:
        for bucket, *names in paths:
            self._touched.append((bucket.decode(), b"/".join(names) or b"a"))

    def mkdir(self, path: tuple[bytes, ...], mode: int = 0o755) -> None:
        self._posix(lambda: self.posix.mkdir(path, mode), lambda: os.mkdir(self._path(path), mode))

    def mkfifo(self, path: tuple[bytes, ...], mode: int = 0o644) -> None:
        self._posix(lambda: self.posix.mkfifo(path, mode), lambda: os.mkfifo(self._path(path), mode))

    def symlink(self, target: bytes, path: tuple[bytes, ...]) -> None:
        self._posix(lambda: self.posix.symlink(target, path), lambda: os.symlink(target, self._path(path)))

    def link(self, path: tuple[bytes, ...], new: tuple[bytes, ...]) -> None:
        self._posix(
            lambda: self.posix.link(path, new),
            lambda: os.link(self._path(path), self._path(new), follow_symlinks=False),
        )

    def unlink(self, path: tuple[bytes, ...]) -> None:
        self._posix(lambda: self.posix.unlink(path), lambda: os.unlink(self._path(path)))

    def rmdir(self, path: tuple[bytes, ...]) -> None:
        self._posix(lambda: self.posix.rmdir(path), lambda: os.rmdir(self._path(path)))

    def rename(self, path: tuple[bytes, ...], new: tuple[bytes, ...]) -> None:
        self._posix(
            lambda: self.posix.rename(path, new), lambda: os.rename(self._path(path), self._path(new))
        )

    def _is_fifo(self, path: tuple[bytes, ...]) -> bool:
        """Whether an open would wait for the other end."""
        try:
            return isinstance(self.truth.find(path, follow=True), Fifo)
        except OSError:
            return False

    def open(self, path: tuple[bytes, ...], flags: int, mode: int = 0o644) -> None:
        """open(2); the file is the last in the table of open files. Fifos and directories are left alone."""
        if self._is_fifo(path) or (not flags & (os.O_ACCMODE | os.O_CREAT) and self._is_directory(path)):
            return

        def door() -> None:
            self._fds.append(os.open(self._path(path), flags, mode))

        self._posix(lambda: self.posix.open(path, flags, mode), door)

    def _is_directory(self, path: tuple[bytes, ...]) -> bool:
        try:
            return isinstance(self.truth.find(path, follow=True), Directory)
        except OSError:
            return False

    def close_file(self, index: int) -> None:
        self.posix.close(index)
        os.close(self._fds.pop(index))

    def write_file(self, path: tuple[bytes, ...], body: bytes, flags: int, mode: int = 0o644) -> None:
        """Open, write, close: what most programs do."""
        before = len(self._fds)
        self.open(path, flags, mode)
        if len(self._fds) > before:
            self.pwrite(-1, body, 0)
            self.close_file(-1)

    def pwrite(self, index: int, data: bytes, offset: int) -> None:
        if data:
            self._posix(
                lambda: self.posix.pwrite(index, data, offset),
                lambda: os.pwrite(self._fds[index], data, offset),
            )

    def append(self, index: int, data: bytes) -> None:
        """lseek(SEEK_END) and write."""
        if not data:
            return

        def door() -> int:
            os.lseek(self._fds[index], 0, os.SEEK_END)
            return os.write(self._fds[index], data)

        self._posix(lambda: self.posix.append(index, data), door)

    def ftruncate(self, index: int, size: int) -> None:
        self._posix(lambda: self.posix.ftruncate(index, size), lambda: os.ftruncate(self._fds[index], size))

    def fsync(self, index: int) -> None:
        self._posix(lambda: None, lambda: os.fsync(self._fds[index]))

    def read(self, index: int) -> None:
        self._posix(lambda: self.posix.read(index), lambda: os.pread(self._fds[index], 1 << 20, 0))

    def map_store(self, index: int, data: bytes, offset: int) -> None:
        """Store through a shared mapping within the file, then msync."""
        size = len(self.posix.handles[index].file.data)
        data = data[: max(0, size - offset)]
        if not data:
            return

        def door() -> None:
            with mmap.mmap(self._fds[index], size) as mapped:
                mapped[offset : offset + len(data)] = data
                mapped.flush()

        self._posix(lambda: self.posix.map_store(index, data, offset), door)

    def truncate(self, path: tuple[bytes, ...], size: int) -> None:
        self._posix(lambda: self.posix.truncate(path, size), lambda: os.truncate(self._path(path), size))

    def chmod(self, path: tuple[bytes, ...], mode: int) -> None:
        self._posix(lambda: self.posix.chmod(path, mode), lambda: os.chmod(self._path(path), mode))

    def utimens(self, path: tuple[bytes, ...], mtime_ns: int) -> None:
        self._posix(
            lambda: self.posix.utimens(path, mtime_ns),
            lambda: os.utime(self._path(path), ns=(mtime_ns, mtime_ns)),
        )

    def setxattr(self, path: tuple[bytes, ...], name: str, value: bytes) -> None:
        self._posix(
            lambda: self.posix.setxattr(path, name, value), lambda: os.setxattr(self._path(path), name, value)
        )

    def listxattr(self, path: tuple[bytes, ...]) -> None:
        """The caller's attributes with their values; none of ours."""

        def truth() -> object:
            node = self.truth.find(path, follow=True)
            return dict(node.xattrs) if isinstance(node, File) else {}

        def door() -> object:
            names = [
                name
                for name in os.listxattr(self._path(path))
                if not name.startswith("user.s3.") and self._is_file(path)
            ]
            return {name: os.getxattr(self._path(path), name) for name in names}

        self._posix(truth, door)

    def _is_file(self, path: tuple[bytes, ...]) -> bool:
        return isinstance(self.truth.find(path, follow=True), File)

    def readdir(self, path: tuple[bytes, ...]) -> None:
        self._posix(lambda: self.posix.readdir(path), lambda: sorted(os.listdir(self._path(path))))

    def readlink(self, path: tuple[bytes, ...]) -> None:
        self._posix(lambda: self.posix.readlink(path), lambda: os.readlink(self._path(path)))


def _slurp(path: bytes) -> bytes:
    with open(path, "rb") as file:
        return file.read()
