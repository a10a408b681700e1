"""Completions and copies of parts that take long: white space first, then the document or an Error."""

from __future__ import annotations

import os
import threading
from xml.etree.ElementTree import fromstring

import pytest

from tests.server.endpoint import running_endpoint
from tests.server.raw_http import read_answer, signed
from tests.server.test_objects import failure
from weka_mp.errors import IoFailure
from weka_mp.server.keep_alive import KeepAlive
from weka_mp.server.limits import Limits
from weka_mp.store.posix import PosixStore

PART = 5 * 1024 * 1024
DECLARATION = b'<?xml version="1.0" encoding="UTF-8"?>\n'


class Slow:
    """Copies of bytes wait until they may; `failing` ends them in an error."""

    def __init__(self, monkeypatch):
        self.entered, self.go = threading.Event(), threading.Event()
        self.failing = None
        plain = PosixStore.copy

        def copy(store, *arguments):
            self.entered.set()
            assert self.go.wait(20)
            if self.failing:
                raise self.failing
            plain(store, *arguments)

        monkeypatch.setattr(PosixStore, "copy", copy)

    def until_white_space(self, monkeypatch):
        """Go on by itself when some was sent."""
        plain = KeepAlive._send_some

        async def send_some(keep):
            await plain(keep)
            if keep._connection.reply_begun:
                self.go.set()

        monkeypatch.setattr(KeepAlive, "_send_some", send_some)


@pytest.fixture
def slow(monkeypatch):
    return Slow(monkeypatch)


@pytest.fixture
def endpoint(tmp_path):
    root = tmp_path / "store"
    root.mkdir()
    with running_endpoint(root, limits=Limits(keep_alive_seconds=0.02)) as running:
        yield running


def uploaded(client, key="k"):
    """An upload whose completion must copy bytes, and the document that completes it."""
    known = {"Bucket": "bucket", "Key": key}
    known["UploadId"] = client.create_multipart_upload(**known)["UploadId"]
    parts = []
    for number, body in ((1, b"a" * PART), (3, b"b")):
        done = client.upload_part(**known, PartNumber=number, Body=body)
        parts.append({"PartNumber": number, "ETag": done["ETag"]})
    return known, {"Parts": parts}


def request(known, parts, **headers):
    rows = "".join(
        f"<Part><PartNumber>{part['PartNumber']}</PartNumber><ETag>{part['ETag']}</ETag></Part>"
        for part in parts["Parts"]
    )
    body = f"<CompleteMultipartUpload>{rows}</CompleteMultipartUpload>".encode()
    target = f"/bucket/{known['Key']}?uploadId={known['UploadId']}"
    return signed("POST", target, body, headers=headers)


class Chunks:
    """The pieces of a chunked body as they come."""

    def __init__(self, sock):
        self.sock, self.data = sock, bytearray()
        self.answer = read_answer(sock, self.data)

    def next(self):
        while b"\r\n" not in self.data:
            self._more()
        size = int(self.data.partition(b"\r\n")[0], 16)
        start = self.data.index(b"\r\n") + 2
        while len(self.data) < start + size + 2:
            self._more()
        piece = bytes(self.data[start:start + size])
        del self.data[:start + size + 2]
        return piece

    def _more(self):
        received = self.sock.recv(65536)
        assert received, "closed in a body"
        self.data += received

    def rest(self):
        return b"".join(iter(self.next, b""))


def test_a_long_completion_is_kept_alive(endpoint, client, bucket, slow):
    known, parts = uploaded(client)
    with endpoint.connect() as sock:
        sock.sendall(request(known, parts))
        chunks = Chunks(sock)
        assert (chunks.answer.status, chunks.answer.headers["transfer-encoding"]) == (200, "chunked")
        assert chunks.answer.headers["content-type"] == "application/xml"
        assert chunks.next() == DECLARATION
        assert [chunks.next() for _ in range(3)] == [b" "] * 3
        slow.go.set()
        document = fromstring(DECLARATION + chunks.rest())
        assert document.tag.endswith("}CompleteMultipartUploadResult")
        assert client.head_object(Bucket=bucket, Key="k")["ETag"] in [item.text for item in document]
        sock.sendall(signed("HEAD", "/bucket/k"))
        assert read_answer(sock, head_only=True).status == 200, "the connection goes on"


def test_an_sdk_reads_it(endpoint, client, bucket, slow, monkeypatch):
    known, parts = uploaded(client)
    slow.until_white_space(monkeypatch)
    done = client.complete_multipart_upload(**known, MultipartUpload=parts)
    assert slow.entered.is_set()
    assert done["ETag"] == client.head_object(Bucket=bucket, Key="k")["ETag"]


