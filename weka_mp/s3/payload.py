"""The body of an upload: how long it must be, what it must hash to, and whether it did.

Source: "Checking object integrity", PutObject and "Error responses" of the S3 API reference.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from weka_mp.s3.aws_chunked import ChunkedDecoder
from weka_mp.s3.checksums import (
    MULTIPLE_CHECKSUMS,
    Algorithm,
    Hasher,
    decode_digest,
    encode_digest,
    find_algorithm,
    new_hasher,
)
from weka_mp.s3.credentials import Authentication
from weka_mp.s3.errors import S3Error
from weka_mp.s3.presign import effective_headers
from weka_mp.s3.request import Headers, S3Request

__all__ = [
    "MAX_OBJECT", "MAX_SINGLE_UPLOAD", "BodyReader", "Expectations", "PayloadDigest", "PayloadVerifier",
    "expectations",
]

Buffer = bytes | bytearray | memoryview

MAX_SINGLE_UPLOAD: Final = 5 * 1024**3  # bytes of one PUT or one part, S3's limit
MAX_OBJECT: Final = 5 * 1024**4  # bytes of an object that is made of parts

_CHECKSUM_PREFIX: Final = "x-amz-checksum-"
_NOT_CHECKSUMS: Final = frozenset({"x-amz-checksum-algorithm", "x-amz-checksum-type", "x-amz-checksum-mode"})
_LENGTH: Final = re.compile(r"[0-9]{1,18}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Expectations:
    """What the request head says the body hashes to.

    content_md5:  16 bytes of Content-MD5.
    algorithm:    the one additional checksum that is sent.
    digest:       its value; None when it follows as a trailer.
    trailers:     names that may and must follow the last chunk.
    """

    content_md5: bytes | None = None
    algorithm: Algorithm | None = None
    digest: bytes | None = None
    trailers: frozenset[str] = frozenset()


@dataclass(frozen=True, slots=True)
class PayloadDigest:
    """What was read. md5 and sha256 are None when nothing asked for them.

    checksums: every additional checksum computed; client_algorithm: the one of them that the client sent.
    """

    length: int
    md5: bytes | None
    sha256: bytes | None
    checksums: dict[Algorithm, bytes]
    client_algorithm: Algorithm | None


def expectations(headers: Headers, has_trailer: bool, *, checksum_is_of_body: bool = True) -> Expectations:
    """Read Content-MD5 and the checksum headers.

    has_trailer: whether the payload mode has trailers (``x-amz-trailer`` means nothing otherwise).
    checksum_is_of_body: False where ``x-amz-checksum-*`` speaks of an object (CompleteMultipartUpload).
    Raises S3Error InvalidDigest or InvalidRequest.
    """
    content_md5 = _content_md5(headers.get("content-md5"))
    trailers = _declared_trailers(headers.get("x-amz-trailer")) if has_trailer else {}
    sent = _checksum_headers(headers) if checksum_is_of_body else {}
    algorithms = [*sent, *trailers.values()]
    if len(algorithms) > 1:
        raise S3Error("InvalidRequest", MULTIPLE_CHECKSUMS)
    algorithm = algorithms[0] if algorithms else None
    if checksum_is_of_body:
        _check_announced(headers.get("x-amz-sdk-checksum-algorithm"), algorithm)
    digest = sent.get(algorithm) if algorithm is not None else None
    return Expectations(content_md5, algorithm, digest, frozenset(trailers))


def _content_md5(text: str | None) -> bytes | None:
    if text is None:
        return None
    try:
        digest = base64.b64decode(text.strip().encode("ascii"), validate=True)
    except (binascii.Error, UnicodeEncodeError):
        digest = b""
    if len(digest) != hashlib.md5(usedforsecurity=False).digest_size:
        raise S3Error(
            "InvalidDigest", "The Content-MD5 you specified was invalid.", details={"Content-MD5": text}
        )
    return digest


def _declared_trailers(text: str | None) -> dict[str, Algorithm]:
    found = {}
    for name in (text or "").lower().split(","):
        if not name.strip():
            continue
        if not name.strip().startswith(_CHECKSUM_PREFIX) or name.strip() in _NOT_CHECKSUMS:
            raise S3Error(
                "InvalidRequest", "The value specified in the x-amz-trailer header is not supported"
            )
        found[name.strip()] = find_algorithm(name.strip().removeprefix(_CHECKSUM_PREFIX))
    return found


def _checksum_headers(headers: Headers) -> dict[Algorithm, bytes]:
    sent = [
        (find_algorithm(name.removeprefix(_CHECKSUM_PREFIX)), value)
        for name, value in headers.items()
        if name.startswith(_CHECKSUM_PREFIX) and name not in _NOT_CHECKSUMS
    ]
    if len(sent) > 1:
        raise S3Error("InvalidRequest", MULTIPLE_CHECKSUMS)
    found: dict[Algorithm, bytes] = {}
    for algorithm, value in sent:
        digest = decode_digest(algorithm, value.strip())
        if digest is None:
            raise S3Error("InvalidRequest", f"Value for {algorithm.header} header is invalid.")
        found[algorithm] = digest
    return found


def _check_announced(announced: str | None, algorithm: Algorithm | None) -> None:
    if announced is None:
        return
    wanted = find_algorithm(announced)
    if algorithm is None:
        raise S3Error(
            "InvalidRequest",
            "x-amz-sdk-checksum-algorithm specified, but no corresponding x-amz-checksum-* or x-amz-trailer "
            "headers were found.",
        )
    if wanted is not algorithm:
        raise S3Error("InvalidRequest", "Value for x-amz-sdk-checksum-algorithm header is invalid.")


class PayloadVerifier:
    """Hashes payload bytes and compares the outcome with what the client said."""

    def __init__(
        self,
        expected: Expectations,
        *,
        need_md5: bool,
        payload_sha256: str | None = None,
        compute: Iterable[Algorithm] = (),
    ) -> None:
        """payload_sha256: signed hex; compute: checksums to have whether or not the client sent them."""
        self._expected = expected
        self._payload_sha256 = payload_sha256
        wanted = set(compute) | ({expected.algorithm} if expected.algorithm is not None else set())
        self._md5 = hashlib.md5(usedforsecurity=False) if need_md5 or expected.content_md5 else None
        # One SHA-256 serves the signature and the checksum.
        self._sha256 = hashlib.sha256() if payload_sha256 or Algorithm.SHA256 in wanted else None
        self._hashers: dict[Algorithm, Hasher] = {
            algorithm: new_hasher(algorithm) for algorithm in wanted if algorithm is not Algorithm.SHA256
        }
        self._updates = [hasher.update for hasher in self._hashers.values()]
        self._updates += [hasher.update for hasher in (self._sha256, self._md5) if hasher is not None]
        if self._sha256 is not None and Algorithm.SHA256 in wanted:
            self._hashers[Algorithm.SHA256] = self._sha256
        self._length = 0

    @property
    def length(self) -> int:
        """Payload bytes seen."""
        return self._length

    def update(self, piece: Buffer) -> None:
        """Continue with the next payload bytes."""
        self._length += len(piece)
        for update in self._updates:
            update(piece)

    def finish(self, trailers: dict[str, str]) -> PayloadDigest:
        """Compare everything. Raises S3Error XAmzContentSHA256Mismatch, BadDigest or InvalidRequest."""
        sha256 = self._sha256.digest() if self._sha256 else None
        md5 = self._md5.digest() if self._md5 else None
        self._check_sha256(sha256)
        self._check_md5(md5)
        found = {algorithm: hasher.digest() for algorithm, hasher in self._hashers.items()}
        algorithm = self._expected.algorithm
        if algorithm is not None:
            self._check_checksum(algorithm, found[algorithm], trailers)
        return PayloadDigest(self._length, md5, sha256, found, algorithm)

    def _check_sha256(self, found: bytes | None) -> None:
        signed = self._payload_sha256
        if signed is not None and found is not None and not hmac.compare_digest(found.hex(), signed):
            raise S3Error(
                "XAmzContentSHA256Mismatch",
                details={"ClientComputedContentSHA256": signed, "S3ComputedContentSHA256": found.hex()},
            )

    def _check_md5(self, found: bytes | None) -> None:
        sent = self._expected.content_md5
        if sent is not None and found is not None and sent != found:
            raise S3Error(
                "BadDigest",
                "The Content-MD5 you specified did not match what we received.",
                details={"ExpectedDigest": sent.hex(), "CalculatedDigest": encode_digest(found)},
            )

    def _check_checksum(self, algorithm: Algorithm, found: bytes, trailers: dict[str, str]) -> None:
        sent = self._expected.digest
        if sent is None:
            sent = decode_digest(algorithm, trailers.get(algorithm.header, ""))
            if sent is None:
                raise S3Error("InvalidRequest", f"Value for {algorithm.header} trailing header is invalid.")
        if sent != found:
            raise S3Error(
                "BadDigest", f"The {algorithm.value} you specified did not match the calculated checksum."
            )


def _declared_length(text: str | None) -> int:
    if text is None or _LENGTH.fullmatch(text.strip()) is None:
        raise S3Error("MissingContentLength")
    return int(text)


class BodyReader:
    """Reads one request body: wire bytes in, payload bytes out, a verdict at the end.

    expected_length: payload bytes that must come. expected: what the head said about them.
    """

    def __init__(
        self,
        request: S3Request,
        authentication: Authentication,
        content_length: int | None,
        *,
        need_md5: bool = True,
        compute: Iterable[Algorithm] = (),
        checksum_is_of_body: bool = True,
        max_length: int = MAX_SINGLE_UPLOAD,
    ) -> None:
        """content_length: of the Content-Length header in bytes, None without one.

        need_md5: whether the ETag is wanted; compute: further checksums wanted; checksum_is_of_body: False
        where ``x-amz-checksum-*`` speaks of an object. Raises S3Error MissingContentLength, EntityTooLarge,
        InvalidDigest or InvalidRequest.
        """
        headers = effective_headers(request, authentication.kind)
        mode = authentication.payload_mode
        if mode.is_streaming:
            length = _declared_length(headers.get("x-amz-decoded-content-length"))
        elif content_length is None:
            raise S3Error("MissingContentLength")
        else:
            length = content_length
        if length > max_length:
            sizes = {"ProposedSize": str(length), "MaxSizeAllowed": str(max_length)}
            raise S3Error("EntityTooLarge", details=sizes)
        self.expected_length = length
        self.expected = expectations(headers, mode.has_trailer, checksum_is_of_body=checksum_is_of_body)
        self._verifier = PayloadVerifier(
            self.expected, need_md5=need_md5, payload_sha256=authentication.payload_sha256, compute=compute
        )
        self._decoder: ChunkedDecoder | None = None
        if mode.is_streaming:
            self._decoder = ChunkedDecoder(
                mode, length, signing=authentication.chunk_signing, declared_trailers=self.expected.trailers
            )

    def feed(self, data: Buffer) -> list[memoryview]:
        """Payload pieces of the next wire bytes, in order; views into data.

        Raises S3Error as ChunkedDecoder does, or IncompleteBody when more comes than was announced.
        """
        pieces = self._decoder.feed(data) if self._decoder is not None else [memoryview(data)]
        for piece in pieces:
            self._verifier.update(piece)
        if self._verifier.length > self.expected_length:
            raise S3Error("IncompleteBody")
        return pieces

    def finish(self) -> PayloadDigest:
        """The verdict after the last byte.

        Raises S3Error IncompleteBody, XAmzContentSHA256Mismatch, BadDigest or InvalidRequest.
        """
        trailers: dict[str, str] = {}
        if self._decoder is not None:
            self._decoder.finish()
            trailers = self._decoder.trailers
        if self._verifier.length != self.expected_length:
            raise S3Error(
                "IncompleteBody",
                "You did not provide the number of bytes specified by the Content-Length HTTP header",
            )
        return self._verifier.finish(trailers)
