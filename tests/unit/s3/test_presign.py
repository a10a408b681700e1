"""Pre-signed queries, version 4 and 2, against botocore's query signers."""

from __future__ import annotations

import pytest
import signing_clients as clients
from botocore.auth import HmacV1QueryAuth, S3SigV4QueryAuth

from weka_mp.s3.authentication import authenticate
from weka_mp.s3.credentials import Authentication, AuthKind, PayloadMode, SecretKey
from weka_mp.s3.errors import S3Error
from weka_mp.s3.presign import effective_headers
from weka_mp.s3.request import Headers, S3Request

NOW = clients.NOW


def presigned(
    signer=S3SigV4QueryAuth, method="GET", url=None, headers=None, *, expires=3600, token=None, drop=(),
    extra=None,
) -> S3Request:
    """A pre-signed request as sent; drop: headers that the user of the URL does not send."""
    request = clients.aws_request(method, url or clients.object_url("key"), headers)
    with clients.botocore_clock():
        if signer is HmacV1QueryAuth:
            signer(clients.credentials(token), expires=expires).add_auth(request)
            del request.headers["Date"]
        else:
            signer(clients.credentials(token), "s3", clients.REGION, expires=expires).add_auth(request)
    for name in drop:
        del request.headers[name]
    return clients.received(request, extra)


def check(request: S3Request, **changes) -> Authentication:
    arguments = {"now": NOW, "lookup": clients.lookup, "region": clients.REGION, "regions": frozenset()}
    return authenticate(request, **(arguments | changes))


def refused(request: S3Request, **changes) -> S3Error:
    with pytest.raises(S3Error) as caught:
        check(request, **changes)
    return caught.value


def with_query(request: S3Request, old: str, new: str) -> S3Request:
    raw = request.raw_query.decode().replace(old, new)
    return S3Request.from_target(request.method, request.raw_path + b"?" + raw.encode(), request.headers)


@pytest.mark.parametrize("key", clients.KEYS)
@pytest.mark.parametrize("signer", [S3SigV4QueryAuth, HmacV1QueryAuth])
def test_botocore_presigned_urls_of_any_key(signer, key):
    request = presigned(signer, url=clients.object_url(key))
    found = check(request, now=NOW + 3599)
    kind = AuthKind.QUERY_V4 if signer is S3SigV4QueryAuth else AuthKind.QUERY_V2
    assert (found.kind, found.access_key) == (kind, clients.ACCESS_KEY)
    other = S3Request.from_target("GET", request.raw_path + b"x?" + request.raw_query, request.headers)
    assert refused(other).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("signer", [S3SigV4QueryAuth, HmacV1QueryAuth])
def test_other_parameters_and_method_are_signed(signer):
    query = "partNumber=1&uploadId=a%20b%2Bc%2F&response-content-type=text%2Fplain"
    url = clients.object_url("k", query=query)
    request = presigned(signer, "PUT", url)
    assert check(request).access_key == clients.ACCESS_KEY
    assert refused(with_query(request, "partNumber=1", "partNumber=2")).code == "SignatureDoesNotMatch"
    got = S3Request("DELETE", request.raw_path, request.raw_query, request.query, request.headers)
    assert refused(got).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("signer", [S3SigV4QueryAuth, HmacV1QueryAuth])
def test_expiry(signer):
    request = presigned(signer, expires=60)
    assert check(request, now=NOW + 60).access_key == clients.ACCESS_KEY
    error = refused(request, now=NOW + 61)
    assert (error.code, error.message, error.status) == ("AccessDenied", "Request has expired", 403)
    assert error.details["Expires"] == "2023-11-14T22:14:20Z"


def test_not_yet_valid():
    error = refused(presigned(), now=NOW - 901)
    assert (error.code, error.message) == ("AccessDenied", "Request is not valid yet")


@pytest.mark.parametrize(("old", "new", "words"), [
    ("X-Amz-Expires=3600", "X-Amz-Expires=604801", "less than a week"),
    ("X-Amz-Expires=3600", "X-Amz-Expires=-1", "must be non-negative"),
    ("X-Amz-Expires=3600", "X-Amz-Expires=soon", "should be a number"),
    ("X-Amz-Expires=3600", "X-Amz-Expires=" + "9" * 5000, "should be a number"),
    ("X-Amz-Expires=3600", "", "requires the X-Amz-Algorithm"),
    ("X-Amz-Date=", "X-Date=", "requires the X-Amz-Algorithm"),
    ("X-Amz-Signature=", "X-Signature=", "requires the X-Amz-Algorithm"),
    ("AWS4-HMAC-SHA256", "AWS4-HMAC-SHA1", "X-Amz-Algorithm only supports"),
    ("X-Amz-Date=2023", "X-Amz-Date=x023", "ISO8601 Long Format"),
    ("X-Amz-Date=20231114", "X-Amz-Date=20231113", "This date is not the same as X-Amz-Date"),
    ("%2Fs3%2F", "%2Fsqs%2F", 'incorrect service "sqs"'),
    ("%2Feu-test-1%2F", "%2Feu-test-2%2F", "the region 'eu-test-2' is wrong; expecting 'eu-test-1'"),
    ("aws4_request", "aws4", 'incorrect terminal "aws4"'),
])
def test_malformed_parameters(old, new, words):
    error = refused(with_query(presigned(), old, new))
    assert error.code == "AuthorizationQueryParametersError"
    assert words in error.message


