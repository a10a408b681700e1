"""Signature Version 4 in the Authorization header, against botocore's S3SigV4Auth."""

from __future__ import annotations

import hashlib
from urllib.parse import quote

import pytest
import signing_clients as clients
from botocore.auth import S3SigV4Auth
from hypothesis import given
from hypothesis import strategies as st

from weka_mp.s3.authentication import authenticate
from weka_mp.s3.credentials import Authentication, AuthKind, PayloadMode, SecretKey, SigningKeyCache
from weka_mp.s3.errors import S3Error
from weka_mp.s3.request import Headers, S3Request

NOW = clients.NOW


def signed(method="GET", url=None, headers=None, data=b"", *, token=None, extra=None) -> S3Request:
    request = clients.aws_request(method, url or clients.object_url("key"), headers, data)
    with clients.botocore_clock():
        S3SigV4Auth(clients.credentials(token), "s3", clients.REGION).add_auth(request)
    return clients.received(request, extra)


def check(request: S3Request, **changes) -> Authentication:
    arguments = {"now": NOW, "lookup": clients.lookup, "region": clients.REGION, "regions": frozenset()}
    return authenticate(request, **(arguments | changes))


def refused(request: S3Request, **changes) -> S3Error:
    with pytest.raises(S3Error) as caught:
        check(request, **changes)
    return caught.value


def replaced(request: S3Request, **headers: str | None) -> S3Request:
    """The request with headers (underscores for dashes) replaced, or dropped when None."""
    changes = {name.replace("_", "-"): value for name, value in headers.items()}
    fields = [(name, value) for name, value in request.headers.items() if name not in changes]
    fields += [(name, value) for name, value in changes.items() if value is not None]
    return S3Request(request.method, request.raw_path, request.raw_query, request.query, Headers(fields))


@pytest.mark.parametrize("key", clients.KEYS)
def test_botocore_signature_of_any_key_is_accepted(key):
    found = check(signed(url=clients.object_url(key)))
    assert found.kind is AuthKind.HEADER_V4
    assert found.access_key == clients.ACCESS_KEY
    assert found.payload_mode is PayloadMode.SIGNED
    assert found.payload_sha256 == hashlib.sha256(b"").hexdigest()
    assert "host" in found.signed_headers


@pytest.mark.parametrize("key", clients.KEYS)
def test_other_key_is_refused(key):
    request = signed(url=clients.object_url(key))
    other = S3Request.from_target("GET", request.raw_path + b"x", request.headers)
    assert refused(other).code == "SignatureDoesNotMatch"


@given(st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40))
def test_any_unicode_key_signs_right(key):
    assert check(signed(url=clients.object_url(key))).kind is AuthKind.HEADER_V4


@given(
    st.lists(
        st.tuples(
            st.sampled_from(["prefix", "marker", "delimiter", "list-type", "acl", "x-id", "A", "a-b"]),
            st.text(st.characters(exclude_categories=["Cs"]), max_size=12),
        ),
        max_size=5,
        unique_by=lambda pair: pair[0],
    )
)
def test_any_query_signs_right(pairs):
    query = "&".join(f"{name}={quote(value, safe='-_.~')}" for name, value in pairs)
    assert check(signed(url=clients.object_url("k", query=query))).kind is AuthKind.HEADER_V4


@pytest.mark.parametrize(("sent", "signed_as"), [
    (b"/bucket/a%7Eb", "a~b"), (b"/bucket/a~b", "a~b"), (b"/bucket/a%2bb", "a+b"), (b"/bucket/a+b", "a+b"),
    (b"/bucket/(x)!*'", "(x)!*'"), (b"/bucket/%61bc", "abc"), (b"/bucket/a%2Fb", "a/b"),
    (b"/bucket/a=b:c", "a=b:c"),
])
def test_wire_spelling_of_a_path_does_not_matter(sent, signed_as):
    request = signed(url=clients.object_url(signed_as))
    assert check(S3Request.from_target("GET", sent, request.headers)).access_key == clients.ACCESS_KEY