def test_what_fails_after_the_head_is_an_error_in_the_200(endpoint, client, bucket, slow):
    known, parts = uploaded(client)
    slow.failing = IoFailure("the disk is gone")
    with endpoint.connect() as sock:
        sock.sendall(request(known, parts))
        chunks = Chunks(sock)
        assert (chunks.answer.status, chunks.next(), chunks.next()) == (200, DECLARATION, b" ")
        slow.go.set()
        document = fromstring(DECLARATION + chunks.rest())
        assert (document.tag, document.findtext("Code")) == ("Error", "InternalError")
    assert failure(client.head_object, Bucket=bucket, Key="k") == ("404", 404)
    slow.failing = None
    client.complete_multipart_upload(**known, MultipartUpload=parts)
    assert client.head_object(Bucket=bucket, Key="k")["ContentLength"] == PART + 1


def test_a_defect_after_the_head_is_one_too(endpoint, client, bucket, slow):
    known, parts = uploaded(client)
    slow.failing = ZeroDivisionError()
    with endpoint.connect() as sock:
        sock.sendall(request(known, parts))
        chunks = Chunks(sock)
        assert (chunks.answer.status, chunks.next()) == (200, DECLARATION)
        slow.go.set()
        assert b"<Code>InternalError</Code>" in chunks.rest()


@pytest.mark.parametrize(("change", "headers", "code", "status"), [
    ({"ETag": '"00000000000000000000000000000000"'}, {}, "InvalidPart", 400),
    ({}, {"If-None-Match": "*"}, "PreconditionFailed", 412),
    ({}, {"x-amz-mp-object-size": "7"}, "InvalidRequest", 400),
    ({}, {"x-amz-checksum-crc32": "AAAAAA=="}, "InvalidRequest", 400),
])
def test_what_is_known_beforehand_is_a_status(endpoint, client, bucket, slow, change, headers, code, status):
    client.put_object(Bucket=bucket, Key="k", Body=b"there")
    known, parts = uploaded(client)
    parts["Parts"][0].update(change)
    with endpoint.connect() as sock:
        sock.sendall(request(known, parts, **headers))
        answer = read_answer(sock)
    assert (answer.status, answer.code, slow.entered.is_set()) == (status, code, False)


def test_a_client_that_went_away_gets_its_object_all_the_same(endpoint, client, bucket, slow):
    known, parts = uploaded(client)
    with endpoint.connect() as sock:
        sock.sendall(request(known, parts))
        chunks = Chunks(sock)
        assert chunks.next() == DECLARATION
    slow.go.set()
    done = client.complete_multipart_upload(**known, MultipartUpload=parts)
    assert done["ETag"] == client.head_object(Bucket=bucket, Key="k")["ETag"]


def test_a_repetition_while_the_first_is_at_work_is_kept_alive_too(endpoint, client, bucket, slow):
    known, parts = uploaded(client)
    with endpoint.connect() as first, endpoint.connect() as second:
        first.sendall(request(known, parts))
        assert slow.entered.wait(20)
        second.sendall(request(known, parts))
        again = Chunks(second)
        assert (again.answer.status, again.next(), again.next()) == (200, DECLARATION, b" ")
        slow.go.set()
        both = [again.rest(), Chunks(first).rest()]
    assert both[0].strip() == both[1].removeprefix(DECLARATION).strip()


def test_an_old_client_gets_a_body_that_ends_with_the_connection(
    endpoint, client, bucket, slow, monkeypatch
):
    known, parts = uploaded(client)
    slow.until_white_space(monkeypatch)
    with endpoint.connect() as sock:
        sock.sendall(request(known, parts).replace(b" HTTP/1.1\r\n", b" HTTP/1.0\r\n", 1))
        data = b"".join(iter(lambda: sock.recv(65536), b""))
    head, _, body = data.partition(b"\r\n\r\n")
    assert b"chunked" not in head
    assert fromstring(body).tag.endswith("}CompleteMultipartUploadResult")


def test_a_long_copy_of_a_part_is_kept_alive(endpoint, client, bucket, slow):
    client.put_object(Bucket=bucket, Key="source", Body=os.urandom(1000))
    upload_id = client.create_multipart_upload(Bucket=bucket, Key="k")["UploadId"]
    target = f"/bucket/k?partNumber=1&uploadId={upload_id}"
    with endpoint.connect() as sock:
        sock.sendall(signed("PUT", target, headers={"x-amz-copy-source": "bucket/source"}))
        chunks = Chunks(sock)
        assert (chunks.answer.status, chunks.next(), chunks.next()) == (200, DECLARATION, b" ")
        slow.go.set()
        assert b"CopyPartResult" in chunks.rest()
