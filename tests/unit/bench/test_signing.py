"""What the client signs is what the server accepts."""

from __future__ import annotations

import hashlib

import pytest

from tests.unit.bench.fixed import FixedClock
from weka_mp.bench.signing import Keys, Signer
from weka_mp.s3.credentials import SecretKey, SigningKeyCache
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers, S3Request
from weka_mp.s3.sigv4 import Regions, authenticate_header

NOW = 1_790_000_000
KEYS = Keys("access", "secret")


def _parsed(request: bytes) -> tuple[S3Request, bytes]:
    head, _, body = request.partition(b"\r\n\r\n")
    line, *lines = head.decode("ascii").split("\r\n")
    method, target, version = line.split(" ")
    assert version == "HTTP/1.1"
    headers = Headers([tuple(each.split(": ", 1)) for each in lines])  # type: ignore[misc]
    return S3Request.from_target(method, target.encode(), headers), body


def _authenticate(request: S3Request, secret: str) -> None:
    authorization = request.headers.get("authorization")
    assert authorization is not None
    authenticate_header(
        request,
        authorization,
        now=NOW,
        lookup={"access": SecretKey("access", secret)}.get,
        regions=Regions("us-east-1", None),
        keys=SigningKeyCache(),
        secure=False,
    )


@pytest.mark.parametrize(
    ("method", "path", "query", "body"),
    [
        ("GET", "/bucket/a b+c/ü", None, b""),
        ("PUT", "/bucket/key", None, b"body"),
        ("GET", "/bucket", {"list-type": "2", "continuation-token": "a/b+c=&d", "max-keys": "7"}, b""),
    ],
)
def test_the_server_accepts_the_signature(
    method: str, path: str, query: dict[str, str] | None, body: bytes
) -> None:
    signer = Signer("127.0.0.1:9000", KEYS, "us-east-1", FixedClock(NOW))
    request, sent = _parsed(signer.request(method, path, query, body))
    assert sent == body
    assert request.headers.get("x-amz-content-sha256") == hashlib.sha256(body).hexdigest()
    _authenticate(request, "secret")
    with pytest.raises(S3Error):
        _authenticate(request, "another")


def test_the_secret_is_not_shown() -> None:
    assert "secret" not in repr(KEYS)