def test_headers_are_folded_and_joined():
    request = signed(headers={"x-amz-meta-a": "  two   blanks\t and tab  ", "Range": "bytes=0-1"})
    assert "range" in check(request).signed_headers
    twice = replaced(signed(headers={"x-amz-meta-b": "1,2"}), x_amz_meta_b=None)
    fields = (*twice.headers.items(), ("x-amz-meta-b", "1"), ("X-Amz-Meta-B", " 2 "))
    again = S3Request(twice.method, twice.raw_path, b"", (), Headers(fields))
    assert check(again).access_key == clients.ACCESS_KEY


def test_unsigned_ordinary_headers_may_be_added_on_the_way():
    request = signed(extra={"user-agent": "x", "content-type": "text/plain", "accept-encoding": "identity"})
    assert "content-type" not in check(request).signed_headers


def test_signed_expect_survives_a_proxy_that_took_it():
    # botocore never signs Expect, so sign a request with it in the canonical form by hand.
    request = clients.aws_request("PUT", clients.object_url("k"), {"x-amz-meta-q": "1"})
    with clients.botocore_clock():
        signer = S3SigV4Auth(clients.credentials(), "s3", clients.REGION)
        original = signer.headers_to_sign

        def with_expect(sent):
            chosen = original(sent)
            chosen["expect"] = "100-continue"
            return chosen

        signer.headers_to_sign = with_expect
        signer.add_auth(request)
    assert "expect" in check(clients.received(request)).signed_headers


@pytest.mark.parametrize(("wire_host", "signed_host"), [
    ("s3.local:80", "s3.local"), ("s3.local", "s3.local:80"), ("s3.local:9000", "s3.local:9000"),
])
def test_default_port_in_host_is_optional(wire_host, signed_host):
    request = signed(headers={"host": signed_host})
    assert check(replaced(request, host=wire_host)).access_key == clients.ACCESS_KEY


@pytest.mark.parametrize("target", ["/b/a+b", "/b/(x)!*", "/b?acl", "/b?z=1&a=2", "/b?prefix=a/b&marker="])
def test_target_signed_as_sent(target):
    request = clients.aws_request("GET", f"http://{clients.HOST}{target}")
    with clients.botocore_clock():
        signer = S3SigV4Auth(clients.credentials(), "s3", clients.REGION)
        signer.canonical_query_string = lambda sent: target.partition("?")[2]
        signer.add_auth(request)
    assert check(clients.received(request)).kind is AuthKind.HEADER_V4
    other = S3Request.from_target("GET", target.encode() + b"x", clients.received(request).headers)
    assert refused(other).code == "SignatureDoesNotMatch"


def test_unsigned_amz_header_is_refused_by_name():
    error = refused(signed(extra={"x-amz-acl": "public-read"}))
    assert (error.code, error.details["HeadersNotSigned"]) == ("AccessDenied", "x-amz-acl")


def test_host_must_be_signed():
    request = signed()
    text = request.headers.get("authorization").replace("SignedHeaders=host;", "SignedHeaders=")
    error = refused(replaced(request, authorization=text))
    assert (error.code, error.details["HeadersNotSigned"]) == ("AccessDenied", "host")


def test_unknown_access_key():
    assert refused(signed(), lookup=lambda key: None).code == "InvalidAccessKeyId"


def test_wrong_secret_shows_what_was_computed():
    error = refused(signed(), lookup=lambda key: SecretKey("other", "other"))
    assert error.code == "SignatureDoesNotMatch"
    assert error.details["AWSAccessKeyId"] == clients.ACCESS_KEY
    assert error.details["StringToSign"].startswith("AWS4-HMAC-SHA256\n20231114T221320Z\n")
    assert error.details["CanonicalRequest"].startswith("GET\n/bucket/key\n\nhost:")
    assert "other" not in repr(SecretKey("id", "other"))


