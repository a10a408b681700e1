"""What bytes come to mean, told in one value, so that two ways to receive them can be compared."""

from __future__ import annotations

import hashlib
import random
from collections.abc import Callable
from typing import Final

from weka_mp.s3.connection import (
    BodyData,
    BodyEnd,
    Connection,
    ConnectionClosed,
    Malformed,
    NeedData,
    RequestHead,
)
from weka_mp.s3.credentials import (
    AccessKeyId,
    Authentication,
    AuthKind,
    ChunkSigning,
    PayloadMode,
    SecretKey,
    SigningKeyCache,
)
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import BodyReader
from weka_mp.s3.request import Headers, S3Request

__all__ = [
    "CHUNK_KEY", "CRC32", "EMPTY_CRC32", "SCOPE", "SECRET", "SEED", "STAMP", "UPLOADS", "conversation", "cut",
    "every_cut", "lookup", "upload",
]

SECRET: Final = SecretKey("AKIAIOSFODNN7EXAMPLE", "wJalrXUtnFEMI/K7MDENG/bPxRfiCYEXAMPLEKEY")
STAMP: Final = "20130524T000000Z"
SCOPE: Final = "20130524/us-east-1/s3/aws4_request"
SEED: Final = "4f232c4386841ef735655705268965c44a0e4690baa4adea153f7db9fa80a0a9"
CHUNK_KEY: Final = SigningKeyCache().get(SECRET, "20130524", "us-east-1", "s3")
CRC32: Final = "x-amz-checksum-crc32"
EMPTY_CRC32: Final = "AAAAAA=="


def lookup(access_key: str) -> SecretKey | None:
    """The one key there is, S3's published example."""
    return SECRET if access_key == SECRET.secret_id else None


def cut(wire: bytes, choice: bytes) -> list[bytes]:
    """The wire in pieces that `choice` chooses: byte by byte, or at random places."""
    if choice[:1] in (b"", b"\0"):
        return [wire[at:at + 1] for at in range(len(wire))]
    places = random.Random(choice)
    ends = sorted(places.randrange(len(wire) + 1) for _ in range(choice[0] % 7 + 1))
    return [wire[start:end] for start, end in zip([0, *ends], [*ends, len(wire)], strict=True) if start < end]


def every_cut(wire: bytes) -> list[list[bytes]]:
    """Byte by byte, and every way to make two pieces."""
    single = [wire[at:at + 1] for at in range(len(wire))]
    return [single, *([wire[:at], wire[at:]] for at in range(1, len(wire)))]


def conversation(pieces: list[bytes]) -> list[object]:
    """Everything a client said that sent these pieces and then its end, every request being answered."""
    connection = Connection()
    seen: list[object] = []
    body = b""
    waiting = [*pieces, b""]
    while True:
        match connection.next_event():
            case RequestHead() as head:
                request = head.request
                seen.append((request.method, request.raw_path, request.raw_query, request.headers.items(),
                             request.authority, head.content_length, head.chunked, head.expect_continue))
                body = b""
            case BodyData(data):
                assert len(data)
                body += bytes(data)
            case BodyEnd():
                seen.append(body)
                connection.send_head(200, [], 0)
                if not _is_head(seen):
                    connection.send_end()
                if not connection.start_next_cycle():
                    return [*seen, "closed"]
            case Malformed(error):
                assert error.status in (400, 505)
                return [*seen, body if _in_body(seen) else b"", error.code]
            case ConnectionClosed(incomplete):
                return [*seen, body if _in_body(seen) else b"", incomplete]
            case NeedData():
                connection.receive_data(waiting.pop(0))


def _is_head(seen: list[object]) -> bool:
    head = seen[-2]
    return isinstance(head, tuple) and head[0] == "HEAD"


def _in_body(seen: list[object]) -> bool:
    return bool(seen) and isinstance(seen[-1], tuple)


def upload(
    mode: PayloadMode, pieces: list[bytes], length: int, *, headers: tuple[tuple[str, str], ...] = (),
    sha256: str | None = None,
) -> tuple[object, ...]:
    """What an upload of `length` payload bytes comes to: payload and digests, or the error's code."""
    signing = ChunkSigning(CHUNK_KEY, SEED, STAMP, SCOPE) if mode.signs_chunks else None
    authentication = Authentication(
        AccessKeyId(SECRET.secret_id), AuthKind.HEADER_V4, mode, sha256, signing)
    fields = (("x-amz-decoded-content-length", str(length)), *headers)
    try:
        reader = BodyReader(S3Request("PUT", b"/b/k", b"", (), Headers(fields)), authentication, length)
        payload = b"".join(bytes(part) for piece in pieces for part in reader.feed(piece))
        digest = reader.finish()
    except S3Error as error:
        assert error.status < 500
        return (error.code,)
    assert (digest.length, len(payload)) == (length, length)
    return payload, digest.md5, digest.sha256, digest.checksums


def _with_trailer(mode: PayloadMode) -> Callable[[list[bytes], int], tuple[object, ...]]:
    headers = (("x-amz-trailer", CRC32),) if mode.has_trailer else ()
    return lambda pieces, length: upload(mode, pieces, length, headers=headers)


def _signed(pieces: list[bytes], length: int) -> tuple[object, ...]:
    return upload(PayloadMode.SIGNED, pieces, length, sha256=hashlib.sha256(b"hello").hexdigest())


UPLOADS: Final = {
    **{mode: _with_trailer(mode) for mode in (
        PayloadMode.UNSIGNED, PayloadMode.STREAMING_SIGNED, PayloadMode.STREAMING_SIGNED_TRAILER,
        PayloadMode.STREAMING_UNSIGNED_TRAILER)},
    PayloadMode.SIGNED: _signed,
}
"""One function for each of the five payload modes: pieces of the wire and the payload's length."""
