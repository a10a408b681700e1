"""The two doors of the running service, as raw as they come: signed requests as bytes, and system calls."""

from __future__ import annotations

import base64
import hashlib
import http.client
import os
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote_to_bytes, urlencode
from xml.etree import ElementTree

from botocore.auth import S3SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.system.service import ACCESS_KEY, REGION, SECRET_KEY

__all__ = [
    "Answer",
    "Listed",
    "S3Door",
    "decoded",
    "delete_document",
    "parts_document",
    "remove_tree",
    "rows_of",
]

CONNECTIONS = 3  # held open, so that requests go to different workers
_NAMESPACE = "{http://s3.amazonaws.com/doc/2006-03-01/}"


@dataclass
class Answer:
    """A response; header names in lower case."""

    status: int
    headers: dict[str, str]
    body: bytes

    @property
    def code(self) -> str:
        """The S3 error's code, '' when there is none."""
        _, found, rest = self.body.partition(b"<Code>")
        return rest.partition(b"<")[0].decode() if found and self.status >= 300 else ""

    def text(self, name: str) -> str:
        """Of the first element of this name in a document; '' when there is none."""
        return next((found.text or "" for found in self._root.iter(_NAMESPACE + name)), "")

    def elements(self, name: str) -> list[dict[str, str]]:
        """The texts of the children of each element of this name."""
        return [
            {child.tag.removeprefix(_NAMESPACE): child.text or "" for child in found}
            for found in self._root.iter(_NAMESPACE + name)
        ]

    @property
    def _root(self) -> ElementTree.Element:
        # XML has no way to say NUL; what is parsed here are documents whose keys are not looked at.
        return ElementTree.fromstring(self.body.replace(b"&#x0;", b""))

    @property
    def etag(self) -> str:
        return self.headers.get("etag", "").strip('"')

    @property
    def user(self) -> dict[str, str]:
        start = "x-amz-meta-"
        return {name[len(start) :]: value for name, value in self.headers.items() if name.startswith(start)}


class S3Door:
    """One client's connections; not for several threads."""

    def __init__(self, port: int, *, timeout: float = 60, connections: int = CONNECTIONS) -> None:
        self._host = f"127.0.0.1:{port}"
        self._signer = S3SigV4Auth(Credentials(ACCESS_KEY, SECRET_KEY), "s3", REGION)
        self._open = [
            http.client.HTTPConnection("127.0.0.1", port, timeout=timeout) for _ in range(connections)
        ]
        self._turn = 0

    def close(self) -> None:
        for connection in self._open:
            connection.close()

    def ask(
        self,
        method: str,
        bucket: str,
        key: bytes = b"",
        *,
        body: bytes = b"",
        query: Mapping[str, str | int | bytes] | None = None,
        headers: Mapping[str, str] | None = None,
    ) -> Answer:
        """One request. Raises OSError or http.client.HTTPException when it is not answered whole."""
        target = f"/{bucket}" + (f"/{quote(key, safe='/~')}" if key else "")
        if query:
            target += "?" + urlencode(query, quote_via=quote)
        request = AWSRequest(method, f"http://{self._host}{target}", headers=dict(headers or {}), data=body)
        request.headers["Host"] = self._host
        self._signer.add_auth(request)
        self._turn = (self._turn + 1) % len(self._open)
        connection = self._open[self._turn]
        try:
            # A body also with methods that need none, so that Content-Length is told.
            sent = body if body or method in ("PUT", "POST") else None
            connection.request(method, target, body=sent, headers=dict(request.headers.items()))
            response = connection.getresponse()
            content = response.read()
        except BaseException:
            connection.close()
            raise
        return Answer(
            response.status, {name.lower(): value for name, value in response.getheaders()}, content
        )


@dataclass(frozen=True)
class Listed:
    """One row of a listing; common prefixes have no ETag."""

    key: bytes
    size: int = 0
    etag: str = ""
    modified: str = ""


def decoded(text: str) -> bytes:
    """A key as `encoding-type=url` shows it."""
    return unquote_to_bytes(text.replace("+", " "))


def _decoded(element: ElementTree.Element, name: str) -> bytes:
    return decoded(element.findtext(_NAMESPACE + name) or "")


def rows_of(answer: Answer, *, version: int) -> tuple[list[Listed], bytes | str | None]:
    """The rows of one page in key order, and what asks for the next one (None: there is none)."""
    root = ElementTree.fromstring(answer.body)
    rows = [
        Listed(
            _decoded(found, "Key"),
            int(found.findtext(_NAMESPACE + "Size") or -1),
            (found.findtext(_NAMESPACE + "ETag") or "").strip('"'),
            found.findtext(_NAMESPACE + "LastModified") or "",
        )
        for found in root.iter(_NAMESPACE + "Contents")
    ]
    assert [row.key for row in rows] == sorted(row.key for row in rows), "keys are not in order"
    groups = [Listed(_decoded(found, "Prefix")) for found in root.iter(_NAMESPACE + "CommonPrefixes")]
    merged = sorted(rows + groups, key=lambda row: row.key)
    if root.findtext(_NAMESPACE + "IsTruncated") != "true":
        return merged, None
    if version == 2:
        return merged, root.findtext(_NAMESPACE + "NextContinuationToken")
    return merged, _decoded(root, "NextMarker") or merged[-1].key


def parts_document(parts: list[tuple[int, str]]) -> bytes:
    """The body of CompleteMultipartUpload."""
    rows = "".join(
        f"<Part><PartNumber>{number}</PartNumber><ETag>{tag}</ETag></Part>" for number, tag in parts
    )
    return f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()


def delete_document(keys: list[bytes]) -> tuple[bytes, dict[str, str]]:
    """The body of DeleteObjects and the header it needs."""
    escaped = [key.decode().replace("&", "&amp;").replace("\n", "&#10;") for key in keys]
    body = f"<Delete>{''.join(f'<Object><Key>{key}</Key></Object>' for key in escaped)}</Delete>".encode()
    digest = base64.b64encode(hashlib.md5(body, usedforsecurity=False).digest()).decode()
    return body, {"Content-MD5": digest}


def remove_tree(path: bytes, *, keep: Collection[bytes] = ()) -> None:
    """`rm -rf` of what is below a directory, but for these names."""
    with os.scandir(path) as entries:
        for entry in list(entries):
            if entry.name in keep:
                continue
            if entry.is_dir(follow_symlinks=False):
                remove_tree(entry.path)
                os.rmdir(entry.path)
            else:
                os.unlink(entry.path)
