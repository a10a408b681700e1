"""What does it cost to find out who sent a request? Prints microseconds a call for each signature scheme.

Usage: python bench/signing.py [SECONDS_PER_CASE]
"""

from __future__ import annotations

import platform
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from botocore.auth import HmacV1QueryAuth, S3SigV4Auth, S3SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

import weka_mp
from weka_mp.s3.authentication import authenticate
from weka_mp.s3.aws_chunked import ChunkedDecoder
from weka_mp.s3.credentials import PayloadMode, SecretKey
from weka_mp.s3.payload import BodyReader
from weka_mp.s3.request import Headers, S3Request

REGION = "us-east-1"
SECRET = SecretKey("id", "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY")
CREDENTIALS = Credentials("AKIDEXAMPLE", SECRET.secret)
KEY_URL = "http://127.0.0.1:9000/bucket/photos/2024/05/some%20image-0001.jpg"
LIST_URL = "http://127.0.0.1:9000/bucket?list-type=2&prefix=photos%2F2024%2F&delimiter=%2F&max-keys=1000"
USUAL_HEADERS = {
    "User-Agent": "Boto3/1.44 md/Botocore ua/2.1 os/linux lang/python#3.11 cfg/retry-mode#standard",
    "Accept-Encoding": "identity",
    "amz-sdk-invocation-id": "01234567-89ab-cdef-0123-456789abcdef",
    "amz-sdk-request": "attempt=1",
}


def received(request: AWSRequest) -> S3Request:
    """The signed request as the server sees it."""
    host, _, target = request.url.removeprefix("http://").partition("/")
    fields = [("host", host), *((name, str(value)) for name, value in request.headers.items())]
    return S3Request.from_target(request.method, b"/" + target.encode(), Headers(fields))


def signed(signer: S3SigV4Auth | HmacV1QueryAuth, url: str) -> S3Request:
    """A GET of url signed now."""
    request = AWSRequest(method="GET", url=url, headers=dict(USUAL_HEADERS))
    signer.add_auth(request)
    return received(request)


def microseconds(call: Callable[[], object], seconds: float) -> float:
    """The best of five rounds, so that a busy machine disturbs least."""
    call()
    start = time.perf_counter()
    call()
    count = max(1, int(seconds / 5 / max(time.perf_counter() - start, 1e-7)))
    best = float("inf")
    for _ in range(5):
        start = time.perf_counter()
        for _ in range(count):
            call()
        best = min(best, (time.perf_counter() - start) / count)
    return best * 1e6


def heads() -> Iterator[tuple[str, S3Request]]:
    """The request heads that are measured."""
    yield "header v4, GET object", signed(S3SigV4Auth(CREDENTIALS, "s3", REGION), KEY_URL)
    yield "header v4, ListObjectsV2", signed(S3SigV4Auth(CREDENTIALS, "s3", REGION), LIST_URL)
    yield "query v4, GET object", signed(S3SigV4QueryAuth(CREDENTIALS, "s3", REGION), KEY_URL)
    yield "query v2, GET object", signed(HmacV1QueryAuth(CREDENTIALS), KEY_URL)
    yield "anonymous, GET object", S3Request.from_target("GET", b"/bucket/key", Headers([("host", "x")]))


@contextmanager
def described() -> Iterator[None]:
    """Machine, versions and commit around the numbers, without which they mean little."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        check=False,
        cwd=Path(weka_mp.__file__).parent,
    ).stdout.strip()
    print(f"weka_mp {weka_mp.__version__} {commit}, Python {platform.python_version()}, {platform.machine()}")
    yield


def chunked_body(size: int) -> bytes:
    """size bytes as aws-chunked in chunks of 64 KiB with a CRC32 trailer of the right form."""
    chunk = b"10000\r\n" + bytes(65536) + b"\r\n"
    return chunk * (size // 65536) + b"0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n"


def main() -> None:
    """Measure and print."""
    seconds = float(sys.argv[1]) if len(sys.argv) > 1 else 1.0
    with described():
        for name, request in heads():

            def check(request: S3Request = request) -> object:
                return authenticate(request, now=time.time(), lookup=lambda key: SECRET, region=REGION)

            print(f"{name:28} {microseconds(check, seconds):8.1f} µs")
        size = 16 * 2**20
        wire = chunked_body(size)

        def decode() -> None:
            decoder = ChunkedDecoder(
                PayloadMode.STREAMING_UNSIGNED_TRAILER,
                size,
                declared_trailers=frozenset({"x-amz-checksum-crc32"}),
            )
            for at in range(0, len(wire), 262144):
                decoder.feed(memoryview(wire)[at : at + 262144])
            decoder.finish()

        print(f"{'aws-chunked framing':28} {size / microseconds(decode, seconds):8.1f} MB/s")
        head = S3Request.from_target("PUT", b"/bucket/key", Headers([("host", "x")]))
        nobody = authenticate(head, now=time.time(), lookup=lambda key: None, region=REGION)

        def body() -> None:
            reader = BodyReader(head, nobody, 4096)
            reader.feed(wire[:4096])
            reader.finish()

        print(f"{'4 KiB body with MD5':28} {microseconds(body, seconds):8.1f} µs")


if __name__ == "__main__":
    main()
