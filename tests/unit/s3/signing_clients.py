"""Requests signed by botocore's own signers, as the server sees them on the wire."""

from __future__ import annotations

import datetime
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from unittest import mock
from urllib.parse import quote, urlsplit

import botocore.auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from weka_mp.s3.credentials import SecretKey
from weka_mp.s3.request import Headers, S3Request

ACCESS_KEY = "AKIDEXAMPLE"
SECRET = "wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
REGION = "eu-test-1"
NOW = 1_700_000_000.0  # 2023-11-14T22:13:20Z
HOST = "127.0.0.1:9000"

KEYS = [
    "plain", "with space", "plus+plus", "per%cent", "per%25cent", "tilde~", "star*", "ünïcödé/ключ/鍵",
    "//double//",
    "./dot", "../up", "a/../b", "trailing/", "q?mark", "hash#tag", "amp&eq=", "semi;colon:",
    "quote'\"", "(paren)!",
    "@at,comma$", "[brackets]{}", "back\\slash", "\x01control\x7f",
    "emoji-\U0001f600", "<xml>&amp;", "e\u0301",
]


def lookup(access_key: str) -> SecretKey | None:
    return SecretKey(access_key, SECRET) if access_key == ACCESS_KEY else None


def credentials(token: str | None = None) -> Credentials:
    return Credentials(ACCESS_KEY, SECRET, token)


@contextmanager
def botocore_clock(now: float = NOW) -> Iterator[None]:
    """botocore's clocks stopped at now."""
    moment = datetime.datetime.fromtimestamp(now, datetime.UTC)
    with (
        mock.patch.object(botocore.auth, "get_current_datetime", lambda *a, **k: moment),
        mock.patch.object(botocore.auth.time, "time", lambda: now),
        mock.patch.object(botocore.auth, "formatdate", lambda usegmt=True: moment.strftime(
            "%a, %d %b %Y %H:%M:%S GMT")),
    ):
        yield


def object_url(key: str, bucket: str = "bucket", query: str = "") -> str:
    return f"http://{HOST}/{bucket}/{quote(key, safe='/~')}" + (f"?{query}" if query else "")


def aws_request(
    method: str, url: str, headers: Mapping[str, str] | None = None, data: bytes = b""
) -> AWSRequest:
    return AWSRequest(method=method, url=url, headers=dict(headers or {}), data=data)


def received(request: AWSRequest, extra: Mapping[str, str] | None = None) -> S3Request:
    """What arrives at the server when the signed request is sent."""
    parts = urlsplit(request.url)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    fields = [("host", parts.netloc)]
    for name, value in request.headers.items():
        if name.lower() != "host":
            fields.append((name, value if isinstance(value, str) else value.decode("latin-1")))
    fields += list((extra or {}).items())
    return S3Request.from_target(request.method, target.encode("latin-1"), Headers(fields))