def test_signed_headers_must_come_and_unsigned_amz_must_not():
    request = presigned(method="PUT", headers={"x-amz-acl": "private", "content-type": "text/x"})
    assert check(request).signed_headers == {"host", "x-amz-acl", "content-type"}
    missing = presigned(method="PUT", headers={"content-type": "text/x"}, drop=["content-type"])
    assert refused(missing).code == "SignatureDoesNotMatch"
    added = presigned(method="PUT", extra={"x-amz-meta-a": "1"})
    assert refused(added).details["HeadersNotSigned"] == "x-amz-meta-a"


def test_payload_of_a_presigned_put():
    assert check(presigned(method="PUT")).payload_mode is PayloadMode.UNSIGNED
    harmless = presigned(method="PUT", extra={"x-amz-content-sha256": "UNSIGNED-PAYLOAD"})
    assert check(harmless).payload_mode is PayloadMode.UNSIGNED
    chunked = presigned(method="PUT", extra={"x-amz-content-sha256": "STREAMING-UNSIGNED-PAYLOAD-TRAILER"})
    assert refused(chunked).code == "AccessDenied"


def test_session_token_in_the_query():
    temporary = SecretKey("t", clients.SECRET, "tok/en+=")
    for signer in (S3SigV4QueryAuth, HmacV1QueryAuth):
        request = presigned(signer, token="tok/en+=", drop=["x-amz-security-token"])
        assert check(request, lookup=lambda key: temporary).session_token == "tok/en+="
        assert refused(request).code == "InvalidToken"


def test_headers_moved_to_the_query_count_as_headers():
    url = clients.object_url("k", query="x-amz-acl=private&x-amz-meta-n=%C3%A9&x-id=PutObject")
    request = presigned(method="PUT", url=url)
    headers = effective_headers(request, check(request).kind)
    assert headers.get("x-amz-acl") == "private"
    assert headers.get("x-amz-meta-n").encode("latin-1").decode() == "é"
    assert headers.get("x-amz-signature") is None
    assert effective_headers(request, AuthKind.ANONYMOUS) is request.headers


def test_regression_the_checksum_of_nothing_that_an_sdk_signed_into_a_url_is_no_promise():
    """So the JavaScript SDK v3 signs every upload; one of a body is a promise, as one that is sent is."""
    names = "x-amz-checksum-crc32", "x-amz-sdk-checksum-algorithm"
    for value, kept in (("AAAAAA%3D%3D", None), ("AAAAAQ%3D%3D", "AAAAAQ==")):
        query = f"x-amz-checksum-crc32={value}&x-amz-sdk-checksum-algorithm=CRC32"
        url = clients.object_url("k", query=query)
        request = presigned(method="PUT", url=url)
        headers = effective_headers(request, check(request).kind)
        assert [headers.get(name) for name in names] == [kept, kept and "CRC32"]
    request = presigned(method="PUT", headers={names[0]: "AAAAAA=="})
    assert effective_headers(request, check(request).kind).get(names[0]) == "AAAAAA=="


def test_v2_headers_moved_to_the_query():
    headers = {"content-type": "text/x", "content-md5": "1B2M2Y8AsgTpgAmY7PhCfg==", "x-amz-meta-a": "b c"}
    sent_too = presigned(HmacV1QueryAuth, "PUT", headers=headers, drop=["x-amz-meta-a"])
    assert check(sent_too).kind is AuthKind.QUERY_V2
    only_query = presigned(HmacV1QueryAuth, "PUT", headers=headers, drop=list(headers))
    found = effective_headers(only_query, check(only_query).kind)
    assert found.get("x-amz-meta-a") == "b c"
    assert found.get("content-type") == "text/x"
    other = {"content-type": "a/b"}
    wrong = presigned(HmacV1QueryAuth, "PUT", headers=headers, drop=list(headers), extra=other)
    assert refused(wrong).code == "SignatureDoesNotMatch"


def test_v2_virtual_hosted_bucket():
    request = clients.aws_request("GET", "http://bucket.s3.local/a%20b")
    request.auth_path = "/bucket/a%20b"
    with clients.botocore_clock():
        HmacV1QueryAuth(clients.credentials()).add_auth(request)
    del request.headers["Date"]
    sent = clients.received(request)
    assert check(sent, virtual_bucket="bucket").access_key == clients.ACCESS_KEY
    assert refused(sent).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize(("old", "new", "words"), [
    ("Expires=1700003600", "Expires=tomorrow", "Invalid date (should be seconds since epoch): tomorrow"),
    ("Expires=1700003600", "", "requires the Signature, Expires and AWSAccessKeyId"),
    ("Signature=", "Sig=", "requires the Signature, Expires and AWSAccessKeyId"),
])
def test_v2_malformed_parameters(old, new, words):
    error = refused(with_query(presigned(HmacV1QueryAuth), old, new))
    assert error.code == "AccessDenied"
    assert words in error.message