@pytest.mark.parametrize(("seconds", "code"), [
    (900, None), (-900, None), (901, "RequestTimeTooSkewed"), (-901, "RequestTimeTooSkewed"),
])
def test_clock_skew(seconds, code):
    request = signed()
    if code is None:
        assert check(request, now=NOW + seconds).age == seconds
    else:
        error = refused(request, now=NOW + seconds)
        assert (error.code, error.details["MaxAllowedSkewMilliseconds"]) == (code, "900000")


def test_regions():
    request = signed()
    error = refused(request, region="us-east-1")
    assert error.code == "AuthorizationHeaderMalformed"
    assert error.message == (
        "The authorization header is malformed; the region 'eu-test-1' is wrong; expecting 'us-east-1'"
    )
    assert error.details == {"Region": "us-east-1"}
    assert check(request, region="us-east-1", regions=None).kind is AuthKind.HEADER_V4
    assert check(request, region="us-east-1", regions=frozenset({"eu-test-1"})).kind is AuthKind.HEADER_V4


@pytest.mark.parametrize(("old", "new", "code", "words"), [
    ("/s3/", "/sts/", "AuthorizationHeaderMalformed", 'incorrect service "sts"'),
    ("aws4_request", "aws5_request", "AuthorizationHeaderMalformed", 'incorrect terminal "aws5_request"'),
    ("/20231114/", "/20231314/", "AuthorizationHeaderMalformed", 'incorrect date format "20231314"'),
    ("/20231114/", "/20231115/", "AuthorizationHeaderMalformed", 'Invalid credential date "20231115"'),
    ("/20231114/", "/", "AuthorizationHeaderMalformed", "the Credential is mal-formed"),
    ("Credential=", "Cred=", "AuthorizationHeaderMalformed", "missing Credential."),
    ("Signature=", "Signature", "AuthorizationHeaderMalformed", "three components"),
    ("SignedHeaders=", "Signed=", "AuthorizationHeaderMalformed", "missing SignedHeaders."),
    ("AWS4-HMAC-SHA256 ", "AWS4-HMAC-SHA256", "InvalidArgument", "Unsupported Authorization Type"),
    ("AWS4-HMAC-SHA256 ", "Bearer ", "InvalidArgument", "Unsupported Authorization Type"),
    ("AWS4-HMAC-SHA256 ", "AWS ", "InvalidRequest", "Please use AWS4-HMAC-SHA256."),
])
def test_malformed_authorization(old, new, code, words):
    request = signed()
    text = request.headers.get("authorization").replace(old, new)
    error = refused(replaced(request, authorization=text))
    assert error.code == code
    assert words in error.message


def test_authorization_without_a_space():
    error = refused(replaced(signed(), authorization="nonsense"))
    assert error.code == "InvalidArgument"
    assert "one and only one ' '" in error.message


def test_component_order_and_spacing_are_free():
    request = signed()
    head, _, rest = request.headers.get("authorization").partition(" ")
    parts = [part.strip() for part in rest.split(",")]
    assert check(replaced(request, authorization=f"{head} {','.join(reversed(parts))}")).access_key


@pytest.mark.parametrize(("headers", "code", "words"), [
    ({"x_amz_date": None}, "AccessDenied", "requires a valid Date or x-amz-date header"),
    ({"x_amz_date": "yesterday"}, "AccessDenied", "requires a valid Date or x-amz-date header"),
    ({"x_amz_content_sha256": None}, "InvalidRequest", "x-amz-content-sha256"),
    ({"x_amz_content_sha256": "nonsense"}, "InvalidArgument", "or a valid sha256 value"),
    ({"x_amz_content_sha256": "STREAMING-AWS4-ECDSA-P256-SHA256-PAYLOAD"}, "NotImplemented", "not supported"),
    ({"x_amz_content_sha256": "UNSIGNED-PAYLOAD"}, "SignatureDoesNotMatch", "signature we calculated"),
])
def test_required_headers(headers, code, words):
    error = refused(replaced(signed(), **headers))
    assert error.code == code
    assert words in error.message


