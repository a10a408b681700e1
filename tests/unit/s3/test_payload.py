"""Bodies of uploads in every payload mode: lengths, digests, checksums and what is refused."""

from __future__ import annotations

import base64
import hashlib
import io
import zlib
from itertools import pairwise

import pytest
from botocore.httpchecksum import AwsChunkedWrapper, CrtCrc64NvmeChecksum
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.checksums import Algorithm
from weka_mp.s3.credentials import Authentication, AuthKind, PayloadMode
from weka_mp.s3.errors import S3Error
from weka_mp.s3.payload import MAX_SINGLE_UPLOAD, BodyReader, PayloadDigest
from weka_mp.s3.request import Headers, S3Request

DATA = b"hello world"
MD5 = base64.b64encode(hashlib.md5(DATA).digest()).decode()
CRC32 = base64.b64encode(zlib.crc32(DATA).to_bytes(4, "big")).decode()
SHA256 = base64.b64encode(hashlib.sha256(DATA).digest()).decode()
TRAILER_MODE = PayloadMode.STREAMING_UNSIGNED_TRAILER


def reader(
    headers: dict[str, str] | None = None, length: int | None = len(DATA), *, mode=PayloadMode.PLAIN,
    sha256: str | None = None, kind=AuthKind.HEADER_V4, query: str = "", **options,
) -> BodyReader:
    target = b"/b/k" + (b"?" + query.encode() if query else b"")
    request = S3Request.from_target("PUT", target, Headers(list((headers or {}).items())))
    return BodyReader(request, Authentication(None, kind, mode, sha256), length, **options)


def read(body: BodyReader, wire: bytes = DATA) -> PayloadDigest:
    payload = b"".join(bytes(piece) for piece in body.feed(wire))
    found = body.finish()
    assert found.length == len(payload)
    return found


def refused(headers=None, wire: bytes = DATA, **options) -> S3Error:
    with pytest.raises(S3Error) as caught:
        read(reader(headers, **options), wire)
    return caught.value


def trailing(value: str, data: bytes = DATA, name: str = "x-amz-checksum-crc32") -> bytes:
    return f"{len(data):x}\r\n".encode() + data + f"\r\n0\r\n{name}:{value}\r\n\r\n".encode()


def test_plain_body():
    body = reader()
    assert body.expected_length == len(DATA)
    assert read(body) == PayloadDigest(len(DATA), hashlib.md5(DATA).digest(), None, {}, None)


def test_md5_is_computed_only_where_wanted():
    assert read(reader(need_md5=False)).md5 is None
    assert read(reader({"content-md5": MD5}, need_md5=False)).md5 == hashlib.md5(DATA).digest()


def test_signed_payload():
    good = hashlib.sha256(DATA).hexdigest()
    assert read(reader(mode=PayloadMode.SIGNED, sha256=good)).sha256.hex() == good
    error = refused(mode=PayloadMode.SIGNED, sha256="0" * 64)
    assert error.code == "XAmzContentSHA256Mismatch"
    assert error.details == {"ClientComputedContentSHA256": "0" * 64, "S3ComputedContentSHA256": good}


@pytest.mark.parametrize("algorithm", Algorithm)
def test_checksum_headers_of_every_algorithm(algorithm):
    computed = read(reader(compute=[algorithm])).checksums[algorithm]
    text = base64.b64encode(computed).decode()
    found = read(reader({algorithm.header: text, "x-amz-sdk-checksum-algorithm": algorithm.value}))
    assert (found.client_algorithm, found.checksums) == (algorithm, {algorithm: computed})
    wrong = base64.b64encode(bytes(len(computed))).decode()
    error = refused({algorithm.header: wrong})
    assert error.code == "BadDigest"
    assert error.message == f"The {algorithm.value} you specified did not match the calculated checksum."


def test_sha256_checksum_and_signature_together():
    body = reader(
        {"x-amz-checksum-sha256": SHA256}, mode=PayloadMode.SIGNED, sha256=hashlib.sha256(DATA).hexdigest(),
        compute=[Algorithm.SHA256, Algorithm.CRC64NVME],
    )
    found = read(body)
    assert found.checksums[Algorithm.SHA256] == found.sha256 == hashlib.sha256(DATA).digest()
    assert set(found.checksums) == {Algorithm.SHA256, Algorithm.CRC64NVME}


def test_content_md5():
    assert read(reader({"content-md5": MD5})).md5
    error = refused({"content-md5": base64.b64encode(bytes(16)).decode()})
    assert (error.code, error.message) == (
        "BadDigest", "The Content-MD5 you specified did not match what we received.",
    )
    for text in ("", "short", "AAAA", "é", hashlib.md5(DATA).hexdigest()):
        assert refused({"content-md5": text}).code == "InvalidDigest"


@pytest.mark.parametrize(("headers", "words"), [
    ({"x-amz-checksum-crc32": "AAAA"}, "Value for x-amz-checksum-crc32 header is invalid."),
    ({"x-amz-checksum-crc32": CRC32, "x-amz-checksum-sha256": SHA256}, "Expecting a single x-amz-checksum-"),
    ({"x-amz-checksum-crc16": "AAA="}, "Checksum algorithm provided is unsupported."),
    ({"x-amz-sdk-checksum-algorithm": "CRC32"}, "no corresponding x-amz-checksum-* or x-amz-trailer"),
    ({"x-amz-sdk-checksum-algorithm": "SHA1", "x-amz-checksum-crc32": CRC32}, "Value for x-amz-sdk-checksum"),
    ({"x-amz-sdk-checksum-algorithm": "CRC16"}, "Checksum algorithm provided is unsupported."),
])
def test_invalid_checksum_headers(headers, words):
    error = refused(headers)
    assert error.code == "InvalidRequest"
    assert words in error.message


