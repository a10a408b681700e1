"""Signature Version 2 in the Authorization header, against botocore's HmacV1Auth."""

from __future__ import annotations

import pytest
import signing_clients as clients
from botocore.auth import HmacV1Auth

from weka_mp.s3.authentication import authenticate
from weka_mp.s3.credentials import Authentication, AuthKind, PayloadMode, SecretKey
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers, S3Request

NOW = clients.NOW


def signed(method="GET", url=None, headers=None, *, token=None, auth_path=None, extra=None) -> S3Request:
    request = clients.aws_request(method, url or clients.object_url("key"), headers)
    request.auth_path = auth_path
    with clients.botocore_clock():
        HmacV1Auth(clients.credentials(token)).add_auth(request)
    return clients.received(request, extra)


def check(request: S3Request, **changes) -> Authentication:
    arguments = {"now": NOW, "lookup": clients.lookup, "region": "r", "allow_header_sigv2": True}
    return authenticate(request, **(arguments | changes))


def refused(request: S3Request, **changes) -> S3Error:
    with pytest.raises(S3Error) as caught:
        check(request, **changes)
    return caught.value


@pytest.mark.parametrize("key", clients.KEYS)
def test_any_key(key):
    request = signed(url=clients.object_url(key))
    found = check(request)
    assert (found.kind, found.access_key) == (AuthKind.HEADER_V2, clients.ACCESS_KEY)
    assert found.payload_mode is PayloadMode.PLAIN
    other = S3Request.from_target("GET", request.raw_path + b"x", request.headers)
    assert refused(other).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("query", [
    "acl", "uploads", "versionId=abc&acl", "prefix=x&delimiter=%2F", "partNumber=3&uploadId=x%2By",
    "response-content-type=text%2Fx%20y&versionId=null", "object-lock", "delete", "select&select-type=2",
])
def test_subresources(query):
    assert check(signed(url=clients.object_url("k", query=query))).kind is AuthKind.HEADER_V2


def test_signed_headers_and_token():
    headers = {"content-type": "text/plain", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==", "x-amz-meta-b": "2",
               "x-amz-acl": "private"}
    temporary = SecretKey("t", clients.SECRET, "token")
    request = signed("PUT", headers=headers, token="token")
    assert check(request, lookup=lambda key: temporary).session_token == "token"
    changed = S3Request("PUT", request.raw_path, b"", (), Headers(
        [(name, "public-read" if name == "x-amz-acl" else value) for name, value in request.headers.items()]))
    assert refused(changed, lookup=lambda key: temporary).code == "SignatureDoesNotMatch"


def test_virtual_hosted_bucket():
    request = signed(url="http://bucket.s3.local/k", auth_path="/bucket/k")
    assert check(request, virtual_bucket="bucket").access_key == clients.ACCESS_KEY
    assert refused(request).code == "SignatureDoesNotMatch"


def test_off_by_default_in_the_header():
    error = refused(signed(), allow_header_sigv2=False)
    assert (error.code, error.status) == ("InvalidRequest", 400)
    assert "Please use AWS4-HMAC-SHA256." in error.message


@pytest.mark.parametrize(("name", "value", "code"), [
    ("date", None, "AccessDenied"),
    ("date", "whenever", "AccessDenied"),
    pytest.param("date", "Tue, 07 Jul 1950 21:53:04 GMT", "AccessDenied", id="regression before the epoch"),
    ("date", "Tue, 14 Nov 2023 22:30:20 GMT", "RequestTimeTooSkewed"),
    ("authorization", "AWS nonsense", "InvalidArgument"),
    ("authorization", "AWS nobody:AAAA", "InvalidAccessKeyId"),
    ("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "SignatureDoesNotMatch"),
])
def test_refusals(name, value, code):
    request = signed()
    fields = [(known, text) for known, text in request.headers.items() if known != name]
    fields += [(name, value)] if value is not None else []
    assert refused(S3Request("GET", request.raw_path, b"", (), Headers(fields))).code == code


def test_date_in_another_zone():
    request = clients.aws_request("GET", clients.object_url("k"))
    with clients.botocore_clock():
        signer = HmacV1Auth(clients.credentials())
        signer._get_date = lambda: "Wed, 15 Nov 2023 00:13:20 +0200"
        signer.add_auth(request)
    assert check(clients.received(request)).age == 0


def test_signed_chunks_need_version_4():
    request = signed("PUT", headers={"x-amz-content-sha256": "STREAMING-AWS4-HMAC-SHA256-PAYLOAD"})
    assert refused(request).code == "InvalidRequest"