def test_date_header_stands_in_for_amz_date():
    request = clients.aws_request("GET", clients.object_url("k"), {"Date": "Tue, 14 Nov 2023 22:13:20 GMT"})
    with clients.botocore_clock():
        S3SigV4Auth(clients.credentials(), "s3", clients.REGION).add_auth(request)
    sent = clients.received(request)
    assert sent.headers.get("x-amz-date") is None
    assert check(sent).age == 0


def test_header_and_query_together_are_one_too_many():
    request = signed(url=clients.object_url("k", query="X-Amz-Algorithm=AWS4-HMAC-SHA256"))
    error = refused(request)
    assert error.code == "InvalidArgument"
    assert error.message.startswith("Only one auth mechanism allowed")


def test_session_tokens():
    request = signed(token="tok/en+=")
    temporary = SecretKey("t", clients.SECRET, "tok/en+=")
    assert check(request, lookup=lambda key: temporary).session_token == "tok/en+="
    assert refused(request, lookup=lambda key: SecretKey("t", clients.SECRET, "other")).code == "InvalidToken"
    assert refused(request).code == "InvalidToken"
    assert refused(signed(), lookup=lambda key: temporary).code == "InvalidAccessKeyId"


@pytest.mark.parametrize("mode", [
    "STREAMING-AWS4-HMAC-SHA256-PAYLOAD", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD-TRAILER",
])
def test_signed_chunks_get_their_seed(mode):
    request = clients.aws_request("PUT", clients.object_url("k"))
    with clients.botocore_clock():
        signer = S3SigV4Auth(clients.credentials(), "s3", clients.REGION)
        signer.payload = lambda sent: mode
        signer.add_auth(request)
    found = check(clients.received(request))
    assert found.chunk_signing.seed_signature in request.headers["Authorization"]
    assert found.chunk_signing.scope == f"20231114/{clients.REGION}/s3/aws4_request"
    assert len(found.chunk_signing.signing_key) == 32


def test_nobody_signed():
    found = check(S3Request.from_target("GET", b"/bucket/key", Headers([("host", "x")])))
    assert (found.kind, found.access_key, found.payload_mode) == (AuthKind.ANONYMOUS, None, PayloadMode.PLAIN)


def test_anonymous_requests_cannot_sign_chunks():
    headers = Headers([("x-amz-content-sha256", "STREAMING-AWS4-HMAC-SHA256-PAYLOAD")])
    error = refused(S3Request.from_target("PUT", b"/bucket/key", headers))
    assert error.code == "InvalidRequest"


def test_key_cache_is_bounded_and_knows_secrets_apart():
    cache = SigningKeyCache(capacity=2)
    first = cache.get(SecretKey("a", "secret"), "20231114", "r", "s3")
    assert cache.get(SecretKey("a", "secret"), "20231114", "r", "s3") is first
    assert cache.get(SecretKey("b", "terces"), "20231114", "r", "s3") != first
    assert cache.get(SecretKey("a", "rotated"), "20231114", "r", "s3") != first
    cache.get(SecretKey("c", "x"), "20231114", "r", "s3")
    assert len(cache) == 2


@given(st.binary(max_size=80), st.binary(max_size=80))
def test_garbage_raises_only_s3_errors(authorization, query):
    headers = Headers([("host", b"x"), ("authorization", authorization), ("x-amz-date", query)])
    try:
        request = S3Request.from_target("GET", b"/b/k?" + query.replace(b"#", b""), headers)
        found = check(request, allow_header_sigv2=True)
    except S3Error:
        return
    assert found.kind is AuthKind.ANONYMOUS