def test_v2_far_future_and_unknown_key():
    later = with_query(presigned(HmacV1QueryAuth), "1700003600", "9" * 18)
    assert refused(later).code == "SignatureDoesNotMatch"
    assert refused(presigned(HmacV1QueryAuth), lookup=lambda key: None).code == "InvalidAccessKeyId"


def test_both_query_schemes_at_once():
    request = with_query(presigned(), "X-Amz-Date", "AWSAccessKeyId=a&X-Amz-Date")
    assert refused(request).message.startswith("Only one auth mechanism allowed")


def test_missing_host_header_in_the_signature():
    request = with_query(presigned(headers={"x-amz-acl": "a"}), "SignedHeaders=host%3B", "SignedHeaders=")
    assert refused(request).details["HeadersNotSigned"] == "host"


def test_request_without_any_headers():
    request = presigned()
    bare = S3Request(request.method, request.raw_path, request.raw_query, request.query, Headers())
    assert refused(bare).code == "SignatureDoesNotMatch"


def test_regression_a_header_that_is_in_the_url_too_was_signed_once():
    headers = {"x-amz-meta-a": "b", "x-amz-acl": "private"}
    request = presigned(HmacV1QueryAuth, "PUT", headers=headers, drop=headers)
    assert effective_headers(request, AuthKind.QUERY_V2).get("x-amz-meta-a") == "b"
    again = S3Request.from_target(
        "PUT", request.raw_path + b"?" + request.raw_query,
        Headers((*request.headers.items(), ("x-amz-meta-a", "b"))))
    assert check(again).kind is AuthKind.QUERY_V2
    assert effective_headers(again, AuthKind.QUERY_V2).get_all("x-amz-meta-a") == ["b"]
    other = S3Request.from_target(
        "PUT", request.raw_path + b"?" + request.raw_query,
        Headers((*request.headers.items(), ("x-amz-meta-a", "c"))))
    assert refused(other).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("parameter", [
    "x-amz-meta-a%0D%0AX=b", "x-amz-meta-a%20b=c", "x-amz-meta-a=b%0D%0AX:%20y", "x-amz-meta-a=%00",
])
def test_regression_a_parameter_that_no_header_could_be_is_refused(parameter):
    read = S3Request.from_target("PUT", b"/b/k?" + parameter.encode(), Headers([("Host", "h")]))
    with pytest.raises(S3Error) as caught:
        effective_headers(read, AuthKind.QUERY_V4)
    assert caught.value.code == "InvalidArgument"


@pytest.mark.parametrize("added", [
    "%70olicy", "p%6flicy=", "%75ploadId=u", "versionI%64=v", "response-content-typ%65=text/html",
])
def test_regression_an_encoded_name_is_signed_as_it_is_read(added):
    request = presigned(HmacV1QueryAuth, "PUT")
    assert check(request).kind is AuthKind.QUERY_V2
    longer = request.raw_path + b"?" + request.raw_query + b"&" + added.encode()
    assert refused(S3Request.from_target("PUT", longer, request.headers)).code == "SignatureDoesNotMatch"


@pytest.mark.parametrize("added", ["publicAccessBlock", "renameObject", "attributes", "public%41ccessBlock"])
def test_regression_version_2_makes_no_other_operation_of_a_url(added):
    request = presigned(HmacV1QueryAuth, "PUT")
    longer = request.raw_path + b"?" + request.raw_query + b"&" + added.encode()
    assert refused(S3Request.from_target("PUT", longer, request.headers)).code == "AccessDenied"


def test_regression_a_part_does_not_become_an_object():
    url = clients.object_url("k", query="partNumber=1&uploadId=u")
    request = presigned(HmacV1QueryAuth, "PUT", url)
    assert check(request).kind is AuthKind.QUERY_V2
    merged = with_query(request, "partNumber=1&uploadId=u", "partNumber=1%26uploadId%3Du")
    assert refused(merged).code == "AccessDenied"
    harmless = presigned(HmacV1QueryAuth, url=clients.object_url(
        "k", query="response-content-disposition=attachment%3B%20filename%3Da%26b%3Dc"))
    assert check(harmless).kind is AuthKind.QUERY_V2


def test_regression_no_line_of_a_signed_header_is_made_of_a_parameter():
    headers = {"x-amz-acl": "a,b", "x-amz-meta-a": "c"}
    request = presigned(HmacV1QueryAuth, "PUT", headers=headers, drop=headers)
    assert check(request).kind is AuthKind.QUERY_V2
    forged = with_query(request, "x-amz-acl=a%2Cb&x-amz-meta-a=c", "x-amz-acl=b%0Ax-amz-meta-a:c")
    assert forged.raw_query != request.raw_query
    forged = S3Request.from_target(
        "PUT", forged.raw_path + b"?" + forged.raw_query,
        Headers((*forged.headers.items(), ("x-amz-acl", "a"))))
    assert refused(forged).code == "InvalidArgument"
