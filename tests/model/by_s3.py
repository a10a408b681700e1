"""Requests for objects and buckets: each compares its answer."""

from __future__ import annotations

import base64
import os
from urllib.parse import quote

from tests.model.alphabet import METADATA
from tests.model.compare import ONE, TWO, Comparison
from tests.model.doors import delete_document
from tests.model.s3_truth import Refused
from tests.model.tree import Content, md5_of

__all__ = ["ByS3"]

_FALSE_MD5 = base64.b64encode(b"0" * 16).decode()


class ByS3(Comparison):
    """The S3 view but for uploads in parts."""

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
        """The tag that a condition names, and whether it holds (None: who knows).

        `tag` is a number of `self.tags`; None or -1: the present one.
        """
        content = self.truth.object(bucket, key)
        if tag is None or tag < 0:
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

    def rename_object(
        self,
        source: bytes,
        key: bytes,
        *,
        source_match: int | None = None,
        absent: bool = False,
        match: int | None = None,
        bucket: str = ONE,
    ) -> None:
        """RenameObject; `source_match` and `match` are tags as `_condition` takes them."""
        headers = {"x-amz-rename-source": quote(source, safe="/~")}
        headers |= {"If-None-Match": "*"} if absent else {}
        holds: dict[str, bool | None] = {}
        for name, of, tag in (
            ("x-amz-rename-source-if-match", source, source_match),
            ("If-Match", key, match),
        ):
            if tag is not None:
                shown, holds[name] = self._condition(bucket, of, tag)
                headers[name] = f'"{shown}"'
        answer = self._door.ask("PUT", bucket, key, query={"renameObject": ""}, headers=headers)
        if None in holds.values():
            if answer.status in (409, 412):
                return
            holds = {name: held is None or held for name, held in holds.items()}
        self._request(
            lambda: self.s3.rename(
                bucket,
                source,
                key,
                source_match=holds.get("x-amz-rename-source-if-match"),
                absent=absent,
                if_match=holds.get("If-Match"),
            ),
            answer,
        )
        self._touched += [(bucket, key), (bucket, source)]

    def attributes(self, key: bytes, *, bucket: str = ONE) -> None:
        """GetObjectAttributes."""
        headers = {"x-amz-object-attributes": "ETag,ObjectSize,ObjectParts"}
        answer = self._door.ask("GET", bucket, key, query={"attributes": ""}, headers=headers)
        content = self._request(lambda: self.s3.get(bucket, key), answer)
        if content is None:
            return
        self._check_tag(answer.text("ETag"), content, repr(key))
        self._same("the size among the attributes", int(answer.text("ObjectSize")), len(content.data))
        _, _, parts = (content.tag or "").partition("-")
        self._same("the number of parts", answer.text("PartsCount"), parts)

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

    def delete_bucket(self, *, bucket: str = TWO) -> None:
        """DeleteBucket; when it went, it is made again."""
        answer = self._door.ask("DELETE", bucket)
        self._request(lambda: self.s3.delete_bucket(bucket), answer, 204)
        if answer.status == 204:
            self._posix(lambda: "ENOENT", lambda: os.lstat(self._path((bucket.encode(),))).st_size)
            self._same("CreateBucket", self._door.ask("PUT", bucket).status, 200)
        self._touched.append((bucket, b"a"))