def test_headers_about_the_object_are_no_checksums_of_the_body():
    headers = {"x-amz-checksum-type": "COMPOSITE", "x-amz-checksum-algorithm": "CRC32",
               "x-amz-checksum-mode": "ENABLED"}
    assert read(reader(headers)).checksums == {}
    about_object = {"x-amz-checksum-crc32": "AAAAAA==-3"}
    assert read(reader(about_object, checksum_is_of_body=False)).checksums == {}


def test_trailing_checksum():
    headers = {"x-amz-decoded-content-length": "11", "x-amz-trailer": "x-amz-checksum-crc32",
               "x-amz-sdk-checksum-algorithm": "CRC32", "content-encoding": "aws-chunked"}
    assert read(reader(headers, mode=TRAILER_MODE), trailing(CRC32)).client_algorithm is Algorithm.CRC32
    assert refused(headers, trailing("AAAAAA=="), mode=TRAILER_MODE).code == "BadDigest"
    error = refused(headers, trailing("AAAA"), mode=TRAILER_MODE)
    assert error.message == "Value for x-amz-checksum-crc32 trailing header is invalid."
    other = trailing(SHA256, name="x-amz-checksum-sha256")
    assert refused(headers, other, mode=TRAILER_MODE).code == "MalformedTrailerError"
    assert refused(headers, trailing(CRC32)[:-2], mode=TRAILER_MODE).code == "IncompleteBody"


@pytest.mark.parametrize("size", [0, 1, 1 << 20, (1 << 20) + 1, 3_000_000])
def test_body_as_botocore_frames_it(size):
    data = bytes(range(251)) * (size // 251) + b"z" * (size % 251)
    wrapper = AwsChunkedWrapper(io.BytesIO(data), CrtCrc64NvmeChecksum, "x-amz-checksum-crc64nvme")
    headers = {"x-amz-decoded-content-length": str(size), "x-amz-trailer": "x-amz-checksum-crc64nvme",
               "x-amz-sdk-checksum-algorithm": "CRC64NVME"}
    body = reader(headers, mode=TRAILER_MODE)
    wire = wrapper.read()
    pieces = [piece for at in range(0, len(wire), 100_000) for piece in body.feed(wire[at:at + 100_000])]
    assert b"".join(pieces) == data
    assert body.finish().md5 == hashlib.md5(data).digest()


@pytest.mark.parametrize(("headers", "code"), [
    ({}, "MissingContentLength"),
    ({"x-amz-decoded-content-length": "many"}, "MissingContentLength"),
    ({"x-amz-decoded-content-length": "11", "x-amz-trailer": "x-amz-meta-a"}, "InvalidRequest"),
    ({"x-amz-decoded-content-length": "11", "x-amz-trailer": "x-amz-checksum-type"}, "InvalidRequest"),
    ({"x-amz-decoded-content-length": "11", "x-amz-trailer": "x-amz-checksum-crc32,x-amz-checksum-sha1"},
     "InvalidRequest"),
    ({"x-amz-decoded-content-length": "11", "x-amz-trailer": "x-amz-checksum-crc32",
      "x-amz-checksum-sha256": SHA256}, "InvalidRequest"),
])
def test_invalid_heads_of_chunked_bodies(headers, code):
    assert refused(headers, b"", mode=TRAILER_MODE).code == code


def test_trailer_means_nothing_without_a_trailer_mode():
    assert read(reader({"x-amz-trailer": "x-amz-checksum-crc32"}, mode=PayloadMode.UNSIGNED)).checksums == {}


def test_lengths():
    assert refused(length=None).status == 411
    too_large = refused(length=MAX_SINGLE_UPLOAD + 1)
    assert too_large.code == "EntityTooLarge"
    assert too_large.details["ProposedSize"] == str(MAX_SINGLE_UPLOAD + 1)
    assert reader(length=MAX_SINGLE_UPLOAD).expected_length == MAX_SINGLE_UPLOAD
    assert refused(length=12).code == "IncompleteBody"
    assert refused(length=10).code == "IncompleteBody"


def test_presigned_upload_with_a_checksum_in_the_query():
    body = reader(kind=AuthKind.QUERY_V4, query=f"x-amz-checksum-crc32={CRC32.replace('+', '%2B')}")
    assert read(body).client_algorithm is Algorithm.CRC32
    with pytest.raises(S3Error) as caught:
        read(reader(kind=AuthKind.QUERY_V4, query="x-amz-checksum-crc32=AAAAAQ%3D%3D"))
    assert caught.value.code == "BadDigest"


@given(st.binary(max_size=300), st.lists(st.integers(0, 300), max_size=5))
def test_any_split_gives_the_same_digests(data, cuts):
    body = reader(length=len(data), compute=list(Algorithm))
    edges = [0, *sorted(min(cut, len(data)) for cut in cuts), len(data)]
    pieces = [data[start:end] for start, end in pairwise(edges)]
    assert b"".join(bytes(part) for piece in pieces for part in body.feed(piece)) == data
    found = body.finish()
    assert found == read(reader(length=len(data), compute=list(Algorithm)), data)
    assert found.md5 == hashlib.md5(data).digest()
