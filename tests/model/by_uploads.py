"""Uploads in parts: each request compares its answer."""

from __future__ import annotations

from urllib.parse import quote

from tests.model.alphabet import METADATA
from tests.model.compare import ONE, Comparison
from tests.model.doors import decoded, parts_document
from tests.model.tree import Content, md5_of

__all__ = ["ByUploads"]


class ByUploads(Comparison):
    """The S3 view's uploads; `upload` is a number in the order in which they began."""

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

    def copy_part(
        self,
        upload: int,
        number: int,
        source: bytes,
        span: tuple[int, int] | None = None,
        *,
        source_bucket: str = ONE,
    ) -> None:
        """UploadPartCopy of an object, or of bytes of it."""
        into = self.s3.uploads[upload]
        query = {"uploadId": self._upload_ids[upload], "partNumber": number}
        headers = {"x-amz-copy-source": f"/{source_bucket}/{quote(source, safe='/~')}"}
        headers |= {"x-amz-copy-source-range": f"bytes={span[0]}-{span[1]}"} if span else {}
        answer = self._door.ask("PUT", into.bucket, into.key, query=query, headers=headers)
        data = self._request(lambda: self.s3.copy_part(into, number, (source_bucket, source), span), answer)
        if data is not None:
            tag = answer.text("ETag").strip('"')
            self._same("the copied part's ETag", tag, md5_of(data))
            self._upload_tags[upload][number] = tag

    def list_parts(self, upload: int, page: int = 1000) -> None:
        """All pages of ListParts."""
        into, after, found = self.s3.uploads[upload], 0, []
        while True:
            query = {"uploadId": self._upload_ids[upload], "max-parts": page, "part-number-marker": after}
            answer = self._door.ask("GET", into.bucket, into.key, query=query)
            expected = self._request(lambda: self.s3.parts(into), answer)
            if expected is None:
                return
            for part in answer.elements("Part"):
                number, size, tag = (part.get(name, "") for name in ("PartNumber", "Size", "ETag"))
                found.append((int(number), int(size), tag.strip('"')))
            if answer.text("IsTruncated") != "true":
                break
            after = int(answer.text("NextPartNumberMarker"))
        self._same("the parts", found, expected)

    def list_uploads(
        self, prefix: bytes = b"", delimiter: bytes = b"", page: int = 1000, *, bucket: str = ONE
    ) -> None:
        """All pages of ListMultipartUploads."""
        found: list[tuple[bytes, int | None]] = []
        query: dict[str, str | int | bytes] = {"uploads": "", "prefix": prefix, "delimiter": delimiter}
        query |= {"max-uploads": page, "encoding-type": "url"}
        while True:
            answer = self._door.ask("GET", bucket, query=query)
            self._same("ListMultipartUploads", answer.status, 200)
            rows: list[tuple[bytes, int | None]] = [
                (decoded(row["Key"]), self._upload_ids.index(row["UploadId"]))
                for row in answer.elements("Upload")
            ]
            rows += [(decoded(row["Prefix"]), None) for row in answer.elements("CommonPrefixes")]
            found += sorted(rows, key=lambda row: (row[0], row[1] or 0))
            if answer.text("IsTruncated") != "true":
                break
            query["key-marker"] = decoded(answer.text("NextKeyMarker"))
            query["upload-id-marker"] = answer.text("NextUploadIdMarker")
        self._same("the uploads", found, self.s3.under_way(bucket, prefix, delimiter))

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
