"""Requests of the query protocol as bytes: for what no SDK would send."""

from __future__ import annotations

import hashlib
from typing import Any
from urllib.parse import urlencode

from botocore.auth import SigV4Auth, SigV4QueryAuth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials

from tests.server.endpoint import ACCESS_KEY, SECRET_KEY

FORM = "application/x-www-form-urlencoded"
HOST = "s3.example"
STS_VERSION, IAM_VERSION = "2011-06-15", "2010-05-08"
WHO = {"Action": "GetCallerIdentity", "Version": STS_VERSION}
USERS = {"Action": "ListUsers", "Version": IAM_VERSION}


def form(parameters: Any) -> bytes:
    return urlencode(parameters).encode()


def request(
    body: bytes = b"", *, method: str = "POST", target: str = "/", service: str = "sts",
    region: str = "us-east-1", keys: tuple[str, str] = (ACCESS_KEY, SECRET_KEY), token: str | None = None,
    headers: dict[str, str] | None = None, unsigned: dict[str, str] | None = None,
    send_body: bytes | None = None, host: str = HOST,
) -> bytes:
    """Signed in the header. unsigned: fields added afterwards; send_body: other bytes than those signed."""
    fields = {"Host": host, **({"Content-Type": FORM} if method == "POST" else {}), **(headers or {})}
    made = AWSRequest(method, f"http://{host}{target}", headers=fields, data=body)
    SigV4Auth(Credentials(*keys, token), service, region).add_auth(made)
    return wire(method, target, {**dict(made.headers.items()), **(unsigned or {})},
                body if send_body is None else send_body)


def presigned(
    parameters: Any, *, method: str = "GET", service: str = "sts", expires: int = 3600,
    keys: tuple[str, str] = (ACCESS_KEY, SECRET_KEY),
) -> str:
    """The target of a request that is signed in its query."""
    url = f"http://{HOST}/?{urlencode(parameters)}"
    made = AWSRequest(method, url, headers={"Host": HOST})
    SigV4QueryAuth(Credentials(*keys), service, "us-east-1", expires=expires).add_auth(made)
    return str(made.url).removeprefix(f"http://{HOST}")


def wire(method: str, target: str, headers: dict[str, str], body: bytes = b"") -> bytes:
    length = {} if "Transfer-Encoding" in headers else {"Content-Length": str(len(body))}
    lines = [f"{method} {target} HTTP/1.1", *(f"{k}: {v}" for k, v in {**headers, **length}.items())]
    return "\r\n".join([*lines, "", ""]).encode("latin-1") + body


def digest(body: bytes) -> str:
    return hashlib.sha256(body).hexdigest()
